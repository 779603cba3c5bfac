# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""An operator's login helper for meters that agree a key at login (tests/simulator/SURFACE.md, section 10, both surfaces).

Reads one JSON object on standard input: ``host``, ``user``, ``password``, and if given ``scheme`` (https), ``port``, ``fingerprint`` (SHA-256
of the certificate, hex; without it any certificate is taken) and ``timeout``. Writes ``{"cookies": {...}, "headers": {...}}`` to standard
output. Exit status 1 and one line on standard error when there is no session; the password is in no output. Standard library only.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import http.client
import json
import re
import ssl
import sys
import urllib.parse
from http.cookies import SimpleCookie
from typing import Any

PORTS = {"https": 443, "http": 80}


class Refused(Exception):
    """No session, and why."""


class Meter:
    """One meter's web server; keeps the cookies."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.scheme = str(order.get("scheme") or "https")
        self.port = int(order.get("port") or PORTS[self.scheme])
        self.host = str(order["host"])
        self.timeout = float(order.get("timeout") or 15)
        tls = order.get("tls") or {}
        self.fingerprint = str(order.get("fingerprint") or tls.get("fingerprint") or "").replace(":", "").lower()
        self.cookies: dict[str, str] = {}

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, str]:
        """Status and text. Every request has a connection of its own, so the certificate is looked at each time."""
        headers = {"Content-Type": kind} if kind else {}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = self._connect()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
            return answer.status, answer.read(1_000_000).decode("utf-8", "replace")
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self.scheme == "http":
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # self-signed; the fingerprint decides
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=context)
        connection.connect()
        if self.fingerprint:
            seen = hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(seen, self.fingerprint):
                connection.close()
                raise Refused("the meter's certificate is not the one that was agreed")
        return connection


def prove(password: str, nonce: str) -> str:
    """What the meter's own page computes."""
    return hmac.new(password.encode(), nonce.encode(), hashlib.sha256).hexdigest()


def forms(meter: Meter, user: str, password: str) -> dict[str, Any]:
    """Surface a: hidden fields of the login form, a cookie as the result."""
    status, page = meter.call("GET", "/login.html")
    fields = {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}
    if status != 200 or "csrf_token" not in fields:
        raise Refused(f"no login page (status {status})")
    words = {"csrf_token": fields["csrf_token"], "username": user}
    if "nonce" in fields:
        words |= {"nonce": fields["nonce"], "proof": prove(password, fields["nonce"])}
    else:
        words["password"] = password
    body = urllib.parse.urlencode(words).encode()
    status, page = meter.call("POST", "/login.html", body, "application/x-www-form-urlencoded")
    if status != 302:
        told = re.search(r'<p id="error">([^<]*)</p>', page)
        raise Refused(html.unescape(told[1]) if told else f"the login was answered with status {status}")
    return {"cookies": meter.cookies, "headers": {}}


def api(meter: Meter, user: str, password: str, nonce: str) -> dict[str, Any]:
    """Surface b: JSON, a token as the result (and the cookie that its requests need)."""
    body = json.dumps({"login": user, "nonce": nonce, "proof": prove(password, nonce)}).encode()
    status, text = meter.call("POST", "/api/v1/auth", body, "application/json")
    answer = json.loads(text)
    if status != 200:
        raise Refused(str(answer.get("error", {}).get("text", f"status {status}")))
    return {"cookies": meter.cookies, "headers": {"Authorization": f"Bearer {answer['token']}"}}


def login(order: dict[str, Any]) -> dict[str, Any]:
    """Find out which surface it is and log in once."""
    meter = Meter(order)
    user, password = str(order["user"]), str(order["password"])
    status, text = meter.call("GET", "/api/v1/auth/challenge")
    if status == 200:
        return api(meter, user, password, str(json.loads(text)["nonce"]))
    meter.cookies.clear()
    return forms(meter, user, password)


def main() -> int:
    try:
        print(json.dumps(login(json.load(sys.stdin))))
    except Refused as exc:
        print(f"login helper: {exc}", file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError, http.client.HTTPException) as exc:
        print(f"login helper: no session ({type(exc).__name__})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
