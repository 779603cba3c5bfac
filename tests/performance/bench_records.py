# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Ledger operations per second on both stores, side by side in one run: medians over the rounds, and how much several processes get.

One *upgrade* is what the ledger is asked for one meter: lease, slot, attempt recorded, triggered, two heartbeats, ended, released; each
call is durable when it returns (SQLite with its file synchronised, PostgreSQL with ``synchronous_commit``). Beside it are single
operations: a heartbeat, a look at the attempt count, an entry of the journal, an outcome. Bare is the same number of the smallest
durable transactions on the same store (one row updated), without our rules: what the store itself can do on this disk.
Run it with ``python tests/performance/bench_records.py [--upgrades 200] [--processes 4] [--rounds 3]``.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from postgres import postgres_server

CALLS = 9  # of the ledger for one upgrade


def records(location: str) -> Any:
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records

    return open_records(location, "bench")


def upgrade(ledger: Any, serial: str, group: str) -> None:
    """What one good upgrade asks of the ledger."""
    lease = ledger.acquire(f"meter:{serial}", 60)
    slot = ledger.acquire_slot(group, 10, 60)
    attempt = ledger.begin_attempt(
        serial,
        "PM5560",
        f"host-{serial}",
        "A-1",
        "ftp",
        "2.7.8",
        "2.9.9",
        "d",
        "bench",
        "",
        "bench",
        {},
        "",
        hard_timeout=1800,
        leases=(lease, slot),
    )
    ledger.mark(attempt.id, "triggered", {})
    ledger.beat(lease, slot)
    ledger.beat(lease, slot)
    ledger.end_attempt(attempt.id, "verified")
    ledger.release(slot)
    ledger.release(lease)


def one(location: str, upgrades: int, number: int) -> dict[str, float]:
    """Operations per second of each kind in this process."""
    ledger = records(location)
    found: dict[str, float] = {}

    def rate(name: str, count: int, work: Callable[[int], object], calls: int = 1) -> None:
        begin = time.perf_counter()
        for each in range(count):
            work(each)
        found[name] = count * calls / (time.perf_counter() - begin)

    rate("upgrades, calls", upgrades, lambda each: upgrade(ledger, f"{number}-{each}", f"bench-{number}"), CALLS)
    lease = ledger.acquire(f"meter:beat-{number}", 600)
    rate("heartbeat", upgrades, lambda each: ledger.beat(lease))
    rate("attempt count (read)", upgrades, lambda each: ledger.attempts(f"{number}-{each}", "PM5560", "2.0.0"))
    rate("journal entry", upgrades, lambda each: ledger.journal(f"bench-{number}", "note", {"n": each}))
    rate("outcome", upgrades, lambda each: ledger.record_outcome(f"bench-{number}", f"h{each}", "1", "verified"))
    found["bare update"] = _bare(location, upgrades)
    return found


def _bare(location: str, count: int) -> float:
    """Smallest durable transactions of this store, on one connection kept open."""
    if "://" in location:
        import psycopg

        name = f"bare_{os.getpid()}"
        with psycopg.connect(location, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {name} (n bigint)")  # a name made above
            connection.execute(f"INSERT INTO {name} VALUES (0)")
            begin = time.perf_counter()
            for each in range(count):
                connection.execute(f"UPDATE {name} SET n = {each}")
            return count / (time.perf_counter() - begin)
    database = sqlite3.connect(f"{location}-bare-{os.getpid()}", isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE bare (n integer)")
    database.execute("INSERT INTO bare VALUES (0)")
    begin = time.perf_counter()
    for each in range(count):
        database.execute("UPDATE bare SET n = ?", (each,))
    rate = count / (time.perf_counter() - begin)
    database.close()
    return rate


def child(location: str, upgrades: int, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--one", location, str(upgrades), str(number)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def answers(children: list[subprocess.Popen[bytes]]) -> list[dict[str, float]]:
    found = []
    for item in children:
        out, dummy = item.communicate()
        if item.returncode:
            raise SystemExit("a process failed")
        found.append(json.loads(out))
    return found


def measure(location: Callable[[], str], options: argparse.Namespace) -> dict[str, float]:
    """Medians of one process alone, and the sum of several at once."""
    alone: list[dict[str, float]] = []
    together: list[float] = []
    for dummy in range(options.rounds):
        alone += answers([child(location(), options.upgrades, 0)])
        where = location()
        answers([child(where, 1, 99)])  # the tables are made before they compete
        each = answers([child(where, options.upgrades // options.processes, number) for number in range(options.processes)])
        together.append(sum(item["upgrades, calls"] for item in each))
    found = {name: statistics.median(item[name] for item in alone) for name in alone[0]}
    return {**found, f"upgrades, calls, {options.processes} processes": statistics.median(together)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--upgrades", type=int, default=200)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=3, metavar=("LOCATION", "UPGRADES", "NUMBER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        location, upgrades, number = options.one
        print(json.dumps(one(location, int(upgrades), int(number))))
        return 0
    with tempfile.TemporaryDirectory() as scratch, postgres_server(durable=True) as server:
        numbers = iter(range(1000))
        sqlite = measure(lambda: f"{scratch}/records-{next(numbers)}.sqlite3", options)
        postgres = measure(server.url, options)
    print(f"ledger operations per second, {options.upgrades} of each kind, medians of {options.rounds}; each durable when it returns")
    print(f"{'':32}{'SQLite':>12}{'PostgreSQL':>12}")
    for name in sqlite:
        print(f"{name:32}{sqlite[name]:12.0f}{postgres[name]:12.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
