# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Capabilities, controls, and changes in an order that locks nobody out."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.permissions import complete
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import capabilities, control, plan_settings
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.plan_settings import Mark, changes, judge, prechecks
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import State, User
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import wanted_from

ALL = complete(["time_sync", "read", "peak_demand_reset", "comm_config", "test_mode", "full_config", "security_config"])
READ = frozenset({"read"})
ADMIN = ["read", "security_config"]
VERSIONS = {"below 3": Version(2, 4, 1), "3": Version(3, 0, 0), "4": Version(4, 0, 0)}
SEEN = {
    "modbus_access": "read_only", "web_server": True, "web_programming": True, "panel_programming": True, "modbus_programming": False,
    "time_sync": True, "web_protocol": "https_redirect", "web_port_http": 80, "web_port_https": 443, "lockout_ion": 0,
    "lockout_modbus": 0, "lockout_web": 0, "lockout_sftp": 0, "lockout_ssh": 0, "lockout_duration": 30, "session_timeout_ion": 60,
    "sftp": True, "ssh": False, "ion": True, "ion_tls": True, "event_cutoff": 5, "priority_login": 0, "priority_invalid_login": 128,
    "priority_lockout": 255, "revenue_lock": "unlocked",
}  # fmt: skip
DAY = datetime.date(2026, 11, 21)


def _state(generation="4", mode="advanced", login="USER1", users=None, **changed):
    listed = (User("USER1", ALL),) if users is None else tuple(User(name, frozenset(rights)) for name, rights in users.items())
    seen = {name: value for name, value in {**SEEN, **changed}.items() if value is not None}
    return State("hep", "ION9000", VERSIONS[generation], generation, "MX-1", mode, seen, dict.fromkeys(seen, "page"), listed, login)


def _plan(state, params, marks=None, channel="web"):
    wanted = wanted_from(params, state.family)
    controls = judge(state, wanted, marks, today=DAY)
    found = [*capabilities.check(wanted, state), *prechecks(controls, state, wanted, channel=channel)]
    blocked = {item.reason for item in found if item.blocking and item.result in ("fail", "unknown")}
    return changes(controls, state, wanted), {item.id: item for item in controls}, blocked


def _done(order):
    return [item.control for item in order]


# -- capabilities -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-235", "R-232", "X-10")
def test_what_only_one_generation_has_is_not_guessed_where_the_generation_is_not_known() -> None:
    state = State("hep", "ION9000", generation=capabilities.FROM_3, mode="advanced")
    assert capabilities.unfit("ion_tls", True, state) is None and capabilities.unfit("ion_tls", False, state) is None
    assert capabilities.unfit("telnet", True, state) is not None and capabilities.unfit_mode("standard", state) is not None
    wanted = wanted_from({"services": {"ion_tls": False}}, "hep")
    found = judge(state, wanted)
    assert [item.state for item in found if item.id == "ion_tls"] == ["unknown"]
    assert [item.reason for item in capabilities.left_over(found, wanted)] == ["wanted_not_reached"]


def _cap(name, generation, params, reason, mode="advanced"):
    return pytest.param(generation, mode, params, reason, id=name)


