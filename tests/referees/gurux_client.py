# SPDX-License-Identifier: MIT
# Copyright: (c) 2026, The gridops.metering authors
"""A run of the client of gurux_dlms: one JSON document in, one out. Runs in an environment of its own, never in that of the product.

In: ``{host, port, client, server, auth, password, title, guek, gak, protection, general, counter, steps: [{do, ...}]}``, octets as
hex. Out: ``{results: [{ok, value | error}], cpu, rss}``. The library prints to stdout, so that goes nowhere.
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
from gurux_dlms import GXByteBuffer, GXDLMSTranslator, GXReplyData  # noqa: E402 - stdout is gone first
from gurux_dlms.enums import (  # noqa: E402
    Authentication,
    DataType,
    InterfaceType,
    ObjectType,
    Security,
    TranslatorOutputType,
)
from gurux_dlms.GXDLMSException import GXDLMSException  # noqa: E402
from gurux_dlms.objects import GXDLMSImageTransfer, GXDLMSObject  # noqa: E402
from gurux_dlms.secure import GXDLMSSecureClient  # noqa: E402

IMPORT = time.process_time() - STARTED
AUTH = {"none": Authentication.NONE, "lls": Authentication.LOW, "hls": Authentication.HIGH_GMAC}
PROTECTION = {
    "none": Security.NONE,
    "authenticated": Security.AUTHENTICATION,
    "encrypted": Security.ENCRYPTION,
    "authenticated_encrypted": Security.AUTHENTICATION_ENCRYPTION,
}


class Client:
    """One association over the TCP wrapper."""

    def __init__(self, job: dict) -> None:
        self.job = job
        password = bytes.fromhex(job.get("password", ""))
        self.dlms = GXDLMSSecureClient(
            True, job["client"], job["server"], AUTH[job["auth"]], password.decode("latin-1"), InterfaceType.WRAPPER
        )
        ciphering = self.dlms.ciphering
        ciphering.security = PROTECTION[job["protection"]]
        if job["auth"] == "hls":
            ciphering.systemTitle = bytes.fromhex(job["title"])
            ciphering.blockCipherKey = bytes.fromhex(job["guek"])
            ciphering.authenticationKey = bytes.fromhex(job["gak"])
            ciphering.invocationCounter = job["counter"]
            if job.get("general"):
                from gurux_dlms.enums import Conformance

                self.dlms.proposedConformance |= Conformance.GENERAL_PROTECTION
        if job.get("max_pdu"):
            self.dlms.maxReceivePDUSize = job["max_pdu"]
        self.socket = socket.create_connection((job["host"], job["port"]), 10)
        self.socket.settimeout(10)

    def ask(self, packets: object) -> GXReplyData:
        reply = GXReplyData()
        for packet in packets if isinstance(packets, list) else [packets]:
            reply.clear()
            self._one(packet, reply)
            while reply.isMoreData():
                self._one(self.dlms.receiverReady(reply), reply)
        return reply

    def _one(self, packet: bytes, reply: GXReplyData) -> None:
        self.socket.sendall(bytes(packet))
        received, notify = GXByteBuffer(), GXReplyData()
        while not self.dlms.getData(received, reply, notify):
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed by the meter")
            received.set(data)
        if reply.error:
            raise GXDLMSException(reply.error)

    def associate(self) -> None:
        self.dlms.parseAareResponse(self.ask(self.dlms.aarqRequest()).data)
        if self.dlms.getIsAuthenticationRequired():
            self.dlms.parseApplicationAssociationResponse(self.ask(self.dlms.getApplicationAssociationRequest()).data)

    # -- steps --------------------------------------------------------------------------------------------------------

    def read(self, step: dict) -> object:
        found = self.dlms.createObject(ObjectType(step["class"]))
        found.logicalName = step["ln"]
        reply = self.ask(self.dlms.read(found, step["index"]))
        return plain(self.dlms.updateValue(found, step["index"], reply.value))

    def objects(self, dummy: dict) -> object:
        reply = self.ask(self.dlms.getObjectsRequest())
        return sorted(f"{int(item.objectType)} {item.logicalName}" for item in self.dlms.parseObjects(reply.data, False))

    def write(self, step: dict) -> object:
        found = GXDLMSObject(ObjectType(step["class"]), step["ln"])
        found.setDataType(step["index"], DataType(step["type"]))
        self.ask(
            self.dlms._GXDLMSClient__write(step["ln"], step["value"], DataType(step["type"]), ObjectType(step["class"]), step["index"])
        )
        return None

    def upload(self, step: dict) -> object:
        """Initiate and all blocks by the plain method calls: the library's helper takes no binary identifier."""
        with open(step["path"], "rb") as stream:
            image = stream.read()
        name, size = bytes.fromhex(step["identifier"]), step["block"]
        transfer = GXDLMSImageTransfer("0.0.44.0.0.255")
        begin = GXByteBuffer()
        for part in (b"\x02\x02\x09", bytes([len(name)]), name, b"\x06", len(image).to_bytes(4, "big")):
            begin.set(part)
        self.ask(self.dlms.method(transfer, 1, begin.array(), DataType.STRUCTURE))
        before = time.process_time()
        blocks = range(0, len(image), size)
        for number, start in enumerate(blocks):
            piece = image[start : start + size]
            data = GXByteBuffer()
            length = bytes([len(piece)]) if len(piece) < 128 else b"\x82" + len(piece).to_bytes(2, "big")
            for part in (b"\x02\x02\x06", number.to_bytes(4, "big"), b"\x09", length, piece):
                data.set(part)
            self.ask(self.dlms.method(transfer, 2, data.array(), DataType.STRUCTURE))
        return {"blocks": len(blocks), "cpu": time.process_time() - before}

    def method(self, step: dict) -> object:
        found = self.dlms.createObject(ObjectType(step["class"]))
        found.logicalName = step["ln"]
        self.ask(self.dlms.method(found, step["index"], 0, DataType.INT8))
        return None

    def key(self, step: dict) -> object:
        """key_transfer of one key, wrapped under the KEK by the library."""
        from gurux_dlms.objects import GXDLMSSecuritySetup
        from gurux_dlms.objects.enums import GlobalKeyType

        setup = GXDLMSSecuritySetup("0.0.43.0.0.255")
        wanted = [(GlobalKeyType(step["id"]), bytes.fromhex(step["key"]))]
        self.ask(setup.globalKeyTransfer(self.dlms, bytes.fromhex(step["kek"]), wanted))
        return None

    def release(self, dummy: dict) -> object:
        self.ask(self.dlms.releaseRequest())
        return None


