# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Faults of one meter: what the collection must do about each, asserted on the meter's own account."""

from __future__ import annotations

import pytest
from faultlab.gate import Gate
from faultlab.invariants import changes_nothing_again, check_invariants
from faultlab.lab import Lab, names, outcome, until

FILES = ["/www/PM5500StartUpgrade.shtml", "/fw/App2.out", "/fw/PM5560_v2.9.9.fwa"]


@pytest.mark.parametrize(("surface", "auth"), [("a", "basic"), ("b", "digest")])
@pytest.mark.requirement("R-057", "R-058", "R-061", "R-062", "R-064", "R-089", "I-a", "I-c", "I-d", "I-e", "I-g", "I-h", "I-i")
def test_order_of_a_good_upgrade(lab: Lab, surface: str, auth: str) -> None:
    """Files in the documented order, FTP closed, fresh read, record, trigger, silence, proof, settle."""
    lab.up({"surface": surface, "http_auth": auth})
    result = lab.run()["m01"]
    assert outcome(result) == ("verified", "") and result["changed"] and result["restart"] == "observed"
    assert [item["path"] for item in lab.events("m01", "ftp_stored")] == FILES
    (attempt,) = lab.records.attempt_history(lab.serial("m01"))
    first_request = lab.events("m01", "trigger_request")[0]
    last_file = lab.events("m01", "ftp_stored")[-1]
    assert last_file["real"] < attempt.started < first_request["real"]
    assert (attempt.outcome, attempt.source, attempt.target, attempt.row) == ("verified", "2.7.8", "2.9.9", "A-1")
    assert lab.fleet.meter("m01").state()["firmware"] == "2.9.9"
    states = [item["state"] for item in result["timeline"]]
    assert states == ["leased", "staging", "staged", "attempt_recorded", "triggered", *states[5:-1], "settling"]
    check_invariants(lab, ["m01"])
    changes_nothing_again(lab)


@pytest.mark.requirement("R-061", "R-062", "I-c")
def test_ftp_closed_and_attempt_recorded_before_the_first_request(lab: Lab) -> None:
    """Held before the very first byte to the trigger path: the session is over and the record is on the disk."""
    lab.up({"model": "PM5561"})
    gate = Gate(lab, "m01", "attempt_recorded")
    try:
        run = lab.start(lab.play(ports=gate.ports, timeouts={"connect": 10, "read": 40}))
        until(gate.is_reached, 40, "the trigger request")
        assert gate.ftp_closed
        attempt = lab.records.open_attempt(lab.serial("m01"))
        assert attempt is not None and attempt.state == "recorded" and attempt.before["version"] == "10.6.3"
        assert not lab.events("m01", "trigger_request")
        gate.open()
        assert outcome(run.wait()["m01"]) == ("verified", "")
    finally:
        gate.close()
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-01", "R-051", "R-143", "I-c", "I-h")
def test_power_loss_during_flash(lab: Lab) -> None:
    """The meter never returns: comms_lost, no retry, no advice to cycle the power."""
    lab.up({"faults": {"F-01": {}}}, factor=120)
    result = lab.run()["m01"]
    assert outcome(result) == ("comms_lost", "comms_lost")
    advice = (result["recovery"] + result["remedy"]).lower()
    assert "copied again" in advice and "do not switch off" in advice and "10 s" not in advice and "power cycle" not in advice
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])
    again = lab.run()["m01"]
    assert again["outcome"] == "blocked" and len(lab.triggers("m01")) == 1


