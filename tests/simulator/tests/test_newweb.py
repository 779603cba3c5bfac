# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The new generation's webpages: login, sessions, roles, settings, upgrade; both surfaces."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import time
from typing import Any

import pytest
import requests

from metersim.bench import Bench, Forms, Json

QUICK = {"update_time": 60, "restart_silence": 20}
NEW = {"model": "PM5560", "firmware": "4.3.5"}
GUEST = ("Guest", "Powerlogic@1")
FLEET = {
    "clock_factor": 50,
    "defaults": QUICK,
    "meters": [
        {"name": "a", **NEW},
        {"name": "b", **NEW, "surface": "b"},
        {"name": "a-full", **NEW, "session_idle": 3000},
        {"name": "b-full", **NEW, "surface": "b", "session_idle": 3000},
        {"name": "a-hand", **NEW, "web_login": "handshake"},
        {"name": "b-hand", **NEW, "surface": "b", "web_login": "handshake"},
        {"name": "a-lock", **NEW, "lockout": {"tries": 3, "seconds": 300}},
        {"name": "b-lock", **NEW, "surface": "b", "lockout": {"tries": 3, "seconds": 300}},
        {"name": "idle", **NEW, "session_idle": 20},
        {"name": "set-a", **NEW},
        {"name": "set-b", **NEW, "surface": "b"},
        {"name": "plain", **NEW, "http_redirect": False},
        {"name": "gone", **NEW, "missing_pages": ["/settings/ethernet.html"]},
        {"name": "old", "model": "PM5560", "firmware": "2.9.9", "web_ports": {"http": 8085}},
        {"name": "old-b", "model": "PM5560", "firmware": "2.9.9", "surface": "b", "ip_mode": "dhcp"},
        {"name": "bad-a", **NEW},
        {"name": "bad-b", **NEW, "surface": "b"},
        {"name": "mid-a", "model": "PM5561", "firmware": "12.0.1", "mid_lock": True},
        {"name": "mid-b", "model": "PM5561", "firmware": "12.0.1", "mid_lock": True, "surface": "b"},
        {"name": "count", "model": "PM5562", "firmware": "4.3.5", "attempts_used": 24},
        {"name": "busy", **NEW, "update_time": 120},
    ],
}


@pytest.mark.simulates("R-135", "R-138", "R-139", "R-140", "R-142", "R-143", "R-144")
@pytest.mark.parametrize("name", ["a", "b"])
def test_upgrade(bench: Bench, name: str) -> None:
    meter, person = bench.meter(name), bench.browser(name)
    package = bench.sedp("PM5560", "4.4.0")
    other = bench.browser(name, GUEST)
    answer = person.upload(package)
    assert answer.status_code == (200 if name == "a" else 201) and "pply now?" in answer.text.replace("the upgrade ", "")
    stored = meter.events("web_upload")[-1]
    assert (stored["name"], stored["sha256"]) == ("PM5560_v4.4.0.sedp", hashlib.sha256(package.read_bytes()).hexdigest())
    assert person.apply().status_code == (200 if name == "a" else 202)
    assert len(meter.events("session_dropped")) == 2 and other.call(
        "GET", "/home.html" if name == "a" else "/api/v1/session"
    ).status_code in (302, 401)
    assert meter.state()["firmware"] == "4.3.5"
    person.login()
    running = person.status()
    assert running["result" if name == "a" else "phase"] in ("Running", "working")
    begin, end = meter.wait("silence_begin"), meter.wait("silence_end")
    assert 20 <= end["t"] - begin["t"] < 40
    assert begin["t"] - meter.events("attempt_counted")[0]["t"] > 55
    meter.wait("upgrade_done")
    person.login()
    status = person.status()
    assert status["version" if name == "a" else "to"] == "4.4.0"
    assert status["result" if name == "a" else "phase"] in ("Successful", "finished")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["time" if name == "a" else "when"])
    state = meter.state()
    assert (state["firmware"], state["previous_firmware"], state["attempts"], state["restarts"]) == ("4.4.0", "4.3.5", 1, 4)
    kinds = [event["kind"] for event in meter.events()]
    order = ["web_login_ok", "web_upload", "web_confirm", "trigger_accepted", "attempt_counted", "process", "silence_begin", "silence_end"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)


