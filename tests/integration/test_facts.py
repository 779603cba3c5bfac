# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""``meter_facts`` in real plays against simulated meters: in process, and as a module on a jump host over a real sshd.

The meter's own account (its control endpoint) tells what it was asked.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymodbus
import pytest
from pyModbusTCP import server

import warmstart
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import pm5000
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.loop import run
from keeping import keep, write_book
from metersim.testing import Fleet, address_block

BIN = Path(sys.executable).parent
PASSWORD = "Canary-2c8d-facts"

METERS = [
    {"name": "plain", "model": "PM5560", "firmware": "2.5.4"},
    {"name": "locked", "model": "PM5561", "firmware": "10.7.3", "mid_lock": True, "attempts_used": 3},
    {"name": "new", "model": "PM5660", "firmware": "6.1.0", "fc43": False},
    {"name": "catalogue", "model": "PM5563", "firmware": "2.7.0", "model_text": "METSEPM5563"},
    {"name": "holes", "model": "PM5560", "firmware": "2.5.4", "faults": {"F-40": {"registers": ["132-135", "1824-1848"]}}},
    {"name": "garbled", "model": "PM5560", "firmware": "2.5.4", "faults": {"F-37": {"where": "modbus"}}},
    {"name": "strange43", "model": "PM5560", "firmware": "2.5.4", "faults": {"F-37": {"where": "fc43"}}},
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    accounts = {"product_master": {"user": "user2", "password": PASSWORD}, "web_master": {"user": "user1", "password": PASSWORD}}
    meters = [{**meter, "log_reads": True, **({} if meter["name"] == "new" else {"accounts": accounts})} for meter in METERS]
    spec = {"name": "facts", "first_address": address_block(), "meters": meters}
    with Fleet(spec, tmp_path_factory.mktemp("facts")) as running:
        yield running


def play(
    fleet: Fleet, folder: Path, tasks: list[dict[str, Any]], *more: str, hosts: str = "meters", verbose: bool = False
) -> dict[str, Any]:
    """Run ``tasks`` and return the results of the last one by host, as core's JSON sees them."""
    out = folder / "results"
    shutil.rmtree(out, ignore_errors=True)
    last = {**tasks[-1], "register": "result"}
    save = keep("{{ result | to_json }}", f"{out}/{{{{ inventory_hostname }}}}")
    document = [
        {
            "hosts": hosts,
            "gather_facts": False,
            "tasks": [*tasks[:-1], {**last, "ignore_errors": True}, {**save, "check_mode": False}],
        }
    ]
    out.mkdir(parents=True)
    # Not among the outputs: it may hold a planted password.
    book = write_book(fleet.inventory.parent / "play.yml", document)
    command = [str(BIN / "ansible-playbook"), "-i", str(fleet.inventory), str(book), *more]
    if verbose:
        command.append("-vvv")
    env = {**os.environ, **warmstart.QUIET}
    done = warmstart.run(command, env=env, timeout=180)
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return {path.name: json.loads(path.read_text()) for path in out.iterdir()}


def facts_of(results: dict[str, Any]) -> dict[str, Any]:
    return {name: result["ansible_facts"]["meter"] for name, result in results.items() if not result.get("failed")}


@pytest.mark.requirement("R-029", "F-37", "F-40")
def test_facts_of_a_mixed_fleet_and_the_meters_own_account(fleet: Fleet, artifacts: Path) -> None:
    before = max([event["seq"] for event in fleet.events()], default=0)
    results = play(fleet, artifacts, [{"gridops.metering.meter_facts": {}}], verbose=True)
    facts = facts_of(results)
    assert {name for name, result in results.items() if result.get("changed")} == set()
    known = {name: (item["model"], item["firmware"]["version"]) for name, item in facts.items()}
    assert known["plain"] == ("PM5560", "2.5.4")
    assert known["locked"] == ("PM5561", "10.7.3")
    assert known["new"] == ("PM5660", "6.1.0")
    assert known["catalogue"][0] == "PM5563"
    for meter in fleet.meters():
        if meter["name"] in facts and meter["name"] != "garbled":
            assert facts[meter["name"]]["serial"] == str(meter["serial"])
    # the site's profile maps the lock; ports were only probed
    assert facts["locked"]["mid_lock"] == "locked"
    assert facts["locked"]["firmware"]["attempts"] == {"limit": 10, "used": 3, "remaining": 7, "source": "attested"}
    assert facts["plain"]["network"]["ip_mode"] == "stored" and facts["plain"]["provenance"]["network.ip_mode"] == "attested"
    assert facts["plain"]["services"]["ftp"]["state"] == "open" and facts["new"]["services"]["ftp"]["state"] == "closed"
    # unreadable and garbled
    assert facts["holes"]["manufactured"] == "unknown" and "exception 2" in facts["holes"]["unread"]["manufactured"]
    assert facts["holes"]["status"]["restarts"] is None and facts["holes"]["serial"]
    assert facts["strange43"]["model"] == "PM5560" and facts["strange43"]["provenance"]["model"] == "register"
    if "garbled" in facts:
        assert facts["garbled"]["unread"]
    else:
        assert results["garbled"]["error"]["reason"] in ("identity_unreadable", "transport_failed")
    told(fleet, before)
    text = (artifacts / "output.txt").read_text()
    assert PASSWORD not in text and "Traceback" not in text


def told(fleet: Fleet, before: int) -> None:
    """What the meters say they were asked: no semaphore, no pass code, no write, no page, one Modbus connection each."""
    events = [event for event in fleet.events() if event["seq"] > before]
    kinds = {event["kind"] for event in events}
    assert not kinds & {
        "semaphore_read",
        "modbus_write",
        "http_request",
        "trigger_request",
        "ftp_login_ok",
        "ftp_login_failed",
        "violation",
    }
    for name in ("plain", "locked", "new", "catalogue", "holes"):
        mine = [event for event in events if event.get("meter") == name]
        assert len([event for event in mine if event["kind"] == "modbus_connect"]) == 1, name
        reads = [event for event in mine if event["kind"] == "modbus_read"]
        assert reads and len(reads) <= (5 if name != "holes" else 25), reads


@pytest.mark.requirement("R-029")
def test_min_is_two_requests(fleet: Fleet, artifacts: Path) -> None:
    before = max([event["seq"] for event in fleet.events()], default=0)
    facts = facts_of(
        play(fleet, artifacts, [{"gridops.metering.meter_facts": {"gather_subset": ["min"]}}], "--limit", "plain", "--check", "--diff")
    )
    assert "services" not in facts["plain"]
    reads = [event for event in fleet.meter("plain").events("modbus_read") if event["seq"] > before]
    assert len(reads) == 2


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"gather_subset": ["hardware"]}, "gather_subset"),
    ({"host": "not an address"}, "host"),
    ({"unit_id": 999}, "unit_id"),
    ({"ports": {"gopher": 23}}, "gopher"),
    ({"profile": "no-such-profile"}, "no-such-profile"),
    ({"attest": {"mid_lock": "open"}}, "mid_lock"),
    ({"credentials": {"product_master": PASSWORD}}, "credentials.product_master"),
    ({"colour": "red"}, "colour"),
    ({"timeouts": {"read": -1}}, "timeouts.read"),
]


