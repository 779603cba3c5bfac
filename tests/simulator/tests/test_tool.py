# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The stand-in of the vendor's tool against the simulated meters: documented rules, exit statuses, logs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metersim import packages, tool_seats
from metersim.bench import Bench
from metersim.tool_files import Stop, read_config, read_package

WEB, PRODUCT = ("wm", "Canary-tool-wm-1"), ("pm", "Canary-tool-pm-2")
ACCOUNTS = {"web_master": {"user": WEB[0], "password": WEB[1]}, "product_master": {"user": PRODUCT[0], "password": PRODUCT[1]}}
FLEET = {
    "clock_factor": 200,
    "defaults": {"accounts": ACCOUNTS, "update_time": 40, "restart_silence": 10},
    "meters": [
        {"name": "good", "model": "PM5560", "firmware": "2.9.9"},
        {"name": "pm5650", "model": "PM5650", "firmware": "2.12.9"},
        {"name": "pm5561", "model": "PM5561", "firmware": "10.7.3", "attempts_used": 1},
        {"name": "dhcp", "model": "PM5560", "firmware": "2.9.9", "ip_mode": "dhcp"},
        {"name": "ports", "model": "PM5560", "firmware": "2.9.9", "web_ports": {"http": 8000, "https": 4430}},
        {"name": "locked", "model": "PM5561", "firmware": "10.8.2", "mid_lock": True},
        {"name": "silent", "model": "PM5560", "firmware": "2.9.9", "faults": {"F-19": {}}},
        {"name": "broken", "model": "PM5560", "firmware": "2.9.9", "faults": {"F-18": {"process": "operating_system"}}},
        {"name": "dies", "model": "PM5560", "firmware": "2.9.9", "faults": {"F-01": {}}},
        {"name": "seats[01:11]", "model": "PM5560", "firmware": "2.9.9", "update_time": 40000},
        {
            "name": "new",
            "model": "PM5560",
            "firmware": "4.3.5",
            "accounts": {"administrator": dict(zip(("user", "password"), PRODUCT, strict=True))},
        },
        {"name": "crowd", "model": "PM5560", "firmware": "2.9.9", "update_time": 400, "faults": {"F-20": {}}},
        {"name": "odd[1:8]", "model": "PM5560", "firmware": "2.9.9"},
    ],
}
REFUSED, TOO_MANY, FAILED, BAD_CONFIG, BAD_PACKAGE, UNREACHABLE, BAD_LOGIN, LOST, USAGE = 2, 3, 4, 5, 6, 7, 8, 9, 64


