# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Facts of DLMS meters in real plays against simulated ones: mixed fleets, jump hosts, inventory; the meters' own account decides."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from firmwarekit import BIN, ENVIRONMENT, Played, play

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import Session
from ansible_collections.gridops.metering.plugins.module_utils._facts import FLEET_SPEC, gather, gather_fleet
from metersim.testing import Fleet, address_block

PASSWORD = "Canary-dlms-3f07"
FIRMWARE = {0: "010200030001", 1: "020500010007", 2: "030100000004"}
EXAMPLE = {"guek": "000102030405060708090a0b0c0d0e0f", "gak": "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"}
NOBODY: dict[str, Any] = {"metering_dlms": {}, "metering_dlms_keys": {}}


def mcs301(
    name: str, firmware: dict[int, Any] | None = None, vars: dict[str, Any] | None = None, faults: Any = None, **dlms: Any
) -> dict[str, Any]:
    keys = {"lls": PASSWORD, **dlms.pop("keys", {})}
    entry = {"name": name, "model": "MCS301", "firmware": firmware or FIRMWARE, "dlms": {**dlms, "keys": keys}}
    return {**entry, **({"vars": vars} if vars else {}), **({"faults": faults} if faults else {})}


METERS = [
    mcs301("hls", identifiers="array", time_zone=60),
    mcs301(
        "general", {0: "01", 1: "02", 5: "07"}, access={"general_ciphering": True}, security_version=0, policy="authenticated_encrypted"
    ),
    mcs301("lls", access={"authentication": "lls", "protection": None, "system_title": None}),
    mcs301("public", vars=NOBODY),
    mcs301("published", keys=EXAMPLE),
    mcs301("skewed", faults={"F-25": {"offset": 3600}}),
    mcs301("replayed", faults={"replayed_answers": {}}),
    mcs301("nonsense", faults={"F-37": {"where": "get"}}),
    mcs301("wrong"),
    {"name": "panel", "model": "PM5560", "firmware": "2.7.8", "services": ["modbus"]},
]
FAILING = {"replayed": "dlms_replayed_answer", "nonsense": "dlms_protocol_error", "wrong": "dlms_auth_failed"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    spec = {"name": "dlmsfacts", "first_address": address_block(), "meters": METERS}
    with Fleet(spec, tmp_path_factory.mktemp("dlmsfacts")) as running:
        yield running


def hosts_of(fleet: Fleet) -> dict[str, Any]:
    document = yaml.safe_load(fleet.inventory.read_text(encoding="utf-8"))
    return dict(document["meters"]["hosts"])


def options_of(fleet: Fleet, name: str) -> dict[str, Any]:
    variables = hosts_of(fleet)[name]
    options = {key.removeprefix("metering_"): value for key, value in variables.items() if key.startswith("metering_")}
    return {**options, "host": variables["ansible_host"]}


def vaulted(text: str, folder: Path) -> tuple[str, Path]:
    """``text`` as an inline vault, indented for a key of a host, and the file with the vault's password."""
    password = folder / "vault-password"
    password.write_text(PASSWORD, encoding="utf-8")
    lines = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).encrypt(text.encode()).decode().splitlines()
    return "!vault |\n" + "\n".join(f"            {line}" for line in lines), password


def more_variables(fleet: Fleet, folder: Path) -> tuple[Path, Path]:
    """An inventory on top: one key in a vault, one that is wrong; and the file with the vault's password."""
    keys = hosts_of(fleet)["hls"]["metering_dlms_keys"]
    hidden, password = vaulted(keys["guek"], folder)
    wrong = {**hosts_of(fleet)["wrong"]["metering_dlms_keys"], "guek": "00112233445566778899aabbccddeeff"}
    rest = yaml.safe_dump({"meters": {"hosts": {"wrong": {"metering_dlms_keys": wrong}}}})
    text = rest.replace(
        "    wrong:", f"    hls:\n      metering_dlms_keys:\n        gak: {keys['gak']}\n        guek: {hidden}\n    wrong:"
    )
    path = folder / "more.yml"
    path.write_text(text, encoding="utf-8")
    return path, password


def secrets_of(fleet: Fleet) -> set[str]:
    found = {PASSWORD}
    for variables in hosts_of(fleet).values():
        found |= set(variables.get("metering_dlms_keys", {}).values())
    return found


def facts_in(played: Played, task: int) -> dict[str, Any]:
    return {name: result["ansible_facts"]["meter"] for name, result in played.results[task].items() if not result.get("failed")}