@pytest.mark.simulates("R-145", "R-141")
@pytest.mark.parametrize("name", ["bad-a", "bad-b"])
def test_packages_the_meter_does_not_take(bench: Bench, name: str) -> None:
    meter, person = bench.meter(name), bench.browser(name)
    late = name == "bad-a"
    vendor = "The firmware upgrade failed. The selected firmware is either invalid or corrupted."
    for kind in ("flip", "truncate", "unsigned"):
        answer = person.upload(bench.sedp("PM5560", "4.4.0", corrupt=kind))
        if late:
            done = len(meter.events("upgrade_done"))
            person.apply()
            assert not meter.wait("upgrade_done", count=done + 1)["ok"]
            person.login()
            assert person.status()["message"] == vendor
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "signature")
            assert person.apply().json()["error"]["code"] == "nothing"
    assert meter.state()["attempts"] == (3 if late else 0)
    person.upload(bench.sedp("PM5570", "6.1.0"))
    person.apply()
    meter.wait("upgrade_done", count=4 if late else 1)
    person.login()
    assert ("not compatible" in str(person.status())) == late and meter.state()["attempts"] == (4 if late else 1)
    assert not meter.events("silence_begin")
    wrong = person.upload(bench.sedp("PM5560", "4.4.0"), "firmware.zip")
    assert ("Select a file of type .sedp." in wrong.text) if late else wrong.status_code == 415


@pytest.mark.simulates("R-132", "R-154", "R-155")
def test_lock_and_number_of_upgrades(bench: Bench) -> None:
    package = bench.sedp("PM5561", "12.1.0")
    person = bench.browser("mid-a")
    person.upload(package)
    assert "MID/MIR lock is enabled" in person.apply().text
    assert person.status()["result"] == "Not started"
    other = bench.browser("mid-b")
    assert other.upload(package).json()["error"]["code"] == "sealed"
    for name in ("mid-a", "mid-b"):
        assert bench.meter(name).state()["attempts"] == 0
    person = bench.browser("count")
    person.upload(bench.sedp("PM5562", "4.4.0"))
    person.apply()
    assert bench.meter("count").wait("upgrade_done")["ok"]
    person.login()
    person.upload(bench.sedp("PM5562", "4.5.0"))
    assert "used up" in person.apply().text
    assert bench.meter("count").events("trigger_refused")[-1]["why"] == "attempts"


@pytest.mark.simulates("R-086")
def test_writes_during_an_upgrade_are_violations(bench: Bench) -> None:
    person, meter = bench.browser("busy"), bench.meter("busy")
    package = bench.sedp("PM5560", "4.4.0")
    person.upload(package)
    person.apply()
    person.login()
    person.get("/settings/ethernet.html")
    assert "already in progress" in person.post("/settings/ethernet.html", {"ftp_server": "on"}).text
    assert "already in progress" in person.upload(package).text
    person.get("/settings/ethernet.html")
    assert "already in progress" in person.apply().text
    found = [event["what"] for event in meter.events("violation")]
    assert found == ["settings_write_during_upgrade", "web_upload_during_upgrade", "trigger_during_upgrade"]
    assert meter.wait("upgrade_done")["ok"]


@pytest.mark.parametrize("name", ["a-full", "b-full"])
def test_session_limits_and_the_guest(bench: Bench, name: str) -> None:
    people = [bench.browser(name) for dummy in range(3)]
    fourth = bench.browser(name, login=False).login()
    assert fourth.status_code == 429 or "maximum number of sessions" in fourth.text
    guests = [bench.browser(name, GUEST) for dummy in range(2)]
    sixth = bench.browser(name, GUEST, login=False).login()
    assert sixth.status_code == 429 or "maximum number of sessions" in sixth.text
    guest = guests[0]
    answer = guest.upload(bench.sedp("PM5560", "4.4.0"))
    assert answer.status_code == 403
    if isinstance(guest, Forms):
        assert guest.get("/maintenance/firmware.html").status_code == guest.get("/settings/accounts.html").status_code == 403
        guest.get("/settings/ethernet.html")
        assert guest.post("/settings/ethernet.html", {"ftp_server": "on"}).status_code == 403
        people[0].call("GET", "/logout.html")
    else:
        assert guest.api("PUT", "/settings/network", {"ftp": "enabled"}).status_code == 403
        people[0].api("DELETE", "/session")  # type: ignore[union-attr]
    assert bench.meter(name).state()["sessions"] == 4 and bench.browser(name)


