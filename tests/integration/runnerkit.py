# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Control processes as a platform starts them: ``ansible-runner`` with a private data folder each, all with one ledger in PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from faultlab.lab import Lab

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records

RUNNER = Path(sys.executable).parent / "ansible-runner"
PLAYBOOK = """\
---
- name: Roll out
  ansible.builtin.import_playbook: gridops.metering.upgrade
"""


class SharedLab(Lab):
    """A fleet whose runs share a ledger in PostgreSQL."""

    def __init__(self, out: Path, tmp: Path, url: str) -> None:
        super().__init__(out, tmp)
        self.url = url
        self.ledger = out  # what the invariants ask to exist

    @property
    def records(self) -> Records:
        return open_records(self.url, "test")

    def runner(self, name: str, hosts: str, **variables: Any) -> Runner:
        """Start a control process of its own for these hosts."""
        return Runner(self, name, {"metering_hosts": hosts, "metering_records": self.url, **variables})

    def age_leases(self, dead: Runner) -> None:
        """As if the time of a dead process's leases had gone by without a heartbeat (a minute in real life)."""
        if dead.machine:
            with psycopg.connect(self.url) as connection:
                assert connection.execute("UPDATE lease SET expires = 0 WHERE host = %s", (dead.machine,)).rowcount


class Runner:
    """One ``ansible-runner run``, in a machine of its own where that is possible here: other host name, other process ids."""

    def __init__(self, lab: SharedLab, name: str, variables: Mapping[str, Any]) -> None:
        self.name, self.folder, self.report = name, lab.tmp / name, lab.out / f"report-{name}"
        for part in ("project", "inventory", "env"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "project" / "rollout.yml").write_text(PLAYBOOK, encoding="utf-8")
        shutil.copy(lab.fleet.inventory, self.folder / "inventory" / "hosts.yml")
        given = {"metering_report_dir": str(self.report), "metering_progress_dir": str(lab.progress_dir), **variables}
        (self.folder / "env" / "extravars").write_text(json.dumps(given), encoding="utf-8")
        (self.folder / "env" / "envvars").write_text(json.dumps({"ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}), encoding="utf-8")
        (self.folder / "env" / "settings").write_text(json.dumps({"idle_timeout": 240, "job_timeout": 300}), encoding="utf-8")
        self.machine = f"control-{name}" if _isolation() else ""
        self.artifacts = lab.out / f"runner-{name}"
        self._output = lab.out / f"runner-{name}.txt"
        command = [
            str(RUNNER),
            "run",
            str(self.folder),
            "-p",
            "rollout.yml",
            "--forks",
            "10",
            "-i",
            "job",
            "--artifact-dir",
            str(self.artifacts),
        ]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "GRIDOPS_"))}
        kept["PATH"] = f"{RUNNER.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        with self._output.open("wb") as stream:
            self.process = subprocess.Popen(
                [*_machine(self.machine), *command],
                env=kept,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def wait(self, seconds: float = 240) -> int:
        """Its exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Pull its plug: nothing of it lives on, nothing is cleaned up."""
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    @property
    def text(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def outcomes(self) -> dict[str, str]:
        """Outcome by meter, from its report, whose sums must fit."""
        report = json.loads((self.report / "report.json").read_text(encoding="utf-8"))
        assert report["summary"]["planned"] == sum(report["summary"]["by_outcome"].values())
        return {host: row["outcome"] for host, row in report["outcomes"].items()}


@functools.cache
def _isolation() -> tuple[str, ...]:
    """The words that give a process its own host name and process ids; none where this user may not do that."""
    for user in ((), ("--map-root-user",)):
        words = ("unshare", *user, "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        if subprocess.run([*words, "hostname", "other"], check=False, capture_output=True).returncode == 0:
            return words
    return ()


def _machine(name: str) -> list[str]:
    return [*_isolation(), "sh", "-c", 'hostname "$0" && exec "$@"', name] if name else []


def _descendants(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return [*children, *(below for child in children for below in _descendants(child))]
