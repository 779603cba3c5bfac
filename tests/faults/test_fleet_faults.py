# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Faults of a fleet: the cap, the settle time, whole batches, killed and rival runs, and the attempts of a meter's life."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from faultlab.abort import kill, worker_of
from faultlab.invariants import changes_nothing_again, check_invariants, spans
from faultlab.lab import CAMPAIGN, Lab, Run, outcome, until

UPGRADE = "gridops.metering.upgrade"


def hosts(number: int) -> list[str]:
    return [f"m{index:02}" for index in range(1, number + 1)]


def upgrade(lab: Lab, **variables: Any) -> Run:
    """Run the collection's own upgrade playbook."""
    attest = {
        "power_source": "uninterrupted",
        "critical_control": False,
        "management_zone": "lab",
        "ip_mode": "stored",
        "by": "test",
        "at": "now",
    }
    extra = {
        "metering_artifacts": str(lab.artifacts),
        "metering_targets": {"PM5560": "2.9.9"},
        "metering_records": str(lab.ledger),
        "metering_campaign": CAMPAIGN,
        "metering_report_dir": str(lab.out / f"report-{len(lab.runs)}"),
        "metering_progress_dir": str(lab.progress_dir),
        "metering_accept": ["loses_dlf3000"],
        "metering_attest": attest,
        **variables,
    }
    return lab.start(UPGRADE, extra=extra).wait(180)


def report(lab: Lab) -> dict[str, Any]:
    """The last report file."""
    folder = lab.out / f"report-{len(lab.runs) - 1}"
    return dict(json.loads((folder / "report.json").read_text(encoding="utf-8")))


# -- the cap and the minute after -----------------------------------------------------------------------------------------


@pytest.mark.requirement("R-084", "R-089", "G-18", "I-a", "I-c", "I-i")
def test_one_at_a_time_by_default(lab: Lab) -> None:
    """Three meters offered at once: each waits for the slot, and for the minute after the one before."""
    lab.up({}, {}, {})
    run = lab.run(timing={"clock_factor": lab.factor, "lease_wait": 1500})
    assert {outcome(run[host]) for host in hosts(3)} == {("verified", "")}
    assert lab.fleet.peaks()["in_progress_max"] == 1
    ordered = sorted(span for host in hosts(3) for span in spans(lab.events(host)))
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(ordered)), ordered
    check_invariants(lab, hosts(3))
    changes_nothing_again(lab)


@pytest.mark.requirement("R-084", "R-089", "G-18", "I-a", "I-i")
def test_six_meters_in_batches_of_three(lab: Lab) -> None:
    lab.up(*[{}] * 6)
    run = lab.run(serial=3, concurrency=3)
    assert {outcome(run[host]) for host in hosts(6)} == {("verified", "")}
    assert 2 <= lab.fleet.peaks()["in_progress_max"] <= 3
    first = max(span[1] for host in hosts(6)[:3] for span in spans(lab.events(host)))
    assert all(span[0] >= first for host in hosts(6)[3:] for span in spans(lab.events(host)))
    check_invariants(lab, hosts(6), cap=3)


@pytest.mark.requirement("R-084", "G-18", "I-a", "I-b", "I-f")
def test_more_workers_than_slots(lab: Lab) -> None:
    """Six workers for two slots that nobody waits for: the rest is blocked untouched, and a rerun goes on."""
    lab.up(*[{}] * 6)
    timing = {"clock_factor": lab.factor, "lease_wait": 1}
    run = lab.run(concurrency=2, timing=timing)
    ends = {host: outcome(run[host]) for host in hosts(6)}
    assert set(ends.values()) <= {("verified", ""), ("blocked", "no_free_slot")}
    done = [host for host, end in ends.items() if end[0] == "verified"]
    assert 2 <= len(done) < 6
    assert not [event for host in set(ends) - set(done) for event in lab.events(host, "ftp_stored", "trigger_request")]
    check_invariants(lab, hosts(6), cap=2)


