# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The judgement after the trigger, reading by reading: pure, without a clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Expected, Limits, Look, Observation, advance

OLD, NEW = "2.7.8", "2.9.9"
EXPECTED = Expected("S1", OLD, NEW, restarts=4, last_restart="2026-01-01T00:00:00")
BLIND = Expected("S1", OLD, NEW, restarts=None, last_restart=None)
LIMITS = Limits(card_reset=120, stall=300, hard_timeout=1800)
SILENT = Look(answered=False)


def old(**more: Any) -> Look:
    """The meter before its restart."""
    return Look(**{"answered": True, "serial": "S1", "version": OLD, "restarts": 4, "last_restart": "2026-01-01T00:00:00", **more})


def back(**more: Any) -> Look:
    """The meter after its restart, still on the old version."""
    return old(**{"restarts": 5, "last_restart": "2026-01-02T00:00:00", **more})


def new(**more: Any) -> Look:
    """The meter after the upgrade."""
    return back(**{"version": NEW, **more})


def run(looks: Iterable[tuple[float, Look]], expected: Expected = EXPECTED, limits: Limits = LIMITS) -> Observation:
    """Judge the looks at their times; stops where the judgement is made."""
    state = Observation()
    for at, look in looks:
        assert not state.outcome, f"over before {at}: {state.outcome}"
        state.elapsed = at
        advance(state, look, expected, limits)
    return state


def every(step: float, start: float, end: float, look: Look) -> list[tuple[float, Look]]:
    count = int((end - start) / step)
    return [(start + step * number, look) for number in range(count + 1)]


def states(state: Observation) -> list[str]:
    return [item["state"] for item in state.timeline]


@pytest.mark.requirement("R-064", "R-065", "R-088")
def test_silence_then_work_then_the_new_version() -> None:
    state = run([*every(5, 0, 75, SILENT), (80, back(status="running")), (140, back(status="running")), (200, new(status="completed"))])
    assert (state.outcome, state.reason, state.version) == ("verified", "", NEW)
    assert states(state) == ["restarting", "resumed", "in_progress", "verifying", "verified"]
    assert state.silence_seen and state.restart_seen and not state.late


@pytest.mark.requirement("R-065")
def test_without_a_status_page_the_version_over_modbus_decides() -> None:
    assert run([(5, SILENT), (80, back()), (200, new())]).outcome == "verified"


@pytest.mark.requirement("R-088")
def test_restart_evidence_by_the_counter_alone_is_enough() -> None:
    """Polls may fall beside the silence; the counter or the time of the last restart proves it then."""
    assert run([(5, old()), (80, new())]).outcome == "verified"
    assert run([(5, old()), (80, new(restarts=None))]).outcome == "verified"
    assert run([(5, old()), (80, new(restarts=4))]).outcome == "verified"


@pytest.mark.requirement("R-088")
def test_new_version_without_any_restart_is_reported_as_not_observed_after_the_whole_window() -> None:
    look = new(restarts=4, last_restart="2026-01-01T00:00:00")
    state = run([(5, look), (100, look), (126, look)])
    assert (state.outcome, state.reason) == ("verified", "restart_not_observed")
    assert not run([(5, look), (100, look), (120, look)]).outcome


@pytest.mark.requirement("F-15", "R-065")
def test_the_old_instance_that_still_answers_is_no_success_and_no_failure() -> None:
    state = run(
        [(1, old()), (5, old(status="idle")), (10, old(status="completed")), (12, SILENT), (90, back(status="running")), (200, new())]
    )
    assert state.outcome == "verified"
    assert states(state) == ["restarting", "resumed", "in_progress", "verifying", "verified"]


@pytest.mark.requirement("F-15")
def test_a_status_page_left_from_an_earlier_upgrade_is_not_believed_before_the_restart() -> None:
    for status in ("completed", "failed", "rejected"):
        state = run([(1, old(status=status)), (5, old(status=status))])
        assert not state.outcome


@pytest.mark.requirement("F-14", "R-143")
@pytest.mark.parametrize(
    ("silence", "outcome"),
    [
        (60, "verified"),
        (120, "verified"),
        (126, "verified_late"),
        (200, "verified_late"),
        (300, "verified_late"),
        (301, "comms_lost"),
        (600, "comms_lost"),
    ],
)
def test_late_return(silence: int, outcome: str) -> None:
    """Documented are 120 s; up to 180 s more are late, then the meter counts as lost."""
    looks = [(0.0, SILENT)]
    state = Observation()
    for at, look in [*looks, *every(1, 1, silence, SILENT), (silence + 1, back()), (silence + 2, new())]:
        state.elapsed = at
        advance(state, look, EXPECTED, LIMITS)
        if state.outcome:
            break
    assert state.outcome == outcome
    assert state.late is (silence > 120)
    if state.late:
        assert "late_resume" in states(state)


