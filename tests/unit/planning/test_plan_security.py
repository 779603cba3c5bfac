# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The plan of a change of security: the same fleet gives the same digest, a touched file is refused, and a limited run keeps its order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan_ion
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan_security as planning
from ansible_collections.gridops.metering.plugins.plugin_utils import _rollout as rollout

LOCKOUT = {"control": "lockout_web", "kind": "setting", "subject": None, "want": 5, "have": 0}
ADDED = {"control": "user:USER2", "kind": "user_add", "subject": "USER2", "want": ["read"], "have": "absent"}
SERVICE = {"control": "ssh", "kind": "setting", "subject": None, "want": False, "have": True}


def result(outcome: str = "planned", *changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"outcome": outcome, "serial": "S", "model": "PM8000", "channel": "profile", "plan": list(changes), "text": "at 12:00", **more}


RESULTS = {
    "m1": result("planned", LOCKOUT, ADDED, needed_accept=["unverified_profile"]),
    "m3": result("planned", SERVICE),
    "m2": result("current"),
    "hand": result("planned", {**LOCKOUT, "kind": "handover"}, handover=[{}]),
    "unseen": result("planned"),
    "blocked": result("blocked", LOCKOUT, reason="revenue_locked"),
    "silent": {"failed": True, "msg": "no answer after 3.1 s", "error": {"reason": "transport_failed"}},
}


def build(results: Any = None, **more: Any) -> dict[str, Any]:
    return planning.build(results or RESULTS, {"id": "grid", "version": "1"}, {"gate": {}}, [1, 2], 2, **more)


@pytest.mark.requirement("R-116")
def test_each_meter_is_in_one_state_and_only_those_with_work_are_in_batches() -> None:
    plan = build()
    states = {item["host"]: item["state"] for item in plan["meters"]}
    assert states == {
        "m1": "change", "m3": "change", "m2": "current", "hand": "handover", "unseen": "unseen", "blocked": "blocked", "silent": "blocked",
    }  # fmt: skip
    assert [batch["meters"] for batch in plan["passes"][0]["batches"]] == [["m1"], ["m3", "hand"]]
    assert plan["counts"] == {"change": 2, "handover": 1, "current": 1, "blocked": 2, "unseen": 1}
    assert planning.left_alone(plan) == {
        "blocked": "blocked in the reviewed plan (revenue_locked)",
        "silent": "blocked in the reviewed plan (transport_failed)",
        "unseen": "nobody could sign in when the reviewed plan was made",
    }
    assert next(item for item in plan["meters"] if item["host"] == "blocked")["changes"] == [], "what is blocked is not approved"
    assert set(planning.expectations(plan)) == {"m1", "m3", "hand"}
    assert build({"m2": RESULTS["m2"]})["passes"] == []


@pytest.mark.requirement("R-116")
def test_the_digest_is_that_of_what_would_be_done() -> None:
    later = {host: {**item, "text": "at 13:00", "msg": "no answer after 2.9 s"} for host, item in RESULTS.items()}
    assert build()["digest"] == build(later)["digest"]
    assert build()["digest"] != build({**RESULTS, "m3": result("planned", {**SERVICE, "have": None})})["digest"]
    assert "12:00" not in json.dumps(build()) and "3.1 s" not in json.dumps(build())


@pytest.mark.requirement("R-116")
def test_a_plan_is_read_as_it_was_written_or_not_at_all() -> None:
    plan = build()
    assert planning.read(json.dumps(plan), plan["digest"]) == plan
    touched = {**plan, "concurrency": 9}
    for text, digest, why in (
        (json.dumps(touched), "", "unchanged plan"),
        (json.dumps(plan), "0" * 64, "metering_security_plan_digest"),
        (json.dumps({**plan, "schema_version": 9}), "", "plan again"),
        ("{}", "", "security-plan.json"),
        ("no", "", "security-plan.json"),
    ):
        with pytest.raises(InputError, match=why):
            planning.read(text, digest)


def test_a_limited_run_keeps_order_and_digest_and_names_whom_the_plan_does_not_know() -> None:
    plan = build()
    found = planning.limited(plan, ["m3", "new"])
    assert [batch["meters"] for batch in found["passes"][0]["batches"]] == [["m3"]]
    assert (found["unplanned"], found["digest"]) == (["new"], plan["digest"])
    assert planning.limited(plan, ["new"])["passes"] == []


def test_people_read_every_change_with_both_values() -> None:
    plan = build()
    assert planning.lines(plan) == [
        "hand: lockout_web: 0 to 5, by a person",
        "m1: lockout_web: 0 to 5",
        "m1: user:USER2: absent to read, with a password",
        "m3: ssh: on to off",
        "Nobody signed in to unseen: run an audit first, or plan with metering_check_login: true",
    ]
    assert planning.sentence(plan) == "3 changes on 2 of 7 meters; 1 handover, 1 current, 2 blocked, 1 unseen"
    assert planning.table(plan)[0]["meter"] == "blocked" and planning.table(plan)[0]["reason"] == "revenue_locked"


@pytest.mark.requirement("R-189", "R-252")
def test_who_is_hardened_after_the_upgrade_is_in_the_plan() -> None:
    def entry(host: str, before: str, mode: str, removed: bool | None) -> dict[str, Any]:
        return {"host": host, "passes": ["ion"], "security": [{"before": before, "mode": mode, "users_removed": removed}]}

    meters = [entry("lost", "standard", "legacy_support", True), entry("stays", "advanced", "advanced", False)]
    meters += [entry("asks", "none", "unknown", None), {"host": "pm", "passes": ["ftp"]}]
    plan = {"campaign": {"harden_after_upgrade": True}, "meters": meters}
    assert plan_ion.hardened(plan) == ["lost", "asks"] and plan_ion.hardened(plan, ["asks", "pm"]) == ["asks"]
    assert plan_ion.hardened({**plan, "campaign": {}}) == []


@pytest.mark.requirement("R-189")
def test_an_upgraded_meter_that_was_not_hardened_is_not_good() -> None:
    def rows() -> rollout.Outcomes:
        names = ("fine", "locked", "odd", "pin", "failed")
        return {name: {"outcome": "failed_final" if name == "failed" else "verified", "reason": "", "detail": None} for name in names}

    told = {"fine": {"outcome": "changed"}, "locked": {"outcome": "failed", "reason": "locked_out", "msg": "locked"}, "odd": {"msg": "x"}}
    told |= {"pin": {"outcome": "failed", "reason": "tls_fingerprint_mismatch"}, "failed": {"outcome": "changed"}, "strange": {}}
    found = rows()
    assert rollout.not_hardened(found, told) == ["locked", "odd", "pin"]
    assert {name: row["reason"] for name, row in found.items() if row["outcome"] == "failed_final"} == {
        "locked": "not_hardened", "odd": "not_hardened", "pin": "certificate_after_upgrade", "failed": "",
    }  # fmt: skip
    assert found["locked"]["detail"]["text"] == "upgraded; locked"
