# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What goes wrong on the way through the webpages, and what the meter shows then."""

from __future__ import annotations

import socket
import ssl
import struct

import pytest
import requests

from metersim import ping
from metersim.bench import Bench, Forms
from metersim.cli import main

FLEET = {
    "clock_factor": 200,
    "defaults": {"update_time": 60, "restart_silence": 20, "model": "PM5560", "firmware": "4.3.5"},
    "meters": [{"name": f"a{number:02d}"} for number in range(1, 22)]
    + [{"name": f"b{number:02d}", "surface": "b"} for number in range(1, 6)]
    + [{"name": "old", "firmware": "2.9.9"}, {"name": "dhcp", "ip_mode": "dhcp"}],
}


def run(bench: Bench, name: str, version: str = "4.4.0") -> dict[str, object]:
    """Upload, apply, wait for the end."""
    person = bench.browser(name)
    person.upload(bench.sedp("PM5560", version))
    assert person.apply().ok
    return dict(bench.meter(name).wait("upgrade_done"))


def span(bench: Bench, name: str, first: str, last: str) -> float:
    """Meter seconds between two events."""
    meter = bench.meter(name)
    return float(meter.wait(last)["t"] - meter.wait(first)["t"])


@pytest.mark.simulates("F-05")
def test_slow_link_makes_everything_slower_but_goes_on(bench: Bench) -> None:
    bench.meter("a01").faults({"F-05": {"upload": 200, "process": 4}})
    person = bench.browser("a01")
    begin = bench.fleet.clock()["t"]
    person.upload(bench.sedp("PM5560", "4.4.0", size=500_000))
    assert bench.meter("a01").wait("web_upload")["t"] - begin > 90
    person.apply()
    assert bench.meter("a01").wait("upgrade_done")["ok"]
    assert span(bench, "a01", "attempt_counted", "silence_begin") > 235
    times = [event["t"] for event in bench.meter("a01").events("process")]
    assert len(times) == 12


def test_an_upload_keeps_its_session(bench: Bench) -> None:
    bench.meter("a21").faults({"F-05": {"upload": 1200}})
    person = bench.browser("a21")
    assert "Apply the upgrade now?" in person.upload(bench.sedp("PM5560", "4.4.0", size=700_000)).text
    events = bench.meter("a21").events()
    assert next(e["t"] for e in events if e["kind"] == "web_upload") - events[0]["t"] > 700
    assert person.apply().ok and bench.meter("a21").events("web_confirm")


@pytest.mark.simulates("F-06", "R-149", "R-150")
def test_stall_and_the_remedy_of_the_webpages(bench: Bench) -> None:
    bench.meter("a02").faults({"F-06": {"seconds": 400}})
    assert run(bench, "a02")["ok"] and span(bench, "a02", "stall_begin", "stall_end") > 399
    bench.meter("a03").faults({"F-06": {"seconds": 0}})
    person = bench.browser("a03")
    person.upload(bench.sedp("PM5560", "4.4.0"))
    person.apply()
    bench.meter("a03").wait("stall_begin")
    person.login()
    assert person.status()["result"] == "Running"
    bench.meter("a03").action("power_cycle", silence=10)
    bench.meter("a03").wait("silence_end")
    person.login()
    assert person.status()["result"] == "Unsuccessful" and bench.meter("a03").state()["firmware"] == "4.3.5"
    assert run(bench, "a03")["ok"] is False  # the first upgrade_done is the broken one
    assert bench.meter("a03").wait("upgrade_done", count=2)["ok"]


@pytest.mark.simulates("F-04", "F-07")
def test_link_cut_and_spoiled_upload(bench: Bench) -> None:
    meter = bench.meter("a04")
    meter.faults({"F-04": {"after": 50_000, "down": 20}})
    person = bench.browser("a04")
    with pytest.raises(requests.RequestException):
        person.upload(bench.sedp("PM5560", "4.4.0"))
    assert meter.wait("web_upload_incomplete")["size"] > 50_000 and meter.wait("link_up")
    assert not meter.events("web_upload") and meter.state()["attempts"] == 0
    assert run(bench, "a04")["ok"]
    for name in ("a05", "b01"):
        bench.meter(name).faults({"F-07": {"times": 1}})
        person = bench.browser(name)
        answer = person.upload(bench.sedp("PM5560", "4.4.0"))
        if name == "b01":
            assert answer.status_code == 422
        else:
            person.apply()
            assert not bench.meter(name).wait("upgrade_done")["ok"]
            person.login()
            assert "invalid or corrupted" in person.status()["message"]
        assert run(bench, name)


