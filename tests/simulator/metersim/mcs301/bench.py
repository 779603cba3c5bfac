# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A bare client for the simulator's own tests: says exactly what the test wants, right or wrong."""

from __future__ import annotations

import os
import socket
from typing import Any

from metersim.mcs301 import security
from metersim.mcs301.axdr import Reader, Value, decode, encode, length, octets, structure, u32
from metersim.testing import Fleet

ALL = 0x00FFFF  # every service of logical names
CONTEXT, MECHANISM = bytes.fromhex("608574050801"), bytes.fromhex("608574050802")
GLO = {0x01: 0x21, 0xC0: 0xC8, 0xC1: 0xC9, 0xC3: 0xCB}
BACK = {0x28: 0x08, 0xCC: 0xC4, 0xCD: 0xC5, 0xCF: 0xC7, 0xD4: 0xC4, 0xD5: 0xC5, 0xD7: 0xC7}


class Gone(Exception):
    """The meter has closed the connection."""


class Answer(Exception):
    """Something else than was asked for: an exception-response, an AARE with a refusal."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw.hex())
        self.raw = raw


def ln(text: str) -> bytes:
    """A logical name as octets."""
    return bytes(int(part) for part in text.replace("-", ".").replace(":", ".").split("."))


def ber(tag: int, body: bytes) -> bytes:
    """Tag, length, octets."""
    return bytes([tag]) + length(len(body)) + body


class Client:
    """One TCP connection to one meter."""

    def __init__(self, fleet: Fleet, name: str, client: int = 1, general: bool = False) -> None:
        host = fleet.hosts()[name]
        self.keys = {key: bytes.fromhex(text) for key, text in host["metering_dlms_keys"].items() if key != "lls"}
        self.lls = host["metering_dlms_keys"]["lls"].encode()
        self.title = bytes.fromhex(host["metering_dlms"]["system_title"])
        self.peer = b""
        self.client = client
        self.general = general
        self.counter = 1000
        self.control = 0
        self.dedicated = b""
        self.seen: list[int] = []
        self.sock = socket.create_connection((fleet.meter(name).state()["address"], host["metering_ports"]["dlms"]), 10)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *dummy: Any) -> None:
        self.sock.close()

    # -- wire ---------------------------------------------------------------------

    def send(self, raw: bytes) -> None:
        """One APDU in a wrapper."""
        head = (1, self.client, 1, len(raw))
        self.sock.sendall(b"".join(number.to_bytes(2, "big") for number in head) + raw)

    def receive(self) -> bytes:
        """The next APDU."""
        head = self._exactly(8)
        return self._exactly(int.from_bytes(head[6:], "big"))

    def _exactly(self, count: int) -> bytes:
        raw = b""
        while len(raw) < count:
            try:
                part = self.sock.recv(count - len(raw))
            except ConnectionError as exc:
                raise Gone from exc
            if not part:
                raise Gone
            raw += part
        return raw

    def ask(self, raw: bytes) -> bytes:
        """Send and receive as they are."""
        self.send(raw)
        return self.receive()

    # -- protection ------------------------------------------------------------------

    def protect(self, plain: bytes, control: int | None = None) -> bytes:
        """Wrap a request as this client is set."""
        self.counter += 1
        key = self.dedicated or self.keys["guek"]
        used = self.control if control is None else control
        body = security.protect(used, key, self.keys["gak"], self.title, self.counter, plain)
        if self.general:
            return bytes([0xDC if self.dedicated else 0xDB, 8]) + self.title + length(len(body)) + body
        tag = GLO[plain[0]] + (8 if self.dedicated else 0)
        return bytes([tag]) + length(len(body)) + body

    def unprotect(self, raw: bytes) -> bytes:
        """Unwrap an answer; notes its counter."""
        reader = Reader(raw)
        if reader.byte() in (0xDB, 0xDC):
            assert reader.string() == self.peer
        key = self.dedicated or self.keys["guek"]
        control, counter, plain = security.unprotect(key, self.keys["gak"], self.peer, reader.string())
        self.seen.append(counter)
        self.answered = control
        return plain

    def request(self, plain: bytes) -> bytes:
        """Ask with the present protection; an exception-response is raised."""
        answer = self.ask(self.protect(plain) if self.control else plain)
        if answer[:1] == b"\xd8":
            raise Answer(answer)
        return self.unprotect(answer) if self.control and answer[0] not in (0xC4, 0xC5, 0xC7) else answer

    # -- association --------------------------------------------------------------------

    def aarq(self, mechanism: int = 0, value: bytes = b"", context: int = 1, bits: int = ALL, pdu: int = 2048, version: int = 6) -> bytes:
        """Octets of an AARQ."""
        body = ber(0xA1, ber(6, CONTEXT + bytes([context])))
        if mechanism == 5 or context == 3:
            body += ber(0xA6, ber(4, self.title))
        if mechanism:
            body += b"\x8a\x02\x07\x80" + ber(0x8B, MECHANISM + bytes([mechanism])) + ber(0xAC, ber(0x80, value))
        dedicated = b"\x01" + length(len(self.next_dedicated)) + self.next_dedicated if self.next_dedicated else b"\x00"
        initiate = (
            b"\x01" + dedicated + b"\x00\x00" + bytes([version]) + b"\x5f\x1f\x04\x00" + bits.to_bytes(3, "big") + pdu.to_bytes(2, "big")
        )
        if context == 3 and self.control:
            initiate = self.protect(initiate)
        return ber(0x60, body + ber(0xBE, ber(4, initiate)))

    next_dedicated = b""

    def open(self, **options: Any) -> dict[int, bytes]:
        """Send an AARQ; the parts of the AARE by tag. A refusal is raised."""
        answer = self.ask(self.aarq(**options))
        if answer[0] != 0x61:
            raise Answer(answer)
        parts = {}
        reader = Reader(answer)
        reader.byte()
        inner = Reader(reader.string())
        while inner.left():
            tag = inner.byte()
            parts[tag] = inner.string()
        if parts[0xA2] != b"\x02\x01\x00":
            raise Answer(answer)
        if 0xA4 in parts:
            self.peer = parts[0xA4][2:]
        info = parts[0xBE][2:]
        parts[0] = self.unprotect(info) if info[0] != 0x08 else info
        self.dedicated = self.next_dedicated
        return parts

    def public(self) -> Client:
        """Client 16."""
        self.client = 16
        self.open()
        return self

    def low(self, **options: Any) -> Client:
        """LLS."""
        self.open(**{"mechanism": 1, "value": self.lls, **options})
        return self

    def high(self, control: int = 0x30, reuse: bool = False, **options: Any) -> Client:
        """HLS-GMAC with pass 3 and 4; with ``reuse`` the APDU around the proof has the proof's counter."""
        self.control = control
        ctos = os.urandom(16)
        parts = self.open(**{"mechanism": 5, "value": ctos, "context": 3, **options})
        stoc = parts[0xAA][2:]
        assert len(stoc) == 16 and stoc != ctos
        proof = security.gmac(self.keys["guek"], self.keys["gak"], self.title, self.counter + 1, stoc)
        self.counter += 0 if reuse else 1
        result = self.action(15, "0-0:40.0.0.255", 1, octets(proof))
        assert isinstance(result, Value), result
        security.check_gmac(self.keys["guek"], self.keys["gak"], self.peer, result.content, ctos)
        return self

    # -- services ---------------------------------------------------------------------------

    def get(self, class_id: int, name: str, index: int = 2, selection: bytes = b"\x00") -> Any:
        """A value's content, or the result when it is none; blocks are put together."""
        answer = self.request(b"\xc0\x01\xc1" + class_id.to_bytes(2, "big") + ln(name) + bytes([index]) + selection)
        raw = b""
        while answer[1] == 2:
            reader = Reader(answer[3:])
            last, number = reader.byte(), reader.number(4)
            assert reader.byte() == 0, answer.hex()
            raw += reader.string()
            if last:
                return decode(raw)
            answer = self.request(b"\xc0\x02\xc1" + number.to_bytes(4, "big"))
        assert answer[:3] == b"\xc4\x01\xc1", answer.hex()
        return decode(answer[4:]) if answer[3] == 0 else answer[4]

    def set(self, class_id: int, name: str, index: int, value: Value) -> int:
        """The result."""
        answer = self.request(b"\xc1\x01\xc1" + class_id.to_bytes(2, "big") + ln(name) + bytes([index, 0]) + encode(value))
        assert answer[:3] == b"\xc5\x01\xc1"
        return answer[3]

    def action(self, class_id: int, name: str, index: int, value: Value) -> Any:
        """The result, or the value that came with success."""
        answer = self.request(b"\xc3\x01\xc1" + class_id.to_bytes(2, "big") + ln(name) + bytes([index, 1]) + encode(value))
        return self.done(answer)

    @staticmethod
    def done(answer: bytes) -> Any:
        """Result of an ACTION-response-normal."""
        assert answer[:3] == b"\xc7\x01\xc1", answer.hex()
        return decode(answer[6:]) if answer[3] == 0 and answer[4] == 1 else answer[3]

    # -- image transfer ------------------------------------------------------------------------

    IMAGE = "0-0:44.0.0.255"

    def initiate(self, raw: bytes, identifier: bytes = b"image") -> int:
        """Method 1."""
        return int(self.action(18, self.IMAGE, 1, structure(octets(identifier), u32(len(raw)))))

    def block(self, raw: bytes, number: int, size: int) -> int:
        """Method 2."""
        return int(self.action(18, self.IMAGE, 2, structure(u32(number), octets(raw[number * size : (number + 1) * size]))))

    def upload(self, raw: bytes, identifier: bytes = b"image") -> None:
        """Initiate and all blocks."""
        assert self.initiate(raw, identifier) == 0
        size = self.get(18, self.IMAGE, 2).content
        for number in range(-(-len(raw) // size)):
            assert self.block(raw, number, size) == 0

    def status(self) -> int:
        """Attribute 6."""
        return int(self.get(18, self.IMAGE, 6).content)
