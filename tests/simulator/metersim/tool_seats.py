# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How many meters the tool takes at once, counted over all its processes with the same application folder (R-083, R-084)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metersim.tool_files import OTHER, TOO_MANY, USAGE, Stop

SINGLE_UP_TO, MANY = (3, 7), 10


def cap(version: str) -> int:
    """1 up to 3.7, 10 from 3.8."""
    parts = version.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        raise Stop(USAGE, f"'{version}' is not a version of the tool")
    return 1 if (int(parts[0]), int(parts[1])) <= SINGLE_UP_TO else MANY


def _start_time(pid: int) -> str:
    """What tells a process from a later one with the same number; empty when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _taken(folder: Path) -> list[dict[str, Any]]:
    """The seats of running processes; those of dead ones are cleared."""
    found = []
    for path in sorted(folder.glob("seat-*.json")):
        try:
            seat = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            seat = {}
        if seat and _start_time(seat["pid"]) == seat["start"]:
            found.append(seat)
        else:
            path.unlink(missing_ok=True)
    return found


@contextlib.contextmanager
def seat(app_dir: Path, address: str, version: str) -> Iterator[int]:
    """Hold a seat for one meter; the number of seats taken, this one included. Stop when there is none."""
    limit = cap(version)
    try:
        app_dir.mkdir(parents=True, exist_ok=True)
        gate = (app_dir / "gate.lock").open("a")
    except OSError as exc:
        raise Stop(OTHER, f"The application folder cannot be used: {exc.strerror}") from exc
    mine = app_dir / f"seat-{os.getpid()}.json"
    with gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        others = _taken(app_dir)
        if any(other["address"] == address for other in others):
            raise Stop(TOO_MANY, f"Device {address} is being upgraded already")
        if len(others) >= min([limit, *(other["cap"] for other in others)]):
            devices = "one device" if limit == 1 else f"{limit} devices"
            raise Stop(TOO_MANY, f"This version of the tool supports {devices} at a time")
        words = {"pid": os.getpid(), "start": _start_time(os.getpid()), "address": address, "cap": limit}
        mine.write_text(json.dumps(words), encoding="utf-8")
    try:
        yield len(others) + 1
    finally:
        mine.unlink(missing_ok=True)
