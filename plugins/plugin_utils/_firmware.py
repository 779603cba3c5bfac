# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task behind meter_firmware on the controller: check the input, look, judge, and run at most one hop."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest as artifacts
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import clock_for
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import accept, constants, reasons, recovery
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.limits import attempt_limit
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import Model, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import Hop, PathResult, plan_path
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import (
    Attempts,
    Login,
    Precheck,
    Situation,
    blocking,
    judge_ftp,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import Flow, HopResult, Job
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ftp import COPY_ORDER, ROLE, FtpSteps, Reading, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._firmware import Rules, check_rules

GOOD = frozenset({"verified", "verified_late", "current", "planned"})
StepsFactory = Callable[[Target, dict[str, Any] | None, list[SendFile]], Any]


class FirmwareTask:
    """One meter, one task. ``steps_for`` makes the steps: in this process, or on a jump host."""

    def __init__(self, params: dict[str, Any], host: str, check_mode: bool, steps_for: StepsFactory | None, hooks: Any) -> None:
        self.params, self.host, self.check_mode, self.hooks = params, host, check_mode, hooks
        self.steps_for = steps_for
        self.rules: Rules
        self.target: Target
        self.profile: dict[str, Any] | None = None
        self.reading: Reading | None = None
        self.model: Model
        self.source: Version
        self.path: PathResult | None = None
        self.hop: Hop | None = None
        self.package: artifacts.Package | None = None
        self.package_faults: list[artifacts.Fault] = []
        self.attempts = Attempts()
        self.left_after: int | None = None
        self.prechecks: list[Precheck] = []
        self.needed: dict[str, str] = {}
        self.resumed: HopResult | None = None

    # -- the whole task -----------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """The task's result. Raises InputError for bad input, MeteringError for a ledger that cannot be used."""
        self._check_input()
        early = self._early_artifact_faults()
        if early:
            return self.result("blocked", early[0].reason, early[0].text)
        self.steps = self._steps([])
        self.records = self._open_records()
        refused = self._resume() or self._read()
        if refused:
            return refused
        refused = self._plan(self._known())
        if refused:
            return refused
        if self.hop is None:
            return self.result("current", "", f"the meter runs {self.rules.version} already")
        self._prepare_package()
        self._judge()
        stops = blocking(self.prechecks)
        if stops:
            return self.result("blocked", stops[0].reason, "; ".join(item.text for item in stops))
        if self.check_mode:
            return self.result("planned", "", f"would go from {self.source} to {self.hop.target} by {self.hop.method}", changed=True)
        return self._run_hop()

    def _check_input(self) -> None:
        self.rules = check_rules(self.params, str(self.params["host"]))
        clock = clock_for(str(self.params["host"]), self.rules.clock_factor)
        self.target = target_from(self.params, self.host, clock)
        self.manifest = artifacts.load(Path(self.params["artifacts"]))
        self.profile = load_profile(self.params["profile"]) if self.params.get("profile") else None

    def _early_artifact_faults(self) -> list[artifacts.Fault]:
        """Faults of every package of the wanted version, known before any contact (F-08)."""
        wanted = [item for item in self.manifest.packages if item.version == str(self.rules.version)]
        return [fault for package in wanted for fault in artifacts.faults(package)]

    def _open_records(self) -> Records:
        return open_records(self.params.get("records"), getpass.getuser(), read_only=self.check_mode)

    def _steps(self, files: list[SendFile]) -> Any:
        if self.steps_for is not None:
            return self.steps_for(self.target, self.profile, files)
        read_back = self.params["verify_upload"] == "read_back"
        return FtpSteps(self.target, self.profile, files, self.rules.search, self.hooks, read_back)

    # -- what an earlier run left -------------------------------------------------------------------------------------

    def _read(self) -> dict[str, Any] | None:
        """Who answers now; a result when nobody does, or a stranger at the address of a lost meter."""
        try:
            self.reading = self.steps.identify()
        except DeviceError as error:
            return self.result("blocked", error.reason, str(error), device_text=error.device_text)
        last = self.records.last_attempt_of_host(self.host)
        if last is not None and last.outcome == "comms_lost" and self.reading.serial not in (None, last.serial):
            # F-13: after a lost meter the address may belong to another one. It is never written to under this name.
            text = f"serial {self.reading.serial} answers here, but {self.host} was serial {last.serial} when it was lost"
            return self.result("blocked", "serial_mismatch", text)
        return None

    def _known(self) -> Reading:
        if self.reading is None:
            raise TypeError("the meter was not read")
        return self.reading

    def _resume(self) -> dict[str, Any] | None:
        """End an attempt that an interrupted run left open, before anything else is judged (F-23).

        A result when that is all there is to do now; None when the meter is to be read and planned for anew.
        """
        attempt = None if self.check_mode else self._left_open()
        if attempt is None:
            return None
        self.reading, self.model, self.source = Reading(**attempt.before), find_model(attempt.model), Version.parse(attempt.source)
        self.path = plan_path(self.model, self.source, Version.parse(attempt.target), [], False, True)
        self.hop = self.path.hops[0] if self.path.supported and self.path.hops else None
        ended = self._flow(self._resume_job(attempt), resume=True)
        self.attempts = self._budget()
        if (ended.outcome == "failed_retryable" and self.rules.retries > 0) or not ended.outcome:
            self.resumed, self.reading, self.hop, self.path = ended, None, None, None
            return None
        return self._hop_result(ended)

    def _left_open(self) -> Attempt | None:
        """The open attempt of the meter that answers; while it is silent, or another one answers, that of this host name."""
        attempt = self.records.last_attempt_of_host(self.host)
        if attempt is not None and attempt.open:
            return attempt
        try:
            serial = self.steps.identify().serial
        except DeviceError:
            return None  # the same reading right after this says it
        return self.records.open_attempt(serial) if serial else None

    def _resume_job(self, attempt: Attempt) -> Job:
        return Job(
            host=self.host,
            serial=attempt.serial,
            model=attempt.model,
            row=attempt.row,
            method=attempt.method,
            source=attempt.source,
            target=attempt.target,
            artifact_digest=attempt.artifact_digest,
            plan_digest=attempt.plan_digest,
            limit_from=attempt.limit_from,
            has_lock=False,
            retries=0,
            **self._job_rules(),
        )

    # -- planning -----------------------------------------------------------------------------------------------------

    def _plan(self, reading: Reading) -> dict[str, Any] | None:
        """Fill in model, path and hop; a result when the answer is no already."""
        try:
            self.model = find_model(reading.model)
        except InputError:
            return self.result("blocked", "model_unknown", f"the meter says that it is a {reading.model!r}, which no document here covers")
        if reading.version is None:
            return self.result("blocked", "identity_unreadable", "the meter does not tell its firmware version")
        self.source = Version.parse(reading.version)
        available = [Version.parse(text) for text in self.manifest.versions(self.model)]
        downgrade = "downgrade" in self.rules.accept
        self.path = plan_path(self.model, self.source, self.rules.version, available, bool(self.params["strict_matrix"]), downgrade)
        if not self.path.supported:
            return self.result("blocked", str(self.path.reason), self.path.text)
        if not self.path.hops:
            return None
        self.hop = self.path.hops[0]
        asked = self.params.get("method")
        if asked and asked != self.hop.method:
            return self.result("blocked", "method_mismatch", f"row {self.hop.row} gives the method {self.hop.method}, not {asked}")
        if self.hop.method != "ftp":
            self.attempts = self._budget()
            if self.attempts.remaining == 0:  # the more final reason goes first
                text = f"{self.attempts.used} of {self.attempts.limit} attempts used ({self.attempts.source})"
                return self.result("blocked", "attempts_exhausted", text)
            return self.result("blocked", "method_not_available", f"row {self.hop.row} needs the method {self.hop.method}, which this release cannot run")
        if reading.serial is None:
            return self.result("blocked", "serial_unknown", "the meter does not tell its serial number, so no attempt can be recorded for it")
        return None

    def _prepare_package(self) -> None:
        hop = self._hop()
        wanted = str(hop.target) if hop.target is not None else f"in the range {hop.target_range}"
        self.package = self.manifest.find(self.model, wanted, hop.method)
        if self.package is None:
            text = f"no package for {self.model.name} {wanted} by {hop.method} is in {artifacts.MANIFEST_NAME}"
            self.package_faults = [artifacts.Fault("artifact_missing", text)]
        elif wanted != str(self.rules.version):  # the others were checked before the first contact
            self.package_faults = list(artifacts.faults(self.package))

    def _hop(self) -> Hop:
        if self.hop is None:
            raise TypeError("no hop is planned")
        return self.hop

    # -- prechecks ----------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        self.needed = self._needed_words()
        self.attempts = self._budget()
        self.left_after = None if self.attempts.remaining is None else max(0, self.attempts.remaining - 1)
        holder = self._holder()
        services = self.steps.services()
        lock = self._lock()
        situation = self._situation(services, lock, holder, Login(text="not tried, because something cheaper failed already"))
        self.prechecks = judge_ftp(situation)
        if not blocking(self.prechecks):
            login = self._login()
            self.prechecks = judge_ftp(self._situation(services, lock, holder, login))

    def _situation(self, services: Mapping[str, str], lock: str, holder: str | None, login: Login) -> Situation:
        package = self.package
        return Situation(
            has_lock=self.model.has_lock,
            needed_accept=self.needed,
            accept=self.rules.accept,
            attest=self.rules.attest,
            package_faults=tuple((fault.reason, fault.text) for fault in self.package_faults),
            package_text=f"{package.id}: names, sizes and hashes are as pinned" if package else "",
            package_bytes=package.size if package else 0,
            attempts=self.attempts,
            reserve=self.rules.reserve,
            behind_gateway=bool(self.target.gateway) or self.target.unit_id != constants.UNIT_ID.number,
            services=services,
            login=login,
            lock=lock,
            ip_mode="unknown",
            has_credential=ROLE in self.target.credentials,
            holder=holder,
        )

    def _needed_words(self) -> dict[str, str]:
        """Words of ``accept`` that the whole chain needs, each with its reason code."""
        hops = self.path.hops if self.path else ()
        words = {word: accept.WORDS[word].reason for hop in hops for word in hop.accept}
        if "loses_dlf3000" in words and self._upgraded_by_ftp_before():
            del words["loses_dlf3000"]
        return words

    def _upgraded_by_ftp_before(self) -> bool:
        serial = self.reading.serial if self.reading else None
        history = self.records.attempt_history(serial) if serial else []
        return any(item.method == "ftp" and item.outcome in ("verified", "verified_late") for item in history)

    def _budget(self) -> Attempts:
        limit = attempt_limit(self.model, self.source)
        serial = self.reading.serial if self.reading else None
        if limit is None or serial is None:
            return Attempts()
        if self._meter_said_exhausted(serial, limit.since):
            return Attempts(limit.limit, limit.limit, "device")
        since, attested = str(limit.since), self.rules.attest.get("attempts_used")
        count = self.records.attempts(serial, self.model.name, since)
        if not count.known and attested is not None:
            self._record_attested(serial, since, int(attested))
            return Attempts(limit.limit, int(attested), "attested")
        if not count.known:
            return Attempts(limit.limit, None, "unknown")
        return Attempts(limit.limit, count.used, "ledger, estimated" if count.estimated else "ledger")

    def _meter_said_exhausted(self, serial: str, since: Version) -> bool:
        """The meter itself refused for want of attempts: it knows of some that the ledger does not (F-11)."""
        history = self.records.attempt_history(serial)
        return any(item.outcome == "attempts_exhausted" and Version.parse(item.source) >= since for item in history)

    def _record_attested(self, serial: str, since: str, used: int) -> None:
        if not self.check_mode:
            attest = self.rules.attest
            self.records.attest_attempts(serial, self.model.name, since, used, str(attest.get("by", "")), str(attest.get("at", "")))

    def _lock(self) -> str:
        if not self.model.has_lock:
            return "not_applicable"
        try:
            return str(self.steps.lock())
        except DeviceError:
            return "unknown"

    def _holder(self) -> str | None:
        serial = self.reading.serial if self.reading else None
        holder = self.records.holder(f"meter:{serial}") if serial else None
        return holder.text if holder is not None and holder.alive and self.rules.lease_wait == 0 else None

    def _login(self) -> Login:
        if self.check_mode and not self.params["check_login"]:
            return Login(text="not tried in check mode")
        if ROLE not in self.target.credentials:
            return Login(text="not tried: no credential is given")
        return Login(**self._steps_with_files().login())

    # -- the hop ------------------------------------------------------------------------------------------------------

    def _files(self) -> list[SendFile]:
        package = self.package
        if package is None:
            return []
        by_role = {item.role: item for item in package.files}
        chosen = [by_role[role] for role, folder in COPY_ORDER]
        return [SendFile(item.name, item.role, item.sha256, item.size, str(item.path)) for item in chosen]

    def _steps_with_files(self) -> Any:
        return self._steps(self._files())

    def _run_hop(self) -> dict[str, Any]:
        ended = self._flow(self._job())
        self.attempts = self._budget()
        return self._hop_result(ended)

    def _flow(self, job: Job, resume: bool = False) -> HopResult:
        steps = self._steps_with_files()
        flow = Flow(job, steps, self.records, self.target.clock, self.hooks, self._why_not, self.rules.clock_factor)
        try:
            return flow.run(resume)
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()

    def _job(self) -> Job:
        reading, hop = self._known(), self._hop()
        if reading.serial is None:
            raise TypeError("no serial number")
        limit = attempt_limit(self.model, self.source)
        spent = 1 if self.resumed is not None and self.resumed.outcome else 0
        return Job(
            host=self.host,
            serial=reading.serial,
            model=self.model.name,
            row=hop.row,
            method=hop.method,
            source=str(self.source),
            target=str(hop.target),
            artifact_digest=self.package.digest if self.package else "",
            plan_digest=self.params.get("plan_digest") or "",
            limit_from=str(limit.since) if limit else "",
            has_lock=self.model.has_lock,
            retries=self.rules.retries - spent,  # a failed attempt that was resumed was the first one
            **self._job_rules(),
        )

    def _job_rules(self) -> dict[str, Any]:
        """What a job takes from the options, whatever it does."""
        return {
            "operator": getpass.getuser(),
            "campaign": self.params["campaign"],
            "cap": self.rules.cap,
            "limits": self.rules.limits,
            "settle": self.rules.settle,
            "lease_wait": self.rules.lease_wait,
            "lease_ttl": self._lease_ttl(),
            "slice": float(constants.OBSERVE_SLICE.number) if self.steps_for is not None else self.rules.limits.hard_timeout,
        }

    def _lease_ttl(self) -> float:
        """Real seconds a lease lives without a heartbeat; copying through a jump host cannot beat, so it must outlive that."""
        return self.rules.limits.hard_timeout if self.steps_for is not None else float(constants.LEASE_TTL.number)

    def _why_not(self) -> str:
        """Asked right before each attempt: the budget may have been spent meanwhile."""
        budget = self._budget()
        if budget.limit is None:
            return ""
        if budget.remaining is None:
            return "attempts_unknown"
        if budget.remaining == 0:
            return "attempts_exhausted"
        return "attempts_reserve" if budget.remaining - 1 < self.rules.reserve else ""

    def _hop_result(self, ended: HopResult) -> dict[str, Any]:
        outcome = ended.outcome
        if outcome == "failed_retryable":
            outcome = "failed_final"
        result = self.result(outcome, ended.reason, ended.text, ended.changed, ended.device_text, ended.restart)
        result["timeline"] = ([] if self.resumed is None else self.resumed.timeline) + ended.timeline
        result["after"] = ended.after
        result["processes"] = ended.processes
        result["warnings"] = ended.warnings
        if ended.found_at:
            result["found_at"] = ended.found_at
        return result

    # -- the result ---------------------------------------------------------------------------------------------------

    def result(self, outcome: str, reason: str, text: str, changed: bool = False, device_text: str = "", restart: str = "") -> dict[str, Any]:
        """Everything of contract 4.3, with the sentence for a person in ``msg``."""
        known = reasons.REASONS.get(reason)
        result: dict[str, Any] = {
            "changed": changed,
            "outcome": outcome,
            "reason": reason,
            "remedy": known.remedy if known else "",
            "text": text,
            "msg": _sentence(outcome, reason, text, device_text, known.remedy if known else ""),
            "device_text": device_text,
            "before": self.reading.as_dict() if self.reading else None,
            "after": None,
            "plan": self._plan_dict(),
            "hops": self._hops(),
            "prechecks": [item.as_dict() for item in self.prechecks],
            "needed_accept": sorted(self.needed),
            "attempts": self.attempts.as_dict(),
            "timeline": [],
            "recovery": recovery.RECOVERY[self.hop.method].text if self.hop and outcome not in GOOD and outcome != "blocked" else "",
            "restart": restart,
            "campaign": self.params["campaign"],
        }
        return result

    def _plan_dict(self) -> dict[str, Any]:
        hop = self.hop
        files = self._files() if hop else []
        folders = dict(COPY_ORDER)
        return {
            "target": str(self.rules.version),
            "artifact": self.package.id if self.package else None,
            "files": [f"{folders[item.role]}/{item.name}" for item in files],
            "bytes_to_send": sum(item.size for item in files),
            "restart": bool(hop),
            "attempts_left_after": self.left_after,
            "notes": list(hop.notes) if hop else [],
        }

    def _hops(self) -> list[dict[str, Any]]:
        hops = self.path.hops if self.path else ()
        return [{**hop_dict(hop), "this_task": number == 0} for number, hop in enumerate(hops)]

    def diff(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Before and after for ``--diff``; in check mode what would be."""
        before: dict[str, Any] = {"firmware": (result["before"] or {}).get("version"), "attempts_left": result["attempts"]["remaining"]}
        after = dict(before)
        if result["changed"] and self.hop is not None:
            plan = result["plan"]
            proven = (result["after"] or {}).get("version")
            after = {
                "firmware": str(self.hop.target) if self.check_mode else proven,
                "attempts_left": plan["attempts_left_after"] if self.check_mode else result["attempts"]["remaining"],
                "files_sent": plan["files"],
                "bytes_sent": plan["bytes_to_send"],
            }
        return {"before": before, "after": after, "before_header": self.host, "after_header": self.host}


def hop_dict(hop: Hop) -> dict[str, Any]:
    """A hop in plain values."""
    return {
        "row": hop.row,
        "method": hop.method,
        "source": str(hop.source),
        "target": None if hop.target is None else str(hop.target),
        "target_range": str(hop.target_range),
        "reversible": hop.reversible,
        "attempts_limit": hop.attempts_limit,
        "reading": hop.reading,
        "notes": list(hop.notes),
    }


def _sentence(outcome: str, reason: str, text: str, device_text: str, remedy: str) -> str:
    parts = [outcome + (f" ({reason})" if reason else "")]
    if text:
        parts.append(text)
    if device_text and reason and device_text not in text:
        parts.append(f"the meter says: {device_text}")
    sentence = ": ".join([*parts[:1], "; ".join(parts[1:])] if len(parts) > 1 else parts)
    return f"{sentence}. {remedy}" if remedy else sentence
