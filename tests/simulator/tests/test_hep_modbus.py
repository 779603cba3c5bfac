# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""HEP meters: identification, ports and Modbus errors as the documents and SURFACE.md describe them."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from metersim.hep.bench import HepBench, holding
from metersim.testing import Fleet

WRITE = {"modbus_access": "read_write"}
FLEET = {
    "name": "hep-modbus",
    "clock_factor": 200,
    "meters": [
        {"name": "old", "model": "ION9000", "firmware": "2.4.1", "label": "Zähler Süd", "serial": "MW-1707A123-02"},
        {"name": "three", "model": "PM8000", "firmware": "3.0.0", "hep": {"settings": WRITE}},
        {"name": "four", "model": "ION9000T", "firmware": "4.0.1", "hep": {"mode": "advanced", "settings": WRITE}},
        {"name": "open", "model": "ION7400", "firmware": "2.1.0", "hep": {"mode": "none", "settings": WRITE}},
        {"name": "none", "model": "ION7400", "firmware": "3.1.0", "hep": {"settings": {"modbus_access": "none"}}},
    ],
}


@pytest.fixture(scope="module")
def hep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HepBench]:
    """One fleet for the module."""
    folder = tmp_path_factory.mktemp("hep")
    with Fleet(FLEET, folder) as fleet:
        yield HepBench(fleet, folder / "pem")


@pytest.mark.simulates("R-160", "R-241")
def test_identification(hep: HepBench) -> None:
    """Name, model, maker, id, serial, firmware text."""
    assert hep.text("old", 30, 20) == "Zähler Süd"
    assert [hep.text(name, 50, 20) for name in ("old", "three", "four", "open")] == ["ION9000", "PM8000", "ION9000T", "ION7400"]
    assert hep.text("old", 70, 9) == "Schneider Electric"
    assert [hep.read(name, 90) for name in ("old", "three", "four", "open")] == [[18010], [18000], [18011], [18005]]
    assert hep.text("old", 117, 12) == "MW-1707A123-02"
    assert [hep.text(name, 1717, 6) for name in ("old", "three", "four")] == ["2.4.1", "V003.000.000", "V004.000.001"]
    assert hep.text("three", 57060, 10) == "PM8000_V1.4.0.1"


@pytest.mark.simulates("R-235", "R-282", "R-283", "R-284")
def test_errors(hep: HepBench) -> None:
    """The documented answers, and the documented silence."""
    assert hep.read("three", 60000, 2) == [0x8000, 0x8000]
    assert hep.read("three", 60) == [0]
    assert hep.read("three", 110) == [0xFFFF]
    assert hep.read("three", 2701, 2) == 3
    assert hep.read("none", 90) == 2
    assert hep.write("three", 50000, 1, wait=0.2) is None
    assert [event["what"] for event in hep.meter("three").violations()] == ["write_unmapped"]
    assert hep.write("three", 50, 1) == 2
    assert hep.write("three", 57001, 2) == 2
    assert hep.write("three", 57016, 0) == 3
    assert hep.write("three", 57028, 1) == 3  # ftp is gone
    assert hep.write("old", 57012, 3) == 2  # read only access
    assert hep.write("four", 57012, 3) == 2  # advanced without Modbus programming
    state = hep.meter("three").state()
    ip, port = state["address"], state["ports"]["modbus"]
    assert holding(ip, port, b"\x04\x00\x00\x00\x01") == b"\x84\x01"
    assert holding(ip, port, b"\x03\x00\x31\x00\x01", unit=1, wait=0.2) is None


def test_setup_registers(hep: HepBench) -> None:
    """All or none; modes; the revenue lock; access that closes behind itself."""
    meter = hep.meter("three")
    assert hep.write("three", 57012, 3, 4) == 0
    assert hep.read("three", 57011, 4) == [0, 3, 4, 0]
    assert hep.write("three", 57016, 60, 0) == 3
    assert meter.state()["settings"]["lockout_duration"] == 30
    assert hep.write("three", 57007, 0) == 3  # time synchronisation goes off under advanced only
    assert hep.write("three", 57009, 502) == 3
    meter.action("revenue_lock")
    assert hep.write("three", 57012, 5) == 2
    meter.action("revenue_unlock")
    assert hep.write("three", 57002, 1) == 0
    assert hep.write("three", 57012, 5) == 2
    meter.action("set_setting", name="modbus_access", value="read_write")
    assert hep.write("open", 57002, 0) == 3  # None came with 3
    hep.meter("four").action("set_setting", name="modbus_programming", value=True)
    assert hep.write("four", 57006, 0) == 0
    assert hep.write("four", 57012, 3) == 2
    written = [(event["name"], event["new"]) for event in meter.events("setting_written") if event["protocol"] == "modbus"]
    assert written == [("lockout_modbus", 3), ("lockout_web", 4), ("modbus_access", "read_only")]


