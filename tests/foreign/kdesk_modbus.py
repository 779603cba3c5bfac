# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Modbus TCP of the foreign meter, frame by frame: function 3 and 43/14, everything else is refused."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from datetime import datetime, timedelta

Version = tuple[int, int, int]
UNIT = 255
BLOCKS = ((20, 199), (1600, 1760), (1801, 1930), (1990, 2020), (6500, 6515))
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, NO_SUCH_UNIT = 1, 2, 11


class Facts:
    """What the registers say; numbers are the documents' (1-based)."""

    def __init__(self, model: str, serial: int, release: Version, wall: Callable[[], datetime]) -> None:
        self.model, self.serial, self.release = model, serial, release
        self.previous: Version | None = None
        self.restarts = 5
        self.wall = wall
        self.booted = wall() - timedelta(days=12)
        self.renewed: datetime | None = None

    def image(self) -> dict[int, int]:
        """Register to value; a gap inside a block reads 65535."""
        now = self.wall()
        words: dict[int, int] = {}

        def put(first: int, values: list[int]) -> None:
            words.update(enumerate(values, first))

        put(30, _text("K-Desk unit", 20))
        put(50, _text(self.model, 20))
        put(70, _text("Schneider Electric", 20))
        put(90, [15200])
        put(129, [0x0031, self.serial >> 16, self.serial & 0xFFFF])
        put(132, _date(datetime(2021, 6, 7, 9, 30)))
        put(136, _text("K3", 5))
        put(1637, [0x1234, *self.release, 1])
        if self.previous:
            put(1642, [0x1230, *self.previous, 1])
        if self.renewed:
            put(1647, _date(self.renewed))
        put(1824, _date(self.booted))
        put(1828, [self.restarts, 1])
        put(1834, [0, 3, 2])
        put(1837, [now.year, now.month, now.day, now.hour, now.minute, now.second, now.microsecond // 1000])
        put(1845, _date(now))
        seconds = 7_200_000 + int((now - datetime(2026, 1, 1, tzinfo=now.tzinfo)).total_seconds())
        put(2002, [seconds >> 17 & 0xFFFF, seconds >> 1 & 0xFFFF, seconds >> 16 & 0xFFFF, seconds & 0xFFFF])
        return words

    def read(self, first: int, count: int) -> list[int] | None:
        """Values of a range, None when it leaves a block."""
        last = first + count - 1
        if not 1 <= count <= 125 or not any(low <= first and last <= high for low, high in BLOCKS):
            return None
        image = self.image()
        return [image.get(number, 0xFFFF) for number in range(first, last + 1)]

    def objects(self) -> dict[int, bytes]:
        """Device identification."""
        release = ".".join(map(str, self.release)) + "01"
        return {0: b"Schneider Electric", 1: f"METSE{self.model}".encode(), 2: release.encode()}


def _text(text: str, count: int) -> list[int]:
    return list(struct.unpack(f">{count}H", text.encode().ljust(2 * count, b"\0")))


def _date(when: datetime) -> list[int]:
    return [
        when.year - 2000,
        when.month << 8 | when.isoweekday() << 5 | when.day,
        when.hour << 8 | when.minute,
        when.second * 1000 + when.microsecond // 1000,
    ]


class Modbus:
    """The port. ``note(kind, **fields)`` is the meter's journal."""

    def __init__(self, facts: Facts, note: Callable[..., None]) -> None:
        self.facts = facts
        self.note = note
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, address: str, port: int) -> None:
        """Open the port."""
        self._server = await asyncio.start_server(self._serve, address, port)

    async def stop(self) -> None:
        """Close it and cut everybody off."""
        server, self._server = self._server, None
        if server:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                transaction, protocol, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                if protocol or not 2 <= length <= 260:
                    break
                body = self.answer(unit, await reader.readexactly(length - 1))
                writer.write(struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """One request's answer."""
        function = pdu[0]
        if unit != UNIT:
            return bytes([function | 0x80, NO_SUCH_UNIT])
        if function == 3 and len(pdu) == 5:
            start, count = struct.unpack(">HH", pdu[1:])
            values = self.facts.read(start + 1, count)
            return bytes([0x83, ILLEGAL_ADDRESS]) if values is None else struct.pack(f">BB{count}H", 3, 2 * count, *values)
        if function == 0x2B and len(pdu) == 4 and pdu[1] == 0x0E:
            return self._identify(pdu[2], pdu[3])
        if function in (5, 6, 15, 16, 22, 23):
            self.note("modbus_write", function=function)
        return bytes([function | 0x80, ILLEGAL_FUNCTION])

    def _identify(self, code: int, first: int) -> bytes:
        objects = self.facts.objects()
        if code == 4 and first in objects:
            objects = {first: objects[first]}
        elif code not in (1, 2, 3):
            return bytes([0xAB, ILLEGAL_ADDRESS if code == 4 else 3])
        body = b"".join(bytes([number, len(text)]) + text for number, text in objects.items())
        return bytes([0x2B, 0x0E, code, 0x81, 0, 0, len(objects)]) + body