# -- whole batches --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("F-22", "F-16", "I-f", "I-h")
def test_first_meter_fails(lab: Lab) -> None:
    """The canary runs an old version after a completed upgrade: the rollout stops and the rest is untouched."""
    lab.up({"faults": {"F-16": {}}}, {}, {}, {})
    run = upgrade(lab, metering_rollout_batches=[1, 3], metering_concurrency=3)
    assert run.rc != 0
    canary = [host for host in hosts(4) if lab.events(host, "trigger_request")]
    assert canary == ["m01"]
    kept = lab.records.outcomes(CAMPAIGN)
    assert set(kept) == set(hosts(4)) and kept["m01"]["reason"] == "wrong_version_after"
    counted = report(lab)
    assert "m04" in json.dumps(counted)
    assert run.text.count("failed=1") >= 1 and "unreachable=1" not in run.text
    check_invariants(lab, hosts(4), cap=3, untouched=hosts(4)[1:], complete=False)


@pytest.mark.requirement("F-22", "F-18", "I-f", "I-h")
def test_whole_batch_fails(lab: Lab) -> None:
    """All of the second batch fail: no third batch, and every planned meter is in the report."""
    broken = {"faults": {"F-18": {}}}
    lab.up({}, broken, broken, {}, {})
    run = upgrade(lab, metering_rollout_batches=[1, 2], metering_concurrency=2, metering_gate={"min_success_share": 0.8, "min_sample": 2})
    assert run.rc != 0
    kept = lab.records.outcomes(CAMPAIGN)
    assert {host: row["outcome"] for host, row in kept.items()} == {
        "m01": "verified",
        "m02": "failed_final",
        "m03": "failed_final",
        "m04": "planned",
        "m05": "planned",
    }
    assert set(kept) == set(hosts(5)) and all(host in json.dumps(report(lab)) for host in hosts(5))
    check_invariants(lab, hosts(5), cap=2, untouched=["m04", "m05"], complete=False)


@pytest.mark.requirement("F-22", "F-01", "R-143", "I-f", "I-h")
def test_half_the_batch_silent(lab: Lab) -> None:
    """Silence is an outcome with a reason, never unreachable; the others of the batch finish; the gate stops the rest."""
    silent = {"faults": {"F-01": {}}}
    lab.up({}, silent, {}, silent, {}, factor=120)
    run = upgrade(lab, metering_rollout_batches=[4], metering_concurrency=4, metering_gate={"max_failures": 1})
    kept = {host: (row["outcome"], row["reason"]) for host, row in lab.records.outcomes(CAMPAIGN).items()}
    good, lost = ("verified", ""), ("comms_lost", "comms_lost")
    assert kept == {"m01": good, "m02": lost, "m03": good, "m04": lost, "m05": ("planned", "")}
    assert run.rc != 0 and not [line for line in run.text.splitlines() if "unreachable=" in line and "unreachable=0" not in line]
    check_invariants(lab, hosts(5), cap=4, untouched=["m05"], complete=False)


# -- killed and rival runs --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("F-23", "I-c", "I-d", "I-f", "I-g")
def test_killed_in_mid_batch(lab: Lab) -> None:
    """Killed with the second batch under way: the third is untouched; the rerun reads, goes on and ends complete."""
    lab.up(*[{}] * 5)
    run = lab.start(lab.play(serial=[1, 2, 2], concurrency=2))
    for host in ("m02", "m03"):
        lab.fleet.meter(host).wait("silence_begin", 60)
    workers = [worker_of(lab, host) for host in ("m02", "m03")]
    os.kill(run.process.pid, signal.SIGKILL)
    run.wait()
    kill(workers[0])  # m03's worker lives on and watches
    for host in ("m04", "m05"):
        assert lab.events(host) == []
    rerun = lab.run(serial=[1, 2, 2], concurrency=2, timing={"clock_factor": lab.factor, "lease_wait": 1500})
    assert [rerun[host]["outcome"] for host in hosts(5)][:1] == ["current"]
    assert all(rerun[host]["outcome"] in ("verified", "current") for host in hosts(5))
    assert all(len(lab.events(host, "trigger_accepted")) == 1 for host in hosts(5))
    until(lambda: lab.records.slots_in_use("ftp") == 0, 20, "slots")
    check_invariants(lab, hosts(5), cap=2)
    changes_nothing_again(lab, concurrency=2)


