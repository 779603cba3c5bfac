# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""GET, SET and ACTION with long names: requests to octets, answers from octets. Pure; knows neither sockets nor keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ...base.errors import DeviceError
from . import axdr
from .axdr import Data, MalformedError, Reader, length_of

GET, SET, ACTION = 0xC0, 0xC1, 0xC3
GET_ANSWER, SET_ANSWER, ACTION_ANSWER = 0xC4, 0xC5, 0xC7
EXCEPTION, SERVICE_ERROR = 0xD8, 0x0E
CONFIRMED = 0x40  # of invoke-id-and-priority

RESULTS = {
    1: "hardware-fault",
    2: "temporary-failure",
    3: "read-write-denied",
    4: "object-undefined",
    9: "object-class-inconsistent",
    11: "object-unavailable",
    12: "type-unmatched",
    13: "scope-of-access-violated",
    14: "data-block-unavailable",
    15: "long-operation-aborted",
    16: "no-long-operation-in-progress",
    17: "long-set-aborted",
    18: "no-long-set-in-progress",
    19: "data-block-number-invalid",
    250: "other-reason",
}
_REASONS = {
    2: "dlms_temporary_failure",
    3: "dlms_access_denied",
    4: "dlms_object_missing",
    9: "dlms_object_missing",
    11: "dlms_object_missing",
    13: "dlms_access_denied",
}
_SERVICE = {1: "operation not possible", 2: "service not supported", 3: "other reason", 4: "message too long", 5: "deciphering error"}
COUNTER_ERROR, DECIPHERING_ERROR = 6, 5
_STATE = {1: "service not allowed", 2: "service unknown"}
_ERROR_GROUPS = {
    0: ("application reference", ("other", "time elapsed", "application unreachable", "reference invalid", "context not supported")),
    1: ("hardware resource", ("other", "memory unavailable", "processor unavailable", "mass storage unavailable", "other unavailable")),
    2: ("state", ("other", "no DLMS context", "loading data set", "status no change", "status inoperable")),
    3: ("service", ("other", "PDU size", "service not supported")),
    4: ("definition", ("other", "object undefined", "object class inconsistent", "object attribute inconsistent")),
    5: ("access", ("other", "scope of access violated", "object access violated", "hardware fault", "object unavailable")),
    6: ("initiate", ("other", "DLMS version too low", "incompatible conformance", "PDU size too short", "refused by its handler")),
}


class Attribute(NamedTuple):
    """One attribute of one object; ``obis`` like ``0-0:44.0.0.255``."""

    class_id: int
    obis: str
    index: int  # type: ignore[assignment]  # the word of the standard; nobody searches these tuples


class Method(NamedTuple):
    """One method of one object."""

    class_id: int
    obis: str
    index: int  # type: ignore[assignment]  # the word of the standard; nobody searches these tuples


class Selection(NamedTuple):
    """Selective access: which part of an attribute is wanted."""

    selector: int
    data: Data


class AccessFault(DeviceError):
    """The meter answers a request about one object with a refusal; the association goes on.

    ``kind`` is get, set or action, ``code`` the result's number, ``name`` its name.
    """

    def __init__(self, kind: str, code: int, what: Attribute | Method, stage: str = "read") -> None:
        self.kind, self.code, self.what = kind, code, what
        self.name = RESULTS.get(code, f"result {code}")
        where = f"class {what.class_id}, {what.obis}, {'method' if kind == 'action' else 'attribute'} {what.index}"
        super().__init__(stage, _REASONS.get(code, "dlms_request_refused"), f"the meter refuses {kind} of {where}: {self.name}")


class RefusalError(DeviceError):
    """An exception-response or a confirmed-service-error. ``service`` is its number, ``expected`` the counter it names."""

    def __init__(self, text: str, reason: str, service: int = 0, expected: int | None = None) -> None:
        super().__init__("read", reason, text)
        self.service, self.expected = service, expected


# -- selective access -------------------------------------------------------------------------------------------------


def entries(first: int, last: int) -> Selection:
    """Entries ``first`` to ``last`` of a profile, from 1 on, all columns; last 0 means to the end."""
    return Selection(2, axdr.structure(axdr.u32(first), axdr.u32(last), axdr.u16(1), axdr.u16(0)))


