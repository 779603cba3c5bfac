# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Executor of the method ftp: gather, stage, trigger, observe. Each step is one call that a jump host can run as well.

The steps take and return plain data and decide nothing about attempts: the flow does, and writes the ledger between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..base.clock import Waiter
from ..base.errors import DeadlineError, DeviceError
from ..base.target import Credential, Target
from ..catalogue import constants, ftp_files
from ..meters import pm5000, search
from ..profiles.expressions import require_library as require_jmespath
from ..profiles.status import read_role, read_status, refusal_reason
from ..wire.ftp import FtpSession
from ..wire.probe import probe_all
from ..wire.web import WebSession
from ..wire.web import require_library as require_requests
from .observe import Expected, Limits, Look, Observation, advance

ROLE = "product_master"
_STAGE_RETRYABLE = ("transport_failed", "ftp_connect_failed", "upload_incomplete")
# the trigger page first, then the two payload files.
COPY_ORDER = (("trigger_page", ftp_files.FOLDER_WWW), ("comm_card", ftp_files.FOLDER_FW), ("firmware", ftp_files.FOLDER_FW))


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


@dataclass
class FtpSteps:
    """The four steps against one meter, in this process."""

    target: Target
    profile: Mapping[str, Any] | None = None
    files: Sequence[SendFile] = ()
    read_back: bool = True
    networks: Sequence[str] = ()
    hooks: Hooks = field(default_factory=Silence)

    def __post_init__(self) -> None:
        """Raise DependencyError before the first contact, not in the middle of an upgrade."""
        require_requests()
        require_jmespath(self.profile)

    def identify(self) -> Reading:
        """Model, serial and version as the meter tells them over Modbus. Raises DeviceError."""
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
        ports = {name: self.target.ports[name] for name in ("ftp", "http")}
        return asyncio.run(probe_all(self.target.host, ports, self.target.timeouts.connect))

    def lock(self) -> str:
        """locked, unlocked or unknown, by the profile's reading of the lock register."""
        mapping = ((self.profile or {}).get("registers") or {}).get("mid_lock")
        return pm5000.lock_state_sync(self.target, mapping)

    def login(self) -> dict[str, Any]:
        """The one login of the prechecks: FTP, its layout and free space, and the role where the profile can tell it."""
        credential = self.target.credentials[ROLE]
        try:
            with FtpSession(self.target, credential) as session:
                session.require_layout()
                free = session.free_space()
                replaced = sum(session.size(folder, item.name) or 0 for folder, item in self._in_order()) if free is not None else 0
        except DeviceError as error:
            return {"state": "refused", "reason": error.reason, "text": str(error), "role": None, "free_space": None}
        space = None if free is None else free + replaced
        return {"state": "ok", "reason": "", "text": "the FTP server accepted the login", "role": self._role(credential), "free_space": space}

    def _role(self, credential: Credential) -> str | None:
        if not (self.profile or {}).get("role_page"):
            return None
        web = WebSession(self.target, credential)
        try:
            page = web.get((self.profile or {})["role_page"]["path"])
            return read_role(self.profile or {}, page.status, page.text)
        except DeviceError:
            return None
        finally:
            web.close()

    def _in_order(self) -> list[tuple[str, SendFile]]:
        return [(folder, next(item for item in self.files if item.role == role)) for role, folder in COPY_ORDER]

    def stage(self) -> dict[str, Any]:
        """Copy all files in the documented order and close the session; from the beginning again after a cut (F-04).

        Raises DeviceError with the reason that the meter gave, at the last try.
        """
        waiter = Waiter(self.target.clock, lambda: self.hooks.guard("staging"))
        tries = constants.STAGE_TRIES.number
        for number in range(1, tries + 1):
            try:
                return self._copy_all(number)
            except DeviceError as error:
                if error.reason not in _STAGE_RETRYABLE or number == tries:
                    raise
                self.hooks.phase("staging", None, f"copy interrupted ({error.text}); once more from the beginning")
                waiter.hold(constants.STAGE_RETRY_PAUSE.number)
        raise AssertionError("unreachable")

    def _copy_all(self, number: int) -> dict[str, Any]:
        total = sum(item.size for item in self.files) * (2 if self.read_back else 1)
        done, shown = 0, -1

        def progress(count: int) -> None:
            nonlocal done, shown
            done += count
            self.hooks.guard("staging")
            percent = min(100, done * 100 // max(1, total))
            if percent >= shown + 10:
                shown = percent
                self.hooks.phase("staging", percent, f"{done} of {total} bytes")

        with FtpSession(self.target, self.target.credentials[ROLE]) as session:
            session.require_layout()
            for folder, item in self._in_order():
                session.upload(Path(item.path), folder, item.name, item.sha256, progress)
                if self.read_back:
                    self._read_back(session, folder, item, progress)
        return {"files": [f"{folder}/{item.name}" for folder, item in self._in_order()], "tries": number, "bytes": sum(item.size for item in self.files)}

    def _read_back(self, session: FtpSession, folder: str, item: SendFile, progress: Callable[[int], None]) -> None:
        try:
            session.read_back(folder, item.name, item.sha256, progress)
        except DeviceError as error:
            if error.reason != "upload_unreadable":
                raise
            self.hooks.phase("staging", None, f"{item.name} cannot be read back; its size was compared instead")

    def trigger(self) -> dict[str, Any]:
        """Request the trigger page once. The caller wrote the ledger before."""
        web = WebSession(self.target, self.target.credentials[ROLE])
        try:
            return asdict(web.trigger(ftp_files.TRIGGER_PATH))
        finally:
            web.close()

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Look on for at most ``seconds`` meter seconds; returns the moved state, over when ``outcome`` is set."""
        observation, wanted, deadlines = Observation(**state), Expected(**expected), Limits(**limits)
        start = self.target.clock.monotonic() - observation.elapsed
        status_page = _StatusPage(self)
        waiter = Waiter(self.target.clock, lambda: self.hooks.guard("observing"))

        def look() -> bool | None:
            reading = self._answer()
            # The age of an answer is taken at once: a status page that hangs must not make an old answer look like a late one.
            observation.elapsed = self.target.clock.monotonic() - start
            seen = self._look(reading, status_page)
            advance(observation, seen, wanted, deadlines)
            last = observation.timeline[-1] if observation.timeline else {"state": "triggered", "text": ""}
            self.hooks.phase(last["state"], observation.percent, last["text"])
            return True if observation.outcome else None

        try:
            waiter.until("observing", look, seconds, interval=constants.POLL_INTERVAL.number)
        except DeadlineError:
            pass  # the slice is over, the observation is not
        finally:
            status_page.close()
        return observation.as_dict()

    def _answer(self) -> Reading | None:
        try:
            return self.identify()
        except DeviceError:
            return None

    def _look(self, reading: Reading | None, status_page: _StatusPage) -> Look:
        if reading is None:
            return Look(answered=False)
        status, processes, text = status_page.read()
        refusal = refusal_reason(self.profile, text) if status == "refused" else None
        return Look(True, reading.serial, reading.version, reading.restarts, reading.last_restart, status, tuple(processes), text, refusal)

    def find(self, serial: str) -> str | None:
        """The address in ``networks`` at which this serial number answers now, or None (R-032, F-13)."""
        return search.find_serial(self.target, serial, self.networks) if self.networks else None


class _StatusPage:
    """The status page as the profile describes it; unknown where it is not understood, and left alone after a refusal."""

    def __init__(self, steps: FtpSteps) -> None:
        self._profile = steps.profile or {}
        self._usable = "status_page" in self._profile
        self._web = WebSession(steps.target, steps.target.credentials.get(ROLE))

    def read(self) -> tuple[str, list[dict[str, Any]], str]:
        if not self._usable:
            return "unknown", [], ""
        try:
            page = self._web.get(self._profile["status_page"]["path"])
        except DeviceError:
            return "unknown", [], ""
        if page.status == 401:
            self._usable = False  # one login try for a secret and a path
            return "unknown", [], ""
        return read_status(self._profile, page.status, page.text)

    def close(self) -> None:
        self._web.close()
