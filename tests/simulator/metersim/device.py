# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What every simulated meter has, whatever it speaks: ports, background work, faults, a journal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

from metersim import faults
from metersim.clock import FleetClock
from metersim.journal import Event, Journal


class Service(Protocol):
    """A protocol front of a meter."""

    async def start(self, address: str, port: int) -> None:
        """Open the port. OSError when it is taken."""

    async def stop(self) -> None:
        """Close the port and drop every connection at once."""


class Device:
    """A meter as the fleet and the control endpoint handle it."""

    def __init__(self, name: str, address: str, clock: FleetClock, journal: Journal, ports: dict[str, int], folder: Path) -> None:
        self.name = name
        self.address = address
        self.clock = clock
        self.journal = journal
        self.ports = ports
        self.folder = folder / name
        self.latency = 0.0
        self.state = "idle"
        self.restarts = 0
        self.connections = 0
        self.faults: dict[str, faults.Fault] = {}
        self._used: dict[str, int] = {}
        self.services: dict[str, Service] = {}
        self.fleet: Any = None
        self.tasks: set[asyncio.Task[Any]] = set()

    def record(self, kind: str, **fields: Any) -> Event:
        """Put an event into the journal."""
        return self.journal.add(self.name, kind, **fields)

    def take(self, ident: str) -> faults.Fault | None:
        """The fault if it strikes now; counts down its ``times``."""
        fault = self.faults.get(ident)
        if fault is None:
            return None
        used = self._used.get(ident, 0)
        if fault.get("times") and used >= fault["times"]:
            return None
        self._used[ident] = used + 1
        return fault

    def wants(self, service: str) -> bool:
        """Whether this service's port is open when the meter is up."""
        return True

    def port(self, service: str) -> int:
        """The port a service really has."""
        return self.own_port(service)

    def own_port(self, service: str) -> int:
        """The port the owner knows of."""
        return self.ports[service]

    async def open(self) -> None:
        """Open all ports. Raises OSError naming the address."""
        for name, service in self.services.items():
            if self.wants(name):
                try:
                    await service.start(self.address, self.port(name))
                except OSError as exc:
                    why = os.strerror(exc.errno) if exc.errno else str(exc)
                    raise OSError(exc.errno, f"{self.address}:{self.port(name)} ({name}): {why}") from exc

    async def close(self) -> None:
        """Close all ports and drop all connections: real silence."""
        for service in self.services.values():
            await service.stop()
        self.connections = 0

    async def shutdown(self) -> None:
        """End of the simulation."""
        for task in list(self.tasks):
            task.cancel()
        await self.close()

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run something in the background and keep hold of it."""
        task = asyncio.get_running_loop().create_task(work())
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.record("simulator_error", text=repr(task.exception()))

    async def drop_link(self, seconds: float) -> None:
        """The cable is out for a while; the meter itself keeps running."""
        before = self.state
        self.state = "silent"
        self.record("link_down")
        await self.close()
        await self.clock.sleep(seconds)
        self.state = before
        await self.open()
        self.record("link_up")