@pytest.mark.requirement(
    "G-14",
    "R-181",
    "R-185",
    "R-191",
    "R-197",
    "R-199",
    "R-230",
    "R-232",
    "R-235",
    "R-236",
    "R-268",
    "R-271",
    "R-282",
    "R-289",
    "R-322",
    "R-393",
    "X-10",
)
@pytest.mark.parametrize(
    ("generation", "mode", "params", "reason"),
    [
        _cap("LSS below 3", "below 3", {"mode": "legacy_support"}, "control_not_supported_by_firmware", mode="standard"),
        _cap("standard on 3", "3", {"mode": "standard"}, "mode_removed"),
        _cap("Modbus none below 3", "below 3", {"modbus": {"access": "none"}}, "option_not_available"),
        _cap("HTTPS below 3", "below 3", {"web": {"protocol": "https"}}, "control_not_supported_by_firmware"),
        _cap("HTTPS port below 3", "below 3", {"web": {"ports": {"https": 8443}}}, "control_not_supported_by_firmware"),
        _cap("SFTP below 3", "below 3", {"services": {"sftp": True}}, "control_not_supported_by_firmware"),
        _cap("lockout of SSH below 3", "below 3", {"lockout": {"attempts": {"ssh": 3}}}, "control_not_supported_by_firmware"),
        _cap("secure ION on 3", "3", {"services": {"ion_tls": True}}, "option_not_available"),
        _cap("FTP on 4", "4", {"services": {"ftp": True}}, "option_not_available"),
        _cap("Modbus programming under LSS", "3", {"modbus": {"programming": True}}, "option_not_available", mode="legacy_support"),
        _cap("time sync off under LSS", "3", {"time_sync": False}, "option_not_available", mode="legacy_support"),
        _cap("17th user below 3", "below 3", {"users": [{"name": "USER17", "permissions": ["read"], "password": "aB1-xy"}]}, "too_many_users"),
        _cap("model number under advanced", "3", {"users": [{"name": "9000", "password": "1234"}]}, "user_name_not_valid_in_mode"),
        _cap("number of another model", "below 3", {"users": [{"name": "8000", "password": "1234"}]}, "user_name_not_valid_in_mode", mode="standard"),
        _cap(
            "user under standard", "below 3", {"users": [{"name": "USER1", "permissions": ["read"]}]}, "user_name_not_valid_in_mode",
            mode="standard",
        ),
        _cap("long password on 3", "3", {"users": [{"name": "USER1", "password": "Canary-0000-Aa"}]}, "password_policy"),
        _cap("LSS and letters", "3", {"users": [{"name": "USER1", "password": "aB1-xy"}]}, "lss_alphanumeric_password", mode="legacy_support"),
    ],
)  # fmt: skip
def test_what_the_meter_does_not_have_is_refused_with_its_reason(generation, mode, params, reason):
    login = "9000" if mode == "standard" else "USER1"
    assert reason in _plan(_state(generation, mode, login), params)[2]


@pytest.mark.requirement("R-289")
def test_what_is_wanted_off_and_does_not_exist_is_not_applicable_and_blocks_nothing():
    order, controls, blocked = _plan(_state(ftp=None), {"services": {"ftp": False, "telnet": False}, "web": {"protocol": "https_redirect"}})
    assert not order and not blocked
    assert controls["ftp"].state == control.NOT_APPLICABLE


@pytest.mark.requirement("R-230", "R-289")
def test_a_mixed_fleet_leaves_what_a_firmware_lacks_and_says_so():
    params = {"unsupported": "leave", "services": {"sftp": True, "ion_tls": True}, "lockout": {"attempts": {"web": 3}}}
    order, controls, blocked = _plan(_state("below 3"), params)
    assert _done(order) == ["lockout_web"] and not blocked
    assert controls["ion_tls"].state == control.NOT_APPLICABLE
    assert controls["sftp"].state == control.FAIL and "upgrade" in controls["sftp"].remedy


@pytest.mark.requirement("R-199")
def test_letters_under_lss_are_taken_when_accepted_by_name():
    params = {"users": [{"name": "USER1", "password": "aB1-xy"}], "accept": ["lss_alphanumeric_password"]}
    assert not _plan(_state("3", "legacy_support"), params)[2]


@pytest.mark.requirement("R-322")
def test_the_limit_of_users_holds_for_the_result():
    many = {f"USER{number}": ALL for number in range(1, 51)}
    state = _state(users={name: rights for name, rights in many.items() if name != "USER50"})
    add = {"users": [{"name": "USER50", "permissions": ["read"], "password": "Canary-1Xyz"}]}
    assert "too_many_users" not in _plan(state, add)[2]
    strange = replace(state, users=(*state.users, User("OLD", READ)))
    assert "too_many_users" in _plan(strange, add)[2]


