# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Association control: AARQ, AARE, RLRQ, RLRE in BER, and the InitiateRequest and InitiateResponse they carry."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...catalogue import constants
from .axdr import MalformedError, Reader, length_of

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
NO_SECURITY, LLS, HLS_GMAC = 0, 1, 5
_OID = bytes.fromhex("6085740508")  # 2.16.756.5.8, joint-iso-ccitt country dlms-ua
_CONTEXT, _MECHANISM = 1, 2
PLAIN_CONTEXT, CIPHERED_CONTEXT = 1, 3  # long names

CONFORMANCE = {
    "general-protection": 1,
    "general-block-transfer": 2,
    "priority": 9,
    "get-blocks": 11,
    "set-blocks": 12,
    "action-blocks": 13,
    "multiple-references": 14,
    "get": 19,
    "set": 20,
    "selective-access": 21,
    "event-notification": 22,
    "action": 23,
}
PROPOSED = frozenset({"get-blocks", "set-blocks", "action-blocks", "multiple-references", "get", "set", "selective-access", "action"})

ACCEPTED, REJECTED, REJECTED_TRANSIENT = 0, 1, 2
AUTHENTICATION_FAILURE, AUTHENTICATION_REQUIRED = 13, 14
_USER = {
    1: "no reason given",
    2: "application context not supported",
    3: "our system title is not recognised",
    11: "authentication mechanism not recognised",
    12: "authentication mechanism required",
    13: "authentication failure",
    14: "authentication required",
}
_PROVIDER = {1: "no reason given by its lower layer", 2: "no common version of the association protocol"}


@dataclass(frozen=True)
class Answer:
    """What an AARE says. ``user_information`` is what it carries, still protected."""

    result: int
    diagnostic: int = 0
    provider: bool = False
    context: int | None = None
    mechanism: int | None = None
    title: bytes | None = None
    challenge: bytes | None = field(default=None, repr=False)
    user_information: bytes | None = field(default=None, repr=False)

    def words(self) -> str:
        """The result in words."""
        names = _PROVIDER if self.provider else _USER
        kind = "for the moment" if self.result == REJECTED_TRANSIENT else "permanently"
        return f"rejected {kind}: {names.get(self.diagnostic, f'diagnostic {self.diagnostic}')}"


@dataclass(frozen=True)
class Initiated:
    """What was agreed: the meter's largest APDU in octets, and the services."""

    pdu: int
    conformance: frozenset[str]


# -- requests ---------------------------------------------------------------------------------------------------------


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + length_of(len(content)) + content


def _name(kind: int, number: int) -> bytes:
    return _OID + bytes((kind, number))


def aarq(*, context: int, mechanism: int, title: bytes, secret: bytes | None, user_information: bytes) -> bytes:
    """An association request. ``secret`` is the password of LLS or the challenge of HLS."""
    parts = [_tlv(0xA1, _tlv(0x06, _name(_CONTEXT, context)))]
    if title:
        parts.append(_tlv(0xA6, _tlv(0x04, title)))
    if mechanism != NO_SECURITY:
        parts.append(_tlv(0x8A, b"\x07\x80"))
        parts.append(_tlv(0x8B, _name(_MECHANISM, mechanism)))
        parts.append(_tlv(0xAC, _tlv(0x80, secret or b"")))
    parts.append(_tlv(0xBE, _tlv(0x04, user_information)))
    return _tlv(AARQ, b"".join(parts))


def rlrq(user_information: bytes | None) -> bytes:
    """A release request; in a ciphered association it carries the protected InitiateRequest again."""
    content = _tlv(0x80, b"\x00")
    if user_information is not None:
        content += _tlv(0xBE, _tlv(0x04, user_information))
    return _tlv(RLRQ, content)


def initiate_request(services: frozenset[str], pdu: int) -> bytes:
    """No dedicated key, answers wanted, version 6. ``pdu`` is the largest APDU we take."""
    bits = sum(1 << (23 - CONFORMANCE[name]) for name in services)
    return b"\x01\x00\x00\x00\x06\x5f\x1f\x04\x00" + bits.to_bytes(3, "big") + pdu.to_bytes(2, "big")


