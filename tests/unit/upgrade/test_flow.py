# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One hop from lease to settled proof: the order of everything, with steps that only write down and a real ledger."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import NOT_STARTED, Attempt, Lease
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import Flow, HopResult, Job
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ftp import Reading
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits, Observation

OLD, NEW = "11.0.2", "11.2.9"
JOB = Job(
    host="m01",
    serial="S1",
    model="PM5661",
    row="E-1",
    method="ftp",
    source=OLD,
    target=NEW,
    artifact_digest="d",
    operator="tester",
    plan_digest="p",
    campaign="c1",
    limit_from="11.0.0",
    has_lock=True,
    cap=1,
    retries=1,
    limits=Limits(card_reset=120, stall=300, hard_timeout=1800),
    settle=60,
    lease_wait=5,
    lease_ttl=3600,
    slice=1800,
)
BEFORE = Reading("PM5661", "S1", OLD, 4, "2026-01-01T00:00:00")
STARTED = {"state": "triggered", "status": 302, "location": "/s", "reason": "", "text": "HTTP status 302"}


class Clock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 5000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


class Log(list[str]):
    """What happened, in order; the ledger's part of it is read back from the ledger itself at every step."""


class Hooks:
    """Progress nobody reads; ``orphan_at`` names the stage from which on the parent is gone."""

    def __init__(self, log: Log) -> None:
        self.leases: list[Any] = []
        self.log = log
        self.orphan_at: Callable[[str], bool] = lambda stage: False
        self.phases: list[str] = []

    def phase(self, state: str, percent: int | None, text: str) -> None:
        self.phases.append(state)

    def guard(self, stage: str) -> None:
        if self.orphan_at(stage):
            raise OrphanedError(stage)


def _given(answer: Any) -> Any:
    """An answer of the script, or the fault that stands in its place."""
    if isinstance(answer, DeviceError):
        raise answer
    return answer


class Steps:
    """A meter as a script: each answer may be replaced, and everything is written down with the ledger's state."""

    def __init__(self, log: Log, ledger: Records, clock: Clock) -> None:
        self.log, self.ledger, self.clock = log, ledger, clock
        self.readings: list[Reading | DeviceError] = []
        self.staged: list[dict[str, Any] | DeviceError] = []
        self.answers: list[dict[str, Any]] = []
        self.observed: list[dict[str, Any]] = []
        self.locks: list[str] = []
        self.found: str | None = None
        self.recalls = False
        self.observe_args: list[tuple[dict[str, Any], dict[str, Any], float]] = []

    def _write(self, what: str) -> None:
        attempt = self.ledger.open_attempt("S1")
        held = "held" if self.ledger.slots_in_use("ftp") else "free"
        self.log.append(f"{what} [{attempt.state if attempt else 'no attempt'}, slot {held}]")

    def identify(self) -> Reading:
        self._write("read")
        return _given(self.readings.pop(0) if self.readings else BEFORE)

    def lock(self) -> str:
        self._write("lock")
        return self.locks.pop(0) if self.locks else "unlocked"

    def stage(self) -> dict[str, Any]:
        self._write("copy")
        return _given(self.staged.pop(0) if self.staged else {"files": ["www/x"], "tries": 1, "bytes": 30})

    def trigger(self) -> dict[str, Any]:
        self._write("trigger")
        return self.answers.pop(0) if self.answers else dict(STARTED)

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self._write("observe")
        self.observe_args.append((dict(state), dict(expected), seconds))
        self.clock.pause(200)
        change = self.observed.pop(0) if self.observed else good()
        return {**dict(state), "elapsed": state["elapsed"] + 200, **change}

    def recall(self, detail: Mapping[str, Any]) -> bool:
        return self.recalls

    def find(self, serial: str) -> str | None:
        self._write("find")
        return self.found


def good(**more: Any) -> dict[str, Any]:
    return {
        "outcome": "verified",
        "silence_seen": True,
        "version": NEW,
        "timeline": [{"state": "verified", "at": 200.0, "text": ""}],
        **more,
    }


def bad(outcome: str, reason: str, **more: Any) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "silence_seen": True, "version": OLD, **more}


