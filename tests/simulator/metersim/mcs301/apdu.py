# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Requests and answers of GET, SET and ACTION with logical names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from metersim.mcs301.axdr import DataError, Reader, Value, encode, length

GET, SET, ACTION = 0xC0, 0xC1, 0xC3
ANSWER = {GET: 0xC4, SET: 0xC5, ACTION: 0xC7}
# tags of protected requests to the tag of the plain one
GLO = {0xC8: GET, 0xC9: SET, 0xCB: ACTION, 0x21: 0x01}
DED = {0xD0: GET, 0xD1: SET, 0xD3: ACTION}
GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC
GLO_OF = {0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF, 0x08: 0x28}
DED_OF = {0xC4: 0xD4, 0xC5: 0xD5, 0xC7: 0xD7}

NORMAL, NEXT, LIST, FIRST_BLOCK, LIST_FIRST_BLOCK, BLOCK = 1, 2, 3, 4, 5, 6

# data-access-result and action-result
SUCCESS, HARDWARE, TEMPORARY, DENIED, UNDEFINED, INCONSISTENT, TYPE, SCOPE = 0, 1, 2, 3, 4, 9, 12, 13
UNAVAILABLE, ABORTED, NO_LONG, BAD_BLOCK, OTHER = 14, 15, 16, 19, 250

# exception-response
NOT_ALLOWED, UNKNOWN = 1, 2
NOT_POSSIBLE, NOT_SUPPORTED, OTHER_REASON, TOO_LONG, DECIPHERING, COUNTER = 1, 2, 3, 4, 5, 6


class Refusal(Exception):
    """Ends in an exception-response."""

    def __init__(self, state: int, error: int, value: int | None = None) -> None:
        super().__init__(f"exception {state} {error}")
        self.raw = bytes([0xD8, state, error]) + (b"" if value is None else value.to_bytes(4, "big"))


class Target(NamedTuple):
    """An attribute or a method."""

    class_id: int
    obis: bytes
    number: int

    @property
    def name(self) -> str:
        """The logical name as people write it."""
        a, b, c, d, e, f = self.obis
        return f"{a}-{b}:{c}.{d}.{e}.{f}"


class Selection(NamedTuple):
    """Selective access: which selector, with what."""

    selector: int
    how: Value


@dataclass
class Request:
    """One request. ``kind`` is NORMAL, LIST, NEXT, FIRST_BLOCK or BLOCK whatever the service numbers are."""

    service: int
    kind: int
    invoke: int
    targets: list[Target] = field(default_factory=list)
    selections: list[Selection | None] = field(default_factory=list)
    values: list[Value | None] = field(default_factory=list)
    last: bool = True
    number: int = 0
    raw: bytes = b""

    @property
    def confirmed(self) -> bool:
        """Whether an answer is wanted."""
        return bool(self.invoke & 0x40)


def _target(reader: Reader) -> Target:
    return Target(reader.number(2), reader.take(6), reader.number(1) if reader.left() else 0)


def _attribute(reader: Reader, request: Request) -> None:
    target = _target(reader)
    request.targets.append(target._replace(number=target.number - 256 if target.number > 127 else target.number))
    request.selections.append(Selection(reader.byte(), reader.value()) if reader.byte() else None)


def _block(reader: Reader, request: Request) -> None:
    request.last = reader.byte() != 0
    request.number = reader.number(4)
    request.raw = reader.string()


def parse(raw: bytes) -> Request:
    """Read a plain request. Raises DataError."""
    reader = Reader(raw)
    service, choice = reader.byte(), reader.byte()
    request = Request(service, NORMAL, reader.byte())
    if service == GET:
        _parse_get(reader, choice, request)
    elif service == SET:
        _parse_set(reader, choice, request)
    elif service == ACTION:
        _parse_action(reader, choice, request)
    else:
        raise DataError("unknown service")
    reader.end()
    return request


def _count(reader: Reader) -> int:
    count = reader.length()
    if not 0 < count <= 255:
        raise DataError("bad count")
    return count


def _parse_get(reader: Reader, choice: int, request: Request) -> None:
    if choice == 1:
        _attribute(reader, request)
    elif choice == 2:
        request.kind, request.number = NEXT, reader.number(4)
    elif choice == 3:
        request.kind = LIST
        for dummy in range(_count(reader)):
            _attribute(reader, request)
    else:
        raise DataError("unknown kind of GET")


