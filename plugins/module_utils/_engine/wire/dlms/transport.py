# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The TCP wrapper of DLMS/COSEM (IEC 62056-47): one request, one answer, each with a head of eight octets.

Every wait has a deadline, the end of the connection is an error, and nothing is ever sent twice.
"""

from __future__ import annotations

import select
import socket
import struct
import time

from ...base.errors import DeviceError
from ...base.target import Target
from .axdr import MalformedError

_VERSION = 1  # the head: version, source, destination, length, of two octets each


class LostError(DeviceError):
    """The connection ended or stayed silent. ``silent`` tells which; ``sent`` whether a request went out before."""

    def __init__(self, stage: str, text: str, *, silent: bool, sent: bool) -> None:
        super().__init__(stage, "transport_failed", text)
        self.silent = silent
        self.sent = sent


class Wire:
    """One TCP connection between a client and a server address. ``limit`` is the longest answer taken, in octets."""

    def __init__(self, target: Target, client: int, server: int, limit: int) -> None:
        self._where = f"{target.host}:{target.ports['dlms']}"
        self._seconds = target.timeouts.read
        self._head = struct.pack(">HHH", _VERSION, client, server)
        self._expected = struct.pack(">HHH", _VERSION, server, client)
        self.limit = limit
        self._buffer = b""
        self._readable, self._writable = select.poll(), select.poll()
        self._socket: socket.socket | None = self._connect(target)
        # Not blocking, with a wait of our own: half the system calls of a socket with a time limit, for each block of an image.
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._readable.register(self._socket, select.POLLIN)
        self._writable.register(self._socket, select.POLLOUT)

    def _connect(self, target: Target) -> socket.socket:
        seconds = target.timeouts.connect
        try:
            return socket.create_connection((target.host, target.ports["dlms"]), timeout=seconds)
        except TimeoutError:
            text = f"{self._where} does not accept a connection within {seconds:g} s"
        except ConnectionRefusedError:
            text = f"{self._where} refuses the connection"
        except (OSError, UnicodeError) as exc:
            text = f"{self._where} cannot be connected: {getattr(exc, 'strerror', None) or type(exc).__name__}"
        raise LostError("connect", text, silent=True, sent=False) from None

    @property
    def open(self) -> bool:
        return self._socket is not None

    def exchange(self, apdu: bytes, seconds: float | None = None) -> bytes:
        """Send one APDU and take its answer within ``seconds`` (the target's read timeout). Raises LostError, MalformedError."""
        self.send(apdu)
        return self.receive(self._seconds if seconds is None else seconds)

    def send(self, apdu: bytes) -> None:
        if self._socket is None:
            raise LostError("read", f"{self._where} is not connected any more", silent=False, sent=False)
        if self._buffer:
            raise MalformedError("the meter sent more than it was asked for")
        frame = b"".join((self._head, len(apdu).to_bytes(2, "big"), apdu))
        try:
            sent = self._socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            raise self._lost(f"the connection broke while sending ({exc.strerror or type(exc).__name__})", silent=False) from None
        if sent < len(frame):
            self._send_rest(self._socket, frame[sent:])

    def _send_rest(self, peer: socket.socket, rest: bytes) -> None:
        """What did not fit into the system's buffer at once."""
        deadline = time.monotonic() + self._seconds
        while rest:
            if not self._writable.poll(_milliseconds(deadline)):
                raise self._lost(f"nothing could be sent for {self._seconds:g} s", silent=False)
            try:
                rest = rest[peer.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as exc:
                raise self._lost(f"the connection broke while sending ({exc.strerror or type(exc).__name__})", silent=False) from None

    def receive(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        buffer = self._buffer or self._more(deadline, seconds)
        while len(buffer) < 8:
            buffer += self._more(deadline, seconds)
        if buffer[:6] != self._expected:
            raise MalformedError("its wrapper carries another version or address")
        end = 8 + int.from_bytes(buffer[6:8], "big")
        if not 8 < end <= 8 + self.limit:
            raise MalformedError("its length is out of bounds")
        if len(buffer) < end:
            parts, have = [buffer], len(buffer)
            while have < end:
                parts.append(self._more(deadline, seconds))
                have += len(parts[-1])
            buffer = b"".join(parts)
        self._buffer = buffer[end:]
        return buffer[8:end]

    def _more(self, deadline: float, seconds: float) -> bytes:
        peer = self._socket
        if peer is None:
            raise self._lost("the connection is closed", silent=False)
        while True:
            try:
                if not self._readable.poll(_milliseconds(deadline)):
                    raise self._lost(f"no answer within {seconds:g} s", silent=True)
                data = peer.recv(65536)
                break
            except BlockingIOError:  # the system may wake up for nothing
                continue
            except OSError as exc:
                raise self._lost(f"the connection broke ({exc.strerror or type(exc).__name__})", silent=False) from None
        if not data:
            raise self._lost("the meter closed the connection", silent=False)
        return data

    def _lost(self, text: str, *, silent: bool) -> LostError:
        if not silent:
            self.close()
        return LostError("read", f"{self._where}: {text}", silent=silent, sent=True)

    def close(self) -> None:
        """Hang up. Repeating it is fine."""
        peer, self._socket = self._socket, None
        if peer is not None:
            peer.close()


def _milliseconds(deadline: float) -> int:
    """From now to ``deadline``, rounded up."""
    return max(0, int((deadline - time.monotonic()) * 1000) + 1)
