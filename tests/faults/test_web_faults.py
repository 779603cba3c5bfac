# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Faults of meters that are upgraded by webpages, on both surfaces; asserted on the meters' own account."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faultlab.invariants import changes_nothing_again, check_invariants
from faultlab.lab import Lab, Run, outcome

HELPER = Path(__file__).resolve().parents[1] / "foreign" / "login_helper.py"
OPTIONS: dict[str, Any] = {"accept": ["unverified_profile"], "concurrency": 10}
TEN_SECONDS = "auxiliary control power"
VERIFIED, LATE = ("verified", ""), ("verified_late", "")


def states(result: dict[str, Any]) -> list[str]:
    return [item["state"] for item in result["timeline"]]


def judged(lab: Lab, run: Run, ends: dict[str, tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """The results, once all ends are as they must be and the invariants hold."""
    results = run.results()
    # Late is what a meter is seen to be: on a busy machine, where 40 s pass in a quarter of a second, also one that came back in time.
    found = {name: outcome(results[name]) for name in ends}
    found = {name: ends[name] if (found[name], ends[name]) == (LATE, VERIFIED) else found[name] for name in ends}
    assert found == ends, run.text[-3000:]
    return results


# While the meter works: time, silence, wrong words. One fleet, one run.
WORKING: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "lost": ({"F-01": {}}, ("comms_lost", "comms_lost")),
    "slow": ({"F-05": {"upload": 10, "process": 3}}, ("verified", "")),
    "stall": ({"F-06": {"seconds": 400}}, ("verified", "")),
    "late": ({"F-14": {"silence": 100}}, ("verified_late", "")),
    "gone": ({"F-14": {"silence": 2000}}, ("comms_lost", "comms_lost")),
    "liar": ({"F-16": {}}, ("failed_final", "wrong_version_after")),
    "readers": ({"F-20": {"mode": "connections"}}, ("failed_final", "web_upgrade_failed")),
    "garbled": ({"F-37": {"where": "status", "kind": "html"}}, ("verified", "")),
    "huge": ({"F-37": {"where": "status", "kind": "huge"}}, ("verified", "")),
}


@pytest.mark.requirement(
    "F-01", "F-05", "F-06", "F-14", "F-16", "F-20", "F-37", "R-142", "R-143", "R-149", "R-150", "G-07", "G-08", "I-b", "I-c",
)  # fmt: skip
def test_while_the_meter_works(lab: Lab) -> None:
    """Each second meter speaks the other surface."""
    meters = [{"name": name, "faults": faults, "surface": "ab"[n % 2]} for n, (name, (faults, dummy)) in enumerate(WORKING.items())]
    lab.up_web(*meters, factor=150)
    results = judged(lab, lab.run(**OPTIONS), {name: end for name, (dummy, end) in WORKING.items()})
    assert "stalled" not in states(results["slow"]), "a slow meter that goes on is not stalled (F-05)"
    assert "stalled" in states(results["stall"]) and "in_progress" in states(results["stall"]), "it stood still, and went on (F-06)"
    assert any("late_resume" in text for text in results["late"]["warnings"])
    assert "stalled" not in states(results["garbled"]), "nobody saw that it stood still"
    for name in ("lost", "gone"):
        assert TEN_SECONDS in results[name]["recovery"] and "10 s" in results[name]["recovery"]
    assert "connections" in results["readers"]["device_text"].lower() or "client" in results["readers"]["device_text"].lower()
    for name in WORKING:
        assert len(lab.events(name, "web_confirm")) == 1, name
    events = [event for name in WORKING for event in lab.events(name) if event["kind"] == "violation"]
    assert [event["what"] for event in events] in ([], ["too_many_connections"]), "only the fault itself did anything forbidden"


@pytest.mark.requirement("F-04", "I-c")
def test_an_upload_that_was_cut_starts_once_more_from_the_beginning(lab: Lab) -> None:
    """A slow clock: the link must be back before the second try, in real time."""
    lab.up_web({"faults": {"F-04": {"after": 30_000, "down": 2}}, "update_time": 60, "restart_silence": 20}, factor=15)
    result = lab.run(**OPTIONS)["m01"]
    assert outcome(result) == ("verified", "") and result["attempts"]["limit"] is None
    assert len(lab.events("m01", "web_upload_incomplete")) == 1 and len(lab.events("m01", "web_upload")) == 1
    assert len(lab.events("m01", "web_confirm")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-06", "R-149", "R-150", "R-151", "G-07", "G-08")
def test_a_meter_that_hangs_is_reported_after_the_hard_timeout_and_waits_for_a_person(lab: Lab) -> None:
    """Stalled, 10 s without power as advice for this method only; the next run asks whether somebody did it, then goes on."""
    lab.up_web({"faults": {"F-06": {"seconds": 0}}}, factor=200)
    hung = lab.run(**OPTIONS)["m01"]
    assert outcome(hung) == ("failed_final", "stalled") and "10 s" in hung["recovery"] and TEN_SECONDS in hung["recovery"]
    lab.fleet.meter("m01").faults({})
    lab.fleet.meter("m01").action("power_cycle", silence=20)
    lab.fleet.meter("m01").wait("restart")
    asked = lab.run(**OPTIONS)["m01"]
    assert outcome(asked) == ("blocked", "recovery_not_attested") and len(lab.events("m01", "web_confirm")) == 1
    attest = "{{ metering_attest | combine({'recovered': true}) }}"
    assert outcome(lab.run(**OPTIONS, attest=attest)["m01"]) == ("blocked", "recovery_not_attested"), "that was said before it hung"
    now = datetime.now(UTC).isoformat()
    attest = f"{{{{ metering_attest | combine({{'recovered': true, 'at': '{now}'}}) }}}}"
    assert outcome(lab.run(**OPTIONS, attest=attest)["m01"]) == ("verified", "")
    assert [item.outcome for item in lab.records.attempt_history(lab.serial("m01"))] == ["failed_final", "verified"]
    check_invariants(lab, ["m01"])
    changes_nothing_again(lab, **OPTIONS, attest=attest)


@pytest.mark.requirement("F-07", "R-145", "R-146", "R-147", "R-148", "G-06")
@pytest.mark.parametrize("surface", ["a", "b"])
def test_a_damaged_image_is_tried_once_more_and_then_goes_to_nobody(lab: Lab, surface: str) -> None:
    """Surface a counts an attempt for each, surface b refuses at the upload and counts none."""
    lab.up_web({"model": "PM5562", "attempts_used": 2, "faults": {"F-07": {}}}, {"model": "PM5562", "attempts_used": 2}, surface=surface)
    run = lab.run(**OPTIONS, serial=1)
    first, second = run["m01"], run["m02"]
    assert outcome(first) == ("failed_final", "artifact_suspect") and first["device_text"]
    assert outcome(second) == ("blocked", "artifact_suspect"), "the second meter is spared (R-148)"
    assert not lab.events("m02", "web_upload", "web_confirm")
    attempts = 2 if surface == "a" else 0
    assert len(lab.events("m01", "attempt_counted")) == attempts and first["attempts"]["used"] == 2 + attempts
    assert not first["recovery"], "no power is taken from a meter that only said no"
    check_invariants(lab, ["m01", "m02"])


@pytest.mark.requirement("F-07", "R-147")
def test_damage_on_the_way_is_healed_by_the_fresh_try(lab: Lab) -> None:
    lab.up_web({"faults": {"F-07": {"times": 1}}})
    result = lab.run(**OPTIONS)["m01"]
    assert outcome(result) == ("verified", "")
    assert [item.reason for item in lab.records.attempt_history(lab.serial("m01"))] == ["image_invalid_or_corrupted", ""]
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-12", "R-047", "R-132", "G-06")
def test_a_lock_closed_after_the_upload_is_the_meters_own_refusal(lab: Lab) -> None:
    lab.up_web({"model": "PM5561", "faults": {"F-12": {"when": "after_upload"}}})
    result = lab.run(**OPTIONS)["m01"]
    assert result["reason"] == "mid_lock_enabled" and not lab.events("m01", "attempt_counted")
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-13", "R-032")
def test_a_meter_that_comes_back_elsewhere_is_found_by_its_serial(lab: Lab) -> None:
    lab.up_web({"ip_mode": "dhcp", "faults": {"F-13": {"address": "127.77.7.9"}}})
    result = lab.run(**OPTIONS, search=["127.77.7.8/29"])["m01"]
    assert outcome(result) == ("comms_lost", "ip_changed") and result["found_at"] == "127.77.7.9"


# TLS and addresses, before and after.
DOORS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str]]] = {
    "old-tls": ({"F-31": {"mode": "tls1.0"}}, {}, ("blocked", "tls_protocol_too_old")),
    "expired-pinned": ({"F-31": {"mode": "expired"}}, {}, ("verified", "")),
    "changed": ({}, {}, ("blocked", "tls_fingerprint_mismatch")),
    "changed-later": ({"F-31": {"mode": "changed_after_upgrade"}}, {}, ("verified", "")),
    "not-pinned": ({}, {"metering_tls": {}}, ("blocked", "tls_untrusted")),
    "moved": ({"F-32": {"mode": "port"}}, {}, ("blocked", "web_port_changed")),
    "closed": ({"F-32": {"mode": "disabled"}}, {}, ("blocked", "web_port_changed")),
    "redirect": ({"F-32": {"mode": "redirect"}}, {}, ("verified", "")),
    "login-html": ({"F-37": {"where": "login", "kind": "html"}}, {}, ("blocked", "web_auth_failed")),
    "upload-html": ({"F-37": {"where": "upload", "kind": "html"}}, {}, ("blocked", "web_not_understood")),
}