@pytest.mark.simulates("F-01", "F-10", "F-14", "F-16", "F-18")
def test_ends_of_an_upgrade(bench: Bench) -> None:
    for name, fault in (
        ("a06", {"F-01": {}}),
        ("a07", {"F-10": {}}),
        ("a08", {"F-14": {"silence": 120}}),
        ("a09", {"F-16": {}}),
        ("a10", {"F-18": {"process": "webpages"}}),
        ("a11", {"F-18": {"process": "restart", "text": "Restart failed."}}),
        ("a12", {"F-20": {}}),
        ("b02", {"F-20": {"mode": "writer"}}),
    ):
        bench.meter(name).faults(fault)
        person = bench.browser(name)
        person.upload(bench.sedp("PM5560", "4.4.0"))
        assert person.apply().ok

    def end(name: str) -> tuple[object, ...]:
        done = bench.meter(name).wait("upgrade_done")
        person = bench.browser(name)
        status = person.status()
        return done["ok"], done["version"], status["result"] if isinstance(person, Forms) else status["phase"]

    assert end("a07") == (False, "4.3.5", "Unsuccessful") and not bench.meter("a07").events("silence_begin")
    assert end("a08") == (True, "4.4.0", "Successful") and span(bench, "a08", "silence_begin", "silence_end") > 119
    assert end("a09") == (True, "4.3.5", "Successful")
    assert end("a10") == end("a11") == (False, "4.3.5", "Unsuccessful")
    assert bench.browser("a11").status()["message"] == "Restart failed."
    assert end("a12")[0] is False and bench.browser("a12").status()["message"] == "Too many connections during the upgrade."
    assert end("b02")[2] == "aborted" and "parameters changed" in str(bench.browser("b02").status())
    assert bench.meter("a06").wait("power_lost") and bench.meter("a06").state()["state"] == "dead"
    assert bench.fleet.peaks()["in_progress"] == 0
    assert bench.meter("a12").state()["attempts"] == 1


@pytest.mark.simulates("F-36")
def test_fails_long_after(bench: Bench) -> None:
    for name, mode in (("a13", "revert"), ("a14", "dead")):
        bench.meter(name).faults({"F-36": {"after": 100, "mode": mode}})
        assert run(bench, name)["ok"]
        assert bench.meter(name).state()["firmware"] == "4.4.0"
    assert bench.meter("a13").wait("silence_end", count=2) and bench.meter("a13").state()["firmware"] == "4.3.5"
    assert bench.meter("a14").wait("late_failure")["mode"] == "dead"


