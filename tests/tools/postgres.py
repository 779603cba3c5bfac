# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A real PostgreSQL for the tests: from Debian's packages, on a free port of the loopback, with a password, gone with its parent.

PostgreSQL refuses to run as root, so it runs as Debian's user ``postgres`` then. It is stopped by its process id. Its logins are
plain passwords on the loopback: simulated time runs fast, and so do the logins of who waits for a lease.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

USER = "metering"
PASSWORD = "Canary-pg/7:e1@x"  # what an URL must quote


@dataclass
class PostgresServer:
    """A running server. ``url()`` makes an empty database and names it."""

    folder: Path
    port: int
    durable: bool
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, name: str = "") -> str:
        """The URL of a new, empty database, with its password."""
        name = name or f"metering_{os.getpid()}_{next(self._numbers)}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # a name made above
        return self.url_of(name)

    def url_of(self, name: str) -> str:
        """The URL of a database that is there already."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"

    @property
    def admin(self) -> str:
        return self.url_of("postgres")

    def start(self) -> None:
        """Start, or start again after ``stop``: the data stay."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "16MB",
            "fsync": "on" if self.durable else "off",
            "log_min_messages": "error",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_as_server_user("--pdeathsig", "INT"), _program("postgres"), "-D", str(self.folder / "data"), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        end = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.admin, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text(errors='replace')[-500:]}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """End it: sessions are cut, data are kept."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(10)
        self.process = None


@contextlib.contextmanager
def postgres_server(durable: bool = False) -> Iterator[PostgresServer]:
    """A server with an account of its own. ``durable`` waits for the disk as a real one does (for benchmarks)."""
    folder = Path(tempfile.mkdtemp(prefix="metering-pg-"))
    server = PostgresServer(folder, _free_port(), durable)
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (folder, secret):
                os.chown(path, user.pw_uid, user.pw_gid)
        options = ["-U", USER, "-A", "password", f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        command = [*_as_server_user(), _program("initdb"), "-D", str(folder / "data"), *options]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _as_server_user(*words: str) -> list[str]:
    """``setpriv`` with a change of user where this process is root."""
    change = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *words, *change, "--"] if change or words else []


def _program(name: str) -> str:
    """A program of the newest installed PostgreSQL; Debian keeps them out of PATH."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    return found[-1] if found else name


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
