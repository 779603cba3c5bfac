# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Upgrades of simulated HEP meters by the stand-in of ION Setup: rules, ends, faults, logs."""

from __future__ import annotations

import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from metersim import cli, packages
from metersim.bench import Bench
from metersim.hep import package
from metersim.hep.package import DamagedError

CURRENT, OLD = "3.2.22341.01", "3.1.0.9"
ALL = ["time_sync", "read", "peak_demand_reset", "comm_config", "test_mode", "full_config", "security_config"]
USERS = [
    {"name": "USER1", "password": "Can-1!", "permissions": ALL},
    {"name": "USER2", "password": "Can-2!", "permissions": ["read", "time_sync"]},
]
QUICK = {"silence": 20, "upgrade_time": 40}


def meter(name: str, firmware: str = "2.4.1", faults: dict[str, Any] | None = None, **hep: Any) -> dict[str, Any]:
    return {"name": name, "model": "ION9000", "firmware": firmware, "hep": {"password": "48151623", **QUICK, **hep}, "faults": faults or {}}


FLEET = {
    "clock_factor": 400,
    "meters": [
        meter("none", mode="none"),
        meter("standard", mode="standard", users=USERS),
        meter("advanced", firmware="2.1.0", mode="advanced", users=USERS),
        meter("low", firmware="2.0.4"),
        meter("four", firmware="4.0.0"),
        meter("alpha", firmware="3.0.0", password="Can-9!"),
        meter("sealed", revenue_lock=True),
        meter("closed", settings={"ion": False}),
        meter("bare", settings={"lockout_web": 7}),
        meter("template", faults={"F-17": {"what": "template"}}),
        meter("energies", faults={"F-17": {"what": "energies"}}),
        meter("mode", faults={"F-29": {"mode": "advanced", "users": "deleted"}}),
        meter("hepgate", gateway="hep"),
        meter("egx", gateway="egx", faults={"F-33": {"every": 2}}, settings={"ion": False}),
        meter("gone", faults={"F-01": {}}),
        meter("same", faults={"F-16": {}}),
        meter("moods"),
        meter("killed"),
        meter("flip"),
    ],
}


class Desk:
    """A PC with ION Setup on it."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder, self.app = bench, folder, folder / "app"
        wanted = [("ION9000", "3.0.0"), ("ION9000", "4.0.0"), ("ION9000", "2.5.0"), ("PM8000", "3.0.0")]
        packages.write(folder / "fw", wanted, methods=("ion",), size=100_000)
        packages.write(folder / "fw", [("ION9000", "3.0.0")], methods=("ion",), size=100_000, ion={"bare": True})
        packages.write(folder / "fw", [("ION9000", "3.0.0")], methods=("ion",), size=100_000, corrupt="flip")

    def file(self, ident: str) -> Path:
        return next((self.folder / "fw" / ident).iterdir())

    def words(self, name: str, ident: str, *more: str, user: str = "", password: str = "48151623", version: str = CURRENT) -> list[str]:
        secret = self.folder / f"{name}.secret"
        secret.touch(0o600)
        secret.write_text(password + "\n")
        args = ["ionsetup", "--version", version, "--meter", self.bench.ip(name), "--user", user, "--password-file", str(secret)]
        args += ["--app-dir", str(self.app), "--state", str(self.bench.fleet.state_dir), "--log-encoding", "utf-8", *more]
        return args + (["--package", str(self.file(ident))] if ident else [])

    def run(self, name: str, ident: str, *more: str, **options: str) -> int:
        """The exit status of a run in this process."""
        return cli.main(self.words(name, ident, *more, **options))


@pytest.fixture(scope="module")
def desk(bench: Bench) -> Desk:
    return Desk(bench, bench.fleet.folder / "desk")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The program sets handlers of its own."""
    saved = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in saved.items():
        signal.signal(number, handler)


def names(bench: Bench, name: str) -> list[str]:
    return [user["name"] for user in bench.meter(name).state()["users"]]


