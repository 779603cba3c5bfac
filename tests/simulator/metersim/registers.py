# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The Modbus register image of one meter (1-based numbers, wire-level words)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metersim import tables

if TYPE_CHECKING:
    from metersim.meter import Meter

# First and last register of each block the meter knows. Inside a block an unused
# register answers "not available"; outside there is exception 2.
BLOCKS = ((20, 199), (1600, 1760), (1801, 1930), (1990, 2020), (6500, 6515))
SEMAPHORE = 5680
NOT_AVAILABLE = 0xFFFF


def text_words(text: str, count: int) -> list[int]:
    """A UTF-8 string, two bytes per register, NUL padded and cut to fit."""
    raw = text.encode("utf-8")[: 2 * count].ljust(2 * count, b"\0")
    return list(struct.unpack(f">{count}H", raw))


def date_words(when: datetime) -> list[int]:
    """Four registers in the IEC 870-5-4 style, weekday in the top bits of the day."""
    day = when.isoweekday() << 5 | when.day
    return [when.year - 2000, when.month << 8 | day, when.hour << 8 | when.minute, when.second * 1000 + when.microsecond // 1000]


def u32_words(value: int) -> list[int]:
    """A 32-bit number, most significant word first."""
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def packed_version(version: tables.Version) -> int:
    """Registers 1637 and 1642: a packing of the simulator's invention."""
    return (version[0] * 1000 + version[1] * 100 + version[2] * 10 + 1) & 0xFFFF


def static_image(meter: Meter) -> dict[int, int]:
    """All registers that change only with the meter's state (rebuilt when it does)."""
    image: dict[int, int] = {}

    def put(register: int, words: list[int]) -> None:
        image.update(zip(range(register, register + len(words)), words, strict=True))

    put(30, text_words(meter.label, 20))
    put(50, text_words(meter.model_text, 20))
    put(70, text_words("Schneider Electric", 20))
    put(90, [tables.product_id(meter.model), 0x0010])
    put(129, [meter.unit_prefix, *u32_words(meter.serial)])
    put(132, date_words(meter.manufactured))
    put(136, text_words(meter.hardware_revision, 5))
    put(1637, [packed_version(meter.firmware), *meter.firmware, 1])
    put(1642, [packed_version(meter.previous), *meter.previous, 1] if meter.previous else [NOT_AVAILABLE] * 5)
    put(1647, date_words(meter.downloaded) if meter.downloaded else [NOT_AVAILABLE] * 4)
    put(1669, [packed_version((1, 4, 2)), 1, 4, 2, 1])
    put(1701, [packed_version((1, 0, 7)), 1, 0, 7, 1])
    put(1824, date_words(meter.last_restart))
    put(1828, [meter.restarts & 0xFFFF, meter.power_failures & 0xFFFF])
    put(1830, date_words(meter.last_power_failure) if meter.last_power_failure else [NOT_AVAILABLE] * 4)
    put(1834, [*u32_words(meter.power_failure_seconds), meter.reset_cause])
    put(1920, list(meter.lock_words()))
    put(6500, [0, 1, 6, 0])
    return image


def clock_image(meter: Meter) -> dict[int, int]:
    """The registers that tick."""
    now = meter.wall()
    image = dict(
        zip(range(1837, 1844), [now.year, now.month, now.day, now.hour, now.minute, now.second, now.microsecond // 1000], strict=True)
    )
    image.update(zip(range(1845, 1849), date_words(now), strict=True))
    seconds = int(meter.operation_seconds())
    image.update(zip(range(2002, 2006), [*u32_words(seconds // 2), *u32_words(seconds)], strict=True))
    return image


def in_blocks(first: int, last: int) -> bool:
    """Whether the whole range lies inside one known block."""
    return any(low <= first and last <= high for low, high in BLOCKS)


def read(meter: Meter, first: int, count: int) -> list[int] | None:
    """Values of a range, None when some of it does not exist."""
    last = first + count - 1
    if not in_blocks(first, last):
        return None
    image = meter.image()
    values = [image.get(number, NOT_AVAILABLE) for number in range(first, last + 1)]
    if last >= 1837 and first <= 2005:
        ticking = clock_image(meter)
        values = [ticking.get(first + index, value) for index, value in enumerate(values)]
    return values


EPOCH = datetime(2019, 3, 1, 8, 0, tzinfo=UTC)
