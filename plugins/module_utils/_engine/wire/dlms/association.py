# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How an association begins: request, the meter's answer judged, both sides proven; then each message protected.

A failed login is never tried again. Inside a protected association nothing less protected is taken.
"""

from __future__ import annotations

import hmac
from contextlib import suppress

from ...base.errors import DeviceError, InputError
from ...base.target import Dlms
from ...catalogue import constants
from . import acse, apdu, axdr, security
from .apdu import Method, RefusalError
from .axdr import MalformedError
from .counters import Counters
from .transport import Wire

_REPLY_TO_HLS = Method(15, "0-0:40.0.0.255", 1)
_MECHANISMS = {"none": acse.NO_SECURITY, "lls": acse.LLS, "hls_gmac": acse.HLS_GMAC}
_KEY_OCTETS = 16
_NEVER_PROTECTED = frozenset({apdu.EXCEPTION, apdu.SERVICE_ERROR})


class BusyError(DeviceError):
    """The meter says that it has this association open already; it judged no secret yet."""


class Association:
    """One association as ``client``. Raises DeviceError; InputError for what cannot work, before any contact."""

    def __init__(self, client: Dlms, counters: Counters) -> None:
        check(client)
        self._client, self._counters = client, counters
        self._hls = client.authentication == "hls_gmac"
        self.protects = security.PROTECTIONS[client.protection] != 0
        self.needs_key = self.protects or self._hls
        self._protection: security.Protection | None = None
        self.accepted = False  # as far as the meter may know
        self.meter_title: bytes | None = None
        self.agreed = acse.Initiated(constants.DLMS_PDU_METER_MIN.number, frozenset())

    def begin(self, wire: Wire) -> None:
        """Ask for the association over a fresh connection and, with HLS, prove both sides."""
        self._protection = _protection(self._client) if self.needs_key else None
        challenge = security.challenge() if self._hls else None
        request = acse.aarq(
            context=acse.CIPHERED_CONTEXT if self.protects else acse.PLAIN_CONTEXT,
            mechanism=_MECHANISMS[self._client.authentication],
            title=self._client.system_title,
            secret=challenge if self._hls else self._client.keys.lls,
            user_information=self._initiate(),
        )
        try:
            answer = acse.parse_aare(_unrefused(wire.exchange(request)))
            self._judge(answer)
            self.accepted = True
            self._pair(answer)
            self.agreed = self._agreement(answer)
            if challenge is not None:
                self._prove(wire, answer, challenge)
        except RefusalError as exc:
            raise _of_association(exc) from None

    def ask(self, wire: Wire, request: bytes, seconds: float | None = None) -> bytes:
        """The answer to one request, both protected as this association wants it. Raises RefusalError for none."""
        if not self.protects or self._protection is None:
            return _unrefused(wire.exchange(request, seconds))
        answer = wire.exchange(self._protection.seal(request, self._counters.take()), seconds)
        if answer[0] in _NEVER_PROTECTED:
            return _unrefused(answer)
        return _unrefused(self._protection.unseal(answer))

    def size(self, plain: int) -> int:
        """Octets of a request of ``plain`` octets when it is protected."""
        return plain if not self.protects or self._protection is None else plain + self._protection.overhead(plain)

    def release_request(self) -> bytes:
        """The request that ends it, as well protected as the one that began it."""
        return acse.rlrq(self._initiate() if self.protects else None)

    # -- the beginning ------------------------------------------------------------------------------------------------

    def _initiate(self) -> bytes:
        services = acse.PROPOSED | ({"general-protection"} if self._client.general else frozenset())
        plain = acse.initiate_request(services, self._client.max_pdu)
        if not self.protects or self._protection is None:
            return plain
        return self._protection.seal(plain, self._counters.take(), general=False)

    def _judge(self, answer: acse.Answer) -> None:
        """Diagnostics of the AARE (wire-dlms 4.4): 14 is the second step of HLS, not an error."""
        if answer.result == acse.REJECTED_TRANSIENT and not _judged_secret(answer):
            raise BusyError("association", "dlms_association_busy", f"the meter opens no association: {answer.words()}")
        if answer.result != acse.ACCEPTED:
            self._not_accepted(answer)
        if answer.context not in (None, acse.CIPHERED_CONTEXT if self.protects else acse.PLAIN_CONTEXT):
            raise MalformedError("the meter agrees to another kind of association than was asked for")
        required = not answer.provider and answer.diagnostic == acse.AUTHENTICATION_REQUIRED
        if required and not self._hls:
            raise DeviceError("association", "dlms_association_refused", "the meter wants high-level security from this client")
        if self._hls and (not required or answer.mechanism not in (None, acse.HLS_GMAC)):
            raise DeviceError("association", "dlms_meter_unproven", "the meter does not ask for the proof of high-level security")

    def _not_accepted(self, answer: acse.Answer) -> None:
        reason = "dlms_auth_failed" if _judged_secret(answer) else "dlms_association_refused"
        text = f"the meter refuses the association: {answer.words()}"
        with suppress(MalformedError):  # more words, where there are any
            detail = apdu.refusal(answer.user_information or b"\x08")
            text += f" ({detail.text})" if detail else ""
        raise DeviceError("association", reason, text)

    def _pair(self, answer: acse.Answer) -> None:
        pinned = self._client.meter_title
        if pinned is not None and answer.title not in (None, pinned):
            raise DeviceError("association", "dlms_wrong_meter_title", "another meter answers: its system title is not the pinned one")
        self.meter_title = answer.title or pinned
        if self._protection is None:
            return
        if self.meter_title is None:
            raise DeviceError("association", "dlms_meter_unproven", "the meter does not tell its system title")
        if self.meter_title == self._client.system_title:
            raise DeviceError("association", "dlms_meter_unproven", "the meter answers with our own system title")
        self._protection.pair(self.meter_title)

    def _agreement(self, answer: acse.Answer) -> acse.Initiated:
        raw = answer.user_information
        if raw is None:
            raise MalformedError("the association answer has no content")
        raw = _unrefused(raw)
        if self.protects and self._protection is not None:
            raw = _unrefused(self._protection.unseal(raw))
        return acse.parse_initiate_response(raw)

    def _prove(self, wire: Wire, answer: acse.Answer, challenge: bytes) -> None:
        """Passes 3 and 4: both sides show that they know the keys."""
        theirs, protection = answer.challenge, self._protection
        if theirs is None or protection is None:
            raise MalformedError("the association answer has no challenge")
        if not constants.DLMS_CHALLENGE_MIN.number <= len(theirs) <= constants.DLMS_CHALLENGE_MAX.number:
            raise MalformedError("the meter's challenge has no proper length")
        if hmac.compare_digest(theirs, challenge):
            raise DeviceError("association", "dlms_meter_unproven", "the meter sends our own challenge back")
        proof = axdr.octets(protection.proof(theirs, self._counters.take()))
        request = apdu.action(1, _REPLY_TO_HLS, axdr.encode(proof))
        done = apdu.parse_action(self.ask(wire, request), 1)
        if not isinstance(done, apdu.Done):
            raise MalformedError("it asks for more than there is")
        if done.result != 0:
            raise DeviceError("association", "dlms_auth_failed", "the meter refuses our proof of the keys")
        if done.data is None or done.data.tag != axdr.OCTETS or not protection.check_proof(done.data.value, challenge):
            raise DeviceError("association", "dlms_meter_unproven", "the meter's own proof of the keys is wrong")


def _judged_secret(answer: acse.Answer) -> bool:
    """Whether the meter says that the secret is wrong: also where it adds that this is so for the moment, it was one failed login."""
    return not answer.provider and answer.diagnostic == acse.AUTHENTICATION_FAILURE


def _unrefused(answer: bytes) -> bytes:
    """``answer`` where it is one. Raises RefusalError."""
    if answer[:1] and answer[0] in _NEVER_PROTECTED:
        raise apdu.refusal(answer) or MalformedError("it is no refusal")
    return answer


def _of_association(exc: RefusalError) -> RefusalError:
    if exc.service == apdu.DECIPHERING_ERROR:
        exc.reason = "dlms_auth_failed"
    elif exc.reason == "dlms_request_refused":
        exc.reason = "dlms_association_refused"
    return exc


def check(client: Dlms) -> None:
    """What can be judged before any contact. Raises InputError."""
    if client.suite != 0:
        raise InputError("dlms.security_suite", client.suite, "0", "own")
    if client.authentication not in _MECHANISMS:
        raise InputError("dlms.authentication", client.authentication, ", ".join(_MECHANISMS), "own")
    if client.protection not in security.PROTECTIONS:
        raise InputError("dlms.protection", client.protection, ", ".join(security.PROTECTIONS), "own")
    if client.authentication == "lls" and client.keys.lls is None:
        raise InputError("dlms_keys.lls", None, "the password of this client", "own", secret=True)
    hls = client.authentication == "hls_gmac"
    asked = security.PROTECTIONS[client.protection]
    if not hls and not asked:
        return
    if len(client.system_title) != 8:
        raise InputError("dlms.system_title", client.system_title.hex(), "8 octets", "own")
    wanted = {"guek": client.keys.guek}
    if hls or asked & security.AUTHENTICATED:
        wanted["gak"] = client.keys.gak
    for name, key in wanted.items():
        if key is None or len(key) != _KEY_OCTETS:
            raise InputError(f"dlms_keys.{name}", None, f"{_KEY_OCTETS} octets", "own", secret=True)


def _protection(client: Dlms) -> security.Protection:
    asked = security.PROTECTIONS[client.protection]
    keys = client.keys
    return security.Protection(keys.guek or b"", keys.gak or b"", client.system_title, asked, general=client.general, suite=client.suite)
