# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One connection's association: what a client may say, and what it is answered."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metersim.mcs301 import acse, apdu, security
from metersim.mcs301.apdu import Refusal
from metersim.mcs301.axdr import DataError, Reader, length
from metersim.mcs301.objects import BROADCAST, CLIENTS, PUBLIC
from metersim.mcs301.policy import AUTHENTICATED, Policy
from metersim.mcs301.security import BOTH, CipherError
from metersim.mcs301.services import Services

if TYPE_CHECKING:
    from metersim.mcs301.meter import Mcs301

CLOSED, PENDING, OPEN = 0, 1, 2
CHALLENGE = 16


class Cut(Exception):
    """The connection ends instead of an answer."""


@dataclass(frozen=True)
class Form:
    """How a request was wrapped; the answer is wrapped alike."""

    general: bool = False
    dedicated: bool = False
    protected: bool = False


class Association:
    """State of one association. ``handle`` takes an APDU and returns the answer."""

    def __init__(self, meter: Mcs301) -> None:
        self.meter = meter
        self.reset()

    def reset(self) -> None:
        """No association."""
        self.state = CLOSED
        self.client = 0
        self.mechanism = acse.NONE
        self.context = acse.PLAIN_CONTEXT
        self.title = b""
        self.stoc = b""
        self.ctos = b""
        self.bits = 0
        self.pdu = 0
        self.dedicated = b""
        self.control = 0  # protection of the present request
        self.form = Form()
        self._dedicated_seen = -1
        self._dedicated_sent = 0
        self._floor = -1
        self.services = Services(self)

    # -- entry -------------------------------------------------------------------

    def handle(self, client: int, raw: bytes) -> bytes | None:
        """One APDU from this client. None: no answer. Raises Cut."""
        try:
            if len(raw) > self.meter.spec.dlms.pdu:
                raise Refusal(apdu.NOT_ALLOWED, apdu.TOO_LONG)
            if client == BROADCAST:
                self._broadcast(raw)
                return None
            return self._dispatch(client, raw)
        except Refusal as exc:
            self.meter.record("refused", what=f"{raw[:1].hex()}", why=exc.raw.hex())
            if client == BROADCAST:
                return None
            return exc.raw
        except (DataError, UnicodeError, IndexError):
            self.meter.record("refused", what=f"{raw[:1].hex()}", why="not decodable")
            return None if client == BROADCAST else Refusal(apdu.UNKNOWN, apdu.NOT_SUPPORTED).raw

    def _dispatch(self, client: int, raw: bytes) -> bytes | None:
        tag = raw[:1]
        if tag == bytes([acse.AARQ]):
            return self._associate(client, raw)
        if tag == bytes([acse.RLRQ]):
            return self._release(raw)
        if self.state == CLOSED or client != self.client:
            raise Refusal(apdu.NOT_ALLOWED, apdu.NOT_POSSIBLE)
        plain = self._open(raw)
        self._check_policy()
        request = apdu.parse(plain)
        if self.state == PENDING and not self._is_reply(request):
            raise Refusal(apdu.NOT_ALLOWED, apdu.NOT_POSSIBLE)
        answer = self.services.answer(request)
        return self._finish(answer if request.confirmed else None)

    def _finish(self, answer: bytes | None) -> bytes | None:
        """Protect the answer, then let changed keys and policies hold."""
        meter = self.meter
        protected = None if answer is None else self._close(self._garble(answer))
        meter.commit()
        if self.services.ended:
            self.drop()
        if meter.cut is not None:
            raise Cut
        return protected

    def drop(self) -> None:
        """The association is over."""
        self.meter.associated(self, False)
        self.reset()

    # -- protection -----------------------------------------------------------------

    def _open(self, raw: bytes) -> bytes:
        """The plain APDU; remembers how it was protected."""
        tag = raw[0]
        self.control, self.form = 0, Form()
        if tag in (apdu.GET, apdu.SET, apdu.ACTION):
            return raw
        reader = Reader(raw)
        reader.byte()
        general = tag in (apdu.GENERAL_GLO, apdu.GENERAL_DED)
        dedicated = tag in apdu.DED or tag == apdu.GENERAL_DED
        if not (general or dedicated or tag in apdu.GLO) or self.context != acse.CIPHERED_CONTEXT:
            raise Refusal(apdu.UNKNOWN, apdu.NOT_SUPPORTED)
        if general and reader.string() not in (self.title, b""):
            raise self._undecipherable()
        body = reader.string()
        reader.end()
        plain = self._decipher(body, dedicated)
        if not general and plain[:1] != bytes([(apdu.DED if dedicated else apdu.GLO)[tag]]):
            raise self._undecipherable()
        self.form = Form(general, dedicated, True)
        return plain

    def _decipher(self, body: bytes, dedicated: bool) -> bytes:
        keys = self.meter.security.keys
        if dedicated and not self.dedicated:
            raise self._undecipherable()
        try:
            self.control, counter, plain = security.unprotect(self.dedicated if dedicated else keys["guek"], keys["gak"], self.title, body)
        except CipherError as exc:
            raise self._undecipherable() from exc
        if self.control & security.BROADCAST:
            raise self._undecipherable()
        if dedicated:
            if counter <= self._dedicated_seen:
                self._stale(counter, self._dedicated_seen)
            self._dedicated_seen = counter
        else:
            self._floor = self.meter.security.seen(self.client)
            if counter <= self._floor:
                self._stale(counter, self._floor)
            self.meter.security.saw(self.client, counter)
        return plain

    def _undecipherable(self) -> Refusal:
        self.meter.record("decipher_failed", client=self.client)
        self.meter.log_fraud(49)
        return Refusal(apdu.NOT_ALLOWED, apdu.DECIPHERING)

    def _stale(self, counter: int, last: int) -> None:
        """A counter that was there before. Raises."""
        self.meter.record("counter_refused", client=self.client, got=counter, last=last)
        self.meter.log_fraud(50)
        fault = self.meter.strike("counter_error")
        if fault and fault["answer"] == "close":
            self.meter.cut = {"down": 0.0}
            raise Cut
        raise Refusal(apdu.NOT_ALLOWED, apdu.COUNTER, None if fault else last + 1)

    def _check_policy(self) -> None:
        if self.client == PUBLIC:
            return
        need = self.meter.security.policy.request
        if self.control & need != need:
            raise Refusal(apdu.NOT_ALLOWED, apdu.NOT_POSSIBLE)

    def _close(self, plain: bytes) -> bytes:
        """Wrap an answer as the request was wrapped."""
        if not self.form.protected:
            return plain
        control = (self.control & BOTH) | self.meter.security.policy.response
        weak = self.meter.weaken() if self.state == OPEN else ""
        if weak == "plain":
            return plain
        if weak == "weaker":
            control = AUTHENTICATED
        return self._wrap(plain, control)

    def _wrap(self, plain: bytes, control: int) -> bytes:
        meter, form = self.meter, self.form
        if form.dedicated:
            self._dedicated_sent += 1
            key, counter = self.dedicated, self._dedicated_sent
        else:
            key, counter = meter.security.keys["guek"], meter.security.next_counter(meter.repeats() if self.state == OPEN else False)
        body = security.protect(control, key, meter.security.keys["gak"], meter.system_title, counter, plain)
        if form.general:
            tag = apdu.GENERAL_DED if form.dedicated else apdu.GENERAL_GLO
            return bytes([tag, 8]) + meter.system_title + length(len(body)) + body
        return bytes([(apdu.DED_OF if form.dedicated else apdu.GLO_OF)[plain[0]]]) + length(len(body)) + body

    def overhead(self) -> int:
        """Octets that the protection of an answer adds at most."""
        if not self.form.protected:
            return 0
        return 6 + 5 + security.TAG + (9 if self.form.general else 0)

    def _garble(self, answer: bytes) -> bytes:
        """F-37: malformed answers."""
        fault = self.meter.faults.get("F-37")
        where = {0xC4: "get", 0xC7: "action", acse.AARE: "aare"}.get(answer[0], "")
        if not fault or fault["where"] != where or (self.state != OPEN and where != "aare") or not self.meter.strike("F-37"):
            return answer
        changed = {
            "truncated": answer[: len(answer) * 2 // 3],
            "length": answer[:-2] + b"\x09\x84\xff\xff\xff\xff",
            "tag": b"\x3f" + answer[1:] if where == "aare" else answer[:4] + b"\x77" + answer[5:],
            "invoke": answer[:2] + bytes([answer[2] ^ 0x05]) + answer[3:],
            "empty": answer[:1],
        }
        return changed[fault["kind"]]

    # -- opening ----------------------------------------------------------------------

    def _associate(self, client: int, raw: bytes) -> bytes:
        if self.state != CLOSED:
            self.drop()
        self.client = client
        request = acse.parse_aarq(raw)
        answer = self._judge(request)
        self.meter.record(
            "aarq",
            client=client,
            mechanism=request.mechanism,
            context=request.context,
            result=answer.result,
            diagnostic=answer.diagnostic,
        )
        if answer.result != acse.ACCEPTED:
            self.reset()
        self.meter.commit()
        if self.meter.cut is not None:
            raise Cut
        return self._garble(acse.build_aare(answer))

    def _refuse(self, request: acse.Aarq, diagnostic: int, result: int = acse.REJECTED, user_info: bytes = b"") -> acse.Answer:
        context = request.context if request.context in (acse.PLAIN_CONTEXT, acse.CIPHERED_CONTEXT) else acse.PLAIN_CONTEXT
        return acse.Answer(result, diagnostic, context, user_info=user_info)

    def _judge(self, request: acse.Aarq) -> acse.Answer:
        """Decide about an AARQ and make the AARE."""
        meter = self.meter
        if self.client not in CLIENTS or self.client == BROADCAST:
            return self._refuse(request, acse.NO_REASON)
        if meter.occupied(self.client):
            return self._refuse(request, acse.NO_REASON, acse.REJECTED_TRANSIENT)
        ciphered = request.context == acse.CIPHERED_CONTEXT
        policy = meter.security.policy if self.client != PUBLIC else Policy(0, 0)
        if request.context not in (acse.PLAIN_CONTEXT, acse.CIPHERED_CONTEXT) or (policy.request and not ciphered):
            return self._refuse(request, acse.BAD_CONTEXT)
        wrong = self._check_mechanism(request)
        if wrong:
            self._failed("mechanism")
            return self._refuse(request, wrong)
        if meter.locked_out(self.client):
            self._failed("locked", count=False)
            return self._refuse(request, acse.FAILED)
        self.title, self.context, self.mechanism = request.title, request.context, request.mechanism
        if (ciphered or request.mechanism == acse.HLS_GMAC) and len(request.title) != 8:
            return self._refuse(request, 3)  # calling AP title not recognized
        try:
            initiate = acse.parse_initiate(self._initiate_of(request, policy))
        except CipherError:
            self._failed("cipher")
            return self._refuse(request, acse.FAILED)
        except DataError:
            return self._refuse(request, acse.NO_REASON, user_info=acse.initiate_error(0))
        return self._negotiate(request, initiate)

    def _initiate_of(self, request: acse.Aarq, policy: Policy) -> bytes:
        """The plain initiate request. Raises CipherError when it is not what it must be."""
        raw = request.user_info
        self.control, self.form = 0, Form()
        if raw[:1] == b"\x01":
            if policy.request:
                raise CipherError("not protected")
            return raw
        if request.context != acse.CIPHERED_CONTEXT or raw[:1] not in (b"\x21", bytes([apdu.GENERAL_GLO])):
            raise DataError("no initiate request")
        try:
            plain = self._open(raw)
        except Refusal as exc:
            if exc.raw[2] == apdu.COUNTER:
                raise
            raise CipherError("does not decipher") from exc
        if self.control & policy.request != policy.request:
            raise CipherError("not protected enough")
        return plain

    def _check_mechanism(self, request: acse.Aarq) -> int:
        """Diagnostic, 0 when the mechanism may be used."""
        if self.client == PUBLIC:
            return acse.BAD_MECHANISM if request.has_mechanism and request.mechanism != acse.NONE else 0
        if not request.has_mechanism or request.mechanism == acse.NONE:
            return acse.NEEDS_MECHANISM
        names = {acse.LLS: "lls", acse.HLS_GMAC: "hls"}
        return 0 if names.get(request.mechanism) in self.meter.spec.dlms.mechanisms else acse.BAD_MECHANISM

    def _negotiate(self, request: acse.Aarq, initiate: acse.Initiate) -> acse.Answer:
        meter = self.meter
        bits = initiate.bits & meter.offered
        if initiate.version != 6:
            return self._refuse(request, acse.NO_REASON, user_info=acse.initiate_error(1))
        if not bits:
            return self._refuse(request, acse.NO_REASON, user_info=acse.initiate_error(2))
        if 0 < initiate.pdu < 12:
            return self._refuse(request, acse.NO_REASON, user_info=acse.initiate_error(3))
        if request.mechanism == acse.LLS and request.value != meter.secrets[self.client]:
            self._failed("password")
            return self._refuse(request, acse.FAILED)
        hls = request.mechanism == acse.HLS_GMAC
        if hls and not 8 <= len(request.value) <= 64:
            self._failed("mechanism")
            return self._refuse(request, acse.FAILED)
        self.bits, self.pdu, self.dedicated = bits, initiate.pdu or 65535, initiate.dedicated
        self.ctos, self.stoc = request.value, b""
        if hls:
            self.stoc = request.value if "same_challenge" in meter.faults else os.urandom(CHALLENGE)
        self.state = PENDING if hls else OPEN
        if not hls:
            meter.associated(self, True)
        plain = acse.initiate_response(bits, meter.spec.dlms.pdu)
        control = (self.control & BOTH) | (meter.security.policy.response if self.form.protected else 0)
        return acse.Answer(
            acse.ACCEPTED,
            acse.NEEDS_MORE if hls else 0,
            self.context,
            meter.system_title if hls or request.context == acse.CIPHERED_CONTEXT else b"",
            request.mechanism if request.has_mechanism else None,
            self.stoc,
            self._wrap(plain, control) if self.form.protected else plain,
        )

    def _failed(self, why: str, count: bool = True) -> None:
        self.meter.auth_failed(self.client, why, count)
        if "close_on_failure" in self.meter.faults:
            self.meter.cut = {"down": 0.0}

    def _is_reply(self, request: apdu.Request) -> bool:
        wanted = apdu.Target(15, bytes((0, 0, 40, 0, 0, 255)), 1)
        return request.service == apdu.ACTION and request.kind == apdu.NORMAL and request.targets == [wanted]

    def reply(self, proof: bytes) -> bytes | None:
        """Pass 3; returns pass 4, None when the proof is wrong."""
        keys, meter = self.meter.security.keys, self.meter
        if self.state != PENDING:
            return None
        try:
            counter = security.check_gmac(keys["guek"], keys["gak"], self.title, proof, self.stoc)
        except CipherError:
            self._failed("gmac")
            self.services.ended = True
            return None
        last = meter.security.seen(self.client)
        low = self._floor if self.form.protected and not self.form.dedicated else last
        strict = meter.spec.dlms.pass3_counter == "strict"
        if counter <= low or (strict and self.form.protected and counter == last):
            self._failed("gmac")
            self.services.ended = True
            return None
        meter.security.saw(self.client, max(counter, last))
        self.state = OPEN
        meter.associated(self, True)
        meter.record("hls_done", client=self.client)
        wrong = "wrong_pass4" in meter.faults
        counter = meter.security.next_counter(False)
        return security.gmac(keys["guek"], keys["gak"], meter.system_title, counter, b"wrong" if wrong else self.ctos)

    # -- releasing, broadcast ------------------------------------------------------------

    def _release(self, raw: bytes) -> bytes:
        if self.state == CLOSED:
            raise Refusal(apdu.NOT_ALLOWED, apdu.NOT_POSSIBLE)
        self.meter.record("release", client=self.client)
        self.drop()
        return acse.build_rlre()

    def _broadcast(self, raw: bytes) -> None:
        """The pre-established client: general-glo with the broadcast key, unconfirmed, never answered."""
        meter, reader = self.meter, Reader(raw)
        if reader.byte() != apdu.GENERAL_GLO:
            raise Refusal(apdu.UNKNOWN, apdu.NOT_SUPPORTED)
        title, body = reader.string(), reader.string()
        try:
            control, counter, plain = security.unprotect(meter.security.keys["gbek"], meter.security.keys["gak"], title, body)
        except CipherError as exc:
            raise self._undecipherable() from exc
        if control & (BOTH | security.BROADCAST) != BOTH | security.BROADCAST or counter <= meter.security.seen(BROADCAST):
            raise self._undecipherable()
        meter.security.saw(BROADCAST, counter)
        request = apdu.parse(plain)
        if request.confirmed or request.service != apdu.ACTION:
            raise Refusal(apdu.NOT_ALLOWED, apdu.NOT_POSSIBLE)
        self.client, self.control, self.bits, self.title = BROADCAST, control & BOTH, meter.offered, title
        self.services.answer(request)
        self.reset()