@pytest.mark.parametrize("name", ["a-hand", "b-hand"])
def test_key_agreement(bench: Bench, name: str) -> None:
    user, secret = bench.administrator(name)
    person = bench.browser(name)
    assert bench.meter(name).events("web_login_ok")
    again: requests.Response
    if isinstance(person, Forms):
        page = person.get("/login.html").text
        nonce = re.search(r'name="nonce" value="(\w+)"', page)[1]  # type: ignore[index]
        fields = {"username": user, "nonce": nonce, "proof": person.proof(nonce)}
        assert person.post("/login.html", fields).status_code == 302
        person.get("/login.html")
        again = person.post("/login.html", fields)
        assert "Incorrect" in again.text
        person.get("/login.html")
        assert "key agreement" in person.post("/login.html", {"username": user, "password": secret}).text
    else:
        nonce = person.api("GET", "/auth/challenge").json()["nonce"]
        body = {"login": user, "nonce": nonce, "proof": person.proof(nonce)}
        assert [person.api("POST", "/auth", body).status_code for dummy in range(2)] == [200, 401]
        assert person.api("POST", "/auth", {"login": user, "secret": secret}).json()["error"]["code"] == "handshake"


@pytest.mark.parametrize("name", ["a-lock", "b-lock"])
def test_lockout(bench: Bench, name: str) -> None:
    user, dummy = bench.administrator(name)
    wrong = bench.browser(name, (user, "Canary-wrong"), login=False)
    answers = [wrong.login() for dummy in range(3)]
    right = bench.browser(name, login=False).login()
    for answer in (answers[2], right):
        text = answer.text if name == "a-lock" else answer.json()["error"]
        assert "Try again in 5 minutes" in text if name == "a-lock" else text["minutes"] == 5 and answer.status_code == 423
    assert "Incorrect" in answers[0].text or answers[0].status_code == 401
    assert bench.browser(name, GUEST).status()
    assert [event["why"] for event in bench.meter(name).events("web_login_failed")] == ["password", "password", "locked", "locked"]
    assert "Canary" not in str(bench.meter(name).events())


def test_idle_session_ends(bench: Bench) -> None:
    person = bench.browser("idle")
    assert person.call("GET", "/home.html").status_code == 200
    time.sleep(0.6)
    assert person.call("GET", "/home.html").headers["Location"] == "/login.html"
    assert bench.meter("idle").events("session_end")[0]["why"] == "idle"


def test_request_tokens(bench: Bench) -> None:
    person = bench.browser("set-a")
    assert isinstance(person, Forms)
    person.get("/settings/ethernet.html")
    old = person.token
    assert "Settings saved." in person.post("/settings/ethernet.html", {}).text
    assert person.token != old
    person.token = old
    answer = person.post("/settings/ethernet.html", {})
    assert answer.status_code == 403 and "expired" in answer.text
    other = bench.browser("set-b")
    assert isinstance(other, Json)
    cookie = other.http.cookies["XSRF"]
    assert other.api("PUT", "/settings/network", {}).status_code == 200 and other.http.cookies["XSRF"] != cookie
    assert other.api("PUT", "/settings/network", {}, headers={"X-XSRF-Token": cookie}).json()["error"]["code"] == "xsrf"
    assert other.api("PUT", "/settings/network", {}, headers={"Authorization": "Bearer 0"}).status_code == 401


