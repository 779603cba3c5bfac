# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a person with a laptop does to simulated HEP meters (for tests)."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path
from typing import Any

import requests

from metersim.testing import Fleet, MeterHandle

ADMIN = ("USER1", "0")


def holding(ip: str, port: int, pdu: bytes, unit: int = 255, wait: float = 5.0) -> bytes | None:
    """One Modbus request by hand; None when no answer comes."""
    with socket.create_connection((ip, port), 5) as sock:
        sock.settimeout(wait)
        sock.sendall(struct.pack(">HHHB", 1, 0, len(pdu) + 1, unit) + pdu)
        try:
            return sock.recv(600)[7:]
        except TimeoutError:
            return None


class HepBench:
    """The meters of one fleet."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder

    def meter(self, name: str) -> MeterHandle:
        """Shortcut."""
        return self.fleet.meter(name)

    def read(self, name: str, register: int, count: int = 1) -> list[int] | int:
        """Registers, or the exception code."""
        state = self.meter(name).state()
        answer = holding(state["address"], state["ports"]["modbus"], struct.pack(">BHH", 3, register - 1, count))
        assert answer
        return answer[1] if answer[0] & 0x80 else list(struct.unpack(f">{count}H", answer[2:]))

    def text(self, name: str, register: int, count: int) -> str:
        """Registers as text."""
        words = self.read(name, register, count)
        assert isinstance(words, list)
        return struct.pack(f">{count}H", *words).rstrip(b"\0").decode()

    def write(self, name: str, register: int, *values: int, wait: float = 5.0) -> int | None:
        """0, the exception code, or None when no answer comes."""
        state = self.meter(name).state()
        pdu = struct.pack(f">BHHB{len(values)}H", 16, register - 1, len(values), 2 * len(values), *values)
        answer = holding(state["address"], state["ports"]["modbus"], pdu, wait=wait)
        return None if answer is None else answer[1] if answer[0] & 0x80 else 0

    def url(self, name: str, path: str) -> str:
        """Where a page is."""
        state = self.meter(name).state()
        scheme = "http" if state["generation"] == "below 3" else "https"
        return f"{scheme}://{state['address']}:{state['ports'][scheme]}{path}"

    def web(self, name: str, path: str, method: str = "GET", **options: Any) -> requests.Response:
        """One web request; the certificate is the meter's own."""
        if self.url(name, path).startswith("https"):
            self.folder.mkdir(parents=True, exist_ok=True)
            pem = self.folder / f"{name}.pem"
            pem.write_text(self.meter(name).certificate()["pem"])
            options.setdefault("verify", str(pem))
        options["headers"] = {"Connection": "close", **options.get("headers", {})}  # the places are few
        return requests.request(method, self.url(name, path), timeout=10, allow_redirects=False, **options)

    def form(self, name: str, page: str, auth: tuple[str, str] | None = ADMIN, **fields: str) -> str:
        """Fill in and send a form of surface ``hep``; 'done', or the word of the refusal."""
        shown = self.web(name, f"/setup/{page}.html", auth=auth)
        found = re.search(r'name="token" value="(\w+)"', shown.text)
        token = found[1] if found else ""
        answer = self.web(name, f"/setup/{page}.html", "POST", auth=auth, data={"token": token, **fields})
        word = re.search(r'class="refused">([^<]*)<', answer.text)
        return word[1] if word else "done" if answer.status_code == 303 else str(answer.status_code)

    def table(self, name: str, auth: tuple[str, str] | None = ADMIN) -> dict[str, str]:
        """The settings as surface ``hep`` shows them."""
        page = self.web(name, "/setup/security.html", auth=auth).text
        return dict(re.findall(r"<tr><th>(\w+)</th><td>([^<]*)</td></tr>", page))


class JsonClient:
    """A signed-in user of surface ``hep-b``."""

    def __init__(self, bench: HepBench, name: str, user: str = "USER1", password: str = "0") -> None:
        self._bench = bench
        self._name = name
        self.opened = bench.web(name, "/api/session", "POST", json={"user": user, "password": password})
        self.cookies = dict(self.opened.cookies)
        self.csrf = self.opened.json().get("csrf", "")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and document."""
        answer = self._bench.web(self._name, path, method, json=body, cookies=self.cookies, headers={"X-CSRF": self.csrf, **headers})
        return answer.status_code, answer.json() if answer.content else None

    def patch(self, body: Any) -> tuple[int, Any]:
        """Change settings with the present revision."""
        dummy, shown = self.call("GET", "/api/security")
        return self.call("PATCH", "/api/security", body, **{"If-Match": str(shown["revision"])})