class World:
    """A ledger, a meter and the hop between them."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.log = Clock(), Log()
        self.ledger = open_records(str(folder / "records.sqlite3"), "tester", self.clock.time)
        self.hooks, self.steps = Hooks(self.log), Steps(self.log, self.ledger, self.clock)
        self.allowed: Callable[[], str] = lambda: ""

    def run(self, job: Job = JOB, resume: bool = False) -> HopResult:
        flow = Flow(job, self.steps, self.ledger, self.clock, self.hooks, self.allowed, 1.0)
        return flow.run(resume) if resume else flow.run()

    def attempts(self) -> list[Attempt]:
        return self.ledger.attempt_history("S1")

    def begin(self, *leases: Lease) -> Attempt:
        """An attempt as an earlier run left it."""
        names = (
            "serial",
            "model",
            "host",
            "row",
            "method",
            "source",
            "target",
            "artifact_digest",
            "operator",
            "plan_digest",
            "campaign",
            "limit_from",
        )
        fields = {name: asdict(JOB)[name] for name in names}
        return self.ledger.begin_attempt(**fields, before=BEFORE.as_dict(), leases=leases, hard_timeout=1800)

    def nothing_is_held(self) -> bool:
        return not self.hooks.leases and self.ledger.slots_in_use("ftp") == 0 and isinstance(self.ledger.acquire("meter:S1", 1), Lease)

    def elsewhere(self, work: Callable[[Records], None], keep: bool = False) -> int:
        """Do something in another process: one that is dead afterwards, or lives on until the test ends."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                work(self.ledger)
                os.write(writing, b"x")
                while keep:
                    signal.pause()
            finally:
                os._exit(0)
        os.read(reading, 1)
        if not keep:
            os.waitpid(pid, 0)
        return pid


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path)


@pytest.mark.requirement("R-043", "R-057", "R-062", "R-088", "R-089", "G-06", "invariant-c", "invariant-d", "invariant-i")
def test_the_order_of_a_good_upgrade(world: World) -> None:
    result = world.run()
    assert list(world.log) == [
        "read [no attempt, slot held]",
        "copy [no attempt, slot held]",
        "read [no attempt, slot held]",
        "lock [no attempt, slot held]",
        "trigger [recorded, slot held]",
        "observe [triggered, slot held]",
    ]
    assert [item["state"] for item in result.timeline] == [
        "leased", "staging", "staged", "attempt_recorded", "triggered", "verified", "settling",
    ]  # fmt: skip
    assert (result.outcome, result.reason, result.changed, result.restart) == ("verified", "", True, "observed")
    assert result.after == {"version": NEW, "serial": "S1"}
    assert world.clock.now == 5000 + 200 + 60, "one observation, then the documented minute"
    (attempt,) = world.attempts()
    assert (attempt.state, attempt.outcome, attempt.campaign, attempt.artifact_digest) == ("ended", "verified", "c1", "d")
    assert attempt.before["restarts"] == 4
    assert world.nothing_is_held()


@pytest.mark.requirement("R-089", "invariant-i")
def test_the_settling_minute_is_spent_under_the_slot(world: World) -> None:
    seen: list[float] = []
    world.hooks.orphan_at = lambda stage: (seen.append(world.ledger.slots_in_use("ftp")), False)[1] if stage == "settling" else False
    world.run()
    assert set(seen) == {1} and len(seen) >= 12


@pytest.mark.requirement("F-13", "R-032")
@pytest.mark.parametrize("when", [0, 1])
@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (replace(BEFORE, serial="S9"), "serial_mismatch"),
        (replace(BEFORE, serial=None), "serial_mismatch"),
        (replace(BEFORE, version="11.1.0"), "plan_stale"),
        (replace(BEFORE, version=None), "plan_stale"),
        (DeviceError("identify", "transport_failed", "no answer in time"), "transport_failed"),
    ],
)
def test_a_meter_that_is_not_the_planned_one_is_not_written_to(
    world: World, when: int, reading: Reading | DeviceError, reason: str
) -> None:
    world.steps.readings = [BEFORE] * when + [reading]
    result = world.run()
    assert (result.outcome, result.reason, result.changed) == ("blocked", reason, bool(when))
    assert not [line for line in world.log if line.startswith("trigger") or (line.startswith("copy") and not when)]
    assert world.attempts() == [] and world.nothing_is_held()


