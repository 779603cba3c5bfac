# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A web server of plain sockets for tests: each request goes to a function, whose bytes are the answer, whatever they are."""

from __future__ import annotations

import datetime
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Request:
    """What a client sent; ``complete`` is False where it stopped before the announced length."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    complete: bool

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def page(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """A well-formed answer."""
    raw = body.encode() if isinstance(body, str) else body
    return "\r\n".join([f"HTTP/1.1 {status} x", f"Content-Length: {len(raw)}", "Connection: close", *headers, "", ""]).encode() + raw


def says(status: int = 200, *headers: str, **content: Any) -> bytes:
    """A JSON answer."""
    return page(status, json.dumps(content), "Content-Type: application/json", *headers)


@dataclass
class Server:
    """``answer`` makes bytes of a request; None closes the connection without a word. ``drip`` seconds lie between bytes of a body."""

    answer: Callable[[Request], bytes | None]
    context: ssl.SSLContext | None = None
    drip: float = 0.0
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Server:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # close alone waits for the thread in accept()
        self._socket.close()

    @property
    def paths(self) -> list[str]:
        return [f"{item.method} {item.path}" for item in self.requests]

    def _serve(self) -> None:
        while True:
            try:
                peer = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        peer.settimeout(5)
        try:
            with self.context.wrap_socket(peer, server_side=True) if self.context else peer as wire:
                request = _read(wire)
                if request is None:
                    return
                self.requests.append(request)
                answer = self.answer(request)
                if answer is not None:
                    self._send(wire, answer)
        except OSError:
            pass

    def _send(self, wire: socket.socket, answer: bytes) -> None:
        head, end, body = answer.partition(b"\r\n\r\n")
        if not self.drip:
            wire.sendall(answer)
            return
        wire.sendall(head + end)
        for byte in body:
            if self._over.wait(self.drip):
                return
            wire.sendall(bytes([byte]))


def _read(wire: socket.socket) -> Request | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = wire.recv(65536)
        if not piece:
            return None
        raw += piece
    head, dummy_end, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, dummy_colon, value in (line.partition(":") for line in lines[1:])}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        piece = wire.recv(65536)
        if not piece:
            break
        body += piece
    method, path = lines[0].split(" ")[:2]
    return Request(method, path, headers, body, len(body) == length)


def parts(request: Request) -> list[tuple[str, str, bytes]]:
    """(name, file name, content) of each part of a multipart form."""
    boundary = re.search(r"boundary=(\S+)", request.headers["content-type"])[1]  # type: ignore[index]
    found = []
    for part in request.body.split(b"--" + boundary.encode())[1:-1]:
        head, dummy_end, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)[1].decode()  # type: ignore[index]
        file = re.search(rb'filename="([^"]*)"', head)
        found.append((name, file[1].decode() if file else "", content.removesuffix(b"\r\n")))
    return found


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate: its file, which is its own authority, and the SHA-256 of it."""

    pem: Path
    fingerprint: str

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.pem)
        return made


def identity(folder: Path, name: str = "127.0.0.1", days: int = 30) -> Identity:
    """Certificate and key in one file; ``days`` below 0 make it one that has expired."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}-{days}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return Identity(pem, made.fingerprint(hashes.SHA256()).hex())
