# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Whether a simulated meter answers to ICMP. Loopback always answers to the real one, so F-19 needs a stand-in."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from pathlib import Path


def reachable(address: str, state: Path) -> bool:
    """True when a meter with this address is up and lets ICMP through."""
    try:
        ready = json.loads((state / "ready.json").read_text(encoding="utf-8"))
        with urllib.request.urlopen(ready["control"] + "/meters", timeout=10) as answer:
            meters = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return False
    return any(meter["address"] == address and meter["icmp"] for meter in meters)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``metersim ping``, those of the real one are accepted."""
    parser.add_argument("address")
    parser.add_argument(
        "--state", type=Path, default=Path(os.environ.get("METERSIM_STATE", ".metersim")), help="folder of the running fleet"
    )
    for option in ("-c", "-n", "-w", "-W"):
        parser.add_argument(option, type=float, help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    good = reachable(args.address, args.state)
    print(f"{args.address}: {'alive' if good else 'no answer'}")
    return 0 if good else 1