def _parse_set(reader: Reader, choice: int, request: Request) -> None:
    if choice in (1, 2):
        _attribute(reader, request)
    elif choice in (4, 5):
        for dummy in range(_count(reader)):
            _attribute(reader, request)
    if choice == 1:
        request.values = [reader.value()]
    elif choice == 4:
        request.kind = LIST
        if _count(reader) != len(request.targets):
            raise DataError("bad count")
        request.values = [reader.value() for dummy in request.targets]
    elif choice in (2, 3, 5):
        request.kind = {2: FIRST_BLOCK, 3: BLOCK, 5: LIST_FIRST_BLOCK}[choice]
        _block(reader, request)
    else:
        raise DataError("unknown kind of SET")


def _parse_action(reader: Reader, choice: int, request: Request) -> None:
    if choice in (1, 4):
        request.targets.append(_target(reader))
    elif choice in (3, 5):
        request.targets = [_target(reader) for dummy in range(_count(reader))]
    if choice == 1:
        request.values = [reader.value() if reader.byte() else None]
    elif choice == 2:
        request.kind, request.number = NEXT, reader.number(4)
    elif choice == 3:
        request.kind = LIST
        if _count(reader) != len(request.targets):
            raise DataError("bad count")
        request.values = [reader.value() for dummy in request.targets]
    elif choice in (4, 5, 6):
        request.kind = {4: FIRST_BLOCK, 5: LIST_FIRST_BLOCK, 6: BLOCK}[choice]
        _block(reader, request)
    else:
        raise DataError("unknown kind of ACTION")


# -- answers ---------------------------------------------------------------------

Outcome = Value | int  # a value, or a result that is no success


def _outcome(outcome: Outcome) -> bytes:
    return bytes([1, outcome]) if isinstance(outcome, int) else b"\x00" + encode(outcome)


def get_answer(invoke: int, outcome: Outcome) -> bytes:
    """GET-response-normal."""
    return bytes([0xC4, 1, invoke]) + _outcome(outcome)


def get_list_body(outcomes: Sequence[Outcome]) -> bytes:
    """The octets that a GET-response-with-list carries after its invoke id; also what its blocks are cut from."""
    return length(len(outcomes)) + b"".join(map(_outcome, outcomes))


def get_block(invoke: int, last: bool, number: int, part: bytes) -> bytes:
    """GET-response-with-datablock."""
    return bytes([0xC4, 2, invoke, int(last)]) + number.to_bytes(4, "big") + b"\x00" + length(len(part)) + part


def get_block_error(invoke: int, number: int, result: int) -> bytes:
    """The same, ended with a result."""
    return bytes([0xC4, 2, invoke, 1]) + number.to_bytes(4, "big") + bytes([1, result])


def set_answer(invoke: int, result: int) -> bytes:
    """SET-response-normal."""
    return bytes([0xC5, 1, invoke, result])


def set_block(invoke: int, number: int) -> bytes:
    """SET-response-datablock: go on."""
    return bytes([0xC5, 2, invoke]) + number.to_bytes(4, "big")


def set_last(invoke: int, number: int, results: Sequence[int], listed: bool) -> bytes:
    """SET-response-last-datablock, with or without list."""
    body = length(len(results)) + bytes(results) if listed else bytes(results[:1])
    return bytes([0xC5, 4 if listed else 3, invoke]) + body + number.to_bytes(4, "big")


def set_list(invoke: int, results: Sequence[int]) -> bytes:
    """SET-response-with-list."""
    return bytes([0xC5, 5, invoke]) + length(len(results)) + bytes(results)


def _done(outcome: Outcome | None) -> bytes:
    """Result of one method and what it returns."""
    if isinstance(outcome, int):
        return bytes([outcome, 0])
    return b"\x00\x00" if outcome is None else b"\x00\x01\x00" + encode(outcome)


def action_answer(invoke: int, outcome: Outcome | None) -> bytes:
    """ACTION-response-normal."""
    return bytes([0xC7, 1, invoke]) + _done(outcome)


def action_next(invoke: int, number: int) -> bytes:
    """ACTION-response-next-pblock: go on."""
    return bytes([0xC7, 4, invoke]) + number.to_bytes(4, "big")


def action_list(invoke: int, outcomes: Sequence[Outcome | None]) -> bytes:
    """ACTION-response-with-list."""
    return bytes([0xC7, 3, invoke]) + length(len(outcomes)) + b"".join(map(_done, outcomes))
