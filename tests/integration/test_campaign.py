# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A campaign as a careful team runs it: chains over methods, waves, windows, pauses, and exactly the plan that was reviewed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_rollout import Site, old
from test_tool import upgrade
from toolkit import ACCOUNTS, ATTEST, Desk

from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.plan import plan_digest
from metersim import packages
from metersim.testing import Fleet

ADMINISTRATOR = {"administrator": {"user": "Administrator", "password": "Canary-campaign-5e2a"}}
DEFAULTS = {"accounts": {**ACCOUNTS, **ADMINISTRATOR}, "attest": ATTEST}
ACCEPT = ["loses_dlf3000", "irreversible", "unverified_profile"]


def fleet_of(meters: list[dict[str, Any]], factor: int = 150) -> dict[str, Any]:
    return {"name": "campaign", "clock_factor": factor, "defaults": DEFAULTS, "meters": meters}


def write_campaign(folder: Path, **keys: Any) -> str:
    """A campaign file; what it says goes before the variables."""
    path = folder / "campaign.yml"
    path.write_text(yaml.safe_dump({"campaign": "autumn", "reason": {"kind": "enhancement"}, "accept": ACCEPT, **keys}), encoding="utf-8")
    return str(path)


def report(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.report / "report.json").read_text(encoding="utf-8")))


def good(site: Site) -> set[str]:
    """Meters that were upgraded; a busy machine makes some of them late on a fast clock."""
    return {host for host, outcome in site.outcomes().items() if outcome in ("verified", "verified_late")}


@pytest.mark.requirement(
    "R-006", "R-009", "R-014", "R-016", "R-018", "R-020", "R-022", "R-084", "R-089", "R-157", "invariant-b", "invariant-g", "invariant-h"
)
def test_chains_over_all_three_methods_end_in_one_report(tmp_path: Path, artifacts: Path) -> None:
    meters = [
        {"name": "chain", "model": "PM5560", "firmware": "2.3.0", "vars": {"metering_version": "4.4.0"}},
        {"name": "two", "model": "PM5560", "firmware": "2.3.0", "vars": {"metering_version": "4.3.5"}},
        {"name": "mid", "model": "PM5561", "firmware": "10.6.3", "attempts_used": 1, "vars": {"metering_version": "12.0.1"}},
        {"name": "c2", "model": "PM5650", "firmware": "2.11.4", "vars": {"metering_version": "4.11.0"}},
        {"name": "never", "model": "PM5660", "firmware": "3.2.4", "vars": {"metering_version": "6.1.0"}},
    ]
    folder = tmp_path / "firmware"
    packages.write(folder, [("PM5560", "2.9.9")], 60_000, methods=("ftp",))
    packages.write(folder, [("PM5560", "4.3.5"), ("PM5650", "4.11.0"), ("PM5561", "12.0.1")], 60_000, methods=("tool",), tool="3.8")
    packages.write(folder, [("PM5560", "4.4.0")], 60_000, methods=("web",))
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site, desk = Site(fleet, artifacts), Desk(fleet, tmp_path / "desk")
        run = site.run(
            "upgrade",
            "-i",
            str(desk.inventory()),
            metering_artifacts=str(folder),
            metering_targets={},
            metering_accept=ACCEPT,
            metering_rollout_batches=[4],
            metering_concurrency=4,
            metering_tool_mode="command",
            metering_tool=desk.options(),
        )
        assert good(site) == {"chain", "two", "mid", "c2"} and site.outcomes()["never"] == "blocked", run.output
        found = {name: [(hop["method"], hop["target"]) for hop in hops] for name, hops in report(site)["hops"].items()}
        assert found == {
            "chain": [("ftp", "2.9.9"), ("tool", "4.3.5"), ("web", "4.4.0")],
            "two": [("ftp", "2.9.9"), ("tool", "4.3.5")],
            "mid": [("tool", "12.0.1")],
            "c2": [("tool", "4.11.0")],
        }
        state = {item["name"]: item["firmware"] for item in fleet.meters()}
        assert state == {"chain": "4.4.0", "two": "4.3.5", "mid": "12.0.1", "c2": "4.11.0", "never": "3.2.4"}
        seen = [event["method"] for event in fleet.meter("chain").events("trigger_accepted")]
        assert len(seen) == 3 and fleet.events("violation") == [] and fleet.meter("never").events("trigger_accepted") == []
        assert run.recap["never"]["failed"] == 1 and run.recap["chain"]["failed"] == 0


