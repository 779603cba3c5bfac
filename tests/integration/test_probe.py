# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The playbook ``probe`` against simulated meters of both generations; their journals tell what they were asked."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import play

import warmstart
from metersim.testing import Fleet

BIN = Path(sys.executable).parent
PASSWORD = "Canary-probe-61d0"
OLD = {"product_master": {"user": "user2", "password": PASSWORD}, "web_master": {"user": "user1", "password": PASSWORD}}
NEW = {"administrator": {"user": "Administrator", "password": PASSWORD}}
METERS: list[dict[str, Any]] = [
    {"name": "old", "model": "PM5560", "firmware": "2.7.8", "accounts": OLD},
    {"name": "old-b", "model": "PM5561", "firmware": "10.7.3", "surface": "b", "http_auth": "digest", "accounts": OLD},
    {"name": "new", "model": "PM5560", "firmware": "4.3.5", "accounts": NEW, "label": "Feeder seven"},
    {"name": "new-b", "model": "PM5561", "firmware": "12.0.1", "surface": "b", "accounts": NEW},
    {"name": "holes", "model": "PM5560", "firmware": "2.7.8", "fc43": False, "faults": {"F-40": {"registers": ["1637-1645"]}}},
    {"name": "garbled", "model": "PM5560", "firmware": "2.7.8", "faults": {"F-37": {"where": "all"}}, "accounts": OLD},
    {"name": "only-modbus", "model": "PM5560", "firmware": "2.7.8", "services": ["modbus"]},
]
PROFILES = {"old": "pm5000-legacy", "old-b": "pm5000-legacy-b", "new": "pm5000-new", "new-b": "pm5000-new-b", "garbled": "pm5000-legacy"}
# What a meter would tell of somebody who does more than look.
ACTS = {
    "trigger_request", "trigger_accepted", "semaphore_read", "modbus_write", "ftp_login_ok", "ftp_login_failed", "ftp_stored", "web_upload",
    "web_confirm", "settings_written", "attempt_counted", "violation", "http_login_failed", "web_login_failed", "simulator_error",
}  # fmt: skip


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet({"name": "probe", "log_reads": True, "meters": METERS}, tmp_path_factory.mktemp("probe")) as running:
        yield running


