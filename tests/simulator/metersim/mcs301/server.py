# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The TCP wrapper: eight octets of head, then an APDU."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metersim.mcs301.association import Association, Cut

if TYPE_CHECKING:
    from metersim.mcs301.meter import Mcs301

HEAD = 8
VERSION = 1
SERVER_SAP = 1
SAPS = 8


class Connection(asyncio.Protocol):
    """One client on the line."""

    def __init__(self, service: DlmsService) -> None:
        self._service = service
        self._meter = service.meter
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._line = 0.0
        self._why = "peer"
        self._associations: dict[int, Association] = {}  # by client SAP: several may share a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count and record it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        meter = self._meter
        if len(self._service.clients) >= meter.spec.dlms.connections:
            meter.record("disconnect", why="limit")
            self._why = ""
            transport.abort()
            return
        self._service.clients.add(self)
        meter.connections = len(self._service.clients)
        meter.journal.connections(meter.name, meter.connections)
        meter.record("connect", peer=transport.get_extra_info("peername")[0])
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out; an association without release may stay half open."""
        if self._idle:
            self._idle.cancel()
        if not self._why:
            return
        self._service.clients.discard(self)
        self._meter.connections = len(self._service.clients)
        for who in self._associations.values():
            self._meter.lost(who)
        self._meter.record("disconnect", why=self._why)

    def _watch(self) -> None:
        if self._idle:
            self._idle.cancel()
        if self._meter.inactivity:
            self._idle = asyncio.get_running_loop().call_later(self._meter.inactivity, self.abort, "idle")

    def abort(self, why: str) -> None:
        """End it at once."""
        if self._transport and self._why == "peer":
            self._why = why
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer every complete APDU in the buffer, in order."""
        self._watch()
        self._buffer += data
        while len(self._buffer) >= HEAD and self._why == "peer":
            version, source, target, size = (int.from_bytes(self._buffer[at : at + 2], "big") for at in (0, 2, 4, 6))
            if version != VERSION:
                self.abort("meter")
                return
            if len(self._buffer) < HEAD + size:
                return
            raw = bytes(self._buffer[HEAD : HEAD + size])
            del self._buffer[: HEAD + size]
            if target == SERVER_SAP:
                self._answer(source, raw)

    def _answer(self, client: int, raw: bytes) -> None:
        meter = self._meter
        meter.was_block = False
        try:
            answer = self._of(client).handle(client, raw)
        except Cut:
            self._cut()
            return
        except Exception as exc:  # a mistake of ours must be seen, and must not end the whole fleet
            meter.record("simulator_error", text=repr(exc))
            self.abort("meter")
            return
        if answer is None:
            return
        frame = b"".join(number.to_bytes(2, "big") for number in (VERSION, SERVER_SAP, client, len(answer))) + answer
        slow = meter.faults.get("F-05")
        wait = meter.latency + (slow["seconds"] if slow and meter.was_block else 0.0)
        loop = asyncio.get_running_loop()
        if wait or self._line > loop.time():
            self._line = max(self._line, loop.time() + wait)
            loop.call_at(self._line, self._send, frame)
        else:
            self._send(frame)

    def _of(self, client: int) -> Association:
        if client not in self._associations and len(self._associations) >= SAPS:
            return Association(self._meter)
        return self._associations.setdefault(client, Association(self._meter))

    def _send(self, frame: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(frame)

    def _cut(self) -> None:
        """The connection ends instead of the answer; the port may be closed for a while."""
        meter = self._meter
        fault, meter.cut = meter.cut or {}, None
        self.abort("cut")
        if fault.get("down"):
            meter.spawn(lambda: meter.drop_link(fault["down"]))


class DlmsService:
    """The port of one meter."""

    def __init__(self, meter: Mcs301) -> None:
        self.meter = meter
        self.clients: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int) -> None:
        """Open the port."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self), address, port)

    async def stop(self) -> None:
        """Close the port and drop every client."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.drop("reboot")
        await asyncio.sleep(0)

    def drop(self, why: str) -> None:
        """End all connections."""
        for client in list(self.clients):
            client.abort(why)
