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

import ftplib
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import side_by_side

USER, PASSWORD = "user2", "canary-bench-ftp"
TIME_GOAL, MEMORY_GOAL = 1.2, 8.0

SERVER = """
import os, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
import logging
logging.basicConfig(level=logging.CRITICAL)
os.makedirs(sys.argv[1] + "/fw")
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


WAYS: dict[str, side_by_side.Way] = {
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


def main() -> int:
    server = (SERVER, "{scratch}/card", USER, PASSWORD)
    found = side_by_side.main(__doc__ or "", __file__, "FTP upload", WAYS, "PM5560_v2.9.9.fwa", server)
    if found is None:
        return 0
    for name, base in BASES.items():
        wall, cpu = (found[OURS][key] / found[base][key] for key in ("wall", "cpu"))
        print(f"FtpSession.upload over bare ftplib {name}: wall {wall:.2f}, CPU {cpu:.2f} (goal {TIME_GOAL})")
    print(f"memory growth of FtpSession.upload: {found[OURS]['memory']:.1f} MiB (goal {MEMORY_GOAL:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