@pytest.mark.requirement("invariant-d", "F-23")
def test_a_meter_that_another_run_upgraded_meanwhile_is_current(world: World) -> None:
    world.steps.readings = [replace(BEFORE, version=NEW)]
    result = world.run()
    assert (result.outcome, result.changed) == ("current", False)
    assert world.attempts() == [] and world.nothing_is_held()


@pytest.mark.requirement("F-12", "R-047")
def test_a_lock_closed_after_the_copy_stops_before_the_trigger(world: World) -> None:
    world.steps.locks = ["locked"]
    result = world.run()
    assert (result.outcome, result.reason) == ("blocked", "mid_lock_enabled")
    assert world.attempts() == []


@pytest.mark.requirement("R-047")
def test_a_model_without_a_lock_is_not_asked_for_it(world: World) -> None:
    world.run(replace(JOB, has_lock=False))
    assert not [line for line in world.log if line.startswith("lock")]


@pytest.mark.requirement("R-055", "R-060", "F-04", "F-21")
@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("ftp_no_space", "blocked"), ("role_insufficient", "blocked"), ("ftp_auth_failed", "blocked"), ("transport_failed", "failed_final")],
)
def test_a_copy_that_fails_spends_no_attempt(world: World, reason: str, outcome: str) -> None:
    world.steps.staged = [DeviceError("copy", reason, "no", "552 no")]
    result = world.run()
    assert (result.outcome, result.reason, result.device_text) == (outcome, reason, "552 no")
    assert world.attempts() == [] and world.nothing_is_held()


@pytest.mark.requirement("R-062", "G-06", "invariant-c")
@pytest.mark.parametrize("reason", ["trigger_auth_failed", "transport_failed"])
def test_a_trigger_that_did_not_start_does_not_count(world: World, reason: str) -> None:
    world.steps.answers = [{"state": "not_started", "status": 401, "location": "", "reason": reason, "text": "no"}]
    result = world.run()
    assert (result.outcome, result.reason, result.attempts_started) == ("blocked", reason, 0)
    (attempt,) = world.attempts()
    assert (attempt.state, attempt.open) == (NOT_STARTED, False)
    assert world.ledger.attempts("S1", "PM5661", "11.0.0").used == 0
    assert len([line for line in world.log if line.startswith("trigger")]) == 1


@pytest.mark.requirement("R-063", "G-06", "F-10")
def test_a_refused_trigger_counts_and_is_not_tried_again(world: World) -> None:
    world.steps.answers = [{"state": "refused", "status": 403, "location": "", "reason": "device_rejected_image", "text": "Forbidden"}]
    result = world.run()
    assert (result.outcome, result.reason, result.device_text) == ("failed_final", "device_rejected_image", "Forbidden")
    (attempt,) = world.attempts()
    assert (attempt.state, attempt.outcome) == ("ended", "failed_final")
    assert world.ledger.attempts("S1", "PM5661", "11.0.0").used == 1
    assert not [line for line in world.log if line.startswith("observe")]


@pytest.mark.requirement("F-18", "R-066", "R-043")
def test_a_failed_process_begins_again_with_the_copy_as_a_new_attempt(world: World) -> None:
    world.steps.observed = [bad("failed_retryable", "upgrade_process_failed"), good()]
    result = world.run()
    assert [line.split()[0] for line in world.log] == [
        "read", "copy", "read", "lock", "trigger", "observe", "read", "copy", "read", "lock", "trigger", "observe",
    ]  # fmt: skip
    assert result.outcome == "verified"
    assert [item.outcome for item in world.attempts()] == ["failed_retryable", "verified"]


@pytest.mark.requirement("R-066", "R-092")
@pytest.mark.parametrize("retries", [0, 1])
def test_retries_are_as_many_as_allowed(world: World, retries: int) -> None:
    world.steps.observed = [bad("failed_retryable", "upgrade_process_failed")] * 5
    assert world.run(replace(JOB, retries=retries)).outcome == "failed_retryable"
    assert len(world.attempts()) == retries + 1
    assert world.clock.now == 5000 + 200 * (retries + 1), "no settling after a failure"


@pytest.mark.requirement("R-044", "F-11")
def test_a_retry_asks_again_whether_an_attempt_is_left(world: World) -> None:
    answers = ["", "attempts_reserve"]
    world.allowed = lambda: answers.pop(0)
    world.steps.observed = [bad("failed_retryable", "upgrade_process_failed", device_text="Webpages failed")]
    result = world.run()
    assert (result.outcome, result.reason) == ("failed_retryable", "upgrade_process_failed"), "the fault stays the answer"
    assert len(world.attempts()) == 1


