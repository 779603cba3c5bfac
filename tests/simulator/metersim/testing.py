# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Helpers for tests: a fleet in a child process, and the meters' own account.

Only the standard library and PyYAML are used, so any test may import this.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

Event = dict[str, Any]
#: Starts the child process; tests may put a quicker way here.
launch: Callable[..., Any] = subprocess.Popen


class FleetError(RuntimeError):
    """The fleet did not start, or the control endpoint refused something."""


def address_block(size: int = 250) -> str:
    """First address of a free block of loopback addresses for one fleet.

    Chosen at random and tried, so that parallel test workers do not collide.
    """
    rng = random.Random(f"{os.getpid()}-{time.time_ns()}")
    ports = (502, 21, 80, 443, 4059) if os.geteuid() == 0 else (1502, 2121, 8080, 8443, 4059)
    more = (size - 1) // 254
    for dummy in range(200):
        second, third = rng.randint(32, 247), rng.randint(0, 255 - more)
        tried = [f"{third}.{last}" for last in (1, 2, 9)] + [f"{third + number}.1" for number in range(1, more + 1)]
        if all(_free(f"127.{second}.{rest}", port) for rest in tried for port in ports):
            return f"127.{second}.{third}.1"
    raise FleetError("no free block of loopback addresses found")


def _free(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            return False
    return True


def _count(entry: Any) -> int:
    """How many meters an entry of a fleet file is; a wrong one is for the fleet to refuse."""
    found = re.search(r"\[(\d+):(\d+)\]", str(entry.get("name"))) if isinstance(entry, dict) else None
    return int(found[2]) - int(found[1]) + 1 if found else 1


class MeterHandle:
    """One meter of a running fleet, seen through the control endpoint."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self._fleet = fleet
        self.name = name

    def state(self) -> dict[str, Any]:
        """The summary: address, model, firmware, serial, state, attempts, logins, ..."""
        return dict(self._fleet.call("GET", f"/meters/{self.name}"))

    def events(self, kind: str | None = None, after: int = 0) -> list[Event]:
        """This meter's events, all or of one kind."""
        events = self._fleet.call("GET", f"/meters/{self.name}/events?after={after}")
        return [event for event in events if kind is None or event["kind"] == kind]

    def faults(self, faults: dict[str, Any]) -> dict[str, Any]:
        """Replace the meter's faults; ``{}`` removes all."""
        return dict(self._fleet.call("PUT", f"/meters/{self.name}/faults", faults))

    def action(self, action: str, **args: Any) -> dict[str, Any]:
        """Something that happens at the meter: lock, unlock, power_cycle, ..."""
        return dict(self._fleet.call("POST", f"/meters/{self.name}/actions", {"action": action, **args}))

    def violations(self) -> list[Event]:
        """What must never be done to a meter."""
        return self.events("violation")

    def lockouts(self) -> dict[tuple[str, str], dict[str, Any]]:
        """HEP meters: failed logins and locks by user and protocol."""
        return {(item["user"], item["protocol"]): item for item in self.state()["lockouts"]}

    def certificate(self) -> dict[str, str]:
        """What the meter shows now: ``fingerprint`` (SHA-256, hex) and ``pem``."""
        return dict(self._fleet.call("GET", f"/meters/{self.name}/certificate"))

    def wait(self, kind: str, seconds: float = 20, count: int = 1, after: int = 0) -> Event:
        """The n-th event of a kind, waiting real seconds for it at most."""
        until = time.monotonic() + seconds
        while True:
            found = self.events(kind, after)
            if len(found) >= count:
                return found[count - 1]
            if time.monotonic() > until:
                raise FleetError(f"{self.name}: no event '{kind}' within {seconds} s")
            time.sleep(0.02)


class Fleet:
    """A fleet in a child process; use it as a context manager.

    ``spec`` is a mapping or the path of a fleet file. A mapping without
    ``first_address`` gets a free block of its own.
    """

    def __init__(self, spec: dict[str, Any] | str | Path, tmp_path: Path, timeout: float = 60) -> None:
        self.folder = Path(tmp_path) / f"fleet-{time.time_ns():x}"
        self.state_dir = self.folder / "state"
        self.inventory = self.folder / "inventory.yml"
        self.control_url = ""
        self.ready: dict[str, Any] = {}
        self._timeout = timeout
        self._child: Any = None
        self._spec = spec

    def __enter__(self) -> Fleet:
        self.state_dir.mkdir(parents=True)
        command = [sys.executable, "-m", "metersim", "up", str(self._file()), "--foreground", "--parent", str(os.getpid())]
        command += ["--state", str(self.state_dir), "--inventory", str(self.inventory)]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])),
        }
        log = self.folder / "log.txt"
        with log.open("wb") as out:
            self._child = launch(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        self._wait(log)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _file(self) -> Path:
        if not isinstance(self._spec, dict):
            return Path(self._spec)
        content = dict(self._spec)
        content.setdefault("first_address", address_block(sum(_count(meter) for meter in content.get("meters", []))))
        path = self.folder / "fleet.yml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path

    def _wait(self, log: Path) -> None:
        assert self._child
        until = time.monotonic() + self._timeout
        ready = self.state_dir / "ready.json"
        while not ready.exists():
            if self._child.poll() is not None or time.monotonic() > until:
                self.stop()
                lines = log.read_text(errors="replace").strip().splitlines()
                raise FleetError(lines[-1] if lines else "the fleet did not start")
            time.sleep(0.01)
        self.ready = json.loads(ready.read_text())
        self.control_url = self.ready["control"]

    def stop(self) -> None:
        """End the child process."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    @property
    def pid(self) -> int:
        """Process id of the simulator."""
        return int(self.ready["pid"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the control endpoint. Raises FleetError with its text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as exc:
            raise FleetError(exc.read().decode(errors="replace")) from exc

    def meter(self, name: str) -> MeterHandle:
        """One meter by its name."""
        return MeterHandle(self, name)

    def meters(self) -> list[dict[str, Any]]:
        """Summaries of all meters."""
        return list(self.call("GET", "/meters"))

    def events(self, kind: str | None = None, after: int = 0) -> list[Event]:
        """Events of all meters in order of ``seq``."""
        events = self.call("GET", f"/events?after={after}")
        return [event for event in events if kind is None or event["kind"] == kind]

    def failed_logins(self) -> dict[str, int]:
        """HEP meters: failed logins of each meter so far, as its own counters have them (only meters with any)."""
        totals = {item["name"]: sum(count["total"] for count in item.get("lockouts", [])) for item in self.meters()}
        return {name: total for name, total in totals.items() if total}

    def peaks(self) -> dict[str, Any]:
        """Most upgrades at once and most connections per meter."""
        return dict(self.call("GET", "/peaks"))

    def clock(self) -> dict[str, Any]:
        """Meter clock: ``t`` in meter seconds, ``factor``, ``wall``."""
        return dict(self.call("GET", "/clock"))

    def hosts(self) -> dict[str, Any]:
        """Host variables of the inventory that was written."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # thousands of hosts are slow without libyaml
        return dict(yaml.load(self.inventory.read_text(), loader)["meters"]["hosts"])
