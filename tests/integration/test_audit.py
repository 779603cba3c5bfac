# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The playbook audit over a mixed fleet, good, bad and silent meters together: what it says, and what the meters saw of it."""

from __future__ import annotations

import datetime
import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dlmskit import OLD, PARTS, mcs
from firmwarekit import BIN, ENVIRONMENT

import warmstart
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import document as doc
from metersim.testing import Fleet

SECRET, MARKS = "Canary-audit-27", "Canary-marks-audit"
USERS = [
    {"name": "USER1", "password": SECRET, "permissions": ["read", "full_config", "security_config"]},
    {"name": "USER2", "password": f"{SECRET}x", "permissions": ["read"]},
]
MODBUS = {"model": "PM5560", "services": ["modbus"]}
METERS: list[dict[str, Any]] = [
    {"name": "hep-0", "model": "ION9000", "firmware": "4.0.0", "hep": {"mode": "advanced", "users": USERS}},
    {"name": "hall-1", "firmware": "4.3.5", **MODBUS},
    {"name": "hall-2", "firmware": "2.5.4", **MODBUS},
    {"name": "hall-3", "firmware": "2.8.3", **MODBUS},
    {"name": "other-1", "firmware": "2.5.4", **MODBUS},
    {"name": "mute-1", "firmware": "4.3.5", "model": "PM5560", "services": ["modbus"], "faults": {"F-13": {}}},
    {
        "name": "hep-1",
        "model": "ION9000",
        "firmware": "4.0.0",
        "hep": {"mode": "advanced", "users": USERS, "settings": {"web_programming": True, "lockout_web": 3}},
    },
    {"name": "hep-2", "model": "PM8000", "firmware": "4.0.0", "hep": {"mode": "legacy_support", "password": "815"}},
    mcs("dlms-1"),
]
BASELINE = """\
metering_baseline:
  profile: {id: grid, version: "7", owner: ot-security}
  applies_to:
    hosts: ["hall-*", "hep-*", "dlms-*", "mute-*"]
  firmware:
    PM5560:
      minimum: 2.8.3
      target: 4.3.5
    ION9000: {minimum: 4.0.0}
    mcs301:
      components:
        "0": {approved: ["METROLOGY"]}
        "1": {approved: ["APPLICATION"]}
  security:
    hep:
      mode: advanced
      lockout:
        attempts: {web: 5}
      web: {programming: true}
      users:
        - {name: USER2, permissions: [read]}
    mcs301:
      policy: authenticated_encrypted
  attested:
    - {control: seals, hosts: ["hep-*"], by: j.doe, at: "DAY", text: A-17}
  waivers:
    - {control: firmware_target, hosts: [hall-3], reason: is exchanged, approver: j.doe, expires: "LATER"}
"""
WRITES = (
    "setting_written",
    "mode_changed",
    "password_changed",
    "user_added",
    "user_changed",
    "user_removed",
    "settings_written",
    "set",
    "policy",
)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet({"name": "audit", "clock_factor": 100, "meters": METERS}, tmp_path_factory.mktemp("audit")) as running:
        yield running


def _baseline(folder: Path) -> Path:
    """The baseline beside the inventory, as a file of variables of all meters."""
    today = datetime.datetime.now(datetime.UTC).date()
    text = BASELINE.replace("DAY", str(today - datetime.timedelta(days=3))).replace("LATER", str(today + datetime.timedelta(days=90)))
    path = folder / "group_vars" / "meters" / "baseline.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("METROLOGY", PARTS[0]).replace("APPLICATION", OLD), encoding="utf-8")
    return path


def _inventory(fleet: Fleet, folder: Path, order: list[str] | None = None) -> Path:
    hosts = fleet.hosts()
    hosts["hep-1"]["metering_credentials"] = {"admin": {"user": "USER1", "password": SECRET}}
    hosts["hep-1"]["metering_profile"] = "hep"
    # The first meter of all: its task cannot even begin.
    hosts["hep-0"] = {
        **hosts["hep-1"],
        "ansible_host": hosts["hep-0"]["ansible_host"],
        "metering_credentials": "{{ vault_that_nobody_opened }}",
    }
    for name in ("hep-2", *(name for name in hosts if name.startswith(("hall", "other", "mute")))):
        hosts[name].pop("metering_credentials", None)
        hosts[name].pop("metering_profile", None)
        hosts[name].pop("metering_security_profile", None)
    hosts["mute-1"]["ansible_host"] = "127.255.255.254"
    path = folder / "hosts.yml"
    path.write_text(
        yaml.safe_dump({"meters": {"hosts": {name: hosts[name] for name in order or hosts}}}, sort_keys=False), encoding="utf-8"
    )
    return path


