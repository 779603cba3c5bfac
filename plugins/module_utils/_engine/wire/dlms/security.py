# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Security suite 0: AES-128-GCM with tags of 12 octets, GMAC for HLS, key wrap of RFC 3394.

The nonce is the sender's system title and its invocation counter; whoever calls ``seal`` gives a counter that was never
used before with this key. Answers are taken only with the protection asked for and a rising counter. Keys never show in
``repr`` nor in errors. The suite is carried along, so that 1 and 2 can follow.
"""

from __future__ import annotations

import hmac
import os
import platform
from typing import TYPE_CHECKING

from ...base.errors import DependencyError, DeviceError
from ...catalogue import constants
from .axdr import MalformedError, Reader, length_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AUTHENTICATED, ENCRYPTED = 0x10, 0x20
PROTECTIONS = {"none": 0, "authenticated": AUTHENTICATED, "encrypted": ENCRYPTED, "authenticated_encrypted": AUTHENTICATED | ENCRYPTED}
TAG = 12  # octets of an authentication tag
OVERHEAD = 5 + TAG  # security control, counter and tag
GENERAL = 0xDB
# What protects which APDU: initiate, GET, SET, ACTION; requests and answers.
GLO = {0x01: 0x21, 0x08: 0x28, 0xC0: 0xC8, 0xC1: 0xC9, 0xC3: 0xCB, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF}
PLAIN = {protected: bytes((plain,)) for plain, protected in GLO.items()}


def require_library() -> None:
    """Raise DependencyError where cryptography is not installed; asked before any contact."""
    _aesgcm()


def _aesgcm() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as exc:
        raise DependencyError("cryptography", platform.node() or "this host", "associations with DLMS meters that are protected") from exc
    return AESGCM


def challenge() -> bytes:
    """A fresh HLS challenge from the operating system."""
    return os.urandom(constants.DLMS_CHALLENGE.number)


def wrap_key(kek: bytes, key: bytes) -> bytes:
    """``key`` under the master key, by RFC 3394: eight octets longer than the key."""
    require_library()
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    return aes_key_wrap(kek, key)


class Protection:
    """Both directions of one association. ``sent`` and ``asked`` are the bits of the security control octet."""

    def __init__(self, guek: bytes, gak: bytes, title: bytes, asked: int, *, general: bool = False, suite: int = 0) -> None:
        if suite != 0:
            raise ValueError("only security suite 0 is built")
        self._gcm = _aesgcm()(guek)
        self._gak = gak
        self._title = title
        self._suite = suite
        self.asked = asked
        self.general = general
        self._sc = bytes((asked | suite,))
        self._aad = self._sc + gak
        self._general_head = b"\xdb\x08" + title
        self._meter: bytes | None = None
        self._last = -1

    def __repr__(self) -> str:
        return f"Protection(asked={self.asked:#04x})"

    # -- our side -----------------------------------------------------------------------------------------------------

    def seal(self, apdu: bytes, counter: int, *, general: bool | None = None) -> bytes:
        """``apdu`` protected under ``counter``, in the service's own form or as general-glo-ciphering."""
        number = counter.to_bytes(4, "big")
        body = self._encrypt(apdu, self._title + number)
        general = self.general if general is None else general
        head = self._general_head if general else bytes((GLO[apdu[0]],))
        return b"".join((head, length_of(5 + len(body)), self._sc, number, body))

    def overhead(self, size: int) -> int:
        """By how many octets protection makes an APDU of ``size`` octets longer."""
        inner = 5 + (TAG if self.asked & AUTHENTICATED else 0)
        return inner + (len(self._general_head) if self.general else 1) + len(length_of(inner + size))

    def _encrypt(self, apdu: bytes, nonce: bytes) -> bytes:
        if self.asked & ENCRYPTED == 0:
            return apdu + self._gmac(nonce, self._aad + apdu)
        if self.asked & AUTHENTICATED:
            return self._gcm.encrypt(nonce, apdu, self._aad)[:-4]  # the library's tag has 16 octets
        return self._gcm.encrypt(nonce, apdu, None)[:-16]

    def _gmac(self, nonce: bytes, covered: bytes) -> bytes:
        return self._gcm.encrypt(nonce, b"", covered)[:TAG]

    # -- the meter's side ---------------------------------------------------------------------------------------------

    def pair(self, meter_title: bytes) -> None:
        """Whose answers are taken from now on."""
        self._meter = meter_title

    def unseal(self, apdu: bytes) -> bytes:
        """The APDU inside a protected one. Raises DeviceError for one that is weaker, replayed, forged or malformed."""
        tag, inner = self._uncovered(apdu)
        if len(inner) < 5:
            raise MalformedError("it is too short for its protection")
        control, number = inner[0], inner[1:5]
        if control & 0x8F != self._suite or control & 0x40:
            raise MalformedError("it is protected in a way that was not asked for")
        if control & self.asked != self.asked:
            raise _refused("dlms_unprotected_answer", "an answer is less protected than was asked for")
        plain = self._open(control, number, inner[5:])
        self._rising(int.from_bytes(number, "big"))
        if tag != GENERAL and plain[:1] != PLAIN[tag]:
            raise MalformedError("what is inside is not what its cover says")
        return plain

    def _uncovered(self, apdu: bytes) -> tuple[int, bytes]:
        """The tag, and what starts with the security control octet."""
        if len(apdu) > 1 and apdu[1] == len(apdu) - 2 < 0x80 and apdu[0] in PLAIN:  # nearly all answers
            return apdu[0], apdu[2:]
        reader = Reader(apdu)
        tag = reader.u8()
        if tag == GENERAL:
            self._same_title(reader.counted())
        elif tag not in PLAIN:
            raise _refused("dlms_unprotected_answer", "an answer came unprotected")
        inner = reader.counted()
        reader.end()
        return tag, inner

    def _open(self, control: int, number: bytes, body: bytes) -> bytes:
        """Checked, then deciphered. The library takes no tags of 12 octets: the tag is made again and compared."""
        if self._meter is None:
            raise _refused("dlms_meter_unproven", "the meter does not tell its system title")
        nonce = self._meter + number
        if not control & AUTHENTICATED:
            return self._gcm.encrypt(nonce, body, None)[:-16]  # counter mode is its own inverse
        if len(body) < TAG:
            raise MalformedError("it is too short for its protection")
        body, tag = body[:-TAG], body[-TAG:]
        aad = self._aad if control == self.asked else bytes((control,)) + self._gak
        if control & ENCRYPTED:
            plain = self._gcm.encrypt(nonce, body, None)[:-16]
            made = self._gcm.encrypt(nonce, plain, aad)[-16:-4]
        else:
            plain, made = body, self._gmac(nonce, aad + body)
        if not hmac.compare_digest(made, tag):
            raise _refused("dlms_answer_forged", "an answer does not carry the meter's authentication tag")
        return plain

    def _rising(self, counter: int) -> None:
        if counter <= self._last:
            raise _refused("dlms_replayed_answer", "an answer repeats an earlier invocation counter")
        self._last = counter

    def _same_title(self, title: bytes) -> None:
        if title != self._meter:
            raise _refused("dlms_answer_forged", "an answer carries another system title than the meter's")

    # -- HLS with GMAC ------------------------------------------------------------------------------------------------

    def proof(self, meter_challenge: bytes, counter: int) -> bytes:
        """Our answer to the meter's challenge (pass 3)."""
        number = counter.to_bytes(4, "big")
        return self._proof_head() + number + self._gmac(self._title + number, self._proof_head() + self._gak + meter_challenge)

    def check_proof(self, proof: bytes, our_challenge: bytes) -> bool:
        """Whether the meter's answer to our challenge (pass 4) shows that it knows the keys."""
        if self._meter is None or len(proof) != 5 + TAG or proof[:1] != self._proof_head():
            return False
        made = self._gmac(self._meter + proof[1:5], proof[:1] + self._gak + our_challenge)
        return hmac.compare_digest(made, proof[5:])

    def _proof_head(self) -> bytes:
        return bytes((AUTHENTICATED | self._suite,))


def _refused(reason: str, text: str) -> DeviceError:
    return DeviceError("read", reason, text)
