# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a baseline says of one meter, and the batches and the gate of a rolling change; the examples are baselines that hold."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.filter.security_batches import security_batches
from ansible_collections.gridops.metering.plugins.filter.security_document import security_document
from ansible_collections.gridops.metering.plugins.filter.security_gate import security_gate
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.baseline import GENERATIONS, document

ADMIN = {"name": "USER1", "permissions": ["read", "security_config"]}
BASELINE = {
    "profile": {"id": "grid", "valid_until": "2027-12-31"},
    "security": {
        "all": {"services": {"ftp": False}, "web": {"protocol": "https_redirect"}},
        "hep": {"mode": "advanced", "lockout": {"attempts": {"web": 3, "ion": 3}}, "users": [ADMIN]},
        "hep 4": {"lockout": {"attempts": {"web": 5}}, "services": {"ion": False}},
        "ION9000": {"time_sync": True},
        "pm5000 new": {"accounts": {"guest": {"user": "viewer"}}},
    },
    "waivers": [{"control": "seals", "hosts": ["lab-*"], "reason": "laboratory", "approver": "j.doe", "expires": "2027-01-01"}],
}
FACTS = {"model": "ION9000", "firmware": {"version": "4.0.0"}}
SECRETS = {"user1": "Canary-1Xyz", "USER7": "Canary-7Xyz", "guest": "Canary-Gu3st", "web_master": "Canary-Wm1"}


@pytest.mark.requirement("R-289", "R-233")
def test_the_narrower_part_goes_before_the_wider_one():
    found = security_document(BASELINE, "lab-1", "hep", FACTS)
    assert found["lockout"] == {"attempts": {"web": 5, "ion": 3}}
    assert found["services"] == {"ftp": False, "ion": False} and found["time_sync"] is True and found["unsupported"] == "leave"
    assert [item["control"] for item in found["waivers"]] == ["seals"]
    other = security_document(BASELINE, "m1", "hep", {"model": "PM8000", "firmware": {"version": "V003.000.000"}})
    assert other["services"] == {"ftp": False} and "time_sync" not in other and "waivers" not in other


def test_passwords_come_beside_the_baseline_to_whom_they_belong():
    found = security_document(BASELINE, "m1", "hep", FACTS, SECRETS)
    assert found["users"] == [{**ADMIN, "password": "Canary-1Xyz"}, {"name": "USER7", "password": "Canary-7Xyz"}]
    new = security_document(BASELINE, "m1", "pm5000", {"model": "PM5560", "firmware": {"version": "4.3.5"}}, SECRETS)
    assert new["accounts"] == {"guest": {"user": "viewer", "password": "Canary-Gu3st"}}
    old = security_document(BASELINE, "m1", "pm5000", {"model": "PM5560", "firmware": {"version": "2.7.8"}}, SECRETS)
    assert old["accounts"] == {"web_master": {"password": "Canary-Wm1"}}
    assert "accounts" not in security_document(BASELINE, "m1", "pm5000", {}, {})


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"profile": {"name": "x"}}, "metering_baseline.profile.name"),
        ({"profile": {"valid_until": "soon"}}, "metering_baseline.profile.valid_until"),
        ({"profile": {"valid_until": "2026-11-20"}}, "metering_baseline.profile.valid_until"),
        ({"security": {"hep 5": {}}}, "metering_baseline.security.hep 5"),
        ({"security": {"hep": {"policy": "encrypted"}}}, "metering_baseline.security.hep.policy"),
        ({"security": {"hep 3": {"users": [{**ADMIN, "password": "Canary-1Xyz"}]}}}, "users.password"),
        ({"security": {"hep 3": {"mode": "none"}}}, "mode"),
        ({"security": {"ION9000": {"lockout": {"attempts": {"web": 256}}}}}, "lockout.attempts.web"),
        ({"security": {"all": {"users": [ADMIN]}}}, "metering_baseline.security.all.users"),
        ({"waivers": [{"control": "mode", "hosts": "m1"}]}, "metering_baseline.waivers.hosts"),
        ({"waivers": [{"control": "mode", "reason": "r", "approver": "a"}]}, "waivers.expires"),
        ({"levels": 2}, "metering_baseline.levels"),
    ],
)
def test_a_fault_anywhere_in_a_baseline_is_found_before_a_meter_is_asked(change, option):
    with pytest.raises(InputError) as refused:
        document({**BASELINE, **change}, "m1", "hep", today=datetime.date(2026, 11, 21))
    assert str(refused.value).startswith(f"{option}: ") and "Canary" not in str(refused.value)


def test_the_filters_refuse_what_is_no_dictionary():
    for call in (lambda: security_document("x", "m1"), lambda: security_document({}, "m1", "hep", {}, "x"), lambda: security_gate([], [])):
        with pytest.raises(AnsibleFilterError):
            call()


@pytest.mark.requirement("G-18")
def test_batches_keep_neighbours_apart_and_are_never_larger_than_agreed():
    found = security_batches(["a", "b", "c", "d"], [1, 2], 2, {"b": "line", "c": "line", "d": ""})
    assert [(item["host"], item["batch"]) for item in found] == [("a", 1), ("b", 2), ("d", 2), ("c", 3)]
    with pytest.raises(AnsibleFilterError, match="metering_concurrency"):
        security_batches(["a", "b"], [2], 1)
    with pytest.raises(AnsibleFilterError, match="metering_concurrency"):
        security_batches(["a"], [1], 11)


@pytest.mark.requirement("F-22", "F-26", "F-27")
@pytest.mark.parametrize(
    ("ends", "action"),
    [
        ({"a": ("changed", ""), "b": ("current", ""), "c": ("blocked", "would_lock_out")}, "advance"),
        ({"a": ("failed", "setting_refused")}, "pause"),
        ({"a": ("changed", ""), "b": ("failed", "login_refused")}, "pause"),
        ({"a": ("changed", ""), "b": ("failed", "locked_out")}, "abort"),
        ({"a": ("changed", ""), "b": ("failed", "rotation_unverified")}, "abort"),
        ({"a": ("handed_over", ""), "b": ("changed", "")}, "advance"),
        ({}, "advance"),
    ],
)
def test_the_gate_stops_where_the_next_meter_would_end_like_this_one(ends, action):
    outcomes = {host: {"outcome": outcome, "reason": reason} for host, (outcome, reason) in ends.items()}
    found = security_gate(outcomes, list(ends))
    assert (found["action"], found["stop"]) == (action, action != "advance") and "upgrade" not in found["text"]


EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "baselines").glob("*.yml"))


def test_there_is_an_example_for_each_family_and_one_for_a_mixed_fleet():
    assert [path.stem for path in EXAMPLES] == ["hep", "mcs301", "mixed", "pm5000"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_holds_for_each_firmware(path):
    baseline = yaml.safe_load(path.read_text(encoding="utf-8"))["metering_baseline"]
    for family, ages in GENERATIONS.items():
        for age in (*ages, "unknown"):
            assert isinstance(document(baseline, "m1", family, age, today=datetime.date(2026, 11, 21)), dict)
