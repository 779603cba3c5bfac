# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Modbus TCP as the documents and SURFACE.md describe it."""

from __future__ import annotations

import socket
import struct

import pytest
from pymodbus.client import ModbusTcpClient

from metersim.bench import Bench

FLEET = {
    "services": ["modbus"],
    "meters": [
        {"name": "m1", "model": "PM5560", "firmware": "2.7.8", "previous_firmware": "2.5.4", "serial": 70001, "log_reads": True},
        {"name": "m2", "model": "PM5561", "firmware": "10.7.3", "mid_lock": True, "label": "Zähler Süd"},
        {"name": "m3", "model": "PM5661", "firmware": "11.0.2", "surface": "b", "fc43": False},
        {"name": "m4", "model": "PM5570L", "firmware": "6.0.4"},
        {"name": "m5", "model": "PM5650", "firmware": "2.11.4", "latency": 0.05},
        {"name": "m6", "model": "PM5560", "firmware": "2.7.8"},
    ],
}


def frame(unit: int, pdu: bytes, number: int = 7) -> bytes:
    """A request built by hand, without any library."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


def ask(ip: str, *frames: bytes, answers: int = 1) -> list[bytes]:
    """Send raw frames at once and read so many answers."""
    with socket.create_connection((ip, 502), 5) as sock:
        sock.sendall(b"".join(frames))
        stream = sock.makefile("rb")
        found = []
        for dummy in range(answers):
            head = stream.read(6)
            found.append(head + stream.read(struct.unpack(">H", head[4:6])[0]))
        return found


def read_pdu(register: int, count: int) -> bytes:
    """FC 3 for a 1-based register number."""
    return struct.pack(">BHH", 3, register - 1, count)


def words(ip: str, register: int, count: int) -> list[int]:
    """Values of a range over a hand-made frame."""
    answer = ask(ip, frame(255, read_pdu(register, count)))[0]
    assert answer[7] == 3, f"exception {answer[8]}"
    return list(struct.unpack(f">{count}H", answer[9:]))


def text(values: list[int]) -> str:
    """String registers."""
    return struct.pack(f">{len(values)}H", *values).rstrip(b"\0").decode()


def test_identification_by_hand(bench: Bench) -> None:
    ip = bench.ip("m1")
    block = words(ip, 30, 61)
    assert text(block[:20]) == "m1"
    assert text(block[20:40]) == "PM5560"
    assert text(block[40:60]) == "Schneider Electric"
    assert words(ip, 130, 2) == [1, 70001 - 65536]
    assert words(ip, 1638, 3) == [2, 7, 8]
    assert words(ip, 1643, 3) == [2, 5, 4]
    assert text(words(bench.ip("m2"), 30, 20)) == "Zähler Süd"


def test_identification_by_library(bench: Bench) -> None:
    with ModbusTcpClient(bench.ip("m4")) as client:
        assert client.read_holding_registers(1637, count=3, device_id=255).registers == [6, 0, 4]
        found = client.read_device_information(read_code=1, device_id=255).information
        assert found == {0: b"Schneider Electric", 1: b"METSEPM5570L", 2: b"6.0.401"}
        one = client.read_device_information(read_code=4, object_id=1, device_id=255).information
        assert one == {1: b"METSEPM5570L"}


def test_fc43_can_be_missing(bench: Bench) -> None:
    answer = ask(bench.ip("m3"), frame(255, b"\x2b\x0e\x01\x00"))[0]
    assert answer[7:9] == b"\xab\x01"


def test_date_and_clock(bench: Bench) -> None:
    year, day, dummy, dummy = words(bench.ip("m1"), 1824, 4)
    assert year >= 25 and 1 <= day >> 8 <= 12 and 1 <= day & 0x1F <= 31 and 1 <= day >> 5 & 7 <= 7
    clock = words(bench.ip("m1"), 1837, 7)
    assert clock[0] >= 2025 and clock[6] < 1000
    first, second = (struct.unpack(">I", struct.pack(">2H", *words(bench.ip("m1"), 2004, 2)))[0] for dummy in "ab")
    assert second >= first > 3_000_000


def test_lock_registers_differ_by_surface(bench: Bench) -> None:
    assert words(bench.ip("m2"), 1920, 2) == [1, 5]
    assert words(bench.ip("m3"), 1920, 2) == [256, 160]
    bench.meter("m3").action("lock")
    assert words(bench.ip("m3"), 1920, 2) == [257, 80]
    assert words(bench.ip("m1"), 1920, 2) == [0xFFFF, 0xFFFF]


def test_filler_inside_and_exception_outside(bench: Bench) -> None:
    ip = bench.ip("m1")
    assert words(ip, 1715, 2) == [0xFFFF, 0xFFFF]
    assert words(bench.ip("m2"), 1643, 3) == [0xFFFF] * 3
    for register, count in ((400, 2), (198, 4), (3000, 2)):
        assert ask(ip, frame(255, read_pdu(register, count)))[0][7:] == b"\x83\x02"


def test_other_unit_and_other_function(bench: Bench) -> None:
    ip = bench.ip("m1")
    assert ask(ip, frame(1, read_pdu(30, 2)))[0][6:] == b"\x01\x83\x0b"
    assert ask(ip, frame(255, b"\x04\x00\x1d\x00\x02"))[0][7:] == b"\x84\x01"
    assert ask(ip, frame(255, b"\x64\x00\x00"))[0][7:] == b"\xe4\x01"


def test_writes_are_refused_and_recorded(bench: Bench) -> None:
    ip = bench.ip("m1")
    assert ask(ip, frame(255, b"\x06\x14\x81\x00\x01"))[0][7:] == b"\x86\x01"
    assert ask(ip, frame(255, b"\x10\x13\x87\x00\x01\x02\x07\xe4"))[0][7:] == b"\x90\x01"
    found = bench.meter("m1").events("modbus_write")
    assert [(event["function"], event["register"]) for event in found] == [(6, 0x1482), (16, 5000)]


def test_semaphore_is_recorded(bench: Bench) -> None:
    ip = bench.ip("m6")
    assert ask(ip, frame(255, read_pdu(5680, 1)))[0][7] == 3
    assert ask(ip, frame(255, read_pdu(5680, 1)))[0][7:] == b"\x83\x02"
    assert len(bench.meter("m6").events("semaphore_read")) == 2


def test_frames_in_pieces_and_in_a_row(bench: Bench) -> None:
    ip = bench.ip("m1")
    whole = frame(255, read_pdu(1638, 3))
    with socket.create_connection((ip, 502), 5) as sock:
        sock.sendall(whole[:5])
        sock.sendall(whole[5:])
        assert sock.recv(100)[9:] == bytes([0, 2, 0, 7, 0, 8])
    first, second = ask(ip, frame(255, read_pdu(1638, 1), 1), frame(255, read_pdu(1639, 1), 2), answers=2)
    assert (first[:2], first[9:], second[:2], second[9:]) == (b"\0\1", b"\0\2", b"\0\2", b"\0\7")


def test_reads_connections_and_latency_are_recorded(bench: Bench) -> None:
    words(bench.ip("m5"), 30, 2)
    assert bench.meter("m5").events("modbus_connect")
    assert not bench.meter("m5").events("modbus_read")
    assert bench.meter("m1").events("modbus_read")
    assert bench.fleet.peaks()["connections_max"]["m5"] == 1


@pytest.mark.simulates("R-029")
def test_unreadable_block_and_garbage(bench: Bench) -> None:
    bench.meter("m6").faults({"F-40": {"registers": ["1637-1645"]}, "F-37": {"where": "modbus"}})
    assert ask(bench.ip("m6"), frame(255, read_pdu(1630, 10)))[0][7:] == b"\x83\x02"
    raw = struct.pack(">20H", *words(bench.ip("m6"), 50, 20))
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    bench.meter("m6").faults({})
    assert words(bench.ip("m6"), 1638, 3) == [2, 7, 8]


def test_events_are_in_order(bench: Bench) -> None:
    events = bench.fleet.events()
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
    assert bench.fleet.events(after=events[-1]["seq"]) == []
