# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The whole run of meter_security against a scripted meter."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterlike import DLMS, NEW, OLD, SERIAL, Book, Killed, Meter, hex_keys, run

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import DlmsKeys
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.dlms import Report
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.rotation import ORDER
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._security import result_of

SECRET = "Canary-lls-secret"
MARKS_KEY = "Canary-marks-key-0001"
EVERYTHING: dict[str, Any] = {
    "policy": "authenticated_encrypted",
    "lls_secret": {"client": 2, "value": SECRET},
    "marks_key": MARKS_KEY,
    "new_keys": hex_keys(NEW),
    "image_transfer_enabled": False,
    "clock": "set",
    "accept": ["irreversible"],
}


def states(report: Report) -> dict[str, str]:
    return {item.id: item.state for item in report.controls}


def test_everything_at_once_in_order_and_then_nothing() -> None:
    meter, book = Meter(skew=500.0, policy=0x20), Book()
    report = run(meter, EVERYTHING, book)
    assert (report.outcome, report.reason, report.changed) == ("changed", "", True), report.text
    assert set(states(report).values()) == {"changed", "pass"}
    assert (meter.keys, meter.policy, meter.enabled, meter.skew, meter.lls) == (NEW, 0x6C, False, 0.0, SECRET.encode())
    assert [item.split()[1] for item in meter.log] == ["18", "8", "15", *["64"] * 6, "64"], "settings, secret, keys, policy last"
    assert meter.log[-1] == "action 64 1"
    assert report.failed_logins == 1 and report.probed
    asked, changed = meter.requests, list(meter.log)
    again = run(meter, EVERYTHING, book)
    assert (again.outcome, again.changed, again.failed_logins) == ("current", False, 0)
    assert set(states(again).values()) == {"pass"}
    assert meter.log == changed
    assert meter.requests > asked


def test_check_mode_sends_nothing_that_was_not_proven_before() -> None:
    meter, book = Meter(), Book()
    report = run(meter, EVERYTHING, book, check=True)
    assert not meter.opened and not meter.log and not book.marks and not book.entries
    assert report.outcome == "planned" and not report.changed
    assert states(report)["policy"] == "unknown" and states(report)["public_client"] == "pass"
    assert run(meter, {}, book).outcome == "current"  # an ordinary run proves the keys
    report = run(meter, EVERYTHING, book, check=True)
    assert report.outcome == "planned" and report.changed
    assert meter.refused_logins == 0 and not meter.log and not book.pending
    assert states(report)["policy"] == states(report)["key_kek"] == states(report)["lls_secret"] == "planned"


def test_check_mode_with_check_login_uses_the_present_keys_only() -> None:
    meter = Meter()
    report = run(meter, EVERYTHING, check=True, check_login=True)
    assert report.outcome == "planned" and meter.refused_logins == 0 and len(meter.opened) == 1
    assert not meter.log


@pytest.mark.requirement("R-116")
def test_only_what_was_reviewed_is_done_on_the_meter_that_was_reviewed() -> None:
    meter, book = Meter(), Book()
    run(meter, {}, book)
    planned = run(meter, EVERYTHING, book, check=True)
    plan = {"serial": SERIAL, "changes": planned.planned}
    assert planned.needed == ["irreversible"] and SECRET not in json.dumps(plan)
    assert [item["control"] for item in planned.planned][-1] == "policy"
    less = {**plan, "changes": plan["changes"][:-1]}
    for wrong in ({**plan, "serial": "90000002"}, less):
        report = run(meter, EVERYTHING, book, expect=wrong)
        assert (report.outcome, report.reason, report.changed) == ("blocked", "plan_stale", False) and not meter.log
    meter.policy = 0x20
    assert run(meter, EVERYTHING, book, expect=plan).reason == "plan_stale" and not meter.log
    meter.policy = 0
    assert run(meter, EVERYTHING, book, expect=plan).outcome == "changed"
    again = run(meter, EVERYTHING, book, expect=plan)
    assert (again.outcome, again.changed) == ("current", False)


@pytest.mark.requirement("R-010")
def test_a_policy_needs_the_word() -> None:
    meter = Meter()
    report = run(meter, {**EVERYTHING, "accept": []})
    assert (report.outcome, report.reason) == ("blocked", "irreversible_not_accepted")
    assert not meter.log and not report.changed