@pytest.mark.requirement("F-01", "R-051")
def test_a_meter_that_never_returns_is_lost_and_not_failed() -> None:
    state = run(every(5, 0, 305, SILENT))
    assert (state.outcome, state.reason) == ("comms_lost", "comms_lost")
    assert state.version is None


@pytest.mark.requirement("F-13", "R-032")
def test_another_meter_at_the_address_is_silence_with_a_reason_and_never_this_meter() -> None:
    stranger = Look(answered=True, serial="S9", version=NEW, restarts=99, status="completed")
    state = run([(5, SILENT), *every(5, 10, 310, stranger)])
    assert (state.outcome, state.reason, state.other_serial) == ("comms_lost", "ip_changed", "S9")
    assert state.version is None
    assert "S9" in state.timeline[-1]["text"]


@pytest.mark.requirement("F-13", "F-37")
def test_an_unreadable_serial_is_not_this_meter() -> None:
    state = run([(5, Look(answered=True, serial=None, version=NEW))])
    assert not state.outcome
    assert state.other_serial == "unreadable"


def test_this_meter_again_clears_the_stranger() -> None:
    state = run([(5, Look(answered=True, serial="S9")), (10, back())])
    assert state.other_serial is None and not state.outcome


@pytest.mark.requirement("F-10", "R-141", "G-06")
def test_refused_as_incompatible_ends_without_a_retry() -> None:
    state = run([(5, SILENT), (80, back(status="rejected", device_text="The firmware is not compatible with this device."))])
    assert (state.outcome, state.reason) == ("failed_final", "device_rejected_image")
    assert state.device_text == "The firmware is not compatible with this device."


@pytest.mark.requirement("F-16")
def test_completed_with_the_old_version_is_the_wrong_version_after_one_grace() -> None:
    looks = [(5, SILENT), *every(5, 80, 135, back(status="completed"))]
    assert not run(looks).outcome
    state = run([*looks, (140, back(status="completed"))])
    assert (state.outcome, state.reason, state.version) == ("failed_final", "wrong_version_after", OLD)


@pytest.mark.requirement("F-16", "R-088")
def test_a_lower_third_version_is_never_success() -> None:
    state = run([(5, SILENT), *every(5, 80, 140, back(version="2.9.8", status="completed"))])
    assert (state.outcome, state.reason) == ("failed_final", "wrong_version_after")


@pytest.mark.requirement("F-18", "R-066")
def test_a_failed_process_may_be_started_again() -> None:
    processes = ({"name": "Language files", "state": "failed", "percent": 50, "text": "Process failed"},)
    state = run([(5, SILENT), (80, back(status="failed", processes=processes, device_text="Process failed"))])
    assert (state.outcome, state.reason) == ("failed_retryable", "upgrade_process_failed")
    assert state.processes == list(processes)
    assert state.device_text == "Process failed"


@pytest.mark.requirement("R-066")
def test_a_failed_process_counts_even_when_the_version_is_the_new_one() -> None:
    state = run([(5, SILENT), (80, new(status="failed", device_text="Webpages failed"))])
    assert state.outcome == "failed_retryable"


@pytest.mark.requirement("F-11", "F-12", "R-047", "R-155")
@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [("mid_lock_enabled", "failed_final"), ("attempts_exhausted", "attempts_exhausted"), (None, "failed_final")],
)
def test_the_meter_says_that_it_does_not_start(refusal: str | None, outcome: str) -> None:
    state = run([(1, old(status="refused", refusal=refusal, device_text="no"))])
    assert (state.outcome, state.reason) == (outcome, refusal or "device_rejected_image")


def test_a_refusal_shown_after_a_restart_is_old_news() -> None:
    assert not run([(5, SILENT), (80, back(status="refused"))]).outcome


@pytest.mark.requirement("R-066", "G-06")
def test_never_began_needs_a_readable_counter_that_did_not_move_and_the_whole_window() -> None:
    window = LIMITS.card_reset + LIMITS.late_grace
    assert not run(every(5, 5, window, old())).outcome
    state = run(every(5, 5, window + 5, old()))
    assert (state.outcome, state.reason) == ("failed_final", "upgrade_not_started")