def test_an_unknown_generation_is_not_written_to():
    state = replace(_state(), generation="unknown", version=None)
    assert _plan(state, {"panel_programming": False})[2]
    assert not _plan(state, {})[2]


# -- controls ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-254", "R-376", "R-298", "R-305", "R-344", "R-273")
def test_what_nobody_asked_for_is_compared_with_the_recommendations_and_never_planned():
    order, controls, _blocked = _plan(_state(mode="legacy_support", modbus_access="read_write", lockout_web=3, ssh=None), {})
    assert not order
    failed = {name for name, item in controls.items() if item.state == control.FAIL}
    assert {"mode", "modbus_access", "web_programming", "panel_programming", "lockout_ion", "revenue_lock"} <= failed
    assert controls["lockout_web"].state == control.PASS and controls["priority_lockout"].state == control.PASS
    assert controls["ssh"].state == control.UNKNOWN and controls["seals"].state == control.UNKNOWN
    assert controls["web_protocol"].evidence == "page"


@pytest.mark.requirement("R-232", "R-236", "G-12")
def test_as_wanted_is_pass_and_unread_is_unknown_and_never_planned():
    state = _state(session_timeout_ion=None)
    order, controls, _blocked = _plan(
        state, {"mode": "advanced", "web": {"protocol": "HTTPS with HTTP redirect"}, "session_timeout": {"ion": 5}}
    )
    assert not order
    assert (controls["mode"].state, controls["web_protocol"].state) == (control.PASS, control.PASS)
    assert controls["session_timeout_ion"].state == control.UNKNOWN


@pytest.mark.requirement("R-300")
def test_revenue_lock_and_seals_are_read_or_attested():
    wanted = wanted_from({}, "hep")
    said = {"revenue_lock": "locked", "seals": "A-17, A-18", "by": "j.doe", "at": "2026-11-20"}
    controls = {item.id: item for item in judge(_state(revenue_lock=None), wanted, attest=said, today=DAY)}
    assert controls["revenue_lock"].state == controls["seals"].state == control.ATTESTED
    assert "j.doe" in controls["seals"].text
    read = {item.id: item for item in judge(_state(revenue_lock="locked"), wanted, attest={"revenue_lock": "unlocked"}, today=DAY)}
    assert read["revenue_lock"].state == control.PASS
    denied = {item.id: item for item in judge(_state(revenue_lock=None), wanted, attest={"revenue_lock": "unlocked"}, today=DAY)}
    assert denied["revenue_lock"].state == control.FAIL


@pytest.mark.requirement("R-233")
@pytest.mark.parametrize(("expires", "state"), [("2026-11-21", control.WAIVED), ("2026-11-20", control.FAIL)])
def test_a_waiver_ends(expires, state):
    waiver = {"control": "interim_mode", "reason": "PME 9", "approver": "j.doe", "expires": expires}
    _order, controls, _blocked = _plan(_state("3", "legacy_support"), {"mode": "legacy_support", "waivers": [waiver]})
    assert controls["mode"].state == control.PASS
    assert controls["interim_mode"].state == state
    assert ("ran out" in controls["interim_mode"].text) == (state == control.FAIL)


@pytest.mark.requirement("R-190", "R-398", "G-15")
def test_what_only_a_probe_tells():
    state = replace(_state(web_protocol="https", modbus_access="none"), ports={"http": "open", "modbus": "open"})
    controls = _plan(state, {})[1]
    assert controls["port_http"].state == controls["ion_over_modbus"].state == control.FAIL
    closed = _plan(replace(state, ports={"http": "closed", "modbus": "filtered"}), {})[1]
    assert (closed["port_http"].state, closed["ion_over_modbus"].state) == (control.PASS, control.UNKNOWN)
    redirect = _plan(replace(_state(), ports={"http": "open"}), {})[1]
    assert "port_http" not in redirect and redirect["web_protocol"].state == control.PASS