def between(start: bytes, end: bytes) -> Selection:
    """Entries by their time, all columns; ``start`` and ``end`` are date-times of 12 octets."""
    clock = axdr.structure(axdr.u16(8), axdr.octets(axdr.logical_name("0-0:1.0.0.255")), axdr.i8(2), axdr.u16(0))
    return Selection(1, axdr.structure(clock, axdr.octets(start), axdr.octets(end), axdr.array(())))


# -- requests ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _descriptor(what: Attribute | Method) -> bytes:
    return what.class_id.to_bytes(2, "big") + axdr.logical_name(what.obis) + bytes((what.index,))


def _selected(selection: Selection | None) -> bytes:
    return b"\x00" if selection is None else bytes((1, selection.selector)) + axdr.encode(selection.data)


def _head(service: int, kind: int, invoke: int) -> bytes:
    return bytes((service, kind, CONFIRMED | invoke))


def _block(last: bool, number: int, raw: bytes) -> bytes:
    return bytes((last,)) + number.to_bytes(4, "big") + length_of(len(raw)) + raw


def get(invoke: int, what: Attribute, selection: Selection | None = None) -> bytes:
    return _head(GET, 1, invoke) + _descriptor(what) + _selected(selection)


def get_next(invoke: int, number: int) -> bytes:
    """The next block after block ``number``."""
    return _head(GET, 2, invoke) + number.to_bytes(4, "big")


def get_list(invoke: int, wanted: Sequence[Attribute]) -> bytes:
    return _head(GET, 3, invoke) + length_of(len(wanted)) + b"".join([_descriptor(what) + b"\x00" for what in wanted])


def set_normal(invoke: int, what: Attribute, raw: bytes) -> bytes:
    return b"".join((_head(SET, 1, invoke), _descriptor(what), b"\x00", raw))


def set_block(invoke: int, what: Attribute | None, last: bool, number: int, raw: bytes) -> bytes:
    """One block of a long SET; the first names the attribute."""
    if what is None:
        return _head(SET, 3, invoke) + _block(last, number, raw)
    return _head(SET, 2, invoke) + _descriptor(what) + b"\x00" + _block(last, number, raw)


def action(invoke: int, what: Method, raw: bytes | None) -> bytes:
    if raw is None:
        return _head(ACTION, 1, invoke) + _descriptor(what) + b"\x00"
    return b"".join((_head(ACTION, 1, invoke), _descriptor(what), b"\x01", raw))


def action_next(invoke: int, number: int) -> bytes:
    """Ask for what follows block ``number`` of what a method returns."""
    return _head(ACTION, 2, invoke) + number.to_bytes(4, "big")


def action_block(invoke: int, what: Method | None, last: bool, number: int, raw: bytes) -> bytes:
    """One block of a long ACTION; the first names the method."""
    if what is None:
        return _head(ACTION, 6, invoke) + _block(last, number, raw)
    return _head(ACTION, 4, invoke) + _descriptor(what) + _block(last, number, raw)


# -- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a long answer."""

    last: bool
    number: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A block of ours arrived; the next one may follow."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a SET or an ACTION: its result and what it returns."""

    result: int
    data: Data | None = None
    number: int | None = None  # of the last block, where there were several


def refusal(apdu: bytes) -> RefusalError | None:
    """The error which ``apdu`` is, or None where it is an answer. Raises MalformedError."""
    reader = Reader(apdu)
    tag = reader.u8()
    if tag == EXCEPTION:
        return _exception(reader)
    if tag == SERVICE_ERROR:
        return _service_error(reader)
    return None


def _exception(reader: Reader) -> RefusalError:
    state, service = reader.u8(), reader.u8()
    expected = None
    if service == COUNTER_ERROR and reader.left:
        expected = reader.uint(4)
    reader.end()
    if service == COUNTER_ERROR:
        told = "" if expected is None else f"; it expects {expected}"
        return RefusalError(f"the meter does not take our invocation counter{told}", "dlms_counter_refused", service, expected)
    words = f"{_STATE.get(state, f'state {state}')}, {_SERVICE.get(service, f'service error {service}')}"
    return RefusalError(f"the meter refuses the request: {words}", "dlms_request_refused", service)


