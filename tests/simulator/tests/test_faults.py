# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Each fault really happens at the meter."""

from __future__ import annotations

import contextlib
import ftplib
import socket
import struct

import pytest

from metersim.bench import FAST, Bench
from metersim.testing import FleetError

FLEET = {
    "defaults": {**FAST, "model": "PM5560", "firmware": "2.7.8"},
    "meters": [
        {"name": "f01", "faults": ["F-01"]},
        {"name": "f03", "faults": {"F-03": {"silence": 10}}},
        {"name": "f04", "faults": {"F-04": {"after": 50_000, "down": 20}}},
        {"name": "f07", "faults": {"F-07": {"mode": "flip", "times": 1}}},
        {"name": "f07t", "faults": {"F-07": {"mode": "truncate"}}},
        {"name": "f10", "faults": ["F-10"]},
        {"name": "f11", "model": "PM5561", "firmware": "10.7.3", "attempts_used": 2},
        {"name": "f12", "model": "PM5561", "firmware": "10.7.3", "faults": {"F-12": {"when": "after_upload"}}},
        {"name": "f12n", "model": "PM5561", "firmware": "10.7.3", "faults": ["F-12"]},
        {"name": "f13", "ip_mode": "dhcp", "faults": {"F-13": {"taken_by": "taker"}}},
        {"name": "taker"},
        {"name": "f14", "faults": {"F-14": {"silence": 150}}},
        {"name": "f15", "faults": {"F-15": {"seconds": 60}}},
        {"name": "f16", "faults": ["F-16"]},
        {"name": "f18", "faults": {"F-18": {"process": "language_files", "times": 1, "text": "Sector 7 bad"}}},
        {"name": "f30", "faults": ["F-30"]},
        {"name": "f30w", "faults": {"F-30": {"mode": "web_denied"}}},
        {"name": "f37"},
        {"name": "off"},
    ],
}
STATUS = "/FirmwareUpgradeStatus.shtml"


def version(ip: str) -> tuple[int, ...]:
    """Registers 1638-1640 over a hand-made frame."""
    with socket.create_connection((ip, 502), 2) as sock:
        sock.sendall(b"\0\1\0\0\0\6\xff\x03" + struct.pack(">HH", 1637, 3))
        return struct.unpack(">3H", sock.recv(100)[9:])


def start(bench: Bench, name: str, target: str = "2.9.9") -> None:
    """Stage and trigger without waiting for anything."""
    bench.stage(name, bench.package(bench.meter(name).state()["model"], target))
    bench.trigger(name)


def test_f01_never_returns(bench: Bench) -> None:
    start(bench, "f01")
    bench.meter("f01").wait("power_lost")
    with pytest.raises(FleetError):
        bench.meter("f01").wait("silence_end", seconds=1)
    assert bench.meter("f01").state()["state"] == "dead"
    assert "f01" not in bench.fleet.peaks()["in_progress_meters"]


def test_f03_power_loss_before_the_trigger_keeps_the_files(bench: Bench) -> None:
    meter = bench.meter("f03")
    bench.stage("f03", bench.package("PM5560", "2.9.9"))
    meter.wait("silence_end")
    assert meter.state()["attempts"] == 0
    with bench.ftp("f03") as session:
        assert sorted(session.nlst("/fw")) == ["/fw/App2.out", "/fw/PM5560_v2.9.9.fwa"] or len(session.nlst("/fw")) == 2
    bench.trigger("f03")
    assert meter.wait("upgrade_done")["ok"]
    assert len(meter.events("power_lost")) == 1


def test_f04_link_cut_in_the_upload_once(bench: Bench) -> None:
    with pytest.raises((OSError, EOFError, ftplib.Error)):
        bench.stage("f04", bench.package("PM5560", "2.9.9"))
    meter = bench.meter("f04")
    incomplete = meter.wait("ftp_incomplete")
    assert incomplete["size"] == 50_000
    meter.wait("link_up")
    assert bench.upgrade("f04")["ok"]
    assert meter.state()["restarts"] == 4


def test_f07_flip_is_found_by_the_meter(bench: Bench) -> None:
    assert bench.upgrade("f07")["ok"] is False
    assert "invalid or corrupted" in bench.get("f07", STATUS).text
    assert bench.upgrade("f07")["ok"] is True


def test_f07_truncation_shows_in_the_size(bench: Bench) -> None:
    bench.stage("f07t", bench.package("PM5560", "2.9.9"))
    with bench.ftp("f07t") as session:
        session.voidcmd("TYPE I")
        assert session.size("/fw/PM5560_v2.9.9.fwa") == 150_000


def test_f10_refused_as_incompatible_and_counted(bench: Bench) -> None:
    assert bench.upgrade("f10")["ok"] is False
    assert "not compatible" in bench.get("f10", STATUS).text
    assert bench.meter("f10").state()["attempts"] == 1