def planned(site: Site, **variables: Any) -> dict[str, Any]:
    """The plan as reviewed, kept where a later report does not touch it."""
    run = site.run("plan", **variables)
    assert run.code == 0, run.output
    document = json.loads((site.report / "plan.json").read_text(encoding="utf-8"))
    (site.folder / "reviewed.json").write_text(json.dumps(document), encoding="utf-8")
    return dict(document)


@pytest.mark.requirement("R-116", "R-001", "R-005", "F-36", "invariant-h")
def test_exactly_the_reviewed_plan_is_applied(tmp_path: Path, artifacts: Path) -> None:
    with Fleet(fleet_of([old(f"m{number}") for number in range(1, 6)]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        security = {"kind": "security", "advisories": ["SEVD-2021-068-02"], "text": "fixed in 2.9.9"}
        given = write_campaign(tmp_path, reason=security, batches=[1, 2], concurrency=2, waves=[{"name": "canary", "hosts": ["m3"]}])
        document = planned(site, metering_campaign_file=given)
        assert [wave["name"] for wave in document["waves"]] == ["canary", "rest"] and document["batches"][0] == ["m3"]
        assert "SEVD-2021-068-02" in (site.report / "plan.md").read_text(encoding="utf-8")
        assert fleet.events("ftp_login_ok") == []

        reviewed = {"metering_plan_file": str(site.folder / "reviewed.json")}
        other = site.run("upgrade", **reviewed, metering_plan_digest="0" * 64)
        assert other.code == 2 and "metering_plan_digest" in other.output and fleet.events("ftp_login_ok") == []

        first = site.run("upgrade", "-l", "m1,m2", metering_rollout_batches=[2], metering_concurrency=2, metering_campaign="side")
        assert first.code == 0, first.output
        run = site.run("upgrade", **reviewed, metering_plan_digest=document["digest"], metering_targets={})
        assert good(site) == {"m3", "m4", "m5"}, run.output
        assert site.outcomes()["m1"] == site.outcomes()["m2"] == "current"
        assert report(site)["campaign"] == "autumn" and report(site)["reason"] == security
        assert [row["name"] for row in report(site)["waves"]] == ["canary", "rest"]


@pytest.mark.requirement("R-116", "invariant-f")
def test_a_meter_that_changed_since_the_review_is_left_alone(tmp_path: Path, artifacts: Path) -> None:
    with Fleet(fleet_of([old("m1"), old("m2"), old("m3")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        document = planned(site)
        document["meters"][0]["hops"][0]["source"] = "2.7.7"
        document["meters"][1]["serial"] = "another"
        (site.folder / "reviewed.json").write_text(json.dumps(document), encoding="utf-8")
        touched = site.run("upgrade", metering_plan_file=str(site.folder / "reviewed.json"))
        assert touched.code == 2 and "an unchanged plan" in touched.output and site.touched() == set()
        document["digest"] = plan_digest(document)
        (site.folder / "reviewed.json").write_text(json.dumps(document), encoding="utf-8")
        run = site.run("upgrade", metering_plan_file=str(site.folder / "reviewed.json"))
        rows = report(site)["outcomes"]
        assert {host: (row["outcome"], row["reason"]) for host, row in rows.items() if host != "m3"} == {
            "m1": ("blocked", "plan_stale"),
            "m2": ("blocked", "plan_stale"),
        }
        assert good(site) == {"m3"} and run.code == 2 and site.touched() == {"m3"}


def window(opens: timedelta, length: timedelta) -> dict[str, Any]:
    """A daily window in UTC, relative to now."""
    begin = datetime.now(UTC) + opens
    return {"from": begin.strftime("%H:%M"), "to": (begin + length).strftime("%H:%M"), "zone": "UTC"}


@pytest.mark.requirement("F-25", "F-22", "invariant-f", "invariant-h")
def test_a_campaign_pauses_and_goes_on_where_it_was(tmp_path: Path, artifacts: Path) -> None:
    """Canary with a pause, a closed window, then the rest with fewer forks than meters in the batch."""
    steps: dict[str, Any] = {
        "waves": [{"name": "canary", "size": 1, "on_success": "pause"}, {"name": "rest", "batches": [3]}],
        "concurrency": 3,
    }
    with Fleet(fleet_of([old(f"m{number}") for number in range(1, 5)]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        first = site.run("upgrade", metering_campaign_file=write_campaign(tmp_path, **steps))
        assert site.outcomes() == {"m1": "verified", "m2": "paused", "m3": "paused", "m4": "paused"}, first.output
        assert "wave canary is done and asks for a pause" in first.output and first.code == 2 and site.touched() == {"m1"}

        closed = [window(timedelta(hours=5), timedelta(hours=4))]
        second = site.run("upgrade", metering_campaign_file=write_campaign(tmp_path, **steps, windows=closed))
        assert "the maintenance window is closed; the next one that is long enough opens" in second.output
        assert good(site) == {"m1"} and site.touched() == {"m1"} and second.code == 2

        opened = [window(timedelta(hours=-5), timedelta(hours=10))]
        third = site.run("upgrade", metering_campaign_file=write_campaign(tmp_path, **steps, windows=opened), forks=2)
        assert third.code == 0 and good(site) == {"m1", "m2", "m3", "m4"}, third.output
        assert all(len(fleet.meter(f"m{number}").events("trigger_accepted")) == 1 for number in range(1, 5))


@pytest.mark.requirement("F-36", "F-22", "R-088", "invariant-f")
def test_a_firmware_that_fails_later_is_found_after_the_soak_time(tmp_path: Path, artifacts: Path) -> None:
    meters = [old("m1", faults={"F-36": {"after": 900}}), old("m2")]
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        given = write_campaign(tmp_path, waves=[{"name": "canary", "size": 1, "soak": "20m"}])
        run = site.run("upgrade", metering_campaign_file=given)
        assert site.outcomes() == {"m1": "failed_final", "m2": "skipped_by_abort"}, run.output
        assert report(site)["outcomes"]["m1"]["reason"] == "wrong_version_after" and site.touched() == {"m1"}


@pytest.mark.requirement("R-090", "R-091", "R-092", "R-119", "R-066", "F-14", "F-18", "F-22")
def test_silent_meters_and_second_tries_come_after_the_batch(tmp_path: Path, artifacts: Path) -> None:
    meters = [
        old("good"),
        old("late", faults={"F-14": {"silence": 330}}),
        old("fails-once", faults={"F-18": {"process": "webpages", "times": 1}}),
        old("fails", faults={"F-18": {"process": "webpages"}}),
        old("gone", faults={"F-01": {}}),
    ]
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        site.run("upgrade", metering_rollout_batches=[5], metering_concurrency=5, metering_gate={"min_success_share": 0.2})
        ends = {host: outcome for host, outcome in site.outcomes().items() if host != "good"}
        for name in ("fails-once", "late"):  # how late a meter is, a busy machine cannot tell: 40 s pass in half a second
            assert ends.pop(name) in ("verified", "verified_late"), name
        assert ends == {"fails": "failed_final", "gone": "comms_lost"}
        for name in ("fails-once", "fails"):
            first, second = (event["t"] for event in fleet.meter(name).events("trigger_accepted"))
            assert second - first >= 300, "R-119: five minutes, counted from the last end of any attempt"
        ended = fleet.meter("good").events("upgrade_done")[0]["t"]
        assert all(fleet.meter(name).events("trigger_accepted")[1]["t"] > ended for name in ("fails-once", "fails"))
        assert all(len(fleet.meter(name).events("trigger_accepted")) == 1 for name in ("good", "late", "gone"))


@pytest.mark.requirement("R-071", "R-072", "G-05", "invariant-h")
def test_a_hand_over_rests_until_a_person_is_done(tmp_path: Path, artifacts: Path) -> None:
    """Manual tool: the first batch is handed over and the campaign rests; the next run proves it and goes on with the rest."""
    meters = [{"name": name, "model": "PM5560", "firmware": "2.9.9"} for name in ("m1", "m2")]
    attest = {**ATTEST, "icmp": True, "same_subnet": True}
    folder = tmp_path / "firmware"
    packages.write(folder, [("PM5560", "4.3.5")], 60_000, methods=("tool",), tool="3.8")
    spec: Mapping[str, Any] = {**fleet_of(meters), "defaults": {**DEFAULTS, "attest": attest}}
    with Fleet(dict(spec), tmp_path) as fleet:
        site, desk = Site(fleet, artifacts), Desk(fleet, tmp_path / "desk")
        given = write_campaign(tmp_path, targets={"PM5560": "4.3.5"}, tool_mode="manual", tool={"handover_dir": str(desk.base)})
        variables = {"metering_artifacts": str(folder), "metering_campaign_file": given, "metering_targets": {}, "metering_accept": ACCEPT}
        first = site.run("upgrade", **variables)
        assert site.outcomes() == {"m1": "handed_over", "m2": "paused"} and first.code == 2, first.output
        assert "handed over to a person" in first.output and fleet.events("trigger_accepted") == []
        (config,) = desk.base.rglob("Config.csv")
        upgrade(desk, config.parent.parent, "m1")
        second = site.run("upgrade", **variables)
        assert site.outcomes()["m1"] in ("verified", "verified_late") and site.outcomes()["m2"] == "handed_over", second.output
        assert len(fleet.meter("m1").events("trigger_accepted")) == 1
