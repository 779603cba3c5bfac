# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""meter_firmware in this process against simulated meters, on both surfaces: check mode, upgrade, refusals, and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from firmwarekit import PASSWORD, firmware, meter, play

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from metersim import packages
from metersim.testing import Fleet

# The same upgrade over two surfaces that differ in pages, wording, order, lock values and login: only the profile differs.
SURFACES: dict[str, dict[str, Any]] = {"a": {"surface": "a", "http_auth": "basic"}, "b": {"surface": "b", "http_auth": "digest"}}

METERS: dict[str, dict[str, Any]] = {
    "plain": meter("plain"),
    "lockable": meter("lockable", "PM5561", "10.6.5", attempts_used=1),
    "current": meter("current", version="2.9.9"),
    "locked": meter("locked", "PM5561", "10.6.5", mid_lock=True),
    "exhausted": meter("exhausted", "PM5561", "10.6.5", attempts_used=10),
    "reserve": meter("reserve", "PM5561", "10.6.5", attempts_used=9),
    "unknown-count": meter("unknown-count", "PM5561", "10.6.5", attest={"attempts_used": None}),
    "hidden": meter("hidden", "PM5561", "10.6.5", attempts_used=2, attempts_hidden=8),
    "failing": meter("failing", faults={"F-18": {"process": "webpages"}}),
    "once": meter("once", faults={"F-18": {"process": "webpages", "times": 1}}),
    "no-ftp": meter("no-ftp", ftp=False),
    "full": meter("full", faults={"F-21": {"mode": "space_full"}}),
    "lesser": meter("lesser", faults={"F-30": {"mode": "web_master"}}),
    "ftp-only": meter("ftp-only", faults={"F-30": {"mode": "web_denied"}}),
    "wrong-password": meter(
        "wrong-password", vars={"metering_credentials": {"product_master": {"user": "user2", "password": f"{PASSWORD}-x"}}}
    ),
    "no-path": meter("no-path", "PM5660", "3.2.4"),
    "garbled": meter("garbled", faults={"F-37": {"where": "status", "kind": "html"}}),
}
TARGETS = {"PM5560": "2.9.9", "PM5561": "10.9.9", "PM5660": "6.0.3"}
ENDS = {
    "plain": ("verified", ""),
    "lockable": ("verified", ""),
    "current": ("current", ""),
    "locked": ("blocked", "mid_lock_enabled"),
    "exhausted": ("blocked", "attempts_exhausted"),
    "reserve": ("blocked", "attempts_reserve"),
    "unknown-count": ("blocked", "attempts_unknown"),
    "hidden": ("attempts_exhausted", "attempts_exhausted"),
    "failing": ("failed_final", "upgrade_process_failed"),
    "once": ("verified", ""),
    "no-ftp": ("blocked", "ftp_server_disabled"),
    "full": ("blocked", "ftp_no_space"),
    "lesser": ("blocked", "role_insufficient"),
    "ftp-only": ("blocked", "trigger_auth_failed"),
    "wrong-password": ("blocked", "ftp_auth_failed"),
    "no-path": ("blocked", "path_not_supported"),
    "garbled": ("verified", ""),
}
# What the pages have a part in; the rest is the same whatever they look like.
BY_PAGES = ("plain", "lockable", "current", "locked", "hidden", "failing", "once", "lesser", "ftp-only", "garbled")
WRITES = {"ftp_stored", "ftp_incomplete", "trigger_request", "modbus_write", "ftp_login_ok", "ftp_login_failed", "http_login_failed"}


