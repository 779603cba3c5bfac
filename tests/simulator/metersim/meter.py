# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One simulated meter: state, services, restarts."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from metersim import faults, registers, tables
from metersim.clock import FleetClock
from metersim.device import Device
from metersim.journal import Journal
from metersim.sessions import Sessions
from metersim.spec import USUAL_PORTS, MeterSpec
from metersim.surfaces import NEW_SURFACES, SURFACES, Surface

DEFAULT_ACCOUNTS = {
    "web_master": {"user": "user1", "password": "pass1"},
    "product_master": {"user": "user2", "password": "pass2"},
}


@dataclass
class Step:
    """One upgrade process as the status page shows it."""

    name: str
    state: str = "waiting"
    progress: int = 0
    text: str = ""


@dataclass
class Job:
    """The last upgrade: result is none, running, done, failed or refused."""

    result: str = "none"
    message: str = ""
    steps: list[Step] = field(default_factory=list)
    target: tables.Version | None = None
    spoiled: str = ""
    method: str = "ftp"
    when: datetime | None = None


@dataclass
class Image:
    """An uploaded ``.sedp`` that waits to be applied."""

    path: Path
    name: str
    size: int
    sha256: str


class Meter(Device):
    """A meter with its registers, accounts, files, faults and services."""

    def __init__(self, spec: MeterSpec, clock: FleetClock, journal: Journal, ports: dict[str, int], folder: Path) -> None:
        super().__init__(spec.name, spec.address, clock, journal, ports, folder)
        self.spec = spec
        self.model = spec.model
        self.label = spec.label or spec.name
        self.model_text = spec.model_text or spec.model
        self.hardware_revision = spec.hardware_revision
        self.serial = spec.serial
        self.unit_prefix = 0x0024
        self.unit_id = spec.unit_id
        self.firmware = spec.firmware
        self.previous: tables.Version | None = spec.previous_firmware
        self.manufactured = registers.EPOCH + timedelta(days=spec.serial % 1500)
        self.downloaded: datetime | None = None
        self.restarts = 3
        self.last_restart = clock.wall() - timedelta(days=40)
        self.power_failures = 1
        self.last_power_failure: datetime | None = clock.wall() - timedelta(days=40)
        self.power_failure_seconds = 12
        self.reset_cause = 1
        self.locked = spec.mid_lock
        self.attempts = spec.attempts_used + spec.attempts_hidden
        self.hidden = spec.attempts_hidden
        self.ftp_enabled = spec.ftp
        self.latency = spec.latency
        self.ip_mode = spec.ip_mode
        self.web_ports = dict(spec.web_ports)
        self.http_redirect = spec.surface == "a" if spec.http_redirect is None else spec.http_redirect
        self.certificates = 0
        self.sessions = Sessions(self)
        self.image_file: Image | None = None
        self.ticket: tuple[str, float] = ("", 0.0)
        self.account_edits: dict[str, dict[str, dict[str, str] | None]] = {tables.LEGACY: {}, tables.NEW: {}}
        self.password_fault = ""
        self.job = Job(message=self.surface.texts["none"])
        self.logins = {"ftp": {"ok": 0, "failed": 0}, "http": {"ok": 0, "failed": 0}}
        self.semaphore_until = -1.0
        self._image: dict[int, int] | None = None
        self.upgrade_task: asyncio.Task[Any] | None = None
        self.set_faults(spec.faults)

    # -- facts -------------------------------------------------------------

    @property
    def firmware_text(self) -> str:
        """Present firmware as text."""
        return tables.version_text(self.firmware)

    @property
    def generation(self) -> str:
        """legacy or new."""
        return tables.generation(self.model, self.firmware)

    @property
    def surface(self) -> Surface:
        """How the meter looks from outside with its present firmware."""
        return (NEW_SURFACES if self.generation == tables.NEW else SURFACES)[self.spec.surface]

    @property
    def mac(self) -> str:
        """Invented from the serial number, capitals without colons."""
        return f"0080F4{self.serial & 0xFFFFFF:06X}"

    def accounts(self) -> dict[str, dict[str, str]]:
        """Role to user and password: the file's, else the factory's."""
        return self.old_accounts() if self.generation == tables.LEGACY else self.new_accounts()

    def old_accounts(self) -> dict[str, dict[str, str]]:
        """Accounts with old firmware."""
        given = self.spec.accounts
        return self._edited(
            tables.LEGACY, {**DEFAULT_ACCOUNTS, **{role: given[role] for role in given if role not in ("administrator", "guest")}}
        )

    def new_accounts(self) -> dict[str, dict[str, str]]:
        """Accounts with new firmware; a meter that had old firmware may keep its logins."""
        accounts = {
            "administrator": {"user": "Administrator", "password": self.mac},
            "guest": {"user": "Guest", "password": "Powerlogic@1"},
        }
        if self.spec.keep_accounts and tables.generation(self.model, self.spec.firmware) == tables.LEGACY:
            old = self.old_accounts()
            accounts = {"administrator": old["product_master"], "guest": old["web_master"]}
        return self._edited(tables.NEW, {**accounts, **{role: self.spec.accounts[role] for role in self.spec.accounts if role in accounts}})

    def _edited(self, generation: str, accounts: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        """What somebody has changed since (accounts.py)."""
        edits = self.account_edits[generation]
        return {role: account for role, account in {**accounts, **edits}.items() if account is not None}

    def role_of(self, user: str, password: str) -> str | None:
        """The role of a correct login, None for a wrong one."""
        for role, account in self.accounts().items():
            if account["user"] == user and account["password"] == password:
                return self.effective_role(role)
        return None

    def effective_role(self, role: str) -> str:
        """F-30: the account everybody takes for a Product Master is none."""
        fault = self.faults.get("F-30")
        if fault and fault["mode"] == "web_master":
            return {"product_master": "web_master", "administrator": "guest"}.get(role, role)
        return role

    def lock_words(self) -> tuple[int, int]:
        """Registers 1920 and 1921."""
        if not tables.band_of(self.model).lockable:
            return (registers.NOT_AVAILABLE, registers.NOT_AVAILABLE)
        return self.surface.lock_closed if self.locked else self.surface.lock_open

    @property
    def certificate_subject(self) -> tuple[str, int]:
        """Common name and number of the certificate."""
        return f"PM5000-{self.spec.serial}", self.spec.serial

    def wall(self) -> datetime:
        """The meter's calendar; F-25 sets it wrong."""
        fault = self.faults.get("F-25")
        return self.clock.wall() + timedelta(seconds=fault["offset"] if fault else 0)

    def operation_seconds(self) -> float:
        """Operation timer: cumulative, not since boot."""
        return 3_600_000.0 + self.clock.now()

    def image(self) -> dict[int, int]:
        """The cached register image."""
        if self._image is None:
            self._image = registers.static_image(self)
        return self._image

    def changed(self) -> None:
        """Something the registers show has changed."""
        self._image = None

    def summary(self) -> dict[str, Any]:
        """What the control endpoint lists."""
        return {
            "name": self.name,
            "address": self.address,
            "ports": {name: self.port(name) for name in self.services if self.wants(name)},
            "model": self.model,
            "firmware": self.firmware_text,
            "previous_firmware": tables.version_text(self.previous) if self.previous else None,
            "serial": self.serial,
            "generation": self.generation,
            "state": self.state,
            "locked": self.locked,
            "attempts": self.attempts,
            "attempts_limit": tables.attempt_limit(self.model, self.firmware),
            "restarts": self.restarts,
            "ip_mode": self.ip_mode,
            "web_ports": self.web_ports,
            "http_redirect": self.http_redirect,
            "sessions": self.sessions.count(),
            "icmp": self.state not in ("silent", "dead") and "F-19" not in self.faults,
            "ftp": self.ftp_enabled,
            "connections": self.connections,
            "logins": self.logins,
            "accounts": {role: account["user"] for role, account in self.accounts().items()},
            "faults": self.faults,
            "upgrade": {"result": self.job.result, "message": self.job.message, "processes": [vars(step) for step in self.job.steps]},
        }

    # -- faults ------------------------------------------------------------

    def set_faults(self, wanted: dict[str, faults.Fault]) -> None:
        """Replace all faults. Those that act at once act now."""
        self.faults = dict(wanted)
        self._used = {}
        hidden = self.faults.get("F-11")
        if hidden:
            self.attempts += hidden["hidden"] - self.hidden
            self.hidden = hidden["hidden"]
        self.lock_when("now")
        self.changed()

    def lock_when(self, moment: str) -> None:
        """F-12: somebody enables the MID/MIR lock on the display at this moment."""
        fault = self.faults.get("F-12")
        if fault and fault["when"] == moment and not self.locked and tables.band_of(self.model).lockable:
            self.set_lock(True)

    def set_lock(self, closed: bool) -> None:
        """The lock on the display."""
        self.locked = closed
        self.record("lock" if closed else "unlock")
        self.changed()

    # -- services ----------------------------------------------------------

    def wants(self, service: str) -> bool:
        """Whether this service's port is open when the meter is up."""
        if service == "ftp":
            fault = self.faults.get("F-21")
            return self.ftp_enabled and not (fault and fault["mode"] == "disabled")
        if service in USUAL_PORTS:
            fault = self.faults.get("F-32")
            if fault and fault["mode"] == "disabled":
                return False
            return service == "http" or self.generation == tables.NEW
        return True

    def port(self, service: str) -> int:
        """The port a service really has: the fleet's, unless the meter's own web port was changed."""
        fault = self.faults.get("F-32")
        main = "https" if self.generation == tables.NEW else "http"
        if fault and fault["mode"] == "port" and service == main:
            return int(fault["port"])
        return self.own_port(service)

    def own_port(self, service: str) -> int:
        """The port the owner knows of."""
        if service in USUAL_PORTS and self.web_ports[service] != USUAL_PORTS[service]:
            return self.web_ports[service]
        return self.ports[service]

    async def refresh(self) -> None:
        """Open, close or move ports after a setting or a fault has changed."""
        if self.state in ("silent", "dead"):
            return
        for name, service in self.services.items():
            if not self.wants(name):
                await service.stop()
            elif name != "modbus":
                await service.start(self.address, self.port(name))

    # -- restarts ----------------------------------------------------------

    async def go_silent(self) -> None:
        """Close everything."""
        self.state = "silent"
        self.record("silence_begin")
        self.sessions.drop("restart")
        await self.close()

    async def come_back(self, cause: str, state: str = "idle") -> None:
        """Open everything again, at the new address if there is one."""
        if not self.upgrade_task:
            self.image_file = None
        self.restarts += 1
        self.last_restart = self.wall()
        self.reset_cause = 1 if cause == "power" else 2
        self.changed()
        await self.renew_lease()
        self.state = state
        await self.open()
        self.record("silence_end")
        self.record("restart", cause=cause, count=self.restarts)

    async def power_cycle(self, seconds: float) -> None:
        """Control power goes and returns; files stay where they are."""
        self.record("power_lost")
        self._break_upgrade()
        self.power_failures += 1
        self.last_power_failure = self.wall()
        self.power_failure_seconds = int(seconds)
        await self.go_silent()
        await self.clock.sleep(seconds)
        await self.come_back("power")

    async def renew_lease(self) -> None:
        """F-13: with DHCP a restart may bring another address."""
        if self.ip_mode != "dhcp":
            return
        fault = self.take("F-13")
        if not fault:
            return
        old = self.address
        await self.fleet.move(self, fault["address"] or self.fleet.spare_address())
        other = self.fleet.meters.get(fault["taken_by"])
        if other:
            await self.fleet.move(other, old)

    def _break_upgrade(self) -> None:
        """Power went in the middle of an upgrade: it has failed."""
        task = self.upgrade_task
        if task is None:
            return
        task.cancel()
        self.upgrade_task = None
        self.image_file = None
        self.journal.end_progress(self.name)
        self.job.result = "failed"
        self.job.message = self.surface.texts["failed"] or self.surface.texts["process"]
        self.record("upgrade_done", ok=False, version=self.firmware_text)

    async def die(self, inside_upgrade: bool = False) -> None:
        """F-01: never to return."""
        self.record("power_lost")
        if not inside_upgrade:
            self._break_upgrade()
        await self.go_silent()
        self.state = "dead"
        self.journal.end_progress(self.name)

    # -- files -------------------------------------------------------------

    @property
    def root(self) -> Path:
        """Root of the FTP server's files."""
        return self.folder / "files"

    def prepare_files(self) -> None:
        """Make an empty card with the two folders and the custom files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("fw", "www"):
            (self.root / name).mkdir(parents=True)
        for name, content in self.spec.custom_files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\0" * content if isinstance(content, int) else str(content).encode())
        for name in ("firmware", "web"):
            (self.folder / "odd" / name).mkdir(parents=True)

    def used_space(self) -> int:
        """Bytes on the card."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def free_space(self) -> int:
        """Bytes left; custom files count against the card's size."""
        fault = self.faults.get("F-21")
        if fault and fault["mode"] == "space_full":
            return 0
        return self.spec.free_space - self.used_space()
