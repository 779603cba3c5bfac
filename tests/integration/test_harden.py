# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The playbooks audit and harden over a fleet of every mode and generation; the meters' own counters are the witness."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from dlmskit import mcs
from firmwarekit import BIN, ENVIRONMENT

import warmstart
from metersim.testing import Fleet

OLD, NEW = "Cn-old", "Cn-4xY"  # below 4.0.0 a password has six characters
LEGACY, FRESH = "Canary-Old-1", "Canary-New-2"
MARKS = "Canary-marks-of-the-vault"
MOST = ["time_sync", "read", "peak_demand_reset", "comm_config", "full_config", "security_config"]
ADMIN = {"name": "USER2", "permissions": ["read", "security_config"]}
WEB = {"web_programming": True, "lockout_web": 3}


def _hep(name: str, model: str, version: str, mode: str, surface: str = "hep", **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"mode": mode, "settings": {**WEB, **more.pop("settings", {})}, **more}
    if mode == "advanced":
        given["users"] = [
            {"name": "USER1", "password": OLD, "permissions": MOST},
            {"name": "USER3", "password": "1234", "permissions": ["read"]},
        ]
    return {"name": name, "model": model, "firmware": version, "surface": surface, "hep": given}


METERS = [
    _hep("none-2", "PM8000", "2.1.0", "none"),
    _hep("standard-2", "ION9000", "2.4.1", "standard", password="20180101"),
    _hep("advanced-2", "ION7400", "2.1.0", "advanced", "hep-b"),
    _hep("legacy-3", "ION9000", "3.0.0", "legacy_support", password="20200701"),
    _hep("advanced-3", "ION9000T", "3.1.0", "advanced"),
    _hep("legacy-4", "ION7400", "4.0.0", "legacy_support", "hep-b", password="815"),
    _hep(
        "advanced-4",
        "PM8000",
        "4.0.1",
        "advanced",
        "hep-b",
        settings={"ssh": True, "modbus_access": "read_write", "modbus_programming": True},
    ),
    {
        "name": "old-5000",
        "model": "PM5560",
        "firmware": "2.7.8",
        "accounts": {"product_master": {"user": "user2", "password": LEGACY}, "web_master": {"user": "user1", "password": f"{LEGACY}w"}},
    },
    {
        "name": "new-5000",
        "model": "PM5560",
        "firmware": "4.3.5",
        "accounts": {"administrator": {"user": "Administrator", "password": LEGACY}, "guest": {"user": "Guest", "password": f"{LEGACY}g"}},
    },
    mcs("dlms"),
]
PASSWORDS = {
    "hep": {"USER1": NEW, "USER2": f"{NEW[:-1]}Z"},
    "pm5000": {"administrator": FRESH, "guest": f"{FRESH}g", "product_master": f"{FRESH}p", "web_master": f"{FRESH}w"},
}
#: Who signs in before; afterwards it is USER1 with the new password everywhere.
LOGINS = {"none-2": ("USER1", NEW), "standard-2": ("9000", "20180101"), "legacy-3": ("USER1", "20200701"), "legacy-4": ("USER1", "815")}
SOON = str(datetime.now(UTC).date() + timedelta(days=300))
BASELINE: dict[str, Any] = {
    "profile": {"id": "grid", "version": "1", "owner": "ot-security", "valid_until": "2099-12-31"},
    "security": {
        "all": {"update_secret": "always", "accept": ["unverified_profile", "removes_users"]},
        "hep": {
            "mode": "advanced",
            "lockout": {"attempts": {"web": 5, "ion": 5}, "duration": 60},
            "panel_programming": False,
            "modbus": {"access": "read_only", "programming": False},
            "services": {"ftp": False, "telnet": False, "ssh": False},
            "users": [{"name": "USER1", "permissions": MOST}, ADMIN],
            "users_exclusive": True,
        },
        "hep 4": {"web": {"protocol": "https"}},
        # Nobody changes the permissions of the account that signs in, and the factory gave it all that the model has.
        "ION9000": {"users": [{"name": "USER1", "permissions": [*MOST, "test_mode"]}, ADMIN]},
    },
    "waivers": [{"control": "seals", "reason": "seen on site", "approver": "j.doe", "expires": SOON}],
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet({"name": "harden", "clock_factor": 100, "meters": METERS}, tmp_path_factory.mktemp("harden")) as running:
        yield running


def _inventory(fleet: Fleet, folder: Path, **changed: Any) -> Path:
    """The fleet as an operator has it, with the new passwords in the vault; the logins are those from before, and stay as they are."""
    hosts = {}
    for name, given in fleet.hosts().items():
        found = {**given, "metering_passwords": PASSWORDS.get(given.get("metering_family", "pm5000"), {})}
        if given.get("metering_family", "pm5000") == "hep":
            user, secret = LOGINS.get(name, ("USER1", OLD))
            alone = user == "9000"
            found["metering_credentials"] = {"admin": {"user": "USER1", "password": NEW} if alone else {"user": user, "password": secret}}
            if alone:
                found["metering_credentials"]["standard"] = {"user": user, "password": secret}
        hosts[name] = {**found, **changed.get(name, {})}
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"meters": {"hosts": hosts}}), encoding="utf-8")
    return path


