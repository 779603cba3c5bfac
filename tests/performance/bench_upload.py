# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a package upload by webpages costs over bare requests, side by side in one run: medians of wall and CPU time, growth of memory.

Ours is ``ProfileSession.upload``: a multipart form streamed from the disk and hashed on the way, the last block held back until
the hash is the pinned one (goal: wall and CPU at most 1.2 times; memory grows by at most 8 MiB). Bare is ``requests.post`` with
``files=``, which builds the whole form in memory, with ``data=`` an open file (no form, the least that can be done), and the latter
hashing as well, since the hash is a rule (R-040). Each round runs in a process of its own against the same server, another process.
Run it with ``python tests/performance/bench_upload.py [--mebibytes 64] [--rounds 5]``.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import side_by_side

TIME_GOAL, MEMORY_GOAL = 1.2, 8.0
BLOCK = 1 << 18

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self._answer()
    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 18)))
        self._answer()
    def _answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")
    def log_message(self, *args):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
"""
PROFILE = {"name": "bench", "upload": {"path": "/upload", "field": "firmware", "ok": {"status": [200], "pattern": "done"}}}


def ours(port: int, source: Path, digest: str) -> Callable[[], None]:
    """The collection's upload."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
    from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import ProfileSession

    session = ProfileSession(Target("bench", "127.0.0.1", {"http": port}, 255), PROFILE)

    def work() -> None:
        if session.upload(source, source.name, digest, lambda count: None).state != "staged":
            raise SystemExit("the upload was refused")

    return work


def _requests(port: int, send: Callable[..., None]) -> Callable[[], None]:
    import requests

    session = requests.Session()
    session.trust_env = False
    return lambda: send(session, f"http://127.0.0.1:{port}/upload")


def form(port: int, source: Path, digest: str) -> Callable[[], None]:
    """requests with ``files=``: the form is built in memory."""

    def send(session, url):  # type: ignore[no-untyped-def]
        with source.open("rb") as stream:
            session.post(url, files={"firmware": (source.name, stream)}).raise_for_status()

    return _requests(port, send)


def raw(port: int, source: Path, digest: str) -> Callable[[], None]:
    """requests with ``data=`` an open file: streamed, but no form."""

    def send(session, url):  # type: ignore[no-untyped-def]
        with source.open("rb") as stream:
            session.post(url, data=stream).raise_for_status()

    return _requests(port, send)


def hashing(port: int, source: Path, digest: str) -> Callable[[], None]:
    """requests with ``data=`` a generator of blocks that also takes the SHA-256."""

    def blocks() -> Iterator[bytes]:
        taken = hashlib.sha256()
        with source.open("rb") as stream:
            while block := stream.read(BLOCK):
                taken.update(block)
                yield block
        if taken.hexdigest() != digest:
            raise SystemExit("another file")

    class Body:
        def __len__(self) -> int:
            return source.stat().st_size

        def __iter__(self) -> Iterator[bytes]:
            return blocks()

    def send(session, url):  # type: ignore[no-untyped-def]
        session.post(url, data=Body()).raise_for_status()

    return _requests(port, send)


OURS = "ProfileSession.upload"
WAYS: dict[str, side_by_side.Way] = {
    "bare requests, files=": form,
    "bare requests, data= the open file": raw,
    "bare requests, blocks, hashing": hashing,
    OURS: ours,
}


def main() -> int:
    found = side_by_side.main(__doc__ or "", __file__, "upload by webpages", WAYS, "PM5560_v4.4.0.sedp", (SERVER,))
    if found is None:
        return 0
    for base in list(WAYS)[:-1]:
        wall, cpu = (found[OURS][key] / found[base][key] for key in ("wall", "cpu"))
        print(f"{OURS} over {base}: wall {wall:.2f}, CPU {cpu:.2f} (goal {TIME_GOAL})")
    print(f"memory growth of {OURS}: {found[OURS]['memory']:.1f} MiB (goal {MEMORY_GOAL:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
