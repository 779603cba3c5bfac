# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the steps of every method have in common: read the meter over Modbus, watch it, find it again.

The steps take and return plain data and decide nothing about attempts: the flow does, and writes the ledger between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from ..base.clock import Waiter
from ..base.errors import DeadlineError, DeviceError
from ..base.target import Target
from ..catalogue import constants
from ..catalogue.models import HEP
from ..meters import pm5000, search
from ..profiles.expressions import require_library as require_jmespath
from ..wire.loop import run
from ..wire.probe import probe_all
from ..wire.web import require_library as require_requests
from .observe import Expected, Limits, Look, Observation, advance


class Hooks(Protocol):
    """How a step tells what it does, and learns that it must stop."""

    leases: list[Any]

    def phase(self, state: str, percent: int | None, text: str) -> None:
        """Tell a person where the step is."""

    def guard(self, stage: str) -> None:
        """Keep the leases alive. Raises OrphanedError in staging and trigger, when nothing new may be started."""


class Silence:
    """Hooks for a jump host: nobody listens there."""

    def __init__(self) -> None:
        self.leases: list[Any] = []

    def phase(self, state: str, percent: int | None, text: str) -> None:
        """Nothing to tell."""

    def guard(self, stage: str) -> None:
        """Nothing to guard: the controller does, between the calls."""


@dataclass(frozen=True)
class SendFile:
    """One file to copy."""

    name: str
    role: str
    sha256: str
    size: int
    path: str


@dataclass(frozen=True)
class Reading:
    """Who answers at the meter's address, in plain text."""

    model: str
    serial: str | None
    version: str | None
    restarts: int | None
    last_restart: str | None
    name: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Watch(Protocol):
    """The page that tells how the upgrade goes; where there is none, all looks are over Modbus alone."""

    def look(self, reading: Reading) -> Look:
        """What this meter, which answered, says now."""

    def close(self) -> None:
        """Drop the connection."""


class ModbusWatch:
    """No page: the version over Modbus decides alone."""

    def look(self, reading: Reading) -> Look:
        """The reading, and nothing else."""
        return Look(True, reading.serial, reading.version, reading.restarts, reading.last_restart)

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class MeterSteps:
    """Steps that need no method: identify, lock, services, observe, find. Methods add login, stage and trigger."""

    target: Target
    profile: Mapping[str, Any] | None = None
    files: Sequence[SendFile] = ()
    networks: Sequence[str] = ()
    hooks: Hooks = field(default_factory=Silence)

    #: Services whose ports the method needs.
    SERVICES: ClassVar[tuple[str, ...]] = ("http",)

    def __post_init__(self) -> None:
        """Raise DependencyError before the first contact, not in the middle of an upgrade."""
        require_requests()
        require_jmespath(self.profile)

    def identify(self) -> Reading:
        """Model, serial and version as the meter tells them over Modbus. Raises DeviceError."""
        if self.target.family == HEP:
            from ..meters import hep  # a jump host compiles whatever is imported anew for each step

            identity: Any = hep.identify_sync(self.target)
        else:
            identity = pm5000.identify_sync(self.target)
        return Reading(
            model=identity.model.name if identity.model else identity.model_text or "",
            serial=identity.serial,
            version=str(identity.version) if identity.version else None,
            restarts=identity.restarts,
            last_restart=identity.last_restart,
            name=identity.name,
        )

    def services(self) -> dict[str, str]:
        """open, closed, no_answer or unknown for the ports the method needs; a TCP connect, no byte sent."""
        ports = {name: self.target.ports[name] for name in self.SERVICES}
        return run(probe_all(self.target.host, ports, self.target.timeouts.connect))

    def lock(self) -> str:
        """locked, unlocked or unknown, by the profile's reading of the lock register."""
        mapping = ((self.profile or {}).get("registers") or {}).get("mid_lock")
        return pm5000.lock_state_sync(self.target, mapping)

    def watch(self) -> Watch:
        """The page to look at while the meter works."""
        return ModbusWatch()

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Look on for at most ``seconds`` meter seconds; returns the moved state, over when ``outcome`` is set."""
        observation, wanted, deadlines = Observation(**state), Expected(**expected), Limits(**limits)
        start = self.target.clock.monotonic() - observation.elapsed
        watch = self.watch()
        waiter = Waiter(self.target.clock, lambda: self.hooks.guard("observing"))

        def look() -> bool | None:
            reading = self._answer()
            # The age of an answer is taken at once: a status page that hangs must not make an old answer look like a late one.
            observation.elapsed = self.target.clock.monotonic() - start
            seen = Look(answered=False) if reading is None else watch.look(reading)
            advance(observation, seen, wanted, deadlines)
            last = observation.timeline[-1] if observation.timeline else {"state": "triggered", "text": ""}
            self.hooks.phase(last["state"], observation.percent, last["text"])
            return True if observation.outcome else None

        def pace() -> float:
            return float((constants.POLL_NEAR if observation.near_the_end else constants.POLL_INTERVAL).number)

        try:
            waiter.until("observing", look, seconds, interval=pace)
        except DeadlineError:
            pass  # the slice is over, the observation is not
        finally:
            watch.close()
        return observation.as_dict()

    def _answer(self) -> Reading | None:
        try:
            return self.identify()
        except DeviceError:
            return None

    def recall(self, detail: Mapping[str, Any]) -> bool:
        """Take back what an earlier run asked the meter to do later, where this run wants something else: nothing here."""
        return False

    def find(self, serial: str) -> str | None:
        """The address in ``networks`` at which this serial number answers now, or None (R-032, F-13)."""
        return search.find_serial(self.target, serial, self.networks) if self.networks else None

    def close(self) -> None:
        """Nothing stays open between the steps."""
