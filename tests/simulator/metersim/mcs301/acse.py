# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Opening and releasing an association: AARQ, AARE, RLRQ, RLRE and the initiate request inside."""

from __future__ import annotations

from dataclasses import dataclass, field

from metersim.mcs301.axdr import DataError, Reader, length

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
CONTEXT_OID = bytes.fromhex("608574050801")
MECHANISM_OID = bytes.fromhex("608574050802")
PLAIN_CONTEXT, CIPHERED_CONTEXT = 1, 3
NONE, LLS, HLS_GMAC = 0, 1, 5

ACCEPTED, REJECTED, REJECTED_TRANSIENT = 0, 1, 2
NO_REASON, BAD_CONTEXT, BAD_MECHANISM, NEEDS_MECHANISM, FAILED, NEEDS_MORE = 1, 2, 11, 12, 13, 14

# Conformance, bit 0 is the most significant of 24.
BIT = {
    "general_protection": 1, "block_get": 11, "block_set": 12, "block_action": 13, "multiple": 14, "get": 19, "set": 20,
    "selective": 21, "action": 23, "priority": 9,
}  # fmt: skip


def conformance(*names: str) -> int:
    """24 bits as a number."""
    return sum(1 << 23 - BIT[name] for name in names)


def has(bits: int, name: str) -> bool:
    """Whether a service was negotiated."""
    return bool(bits & 1 << 23 - BIT[name])


@dataclass
class Aarq:
    """An association request."""

    context: int = 0
    title: bytes = b""
    mechanism: int = NONE
    has_mechanism: bool = False
    value: bytes = b""
    user_info: bytes = b""
    requirements: bool = False


@dataclass
class Initiate:
    """The initiate request inside."""

    dedicated: bytes = b""
    version: int = 6
    bits: int = 0
    pdu: int = 0


@dataclass
class Answer:
    """An AARE to be sent."""

    result: int
    diagnostic: int
    context: int = PLAIN_CONTEXT
    title: bytes = b""
    mechanism: int | None = None
    value: bytes = b""
    user_info: bytes = field(default=b"")


def _inner(raw: bytes, tag: int) -> bytes:
    reader = Reader(raw)
    if reader.byte() != tag:
        raise DataError("unexpected tag")
    inner = reader.string()
    reader.end()
    return inner


def parse_aarq(raw: bytes) -> Aarq:
    """Read an AARQ. Raises DataError; an unknown context or mechanism is number -1."""
    request = Aarq(context=-1)
    reader = Reader(_inner(raw, AARQ))
    while reader.left():
        tag, body = reader.byte(), reader.string()
        if tag == 0xA1:
            inner = _inner(body, 0x06)
            request.context = inner[6] if inner[:6] == CONTEXT_OID and len(inner) == 7 else -1
        elif tag == 0xA6:
            request.title = _inner(body, 0x04)
        elif tag == 0x8A:
            request.requirements = bool(body[-1:] and body[-1] & 0x80)
        elif tag == 0x8B:
            request.has_mechanism = True
            request.mechanism = body[6] if body[:6] == MECHANISM_OID and len(body) == 7 else -1
        elif tag == 0xAC:
            request.value = _inner(body, 0x80)
        elif tag == 0xBE:
            request.user_info = _inner(body, 0x04)
        # protocol version, called titles, qualifiers, implementation information: not needed
    return request


def parse_initiate(raw: bytes) -> Initiate:
    """Read an initiate request (plain). Raises DataError."""
    reader = Reader(raw)
    if reader.byte() != 0x01:
        raise DataError("not an initiate request")
    dedicated = reader.string() if reader.byte() else b""
    if reader.byte():
        reader.byte()  # response allowed
    if reader.byte():
        reader.byte()  # quality of service
    version = reader.byte()
    if reader.byte() != 0x5F:
        raise DataError("no conformance")
    if reader.raw[reader.at] == 0x1F:
        reader.byte()
    block = reader.string()
    if len(block) != 4:
        raise DataError("bad conformance")
    return Initiate(dedicated, version, int.from_bytes(block[1:], "big"), reader.number(2))


def initiate_response(bits: int, pdu: int) -> bytes:
    """An initiate response."""
    return b"\x08\x00\x06\x5f\x1f\x04\x00" + bits.to_bytes(3, "big") + pdu.to_bytes(2, "big") + b"\x00\x07"


def initiate_error(number: int) -> bytes:
    """A confirmed-service-error to the initiate request."""
    return bytes([0x0E, 0x01, 0x06, number])


def ber(tag: int, body: bytes) -> bytes:
    """Tag, length, octets."""
    return bytes([tag]) + length(len(body)) + body


def build_aare(answer: Answer) -> bytes:
    """Octets of an AARE."""
    body = ber(0xA1, ber(0x06, CONTEXT_OID + bytes([answer.context])))
    body += ber(0xA2, ber(0x02, bytes([answer.result])))
    body += ber(0xA3, ber(0xA1, ber(0x02, bytes([answer.diagnostic]))))
    if answer.title:
        body += ber(0xA4, ber(0x04, answer.title))
    if answer.mechanism is not None:
        body += ber(0x88, b"\x07\x80") + ber(0x89, MECHANISM_OID + bytes([answer.mechanism]))
    if answer.value:
        body += ber(0xAA, ber(0x80, answer.value))
    if answer.user_info:
        body += ber(0xBE, ber(0x04, answer.user_info))
    return ber(AARE, body)


def build_rlre() -> bytes:
    """Release response: normal."""
    return ber(RLRE, ber(0x80, b"\x00"))
