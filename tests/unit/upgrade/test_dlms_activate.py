# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Activation, schedule and proof against a scripted meter (R-204, R-205, R-228, F-02, F-25)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scriptedmeter import CLOCK, IMAGE, NEW, OLD, SCHEDULER, SCRIPTS, Meter, drop

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.reasons import REASONS
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade import dlms_rules as rules
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms import DlmsSteps, ImageJob
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Expected, Limits, Observation
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import Data, LostError, RefusalError

requirement = pytest.mark.requirement
JOB = ImageJob(1, b"box", (NEW,), None, "", 38, "")
LIMITS = asdict(Limits(card_reset=600, stall=300, hard_timeout=1800, late_grace=180, no_progress=60))
DETAIL = {"component": 1, "expected": [NEW], "expected_signature": None, "images": None, "activate": "now", "at": None}


def ready(**changes: Any) -> Meter:
    """A meter in which the checked image waits."""
    return Meter(status=3, size=38, images=[(38, NEW, "77")], **changes)


def steps(meter: Meter, **changes: Any) -> DlmsSteps:
    target = Target("m", "127.0.0.1", {"dlms": 4059}, 1, clock=meter.clock)
    return DlmsSteps(target, replace(JOB, **changes), opener=meter.open)  # type: ignore[arg-type]


def at(meter: Meter, seconds: float) -> dict[str, Any]:
    return {"activate": "at", "at": (datetime.fromtimestamp(meter.clock.time(), UTC) + timedelta(seconds=seconds)).isoformat()}


def pulled(meter: Meter, **changes: Any) -> tuple[str, str]:
    given = steps(meter, **changes).trigger()
    assert not given["reason"] or given["reason"] in REASONS
    assert not meter.log or meter.log[-1] == "close"
    return given["state"], given["reason"]


# -- now --------------------------------------------------------------------------------------------------------------


@requirement("R-228")
def test_now_is_asked_for_once() -> None:
    meter = ready()
    assert pulled(meter) == ("triggered", "") and meter.log.count("activate") == 1 and meter.status == 5
    assert pulled(meter) == ("triggered", "") and meter.log.count("activate") == 1  # it is at work already


@requirement("R-228")
@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (lambda meter: meter.refuse(2), "triggered", ""),
        (lambda meter: drop(), "triggered", ""),
        (lambda meter: DeviceError("trigger", "dlms_answer_forged", "forged"), "triggered", ""),
        (lambda meter: LostError("trigger", "not connected", silent=False, sent=False), "not_started", "transport_failed"),
        (lambda meter: RefusalError("counter", "dlms_counter_refused", 6, 9), "not_started", "dlms_counter_refused"),
        (lambda meter: DeviceError("association", "dlms_counter_block_used", "used up"), "not_started", "dlms_counter_block_used"),
        (lambda meter: meter.refuse(250), "refused", "activation_refused"),
        (lambda meter: meter.refuse(3), "refused", "activation_refused"),
    ],
)
def test_what_an_answer_means(fault: Callable[[Meter], Exception], state: str, reason: str) -> None:
    meter = ready()
    meter.on["activate"] = [lambda: fault(meter)]
    assert pulled(meter) == (state, reason) and meter.log.count("activate") == 1


@requirement("R-228")
def test_a_refusal_of_a_meter_that_has_begun_all_the_same() -> None:
    meter = ready()

    def begun() -> Exception:
        meter.status = 5
        return meter.refuse(250)

    meter.on["activate"] = [begun]
    assert pulled(meter) == ("triggered", "")


@requirement("R-225")
def test_the_flag_is_put_back_where_nothing_was_started() -> None:
    meter = ready()
    meter.on["activate"] = [lambda: meter.refuse(250)]
    made = steps(meter)
    made.restore_enabled = True
    assert made.trigger()["state"] == "refused" and not meter.enabled and not made.restore_enabled
    meter = ready(enable_fault=3)
    assert "stays true" in steps(meter).put_back()


@requirement("R-221", "R-227")
def test_what_is_not_the_checked_image_is_not_activated() -> None:
    for meter in (Meter(), Meter(status=1, size=38), Meter(status=4), ready(offered="0c")):
        if meter.status == 3:
            meter.images = [(38, "0c", "77")]
        assert pulled(meter) == ("not_started", "activation_refused") and "activate" not in meter.log


def test_never_asks_for_nothing() -> None:
    meter = ready()
    assert pulled(meter, activate="never") == ("staged", "") and meter.opens == 0


