# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an upgrade may lose of a HEP meter, read before and compared after: template, energies, settings (R-168…R-171, R-179).

Where none of these registers is named by a profile, the snapshot says so and the comparison knows nothing: unknown is never good.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..base.target import Target
from ..wire.loop import run
from ..wire.modbus import ModbusReader
from . import hep_registers as registers
from .hep_modbus import Reading, fetch_profiled, nothing_told, tells_nothing
from .modbus_reading import fetch

NO_PROFILE = "no public register; a register profile can name one"
LOST, TEMPLATE_MISSING, TEMPLATE_CHANGED, SETTING_CHANGED = "register_data_loss", "template_missing", "template_changed", "setting_changed"


@dataclass(frozen=True)
class Snapshot:
    """One meter at one time. ``template`` is empty where the meter says that none is loaded, None where it could not be read.

    Energies are in the unit of the profile's registers. ``unread`` says why a value is missing.
    """

    taken_at: str
    serial: str | None
    model: str | None
    version: str | None
    template: str | None = None
    energies: Mapping[str, float | None] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a folder or a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Snapshot:
        """A snapshot that was kept as plain values."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})


@dataclass(frozen=True)
class Loss:
    """One value that is not as it was. ``kind`` is register_data_loss, template_missing, template_changed or setting_changed."""

    field: str
    before: Any
    after: Any
    kind: str


async def snapshot(target: Target, profile: Mapping[str, Any] | None = None) -> Snapshot:
    """Read everything at once that an upgrade may lose. Raises DeviceError, and InputError for a bad profile."""
    fields = registers.profile_fields(profile)
    reading = Reading()
    async with ModbusReader(target, "snapshot") as reader:
        for block in (registers.IDENTITY, registers.FIRMWARE):
            await fetch(reader, block, reading)
        if tells_nothing(reading):
            raise nothing_told(reading, target, "snapshot")
        await fetch_profiled(reader, fields, reading)
    return _made(reading, fields)


def snapshot_sync(target: Target, profile: Mapping[str, Any] | None = None) -> Snapshot:
    """``snapshot`` for code that has no event loop."""
    return run(snapshot(target, profile))


def _made(reading: Reading, fields: tuple[registers.Field, ...]) -> Snapshot:
    def value(path: str) -> Any:
        return reading.values[path] if reading.known(path) else None

    names = [item.name for item in fields]
    unread = dict(reading.unread)
    template = value("template")
    if unread.get("template") == registers.EMPTY:
        template = ""
        del unread["template"]
    for part in ("template", "energies", "settings"):
        if not any(name.split(".")[0] == part for name in names):
            unread[part] = NO_PROFILE
    return Snapshot(
        taken_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        serial=value("serial"),
        model=value("model"),
        version=value("firmware.raw"),
        template=template,
        energies={name.partition(".")[2]: value(name) for name in names if name.startswith("energies.")},
        settings={name.partition(".")[2]: value(name) for name in names if name.startswith("settings.")},
        provenance=dict(reading.provenance),
        unread=unread,
    )


def compare(before: Snapshot, after: Snapshot) -> list[Loss]:
    """What is worse, or other, than before. A value that either side could not read is no loss; see ``blind``. Pure.

    An energy that went down is lost (R-170); a template that is gone was not loaded (R-171), another one is not what came before (R-179).
    """
    losses = [
        Loss(f"energies.{name}", was, now, LOST)
        for name, was in before.energies.items()
        if was is not None and (now := after.energies.get(name)) is not None and now < was
    ]
    if before.template and after.template is not None and after.template != before.template:
        losses.append(Loss("template", before.template, after.template, TEMPLATE_CHANGED if after.template else TEMPLATE_MISSING))
    losses += [
        Loss(f"settings.{name}", was, now, SETTING_CHANGED)
        for name, was in before.settings.items()
        if was is not None and (now := after.settings.get(name)) is not None and now != was
    ]
    return losses


def blind(before: Snapshot, after: Snapshot) -> dict[str, str]:
    """What cannot be judged, with the reason: values that one of the two could not read. Pure."""
    found: dict[str, str] = {}
    for when, side in (("before", before), ("after", after)):
        for path, why in side.unread.items():
            if path.split(".")[0] in ("template", "energies", "settings"):
                found.setdefault(path, f"{when} the upgrade: {why}")
    return found