@pytest.mark.requirement(
    "R-013", "R-030", "R-033", "R-034", "R-043", "R-044", "R-047", "R-054", "R-060", "R-062", "R-066", "R-088", "F-11", "F-12", "F-18",
    "F-21", "F-30", "F-37", "invariant-c", "invariant-e", "invariant-g", "invariant-j",
)  # fmt: skip
@pytest.mark.parametrize("surface", sorted(SURFACES))
def test_the_same_by_profile_alone(surface: str, tmp_path: Path, artifacts: Path) -> None:
    """One play looks in check mode, upgrades, and comes again: for each surface with the same ends."""
    names = [name for name in METERS if surface == "a" or name in BY_PAGES]
    spec = {
        "name": f"surface-{surface}",
        "clock_factor": 60,
        "defaults": {"silence": 60, "process_time": 60, **SURFACES[surface]},
        "meters": [METERS[name] for name in names],
    }
    packages.write(tmp_path / "firmware", [("PM5560", "2.9.9"), ("PM5561", "10.9.9")])
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    models = {name: METERS[name]["model"] for name in names}
    task = firmware("{{ targets[models[inventory_hostname]] }}", tmp_path / "firmware", records, concurrency=10, campaign="two-surfaces")
    more = ["-e", json.dumps({"targets": TARGETS, "models": models}), "--diff"]
    with Fleet(spec, tmp_path) as fleet:
        checked = play(artifacts, fleet.inventory, [task], *more, "--check")
        assert not {event["kind"] for event in fleet.events()} & WRITES, "check mode wrote, triggered or tried a password"
        assert not records.exists(), "check mode made a ledger"
        again = {**task, "when": "task_0.outcome == 'verified'"}
        played = play(artifacts, fleet.inventory, [task, again], *more)
        events = {name: fleet.meter(name).events() for name in names}
        running = {item["name"]: item["firmware"] for item in fleet.meters()}
        serials = {item["name"]: str(item["serial"]) for item in fleet.meters()}
        assert fleet.events("violation") == [] and fleet.events("semaphore_read") == []
        assert fleet.peaks()["in_progress_max"] <= 10 and max(fleet.peaks()["connections_max"].values()) <= 8

    ends = {name: ENDS[name] for name in names}
    upgraded = {name for name, (outcome, _reason) in ends.items() if outcome == "verified"}
    assert {name: (result["outcome"], result["reason"]) for name, result in played.results[0].items()} == ends
    assert {name for name in names if running[name] == TARGETS[models[name]]} == upgraded | {"current"}
    only_then = {"failing", "hidden", "full", "lesser", "ftp-only", "wrong-password"}  # what only a login or the meter can tell
    assert {name for name, result in checked.results[0].items() if result["outcome"] == "planned"} == upgraded | only_then & set(names)
    for name in upgraded:
        result = played.result(name, 0)
        assert (
            result["changed"] and result["restart"] == "observed" and result["after"] == {"version": running[name], "serial": serials[name]}
        )
        assert (played.result(name, 1)["outcome"], played.result(name, 1)["changed"]) == ("current", False)
        assert checked.result(name)["plan"]["files"] == result["plan"]["files"]
    kinds = {name: [event["kind"] for event in events[name]] for name in names}
    for name in names:
        if ends[name][0] == "blocked" and name not in ("ftp-only", "full", "lesser"):
            assert "ftp_stored" not in kinds[name] and "trigger_request" not in kinds[name], name
        assert kinds[name].count("ftp_login_failed") == (name == "wrong-password"), "one try"
    triggers = {name: kinds[name].count("trigger_accepted") for name in names}
    assert triggers == {**dict.fromkeys(names, 0), **dict.fromkeys(upgraded, 1), "once": 2, "failing": 2}
    ledger = open_records(str(records), "tester", read_only=True)
    for name in upgraded | {"failing"}:
        attempts = ledger.attempt_history(serials[name])
        assert len(attempts) == triggers[name] and not any(item.open for item in attempts)
        accepted = [event["real"] for event in events[name] if event["kind"] == "trigger_accepted"]
        assert all(attempt.started < real for attempt, real in zip(attempts, accepted, strict=True))
    assert ledger.verify_chain("two-surfaces").ok and ledger.slots_in_use("ftp") == 0
    for name in ("plain", "once"):
        assert stored(events[name])[:3] == ["www/PM5500StartUpgrade.shtml", "fw/App2.out", "fw/PM5560_v2.9.9.fwa"]


