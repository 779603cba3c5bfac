# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The task that would mend a finding: the module takes it, it asks for what the control wants, and nothing is promised that no run does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.fix import FIRMWARE, SECURITY, asked_ids, fix
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.judge_settings import judge
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import State, User
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import wanted_from
from ansible_collections.gridops.metering.plugins.module_utils._firmware import FIRMWARE_SPEC
from ansible_collections.gridops.metering.plugins.module_utils._security import SECURITY_SPEC

DOCUMENT: dict[str, Any] = {
    "mode": "advanced",
    "users": [
        {"name": "USER1", "permissions": ["read", "full_config", "security_config"], "password": "Canary-1"},
        {"name": "USER2", "permissions": ["read"], "password": "Canary-2"},
    ],
    "users_exclusive": True,
    "lockout": {"attempts": {"ion": 5, "web": 5, "ssh": 3}, "duration": 30},
    "session_timeout": {"ion": 30},
    "web": {"protocol": "https", "programming": False, "ports": {"https": 8443}},
    "modbus": {"access": "read_only", "programming": False},
    "services": {"ssh": False, "ion": False},
    "event_log": {"cutoff": 5, "priorities": {"login": 64, "invalid_login": 128}},
    "panel_programming": False,
    "time_sync": True,
    "ip_filter": ["192.0.2.0/28"],
    "unsupported": "leave",
}


def meter(**changed: Any) -> Any:
    return {"name": "m1", "family": "hep", "model": "ION9000", "firmware": "4.0.0", "target": "", **changed}


def failed(name: str, want: Any, have: Any = None, remedy: str = "") -> Any:
    return {"id": name, "state": "fail", "want": want, "have": have, "text": "", "rule": "R-1", "fingerprint": "", "remedy": remedy}


@pytest.mark.requirement("R-289")
def test_every_setting_that_a_baseline_can_ask_for_has_a_task_which_asks_for_just_that() -> None:
    wanted = wanted_from(DOCUMENT, "hep", managed=False)
    state = State("hep", "ION9000", generation="4", serial="S", mode="legacy_support")
    state.settings = {name: "another" for name in wanted.settings}
    state.users = (User("USER1", frozenset({"read"})), User("USER9", frozenset({"read"})))
    asked = asked_ids(DOCUMENT, "hep")
    mended = set()
    for control in judge(state, wanted):
        if control.state != "fail" or not (control.id in asked or ("user:*" in asked and control.id.startswith("user:"))):
            continue
        found = fix(failed(control.id, control.want, control.have, control.remedy), meter())
        assert found is not None and found["playbook"] == "gridops.metering.harden", control
        options = found["task"][SECURITY]
        assert not ArgumentSpecValidator(SECURITY_SPEC).validate({"host": "m1", **options}).error_messages
        alone = wanted_from({**options, "unsupported": "leave"}, "hep") if "password" not in str(options) else None
        if alone is not None and control.id in wanted.settings:
            assert alone.settings == {control.id: wanted.settings[control.id]}
        assert "Canary" not in str(found)
        mended.add(control.id)
    assert mended >= {*wanted.settings, "mode", "user:USER1", "user:USER2", "user:USER9"}


def test_a_missing_user_is_made_with_the_password_of_the_vault_and_one_too_many_goes() -> None:
    made = fix(failed("user:USER2", ["read"], "absent", "users"), meter())
    assert made is not None
    assert made["task"][SECURITY]["users"] == [{"name": "USER2", "permissions": ["read"], "password": "{{ metering_passwords['USER2'] }}"}]
    gone = fix(failed("user:USER9", "absent", ["read"], "users"), meter())
    assert gone is not None and gone["task"][SECURITY]["users"] == [{"name": "USER9", "state": "absent"}]


@pytest.mark.parametrize(
    "result",
    [
        failed("seals", "applied"),
        failed("revenue_lock", "locked", "unlocked", "the lock, set on site before service"),
        failed("user:USER2", ["read"], "absent", "users[USER2].permissions and .password"),
        failed("password:USER1", "the given password", "not known to be it", "update_secret: always"),
        failed("account:guest", "eve", "a, b", "accounts.guest.user with one of these names"),
        failed("web_protocol", "https", "http", "an upgrade to firmware 3.0.0 or later"),
        failed("mode", "standard", "advanced"),
        failed("interim_mode", "advanced", "legacy_support", "mode: advanced, or a waiver with an end"),
        failed("covered", True, False),
        failed("component_signature:1", "x", "y"),
        {**failed("lockout_web", 5, 0, "lockout.attempts.web"), "state": "unknown"},
    ],
)
def test_what_needs_a_person_has_no_task(result: Any) -> None:
    assert fix(result, meter()) is None


def test_what_the_baseline_does_not_ask_for_is_changed_by_no_playbook() -> None:
    assert fix(failed("ssh", "off", True, "services.ssh"), meter(), asked=False) is None
    assert asked_ids({"policy": "encrypted", "clock": "report"}, "mcs301") == {"policy"}


@pytest.mark.requirement("R-006", "R-245")
def test_firmware_goes_by_the_documented_way_with_its_words() -> None:
    found = fix(failed("firmware_minimum", "4.0.0", "2.4.1"), meter(firmware="2.4.1"))
    assert found is not None and found["playbook"] == "gridops.metering.upgrade" and found["runs"] == 2
    options = found["task"][FIRMWARE]
    assert (options["version"], options["method"], options["accept"]) == ("4.0.0", "ion", ["irreversible"])
    assert not ArgumentSpecValidator(FIRMWARE_SPEC).validate({"host": "m1", **options}).error_messages
    aimed = fix(failed("firmware_advisory:X", "2.7.8"), meter(family="pm5000", model="PM5560", firmware="2.3.0", target="4.4.0"))
    assert aimed is not None and aimed["task"][FIRMWARE]["version"] == "4.4.0"


def test_without_a_documented_way_nothing_is_promised() -> None:
    assert fix(failed("firmware_minimum", "4.0.0"), meter(firmware="2.0.3")) is None
    assert fix(failed("firmware_forbidden", "not 3.1.0", "3.1.0"), meter(firmware="3.1.0")) is None
    assert fix(failed("firmware_target", "3.0.0"), meter(firmware="4.0.0", target="3.0.0")) is None
    assert fix(failed("firmware_target", "3.0.0"), meter(family="", model="")) is None


@pytest.mark.requirement("R-214")
def test_the_legally_relevant_part_needs_its_own_word() -> None:
    one = meter(family="mcs301", model="MCS301")
    found = fix(failed("component:0", "4d4353", "4d4352"), one)
    assert found is not None and "legally_relevant" in found["task"][FIRMWARE]["accept"]
    assert found["task"][FIRMWARE]["component"] == 0
    policy = fix(failed("policy", "encrypted", "none", "policy: encrypted, accept: [irreversible]"), one)
    assert policy is not None and policy["task"][SECURITY] == {"policy": "encrypted", "accept": ["irreversible"]}
    assert fix(failed("clock", "within 30 s", "+90 s"), one) is None, "an activation is scheduled, which setting the clock could start"
