# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The process that is the fleet: start, announce, wait, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from pathlib import Path

from metersim import inventory
from metersim.control import Control
from metersim.fleet import Fleet
from metersim.spec import FleetSpec, StartError

READY = "ready.json"


def run(spec: FleetSpec, state: Path, hosts: Path | None, parent: int) -> int:
    """Run a fleet until it is told to stop. Raises StartError."""
    return asyncio.run(_serve(spec, state, hosts, parent))


async def _serve(spec: FleetSpec, state: Path, hosts: Path | None, parent: int) -> int:
    logging.disable(logging.CRITICAL)  # protocol libraries; the journal is the record
    fleet = Fleet(spec, state)
    control = Control(fleet)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, control.stop_wanted.set)
    await fleet.start()
    try:
        await control.start(spec.control_port)
    except OSError as exc:
        await fleet.stop()
        raise StartError(f"control endpoint: cannot listen on 127.0.0.1:{spec.control_port}: {exc.strerror or exc}") from exc
    if hosts:
        inventory.write(fleet, hosts)
    _announce(state, fleet, control)
    await _until_stopped(control, parent)
    (state / READY).unlink(missing_ok=True)
    await control.stop()
    await fleet.stop()
    return 0


def _announce(state: Path, fleet: Fleet, control: Control) -> None:
    ready = {"pid": os.getpid(), "control": control.url, "name": fleet.spec.name, "meters": len(fleet.meters)}
    partial = state / (READY + ".part")
    partial.write_text(json.dumps(ready), encoding="utf-8")
    partial.replace(state / READY)


async def _until_stopped(control: Control, parent: int) -> None:
    """Until a signal or a request; with ``parent`` also when that process goes."""
    while not control.stop_wanted.is_set():
        if parent and os.getppid() != parent:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(control.stop_wanted.wait(), 1.0 if parent else None)
