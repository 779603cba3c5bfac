# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The hand-over of security settings: what a person has to set with the maker's tool, point by point, where no other way exists.

Nothing here claims that anything was done. Passwords are never in it: the list says whose, and the vault has them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..base.errors import DeviceError
from .channel import STAGE
from .control import Control
from .state import State

_WIZARD = "ION Setup: Setup Assistant, Security, Security Mode, Edit"
_WEB = "ION Setup: Setup Assistant, Communications, Advanced Ethernet, Protocols"
#: Where the documents say that a setting is (R-275…R-293, R-352, R-401).
_PLACES = (
    (("web_protocol", "web_port_"), _WEB),
    (("lockout_", "session_timeout_"), f"{_WIZARD}, protocol lockout options"),
    (("user:", "password:"), f"{_WIZARD}, individual users and passwords"),
)


def steps(controls: Sequence[Control]) -> list[dict[str, Any]]:
    """What is left to do by hand: control, wanted value, what is known of the present one, and where it is set."""
    return [
        {"control": item.id, "want": item.want, "have": item.have, "where": _place(item.id), "known": item.evidence or "not read"}
        for item in controls
    ]


def _place(name: str) -> str:
    return next((place for starts, place in _PLACES if name.startswith(starts)), _WIZARD)


def write_handover(folder: Path, host: str, state: State, todo: Sequence[Mapping[str, Any]], run: str) -> Path:
    """The list as JSON and as text for printing, 0600 in a folder 0700; returns the text's path. Raises DeviceError."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", host).lstrip(".") or "meter"
    meter = {"host": host, "serial": state.serial, "model": state.model, "firmware": str(state.version) if state.version else None}
    lines = [f"Security settings to be made by hand: {host}", f"{meter['model']}, serial number {meter['serial']}, {meter['firmware']}", ""]
    for number, item in enumerate(todo, 1):
        lines += [f"[ ] {number}. {item['control']}: {_shown(item)}", f"      {item['where']}"]
    lines += [
        "",
        "Save the configuration under a name of its own, and keep it in a protected place (R-292, R-299).",
        "Then run the task again.",
    ]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / f"{name}.security.json", json.dumps({"meter": meter, "steps": list(todo), "run": run}, indent=2, default=str))
        _write(folder / f"{name}.security.txt", "\n".join(lines))
    except OSError as error:
        raise DeviceError(STAGE, "handover_failed", f"the hand-over folder cannot be written: {error.strerror}") from None
    return folder / f"{name}.security.txt"


def _shown(item: Mapping[str, Any]) -> str:
    if str(item["control"]).startswith("password:"):
        return "set the new password; it is in the vault"
    want = item["want"]
    return ", ".join(str(part) for part in want) if isinstance(want, (list, tuple)) else str(want)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
    temporary.replace(path)