@pytest.mark.requirement("F-03", "R-061", "R-062", "G-06", "I-c", "I-d")
def test_power_loss_before_the_trigger(lab: Lab) -> None:
    """Files staged, then the power goes: no attempt is spent; the next run finishes with one."""
    lab.up({"model": "PM5561", "faults": {"F-03": {"silence": 100}}})
    gate = Gate(lab, "m01", "staged")
    try:
        run = lab.start(lab.play(ports=gate.ports, timeouts={"connect": 10, "read": 40}))
        lab.fleet.meter("m01").wait("power_lost", 40)
        gate.open()
        assert outcome(run.wait()["m01"]) == ("blocked", "transport_failed")
    finally:
        gate.close()
    assert not lab.events("m01", "trigger_request") and lab.records.attempt_history(lab.serial("m01")) == []
    lab.fleet.meter("m01").wait("restart")
    second = lab.run()["m01"]
    assert outcome(second) == ("verified", "") and second["attempts"]["used"] == 1
    assert lab.fleet.meter("m01").state()["attempts"] == 1
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("surface", ["a", "b"])
@pytest.mark.requirement("F-03", "R-062", "R-064", "G-06")
def test_power_loss_with_the_trigger_on_its_way(lab: Lab, surface: str) -> None:
    """Whether it arrived cannot be told, so it counts; a restart with the old version and an idle page is no success."""
    lab.up({"model": "PM5561", "surface": surface})
    gate = Gate(lab, "m01", "attempt_recorded")
    try:
        run = lab.start(lab.play(ports=gate.ports, timeouts={"connect": 10, "read": 40}))
        until(gate.is_reached, 40, "the trigger request")
        lab.fleet.meter("m01").action("power_cycle", silence=90)
        gate.open()
        result = run.wait()["m01"]
    finally:
        gate.close()
    assert outcome(result) == ("failed_final", "upgrade_not_started") and result["attempts"]["used"] == 1
    assert result["timeline"][-1]["at"] < 600
    assert not lab.events("m01", "trigger_accepted")
    assert outcome(lab.run()["m01"]) == ("verified", "")


@pytest.mark.requirement("F-04", "R-061", "R-066", "I-c")
def test_link_cut_in_the_upload(lab: Lab) -> None:
    """FTP cannot resume, so the copy starts again from its first file; no attempt is spent on it."""
    lab.up({"faults": {"F-04": {"down": 3}}}, size=400_000)
    result = lab.run()["m01"]
    assert outcome(result) == ("verified", "")
    stored = [item["path"] for item in lab.events("m01", "ftp_stored")]
    assert stored == [*FILES[:2], *FILES], stored
    assert len(lab.events("m01", "ftp_incomplete")) == 1 and len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("mode", ["flip", "truncate"])