@pytest.mark.requirement("R-086")
def test_a_meter_that_is_being_upgraded_is_left_alone() -> None:
    meter = Meter()
    report = run(meter, EVERYTHING, Book(busy="meter:90000001 is in use by somebody"))
    assert (report.outcome, report.reason) == ("blocked", "firmware_in_progress")
    assert not meter.log


@pytest.mark.parametrize(
    ("version", "have", "word", "sent"), [(0, 0, "authenticated", 1), (0, 1, "encrypted", 3), (1, 0x10, "authenticated_encrypted", 0x7C)]
)
def test_a_policy_is_read_by_the_version_of_the_class_and_only_strengthened(version: int, have: int, word: str, sent: int) -> None:
    meter = Meter(version=version, policy=have)
    report = run(meter, {"policy": word, "accept": ["irreversible"]})
    assert (report.outcome, meter.policy) == ("changed", sent), report.text
    assert run(meter, {"policy": word}).outcome == "current"


def test_a_stronger_policy_than_asked_for_is_left() -> None:
    meter = Meter(policy=0x6C)
    assert run(meter, {"policy": "authenticated"}).outcome == "current"
    assert not meter.log


def test_version_0_has_no_change_of_the_master_key() -> None:
    meter = Meter(version=0)
    report = run(meter, {"new_keys": hex_keys(DlmsKeys(kek=NEW.kek))})
    assert (report.outcome, report.reason) == ("blocked", "key_refused")
    assert not meter.log


def test_a_gate_in_the_meter_is_told_from_missing_rights() -> None:
    meter = Meter(skew=900.0, gate=True)
    report = run(meter, {"clock": "set"})
    assert (report.outcome, report.reason, report.changed) == ("failed", "hardware_gate_suspected", False)
    assert "jumper" in report.text and report.device_text == "read-write-denied"
    report = run(meter, {"new_keys": hex_keys(NEW)})
    assert report.reason == "hardware_gate_suspected"
    assert meter.keys == OLD and states(report)["key_gak"] == "fail"


def test_an_open_transfer_is_not_closed_under_it() -> None:
    meter = Meter(status=1)
    report = run(meter, {"image_transfer_enabled": False})
    assert report.outcome == "current" and meter.enabled
    assert states(report)["image_transfer_enabled"] == "fail"


def test_the_password_is_written_again_only_when_another_is_wanted() -> None:
    meter, book = Meter(), Book()
    options = {"lls_secret": {"client": 2, "value": SECRET}, "marks_key": MARKS_KEY}
    assert run(meter, options, book).outcome == "changed"
    assert run(meter, options, book).outcome == "current"
    other = {**options, "lls_secret": {"client": 2, "value": "Canary-other-secret"}}
    kept = run(meter, {**other, "update_secret": "on_create"}, book)
    assert states(kept)["lls_secret"] == "fail" and meter.lls == SECRET.encode()
    assert run(meter, other, book).outcome == "changed"
    assert meter.log == ["set 15 7"] * 2


def test_without_a_marks_key_the_password_is_written_each_time() -> None:
    meter, book = Meter(), Book()
    options = {"lls_secret": {"client": 2, "value": SECRET}}
    assert run(meter, options, book).outcome == run(meter, options, book).outcome == "changed"
    assert not any(account.endswith("lls") for dummy, account in book.marks)


def test_what_is_only_looked_at_becomes_findings() -> None:
    meter = Meter(public_writes=True, mechanisms={16: 0, 1: 5, 2: 1}, skew=120.0)
    published = replace(DLMS, keys=replace(OLD, gak=bytes(range(0xD0, 0xE0))))
    meter.keys = published.keys
    report = run(meter, {}, dlms=published, change=False)
    assert report.outcome == "reported" and not report.changed
    found = result_of(report)
    bad = {item["id"] for item in found["findings"]}
    assert bad == {"policy", "clock", "image_transfer_enabled", "published_key", "associations", "public_client"}
    assert "failed" not in found
    assert found["rights"]["public"] == [
        {"class": 15, "obis": "0-0:40.0.0.255", "writes": [], "runs": [1]},
        {"class": 18, "obis": "0-0:44.0.0.255", "writes": [5], "runs": []},
    ]
    assert not meter.log


def test_fresh_counters_are_only_expected_after_a_new_encryption_key() -> None:
    meter = Meter()
    run(meter, {"new_keys": hex_keys(NEW)})
    assert meter.opened.count(True) == 1