@pytest.mark.requirement("R-264", "R-306")
def test_strength_shows_the_class_and_never_the_password():
    users = [{"name": "USER1", "password": "12345678"}, {"name": "USER2", "password": "Canary-4xYz", "permissions": ["read"]}]
    _order, controls, _blocked = _plan(_state(), {"users": users})
    assert controls["password_strength"].state == control.FAIL
    assert "USER1" in controls["password_strength"].text and "Canary" not in repr(controls)


def test_marks_tell_whether_a_password_is_written():
    params = {"users": [{"name": "USER1", "password": "Canary-4xYz"}]}
    assert _done(_plan(_state(), params)[0]) == ["password:USER1"]
    order, controls, _blocked = _plan(_state(), params, {"USER1": Mark(False, "same", "the mark is that of the given password")})
    assert not order and controls["password:USER1"].state == control.PASS
    order, controls, _blocked = _plan(_state(), params, {"USER1": Mark(False, "other", "set by an earlier run, and not expired")})
    assert not order and controls["password:USER1"].state == control.FAIL


def test_an_audit_plans_nothing():
    wanted = wanted_from({"mode": "advanced", "users": [{"name": "USER2", "state": "absent"}], "panel_programming": False}, "hep", False)
    state = _state("3", "legacy_support", users={"USER1": ALL, "USER2": READ})
    controls = {item.id: item for item in judge(state, wanted, today=DAY)}
    assert {controls[name].state for name in ("mode", "user:USER2", "panel_programming")} == {control.FAIL}
    assert changes(list(controls.values()), state, wanted) == []


# -- prechecks --------------------------------------------------------------------------------------------------------


def _pre(name, reason, params, state=None, channel="web"):
    return pytest.param(state or _state(), params, reason, channel, id=name)


TWO = {"USER1": ALL, "USER2": ALL}


@pytest.mark.requirement("R-191", "R-195", "R-254", "R-270", "R-274", "R-279", "R-283", "R-289", "R-300", "R-321", "R-399")
@pytest.mark.parametrize(
    ("state", "params", "reason", "channel"),
    [
        _pre("own permissions", "cannot_change_own_permissions", {"users": [{"name": "user1", "permissions": ADMIN}]}, state=_state(users=TWO)),
        _pre(
            "own permissions by the model number",
            "cannot_change_own_permissions",
            {"users": [{"name": "USER1", "permissions": ADMIN}]},
            state=_state("3", "legacy_support", "9000", TWO),
        ),
        _pre("own removal", "cannot_change_own_permissions", {"users": [{"name": "USER1", "state": "absent"}]}, state=_state(users=TWO)),
        _pre("no security access", "security_access_missing", {"panel_programming": False}, state=_state(users={"USER1": READ})),
        _pre("revenue-locked", "revenue_locked", {"panel_programming": False}, state=_state(revenue_lock="locked")),
        _pre("no programming by web", "programming_off", {"panel_programming": False}, state=_state(web_programming=False)),
        _pre("no writing by Modbus", "programming_off", {"panel_programming": False}, channel="registers"),
        _pre("users by registers", "option_not_available", {"users": [{"name": "USER1", "password": "Canary-4xYz"}]}, channel="registers"),
        _pre("web off", "disables_upgrade_channel", {"web": {"protocol": "disabled"}}),
        _pre("web server off", "disables_upgrade_channel", {"web": {"server": False}}),
        _pre("ION off", "disables_upgrade_channel", {"services": {"ion": False, "ion_tls": False}}),
        _pre("ION off on 3", "disables_upgrade_channel", {"services": {"ion": False}}, state=_state("3", ion_tls=None)),
        _pre("filter, own address unknown", "would_lock_out", {"ip_filter": ["192.0.2.1"]}, state=_state(ip_filter=[])),
        _pre("filter without us", "would_lock_out", {"ip_filter": ["192.0.2.1"]}, state=replace(_state(ip_filter=[]), client="192.0.2.9")),
        _pre("mode back", "option_not_available", {"mode": "legacy_support"}, state=_state("3")),
        _pre("nobody after standard", "would_lock_out", {"mode": "advanced"}, state=_state("below 3", "standard", "9000", {})),
        _pre(
            "somebody after standard without a right",
            "would_lock_out",
            {"mode": "advanced", "users": [{"name": "USER1", "permissions": ["read"], "password": "aB1-xy"}]},
            state=_state("below 3", "standard", "9000", {}),
        ),
        _pre(
            "removal of the unnamed",
            "removes_users_not_accepted",
            {"users_exclusive": True, "users": [{"name": "USER1", "permissions": ADMIN}]},
            state=_state(users={"USER1": complete(ADMIN), "USER2": READ}),
        ),
    ],
)  # fmt: skip
def test_what_would_go_wrong_is_refused_before_the_first_change(state, params, reason, channel):
    assert reason in _plan(state, params, channel=channel)[2]


