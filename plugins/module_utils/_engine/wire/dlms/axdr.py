# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""COSEM data in A-XDR (IEC 61334-6): values with their tags, to and from octets.

Strict and bounded: whole input, a limit of depth and of elements. Every malformed input ends in MalformedError, whose
text never holds what was received.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...base.errors import DeviceError
from ...catalogue import constants

NULL, ARRAY, STRUCTURE, BOOLEAN, BITS = 0, 1, 2, 3, 4
I32, U32, OCTETS, VISIBLE, UTF8, BCD = 5, 6, 9, 10, 12, 13
I8, I16, U8, U16, I64, U64, ENUM = 15, 16, 17, 18, 20, 21, 22
F32, F64, DATE_TIME, DATE, TIME = 23, 24, 25, 26, 27

_FIXED = {
    I32: struct.Struct(">i"),
    U32: struct.Struct(">I"),
    BCD: struct.Struct(">b"),
    I8: struct.Struct(">b"),
    I16: struct.Struct(">h"),
    U8: struct.Struct(">B"),
    U16: struct.Struct(">H"),
    I64: struct.Struct(">q"),
    U64: struct.Struct(">Q"),
    ENUM: struct.Struct(">B"),
    F32: struct.Struct(">f"),
    F64: struct.Struct(">d"),
}
_RAW = {DATE_TIME: 12, DATE: 5, TIME: 4}
_MAX_DEPTH = constants.DLMS_DATA_DEPTH.number
_MAX_ELEMENTS = constants.DLMS_DATA_ELEMENTS.number
_MAX_BITS = constants.DLMS_DATA_BITS.number


class MalformedError(DeviceError):
    """The meter's octets are not what the standard says (``dlms_protocol_error``)."""

    def __init__(self, text: str, stage: str = "read") -> None:
        super().__init__(stage, "dlms_protocol_error", f"the meter's answer cannot be understood: {text}")
        self.what = text


class Reader:
    """Octets read from front to back, never beyond their end."""

    __slots__ = ("_data", "_end", "at")

    def __init__(self, data: bytes) -> None:
        self._data, self._end, self.at = data, len(data), 0

    @property
    def left(self) -> int:
        return self._end - self.at

    def take(self, count: int) -> bytes:
        """The next ``count`` octets."""
        at = self.at
        if count > self._end - at:
            raise MalformedError("it ends too early")
        self.at = at + count
        return self._data[at : self.at]

    def u8(self) -> int:
        at = self.at
        if at >= self._end:
            raise MalformedError("it ends too early")
        self.at = at + 1
        return self._data[at]

    def uint(self, octets: int) -> int:
        """An unsigned number, most significant octet first."""
        return int.from_bytes(self.take(octets), "big")

    def length(self) -> int:
        """A length in any of its forms: one octet below 128, otherwise 81 to 84 and as many octets."""
        first = self.u8()
        if first < 0x80:
            return first
        if not 0x81 <= first <= 0x84:
            raise MalformedError("a length has an unknown form")
        return self.uint(first & 0x7F)

    def counted(self) -> bytes:
        """A length and as many octets."""
        return self.take(self.length())

    def flag(self) -> bool:
        """A boolean: 0 is false, everything else true."""
        return self.u8() != 0

    def rest(self) -> bytes:
        return self.take(self.left)

    def end(self) -> None:
        """Nothing may be left over."""
        if self.at != self._end:
            raise MalformedError("it is longer than its content")


@dataclass(frozen=True, slots=True)
class Data:
    """One value and its tag.

    Arrays and structures hold tuples of Data, bit-strings tuples of bool, octet-strings and dates bytes, strings str.
    """

    tag: int
    value: Any = None

    def plain(self) -> Any:
        """The value without tags: lists, numbers, text, bytes, bool, None."""
        if self.tag in (ARRAY, STRUCTURE):
            return [item.plain() for item in self.value]
        return list(self.value) if self.tag == BITS else self.value


_NULL = Data(NULL)


def null() -> Data:
    return _NULL


def boolean(value: bool) -> Data:
    return Data(BOOLEAN, value)


def i8(value: int) -> Data:
    return Data(I8, value)


def i16(value: int) -> Data:
    return Data(I16, value)


def i32(value: int) -> Data:
    return Data(I32, value)


def u8(value: int) -> Data:
    return Data(U8, value)


def u16(value: int) -> Data:
    return Data(U16, value)


def u32(value: int) -> Data:
    return Data(U32, value)


def u64(value: int) -> Data:
    return Data(U64, value)


def enum(value: int) -> Data:
    return Data(ENUM, value)


def octets(value: bytes) -> Data:
    return Data(OCTETS, value)


def visible(value: str) -> Data:
    return Data(VISIBLE, value)


def bits(values: Iterable[bool]) -> Data:
    return Data(BITS, tuple(values))


def array(items: Iterable[Data]) -> Data:
    return Data(ARRAY, tuple(items))


