# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter does after "apply now": it works while it answers, then restarts; and what earlier upgrades left on its page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import (
    Expected,
    Limits,
    Look,
    Observation,
    advance,
)

requirement = pytest.mark.requirement
OLD, NEW = "4.3.5", "4.4.0"
EXPECTED = Expected("S1", OLD, NEW, 7, "2026-01-01T00:00:00", "completed|4.3.5|2025|fine")
LIMITS = Limits(card_reset=40, stall=300, hard_timeout=1800, works_first=True, retry_failed=False, failed_reason="web_upgrade_failed")
SILENT = Look(False)


def says(status: str = "running", version: str = OLD, percent: int = 0, restarts: int = 7, text: str = "", **more: Any) -> Look:
    processes = ({"name": "one", "state": "running", "percent": percent, "text": ""},) if status == "running" else ()
    return Look(True, "S1", version, restarts, None, status, processes, text, key=f"{status}|{version}|now|{text}", **more)


def watch(*looks: tuple[float, Look], limits: Limits = LIMITS, expected: Expected = EXPECTED) -> Observation:
    """Give the looks at their seconds; the observation after the last one."""
    state = Observation()
    for at, look in looks:
        assert not state.outcome, f"over before {at}: {state.outcome} {state.reason}"
        state.elapsed = at
        advance(state, look, expected, limits)
    return state


@requirement("R-142", "R-143")
def test_a_good_upgrade_works_first_and_is_silent_then() -> None:
    looks = [(5.0 * n, says(percent=n)) for n in range(1, 60)]
    state = watch(*looks, (300, SILENT), (330, says("completed", NEW, restarts=8)))
    assert (state.outcome, state.reason, state.late) == ("verified", "", False)
    assert [item["state"] for item in state.timeline] == ["in_progress", "restarting", "resumed", "verifying", "verified"]


@requirement("R-143", "F-14")
@pytest.mark.parametrize(("back", "outcome"), [(339, "verified"), (341, "verified_late"), (519, "verified_late")])
def test_up_to_forty_seconds_of_silence_are_documented(back: float, outcome: str) -> None:
    state = watch((5, says()), (300, SILENT), (back, SILENT), (back + 0.5, says("completed", NEW, restarts=8)))
    assert state.outcome == outcome


@requirement("R-143", "F-14")
def test_after_the_grace_the_meter_counts_as_lost() -> None:
    state = watch((5, says()), (300, SILENT), (520, SILENT), (520.5, SILENT))
    assert (state.outcome, state.reason) == ("comms_lost", "comms_lost")


@requirement("F-05", "R-142", "G-07")
def test_slow_progress_is_no_stall() -> None:
    state = watch(*[(50.0 * n, says(percent=n)) for n in range(1, 34)])
    assert (state.outcome, state.stalled) == ("", False)
    assert "stalled" not in [item["state"] for item in state.timeline]


@requirement("F-06", "R-149", "G-07")
def test_a_stall_needs_both_times_and_ends_with_the_hard_timeout() -> None:
    still = says(percent=50)
    assert not watch((200, still), (299, still), (300, still)).stalled, "300 s are not over"
    assert not watch((100, says(percent=1)), (290, still), (345, still)).stalled, "it moved less than 60 s ago"
    state = watch((100, still), (361, still))
    assert state.stalled and not state.outcome
    state = watch((100, still), (361, still), (1800, still))
    assert (state.outcome, state.reason) == ("failed_final", "stalled")


@requirement("F-06", "R-142")
def test_a_stall_may_end_well() -> None:
    still = says(percent=50)
    state = watch((100, still), (400, still), (500, says(percent=80)), (600, SILENT), (620, says("completed", NEW, restarts=8)))
    assert state.outcome == "verified" and not state.stalled


@requirement("R-141", "F-10", "G-06")
def test_a_refused_image_ends_at_once_without_a_restart_and_is_not_tried_again() -> None:
    state = watch((5, says("rejected", text="The firmware is not compatible with this device.")))
    assert (state.outcome, state.reason) == ("failed_final", "device_rejected_image")
    state = watch((5, says("failed", text="x", refusal="device_rejected_image")))
    assert (state.outcome, state.reason) == ("failed_final", "device_rejected_image")


@requirement("R-145", "R-147", "F-07")
def test_a_damaged_image_may_be_tried_once_more() -> None:
    state = watch((5, says("failed", text="corrupted", refusal="image_invalid_or_corrupted")))
    assert (state.outcome, state.reason, state.device_text) == ("failed_retryable", "image_invalid_or_corrupted", "corrupted")


@requirement("R-150", "R-151")
def test_any_other_failure_waits_for_a_person() -> None:
    state = watch((5, says("failed", text="Too many connections during the upgrade.")))
    assert (state.outcome, state.reason) == ("failed_final", "web_upgrade_failed")


@requirement("F-15", "R-144")
@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "refused"])
def test_what_the_page_still_says_of_the_upgrade_before_is_not_this_one(status: str) -> None:
    old = replace(says(status, text="fine"), key=f"{status}|4.3.5|2025|fine")
    expected = replace(EXPECTED, status_key=old.key)
    assert watch((5, old), (100, old), expected=expected).outcome == ""
    state = watch((5, old), (10, says(percent=10)), (15, old), (100, old), expected=expected) if status == "completed" else None
    assert state is None or state.reason == "wrong_version_after", "it ran in between, so the page speaks of it"


@requirement("R-140", "G-06")
def test_a_page_that_tells_of_no_upgrade_says_that_none_began() -> None:
    idle = says("idle")
    assert watch((5, idle), (220, idle)).outcome == ""
    state = watch((5, idle), (221, idle))
    assert (state.outcome, state.reason) == ("failed_final", "upgrade_not_started")


@requirement("R-088", "R-142")
def test_without_a_page_the_counter_alone_says_nothing_before_the_restart() -> None:
    blind = says("unknown")
    assert watch((5, blind), (221, blind), (1700, blind)).outcome == ""
    state = watch((5, blind), (1800, blind))
    assert (state.outcome, state.reason) == ("failed_final", "upgrade_state_unknown"), "nobody saw that it did not move"
    assert watch((5, blind), (400, SILENT), (420, says("unknown", NEW, restarts=8))).outcome == "verified"


@requirement("F-16", "R-088")
def test_completed_with_the_old_version_is_no_success() -> None:
    done = says("completed", text="The upgrade was completed.")
    state = watch((5, says(percent=99)), (10, done), (69, done), (70, done))
    assert (state.outcome, state.reason) == ("failed_final", "wrong_version_after")


@requirement("F-13", "R-032")
def test_a_stranger_at_the_address_is_silence() -> None:
    other = replace(says("completed", NEW), serial="S9")
    state = watch((5, says()), (300, other), (521, other))
    assert (state.outcome, state.reason) == ("comms_lost", "ip_changed")


@requirement("R-144")
def test_the_last_upgrade_is_kept() -> None:
    told = {"status": "completed", "version": NEW, "at": "2026-11-21T05:50:00Z"}
    state = watch((5, says()), (300, SILENT), (330, says("completed", NEW, restarts=8, last=told)))
    assert state.last_upgrade == told


@requirement("R-143")
def test_the_end_is_awaited_closely_and_the_middle_is_not() -> None:
    assert not watch((5, says(percent=50))).near_the_end
    assert watch((5, says(percent=90))).near_the_end
    assert watch((5, says(percent=50)), (300, SILENT)).near_the_end
