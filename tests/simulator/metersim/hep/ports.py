# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Ports that are open and say little: ION, secure ION, RTU over TCP, SSH, FTP, Telnet (SURFACE.md, section 41)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

LONGEST_LINE = 256


@dataclass(frozen=True)
class Kind:
    """One port: whose places it takes, how many there are, what bytes mean."""

    name: str
    places: str
    most: int
    violation: str = ""
    tls: bool = False
    dialogue: str = ""


KINDS = (
    Kind("ion", "shared", 8, violation="ion_bytes"),
    Kind("rtu_tcp", "shared", 8, violation="rtu_bytes"),
    Kind("ion_tls", "shared", 8, violation="ion_bytes", tls=True),
    Kind("ssh", "ssh", 2),
    Kind("ftp", "ftp", 2, dialogue="ftp"),
    Kind("telnet", "telnet", 1, dialogue="telnet"),
)


def all_of(meter: HepMeter) -> dict[str, QuietPort]:
    """The quiet ports of a meter."""
    return {kind.name: QuietPort(meter, kind) for kind in KINDS}


class Client(asyncio.Protocol):
    """One client of a quiet port."""

    def __init__(self, port: QuietPort) -> None:
        self._port = port
        self._meter = port.meter
        self._kind = port.kind
        self._transport: asyncio.Transport | None = None
        self._counted = False
        self._buffer = b""
        self._name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or hang up when there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        meter, kind = self._meter, self._kind
        if meter.limits_used[kind.places] >= kind.most:
            meter.record("limit", service=kind.name)
            transport.close()
            return
        meter.limits_used[kind.places] += 1
        self._counted = True
        self._port.clients.add(self)
        meter.record("port_connect", service=kind.name, peer=transport.get_extra_info("peername")[0])
        if kind.name == "ssh":
            self._say("SSH-2.0-MSIM_HEP")
        elif kind.name == "ftp":
            self._say("220 HEP FTP server")
        elif kind.name == "telnet":
            self._say(f"Schneider Electric {meter.model} {meter.serial}\r\nlogin: ", end="")

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        if self._counted:
            self._counted = False
            self._meter.limits_used[self._kind.places] = max(0, self._meter.limits_used[self._kind.places] - 1)
        self._port.clients.discard(self)

    def abort(self) -> None:
        """End it at once."""
        if self._transport:
            self._transport.abort()

    def _say(self, text: str, end: str = "\r\n") -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write((text + end).encode())

    def data_received(self, data: bytes) -> None:
        """Bytes are a mistake on some ports; on the old ones a login."""
        if self._kind.violation:
            self._meter.record("violation", what=self._kind.violation, service=self._kind.name, bytes=len(data))
            if self._transport:
                self._transport.close()
            return
        if not self._kind.dialogue:
            return
        self._buffer = (self._buffer + data)[-LONGEST_LINE:]
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            getattr(self, f"_{self._kind.dialogue}")(line.decode("latin-1").strip())

    def _ftp(self, line: str) -> None:
        word, dummy, rest = line.partition(" ")
        if word.upper() == "USER":
            self._name = rest
            self._say("331 Password required")
        elif word.upper() == "PASS":
            self._refuse(rest)
            self._say("530 Login incorrect")
        elif word.upper() == "QUIT":
            self._say("221 Goodbye")
            if self._transport:
                self._transport.close()
        else:
            self._say("530 Please login")

    def _telnet(self, line: str) -> None:
        if not self._name:
            self._name = line or "?"
            self._say("password: ", end="")
            return
        self._refuse(line)
        self._name = ""
        self._say("\r\nlogin: ", end="")

    def _refuse(self, password: str) -> None:
        """Nobody gets in here; each try counts."""
        meter, protocol = self._meter, self._kind.name
        who = meter.canonical(self._name)
        meter.lockouts.wrong(who, protocol, password)
        meter.record("login_failed", user=who, protocol=protocol, why="password")
        meter.log(2, who, f"invalid login over {protocol}")


class QuietPort:
    """One port of one meter."""

    def __init__(self, meter: HepMeter, kind: Kind) -> None:
        self.meter = meter
        self.kind = kind
        self.clients: set[Client] = set()
        self._server: asyncio.Server | None = None
        self._as_started: tuple[str, ...] = ()

    async def start(self, address: str, port: int) -> None:
        """Open the port."""
        context = None
        wanted: tuple[str, ...] = (address, str(port))
        if self.kind.tls:
            from metersim import certs  # heavy import, and old meters do not need it

            context = certs.context_of(self.meter)
            wanted += (certs.now_shown(self.meter).fingerprint, str(context.minimum_version))
        if self._server is not None and wanted == self._as_started:
            return
        await self.stop()
        self._server = await asyncio.get_running_loop().create_server(lambda: Client(self), address, port, ssl=context)
        self._as_started = wanted

    async def stop(self) -> None:
        """Close the port and drop every client."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for client in list(self.clients):
            client.abort()
        await asyncio.sleep(0)