@pytest.mark.requirement("F-07", "R-057", "R-145", "I-c")
def test_upload_stored_wrongly(lab: Lab, mode: str) -> None:
    """Noticed by reading back, before anything is triggered; one retry of the copy, then stop."""
    lab.up({"faults": {"F-07": {"mode": mode}}})
    result = lab.run()["m01"]
    assert outcome(result)[1] == "upload_incomplete"
    assert len([path for path in names(lab.events("m01", "ftp_stored")) if path.endswith(".fwa")]) == 2
    assert not lab.events("m01", "trigger_request") and lab.records.attempt_history(lab.serial("m01")) == []
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-07", "R-145", "R-066")
def test_bad_upload_found_by_the_meter(lab: Lab) -> None:
    """Without reading back a flipped bit passes; the meter notices, its text is passed on, and its word ends the artifact."""
    lab.up({"faults": {"F-07": {"mode": "flip"}}})
    result = lab.run(verify_upload="size")["m01"]
    assert result["outcome"] == "failed_final" and "invalid or corrupted" in result["device_text"]
    assert len(lab.triggers("m01")) <= 2
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-07", "R-145")
def test_upload_stored_wrongly_once(lab: Lab) -> None:
    lab.up({"faults": {"F-07": {"times": 1}}})
    assert outcome(lab.run()["m01"]) == ("verified", "")
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-10", "R-141", "G-06", "I-c")
def test_device_refuses_as_incompatible(lab: Lab) -> None:
    """Counted, told with the device's own words, not retried."""
    lab.up({"model": "PM5561", "faults": {"F-10": {}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("failed_final", "device_rejected_image")
    assert "not compatible" in result["device_text"]
    assert result["attempts"] == {"limit": 10, "used": 1, "remaining": 9, "source": result["attempts"]["source"]}
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("surface", ["a", "b"])
@pytest.mark.requirement("F-12", "R-047")
def test_mid_lock_closed(lab: Lab, surface: str) -> None:
    """Closed from the beginning: blocked by a precheck, no login is tried."""
    lab.up({"model": "PM5561", "mid_lock": True, "surface": surface})
    assert outcome(lab.run()["m01"]) == ("blocked", "mid_lock_enabled")
    assert not lab.events("m01", "ftp_login_ok", "ftp_stored", "trigger_request")
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("when", ["after_login", "after_upload"])
@pytest.mark.requirement("F-12", "R-047", "I-d")
def test_mid_lock_closed_meanwhile(lab: Lab, when: str) -> None:
    """Closed after the prechecks: looked at again right before the trigger, so nothing is triggered or recorded."""
    lab.up({"model": "PM5561", "faults": {"F-12": {"when": when}}})
    assert outcome(lab.run()["m01"]) == ("blocked", "mid_lock_enabled")
    assert lab.events("m01", "lock") and not lab.events("m01", "trigger_request")
    assert lab.records.attempt_history(lab.serial("m01")) == []
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-13", "R-032", "I-c")
def test_address_changes_and_another_meter_takes_it(lab: Lab) -> None:
    """The stranger at the old address is never written to; the meter is found by its serial number."""
    fleet = lab.up(
        {"ip_mode": "dhcp", "faults": {"F-13": {"taken_by": "m02"}}},
        {"firmware": "2.7.8", "ip_mode": "dhcp"},
        factor=120,
    )
    old = fleet.meter("m01").state()["address"]
    network = old.rsplit(".", 1)[0] + ".0/24"
    serial = lab.serial("m01")
    first = lab.run(hosts="m01", search=[network])["m01"]
    moved = fleet.meter("m01").state()["address"]
    assert moved != old and fleet.meter("m02").state()["address"] == old
    assert outcome(first) == ("comms_lost", "ip_changed") and first["found_at"] == moved
    assert first["before"]["serial"] == serial and first["after"] is None
    assert fleet.meter("m01").state()["firmware"] == "2.9.9"
    second = lab.run(hosts="m01", search=[network])["m01"]
    assert outcome(second) == ("blocked", "serial_mismatch")
    third = lab.start(lab.play("m01"), extra={"ansible_host": moved}).wait()["m01"]
    assert outcome(third) == ("current", "")
    check_invariants(lab, ["m01"], untouched=["m02"])


@pytest.mark.parametrize(
    ("silence", "expected"),
    [(60, ("verified", "")), (200, ("verified_late", "")), (600, ("comms_lost", "comms_lost"))],
)
@pytest.mark.requirement("F-14", "R-064", "R-143")
def test_late_return(lab: Lab, silence: float, expected: tuple[str, str]) -> None:
    """The documented window, the grace after it, and the end of patience."""
    # Two seconds of real time beyond the window: a loaded machine may see the trigger late.
    fleet = lab.up({"faults": {"F-14": {"silence": silence}}}, factor=40 if silence == 200 else 100)
    result = lab.run()["m01"]
    assert outcome(result) == expected
    states = [item["state"] for item in result["timeline"]]
    assert ("late_resume" in states) == (silence > 120)
    assert len(lab.triggers("m01")) == 1
    if silence == 600:
        fleet.meter("m01").wait("upgrade_done", 30)
        assert outcome(lab.run()["m01"]) == ("current", "")
        assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-15", "R-064", "I-d")
def test_old_instance_still_answers(lab: Lab) -> None:
    """Ten seconds of the old version after the trigger are neither success nor failure."""
    lab.up({"faults": {"F-15": {"seconds": 60}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("verified", "") and result["restart"] == "observed"
    verified = next(item["at"] for item in result["timeline"] if item["state"] == "verified")
    triggered = next(item["at"] for item in result["timeline"] if item["state"] == "triggered")
    assert verified - triggered > 100
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-15", "R-064", "R-065")
def test_status_page_that_hangs_does_not_age_the_answer(lab: Lab) -> None:
    """The old instance tells its version, then its page never comes: that old answer is no proof that nothing began."""
    lab.up({"faults": {"F-15": {"seconds": 60}}})
    gate = Gate(lab, "m01", "first_status")
    try:
        # Six real seconds are 360 of the meter's: longer than the whole window for a restart.
        result = lab.start(lab.play(ports=gate.ports, timeouts={"connect": 10, "read": 6})).wait()["m01"]
        assert gate.is_reached()
    finally:
        gate.close()
    assert outcome(result) == ("verified", "") and result["restart"] == "observed"
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-16", "R-143")
def test_completed_but_version_unchanged(lab: Lab) -> None:
    """The page says completed, the registers decide."""
    lab.up({"faults": {"F-16": {}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("failed_final", "wrong_version_after")
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("surface", ["a", "b"])
@pytest.mark.requirement("F-18", "R-066", "R-092", "I-c", "I-d")
def test_a_process_failed_once(lab: Lab, surface: str) -> None:
    """From the very beginning again: connect, copy all, trigger, as a second recorded attempt."""
    lab.up({"model": "PM5561", "surface": surface, "faults": {"F-18": {"times": 1}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("verified", "") and result["attempts"]["used"] == 2
    kinds = [item["kind"] for item in lab.events("m01", "ftp_stored", "trigger_accepted", "upgrade_done")]
    assert kinds == ["ftp_stored"] * 3 + ["trigger_accepted", "upgrade_done"] + ["ftp_stored"] * 3 + ["trigger_accepted", "upgrade_done"]
    assert [item.outcome for item in lab.records.attempt_history(lab.serial("m01"))] == ["failed_retryable", "verified"]
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("process", ["communications_card", "webpages"])
@pytest.mark.requirement("F-18", "R-066", "R-092")
def test_a_process_fails_every_time(lab: Lab, process: str) -> None:
    """One retry, then it is final: a limited number is not burnt down."""
    lab.up({"faults": {"F-18": {"process": process}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("failed_final", "upgrade_process_failed") and "Process failed" in result["device_text"]
    assert len(lab.triggers("m01")) == 2
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-18", "R-043", "R-044", "R-066", "G-06")
def test_a_retry_never_spends_the_reserve(lab: Lab) -> None:
    lab.up({"model": "PM5561", "attempts_used": 8, "faults": {"F-18": {}}})
    result = lab.run()["m01"]
    assert outcome(result)[0] == "failed_final" and result["attempts"]["remaining"] == 1
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("disabled", "ftp_server_disabled"), ("space_full", "ftp_no_space"), ("layout", "ftp_layout_unexpected")],
)
@pytest.mark.requirement("F-21", "R-033", "R-055", "R-060")
def test_ftp_troubles_have_codes_of_their_own(lab: Lab, mode: str, reason: str) -> None:
    lab.up({"faults": {"F-21": {"mode": mode}}})
    assert outcome(lab.run()["m01"]) == ("blocked", reason)
    assert not lab.events("m01", "trigger_request")
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-21", "R-059")
def test_files_of_an_earlier_copy_are_replaced(lab: Lab) -> None:
    lab.up({"custom_files": {"/fw/App2.out": "left over", "/fw/PM5560_v2.9.9.fwa": "left over"}})
    assert outcome(lab.run()["m01"]) == ("verified", "")
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("web_master", "role_insufficient"), ("web_denied", "trigger_auth_failed")],
)
@pytest.mark.requirement("F-30", "R-034", "R-035", "R-054", "I-j", "I-c")
def test_account_with_a_lesser_role(lab: Lab, fault: str, reason: str) -> None:
    """Blocked with the reason; at most one refused login for each path; a 401 on the trigger page is no attempt."""
    lab.up({"model": "PM5561", "faults": {"F-30": {"mode": fault}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("blocked", reason)
    assert lab.fleet.meter("m01").state()["attempts"] == 0
    assert lab.records.attempts(lab.serial("m01"), "PM5561", "10.6.3").used == 0
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-30", "R-054", "R-344", "I-j")
def test_wrong_password_is_tried_once(lab: Lab) -> None:
    lab.up({})
    wrong = {"product_master": {"user": "pm", "password": "Canary-99aa-wrong"}}
    result = lab.run(credentials=wrong)["m01"]
    assert outcome(result) == ("blocked", "ftp_auth_failed")
    assert len(lab.events("m01", "ftp_login_failed")) == 1 and not lab.events("m01", "trigger_request")
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("kind", ["html", "non_ascii", "huge"])
@pytest.mark.requirement("F-37", "R-065")
def test_malformed_status_page(lab: Lab, kind: str) -> None:
    """What the page says is unknown then, and the registers alone prove the version."""
    lab.up({"faults": {"F-37": {"where": "status", "kind": kind}}})
    result = lab.run()["m01"]
    assert outcome(result) == ("verified", "") and result["restart"] == "observed"
    assert len(str(result)) < 50_000
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("role", ("verified", "")),
        ("fc43", ("verified", "")),
        ("modbus", ("blocked", "model_unknown")),
        ("all", ("blocked", "model_unknown")),
    ],
)
@pytest.mark.requirement("F-37", "F-40")
def test_malformed_answers_elsewhere(lab: Lab, where: str, expected: tuple[str, str]) -> None:
    """Where the documents do not need the answer the upgrade goes on; else it is blocked before any write. Never a traceback."""
    lab.up({"faults": {"F-37": {"where": where, "kind": "non_ascii"}}})
    run = lab.run()
    result = run["m01"]
    assert "Traceback" not in run.text and "internal error" not in result["msg"]
    assert outcome(result) == expected
    if result["outcome"] == "blocked":
        assert not lab.events("m01", "ftp_stored", "trigger_request")
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        (["1637-1645"], ("blocked", "identity_unreadable")),
        (["1920-1921"], ("blocked", "mid_lock_enabled")),
        (["1824-1829"], ("verified", "")),
    ],
)
@pytest.mark.requirement("F-40", "R-029", "R-047")
def test_unreadable_facts_are_unknown_and_not_passed(lab: Lab, registers: list[str], expected: tuple[str, str]) -> None:
    """No version: blocked. No lock register and no attestation: blocked. No restart counter: the silence proves the restart."""
    lab.up({"model": "PM5561", "fc43": False, "attest": {"mid_lock": None}, "faults": {"F-40": {"registers": registers}}})
    result = lab.run()["m01"]
    assert outcome(result) == expected
    if expected[0] == "blocked":
        assert not lab.events("m01", "ftp_stored", "trigger_request")
        check = next((item for item in result["prechecks"] if item["id"] == "mid_lock_open"), None)
        assert check is None or check["result"] == "unknown"
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-15", "R-064", "R-062")
def test_trigger_answer_cut(lab: Lab) -> None:
    """The connection breaks with the request: it may have been taken, so it counts and is watched."""
    lab.up({"trigger_answer": "cut"})
    assert outcome(lab.run()["m01"]) == ("verified", "")
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-08", "R-038", "R-040", "R-085")
@pytest.mark.parametrize("kind", ["renamed", "changed", "missing", "wrong_model"])
def test_bad_artifact_is_refused_before_contact(lab: Lab, kind: str) -> None:
    """Name, hash, presence and model are judged before the meter hears a single byte (a wrong model: before any write)."""
    lab.up({"vars": {"wanted": "2.9.9"}})
    (archive,) = lab.artifacts.rglob("*.fwa")
    manifest = lab.artifacts / "firmware.yml"
    if kind == "renamed":
        archive.rename(archive.with_name("PM5561_v2.9.9.fwa"))
        manifest.write_text(manifest.read_text().replace("PM5560_v2.9.9.fwa", "PM5561_v2.9.9.fwa"))
    elif kind == "changed":
        archive.write_bytes(archive.read_bytes()[:-1] + b"\0")
    elif kind == "missing":
        archive.unlink()
    else:
        manifest.write_text(manifest.read_text().replace("models:\n  - PM5560", "models:\n  - PM5561"))
    result = lab.run()["m01"]
    assert result["outcome"] == "blocked" and result["reason"].startswith(("artifact_", "target_", "intermediate")), outcome(result)
    seen = lab.events("m01")
    assert seen == [] if kind != "wrong_model" else not [item for item in seen if item["kind"] != "modbus_connect"]
    check_invariants(lab, ["m01"], complete=lab.ledger.exists())
