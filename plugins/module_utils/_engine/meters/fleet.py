# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One pass over many meters: bounded overall and per gateway, one deadline and one more try per meter.

Modbus is read in one event loop. DLMS/COSEM, whose client blocks, is read in threads of the same pass.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from ..wire.dlms.counters import CounterStore, MemoryCounters
from . import hep, mcs301, pm5000
from .families import subsets_of

DEFAULT_CONCURRENCY = 200
DEFAULT_PER_GATEWAY = 1
DEFAULT_DEADLINE = 30.0  # seconds per meter and try
DEFAULT_SUBSETS = ("identity", "firmware")
MOST_THREADS = 256  # DLMS meters read, or handshakes waited for, at the same time, whatever the concurrency


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
    """One meter to read. ``counters`` is where an association with keys takes its invocation counters from."""

    target: Target
    profile: Mapping[str, Any] | None = None
    attest: Mapping[str, Any] | None = None
    tries: int = 0
    counters: CounterStore | None = None

    @property
    def gateway(self) -> str:
        """What the meter shares: its gateway, or else its own address and port (units behind one address share it)."""
        return self.target.gateway or f"{self.target.host}:{self.target.ports[self.service]}"

    @property
    def service(self) -> str:
        """The service over which this family is read."""
        return "dlms" if self.target.family == mcs301.FAMILY else "modbus"


class _Pass:
    """The queue of one pass. A gateway has at most ``per_gateway`` jobs among the ready or running ones."""

    def __init__(self, jobs: Iterable[Job], options: FleetOptions) -> None:
        self.options = options
        self.results: dict[str, dict[str, Any] | Exception] = {}
        self.ready: deque[Job] = deque()
        self.waiting: dict[str, deque[Job]] = {}
        self._threads: ThreadPoolExecutor | None = None
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
            outcome = await (self._dlms(job) if job.target.family == mcs301.FAMILY else self._modbus(job))
        except TimeoutError:
            outcome = DeviceError("facts", "deadline_exceeded", f"{job.gateway} was not read within {self.options.deadline:g} s")
        except Exception as exc:  # also one that nobody foresaw: it is this meter's alone
            outcome = exc
        self.results[job.target.name] = outcome
        return _transient(outcome) and job.tries <= self.options.retries

    async def _modbus(self, job: Job) -> dict[str, Any]:
        wanted = subsets_of(job.target.family, self.options.subsets)
        read = hep.read if job.target.family == hep.FAMILY else pm5000.read
        async with asyncio.timeout(self.options.deadline):
            return await read(job.target, wanted, job.profile, job.attest)

    async def _dlms(self, job: Job) -> dict[str, Any]:
        """In a thread, which keeps the deadline itself: it ends after the answer that it waits for."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(min(self.options.concurrency, MOST_THREADS), "dlms")
        wanted = subsets_of(mcs301.FAMILY, self.options.subsets)
        counters = job.counters or MemoryCounters()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, mcs301.read_target, job.target, wanted, counters, self.options.deadline)

    def close(self) -> None:
        """End the threads; all of them are idle by now."""
        if self._threads is not None:
            self._threads.shutdown()


def _transient(outcome: object) -> bool:
    """Whether another try may help and can do no harm: never after an association was asked for, which might count as a failed login."""
    return (
        isinstance(outcome, DeviceError) and outcome.reason in ("transport_failed", "deadline_exceeded") and outcome.stage != "association"
    )


async def read_fleet(jobs: Iterable[Job], options: FleetOptions) -> dict[str, dict[str, Any] | Exception]:
    """Facts or error of each meter, by name. Never raises for one meter."""
    todo = list(jobs)
    work = _Pass(todo, options)
    workers = min(options.concurrency, len(work.ready))
    if any(job.target.family == hep.FAMILY for job in todo):  # handshakes wait in threads; a queue for few of them would cost deadlines
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(min(options.concurrency, MOST_THREADS), "probe"))
    try:
        await asyncio.gather(*(work.work() for _number in range(workers)))
    finally:
        work.close()
    return {job.target.name: work.results[job.target.name] for job in todo}