def test_an_association_that_does_not_open_starts_nothing() -> None:
    meter = ready()
    meter.open_faults = [DeviceError("association", "dlms_auth_failed", "refused")] * 9
    assert pulled(meter) == ("not_started", "dlms_auth_failed") and meter.opens == 1
    meter = ready()
    meter.open_faults = [LostError("connect", "refused", silent=True, sent=False)] * 9
    assert pulled(meter) == ("not_started", "transport_failed") and meter.opens == 6


# -- at a time --------------------------------------------------------------------------------------------------------


@requirement("R-204", "R-205")
def test_the_schedule_is_written_in_the_meters_local_time_and_read_back() -> None:
    meter = ready(deviation=-120)
    wanted = at(meter, 3600)
    assert pulled(meter, **wanted) == ("scheduled", "") and meter.log.count("schedule") == 1
    (entry,) = meter.schedule
    time, date = (bytes(item.value) for item in entry.value)
    local = datetime.fromisoformat(wanted["at"]) + timedelta(hours=2)
    assert (time[0], time[1], date[2], date[3]) == (local.hour, local.minute, local.month, local.day)
    assert pulled(meter, **wanted) == ("scheduled", "") and meter.log.count("schedule") == 1  # it is there already
    assert "activate" not in meter.log


@requirement("R-204", "F-25")
@pytest.mark.parametrize("skew", [61, -61, 86_400])
def test_a_wrong_clock_schedules_nothing(skew: float) -> None:
    meter = ready(skew=skew)
    assert pulled(meter, **at(meter, 3600)) == ("not_started", "meter_clock_wrong") and "schedule" not in meter.log
    meter = ready(skew=55)
    assert pulled(meter, **at(meter, 3600))[0] == "scheduled"


@requirement("R-204")
def test_a_clock_without_zone_schedules_nothing() -> None:
    meter = ready(deviation=-0x8000)
    assert pulled(meter, **at(meter, 3600)) == ("not_started", "meter_clock_wrong")


@requirement("R-204")
@pytest.mark.parametrize("seconds", [-1, 0, 59])
def test_a_time_that_is_over_or_too_near_is_refused_before_contact(seconds: float) -> None:
    meter = ready()
    assert pulled(meter, **at(meter, seconds)) == ("not_started", "activation_time_refused") and meter.opens == 0


@requirement("R-205")
def test_a_scheduler_that_runs_something_else() -> None:
    for meter in (ready(script="0-0:10.0.106.255"), ready(method=3)):
        assert pulled(meter, **at(meter, 3600)) == ("not_started", "schedule_not_confirmed") and "schedule" not in meter.log


@requirement("R-204")
def test_a_schedule_that_does_not_show_or_cannot_be_read_back() -> None:
    meter = ready(keeps_schedule=False)
    assert pulled(meter, **at(meter, 3600)) == ("refused", "schedule_not_confirmed")
    meter = ready(keeps_schedule=None)
    assert pulled(meter, **at(meter, 3600)) == ("refused", "schedule_not_confirmed")
    meter = ready(odd={(SCHEDULER, 4): 3})
    assert pulled(meter, **at(meter, 3600)) == ("not_started", "schedule_not_confirmed")
    assert pulled(Meter(), **at(Meter(), 3600)) == ("not_started", "activation_refused")
    meter = ready()
    meter.on["schedule"] = [drop] * 99
    assert pulled(meter, **at(meter, 3600)) == ("scheduled", "schedule_not_confirmed")  # open: a later run looks
    meter = ready()
    meter.on["schedule"] = [drop]
    assert pulled(meter, **at(meter, 3600)) == ("scheduled", "")


@requirement("R-204")
def test_cancel() -> None:
    meter = ready()
    assert steps(meter).cancel()["changed"] is False
    pulled(meter, **at(meter, 3600))
    given = steps(meter).cancel()
    assert (given["state"], given["changed"], meter.schedule) == ("cancelled", True, [])
    pulled(meter, **at(meter, 3600))
    meter.keeps_schedule = False
    with pytest.raises(DeviceError) as caught:
        steps(meter).cancel()
    assert caught.value.reason == "schedule_not_confirmed" and meter.log[-1] == "close"


def test_entries_are_compared_by_the_second() -> None:
    entry = (b"\x02\x00\x00\x00", b"\x07\xea\x0b\x16\xff")
    assert rules.same_entry(entry, (b"\x02\x00\x00\xff", b"\x07\xea\x0b\x16\x07"))
    assert not rules.same_entry(entry, (b"\x02\x00\x01\x00", entry[1]))
    assert not rules.same_entry(entry, ("x", 1)) and not rules.same_entry(entry, ())


# -- proof ------------------------------------------------------------------------------------------------------------


def observed(meter: Meter, seconds: float = 5000, **detail: Any) -> Observation:
    state = Observation(detail={**DETAIL, **detail}).as_dict()
    return Observation(**steps(meter).observe(state, asdict(Expected("S1", OLD, NEW, None, None)), LIMITS, seconds))