def greeting(ip: str, port: int) -> bytes | None:
    """First bytes of a port; None when it is closed."""
    try:
        with socket.create_connection((ip, port), 5) as sock:
            sock.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                return sock.recv(100)
    except OSError:
        return None
    return b""


def test_ports_by_generation(hep: HepBench) -> None:
    """What listens, and what it says."""
    names = ("ftp", "ssh", "telnet", "http", "https", "ion", "rtu_tcp", "ion_tls")
    found = {}
    for name in ("old", "three", "four"):
        state = hep.meter(name).state()
        found[name] = {port: greeting(state["address"], state["ports"][port]) for port in names}
    assert [port for port in names if found["old"][port] is not None] == ["ftp", "telnet", "http", "ion", "rtu_tcp"]
    assert [port for port in names if found["three"][port] is not None] == ["ssh", "http", "https", "ion", "rtu_tcp"]
    assert [port for port in names if found["four"][port] is not None] == ["ssh", "http", "https", "ion", "rtu_tcp", "ion_tls"]
    assert found["old"]["ftp"] == b"220 HEP FTP server\r\n"
    assert found["four"]["ssh"] == b"SSH-2.0-MSIM_HEP\r\n"
    hep.meter("four").action("set_setting", name="sftp", value=False)
    hep.meter("four").wait("setting_written")
    state = hep.meter("four").state()
    assert "ssh" not in state["open"]
    assert not hep.meter("four").violations()


def test_ion_takes_no_byte(hep: HepBench) -> None:
    """A handshake is fine, a byte is not; eight places are shared."""
    state, pem = hep.meter("four").state(), hep.meter("four").certificate()["pem"]
    context = ssl.create_default_context(cadata=pem)
    with (
        socket.create_connection((state["address"], state["ports"]["ion_tls"]), 5) as plain,
        context.wrap_socket(plain, server_hostname=state["address"]),
    ):
        pass
    assert not hep.meter("four").violations()
    state = hep.meter("old").state()
    with contextlib.ExitStack() as stack:
        places = [(state["address"], state["ports"][name]) for name in ("ion", "rtu_tcp") * 4]
        for place in places:
            stack.enter_context(socket.create_connection(place, 5))
        hep.meter("old").wait("port_connect", count=8)
        extra = stack.enter_context(socket.create_connection(places[0], 5))
        assert extra.recv(1) == b""
    assert hep.meter("old").events("limit")[0]["service"] == "ion"


def test_places(hep: HepBench) -> None:
    """32 Modbus clients, ten of the webpages; one more is hung up on."""
    state = hep.meter("none").state()
    for service, places in (("modbus", 32), ("http", 10)):
        place = (state["address"], state["ports"][service])
        with contextlib.ExitStack() as stack:
            for dummy in range(places):
                stack.enter_context(socket.create_connection(place, 5))
            extra = stack.enter_context(socket.create_connection(place, 5))
            with contextlib.suppress(ConnectionResetError):
                assert extra.recv(1) == b""
        assert [event["service"] for event in hep.meter("none").events("limit")][-1] == service


def test_old_logins_count(hep: HepBench) -> None:
    """FTP and Telnet of old take no one in."""
    state = hep.meter("old").state()
    with socket.create_connection((state["address"], state["ports"]["ftp"]), 5) as sock:
        stream = sock.makefile("rwb")
        stream.readline()
        stream.write(b"USER 9000\r\nPASS 0\r\n")
        stream.flush()
        assert [stream.readline()[:3] for dummy in range(2)] == [b"331", b"530"]
    assert hep.meter("old").lockouts()["9000", "ftp"]["total"] == 1
