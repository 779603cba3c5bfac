# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A meter of a few lines on a loopback port: octets written by hand, ciphers by the library's other interface.

It shares nothing with the client under test; the tests bend it where a meter must be refused.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

EK, AK = bytes(range(0x20, 0x30)), bytes(range(0x70, 0x80))
CLIENT_TITLE, METER_TITLE = b"CLT\x00\x00\x00\x00\x01", b"MCS\x04`\xbc\x61\x4e"
CHALLENGE = b"StoC-of-16-octet"
CLOSE = b""
GLO_ANSWER = {0x08: 0x28, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF}
CONFORMANCE = bytes.fromhex("403e1d")  # bits 1, 10 to 14, 19 to 21, 23


def gcm(key: bytes, title: bytes, counter: int, text: bytes, covered: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and tag of 12 octets."""
    work = Cipher(algorithms.AES(key), modes.GCM(title + counter.to_bytes(4, "big"))).encryptor()
    work.authenticate_additional_data(covered)
    out = work.update(text) + work.finalize()
    return out, work.tag[:12]


def ber(tag: int, content: bytes, long_form: bool = False) -> bytes:
    if long_form:
        return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content
    return bytes((tag,)) + size(len(content)) + content


def size(count: int) -> bytes:
    if count < 128:
        return bytes((count,))
    return b"\x81" + bytes((count,)) if count < 256 else b"\x82" + count.to_bytes(2, "big")


class HandMeter:
    """Answers associations, proofs and whatever ``answers`` holds; attributes are its screws.

    ``answers`` are APDUs in the clear, one for each request after the association, or callables from request to APDU.
    """

    def __init__(self) -> None:
        self.mode = "hls"  # none, lls, hls
        self.sc = 0x30
        self.general = False
        self.title: bytes | None = METER_TITLE
        self.challenge: Callable[[bytes], bytes] = lambda ours: CHALLENGE
        self.result, self.diagnostic, self.provider = 0, None, False
        self.password = b"Canary-lls"
        self.counter = 0x1000
        self.pdu = 1224
        self.conformance = CONFORMANCE
        self.long_form = False
        self.answers: list[bytes | Callable[[bytes], bytes]] = []
        self.public: list[bytes] = []
        self.twist_aare: Callable[[bytes], bytes] = lambda raw: raw
        self.twist_proof: Callable[[bytes], bytes] = lambda raw: raw
        self.twist: Callable[[bytes, bytes], bytes] = lambda sealed, plain: sealed
        self.requests: list[bytes] = []  # in the clear
        self.wire: list[bytes] = []  # as they came
        self.counters: list[int] = []
        self.releases = 0
        self.associations = 0
        self.clients: list[int] = []
        self.fault: Exception | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; whatever the client sent before was read by then."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(6)

    def _serve(self) -> None:
        while True:
            try:
                peer = self._socket.accept()[0]
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                try:
                    self._talk(peer)
                except (OSError, EOFError):
                    pass
                except Exception as exc:  # a test that fails should say why
                    self.fault = exc

    def _talk(self, peer: socket.socket) -> None:
        while True:
            head = self._exactly(peer, 8)
            version, client, server, length = (int.from_bytes(head[at : at + 2], "big") for at in (0, 2, 4, 6))
            if version != 1:
                raise ValueError("another version of the wrapper")
            apdu = self._exactly(peer, length)
            self.wire.append(apdu)
            answer = self._answer(apdu, client)
            if answer == CLOSE:
                return
            if answer[:4] == b"RAW:":  # without a head of ours
                peer.sendall(answer[4:])
                continue
            peer.sendall(b"\x00\x01" + server.to_bytes(2, "big") + client.to_bytes(2, "big") + len(answer).to_bytes(2, "big") + answer)

    @staticmethod
    def _exactly(peer: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = peer.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    # -- what it answers ----------------------------------------------------------------------------------------------

    def _answer(self, apdu: bytes, client: int) -> bytes:
        if apdu[0] == 0x60:
            self.associations += 1
            self.clients.append(client)
            return self._aare(apdu, public=client == 16)
        if apdu[0] == 0x62:
            self.releases += 1
            protected = _fields(apdu).get(0xBE)
            if protected:
                self.open(protected[2:])
            return bytes.fromhex("6303800100")
        if client == 16:
            self.requests.append(apdu)
            return self.public.pop(0) if self.public else bytes.fromhex("c401") + bytes((apdu[2],)) + bytes.fromhex("0103")
        plain = self.open(apdu) if apdu[0] >= 0xC8 else apdu
        self.requests.append(plain)
        if plain[3:12] == bytes.fromhex("000f0000280000ff01") and plain[0] == 0xC3:
            return self.seal(self._pass4(plain))
        answer = self.answers.pop(0)
        made = answer(plain) if callable(answer) else answer
        if made in (CLOSE,) or made[:4] == b"RAW:":
            return made
        return self.twist(self.seal(made) if apdu[0] >= 0xC8 else made, made)

    def _aare(self, aarq: bytes, public: bool) -> bytes:
        hls, ciphered = self.mode == "hls" and not public, self.sc and not public
        fields = _fields(aarq)
        ours = fields.get(0xAC, b"")[2:]
        diagnostic = self.diagnostic if self.diagnostic is not None else 14 if hls else 0
        result = self.result
        if self.mode == "lls" and not public and ours != self.password:
            result, diagnostic = 1, 13
        content = bytes.fromhex("a109060760857405080101" if not ciphered else "a109060760857405080103")
        content += b"\xa2\x03\x02\x01" + bytes((result,))
        content += b"\xa3\x05" + (b"\xa2" if self.provider else b"\xa1") + b"\x03\x02\x01" + bytes((diagnostic,))
        if self.title and not public:
            content += ber(0xA4, ber(0x04, self.title))
        if hls:
            content += bytes.fromhex("88020780890760857405080205") + ber(0xAA, ber(0x80, self.challenge(ours)))
        initiate = bytes.fromhex("0800065f1f0400") + self.conformance + self.pdu.to_bytes(2, "big") + bytes.fromhex("0007")
        if ciphered:
            self.open(fields[0xBE][2:])
            initiate = self.seal(initiate, general=False)
        content += ber(0xBE, ber(0x04, initiate, self.long_form), self.long_form)
        return self.twist_aare(ber(0x61, content, self.long_form))

    def _pass4(self, plain: bytes) -> bytes:
        proof = plain[15:32]
        dummy, tag = gcm(EK, CLIENT_TITLE, int.from_bytes(proof[1:5], "big"), b"", b"\x10" + AK + self.challenge(self._ours()))
        if plain[12:15] != b"\x01\x09\x11" or proof[:1] != b"\x10" or proof[5:] != tag:
            return b"\xc7\x01" + plain[2:3] + b"\x03\x00"
        self.counters.append(int.from_bytes(proof[1:5], "big"))
        self.counter += 1
        number = self.counter
        dummy, tag = gcm(EK, METER_TITLE, number, b"", b"\x10" + AK + self._ours())
        mine = self.twist_proof(b"\x10" + number.to_bytes(4, "big") + tag)
        return b"\xc7\x01" + plain[2:3] + b"\x00\x01\x00\x09" + bytes((len(mine),)) + mine

    def _ours(self) -> bytes:
        aarq = next(raw for raw in reversed(self.wire) if raw[0] == 0x60)
        return _fields(aarq)[0xAC][2:]

    def seal(self, plain: bytes, sc: int | None = None, general: bool | None = None, counter: int | None = None) -> bytes:
        """``plain`` as this meter protects it."""
        sc = self.sc if sc is None else sc
        if not sc:
            return plain
        if counter is None:
            self.counter += 1
            counter = self.counter
        head = bytes((sc,)) + counter.to_bytes(4, "big")
        if sc & 0x30 == 0x30:
            text, tag = gcm(EK, METER_TITLE, counter, plain, bytes((sc,)) + AK)
        elif sc & 0x10:
            text, tag = plain, gcm(EK, METER_TITLE, counter, b"", bytes((sc,)) + AK + plain)[1]
        else:
            text, tag = gcm(EK, METER_TITLE, counter, plain, b"")[0], b""
        body = head + text + tag
        if self.general if general is None else general:
            return b"\xdb\x08" + METER_TITLE + size(len(body)) + body
        return bytes((GLO_ANSWER[plain[0]],)) + size(len(body)) + body

    def open(self, apdu: bytes) -> bytes:
        """The client's APDU in the clear; its counter is kept."""
        at = 10 if apdu[0] == 0xDB else 1
        at += 1 if apdu[at] < 128 else apdu[at] - 127
        sc, counter, body = apdu[at], int.from_bytes(apdu[at + 1 : at + 5], "big"), apdu[at + 5 :]
        self.counters.append(counter)
        if sc & 0x30 == 0x10:
            plain, tag = body[:-12], body[-12:]
            made = gcm(EK, CLIENT_TITLE, counter, b"", bytes((sc,)) + AK + plain)[1]
        elif sc & 0x30 == 0x20:
            return gcm(EK, CLIENT_TITLE, counter, body, b"")[0]
        else:
            work = Cipher(algorithms.AES(EK), modes.GCM(CLIENT_TITLE + apdu[at + 1 : at + 5], body[-12:], min_tag_length=12)).decryptor()
            work.authenticate_additional_data(bytes((sc,)) + AK)
            return work.update(body[:-12]) + work.finalize()
        if made != tag:
            raise ValueError("the client's tag is wrong")
        return plain


def _fields(aarq: bytes) -> dict[int, bytes]:
    """The fields of an association request; all its lengths are below 128."""
    found, at = {}, 2
    while at < len(aarq):
        found[aarq[at]] = aarq[at + 2 : at + 2 + aarq[at + 1]]
        at += 2 + aarq[at + 1]
    return found


def got(data_hex: str) -> Callable[[bytes], bytes]:
    """A GET answer with this value."""
    return lambda request: b"\xc4\x01" + request[2:3] + b"\x00" + bytes.fromhex(data_hex)


def get_refused(code: int) -> Callable[[bytes], bytes]:
    return lambda request: b"\xc4\x01" + request[2:3] + b"\x01" + bytes((code,))


def acted(code: int, returned_hex: str = "") -> Callable[[bytes], bytes]:
    """An ACTION answer with this result."""
    back = b"\x01\x00" + bytes.fromhex(returned_hex) if returned_hex else b"\x00"
    return lambda request: b"\xc7\x01" + request[2:3] + bytes((code,)) + back


def written(code: int) -> Callable[[bytes], bytes]:
    return lambda request: b"\xc5\x01" + request[2:3] + bytes((code,))
