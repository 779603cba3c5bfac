# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The desired-state document: what is taken and, one sentence each, what is refused before any contact."""

from __future__ import annotations

import datetime
import socket

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import wanted as module
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import wanted_from

ADMIN = {"name": "USER1", "permissions": ["read", "security_config"]}
SIX = "Cn-4xY"  # six characters of four classes; the canary below is longer than firmware before 4.0.0 takes
CANARY = "Canary-4xY"
MARKS = "Canary-marks-key-0001"


def _user(**entry):
    return {"users": [{"name": "USER2", **entry}]}


def _case(name, option, params, family="hep"):
    return pytest.param(family, params, option, id=name)


REFUSED = [
    # the mode
    _case("mode unknown", "mode", {"mode": "expert"}),
    _case("mode none is never asked for", "mode", {"mode": "none"}),
    _case("mode is no list", "mode", {"mode": ["advanced"]}),
    # options of other families
    _case("users on a PM5000", "users", _user(), family="pm5000"),
    _case("mode on a PM5000", "mode", {"mode": "advanced"}, family="pm5000"),
    _case("lockout on a PM5000", "lockout", {"lockout": {"attempts": {"web": 3}}}, family="pm5000"),
    _case("panel on a PM5000", "panel_programming", {"panel_programming": True}, family="pm5000"),
    _case("groups on a HEP meter", "accounts", {"accounts": {"guest": {"password": CANARY}}}),
    _case("DLMS policy on a HEP meter", "policy", {"policy": "authenticated"}),
    _case("DLMS keys on a PM5000", "new_keys", {"new_keys": {"kek": "00" * 16}}, family="pm5000"),
    _case("clock of a HEP meter", "clock", {"clock": "set"}),
    # users
    _case("users no list", "users", {"users": {"name": "USER2"}}),
    _case("user no dictionary", "users", {"users": ["USER2"]}),
    _case("user with a wrong key", "users.rights", _user(rights=[])),
    _case("user without name", "users.name", {"users": [{"permissions": ["read"]}]}),
    _case("user of another name", "users.name", {"users": [{"name": "alice"}]}),
    _case("user 51", "users.name", {"users": [{"name": "USER51"}]}),
    _case("user 0", "users.name", {"users": [{"name": "USER0"}]}),
    _case("user twice", "users.name", {"users": [{"name": "USER2"}, {"name": "user2"}]}),
    _case("user under standard", "users.name", {"mode": "standard", **_user()}),
    _case("model number under advanced", "users.name", {"mode": "advanced", "users": [{"name": "9000"}]}),
    _case("model number under LSS", "users.name", {"mode": "legacy_support", "users": [{"name": "8000"}]}),
    _case("model number with permissions", "users.name", {"users": [{"name": "9000", "permissions": ["read"]}]}),
    _case("model number absent", "users.name", {"users": [{"name": "9000", "state": "absent"}]}),
    _case("state unknown", "users[USER2].state", _user(state="gone")),
    _case("absent with password", "users[USER2].state", _user(state="absent", password=CANARY)),
    _case("absent with permissions", "users[USER2].state", _user(state="absent", permissions=["read"])),
    _case("exclusive is no flag", "users_exclusive", {"users_exclusive": "yes", **_user()}),
    _case("exclusive without users", "users_exclusive", {"users_exclusive": True}),
    _case("exclusive and no admin", "users_exclusive", {"users_exclusive": True, **_user(permissions=["read"])}),
    _case(
        "exclusive without oneself",
        "users_exclusive",
        {"users_exclusive": True, "users": [{**ADMIN, "name": "USER3"}], "credentials": {"admin": {"user": "USER9", "password": CANARY}}},
    ),
    _case(
        "oneself absent",
        "users.state",
        {"users": [{"name": "USER2", "state": "absent"}], "credentials": {"admin": {"user": "user2", "password": CANARY}}},
    ),
    _case(
        "oneself without the right",
        "users.permissions",
        {**_user(permissions=["read"]), "credentials": {"admin": {"user": "user2", "password": CANARY}}},
    ),
    # permissions
    _case("permissions no list", "users[USER2].permissions", _user(permissions="read")),
    _case("permission unknown", "users[USER2].permissions", _user(permissions=["read", "root"])),
    _case("permission twice", "users[USER2].permissions", _user(permissions=["read", "read"])),
    _case("permission without read", "users[USER2].permissions", _user(permissions=["time_sync"])),
    _case("demand reset without read", "users[USER2].permissions", _user(permissions=["peak_demand_reset"])),
    _case("comm config without read", "users[USER2].permissions", _user(permissions=["comm_config"])),
    _case("test mode without read", "users[USER2].permissions", _user(permissions=["test_mode"])),
    _case("full config without read", "users[USER2].permissions", _user(permissions=["full_config"])),
    _case("security config without read", "users[USER2].permissions", _user(permissions=["security_config"])),
    # passwords of HEP meters
    _case("password is a number", "users[USER2].password", _user(password=12345678)),
    _case("password empty", "users[USER2].password", _user(password="")),
    _case("password of the factory", "users[USER2].password", _user(password="0")),
    _case("password of nine digits", "users[USER2].password", _user(password="123456789")),
    _case("password with a leading zero", "users[USER2].password", _user(password="01234567")),
    _case("password with a space", "users[USER2].password", _user(password="Ab 1-x")),
    _case("password not ASCII", "users[USER2].password", _user(password="Pässw1")),
    _case("password of five characters", "users[USER2].password", _user(password="Ab1-x")),
    _case("password of 17 characters", "users[USER2].password", _user(password="Canary-4xY-4xY-4x")),
    _case("password of two users", "users.password", {"users": [{"name": "USER2", "password": SIX}, {"name": "USER3", "password": SIX}]}),
    _case("password of Standard not numeric", "users[9000].password", {"users": [{"name": "9000", "password": SIX}]}),
    # lockouts and timeouts
    _case("lockout no dictionary", "lockout", {"lockout": 3}),
    _case("lockout with a wrong key", "lockout.tries", {"lockout": {"tries": 3}}),
    _case("lockout of an unknown protocol", "lockout.attempts.dnp", {"lockout": {"attempts": {"dnp": 3}}}),
    _case("lockout below 0", "lockout.attempts.web", {"lockout": {"attempts": {"web": -1}}}),
    _case("lockout above 255", "lockout.attempts.ion", {"lockout": {"attempts": {"ion": 256}}}),
    _case("lockout true", "lockout.attempts.ion", {"lockout": {"attempts": {"ion": True}}}),
    _case("lockout as text", "lockout.attempts.ion", {"lockout": {"attempts": {"ion": "3"}}}),
    _case("lockout of no time", "lockout.duration", {"lockout": {"duration": 0}}),
    _case("lockout for ever", "lockout.duration", {"lockout": {"duration": 65536}}),
    _case("session timeout of the web", "session_timeout.web", {"session_timeout": {"web": 10}}),
    _case("session timeout 0", "session_timeout.ion", {"session_timeout": {"ion": 0}}),
    _case("session timeout 31 days", "session_timeout.ion", {"session_timeout": {"ion": 44640}}),
    # webpages
    _case("web no dictionary", "web", {"web": "https"}),
    _case("web with a wrong key", "web.port", {"web": {"port": 443}}),
    _case("web server no flag", "web.server", {"web": {"server": "on"}}),
    _case("web programming no flag", "web.programming", {"web": {"programming": 1}}),
    _case("plain HTTP", "web.protocol", {"web": {"protocol": "http"}}),
    _case("web protocol unknown", "web.protocol", {"web": {"protocol": "spdy"}}),
    _case("web programming without a server", "web.programming", {"web": {"server": False, "programming": True}}),
    _case("web programming without a protocol", "web.programming", {"web": {"protocol": "disabled", "programming": True}}),
    _case("server on and protocol disabled", "web.protocol", {"web": {"server": True, "protocol": "disabled"}}),
    _case("server off twice", "web.protocol", {"web": {"server": False, "protocol": "disabled"}}),
    _case("port of no server", "web.ports.https", {"web": {"server": False, "ports": {"https": 8443}}}),
    _case("HTTP port beside HTTPS only", "web.ports.http", {"web": {"protocol": "https", "ports": {"http": 8080}}}),
    _case("web port 0", "web.ports.https", {"web": {"ports": {"https": 0}}}),
    _case("web port of Modbus", "web.ports.http", {"web": {"ports": {"http": 502}}}),
    _case("web port of ION", "web.ports.https", {"web": {"ports": {"https": 7700}}}),
    _case("web ports the same", "web.ports.https", {"web": {"ports": {"http": 8443, "https": 8443}}}),
    _case("HTTPS on the port of HTTP", "web.ports.https", {"web": {"ports": {"https": 80}}}),
    _case("web server on a PM5000", "web.server", {"web": {"server": False}}, family="pm5000"),
    # Modbus, services, the rest
    _case("Modbus access unknown", "modbus.access", {"modbus": {"access": "full"}}),
    _case("Modbus programming read only", "modbus.programming", {"modbus": {"access": "read_only", "programming": True}}),
    _case("Modbus programming under LSS", "modbus.programming", {"mode": "legacy_support", "modbus": {"programming": False}}),
    _case("panel no flag", "panel_programming", {"panel_programming": "off"}),
    _case("time sync no flag", "time_sync", {"time_sync": "yes"}),
    _case("time sync off under LSS", "time_sync", {"mode": "legacy_support", "time_sync": False}),
    _case("service unknown", "services.snmp", {"services": {"snmp": False}}),
    _case("service no flag", "services.ssh", {"services": {"ssh": "off"}}),
    _case("service of HEP on a PM5000", "services.ssh", {"services": {"ssh": False}}, family="pm5000"),
    _case("filter no list", "ip_filter", {"ip_filter": "192.0.2.1"}),
    _case("filter no address", "ip_filter", {"ip_filter": ["meter-1"]}),
    _case("filter twice", "ip_filter", {"ip_filter": ["192.0.2.1", "192.0.2.1/32"]}),
    _case("filter too long", "ip_filter", {"ip_filter": [f"192.0.2.{n}" for n in range(11)]}, family="pm5000"),
    _case("event log with a wrong key", "event_log.size", {"event_log": {"size": 3}}),
    _case("event cut-off 256", "event_log.cutoff", {"event_log": {"cutoff": 256}}),
    _case("priority of something else", "event_log.priorities.reset", {"event_log": {"priorities": {"reset": 3}}}),
    _case("lockout not logged", "event_log.priorities.lockout", {"event_log": {"cutoff": 5, "priorities": {"lockout": 5}}}),
    # accounts of a PM5000
    _case("group unknown", "accounts.web_user", {"accounts": {"web_user": {"user": "x"}}}, family="pm5000"),
    _case(
        "groups of both generations",
        "accounts",
        {"accounts": {"guest": {"user": "g"}, "web_master": {"user": "w"}}},
        family="pm5000",
    ),
    _case("group with nothing", "accounts.guest", {"accounts": {"guest": {}}}, family="pm5000"),
    _case("group with a wrong key", "accounts.guest.role", {"accounts": {"guest": {"role": "x"}}}, family="pm5000"),
    _case("account name too long", "accounts.guest.user", {"accounts": {"guest": {"user": "g" * 16}}}, family="pm5000"),
    _case("account name with a comma", "accounts.web_master.user", {"accounts": {"web_master": {"user": "a,b"}}}, family="pm5000"),
    _case(
        "account name twice",
        "accounts.product_master.user",
        {"accounts": {"web_master": {"user": "a"}, "product_master": {"user": "a"}}},
        family="pm5000",
    ),
    _case(
        "account password without a capital",
        "accounts.guest.password",
        {"accounts": {"guest": {"password": "canary-4x"}}},
        family="pm5000",
    ),
    _case(
        "account password of the factory",
        "accounts.guest.password",
        {"accounts": {"guest": {"password": "Powerlogic@1"}}},
        family="pm5000",
    ),
    _case(
        "account password with a comma",
        "accounts.web_master.password",
        {"accounts": {"web_master": {"password": "Canary,4x"}}},
        family="pm5000",
    ),
    # what goes around
    _case("update_secret unknown", "update_secret", {"update_secret": "never"}),
    _case("age missing", "max_age_days", {"update_secret": "if_expired", "marks_key": MARKS}),
    _case("age 0", "max_age_days", {"max_age_days": 0}),
    _case("marks key missing", "marks_key", {"update_secret": "on_create"}),
    _case("marks key short", "marks_key", {"marks_key": "Canary-1"}),
    _case(
        "break-glass account in use every day",
        "break_glass",
        {"break_glass": "user1", "credentials": {"admin": {"user": "USER1", "password": CANARY}}},
    ),
    _case("break-glass account absent", "break_glass", {"break_glass": "USER2", **_user(state="absent")}),
    _case("break-glass account removed", "break_glass", {"break_glass": "USER9", "users_exclusive": True, "users": [ADMIN]}),
    _case("break-glass account without the right", "break_glass", {"break_glass": "USER2", **_user(permissions=["read"])}),
    _case("consumer unknown", "consumers", {"consumers": ["excel"]}),
    _case("consumers no list", "consumers", {"consumers": "pme"}),
    _case("channel unknown", "channel", {"channel": "ion"}),
    _case("export with a name", "export.name", {"export": {"dir": "x", "name": "advanced.scf"}}),
    _case("strength unknown", "password_strength", {"password_strength": "great"}),
    _case("waiver without end", "waivers.expires", {"waivers": [{"control": "mode", "reason": "r", "approver": "a"}]}),
    _case(
        "waiver for ever",
        "waivers.expires",
        {"waivers": [{"control": "mode", "reason": "r", "approver": "a", "expires": "never"}]},
    ),
    _case("word to accept unknown", "accept", {"accept": ["everything"]}),
]