def test_bad_options_are_one_sentence_before_any_packet(fleet: Fleet, artifacts: Path) -> None:
    before = max([event["seq"] for event in fleet.events()], default=0)
    bad = [
        {"gridops.metering.meter_facts": args, "register": f"bad{i}", "ignore_errors": True} for i, (args, dummy) in enumerate(BAD_OPTIONS)
    ]
    bad.append({"gridops.metering.meter_facts": {}, "async": 10, "poll": 1, "register": "bad_async", "ignore_errors": True})
    names = [f"bad{i}" for i in range(len(BAD_OPTIONS))] + ["bad_async"]
    results = collected(play(fleet, artifacts, [*bad, collect(*names)], "--limit", "plain"), "plain")
    for result, (dummy, words) in zip(results, [*BAD_OPTIONS, ({}, "async is not supported")], strict=True):
        assert result["failed"] and words in result["msg"] and "\n" not in result["msg"]
        assert result["error"]["class"] == "input" and not result.get("unreachable")
    assert PASSWORD not in json.dumps(results)
    assert [event for event in fleet.events() if event["seq"] > before] == []


def test_a_silent_meter_fails_and_is_never_unreachable(fleet: Fleet, artifacts: Path) -> None:
    result = play(fleet, artifacts, [{"gridops.metering.meter_facts": {"ports": {"modbus": 1}}}], "--limit", "plain")["plain"]
    assert result["failed"] and not result.get("unreachable")
    assert result["error"]["reason"] == "transport_failed" and result["error"]["remedy"]


# -- a server that is not pymodbus ------------------------------------------------------------------------------------