@pytest.mark.requirement("F-31", "F-32", "F-37", "R-097", "I-j")
def test_doors_that_are_not_as_expected(lab: Lab) -> None:
    """No password goes through a door that is not the known one; each refusal says what was found."""
    pinned = {}
    lab.up_web(*({"name": name, "faults": faults, "vars": more} for name, (faults, more, dummy) in DOORS.items()), factor=150)
    for name in DOORS:
        pinned[name] = lab.fleet.meter(name).certificate()["fingerprint"]
    lab.fleet.meter("changed").faults({"F-31": {"mode": "changed"}})
    results = judged(lab, lab.run(**OPTIONS), {name: end for name, (dummy, dummy2, end) in DOORS.items()})
    for name in ("old-tls", "changed", "not-pinned", "moved", "closed"):
        assert not lab.events(name, "web_login_ok", "web_login_failed"), name
    assert pinned["not-pinned"] in results["not-pinned"]["text"], "what was seen is shown, so that it can be compared and pinned"
    assert any("tls_fingerprint_mismatch" in text for text in results["changed-later"]["warnings"])
    check_invariants(lab, list(DOORS), cap=10)


@pytest.mark.requirement("F-31")
def test_old_tls_is_allowed_by_name_only_and_reported(lab: Lab) -> None:
    lab.up_web({"faults": {"F-31": {"mode": "tls1.0"}}})
    result = lab.run(**OPTIONS, tls="{{ metering_tls | combine({'legacy': true}) }}")["m01"]
    assert outcome(result) == ("verified", "") and [item["id"] for item in result["findings"]] == ["legacy_tls"]


