# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Executor of the method ftp: copy in the documented order, request the trigger page, watch the status page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..base.clock import Waiter
from ..base.errors import DeviceError
from ..base.target import Credential
from ..catalogue import constants, ftp_files
from ..profiles.status import read_role, read_status, refusal_reason
from ..wire.ftp import FtpSession
from ..wire.web import WebSession
from .observe import Look
from .steps import Hooks, MeterSteps, Reading, SendFile, Silence, Watch

__all__ = ["COPY_ORDER", "ROLE", "FtpSteps", "Hooks", "Reading", "SendFile", "Silence"]

ROLE = "product_master"
_STAGE_RETRYABLE = ("transport_failed", "ftp_connect_failed", "upload_incomplete")
# the trigger page first, then the two payload files.
COPY_ORDER = (("trigger_page", ftp_files.FOLDER_WWW), ("comm_card", ftp_files.FOLDER_FW), ("firmware", ftp_files.FOLDER_FW))


@dataclass
class FtpSteps(MeterSteps):
    """The steps of the method ftp against one meter, in this process."""

    read_back: bool = True

    SERVICES: ClassVar[tuple[str, ...]] = ("ftp", "http")

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
        return {
            "state": "ok",
            "reason": "",
            "text": "the FTP server accepted the login",
            "role": self._role(credential),
            "free_space": space,
        }

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
        return {
            "files": [f"{folder}/{item.name}" for folder, item in self._in_order()],
            "tries": number,
            "bytes": sum(item.size for item in self.files),
        }

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

    def watch(self) -> Watch:
        """The status page to which the trigger redirects (R-065)."""
        return _StatusPage(self)


class _StatusPage:
    """The status page as the profile describes it; unknown where it is not understood, and left alone after a refusal."""

    def __init__(self, steps: FtpSteps) -> None:
        self._profile = steps.profile or {}
        self._usable = "status_page" in self._profile
        self._web = WebSession(steps.target, steps.target.credentials.get(ROLE))

    def look(self, reading: Reading) -> Look:
        status, processes, text = self._read()
        refusal = refusal_reason(self._profile, text) if status == "refused" else None
        return Look(True, reading.serial, reading.version, reading.restarts, reading.last_restart, status, tuple(processes), text, refusal)

    def _read(self) -> tuple[str, list[dict[str, Any]], str]:
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