def _run(folder: Path, kept: Path, playbook: str, inventory: Path, *words: str, **more: Any) -> tuple[int, str]:
    extra = {
        "metering_baseline": BASELINE,
        "metering_records": str(kept / "records.sqlite3"),
        "metering_report_dir": str(kept / "report"),
        "metering_marks_key": MARKS,
        "metering_hardening_batches": [1, 10],
        "metering_concurrency": 10,
        **more,
    }
    (folder / "extra.yml").write_text(yaml.safe_dump(extra), encoding="utf-8")
    command = [
        str(BIN / "ansible-playbook"),
        "-i",
        str(inventory),
        f"gridops.metering.{playbook}",
        "-e",
        f"@{folder / 'extra.yml'}",
        "-f",
        "5",
        *words,
    ]
    done = warmstart.run(command, env={**os.environ, **ENVIRONMENT}, timeout=300)
    output = done.stdout + done.stderr
    (kept / f"{playbook}.txt").write_text(output, encoding="utf-8")
    assert "Traceback" not in output, output[-3000:]
    assert not any(secret in output for secret in (OLD, NEW, LEGACY, FRESH, MARKS))
    return done.returncode, output


def _audited(kept: Path) -> dict[str, dict[str, str]]:
    """The state of each control of each meter, from the report."""
    found = json.loads((kept / "report" / "audit.json").read_text(encoding="utf-8"))["meters"]
    return {entry["name"]: {item["id"]: item["state"] for item in entry["controls"]} for entry in found}


@pytest.mark.requirement(
    "R-254", "R-289", "R-321", "R-344", "R-376", "R-389", "R-191", "G-18", "R-181", "R-183", "R-184", "R-185", "R-186", "F-26"
)
def test_a_fleet_is_audited_hardened_and_audited_again(fleet, tmp_path, artifacts):
    inventory = _inventory(fleet, tmp_path)
    code, output = _run(tmp_path, artifacts, "audit", inventory, metering_audit_fail_on=[])
    before = _audited(artifacts)
    assert code == 0 and "changed=1" not in output, output[-4000:]
    assert set(before) == {item["name"] for item in METERS}
    assert before["legacy-3"]["mode"] == before["none-2"]["mode"] == "fail" and before["none-2"]["user:USER1"] == "fail"
    assert before["advanced-2"]["ftp"] == "fail" and before["advanced-3"]["ftp"] == "not_applicable"

    wrong = {"metering_credentials": {"admin": {"user": "USER1", "password": f"{OLD[:-1]}!"}}}
    (tmp_path / "wrong").mkdir()
    two = {"metering_hosts": "advanced-2,advanced-3"}
    code, output = _run(tmp_path, artifacts, "harden", _inventory(fleet, tmp_path / "wrong", **{"advanced-2": wrong}), **two)
    assert code != 0 and "pause: " in output, output[-4000:]
    assert fleet.failed_logins() == {"advanced-2": 1}
    assert [user["name"] for user in fleet.meter("advanced-3").state()["users"]] == ["USER1", "USER3"], "the gate let the second one go"

    code, output = _run(tmp_path, artifacts, "harden", inventory)
    after = _audited(artifacts)
    assert code == 0, output[-6000:]
    asked = ("mode", "lockout_web", "lockout_duration", "panel_programming", "modbus_access", "user:USER1", "user:USER2", "password:USER1")
    for name in (item["name"] for item in METERS if "hep" in item):
        assert {after[name][control] for control in asked} == {"pass"}, (name, after[name])
        state = fleet.meter(name).state()
        assert state["mode"] == "advanced" and [user["name"] for user in state["users"]] == ["USER1", "USER2"], name
    assert after["advanced-4"]["web_protocol"] == "pass"
    assert after["new-5000"]["password:administrator"] == after["old-5000"]["password:product_master"] == "pass", after

    code, output = _run(tmp_path, artifacts, "harden", inventory)
    assert code == 0 and "changed=1" not in output, output[-6000:]
    assert _audited(artifacts) == after

    counted = {name: fleet.meter(name).lockouts() for name in after if name in {item["name"] for item in METERS if "hep" in item}}
    assert not any(row["locked"] for rows in counted.values() for row in rows.values()), counted
    assert fleet.failed_logins() == {"advanced-2": 1}, "the one wrong password, once"
    # The short passwords of old firmware have no room for the word that the search over all artifacts knows.
    kept = b"".join(path.read_bytes() for path in artifacts.rglob("*") if path.is_file())
    assert not any(secret.encode() in kept for secret in (OLD, NEW, LEGACY, FRESH, MARKS, "20180101", "20200701"))
