# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Registers and identification of a Modbus meter into values, with the reason for each that is missing. Every family's; only reads."""

from __future__ import annotations

from ..base.errors import DeviceError
from ..wire.modbus import ModbusReader, RefusedError
from .pm5000_registers import EMPTY, Block, Field, UnreadableError
from .reading import Values

_IDENTIFICATION = ("vendor", "product_code", "revision")


class RegisterValues(Values):
    """Values read from registers."""

    def is_text(self, item: Field) -> bool:
        """Whether a field that cannot be read is shown as ``unknown`` (text) rather than null (number); a family knows its decoders."""
        raise NotImplementedError

    def take(self, item: Field, words: list[int]) -> None:
        """Decode one field from its registers."""
        try:
            self.put(item.name, item.decode(words), "register")
        except UnreadableError as exc:
            self.miss(item.name, str(exc), self.is_text(item))

    def refuse(self, item: Field, error: RefusedError) -> None:
        """Note that the meter does not serve a field."""
        self.miss(item.name, error.meaning, self.is_text(item))


async def fetch(reader: ModbusReader, block: Block, reading: RegisterValues) -> None:
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


async def fetch_identification(reader: ModbusReader, reading: RegisterValues, show: bool) -> None:
    """FC 43/14, the second source: asked last, because a meter may answer it with silence or nonsense."""
    objects: dict[int, bytes] = {}
    reason = EMPTY
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
