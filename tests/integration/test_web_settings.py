# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Network settings over the webpages of simulated meters of both generations and both surfaces, by the shipped profiles."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts, Tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import ProfileSession
from metersim.testing import Fleet

PASSWORD = "Canary-settings-90c2"
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
