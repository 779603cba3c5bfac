# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The main job on a simulated fleet: read it, plan, upgrade in batches, and again until there is nothing left to do.

``make demo`` runs it. Everything it makes is below ``build/demo``. It ends with status 0 only when every meter ended as the
tables below say, judged from the product's report and from the meters' own account.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from metersim import packages
from metersim.testing import Fleet, FleetError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "demo"
FLEET = ROOT / "tests" / "simulator" / "fleets" / "demo.yml"
CONCURRENCY = 5
BATCHES = [1, 3, CONCURRENCY]
#: What an operator downloads from the maker; here made by the simulator, and only simulated meters accept them.
PACKAGES = [
    *((model, "2.9.9") for model in ("PM5560", "PM5562", "PM5563")),
    *((model, "3.2.9") for model in ("PM5570", "PM5760")),
    ("PM5650", "2.12.9"),
    ("PM5561", "10.9.9"),
    ("PM5661", "11.2.9"),
]

#: With this status ansible-playbook ends after Ctrl-C.
INTERRUPTED = 99

VERIFIED, CURRENT = ("verified", ""), ("current", "")
#: How each meter has to end in the first run.
FIRST = {
    "hall-a-main": VERIFIED,
    "hall-a-chiller": VERIFIED,
    "hall-a-spare": CURRENT,
    "hall-b-press": ("failed_final", "upgrade_process_failed"),
    "hall-b-ovens": VERIFIED,
    "hall-b-roof": ("blocked", "path_not_supported"),
    "pump-house": ("comms_lost", "comms_lost"),
    "substation-1": VERIFIED,
    "billing-1": ("blocked", "mid_lock_enabled"),
    "billing-2": ("blocked", "attempts_exhausted"),
    "billing-3": VERIFIED,
    "tenant-1": VERIFIED,
    "tenant-2": ("blocked", "path_not_supported"),
    "depot-1": CURRENT,
    "depot-2": CURRENT,
}
#: Meters that a person has seen to after the first run.
VISITED = ("billing-1", "pump-house", "hall-b-press")
SECOND = {name: CURRENT if end == VERIFIED else end for name, end in FIRST.items()} | dict.fromkeys(VISITED, VERIFIED)
THIRD = {name: CURRENT if end == VERIFIED else end for name, end in SECOND.items()}
#: Events by which a meter would tell that somebody did something to it.
TOUCHED = ("ftp_login_ok", "ftp_stored", "trigger_request", "attempt_counted", "restart", "modbus_write", "violation")


class DemoError(Exception):
    """Something did not go as expected; the text says what."""


class Demo:
    """One demonstration on one running fleet."""

    def __init__(self, fleet: Fleet, deadline: float) -> None:
        self.fleet = fleet
        self.deadline = deadline

    def playbook(self, name: str, run: str, status: int) -> dict[str, Any]:
        """Run one playbook of the collection; returns its report, or for the playbook ``plan`` its plan. Raises DemoError."""
        variables = FOLDER / f"{run}-variables.json"
        variables.write_text(json.dumps(self._variables(run), indent=1) + "\n", encoding="utf-8")
        command = ["ansible-playbook", f"gridops.metering.{name}", "-i", self.fleet.inventory, "-e", f"@{variables}"]
        shown = " ".join(str(Path(word).relative_to(ROOT)) if isinstance(word, Path) else word.replace(f"{ROOT}/", "") for word in command)
        print(f"$ {shown}", flush=True)
        words = [Path(sys.executable).with_name("ansible-playbook"), *command[1:]]
        left = max(1.0, self.deadline - time.monotonic())
        try:
            done = subprocess.run(words, env=environment(run), stdin=subprocess.DEVNULL, timeout=left, check=False)
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"the playbook {name} was stopped: the demonstration took too long") from error
        if done.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        if done.returncode != status:
            raise DemoError(f"the playbook {name} ended with status {done.returncode}, not {status}")
        file = FOLDER / run / ("plan.json" if name == "plan" else "report.json")
        return dict(json.loads(file.read_text(encoding="utf-8")))

    def _variables(self, run: str) -> dict[str, Any]:
        return {
            "metering_artifacts": str(FOLDER / "firmware"),
            "metering_rollout_batches": BATCHES,
            "metering_concurrency": CONCURRENCY,
            "metering_accept": ["loses_dlf3000"],
            # Two meters of this small fleet are made to fail, which the gate would rightly stop for.
            "metering_gate": {"min_success_share": 0.5},
            "metering_campaign": f"demo-{run}",
            "metering_records": str(FOLDER / "records.sqlite3"),
            "metering_report_dir": str(FOLDER / run),
        }

    def compare(self, report: dict[str, Any], expected: dict[str, tuple[str, str]]) -> None:
        """Every meter one by one against the table, and against what the meters themselves say. Raises DemoError."""
        ended = {host: (item["outcome"], item["reason"]) for host, item in report["outcomes"].items()}
        wrong = [
            f"{host} is {ended.get(host)}, not {expected.get(host)}" for host in ended | expected if ended.get(host) != expected.get(host)
        ]
        if not report["journal"]["ok"]:
            wrong.append("the chain of the journal is broken")
        wanted = {name: host["metering_version"] for name, host in self.fleet.hosts().items()}
        for meter in self.fleet.meters():
            good = expected[meter["name"]] in (VERIFIED, CURRENT)
            if (meter["firmware"] == wanted[meter["name"]]) != good:
                wrong.append(f"{meter['name']} itself says that it runs {meter['firmware']}")
        if wrong:
            raise DemoError("; ".join(wrong))

    def untouched(self, names: list[str], after: int = 0) -> None:
        """Check that these meters saw no login, no file and no trigger. Raises DemoError."""
        for event in self.fleet.events(after=after):
            if event["meter"] in names and event["kind"] in TOUCHED:
                raise DemoError(f"{event['meter']} was touched: {event['kind']}")

    def watched(self) -> None:
        """Check the cap and the meters' complaints. Raises DemoError."""
        most = self.fleet.peaks()["in_progress_max"]
        if not 1 < most <= CONCURRENCY:
            raise DemoError(f"{most} upgrades ran at the same time; allowed are {CONCURRENCY}")
        for kind in ("violation", "semaphore_read", "modbus_write", "simulator_error"):
            for event in self.fleet.events(kind):
                raise DemoError(f"{event['meter']} complains: {kind} {event.get('what', '')}")

    def last(self) -> int:
        """Number of the last event so far."""
        return max((event["seq"] for event in self.fleet.events()), default=0)


