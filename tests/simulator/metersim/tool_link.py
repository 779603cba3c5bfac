# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the upgrade tool's stand-in says to a meter (SURFACE.md 14)."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from metersim.tool_files import UNREACHABLE, Stop

TIMEOUT = 15.0


class Silent(Exception):
    """The meter does not answer."""


class Link:
    """Requests to one meter: HTTPS with any certificate first, then HTTP. Every request has a connection of its own."""

    def __init__(self, address: str, http_port: int, https_port: int) -> None:
        self.address = address
        self._ports = {"https": https_port, "http": http_port}
        self._ticket = ""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON answer. The ticket goes where the interface wants it. Silent when nobody answers."""
        content = None if body is None else json.dumps({**body, "ticket": self._ticket} if self._ticket else body).encode()
        headers = {"X-Ticket": self._ticket} if method == "GET" else {"Content-Type": "application/json"}
        status, answer = self._send(method, path, content, headers)
        if path == "/fwtool/open" and status == 200:
            self._ticket = str(answer["ticket"])
        return status, answer

    def image(self, path: Path) -> tuple[int, dict[str, Any]]:
        """Upload the file, streamed."""
        headers = {"X-Ticket": self._ticket, "X-File-Name": path.name, "Content-Length": str(path.stat().st_size)}
        return self._send("PUT", "/fwtool/image", path, headers)

    def _send(self, method: str, path: str, content: bytes | Path | None, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Only what was refused at the door is tried again on the other port: nothing is ever sent twice."""
        connection = self._connect()
        with contextlib.closing(connection):
            try:
                if isinstance(content, Path):
                    with content.open("rb") as source:
                        connection.request(method, path, body=source, headers=headers)
                        return _read(connection)
                connection.request(method, path, body=content, headers=headers)
                return _read(connection)
            except (OSError, http.client.HTTPException) as exc:
                raise Silent(str(exc)) from exc

    def _connect(self) -> http.client.HTTPConnection:
        for scheme, port in self._ports.items():
            connection: http.client.HTTPConnection
            if scheme == "https":
                connection = http.client.HTTPSConnection(self.address, port, timeout=TIMEOUT, context=_any_certificate())
            else:
                connection = http.client.HTTPConnection(self.address, port, timeout=TIMEOUT)
            try:
                connection.connect()
            except OSError:
                connection.close()
                continue
            return connection
        raise Silent("no answer on the web ports")

    def port_open(self, port: int) -> bool:
        """Whether somebody listens there."""
        try:
            socket.create_connection((self.address, port), 5).close()
        except OSError:
            return False
        return True


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read(connection: http.client.HTTPConnection) -> tuple[int, dict[str, Any]]:
    answer = connection.getresponse()
    raw = answer.read(1_000_000)
    try:
        content = json.loads(raw) if raw else {}
    except ValueError:
        content = {}
    return answer.status, content if isinstance(content, dict) else {}


# -- around the meter -----------------------------------------------------------------


def answers_ping(address: str, state: Path | None) -> bool | None:
    """Whether the meter answers an ICMP echo; None when it cannot be told. With a fleet's state folder the fleet decides (F-19)."""
    if state is not None:
        from metersim import ping

        return bool(ping.reachable(address, state))
    program = shutil.which("ping")
    if program is None:
        return None
    done = subprocess.run([program, "-c", "1", "-W", "2", address], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def clock_factor(state: Path | None) -> float:
    """How fast the meters' time runs; waits shrink with it."""
    if state is None:
        return 1.0
    try:
        control = json.loads((state / "ready.json").read_text(encoding="utf-8"))["control"]
        with urllib.request.urlopen(control + "/clock", timeout=10) as answer:
            return float(json.load(answer)["factor"])
    except (OSError, ValueError, KeyError) as exc:
        raise Stop(UNREACHABLE, f"No fleet runs with the folder {state}") from exc
