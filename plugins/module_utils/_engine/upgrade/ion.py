# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Executor of the method ion: hand a HEP meter over to ION Setup, then prove version, template, registers and mode (R-163…R-192).

ION Setup is never imitated, and no byte goes to the ION port. What it says is told; the meter is read over Modbus before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..base.clock import Waiter
from ..base.errors import DeadlineError, DeviceError
from ..catalogue import constants
from ..meters import hep_snapshot
from .ion_compare import UNCONFIGURED, Verdict, judge
from .ion_handover import checklist
from .observe import Look, Observation
from .steps import MeterSteps, Reading, SendFile, Watch
from .tool import Ran, Settings, ToolSteps, _ToolWatch
from .tool_handover import HandOver
from .tool_logs import keep

#: Reasons that an operator may give to exit codes of the own command (option ``ion.exit_reasons``).
NOT_STARTED = ("not_applicable", "engine_too_old", "tool_login_refused", "transport_failed")
RESTORE_FAILED = "restore_failed"
EXIT_REASONS = (*NOT_STARTED, RESTORE_FAILED)
_PROVEN = ("verified", "verified_late")
_LOOKS = 20  # at a meter that is being programmed, over the whole time for that


@dataclass(frozen=True)
class IonSettings(Settings):
    """As for the other tool. ``least`` is the oldest ION Setup that may be used, ``exit_reasons`` tells what exit codes mean."""

    least: str = ""
    user: str = ""
    transport: str = "ethernet"
    exit_reasons: Mapping[int, str] = field(default_factory=dict)
    prediction: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass
class IonSteps(ToolSteps):
    """The steps of the method ion against one meter. ``config`` is the password, for a file on the tool's host; empty with manual."""

    settings: Settings = field(default_factory=lambda: IonSettings("manual", ".", "adhoc"))

    SERVICES: ClassVar[tuple[str, ...]] = ("ion", "ion_tls")
    SECRET: ClassVar[str] = "password"

    @property
    def _own(self) -> IonSettings:
        if not isinstance(self.settings, IonSettings):
            raise TypeError("not the settings of the method ion")
        return self.settings

    # -- before anything is written -----------------------------------------------------------------------------------

    def services(self) -> dict[str, str]:
        """State of the ION ports: TCP connects, no byte sent (CVE-2021-22714)."""
        return MeterSteps.services(self) if self.far is None else dict(self.far.services())

    def snapshot(self) -> dict[str, Any]:
        """Template, energies and settings as the meter tells them now. Raises DeviceError."""
        if self.far is not None:
            return dict(self.far.snapshot())
        return hep_snapshot.snapshot_sync(self.target, self.profile).as_dict()

    def reaches(self) -> dict[str, Any]:
        """Nothing beside whether the tool's host answers. Raises DeviceError."""
        if self.host is not None:
            self.host.addresses()
        return {}

    def login(self) -> dict[str, Any]:
        """ION Setup logs in by itself: a try from here would only cost one of the tries."""
        return {"state": "not_tried", "reason": "", "text": "ION Setup logs in by itself", "role": None, "facts": {}}

    # -- hand-over ----------------------------------------------------------------------------------------------------

    def stage(self) -> dict[str, Any]:
        """What the meter is now goes into the records first; then as with the other tool (R-168)."""
        before = self.snapshot()
        text = json.dumps(before, indent=2, sort_keys=True) + "\n"
        name = f"before-{before.get('version') or 'unknown'}.json"
        saved = keep(Path(self.settings.logs_to), self.settings.campaign, self.target.name, {}, {name: text}, good=True)
        staged = super().stage()
        detail = {"mode": self.settings.mode, "folder": self.settings.base, "before": before, "prediction": dict(self._own.prediction)}
        return {**staged, "detail": {**detail, "saved": saved[0] if saved else ""}}

    def _hand_over(self, package: SendFile) -> None:
        reading, settings = self.identify(), self._own
        meter = {
            "host": self.target.name,
            "address": self.target.host,
            "model": reading.model,
            "serial": reading.serial,
            "source": reading.version,
            "target": settings.target,
            "package": package.name,
            "sha256": package.sha256,
            "least": settings.least,
            "transport": settings.transport,
            "prediction": dict(settings.prediction),
            "notes": list(settings.notes),
            "cap": settings.cap,
        }
        self._folder_here(settings.base).add(self.target.name, "", package, meter)

    def _folder_here(self, base: str) -> HandOver:
        return HandOver(Path(base), self.settings.campaign, checklist)

    def _review(self) -> None:
        """Ask the operator's command whether ION Setup would start; its exit code answers."""
        if not self.settings.review:
            return
        ran = self._host().run(self._argv(self.settings.review))
        if ran.code not in self.settings.exit_ok:
            reason = self._own.exit_reasons.get(ran.code, "not_applicable")
            said = self._words(ran.output) or f"nothing (exit code {ran.code})"
            raise DeviceError("staging", reason, "ION Setup would not upgrade this meter", said)

    def _places(self) -> dict[str, str]:
        host, folder = self._host(), self._folder()
        return {**super()._places(), "{password}": host.join(folder, self.SECRET), "{user}": self._own.user}

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def watch(self) -> Watch:
        """ION Setup's end beside the reading over Modbus."""
        if self._watch is None or self._watch.command is not self._command:
            self._watch = _IonWatch(self._command, self._own, self._words, self.target.clock.monotonic)
        return self._watch

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Watch until the end; a proven version is no good end until template, registers and mode are compared."""
        moved = super().observe(state, expected, limits, seconds)
        return self._compared(Observation(**moved)).as_dict() if moved["outcome"] in _PROVEN else moved

    def _compared(self, state: Observation) -> Observation:
        kept = state.detail.get("before")
        if kept is None:
            state.detail = {**state.detail, "configuration": {"warnings": ["nothing was saved before the upgrade, so nothing is compared"]}}
            return state
        before = hep_snapshot.Snapshot.from_dict(kept)
        prediction, told = state.detail.get("prediction") or {}, self._told()
        verdict = self._look_until_good(lambda: judge(before, hep_snapshot.Snapshot.from_dict(self.snapshot()), prediction, told))
        state.detail = {**state.detail, "configuration": verdict.as_dict()}
        if verdict.reason:
            state.outcome, state.reason = UNCONFIGURED, verdict.reason
            state.note(UNCONFIGURED, f"the meter reports version {state.version}, but {verdict.text}")
        elif state.reason == "restart_not_observed" and state.detail.get("mode") == "manual":
            state.reason = ""  # nobody was there to see it, and HEP meters count no restarts
        return state

    def _look_until_good(self, look: Callable[[], Verdict]) -> Verdict:
        """ION Setup programs the meter after its restart, so a bad look counts only when that time is over (R-168)."""
        ended = self._command is not None and not self._command.running
        limit = constants.ION_SETTLED if ended else constants.ION_PROGRAMMING
        last: list[Verdict] = []

        def good() -> Verdict | None:
            try:
                last[:] = [look()]
            except DeviceError as error:
                last[:] = [Verdict(UNCONFIGURED, f"template and registers cannot be read: {error.text}")]
            return None if last[0].reason else last[0]

        self.hooks.phase("verifying", None, "template, registers and security mode are compared")
        waiter = Waiter(self.target.clock, lambda: self.hooks.guard("observing"))
        try:
            waiter.until("verifying", good, float(limit.number), interval=max(float(constants.POLL_INTERVAL.number), limit.number / _LOOKS))
        except DeadlineError:
            pass
        return last[0]

    def _told(self) -> str:
        """That writing back failed, where the command's exit code says so (R-169)."""
        ran = self._command.result if self._command is not None else None
        reason = self._own.exit_reasons.get(ran.code, "") if isinstance(ran, Ran) else ""
        return reason if reason == RESTORE_FAILED else ""


class _IonWatch(_ToolWatch):
    """As for the other tool; but ION Setup works on after the restart, and its exit codes may have a meaning."""

    def look(self, reading: Reading) -> Look:
        seen = (reading.serial, reading.version, reading.restarts, reading.last_restart)
        status, text, fault = self._state(reading)
        reason = self._reason()
        if reason in NOT_STARTED and reading.version != self._settings.target:
            return Look(True, *seen, "refused", (), text, refusal=reason)
        return Look(True, *seen, status, (), text, page_fault=fault)

    def _reason(self) -> str:
        ran = self.command.result if self.command is not None else None
        meanings = getattr(self._settings, "exit_reasons", {})
        return str(meanings.get(ran.code, "")) if ran is not None else ""

    def _state(self, reading: Reading) -> tuple[str, str, str]:
        new = reading.version == self._settings.target
        if self.command is not None and self.command.running and new:
            # After the restart come template and registers; only a tool that never ends is not waited for.
            return ("running" if not self._longer("new", constants.ION_PROGRAMMING) else "unknown"), "", ""
        return super()._state(reading)
