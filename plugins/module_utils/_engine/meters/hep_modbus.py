# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is particular to reading a HEP meter over Modbus: its exception 2, registers that a profile names, a meter that tells nothing."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.errors import DeviceError
from ..base.target import Target
from ..catalogue import constants
from ..wire.modbus import ModbusReader, RefusedError
from . import hep_registers as registers
from .hep_registers import Field
from .modbus_reading import RegisterValues, fetch

#: Exception 2 has two meanings on these meters (wire facts 6.3), and no wire tells which one it is.
PROTECTED = 2
_PROVES = ("model", "serial", "firmware.raw")


class Reading(RegisterValues):
    """Values read from registers. ``refused`` are the exception codes that the meter answered with."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[int] = set()

    def is_text(self, item: Field) -> bool:
        return registers.is_text_field(item)

    def refuse(self, item: Field, error: RefusedError) -> None:
        self.refused.add(error.code)
        if error.code == PROTECTED:
            self.miss(item.name, f"{error.meaning}, or protected by the meter's security", self.is_text(item))
        else:
            super().refuse(item, error)


async def fetch_profiled(reader: ModbusReader, fields: Iterable[Field], reading: Reading) -> None:
    """Read what a profile names, and no register between."""
    for block in registers.blocks(fields, constants.MODBUS_MAX_REGISTERS.number):
        await fetch(reader, block, reading)


def tells_nothing(reading: Reading) -> bool:
    """Whether neither model nor serial number nor version could be read."""
    return not any(reading.known(path) for path in _PROVES)


def nothing_told(reading: Reading, target: Target, stage: str) -> DeviceError:
    """Why a meter that tells nothing of itself is not taken for one: a closed register map, or no meter at all (R-235, R-373)."""
    where = f"{target.host}:{target.ports['modbus']}"
    if PROTECTED in reading.refused:
        text = f"{where} refuses every identification register with exception 2, as a meter does whose Modbus access is None"
        return DeviceError(stage, "modbus_map_closed", text)
    why = "; ".join(f"{path}: {reading.unread[path]}" for path in _PROVES if path in reading.unread)
    return DeviceError(stage, "identity_unreadable", f"{where} tells neither model nor serial number nor version ({why})")