@pytest.mark.simulates("R-097", "R-098", "R-404")
def test_settings(bench: Bench) -> None:
    person = bench.browser("set-a")
    assert isinstance(person, Forms)
    page = person.get("/settings/ethernet.html").text
    assert 'name="http_port" value="80"' in page and '<option value="stored" selected>' in page
    assert "Not accepted: https_port" in person.post("/settings/ethernet.html", {"https_port": "0", "ftp_server": "on"}).text
    assert not bench.meter("set-a").state()["ftp"]
    person.post("/settings/ethernet.html", {"https_port": "8443", "ftp_server": "on", "ip_mode": "dhcp", "http_redirect": "off"})
    person.base = f"http://{person.address}"
    bench.meter("set-a").wait("settings_written")
    _opens(person.address, 8443)
    _opens(person.address, 21)
    state = bench.meter("set-a").state()
    assert (state["web_ports"]["https"], state["ip_mode"], state["http_redirect"]) == (8443, "dhcp", False)
    with pytest.raises(OSError):
        socket.create_connection((person.address, 443), 0.3)
    other = bench.browser("set-b")
    assert isinstance(other, Json)
    assert other.api("GET", "/settings/network").json()["network"]["acquisition"] == "fixed"
    assert other.api("PUT", "/settings/network", {"ftp": "enabled", "acquisition": "dhcp"}).json() == {"saved": ["ftp", "acquisition"]}
    assert other.api("PUT", "/settings/network", {"acquisition": "never"}).json()["error"]["text"] == "not accepted: acquisition"
    assert other.api("GET", "/settings/network").json()["network"] == {
        "http_port": 80, "https_port": 443, "http_redirect": "off", "ftp": "enabled", "acquisition": "dhcp",
    }  # fmt: skip
    groups = [item["group"] for item in other.api("GET", "/settings/accounts").json()["accounts"]]
    assert groups == ["administrator", "guest"]


def _opens(address: str, port: int) -> None:
    until = time.monotonic() + 3
    while time.monotonic() < until:
        try:
            socket.create_connection((address, port), 0.3).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"port {port} does not open")


def test_redirect_missing_pages_and_old_paths(bench: Bench) -> None:
    ip = bench.ip("a")
    answer = requests.get(f"http://{ip}/home.html?x=1", timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{ip}/home.html?x=1")
    assert requests.get(f"http://{bench.ip('plain')}/home.html", timeout=5, allow_redirects=False).headers["Location"] == "/login.html"
    person = bench.browser("gone")
    assert person.call("GET", "/settings/ethernet.html").status_code == 404
    assert person.call("GET", "/FirmwareUpgradeStatus.shtml").status_code == 404
    for path in ("/maintenance/firmware.html", "/api/v1/update", "/login.html"):
        assert bench.get("old", path).status_code == 404
    assert requests.get(f"http://{bench.ip('old')}:8085/login.html", timeout=5).status_code == 401
    with pytest.raises(OSError):
        socket.create_connection((bench.ip("old"), 443), 0.3)


@pytest.mark.simulates("R-097")
def test_network_settings_of_the_old_generation(bench: Bench) -> None:
    page = bench.get("old", "/AdvancedEthernetSettings.shtml").text
    assert re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", page) == [
        ("HTTP port", "8085"), ("FTP server", "Enabled"), ("IP method", "Stored"),
    ]  # fmt: skip
    assert bench.fleet.hosts()["old"]["metering_ports"]["http"] == 8085
    answer = bench.get("old-b", "/maint/network.cgi", auth=("user1", "pass1")).json()
    assert answer == {"network": {"web_port": 80, "ftp": True, "address_from": "dhcp"}}
    assert bench.get("old-b", "/maint/gone.cgi").status_code == 404


def test_certificate(bench: Bench, tmp_path: Any) -> None:
    shown = bench.meter("a").certificate()
    hosts = bench.fleet.hosts()
    assert shown["fingerprint"] == hosts["a"]["metering_tls"]["fingerprint"] != hosts["old"]["metering_tls"]["fingerprint"]
    (tmp_path / "own.pem").write_text(shown["pem"])
    context = ssl.create_default_context(cafile=str(tmp_path / "own.pem"))
    with context.wrap_socket(socket.create_connection((bench.ip("a"), 443), 5), server_hostname=bench.ip("a")) as sock:
        assert hashlib.sha256(sock.getpeercert(True) or b"").hexdigest() == shown["fingerprint"]
        assert sock.version() == "TLSv1.3"
