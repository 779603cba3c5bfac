# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One hop on one meter, from lease to settled proof. The only place that decides when the trigger may be pulled.

Order is everything here: lease, fresh read, copy, fresh read, ledger, trigger, observation, ledger, settle, release.
An interrupted run leaves an attempt without an end; the next run ends it by looking at the meter, before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ..base.clock import Clock, Waiter
from ..base.errors import DeadlineError, DeviceError, OrphanedError
from ..catalogue import constants
from .observe import Expected, Limits, Observation
from .steps import Hooks, Reading

GOOD = ("verified", "verified_late")
_STAGE_OUTCOMES = {
    "transport_failed": "failed_final",
    "device_rejected_image": "failed_final",
    "image_invalid_or_corrupted": "failed_retryable",
    "image_verification_failed": "failed_final",
    "image_verification_late": "failed_final",
    "image_incomplete": "failed_final",
    "image_mismatch": "failed_final",
    "image_transfer_refused": "failed_final",
}
#: Outcomes from which a later run goes on: the attempt stays open in the ledger.
RESTING = ("handed_over", "not_responding", "scheduled", "activated_unconfirmed")
#: Of these, those in which the meter does nothing that others would have to wait for.
_WITHOUT_SLOT = ("scheduled", "activated_unconfirmed")
#: Answers to a trigger after which nothing runs yet: the attempt stays "recorded" until it is known that it was begun.
_NOT_YET = ("handed_over", "scheduled")
#: What a look says of a meter that is as it was before. For an attempt that only was recorded: nothing was sent.
_AS_BEFORE = ("upgrade_not_started", "activation_interrupted")

Values = Mapping[str, Any]


class Steps(Protocol):
    """What the flow asks of a meter; in this process or on a jump host."""

    def identify(self) -> Reading: ...
    def lock(self) -> str: ...
    def stage(self) -> dict[str, Any]: ...
    def trigger(self) -> dict[str, Any]: ...
    def observe(self, state: Values, expected: Values, limits: Values, seconds: float) -> dict[str, Any]: ...
    def recall(self, detail: Values) -> bool: ...
    def find(self, serial: str) -> str | None: ...


