# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter does after an activation, look by look (R-222, R-228, X-05, F-02)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms_observe import Sight, advance, resting
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Expected, Limits, Observation

requirement = pytest.mark.requirement
OLD, NEW, THIRD = "0a", "0b", "0c"
EXPECTED = Expected("S1", OLD, NEW, None, None)
LIMITS = Limits(card_reset=600, stall=300, hard_timeout=1800, late_grace=180, no_progress=60)
DETAIL: dict[str, Any] = {"component": 1, "expected": [NEW], "expected_signature": None, "images": None, "activate": "now", "at": None}
SILENT = Sight(False, text="no answer")


def sight(identifier: str = OLD, status: int | None = 3, signature: str = "55", serial: str = "S1", **more: Any) -> Sight:
    parts = [{"b": 0, "identifier": "00", "signature": "44"}, {"b": 1, "identifier": identifier, "signature": signature}]
    return Sight(True, serial, parts, status, **more)


def watch(*looks: Sight, step: float = 5, ahead: float = 0, elapsed: float = 0, **detail: Any) -> Observation:
    """Look at each for as long as it takes or 4000 s, the last one for ever."""
    state = Observation(elapsed=elapsed, detail={**DETAIL, **detail})
    for item in looks:
        for dummy in range(1 if item is not looks[-1] else 800):
            advance(state, item, EXPECTED, LIMITS, ahead - (state.elapsed - elapsed) if detail.get("activate") == "at" else 0)
            if state.outcome:
                assert not state.reason or state.reason in reasons.REASONS
                return state
            state.elapsed += step
    raise AssertionError("it never ended")


@requirement("R-222", "R-228")
def test_confirmed_only_after_the_own_test_and_twice_over_the_hold() -> None:
    seen = watch(sight(OLD, 5), SILENT, sight(NEW, 5), sight(NEW, 6))
    assert (seen.outcome, seen.reason, seen.detail["firmware_state"]) == ("verified", "", "confirmed")
    assert [item["state"] for item in seen.timeline][-2:] == ["activated_unconfirmed", "verified"]
    assert seen.elapsed >= 15 + 20


@requirement("R-228")
def test_status_zero_after_the_reboot_is_as_good() -> None:
    assert watch(SILENT, sight(NEW, 0)).outcome == "verified"


@requirement("R-222")
def test_a_fall_back_within_the_hold_is_not_confirmed() -> None:
    seen = watch(SILENT, sight(NEW, 6), sight(NEW, 6), SILENT, sight(OLD, 7))
    assert (seen.outcome, seen.reason) == ("failed_final", "activation_failed_fallback")


@requirement("R-222")
@pytest.mark.parametrize("status", [5, 3, 7, None])
def test_new_firmware_whose_test_has_no_end_rests_unconfirmed(status) -> None:
    seen = watch(SILENT, sight(NEW, status))
    assert (seen.outcome, seen.detail["firmware_state"], resting(seen)) == ("activated_unconfirmed", "activated_unconfirmed", True)


@requirement("R-212")
def test_another_signature_than_expected_is_not_the_expected_firmware() -> None:
    seen = watch(SILENT, sight(NEW, 6, "66"), expected_signature="55")
    assert (seen.outcome, seen.reason) == ("failed_final", "wrong_version_after") and "66" in seen.timeline[-1]["text"]
    assert watch(SILENT, sight(NEW, 6, "55"), expected_signature="55").outcome == "verified"


@requirement("R-212")
def test_all_parts_of_an_image_must_run() -> None:
    images = [{"identifier": NEW, "size": 1, "signature": ""}, {"identifier": "77", "size": 1, "signature": ""}]
    seen = watch(SILENT, sight(NEW, 6), images=images)
    assert (seen.outcome, seen.reason) == ("failed_final", "wrong_version_after") and "77" in seen.timeline[-1]["text"]


@requirement("F-02", "X-05")
def test_power_loss_means_activate_again() -> None:
    seen = watch(sight(OLD, 5), SILENT, sight(OLD, 3))
    assert (seen.outcome, seen.reason) == ("failed_retryable", "activation_interrupted")


@requirement("X-05")
@pytest.mark.parametrize(
    ("status", "reason"), [(7, "activation_failed_fallback"), (6, "activation_failed_fallback"), (0, "activation_failed_fallback")]
)
def test_fall_back(status, reason) -> None:
    seen = watch(SILENT, sight(OLD, status))
    assert (seen.outcome, seen.reason) == ("failed_final", reason)