def _run(inventory: Path, kept: Path, *words: str, playbook: str = "audit", **extra: Any) -> tuple[int, str]:
    given = {"metering_records": str(inventory.parent / "records.sqlite3"), "metering_marks_key": MARKS, **extra}
    file = inventory.parent / "extra.yml"
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    command = [str(BIN / "ansible-playbook"), "-i", str(inventory), f"gridops.metering.{playbook}", "-e", f"@{file}", "-f", "5", *words]
    done = warmstart.run(command, env={**os.environ, **ENVIRONMENT}, timeout=300)
    output = done.stdout + done.stderr
    (kept / f"{playbook}-{len(list(kept.glob('*.txt')))}.txt").write_text(output, encoding="utf-8")
    assert "Traceback" not in output and SECRET not in output and MARKS not in output, output[-3000:]
    return done.returncode, output


def _meters(folder: Path) -> dict[str, doc.Meter]:
    return {meter["name"]: meter for meter in json.loads((folder / "audit.json").read_text(encoding="utf-8"))["meters"]}


def _state(meter: Mapping[str, Any], control: str) -> str:
    return next(item["state"] for item in meter["controls"] if item["id"] == control)


def _find(meter: Mapping[str, Any], control: str) -> dict[str, Any]:
    return next(item for item in meter["controls"] if item["id"] == control)


@pytest.mark.requirement("R-254", "R-300", "R-233", "R-213", "X-09", "X-10", "R-029")
def test_a_mixed_fleet_is_audited_without_touching_it(fleet: Fleet, tmp_path: Path, artifacts: Path) -> None:
    baseline = _baseline(tmp_path)
    inventory = _inventory(fleet, tmp_path)
    lines = baseline.read_text(encoding="utf-8").splitlines()

    # In check mode nobody signs in with a password that never worked, and no scan is recorded.
    code, output = _run(inventory, artifacts, "--check", metering_report_dir=str(artifacts / "check"), metering_audit_fail_on=[])
    assert code == 0 and "changed=1" not in output, output[-4000:]
    assert not fleet.meter("hep-1").events("login_ok") and _state(_meters(artifacts / "check")["hep-1"], "user:USER2") == "unknown"
    ledger = str(tmp_path / "records.sqlite3")
    assert open_records(ledger, "test", read_only=True).audits.scans() == []

    code, output = _run(inventory, artifacts, metering_report_dir=str(artifacts / "report"))
    found = _meters(artifacts / "report")
    assert code == 2, output[-4000:]
    verdicts = {name: meter["verdict"] for name, meter in found.items()}
    assert verdicts == {
        "hall-1": "compliant", "hall-2": "drift", "hall-3": "compliant", "other-1": "unknown", "mute-1": "unknown", "hep-1": "drift",
        "hep-0": "unknown", "hep-2": "unknown", "dlms-1": "drift",
    }  # fmt: skip
    failed = {line.split(":")[0] for line in output.splitlines() if "failed=1" in line.replace(" ", "")}
    assert {name.strip() for name in failed} == {name for name, verdict in verdicts.items() if verdict != "compliant"}
    assert "lockout_web" in output and "3 of them are looked at" not in output

    # Each finding has the line that set what is wanted, of a silent meter that of the inventory.
    target = _find(found["hall-2"], "firmware_target")
    assert (target["want"], target["have"]) == ("4.3.5", "2.5.4") and target["fix"]["playbook"] == "gridops.metering.upgrade"
    assert Path(target["location"]["file"]).name == "baseline.yml" and "target: 4.3.5" in lines[target["location"]["line"] - 1]
    assert _state(found["hall-3"], "firmware_target") == "waived" and "waivers" not in _find(found["hall-3"], "firmware_target")["text"]
    assert "firmware_target" in lines[_find(found["hall-3"], "firmware_target")["location"]["line"] - 1]
    assert found["mute-1"]["reason"] == "transport_failed" and Path(found["mute-1"]["location"]["file"]).name == "hosts.yml"
    assert _state(found["other-1"], "covered") == "unknown" and found["other-1"]["summary"]["unknown"] == 1

    # What only a login shows, where there is one; elsewhere it stays unknown.
    assert _state(found["hep-1"], "lockout_web") == "fail" and _state(found["hep-1"], "seals") == "attested"
    assert _state(found["hep-1"], "user:USER2") == "pass" and _state(found["hep-2"], "user:USER2") == "unknown"
    assert _find(found["hep-1"], "lockout_web")["fix"]["task"]["gridops.metering.meter_security"] == {"lockout": {"attempts": {"web": 5}}}
    assert _state(found["hep-0"], "mode") == "unknown" and "vault_that_nobody_opened" in _find(found["hep-0"], "mode")["text"]
    assert _state(found["hep-2"], "lockout_web") == _state(found["hep-2"], "mode") == "unknown"
    assert _state(found["dlms-1"], "component:0") == _state(found["dlms-1"], "component:1") == "pass"
    assert _state(found["dlms-1"], "policy") == "fail"

    # What the meters saw: nothing was written anywhere, one login by the closer look, none at those without one.
    for name in found:
        assert not [event for event in fleet.meter(name).events() if event["kind"] in WRITES], name
    assert {event["user"] for event in fleet.meter("hep-1").events("login_ok")} == {"USER1"} and not fleet.failed_logins()
    assert not fleet.meter("hep-2").events("login_ok") and not fleet.meter("dlms-1").events("auth_failed")

    # The records know of it, and a second audit in another order gives the same bytes.
    whole = json.loads((artifacts / "report" / "audit.json").read_text(encoding="utf-8"))
    records = open_records(ledger, "test")
    assert [scan["digest"] for scan in records.audits.scans()] == [whole["digest"]] and records.verify_chain("audit").ok
    assert set(records.audits.last_seen(found)) == set(found) - {"mute-1"}
    order = list(found)
    random.Random(4).shuffle(order)
    code, output = _run(
        _inventory(fleet, tmp_path, order), artifacts, metering_report_dir=str(artifacts / "again"), metering_read_concurrency=2
    )
    again, before = (json.loads((artifacts / name / "audit.json").read_text(encoding="utf-8")) for name in ("again", "report"))
    for document in (again, before):  # the places of the meters are lines of an inventory in another order
        for meter in document["meters"]:
            meter.pop("location")
            [item.pop("location") for item in meter["controls"] if item["id"] == "firmware_readable" and "location" in item]
        document.pop("digest")
    assert again == before and len(records.audits.scans()) == 2
    code, output = _run(inventory, artifacts, "-v", metering_hosts="hall-1:hall-3")
    assert code == 0 and "compliant: 2 meters: 2 compliant" in output and len(records.audits.scans()) == 3
    temporary = set(re.findall(r"[^\"' ]*metering-audit-\w+", output))
    assert temporary and not any(Path(folder).exists() for folder in temporary), "nobody asked to keep it"

    kept = b"".join(path.read_bytes() for path in artifacts.rglob("*") if path.is_file())
    assert SECRET.encode() not in kept and MARKS.encode() not in kept