@pytest.mark.simulates("R-166", "R-167", "R-172")
def test_packages(desk: Desk) -> None:
    entries = {entry["id"]: entry for entry in yaml.safe_load((desk.folder / "fw/firmware.yml").read_text())["packages"]}
    assert entries["ion9000-3.0.0-ion"]["min_ion_setup"] == "3.2.20218.01"
    assert entries["ion9000-4.0.0-ion"]["min_ion_setup"] == "3.2.22341.01"
    assert "min_ion_setup" not in entries["ion9000-3.0.0-ion-bare"]
    with zipfile.ZipFile(desk.file("ion9000-3.0.0-ion")) as archive:
        assert archive.namelist() == ["metadata.json", "ION9000_V003.000.000.upx"]
    raw, minimum = package.read(desk.file("ion9000-3.0.0-ion"))
    assert package.open_upx(raw).version == (3, 0, 0) and minimum == (3, 2, 20218, 1)
    with pytest.raises(DamagedError):
        package.open_upx(package.read(desk.file("ion9000-3.0.0-ion-flip"))[0])
    for args in (("ION9000", "3.0.0", ("ftp",)), ("PM5560", "4.3.5", ("ion",))):
        with pytest.raises(packages.PackageError):
            packages.write(desk.folder / "no", [args[:2]], methods=args[2])


@pytest.mark.simulates("R-163", "R-164", "R-168", "R-185", "R-189")
@pytest.mark.parametrize(
    ("name", "login", "left", "mode"),
    [
        ("none", ("", ""), ["USER1"], "legacy_support"),
        ("standard", ("", "48151623"), ["USER1"], "legacy_support"),
        ("advanced", ("USER1", "Can-1!"), ["USER1", "USER2"], "advanced"),
    ],
)
def test_from_below_three_to_four(desk: Desk, bench: Bench, name: str, login: tuple[str, str], left: list[str], mode: str) -> None:
    before = bench.meter(name).state()
    assert desk.run(name, "ion9000-3.0.0-ion", user=login[0], password=login[1]) == 0
    state = bench.meter(name).state()
    assert (state["firmware"], state["mode"], names(bench, name)) == ("3.0.0", mode, left)
    assert (state["template"], state["energies"]) == (before["template"], before["energies"])
    assert state["settings"]["web_protocol"] == "https_redirect" and "telnet" not in state["open"] and "https" in state["open"]
    certificate = bench.meter(name).certificate()["fingerprint"]
    assert desk.run(name, "ion9000-4.0.0-ion", user=login[0], password=login[1] or "0") == 0
    state = bench.meter(name).state()
    assert (state["firmware"], state["mode"], names(bench, name)) == ("4.0.0", mode, left)
    assert "ion_tls" in state["open"] and bench.meter(name).certificate()["fingerprint"] == certificate
    assert [item["configured"] for item in state["upgrades"]] == [True, True]
    assert not any(entry["total"] for entry in state["lockouts"])
    kinds = [event["kind"] for event in bench.meter(name).events()]
    steps = ["registers_saved", "image", "silence_begin", "restart", "template_loaded", "registers_restored", "upgrade_done"]
    assert [kind for kind in kinds if kind in steps] == steps * 2


