# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Plays of meter_firmware for tests: tasks in, results as core sees them out; all output stays in the test's artifacts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import warmstart
from keeping import keep, write_book

BIN = Path(sys.executable).parent
FIRMWARE = "gridops.metering.meter_firmware"
PASSWORD = "Canary-firmware-7b1e"
ACCOUNTS = {"product_master": {"user": "user2", "password": PASSWORD}, "web_master": {"user": "user1", "password": f"{PASSWORD}-w"}}
ATTEST = {"power_source": "uninterrupted", "critical_control": False, "management_zone": "laboratory"}
ENVIRONMENT = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_HOST_KEY_CHECKING": "0",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
}


@dataclass(frozen=True)
class Played:
    """One finished play: the results of each task by host, and everything that was printed."""

    code: int
    output: str
    results: list[dict[str, dict[str, Any]]]

    def result(self, host: str, task: int = -1) -> dict[str, Any]:
        """What one task gave for one host."""
        return self.results[task][host]


def play(
    folder: Path,
    inventory: Path | Sequence[Path],
    tasks: Sequence[Mapping[str, Any]],
    *more: str,
    hosts: str = "meters",
    before: Sequence[Mapping[str, Any]] = (),
) -> Played:
    """Run ``tasks``, none of which may stop the others, and return their results; ``before`` runs first and is not collected.

    The playbook may hold planted passwords: it lies beside the inventory, not in the outputs.
    """
    inventories = [inventory] if isinstance(inventory, Path) else list(inventory)
    out = folder / "results"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    listed: list[Mapping[str, Any]] = [*before]
    listed += [{**task, "register": f"task_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
    # One file for all hosts: writing one for each would cost more than the upgrades.
    each = "dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'task_{}')))"
    together = ", ".join(each.format(number) for number in range(len(tasks)))
    listed.append({**keep(f"{{{{ [{together}] | to_json }}}}", out / "results.json"), "check_mode": False, "run_once": True})
    book = write_book(inventories[0].parent / "play.yml", [{"hosts": hosts, "gather_facts": False, "tasks": listed}])
    command = [str(BIN / "ansible-playbook"), *(word for path in inventories for word in ("-i", str(path))), str(book), "-f", "10", *more]
    environment = {**os.environ, **ENVIRONMENT}
    done = warmstart.run(command, env=environment, timeout=300)
    output = done.stdout + done.stderr
    (folder / "output.txt").write_text(output, encoding="utf-8")
    saved = out / "results.json"
    results: list[dict[str, dict[str, Any]]] = json.loads(saved.read_text(encoding="utf-8")) if saved.exists() else []
    assert "Traceback" not in output, output[-3000:]
    assert PASSWORD not in output, "a planted password was printed"
    assert results and results[-1], output[-3000:]
    return Played(done.returncode, output, results)


def firmware(version: str, artifacts: Path, records: Path, **more: Any) -> dict[str, Any]:
    """A task of meter_firmware that accepts what FTP needs; what is None is left out."""
    options: dict[str, Any] = {
        "version": version,
        "artifacts": str(artifacts),
        "records": str(records),
        "accept": ["loses_dlf3000"],
        "attest": f"{{{{ metering_attest | combine({json.dumps(ATTEST)}) }}}}",
        "on_failure": "record",
        **more,
    }
    return {FIRMWARE: {name: value for name, value in options.items() if value is not None}}


def meter(name: str, model: str = "PM5560", version: str = "2.7.8", **more: Any) -> dict[str, Any]:
    """A simulated meter with planted passwords."""
    return {"name": name, "model": model, "firmware": version, "accounts": ACCOUNTS, **more}


def plain(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without what differs from run to run: times, identity of the meter, what core adds."""
    dropped = ("timeline", "invocation", "ansible_facts", "campaign", "processes")
    kept = {name: value for name, value in result.items() if name not in dropped and not name.startswith("_ansible")}
    kept["states"] = [item["state"] for item in result.get("timeline", [])]
    for side in ("before", "after"):
        if isinstance(kept.get(side), Mapping):
            kept[side] = {name: value for name, value in kept[side].items() if name not in ("restarts", "last_restart", "serial", "name")}
    return kept
