# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A-XDR: the data types of COSEM attributes."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple


class DataError(ValueError):
    """The octets are no data of COSEM."""


class Value(NamedTuple):
    """One value with its tag. Arrays and structures hold a list of these."""

    tag: int
    content: Any = None


NULL, ARRAY, STRUCTURE, BOOLEAN, BITS, I32, U32, OCTETS, VISIBLE, UTF8 = 0, 1, 2, 3, 4, 5, 6, 9, 10, 12
I8, I16, U8, U16, I64, U64, ENUM, FLOAT32, FLOAT64, DATE_TIME, DATE, TIME = 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27
_FIXED = {I32: ">i", U32: ">I", I8: ">b", I16: ">h", U8: ">B", U16: ">H", I64: ">q", U64: ">Q", ENUM: ">B", FLOAT32: ">f", FLOAT64: ">d"}
_PLAIN = {DATE_TIME: 12, DATE: 5, TIME: 4}
DEPTH = 12


def octets(raw: bytes) -> Value:
    """An octet-string."""
    return Value(OCTETS, bytes(raw))


def u8(number: int) -> Value:
    """unsigned."""
    return Value(U8, number)


def u16(number: int) -> Value:
    """long-unsigned."""
    return Value(U16, number)


def u32(number: int) -> Value:
    """double-long-unsigned."""
    return Value(U32, number)


def i8(number: int) -> Value:
    """integer."""
    return Value(I8, number)


def i16(number: int) -> Value:
    """long."""
    return Value(I16, number)


def enum(number: int) -> Value:
    """enum."""
    return Value(ENUM, number)


def boolean(word: bool) -> Value:
    """boolean."""
    return Value(BOOLEAN, word)


def array(*items: Value) -> Value:
    """array."""
    return Value(ARRAY, list(items))


def structure(*items: Value) -> Value:
    """structure."""
    return Value(STRUCTURE, list(items))


def bits(flags: list[bool]) -> Value:
    """bit-string, first flag leftmost."""
    return Value(BITS, list(flags))


def length(number: int) -> bytes:
    """A length in the shortest form."""
    if number < 0x80:
        return bytes([number])
    size = (number.bit_length() + 7) // 8
    return bytes([0x80 | size]) + number.to_bytes(size, "big")


def encode(value: Value) -> bytes:
    """Octets of a value, tag first."""
    tag, content = value
    if tag == NULL:
        return b"\x00"
    if tag in (ARRAY, STRUCTURE):
        return bytes([tag]) + length(len(content)) + b"".join(map(encode, content))
    if tag == BOOLEAN:
        return bytes([tag, 1 if content else 0])
    if tag == BITS:
        text = "".join("1" if flag else "0" for flag in content)
        text += "0" * (-len(text) % 8)
        return bytes([tag]) + length(len(content)) + bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    if tag in _FIXED:
        return bytes([tag]) + struct.pack(_FIXED[tag], content)
    if tag in _PLAIN:
        return bytes([tag]) + bytes(content)
    raw = content.encode("ascii" if tag == VISIBLE else "utf-8") if isinstance(content, str) else bytes(content)
    return bytes([tag]) + length(len(raw)) + raw


class Reader:
    """Reads octets from the front; every read is checked."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next octets."""
        if count < 0 or self.at + count > len(self.raw):
            raise DataError("too short")
        self.at += count
        return self.raw[self.at - count : self.at]

    def byte(self) -> int:
        """One octet."""
        return self.take(1)[0]

    def number(self, size: int) -> int:
        """An unsigned number of so many octets."""
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """A length, short or long form."""
        first = self.byte()
        if first < 0x80:
            return first
        if not 1 <= first & 0x7F <= 4:
            raise DataError("bad length")
        return self.number(first & 0x7F)

    def string(self) -> bytes:
        """Octets with their length in front."""
        return self.take(self.length())

    def left(self) -> int:
        """How many octets are left."""
        return len(self.raw) - self.at

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left())

    def end(self) -> None:
        """Nothing may be left."""
        if self.left():
            raise DataError("too long")

    def value(self, depth: int = 0) -> Value:
        """One value with its tag."""
        if depth > DEPTH:
            raise DataError("too deep")
        tag = self.byte()
        if tag == NULL:
            return Value(NULL)
        if tag in (ARRAY, STRUCTURE):
            count = self.length()
            if count > self.left():
                raise DataError("too short")
            return Value(tag, [self.value(depth + 1) for dummy in range(count)])
        if tag == BOOLEAN:
            return Value(tag, self.byte() != 0)
        if tag == BITS:
            count = self.length()
            raw = self.take((count + 7) // 8)
            return Value(tag, [bool(raw[n // 8] & (0x80 >> n % 8)) for n in range(count)])
        if tag in _FIXED:
            layout = _FIXED[tag]
            return Value(tag, struct.unpack(layout, self.take(struct.calcsize(layout)))[0])
        if tag in _PLAIN:
            return Value(tag, self.take(_PLAIN[tag]))
        if tag in (OCTETS, VISIBLE, UTF8):
            return Value(tag, self.string())
        raise DataError(f"unknown tag {tag}")


def decode(raw: bytes) -> Value:
    """The one value these octets are. Raises DataError."""
    reader = Reader(raw)
    value = reader.value()
    reader.end()
    return value