@pytest.mark.simulates("R-163", "R-166", "R-173", "R-199", "F-28")
@pytest.mark.parametrize(
    ("name", "ident", "options", "status", "words"),
    [
        ("low", "ion9000-3.0.0-ion", {}, 2, "Source firmware not supported"),
        ("moods", "ion9000-4.0.0-ion", {}, 2, "Source firmware not supported"),
        ("four", "ion9000-3.0.0-ion", {"password": "0"}, 8, "Invalid user name or password"),
        ("four", "ion9000-3.0.0-ion", {"password": "48151623"}, 2, "Downgrade is not possible"),
        ("four", "ion9000-4.0.0-ion", {"version": OLD}, 3, "This upgrade requires ION Setup 3.2.22341.01 or later."),
        ("four", "ion9000-3.0.0-ion-bare", {"version": OLD}, 2, "cannot connect"),
        ("moods", "pm8000-3.0.0-ion", {}, 2, "not compatible"),
        ("moods", "ion9000-3.0.0-ion", {"version": OLD}, 3, "3.2.20218.01"),
        ("moods", "ion9000-3.0.0-ion", {"password": "1"}, 8, "Invalid user name or password"),
        ("moods", "ion9000-3.0.0-ion", {"version": "three"}, 5, "not a version"),
        ("alpha", "ion9000-4.0.0-ion", {"user": "9000", "password": "Can-9!"}, 8, "must be numeric"),
        ("sealed", "ion9000-3.0.0-ion", {}, 2, "revenue locked"),
        ("closed", "ion9000-3.0.0-ion", {}, 2, "are disabled"),
    ],
)
def test_refused_before_anything_is_sent(
    desk: Desk, bench: Bench, name: str, ident: str, options: dict[str, str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run(name, ident, **options) == status
    out = capsys.readouterr().out
    assert words in out and "Can-9!" not in out and "48151623" not in out
    assert not bench.meter(name).events("upgrade_begin") and not bench.meter(name).violations()


@pytest.mark.simulates("R-169", "R-170", "R-171", "F-17")
def test_what_is_lost(desk: Desk, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Old ION Setup and a bare file; the same by a fault. The firmware is upgraded all the same."""
    for name, ident, version, template, energies in (
        ("bare", "ion9000-3.0.0-ion-bare", OLD, False, False),
        ("template", "ion9000-3.0.0-ion", CURRENT, False, True),
        ("energies", "ion9000-3.0.0-ion", CURRENT, True, False),
    ):
        assert desk.run(name, ident, version=version) == 10
        assert "Unable to write saved register values." in capsys.readouterr().out
        state = bench.meter(name).state()
        assert (state["firmware"], bool(state["template"]), any(state["energies"])) == ("3.0.0", template, energies)
        assert state["upgrades"][-1]["configured"] is False
    assert bench.meter("bare").state()["settings"]["lockout_web"] == 0


@pytest.mark.simulates("F-29", "F-16", "F-01")
def test_other_ends(desk: Desk, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("mode", "ion9000-3.0.0-ion") == 0
    assert (bench.meter("mode").state()["mode"], names(bench, "mode")) == ("advanced", ["USER1"])
    assert desk.run("same", "ion9000-3.0.0-ion") == 0
    assert bench.meter("same").state()["firmware"] == "2.4.1"
    assert desk.run("gone", "ion9000-3.0.0-ion") == 9
    assert bench.meter("gone").state()["state"] == "dead"
    assert desk.run("gone", "ion9000-3.0.0-ion") == 7
    assert desk.run("flip", "ion9000-3.0.0-ion-flip") == 4
    assert "not valid" in capsys.readouterr().out
    assert bench.meter("flip").state()["firmware"] == "2.4.1"


@pytest.mark.simulates("R-174", "R-175", "R-176", "R-190", "F-33")
def test_gateways(desk: Desk, bench: Bench) -> None:
    for dummy in range(2):
        assert desk.run("hepgate", "ion9000-3.0.0-ion") == 4
    assert bench.meter("hepgate").state()["firmware"] == "2.4.1" and bench.meter("hepgate").state()["state"] == "idle"
    assert desk.run("egx", "ion9000-3.0.0-ion") == 4
    assert desk.run("egx", "ion9000-3.0.0-ion") == 0
    assert bench.meter("egx").events("image_broken")[0]["why"] == "link"


def test_killed_between_restart_and_programming(desk: Desk, bench: Bench) -> None:
    """The next run of the same PC only programs."""
    before = bench.meter("killed").state()
    command = [sys.executable, "-m", "metersim", *desk.words("killed", "ion9000-3.0.0-ion", "--interrupt-after", "0")]
    assert subprocess.run(command, capture_output=True, check=False, cwd=Path(cli.__file__).parents[1]).returncode == 130
    bench.meter("killed").wait("restart")
    assert bench.meter("killed").state()["template"] == ""
    assert desk.run("killed", "ion9000-3.0.0-ion") == 0
    state = bench.meter("killed").state()
    assert (state["firmware"], state["template"], state["energies"]) == ("3.0.0", before["template"], before["energies"])
    assert len(bench.meter("killed").events("image")) == 1


def test_review_moods_and_files(desk: Desk, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("moods", "", "--review") == 0
    review = (
        f"Device={bench.ip('moods')}, Current firmware=2.4.1, Product name=ION9000, Security=standard, Status=Firmware upgrade applicable"
    )
    assert review in capsys.readouterr().out
    assert desk.run("moods", "ion9000-3.0.0-ion", "--misbehave", "false-success") == 0
    assert "Upgrade completed" in capsys.readouterr().out and bench.meter("moods").state()["firmware"] == "2.4.1"
    args = desk.words("moods", "ion9000-3.0.0-ion")
    (desk.folder / "moods.secret").chmod(0o644)
    assert cli.main(args) == 5
    logs = list((desk.app / "Logs").glob("IONSetup_*.log"))
    assert logs and not any("48151623" in path.read_text() for path in logs)
    damaged = desk.folder / "ION9000_V003.000.000.zip"
    damaged.write_bytes(b"PK no")
    assert cli.main([*desk.words("moods", ""), "--package", str(damaged)]) in (5, 6)
    with pytest.raises(SystemExit) as end:
        cli.main(["ionsetup", "--meter", "x"])
    assert end.value.code == 5
    assert not bench.fleet.events("simulator_error")