@pytest.mark.requirement("R-044", "R-155", "F-11")
@pytest.mark.parametrize("reason", ["attempts_exhausted", "attempts_reserve", "attempts_unknown"])
def test_without_an_attempt_left_nothing_begins(world: World, reason: str) -> None:
    world.allowed = lambda: reason
    result = world.run()
    assert (result.outcome, result.reason) == ("blocked", reason)
    assert list(world.log) == [] and world.nothing_is_held()


@pytest.mark.requirement("F-01", "F-10", "F-13", "F-14", "F-16")
@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("failed_final", "wrong_version_after"),
        ("failed_final", "device_rejected_image"),
        ("comms_lost", "comms_lost"),
        ("escalate_vendor", "deadline_exceeded"),
    ],
)
def test_other_ends_are_never_tried_again(world: World, outcome: str, reason: str) -> None:
    world.steps.observed = [bad(outcome, reason)]
    result = world.run()
    assert (result.outcome, result.reason) == (outcome, reason)
    assert [item.outcome for item in world.attempts()] == [outcome]
    assert (result.after is None) is (outcome == "comms_lost")


@pytest.mark.requirement("F-13", "R-032")
def test_a_lost_meter_is_looked_for_by_its_serial(world: World) -> None:
    world.steps.observed = [bad("comms_lost", "ip_changed")]
    world.steps.found = "127.0.0.77"
    result = world.run()
    assert (result.outcome, result.reason, result.found_at) == ("comms_lost", "ip_changed", "127.0.0.77")
    assert "127.0.0.77" in result.text


@pytest.mark.requirement("R-088")
def test_no_restart_seen_is_said(world: World) -> None:
    world.steps.observed = [good(silence_seen=False, reason="restart_not_observed")]
    result = world.run()
    assert result.restart == "not_observed" and result.warnings and "not_observed" in result.warnings[0]


@pytest.mark.requirement("F-14")
def test_a_late_return_is_said(world: World) -> None:
    world.steps.observed = [good(outcome="verified_late", late=True)]
    result = world.run()
    assert result.outcome == "verified_late" and "late_resume" in result.warnings[0]
    assert world.clock.now == 5000 + 200 + 60


def test_an_observation_in_slices_goes_on_with_its_own_time(world: World) -> None:
    world.steps.observed = [{}, {}, good()]
    world.run(replace(JOB, slice=60))
    assert [seconds for dummy, dummy2, seconds in world.steps.observe_args] == [60, 60, 60]
    assert [round(state["elapsed"]) for state, dummy, dummy2 in world.steps.observe_args] == [0, 200, 400]


# -- leases, orphans, resuming ----------------------------------------------------------------------------------------


@pytest.mark.requirement("invariant-b", "R-086")
def test_a_meter_in_other_hands_is_left_alone(world: World) -> None:
    pid = world.elsewhere(lambda ledger: (ledger.acquire("meter:S1", 3600), None)[1], keep=True)
    try:
        result = world.run()
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert (result.outcome, result.reason) == ("blocked", "firmware_in_progress")
    assert list(world.log) == [] and str(pid) in result.text
    assert world.clock.now == 5000 + JOB.lease_wait


@pytest.mark.requirement("invariant-a", "G-18")
def test_no_slot_no_upgrade(world: World) -> None:
    pid = world.elsewhere(lambda ledger: (ledger.acquire_slot("ftp", 1, 3600), None)[1], keep=True)
    try:
        result = world.run()
        assert (result.outcome, result.reason) == ("blocked", "no_free_slot")
        assert world.run(replace(JOB, cap=2)).outcome == "verified"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.mark.requirement("F-23", "invariant-c")
@pytest.mark.parametrize(("calls", "copied"), [(1, False), (2, True)])
def test_an_orphan_starts_nothing(world: World, calls: int, copied: bool) -> None:
    """Call 1 is before the copy, call 2 before the trigger."""
    count = iter(range(1, 100))
    world.hooks.orphan_at = lambda stage: stage in ("staging", "trigger") and next(count) >= calls
    result = world.run()
    assert (result.outcome, result.reason) == ("interrupted", "worker_orphaned")
    assert bool([line for line in world.log if line.startswith("copy")]) is copied
    assert world.attempts() == [] and world.nothing_is_held()


