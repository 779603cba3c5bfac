# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One simulated MCS301: state, restarts, security, firmware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from metersim import faults as common
from metersim.clock import FleetClock
from metersim.device import Device
from metersim.journal import Journal
from metersim.mcs301 import acse, calendar, faults
from metersim.mcs301.association import OPEN, Association
from metersim.mcs301.container import Firmware
from metersim.mcs301.image import ImageTransfer
from metersim.mcs301.objects import BROADCAST, MANAGEMENT, PUBLIC, READING, Objects
from metersim.mcs301.policy import Policy
from metersim.mcs301.server import DlmsService
from metersim.mcs301.spec import KEYS, DlmsSpec

ABSURD = 0xFFFFFF00
POWER_DOWN, POWER_UP, OLD_TIME, NEW_TIME, SECURITY_CHANGED = 1, 2, 4, 5, 59


class Security:
    """Keys, policy and counters; they outlive every restart."""

    def __init__(self, spec: DlmsSpec) -> None:
        self.keys = {name: spec.key(name) for name in KEYS}
        self.policy = Policy.of(spec.dlms.security_version, spec.dlms.policy)
        self._shared = spec.dlms.counters == "shared"
        self._first = spec.dlms.counter
        self._seen: dict[int, int] = {BROADCAST: 0}
        self._sent = 1000

    def _slot(self, client: int) -> int:
        return client if client == BROADCAST or not self._shared else MANAGEMENT

    def seen(self, client: int) -> int:
        """The last accepted counter of a client."""
        return self._seen.get(self._slot(client), self._first)

    def saw(self, client: int, counter: int) -> None:
        """A counter was accepted."""
        self._seen[self._slot(client)] = counter

    def next_counter(self, repeat: bool) -> int:
        """A fresh counter of the meter; with ``repeat`` the last one again."""
        self._sent += 0 if repeat else 1
        return self._sent

    def new_key(self) -> None:
        """A new GUEK starts all counters again."""
        self._seen = {BROADCAST: self._seen[BROADCAST]}
        self._first = 0
        self._sent = 0


