# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A computer with the stand-in of ION Setup for tests, and HEP meters for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from firmwarekit import firmware
from toolkit import STAND_IN

from metersim.testing import Fleet

#: A numeric password, as Standard and Legacy security support want it, that no other number in an output is.
NUMBER = "73519046"
NEW = "3.2.22341.01"
#: What the stand-in's exit codes mean (tests/simulator/SURFACE.md, section 50).
EXITS = {
    "2": "not_applicable",
    "3": "engine_too_old",
    "4": "transport_failed",
    "7": "transport_failed",
    "8": "tool_login_refused",
    "10": "restore_failed",
}
ATTEST = {"critical_control": False, "digital_outputs_in_use": False}


def meter(name: str, model: str = "ION9000", version: str = "2.4.1", target: str = "3.0.0", **more: Any) -> dict[str, Any]:
    """A simulated HEP meter; ``hep`` as in the fleet file."""
    hep = {"password": NUMBER, "silence": 40, "upgrade_time": 90, **more.pop("hep", {})}
    return {"name": name, "model": model, "firmware": version, "hep": hep, **more, "vars": {"wanted": target, **more.get("vars", {})}}


def advanced(*passwords: str) -> dict[str, Any]:
    """A meter in Advanced security, with an administrator and readers."""
    first, *rest = passwords or ("Adm!n1", "Rd-er2")
    users = [{"name": "USER1", "password": first, "permissions": "all"}]
    users += [{"name": f"USER{number}", "password": word, "permissions": ["read"]} for number, word in enumerate(rest, start=2)]
    return {"mode": "advanced", "users": users, "login": {"user": "USER1", "password": first}}


def write_packages(folder: Path, wanted: Sequence[tuple[str, str]], *more: str, minimum: str = "") -> Path:
    """Sample packages of the method ion; ``minimum`` is written beside bare images, as a person would."""
    models = [word for model, version in wanted for word in ("--model", model, "--version", version)]
    command = [*STAND_IN, "packages", str(folder), "--method", "ion", "--size", "20000", *models, *more]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    if minimum:
        path = folder / "firmware.yml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for package in document["packages"]:
            if package["files"][0]["name"].endswith(".upx"):
                package["min_ion_setup"] = minimum
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return folder


class Desk:
    """The computer of ION Setup."""

    def __init__(self, fleet: Fleet, folder: Path, host: str = "desk") -> None:
        self.fleet, self.host = fleet, host
        self.app, self.base, self.logs = folder / "app", folder / "handover", folder / "logs"
        self.app.mkdir(parents=True, exist_ok=True)

    def inventory(self) -> Path:
        """An inventory of this computer alone."""
        path = self.fleet.folder / f"{self.host}.yml"
        path.write_text(yaml.safe_dump({"desks": {"hosts": {self.host: {"ansible_connection": "local"}}}}), encoding="utf-8")
        return path

    def command(self, *more: str) -> list[str]:
        """An operator's command line for the stand-in; its version is the meter's variable ``installed``."""
        fixed = ["--version", "{{ installed | default('" + NEW + "') }}", "--app-dir", str(self.app), "--state", str(self.fleet.state_dir)]
        given = ["--meter", "{address}", "--user", "{user}", "--password-file", "{password}", "--package", "{package}", "--logs", "{logs}"]
        return [*STAND_IN, "ionsetup", *fixed, *given, "--hang-seconds", "20", *more]

    def options(self, **more: Any) -> dict[str, Any]:
        """The option ``ion`` for mode command."""
        given = {
            "setup_version": "{{ said | default(installed | default('" + NEW + "')) }}",
            "host": self.host,
            "command": self.command(),
            "handover_dir": str(self.base),
            "logs_to": str(self.logs),
            "exit_reasons": EXITS,
            **more,
        }
        return {name: value for name, value in given.items() if value is not None}

    def task(self, artifacts: Path, records: Path, ion: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A task of meter_firmware by ION Setup. ``attest`` is a Jinja expression of words to add."""
        attest = f"{{{{ metering_attest | default({{}}) | combine({json.dumps(ATTEST)}) | combine({more.pop('attest', '{}')}) }}}}"
        options: dict[str, Any] = {
            "accept": ["irreversible"],
            "attest": attest,
            "tool_mode": "command",
            "ion": self.options() if ion is None else dict(ion),
            "campaign": "ion",
            "security_profile": "hep-registers",
            **more,
        }
        return firmware("{{ wanted }}", artifacts, records, **options)

    def run(self, name: str, package: Path, password: str = NUMBER, user: str = "", version: str = NEW) -> int:
        """What a technician does with ION Setup; returns its exit status."""
        secret = self.app / "typed"
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="utf-8")
        address = self.fleet.hosts()[name]["ansible_host"]
        words = ["--version", version, "--meter", address, "--user", user, "--password-file", str(secret), "--package", str(package)]
        words += ["--logs", str(self.app / "Logs"), "--app-dir", str(self.app), "--state", str(self.fleet.state_dir)]
        done = subprocess.run([*STAND_IN, "ionsetup", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        secret.unlink()
        return done.returncode

    def left(self) -> list[str]:
        """Files that are still in the hand-over folder."""
        return sorted(str(path.relative_to(self.base)) for path in self.base.rglob("*") if path.is_file()) if self.base.exists() else []