@pytest.mark.requirement("F-24", "R-086", "R-117", "I-a", "I-b", "I-c")
def test_two_runs_at_once(lab: Lab) -> None:
    """The second one is held off by the leases, also where both may run two at a time."""
    lab.up({}, {})
    timing = {"clock_factor": lab.factor, "lease_wait": 1500}
    one = lab.start(lab.play(concurrency=2, timing=timing))
    two = lab.start(lab.play(concurrency=2, timing=timing))
    one.wait(90)
    two.wait(90)
    for host in hosts(2):
        ends = {one[host]["outcome"], two[host]["outcome"]}
        assert ends == {"verified", "current"}, ends
        assert len(lab.events(host, "trigger_accepted")) == 1
        assert len(lab.events(host, "ftp_stored")) == 3
    check_invariants(lab, hosts(2), cap=2, rivals=True)


@pytest.mark.requirement("F-24", "R-086", "R-117", "I-b")
def test_a_second_run_that_does_not_wait_is_refused(lab: Lab) -> None:
    lab.up({"process_time": 600})
    one = lab.start(lab.play())
    lab.fleet.meter("m01").wait("silence_end", 60)
    two = lab.run(timing={"clock_factor": lab.factor, "lease_wait": 0})
    assert outcome(two["m01"]) == ("blocked", "firmware_in_progress")
    one.wait(60)
    assert outcome(one["m01"]) == ("verified", "")
    check_invariants(lab, ["m01"])


# -- the attempts of a meter's life -------------------------------------------------------------------------------------------


def spend(lab: Lab, name: str, number: int, source: str = "10.6.3", since: str = "10.6.3", model: str = "PM5561") -> None:
    """Write attempts of earlier campaigns into the ledger, as runs before would have."""
    records, serial = lab.records, lab.serial(name)
    for dummy in range(number):
        made = records.begin_attempt(serial, model, name, "D-1", "ftp", source, "10.9.9", "", "before", "", "before", {}, since)
        records.mark(made.id, "triggered")
        records.end_attempt(made.id, "failed_final", "upgrade_process_failed")


def refused(lab: Lab, result: dict[str, Any], reason: str, names: Iterable[str] = ("m01",)) -> None:
    """Blocked with this reason, with no login and no request to the trigger page."""
    assert outcome(result) == ("blocked", reason)
    assert not [event for name in names for event in lab.events(name) if event["kind"] not in ("modbus_connect",)]


@pytest.mark.requirement("F-11", "R-043", "R-044", "G-06")
def test_limit_of_ten_reached_in_the_ledger(lab: Lab) -> None:
    lab.up({"model": "PM5561"})
    spend(lab, "m01", 10)
    result = lab.run(attempts_reserve=0)["m01"]
    refused(lab, result, "attempts_exhausted")
    assert result["attempts"] == {"limit": 10, "used": 10, "remaining": 0, "source": "ledger"}


