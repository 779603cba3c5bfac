# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter's web server and FTP server say to somebody who is not signed in. Nothing secret is ever sent here.

One request, one answer: no redirect is followed, no login is answered, and the meter's certificate is looked at but not
judged, since there is nothing to protect yet.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ..base.errors import InputError

_BODY_LIMIT = 1 << 16
_BANNER_LIMIT = 512


@dataclass(frozen=True)
class Answer:
    """One anonymous answer; ``error`` says in a few words why there is none."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    error: str = ""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")[:200]


def starts_upgrade(address: str) -> bool:
    """Whether this is the page that starts an upgrade, however it is spelled (R-062)."""
    try:
        seen = unquote(unquote(urlsplit(address).path)).lower()
    except ValueError:
        return False
    return "startupgrade" in seen


def refuse_trigger(path: str, option: str) -> None:
    """Raise InputError for the page that starts an upgrade (R-062)."""
    if starts_upgrade(path):
        raise InputError(option, path, "a page that only shows something; this one starts an upgrade", "R-062")


def look(host: str, port: int, path: str, secure: bool, seconds: float) -> Answer:
    """GET ``path`` without a login. Never raises for what a device does; InputError for the trigger page."""
    refuse_trigger(path, "path")
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=_any_certificate())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"User-Agent": "gridops.metering", "Connection": "close"})
        answer = connection.getresponse()
        text = answer.read(_BODY_LIMIT).decode("utf-8", errors="replace")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
    except TimeoutError:
        return Answer(error="no answer in time")
    except ssl.SSLError as error:
        return Answer(error=f"TLS: {error.reason or 'failed'}".lower().replace("_", " "))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(error="refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__)
    finally:
        connection.close()


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ftp_banner(host: str, port: int, seconds: float) -> tuple[str, str]:
    """(the greeting, why there is none). Says goodbye at once; no user name is sent."""
    try:
        with socket.create_connection((host, port), seconds) as sock:
            sock.settimeout(seconds)
            data = b""
            while b"\n" not in data and len(data) < _BANNER_LIMIT:
                piece = sock.recv(_BANNER_LIMIT - len(data))
                if not piece:
                    break
                data += piece
            sock.sendall(b"QUIT\r\n")
    except TimeoutError:
        return "", "no greeting in time"
    except OSError as error:
        return "", "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__
    line = data.decode("utf-8", errors="replace").strip()
    return " ".join(line.split())[:200], "" if line else "an empty greeting"