class Mcs301(Device):
    """The meter."""

    def __init__(self, spec: DlmsSpec, clock: FleetClock, journal: Journal, ports: dict[str, int], folder: Path) -> None:
        super().__init__(spec.name, spec.address, clock, journal, ports, folder)
        self.spec = spec
        self.model = spec.model
        self.serial = spec.serial
        self.latency = spec.latency
        self.inactivity: float = spec.dlms.inactivity
        self.system_title = spec.system_title
        self.components = {b: Firmware(b, given[0]) for b, given in spec.firmware.items()}
        self.older = {b: given[1:] for b, given in spec.firmware.items()}
        self.fallback: dict[int, Firmware] | None = None
        self.security = Security(spec)
        self.secrets = {MANAGEMENT: spec.secret("lls"), READING: spec.secret("lls_reading")}
        self.calendar = calendar.Calendar(self)
        self.standard_log = calendar.Log()
        self.fraud_log = calendar.Log()
        self.scheduler = calendar.Scheduler(self)
        self.image = ImageTransfer(self)
        self.offered = self._offer()
        self.objects = Objects(self)
        self.cut: common.Fault | None = None
        self.was_block = False
        self._later: list[Callable[[], None]] = []
        self._open: list[Association] = []
        self._half_open: dict[int, float] = {}
        self._failures: dict[int, int] = {}
        self._locked_until: dict[int, float] = {}
        self._answers = 0
        self.services["dlms"] = DlmsService(self)
        self.faults = dict(spec.faults)
        self.log_standard(POWER_UP)

    # -- facts -------------------------------------------------------------------

    @property
    def ldn(self) -> str:
        """Logical device name."""
        return self.spec.ldn if self.serial == self.spec.serial else self.spec.ldn[:8] + f"{self.serial:08d}"

    @property
    def firmware_text(self) -> str:
        """Identifier of the application."""
        part = self.components.get(1) or next(iter(self.components.values()))
        return part.identifier.hex()

    def _offer(self) -> int:
        names = ["general_protection", "block_get", "multiple", "get", "set", "selective", "action", "priority"]
        return acse.conformance(*names, *(("block_set", "block_action") if self.spec.dlms.block_transfer else ()))

    def summary(self) -> dict[str, Any]:
        """What the control endpoint lists. Never a key."""
        image = self.image
        return {
            "name": self.name,
            "address": self.address,
            "ports": {"dlms": self.port("dlms")},
            "model": self.model,
            "firmware": self.firmware_text,
            "serial": self.serial,
            "ldn": self.ldn,
            "system_title": self.system_title.hex(),
            "state": self.state,
            "attempts": 0,
            "attempts_limit": None,
            "restarts": self.restarts,
            "icmp": self.state not in ("silent", "dead"),
            "components": _shown(self.components),
            "fallback": None if self.fallback is None else _shown(self.fallback),
            "image": {
                "status": image.status,
                "enabled": image.enabled,
                "identifier": image.identifier.hex(),
                "size": image.size,
                "blocks": len(image.have),
                "received": sum(image.have),
                "first_missing": image.first_missing,
            },
            "schedule": [[time.hex(), date.hex()] for time, date in self.scheduler.entries],
            "policy": self.security.policy.word,
            "counter": self.security.seen(MANAGEMENT),
            "associations": sorted(self.open_clients()),
            "connections": self.connections,
            "clock": self.calendar.now().isoformat(),
            "faults": self.faults,
        }

    def log_standard(self, code: int) -> None:
        """An entry of the standard event log."""
        self.standard_log.add(self.calendar.now(), code)

    def log_fraud(self, code: int) -> None:
        """An entry of the fraud log."""
        self.fraud_log.add(self.calendar.now(), code)

    def told_counter(self, reader: int, client: int) -> int:
        """What an invocation counter object says."""
        fault = self.faults.get("told_counter")
        if fault and reader == PUBLIC:
            return {"rolled_back": 1, "absurd": ABSURD}.get(fault["mode"], int(fault["value"]))
        return self.security.seen(client)

    # -- faults ------------------------------------------------------------------------

    def set_faults(self, wanted: dict[str, common.Fault]) -> None:
        """Replace all faults."""
        self.faults = dict(wanted)
        self._used = {}
        self._answers = 0
        self.image.forget_faults()

    def check_faults(self, raw: Any) -> dict[str, common.Fault]:
        """Faults as the control endpoint gets them. Raises ValueError."""
        return faults.normalise(raw, f"meter {self.name}")

    def strike(self, name: str) -> common.Fault | None:
        """The fault if it strikes now, with an event."""
        fault = self.take(name)
        if fault is not None:
            self.record("fault", name=name)
        return fault

    def _after(self, name: str) -> common.Fault | None:
        """A fault of answers that begins after some good ones."""
        fault = self.faults.get(name)
        if not fault:
            return None
        self._answers += 1
        return self.strike(name) if self._answers > fault["after"] else None

    def weaken(self) -> str:
        """Whether this answer is to be protected too little: '', plain or weaker."""
        fault = self._after("plaintext_answers")
        return fault["mode"] if fault else ""

    def repeats(self) -> bool:
        """Whether this answer repeats the last counter."""
        return self._after("replayed_answers") is not None

    # -- associations ---------------------------------------------------------------------

    def open_clients(self) -> set[int]:
        """Clients with an open association."""
        return {who.client for who in self._open}

    def associated(self, who: Association, opened: bool) -> None:
        """An association was opened or has ended in order."""
        if opened:
            self._failures.pop(who.client, None)
            if who not in self._open:
                self._open.append(who)
        elif who in self._open:
            self._open.remove(who)

    def lost(self, who: Association) -> None:
        """A connection has ended; without a release the association may live on for a while."""
        if who in self._open:
            self._open.remove(who)
            fault = self.faults.get("half_open")
            if fault and who.state == OPEN:
                self._half_open[who.client] = self.clock.now() + fault["seconds"]

    def occupied(self, client: int) -> bool:
        """Fault half_open: one association per client."""
        if "half_open" not in self.faults:
            return False
        busy = client in self.open_clients() or self.clock.now() < self._half_open.get(client, -1.0)
        if busy:
            self.record("fault", name="half_open")
        return busy

    def locked_out(self, client: int) -> bool:
        """Fault lockout."""
        return "lockout" in self.faults and self.clock.now() < self._locked_until.get(client, -1.0)

    def auth_failed(self, client: int, why: str, count: bool) -> None:
        """Somebody could not prove who they are."""
        self.record("auth_failed", client=client, why=why)
        self.log_fraud(46)
        fault = self.faults.get("lockout")
        if not count or not fault:
            return
        self._failures[client] = self._failures.get(client, 0) + 1
        if self._failures[client] >= fault["tries"]:
            self._failures[client] = 0
            self._locked_until[client] = self.clock.now() + fault["seconds"]
            self.record("fault", name="lockout")

    # -- changes that hold from the next request --------------------------------------------

    def later(self, work: Callable[[], None]) -> None:
        """Do something when the present answer is protected."""
        self._later.append(work)

    def commit(self) -> None:
        """Do it."""
        work, self._later = self._later, []
        for item in work:
            item()

    def set_policy(self, number: int) -> None:
        """A stronger policy."""
        self.security.policy.number = number
        self.log_standard(SECURITY_CHANGED)

    def set_keys(self, keys: dict[str, bytes]) -> None:
        """New keys; a new GUEK starts the counters again."""
        self.security.keys.update(keys)
        if "guek" in keys:
            self.security.new_key()
        self.log_standard(SECURITY_CHANGED)

    def move_clock(self, seconds: float) -> None:
        """Set the clock forward or back."""
        self.log_standard(OLD_TIME)
        self.calendar.offset += seconds
        self.log_standard(NEW_TIME)
        self.scheduler.clock_moved()

    # -- firmware ------------------------------------------------------------------------------

    def install(self, parts: list[Firmware]) -> None:
        """The new firmware runs; the old one is kept."""
        self.fallback = dict(self.components)
        self.run({**self.components, **{part.component: part for part in parts}})

    def fall_back(self) -> None:
        """The old firmware runs again."""
        if self.fallback is not None:
            self.run(self.fallback)
            self.fallback = None

    def discard_old(self) -> None:
        """The new firmware has proved itself."""
        old, self.fallback = self.fallback or {}, None
        for b, part in old.items():
            if part != self.components[b]:
                self.record("slot_discarded", identifier=part.identifier.hex(), component=b)
                if self.spec.dlms.identifiers == "array":
                    self.older[b] = [part.identifier, *self.older.get(b, [])][:9]

    def run(self, components: dict[int, Firmware]) -> None:
        """Run these firmware parts."""
        self.components = dict(components)
        self.objects.rebuild()

    # -- restarts -------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Nothing of this model opens or closes ports by a setting."""

    async def go_silent(self, why: str = "power") -> None:
        """Close everything."""
        self.state = "silent"
        self.record("silence_begin", why=why)
        self.log_standard(POWER_DOWN)
        self._later, self.cut = [], None
        await self.close()
        self._open = []

    async def come_back(self, cause: str, state: str = "idle") -> None:
        """Open everything again."""
        self.restarts += 1
        self.state = state
        self.log_standard(POWER_UP)
        await self.open()
        self.record("silence_end")
        self.record("restart", cause=cause, count=self.restarts)

    async def power_cycle(self, seconds: float) -> None:
        """Power goes and returns."""
        self.record("power_lost")
        self.image.power_lost()
        await self.go_silent()
        await self.clock.sleep(seconds)
        await self.come_back("power")

    async def die(self, inside_upgrade: bool = False) -> None:
        """Power goes and stays away."""
        self.record("power_lost")
        self.image.power_lost()
        await self.go_silent()
        self.state = "dead"

    def drop(self) -> None:
        """End all connections."""
        service = self.services["dlms"]
        assert isinstance(service, DlmsService)
        service.drop("cut")


def _shown(components: dict[int, Firmware]) -> dict[str, dict[str, str]]:
    return {str(b): {"identifier": part.identifier.hex(), "signature": part.signature.hex()} for b, part in sorted(components.items())}