@pytest.mark.simulates("F-19", "R-078")
def test_icmp(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    state = bench.fleet.state_dir
    assert ping.reachable(bench.ip("a15"), state) and not ping.reachable("127.1.1.1", state)
    assert main(["ping", bench.ip("a15"), "-c", "1", "--state", str(state)]) == 0
    bench.meter("a15").faults({"F-19": {}})
    assert main(["ping", bench.ip("a15"), "--state", str(state)]) == 1
    assert "no answer" in capsys.readouterr().out
    assert bench.browser("a15").status()
    assert not ping.reachable(bench.ip("a15"), state / "nowhere")


@pytest.mark.simulates("F-25")
def test_wrong_clock(bench: Bench) -> None:
    before = _clock(bench.ip("old"))
    bench.meter("old").faults({"F-25": {"offset": -3 * 366 * 86400}})
    assert before - _clock(bench.ip("old")) == 3


def _clock(address: str) -> int:
    with socket.create_connection((address, 502), 5) as sock:
        sock.sendall(b"\0\1\0\0\0\6\xff\x03" + struct.pack(">HH", 1836, 1))
        return int.from_bytes(sock.recv(100)[9:11], "big")


def tls(address: str, versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None, cafile: str | None = None) -> str | None:
    """Handshake; the protocol that was agreed."""
    context = ssl.create_default_context(cafile=cafile) if cafile else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not cafile:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if versions:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = versions
    with context.wrap_socket(socket.create_connection((address, 443), 5), server_hostname=address) as sock:
        return sock.version()


@pytest.mark.simulates("F-31")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_troubles(bench: Bench, tmp_path: object) -> None:
    meter, ip = bench.meter("a16"), bench.ip("a16")
    own = f"{tmp_path}/own.pem"
    first = meter.certificate()
    for mode, version in (("tls1.0", ssl.TLSVersion.TLSv1), ("tls1.1", ssl.TLSVersion.TLSv1_1)):
        meter.faults({"F-31": {"mode": mode}})
        with pytest.raises(OSError):
            tls(ip)
        assert tls(ip, (version, version)) in ("TLSv1", "TLSv1.1")
        assert meter.certificate() == first
    for mode, words in (("expired", "expired"), ("wrong_host", "mismatch|not valid for")):
        meter.faults({"F-31": {"mode": mode}})
        with open(own, "w") as file:
            file.write(meter.certificate()["pem"])
        with pytest.raises(ssl.SSLCertVerificationError, match=words):
            tls(ip, cafile=own)
    meter.faults({"F-31": {"mode": "changed"}})
    assert meter.certificate()["fingerprint"] != first["fingerprint"]
    meter.faults({"F-31": {"mode": "changed_after_upgrade"}})
    assert meter.certificate() == first
    run(bench, "a16")
    assert meter.certificate() != first and tls(ip)


@pytest.mark.simulates("F-32")
def test_ports_and_redirects(bench: Bench) -> None:
    get = requests.Session()
    get.trust_env = False
    ip = bench.ip("b03")
    bench.meter("b03").faults({"F-32": {"mode": "redirect"}})
    answer = get.get(f"http://{ip}/api/v1/session", timeout=5, allow_redirects=False)
    assert answer.headers["Location"] == f"https://{ip}/api/v1/session"
    bench.meter("b03").faults({"F-32": {"mode": "elsewhere", "to": "192.0.2.7"}})
    answer = get.get(f"http://{ip}/", timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (301, "http://192.0.2.7/")
    for name, port in (("a17", 443), ("old", 80)):
        bench.meter(name).faults({"F-32": {"mode": "port", "port": 8082}})
        assert _listens(bench.ip(name), 8082) and not _listens(bench.ip(name), port)
        bench.meter(name).faults({"F-32": {"mode": "disabled"}})
        assert not any(_listens(bench.ip(name), one) for one in (80, 443, 8082)) and _listens(bench.ip(name), 502)
        bench.meter(name).faults({})
        assert _listens(bench.ip(name), port)


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 0.5).close()
    except OSError:
        return False
    return True


@pytest.mark.simulates("F-37", "F-30", "F-12")
def test_odd_answers_roles_and_lock(bench: Bench) -> None:
    for where, path in (("login", "/login.html"), ("status", "/maintenance/status.html"), ("settings", "/settings/ethernet.html")):
        person = bench.browser("a18")
        bench.meter("a18").faults({"F-37": {"where": where}})
        answer = person.call("GET", path)
        assert answer.status_code == 200 and "Internal error" in answer.text
        bench.meter("a18").faults({})
        bench.meter("a18").action("end_sessions")
    other = bench.browser("b04")
    bench.meter("b04").faults({"F-37": {"where": "status", "kind": "huge"}})
    assert len(other.call("GET", "/api/v1/update").content) > 10_000_000
    bench.meter("a19").faults({"F-30": {"mode": "web_master"}})
    assert bench.browser("a19").upload(bench.sedp("PM5560", "4.4.0")).status_code == 403
    bench.meter("b05").faults({"F-30": {"mode": "web_denied"}})
    assert bench.browser("b05", login=False).login().status_code == 401


@pytest.mark.simulates("F-13")
def test_other_address_after_the_restart(bench: Bench) -> None:
    bench.meter("dhcp").faults({"F-13": {}})
    old = bench.ip("dhcp")
    assert run(bench, "dhcp")["ok"] and bench.ip("dhcp") != old
    assert bench.browser("dhcp").status()["result"] == "Successful"


@pytest.mark.simulates("R-087")
def test_ninth_connection_during_a_web_upgrade(bench: Bench) -> None:
    person = bench.browser("a20")
    person.upload(bench.sedp("PM5560", "4.4.0"))
    person.apply()
    held = [socket.create_connection((bench.ip("a20"), 502), 2) for dummy in range(9)]
    assert not bench.meter("a20").wait("upgrade_done")["ok"]
    for sock in held:
        sock.close()
    assert bench.meter("a20").events("violation")[0]["what"] == "too_many_connections"