def structure(*items: Data) -> Data:
    return Data(STRUCTURE, items)


# -- encoding ---------------------------------------------------------------------------------------------------------


def length_of(count: int) -> bytes:
    """A length in its shortest form."""
    if count < 0x80:
        return bytes((count,))
    octet_count = (count.bit_length() + 7) // 8
    return bytes((0x80 | octet_count,)) + count.to_bytes(octet_count, "big")


def encode(data: Data) -> bytes:
    """The octets of ``data``. Raises ValueError for a value that does not fit its tag (a mistake of the caller)."""
    out: list[bytes] = []
    _put(data, out)
    return b"".join(out)


def _put(data: Data, out: list[bytes]) -> None:
    tag, value = data.tag, data.value
    head = bytes((tag,))
    if tag == OCTETS:
        out += (head, length_of(len(value)), value)
    elif tag in (STRUCTURE, ARRAY):
        out += (head, length_of(len(value)))
        for item in value:
            _put(item, out)
    elif tag in _FIXED:
        try:
            out.append(head + _FIXED[tag].pack(value))
        except struct.error as exc:
            raise ValueError(f"{value} does not fit type {tag}") from exc
    elif tag == NULL:
        out.append(head)
    elif tag == BOOLEAN:
        out.append(head + (b"\x01" if value else b"\x00"))
    elif tag == BITS:
        out += (head, length_of(len(value)), _packed(value))
    elif tag in (VISIBLE, UTF8):
        text = value.encode("ascii" if tag == VISIBLE else "utf-8")
        out += (head, length_of(len(text)), text)
    elif tag in _RAW and len(value) == _RAW[tag]:
        out += (head, value)
    else:
        raise ValueError(f"type {tag} cannot be encoded")


def _packed(values: tuple[bool, ...]) -> bytes:
    text = "".join("1" if value else "0" for value in values)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""


# -- decoding ---------------------------------------------------------------------------------------------------------


def decode(raw: bytes) -> Data:
    """The one value which ``raw`` holds, to its last octet. Raises MalformedError."""
    reader = Reader(raw)
    data = read(reader)
    reader.end()
    return data


def read(reader: Reader) -> Data:
    """The next value; others may follow."""
    return _Decoder(reader).value(0)


class _Decoder:
    """Counts the elements of one value, so that few octets cannot become many objects."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._elements = 0

    def value(self, depth: int) -> Data:
        reader = self._reader
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise MalformedError("it has too many elements")
        tag = reader.u8()
        fixed = _FIXED.get(tag)
        if fixed is not None:
            return Data(tag, fixed.unpack(reader.take(fixed.size))[0])
        if tag == OCTETS:
            return Data(tag, reader.counted())
        if tag in (ARRAY, STRUCTURE):
            return self._items(tag, depth)
        if tag == NULL:
            return _NULL
        if tag == BOOLEAN:
            return Data(tag, reader.flag())
        if tag == BITS:
            return Data(tag, _read_bits(reader))
        if tag in (VISIBLE, UTF8):
            return Data(tag, _text(reader.counted(), tag))
        if tag in _RAW:
            return Data(tag, reader.take(_RAW[tag]))
        raise MalformedError("it has a type that is not known")

    def _items(self, tag: int, depth: int) -> Data:
        if depth >= _MAX_DEPTH:
            raise MalformedError("it is nested too deeply")
        count = self._reader.length()
        if count > self._reader.left:  # the shortest element is one octet
            raise MalformedError("it says more elements than it has")
        return Data(tag, tuple([self.value(depth + 1) for dummy in range(count)]))


def _read_bits(reader: Reader) -> tuple[bool, ...]:
    count = reader.length()
    if count > _MAX_BITS:
        raise MalformedError("it has a bit-string that is too long")
    raw = reader.take((count + 7) // 8)
    text = f"{int.from_bytes(raw, 'big'):0{len(raw) * 8}b}" if raw else ""
    return tuple([bit == "1" for bit in text[:count]])


def _text(raw: bytes, tag: int) -> str:
    # Visible strings are ASCII by the standard; meters put Latin-1 into them, which must not hide the other values.
    return raw.decode("latin-1") if tag == VISIBLE else raw.decode("utf-8", "replace")


# -- names of objects -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def logical_name(text: str) -> bytes:
    """The six octets of an OBIS code like ``0-0:44.0.0.255``. Raises ValueError."""
    medium, dummy, rest = text.partition("-")
    channel, dummy, rest = rest.partition(":")
    parts = (medium, channel, *rest.split("."))
    if len(parts) != 6 or not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
        raise ValueError(f"{text!r} is not an OBIS code")
    return bytes(int(part) for part in parts)


def obis_text(name: bytes) -> str:
    """An OBIS code for people."""
    a, b, c, d, e, f = name
    return f"{a}-{b}:{c}.{d}.{e}.{f}"