def environment(run: str) -> dict[str, str]:
    """For ansible-playbook: nothing from the user's own configuration."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return env | {
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        "ANSIBLE_HOME": str(FOLDER / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(FOLDER / "ansible" / "tmp"),
        "ANSIBLE_LOG_PATH": str(FOLDER / f"{run}.log"),
        "LC_ALL": "C.UTF-8",
    }


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One demonstration at a time, as all of them use the same folder. Raises DemoError."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError("another demonstration is running in this checkout") from error
        yield


def prepare() -> dict[str, Any]:
    """A clean folder with packages and settings; returns the fleet."""
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    (FOLDER / "ansible.cfg").write_text(
        "[defaults]\ncallbacks_enabled = gridops.metering.rollout\ndisplay_ok_hosts = false\ndisplay_skipped_hosts = false\n",
        encoding="utf-8",
    )
    packages.write(FOLDER / "firmware", PACKAGES)
    fleet = dict(yaml.safe_load(FLEET.read_text(encoding="utf-8")))
    fleet.pop("first_address", None)  # a free block, in case another fleet is up
    fleet["defaults"] = {"attest": {"management_zone": "demonstration"}}
    return fleet


def say(text: str) -> None:
    """One line of narration."""
    bold = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold[0]}==> {text}{bold[1]}", flush=True)


def show(fleet: Fleet, limit: float, begun: float) -> None:
    """The whole demonstration. Raises DemoError and FleetError."""
    demo = Demo(fleet, begun + limit)
    meters = fleet.meters()
    models = sorted({meter["model"] for meter in meters})
    factor = fleet.ready.get("clock_factor") or fleet.clock()["factor"]
    say(f"{len(meters)} simulated meters are up: {', '.join(models)}. Their clocks run {factor:g} times faster than yours.")

    say("The plan: read all meters in one pass, find the documented way for each, say what is in the way. Nothing is written.")
    plan = demo.playbook("plan", "plan", 0)
    if plan["counts"]["upgrade"] != 10:
        raise DemoError(f"the plan has {plan['counts']['upgrade']} meters to upgrade, not 10")
    demo.untouched(list(FIRST))

    say(f"The upgrade, in batches of {', '.join(map(str, BATCHES))}. One meter will fail, one will never come back; the others go on.")
    report = demo.playbook("upgrade", "first", 2)
    demo.compare(report, FIRST)
    demo.watched()
    demo.untouched([name for name, end in FIRST.items() if end[0] in ("blocked", "current")])
    say("As expected. Status 2 is the truth: six meters are not where they should be, and the report says why.")

    say(
        "Somebody drives out: opens the lock of billing-1, restores the supply of pump-house, repairs hall-b-press. Then the same command again."
    )
    fleet.meter("billing-1").action("unlock")
    for name in ("pump-house", "hall-b-press"):
        fleet.meter(name).faults({})
    fleet.meter("pump-house").action("power_on")
    demo.compare(demo.playbook("upgrade", "second", 2), SECOND)
    demo.watched()

    say("And once more: there is nothing left to do.")
    before = demo.last()
    demo.compare(demo.playbook("upgrade", "third", 2), THIRD)
    demo.untouched(list(THIRD), before)
    refused = [name for name, end in THIRD.items() if end != CURRENT]
    say(
        f"Nothing to do: no meter saw a login, a file or a trigger. {', '.join(refused)} are refused, by documents or by the meter's own limit."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Show the main job on a simulated fleet.")
    parser.add_argument("--limit", type=float, default=180, help="seconds after which it is stopped (180)")
    limit = parser.parse_args().limit
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    begun = time.monotonic()
    try:
        with alone(), Fleet(prepare(), FOLDER) as fleet:
            show(fleet, limit, begun)
    except (DemoError, FleetError, OSError) as error:
        say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("Stopped. The simulated fleet is down.")
        return 130
    say(f"Done in {time.monotonic() - begun:.0f} s. Plans, reports, logs and records are in {FOLDER.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
