# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task behind meter_firmware on the controller: check the input, look, judge, and run at most one hop."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest as artifacts
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import Waiter, clock_for
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants, identifiers
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.limits import attempt_limit
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import MCS301, Model, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import Hop, PathResult, plan_path
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Attempts, Precheck, blocking
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.desired import marks_key
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import Flow, HopResult, Job
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import MeterSteps, Reading, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._firmware import Rules, check_rules

from . import _firmware_judge as judging
from . import _firmware_result as reporting
from ._firmware_ledger import PatientLedger
from ._firmware_result import GOOD, RESTING
from ._method import Method
from ._method_registry import METHODS

__all__ = ["GOOD", "RESTING", "FirmwareTask"]

#: Makes the steps of a method on a jump host: (method, target, profile, files, options) -> Steps.
RemoteFactory = Callable[[str, Target, Mapping[str, Any] | None, list[SendFile], dict[str, Any]], Any]
_READING = frozenset(item.name for item in fields(Reading))


class FirmwareTask:
    """One meter, one task. ``remote`` makes steps that run on a jump host; without it they run in this process."""

    def __init__(self, params: dict[str, Any], host: str, check_mode: bool, remote: RemoteFactory | None, hooks: Any) -> None:
        self.params, self.host, self.check_mode, self.remote, self.hooks = params, host, check_mode, remote, hooks
        self.rules: Rules
        self.target: Target
        self.records: Records
        self.profile: dict[str, Any] | None = None
        self.web_profile: dict[str, Any] | None = None
        self.reading: Reading | None = None
        self.model: Model
        self.source: Version | str
        self.path: PathResult | None = None
        self.hop: Hop | None = None
        self.method: Method | None = None
        self.methods: dict[str, Method] = {}
        self.package: artifacts.Package | None = None
        self.package_faults: list[artifacts.Fault] = []
        self.attempts = Attempts()
        self.left_after: int | None = None
        self.prechecks: list[Precheck] = []
        self.needed: dict[str, str] = {}
        self.warnings: list[str] = []
        self.findings: list[dict[str, Any]] = []
        self.resumed: HopResult | None = None
        self.wrote = False  # by ending what an earlier run left, before anything of this run's own
        self._begun = 0
        self._just_read: Reading | None = None
        #: Gives the computer of the maker's tool by its inventory name; set by the action, which has the inventory.
        self.tool_host: Callable[[str], Any] | None = None

    # -- the whole task -----------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """The task's result. Raises InputError for bad input, MeteringError for a ledger that cannot be used."""
        self._check_input()
        early = self._early_artifact_faults()
        if early:
            return self.result("blocked", early[0].reason, early[0].text)
        self.records = open_records(self.params.get("records"), getpass.getuser(), read_only=self.check_mode)
        self.steps = self._meter_steps()
        try:
            refused = self._resume() or self._read() or self._plan(self._known())
        finally:
            self.steps.close()
        if refused:
            return refused
        if self.hop is None:
            return self._already_there()
        self._prepare_package()
        refused = self._as_reviewed() or self._may_retry()
        if refused:
            return refused
        self._judge()
        stops = blocking(self.prechecks)
        if stops:
            return self.result("blocked", stops[0].reason, "; ".join(item.text for item in stops))
        if self.check_mode:
            return self._planned()
        return self._run_hop()

    def _already_there(self) -> dict[str, Any]:
        if not self.check_mode:
            for method in self.methods.values():
                method.arrived()
        return self.result("current", "", f"the meter runs {self.rules.version} already")

    def _planned(self) -> dict[str, Any]:
        """What check mode tells: an upgrade that waits in the meter as wanted is no change, anything else is one."""
        hop = self._hop()
        rests = self._method().rests(self.records.open_attempt(str(self._known().serial)))
        if rests:
            return self.result(rests, "", f"{hop.target} waits in the meter, as asked for")
        return self.result("planned", "", f"would go from {self.source} to {hop.target} by {hop.method}", changed=True)

    def _check_input(self) -> None:
        self.rules = check_rules(self.params, str(self.params["host"]))
        marks_key(self.params)  # bad input, before any contact
        clock = clock_for(str(self.params["host"]), self.rules.clock_factor)
        self.target = target_from(self.params, self.host, clock)
        self.manifest = artifacts.load(Path(self.params["artifacts"]))
        family = None if self.opaque else self.target.family
        self.profile = load_profile(self.params["profile"], family=family) if self.params.get("profile") else None
        self.web_profile = self.profile
        if self.params.get("web_profile") and "web" in METHODS:
            self.web_profile = load_profile(self.params["web_profile"], "web_profile", family)
        self.methods = {name: made(self) for name, made in METHODS.items()}
        for method in self.methods.values():
            method.check()

    @property
    def opaque(self) -> bool:
        """Whether the versions of this meter are identifiers without an order (design 4.1)."""
        return self.target.family == MCS301

    def parse(self, text: str) -> Version | str:
        """A version in the form that the family has. Raises InputError."""
        return identifiers.canonical(text) if self.opaque else Version.parse(text)

    def wanted_packages(self) -> list[artifacts.Package]:
        """The packages of the wanted version for the family, and for the part that was named."""
        return [
            item
            for item in self.manifest.packages
            if item.version == str(self.rules.version)
            and (item.family == MCS301) == self.opaque
            and self.rules.component in (None, item.component)
        ]

    def _early_artifact_faults(self) -> list[artifacts.Fault]:
        """Faults of every package of the wanted version, known before any contact (F-08)."""
        return [fault for package in self.wanted_packages() for fault in artifacts.faults(package)]

    def _meter_steps(self) -> Any:
        """Steps that need no method yet: reading the meter and finding it again."""
        if self.opaque:  # one protocol for everything
            return self.methods["dlms"].steps([])
        if self.remote is not None:
            return self.remote("meter", self.target, self.profile, [], {"search": list(self.rules.search)})
        return MeterSteps(self.target, self.profile, [], self.rules.search, self.hooks)

    # -- what an earlier run left -------------------------------------------------------------------------------------

    def _read(self) -> dict[str, Any] | None:
        """Who answers now; a result when nobody does, or a stranger at the address of a lost or planned meter."""
        try:
            self.reading = self._just_read or self.steps.identify()
        except DeviceError as error:
            return self.result("blocked", error.reason, str(error), device_text=error.device_text)
        last = self.records.last_attempt_of_host(self.host)
        if last is not None and last.outcome == "comms_lost" and self.reading.serial not in (None, last.serial):
            # F-13: after a lost meter the address may belong to another one. It is never written to under this name.
            attest = self.rules.attest
            if str(attest.get("replaces") or "") != last.serial:
                text = f"serial {self.reading.serial} answers here, but {self.host} was serial {last.serial} when it was lost"
                more = f"; if that one was replaced, attest replaces: {last.serial}"
                return self.result("blocked", "serial_mismatch", text + more)
            if not self.check_mode:
                self.records.replace_meter(self.host, last.serial, str(attest.get("by", "")), str(attest.get("at", "")))
        planned = self.rules.expect.get("serial")
        if planned and self.reading.serial != planned:
            return self.result("blocked", "plan_stale", f"serial {self.reading.serial} answers here; the reviewed plan says {planned}")
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
        method = self.methods.get(attempt.method)
        if method is None:
            text = f"an attempt by the method {attempt.method} has no end, and this release cannot look for it"
            return self.result("blocked", "method_not_available", text)
        self.reading = Reading(**{name: value for name, value in attempt.before.items() if name in _READING})
        self.model, self.source, self.method = find_model(attempt.model), self.parse(attempt.source), method
        self.path = self._path_of(attempt)
        self.hop = self.path.hops[0] if self.path.supported and self.path.hops else None
        ended = self._flow(method, self._resume_job(method, attempt), resume=True)
        self.attempts = judging.budget(self)
        again = ended.outcome == "failed_retryable" and (self.rules.retries > 0 or self.rules.retry)
        if ended.outcome == "scheduled" and attempt.target != str(self.rules.version):
            text = f"the meter waits to activate {attempt.target}; call that off by activate: never for it, or accept replace_pending"
            return self.result("blocked", "image_pending", text)
        if again or not ended.outcome:
            self.wrote, self._just_read = ended.changed, None
            self.resumed, self.reading, self.hop, self.path, self.method = ended, None, None, None, None
            return None
        return self._hop_result(ended)

    def _path_of(self, attempt: Attempt) -> PathResult:
        """The chain that the attempt was the first hop of, where it leads on to the wanted version; else that hop alone."""
        alone = plan_path(self.model, self.source, self.parse(attempt.target), [], False, True)
        if self.opaque or attempt.target == str(self.rules.version):
            return alone
        whole = self._way(self.source)
        first = whole.hops[0] if whole.supported and whole.hops else None
        return whole if first is not None and (str(first.target), first.method) == (attempt.target, attempt.method) else alone

    def _left_open(self) -> Attempt | None:
        """The open attempt of the meter that answers; while it is silent, or another one answers, that of this host name."""
        attempt = self.records.last_attempt_of_host(self.host)
        if attempt is not None and attempt.open:
            return attempt
        try:
            reading = self.steps.identify()
        except DeviceError:
            return None  # the same reading right after this says it
        serial = reading.serial
        if self.opaque:  # an association costs more than a few registers
            self._just_read = reading
        return self.records.open_attempt(serial) if serial else None

    # -- planning -----------------------------------------------------------------------------------------------------

    def _plan(self, reading: Reading) -> dict[str, Any] | None:
        """Fill in model, path and hop; a result when the answer is no already."""
        try:
            self.model = find_model(reading.model)
        except InputError:
            return self.result("blocked", "model_unknown", f"the meter says that it is a {reading.model!r}, which no document here covers")
        if reading.version is None and getattr(self.steps, "anonymous", False):
            text = (
                "its firmware is not known: the keys have not worked before, and check mode tries none that has not; check_login: true does"
            )
            self.warnings.append(text)
            return self.result("planned", "", f"would look at the meter with its keys and go to {self.rules.version}; {text}", changed=True)
        if reading.version is None:
            return self.result("blocked", "identity_unreadable", "the meter does not tell its firmware version")
        self.source = self.parse(reading.version)
        self.path = self._way(self.source)
        if not self.path.supported:
            return self.result("blocked", str(self.path.reason), self.path.text)
        if not self.path.hops:
            return None
        self.hop = self.path.hops[0]
        asked = self.params.get("method")
        if asked and asked != self.hop.method:
            return self.result("blocked", "method_mismatch", f"row {self.hop.row} gives the method {self.hop.method}, not {asked}")
        self.method = self.methods.get(self.hop.method)
        if self.method is None:
            self.attempts = judging.budget(self)
            if self.attempts.remaining == 0:  # the more final reason goes first
                text = f"{self.attempts.used} of {self.attempts.limit} attempts used ({self.attempts.source})"
                return self.result("blocked", "attempts_exhausted", text)
            return self.result(
                "blocked", "method_not_available", f"row {self.hop.row} needs the method {self.hop.method}, which this release cannot run"
            )
        if reading.serial is None:
            return self.result(
                "blocked", "serial_unknown", "the meter does not tell its serial number, so no attempt can be recorded for it"
            )
        return None

    def _way(self, source: Version | str) -> PathResult:
        """The chain from this version to the wanted one, by the packages that are there."""
        return plan_path(
            self.model,
            source,
            self.rules.version,
            [] if self.opaque else [Version.parse(text) for text in self.manifest.versions(self.model)],
            bool(self.params["strict_matrix"]),
            "downgrade" in self.rules.accept,
            offered=self.manifest.offered(self.model),
        )

    def _prepare_package(self) -> None:
        hop = self._hop()
        wanted = str(hop.target) if hop.target is not None else f"in the range {hop.target_range}"
        self.package = self.manifest.find(self.model, wanted, hop.method, self.rules.component)
        if self.package is None:
            text = f"no package for {self.model.name} {wanted} by {hop.method} is in {artifacts.MANIFEST_NAME}"
            self.package_faults = [artifacts.Fault("artifact_missing", text)]
        elif wanted != str(self.rules.version):  # the others were checked before the first contact
            self.package_faults = list(artifacts.faults(self.package))

    def _hop(self) -> Hop:
        if self.hop is None:
            raise TypeError("no hop is planned")
        return self.hop

    def _method(self) -> Method:
        if self.method is None:
            raise TypeError("no method is planned")
        return self.method

    def _as_reviewed(self) -> dict[str, Any] | None:
        """The meter and the package still are what the reviewed plan says (R-116)."""
        versions, digest = self.rules.expect.get("versions"), self.rules.expect.get("artifact")
        if versions and str(self.source) not in versions:
            return self.result("blocked", "plan_stale", f"the meter runs {self.source}; the reviewed plan says {' or '.join(versions)}")
        if digest and self.package is not None and self.package.digest != digest:
            return self.result("blocked", "plan_stale", f"package {self.package.id} is not the one that was reviewed")
        return None

    def _may_retry(self) -> dict[str, Any] | None:
        """With ``retry`` this is the second and last try of a meter whose upgrade failed in this campaign (R-092, R-119)."""
        if not self.rules.retry:
            return None
        history = [item for item in self.records.attempt_history(str(self._known().serial)) if item.campaign == self.params["campaign"]]
        tried = [item for item in history if item.state != "not_started" and item.method == self._hop().method]
        if not tried:  # a package that was refused at the upload spent no attempt; its outcome is in the records all the same
            last = self.records.outcomes(self.params["campaign"]).get(self.host, {}).get("outcome")
            refused = last != "failed_retryable"
        else:
            refused = tried[-1].outcome != "failed_retryable"
        if refused:
            return self.result("blocked", "retry_not_allowed", "no upgrade of this meter in this campaign ended so that it may be repeated")
        if len([item for item in tried if item.outcome == "failed_retryable"]) > constants.MAX_RETRIES_DEFAULT.number:
            return self.result("blocked", "retry_not_allowed", "this meter had its second try in this campaign already")
        return None

    # -- prechecks ----------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        method = self._method()
        self.needed = judging.needed_words(self, method)
        self.attempts = judging.budget(self)
        self.left_after = None if self.attempts.remaining is None else max(0, self.attempts.remaining - 1)
        self.prechecks = judging.judge(self, method)

    # -- the hop ------------------------------------------------------------------------------------------------------

    def _run_hop(self) -> dict[str, Any]:
        method = self._method()
        self._hold_before_retry(method)
        ended = self._flow(method, self._job(method))
        if ended.reason != "ledger_unreachable":
            self.attempts = judging.budget(self)
        return self._hop_result(ended)

    def _hold_before_retry(self, method: Method) -> None:
        """The documented wait of a mass upgrade, counted from the last end of any attempt of this method (R-119)."""
        last = self.records.last_end(self.params["campaign"], method.name) if self.rules.retry else None
        if last is None:
            return
        rest = self.rules.waits["retry_hold"] - (self.target.clock.time() - last) * self.rules.clock_factor
        if rest > 0:
            self.hooks.phase("holding", None, f"{rest:.0f} s before the retry")
            Waiter(self.target.clock, lambda: self.hooks.guard("staging")).hold(rest)

    def _flow(self, method: Method, job: Job, resume: bool = False) -> HopResult:
        steps = method.steps([] if resume else method.files())
        self._begun = 0
        ledger = PatientLedger(self.records)
        flow = Flow(job, steps, ledger, self.target.clock, self.hooks, lambda: self._why_not(method), self.rules.clock_factor)
        try:
            ended = flow.run(resume)
        finally:
            steps.close()
        if ledger.lost:
            seen = f"the upgrade was begun and last seen as {ended.outcome}, which could not be written down: {ledger.lost}"
            return replace(ended, outcome="interrupted", reason="ledger_unreachable", text=seen)
        return ended

    def _why_not(self, method: Method) -> str:
        number, self._begun = self._begun, self._begun + 1
        return judging.why_not(self) or method.why_not(number)

    def _job(self, method: Method) -> Job:
        reading, hop = self._known(), self._hop()
        if reading.serial is None:
            raise TypeError("no serial number")
        limit = attempt_limit(self.model, self.source) if isinstance(self.source, Version) else None
        spent = 1 if self.rules.retry or (self.resumed is not None and self.resumed.outcome) else 0
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
            retries=max(0, self.rules.retries - spent),  # a failed attempt that was resumed was the first one
            **self._job_rules(method),
        )

    def _resume_job(self, method: Method, attempt: Attempt) -> Job:
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
            **self._job_rules(method),
        )

    def _job_rules(self, method: Method) -> dict[str, Any]:
        """What a job takes from the options, whatever it does."""
        group, cap = method.slot()
        limits = method.limits()
        return {
            "operator": getpass.getuser(),
            "campaign": self.params["campaign"],
            "group": group,
            "cap": cap,
            "limits": limits,
            "settle": self.rules.settle if method.settles else 0.0,
            "lease_wait": self.rules.lease_wait,
            # Copying through a jump host cannot beat, so the lease must outlive that.
            "lease_ttl": limits.hard_timeout if self.remote is not None else float(constants.LEASE_TTL.number),
            "slice": float(constants.OBSERVE_SLICE.number) if self.remote is not None else limits.hard_timeout,
            "park": self.rules.park,
            "retry_hold": method.retry_hold and self.rules.waits["retry_hold"],
            "stage_only": method.stage_only,
        }

    # -- the result ---------------------------------------------------------------------------------------------------

    def _hop_result(self, ended: HopResult) -> dict[str, Any]:
        method = self._method()
        outcome, reason = method.ended(ended.outcome, ended.reason)
        # The caller that said so tries again itself, after its whole batch.
        passed_on = self.rules.park and self.rules.retries == 0 and not self.rules.retry
        if outcome == "failed_retryable" and not passed_on:
            outcome = method.exhausted
        return reporting.hop_result(self, ended, outcome, reason)

    def result(self, outcome: str, reason: str, text: str, changed: bool = False, device_text: str = "") -> dict[str, Any]:
        """Everything of contract 4.3."""
        return reporting.result(self, outcome, reason, text, changed, device_text)

    def diff(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Before and after for ``--diff``."""
        return reporting.diff(self, found)
