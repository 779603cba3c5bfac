# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Facts of simulated HEP meters of every generation: in real plays, in one pass, by the inventory; the meters' own account decides."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import BIN, ENVIRONMENT, Played, play

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import hep
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._facts import gather
from ansible_collections.gridops.metering.plugins.module_utils._probe import report_lines, run_probe
from metersim.testing import Fleet, address_block

PASSWORD = "Canary-hep-9a41"


def meter(name: str, model: str, firmware: str, vars: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    hep_part = {"password": "40216377", **more.pop("hep", {})}
    return {
        "name": name,
        "model": model,
        "firmware": firmware,
        "hep": hep_part,
        "log_reads": True,
        **({"vars": vars} if vars else {}),
        **more,
    }


UNPROFILED = {"metering_profile": None, "metering_web_profile": None}
USERS = [{"name": "USER1", "password": PASSWORD, "permissions": "all"}]
METERS = [
    meter("old", "ION7400", "2.4.1", UNPROFILED),
    meter("bare", "PM8000", "2.0.5", hep={"mode": "none", "settings": {"web_protocol": "disabled"}}),
    meter("three", "PM8000", "3.0.0", {"metering_security_profile": "hep-registers"}, model_text="METSEPM8240"),
    meter("four", "ION9000T", "4.0.0", {"metering_security_profile": "hep-registers"}, hep={"mode": "advanced", "users": USERS}),
    meter("strict", "ION9000", "4.0.0", UNPROFILED, hep={"settings": {"web_protocol": "https", "ion": False, "ssh": True}}),
    meter("shut", "ION9000", "3.1.0", hep={"settings": {"modbus_access": "none"}}),
    meter("stranger", "ION9000", "3.0.0", model_text="ION9999", fc43=False),
    meter("holes", "ION9000", "3.0.0", faults={"F-40": {"registers": ["90", "1717-1722"]}}),
    meter("garbled", "ION9000", "3.0.0", faults={"F-37": {"where": "modbus"}}),
    {"name": "panel", "model": "PM5560", "firmware": "2.7.8", "services": ["modbus"]},
    {"name": "misnamed", "model": "PM5560", "firmware": "2.7.8", "services": ["modbus"], "vars": {"metering_family": "hep"}},
]
HEP = [entry["name"] for entry in METERS if "hep" in entry]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    spec = {"name": "hepfacts", "first_address": address_block(), "meters": METERS}
    with Fleet(spec, tmp_path_factory.mktemp("hepfacts")) as running:
        yield running


def options_of(fleet: Fleet, name: str) -> dict[str, Any]:
    variables = fleet.hosts()[name]
    options = {key.removeprefix("metering_"): value for key, value in variables.items() if key.startswith("metering_")}
    return {**options, "host": variables["ansible_host"]}


def facts_in(played: Played, task: int) -> dict[str, Any]:
    return {name: result["ansible_facts"]["meter"] for name, result in played.results[task].items() if not result.get("failed")}


def untouched(fleet: Fleet) -> None:
    """No login was tried, nothing was written and no byte reached an ION port, say the meters themselves."""
    assert fleet.failed_logins() == {}
    for name in HEP:
        events = {event["kind"] for event in fleet.meter(name).events()}
        assert not events & {
            "violation",
            "login_ok",
            "login_failed",
            "modbus_write",
            "write_refused",
            "write_unanswered",
            "simulator_error",
        }, name


@pytest.mark.requirement("R-160", "R-188", "R-190", "R-241", "R-242", "X-10")
def test_every_generation_is_read_one_by_one_and_in_one_pass(fleet: Fleet, artifacts: Path) -> None:
    tasks = [
        {"gridops.metering.meter_facts": {}},
        {"gridops.metering.meter_fleet_info": {"gather_subset": ["min", "security", "energies"]}, "run_once": True},
    ]
    played = play(artifacts, fleet.inventory, tasks, "-vvv")
    assert PASSWORD not in played.output
    failed = {name: result["error"]["reason"] for name, result in played.results[0].items() if result.get("failed")}
    assert failed == {"misnamed": "family_mismatch"}, failed
    facts = facts_in(played, 0)
    told = {
        name: (item["model"], item["firmware"]["version"], item["firmware"]["generation"]) for name, item in facts.items() if name in HEP
    }
    assert told == {
        "old": ("ION7400", "2.4.1", "below 3"),
        "bare": ("PM8000", "2.0.5", "below 3"),
        "three": ("PM8000", "3.0.0", "3"),
        "four": ("ION9000T", "4.0.0", "4"),
        "strict": ("ION9000", "4.0.0", "4"),
        "shut": ("unknown", "unknown", "unknown"),
        "stranger": ("ION9999", "3.0.0", "unknown"),
        "holes": ("ION9000", "unknown", "unknown"),
        "garbled": ("ION9000", "3.0.0", "3"),
    }
    assert facts["panel"]["family"] == "pm5000" and facts["panel"]["security"]["advisories"][0]["id"] == "certvde-2176"
    assert all(facts[name]["family"] == "hep" for name in HEP if name != "shut")
    assert (facts["garbled"]["provenance"]["model"], facts["garbled"]["name"]) == ("object", "unknown")
    assert facts["old"]["serial"] == fleet.meter("old").state()["serial"]

    # What the network shows: ports, certificates, the way to the webpages.
    seen = {name: facts[name]["web_access"]["seen"] for name in ("old", "bare", "three", "four", "strict")}
    assert seen == {"old": "plain", "bare": "closed", "three": "redirect", "four": "redirect", "strict": "https_only"}
    states = {name: {service: item["state"] for service, item in facts[name]["services"].items()} for name in ("old", "strict")}
    assert states["old"] == {
        **dict.fromkeys(states["old"], "open"),
        "https": "closed",
        "ssh": "closed",
        "ion_tls": "closed",
        "dnp": "closed",
    }
    assert (states["strict"]["ion"], states["strict"]["ion_tls"], states["strict"]["telnet"]) == ("closed", "open", "closed")
    for service in ("https", "ion_tls"):
        assert facts["four"]["tls"][service]["fingerprint"] == fleet.meter("four").certificate()["fingerprint"]
        assert facts["four"]["tls"][service]["self_signed"] is True
    assert facts["three"]["unread"]["tls.ion_tls"].endswith("closed")

    # What only a profile's registers tell, and what nothing tells.
    four = facts["four"]["security"]
    assert (four["mode"], four["revenue_lock"], four["users"], four["anonymous_read"]) == ("advanced", "unlocked", 1, False)
    state = fleet.meter("four").state()
    shared = {name: value for name, value in state["settings"].items() if name in four["settings"]}
    assert shared == {name: four["settings"][name] for name in shared} and len(shared) > 20
    assert four["settings"]["telnet"] is None and facts["four"]["unread"]["security.settings.telnet"]
    assert list(facts["four"]["energies"].values()) == state["energies"] and facts["four"]["template"] == state["template"]
    assert (four["profile"], four["profile_verified"]) == ("hep-registers", False)
    for name in ("old", "strict"):
        assert facts[name]["security"]["mode"] == "unknown" and "settings" not in facts[name]["security"]
        assert {"security.mode", "security.revenue_lock", "energies", "template", "network.mac"} <= facts[name]["unread"].keys()
    assert facts["holes"]["unread"]["product_id"].startswith("exception 2")

    # One pass over all, in which a closed register map is an error by name.
    whole = next(iter(played.results[1].values()))
    reasons = {name: entry["error"]["reason"] for name, entry in whole["meters"].items() if not entry["ok"]}
    assert reasons == {"misnamed": "family_mismatch", "shut": "modbus_map_closed"}
    passed = {name: entry["facts"] for name, entry in whole["meters"].items() if entry["ok"]}
    assert passed["three"]["security"]["mode"] == "legacy_support" and passed["three"]["security"]["anonymous_maps_to"] == "User1"
    assert passed["old"]["serial"] == facts["old"]["serial"] and "services" not in passed["old"]
    untouched(fleet)


@pytest.mark.requirement("R-168", "R-170", "R-171")
def test_a_snapshot_is_what_the_meter_has_and_shows_what_it_lost(fleet: Fleet) -> None:
    profile = load_profile("hep-registers")
    target = target_from(options_of(fleet, "three"), "three")
    account = fleet.meter("three")
    before = hep.snapshot_sync(target, profile)
    assert list(before.energies.values()) == account.state()["energies"]
    assert before.template == account.state()["template"]
    account.action("set_energies", values=[0, *list(before.energies.values())[1:]])
    after = hep.snapshot_sync(target, profile)
    assert [(item.field, item.kind) for item in hep.compare(before, after)] == [("energies.active_delivered", "register_data_loss")]
    assert not hep.blind(before, after).keys() - {f"settings.{name}" for name in ("ion_tls", "ftp", "telnet")}
    closed = target_from(options_of(fleet, "shut"), "shut")
    with pytest.raises(DeviceError) as caught:
        hep.snapshot_sync(closed, profile)
    assert caught.value.reason == "modbus_map_closed"
    untouched(fleet)


@pytest.mark.requirement("F-31", "F-32")
def test_another_certificate_and_a_redirect_elsewhere_are_told_as_they_are(fleet: Fleet) -> None:
    account, options = (
        fleet.meter("three"),
        {**options_of(fleet, "three"), "gather_subset": ["tls", "web_access"], "security_profile": None},
    )
    account.faults({"F-31": {"mode": "expired"}, "F-32": {"mode": "elsewhere", "to": "127.0.0.9"}})
    facts = gather(options, "three")["ansible_facts"]["meter"]
    account.faults({})
    assert facts["tls"]["https"]["not_after"] < datetime.now(UTC).isoformat() and facts["tls"]["https"]["fingerprint"]
    assert facts["web_access"] == {"seen": "plain", "redirects_to": "http://127.0.0.9"}


def test_a_server_that_is_not_pymodbus_and_fills_with_zeroes(foreign_modbus: Any) -> None:
    for register, text, count in (
        (30, "Riser", 20),
        (50, "PM8244", 20),
        (70, "Schneider Electric", 9),
        (117, "MU-2001B044-01", 12),
        (1717, "2.2.0", 6),
    ):
        foreign_modbus.put_text(register, text, count)
    options = {
        "host": "127.0.0.1",
        "family": "hep",
        "ports": {"modbus": foreign_modbus.port},
        "gather_subset": ["min", "clock", "identification"],
    }
    facts = gather(options, "foreign")["ansible_facts"]["meter"]
    assert (facts["model"], facts["serial"], facts["firmware"]["version"]) == ("PM8000", "MU-2001B044-01", "2.2.0")
    assert facts["clock"] == facts["identification"]["vendor"] == "unknown"


@pytest.mark.requirement("R-236", "R-394")
def test_the_probe_tells_which_assumptions_hold(fleet: Fleet) -> None:
    found: dict[str, dict[str, tuple[str, str]]] = {}
    reports: dict[str, Any] = {}
    for name in ("old", "three", "four", "strict", "shut", "stranger"):
        options = {**options_of(fleet, name), "profile": load_profile("hep-registers") if name == "four" else None}
        result = run_probe(options, name)
        found[name] = {item["id"]: (item["holds"], item["seen"]) for item in result["assumptions"]}
        reports[name] = result["report"]
    refuted = {name: sorted(key for key, (holds, dummy) in seen.items() if holds == "no") for name, seen in found.items()}
    assert refuted["old"] == refuted["three"] == refuted["strict"] == []
    assert refuted["stranger"] == ["fc43.answers", "model.known"]
    assert {"modbus.block", "register.model", "register.serial", "fc43.answers"} <= set(refuted["shut"])
    assert refuted["four"] == [] and found["four"]["profile.settings.mode"] == ("yes", "advanced")
    assert found["four"]["profile.settings.telnet"][0] == "unknown"
    assert {name: reports[name]["generation"] for name in ("old", "three", "four", "shut")} == {
        "old": "below 3", "three": "3", "four": "4", "shut": "unknown"
    }  # fmt: skip
    assert found["four"]["port.ion_tls"][0] == found["old"]["port.old"][0] == found["three"]["http.redirect"][0] == "yes"
    account, text = fleet.meter("four").state(), "\n".join(report_lines(reports["four"]))
    assert not any(secret in text for secret in (account["serial"], account["address"], fleet.meter("four").certificate()["fingerprint"]))
    assert "firmware 4.0.0" in text and account["template"] not in text and "advanced" not in text
    with pytest.raises(InputError, match="check_login"):
        run_probe({**options_of(fleet, "four"), "check_login": True, "profile": None}, "four")
    untouched(fleet)


def test_the_inventory_reads_hep_meters_and_groups_them(fleet: Fleet, artifacts: Path, tmp_path: Path) -> None:
    entries = []
    for name in ("old", "three", "four", "shut", "panel"):
        options = options_of(fleet, name)
        entries.append({"name": name, **{key: options[key] for key in ("host", "family", "ports") if key in options}})
    document = {
        "plugin": "gridops.metering.meters",
        "read": True,
        "meters": entries,
        "gather_subset": ["min", "security"],
        "profile": "hep-registers",
        "keyed_groups": [
            {"key": "metering_facts.firmware.generation", "prefix": "generation"},
            {"key": "metering_facts.security.mode", "prefix": "mode"},
        ],
    }
    source = tmp_path / "meters.yml"
    source.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [str(BIN / "ansible-inventory"), "-i", str(source), "--list"]
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    (artifacts / "errors.txt").write_text(done.stderr, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert listed["mode_advanced"]["hosts"] == ["four"] and listed["mode_legacy_support"]["hosts"] == ["three"]
    assert listed["mode_standard"]["hosts"] == ["old"] and listed["generation_4"]["hosts"] == ["four"]
    assert listed["meters_unread"]["hosts"] == ["shut"]
    untouched(fleet)
