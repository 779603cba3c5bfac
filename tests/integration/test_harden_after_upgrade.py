# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""An upgrade that deletes the users of a meter, and the baseline's own hardening after it: when asked, and only then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ionkit import NUMBER, Desk, meter, write_packages
from test_campaign import report
from test_harden import MARKS, MOST
from test_rollout import Site

from metersim.testing import Fleet

USER1, USER2 = "Cn-4xY", "Cn-4xZ"
TODAY = datetime.now(UTC).date()
SETTINGS = {"web_programming": True, "lockout_web": 3}
ATTESTED = {"by": "j.doe", "at": str(TODAY)}
#: Everything that an audit looks at on such a meter, so that one which was hardened is compliant.
BASELINE: dict[str, Any] = {
    "profile": {"id": "hep", "version": "7", "owner": "ot-security", "valid_until": str(TODAY + timedelta(days=300))},
    "firmware": {"ION9000": {"minimum": "3.0.0", "target": "3.0.0"}, "advisories": False},
    "security": {
        "hep": {
            "mode": "advanced",
            "users": [
                {"name": "USER1", "permissions": [*MOST, "test_mode"]},
                {"name": "USER2", "permissions": ["read", "security_config"]},
            ],
            "users_exclusive": True,
            "update_secret": "always",
            "password_strength": "weak",
            "lockout": {"attempts": {"ion": 5, "modbus": 5, "web": 5, "sftp": 5, "ssh": 5}, "duration": 60},
            "panel_programming": False,
            "modbus": {"access": "read_only", "programming": False},
            "services": {"ftp": False, "telnet": False, "ssh": False},
            "event_log": {"cutoff": 5, "priorities": {"invalid_login": 128, "lockout": 255}},
            "accept": ["unverified_profile"],
        },
        "hep 3": {"web": {"protocol": "https"}},
    },
    "attested": [{"control": "seals", "hosts": ["*"], **ATTESTED}],
    "waivers": [
        {
            "control": "web_programming",
            "reason": "settings are made over the webpages",
            "approver": "ot-security",
            "expires": str(TODAY + timedelta(days=90)),
        },
        {"control": "revenue_lock", "reason": "not for billing", "approver": "ot-security", "expires": str(TODAY + timedelta(days=90))},
    ],
    "evidence": {"advisories_evaluated": str(TODAY)},
}
GIVEN: dict[str, Any] = {
    "metering_baseline": BASELINE,
    "metering_targets": {"ION9000": "3.0.0"},
    "metering_accept": "{{ ['irreversible', 'unverified_profile', 'removes_users'] + words }}",
    "metering_attest": {"critical_control": False},
    "metering_rollout_batches": [1],
    "metering_tool_mode": "command",
    "metering_marks_key": MARKS,
    "metering_passwords": {"USER1": USER1, "USER2": USER2},
}


def _audit(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.report / "audit.json").read_text(encoding="utf-8")))


@pytest.mark.requirement("R-189", "R-252", "R-254", "R-256", "F-29", "R-116")
def test_users_that_an_upgrade_deletes_are_made_anew_when_that_is_asked_for(tmp_path: Path, artifacts: Path) -> None:
    names = ("alone", "good", "bad", "next")
    meters = [meter(name, hep={"settings": SETTINGS}) for name in names]
    with Fleet({"name": "harden-after", "clock_factor": 200, "meters": meters}, tmp_path) as fleet:
        hosts = yaml.safe_load(fleet.inventory.read_text(encoding="utf-8"))
        for name, host in hosts["meters"]["hosts"].items():
            # From 3.0.0 on the webpages use TLS, with a certificate that the meter makes itself in the upgrade.
            host["words"] = [] if name == "bad" else ["new_certificate"]
        fleet.inventory.write_text(yaml.safe_dump(hosts), encoding="utf-8")
        site, desk = Site(fleet, artifacts), Desk(fleet, tmp_path / "desk")
        firmware = write_packages(tmp_path / "firmware", [("ION9000", "3.0.0")])
        ion = desk.options(setup_version="3.2.22341.01", command=desk.command())
        given = {**GIVEN, "metering_artifacts": str(firmware), "metering_ion": ion}
        inventory = ("-i", str(desk.inventory()))

        # Not asked for: the upgrade is all that happens, and its audit says what is missing, with the task that would mend it.
        run = site.run("upgrade", *inventory, **{**given, "metering_hosts": "alone"})
        assert run.code == 0 and set(site.outcomes().values()) <= {"verified", "verified_late"}, run.output
        state = fleet.meter("alone").state()
        assert (state["mode"], [user["name"] for user in state["users"]]) == ("legacy_support", ["USER1"])
        found = _audit(site)
        mode = next(item for item in found["meters"][0]["controls"] if item["id"] == "mode")
        assert found["verdict"] == "drift" and mode["state"] == "fail"
        assert mode["fix"]["task"]["gridops.metering.meter_security"] == {"mode": "advanced"}

        # Asked for: planned, reviewed, and done in the same campaign before the gate judges. Of the second one the new certificate was not accepted.
        asked = {**given, "metering_hosts": "good,bad,next", "metering_harden_after_upgrade": True}
        run = site.run("plan", *inventory, **asked)
        plan = json.loads((site.report / "plan.json").read_text(encoding="utf-8"))
        assert run.code == 0 and "Hardened by the baseline after the upgrade, before the gate judges: good, bad, next" in run.output
        reviewed = tmp_path / "plan.json"
        reviewed.write_text(json.dumps(plan), encoding="utf-8")
        apply = {**given, "metering_hosts": "good,bad,next", "metering_plan_file": str(reviewed), "metering_plan_digest": plan["digest"]}
        other = {**BASELINE, "profile": {**BASELINE["profile"], "version": "8"}}
        run = site.run("upgrade", *inventory, **{**apply, "metering_baseline": other})
        assert run.code != 0 and "the baseline as it was when the plan was reviewed" in run.output
        run = site.run("upgrade", *inventory, **apply)
        outcomes = report(site)["outcomes"]
        assert run.code != 0 and outcomes["good"]["outcome"] in ("verified", "verified_late"), run.output
        assert (outcomes["bad"]["outcome"], outcomes["bad"]["reason"]) == ("failed_final", "certificate_after_upgrade"), run.output
        assert outcomes["next"]["outcome"] == "paused" and fleet.meter("next").state()["firmware"] == "2.4.1"
        state = fleet.meter("good").state()
        assert (state["firmware"], state["mode"]) == ("3.0.0", "advanced")
        assert [user["name"] for user in state["users"]] == ["USER1", "USER2"]
        verdicts = {item["name"]: item["verdict"] for item in _audit(site)["meters"]}
        good = next(item for item in _audit(site)["meters"] if item["name"] == "good")
        assert verdicts["good"] == "compliant", [item for item in good["controls"] if item["state"] in ("fail", "unknown")]
        assert fleet.failed_logins() == {} and fleet.events("violation") == []
    kept = b"".join(item.read_bytes() for item in artifacts.rglob("*") if item.is_file())
    assert not any(secret.encode() in kept for secret in (USER1, USER2, NUMBER, MARKS))