def stored(events: list[dict[str, Any]]) -> list[str]:
    return [event["path"].lstrip("/") for event in events if event["kind"] == "ftp_stored"]


@pytest.mark.requirement("R-030", "R-041", "G-17")
def test_check_mode_and_diff_show_everything_a_person_must_know(tmp_path: Path, artifacts: Path) -> None:
    packages.write(tmp_path / "firmware", [("PM5561", "10.9.9")])
    spec = {"name": "plan", "clock_factor": 60, "meters": [meter("m01", "PM5561", "10.6.5", attempts_used=3)]}
    bare = firmware("10.9.9", tmp_path / "firmware", tmp_path / "records.sqlite3", accept=None, attest=None, profile="pm5000-legacy")
    whole = firmware("10.9.9", tmp_path / "firmware", tmp_path / "records.sqlite3", check_login=True)
    with Fleet(spec, tmp_path) as fleet:
        played = play(artifacts, fleet.inventory, [bare, whole], "--check", "--diff")
        assert [event["kind"] for event in fleet.events() if event["kind"] in WRITES] == ["ftp_login_ok"], "check_login asks once"
    size = sum(path.stat().st_size for path in (tmp_path / "firmware" / "pm5561-10.9.9").iterdir())

    refused = played.result("m01", 0)
    assert refused["outcome"] == "blocked" and refused["needed_accept"] == ["loses_dlf3000"]
    assert "add 'loses_dlf3000' to accept" in refused["msg"]
    stopping = {item["id"] for item in refused["prechecks"] if item["blocking"] and item["result"] in ("fail", "unknown")}
    assert stopping == {"accepted_loses_dlf3000", "management_zone"}, "all at once"

    planned = played.result("m01", 1)
    assert planned["outcome"] == "planned" and planned["changed"]
    assert planned["plan"]["bytes_to_send"] == size and planned["plan"]["attempts_left_after"] == 6
    assert planned["attempts"] == {"limit": 10, "used": 3, "remaining": 7, "source": "attested"}
    assert planned["diff"]["before"] == {"firmware": "10.6.5", "attempts_left": 7}
    assert planned["diff"]["after"]["firmware"] == "10.9.9" and planned["diff"]["after"]["attempts_left"] == 6
    assert [hop["row"] for hop in planned["hops"]] == ["D-1"] and planned["hops"][0]["this_task"]
    assert not any(item["result"] == "unknown" and item["blocking"] for item in planned["prechecks"])
    assert "+attempts_left: 6" in played.output.replace('"', "").replace("    ", "").replace("+ ", "+").replace(",", "")


@pytest.mark.requirement("R-006", "G-01")
def test_without_a_profile_the_version_over_modbus_decides(tmp_path: Path, artifacts: Path) -> None:
    packages.write(tmp_path / "firmware", [("PM5560", "2.9.9")])
    spec = {"name": "no-profile", "clock_factor": 60, "meters": [meter("m01", silence=60, process_time=60)]}
    task = firmware("2.9.9", tmp_path / "firmware", tmp_path / "records.sqlite3", verify_upload="size")
    with Fleet(spec, tmp_path) as fleet:
        document = fleet.inventory.read_text(encoding="utf-8")
        assert "metering_profile:" in document
        fleet.inventory.write_text(document.replace("metering_profile:", "site_note:"), encoding="utf-8")
        result = play(artifacts, fleet.inventory, [task]).result("m01")
        assert not [event for event in fleet.events("http_request") if "Status" in event["path"] or "Session" in event["path"]]
    assert (result["outcome"], result["restart"], result["processes"]) == ("verified", "observed", [])
    assert {item["id"]: item["result"] for item in result["prechecks"]}["role_product_master"] == "attested"
