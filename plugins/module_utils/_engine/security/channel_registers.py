# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Security settings by setup registers over Modbus. Which registers there are comes from a profile only; no other is ever touched.

Modbus has no login: what a meter takes is decided by its Modbus access. Exception 2 to a write means protected (wire facts 6.3);
no answer to a write means that the register is perhaps none of the meter's, and says nothing of the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.errors import DeviceError
from ..base.target import Target
from ..meters import hep_registers
from ..meters.hep_modbus import Reading, fetch_profiled
from ..wire.loop import run
from ..wire.modbus import ModbusReader, ModbusWriter, RefusedError
from . import state as seen
from .channel import STAGE, refused
from .state import Change, State

_PROTECTED, _VALUE = 2, 3
_PREFIX = "settings."


class RegisterChannel:
    """One meter's setup registers, as ``registers.settings`` of a profile names them."""

    name = "registers"
    protocol = ""
    closers = frozenset({"modbus_programming", "modbus_access"})
    clear = False

    def __init__(self, target: Target, profile: Mapping[str, Any]) -> None:
        self._target = target
        self._entries: Mapping[str, Any] = (profile.get("registers") or {}).get("settings") or {}
        self._fields = [item for item in hep_registers.profile_fields(profile) if item.name.startswith(_PREFIX)]
        self.findings: list[dict[str, Any]] = []

    def login(self, user: str, password: str) -> None:
        """Modbus knows no users."""

    prove = login

    def read(self, state: State) -> None:
        reading = Reading()
        run(self._fetch(reading))
        for item in self._fields:
            name = item.name.removeprefix(_PREFIX)
            if name == "users":
                continue
            if not reading.known(item.name):
                state.unread.setdefault(name, reading.unread.get(item.name, "was not read"))
            elif name == "mode":
                state.mode = reading.values[item.name]
                state.provenance["mode"] = seen.REGISTER
            else:
                state.settings[name] = reading.values[item.name]
                state.provenance[name] = seen.REGISTER
                state.unread.pop(name, None)

    async def _fetch(self, reading: Reading) -> None:
        async with ModbusReader(self._target, STAGE) as reader:
            await fetch_profiled(reader, self._fields, reading)

    def writable(self, control: str, kind: str) -> str | None:
        if kind != seen.SETTING:
            return "users, passwords and the mode cannot be written over Modbus"
        entry = self._entries.get(control)
        return None if entry is not None and entry.get("write") else "the profile names no register that may be written for it"

    def write(self, change: Change, secret: str | None = None) -> None:
        why = self.writable(change.control, change.kind)
        if why is not None:
            raise refused(f"{change.control}: {why}", reason="profile_missing")
        entry = self._entries[change.control]
        run(self._put(int(entry["register"]), _number(entry, change)))

    async def _put(self, register: int, value: int) -> None:
        async with ModbusWriter(self._target, frozenset({register}), STAGE) as writer:
            try:
                await writer.write(register, value)
            except RefusedError as error:
                if error.code == _PROTECTED:
                    raise refused(f"register {register} is protected by the meter's security", error.meaning, "programming_off") from None
                what = "the value" if error.code == _VALUE else "the write"
                raise refused(f"the meter did not take {what} for register {register}", error.meaning) from None

    def closed_by(self, change: Change) -> bool:
        return change.control == "modbus_access" and change.want == "none"

    def moved_by(self, change: Change) -> bool:
        return False

    def close(self) -> None:
        """Every request has its own connection."""


def _number(entry: Mapping[str, Any], change: Change) -> int:
    """The register value of our word. Raises DeviceError."""
    words = entry.get("words")
    if words is None:
        return int(change.want)
    for number, word in words.items():
        if word == change.want and isinstance(word, bool) == isinstance(change.want, bool):
            return int(number)
    raise DeviceError(STAGE, "profile_missing", f"the profile has no register value for {change.want!r} of {change.control}")