@pytest.mark.requirement("F-32", "I-j")
def test_a_meter_that_sends_us_elsewhere_gets_no_password(lab: Lab) -> None:
    lab.up_web({"faults": {"F-32": {"mode": "elsewhere"}}}, surface="a")
    result = lab.run(**OPTIONS)["m01"]
    assert result["outcome"] == "blocked" and not lab.events("m01", "web_login_ok", "web_login_failed")


@pytest.mark.requirement("R-090", "R-091", "R-119", "F-14", "I-d")
def test_silent_meters_are_parked_and_looked_at_again(lab: Lab) -> None:
    """The first call leaves them open, the second ends them: one came back meanwhile, one did not."""
    lab.up_web({"faults": {"F-14": {"silence": 700}}}, {"faults": {"F-01": {}}}, {}, factor=150)
    run = lab.run(**OPTIONS, silent="park", retries=0)
    assert [outcome(run[name]) for name in ("m01", "m02", "m03")] == [("not_responding", "not_responding")] * 2 + [("verified", "")]
    assert all(lab.records.open_attempt(lab.serial(name)) for name in ("m01", "m02"))
    lab.fleet.meter("m01").wait("restart")
    again = lab.run(**OPTIONS, silent="park", retries=0)
    assert [outcome(again[name]) for name in ("m01", "m02")] == [("verified_late", ""), ("comms_lost", "comms_lost")]
    assert outcome(again["m03"]) == ("current", "")
    check_invariants(lab, ["m01", "m02", "m03"], cap=10)