def _service_error(reader: Reader) -> RefusalError:
    reader.u8()  # the service it is about
    group, value = reader.u8(), reader.u8()
    reader.end()
    name, values = _ERROR_GROUPS.get(group, (f"group {group}", ()))
    word = values[value] if value < len(values) else f"number {value}"
    return RefusalError(f"the meter refuses the request: {name} error, {word}", "dlms_request_refused")


def _opened(apdu: bytes, service: int, invoke: int) -> tuple[Reader, int]:
    reader = Reader(apdu)
    if reader.u8() != service:
        raise MalformedError("it answers another service than was asked for")
    kind = reader.u8()
    if reader.u8() & 0x0F != invoke:
        raise MalformedError("it answers another request than the last one")
    return reader, kind


def _result(reader: Reader) -> Data | int:
    """A value, or the number of a refusal."""
    choice = reader.u8()
    if choice == 0:
        return axdr.read(reader)
    if choice != 1:
        raise MalformedError("it is neither a value nor a refusal")
    code = reader.u8()
    if code == 0:
        raise MalformedError("it is a success without a value")
    return code


def parse_get(apdu: bytes, invoke: int) -> Data | int | Block:
    """The answer to a GET of one attribute: value, refusal or block."""
    reader, kind = _opened(apdu, GET_ANSWER, invoke)
    if kind == 1:
        result = _result(reader)
        reader.end()
        return result
    if kind != 2:
        raise MalformedError("it is another kind of answer than was asked for")
    return _read_block(reader)


def _read_block(reader: Reader) -> Block | int:
    last, number, choice = reader.flag(), reader.uint(4), reader.u8()
    if choice == 0:
        block = Block(last, number, reader.counted())
        reader.end()
        return block
    if choice != 1:
        raise MalformedError("its block is neither data nor a refusal")
    code = reader.u8()
    reader.end()
    if code == 0:
        raise MalformedError("it is a success without a value")
    return code


def parse_get_list(apdu: bytes, invoke: int, count: int) -> list[Data | int] | Block | int:
    """The answer to a GET of several attributes; a lone number is the refusal of a block."""
    reader, kind = _opened(apdu, GET_ANSWER, invoke)
    if kind == 2:
        return _read_block(reader)
    if kind != 3:
        raise MalformedError("it is another kind of answer than was asked for")
    return parse_results(reader.rest(), count)


def parse_results(raw: bytes, count: int) -> list[Data | int]:
    """The results of a GET of ``count`` attributes."""
    reader = Reader(raw)
    if reader.length() != count:
        raise MalformedError("it has another number of values than was asked for")
    results = [_result(reader) for dummy in range(count)]
    reader.end()
    return results


def parse_set(apdu: bytes, invoke: int) -> Done | Acknowledged:
    reader, kind = _opened(apdu, SET_ANSWER, invoke)
    if kind == 2:
        answer: Done | Acknowledged = Acknowledged(reader.uint(4))
    elif kind == 1:
        answer = Done(reader.u8())
    elif kind == 3:
        result = reader.u8()
        answer = Done(result, number=reader.uint(4))
    else:
        raise MalformedError("it is another kind of answer than was asked for")
    reader.end()
    return answer


_PLAIN_SUCCESS = Done(0)


def parse_action(apdu: bytes, invoke: int) -> Done | Acknowledged | Block:
    if apdu == bytes((ACTION_ANSWER, 1, CONFIRMED | invoke, 0, 0)):  # what every block of an image gets
        return _PLAIN_SUCCESS
    reader, kind = _opened(apdu, ACTION_ANSWER, invoke)
    if kind == 4:
        acknowledged = Acknowledged(reader.uint(4))
        reader.end()
        return acknowledged
    if kind == 2:
        block = Block(reader.flag(), reader.uint(4), reader.counted())
        reader.end()
        return block
    if kind != 1:
        raise MalformedError("it is another kind of answer than was asked for")
    return parse_returned(reader.rest())


def parse_returned(raw: bytes) -> Done:
    """Result and return value of a method, as they stand in one answer or in its blocks put together."""
    reader = Reader(raw)
    result = reader.u8()
    data: Data | None = None
    if reader.flag():
        returned = _result(reader)
        if isinstance(returned, Data):
            data = returned
        elif result == 0:
            result = returned
    reader.end()
    return Done(result, data)
