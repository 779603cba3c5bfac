# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an audit of thousands of meters with all its reports costs, side by side in one run: medians of CPU (user+sys of the process tree).

The playbook ``audit`` over Modbus-only meters, with a baseline of firmware, the ledger and every report format, against a bare
asyncio script that reads the same registers plus an empty play over the same hosts (goal: CPU at most 1.6 times). Beside it the
audit without reports, and a second audit, whose ledger knows the meters.
Run it with ``python tests/performance/bench_audit.py [--meters 10000] [--rounds 3]``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench_fleet import BIN, measure, play, write

from metersim.testing import Fleet

BASELINE = {
    "metering_baseline": {
        "profile": {"id": "bench", "version": "1", "owner": "bench"},
        "firmware": {"PM5560": {"minimum": "2.0.0", "target": "2.9.9"}},
        "evidence": {"max_age_days": 35},
    }
}
#: Versions of the fleet: two current, one to be upgraded, one below the minimum.
VERSIONS = ("2.9.9", "2.9.9", "2.5.4", "1.2.9")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="copy the reports of the last audit to this folder")
    args = parser.parse_args()
    share = args.meters // len(VERSIONS)
    spec = {
        "name": "bench",
        "services": ["modbus"],
        "meters": [
            {"name": f"m{number}-[00001:{share:05d}]", "model": "PM5560", "firmware": version} for number, version in enumerate(VERSIONS)
        ],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with Fleet(spec, folder / "fleet", timeout=300) as fleet:
            run(args, folder / "work", fleet)


def run(args: argparse.Namespace, work: Path, fleet: Fleet) -> None:
    work.mkdir()
    hosts = {
        item["name"]: {"ansible_host": item["address"], "metering_ports": {"modbus": item["ports"]["modbus"]}} for item in fleet.meters()
    }
    write(work, hosts, {"fleet": len(hosts)})
    (work / "baseline.json").write_text(json.dumps(BASELINE), encoding="utf-8")
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "bare script": lambda: measure([sys.executable, "script.py", "hosts.json"], work),
        "empty play": lambda: measure(play("empty", "inventory-fleet.json"), work),
        "meter_fleet_info": lambda: measure(play("fleet", "inventory-fleet.json"), work),
        "audit, no reports": lambda: audit(work, formats=["json"]),
        "audit, all reports": lambda: audit(work),
        "the same again": lambda: audit(work, again=True),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for dummy_round in range(args.rounds):
        for name, way in ways.items():
            taken[name].append(way())
            print(f"{name:22}{taken[name][-1][0]:8.2f} CPU s {taken[name][-1][1]:8.2f} s", file=sys.stderr, flush=True)
    cpu = {name: statistics.median(value[0] for value in values) for name, values in taken.items()}
    wall = {name: statistics.median(value[1] for value in values) for name, values in taken.items()}
    report(args, len(hosts), cpu, wall, work / "report")
    if args.keep:
        shutil.copytree(work / "report", args.keep, dirs_exist_ok=True)


def audit(work: Path, formats: list[str] | None = None, again: bool = False) -> tuple[float, float]:
    """One run of the playbook; it proves that it did what it is measured for."""
    dest = work / "report"
    shutil.rmtree(dest, ignore_errors=True)
    if not again:
        (work / "records.sqlite3").unlink(missing_ok=True)
    given = {
        "metering_report_dir": str(dest),
        "metering_records": str(work / "records.sqlite3"),
        "metering_audit_fail_on": [],
        **({"metering_report_formats": formats} if formats else {}),
    }
    command = [str(BIN / "ansible-playbook"), "-i", "inventory-fleet.json", "gridops.metering.audit"]
    taken = measure([*command, "-e", "@baseline.json", "-e", json.dumps(given)], work)
    document = json.loads((dest / "audit.json").read_text(encoding="utf-8"))
    assert document["verdict"] == "drift" and len(document["meters"]) == document["totals"]["meters"], document["totals"]
    if not formats:
        assert len(list(dest.iterdir())) == 8, sorted(path.name for path in dest.iterdir())
    return taken


def report(args: argparse.Namespace, meters: int, cpu: dict[str, float], wall: dict[str, float], dest: Path) -> None:
    print(f"medians of {args.rounds}; {meters} meters; load {os.getloadavg()[0]:.1f}")
    print(f"{'':28}{'CPU s':>8}{'wall s':>8}")
    for name, value in cpu.items():
        print(f"{name:28}{value:8.2f}{wall[name]:8.2f}")
    base = cpu["bare script"] + cpu["empty play"]
    for name in ("audit, all reports", "audit, no reports", "meter_fleet_info"):
        print(f"{name} / (script + empty play)".ljust(48), f"{cpu[name] / base:.2f}", "(goal 1.6)" if "all" in name else "")
    for path in sorted(dest.iterdir()):
        print(f"  {path.name:20}{path.stat().st_size / 1e6:8.2f} MB")


if __name__ == "__main__":
    main()
