# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""HEP meters: both web surfaces, users, modes, lockouts as SURFACE.md describes them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from metersim.hep.bench import HepBench, JsonClient
from metersim.hep.spec import MODES, HepSpec, generation
from metersim.spec import SpecError, load, parse
from metersim.testing import Fleet

OPEN = {"web_programming": True}
LOCKING = {**OPEN, "lockout_web": 2, "lockout_duration": 1440}
RIGHTS = ["read", "security_config"]
FLEET = {
    "name": "hep-web",
    "clock_factor": 200,
    "defaults": {"hep": {"settings": OPEN}},
    "meters": [
        {"name": "old", "model": "ION9000", "firmware": "2.4.1", "hep": {"password": "1234"}},
        {"name": "none", "model": "PM8000", "firmware": "2.1.0", "surface": "hep-b", "hep": {"mode": "none"}},
        {"name": "three", "model": "PM8000", "firmware": "3.0.0"},
        {
            "name": "locks",
            "model": "ION9000",
            "firmware": "3.1.0",
            "hep": {"settings": LOCKING},
        },
        {"name": "ports", "model": "ION9000", "firmware": "3.1.0"},
        {"name": "shut", "model": "ION9000", "firmware": "4.0.0", "hep": {"settings": {"web_programming": False}}},
        {
            "name": "four",
            "model": "ION7400",
            "firmware": "4.0.0",
            "surface": "hep-b",
            "hep": {"settings": LOCKING},
        },
        {"name": "many", "model": "PM8000", "firmware": "4.0.0", "surface": "hep-b"},
        {"name": "first", "model": "PM8000", "firmware": "4.0.0", "hep": {"mode": "advanced"}},
    ],
}


@pytest.fixture(scope="module")
def hep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HepBench]:
    """One fleet for the module."""
    folder = tmp_path_factory.mktemp("hep")
    with Fleet(FLEET, folder) as fleet:
        yield HepBench(fleet, folder / "pem")
        assert not fleet.events("simulator_error")


@pytest.mark.simulates("R-181", "R-182", "R-191", "R-258")
def test_standard(hep: HepBench) -> None:
    """Anybody reads; the numeric password writes; the way to advanced."""
    admin = ("9000", "1234")
    assert hep.table("old", None)["web_protocol"] == "http"
    assert "sftp" not in hep.table("old", None) and "ion_tls" not in hep.table("old", None)
    assert hep.form("old", "security", None, lockout_web="3") == "login"
    assert hep.form("old", "security", admin, lockout_web="3", telnet="no") == "done"
    assert hep.table("old", None)["lockout_web"] == "3"
    assert hep.form("old", "users", admin, action="change", user="9000", password="abc") == "password_form"
    assert hep.form("old", "users", admin, action="change", user="9000", password="77") == "done"
    assert hep.web("old", "/setup/users.html", auth=admin).status_code == 401
    assert hep.form("old", "mode", ("9000", "77"), mode="advanced") == "no_security_admin"
    assert hep.form("old", "mode", ("9000", "77"), mode="legacy") == "option_not_available"
    assert hep.form("old", "users", ("9000", "77"), action="add", user="user2", password="abc123", permissions=",".join(RIGHTS)) == "done"
    assert hep.form("old", "mode", ("9000", "77"), mode="advanced") == "done"
    assert hep.web("old", "/setup/security.html").status_code == 401
    assert hep.web("old", "/setup/security.html", auth=("9000", "77")).status_code == 401
    assert hep.table("old", ("User2", "abc123"))["mode"] == "advanced"
    assert hep.meter("old").state()["users"] == [{"name": "USER2", "permissions": ["full_config", "read", "security_config"]}]


