# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Ways to do one upload, side by side: each run is a process of its own against one server; medians of some rounds."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: Makes one upload ready: port, file, SHA-256 of the file. What it returns is what is measured.
Way = Callable[[int, Path, str], Callable[[], Any]]
Found = dict[str, dict[str, float]]


def one(work: Callable[[], Any]) -> dict[str, float]:
    """Wall, CPU and memory growth (MiB) of one upload in this process."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    memory = _mebibytes("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {**took, "memory": _mebibytes("VmHWM") - memory}


def _mebibytes(name: str) -> float:
    """A size from this process's status: VmRSS is the memory in use now, VmHWM its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"this system does not tell {name}")


def serve(code: str, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """A server of its own on a free port, which is the last word that it gets."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    child = subprocess.Popen([sys.executable, "-c", code, *words, str(port)], stdin=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return child, port
        except OSError:
            if child.poll() is not None or time.monotonic() > until:
                raise SystemExit("the server did not start") from None
            time.sleep(0.05)


def bench(script: str, ways: Mapping[str, Way], name: str, server: tuple[str, ...], mebibytes: int, rounds: int) -> Found:
    """Medians by way; the ways take turns, so that a disturbance meets all of them."""
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / name
        source.write_bytes(os.urandom(1 << 20) * mebibytes)
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        process, port = serve(*(word.format(scratch=scratch) for word in server))
        try:
            for dummy in range(rounds):
                for way in ways:
                    command = [sys.executable, script, "--one", way, str(port), str(source), digest]
                    taken[way].append(json.loads(subprocess.check_output(command, stdin=subprocess.DEVNULL)))
        finally:
            process.terminate()
            process.wait(10)
    return {way: {key: statistics.median(item[key] for item in items) for key in items[0]} for way, items in taken.items()}


def main(doc: str, script: str, title: str, ways: Mapping[str, Way], name: str, server: tuple[str, ...]) -> Found | None:
    """Measure and print the table, and return it; None where this process was started to make one upload."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=4, metavar=("WAY", "PORT", "FILE", "SHA256"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, port, source, digest = options.one
        print(json.dumps(one(ways[way](int(port), Path(source), digest))))
        return None
    found = bench(script, ways, name, server, options.mebibytes, options.rounds)
    print(f"{title} of {options.mebibytes} MiB, medians of {options.rounds}")
    print(f"{'':36}{'wall s':>9}{'CPU s':>9}{'memory MiB':>12}")
    for way, row in found.items():
        print(f"{way:36}{row['wall']:9.3f}{row['cpu']:9.3f}{row['memory']:12.1f}")
    return found
