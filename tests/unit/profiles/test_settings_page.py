# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Pages with many settings and lists of users: what devices answer, good and bad, into our values, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles import settings_page as pages
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.answers import Answer
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile

HTML, JSON = load_profile("hep")["security"], load_profile("hep-b")["security"]
GROUPS = load_profile("pm5000-legacy")["security"]["users"]


def page(**fields: str) -> Answer:
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in fields.items())
    return Answer(200, f'<table id="security">{rows}</table>')


def test_words_of_a_page_become_ours_and_go_back() -> None:
    answer = page(mode="legacy", modbus_access="read-only", web_server="yes", lockout_ion="5", port_https="8443", revenue_lock="no")
    found, unread = pages.read_settings(HTML["settings"], answer)
    assert found == {
        "mode": "legacy_support",
        "modbus_access": "read_only",
        "web_server": True,
        "lockout_ion": 5,
        "web_port_https": 8443,
        "revenue_lock": "unlocked",
    }
    assert "ssh" in unread
    assert pages.body_of(HTML["settings"], "modbus_access", "read_write") == {"modbus_access": "read-write"}
    assert pages.body_of(HTML["settings"], "web_server", False) == {"web_server": "no"}
    assert pages.body_of(JSON["settings"], "web_port_https", 8443) == {"web": {"ports": {"https": 8443}}}
    assert pages.body_of(JSON["settings"], "ssh", False) == {"services": {"ssh": False}}


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    "text",
    [
        "<html>500</html>",
        "<tr><th>lockout_ion</th><td>five</td></tr>",
        "<tr><th>lockout_ion</th><td>99999999999</td></tr>",
        "<tr><th>web_server</th><td>perhaps</td></tr>",
        "<tr><th>mode</th><td>\x00é€</td></tr>",
        "",
    ],
)
def test_what_is_not_understood_is_unread_and_never_guessed(text: str) -> None:
    found, unread = pages.read_settings(HTML["settings"], Answer(200, text))
    assert not found and {"lockout_ion", "web_server", "mode"} <= set(unread)


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    "document", [None, [], {"web": []}, {"lockout": {"ion": [5]}}, {"lockout": {"ion": {"x": 1}}}, {"mode": {"a": 1}}, "x", 7]
)
def test_a_document_of_another_form_is_unread(document: Any) -> None:
    found, unread = pages.read_settings(JSON["settings"], Answer(200, json.dumps(document)))
    assert not found and "lockout_ion" in unread
    assert pages.read_users(JSON["users"], Answer(200, json.dumps(document))) is None


def test_users_of_both_surfaces() -> None:
    row = "<tr><th>USER1</th>" + "".join(f"<td>{word}</td>" for word in ("no", "yes", "no", "no", "no", "yes", "yes")) + "</tr>"
    wanted = [("USER1", frozenset({"read", "full_config", "security_config"}))]
    assert pages.read_users(HTML["users"], Answer(200, row)) == wanted
    listed = {"users": [{"name": "USER1", "permissions": ["read", "full_config", "security_config", 5]}, {"name": 7}, "x"]}
    assert pages.read_users(JSON["users"], Answer(200, json.dumps(listed))) == wanted
    account = (
        '<tr class="account"><td>1</td><td>user1</td><td>Web Master</td></tr><tr class="account"><td>3</td><td>eve</td><td>?</td></tr>'
    )
    assert pages.read_users(GROUPS, Answer(200, account)) == [("user1", frozenset({"web_master"})), ("eve", frozenset({"other"}))]
    assert pages.read_numbers(GROUPS, Answer(200, account)) == {"user1": "1", "eve": "3"}


def test_placeholders_are_filled_by_the_form_of_the_request() -> None:
    values = {"user": "USER2", "password": "Can-1", "permissions": ["read", "time_sync"]}
    form, document = pages.filled(HTML["users"]["add"], values), pages.filled(JSON["users"]["add"], values)
    assert form == {"action": "add", "user": "USER2", "password": "Can-1", "permissions": "read,time_sync"}
    assert document == {"name": "USER2", "password": "Can-1", "permissions": ["read", "time_sync"]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda profile: profile["security"]["settings"].update(row="<th>"), "security.settings.row"),
        (lambda profile: profile["security"]["settings"]["fields"].update(BAD={"at": "x"}), "security.settings.fields"),
        (lambda profile: profile["security"]["users"].update(row="("), "security.users.row"),
        (lambda profile: profile["security"]["users"]["add"]["ok"].update(pattern="("), "security.users.add.ok.pattern"),
        (lambda profile: profile["security"]["mode"]["write"].pop("ok"), "security.mode.write"),
        (lambda profile: profile["session_page"].update(user="x"), "session_page.user"),
        (lambda profile: profile["identity"].update(certificate="CN=(?P<model>x)"), "identity.certificate"),
        (lambda profile: profile["registers"]["settings"]["ssh"].update(register=0), "registers.settings.ssh.register"),
        (lambda profile: profile["transport"]["generations"].update(x="ftp"), "transport.generations"),
        (lambda profile: profile["login"].update(preemptive="digest"), "login.preemptive"),
    ],
)
def test_a_mistake_in_a_profile_is_named_by_its_place(tmp_path: Any, change: Any, says: str) -> None:
    profile = load_profile("hep")
    change(profile)
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_profile(str(path))
    assert says in str(caught.value)


@pytest.mark.requirement("R-273", "F-37")
def test_events_are_the_newest_first_and_the_devices_own_words() -> None:
    cells = "<td>2</td><td>2026-11-21T10:00:00Z</td><td>128</td><td>2</td><td>USER1</td><td>Invalid &lt;login&gt;</td>"
    assert (
        pages.read_events(HTML["events"], Answer(200, f"<tr>{cells}</tr>" * 3), 2)
        == [{"time": "2026-11-21T10:00:00Z", "priority": "128", "user": "USER1", "text": "Invalid <login>"}] * 2
    )
    listed = [
        {"n": 1, "time": "1", "priority": 64, "user": "", "text": "a"},
        {"n": 2, "time": "2", "priority": 0, "user": "x", "text": "b"},
    ]
    assert [item["text"] for item in pages.read_events(JSON["events"], Answer(200, json.dumps(listed)), 20)] == ["b", "a"]
    assert pages.read_events(JSON["events"], Answer(200, "<html>"), 20) == []


def test_an_error_page_is_no_empty_list_of_users() -> None:
    section = {**HTML["users"], "sign": '<table id="users">'}
    assert pages.read_users(section, Answer(200, "<html>Internal error</html>")) is None
    assert pages.read_users({name: item for name, item in section.items() if name != "sign"}, Answer(200, "<table>")) is None
    assert pages.read_users(section, Answer(200, '<table id="users"></table>')) == []
