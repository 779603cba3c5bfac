# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Runs of the foreign DLMS clients in their own environment, with jobs made from a meter of the inventory."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "venv-referees" / "bin" / "python"


def run(referee: str, job: Mapping[str, Any], seconds: float = 60) -> dict[str, Any]:
    """What ``gurux`` or ``cosem`` says to this job. An adapter that fails is a failed test."""
    script = Path(__file__).with_name(f"{referee}_client.py")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([PYTHON, script], input=json.dumps(job), env=env, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def results(referee: str, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One result for the association and one for each step."""
    return list(run(referee, job)["results"])


class Bench:
    """Jobs for one simulated meter."""

    def __init__(self, fleet: Any, name: str) -> None:
        self.meter = fleet.meter(name)
        self.host = fleet.hosts()[name]
        self.keys: dict[str, str] = self.host["metering_dlms_keys"]
        self._at = {"host": self.host["ansible_host"], "port": self.host["metering_ports"]["dlms"], "server": 1}

    def public(self, *steps: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._at, "client": 16, "auth": "none", "protection": "none", "steps": steps}

    def lls(self, *steps: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._at, "client": 1, "auth": "lls", "protection": "none", "password": self.keys["lls"].encode().hex(), "steps": steps}

    def hls(self, *steps: Mapping[str, Any], protection: str = "authenticated_encrypted", general: bool = False) -> dict[str, Any]:
        return {
            **self._at,
            "client": 1,
            "auth": "hls",
            "protection": protection,
            "general": general,
            "title": self.host["metering_dlms"]["system_title"],
            "guek": self.keys["guek"],
            "gak": self.keys["gak"],
            "counter": self.meter.state()["counter"] + 1,
            "steps": steps,
        }


def read(class_id: int, name: str, index: int) -> dict[str, Any]:
    return {"do": "read", "class": class_id, "ln": name, "index": index}


def transfer(index: int) -> dict[str, Any]:
    """A method of the image transfer object."""
    return {"do": "method", "class": 18, "ln": "0.0.44.0.0.255", "index": index}


RELEASE = {"do": "release"}
IDENTIFIER = read(1, "1.1.0.2.0.255", 2)
STATUS = read(18, "0.0.44.0.0.255", 6)