def test_keys_that_do_not_work_leave_the_public_view() -> None:
    meter = Meter(keys=NEW)
    report = run(meter, {"policy": "authenticated_encrypted"})
    assert (report.outcome, report.reason) == ("failed", "dlms_auth_failed")
    assert meter.refused_logins == 1
    assert states(report)["public_client"] == "pass" and states(report)["policy"] == "unknown"


@pytest.mark.requirement("F-27")
@pytest.mark.parametrize(
    "reason", ["dlms_wrong_meter_title", "dlms_unprotected_answer", "dlms_meter_unproven", "dlms_protocol_error", "dlms_association_busy"]
)
def test_what_tells_nothing_of_keys_is_no_reason_to_try_others(reason: str) -> None:
    meter, book = Meter(stranger=reason), Book()
    report = run(meter, {"new_keys": hex_keys(NEW)}, book)
    assert (report.outcome, report.reason, report.changed, report.failed_logins) == ("failed", reason, False, 0)
    assert len(meter.opened) == 1 and not meter.log and not book.pending


@pytest.mark.requirement("F-27")
def test_a_stranger_after_a_key_was_sent_leaves_it_pending() -> None:
    meter, book = Meter(), Book()
    meter.after_key = "dlms_unprotected_answer"
    report = run(meter, {"new_keys": {name: hex_keys(NEW)[name] for name in ("gak", "guek")}}, book)
    assert (report.outcome, report.reason, report.changed) == ("failed", "dlms_unprotected_answer", True)
    assert list(book.pending) == [(SERIAL, 1, "gak")] and report.key_states == {"gak": "unknown"}
    meter.stranger = meter.after_key = ""
    assert run(meter, {"new_keys": hex_keys(NEW)}, book).outcome == "changed" and meter.keys == NEW


def test_a_master_key_that_could_not_be_found_out_is_not_called_refused() -> None:
    meter = Meter(after_key="dlms_unprotected_answer")
    report = run(meter, {"new_keys": hex_keys(NEW)})
    assert (report.outcome, report.reason, report.changed) == ("failed", "dlms_unprotected_answer", False)
    assert "no new key was sent" in report.text and meter.keys == OLD


def test_a_refusal_inside_the_association_proves_the_keys_as_well() -> None:
    meter = Meter(denied={(15, "0-0:40.0.0.255", 1)})
    assert run(meter, {"new_keys": hex_keys(NEW)}).outcome == "changed" and meter.keys == NEW


def test_a_setting_whose_answer_is_lost_may_have_changed() -> None:
    meter = Meter(skew=500.0)
    probe = Meter(skew=500.0)
    run(probe, {})  # counts the requests of looking
    meter.faults = {probe.requests + 1: "answer_lost"}
    report = run(meter, {"clock": "set"})
    assert (report.outcome, report.reason, report.changed) == ("failed", "transport_failed", True)
    assert states(report)["clock"] == "unknown"
    assert run(meter, {"clock": "set"}).outcome == "current"


def test_a_clock_is_not_set_over_a_scheduled_activation() -> None:
    entry = axdr.structure(axdr.octets(b"\x02\x00\x00\x00"), axdr.octets(b"\x07\xeb\x01\x02\xff"))
    meter = Meter(skew=7200.0, schedule=(entry,))
    report = run(meter, {"clock": "set"})
    assert report.outcome == "current" and states(report)["clock"] == "fail" and not meter.log
    assert run(Meter(skew=7200.0), {"clock": "set"}).outcome == "changed"


def test_a_serial_that_the_association_does_not_confirm_stops() -> None:
    meter = Meter(told_serial="90000002")
    report = run(meter, EVERYTHING)
    assert (report.outcome, report.reason, report.changed) == ("failed", "serial_mismatch", False)
    assert not meter.log


def test_keys_are_not_looked_for_while_another_run_has_the_meter() -> None:
    meter = Meter()
    report = run(meter, {"new_keys": hex_keys(NEW)}, Book(busy="in use"))
    assert (report.outcome, report.reason) == ("blocked", "firmware_in_progress")
    assert not meter.opened and states(report)["public_client"] == "pass"


