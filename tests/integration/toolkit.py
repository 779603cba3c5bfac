# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A computer with the stand-in of the maker's tool for tests: its inventory variables and the operator's command lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from firmwarekit import PASSWORD, firmware

from metersim.testing import Fleet

SIMULATOR = Path(__file__).parents[1] / "simulator"
ACCOUNTS = {
    "product_master": {"user": "user2", "password": f"{PASSWORD}-p"},
    "web_master": {"user": "user1", "password": f"{PASSWORD}-w"},
}
ATTEST = {"power_source": "uninterrupted", "critical_control": False, "management_zone": "laboratory", "digital_outputs_in_use": False}
STAND_IN = ["env", f"PYTHONPATH={SIMULATOR}", sys.executable, "-m", "metersim"]
#: What a meter sees of an upgrade by the tool.
STARTED = {"tool_image", "trigger_accepted", "attempt_counted"}


def meter(name: str, model: str = "PM5560", version: str = "2.9.9", target: str = "4.3.5", **more: Any) -> dict[str, Any]:
    """A simulated meter of the old generation with planted passwords."""
    given = {"name": name, "model": model, "firmware": version, "accounts": ACCOUNTS, **more}
    return {**given, "vars": {"wanted": target, **more.get("vars", {})}}


class Desk:
    """The computer of the tool: one application folder, one folder for hand-overs, commands as an operator would write them."""

    def __init__(self, fleet: Fleet, folder: Path, host: str = "desk", version: str = "3.8") -> None:
        self.fleet, self.host, self.version = fleet, host, version
        self.app, self.base, self.logs = folder / "app", folder / "handover", folder / "logs"
        self.app.mkdir(parents=True, exist_ok=True)

    def inventory(self, variables: Mapping[str, Any] | None = None) -> Path:
        """An inventory of this computer alone; without variables a local one."""
        path = self.fleet.folder / f"{self.host}.yml"
        given = dict(variables or {"ansible_connection": "local"})
        path.write_text(yaml.safe_dump({"desks": {"hosts": {self.host: given}}}), encoding="utf-8")
        return path

    def moods(self, words: Mapping[str, str]) -> None:
        """Let the tool misbehave for some meters."""
        hosts = self.fleet.hosts()
        told = {hosts[name]["ansible_host"]: word for name, word in words.items()}
        (self.app / "misbehave.json").write_text(json.dumps(told), encoding="utf-8")

    def options(self, **more: Any) -> dict[str, Any]:
        """The option ``tool`` for mode command."""
        state = ["--state", str(self.fleet.state_dir)]
        files = ["--config", "{config}", "--package", "{package}", "--logs", "{logs}", "--app-dir", str(self.app)]
        command = [*STAND_IN, "tool", "--version", self.version, *files, *state, "--hang-seconds", "20"]
        given = {
            "host": self.host,
            "command": command,
            "ping": [*STAND_IN, "ping", "{address}", *state],
            "handover_dir": str(self.base),
            "logs_to": str(self.logs),
            **more,
        }
        return {name: value for name, value in given.items() if value is not None}

    def task(self, artifacts: Path, records: Path, tool: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A task of meter_firmware by the tool. ``attest`` is a Jinja expression of words to add."""
        attest = f"{{{{ metering_attest | combine({json.dumps(ATTEST)}) | combine({more.pop('attest', '{}')}) }}}}"
        options: dict[str, Any] = {
            "accept": ["irreversible"],
            "attest": attest,
            "tool_mode": "command",
            "tool": self.options() if tool is None else dict(tool),
            "campaign": "tool",
            **more,
        }
        return firmware("{{ wanted }}", artifacts, records, **options)

    def left(self) -> list[str]:
        """Files that are still in the hand-over folder."""
        return sorted(str(path.relative_to(self.base)) for path in self.base.rglob("*") if path.is_file()) if self.base.exists() else []
