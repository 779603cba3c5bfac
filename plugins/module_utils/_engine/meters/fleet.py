# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One asyncio pass over many meters: bounded overall and per gateway, one deadline and one more try per meter."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from . import pm5000

DEFAULT_CONCURRENCY = 200
DEFAULT_PER_GATEWAY = 1
DEFAULT_DEADLINE = 30.0  # seconds per meter and try
DEFAULT_SUBSETS = ("identity", "firmware")


@dataclass(frozen=True)
class FleetOptions:
    """How one pass is run. ``concurrency`` and ``per_gateway`` count meters read at the same time."""

    concurrency: int = DEFAULT_CONCURRENCY
    per_gateway: int = DEFAULT_PER_GATEWAY
    deadline: float = DEFAULT_DEADLINE
    retries: int = 1
    subsets: frozenset[str] = frozenset(DEFAULT_SUBSETS)

    def check(self) -> FleetOptions:
        """Itself, when every number is in its range. Raises InputError."""
        for name, low, high in (("concurrency", 1, 2000), ("per_gateway", 1, 100), ("retries", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(name, value, f"a whole number from {low} to {high}", "design 3")
        if not 0 < self.deadline <= 600:
            raise InputError("deadline", self.deadline, "seconds, more than 0 and at most 600", "design 3")
        return self


@dataclass
class Job:
    """One meter to read."""

    target: Target
    profile: Mapping[str, Any] | None = None
    attest: Mapping[str, Any] | None = None
    tries: int = 0

    @property
    def gateway(self) -> str:
        """What the meter shares: its gateway, or else its own address and port (units behind one address share it)."""
        return self.target.gateway or f"{self.target.host}:{self.target.ports['modbus']}"


class _Pass:
    """The queue of one pass. A gateway has at most ``per_gateway`` jobs among the ready or running ones."""

    def __init__(self, jobs: Iterable[Job], options: FleetOptions) -> None:
        self.options = options
        self.results: dict[str, dict[str, Any] | Exception] = {}
        self.ready: deque[Job] = deque()
        self.waiting: dict[str, deque[Job]] = {}
        admitted: dict[str, int] = {}
        for job in jobs:
            key = job.gateway
            if admitted.get(key, 0) < options.per_gateway:
                admitted[key] = admitted.get(key, 0) + 1
                self.ready.append(job)
            else:
                self.waiting.setdefault(key, deque()).append(job)

    async def work(self) -> None:
        """One worker. It may leave when nothing is ready: whoever ends a job takes over what that job held up."""
        while self.ready:
            job = self.ready.popleft()
            again = await self._try(job)
            queue = self.waiting.get(job.gateway)
            if again and queue:
                queue.append(job)  # after the others of its gateway
                again = False
            if again:
                self.ready.append(job)
            elif queue:
                self.ready.append(queue.popleft())

    async def _try(self, job: Job) -> bool:
        """Read once. True when the meter shall be tried again."""
        job.tries += 1
        outcome: dict[str, Any] | Exception
        try:
            async with asyncio.timeout(self.options.deadline):
                outcome = await pm5000.read(job.target, self.options.subsets, job.profile, job.attest)
        except TimeoutError:
            outcome = DeviceError("facts", "deadline_exceeded", f"{job.gateway} was not read within {self.options.deadline:g} s")
        except Exception as exc:  # also one that nobody foresaw: it is this meter's alone
            outcome = exc
        self.results[job.target.name] = outcome
        transient = isinstance(outcome, DeviceError) and outcome.reason in ("transport_failed", "deadline_exceeded")
        return transient and job.tries <= self.options.retries


async def read_fleet(jobs: Iterable[Job], options: FleetOptions) -> dict[str, dict[str, Any] | Exception]:
    """Facts or error of each meter, by name. Never raises for one meter."""
    todo = list(jobs)
    work = _Pass(todo, options)
    workers = min(options.concurrency, len(work.ready))
    await asyncio.gather(*(work.work() for _number in range(workers)))
    return {job.target.name: work.results[job.target.name] for job in todo}
