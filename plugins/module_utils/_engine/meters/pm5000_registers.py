# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Where a PM5000 says what, and what its registers mean. Pure: numbers in, values out.

``confidence``: code (in working third-party software), sibling (documented for a related product), name (only the
register's name is public, its values are not). Register numbers count from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Never read: 5680 hands out the command semaphore, 1880-1899 may hold pass codes (wire facts 1.3, 1.5).
FORBIDDEN = frozenset({5680, *range(1880, 1900)})

NOT_AVAILABLE = "the meter marks it as not available"
EMPTY = "the meter leaves it empty"


class UnreadableError(ValueError):
    """The registers were read, but hold no value. The text says why."""


@dataclass(frozen=True)
class Field:
    """One value in consecutive registers. ``name`` is its path in the facts."""

    name: str
    first: int
    count: int
    decode: Callable[[Sequence[int]], Any]
    confidence: str


@dataclass(frozen=True)
class Block:
    """Fields that one request reads together."""

    name: str
    fields: tuple[Field, ...]

    @property
    def first(self) -> int:
        return min(field.first for field in self.fields)

    @property
    def count(self) -> int:
        return max(field.first + field.count for field in self.fields) - self.first


def text(words: Sequence[int]) -> str:
    """Two bytes per register, high byte first, padded with NUL or spaces. Raises UnreadableError."""
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    if not raw.strip(b"\xff"):
        raise UnreadableError(NOT_AVAILABLE)
    raw = raw.split(b"\x00", 1)[0].strip(b"\xff \t")
    if not raw:
        raise UnreadableError(EMPTY)
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("malformed: not UTF-8 text") from None
    if not value.isprintable():
        raise UnreadableError("malformed: text with unprintable characters")
    return value


def u16(words: Sequence[int]) -> int:
    """An unsigned word; 0xFFFF means not available."""
    if words[0] == 0xFFFF:
        raise UnreadableError(NOT_AVAILABLE)
    return words[0]


def u32(words: Sequence[int]) -> int:
    """An unsigned double word, most significant word first; 0xFFFFFFFF means not available."""
    value = (words[0] << 16) | words[1]
    if value == 0xFFFFFFFF:
        raise UnreadableError(NOT_AVAILABLE)
    return value


def serial(words: Sequence[int]) -> str:
    """The serial number as text; zero is no serial number."""
    value = u32(words)
    if value == 0:
        raise UnreadableError(EMPTY)
    return str(value)


def version(words: Sequence[int]) -> str:
    """X.Y.Z from three words."""
    if any(word == 0xFFFF for word in words):
        raise UnreadableError(NOT_AVAILABLE)
    if not any(words):
        raise UnreadableError(EMPTY)
    if any(word > 999 for word in words):
        raise UnreadableError(f"malformed: {'.'.join(str(word) for word in words)} is no firmware version")
    return ".".join(str(word) for word in words)


def datetime(words: Sequence[int]) -> str:
    """IEC 870-5-4 in four words, as ISO 8601 without a zone (the meter's own local time)."""
    if all(word == 0xFFFF for word in words):
        raise UnreadableError(NOT_AVAILABLE)
    if not any(words):
        raise UnreadableError(EMPTY)
    milliseconds = words[3]
    parts = (
        2000 + (words[0] & 0x7F),
        (words[1] >> 8) & 0x0F,
        words[1] & 0x1F,
        (words[2] >> 8) & 0x1F,
        words[2] & 0x3F,
        milliseconds // 1000,
    )
    return _iso(parts)


def clock(words: Sequence[int]) -> str:
    """Year, month, day, hour, minute, second, millisecond in seven words, as ISO 8601 without a zone."""
    if all(word == 0xFFFF for word in words):
        raise UnreadableError(NOT_AVAILABLE)
    if not any(words):
        raise UnreadableError(EMPTY)
    return _iso(words[:6])


def _iso(parts: Sequence[int]) -> str:
    year, month, day, hour, minute, second = parts
    if not (1970 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59 and second <= 59):
        raise UnreadableError("malformed: no date and time")
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"


IDENTITY = Block(
    "identity",
    (
        Field("name", 30, 20, text, "code"),
        Field("model", 50, 20, text, "code"),
        Field("manufacturer", 70, 20, text, "code"),
        Field("product_id", 90, 1, u16, "code"),
        Field("serial", 130, 2, serial, "code"),
        Field("manufactured", 132, 4, datetime, "code"),
        Field("hardware_revision", 136, 5, text, "code"),
    ),
)
FIRMWARE = Block(
    "firmware",
    (
        Field("firmware.raw", 1637, 1, u16, "code"),  # packing is not public: kept as it is, never decoded
        Field("firmware.version", 1638, 3, version, "code"),
        Field("firmware.previous_raw", 1642, 1, u16, "code"),
        Field("firmware.previous", 1643, 3, version, "code"),
    ),
)
RESTART = Block(
    "restart",
    (
        Field("status.last_restart", 1824, 4, datetime, "sibling"),
        Field("status.restarts", 1828, 1, u16, "code"),
    ),
)
STATUS = Block(
    "status",
    (
        *RESTART.fields,
        Field("status.power_failures", 1829, 1, u16, "code"),
        Field("status.last_power_failure", 1830, 4, datetime, "code"),
        Field("status.power_failure_seconds", 1834, 2, u32, "code"),
        Field("status.last_reset_cause", 1836, 1, u16, "code"),
        Field("clock", 1837, 7, clock, "code"),
    ),
)
CLOCK = Block("clock", (Field("clock", 1837, 7, clock, "code"),))
LOCK = Block(
    "lock",
    (
        Field("lock.switch", 1920, 1, u16, "name"),
        Field("lock.status", 1921, 1, u16, "name"),
    ),
)

BLOCKS = (IDENTITY, FIRMWARE, RESTART, STATUS, CLOCK, LOCK)


def is_text_field(field: Field) -> bool:
    """Whether a field that cannot be read is shown as ``unknown`` (text) rather than null (number)."""
    return field.decode not in (u16, u32)