def test_two_baselines_in_one_audit_are_refused(fleet: Fleet, tmp_path: Path, artifacts: Path) -> None:
    _baseline(tmp_path)
    inventory = _inventory(fleet, tmp_path)
    hosts = yaml.safe_load(inventory.read_text(encoding="utf-8"))
    hosts["meters"]["hosts"]["hall-2"]["metering_baseline"] = {"firmware": {"PM5560": {"minimum": "2.8.3"}}}
    inventory.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    code, output = _run(inventory, artifacts, metering_hosts="hall-1:hall-2")
    assert code != 0 and "one baseline for all meters of a run" in output, output[-3000:]


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_the_pass_may_run_on_a_jump_host(fleet: Fleet, jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    """The jump host reads; it is judged here, and comes to the same."""
    _baseline(tmp_path)
    inventory = _inventory(fleet, tmp_path)
    hosts = yaml.safe_load(inventory.read_text(encoding="utf-8"))
    hosts["ways"] = {"hosts": {"jump1": jump_host.variables}}
    inventory.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    more = {"metering_jump_host": "jump1", "metering_hosts": "hall-2:mute-1:dlms-1", "metering_audit_fail_on": ["compliant"]}
    code, output = _run(inventory, artifacts, metering_report_dir=str(artifacts / "far"), **more)
    assert code == 0, output[-4000:]
    found = _meters(artifacts / "far")
    assert {name: meter["verdict"] for name, meter in found.items()} == {"hall-2": "drift", "mute-1": "unknown", "dlms-1": "drift"}
    assert _state(found["dlms-1"], "policy") == "fail" and _state(found["hall-2"], "firmware_target") == "fail"
    assert "Accepted publickey" in (jump_host.folder / "sshd.log").read_text(encoding="utf-8")