class Desk:
    """A PC with the tool on it."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder, self.app = bench, folder, folder / "app"

    def config(self, name: str, text: str = "") -> Path:
        path = self.folder / f"{name}.csv"
        path.write_text(text or ",".join([self.bench.ip(name), "255", *WEB, *PRODUCT]), encoding="ascii")
        return path

    def package(self, model: str = "PM5560", version: str = "4.3.5", tool: str = "3.8", **options: Any) -> Path:
        entry = packages.make_signed(self.folder, model, version, "tool", tool=tool, **options)
        return self.folder / entry["files"][0]["path"] / entry["files"][0]["name"]

    def command(self, name: str, *more: object, version: str = "3.8", package: Path | None = None, config: Path | None = None) -> list[str]:
        words: list[object] = [sys.executable, "-m", "metersim", "tool", "--version", version, "--config", config or self.config(name)]
        words += ["--package", package or self.package(tool=version), "--logs", self.folder / "Logs", "--app-dir", self.app]
        words += ["--state", self.bench.fleet.state_dir, *more]
        return [str(word) for word in words]

    def run(self, name: str, *more: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = self.command(name, *more, **options)
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, errors="replace")

    def logs(self, encoding: str = "utf-16") -> str:
        return "".join(path.read_text(encoding=encoding) for path in sorted((self.folder / "Logs").iterdir()))


@pytest.fixture
def desk(bench: Bench, tmp_path: Path) -> Desk:
    return Desk(bench, tmp_path)


@pytest.mark.simulates("R-109", "R-110", "R-118", "R-125")
def test_good_upgrade(desk: Desk) -> None:
    ip = desk.bench.ip("good")
    review = desk.run("good", "--review")
    line = f"IP address={ip}, Current firmware=2.9.9, Product name=PM5560, Status=Firmware upgrade applicable"
    assert (review.returncode, review.stdout.splitlines()[-1]) == (0, line), review.stderr
    assert not desk.bench.meter("good").events("trigger_accepted")
    done = desk.run("good")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"IP address={ip}, Status=Upgrade Completed. Double click here to open webpage."
    meter = desk.bench.meter("good")
    assert meter.state()["firmware"] == "4.3.5" and meter.state()["generation"] == "new"
    assert len(meter.events("attempt_counted")) == 1 and not meter.events("violation")
    assert "Canary" not in desk.logs() + done.stdout and "©" in desk.logs()
    assert not list(desk.app.glob("seat-*"))
    again = desk.run("good")
    assert again.returncode in (REFUSED, BAD_LOGIN)


@pytest.mark.parametrize(("name", "model", "version"), [("pm5650", "PM5650", "4.10.1"), ("pm5561", "PM5561", "12.1.0")])
def test_other_rows(desk: Desk, name: str, model: str, version: str) -> None:
    done = desk.run(name, "--log-encoding", "cp1252", package=desk.package(model, version))
    assert done.returncode == 0, done.stdout
    assert desk.bench.meter(name).state()["firmware"] == version and "©" in desk.logs("cp1252")


@pytest.mark.simulates("R-074", "R-078", "R-095", "R-096", "R-097", "R-111")
def test_requirements_of_the_manual(desk: Desk) -> None:
    assert "IP method is not Stored" in _refused(desk, "dhcp")
    assert "HTTP port is not 80 and HTTPS port is not 443" in _refused(desk, "ports", words=("--http-port", 8000))
    assert desk.run("ports").returncode == UNREACHABLE
    lock = desk.package("PM5561", "12.1.0")
    assert "MID/MIR lock is enabled" in _refused(desk, "locked", package=lock)
    desk.bench.meter("locked").action("ftp_off")
    assert "FTP server is disabled" in _refused(desk, "locked", package=lock)
    assert "not compatible with this product" in _refused(desk, "dies", package=lock)
    blocked = desk.run("silent")
    assert blocked.returncode == UNREACHABLE and "does not answer to ping" in blocked.stdout
    wrong = desk.config("dies", ",".join([desk.bench.ip("dies"), "255", *WEB, PRODUCT[0], "Canary-wrong"]))
    login = desk.run("dies", config=wrong)
    assert login.returncode == BAD_LOGIN and "Login failed: Product Master" in login.stdout
    unit = desk.config("dies", ",".join([desk.bench.ip("dies"), "1", *WEB, *PRODUCT]))
    assert "Modbus slave ID" in _refused(desk, "dies", config=unit)
    assert not desk.bench.meter("dies").events("trigger_accepted")
    assert "Canary" not in desk.logs()


def _refused(desk: Desk, name: str, words: tuple[object, ...] = (), **options: Any) -> str:
    done = desk.run(name, *words, **options)
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert "Recheck the connection, the meter and the details in Config.csv" in done.stdout
    return done.stdout


@pytest.mark.simulates("R-101", "R-102", "R-103", "R-108")
def test_config_file(tmp_path: Path) -> None:
    path = tmp_path / "Config.csv"
    path.write_bytes(b"192.168.0.10,255,user1,pass1,user2,pass2")
    config = read_config(path)
    assert (config.address, config.unit, config.accounts) == ("192.168.0.10", 255, (("user1", "pass1"), ("user2", "pass2")))
    assert "pass" not in repr(config)
    bad = [
        b"",
        b"192.168.0.10,255,user1,pass1,user2,pass2\n",
        b"192.168.0.10,255,user1,pass1,user2,pass2\r\n192.168.0.11,255,user1,pass1,user2,pass2",
        b"192.168.0.10,255,user1,pass1,user2,pass2 ",
        b"192.168.0.10,255,user1,pass1,user2,pass2,",
        b"192.168.0.10, 255,user1,pass1,user2,pass2",
        b"192.168.0.300,255,user1,pass1,user2,pass2",
        b"192.168.0.10,256,user1,pass1,user2,pass2",
        b"192.168.0.10,0255,user1,pass1,user2,pass2",
        b"192.168.0.10,255,<user1>,pass1,user2,pass2",
        b"192.168.0.10,255,user1,,user2,pass2",
        b"\xef\xbb\xbf192.168.0.10,255,user1,pass1,user2,pass2",
        b"192.168.0.10,255,user1,pass1,user2,pa\xdf",
        b"192.168.0.10,255,user1,pass1,user2",
    ]
    for raw in bad:
        path.write_bytes(raw)
        with pytest.raises(Stop) as stop:
            read_config(path)
        assert stop.value.code == BAD_CONFIG and "pass1" not in str(stop.value), raw
    with pytest.raises(Stop):
        read_config(tmp_path / "missing.csv")


@pytest.mark.simulates("R-071", "R-085", "R-113")
def test_package_file(desk: Desk) -> None:
    good = desk.package()
    assert read_package(good, "3.8")["version"] == "4.3.5"
    renamed = shutil.copy(good, desk.folder / "PM5560_v4.3.6.sedp")
    other = shutil.copy(good, desk.folder / "update.bin")
    garbage = desk.folder / "PM5560_v9.9.9.sedp"
    garbage.write_bytes(os.urandom(4000))
    for path, version in ((renamed, "3.8"), (other, "3.8"), (garbage, "3.8"), (good, "3.6"), (desk.folder / "no.sedp", "3.8")):
        with pytest.raises(Stop) as stop:
            read_package(Path(path), version)
        assert stop.value.code == BAD_PACKAGE


@pytest.mark.simulates("R-083", "R-084", "R-117")
def test_limit_of_devices(desk: Desk) -> None:
    assert [tool_seats.cap(version) for version in ("3.5", "3.6", "3.7", "3.8", "3.10", "4.0")] == [1, 1, 1, 10, 10, 10]
    running = [subprocess.Popen(desk.command(f"seats{n:02d}"), stdout=subprocess.PIPE, text=True) for n in range(1, 11)]
    try:
        for n in range(1, 11):
            desk.bench.meter(f"seats{n:02d}").wait("trigger_accepted", 60)
        eleventh = desk.run("seats11")
        assert eleventh.returncode == TOO_MANY and "supports 10 devices at a time" in eleventh.stdout
        same = desk.run("seats01")
        assert same.returncode == TOO_MANY
        old = desk.run("seats11", version="3.7", package=desk.package(tool="3.7"))
        assert old.returncode == TOO_MANY and "supports one device at a time" in old.stdout
        assert not desk.bench.meter("seats11").events("tool_open")
        running[0].kill()
        running[0].communicate(timeout=10)
        assert desk.run("seats11", "--review").returncode == 0  # the seat of a dead process is free again
    finally:
        for child in running:
            child.kill()
            child.communicate()


def test_bad_ends(desk: Desk) -> None:
    failed = desk.run("broken")
    assert failed.returncode == FAILED and "Upgrade failed: " in failed.stdout
    damaged = desk.run("odd1", package=desk.package(corrupt="flip"))
    assert damaged.returncode == FAILED and "invalid or corrupted" in damaged.stdout
    lost = desk.run("dies")
    assert lost.returncode == LOST and "Do not power off the device" in lost.stdout
    assert desk.run("odd1", version="x", package=desk.package()).returncode == USAGE
    assert subprocess.run([sys.executable, "-m", "metersim", "tool"], capture_output=True, check=False).returncode == USAGE


def test_misbehaviour(desk: Desk) -> None:
    meter = desk.bench.meter("odd2")
    for word in ("nothing", "false-success"):
        done = desk.run("odd2", "--misbehave", word)
        assert done.returncode == 0 and ("Upgrade Completed." in done.stdout) == (word == "false-success")
    assert not meter.events("tool_open")
    desk.app.mkdir(exist_ok=True)
    (desk.app / "misbehave.json").write_text(json.dumps({desk.bench.ip("odd2"): "hang", desk.bench.ip("odd3"): "crash"}))
    began = time.monotonic()
    assert desk.run("odd2", "--hang-seconds", 0.2).returncode == 1 and time.monotonic() - began >= 0.2
    crash = desk.run("odd3")
    assert crash.returncode == 1 and "Traceback" in crash.stderr and desk.bench.meter("odd3").wait("upgrade_done")["ok"]
    assert not list(desk.app.glob("seat-*"))
    chatty = desk.run("odd4", "--misbehave", "chatty")
    assert chatty.returncode == 0 and len(chatty.stdout) > 1_000_000 and "\ufffd" in chatty.stdout
    assert desk.run("odd5", "--misbehave", "leaky").returncode == 0 and PRODUCT[1] in desk.logs()


def test_interrupted_tool_leaves_the_meter_working(desk: Desk) -> None:
    done = desk.run("odd6", "--interrupt-after", 0)
    assert done.returncode == 130
    assert desk.bench.meter("odd6").wait("upgrade_done")["ok"] is True


def test_nobody_listens_to_the_tool(desk: Desk) -> None:
    """A session that ends (SSH) leaves the window working: no standard input, no standard output, hang-up."""
    words = " ".join(f"'{word}'" for word in desk.command("odd7"))
    assert subprocess.run(["sh", "-c", f"exec {words} <&- >&- 2>&-"], timeout=60, check=False).returncode == 0
    child = subprocess.Popen(desk.command("odd8"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert child.stdout
    desk.bench.meter("odd8").wait("trigger_accepted")
    child.stdout.close()
    child.send_signal(signal.SIGHUP)
    assert child.wait(60) == 0
    assert desk.logs().count("Upgrade Completed.") == 2


@pytest.mark.simulates("R-087")
def test_other_clients_and_other_firmware(desk: Desk) -> None:
    both = ",".join([desk.bench.ip("new"), "255", *PRODUCT, *PRODUCT])
    assert "Use the webpages for this firmware" in _refused(
        desk, "new", config=desk.config("new", both), package=desk.package(version="4.4.0")
    )
    crowded = desk.run("crowd")
    assert crowded.returncode == FAILED and "Upgrade failed: Too many connections during the upgrade." in crowded.stdout
