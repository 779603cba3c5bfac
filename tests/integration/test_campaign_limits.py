# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A part of a campaign through a jump host, then the rest of it; and an aborted campaign, which stays aborted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from test_campaign import fleet_of, report, write_campaign
from test_rollout import Site, old

from metersim.testing import Fleet

CANARY = {"name": "canary", "hosts": ["m3"], "on_success": "pause"}
GOOD = {"verified", "verified_late"}


@pytest.mark.requirement("F-24", "R-089", "G-18", "invariant-a", "invariant-b", "invariant-h")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_limited_run_through_a_jump_host_and_then_the_rest(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    jumps = tmp_path / "jumps.yml"
    jumps.write_text(yaml.safe_dump({"jumps": {"hosts": {"gateway": jump_host.variables}}}), encoding="utf-8")
    given = write_campaign(tmp_path, waves=[CANARY], batches=[2], concurrency=2)
    with Fleet(fleet_of([old("m1"), old("m2"), old("m3"), old("m4")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        limited = site.run("upgrade", "-i", str(jumps), "-l", "m4", "-vvv", metering_campaign_file=given, metering_jump_host="gateway")
        assert limited.code == 0 and set(limited.recap) >= {"m4"}, limited.output
        assert "ESTABLISH SSH CONNECTION" in limited.output and site.touched() == {"m4"}
        assert set(site.outcomes()) == {"m4"} and site.outcomes()["m4"] in GOOD

        rest = site.run("upgrade", forks=1, metering_campaign_file=given)
        assert site.touched() == {"m3", "m4"} and "wave canary is done and asks for a pause" in rest.output
        found = site.outcomes()
        assert {found["m3"], found["m4"]} <= GOOD and found["m1"] == found["m2"] == "paused" and rest.code == 2

        mine = site.run("upgrade", "-l", "m2", metering_campaign_file=given)
        found = site.outcomes()
        assert mine.code == 0 and found["m2"] in GOOD and found["m1"] not in GOOD, "told in the report, and no failure of this run"
        assert len(found) == 4 and report(site)["campaign"] == "autumn" and report(site)["journal"]["ok"]
        assert all(len(fleet.meter(name).events("trigger_accepted")) == 1 for name in ("m2", "m3", "m4"))
        assert fleet.events("violation") == []


@pytest.mark.requirement("F-16", "F-22", "invariant-f")
def test_an_aborted_campaign_stays_aborted(tmp_path: Path, artifacts: Path) -> None:
    given = write_campaign(tmp_path)
    with Fleet(fleet_of([old("m1", faults={"F-16": {}}), old("m2")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        first = site.run("upgrade", metering_campaign_file=given)
        assert first.code == 2 and site.outcomes()["m2"] == "skipped_by_abort", first.output
        again = site.run("upgrade", metering_campaign_file=given)
        assert again.code == 2 and "this campaign was aborted" in again.output and site.touched() == {"m1"}
        assert len(fleet.meter("m1").events("trigger_accepted")) == 1
