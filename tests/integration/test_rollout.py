# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The playbooks against simulated meters: batches, gate, report, and what the meters themselves saw (R-084, R-089, G-18, F-22)."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import warmstart
from metersim import packages
from metersim.testing import Fleet

ACCOUNTS = {"product_master": {"user": "user2", "password": "Canary-rollout-91c2"}}
DEFAULTS = {"accounts": ACCOUNTS, "attest": {"management_zone": "laboratory"}}
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


def fleet_of(meters: list[dict[str, Any]], factor: int = 120) -> dict[str, Any]:
    return {"name": "rollout", "clock_factor": factor, "defaults": DEFAULTS, "meters": meters}


def old(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "model": "PM5560", "firmware": "2.7.8", **more}


@dataclass
class Run:
    """One finished ansible-playbook."""

    code: int
    output: str
    recap: dict[str, dict[str, int]]


class Site:
    """A fleet with its packages, records and report folder."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        for part in ("records", "report", "progress"):
            shutil.rmtree(folder / part, ignore_errors=True)
        if not (folder / "firmware" / "firmware.yml").exists():
            packages.write(folder / "firmware", [("PM5560", "2.9.9")])
        self.records = folder / "records" / "records.sqlite3"
        self.report = folder / "report"
        self.runs = 0

    def run(self, playbook: str, *arguments: str, forks: int = 5, **variables: Any) -> Run:
        """Run a playbook of the collection; its output stays in the folder."""
        self.runs += 1
        command, environment = self._command(playbook, *arguments, forks=forks, **variables)
        done = warmstart.run(command, env=environment, timeout=300)
        output = done.stdout + done.stderr
        (self.folder / f"run-{self.runs}.log").write_text(output, encoding="utf-8")
        assert "Traceback" not in output
        return Run(done.returncode, output, _recap(done.stdout))

    def start(self, playbook: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a playbook in a process group of its own."""
        command, environment = self._command(playbook, *arguments)
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)

    def _command(self, playbook: str, *arguments: str, forks: int = 5, **variables: Any) -> tuple[list[str], dict[str, str]]:
        given: Mapping[str, Any] = {
            "metering_artifacts": str(self.folder / "firmware"),
            "metering_records": str(self.records),
            "metering_report_dir": str(self.report),
            "metering_targets": {"PM5560": "2.9.9"},
            "metering_accept": ["loses_dlf3000"],
            **variables,
        }
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACKS_ENABLED": "gridops.metering.rollout",
            "GRIDOPS_METERING_PROGRESS_DIR": str(self.folder / "progress"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        command = [str(PLAYBOOK), "-i", str(self.fleet.inventory), f"gridops.metering.{playbook}", "-f", str(forks), *arguments]
        return [*command, "-e", json.dumps(given)], environment

    def outcomes(self) -> dict[str, str]:
        """Outcome by meter, from the report."""
        report = json.loads((self.report / "report.json").read_text())
        assert report["summary"]["planned"] == sum(report["summary"]["by_outcome"].values())
        return {host: row["outcome"] for host, row in report["outcomes"].items()}

    def touched(self) -> set[str]:
        """Meters that somebody logged in to, wrote to or triggered."""
        kinds = {"ftp_login_ok", "ftp_login_failed", "ftp_stored", "http_request", "trigger_request", "modbus_write"}
        return {event["meter"] for event in self.fleet.events() if event["kind"] in kinds}


def _descendants(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(below for child in children for below in _descendants(child))]


def _recap(output: str) -> dict[str, dict[str, int]]:
    recap = {}
    for line in output.partition("PLAY RECAP")[2].splitlines()[1:]:
        host, colon, numbers = line.partition(":")
        if colon:
            recap[host.strip()] = {key: int(value) for key, value in (pair.split("=") for pair in numbers.split())}
    return recap


@pytest.mark.requirement("R-084", "R-089", "G-18", "invariant-a", "invariant-g", "invariant-h", "invariant-i")
def test_a_mixed_fleet_in_batches_and_again(tmp_path: Path, artifacts: Path) -> None:
    meters = [
        *(old(f"m{number}") for number in range(1, 7)),
        {"name": "current", "model": "PM5560", "firmware": "2.9.9"},
        {"name": "nopath", "model": "PM5660", "firmware": "3.2.4", "vars": {"metering_version": "6.0.3"}},
        {"name": "untargeted", "model": "PM5650", "firmware": "2.11.4"},
        old("dark"),
    ]
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        fleet.meter("dark").action("power_off")
        run = site.run("upgrade", forks=2, metering_rollout_batches=[1, 3, 4], metering_concurrency=4, metering_campaign="spring")

        assert site.outcomes() == {
            **{f"m{n}": "verified" for n in range(1, 7)},
            "current": "current",
            "nopath": "blocked",
            "dark": "blocked",
        }
        assert run.code == 2 and {host for host, row in run.recap.items() if row["failed"]} == {"nopath", "dark"}
        assert fleet.peaks()["in_progress_max"] <= 4
        batches = [["m1"], ["m2", "m3", "m4"], ["m5", "m6"]]
        for earlier, later in itertools.pairwise(batches):
            ended = max(event["t"] for name in earlier for event in fleet.meter(name).events("upgrade_done"))
            begun = min(event["t"] for name in later for event in fleet.meter(name).events("trigger_request"))
            assert begun - ended >= 60, "the documented minute, on the meters' clock"
        assert all(len(fleet.meter(f"m{n}").events("trigger_accepted")) == 1 for n in range(1, 7))
        assert fleet.events("violation") == [] and fleet.events("semaphore_read") == []
        assert "spring" in (site.report / "report.md").read_text() and (site.report / "plan.md").exists()
        assert (artifacts / "progress" / "m1.progress.json").exists()
        assert json.loads((artifacts / "progress" / "m1.progress.json").read_text())["percent"] == 100

        before = len(fleet.events("ftp_login_ok"))
        again = site.run("upgrade", "-l", "m1,m2,m3,current", metering_concurrency=4)
        assert again.code == 0 and all(row["changed"] == 0 for row in again.recap.values())
        assert set(site.outcomes().values()) == {"current"}
        assert len(fleet.events("ftp_login_ok")) == before
        assert ACCOUNTS["product_master"]["password"] not in run.output + again.output


@pytest.mark.requirement("F-22", "invariant-f", "invariant-h")
def test_a_failing_canary_stops_everything(tmp_path: Path, artifacts: Path) -> None:
    meters = [old("m1", faults={"F-18": {"process": "webpages"}}), *(old(f"m{number}") for number in range(2, 6))]
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        run = site.run("upgrade", metering_rollout_batches=[1, 4], metering_concurrency=4)
        assert site.touched() == {"m1"}
        assert site.outcomes() == {"m1": "failed_final", **{f"m{n}": "paused" for n in range(2, 6)}}
        assert "the canary speaks against going on" in run.output
        assert run.code == 2 and all(run.recap[f"m{n}"]["failed"] == 1 for n in range(1, 6))

        fleet.meter("m1").faults({})
        resumed = site.run("upgrade", metering_rollout_batches=[1, 4], metering_concurrency=4)
        assert resumed.code == 0 and set(site.outcomes().values()) == {"verified"}


@pytest.mark.requirement("F-22", "F-01", "invariant-f", "invariant-h")
def test_a_batch_that_falls_silent_pauses_the_rest(tmp_path: Path, artifacts: Path) -> None:
    meters = [old("m1"), *(old(f"m{number}", faults={"F-01": {}}) for number in range(2, 5)), old("m5"), old("m6"), old("m7")]
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        run = site.run("upgrade", metering_rollout_batches=[1, 4], metering_concurrency=4, metering_gate={"min_success_share": 0.3})
        assert "m6" not in site.touched() and "m7" not in site.touched()
        assert site.outcomes() == {
            **{"m1": "verified", "m5": "verified", "m6": "paused", "m7": "paused"},
            **{f"m{n}": "comms_lost" for n in range(2, 5)},
        }
        assert "3 meters ended with comms_lost" in run.output and run.code == 2
        assert all(row["unreachable"] == 0 for row in run.recap.values())


@pytest.mark.requirement("F-22", "F-16", "invariant-f")
def test_a_wrong_version_aborts(tmp_path: Path, artifacts: Path) -> None:
    meters = [old("m1"), old("m2", faults={"F-16": {}}), old("m3")]
    with Fleet(fleet_of(meters), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        run = site.run("upgrade")
        assert site.outcomes()["m3"] == "skipped_by_abort" and "m3" not in site.touched()
        assert "wrong_version_after, which may hit every meter" in run.output


@pytest.mark.requirement("F-23", "F-22", "invariant-d", "invariant-h")
def test_a_killed_rollout_is_ended_by_the_next_one(tmp_path: Path, artifacts: Path) -> None:
    with Fleet(fleet_of([old("m1"), old("m2")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        run = site.start("upgrade")
        fleet.meter("m1").wait("trigger_accepted", seconds=60)
        for pid in [run.pid, *_descendants(run.pid)]:  # workers have process groups of their own
            os.kill(pid, signal.SIGKILL)
        run.wait()
        fleet.meter("m1").wait("upgrade_done", seconds=60)
        again = site.run("upgrade")
        assert again.code == 0, again.output
        assert set(site.outcomes().values()) == {"verified"}
        assert all(len(fleet.meter(name).events("trigger_accepted")) == 1 for name in ("m1", "m2"))
        last = site.run("upgrade")
        assert set(site.outcomes().values()) == {"current"} and all(row["changed"] == 0 for row in last.recap.values())


@pytest.mark.requirement("F-22", "invariant-h")
def test_a_task_without_an_outcome_counts_as_a_failure(tmp_path: Path, artifacts: Path) -> None:
    broken = {"metering_credentials": "{{ no_such_variable }}"}
    with Fleet(fleet_of([old("m1", vars=broken), old("m2")]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        run = site.run("upgrade")
        assert run.code == 2 and site.touched() == set()
        assert site.outcomes() == {"m1": "failed_final", "m2": "paused"}
        assert "no_such_variable" in run.output and run.recap["m1"]["failed"] == 1


def test_bad_input_check_mode_and_plan_touch_nothing(tmp_path: Path, artifacts: Path) -> None:
    with Fleet(fleet_of([old("m1"), old("m2"), {"name": "current", "model": "PM5560", "firmware": "2.9.9"}]), tmp_path) as fleet:
        site = Site(fleet, artifacts)
        for variables, text in (
            ({"metering_rollout_batches": [1, 5]}, "batches of at most 1 (metering_concurrency)"),
            ({"metering_targets": {}}, "a version for at least one model"),
        ):
            refused = site.run("upgrade", **variables)
            assert refused.code == 2 and text in refused.output
        assert fleet.events() == [], "bad input is found before any contact"

        planned = site.run("plan")
        assert planned.code == 0 and "Firmware upgrade applicable" in planned.output
        document = json.loads((site.report / "plan.json").read_text())
        assert document["batches"] == [["m1"], ["m2"]] and document["counts"]["current"] == 1
        assessed = site.run("assess")
        assert assessed.code == 0 and json.loads((site.report / "facts.json").read_text())["totals"]["ok"] == 3

        checked = site.run("upgrade", "--check", "--diff")
        assert checked.code == 0 and "+" in checked.output and '"firmware": "2.9.9"' in checked.output.replace("'", '"')
        assert site.touched() == set() and not site.records.exists()