# -- answers ----------------------------------------------------------------------------------------------------------


def parse_aare(apdu: bytes) -> Answer:
    """An association answer; fields nobody needs are checked for their form and left out. Raises MalformedError."""
    outer = Reader(apdu)
    if outer.u8() != AARE:
        raise MalformedError("it is not an answer to an association request")
    reader = Reader(outer.counted())
    outer.end()
    fields: dict[int, bytes] = {}
    while reader.left:
        tag = reader.u8()
        if tag in fields:
            raise MalformedError("a field of the association answer comes twice")
        fields[tag] = reader.counted()
    if 0xA2 not in fields or 0xA3 not in fields:
        raise MalformedError("the association answer has no result")
    provider, diagnostic = _diagnostic(fields[0xA3])
    return Answer(
        result=_integer(_inner(fields[0xA2], 0x02)),
        diagnostic=diagnostic,
        provider=provider,
        context=_number(_inner(fields[0xA1], 0x06), _CONTEXT) if 0xA1 in fields else None,
        mechanism=_number(fields[0x89], _MECHANISM) if 0x89 in fields else None,
        title=_title(fields[0xA4]) if 0xA4 in fields else None,
        challenge=_inner(fields[0xAA], 0x80) if 0xAA in fields else None,
        user_information=_inner(fields[0xBE], 0x04) if 0xBE in fields else None,
    )


def _inner(raw: bytes, tag: int) -> bytes:
    reader = Reader(raw)
    if reader.u8() != tag:
        raise MalformedError("a field of the association answer has an unexpected form")
    content = reader.counted()
    reader.end()
    return content


def _integer(raw: bytes) -> int:
    if not 1 <= len(raw) <= 4:
        raise MalformedError("a number of the association answer has no proper length")
    return int.from_bytes(raw, "big", signed=True)


def _diagnostic(raw: bytes) -> tuple[bool, int]:
    reader = Reader(raw)
    tag = reader.u8()
    if tag not in (0xA1, 0xA2):
        raise MalformedError("the association answer has no diagnostic")
    number = _integer(_inner(reader.counted(), 0x02))
    reader.end()
    return tag == 0xA2, number


def _number(oid: bytes, kind: int) -> int:
    if len(oid) != 7 or oid[:6] != _OID + bytes((kind,)):
        raise MalformedError("a name in the association answer is not one of DLMS")
    return oid[6]


def _title(raw: bytes) -> bytes:
    title = _inner(raw, 0x04)
    if len(title) != 8:
        raise MalformedError("the meter's system title has not 8 octets")
    return title


def parse_initiate_response(apdu: bytes) -> Initiated:
    """What the meter agreed to. Raises MalformedError."""
    reader = Reader(apdu)
    if reader.u8() != 0x08:
        raise MalformedError("the association answer holds no initiate response")
    if reader.flag():
        reader.u8()  # quality of service
    if reader.u8() != 6:
        raise MalformedError("the meter speaks another version of DLMS")
    tag, services = reader.uint(2), reader.counted()
    if tag != 0x5F1F or len(services) != 4 or services[0] != 0:
        raise MalformedError("the agreed services are not readable")
    bits = int.from_bytes(services[1:], "big")
    pdu = reader.uint(2)
    reader.uint(2)  # name of the association for short names; 7 with long names
    reader.end()
    if pdu == 0:
        pdu = constants.DLMS_PDU_MAX.number  # no limit
    if pdu < constants.DLMS_PDU_METER_MIN.number:
        raise MalformedError("the meter takes too short messages")
    return Initiated(pdu, frozenset(name for name, bit in CONFORMANCE.items() if bits >> (23 - bit) & 1))


def is_release_answer(apdu: bytes) -> bool:
    return apdu[:1] == bytes((RLRE,))