def test_f11_hidden_attempts_block(bench: Bench) -> None:
    assert bench.fleet.hosts()["f11"]["metering_attest"]["attempts_used"] == 2
    bench.meter("f11").faults({"F-11": {"hidden": 8}})
    start(bench, "f11", "10.9.9")
    assert bench.meter("f11").wait("trigger_refused")["why"] == "attempts"
    bench.meter("f11").faults({"F-11": {"hidden": 3}})
    assert bench.meter("f11").state()["attempts"] == 5


def test_f12_lock_closes_after_the_upload(bench: Bench) -> None:
    start(bench, "f12", "10.9.9")
    assert bench.meter("f12").wait("trigger_refused")["why"] == "lock"
    assert bench.meter("f12").state()["attempts"] == 0


def test_f12_at_once(bench: Bench) -> None:
    assert bench.meter("f12n").state()["locked"] is True
    assert "mid_lock" not in bench.fleet.hosts()["f12n"]["metering_attest"]


def test_f13_another_meter_answers_at_the_old_address(bench: Bench) -> None:
    old = bench.ip("f13")
    start(bench, "f13")
    assert bench.meter("f13").wait("upgrade_done")["ok"]
    assert bench.ip("f13") != old
    assert bench.ip("taker") == old
    assert version(bench.ip("f13")) == (2, 9, 9)
    assert version(old) == (2, 7, 8)
    assert bench.meter("taker").events("address_changed")


def test_f14_late_return(bench: Bench) -> None:
    start(bench, "f14")
    begin, end = bench.meter("f14").wait("silence_begin"), bench.meter("f14").wait("silence_end")
    assert 149 <= end["t"] - begin["t"] < 170


def test_f15_old_instance_answers_for_a_while(bench: Bench) -> None:
    start(bench, "f15")
    accepted = bench.meter("f15").wait("trigger_accepted")
    assert version(bench.ip("f15")) == (2, 7, 8)
    begin = bench.meter("f15").wait("silence_begin")
    assert begin["t"] - accepted["t"] >= 60


def test_f16_completed_but_old_version(bench: Bench) -> None:
    done = bench.upgrade("f16")
    assert (done["ok"], done["version"]) == (True, "2.7.8")
    assert "Upgrade Completed" in bench.get("f16", STATUS).text
    assert version(bench.ip("f16")) == (2, 7, 8)


@pytest.mark.simulates("R-066")
def test_f18_one_process_fails_once(bench: Bench) -> None:
    assert bench.upgrade("f18")["ok"] is False
    page = bench.get("f18", STATUS).text
    assert "Sector 7 bad" in page and "<td>Failed</td>" in page
    assert version(bench.ip("f18")) == (2, 7, 8)
    with bench.ftp("f18") as session:
        left: list[str] = []
        with contextlib.suppress(ftplib.error_perm):
            left = session.nlst("/fw")
        assert left == []
    assert bench.upgrade("f18")["ok"] is True
    assert bench.meter("f18").state()["attempts"] == 2


def test_f30_wrong_role_and_web_denied(bench: Bench) -> None:
    with bench.ftp("f30") as session, pytest.raises(ftplib.error_perm, match="550"):
        session.storbinary("STOR /fw/App2.out", __import__("io").BytesIO(b"x"))
    assert "Web Master" in bench.get("f30", "/Session.shtml").text
    bench.ftp("f30w").quit()
    assert bench.get("f30w", "/Session.shtml").status_code == 401


def test_f37_malformed_pages(bench: Bench) -> None:
    meter = bench.meter("f37")
    meter.faults({"F-37": {"where": "status", "kind": "html"}})
    answer = bench.get("f37", STATUS)
    assert answer.status_code == 200 and "Internal error" in answer.text
    meter.faults({"F-37": {"where": "status", "kind": "non_ascii"}})
    with pytest.raises(UnicodeDecodeError):
        bench.get("f37", STATUS).content.decode()
    meter.faults({"F-37": {"where": "status", "kind": "huge"}})
    assert len(bench.get("f37", STATUS).content) == 20 * 1024 * 1024


def test_actions_and_bad_requests(bench: Bench) -> None:
    meter = bench.meter("off")
    meter.action("set_firmware", version="2.8.3")
    assert version(bench.ip("off")) == (2, 8, 3)
    old = bench.ip("off")
    meter.action("set_address")
    assert bench.ip("off") != old
    meter.action("power_off")
    assert meter.state()["state"] == "dead"
    meter.action("power_on")
    assert version(bench.ip("off")) == (2, 8, 3)
    for bad in ({"F-99": {}}, {"F-14": {"silence": "long"}}, {"F-14": {"speed": 1}}, {"F-07": {"mode": "eat"}}):
        with pytest.raises(FleetError, match="F-"):
            meter.faults(bad)
    with pytest.raises(FleetError, match="unknown action"):
        meter.action("explode")
    with pytest.raises(FleetError, match="no meter"):
        bench.meter("nobody").state()