@pytest.mark.requirement("F-23", "invariant-c")
def test_an_orphan_between_record_and_trigger_sends_nothing_and_says_so(world: World) -> None:
    world.hooks.orphan_at = lambda stage: stage == "trigger" and world.ledger.open_attempt("S1") is not None
    assert world.run().outcome == "interrupted"
    assert [item.state for item in world.attempts()] == [NOT_STARTED]
    assert not [line for line in world.log if line.startswith("trigger")]
    assert world.nothing_is_held()


@pytest.mark.requirement("F-23", "invariant-d")
@pytest.mark.parametrize("triggered", [False, True])
def test_an_attempt_left_open_is_ended_by_looking_before_anything_else(world: World, triggered: bool) -> None:
    def earlier(ledger: Records) -> None:
        lease, slot = ledger.acquire("meter:S1", 60), ledger.acquire_slot("ftp", 1, 60)
        assert isinstance(lease, Lease) and slot
        attempt = world.begin(lease, slot)
        if triggered:
            ledger.mark(attempt.id, "triggered")

    world.elsewhere(earlier)
    world.clock.pause(30)
    result = world.run()
    assert [line.split()[0] for line in world.log] == ["observe"]
    assert result.outcome == "verified"
    state, expected, _seconds = world.steps.observe_args[0]
    assert round(state["elapsed"]) == 30 and expected["restarts"] == 4
    assert [item.outcome for item in world.attempts()] == ["verified"]
    assert world.nothing_is_held()


@pytest.mark.requirement("F-23", "invariant-d", "G-06")
def test_a_recorded_attempt_that_never_reached_the_meter_is_not_counted_and_a_new_one_begins(world: World) -> None:
    world.begin()
    world.steps.observed = [bad("failed_final", "upgrade_not_started", silence_seen=False), good()]
    result = world.run()
    assert result.outcome == "verified"
    assert [line.split()[0] for line in world.log] == ["observe", "read", "copy", "read", "lock", "trigger", "observe"]
    assert [item.outcome for item in world.attempts()] == [NOT_STARTED, "verified"]
    assert world.ledger.attempts("S1", "PM5661", "11.0.0").used == 1


@pytest.mark.requirement("F-23", "invariant-d", "G-06")
def test_a_triggered_attempt_that_shows_no_restart_stays_counted_and_ends(world: World) -> None:
    attempt = world.begin()
    world.ledger.mark(attempt.id, "triggered")
    world.steps.observed = [bad("failed_final", "upgrade_not_started", silence_seen=False)]
    assert world.run().outcome == "failed_final"
    assert [line.split()[0] for line in world.log] == ["observe"]
    assert world.ledger.attempts("S1", "PM5661", "11.0.0").used == 1


@pytest.mark.requirement("F-23")
def test_resume_only_ends_what_was_open_and_begins_nothing(world: World) -> None:
    result = world.run(resume=True)
    assert (result.outcome, list(world.log)) == ("", [])
    attempt = world.begin()
    world.ledger.mark(attempt.id, "triggered")
    world.steps.observed = [bad("failed_retryable", "upgrade_process_failed")]
    assert world.run(resume=True).outcome == "failed_retryable"
    assert [line.split()[0] for line in world.log] == ["observe"]


@pytest.mark.requirement("R-043", "F-23")
def test_what_breaks_inside_leaves_the_attempt_open_and_the_lease_to_whoever_resolves_it(world: World) -> None:
    def breaks(*_args: Any, **_more: Any) -> dict[str, Any]:
        raise TimeoutError("a task's timeout")

    world.steps.observe = breaks  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        world.run()
    (attempt,) = world.attempts()
    assert attempt.open and attempt.state == "triggered"
    assert world.ledger.slots_in_use("ftp") == 1, "its slot is not free before its end is known"


@pytest.mark.requirement("invariant-c")
def test_the_journal_tells_the_story_and_its_chain_holds(world: World) -> None:
    world.run()
    lines = world.ledger.journal_lines("c1")
    order = [lines.index(f'"{event}"') for event in ("staged", "attempt_recorded", "attempt_triggered", "attempt_ended", "ended")]
    assert order == sorted(order)
    assert world.ledger.verify_chain("c1").ok


