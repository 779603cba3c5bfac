# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A whole upgrade as the meter lives it, and the reasons why it does not start."""

from __future__ import annotations

import re
import socket
import time

import pytest
import requests
from requests.auth import HTTPDigestAuth

from metersim.bench import FAST, Bench

FLEET = {
    "defaults": FAST,
    "meters": [
        {"name": "a", "model": "PM5560", "firmware": "2.7.8", "silence": 75},
        {"name": "b", "model": "PM5560", "firmware": "2.7.8", "surface": "b", "http_auth": "digest"},
        {"name": "open", "model": "PM5560", "firmware": "2.7.8", "http_auth": "none"},
        {"name": "cut", "model": "PM5560", "firmware": "2.7.8", "trigger_answer": "cut"},
        {"name": "who", "model": "PM5560", "firmware": "2.7.8"},
        {"name": "part", "model": "PM5560", "firmware": "2.7.8"},
        {"name": "lock", "model": "PM5561", "firmware": "10.7.3", "mid_lock": True},
        {"name": "ten", "model": "PM5561", "firmware": "10.7.3", "attempts_used": 9},
        {"name": "hidden", "model": "PM5661", "firmware": "11.0.2", "attempts_used": 4, "attempts_hidden": 6},
        {"name": "new", "model": "PM5562", "firmware": "4.3.5", "attempts_used": 25, "ftp": True},
        {"name": "nine", "model": "PM5560", "firmware": "2.7.8", "process_time": 200},
        {"name": "busy", "model": "PM5560", "firmware": "2.7.8", "process_time": 200},
        {"name": "wrong", "model": "PM5570", "firmware": "3.1.4"},
        {"name": "power", "model": "PM5560", "firmware": "2.7.8", "process_time": 200},
    ],
}
STATUS = "/FirmwareUpgradeStatus.shtml"


def processes(page: str) -> list[tuple[str, str]]:
    """Name and state from the status page of surface a."""
    return re.findall(r'<tr class="process"><td>([^<]*)</td><td>([^<]*)</td>', page)


@pytest.mark.simulates("R-062", "R-064", "R-065")
def test_upgrade_on_surface_a(bench: Bench) -> None:
    meter, ip = bench.meter("a"), bench.ip("a")
    bench.stage("a", bench.package("PM5560", "2.9.9"))
    held = socket.create_connection((ip, 502), 5)
    answer = bench.trigger("a")
    assert (answer.status_code, answer.headers["Location"]) == (302, STATUS)
    begin = meter.wait("silence_begin")
    assert held.recv(1) == b"" if not _reset(held) else True
    for port in (502, 21, 80):
        with pytest.raises(OSError):
            socket.create_connection((ip, port), 0.2)
    assert meter.state()["state"] == "silent"
    end = meter.wait("silence_end")
    assert 74 <= end["t"] - begin["t"] < 90
    assert meter.state()["firmware"] == "2.7.8"
    page = bench.get("a", STATUS).text
    assert [name for name, dummy in processes(page)] == ["Communications card", "Operating system", "Language files", "Webpages"]
    done = meter.wait("upgrade_done")
    assert (done["ok"], done["version"]) == (True, "2.9.9")
    state = meter.state()
    assert (state["firmware"], state["previous_firmware"], state["restarts"], state["attempts"]) == ("2.9.9", "2.7.8", 4, 1)
    page = bench.get("a", STATUS).text
    assert {word for dummy, word in processes(page)} == {"Completed"} and "Upgrade Completed" in page
    kinds = [event["kind"] for event in meter.events()]
    order = [
        "ftp_stored",
        "trigger_request",
        "trigger_accepted",
        "attempt_counted",
        "silence_begin",
        "silence_end",
        "process",
        "upgrade_done",
    ]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert bench.fleet.peaks()["in_progress"] == 0


def _reset(sock: socket.socket) -> bool:
    sock.settimeout(2)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except ConnectionResetError:
        return True
    return False


def test_upgrade_on_surface_b(bench: Bench) -> None:
    auth = HTTPDigestAuth("user2", "pass2")
    bench.stage("b", bench.package("PM5560", "2.9.9"))
    answer = bench.trigger("b", auth=auth)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/maint/update.cgi")
    bench.meter("b").wait("silence_end")
    jobs = bench.get("b", "/maint/update.cgi", auth=auth).json()["update"]["jobs"]
    assert [job["title"] for job in jobs] == ["metering core", "site", "texts", "ethernet"]
    bench.meter("b").wait("upgrade_done")
    body = bench.get("b", "/maint/update.cgi", auth=auth).json()
    assert (body["update"]["phase"], body["unit"]["software"]) == ("finished", "2.9.9")
    seen = bench.meter("b").events("trigger_request")
    assert [(event["authenticated"], event["status"]) for event in seen] == [(False, 401), (True, 302)]
    assert bench.get("b", "/maint/whoami.cgi", auth=auth).json() == {"session": {"account": "user2", "group": "product-master"}}


def test_no_login_needed_and_cut_answer(bench: Bench) -> None:
    assert bench.upgrade("open")["ok"]
    bench.stage("cut", bench.package("PM5560", "2.9.9"))
    with pytest.raises(requests.ConnectionError):
        bench.trigger("cut")
    assert bench.meter("cut").wait("upgrade_done")["ok"]


