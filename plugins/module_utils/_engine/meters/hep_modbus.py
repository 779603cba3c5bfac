# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reads a HEP meter's registers and identification into values, with the reason for each that is missing. Only reads."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.errors import DeviceError
from ..base.target import Target
from ..catalogue import constants
from ..wire.modbus import ModbusReader, RefusedError
from . import hep_registers as registers
from .hep_registers import Block, Field, UnreadableError
from .reading import Values

#: Exception 2 has two meanings on these meters (wire facts 6.3), and no wire tells which one it is.
PROTECTED = 2
_IDENTIFICATION = ("vendor", "product_code", "revision")
_PROVES = ("model", "serial", "firmware.raw")


class Reading(Values):
    """Values read from registers. ``refused`` are the exception codes that the meter answered with."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[int] = set()

    def take(self, item: Field, words: list[int]) -> None:
        """Decode one field from its registers."""
        try:
            self.put(item.name, item.decode(words), "register")
        except UnreadableError as exc:
            self.miss(item.name, str(exc), registers.is_text_field(item))

    def refuse(self, item: Field, error: RefusedError) -> None:
        """Note that the meter does not serve a field."""
        self.refused.add(error.code)
        why = f"{error.meaning}, or protected by the meter's security" if error.code == PROTECTED else error.meaning
        self.miss(item.name, why, registers.is_text_field(item))


async def fetch(reader: ModbusReader, block: Block, reading: Reading) -> None:
    """Read a block in one request; where the meter refuses that, field by field (F-40, R-029)."""
    try:
        words = await reader.registers(block.first, block.count)
    except RefusedError as exc:
        if exc.code == 1 or len(block.fields) == 1:  # the function itself is refused: asking for less does not help
            for item in block.fields:
                reading.refuse(item, exc)
            return
        for item in block.fields:
            await fetch(reader, Block(block.name, (item,)), reading)
        return
    for item in block.fields:
        start = item.first - block.first
        reading.take(item, words[start : start + item.count])


async def fetch_profiled(reader: ModbusReader, fields: Iterable[Field], reading: Reading) -> None:
    """Read what a profile names, and no register between."""
    for block in registers.blocks(fields, constants.MODBUS_MAX_REGISTERS.number):
        await fetch(reader, block, reading)


async def fetch_identification(reader: ModbusReader, reading: Reading, show: bool) -> None:
    """FC 43/14, the second source: asked last, because a meter may answer it with silence or nonsense."""
    objects: dict[int, bytes] = {}
    reason = registers.EMPTY
    try:
        objects = await reader.identification()
    except RefusedError as exc:
        reason = exc.meaning
    except DeviceError as exc:
        reason = exc.text
    for number, name in enumerate(_IDENTIFICATION):
        value = _object_text(objects.get(number, b""))
        if value and show:
            reading.put(f"identification.{name}", value, "object")
        elif show:
            reading.miss(f"identification.{name}", reason)
        path = {"vendor": "manufacturer", "product_code": "model"}.get(name)
        if value and path and not reading.known(path):
            reading.put(path, value, "object")


def _object_text(raw: bytes) -> str | None:
    try:
        value = raw.strip(b"\x00 ").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return value if value and value.isprintable() else None


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