def test_every_field_of_the_observation_is_carried() -> None:
    assert Observation(**Observation().as_dict()) == Observation()


# -- resting ends, damaged images, holds ------------------------------------------------------------------------------


def lost(**more: Any) -> dict[str, Any]:
    timeline = [{"state": "comms_lost", "at": 500.0, "text": "silent for 300 s"}]
    return bad("comms_lost", "comms_lost", silent_since=200.0, timeline=timeline, **more)


@pytest.mark.requirement("R-090", "R-091", "invariant-d")
def test_a_silent_meter_is_parked_and_looked_at_once_more(world: World) -> None:
    world.steps.observed = [lost()]
    result = world.run(replace(JOB, park=True))
    assert (result.outcome, result.reason) == ("not_responding", "not_responding")
    (attempt,) = world.attempts()
    assert attempt.open and attempt.detail["resting"] == "not_responding" and attempt.detail["silent_since"] == 200.0
    world.steps.observed = [good(outcome="verified_late", late=True)]
    second = world.run(replace(JOB, park=True), resume=True)
    assert second.outcome == "verified_late"
    state = world.steps.observe_args[-1][0]
    assert state["late"] and state["silence_seen"] and state["silent_since"] is not None
    assert [item.outcome for item in world.attempts()] == ["verified_late"]


@pytest.mark.requirement("R-090", "R-091", "F-14")
def test_the_second_look_ends_it_and_is_short(world: World) -> None:
    world.steps.observed = [lost()]
    world.run(replace(JOB, park=True))
    world.clock.pause(5000)
    world.steps.observed = [lost()]
    assert world.run(replace(JOB, park=True), resume=True).outcome == "comms_lost", "it is not parked twice"
    state = world.steps.observe_args[-1][0]
    assert state["elapsed"] - state["silent_since"] == JOB.limits.card_reset + JOB.limits.late_grace - 40
    assert [item.outcome for item in world.attempts()] == ["comms_lost"]


@pytest.mark.requirement("R-090")
def test_a_parked_meter_keeps_its_slot(world: World) -> None:
    world.steps.observed = [lost()]
    world.run(replace(JOB, park=True))
    assert world.ledger.slots_in_use("ftp") == 1, "what is not known to have ended still counts"


@pytest.mark.requirement("R-070")
def test_what_was_handed_over_stays_open_with_its_details(world: World) -> None:
    handed = {
        "outcome": "handed_over",
        "detail": {"folder": "/srv/handover/m01"},
        "timeline": [{"state": "handed_over", "at": 0.0, "text": ""}],
    }
    world.steps.observed = [handed]
    result = world.run(replace(JOB, group="tool:win1"))
    assert result.outcome == "handed_over" and result.detail == {"folder": "/srv/handover/m01"}
    (attempt,) = world.attempts()
    assert attempt.open and attempt.detail["steps"] == {"folder": "/srv/handover/m01"}
    assert world.ledger.slots_in_use("tool:win1") == 1 and world.ledger.slots_in_use("ftp") == 0
    world.run(replace(JOB, group="tool:win1"), resume=True)
    assert world.steps.observe_args[-1][0]["detail"] == {"folder": "/srv/handover/m01"}


@pytest.mark.requirement("R-145", "R-147", "R-148", "F-07")
@pytest.mark.parametrize("where", ["upload", "status page"])
def test_a_damaged_image_gets_exactly_one_fresh_try(world: World, where: str) -> None:
    if where == "upload":
        world.steps.staged = [DeviceError("staging", "image_invalid_or_corrupted", "refused", "damaged")] * 5
    else:
        world.steps.observed = [bad("failed_retryable", "image_invalid_or_corrupted")] * 5
    result = world.run()
    assert (result.outcome, result.reason) == ("failed_retryable", "image_invalid_or_corrupted")
    assert len([line for line in world.log if line.startswith("copy")]) == 2
    assert world.ledger.corrupt_reports("c1", "d") == 2 and world.ledger.corrupt_reports("c1", "other") == 0
    assert len(world.attempts()) == (0 if where == "upload" else 2), "an upload that was refused counts nothing"


