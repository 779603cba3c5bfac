# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A part of a campaign, through a jump host; an aborted campaign, which stays aborted; and names that nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_campaign import fleet_of, report, write_campaign
from test_rollout import Site, old

from metersim.testing import Fleet

CANARY = {"name": "canary", "hosts": ["m3"], "on_success": "pause"}
GOOD = {"verified", "verified_late"}


@pytest.mark.requirement("F-24", "R-089", "G-18", "invariant-a", "invariant-b", "invariant-h")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_after_a_pause_a_part_goes_on_through_a_jump_host(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    jumps = tmp_path / "jumps.yml"
    jumps.write_text(yaml.safe_dump({"jumps": {"hosts": {"gateway": jump_host.variables}}}), encoding="utf-8")
    given = write_campaign(tmp_path, waves=[CANARY], batches=[2], concurrency=2)
    with Fleet(fleet_of([old("m1"), old("m2"), old("m3")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        first = site.run("upgrade", forks=1, metering_campaign_file=given)
        found = site.outcomes()
        assert found["m3"] in GOOD and found["m1"] == found["m2"] == "paused" and first.code == 2, first.output
        assert site.touched() == {"m3"} and "wave canary is done and asks for a pause" in first.output

        jump = {"metering_jump_host": "gateway", "metering_campaign_file": given}
        limited = site.run("upgrade", "-i", str(jumps), "-l", "m2", "-vvv", **jump)
        found = site.outcomes()
        assert limited.code == 0 and "m1" not in limited.recap, "a meter that this run was not asked for is no failure of this run"
        assert {found["m2"], found["m3"]} <= GOOD and found["m1"] not in GOOD and len(found) == 3, limited.output
        assert "ESTABLISH SSH CONNECTION" in limited.output and site.touched() == {"m2", "m3"}
        assert report(site)["campaign"] == "autumn" and report(site)["journal"]["ok"]
        assert all(len(fleet.meter(name).events("trigger_accepted")) == 1 for name in ("m2", "m3")) and fleet.events("violation") == []


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


@pytest.mark.requirement("F-22", "R-089")
@pytest.mark.parametrize("keys", [{"waves": [{"name": "canary", "hosts": ["m33"]}]}, {"topology": {"ring": ["m1", "m33"]}}])
def test_a_meter_that_nobody_knows_is_refused_before_contact(keys: dict[str, Any], tmp_path: Path, artifacts: Path) -> None:
    """A mistyped canary would leave its wave empty, and everything else would start at once."""
    with Fleet(fleet_of([old("m1"), old("m2")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        run = site.run("upgrade", metering_campaign_file=write_campaign(tmp_path, **keys))
        assert run.code == 2 and "m33" in run.output and "inventory" in run.output and fleet.events() == []
