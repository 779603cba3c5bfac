# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a batch of ten meters costs beyond its slowest upgrade and the documented settle, at real time (goal: at most 2 s).

One play of meter_firmware on ten simulated meters runs with clock factor 1 and the documented waits. The time of an upgrade is
taken from the meter's own journal: from the first login to write to the end of its last process. Overhead is the wall time of
the batch, without the start and end of ansible-playbook itself (an empty play over the same hosts), minus the slowest upgrade
and the settle; the last line leaves ansible-playbook in. A meter is looked at every 5 s, near the end every second, so the end of
an upgrade is seen a little later: several values of --processes show how far that goes. ``--method web`` upgrades by webpages.
What the meters' silence and processes last is a matter of the simulator (--silence, --processes).
It takes some minutes, so it is run by hand: ``python tests/performance/bench_batch.py [--meters 10] [--rounds 1]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from metersim import packages
from metersim.testing import Fleet

BIN = Path(sys.executable).parent
SETTLE, GOAL = 60.0, 2.0
PASSWORD = "canary-bench-batch"
ATTEST = {"power_source": "uninterrupted", "critical_control": False, "management_zone": "laboratory"}


def play(folder: Path, inventory: Path, task: dict[str, Any], forks: int) -> float:
    """Wall seconds of a play with one task; it must succeed."""
    book = folder / "play.yml"
    book.write_text(yaml.safe_dump([{"hosts": "meters", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    command = [str(BIN / "ansible-playbook"), "-i", str(inventory), "-f", str(forks), str(book)]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-2000:])
    return wall


#: What differs between the methods: package, meters, account, words to accept, and the first login to write.
METHODS: dict[str, dict[str, Any]] = {
    "ftp": {"from": "2.7.8", "to": "2.9.9", "role": "product_master", "accept": "loses_dlf3000", "login": "ftp_login_ok"},
    "web": {"from": "4.3.5", "to": "4.4.0", "role": "administrator", "accept": "unverified_profile", "login": "web_login_ok"},
}


def upgrade_seconds(events: list[dict[str, Any]], login: str) -> float:
    """From the first login to write to the end of the last process, as the meter saw it (real time)."""
    begin = next(event["real"] for event in events if event["kind"] == login)
    return float(next(event["real"] for event in events if event["kind"] == "upgrade_done" and event["ok"]) - begin)


def once(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """One batch on a fresh fleet."""
    folder.mkdir()
    method = METHODS[options.method]
    packages.write(folder / "firmware", [("PM5560", method["to"])], methods=(options.method,))
    meters = [{"name": f"m[01:{options.meters:02d}]", "model": "PM5560", "firmware": method["from"]}]
    accounts = {method["role"]: {"user": "user2" if options.method == "ftp" else "Administrator", "password": PASSWORD}}
    lasts = {"silence": options.silence, "process_time": options.processes, "restart_silence": 30, "update_time": options.processes}
    defaults = {**lasts, "accounts": accounts}
    with Fleet({"name": "batch", "clock_factor": 1, "defaults": defaults, "meters": meters}, folder / "fleet") as fleet:
        arguments = {
            "version": method["to"],
            "artifacts": str(folder / "firmware"),
            "records": str(folder / "records.sqlite3"),
            "accept": [method["accept"]],
            "attest": f"{{{{ metering_attest | combine({json.dumps(ATTEST)}) }}}}",
            "concurrency": 10,
        }
        empty = statistics.median(
            play(folder, fleet.inventory, {"ansible.builtin.set_fact": {"x": 1}}, options.meters) for dummy in range(3)
        )
        wall = play(folder, fleet.inventory, {"gridops.metering.meter_firmware": arguments}, options.meters)
        times = [upgrade_seconds(fleet.meter(item["name"]).events(), method["login"]) for item in fleet.meters()]
    beyond = wall - max(times) - SETTLE
    parts = {"wall": wall, "slowest upgrade": max(times), "settle": SETTLE, "empty play": empty}
    return {**parts, "overhead": beyond - empty, "with ansible-playbook": beyond}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--meters", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--method", choices=sorted(METHODS), default="ftp")
    parser.add_argument("--silence", type=float, default=60)
    parser.add_argument("--processes", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = [once(options, Path(scratch) / str(number)) for number in range(options.rounds)]
    print(f"one batch of {options.meters} meters by {options.method} at real time, medians of {options.rounds} (seconds)")
    for name in found[0]:
        print(f"{name:24}{statistics.median(item[name] for item in found):9.2f}")
    print(f"goal of the overhead: {GOAL:g} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
