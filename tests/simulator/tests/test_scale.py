# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The sizes design 5 promises, in one process each."""

from __future__ import annotations

import ftplib
import io
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from metersim import packages
from metersim.testing import Fleet

READ_VERSION = b"\0\1\0\0\0\6\xff\x03" + (1637).to_bytes(2, "big") + b"\0\3"


def memory(pid: int) -> int:
    """Resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def version(address: str) -> bytes:
    """Registers 1638-1640."""
    with socket.create_connection((address, 502), 10) as sock:
        sock.sendall(READ_VERSION)
        return sock.recv(100)[9:]


def test_ten_thousand_modbus_meters(tmp_path: Path) -> None:
    spec = {"services": ["modbus"], "meters": [{"name": "b[00001:10000]", "model": "PM5560", "firmware": "2.9.9"}]}
    with Fleet(spec, tmp_path, timeout=120) as fleet:
        hosts = [meter["address"] for meter in fleet.meters()]
        assert len(set(hosts)) == 10_000
        assert all(version(address) == b"\0\2\0\x09\0\x09" for address in hosts[::100])
        assert memory(fleet.pid) < 400


def test_two_hundred_complete_meters_upgrade_ten_at_a_time(tmp_path: Path) -> None:
    spec = {
        "clock_factor": 100,
        "defaults": {"silence": 60, "process_time": 40},
        "meters": [{"name": "c[001:200]", "model": "PM5560", "firmware": "2.7.8"}],
    }
    entry = packages.make(tmp_path, "PM5560", "2.9.9", size=50_000)
    files = {item["name"]: (tmp_path / item["path"] / item["name"]).read_bytes() for item in entry["files"]}
    with Fleet(spec, tmp_path) as fleet:
        chosen = fleet.meters()[::20]

        def upgrade(meter: dict[str, Any]) -> bool:
            with ftplib.FTP(meter["address"], "user2", "pass2", timeout=20) as session:
                for name, raw in files.items():
                    session.storbinary(f"STOR /{'www' if name.endswith('.shtml') else 'fw'}/{name}", io.BytesIO(raw))
            with socket.create_connection((meter["address"], 80), 20) as sock:
                login = b"dXNlcjI6cGFzczI="  # user2:pass2
                sock.sendall(b"GET /PM5500StartUpgrade.shtml HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + login + b"\r\n\r\n")
                assert sock.recv(200).startswith(b"HTTP/1.1 302")
            return bool(fleet.meter(meter["name"]).wait("upgrade_done", 60)["ok"])

        with ThreadPoolExecutor(10) as pool:
            assert all(pool.map(upgrade, chosen))
        peaks = fleet.peaks()
        assert peaks["in_progress_max"] == 10 and peaks["in_progress"] == 0
        assert sum(meter["firmware"] == "2.9.9" for meter in fleet.meters()) == 10
        assert memory(fleet.pid) < 200