@pytest.mark.requirement("R-147", "R-148")
def test_a_package_refused_at_the_upload_may_be_tried_again_by_a_later_call(lab: Lab) -> None:
    lab.up_web({"faults": {"F-07": {"times": 1}}}, {"faults": {"F-07": {}}}, surface="b")
    options = {**OPTIONS, "silent": "park", "retries": 0, "campaign": "faults"}
    first = lab.run(**options, hosts="m01")
    assert outcome(first["m01"]) == ("failed_retryable", "image_invalid_or_corrupted")
    assert outcome(lab.run(**options, retry=True, hosts="m01")["m01"]) == ("verified", "")
    assert outcome(lab.run(**options, hosts="m02")["m02"]) == ("failed_final", "artifact_suspect"), "the second report in this campaign"
    assert outcome(lab.run(**options, retry=True, hosts="m02")["m02"]) == ("blocked", "retry_not_allowed")


@pytest.mark.requirement("F-23", "R-043", "I-c", "I-d")
@pytest.mark.parametrize("event", ["web_upload", "trigger_accepted"])
def test_a_run_killed_in_the_middle_is_ended_by_the_next_one(lab: Lab, event: str) -> None:
    """After the upload nothing was started, and a new upload begins; after the confirmation the next run only looks."""
    lab.up_web({"model": "PM5562", "attempts_used": 2}, factor=120)
    run = lab.start(lab.play(**OPTIONS))
    lab.fleet.meter("m01").wait(event, 40)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    # The orphan of the killed run watches on until the end; the next run waits for it.
    result = lab.run(**OPTIONS, timing={"clock_factor": lab.factor, "lease_wait": 1200})["m01"]
    assert outcome(result) in (("verified", ""), ("current", "")), result["msg"]
    assert len(lab.events("m01", "trigger_accepted")) == 1 and len(lab.events("m01", "attempt_counted")) == 1
    assert [item.outcome for item in lab.records.attempt_history(lab.serial("m01")) if item.state != "not_started"] == ["verified"]
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("R-147", "R-119", "I-c")
def test_a_second_try_is_a_call_of_its_own(lab: Lab) -> None:
    """What may be repeated is passed on; the call with retry waits the documented hold and is the last one."""
    lab.up_web({"faults": {"F-07": {"times": 1}}}, {}, factor=200)
    options = {**OPTIONS, "silent": "park", "retries": 0}
    first = lab.run(**options)
    assert [outcome(first[name]) for name in ("m01", "m02")] == [("failed_retryable", "image_invalid_or_corrupted"), ("verified", "")]
    second = lab.run(**options, retry=True)
    assert outcome(second["m01"]) == ("verified", "") and outcome(second["m02"]) == ("current", "")
    ends = [event["t"] for name in ("m01", "m02") for event in lab.events(name, "upgrade_done")]
    confirms = [event["t"] for event in lab.events("m01", "web_confirm")]
    assert confirms[1] - max(end for end in ends if end < confirms[1]) >= 300, "not before 300 s after the last end (R-119)"
    lab.fleet.meter("m01").action("set_firmware", version="4.3.5")
    assert outcome(lab.run(**options, retry=True, hosts="m01")["m01"]) == ("blocked", "retry_not_allowed")


