# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an FTP upload costs over bare ftplib, side by side in one run: medians of wall and CPU time, and the growth of memory.

Ours is ``FtpSession.upload``: streaming, hashing what is sent, and comparing the size the server then tells (goal: wall and
CPU at most 1.2 times; memory grows by at most 8 MiB). Bare is ``ftplib.FTP.storbinary``, in blocks of the same size, in those of
its own default, and once hashing as well, since the hash is a rule (R-040). Each round runs in a process of its own against the
same server, another process; start-up is not counted.
Run it with ``python tests/performance/bench_ftp.py [--mebibytes 64] [--rounds 5]``.
"""

from __future__ import annotations

import argparse
import ftplib
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

USER, PASSWORD = "user2", "canary-bench-ftp"
TIME_GOAL, MEMORY_GOAL = 1.2, 8.0

SERVER = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
import logging
logging.basicConfig(level=logging.CRITICAL)
users = DummyAuthorizer()
users.add_user(sys.argv[2], sys.argv[3], sys.argv[1], perm="elradfmwMT")
FTPHandler.authorizer = users
FTPServer(("127.0.0.1", int(sys.argv[4])), FTPHandler).serve_forever()
"""


def ours(port: int, source: Path, digest: str, read_back: bool = False) -> Callable[[], None]:
    """The collection's upload, logged in already."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target
    from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.ftp import FtpSession

    session = FtpSession(Target("bench", "127.0.0.1", {"ftp": port}, 255), Credential(USER, PASSWORD)).__enter__()

    def work() -> None:
        session.upload(source, "fw", source.name, digest, lambda count: None)
        if read_back:
            session.read_back("fw", source.name, digest, lambda count: None)

    return work


def bare(port: int, source: Path, block: int, hashing: bool = False) -> Callable[[], None]:
    """ftplib alone, logged in already; with ``hashing`` it also takes the SHA-256 of what it sends, the plain way."""
    session = ftplib.FTP()
    session.connect("127.0.0.1", port, timeout=30)
    session.login(USER, PASSWORD)

    def work() -> None:
        with source.open("rb") as stream:
            session.storbinary(f"STOR /fw/{source.name}", stream, blocksize=block, callback=hashlib.sha256().update if hashing else None)

    return work


WAYS: dict[str, Callable[[int, Path, str], Callable[[], None]]] = {
    "bare ftplib, blocks of 256 KiB": lambda port, source, digest: bare(port, source, 1 << 18),
    "bare ftplib, its own blocks": lambda port, source, digest: bare(port, source, 8192),
    "bare ftplib, hashing what it sends": lambda port, source, digest: bare(port, source, 1 << 18, True),
    "FtpSession.upload": ours,
    "FtpSession.upload and read_back": lambda port, source, digest: ours(port, source, digest, True),
}
OURS = "FtpSession.upload"
BASES = {
    "as it comes": "bare ftplib, its own blocks",
    "with blocks of the same size": "bare ftplib, blocks of 256 KiB",
    "hashing as well": "bare ftplib, hashing what it sends",
}


def one(way: str, port: int, source: Path, digest: str) -> dict[str, float]:
    """Wall, CPU and memory growth (MiB) of one upload in this process."""
    work = WAYS[way](port, source, digest)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    memory = _mebibytes("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "memory": _mebibytes("VmHWM") - memory,
    }


def _mebibytes(name: str) -> float:
    """A size from this process's status: VmRSS is the memory in use now, VmHWM its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"this system does not tell {name}")


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server of its own on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    child = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), USER, PASSWORD, str(port)], stdin=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return child, port
        except OSError:
            if child.poll() is not None or time.monotonic() > until:
                raise SystemExit("the FTP server did not start") from None
            time.sleep(0.05)


def bench(mebibytes: int, rounds: int) -> dict[str, dict[str, float]]:
    """Medians by way; the ways take turns, so that a disturbance meets all of them."""
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "card" / "fw").mkdir(parents=True)
        source = folder / "PM5560_v2.9.9.fwa"
        source.write_bytes(os.urandom(1 << 20) * mebibytes)
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        server, port = serve(folder / "card")
        try:
            for dummy in range(rounds):
                for way in WAYS:
                    command = [sys.executable, __file__, "--one", way, str(port), str(source), digest]
                    taken[way].append(json.loads(subprocess.check_output(command, stdin=subprocess.DEVNULL)))
        finally:
            server.terminate()
            server.wait(10)
    return {way: {key: statistics.median(item[key] for item in items) for key in items[0]} for way, items in taken.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=4, metavar=("WAY", "PORT", "FILE", "SHA256"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, port, source, digest = options.one
        print(json.dumps(one(way, int(port), Path(source), digest)))
        return 0
    found = bench(options.mebibytes, options.rounds)
    print(f"FTP upload of {options.mebibytes} MiB, medians of {options.rounds}")
    print(f"{'':36}{'wall s':>9}{'CPU s':>9}{'memory MiB':>12}")
    for way, row in found.items():
        print(f"{way:36}{row['wall']:9.3f}{row['cpu']:9.3f}{row['memory']:12.1f}")
    for name, base in BASES.items():
        wall, cpu = (found[OURS][key] / found[base][key] for key in ("wall", "cpu"))
        print(f"FtpSession.upload over bare ftplib {name}: wall {wall:.2f}, CPU {cpu:.2f} (goal {TIME_GOAL})")
    print(f"memory growth of FtpSession.upload: {found[OURS]['memory']:.1f} MiB (goal {MEMORY_GOAL:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
