# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How long a transfer may take: blocks times round trip, since one block goes with each (wire-dlms 2.2), or a serial line. Pure."""

from __future__ import annotations

from ..catalogue import constants


def transfer_seconds(size: int, block_size: int | None = None) -> tuple[float, float]:
    """Shortest and longest time in seconds for an image of ``size`` octets; without ``block_size`` for a large and a small one."""
    if size <= 0:
        return 0.0, 0.0
    large, small = (block_size or constants.DLMS_BLOCK_LARGE.number), (block_size or constants.DLMS_BLOCK_SMALL.number)
    least, most = -(-size // large) * constants.DLMS_ROUND_TRIP_MIN.number, -(-size // small) * constants.DLMS_ROUND_TRIP_MAX.number
    return least / 1000, most / 1000


def serial_seconds(size: int, baud: int | None = None) -> tuple[float, float]:
    """Shortest and longest time in seconds for ``size`` octets over a serial line of ``baud`` bit/s (R-177)."""
    least = size * constants.ION_SERIAL_BITS.number / (baud or constants.ION_BAUD.number)
    return least, least * constants.ION_SERIAL_SHARE.number