@pytest.mark.simulates("R-186", "R-195", "R-198", "R-236", "R-321", "R-322")
def test_users_and_rights(hep: HepBench) -> None:
    """Legacy support, users, permissions, own account."""
    page = hep.web("three", "/setup/session.html", auth=("8000", "0")).text
    assert "<b>USER1</b>" in page
    assert hep.form("three", "users", action="add", user="USER2", password="Aa1!xy", permissions="read") == "done"
    assert hep.form("three", "users", action="add", user="USER2", password="1", permissions="read") == "user_exists"
    assert hep.form("three", "users", action="add", user="USER51", password="1", permissions="read") == "value:user"
    assert hep.form("three", "users", action="add", user="USER3", password="sevenxx", permissions="read") == "password_form"
    assert hep.form("three", "users", action="add", user="USER3", password="012", permissions="read") == "password_form"
    assert hep.form("three", "users", action="add", user="USER3", password="1", permissions="full_config") == "value:permissions"
    assert hep.form("three", "users", action="add", user="USER3", password="1", permissions="read,test_mode") == "option_not_available"
    assert hep.form("three", "users", action="change", user="USER1", permissions="read") == "own_permissions"
    assert hep.form("three", "users", action="remove", user="USER1") == "own_permissions"
    assert hep.form("three", "users", action="remove", user="USER9") == "no_such_user"
    second = ("USER2", "Aa1!xy")
    assert hep.web("three", "/setup/security.html", auth=second).status_code == 403
    assert hep.form("three", "password", second, password="Bb2?") == "done"
    assert "read</p>" in hep.web("three", "/setup/session.html", auth=("USER2", "Bb2?")).text
    assert hep.form("three", "users", action="change", user="USER2", permissions=",".join(RIGHTS)) == "done"
    assert hep.form("three", "users", ("USER2", "Bb2?"), action="remove", user="USER1") == "done"
    assert [user["name"] for user in hep.meter("three").state()["users"]] == ["USER2"]
    found = re.findall(r"<tr><th>(\w+)</th>((?:<td>\w+</td>)+)</tr>", hep.web("three", "/setup/users.html", auth=("USER2", "Bb2?")).text)
    assert found == [("USER2", "".join(f"<td>{word}</td>" for word in ("no", "yes", "no", "no", "no", "yes", "yes")))]


@pytest.mark.simulates("R-343", "R-344", "R-369", "R-370")
def test_lockout(hep: HepBench) -> None:
    """Per user and protocol; a right password does not help; it ends by itself."""
    meter = hep.meter("locks")
    wrong = ("User1", "wrong")
    assert [hep.web("locks", "/setup/session.html", auth=wrong).status_code for dummy in range(2)] == [401, 401]
    assert meter.lockouts()["USER1", "web"] == {"user": "USER1", "protocol": "web", "failed": 2, "locked": True, "total": 2}
    assert hep.web("locks", "/setup/session.html", auth=("9000", "0")).status_code == 401
    assert meter.lockouts()["USER1", "web"]["total"] == 2
    meter.action("unlock_user", user="USER1", protocol="web")
    assert hep.web("locks", "/setup/session.html", auth=("9000", "0")).status_code == 200
    assert meter.lockouts()["USER1", "web"]["failed"] == 0
    meter.action("lock_user", user="USER1", protocol="web")
    assert hep.web("locks", "/setup/session.html", auth=("USER1", "0")).status_code == 401
    meter.action("lock_user", user="USER1", protocol="web", seconds=0.001)
    assert hep.web("locks", "/setup/session.html", auth=("USER1", "0")).status_code == 200
    assert hep.web("locks", "/setup/events.html", auth=("USER1", "0")).text.count("<td>3</td>") >= 1
    assert hep.fleet.failed_logins()["locks"] == 2


def test_ports_and_redirect(hep: HepBench) -> None:
    """HTTP redirects; a port moves; https closes port 80; disabled closes both."""
    state = hep.meter("ports").state()
    url = f"http://{state['address']}:{state['ports']['http']}"
    moved = requests.get(f"{url}/setup/x.html?y=1", timeout=10, allow_redirects=False)
    assert moved.status_code == 301 and moved.headers["Location"] == f"https://{state['address']}/setup/x.html?y=1"
    assert hep.form("ports", "security", port_https="7700") == "value:port_https"
    assert hep.form("ports", "security", web_protocol="http") == "option_not_available"
    assert hep.form("ports", "security", port_https="8447", web_protocol="https") == "done"
    for dummy in range(100):
        try:
            if hep.table("ports")["port_https"] == "8447":
                break
        except requests.RequestException:
            continue
    with pytest.raises(OSError), socket.create_connection((state["address"], state["ports"]["http"]), 5):
        pass


