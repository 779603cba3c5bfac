# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Changes of security as a merge request carries them: planned, reviewed, applied by digest, and nothing else. The meters are the witness."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from dlmskit import mcs
from test_harden import FRESH, LEGACY, MARKS, MOST, NEW, OLD, _hep, _inventory, _run

from metersim.testing import Fleet

METERS = [
    _hep("advanced-3", "ION9000T", "3.1.0", "advanced"),
    _hep("advanced-4", "PM8000", "4.0.1", "advanced", "hep-b", settings={"ssh": True}),
    {
        "name": "new-5000",
        "model": "PM5560",
        "firmware": "4.3.5",
        "accounts": {"administrator": {"user": "Administrator", "password": LEGACY}, "guest": {"user": "Guest", "password": f"{LEGACY}g"}},
    },
    mcs("dlms"),
]
BASELINE: dict[str, Any] = {
    "profile": {"id": "grid", "version": "1", "owner": "ot-security", "valid_until": "2099-12-31"},
    "security": {
        "all": {"accept": ["unverified_profile"]},
        "hep": {
            "lockout": {"attempts": {"web": 5}, "duration": 60},
            "services": {"ssh": False},
            "users": [{"name": "USER1", "permissions": MOST}, {"name": "USER2", "permissions": ["read", "security_config"]}],
        },
        "mcs301": {"image_transfer_enabled": False},
    },
}


def _closed() -> list[dict[str, Any]]:
    """A window that opens in six hours."""
    begin = datetime.now(UTC) + timedelta(hours=6)
    return [{"from": begin.strftime("%H:%M"), "to": (begin + timedelta(hours=1)).strftime("%H:%M"), "zone": "UTC"}]


def _changes(plan: dict[str, Any], host: str) -> dict[str, tuple[Any, Any]]:
    found = next(item for item in plan["meters"] if item["host"] == host)
    return {item["control"]: (item["have"], item["want"]) for item in found["changes"]}


@pytest.mark.requirement("R-116", "F-25", "R-320")
def test_what_was_reviewed_is_done_and_nothing_else(tmp_path: Path, artifacts: Path) -> None:
    for left in artifacts.glob("records*"):
        left.unlink()
    with Fleet({"name": "reviewed", "clock_factor": 100, "meters": METERS}, tmp_path) as fleet:
        inventory = _inventory(fleet, tmp_path)
        given = {"metering_baseline": BASELINE, "metering_hardening_batches": [10], "metering_check_login": True}
        code, output = _run(tmp_path, artifacts, "plan", inventory, **given)
        assert code == 0 and "changed=1" not in output, output[-4000:]
        written = [
            event for event in fleet.events() if event["kind"] in ("settings_written", "user_added", "password_changed", "user_changed")
        ]
        assert written == []
        path = artifacts / "report" / "security-plan.json"
        plan = json.loads(path.read_text(encoding="utf-8"))
        assert {item["host"]: item["state"] for item in plan["meters"]} == {item["name"]: "change" for item in METERS}
        assert _changes(plan, "advanced-4")["lockout_web"] == (3, 5) and _changes(plan, "advanced-4")["ssh"] == (True, False)
        assert _changes(plan, "new-5000")["password:administrator"] == (None, "set")
        assert _changes(plan, "dlms") == {"image_transfer_enabled": (True, False)}
        assert f"Security plan {plan['digest']}" in output
        assert f"Security plan {plan['digest']}" == (artifacts / "report" / "security-plan.md").read_text(encoding="utf-8").splitlines()[-1]
        kept = tmp_path / "reviewed.json"
        kept.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")

        # The same fleet and the same commit: the same digest, also by harden in check mode.
        code, output = _run(tmp_path, artifacts, "harden", inventory, "--check", **given)
        assert code == 0 and f"Security plan {plan['digest']}" in output, output[-4000:]

        # Outside its window nothing is begun, and the run says so.
        campaign = tmp_path / "campaign.yml"
        campaign.write_text(yaml.safe_dump({"reason": {"kind": "security"}, "windows": _closed()}), encoding="utf-8")
        late = {**given, "metering_campaign_file": str(campaign)}
        code, output = _run(tmp_path, artifacts, "harden", inventory, **late)
        assert code != 0 and "not started: window_closed" in output, output[-4000:]

        # Somebody changes one meter after the review: that one is left alone, the others get what was reviewed.
        fleet.meter("advanced-3").action("set_setting", name="lockout_web", value=9)
        reviewed = {**given, "metering_security_plan_file": str(kept), "metering_security_plan_digest": plan["digest"]}
        code, output = _run(tmp_path, artifacts, "harden", inventory, **reviewed)
        assert code != 0 and "lockout_web is 9; the reviewed plan says 3" in output, output[-6000:]
        state = {item["name"]: fleet.meter(item["name"]).state() for item in METERS}
        assert state["advanced-3"]["settings"]["lockout_web"] == 9 and len(state["advanced-3"]["users"]) == 2, "nothing was written"
        assert state["advanced-4"]["settings"]["lockout_web"] == 5 and state["advanced-4"]["settings"]["ssh"] is False
        assert "USER2" in [user["name"] for user in state["advanced-4"]["users"]]

        # Again: who is there already stays so; a baseline that asks for more changes nothing without a new review.
        more = {**BASELINE, "security": {**BASELINE["security"], "hep 4": {"panel_programming": False}}}
        two = {**reviewed, "metering_hosts": "advanced-4,new-5000,dlms"}
        code, output = _run(tmp_path, artifacts, "harden", inventory, **two)
        assert code == 0 and "changed=1" not in output, output[-6000:]
        before = fleet.meter("advanced-4").state()["settings"]
        code, output = _run(tmp_path, artifacts, "harden", inventory, **{**two, "metering_baseline": more, "metering_hosts": "advanced-4"})
        assert code != 0 and "panel_programming would be changed, which the reviewed plan does not say" in output, output[-6000:]
        assert fleet.meter("advanced-4").state()["settings"] == before

        assert fleet.failed_logins() == {} and fleet.events("violation") == []
    kept_bytes = b"".join(item.read_bytes() for item in artifacts.rglob("*") if item.is_file())
    assert not any(secret.encode() in kept_bytes for secret in (OLD, NEW, LEGACY, FRESH, MARKS))