@pytest.mark.requirement("R-116", "I-f")
def test_what_was_not_reviewed_is_not_done(lab: Lab) -> None:
    lab.up_web({}, {}, {})
    expect = {"m01": {"serial": "1"}, "m02": {"versions": ["4.0.0"]}, "m03": {"artifact": "0" * 64}}
    lab.play()
    run = lab.start(lab.play(**OPTIONS, expect="{{ expected[inventory_hostname] }}"), extra={"expected": expect}).wait()
    for name in expect:
        assert outcome(run[name]) == ("blocked", "plan_stale") and not lab.events(name, "web_login_ok", "web_upload")


@pytest.mark.requirement("F-26", "R-135", "I-e")
def test_a_login_that_no_profile_can_describe_is_done_by_the_operators_helper(lab: Lab) -> None:
    profiles = {name: with_helper(lab.tmp, name) for name in ("pm5000-new", "pm5000-new-b")}
    listed: list[dict[str, Any]] = [
        {"surface": "a", "vars": {"pages": profiles["pm5000-new"]}},
        {"surface": "b", "vars": {"pages": profiles["pm5000-new-b"]}},
        {"surface": "a", "vars": {"pages": profiles["pm5000-new"], "metering_login_helper": ["false"]}},
    ]
    lab.up_web(*({**item, "web_login": "handshake"} for item in listed))
    argv = f"{{{{ metering_login_helper | default(['{sys.executable}', '{HELPER}']) }}}}"
    run = lab.run(**OPTIONS, web_profile="{{ pages }}", login_helper=argv)
    assert [outcome(run[name]) for name in ("m01", "m02", "m03")] == [("verified", "")] * 2 + [("blocked", "login_helper_failed")]
    check_invariants(lab, ["m01", "m02", "m03"], cap=10)


def with_helper(folder: Path, name: str) -> str:
    """A shipped profile whose login is left to a helper."""
    text = (Path(__file__).resolve().parents[2] / "plugins/module_utils/_engine/profiles/data" / f"{name}.yml").read_text(encoding="utf-8")
    before, after = text.split("\nlogin:\n", 1)
    rest = after[after.index("\nlogout:") :] if "\nlogout:" in after else after[after.index("\nrole_page:") :]
    path = folder / f"{name}-helper.yml"
    path.write_text(f"{before}\nlogin: {{kind: helper}}{rest}", encoding="utf-8")
    return str(path)


@pytest.mark.requirement("F-13", "R-032")
def test_a_lost_meter_that_was_replaced_is_upgraded_once_somebody_says_so(lab: Lab) -> None:
    lab.up_web({"faults": {"F-01": {}}}, {})
    assert outcome(lab.run(**OPTIONS, hosts="m01")["m01"]) == ("comms_lost", "comms_lost")
    old, new = lab.serial("m01"), lab.fleet.meter("m02")
    there: dict[str, Any] = {
        "hosts": "m01",
        "host": str(new.state()["address"]),
        "tls": {"fingerprint": new.certificate()["fingerprint"]},
    }
    stranger = lab.run(**OPTIONS, **there)["m01"]
    assert outcome(stranger) == ("blocked", "serial_mismatch") and f"replaces: {old}" in stranger["text"]
    assert not lab.events("m02", "web_login_ok", "web_upload")
    attest = f"{{{{ metering_attest | combine({{'replaces': '{old}'}}) }}}}"
    assert outcome(lab.run(**OPTIONS, **there, attest=attest)["m01"]) == ("verified", "")
    assert outcome(lab.run(**OPTIONS, **there)["m01"]) == ("current", ""), "it is said once"