def test_refusals(hep: HepBench) -> None:
    """Nothing is half done; locks; tokens."""
    assert hep.form("shut", "security", lockout_web="3") == "programming_off"
    assert hep.form("first", "security", lockout_web="3", lockout_ion="256") == "value:lockout_ion"
    assert hep.form("first", "security", lockout_web="3", color="red") == "value:color"
    assert hep.form("first", "security", session_timeout="0") == "value:session_timeout"
    assert hep.table("first")["lockout_web"] == "0"
    assert hep.web("first", "/setup/security.html", "POST", auth=("USER1", "0"), data={"token": "x"}).status_code == 403
    hep.meter("first").action("revenue_lock")
    assert hep.form("first", "security", lockout_web="3") == "revenue_locked"
    assert hep.form("first", "users", action="change", user="USER1", password="Sixteen-characte") == "done"
    assert "revenue_lock" in hep.table("first", ("USER1", "Sixteen-characte"))


def test_json(hep: HepBench) -> None:
    """Session, revision, nested settings, users."""
    client = JsonClient(hep, "four")
    assert client.opened.json()["user"] == "USER1" and len(client.opened.json()["permissions"]) == 6
    assert hep.web("four", "/api/security").json() == {"error": "session"}
    shown = client.call("GET", "/api/security")[1]
    assert shown["web"] == {"server": True, "programming": True, "protocol": "https_redirect", "ports": {"http": 80, "https": 443}}
    assert "ftp" not in shown["services"]
    assert client.call("PATCH", "/api/security", {"lockout": {"ion": 3}})[0] == 428
    assert client.call("PATCH", "/api/security", {"lockout": {"ion": 3}}, **{"If-Match": "0"}) == (409, {"error": "revision"})
    assert client.patch({"lockout": {"ion": 3}, "services": {"ssh": True}})[1]["lockout"]["ion"] == 3
    assert client.patch({"lockout": {"ion": 300}}) == (422, {"error": "value:lockout.ion"})
    assert client.patch({"services": {"ftp": False}}) == (422, {"error": "option_not_available"})
    assert client.patch({"access": {"modbus_programming": True}}) == (422, {"error": "option_not_available"})
    assert client.call("PATCH", "/api/security", {}, **{"X-CSRF": "no"}) == (403, {"error": "csrf"})
    user = {"name": "USER2", "password": "Canary-web-json1", "permissions": RIGHTS}
    assert client.call("POST", "/api/users", user) == (201, {"name": "USER2"})
    second = JsonClient(hep, "four", "user2", "Canary-web-json1")
    assert client.call("PATCH", "/api/users/USER2", {"password": "Canary-web-json2"})[0] == 200
    assert second.call("GET", "/api/session") == (401, {"error": "session"})
    assert JsonClient(hep, "four", "USER2", "Canary-web-json1").opened.status_code == 401
    assert JsonClient(hep, "four", "USER2", "x").opened.status_code == 401
    assert JsonClient(hep, "four", "USER2", "Canary-web-json2").opened.json() == {"error": "locked"}
    assert client.call("PUT", "/api/mode", {"mode": "advanced"}) == (200, {"mode": "advanced"})
    assert JsonClient(hep, "four", "7400", "0").opened.status_code == 401
    assert client.call("DELETE", "/api/users/USER2")[0] == 204
    assert [entry["code"] for entry in client.call("GET", "/api/events?after=0")[1]][-1] == 13
    assert client.call("DELETE", "/api/session")[0] == 204


def test_json_without_security(hep: HepBench) -> None:
    """Mode none: anybody reads and writes; a change of mode asks for a login."""
    assert hep.web("none", "/api/users").json() == {"users": [], "limit": 16, "revision": 1}
    revision = hep.web("none", "/api/security").json()["revision"]
    changed = hep.web("none", "/api/security", "PATCH", json={"lockout": {"web": 4}}, headers={"If-Match": str(revision)})
    assert changed.json()["lockout"] == {"ion": 0, "modbus": 0, "web": 4, "duration": 30}
    assert hep.web("none", "/api/mode", "PUT", json={"mode": "standard"}).json() == {"mode": "standard"}
    assert hep.web("none", "/api/mode", "PUT", json={"mode": "none"}).json() == {"error": "session"}
    assert JsonClient(hep, "none", "8000", "0").call("PUT", "/api/mode", {"mode": "none"}) == (200, {"mode": "none"})


