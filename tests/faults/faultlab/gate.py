# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Holds a run at a wanted point: a forwarder in front of each port of one meter, which keeps one message back.

The product sees a meter at the same address with other ports. Nothing is changed or invented on the way; the first message
that marks the wanted boundary waits until the test opens the gate, or is dropped when its sender is gone meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from .lab import Lab

BOUNDARIES = ("staging", "staged", "attempt_recorded", "triggered", "restarting", "in_progress", "verifying", "settling")
OFFSET = 3000
_PATIENCE = 60.0


class Gate:
    """One meter's ports, forwarded. ``reached`` is set when the run stands at the boundary, ``open`` lets it go on."""

    def __init__(self, lab: Lab, name: str, boundary: str) -> None:
        self.lab, self.name, self.boundary = lab, name, boundary
        self.reached, self.opened = threading.Event(), threading.Event()
        self._meter = lab.fleet.meter(name)
        state = self._meter.state()
        self._address: str = state["address"]
        self._restarts: int = state["restarts"]
        self._target = lab.fleet.hosts()[name]["metering_ports"]
        self.ports = {service: port + OFFSET for service, port in self._target.items()}
        self._wanted = lab.fleet.hosts()[name]["wanted"]
        self._marks: set[str] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._servers = [self._listen(service) for service in self.ports]

    # -- what the test does -------------------------------------------------------------------------------------------

    def is_reached(self) -> bool:
        """Whether the run is at the boundary; the settle time has no message to hold and is seen in the progress file."""
        if self.boundary == "settling":
            return self.lab.progress(self.name).get("phase") == "settling"
        return self.reached.is_set()

    @property
    def ftp_closed(self) -> bool:
        """Whether the session that copied the archive said goodbye."""
        return "closed" in self._marks

    def open(self) -> None:
        self.opened.set()

    def close(self) -> None:
        self._closing = True
        self.opened.set()
        for server in self._servers:
            server.close()

    # -- the boundaries -----------------------------------------------------------------------------------------------

    def _hits(self, service: str, data: bytes) -> bool:
        """Whether this message of the run is the first beyond the boundary."""
        if self.reached.is_set():
            return False
        if service == "ftp":
            if data.startswith(b"STOR") and b".fwa" in data:
                self._marks.add("archive")
                return self.boundary == "staging"
            if data.startswith(b"QUIT") and "archive" in self._marks:
                self._marks.add("closed")
            return False
        if service == "http":
            if b"PM5500StartUpgrade" in data:
                return self.boundary == "attempt_recorded"
            if "triggered" in self._marks and self.boundary == "first_status":
                return True
            if "restarted" in self._marks:
                return self.boundary == "in_progress" or (self.boundary == "verifying" and self._has_new_version())
            return False
        return self._modbus()

    def _modbus(self) -> bool:
        if self.boundary == "staged":
            return "closed" in self._marks
        if self.boundary == "triggered":
            return "triggered" in self._marks
        if "triggered" in self._marks:
            state = self._meter.state()
            if state["state"] == "silent" and self.boundary == "restarting":
                return self.lab.progress(self.name).get("phase") == "restarting"
            if state["restarts"] > self._restarts and state["state"] != "silent":
                self._marks.add("restarted")
        return False

    def _has_new_version(self) -> bool:
        """Asked when the status page is: the answer to the identity before it may have been the old or the new version."""
        return bool(self._meter.state()["firmware"] == self._wanted)

    def _answered(self, service: str, data: bytes) -> None:
        if service == "http" and data.startswith(b"HTTP/1.1 302"):
            self._marks.add("triggered")

    # -- forwarding ---------------------------------------------------------------------------------------------------

    def _listen(self, service: str) -> socket.socket:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((self._address, self.ports[service]))
        server.listen(32)
        _background(lambda: self._accept(server, service))
        return server

    def _accept(self, server: socket.socket, service: str) -> None:
        while not self._closing:
            try:
                client, dummy = server.accept()
            except OSError:
                return
            _background(lambda client=client: self._serve(client, service))

    def _serve(self, client: socket.socket, service: str) -> None:
        """One connection. The meter is only called when the client has something to say, except for FTP, where it speaks first."""
        with client:
            meter: socket.socket | None = None
            try:
                if service == "ftp":
                    meter = self._call(client, service)
                while data := client.recv(65536):
                    if not self._pass(client, service, data):
                        return
                    meter = meter or self._call(client, service)
                    meter.sendall(data)
            except OSError:
                pass
            finally:
                if meter is not None:
                    with contextlib.suppress(OSError):
                        meter.shutdown(socket.SHUT_WR)

    def _pass(self, client: socket.socket, service: str, data: bytes) -> bool:
        with self._lock:
            held = self._hits(service, data)
            if held:
                self.reached.set()
        if held:
            self.opened.wait(_PATIENCE)
            return not self._closing and _listening(client)
        return True

    def _call(self, client: socket.socket, service: str) -> socket.socket:
        meter = socket.create_connection((self._address, self._target[service]), 5)
        meter.settimeout(None)
        _background(lambda: self._answer(meter, client, service))
        return meter

    def _answer(self, meter: socket.socket, client: socket.socket, service: str) -> None:
        with contextlib.suppress(OSError), meter:
            while data := meter.recv(65536):
                self._answered(service, data)
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _listening(client: socket.socket) -> bool:
    """Whether the sender of a held message still waits for an answer."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