@pytest.mark.requirement("R-201", "R-202", "R-206", "R-208", "R-210", "R-212", "R-213", "R-221", "X-06")
def test_a_mixed_fleet_is_read_one_by_one_and_in_one_pass(fleet: Fleet, artifacts: Path, tmp_path: Path) -> None:
    more, password = more_variables(fleet, tmp_path)
    records = tmp_path / "records.sqlite3"
    tasks = [
        {"gridops.metering.meter_facts": {}},
        {"gridops.metering.meter_fleet_info": {"gather_subset": ["min", "transfer", "clock"]}, "run_once": True},
        {"gridops.metering.meter_facts": {"gather_subset": ["min"]}, "check_mode": True},
    ]
    words = ("--vault-password-file", str(password), "-e", f"metering_records={records}", "-vvv")
    played = play(artifacts, [fleet.inventory, more], tasks, *words)
    for secret in secrets_of(fleet):
        assert secret not in played.output and secret.upper() not in played.output

    for task, results in ((0, played.results[0]), (2, played.results[2])):
        failed = {name: result["error"]["reason"] for name, result in results.items() if result.get("failed")}
        assert failed == FAILING, task
    facts = facts_in(played, 0)
    for name in ("hls", "general", "lls", "published", "skewed"):
        assert (facts[name]["family"], facts[name]["model"]) == ("mcs301", "MCS301")
        assert facts[name]["serial"] == facts[name]["logical_device_name"][-8:]
    assert {item["b"]: len(item["identifiers"]) for item in facts["hls"]["firmware"]["components"]} == {0: 10, 1: 10, 2: 10}
    assert (facts["hls"]["firmware"]["version"], facts["hls"]["clock"][-6:]) == ("020500010007", "+01:00")
    assert abs(facts["hls"]["clock_skew"]) < 30 and abs(facts["skewed"]["clock_skew"] - 3600) < 30
    assert [item["b"] for item in facts["general"]["firmware"]["components"]] == [0, 1, 5]
    security = facts["general"]["security"]
    assert (security["version"], security["policy_value"], security["policy"]) == (0, 3, "authenticated_encrypted")
    assert (facts["hls"]["security"]["version"], facts["hls"]["security"]["policy"]) == (1, "none")
    assert {entry["client"]: entry["mechanism"] for entry in facts["hls"]["associations"]}[16] == "none"
    assert [item["id"] for item in facts["published"]["security"]["findings"]] == ["published_key"]
    assert (facts["lls"]["association"]["authentication"], facts["lls"]["firmware"]["version"]) == ("lls", "020500010007")
    assert (facts["public"]["firmware"]["version"], facts["public"]["association"]["client"]) == ("unknown", 16)
    assert "give dlms and dlms_keys" in facts["public"]["unread"]["firmware.version"]
    assert facts["panel"]["firmware"]["version"] == "2.7.8"

    whole = next(iter(played.results[1].values()))
    assert whole["totals"] == {"meters": 10, "ok": 7, "error": 3, "reasons": dict.fromkeys(FAILING.values(), 1)}
    seen = {name: entry["facts"] for name, entry in whole["meters"].items() if entry["ok"]}
    assert {name: item["family"] for name, item in seen.items()} == {name: item["family"] for name, item in facts.items()}
    assert seen["hls"]["firmware"]["slots"] == {"active": "020500010007", "pending": None}

    # One failed login for each task and no more; every association was released; no counter came twice.
    assert len(fleet.meter("wrong").events("auth_failed")) == 3
    assert not [event for event in fleet.events("counter_refused")]
    for name in ("hls", "lls", "public"):
        meter = fleet.meter(name)
        assert len(meter.events("release")) == len([event for event in meter.events("aarq") if event["result"] == 0])
        assert not meter.events("set") and not meter.events("violation")
    ledger = open_records(str(records), "test", read_only=True).dlms
    assert ledger.mark(facts["hls"]["serial"], "dlms:1:guek") and not ledger.mark(facts["lls"]["serial"], "dlms:1:guek")


def test_a_counter_that_went_back_or_far_ahead_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    ledger = open_records(str(tmp_path / "records.sqlite3"), "test").dlms
    options = {**options_of(fleet, "general"), "gather_subset": ["min"]}
    gather(options, "general", lambda: ledger)
    meter = fleet.meter("general")
    for mode in ("rolled_back", "absurd"):
        meter.faults({"told_counter": {"mode": mode}})
        with pytest.raises(DeviceError) as caught:
            gather(options, "general", lambda: ledger)
        assert caught.value.reason == {"rolled_back": "dlms_counter_rolled_back", "absurd": "dlms_counter_jump"}[mode]
    meter.faults({})
    meter.action("set_counter", value=3)
    with pytest.raises(DeviceError, match=r"said .* before"):
        gather(options, "general", lambda: ledger)
    for dummy in range(2):  # said once, it is the new state
        options["accept"] = [] if dummy else ["irreversible", "counter_reset"]
        assert gather(options, "general", lambda: ledger)["ansible_facts"]["meter"]["serial"]
    assert not meter.events("counter_refused")


