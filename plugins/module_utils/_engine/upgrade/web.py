# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Executor of the method web: upload one package, answer "apply now", watch the status page (R-135…R-151).

Which pages those are is not public: everything goes through a profile. The order is fixed here: the upload changes nothing that
counts, the confirmation is the point of no return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from ..base.clock import Waiter
from ..base.errors import DeviceError
from ..catalogue import constants
from ..profiles.status import refusal_reason
from ..wire.loop import run
from ..wire.probe import OPEN, probe, probe_all
from ..wire.tls import tls_facts
from ..wire.web import Trigger
from ..wire.web_session import ProfileSession
from .observe import Look
from .steps import MeterSteps, Reading, Watch

#: Roles of accounts that may upgrade: the new generation's name first, the old one's where only that is given.
ROLES = ("administrator", "product_master")
_STAGE_RETRYABLE = ("transport_failed", "upload_incomplete")
_WORKING = ("running", "waiting")
_OLD_TLS = ("SSLv3", "TLSv1", "TLSv1.1")
_PATIENCE = 6  # looks, before a login is tried again where all sessions were in use
_WATCH_LOGINS = 5  # each with a password that worked before; a refusal ends them at once


@dataclass
class WebSteps(MeterSteps):
    """The steps of the method web against one meter, in this process.

    ``state`` is a session that an earlier step left, for one step after another on a jump host. ``helper`` gives fresh cookies
    and headers where the meter's login cannot be described by a profile; ``web_session`` are such that were given once.
    """

    role: str = ROLES[0]
    web_session: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None
    helper: Callable[[], Mapping[str, Any]] | None = None

    SERVICES: ClassVar[tuple[str, ...]] = ("http", "https")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._session: ProfileSession | None = None

    @property
    def _sections(self) -> Mapping[str, Any]:
        return self.profile or {}

    def open(self, state: Mapping[str, Any] | None = None) -> ProfileSession:
        """A session with the meter's pages that has not logged in yet, or one that goes on with ``state``."""
        given = self.web_session
        if self.helper is not None and state is None:
            given = self.helper()
        return ProfileSession(self.target, self._sections, self.role, state, given)

    # -- before anything is written -----------------------------------------------------------------------------------

    def services(self) -> dict[str, str]:
        """State of the web port, and whether the way to it is stable (R-130): a few TCP connects, no byte sent."""
        name, host, seconds = scheme(self._sections), self.target.host, self.target.timeouts.connect
        found = run(probe_all(host, {name: self.target.ports[name]}, seconds))
        if found[name] != OPEN:
            return found
        if name == "https":
            found["tls"] = self._tls()
        tries = constants.LINK_PROBES.number

        async def again() -> int:
            states = [await probe(host, self.target.ports[name], seconds) for dummy in range(tries - 1)]
            return sum(1 for item in states if item != OPEN)

        lost = run(again())
        return {**found, "link": "stable" if not lost else f"{lost} of {tries} connections failed"}

    def _tls(self) -> str:
        """ok, or a reason code and a text: what a handshake without a request tells already (F-31)."""
        tls = self.target.tls
        try:
            facts = tls_facts(self.target)
        except DeviceError as error:
            return f"{error.reason}: {error.text}"
        if tls.fingerprint and facts["fingerprint"] != tls.fingerprint:
            return f"tls_fingerprint_mismatch: the meter's certificate is not the pinned one; its SHA-256 fingerprint is {facts['fingerprint']}"
        if facts["version"] in _OLD_TLS and not tls.legacy:
            return f"tls_protocol_too_old: the meter speaks {facts['version']}"
        return "ok"

    def login(self) -> dict[str, Any]:
        """The one login of the prechecks: the account's role, and what the meter tells about its network (R-032, R-138)."""
        session = self.open()
        try:
            session.login()
            role, facts = session.role(), self._facts(session)
        except DeviceError as error:
            text = str(error)
            return {"state": "refused", "reason": error.reason, "text": text, "role": None, "facts": {}, "findings": session.findings}
        finally:
            session.close()
        text = "the webpages accepted the login"
        return {"state": "ok", "reason": "", "text": text, "role": role, "facts": facts, "findings": session.findings}

    def _facts(self, session: ProfileSession) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if "ip_mode" in self._sections.get("settings", {}):
            facts["ip_mode"] = session.read("ip_mode")
        if "status_page" in self._sections:
            status, dummy_processes, text, last = session.status()
            facts["status"], facts["last_upgrade"] = status, {"status": status, "text": text, **last}
        return facts

    # -- upload -------------------------------------------------------------------------------------------------------

    def stage(self) -> dict[str, Any]:
        """Log in and upload the package; from the beginning again after a cut (F-04). Nothing is applied, nothing counted.

        Raises DeviceError with the reason that the meter gave, at the last try. A meter that applies what is uploaded at once
        gets the file with the trigger; here only the login and the role are looked at.
        """
        waiter = Waiter(self.target.clock, lambda: self.hooks.guard("staging"))
        tries = constants.STAGE_TRIES.number
        for number in range(1, tries + 1):
            try:
                return self._send(number)
            except DeviceError as error:
                self.close()
                if error.reason not in _STAGE_RETRYABLE or number == tries:
                    raise
                self.hooks.phase("staging", None, f"upload interrupted ({error.text}); once more from the beginning")
                waiter.hold(constants.STAGE_RETRY_PAUSE.number)
        raise AssertionError("unreachable")

    def _send(self, number: int) -> dict[str, Any]:
        self._session = session = self.open()
        session.login()
        role = session.role()
        if role not in (None, "product_master"):
            raise DeviceError("staging", "web_role_insufficient", f"the meter says that this account is {role}, which may not upgrade")
        key = self._status_key(session)
        item = self.files[0]
        if not self._at_once:
            self._upload(session)
        return {"files": [item.name], "tries": number, "bytes": item.size, "status_key": key}

    @property
    def _at_once(self) -> bool:
        return bool(self._sections.get("upload", {}).get("applies_at_once"))

    def _status_key(self, session: ProfileSession) -> str:
        """What the status page says of the upgrade before this one, so that it is not taken for this one's end."""
        if "status_page" not in self._sections:
            return ""
        status, dummy_processes, text, last = session.status()
        if status in _WORKING:
            raise DeviceError("staging", "firmware_in_progress", "the meter says that an upgrade is running", text)
        return _key(status, text, last)

    def _upload(self, session: ProfileSession) -> None:
        item, done, shown = self.files[0], 0, -1

        def progress(count: int) -> None:
            nonlocal done, shown
            done += count
            self.hooks.guard("staging")
            percent = min(100, done * 100 // max(1, item.size))
            if percent >= shown + 10:
                shown = percent
                self.hooks.phase("staging", percent, f"{done} of {item.size} bytes")

        uploaded = session.upload(Path(item.path), item.name, item.sha256, progress)
        if uploaded.state != "staged":
            reason = self.refusal(uploaded.text) or uploaded.reason or "device_rejected_image"
            raise DeviceError("staging", reason, "the meter refused the package", uploaded.text)

    def leave_session(self) -> dict[str, Any] | None:
        """The session of ``stage`` as plain data, for the next step on a jump host, which is another process. It is a secret."""
        session, self._session = self._session, None
        if session is None:
            return None
        session.abandon()
        return session.state()

    # -- point of no return -------------------------------------------------------------------------------------------

    def trigger(self) -> dict[str, Any]:
        """Answer "apply now" with yes, once. The caller wrote the ledger before. All users are disconnected (R-139)."""
        session = self._session or self.open(self.state)
        try:
            answer = self._apply_at_once(session) if self._at_once else session.confirm()
        finally:
            self._session = None
            session.close()
        if answer.state == "refused":
            answer = replace(answer, reason=self.refusal(answer.text) or answer.reason)
        return asdict(answer)

    def _apply_at_once(self, session: ProfileSession) -> Trigger:
        """The upload is the trigger. A link that is cut leaves open whether the meter had all of it, so it counts."""
        try:
            self._upload(session)
        except DeviceError as error:
            if error.reason == "artifact_hash_mismatch":  # the last byte was never sent
                return Trigger("not_started", None, "", error.reason, error.text)
            if error.reason in _STAGE_RETRYABLE:
                return Trigger("triggered", None, "", "", f"the connection ended with the upload: {error.text}")
            return Trigger("refused", None, "", error.reason, error.device_text or error.text)
        return Trigger("triggered", None, "", "", "the package was taken")

    def refusal(self, text: str) -> str | None:
        """The reason code of the device's words: the documented sentence (R-145), else what the profile says."""
        folded = " ".join(text.split())
        if str(constants.IMAGE_INVALID_TEXT.value) in folded:
            return "image_invalid_or_corrupted"
        return refusal_reason(self.profile, text)

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def watch(self) -> Watch:
        """The status page behind a new login, since the trigger ended all sessions (R-139, R-144)."""
        return _StatusPage(self)

    def close(self) -> None:
        """Sign out of the session that ``stage`` opened."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


class _StatusPage:
    """The status page as the profile describes it. A refused login is never repeated; a lost session is opened again."""

    def __init__(self, steps: WebSteps) -> None:
        self._steps = steps
        self._session: ProfileSession | None = None
        self._logins = _WATCH_LOGINS if "status_page" in (steps.profile or {}) else 0
        self._skip = 0
        self._fault = ""

    def look(self, reading: Reading) -> Look:
        status, processes, text, last = self._read()
        refusal = self._steps.refusal(text) if status in ("refused", "failed", "rejected") else None
        if status == "rejected" and refusal not in (None, "device_rejected_image"):
            status = "failed"  # the profile names a nearer reason than a refused image
        key = _key(status, text, last)
        seen = (reading.serial, reading.version, reading.restarts, reading.last_restart)
        return Look(
            True,
            *seen,
            status,
            tuple(processes),
            text,
            refusal,
            key,
            {"status": status, "text": text, **last} if any(last.values()) else {},
            self._fault,
        )

    def _read(self) -> tuple[str, list[dict[str, Any]], str, dict[str, Any]]:
        nothing: tuple[str, list[dict[str, Any]], str, dict[str, Any]] = ("unknown", [], "", {})
        for dummy in range(2):  # a session that the meter ended is opened again at once
            was_open = self._session is not None
            try:
                session = self._logged_in()
                if session is None:
                    return nothing
                found = session.status()
            except DeviceError as error:
                self._lost(error)
                if was_open and error.reason == "session_lost":
                    continue
                return nothing
            if found[0] == "unknown":
                self._drop()  # the page of somebody who is not logged in any more may look like this
            return found
        return nothing

    def _logged_in(self) -> ProfileSession | None:
        if self._session is None and self._logins > 0:
            if self._skip > 0:
                self._skip -= 1
                return None
            session = self._steps.open()
            self._logins -= 1
            try:
                session.login()
            except DeviceError:
                session.close()
                raise
            self._session = session
        return self._session

    def _lost(self, error: DeviceError) -> None:
        lost = self._session is not None
        self._drop()
        if error.reason in ("transport_failed", "web_busy", "session_limit"):
            self._logins += 0 if lost else 1  # no password was refused
            self._skip = 0 if error.reason == "transport_failed" else _PATIENCE
        elif error.reason != "session_lost":
            self._logins, self._fault = 0, f"{error.reason}: {error.text}"

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def close(self) -> None:
        self._drop()


def scheme(profile: Mapping[str, Any]) -> str:
    """http or https, as the profile says its pages are reached."""
    return str((profile.get("transport") or {}).get("scheme", "http"))


def _key(status: str, text: str, last: Mapping[str, Any]) -> str:
    return "|".join(str(item or "") for item in (status, last.get("version"), last.get("at"), text))
