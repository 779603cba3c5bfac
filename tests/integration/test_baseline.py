# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A baseline in the playbooks: checked without contact, with lines; the source of a rollout's targets, for the meters that it is for."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from test_rollout import Site, fleet_of, old

from metersim.testing import Fleet

LATER = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30)
BASELINE = """\
---
metering_baseline:
  applies_to: {hosts: ["hall-*"]}
  firmware:
    PM5560: {minimum: 2.8.3, target: 2.9.9}
  waivers:
    - {control: firmware_target, hosts: [hall-2], reason: waits, approver: ot, expires: "LATER"}
"""


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("baseline")


@pytest.mark.requirement("R-006", "R-116", "invariant-a")
def test_a_baseline_says_where_a_rollout_leads(tmp_path: Path, artifacts: Path) -> None:
    path = tmp_path / "grid.yml"
    path.write_text(BASELINE.replace("LATER", str(LATER)), encoding="utf-8")
    campaign = tmp_path / "campaign.yml"
    campaign.write_text("reason: {kind: security}\ntargets:\n  PM5560: 2.8.9\n", encoding="utf-8")
    meters = [old("hall-1"), {**old("hall-2"), "vars": {"metering_version": "2.8.4"}}, old("yard-1")]
    with Fleet(fleet_of(meters), tmp_path / "fleet") as fleet:
        site = Site(fleet, artifacts)
        none = {"metering_targets": {}}

        checked = site.run("check", "-e", f"@{path}", **none)
        assert checked.code == 0 and ": 0 faults, " in checked.output and "in clear; let a vault keep it" in checked.output
        assert not [event for event in fleet.events() if event.get("meter")], "nothing is contacted"
        wrong = site.run("check", "-e", f"@{path}", metering_campaign_file=str(campaign), **none)
        assert wrong.code == 2 and f"PM5560.target says in {path}:5" in wrong.output and f"in {campaign}:3" in wrong.output

        planned = site.run("plan", "-e", f"@{path}", **none)
        assert planned.code == 0
        plan = json.loads((site.report / "plan.json").read_text(encoding="utf-8"))
        found = {entry["host"]: (entry["state"], entry["target"], entry["status"]) for entry in plan["meters"]}
        assert found["hall-1"][:2] == ("upgrade", "2.9.9") and found["hall-2"][1] == "2.8.4", "a waiver lets it differ"
        assert found["yard-1"][0] == "no_target" and "the baseline is for hall-*" in found["yard-1"][2]

        path.write_text(path.read_text(encoding="utf-8").replace("2.9.9", "2.8.9"), encoding="utf-8")
        stale = site.run("upgrade", "-e", f"@{path}", metering_plan_file=str(site.report / "plan.json"), **none)
        assert stale.code == 2 and "metering_plan_file.targets.PM5560" in stale.output and not site.touched()