def plain(value: object) -> object:
    """Octets as hex, the rest as JSON has it."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, int, float, type(None))):
        return value
    return str(value)


def translate(job: dict) -> list[dict]:
    """PDUs as the library's XML; ``keys`` deciphers them."""
    results = []
    for item in job["pdus"]:
        translator = GXDLMSTranslator(TranslatorOutputType.SIMPLE_XML)
        translator.comments = False
        if job.get("guek"):
            translator.comments = True  # what was deciphered stands in a comment
            translator.security = Security.AUTHENTICATION_ENCRYPTION
            translator.blockCipherKey = bytes.fromhex(job["guek"])
            translator.authenticationKey = bytes.fromhex(job["gak"])
            translator.systemTitle = bytes.fromhex(job["title"])
        try:
            results.append({"ok": True, "value": translator.pduToXml(item)})
        except Exception as error:
            results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
    return results


def run(job: dict) -> list[dict]:
    results: list[dict] = []
    client = None
    try:
        client = Client(job)
        client.associate()
        results.append({"ok": True, "value": None})
    except Exception as error:
        return [{"ok": False, "error": f"{type(error).__name__}: {error}"}]
    for step in job["steps"]:
        try:
            results.append({"ok": True, "value": getattr(client, step["do"])(step)})
        except Exception as error:
            results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
    client.socket.close()
    return results


def main() -> None:
    job = json.load(sys.stdin)
    results = translate(job) if "pdus" in job else run(job)
    told = {"results": results, "import": IMPORT, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    json.dump(told, OUT)
    OUT.flush()


if __name__ == "__main__":
    main()