@pytest.mark.requirement("F-40")
def test_never_began_is_not_claimed_without_the_counter() -> None:
    state = run([*every(50, 5, 1755, old(restarts=None, last_restart=None)), (1800, old(restarts=None))], BLIND)
    assert (state.outcome, state.reason) == ("failed_final", "upgrade_state_unknown")


def test_never_began_is_not_claimed_while_the_page_says_running() -> None:
    assert not run(every(5, 5, 600, old(status="running"))).outcome


@pytest.mark.requirement("R-149", "G-07")
def test_stalled_needs_both_the_time_and_no_progress() -> None:
    def work(percent: int) -> Look:
        return back(status="running", processes=({"name": "Webpages", "state": "running", "percent": percent, "text": ""},))

    moving = [(float(80 + 10 * number), work(number)) for number in range(40)]
    state = run([(5, SILENT), *moving])
    assert state.elapsed > LIMITS.stall and not state.stalled

    stuck = run([(5, SILENT), *every(10, 80, 300, work(10))])
    assert not stuck.stalled, "no progress, but not over the documented 300 s yet"

    stuck = run([(5, SILENT), *every(10, 80, 310, work(10))])
    assert stuck.stalled and not stuck.outcome
    assert states(stuck)[-1] == "stalled"


@pytest.mark.requirement("G-07", "F-05")
def test_progress_after_a_stall_takes_it_back() -> None:
    state = run([(5, SILENT), *every(10, 80, 400, back(status="running")), (410, back(status="running", version="2.8.0")), (420, new())])
    assert state.outcome == "verified"
    assert not state.stalled
    assert "stalled" in states(state)


@pytest.mark.requirement("R-142")
@pytest.mark.parametrize(
    ("last", "outcome", "reason"),
    [
        (SILENT, "comms_lost", "comms_lost"),
        (back(status="running"), "failed_final", "stalled"),
        (new(status="running"), "escalate_vendor", "deadline_exceeded"),
    ],
)
def test_hard_timeout(last: Look, outcome: str, reason: str) -> None:
    """By the hard timeout everything has an end, and it is never a good one."""
    steady = back(status="running") if not last.answered else last
    looks = [(5, SILENT), *every(100, 80, 1680, steady), (1690, last), (1800, last)]
    state = run(looks)
    assert (state.outcome, state.reason) == (outcome, reason)


def test_hard_timeout_with_the_old_version_that_moved_until_the_end() -> None:
    def work(percent: int) -> Look:
        return back(status="running", processes=({"name": "x", "state": "running", "percent": percent, "text": ""},))

    state = run([(5, SILENT), *[(float(at), work(at)) for at in range(80, 1800, 40)], (1800, work(9999))])
    assert (state.outcome, state.reason) == ("failed_final", "wrong_version_after")


@pytest.mark.requirement("R-088")
def test_the_new_version_waits_for_running_processes() -> None:
    assert not run([(5, SILENT), (80, new(status="running"))]).outcome
    assert run([(5, SILENT), (80, new(status="running")), (90, new(status="completed"))]).outcome == "verified"


def test_a_second_silence_is_measured_from_its_own_beginning() -> None:
    state = run([*every(5, 5, 100, SILENT), (105, back()), *every(5, 110, 225, SILENT), (230, new())])
    assert state.outcome == "verified" and not state.late


def test_percent_is_the_mean_of_those_that_tell() -> None:
    state = Observation(processes=[{"percent": 100}, {"percent": 50}, {"percent": None}])
    assert state.percent == 75
    assert Observation().percent is None


@pytest.mark.requirement("F-23")
def test_the_state_is_plain_data_and_can_be_carried_from_slice_to_slice() -> None:
    looks = [(5.0, SILENT), (80.0, back(status="running")), (140.0, back(status="running")), (200.0, new())]
    state = Observation()
    for at, look in looks:
        state = Observation(**json.loads(json.dumps(state.as_dict())))
        state.elapsed = at
        advance(state, look, EXPECTED, LIMITS)
    assert state.as_dict() == run(looks).as_dict()


def test_limits_come_from_the_catalogue() -> None:
    assert LIMITS.late_grace == constants.LATE_GRACE.number
    assert LIMITS.no_progress == constants.STALL_NO_PROGRESS.number