@pytest.mark.requirement("R-279", "R-399")
def test_ways_that_upgrades_need_are_closed_when_accepted_by_name():
    params = {"web": {"protocol": "disabled", "programming": False}, "services": {"ion": False}, "accept": ["disables_upgrade_channel"]}
    order, controls, blocked = _plan(_state(), params)
    assert not blocked and _done(order) == ["ion", "web_protocol"]
    assert controls["web_programming"].state == control.NOT_APPLICABLE
    assert not _plan(_state(), {"services": {"ion": False}})[2], "Secure ION stays open"


def test_the_filter_may_be_set_where_it_lets_us_in():
    assert not _plan(replace(_state(ip_filter=[]), client="192.0.2.9"), {"ip_filter": ["192.0.2.0/28"]})[2]


# -- the order --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-321", "R-405", "R-198")
def test_ways_are_opened_first_and_the_own_way_is_closed_last():
    params = {
        "web": {"protocol": "https", "programming": False, "ports": {"https": 8443}},
        "modbus": {"access": "none"},
        "services": {"sftp": False, "ion_tls": True},
        "lockout": {"attempts": {"web": 3}},
        "users": [
            {"name": "USER3", "state": "absent"},
            {"name": "USER1", "password": "Canary-1Xyz"},
            {"name": "USER2", "password": "Canary-2Xyz", "permissions": ["read"]},
            {"name": "USER4", "password": "Canary-4Xyz", "permissions": ADMIN},
        ],
    }
    state = _state(ion_tls=False, users={"USER1": ALL, "USER2": ALL, "USER3": ALL})
    order, _controls, blocked = _plan(state, params)
    assert not blocked
    assert _done(order) == [
        "ion_tls", "lockout_web", "user:USER4", "password:USER2", "password:USER1", "user:USER2", "user:USER3", "sftp", "modbus_access",
        "web_port_https", "web_protocol", "web_programming",
    ]  # fmt: skip
    assert order[2].kind == "user_add" and order[2].want == ["read", "full_config", "security_config"]


@pytest.mark.requirement("R-191", "R-278")
def test_before_standard_is_left_there_is_somebody_to_sign_in_as():
    users = [
        {"name": "USER1", "permissions": ADMIN, "password": "aB1-xy"},
        {"name": "USER2", "permissions": ["read"], "password": "aB2-xy"},
    ]
    params = {"mode": "advanced", "users": users, "time_sync": False}
    order, _controls, blocked = _plan(_state("below 3", "standard", "9000", {}), params)
    assert not blocked and _done(order) == ["user:USER1", "mode", "time_sync", "user:USER2"]
    assert order[1].subject == "USER1"
    lss, _controls, blocked = _plan(_state("3", "legacy_support", "9000"), {"mode": "advanced"})
    assert not blocked and [(item.control, item.subject) for item in lss] == [("mode", "USER1")]
    same, _controls, blocked = _plan(_state("3", "legacy_support", "USER1"), {"mode": "advanced"})
    assert not blocked and same[0].subject is None