@pytest.mark.parametrize(
    ("used", "reserve", "reason"), [(10, 0, "attempts_exhausted"), (9, 1, "attempts_reserve"), (7, 3, "attempts_reserve")]
)
@pytest.mark.requirement("F-11", "R-043", "R-044")
def test_limit_of_ten_by_attestation_and_reserve(lab: Lab, used: int, reserve: int, reason: str) -> None:
    lab.up({"model": "PM5661", "attempts_used": used})
    refused(lab, lab.run(attempts_reserve=reserve)["m01"], reason)
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("R-043", "R-044", "F-11")
def test_the_tenth_attempt_may_be_spent_on_request(lab: Lab) -> None:
    lab.up({"model": "PM5561", "attempts_used": 9, "faults": {"F-18": {}}})
    result = lab.run(attempts_reserve=0)["m01"]
    assert outcome(result) == ("failed_final", "upgrade_process_failed") and result["attempts"]["remaining"] == 0
    assert lab.fleet.meter("m01").state()["attempts"] == 10
    assert outcome(lab.run(attempts_reserve=0)["m01"]) == ("blocked", "attempts_exhausted")
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.parametrize("how", ["ledger", "attested"])
@pytest.mark.requirement("F-11", "R-154", "R-155")
def test_limit_of_twenty_five(lab: Lab, how: str) -> None:
    """The band of 25 belongs to the webpages: a used-up meter is refused, another one spends one of what it has left."""
    used = 25 if how == "attested" else 0
    meter = {"model": "PM5562", "attempts_used": used}
    lab.up_web(meter, {**meter, "attempts_used": 3})
    if how == "ledger":
        spend(lab, "m01", 25, "4.3.5", "4.3.5", "PM5562")
    run = lab.run(accept=["unverified_profile"])
    refused(lab, run["m01"], "attempts_exhausted")
    assert run["m01"]["attempts"]["limit"] == 25
    assert outcome(run["m02"]) == ("verified", "") and run["m02"]["attempts"]["remaining"] == 21


@pytest.mark.requirement("F-11", "R-043", "G-06", "I-c")
def test_hidden_attempts(lab: Lab) -> None:
    """The owner knew of none, the meter refuses: recorded, told, and believed by every later run."""
    lab.up({"model": "PM5561", "attempts_hidden": 10})
    result = lab.run()["m01"]
    assert outcome(result) == ("attempts_exhausted", "attempts_exhausted")
    assert "used up" in result["device_text"] or "exhausted" in result["device_text"]
    assert [event["why"] for event in lab.events("m01", "trigger_refused")] == ["attempts"]
    assert [item.outcome for item in lab.records.attempt_history(lab.serial("m01"))] == ["attempts_exhausted"]
    again = lab.run()["m01"]
    assert outcome(again) == ("blocked", "attempts_exhausted") and again["attempts"]["remaining"] == 0
    assert len(lab.triggers("m01")) == 1
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("F-11", "R-043", "G-06")
def test_unknown_attempts_block_until_attested(lab: Lab) -> None:
    """The ledger knows nothing and nobody says: blocked. Said once, the ledger remembers it."""
    lab.up({"model": "PM5561", "attempts_used": 2, "attest": {"attempts_used": None}})
    first = lab.run()["m01"]
    refused(lab, first, "attempts_unknown")
    check = next(item for item in first["prechecks"] if item["id"] == "attempts_left")
    assert check["result"] == "unknown" and check["blocking"]
    attest = "{{ metering_attest | combine({'management_zone': 'lab', 'attempts_used': 2}) }}"
    second = lab.run(attest=attest)["m01"]
    assert outcome(second) == ("verified", "") and second["attempts"]["used"] == 3
    assert outcome(lab.run()["m01"]) == ("current", "")
    check_invariants(lab, ["m01"])


@pytest.mark.requirement("R-043", "R-044", "I-f")
def test_check_mode_spends_nothing(lab: Lab) -> None:
    """Plan and prechecks, the attempts left afterwards; no login, no file, no record."""
    lab.up({"model": "PM5561", "attempts_used": 4})
    result = lab.run("--check", "--diff")["m01"]
    assert outcome(result) == ("planned", "") and result["plan"]["attempts_left_after"] == 5
    assert not lab.ledger.exists()
    check_invariants(lab, ["m01"], untouched=["m01"], complete=False)