@pytest.mark.simulates("R-063")
def test_every_request_for_the_page_is_recorded(bench: Bench) -> None:
    assert bench.trigger("who").status_code == 404
    bench.stage("who", bench.package("PM5560", "2.9.9"))
    assert bench.trigger("who", auth=None).status_code == 401
    assert bench.trigger("who", auth=("user2", "wrong")).status_code == 401
    assert bench.trigger("who", auth=("user1", "pass1")).status_code == 403
    assert bench.trigger("who", method="HEAD").status_code == 200
    assert bench.trigger("who", method="OPTIONS").status_code == 405
    events = bench.meter("who").events("trigger_request")
    assert [(event["method"], event["status"]) for event in events] == [
        ("GET", 404), ("GET", 401), ("GET", 401), ("GET", 403), ("HEAD", 200), ("OPTIONS", 405),
    ]  # fmt: skip
    assert not bench.meter("who").events("trigger_accepted")
    assert bench.meter("who").state()["logins"]["http"]["failed"] == 1
    assert "Web Master" in bench.get("who", "/Session.shtml", auth=("user1", "pass1")).text


@pytest.mark.simulates("R-047")
def test_closed_lock_refuses_without_counting(bench: Bench) -> None:
    meter = bench.meter("lock")
    bench.stage("lock", bench.package("PM5561", "10.9.9"))
    assert bench.trigger("lock").status_code == 302
    assert meter.events("trigger_refused")[0]["why"] == "lock"
    assert "MID/MIR lock" in bench.get("lock", STATUS).text
    assert meter.state()["attempts"] == 0 and not meter.events("silence_begin")
    meter.action("unlock")
    assert bench.trigger("lock").status_code == 302
    assert meter.wait("upgrade_done")["version"] == "10.9.9"


@pytest.mark.simulates("R-043", "R-044", "R-154", "R-155")
def test_the_limit_blocks(bench: Bench) -> None:
    meter = bench.meter("ten")
    assert bench.upgrade("ten", "10.8.2")["ok"]
    assert meter.events("attempt_counted")[0] | {"n": 10, "limit": 10} == meter.events("attempt_counted")[0]
    for name, model, version in (("ten", "PM5561", "10.9.9"), ("hidden", "PM5661", "11.2.9")):
        bench.stage(name, bench.package(model, version))
        bench.trigger(name)
        assert bench.meter(name).events("trigger_refused")[-1]["why"] == "attempts"
        assert "used up" in bench.get(name, STATUS).text
    assert bench.meter("new").state()["attempts_limit"] == 25


def test_missing_files_and_new_firmware(bench: Bench) -> None:
    files = bench.package("PM5560", "2.9.9")
    del files["App2.out"]
    bench.stage("part", files)
    assert bench.trigger("part").status_code == 302
    assert bench.meter("part").events("trigger_refused")[-1]["why"] == "files"
    assert not bench.meter("part").events("attempt_counted")
    assert bench.get("new", "/PM5500StartUpgrade.shtml").status_code == 301  # new firmware: the page is not there, on HTTPS


@pytest.mark.simulates("R-087")
def test_ninth_connection_spoils_it(bench: Bench) -> None:
    bench.stage("nine", bench.package("PM5560", "2.9.9"))
    bench.trigger("nine")
    bench.meter("nine").wait("silence_end")
    socks = [socket.create_connection((bench.ip("nine"), 502), 2) for dummy in range(9)]
    assert bench.meter("nine").wait("upgrade_done")["ok"] is False
    assert bench.meter("nine").events("violation")[0]["what"] == "too_many_connections"
    assert bench.fleet.peaks()["connections_max"]["nine"] == 9
    for sock in socks:
        sock.close()


@pytest.mark.simulates("R-086")
def test_writes_and_triggers_while_busy_are_violations(bench: Bench) -> None:
    bench.stage("busy", bench.package("PM5560", "2.9.9"))
    bench.trigger("busy")
    meter = bench.meter("busy")
    meter.wait("silence_end")
    assert bench.trigger("busy").status_code == 302
    with pytest.raises(Exception, match="550"):
        bench.stage("busy", bench.package("PM5560", "2.9.9"))
    with socket.create_connection((bench.ip("busy"), 502), 2) as sock:
        sock.sendall(b"\0\1\0\0\0\6\xff\x06\0\1\0\1")
        sock.recv(20)
    what = [event["what"] for event in meter.events("violation")]
    assert what == ["trigger_during_upgrade", "ftp_write_during_upgrade", "modbus_write_during_upgrade"]
    assert meter.state()["attempts"] == 1
    assert meter.wait("upgrade_done")["ok"]


@pytest.mark.simulates("R-038")
def test_wrong_packages_cost_an_attempt(bench: Bench) -> None:
    meter = bench.meter("wrong")
    cases = [
        ("PM5560", "2.9.9", "", "not compatible"),
        ("PM5570", "6.0.1", "", "not compatible"),
        ("PM5570", "3.2.9", "flip", "invalid or corrupted"),
        ("PM5570", "3.2.9", "truncate", "invalid or corrupted"),
    ]
    for number, (model, version, corrupt, text) in enumerate(cases, 1):
        bench.stage("wrong", bench.package(model, version, corrupt=corrupt))
        bench.trigger("wrong")
        assert meter.wait("upgrade_done", count=number)["ok"] is False
        assert text in bench.get("wrong", STATUS).text
        assert (meter.state()["firmware"], meter.state()["attempts"]) == ("3.1.4", number)
    assert bench.upgrade("wrong", "3.2.9")["ok"]


def test_power_cycle_in_the_middle_is_a_failure(bench: Bench) -> None:
    bench.stage("power", bench.package("PM5560", "2.9.9"))
    bench.trigger("power")
    meter = bench.meter("power")
    meter.wait("silence_end")
    meter.action("power_cycle", silence=10)
    assert meter.wait("upgrade_done")["ok"] is False
    meter.wait("silence_end", count=2)
    time.sleep(0.1)
    assert (meter.state()["state"], meter.state()["firmware"]) == ("idle", "2.7.8")
    assert bench.fleet.peaks()["in_progress_meters"] == []