@requirement("R-222", "R-225", "R-228")
def test_proof_over_one_association_and_the_flag_is_put_back() -> None:
    meter = Meter(active=NEW, status=6)
    seen = observed(meter, restore_enabled=True)
    assert (seen.outcome, seen.detail["restore_enabled"], meter.enabled) == ("verified", False, False)
    assert meter.opens == 1 and meter.log[-1] == "close"
    meter = Meter(active=NEW, status=6, enable_fault=3)
    seen = observed(meter, restore_enabled=True)
    assert seen.outcome == "verified" and "stays true" in seen.detail["enabled_left"]


def test_slices_go_on_where_the_last_one_stopped() -> None:
    meter = Meter(active=NEW, status=6)
    expected, state = asdict(Expected("S1", OLD, NEW, None, None)), Observation(detail=dict(DETAIL)).as_dict()
    calls = 0
    while not state["outcome"]:
        state = steps(meter).observe(state, expected, LIMITS, 4)
        calls += 1
    assert state["outcome"] == "verified" and calls > 3


def test_a_scheduled_one_rests_or_is_found_gone() -> None:
    meter = ready()
    wanted = at(meter, 3600)
    pulled(meter, **wanted)
    assert observed(meter, **wanted).outcome == "scheduled"
    steps(meter).cancel()
    seen = observed(meter, **wanted)
    assert (seen.outcome, seen.reason) == ("failed_final", "upgrade_not_started")


def test_a_refused_login_while_looking_is_not_repeated() -> None:
    meter = ready()
    meter.open_faults = [DeviceError("association", "dlms_auth_failed", "refused")] * 9
    seen = observed(meter)
    assert (seen.outcome, seen.reason, meter.opens) == ("not_responding", "dlms_auth_failed", 1)


OCTETS, PAIR = axdr.octets(b"x"), axdr.structure(axdr.octets(b"x"), axdr.u16(1))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((SCHEDULER, 4), axdr.u8(1)),
        ((SCHEDULER, 2), OCTETS),
        ((SCHEDULER, 2), PAIR),
        ((SCRIPTS, 2), PAIR),
        ((CLOCK, 2), axdr.u8(1)),
        ((CLOCK, 2), OCTETS),
    ],
)
def test_values_of_another_form_schedule_nothing_and_leave_no_traceback(place: tuple[str, int], value: Data) -> None:
    meter = ready(odd={place: value})
    assert pulled(meter, **at(meter, 3600))[0] == "not_started" and "schedule" not in meter.log


def test_a_look_without_clock_scheduler_or_status() -> None:
    meter = ready(odd={(CLOCK, 2): 3, (SCHEDULER, 4): 4})
    look = steps(meter).look()
    assert (look["clock"]["skew"], look["schedule"]) == (None, None) and look["clock"]["fault"]
    json.dumps(look)
    meter = ready(odd={(IMAGE, 6): 3})
    assert observed(meter).reason == "upgrade_state_unknown"
    wanted = at(meter := ready(odd={(CLOCK, 2): 3}), 3600)
    assert observed(meter, **wanted).outcome == "scheduled"  # nobody can tell that it is gone


def test_what_a_look_tells_the_prechecks() -> None:
    meter = ready(enabled=False, schedule=[])
    look = steps(meter).look()
    assert (look["status"], look["serial"], look["version"], look["blocks"], look["schedule"]) == (3, "S1", OLD, 10, [])
    assert look["enabled_writable"] is None and look["clock"]["deviation"] == -60 and abs(look["clock"]["skew"]) < 1.1
    assert rules.pending_kind(look, JOB, None) == rules.OURS
    assert rules.pending_kind({**look, "images": None}, JOB, None) == rules.OTHER
    assert steps(meter).identify().version == OLD
    assert steps(ready(deviation=-0x8000)).look()["clock"]["skew"] is None


@requirement("R-221", "X-08")
def test_what_the_second_slot_holds() -> None:
    row = {"component": 1, "digest": "", "identifier": b"box".hex(), "size": 38, "block_size": 4, "state": "initiated"}
    look = {"block_size": 4, "images": None}
    kinds = [rules.pending_kind({**look, "status": status}, JOB, row) for status in range(8)]
    assert kinds == [rules.EMPTY, rules.OUR_HALF, rules.OUR_HALF, rules.OURS, rules.EMPTY, rules.OTHER, rules.EMPTY, rules.EMPTY]
    kinds = [rules.pending_kind({**look, "status": status}, JOB, None) for status in (1, 2, 3)]
    assert kinds == [rules.OTHER_HALF, rules.OTHER_HALF, rules.OTHER]
