# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""up, status, down, packages as a person uses them; and independence."""

from __future__ import annotations

import ast
import hashlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from metersim.testing import Fleet, FleetError, address_block

ROOT = Path(__file__).parents[1]


def metersim(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "metersim", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def fleet_file(folder: Path, **more: object) -> Path:
    """A small fleet file."""
    path = folder / "fleet.yml"
    spec = {
        "name": "cli",
        "clock_factor": 30,
        "first_address": address_block(),
        "meters": [
            {"name": "m1", "model": "PM5560", "firmware": "2.7.8"},
            {"name": "m2", "model": "PM5561", "firmware": "10.7.3", "attempts_used": 3, "surface": "b"},
            {
                "name": "m3",
                "model": "PM5561",
                "firmware": "10.7.3",
                "mid_lock": True,
                "attest": {"attempts_used": None},
                "vars": {"site": "north"},
            },
            {"name": "m4", "model": "PM5560", "firmware": "4.3.5"},
        ],
        **more,
    }
    path.write_text(yaml.safe_dump(spec))
    return path


def test_up_status_down(tmp_path: Path) -> None:
    path = fleet_file(tmp_path)
    up = metersim("up", path, "--state", "st", "--inventory", "inv/hosts.yml", folder=tmp_path)
    assert up.returncode == 0, up.stderr
    try:
        again = metersim("up", path, "--state", "st", folder=tmp_path)
        assert again.returncode == 1 and "already runs" in again.stderr
        other = metersim("up", path, "--state", "other", folder=tmp_path)
        assert other.returncode == 1 and "cannot listen on" in other.stderr and other.stderr.count("\n") == 1
        status = metersim("status", "--state", "st", folder=tmp_path)
        assert status.returncode == 0 and "m2" in status.stdout and "3/10" in status.stdout
        full = json.loads(metersim("status", "--state", "st", "--json", folder=tmp_path).stdout)
        assert [meter["name"] for meter in full["list"]] == ["m1", "m2", "m3", "m4"]
        _check_inventory(yaml.safe_load((tmp_path / "inv/hosts.yml").read_text()))
    finally:
        down = metersim("down", "--state", "st", folder=tmp_path)
    assert down.returncode == 0, down.stderr
    assert metersim("down", "--state", "st", folder=tmp_path).returncode == 1
    assert metersim("status", "--state", "st", folder=tmp_path).returncode == 1


def _check_inventory(inventory: dict) -> None:  # type: ignore[type-arg]
    group = inventory["meters"]
    assert group["vars"]["metering_timing"] == {"clock_factor": 30}
    assert group["vars"]["ansible_connection"] == "local"
    hosts = group["hosts"]
    assert hosts["m1"]["metering_profile"] == "pm5000-legacy" and hosts["m2"]["metering_profile"] == "pm5000-legacy-b"
    assert hosts["m1"]["metering_credentials"]["product_master"] == {"user": "user2", "password": "pass2"}
    assert "mid_lock" not in hosts["m1"]["metering_attest"] and "attempts_used" not in hosts["m1"]["metering_attest"]
    assert hosts["m2"]["metering_attest"]["mid_lock"] == "unlocked" and hosts["m2"]["metering_attest"]["attempts_used"] == 3
    assert "mid_lock" not in hosts["m3"]["metering_attest"] and "attempts_used" not in hosts["m3"]["metering_attest"]
    assert hosts["m3"]["site"] == "north"
    assert set(hosts["m4"]["metering_credentials"]) == {"administrator", "guest"} and hosts["m4"]["metering_profile"] == "pm5000-new"


def test_bad_file_is_one_line(tmp_path: Path) -> None:
    path = fleet_file(tmp_path, colour="red")
    for word in (path, tmp_path / "missing.yml"):
        done = metersim("up", word, folder=tmp_path)
        assert done.returncode == 1 and done.stderr.startswith("metersim: ") and done.stderr.count("\n") == 1


def test_packages(tmp_path: Path) -> None:
    first = metersim(
        "packages", "fw", "--model", "PM5560", "--version", "2.9.9", "--model", "PM5570", "--version", "3.2.9", folder=tmp_path
    )
    assert first.returncode == 0, first.stderr
    metersim("packages", "fw", "--model", "PM5560", "--version", "2.9.9", "--corrupt", "flip", "--size", "9000", folder=tmp_path)
    metersim("packages", "fw", "--model", "PM5560", "--version", "2.9.9", "--size", "10000", folder=tmp_path)
    entries = yaml.safe_load((tmp_path / "fw/firmware.yml").read_text())["packages"]
    assert [entry["id"] for entry in entries] == ["pm5570-3.2.9-ftp", "pm5560-2.9.9-ftp-flip", "pm5560-2.9.9-ftp"]
    for entry in entries:
        assert [item["role"] for item in entry["files"]] == ["comm_card", "firmware", "trigger_page"]
        for item in entry["files"]:
            raw = (tmp_path / "fw" / item["path"] / item["name"]).read_bytes()
            assert (len(raw), hashlib.sha256(raw).hexdigest()) == (item["size"], item["sha256"])
    bad = metersim("packages", "fw", "--model", "PM1", "--version", "2.9.9", folder=tmp_path)
    assert bad.returncode == 1 and "unknown model" in bad.stderr


def test_helper_reports_why_a_fleet_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="unknown model"), Fleet({"meters": [{"name": "x", "model": "Y", "firmware": "1.0.0"}]}, tmp_path):
        pass


def test_simulator_knows_nothing_of_the_product() -> None:
    """Design 3: two independent readings of the documents must agree."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.split(".")[0] not in ("ansible", "ansible_collections", "plugins"), f"{path}: {name}"


def test_fleet_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from metersim.testing import Fleet\n"
        "fleet = Fleet({'services': ['modbus'], 'meters': [{'name': 'x', 'model': 'PM5560', 'firmware': '2.7.8'}]}, sys.argv[1])\n"
        "fleet.__enter__()\n"
        "print(fleet.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    pid = int(done.stdout)
    until = time.monotonic() + 15
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_other_ports_and_control_port_in_use(tmp_path: Path) -> None:
    ports = {"modbus": 15020, "ftp": 12121, "http": 18080, "https": 18443}
    spec = {"ports": ports, "meters": [{"name": "x", "model": "PM5560", "firmware": "2.7.8"}]}
    with Fleet(spec, tmp_path) as fleet:
        assert fleet.hosts()["x"]["metering_ports"] == ports
        socket.create_connection((fleet.meter("x").state()["address"], 15020), 2).close()
        port = int(fleet.control_url.rsplit(":", 1)[1])
        with pytest.raises(FleetError, match="control endpoint: cannot listen"), Fleet({**spec, "control": {"port": port}}, tmp_path):
            pass
