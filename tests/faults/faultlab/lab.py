# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A simulated fleet, and real ansible-playbook runs of the real module against it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import warmstart
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from metersim import packages
from metersim.testing import Event, Fleet

HERE = Path(__file__).resolve().parents[1]
CONFIG = HERE.parent / "support" / "ansible.cfg"
MODULE = "gridops.metering.meter_firmware"
CAMPAIGN = "faults"
#: Planted passwords; a last step of the tests looks for the word in everything that was left behind.
ACCOUNTS = {
    "product_master": {"user": "pm", "password": "Canary-41f7-pm"},
    "web_master": {"user": "wm", "password": "Canary-c09e-wm"},
}
#: Accounts of the new generation, likewise planted.
WEB_ACCOUNTS = {
    "administrator": {"user": "Administrator", "password": "Canary-7d20-adm"},
    "guest": {"user": "Guest", "password": "Canary-e118-gst"},
}
#: What each model can be upgraded from and to by webpages.
WEB_STEPS = {"PM5560": ("4.3.5", "4.4.0"), "PM5562": ("4.3.5", "4.4.0"), "PM5561": ("12.0.1", "12.1.0"), "PM5661": ("14.0.1", "14.1.0")}
#: What each model group can be upgraded from and to by FTP.
STEPS = {"PM5560": ("2.7.8", "2.9.9"), "PM5561": ("10.6.3", "10.9.9"), "PM5661": ("11.0.0", "11.2.9"), "PM5570": ("3.1.4", "3.2.9")}


class Run:
    """One ansible-playbook process. Its output is a file, so that it can be read while it runs and stays afterwards."""

    def __init__(self, process: Any, output: Path, results: Path) -> None:
        self.process, self.output, self._results = process, output, results

    def wait(self, seconds: float = 60) -> Run:
        self.process.wait(seconds)
        return self

    @property
    def rc(self) -> int | None:
        return self.process.poll()

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def lines(self, action: str = MODULE) -> list[dict[str, Any]]:
        """Results of one action's tasks, in the order in which they came."""
        if not self._results.exists():
            return []
        lines = [json.loads(line) for line in self._results.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["action"] == action]

    def results(self, action: str = MODULE) -> dict[str, dict[str, Any]]:
        """Last result of each host."""
        return {line["host"]: {**line["result"], "_kind": line["kind"]} for line in self.lines(action)}

    def __getitem__(self, host: str) -> dict[str, Any]:
        results = self.results()
        assert host in results, f"no result for {host}:\n{self.text[-4000:]}"
        return results[host]