@pytest.mark.requirement("R-119")
def test_the_documented_hold_is_waited_before_a_retry(world: World) -> None:
    world.steps.observed = [bad("failed_retryable", "upgrade_process_failed"), good()]
    assert world.run(replace(JOB, retry_hold=300)).outcome == "verified"
    assert world.clock.now == 5000 + 200 + 300 + 200 + 60


@pytest.mark.requirement("F-15", "R-144")
def test_what_the_status_page_said_before_is_kept_for_whoever_resumes(world: World) -> None:
    world.steps.staged = [{"files": ["x.sedp"], "tries": 1, "bytes": 30, "status_key": "completed|1|2|x"}]
    world.run()
    assert world.steps.observe_args[0][1]["status_key"] == "completed|1|2|x"
    assert world.attempts()[0].before["status_key"] == "completed|1|2|x"


@pytest.mark.requirement("R-155", "F-11")
def test_a_confirmation_refused_for_want_of_attempts_says_so(world: World) -> None:
    world.steps.answers = [{"state": "refused", "status": 200, "location": "", "reason": "attempts_exhausted", "text": "used up"}]
    assert world.run().outcome == "attempts_exhausted"
    assert world.attempts()[0].outcome == "attempts_exhausted"


SCHEDULED = {"state": "scheduled", "status": None, "location": "", "reason": "", "text": "activation at two"}
WAITS = {"outcome": "scheduled", "timeline": [{"state": "scheduled", "at": 1.0, "text": "the image waits for its time"}]}
DETAIL = {"activate": "at", "at": "2026-11-22T01:30:00+00:00"}


@pytest.mark.requirement("R-221", "R-228", "invariant-c")
def test_an_image_that_is_only_staged_costs_no_attempt_and_is_no_change_the_second_time(world: World) -> None:
    job = replace(JOB, stage_only=True, settle=0)
    first = world.run(job)
    world.steps.staged = [{"bytes": 30, "changed": False, "text": "it waits there already"}]
    second = world.run(job)
    assert (first.outcome, first.changed, second.outcome, second.changed) == ("staged", True, "staged", False)
    assert world.attempts() == [] and world.nothing_is_held() and "trigger [no attempt, slot held]" not in world.log


@pytest.mark.requirement("R-204", "R-228", "F-23", "G-18", "invariant-c")
def test_a_scheduled_activation_rests_without_a_slot_and_is_proven_by_a_later_run(world: World) -> None:
    world.steps.staged = [{"bytes": 30, "detail": DETAIL}]
    world.steps.answers, world.steps.observed = [dict(SCHEDULED)], [dict(WAITS)]
    first = world.run()
    (attempt,) = world.attempts()
    assert (first.outcome, first.changed, first.after) == ("scheduled", True, None)
    assert (attempt.state, attempt.open, attempt.before["steps"]) == ("recorded", True, DETAIL)
    assert world.ledger.slots_in_use("ftp") == 0, "others need not wait for the window"
    world.steps.observed = [dict(WAITS)]
    assert (world.run(resume=True).outcome, world.run(resume=True).outcome) == ("scheduled", "verified")
    assert world.steps.observe_args[1][0]["detail"] == DETAIL, "what the observation needs came out of the records"
    assert [item.outcome for item in world.attempts()] == ["verified"] and world.nothing_is_held()


@pytest.mark.requirement("R-204", "R-228")
def test_a_schedule_that_is_called_off_was_never_begun(world: World) -> None:
    world.steps.staged = [{"bytes": 30, "detail": DETAIL}]
    world.steps.answers, world.steps.observed = [dict(SCHEDULED)], [dict(WAITS)]
    world.run()
    world.steps.recalls, world.steps.observed = True, [bad("failed_final", "upgrade_not_started", silence_seen=False)]
    ended = world.run(resume=True)
    assert (ended.outcome, ended.changed) == ("", True) and [item.state for item in world.attempts()] == ["not_started"]


@pytest.mark.requirement("F-02", "X-05", "invariant-c")
def test_an_activation_that_lost_power_is_begun_again_as_a_new_attempt(world: World) -> None:
    world.steps.observed = [bad("failed_retryable", "activation_interrupted"), good()]
    world.steps.staged = [{"bytes": 30}, {"bytes": 30, "changed": False, "text": "it waits there already"}]
    result = world.run()
    assert result.outcome == "verified" and [item.reason for item in world.attempts()] == ["activation_interrupted", ""]
    assert world.log.count("trigger [recorded, slot held]") == 2
