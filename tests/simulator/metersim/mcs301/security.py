# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Suite 0: AES-GCM-128, GMAC, AES key wrap; security control octet."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from metersim.mcs301.policy import AUTHENTICATED, ENCRYPTED

BROADCAST, COMPRESSED = 0x40, 0x80
BOTH = AUTHENTICATED | ENCRYPTED
TAG = 12


class CipherError(ValueError):
    """Does not decipher, or is not protected as it says."""


def _tag(key: bytes, nonce: bytes, aad: bytes) -> bytes:
    worker = Cipher(algorithms.AES(key), GCM(nonce)).encryptor()
    worker.authenticate_additional_data(aad)
    worker.finalize()
    return worker.tag[:TAG]


def _stream(key: bytes, nonce: bytes, raw: bytes) -> bytes:
    """Encryption without a tag (control 0x20); works both ways."""
    return Cipher(algorithms.AES(key), GCM(nonce)).encryptor().update(raw)


def protect(control: int, key: bytes, auth_key: bytes, title: bytes, counter: int, raw: bytes) -> bytes:
    """Security header and protected octets: SC, IC, then text and tag as the control octet says."""
    nonce = title + counter.to_bytes(4, "big")
    head = bytes([control]) + nonce[8:]
    if control & BOTH == BOTH:
        worker = Cipher(algorithms.AES(key), GCM(nonce)).encryptor()
        worker.authenticate_additional_data(bytes([control]) + auth_key)
        return head + worker.update(raw) + worker.finalize() + worker.tag[:TAG]
    if control & AUTHENTICATED:
        return head + raw + _tag(key, nonce, bytes([control]) + auth_key + raw)
    if control & ENCRYPTED:
        return head + _stream(key, nonce, raw)
    return head + raw


def unprotect(key: bytes, auth_key: bytes, title: bytes, raw: bytes) -> tuple[int, int, bytes]:
    """(control octet, counter, plain octets). Raises CipherError."""
    if len(raw) < 5:
        raise CipherError("too short")
    control, counter, body = raw[0], int.from_bytes(raw[1:5], "big"), raw[5:]
    if control & 0x0F or control & COMPRESSED:
        raise CipherError("not suite 0")
    nonce = title + raw[1:5]
    if not control & AUTHENTICATED:
        return control, counter, _stream(key, nonce, body) if control & ENCRYPTED else body
    if len(body) < TAG:
        raise CipherError("too short")
    body, tag = body[:-TAG], body[-TAG:]
    try:
        if control & ENCRYPTED:
            worker = Cipher(algorithms.AES(key), GCM(nonce, tag, min_tag_length=TAG)).decryptor()
            worker.authenticate_additional_data(bytes([control]) + auth_key)
            return control, counter, worker.update(body) + worker.finalize()
        if _tag(key, nonce, bytes([control]) + auth_key + body) != tag:
            raise CipherError("tag is wrong")
    except InvalidTag as exc:
        raise CipherError("tag is wrong") from exc
    return control, counter, body


def gmac(key: bytes, auth_key: bytes, title: bytes, counter: int, challenge: bytes) -> bytes:
    """What proves a side in HLS 5: SC, IC, tag (17 octets)."""
    nonce = title + counter.to_bytes(4, "big")
    return b"\x10" + nonce[8:] + _tag(key, nonce, b"\x10" + auth_key + challenge)


def check_gmac(key: bytes, auth_key: bytes, title: bytes, proof: bytes, challenge: bytes) -> int:
    """The proof's counter. Raises CipherError when it is not right."""
    if len(proof) != 17 or proof[0] != 0x10:
        raise CipherError("not a proof")
    counter = int.from_bytes(proof[1:5], "big")
    if gmac(key, auth_key, title, counter, challenge) != proof:
        raise CipherError("proof is wrong")
    return counter


def unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """RFC 3394. Raises CipherError."""
    try:
        return aes_key_unwrap(kek, wrapped)
    except (InvalidUnwrap, ValueError) as exc:
        raise CipherError("does not unwrap") from exc


def wrap(kek: bytes, key: bytes) -> bytes:
    """RFC 3394 (for tests)."""
    return aes_key_wrap(kek, key)