@pytest.mark.simulates("R-322")
def test_limits_and_restart(hep: HepBench) -> None:
    """Ten sessions, fifty users; counts outlive a restart, sessions do not."""
    meter = hep.meter("many")
    clients = [JsonClient(hep, "many") for dummy in range(10)]
    assert JsonClient(hep, "many").opened.status_code == 429
    for number in range(2, 51):
        meter.action("set_user", name=f"USER{number}", permissions=["read"])
    new = {"name": "USER50", "password": "1", "permissions": ["read"]}
    assert clients[0].call("POST", "/api/users", new) == (422, {"error": "too_many_users"})
    assert clients[0].call("DELETE", "/api/users/USER50")[0] == 204
    assert clients[0].call("DELETE", "/api/session")[0] == 204
    assert JsonClient(hep, "many", "USER2", "wrong").opened.status_code == 401
    meter.action("power_cycle", silence=2)
    meter.wait("restart")
    assert meter.lockouts()["USER2", "web"]["failed"] == 1
    assert meter.state()["sessions"] == 0


def test_faults(hep: HepBench) -> None:
    """Certificates, elsewhere, off, garbled."""
    meter = hep.meter("shut")
    before = meter.certificate()["fingerprint"]
    meter.faults({"F-31": {"mode": "changed"}})
    assert meter.certificate()["fingerprint"] != before
    meter.faults({"F-32": {"mode": "elsewhere"}})
    assert hep.web("shut", "/").headers["Location"] == "http://127.0.0.9/"
    meter.faults({"F-32": {"mode": "disabled"}})
    assert not {"http", "https"} & set(meter.state()["open"])
    meter.faults({"F-37": {"where": "security", "kind": "non_ascii"}})
    assert b"\xff\xfe" in hep.web("shut", "/setup/security.html", auth=("USER1", "0")).content
    assert not meter.violations()


def test_fleet_files() -> None:
    """Every mode of every generation; the mixed fleet has all families."""
    folder = Path(__file__).parents[1] / "fleets"
    meters = load(folder / "hep.yml").meters
    pairs = {(generation(meter.firmware), meter.hep.mode) for meter in meters if isinstance(meter, HepSpec)}
    assert pairs == {(word, mode) for word, modes in MODES.items() for mode in modes}
    assert {meter.surface for meter in meters if isinstance(meter, HepSpec)} == {"hep", "hep-b"}
    assert sum(isinstance(meter, HepSpec) and meter.hep.settings["web_programming"] for meter in meters) == 12
    assert len({type(meter) for meter in load(folder / "mixed.yml").meters}) == 3


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"hep": {"mode": "legacy_support"}}, "mode must be one of none, standard, advanced"),
        ({"hep": {"password": "abc"}}, "password"),
        ({"hep": {"settings": {"modbus_access": "none"}}}, "modbus_access"),
        ({"hep": {"settings": {"colour": 1}}}, "colour"),
        ({"hep": {"colour": 1}}, "unknown key 'colour'"),
        ({"hep": {"users": [{"name": "USER17", "password": "1", "permissions": ["read"]}]}}, "USER17"),
        ({"hep": {"mode": "advanced", "users": []}}, "security_config"),
        ({"surface": "a"}, "surface"),
        ({"firmware": "2.4"}, "2.4"),
        ({"faults": {"F-99": {}}}, "F-99"),
        ({"services": ["modbus"]}, "unknown key 'services'"),
    ],
)
def test_bad_fleet_files(entry: dict[str, object], text: str) -> None:
    """One clear line."""
    with pytest.raises(SpecError, match=text):
        parse({"meters": [{"name": "m", "model": "ION9000", "firmware": "2.4.1", **entry}]})