def test_another_transfer_after_the_trigger_leaves_it_open_what_happened() -> None:
    assert watch(SILENT, sight(OLD, 1)).reason == "upgrade_state_unknown"


def test_nothing_began() -> None:
    seen = watch(sight(OLD, 3))
    assert (seen.outcome, seen.reason) == ("failed_retryable", "upgrade_not_started") and seen.elapsed > 60


@pytest.mark.parametrize(("status", "reason"), [(5, "upgrade_state_unknown"), (None, "upgrade_state_unknown")])
def test_work_without_end_stops_at_the_hard_timeout(status, reason) -> None:
    seen = watch(sight(OLD, status))
    assert (seen.outcome, seen.reason) == ("failed_final", reason) and seen.elapsed >= 1800


def test_a_third_firmware() -> None:
    assert watch(SILENT, sight(THIRD, 6)).reason == "wrong_version_after"


def test_silence_and_strangers() -> None:
    assert (watch(SILENT).outcome, watch(sight(serial="S2")).reason) == ("comms_lost", "ip_changed")
    late = watch(*[SILENT] * 130, sight(NEW, 6))
    assert late.outcome == "verified_late"


def test_a_refused_login_ends_the_looking_at_once() -> None:
    seen = watch(SILENT, Sight(False, fault="dlms_auth_failed", text="refused"))
    assert (seen.outcome, seen.reason, resting(seen)) == ("not_responding", "dlms_auth_failed", True)


@requirement("R-204")
def test_a_schedule_rests_until_its_time() -> None:
    seen = watch(sight(OLD, 3, scheduled=True), activate="at", ahead=600, elapsed=99_999)
    assert (seen.outcome, seen.detail["firmware_state"], resting(seen)) == ("scheduled", "scheduled", True)
    assert watch(sight(OLD, 3, scheduled=None), activate="at", ahead=600).outcome == "scheduled"
    gone = watch(sight(OLD, 3, scheduled=False), activate="at", ahead=600)
    assert (gone.outcome, gone.reason) == ("failed_final", "upgrade_not_started")


@requirement("R-204")
def test_a_schedule_whose_time_is_over() -> None:
    missed = watch(sight(OLD, 3), activate="at", ahead=-100, elapsed=99_999)
    assert (missed.outcome, missed.reason) == ("failed_final", "upgrade_not_started")
    assert watch(sight(NEW, 6), activate="at", ahead=-100, elapsed=99_999).outcome == "verified"
    unreachable = watch(SILENT, activate="at", ahead=5000)
    assert (unreachable.outcome, resting(unreachable)) == ("not_responding", True)


@requirement("R-222")
def test_a_later_run_far_behind_the_hard_timeout_still_looks_twice() -> None:
    assert watch(sight(NEW, 6), elapsed=99_999).outcome == "verified"
    assert watch(SILENT, elapsed=99_999).outcome == "comms_lost"


def test_a_meter_that_tells_no_identifier_or_changes_its_mind_ends_too() -> None:
    assert watch(Sight(True, "S1", (), 6)).reason == "upgrade_state_unknown"
    state = Observation(detail=dict(DETAIL))
    for number in range(2000):
        advance(state, sight([OLD, THIRD][number % 2], 6), EXPECTED, LIMITS, 0)
        state.elapsed += 5
        if state.outcome:
            break
    assert state.outcome == "failed_final"


LOOKS = st.one_of(
    st.just(SILENT),
    st.builds(
        sight, st.sampled_from([OLD, NEW, THIRD]), st.sampled_from([None, *range(8)]), scheduled=st.sampled_from([None, True, False])
    ),
)


@requirement("R-222")
@settings(max_examples=150, deadline=None)
@given(st.lists(LOOKS, min_size=1, max_size=40), st.sampled_from(["now", "at"]), st.floats(4, 60))
def test_it_always_ends_and_never_calls_good_what_it_did_not_see_twice(looks, activate, step) -> None:
    state = Observation(detail={**DETAIL, "activate": activate})
    good = 0
    for item in [*looks, *[looks[-1]] * 1000]:
        advance(state, item, EXPECTED, LIMITS, -state.elapsed if activate == "at" else 0)
        own = item.components[1]["identifier"] if item.components else None
        good = good + 1 if own == NEW and item.status in (0, 6) else 0
        if state.outcome:
            break
        state.elapsed += step
    assert state.outcome
    assert state.outcome not in ("verified", "verified_late") or good >= 2
    assert not state.reason or state.reason in reasons.REASONS