@pytest.mark.requirement("R-035")
def test_accounts_of_a_pm5000_keep_one_of_each_group():
    users = (User("web", frozenset({"web_master"})), User("boss", frozenset({"product_master"})))
    state = State("pm5000", "PM5560", Version(2, 7, 4), "legacy", "1", None, {"ftp": True}, {"ftp": "page"}, users, "boss")
    params = {
        "accounts": {"product_master": {"user": "chief", "password": "Canary-1x"}, "web_master": {"password": "Canary-2x"}},
        "services": {"ftp": False},
    }
    order, controls, blocked = _plan(state, params)
    assert blocked == {"disables_upgrade_channel"}
    assert _done(order) == ["password:web_master", "password:product_master", "account:product_master", "ftp"]
    assert controls["account_groups"].state == control.PASS
    alone = replace(state, users=users[1:])
    assert _plan(alone, {})[1]["account_groups"].state == control.FAIL
    assert "option_not_available" in _plan(state, {"accounts": {"guest": {"password": "Canary-4xYz"}}})[2]


# -- whatever is wanted -----------------------------------------------------------------------------------------------

_NAMES = [f"USER{number}" for number in range(1, 5)]
_RIGHTS = st.sets(st.sampled_from(["time_sync", "comm_config", "full_config", "security_config"])).map(
    lambda words: sorted(words | {"read"})
)


@st.composite
def _states(draw):
    generation = draw(st.sampled_from(["below 3", "3", "4"]))
    mode = draw(st.sampled_from(["none", "standard", "advanced"] if generation == "below 3" else ["legacy_support", "advanced"]))
    users = {name: complete(draw(_RIGHTS)) for name in draw(st.sets(st.sampled_from(_NAMES)))}
    if mode == "legacy_support" or (mode == "advanced" and not any("security_config" in rights for rights in users.values())):
        users["USER1"] = ALL
    admins = sorted(name for name, rights in users.items() if "security_config" in rights)
    login = {"none": None, "standard": "9000"}.get(mode)
    if mode == "legacy_support":
        login = draw(st.sampled_from([*admins, "9000"]))
    elif mode == "advanced":
        login = draw(st.sampled_from(sorted(users)))
    return _state(generation, mode, login, users)


@st.composite
def _documents(draw):
    users = []
    for number, name in enumerate(draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=4))):
        entry = {"name": draw(st.sampled_from([name, name.lower()]))}
        if draw(st.integers(0, 3)) == 0:
            entry["state"] = "absent"
        else:
            if draw(st.booleans()):
                entry["permissions"] = draw(_RIGHTS)
            if draw(st.booleans()):
                entry["password"] = draw(st.sampled_from([f"1234{number}", f"aB-x{number}z"]))
        users.append(entry)
    params = {"users": users or None, "accept": ["removes_users", "lss_alphanumeric_password"], "unsupported": "leave"}
    params["mode"] = draw(st.sampled_from([None, "standard", "legacy_support", "advanced", "advanced"]))
    params["users_exclusive"] = draw(st.booleans()) if users else None
    params["modbus"] = {"access": draw(st.sampled_from([None, "none", "read_only", "read_write"]))}
    params["web"] = {"protocol": draw(st.sampled_from([None, "https", "disabled"])), "programming": draw(st.sampled_from([None, False]))}
    return params