def test_a_meter_that_is_busy_does_not_hold_up_the_pass(fleet: Fleet, tmp_path: Path) -> None:
    ledger = open_records(str(tmp_path / "records.sqlite3"), "test").dlms
    options = options_of(fleet, "lls")
    meter, target = fleet.meter("lls"), target_from(options, "lls")
    meter.faults({"half_open": {"seconds": 60}})
    entry = {"name": "lls", **{name: options[name] for name in ("host", "family", "ports", "dlms")}}
    defaults = {name: spec.get("default") for name, spec in FLEET_SPEC.items()}
    with Session(target, ledger):
        found = gather_fleet({**defaults, "meters": [entry], "fleet_keys": {"lls": options["dlms_keys"]}})["meters"]["lls"]
    meter.faults({})
    assert found["error"]["reason"] == "dlms_association_busy", found
    assert "no time to wait" in found["msg"]


def test_an_association_with_keys_needs_the_records(fleet: Fleet) -> None:
    target = target_from(options_of(fleet, "hls"), "hls")
    assert target.dlms and target.dlms.keys.guek
    with pytest.raises(Exception, match="records keep the counters"):
        gather(options_of(fleet, "hls"), "hls")


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_jump_host_reads_the_same_with_counters_reserved_for_it(fleet: Fleet, jump_host: Any, artifacts: Path, tmp_path: Path) -> None:
    way, records = tmp_path / "way.yml", tmp_path / "records.sqlite3"
    way.write_text(yaml.safe_dump({"ways": {"hosts": {"jump1": jump_host.variables}}}), encoding="utf-8")
    there = {"delegate_to": "jump1"}
    tasks = [
        {"gridops.metering.meter_facts": {"gather_subset": ["all", "!clock", "!counters", "!events"]}},
        {"gridops.metering.meter_facts": {"gather_subset": ["all", "!clock", "!counters", "!events"]}, **there},
        {"gridops.metering.meter_fleet_info": {"meters": ["hls", "public", "panel"]}, "run_once": True, **there},
    ]
    words = ("-e", f"metering_records={records}", "-vvv")
    played = play(artifacts, [fleet.inventory, way], tasks, *words, hosts="hls")
    assert facts_in(played, 1) == facts_in(played, 0)
    whole = played.results[2]["hls"]
    assert whole["totals"]["ok"] == 3, whole
    for secret in secrets_of(fleet):
        assert secret not in played.output
        assert not any(secret.encode() in path.read_bytes() for path in (jump_host.folder / "remote").rglob("*") if path.is_file())
    assert not fleet.meter("hls").events("counter_refused")
    assert "Accepted publickey" in (jump_host.folder / "sshd.log").read_text(encoding="utf-8")


def test_the_inventory_reads_both_families_and_groups_them(fleet: Fleet, artifacts: Path, tmp_path: Path) -> None:
    hosts = hosts_of(fleet)
    entries = []
    for name in ("hls", "public", "panel"):
        variables = hosts[name]
        entry = {"name": name, "host": variables["ansible_host"], "family": variables.get("metering_family", "pm5000")}
        if name == "hls":
            entry |= {"dlms": variables["metering_dlms"], "dlms_keys": {"gak": variables["metering_dlms_keys"]["gak"], "guek": "VAULTED"}}
        entries.append(entry)
    document = {
        "plugin": "gridops.metering.meters",
        "read": True,
        "records": str(tmp_path / "records.sqlite3"),
        "meters": entries,
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "keyed_groups": [{"key": "metering_facts.family", "prefix": "family"}],
    }
    source = tmp_path / "meters.yml"
    hidden, password = vaulted(hosts["hls"]["metering_dlms_keys"]["guek"], tmp_path)
    source.write_text(yaml.safe_dump(document).replace("VAULTED", hidden), encoding="utf-8")
    done = subprocess.run(
        [str(BIN / "ansible-inventory"), "-i", str(source), "--list", "--vault-password-file", str(password)],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (artifacts / "errors.txt").write_text(done.stderr, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert (listed["family_mcs301"]["hosts"], listed["family_pm5000"]["hosts"]) == (["hls", "public"], ["panel"])
    facts = {name: listed["_meta"]["hostvars"][name]["metering_facts"] for name in ("hls", "public", "panel")}
    versions = [facts[name]["firmware"]["version"]["__ansible_unsafe"] for name in ("hls", "public")]
    assert versions == ["020500010007", "unknown"]
    kept = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "cache").iterdir())
    assert "020500010007" in kept and not any(secret in kept for secret in secrets_of(fleet))
