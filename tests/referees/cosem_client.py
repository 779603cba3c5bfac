# SPDX-License-Identifier: MIT
# Copyright: (c) 2026, The gridops.metering authors
"""A run of the client of dlms-cosem: one JSON document in, one out. Runs in an environment of its own, never in that of the product.

In and out are those of ``gurux_client``. Two parts of the library are replaced: its TCP reader, which turns for ever when the peer
closes, and its log, which writes every message to stdout.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import time

OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

STARTED = time.process_time()
import structlog  # noqa: E402 - stdout is gone first
from dlms_cosem import cosem, enumerations, utils  # noqa: E402
from dlms_cosem.client import DlmsClient  # noqa: E402
from dlms_cosem.io import TcpTransport  # noqa: E402
from dlms_cosem.security import (  # noqa: E402
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    NoSecurityAuthentication,
)

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
IMPORT = time.process_time() - STARTED


class Wire:
    """A TCP connection whose end is an error."""

    def __init__(self, host: str, port: int) -> None:
        self.address, self.socket = (host, port), None

    def connect(self) -> None:
        self.socket = socket.create_connection(self.address, 10)
        self.socket.settimeout(10)

    def disconnect(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def recv(self, amount: int = 1) -> bytes:
        data = b""
        while len(data) < amount:
            piece = self.socket.recv(amount - len(data))
            if not piece:
                raise ConnectionError("closed by the meter")
            data += piece
        return data

    def recv_until(self, end: bytes) -> bytes:
        raise NotImplementedError(f"not used with TCP: {end!r}")


def make(job: dict) -> DlmsClient:
    """A client of this job; challenges of 16 octets, since some meters refuse the library's 32."""
    authentication = {
        "none": NoSecurityAuthentication,
        "lls": lambda: LowLevelSecurityAuthentication(secret=bytes.fromhex(job["password"])),
        "hls": lambda: HighLevelSecurityGmacAuthentication(challenge_length=16),
    }[job["auth"]]()
    keys = {}
    if job["auth"] == "hls":
        keys = {
            "encryption_key": bytes.fromhex(job["guek"]),
            "authentication_key": bytes.fromhex(job["gak"]),
            "client_system_title": bytes.fromhex(job["title"]),
            "client_initial_invocation_counter": job["counter"],
        }
    transport = TcpTransport(job["client"], job["server"], Wire(job["host"], job["port"]))
    return DlmsClient(transport, authentication, block_transfer=True, max_pdu_size=job.get("max_pdu", 1224), **keys)


def obis(text: str) -> cosem.Obis:
    return cosem.Obis(*(int(part) for part in text.split(".")))


def plain(value: object) -> object:
    """Octets as hex, the rest as JSON has it."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)


class Steps:
    """What a job may ask for."""

    def __init__(self, client: DlmsClient) -> None:
        self.client = client

    def read(self, step: dict) -> object:
        attribute = cosem.CosemAttribute(enumerations.CosemInterface(step["class"]), obis(step["ln"]), step["index"])
        return plain(utils.parse_as_dlms_data(self.client.get(attribute)))

    def upload(self, step: dict) -> object:
        with open(step["path"], "rb") as stream:
            image = stream.read()
        name, size = bytes.fromhex(step["identifier"]), step["block"]
        self._method(1, b"\x02\x02\x09" + bytes([len(name)]) + name + b"\x06" + len(image).to_bytes(4, "big"))
        before = time.process_time()
        blocks = range(0, len(image), size)
        for number, start in enumerate(blocks):
            piece = image[start : start + size]
            length = bytes([len(piece)]) if len(piece) < 128 else b"\x82" + len(piece).to_bytes(2, "big")
            self._method(2, b"\x02\x02\x06" + number.to_bytes(4, "big") + b"\x09" + length + piece)
        return {"blocks": len(blocks), "cpu": time.process_time() - before}

    def _method(self, index: int, data: bytes) -> object:
        interface = enumerations.CosemInterface.IMAGE_TRANSFER
        return self.client.action(cosem.CosemMethod(interface, obis("0.0.44.0.0.255"), index), data)

    def method(self, step: dict) -> object:
        interface = enumerations.CosemInterface(step["class"])
        return plain(self.client.action(cosem.CosemMethod(interface, obis(step["ln"]), step["index"]), b"\x0f\x00"))

    def release(self, dummy: dict) -> object:
        self.client.release_association()
        return None


def run(job: dict) -> list[dict]:
    client = make(job)
    try:
        client.connect()
        client.associate()
    except Exception as error:
        return [{"ok": False, "error": f"{type(error).__name__}: {error}"}]
    steps, results = Steps(client), [{"ok": True, "value": None}]
    for step in job["steps"]:
        try:
            results.append({"ok": True, "value": getattr(steps, step["do"])(step)})
        except Exception as error:
            results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
    client.disconnect()
    return results


def main() -> None:
    job = json.load(sys.stdin)
    if "pdus" in job or "make" in job:
        import cosem_codec

        results = cosem_codec.read_back(job["pdus"]) if "pdus" in job else cosem_codec.make(job["make"])
    else:
        results = run(job)
    json.dump({"results": results, "import": IMPORT, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}, OUT)
    OUT.flush()


if __name__ == "__main__":
    main()