class _Meter:
    """A meter as the documents tell of it: who may sign in, with which password, and what that gives."""

    def __init__(self, state):
        self.mode, self.login = state.mode, state.login
        self.users = {user.name: user.permissions for user in state.users}
        self.secrets = {name: f"unknown:{name}" for name in self.users}
        self.known = set()
        self.web, self.programming = True, True
        if state.login in self.users:
            self.known.add(self.secrets[state.login])
        if state.mode == "legacy_support" and state.login == "9000":
            self.known.add(self.secrets["USER1"])

    def take(self, item, wanted):
        assert self.web and self.programming, f"{item.control} comes after the way was closed"
        own = {self.login, "USER1" if self.login == "9000" and self.mode == "legacy_support" else self.login}
        if item.kind == "user_add":
            assert item.subject not in self.users
            self.users[item.subject.upper()] = complete(item.want)
            self._write(item.subject.upper(), wanted)
        elif item.kind == "user_change":
            assert item.subject not in own
            self.users[item.subject] = complete(item.want)
        elif item.kind == "user_remove":
            assert item.subject not in own
            del self.users[item.subject], self.secrets[item.subject]
        elif item.kind == "password":
            self._write(item.subject, wanted)
        elif item.kind == "mode":
            self.mode = item.want
            if item.subject is not None:
                subject = item.subject.upper()
                assert self.secrets[subject] in self.known and "security_config" in self.users[subject]
                self.login = subject
            assert self.mode != "advanced" or self.login in self.users
        elif item.control == "web_protocol" and item.want == "disabled":
            self.web = False
        elif item.control == "web_programming":
            self.programming = item.want

    def _write(self, name, wanted):
        secret = wanted.secret(name)
        assert secret is not None
        self.secrets[name] = secret
        self.known.add(secret)

    def open_to_us(self):
        if self.mode in ("none", "standard"):
            return True
        return any(self.secrets[name] in self.known and "security_config" in rights for name, rights in self.users.items())

    def seen(self, state, order):
        values = {item.control: item.want for item in order if item.kind == "setting"}
        users = tuple(User(name, rights) for name, rights in self.users.items())
        return replace(state, mode=self.mode, login=self.login, users=users, settings={**state.settings, **values})


@pytest.mark.requirement("R-195", "R-321", "R-342", "R-198")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(state=_states(), params=_documents())
def test_after_every_single_change_somebody_of_ours_can_still_configure_security(state, params):
    try:
        wanted = wanted_from(params, "hep")
    except InputError:
        assume(False)
    controls = judge(state, wanted, today=DAY)
    order = changes(controls, state, wanted)
    assert {item.control for item in order} == plan_settings.planned(controls)
    assert len({(item.control, item.kind) for item in order}) == len(order)
    found = [*capabilities.check(wanted, state), *prechecks(controls, state, wanted)]
    if any(item.blocking and item.result in ("fail", "unknown") for item in found):
        return
    meter = _Meter(state)
    for item in order:
        meter.take(item, wanted)
        assert meter.open_to_us(), f"locked out after {item.control}"
    again = judge(meter.seen(state, order), wanted, {name: Mark(False, "same") for name in wanted.passwords}, today=DAY)
    assert not plan_settings.planned(again), "a second run would change something"


@pytest.mark.requirement("R-289")
@pytest.mark.parametrize("unsupported", ["refuse", "leave"])
@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"ip_filter": ["10.0.0.0/8"]}, "ip_filter"),
        ({"users": [{"name": "USER3", "password": "Canary-3"}]}, "user:USER3"),
        ({"users": [{"name": "USER3", "permissions": ["read"]}]}, "user:USER3"),
    ],
)
def test_what_cannot_be_reached_is_never_called_done(params, told, unsupported):
    state, wanted = _state(), wanted_from({**params, "unsupported": unsupported}, "hep")
    (found,) = capabilities.left_over(judge(state, wanted, today=DAY), wanted)
    assert found.reason == "wanted_not_reached"
    assert told in found.text
    assert found.blocking is (unsupported == "refuse")


@pytest.mark.requirement("R-289")
def test_what_is_only_recommended_is_not_asked_for():
    state = _state(lockout_web=None)
    wanted = wanted_from({"panel_programming": False, "users": [{"name": "USER1", "password": "Canary-1"}]}, "hep")
    assert capabilities.left_over(judge(state, wanted, today=DAY), wanted) == []
    assert capabilities.asked(wanted) == {"panel_programming", "user:USER1", "password:USER1"}
