# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an image transfer over DLMS costs: our client beside ``gurux_dlms`` and ``dlms-cosem``, against one simulated MCS301.

CPU of the client for 512 KiB over HLS, authenticated and encrypted (goal: 0.05 s with blocks of 1,024 octets); the whole staging
of the method dlms; time at slow round trips; import time and memory. Each row is a process of its own; medians of some rounds.
At slow links a slice is measured and the rest is calculated, which the table says.
Run it with ``python tests/performance/bench_dlms.py [--rounds 5]``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tests/simulator", "tests/referees"):
    sys.path.insert(0, str(ROOT / folder))
ENGINE = "ansible_collections.gridops.metering.plugins.module_utils._engine"
GOAL = 0.05
SIZE = 512 * 1024
#: Round trip in seconds, and how many blocks of it are measured.
LINKS = {0.05: 40, 0.5: 6}
BLOCKS = (128, 450, 1024)
NAME = b"MCS301-B1-020500020001"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "JOB"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ONE[options.one[0]](json.loads(options.one[1]))))
        return 0
    subprocess.run([sys.executable, str(ROOT / "tests" / "tools" / "env.py"), "--referees"], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        compare(Path(scratch), options.rounds)
        slow(Path(scratch))
    return 0


# The table of clients


def compare(scratch: Path, rounds: int) -> None:
    from refereekit import Bench, run

    from metersim import packages

    packages.write(scratch, [("MCS301", "020500020001")], SIZE, "", ("dlms",), dlms={"component": 1, "build": "", "stated": "detached"})
    image = next(scratch.rglob("*.img"))
    taken: dict[str, list[dict[str, float]]] = {}
    for dummy in range(rounds):
        for title, way, block in ROWS:
            with fleet(scratch, block_size=block, pass3_counter="lenient") as meters:
                bench = Bench(meters, "q1")
                job = {**bench.hls(), "path": str(image), "block": block, "identifier": NAME.hex()}
                if way in ("gurux", "cosem"):
                    told = run(way, {**job, "steps": [{"do": "upload", **{key: job[key] for key in ("path", "block", "identifier")}}]}, 120)
                    if not all(item["ok"] for item in told["results"]):
                        raise SystemExit(f"{title}: {told['results']}")
                    row = {"cpu": told["results"][1]["value"]["cpu"], "import": told["import"], "rss": told["rss"] / 1024}
                else:
                    row = child(way, job)
                taken.setdefault(title, []).append(row)
    print(f"512 KiB over HLS, authenticated and encrypted, loopback; medians of {rounds}")
    print(f"{'':44}{'client CPU s':>14}{'import CPU s':>14}{'memory MiB':>12}")
    rows = {title: {key: statistics.median(item[key] for item in items) for key in items[0]} for title, items in taken.items()}
    for title, row in rows.items():
        print(f"{title:44}{row['cpu']:14.3f}{row['import']:14.2f}{row['rss']:12.1f}")
    own = rows[ROWS[0][0]]["cpu"]
    print(
        f"our client, blocks of 1,024: {own:.3f} s (goal {GOAL}); gurux_dlms takes {rows['gurux_dlms, blocks of 1,024']['cpu'] / own:.0f} times as much"
    )
    print(f"blocks of 80: dlms-cosem takes {rows['dlms-cosem, blocks of 80']['cpu'] / rows['ours, blocks of 80']['cpu']:.1f} times ours")


ROWS = (
    ("ours, blocks of 1,024", "client", 1024),
    ("ours, the whole staging, blocks of 1,024", "staging", 1024),
    ("gurux_dlms, blocks of 1,024", "gurux", 1024),
    ("ours, blocks of 80", "client", 80),
    ("dlms-cosem, blocks of 80", "cosem", 80),
)


def fleet(scratch: Path, latency: float = 0.0, **words: Any) -> Any:
    from metersim.testing import Fleet

    entry: dict[str, Any] = {"name": "q1", "model": "MCS301", "firmware": {0: "010200030001", 1: "020500010007"}}
    entry["dlms"] = {"verify_time": 0, "inactivity": 600, **words}
    folder = Path(tempfile.mkdtemp(dir=scratch))
    return Fleet({"clock_factor": 1, "meters": [{**entry, "latency": latency}]}, folder)


def child(way: str, job: dict[str, Any]) -> dict[str, float]:
    words = [sys.executable, __file__, "--one", way, json.dumps({**job, "steps": []})]
    return dict(json.loads(subprocess.check_output(words, stdin=subprocess.DEVNULL)))


# One row, in a process of its own


def target_of(job: dict[str, Any]) -> Any:
    from importlib import import_module

    given = import_module(f"{ENGINE}.base.target")
    keys = given.DlmsKeys(guek=bytes.fromhex(job["guek"]), gak=bytes.fromhex(job["gak"]))
    dlms = given.Dlms(client=job["client"], server=job["server"], system_title=bytes.fromhex(job["title"]), keys=keys)
    return given.Target("q1", job["host"], {"dlms": job["port"]}, 255, given.Timeouts(10, 30), family="mcs301", dlms=dlms)


def client(job: dict[str, Any]) -> dict[str, float]:
    """The same work as in the adapters: initiate, then a block for each call."""
    begin = time.process_time()
    from importlib import import_module

    session = import_module(f"{ENGINE}.wire.dlms.session")
    axdr = import_module(f"{ENGINE}.wire.dlms.axdr")
    import_module(f"{ENGINE}.wire.dlms.security").require_library()
    imported = time.process_time() - begin
    image, block = Path(job["path"]).read_bytes(), job["block"]
    pieces = [image[start : start + block] for start in range(0, len(image), block)][: job.get("slice")]
    initiate, send = session.Method(18, "0-0:44.0.0.255", 1), session.Method(18, "0-0:44.0.0.255", 2)
    with session.Session(target_of(job), session.MemoryCounters(), reserve=len(pieces) + 100) as link:
        link.action(initiate, axdr.structure(axdr.octets(bytes.fromhex(job["identifier"])), axdr.u32(len(image))))
        cpu, wall = time.process_time(), time.perf_counter()
        for number, piece in enumerate(pieces):
            link.action(send, axdr.structure(axdr.u32(number), axdr.octets(piece)))
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    return {**took, "import": imported, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def staging(job: dict[str, Any]) -> dict[str, float]:
    """The step of the method dlms: look, initiate, transfer, gaps, verify, compare."""
    begin = time.process_time()
    from importlib import import_module

    steps = import_module(f"{ENGINE}.upgrade.dlms")
    counters = import_module(f"{ENGINE}.wire.dlms.counters").MemoryCounters()
    import_module(f"{ENGINE}.wire.dlms.security").require_library()
    imported = time.process_time() - begin
    digest = hashlib.sha256(Path(job["path"]).read_bytes()).hexdigest()
    image = steps.ImageJob(1, bytes.fromhex(job["identifier"]), ("020500020001",), None, job["path"], SIZE, digest)
    cpu = time.process_time()
    staged = steps.DlmsSteps(target_of(job), image, counters=counters).stage()
    if not staged.get("done") or staged["status"] != 3:
        raise SystemExit(f"staging ended with {staged}")
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": time.process_time() - cpu, "import": imported, "rss": rss}


ONE = {"client": client, "staging": staging}


# Slow links


def slow(scratch: Path) -> None:
    from refereekit import Bench

    image = next(scratch.rglob("*.img"))
    print("\n512 KiB at slow round trips, minutes (calculated from a measured slice)")
    print(f"{'blocks of':>12}{'blocks':>9}" + "".join(f"{f'{seconds * 1000:.0f} ms':>12}" for seconds in LINKS) + f"{'slice':>14}")
    for block in BLOCKS:
        count = -(-SIZE // block)
        minutes = []
        for seconds, slice_ in LINKS.items():
            with fleet(scratch, latency=seconds, block_size=block) as meters:
                job = {**Bench(meters, "q1").hls(), "path": str(image), "block": block, "identifier": NAME.hex(), "slice": slice_}
                minutes.append(child("client", job)["wall"] / slice_ * count / 60)
        cells = "".join(f"{value:12.2f}" for value in minutes)
        print(f"{block:12}{count:9}{cells}{'/'.join(str(value) for value in LINKS.values()):>14}")


if __name__ == "__main__":
    sys.exit(main())