@pytest.mark.requirement(
    "G-14",
    "R-101",
    "R-181",
    "R-184",
    "R-191",
    "R-195",
    "R-232",
    "R-233",
    "R-236",
    "R-255",
    "R-257",
    "R-258",
    "R-259",
    "R-264",
    "R-265",
    "R-267",
    "R-268",
    "R-269",
    "R-270",
    "R-271",
    "R-273",
    "R-280",
    "R-282",
    "R-292",
    "R-302",
    "R-306",
    "R-307",
    "R-314",
    "R-321",
    "R-322",
    "R-330",
    "R-331",
    "R-332",
    "R-333",
    "R-334",
    "R-335",
    "R-336",
    "R-337",
    "R-342",
    "R-344",
    "R-345",
    "R-346",
    "R-365",
    "R-376",
    "R-394",
    "R-396",
    "R-398",
    "R-399",
    "R-403",
    "R-404",
    "X-01",
)
@pytest.mark.parametrize(("family", "params", "option"), REFUSED)
def test_bad_input_is_refused_in_one_sentence_before_any_contact(family, params, option, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(InputError) as refused:
        wanted_from(params, family)
    said = str(refused.value)
    assert said.startswith(f"{option}: ") and "; expected " in said and said.endswith(f"({refused.value.rule})")
    assert "\n" not in said and refused.value.rule
    assert not any(secret in said for secret in (CANARY, SIX, MARKS, "Canary"))


def test_there_are_enough_ways_to_be_wrong_and_each_is_told_apart():
    assert len({item.id for item in REFUSED}) == len(REFUSED) >= 60


def test_the_whole_document_is_taken():
    wanted = wanted_from(
        {
            "mode": "advanced",
            "users": [
                {**ADMIN, "password": SIX},
                {"name": "user2", "permissions": ["read", "time_sync"], "password": "12345678"},
                {"name": "USER3", "state": "absent"},
            ],
            "users_exclusive": True,
            "lockout": {"attempts": {"ion": 3, "web": 0, "sftp": None}, "duration": 30},
            "session_timeout": {"ion": 43200},
            "web": {"server": True, "programming": False, "protocol": "HTTPS with HTTP redirect", "ports": {"http": 8080, "https": 8443}},
            "modbus": {"access": "read_only", "programming": False},
            "panel_programming": False,
            "time_sync": True,
            "services": {"ssh": False, "ion_tls": True, "ftp": None},
            "ip_filter": ["192.0.2.1/32", "192.0.2.16/28"],
            "event_log": {"cutoff": 5, "priorities": {"login": 0, "invalid_login": 128, "lockout": 255}},
            "update_secret": "if_expired",
            "max_age_days": 365,
            "marks_key": MARKS,
            "break_glass": None,
            "waivers": [{"control": "mode", "reason": "PME 9", "approver": "j.doe", "expires": "2027-03-31"}],
            "accept": ["removes_users"],
            "credentials": {"admin": {"user": "user1", "password": CANARY}},
        },
        "hep",
    )
    assert wanted.mode == "advanced" and wanted.exclusive and wanted.max_age_days == 365
    assert wanted.user("USER1").permissions == {"read", "security_config", "full_config"}
    assert wanted.secret("USER2") == "12345678" and wanted.secret("USER3") is None
    assert wanted.settings == {
        "web_server": True, "web_programming": False, "web_protocol": "https_redirect", "web_port_http": 8080, "web_port_https": 8443,
        "modbus_access": "read_only", "modbus_programming": False, "lockout_ion": 3, "lockout_web": 0, "lockout_duration": 30,
        "session_timeout_ion": 43200, "ssh": False, "ion_tls": True, "event_cutoff": 5, "priority_login": 0,
        "priority_invalid_login": 128, "priority_lockout": 255, "panel_programming": False, "time_sync": True,
        "ip_filter": ["192.0.2.1", "192.0.2.16/28"],
    }  # fmt: skip
    assert wanted.waiver("mode").expires == datetime.date(2027, 3, 31)
    shown = repr(wanted)
    assert not any(secret in shown for secret in (SIX, "12345678", MARKS, CANARY))


def test_nothing_given_is_nothing_wanted():
    options = {"mode": None, "users": None, "lockout": {"attempts": {"ion": None}, "duration": None}, "web": None, "accept": []}
    wanted = wanted_from(options, "hep")
    assert not wanted.settings and not wanted.users and wanted.update_secret == "always" and wanted.channel == "auto"


def test_accounts_of_a_pm5000_by_group():
    wanted = wanted_from(
        {"accounts": {"administrator": {"password": "Canary-4xYz"}, "guest": {"user": "viewer", "password": None}}}, "pm5000"
    )
    assert [(item.group, item.user) for item in wanted.accounts] == [("administrator", None), ("guest", "viewer")]
    assert dict(wanted.passwords) == {"administrator": "Canary-4xYz"}


@pytest.mark.parametrize("name", ["web", "services", "users", "accounts", "waivers"])
def test_options_of_other_families_are_refused_on_a_dlms_meter(name):
    with pytest.raises(InputError, match=f"^{name}: "):
        module.refuse_foreign({name: [{"x": 1}] if name in ("users", "waivers") else {"x": 1}}, "mcs301")
    module.refuse_foreign({name: None, "policy": "authenticated"}, "mcs301")
