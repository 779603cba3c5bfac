# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The checklist for a technician with ION Setup: one printable page, no password (R-164…R-180, R-189…R-196)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalogue import constants, recovery
from .tool_handover import page

_COLUMNS = {
    "host": "Meter",
    "address": "Address",
    "model": "Model",
    "serial": "Serial",
    "source": "From",
    "target": "To",
    "package": "Package",
    "transport": "Way",
    "security": "Security mode",
}


def checklist(meters: list[dict[str, Any]]) -> str:
    """The page for all meters that are handed over now."""
    first: Mapping[str, Any] = meters[0] if meters else {}
    least, cap = str(first.get("least") or constants.ION_SETUP_MIN_V3.value), first.get("cap", constants.UNDOCUMENTED_CAP_DEFAULT.number)
    rows = [{**meter, "security": _security(meter.get("prediction") or {})} for meter in meters]
    notes = dict.fromkeys(note for meter in meters for note in meter.get("notes") or ())
    return page(
        "Firmware upgrade with ION Setup",
        f"ION Setup {least} or later; an older one loses template and energy registers. At most {cap} at a time. There is no way back.",
        rows,
        _COLUMNS,
        (*_steps(least), *(f"Know: {note}" for note in notes)),
        recovery.RECOVERY["ion"].steps,
    )


def _security(prediction: Mapping[str, Any]) -> str:
    before, after = prediction.get("before", "unknown"), prediction.get("mode", "unknown")
    users = ", all users are deleted" if prediction.get("users_removed") else ""
    return f"{before} to {after if after != 'unknown' else 'unknown: look'}{users}"


def _steps(least: str) -> tuple[str, ...]:
    return (
        f"Help > About: ION Setup is {least} or later. If not, stop and upgrade ION Setup first",
        "Save what the meter has: template, setup, energy values, clock, and who the users are",
        "Connect over Ethernet; a serial line is very slow, ION over Modbus works only sometimes",
        "The serial number on the screen is the one in the table",
        "Upgrade with the file in the folder 'package'; do not unpack or rename it. A warning about ION Setup's version means: stop",
        "Stay until ION Setup has loaded the template and written the registers back; control power will not be interrupted",
        "An error that values cannot be written: note it, leave the meter as it is, stop with all others",
        "Compare template and energy values with those of before",
        "Look at the security mode and try the account once; a wrong password may lock it",
        "Hand this folder back; version, template and registers are read from the meters",
    )