def probe(fleet: Fleet, folder: Path, *more: str) -> dict[str, dict[str, Any]]:
    """Run the playbook over all meters; the reports by meter."""
    inventory = yaml.safe_load(fleet.inventory.read_text(encoding="utf-8"))
    for name, variables in inventory["meters"]["hosts"].items():
        variables.pop("metering_profile", None)
        if name in PROFILES:
            variables["metering_profile"] = PROFILES[name]
    own = fleet.folder / "probe-inventory.yml"
    own.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    reports = folder / "probes"
    shutil.rmtree(reports, ignore_errors=True)
    command = [
        str(BIN / "ansible-playbook"),
        "-i",
        str(own),
        "gridops.metering.probe",
        "-e",
        f"metering_report_dir={reports}",
        "-f",
        "7",
        *more,
    ]
    done = warmstart.run(command, env={**os.environ, **warmstart.QUIET}, timeout=120)
    (folder / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stdout[-3000:] + done.stderr[-1000:]
    return {path.stem.removeprefix("probe-"): json.loads(path.read_text(encoding="utf-8")) for path in reports.glob("*.json")}


def by_id(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {item["id"]: (item["holds"], item["seen"]) for item in report["assumptions"]}


@pytest.mark.requirement("R-029", "R-062", "F-37", "F-40")
def test_nobody_signs_in_and_nothing_is_started(fleet: Fleet, artifacts: Path) -> None:
    reports = probe(fleet, artifacts)
    assert set(reports) == {item["name"] for item in METERS}
    found = {name: by_id(report) for name, report in reports.items()}
    assert reports["old"]["generation"] == "old" and reports["new"]["generation"] == "new"
    for name in ("old", "new", "old-b", "new-b"):
        assert found[name]["register.firmware"][0] == "yes" and found[name]["fc43.revision"][0] == "yes"
        assert found[name]["profile.scheme"][0] == "yes"
    assert "Basic" in found["old"]["http.challenge"][1] and "Digest" in found["old-b"]["http.challenge"][1]
    assert found["new"]["http.redirect"][0] == "yes" and found["new-b"]["http.redirect"][0] == "no"
    assert found["new"]["tls.self_signed"][0] == "yes" and "tls.version" not in found["old"]
    assert found["old"]["ftp.banner"][0] == "yes" and "ftp.banner" not in found["new"]
    assert found["holes"]["register.firmware"] == ("no", "exception 2 (illegal data address)")
    assert found["holes"]["fc43.answers"][0] == "no" and found["holes"]["register.serial"][0] == "yes"
    assert found["only-modbus"]["port.http"][0] == "unknown" and "http.login" not in found["only-modbus"]
    assert "register.model" in found["garbled"] or found["garbled"]["modbus.port"][0] == "no"
    kinds = {event["kind"] for event in fleet.events()}
    assert not kinds & (ACTS | {"web_login_ok"}), "somebody signed in, or did more than look"
    text = json.dumps([report["assumptions"] for report in reports.values()])
    for variables in fleet.hosts().values():
        assert variables["ansible_host"] not in text
    for state in fleet.meters():
        assert str(state["serial"]) not in text
    assert "Feeder seven" not in text and PASSWORD not in text


@pytest.mark.requirement("R-062", "R-144", "R-344")
def test_one_login_when_asked(fleet: Fleet, artifacts: Path) -> None:
    before = max((event["seq"] for event in fleet.events()), default=0)
    reports = probe(fleet, artifacts, "-e", "metering_probe_login=true", "-e", "metering_probe_mask=false", "-l", "old,old-b,new,new-b")
    for name in ("old", "old-b", "new", "new-b"):
        found = by_id(reports[name])
        assert found["profile.login"][0] == "yes" and found["profile.role"] == ("yes", "product_master"), (name, found)
        assert found["profile.status"][0] == "yes", (name, found["profile.status"])
        settings = {key: value for key, value in found.items() if key.startswith("profile.setting.")}
        assert (settings or name.startswith("old")) and all(holds == "yes" for holds, _seen in settings.values()), (name, settings)
        assert str(fleet.meter(name).state()["serial"]) == found["register.serial"][1]
    events = fleet.events(after=before)
    assert not {event["kind"] for event in events} & ACTS
    assert [event["meter"] for event in events if event["kind"] == "web_login_ok"].count("new") == 1
    assert PASSWORD not in (artifacts / "output.txt").read_text(encoding="utf-8")


def test_a_profile_that_would_start_an_upgrade_is_refused_before_contact(fleet: Fleet, artifacts: Path) -> None:
    bad = artifacts / "bad.yml"
    document = {"name": "bad", "family": "pm5000", "provenance": "captured", "verified": False}
    document["role_page"] = {"path": "/PM5500StartUpgrade.shtml", "role": "(?P<role>x)", "product_master": ["x"]}  # type: ignore[assignment]
    bad.write_text(yaml.safe_dump(document), encoding="utf-8")
    before = max((event["seq"] for event in fleet.events()), default=0)
    assert probe(fleet, artifacts, "-e", f"metering_profile={bad}", "-l", "old") == {}
    assert "R-062" in (artifacts / "output.txt").read_text(encoding="utf-8")
    assert not fleet.events(after=before)


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_jump_host_sees_the_same(fleet: Fleet, jump_host: Any, artifacts: Path, tmp_path: Path) -> None:
    jumps = tmp_path / "jumps.yml"
    jumps.write_text(yaml.safe_dump({"jumps": {"hosts": {"jump1": jump_host.variables}}}), encoding="utf-8")
    task = {"gridops.metering.meter_probe_info": {"profile": "pm5000-new", "check_login": True, "report_dir": str(artifacts / "reports")}}
    played = play(artifacts, [fleet.inventory, jumps], [task, {**task, "delegate_to": "jump1"}], hosts="new")
    runs = ("register.clock", "register.clock_iec", "register.operation_seconds")
    here, there = (
        {item["id"]: item for item in played.result("new", number)["assumptions"] if item["id"] not in runs} for number in (0, 1)
    )
    assert here == there and here["profile.role"]["holds"] == "yes"
    assert all(Path(name).is_file() for name in played.result("new", 1)["report_files"]), "reports are written on the controller"