class Lab:
    """One test's fleet, packages, ledger, progress files and outputs.

    Whatever the product writes is below ``out``, which is kept and searched for the planted passwords. Inventories and fleet
    files hold passwords by nature and are below ``tmp``.
    """

    def __init__(self, out: Path, tmp: Path) -> None:
        self.out, self.tmp = out, tmp
        shutil.rmtree(out, ignore_errors=True)
        self.progress_dir = out / "progress"
        self.progress_dir.mkdir(parents=True)
        self.artifacts = tmp / "firmware"
        self.ledger = out / "records.sqlite3"
        self.factor = 1.0
        self.runs: list[Run] = []
        self.fleet: Fleet
        self._stack = contextlib.ExitStack()

    # -- the fleet ----------------------------------------------------------------------------------------------------

    def up_web(self, *meters: Mapping[str, Any], **spec: Any) -> Fleet:
        """``up`` with meters of the new generation and packages for the webpages."""
        return self.up(*meters, **{"method": "web", "factor": 150, **spec})

    def up(
        self, *meters: Mapping[str, Any], factor: float = 60, size: int = 60_000, package: bool = True, method: str = "ftp", **spec: Any
    ) -> Fleet:
        """Start a fleet. A meter without ``firmware`` gets the first version of its model's step, and the package for it is made."""
        listed, wanted = [], set()
        steps, accounts = (WEB_STEPS, WEB_ACCOUNTS) if method == "web" else (STEPS, ACCOUNTS)
        for number, given in enumerate(meters, 1):
            meter = {"name": f"m{number:02}", "model": "PM5560", "accounts": accounts, "silence": 60, "process_time": 40, **given}
            source, target = steps.get(meter["model"], ("", ""))
            meter.setdefault("firmware", source)
            meter["vars"] = {"wanted": target, **meter.get("vars", {})}
            wanted.add((meter["model"], str(meter["vars"]["wanted"])))
            listed.append(meter)
        if package:
            packages.write(self.artifacts, sorted(wanted), size, methods=(method,))
        self.factor = factor
        self.fleet = self._stack.enter_context(Fleet({"clock_factor": factor, "meters": listed, **spec}, self.tmp))
        return self.fleet

    def down(self) -> None:
        """End runs that are left over, then the fleet."""
        for run in self.runs:
            if run.rc is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(run.process.pid, 9)
                run.process.wait()
        self._stack.close()

    @property
    def records(self) -> Records:
        return open_records(str(self.ledger), "test")

    def serial(self, name: str) -> str:
        return str(self.fleet.meter(name).state()["serial"])

    def progress(self, host: str) -> dict[str, Any]:
        """What the progress file of a meter says now; empty before the first line."""
        try:
            return dict(json.loads((self.progress_dir / f"{host}.progress.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    # -- runs ---------------------------------------------------------------------------------------------------------

    def play(self, hosts: str = "all", serial: Any = None, task: Mapping[str, Any] | None = None, **options: Any) -> Path:
        """Write a playbook with one task of the module. ``options`` change its options, ``task`` its keywords."""
        arguments = {
            "version": "{{ wanted }}",
            "artifacts": str(self.artifacts),
            "records": str(self.ledger),
            "progress_dir": str(self.progress_dir),
            "campaign": CAMPAIGN,
            "on_failure": "record",
            "accept": ["loses_dlf3000"],
            "attest": "{{ metering_attest | combine({'management_zone': 'lab'}) }}",
        }
        arguments.update(options)
        play = {"hosts": hosts, "gather_facts": False, "tasks": [{"name": "Upgrade", MODULE: arguments, **(task or {})}]}
        if serial is not None:
            play["serial"] = serial
        path = self.tmp / f"play-{len(self.runs)}-{time.time_ns():x}.yml"
        path.write_text("---\n" + yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        return path

    def start(
        self, playbook: Path | str, *words: str, extra: Mapping[str, Any] | None = None, via: Callable[..., Any] | None = None
    ) -> Run:
        """Start ansible-playbook in a session of its own. ``via`` starts it in another way (a terminal)."""
        number = len(self.runs)
        output, results = self.out / f"run-{number}.txt", self.out / f"results-{number}.jsonl"
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.fleet.inventory), "-vvv", str(playbook), *words]
        if extra:
            command += ["-e", json.dumps(extra)]
        with output.open("wb") as stream:
            if via is not None:
                process = via(command, self._environment(results), stream)
            else:
                process = warmstart.start(command, env=self._environment(results), stdout=stream, stderr=stream, start_new_session=True)
        self.runs.append(Run(process, output, results))
        return self.runs[-1]

    def run(self, *words: str, hosts: str = "all", serial: Any = None, task: Mapping[str, Any] | None = None, **options: Any) -> Run:
        """Run the module's playbook to its end."""
        return self.start(self.play(hosts, serial, task, **options), *words).wait()

    def _environment(self, results: Path) -> dict[str, str]:
        kept = {"PYTHONUNBUFFERED": "1"}  # the tests read the output while it runs
        kept |= {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "GRIDOPS_"))}
        return kept | {
            "ANSIBLE_CONFIG": str(CONFIG),
            "ANSIBLE_HOME": str(CONFIG.parents[2] / "build" / "ansible-home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": "12",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "results_file",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "FAULT_LAB_RESULTS": str(results),
            "LC_ALL": "C.UTF-8",
        }

    # -- the meters' account ------------------------------------------------------------------------------------------

    def events(self, host: str, *kinds: str) -> list[Event]:
        """Events of one meter in their order; of these kinds, or all."""
        return [event for event in self.fleet.meter(host).events() if not kinds or event["kind"] in kinds]

    def triggers(self, host: str) -> list[Event]:
        """Requests of the trigger page that came with a good login: those that can start something."""
        return [event for event in self.events(host, "trigger_request") if event.get("authenticated")]


def until(what: Callable[[], Any], seconds: float = 20, text: str | Callable[[], str] = "") -> Any:
    """The first true value of ``what``; fails the test when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {text() if callable(text) else text}")


def outcome(result: Mapping[str, Any]) -> tuple[str, str]:
    """Outcome and reason of a result."""
    return str(result.get("outcome")), str(result.get("reason"))


def names(events: Sequence[Event]) -> list[str]:
    """Paths or kinds, for comparing orders."""
    return [str(event.get("path") or event["kind"]) for event in events]
