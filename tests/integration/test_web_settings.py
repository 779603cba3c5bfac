# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Network settings over the webpages of simulated meters of both generations and both surfaces, by the shipped profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import play

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts, Tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import ProfileSession
from metersim.testing import Fleet

PASSWORD = "Canary-settings-90c2"
FACTS = "gridops.metering.meter_facts"
ACCOUNTS = {role: {"user": "user9", "password": PASSWORD} for role in ("administrator", "product_master")}


@pytest.mark.requirement("R-074", "R-095", "R-097")
@pytest.mark.parametrize("surface", ["a", "b"])
def test_the_shipped_profiles_read_the_network_settings(surface: str, tmp_path: Path) -> None:
    meters = [
        {"name": "old", "model": "PM5560", "firmware": "2.7.8", "accounts": {"product_master": ACCOUNTS["product_master"]}},
        {"name": "new", "model": "PM5560", "firmware": "4.3.5", "accounts": {"administrator": ACCOUNTS["administrator"]}},
    ]
    ending = "" if surface == "a" else "-b"
    with Fleet({"name": "settings", "clock_factor": 100, "surface": surface, "meters": meters}, tmp_path) as fleet:
        hosts = yaml.safe_load(fleet.inventory.read_text(encoding="utf-8"))["meters"]["hosts"]
        for name, profile, role in (("old", f"pm5000-legacy{ending}", "product_master"), ("new", f"pm5000-new{ending}", "administrator")):
            host = hosts[name]
            tls = Tls(fingerprint=host["metering_tls"]["fingerprint"]) if name == "new" else Tls()
            account = {role: Credential(**ACCOUNTS[role])}
            target = Target(name, host["ansible_host"], host["metering_ports"], 255, Timeouts(2, 5), credentials=account, tls=tls)
            with ProfileSession(target, load_profile(profile), role) as session:
                session.login()
                found = {setting: session.read(setting) for setting in ("ip_mode", "ftp_server", "http_port")}
            assert found["ip_mode"] == "stored" and found["ftp_server"] in ("on", "off") and (found["http_port"] or "").isdigit()
        assert fleet.events("violation") == [] and not fleet.events("settings_written")


def fact_meters() -> list[dict[str, Any]]:
    old, new = {"product_master": ACCOUNTS["product_master"]}, {"administrator": ACCOUNTS["administrator"]}
    wrong = {"administrator": {"user": "user9", "password": f"{PASSWORD}-x"}}
    return [
        {"name": "old", "model": "PM5560", "firmware": "2.7.8", "accounts": old},
        {"name": "new", "model": "PM5560", "firmware": "4.3.5", "accounts": new},
        {"name": "new-b", "model": "PM5560", "firmware": "4.3.5", "accounts": new, "surface": "b"},
        {"name": "refused", "model": "PM5560", "firmware": "4.3.5", "accounts": new, "vars": {"metering_credentials": wrong}},
        {"name": "hidden", "model": "PM5560", "firmware": "4.3.5", "accounts": new, "missing_pages": ["/settings/ethernet.html"]},
    ]


@pytest.mark.requirement("R-029", "R-144", "F-30")
def test_facts_of_webpages_are_read_when_they_are_named_and_by_one_login(tmp_path: Path, artifacts: Path) -> None:
    with Fleet({"name": "webfacts", "clock_factor": 100, "meters": fact_meters()}, tmp_path) as fleet:
        tasks: list[dict[str, Any]] = [
            {FACTS: {}},
            {FACTS: {"gather_subset": ["network", "web"]}},
            {FACTS: {"gather_subset": ["all", "!web"]}},
        ]
        played = play(artifacts, fleet.inventory, tasks, "--check")
        events = {name: fleet.meter(name).events() for name in ("old", "new", "new-b", "refused", "hidden")}
        assert fleet.events("violation") == []
    for number in (0, 2):
        assert not any("web" in item["ansible_facts"]["meter"] for item in played.results[number].values())
    facts = {name: item["ansible_facts"]["meter"] for name, item in played.results[1].items()}
    for name, profile, role in (
        ("old", "pm5000-legacy", "product_master"),
        ("new", "pm5000-new", "product_master"),
        ("new-b", "pm5000-new-b", None),
    ):
        web = facts[name]["web"]
        assert (web["profile"], web["verified"], web["settings"]["ip_mode"]) == (profile, False, "stored")
        assert role in (web["role"], None) and web["last_upgrade"]["status"] in ("idle", "completed")
        assert (facts[name]["network"]["ip_mode"], facts[name]["provenance"]["network.ip_mode"]) == ("stored", "web")
    assert facts["refused"]["web"]["settings"] == {} and facts["refused"]["unread"]["web"].startswith("web_auth_failed")
    assert facts["refused"]["provenance"]["network.ip_mode"] == "attested"
    assert facts["hidden"]["unread"]["web.settings.ip_mode"].startswith("page_missing") and facts["hidden"]["web"]["last_upgrade"]
    kinds = {name: [event["kind"] for event in found] for name, found in events.items()}
    assert [kinds[name].count("web_login_ok") for name in ("new", "new-b", "hidden")] == [1, 1, 1] and kinds["refused"].count(
        "web_login_failed"
    ) == 1
    assert not any({"settings_written", "web_upload", "trigger_request", "modbus_write"} & set(found) for found in kinds.values())
    assert PASSWORD not in played.output


@pytest.mark.requirement("R-108")
def test_webpages_need_an_account_and_one_task_for_each_meter(tmp_path: Path, artifacts: Path) -> None:
    with Fleet({"name": "webfacts-bad", "meters": fact_meters()[:1]}, tmp_path) as fleet:
        tasks: list[dict[str, Any]] = [
            {FACTS: {"gather_subset": ["web"], "credentials": {}}},
            {"gridops.metering.meter_fleet_info": {"gather_subset": ["web"]}},
            {FACTS: {"gather_subset": ["web"], "profile": "no-such"}},
        ]
        played = play(artifacts, fleet.inventory, tasks)
        assert not [event for event in fleet.events() if event["kind"].startswith(("modbus", "http"))]
    for number, words in enumerate(("an account for the subset web", "gather_subset", "pm5000-legacy")):
        assert words in played.results[number]["old"]["msg"]