class Ledger(Protocol):
    """What the flow asks of the records. Every call is durable before it returns."""

    def acquire(self, resource: str, ttl: float, *, resolve_open: bool = False) -> Any: ...
    def acquire_slot(self, group: str, cap: int, ttl: float, attempt_id: str | None = None) -> Any: ...
    def bind(self, lease: Any, attempt_id: Any) -> object: ...
    def release(self, *leases: Any) -> None: ...
    def open_attempt(self, serial: str) -> Any: ...
    def begin_attempt(self, *args: Any, **fields: Any) -> Any: ...
    def mark(self, attempt_id: Any, state: str, detail: Mapping[str, Any] | None = None) -> object: ...
    def end_attempt(self, attempt_id: Any, outcome: str, reason: str = "") -> object: ...
    def annotate(self, attempt_id: Any, detail: Mapping[str, Any]) -> object: ...
    def report_corrupt(self, campaign: str, digest: str, serial: str) -> object: ...
    def journal(self, campaign: str, event: str, body: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Job:
    """One hop as decided by the plan; versions as canonical text, durations in meter seconds.

    ``group`` names the slots that the hop shares with others, by default those of its method. With ``park`` a meter that does
    not come back is left open as not_responding for a second look (R-090); ``retry_hold`` is waited before a retry (R-119).
    With ``stage_only`` the meter gets the firmware and is not told to install it; no attempt is begun.
    """

    host: str
    serial: str
    model: str
    row: str
    method: str
    source: str
    target: str
    artifact_digest: str
    operator: str
    plan_digest: str
    campaign: str
    limit_from: str
    has_lock: bool
    cap: int
    retries: int
    limits: Limits
    settle: float
    lease_wait: float
    lease_ttl: float
    slice: float
    group: str = ""
    park: bool = False
    retry_hold: float = 0.0
    stage_only: bool = False


@dataclass
class HopResult:
    """How the hop ended. ``changed`` tells whether anything was written to the meter by this run."""

    outcome: str = ""
    reason: str = ""
    text: str = ""
    device_text: str = ""
    changed: bool = False
    after: dict[str, Any] | None = None
    restart: str = ""
    processes: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    found_at: str | None = None
    attempts_started: int = 0
    last_upgrade: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    staged: dict[str, Any] = field(default_factory=dict)


class Flow:
    """Runs one job. ``allowed`` is asked before every attempt and names a reason why not, or nothing."""

    def __init__(
        self, job: Job, steps: Steps, ledger: Ledger, clock: Clock, hooks: Hooks, allowed: Callable[[], str], wall_factor: float
    ) -> None:
        self.job, self.steps, self.ledger, self.clock, self.hooks = job, steps, ledger, clock, hooks
        self._allowed = allowed
        self._wall_factor = wall_factor
        self._started = clock.monotonic()
        self.result = HopResult()

    def run(self, resume: bool = False) -> HopResult:
        """Do the hop; every end is a result, also an orphan's. Raises only what is a defect or a broken ledger.

        With ``resume`` only the attempt that an earlier run left open is ended. The outcome then is empty when nothing was
        begun, or when that run ended it itself: the caller reads the meter anew.
        """
        lease = self._lease(f"meter:{self.job.serial}")
        if lease is None:
            return self.result
        try:
            self.hooks.leases.append(lease)
            self._note("leased")
            self._under_lease(resume)
        except OrphanedError as error:
            self._end("interrupted", "worker_orphaned", str(error))
        finally:
            self._give_back(lease)
        return self.result

    def _give_back(self, lease: Any) -> None:
        self.hooks.leases.remove(lease)
        self.ledger.release(lease)

    def _lease(self, resource: str) -> Any:
        """The lease, waited for a little: an orphan of an earlier run gives it back at its next step."""
        waiter = Waiter(self.clock)
        holder: list[str] = []

        def take() -> Any:
            lease = self.ledger.acquire(resource, self.job.lease_ttl, resolve_open=True)
            if hasattr(lease, "token"):
                return lease
            if not holder:
                self.hooks.phase("waiting", None, lease.text)
            holder[:] = [lease.text]
            return None

        try:
            return waiter.until("lease", take, self.job.lease_wait, interval=1.0)
        except DeadlineError:
            self._end("blocked", "firmware_in_progress", f"another run works on this meter: {holder[0]}")
            return None

    def _under_lease(self, resume: bool) -> None:
        attempt = self.ledger.open_attempt(self.job.serial)
        if resume and attempt is None:
            return
        slot = self._slot(attempt.id if attempt else None)
        if slot is None:
            self._end("blocked", "no_free_slot", f"{self.job.cap} upgrades by {self.job.method} are already running")
            return
        self.hooks.leases.append(slot)
        settling = False
        try:
            if (attempt is None or self._resolve(attempt)) and not resume:
                self._rest_of_settle(slot.settling_since)
                self._attempts()
            if self.result.outcome in GOOD and self.job.settle:
                settling = True
                self._settle()
                settling = False
        finally:
            # Cut off while settling (a task's timeout): the slot stays behind, so that its next user waits for the rest.
            if not settling:
                if self.result.outcome in _WITHOUT_SLOT:
                    self.ledger.bind(slot, None)
                self._give_back(slot)

    def _slot(self, attempt_id: Any) -> Any:
        """One of the slots of the method, waited for as long as for the lease: an orphan that settles still has its own."""
        job = self.job

        def take() -> Any:
            slot = self.ledger.acquire_slot(job.group or job.method, job.cap, job.lease_ttl, attempt_id)
            if slot is None:
                self.hooks.guard("staging")
            return slot

        try:
            return Waiter(self.clock).until("slot", take, job.lease_wait, interval=1.0)
        except DeadlineError:
            return None

    def _attempts(self) -> None:
        for number in range(self.job.retries + 1):
            if number and self.job.retry_hold:
                self._note("holding", f"{self.job.retry_hold:g} s before the retry (R-119)")
                self._hold(self.job.retry_hold, "staging")
            reason = self._allowed()
            if reason:
                if number == 0:
                    self._end("blocked", reason, "no attempt may begin now")
                else:
                    self._note("no_retry", reason)
                return
            self._one_attempt()
            if self.result.outcome != "failed_retryable":
                return
            self._note("failed_retryable", "once more, as a new recorded attempt (R-066)")

    def _one_attempt(self) -> None:
        """Stage, record, trigger, observe."""
        before = self._fresh_read("staging")
        if before is None:
            return
        self.hooks.guard("staging")
        self._note("staging")
        changed, self.result.changed = self.result.changed, True
        try:
            staged = self.steps.stage()
        except DeviceError as error:
            self._stage_failed(error)
            return
        self.result.changed = changed or staged.get("changed", True)
        self._note("staged", f"{staged['bytes']} bytes" if staged.get("changed", True) else staged["text"])
        self._journal("staged", {key: value for key, value in staged.items() if key != "detail"})
        self.result.staged = staged
        if self.job.stage_only:
            self._end("staged", "", f"the meter has {self.job.target} and is not told to activate it")
            return
        before = self._fresh_read("trigger")
        if before is None or not self._lock_still_open():
            return
        self.hooks.guard("trigger")
        self._trigger_and_observe(before, staged)

    def _stage_failed(self, error: DeviceError) -> None:
        """Nothing was triggered, so no attempt is spent. A damaged image is worth one fresh try (R-147)."""
        outcome = _STAGE_OUTCOMES.get(error.reason, "blocked")
        if error.reason == "image_invalid_or_corrupted":
            self._report_corrupt()
        self._end(outcome, error.reason, error.text, error.device_text)

    def _report_corrupt(self) -> None:
        self.ledger.report_corrupt(self.job.campaign, self.job.artifact_digest, self.job.serial)

    def _fresh_read(self, stage: str) -> Reading | None:
        """The meter is still the planned one; anything else stops before the next write."""
        try:
            reading = self.steps.identify()
        except DeviceError as error:
            self._end("blocked", error.reason, f"before {stage}: {error.text}", error.device_text)
            return None
        if reading.serial != self.job.serial:
            self._end("blocked", "serial_mismatch", f"before {stage}: serial {reading.serial} answers, planned was {self.job.serial}")
            return None
        if reading.version == self.job.target and stage == "staging":
            self._end("current", "", f"the meter runs {self.job.target} already; another run got there first")
            return None
        if reading.version != self.job.source:
            self._end("blocked", "plan_stale", f"before {stage}: the meter runs {reading.version}, planned was {self.job.source}")
            return None
        return reading

    def _lock_still_open(self) -> bool:
        if self.job.has_lock and self.steps.lock() == "locked":
            self._end("blocked", "mid_lock_enabled", "the MID/MIR lock was switched on since the prechecks")
            return False
        return True

    def _trigger_and_observe(self, before: Reading, staged: Mapping[str, Any]) -> None:
        job, status_key, detail = self.job, str(staged.get("status_key", "")), dict(staged.get("detail") or {})
        kept = {"status_key": status_key, "steps": detail}
        attempt = self.ledger.begin_attempt(
            serial=job.serial,
            model=job.model,
            host=job.host,
            row=job.row,
            method=job.method,
            source=job.source,
            target=job.target,
            artifact_digest=job.artifact_digest,
            operator=job.operator,
            plan_digest=job.plan_digest,
            campaign=job.campaign,
            before={**before.as_dict(), **{name: value for name, value in kept.items() if value}},
            limit_from=job.limit_from,
            hard_timeout=job.limits.hard_timeout / self._wall_factor,
            leases=tuple(self.hooks.leases),
        )
        self._note("attempt_recorded")
        try:
            self.hooks.guard("trigger")
        except OrphanedError as error:
            self.ledger.mark(attempt.id, "not_started", {"text": f"nothing was sent: {error}"})
            raise
        answer = self.steps.trigger()
        if answer["state"] not in _NOT_YET:
            begun = "not_started" if answer["state"] == "not_started" else "triggered"
            self.ledger.mark(attempt.id, begun, {"status": answer["status"], "text": answer["text"]})
        if answer["state"] == "not_started":
            self._end("blocked", answer["reason"], answer["text"])
            return
        self.result.attempts_started += 1
        self.result.changed = True
        if answer["state"] == "refused":
            outcome = "attempts_exhausted" if answer["reason"] == "attempts_exhausted" else "failed_final"
            self._end(outcome, answer["reason"], "the meter refused the trigger", answer["text"])
            self.ledger.end_attempt(attempt.id, outcome, answer["reason"])
            return
        self._note(answer["state"], answer["text"])
        expected = Expected(job.serial, job.source, job.target, before.restarts, before.last_restart, status_key)
        self._conclude(attempt.id, self._observe(Observation(detail=detail), expected), park=job.park)

    def _observe(self, state: Observation, expected: Expected) -> Observation:
        begun = self.clock.monotonic() - state.elapsed
        while not state.outcome:
            state = Observation(**self.steps.observe(state.as_dict(), asdict(expected), asdict(self.job.limits), self.job.slice))
            if not state.outcome:
                state.elapsed = self.clock.monotonic() - begun
        return state

    def _conclude(self, attempt_id: Any, state: Observation, park: bool) -> None:
        result = self.result
        if state.outcome == "comms_lost":
            result.found_at = self.steps.find(self.job.serial)
            if park and not result.found_at:
                state.outcome, state.reason = "not_responding", "not_responding"
                state.timeline[-1] = {**state.timeline[-1], "state": "not_responding"}
        offset = self.clock.monotonic() - self._started - state.elapsed
        result.timeline += [{**item, "at": round(item["at"] + offset, 1)} for item in state.timeline]
        result.outcome, result.reason, result.device_text = state.outcome, state.reason, state.device_text
        result.text = state.timeline[-1]["text"] if state.timeline else ""
        result.last_upgrade, result.detail = state.last_upgrade, state.detail
        result.processes, result.restart = state.processes, "observed" if state.silence_seen or state.restart_seen else "not_observed"
        if result.found_at:
            result.reason = "ip_changed"
            result.text = f"serial {self.job.serial} now answers at {result.found_at}"
        if state.version is not None and state.outcome not in ("comms_lost", "scheduled"):
            result.after = {"version": state.version, "serial": self.job.serial}
        if state.outcome in GOOD and result.restart == "not_observed" and state.detail.get("firmware_state") != "confirmed":
            result.warnings.append("restart: not_observed. Version and serial are as wanted, but no restart was seen")
        if state.late and state.outcome in GOOD:
            result.warnings.append(f"late_resume: the meter was silent for longer than the documented {self.job.limits.card_reset:g} s")
        if state.page_fault:
            result.warnings.append(f"status_page: it could not be read to the end ({state.page_fault})")
        if state.outcome in RESTING:
            self.ledger.annotate(attempt_id, {"resting": state.outcome, "silent_since": state.silent_since, "steps": state.detail})
            self._journal("resting", {"outcome": state.outcome})
            return
        if state.reason == "image_invalid_or_corrupted":
            self._report_corrupt()
        self.ledger.end_attempt(attempt_id, state.outcome, state.reason)
        self._journal("ended", {"outcome": state.outcome, "reason": state.reason, "restart": result.restart})

    def _resolve(self, attempt: Any) -> bool:
        """End an attempt that an interrupted run left open. True when the flow may go on with a new one."""
        since = max(0.0, (self.clock.time() - (attempt.triggered or attempt.started)) * self._wall_factor)
        self._note("resuming", f"an attempt of an earlier run has no end; it began {since:.0f} s ago")
        before = attempt.before or {}
        counted, dated, key = before.get("restarts"), before.get("last_restart"), before.get("status_key", "")
        expected = Expected(self.job.serial, attempt.source, attempt.target, counted, dated, key)
        state = self._as_it_rested(attempt, since)
        if self.steps.recall(state.detail):
            self.result.changed = True
            self._note("recalled", "what an earlier run asked the meter to do later is taken back")
        state = self._observe(state, expected)
        if attempt.state == "recorded" and state.reason in _AS_BEFORE:
            self.ledger.mark(attempt.id, "not_started", {"text": "the meter is as before: the trigger was never sent or never arrived"})
            return True
        self._conclude(attempt.id, state, park=self.job.park and not attempt.detail.get("resting"))
        return state.outcome == "failed_retryable"

    def _as_it_rested(self, attempt: Any, since: float) -> Observation:
        """Where the observation goes on. A meter that was parked as silent is looked at once more, for a short time (R-091)."""
        known = (attempt.before or {}).get("steps") or {}
        state = Observation(elapsed=since, detail={**known, **(attempt.detail.get("steps") or {})})
        silent = attempt.detail.get("silent_since")
        if silent is not None:
            limits = self.job.limits
            state.silent_since = max(silent, since - limits.card_reset - limits.late_grace + constants.PARKED_LOOK.number)
            state.silence_seen = state.late = True
        return state

    def _settle(self) -> None:
        """The documented minute before the next meters (R-089), spent under the lease and the slot."""
        self._note("settling", f"{self.job.settle:g} s")
        self._hold(self.job.settle, "settling")

    def _rest_of_settle(self, since: float | None) -> None:
        """What an earlier run of this slot, cut off while it settled, did not wait."""
        rest = 0.0 if since is None else self.job.settle - (self.clock.time() - since) * self._wall_factor
        if rest > 0:
            self._note("settling", f"{rest:.0f} s of an interrupted run")
            self._hold(rest, "staging")

    def _hold(self, seconds: float, stage: str) -> None:
        Waiter(self.clock, lambda: self.hooks.guard(stage)).hold(seconds)

    def _note(self, state: str, text: str = "") -> None:
        self.result.timeline.append({"state": state, "at": round(self.clock.monotonic() - self._started, 1), "text": text})
        self.hooks.phase(state, None, text)

    def _journal(self, event: str, body: Mapping[str, Any]) -> None:
        self.ledger.journal(self.job.campaign, event, {"host": self.job.host, "serial": self.job.serial, **body})

    def _end(self, outcome: str, reason: str, text: str, device_text: str = "") -> None:
        self.result.outcome, self.result.reason, self.result.text, self.result.device_text = outcome, reason, text, device_text
        self._note(outcome, text)
        self._journal("ended", {"outcome": outcome, "reason": reason})
