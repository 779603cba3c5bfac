# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""``meter_fleet_info`` and the live inventory plugin against simulated meters, good and bad ones together."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import warmstart
from keeping import keep, write_book
from metersim.testing import Fleet, address_block

BIN = Path(sys.executable).parent
PASSWORD = "Canary-9e41-fleet"

METERS: list[dict[str, Any]] = [
    {"name": "bulk[01:20]", "model": "PM5560", "firmware": "2.5.4", "services": ["modbus"], "log_reads": True},
    {"name": "other", "model": "PM5661", "firmware": "11.0.2", "services": ["modbus"], "mid_lock": True},
    {"name": "slow", "model": "PM5560", "firmware": "2.9.9", "services": ["modbus"], "latency": 30},
    {
        "name": "holes",
        "model": "PM5560",
        "firmware": "2.5.4",
        "services": ["modbus"],
        "fc43": False,
        "faults": {"F-40": {"registers": ["1-6000"]}},
    },
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet({"name": "fleet", "first_address": address_block(), "meters": METERS}, tmp_path_factory.mktemp("fleet")) as running:
        yield running


def run(folder: Path, name: str, *command: str) -> str:
    env = {**os.environ, **warmstart.QUIET, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1"}
    done = warmstart.run([str(BIN / name), *command], env=env, timeout=180)
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr and PASSWORD not in done.stdout + done.stderr
    return done.stdout


def seq(fleet: Fleet) -> int:
    return max([event["seq"] for event in fleet.events()], default=0)


@pytest.mark.requirement("R-029", "F-40")
def test_one_pass_reads_all_and_one_bad_meter_does_no_harm(fleet: Fleet, artifacts: Path) -> None:
    before = seq(fleet)
    book = [
        {
            "hosts": "meters",
            "gather_facts": False,
            "vars": {"where": "{{ ansible_host }}"},
            "tasks": [
                {
                    "gridops.metering.meter_fleet_info": {"deadline": 2, "retries": 0, "concurrency": 50},
                    "run_once": True,
                    "register": "all",
                },
                {
                    "gridops.metering.meter_fleet_info": {
                        "meters": [
                            "bulk01",
                            "slow",
                            {"name": "ghost", "host": fleet.hosts()["bulk01"]["ansible_host"], "ports": {"modbus": 1}},
                        ],
                        "deadline": 1,
                        "retries": 0,
                        "max_error_share": 0.5,
                    },
                    "run_once": True,
                    "register": "some",
                    "ignore_errors": True,
                },
                {
                    "gridops.metering.meter_fleet_info": {"meters": ["nobody"]},
                    "run_once": True,
                    "register": "nobody",
                    "ignore_errors": True,
                },
                {
                    **keep("{{ {'all': all, 'some': some, 'nobody': nobody} | to_json }}", artifacts / "result.json"),
                    "run_once": True,
                },
                {
                    "ansible.builtin.assert": {"that": ["all.meters[inventory_hostname].facts.serial | length > 0"]},
                    "when": "all.meters[inventory_hostname].ok",
                },
            ],
        }
    ]
    write_book(artifacts / "play.yml", book)
    accounts = json.dumps({"metering_credentials": {"product_master": {"user": "u", "password": PASSWORD}}})
    run(artifacts, "ansible-playbook", "-vvv", "-i", str(fleet.inventory), str(artifacts / "play.yml"), "-e", accounts)
    result = json.loads((artifacts / "result.json").read_text())
    everything = result["all"]
    assert everything["totals"] == {"meters": 23, "ok": 21, "error": 2, "reasons": {"deadline_exceeded": 1, "identity_unreadable": 1}}
    assert everything["meters"]["other"]["facts"]["firmware"]["version"] == "11.0.2"
    assert everything["meters"]["slow"]["error"]["remedy"]
    assert everything["meters"]["holes"]["error"]["reason"] == "identity_unreadable"
    serials = {name: entry["facts"]["serial"] for name, entry in everything["meters"].items() if entry["ok"]}
    assert serials == {meter["name"]: str(meter["serial"]) for meter in fleet.meters() if meter["name"] in serials}
    assert not everything["changed"] and not everything["failed"]
    some = result["some"]
    assert some["failed"] and "2 of 3 meters" in some["msg"] and some["meters"]["bulk01"]["ok"]
    assert result["nobody"]["failed"] and "'nobody'" in result["nobody"]["msg"]
    events = [event for event in fleet.events() if event["seq"] > before]
    assert not {event["kind"] for event in events} & {"semaphore_read", "modbus_write", "violation"}
    reads = [event for event in events if event.get("meter") == "bulk07" and event["kind"] == "modbus_read"]
    assert len(reads) == 2


@pytest.mark.requirement("R-029", "R-101", "G-05")
def test_the_inventory_reads_the_fleet_groups_it_and_remembers(fleet: Fleet, artifacts: Path, tmp_path: Path) -> None:
    hosts = fleet.hosts()
    first = hosts["bulk01"]
    meters = [
        {"name": name, "host": hosts[name]["ansible_host"], "ports": hosts[name]["metering_ports"]}
        for name in ("bulk01", "bulk02", "other", "slow")
    ]
    (tmp_path / "Config.csv").write_text(f"{hosts['bulk03']['ansible_host']},255,user1,{PASSWORD},user2,{PASSWORD}\n")
    config = {
        "plugin": "gridops.metering.meters",
        "meters": meters,
        "tool_csv": ["Config.csv"],
        "defaults": {"ports": first["metering_ports"]},
        "read": True,
        "deadline": 2,
        "retries": 0,
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "keyed_groups": [{"key": "metering_facts.model", "prefix": "model"}],
        "compose": {"now": "metering_facts.firmware.version"},
    }
    (tmp_path / "inventory.meters.yml").write_text(yaml.safe_dump(config))
    listed = json.loads(run(artifacts, "ansible-inventory", "-i", str(tmp_path / "inventory.meters.yml"), "--list"))
    assert sorted(listed["model_PM5560"]["hosts"]) == sorted(["bulk01", "bulk02", hosts["bulk03"]["ansible_host"]])
    assert listed["model_PM5661"]["hosts"] == ["other"] and listed["meters_unread"]["hosts"] == ["slow"]
    assert listed["_meta"]["hostvars"]["other"]["now"] in ("11.0.2", {"__ansible_unsafe": "11.0.2"})
    assert (artifacts / "output.txt").read_text().count("passwords in the imported tool files") == 1
    before = seq(fleet)
    again = json.loads(run(artifacts, "ansible-inventory", "-i", str(tmp_path / "inventory.meters.yml"), "--list"))
    assert again == listed
    assert [event for event in fleet.events() if event["seq"] > before] == []