@pytest.fixture
def foreign() -> Iterator[tuple[str, int]]:
    """pyModbusTCP's server, filled by hand from the register list."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bank = server.DataBank(h_regs_size=7000)

    def put(first: int, text: str) -> None:
        raw = text.encode() + b"\0" * (len(text) % 2)
        bank.set_holding_registers(first - 1, [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)])

    for first, text in ((30, "Foreign"), (50, "PM5560"), (70, "Schneider Electric"), (136, "B2")):
        put(first, text)
    bank.set_holding_registers(129, [1, 2])
    bank.set_holding_registers(1636, [29900, 2, 9, 9])
    bank.set_holding_registers(1827, [12])
    other = server.DeviceIdentification(vendor_name=b"Schneider Electric", product_code=b"METSEPM5560", major_minor_revision=b"002.009.009")
    running = server.ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank, device_id=other)
    running.start()
    yield "127.0.0.1", port
    running.stop()


def test_facts_of_a_server_that_is_not_pymodbus(foreign: tuple[str, int]) -> None:
    host, port = foreign
    facts = run(pm5000.read(Target("m", host, {"modbus": port}, 255), ["min", "status", "identification"]))
    assert (facts["name"], facts["model"], facts["serial"], facts["firmware"]["version"]) == ("Foreign", "PM5560", "65538", "2.9.9")
    assert facts["status"]["restarts"] == 12
    assert facts["identification"]["product_code"] == "METSEPM5560"
    assert facts["provenance"]["identification.product_code"] == "object"


# -- a jump host ------------------------------------------------------------------------------------------------------


def interpreter(folder: Path, *libraries: Path) -> str:
    """An interpreter of its own for the jump host that has only these libraries."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    for library in libraries:
        (site / library.name).symlink_to(library)
    return str(folder / "bin" / "python")


def with_jumps(hosts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"ansible.builtin.add_host": {"name": name, **variables}} for name, variables in hosts.items()]


def collect(*names: str) -> dict[str, Any]:
    """A last task that returns what the earlier ones registered."""
    return {"ansible.builtin.set_fact": {"collected": "{{ [" + ", ".join(names) + "] }}"}}


def collected(results: dict[str, Any], host: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = results[host]["ansible_facts"]["collected"]
    return found


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_jump_host_gives_the_same_facts(fleet: Fleet, jump_host: Any, artifacts: Path, tmp_path: Path) -> None:
    python = interpreter(tmp_path / "python", Path(pymodbus.__file__).parent)
    args = {"gather_subset": ["min", "lock", "services", "network", "identification"]}
    tasks = [
        *with_jumps({"jump1": {**jump_host.variables, "ansible_python_interpreter": python}}),
        {"gridops.metering.meter_facts": args, "delegate_to": "jump1", "register": "there"},
        {"gridops.metering.meter_facts": args, "register": "here"},
        {"gridops.metering.meter_fleet_info": args, "delegate_to": "jump1", "run_once": True, "register": "fleet"},
        collect("there", "here", "fleet"),
    ]
    results = play(fleet, artifacts, tasks, hosts="plain:locked:new:holes", verbose=True)
    assert len(results) == 4
    for name in results:
        there, here, whole = collected(results, name)
        assert whole["meters"][name]["facts"] == here["ansible_facts"]["meter"]
        assert there["ansible_facts"] == here["ansible_facts"]
        assert here["ansible_facts"]["meter"]["serial"] == str(fleet.meter(name).state()["serial"])
    text = (artifacts / "output.txt").read_text()
    assert PASSWORD not in text and "Traceback" not in text
    assert "ESTABLISH SSH CONNECTION" in text


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_trouble_at_the_jump_host_is_one_clear_sentence(fleet: Fleet, jump_host: Any, artifacts: Path, tmp_path: Path) -> None:
    bare = interpreter(tmp_path / "bare")
    hosts = {
        "bare": {**jump_host.variables, "ansible_python_interpreter": bare},
        "away": {**jump_host.variables, "ansible_python_interpreter": bare, "ansible_port": 1},
        "headless": {**jump_host.variables, "ansible_python_interpreter": "/no/such/python"},
        "good": {**jump_host.variables, "ansible_python_interpreter": interpreter(tmp_path / "good", Path(pymodbus.__file__).parent)},
    }
    tasks = with_jumps(hosts)
    for name in hosts:
        tasks.append(
            {"gridops.metering.meter_facts": {"ports": {"modbus": 1}}, "delegate_to": name, "register": name, "ignore_errors": True}
        )
    results = collected(play(fleet, artifacts, [*tasks, collect(*hosts)], hosts="plain"), "plain")
    for result, words, reason in zip(
        results,
        ("'pymodbus' is missing", "the host away cannot be reached", "headless", "cannot be connected"),
        ("dependency_missing", "transport_failed", "transport_failed", "transport_failed"),
        strict=True,
    ):
        assert result["failed"] and words in result["msg"] and "\n" not in result["msg"]
        assert result["error"]["reason"] == reason and not result.get("unreachable")
        assert "Traceback" not in json.dumps(result)


def test_delegation_to_localhost_stays_in_process(fleet: Fleet, artifacts: Path) -> None:
    tasks = [{"gridops.metering.meter_facts": {"gather_subset": ["min"]}, "delegate_to": "localhost"}]
    assert facts_of(play(fleet, artifacts, tasks, hosts="plain"))["plain"]["model"] == "PM5560"