def test_keys_that_the_records_know_to_be_others_are_tried_once_without_a_probe() -> None:
    meter, book = Meter(), Book()
    third = DlmsKeys(gak=b"third key of all", guek=b"third guek key !")
    run(meter, {"new_keys": hex_keys(NEW)}, book)
    before = meter.refused_logins
    report = run(meter, {"new_keys": hex_keys(third)}, book)
    assert (report.outcome, report.reason) == ("failed", "dlms_auth_failed")
    assert "records know" in report.text and meter.refused_logins == before + 1
    promoted = replace(DLMS, keys=replace(OLD, **{name: getattr(NEW, name) for name in ORDER}))
    assert run(meter, {"new_keys": hex_keys(third)}, book, promoted).outcome == "changed"
    assert (meter.keys.gak, meter.keys.guek) == (third.gak, third.guek)


def test_a_refused_key_changed_nothing() -> None:
    meter = Meter()
    wrong = replace(DLMS, keys=replace(OLD, kek=b"wrong master key"))
    report = run(meter, {"new_keys": hex_keys(DlmsKeys(gak=NEW.gak))}, dlms=wrong)
    assert (report.outcome, report.reason, report.changed) == ("failed", "key_refused", False)
    assert report.key_states == {"gak": "refused"} and meter.keys == OLD


def test_a_meter_that_takes_no_lists_is_read_one_by_one() -> None:
    told = [result_of(run(Meter(no_lists=refused), {}, change=False)) for refused in (False, True)]
    assert told[0] == told[1]


def test_a_meter_with_odd_values_hides_nothing_else() -> None:
    meter = Meter()
    odd = {
        (64, "0-0:43.0.0.255", 2): axdr.octets(b"x"),
        (64, "0-0:43.0.0.255", 3): axdr.array(()),
        (18, "0-0:44.0.0.255", 5): axdr.u8(7),
        (8, "0-0:1.0.0.255", 2): axdr.octets(b"short"),
        (15, "0-0:40.0.1.255", 3): axdr.null(),
        (15, "0-0:40.0.2.255", 6): axdr.array((axdr.structure(),)),
        (15, "0-0:40.0.0.255", 9): axdr.u8(0),
    }
    meter.odd = odd
    report = run(meter, {**EVERYTHING, "new_keys": None, "lls_secret": None})
    assert report.outcome == "current"
    found = states(report)
    assert {found[name] for name in ("policy", "suite", "image_transfer_enabled", "clock", "associations")} == {"unknown"}
    meter.odd = {(15, "0-0:40.0.0.255", 2): axdr.array((axdr.u8(1),))}
    assert states(run(meter, {}))["public_client"] == "unknown"


def test_no_secret_in_what_leaves_a_run() -> None:
    meter, book = Meter(), Book()
    told = [json.dumps(result_of(run(meter, EVERYTHING, book)), default=str)]
    told += [repr(book.entries), repr(book.marks), repr(book.ended), repr(DLMS)]
    for keys in (OLD, NEW):
        for name in ORDER:
            assert not any(getattr(keys, name).hex() in text or repr(getattr(keys, name)) in text for text in told)
    assert not any(SECRET in text or MARKS_KEY in text for text in told)


@pytest.mark.requirement("F-27")
@settings(max_examples=100, deadline=None)
@given(
    faults=st.dictionaries(st.integers(20, 90), st.sampled_from(["lost", "answer_lost", "refuse", "unreachable", "kill"]), max_size=3),
    wanted=st.sets(st.sampled_from(ORDER), min_size=1),
    probe=st.booleans(),
)
def test_whatever_fails_the_next_runs_come_to_the_end(faults: dict[int, str], wanted: set[str], probe: bool) -> None:
    new = DlmsKeys(**{name: getattr(NEW, name) for name in wanted})
    meter, book = Meter(faults=dict(faults)), Book()
    options = {"new_keys": hex_keys(new), "probe": probe, "policy": "authenticated_encrypted", "accept": ["irreversible"]}
    for dummy in range(6):
        before = meter.refused_logins
        report = None
        try:
            report = run(meter, options, book)
        except Killed:
            pass
        except Exception as error:
            assert getattr(error, "reason", "") == "transport_failed", error
        for name in ORDER:
            assert getattr(meter.keys, name) in (getattr(OLD, name), getattr(new, name)), "the caller has every key of the meter"
        assert meter.refused_logins - before <= 2
        if report is not None and report.outcome in ("changed", "current"):
            break
    else:
        raise AssertionError(f"{report}")
    assert meter.keys == replace(OLD, **{name: getattr(NEW, name) for name in wanted})
    assert meter.policy == 0x6C and not book.pending
    meter.faults = {}
    assert run(meter, options, book).outcome == "current"
    assert SERIAL in str(book.entries)
