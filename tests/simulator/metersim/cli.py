# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The command ``metersim``: up, status, down, packages, ping, tool."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from metersim import __version__, packages, ping, spec, tool
from metersim.hep import ionsetup
from metersim.spec import StartError

READY = "ready.json"


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 is good, 1 a refusal with one line on stderr."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except BrokenPipeError:
        return 0
    except (spec.SpecError, StartError, packages.PackageError) as exc:
        print(f"metersim: {exc}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="metersim", description="A simulated fleet of PM5000 and MCS301 meters.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a fleet and return when every port listens")
    up.add_argument("fleet", type=Path)
    up.add_argument("--inventory", type=Path, help="write an Ansible inventory to this file")
    up.add_argument("--foreground", action="store_true", help="stay in the foreground until stopped")
    up.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    up.set_defaults(run=_up)
    status = commands.add_parser("status", help="show what runs")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    down = commands.add_parser("down", help="stop the fleet")
    down.set_defaults(run=_down)
    for command in (up, status, down):
        command.add_argument("--state", type=Path, default=Path(".metersim"), help="folder of the running fleet (default .metersim)")
    ping.add_arguments(commands.add_parser("ping", help="whether a meter answers to ICMP: exit status 0 or 1"))
    packages.add_arguments(commands.add_parser("packages", help="make sample firmware packages"))
    tool.add_arguments(commands.add_parser("tool", help="stand-in of the vendor's upgrade tool"))
    ionsetup.add_arguments(commands.add_parser("ionsetup", help="stand-in of ION Setup"))
    return parser


# -- up ----------------------------------------------------------------------


def _up(args: argparse.Namespace) -> int:
    fleet_spec = spec.load(args.fleet)
    args.state.mkdir(parents=True, exist_ok=True)
    running = _ready(args.state)
    if running and _alive(running["pid"]):
        raise StartError(f"a fleet already runs with state folder {args.state} (pid {running['pid']})")
    (args.state / READY).unlink(missing_ok=True)
    if args.foreground:
        from metersim import serve  # the protocol libraries take a while to import

        return serve.run(fleet_spec, args.state, args.inventory, args.parent)
    return _detach(args)


def _detach(args: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "metersim", "up", str(args.fleet.resolve()), "--foreground", "--state", str(args.state.resolve())]
    if args.inventory:
        command += ["--inventory", str(args.inventory.resolve())]
    log = args.state / "log.txt"
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    ready = wait_ready(args.state, child)
    if ready is None:
        lines = log.read_text(errors="replace").strip().splitlines()
        print(lines[-1] if lines else "metersim: the fleet did not start", file=sys.stderr)
        return 1
    print(f"{ready['meters']} meters up (pid {ready['pid']}, control {ready['control']})")
    return 0


def wait_ready(state: Path, child: subprocess.Popen[bytes], seconds: float = 60) -> dict[str, Any] | None:
    """The readiness file's content, None when the child ended or time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ready = _ready(state)
        if ready and ready["pid"] == child.pid:
            return ready
        if child.poll() is not None:
            return None
        time.sleep(0.02)
    child.terminate()
    return None


# -- status and down -----------------------------------------------------------


def _ready(state: Path) -> dict[str, Any] | None:
    try:
        ready: dict[str, Any] = json.loads((state / READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return ready


def _alive(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"metersim" in command


def _running(state: Path) -> dict[str, Any]:
    ready = _ready(state)
    if ready is None or not _alive(ready["pid"]):
        raise StartError(f"no fleet runs with state folder {state}")
    return ready


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError) as exc:
        raise StartError(f"the fleet does not answer on its control endpoint ({exc})") from exc


def _status(args: argparse.Namespace) -> int:
    ready = _running(args.state)
    meters = _get(ready["control"] + "/meters")
    if args.json:
        print(json.dumps({**ready, "list": meters, "peaks": _get(ready["control"] + "/peaks")}, indent=1))
        return 0
    print(f"{ready['name']}: {ready['meters']} meters, pid {ready['pid']}, control {ready['control']}")
    for meter in meters:
        limit = meter["attempts_limit"]
        tries = f"{meter['attempts']}/{limit}" if limit else "-"
        print(f"  {meter['name']:<14} {meter['address']:<15} {meter['model']:<9} {meter['firmware']:<8} {meter['state']:<10} tries {tries}")
    return 0


def _down(args: argparse.Namespace) -> int:
    ready = _running(args.state)
    os.kill(ready["pid"], signal.SIGTERM)
    until = time.monotonic() + 15
    while _alive(ready["pid"]) and time.monotonic() < until:
        time.sleep(0.05)
    if _alive(ready["pid"]):
        raise StartError(f"pid {ready['pid']} did not stop")
    print("down")
    return 0
