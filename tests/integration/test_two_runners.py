# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One campaign, two control processes, one ledger in PostgreSQL, and one of the two dies in mid-batch (F-23, F-24, design 4.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faultlab.invariants import WRITES, changes_nothing_again, check_invariants
from faultlab.lab import CAMPAIGN as ONE_METER
from faultlab.lab import until
from runnerkit import SharedLab

CAMPAIGN = "two"
CAP = 10
METERS = [f"m{number:02}" for number in range(1, 41)]


@pytest.fixture
def shared(artifacts: Path, tmp_path: Path, postgres: Any) -> Iterator[SharedLab]:
    lab = SharedLab(artifacts, tmp_path, postgres.url())
    try:
        yield lab
    finally:
        lab.down()


def settings(lab: SharedLab) -> dict[str, Any]:
    """What both processes are told. Who finds no free place waits for one."""
    return {
        "metering_artifacts": str(lab.artifacts),
        "metering_targets": {"PM5560": "2.9.9"},
        "metering_campaign": CAMPAIGN,
        "metering_accept": ["loses_dlf3000"],
        "metering_rollout_batches": [CAP],
        "metering_concurrency": CAP,
        "metering_timing": {"clock_factor": lab.factor, "lease_wait": 60 * lab.factor},
    }


@pytest.mark.needs_debian("postgresql")
@pytest.mark.requirement("F-23", "F-24", "G-18", "R-084", "R-086", "R-089", "R-117")
@pytest.mark.requirement("I-a", "I-b", "I-c", "I-d", "I-e", "I-f", "I-g", "I-h", "I-i", "I-j")
def test_one_campaign_over_two_control_processes(shared: SharedLab) -> None:
    shared.up(*[{"name": name} for name in METERS], factor=60, defaults={"attest": {"management_zone": "lab"}})
    given = settings(shared)
    one = shared.runner("one", "meters[0:19]", **given)
    two = shared.runner("two", "meters[20:39]", **given)

    # Two dies in its first batch: some meters work, some are copied to, some wait for a place.
    until(lambda: sum(1 for name in METERS[20:30] if shared.events(name, "silence_begin")) >= 2, 120, lambda: two.text[-3000:])
    two.kill()
    assert not [name for name in METERS[30:] if shared.events(name, *WRITES)], "its second batch was not touched"
    shared.age_leases(two)
    rest = shared.runner("rest", "meters[20:39]", **given)
    assert one.wait() == 0, one.text[-5000:]
    assert rest.wait() == 0, rest.text[-5000:]
    assert all(len(shared.events(name, "trigger_accepted")) == 1 for name in METERS)
    assert shared.fleet.peaks()["in_progress_max"] > CAP // 2, "they did work at the same time"

    before = shared.fleet.events()[-1]["seq"]
    again = shared.runner("again", "meters", **given)
    assert again.wait() == 0, again.text[-5000:]
    assert not [event for event in shared.fleet.events(after=before) if event["kind"] in WRITES]
    outcomes = again.outcomes()
    assert outcomes.keys() == set(METERS) and set(outcomes.values()) <= {"verified", "verified_late", "current"}, outcomes
    check_invariants(shared, METERS, cap=CAP, campaign=CAMPAIGN)


@pytest.mark.needs_debian("postgresql")
@pytest.mark.requirement("R-043", "F-24", "I-c", "I-g")
def test_the_database_goes_away_while_a_meter_works(shared: SharedLab, postgres: Any) -> None:
    """Nothing is started without it; what was started is watched on and written down when it is back."""
    shared.up({"process_time": 120}, factor=60)
    options = {"records": shared.url}
    postgres.stop()
    try:
        refused = shared.run(**options)
        assert refused["m01"]["error"]["reason"] == "ledger_unreachable" and refused.rc != 0
        assert not shared.events("m01", *WRITES, "ftp_login_ok")
    finally:
        postgres.start()

    run = shared.start(shared.play(**options))
    shared.fleet.meter("m01").wait("silence_begin", 60)
    postgres.stop()
    try:
        shared.fleet.meter("m01").wait("upgrade_done", 60)
    finally:
        postgres.start()
    run.wait(60)
    assert run["m01"]["outcome"] in ("verified", "verified_late"), run.text[-3000:]
    check_invariants(shared, ["m01"], campaign=ONE_METER)
    changes_nothing_again(shared, **options)
