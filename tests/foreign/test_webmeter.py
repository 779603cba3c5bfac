# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The foreign meter keeps to its manual (FOREIGN.md). This proves nothing about the collection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from webmeter import ForeignMeter, parcel


class Visitor:
    """Somebody who has read the manual."""

    def __init__(self, meter: ForeignMeter) -> None:
        self.meter = meter
        scheme = "https" if meter.tls else "http"
        self.base = f"{scheme}://{meter.address}:{meter.ports[scheme]}/desk/"
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = False
        self.ticket = self.guard = ""

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Ticket {self.ticket}"} if self.ticket else {}
        if method != "GET":
            headers["X-Guard"] = self.guard
        answer = self.http.request(method, self.base + path, headers=headers, timeout=10, allow_redirects=False, **options)
        self.ticket = answer.headers.get("X-Next-Ticket", self.ticket)
        self.guard = answer.headers.get("X-Guard", self.guard)
        return answer

    def ring(self, account: dict[str, str], phrase: str = "") -> dict[str, Any]:
        self.ticket = ""
        self.call("GET", "lobby")
        body = {"caller": account["user"], "phrase": phrase or account["password"], "door": "front"}
        return dict(self.call("POST", "doorbell.do", json=body).json())

    def deliver(self, raw: bytes, name: str = "PM5560_v4.4.0.sedp") -> dict[str, Any]:
        return dict(self.call("POST", "parcels", data={"shelf": "software"}, files={"parcel": (name, raw)}).json())


@pytest.fixture
def meter() -> Iterator[ForeignMeter]:
    with ForeignMeter(clock_factor=100) as running:
        yield running


def release(meter: ForeignMeter) -> list[int] | None:
    """Registers 1638 to 1640, None while nothing answers."""
    with ModbusTcpClient(meter.address, port=meter.ports["modbus"], timeout=2, retries=0) as client:
        try:
            return list(client.read_holding_registers(1637, count=3, device_id=255).registers)
        except ModbusException:
            return None


def test_signing_in_with_rotating_ticket_and_guard(meter: ForeignMeter) -> None:
    user = Visitor(meter)
    assert user.ring(meter.keeper) == {"outcome": "welcome", "rank": "keeper"}
    first = user.ticket
    badge = user.call("GET", "badge")
    assert badge.json() == {"badge": {"caller": "miller", "rank": "keeper"}} and badge.headers["Content-Encoding"] == "gzip"
    assert user.ticket not in ("", first)
    old, user.ticket = user.ticket, first
    assert user.call("GET", "badge").status_code == 401
    user.ticket, guard, user.guard = old, user.guard, "wrong"
    assert user.call("POST", "sheets/wires", data={"file_door": "open"}).status_code == 403
    assert user.guard != guard and "Kept." in user.call("POST", "sheets/wires", data={"file_door": "open"}).text
    assert "<td>open</td>" in user.call("GET", "sheets/wires").text
    assert "Not kept: file_door." in user.call("POST", "sheets/wires", data={"file_door": "ajar"}).text
    assert user.call("GET", "facts.json").json()["unit"]["release"] == "4.3.5" and user.call("GET", "motto.txt").text == "measure twice\n"
    assert user.call("POST", "leave.do").json() == {"outcome": "goodbye"}
    assert [event["kind"] for event in meter.events() if event["kind"] != "request"] == [
        "login",
        "ticket_refused",
        "guard_refused",
        "kept",
        "leave",
    ]


def test_refused_logins(meter: ForeignMeter) -> None:
    user = Visitor(meter)
    user.guard = "none"
    assert user.call("POST", "doorbell.do", json={}).json()["outcome"] == "stale"
    assert [user.ring(meter.keeper, "wrong")["outcome"] for dummy in range(3)] == ["unknown"] * 3
    barred = user.ring(meter.keeper)
    assert barred == {"outcome": "barred", "say": "This caller is barred for 10 minutes.", "minutes": 10}
    meter.take_chairs(2)
    assert user.ring(meter.visitor)["outcome"] == "crowded"


def test_odd_pages(meter: ForeignMeter) -> None:
    user = Visitor(meter)
    user.ring(meter.visitor)
    nothing = user.call("GET", "nothing/here")
    assert nothing.status_code == 200 and "<title>No such sheet</title>" in nothing.text
    moved = user.call("GET", "renewal/")
    assert (moved.status_code, moved.headers["Location"]) == (302, "latest")
    assert '<p class="verdict">never done</p>' in user.call("GET", "renewal/latest").text
    assert user.call("POST", "sheets/wires", data={"file_door": "open"}).status_code == 403
    meter.look_after(True)
    assert "<title>Please wait</title>" in user.call("GET", "badge").text
    meter.look_after(False)
    assert user.call("GET", "badge").json()["badge"]["rank"] == "visitor"


def test_renewal(meter: ForeignMeter, tmp_path: Path) -> None:
    user = Visitor(meter)
    user.ring(meter.keeper)
    assert user.call("POST", "renewal/decision", json={"decision": "now"}).json() == {"outcome": "declined", "say": "nothing on the shelf"}
    entry = meter.package(tmp_path, "4.4.0")
    raw = (tmp_path / "kdesk" / entry["files"][0]["name"]).read_bytes()
    assert user.deliver(raw[:-1])["say"] == "the seal is broken" and user.deliver(raw, "x.bin")["outcome"] == "returned"
    assert user.call("PUT", "parcels/PM5560_v4.4.0.sedp", data=iter([raw[:1000], raw[1000:]])).json()["octets"] == len(raw)
    assert user.deliver(raw)["outcome"] == "shelved"
    assert meter.events("delivered")[-1]["sha256"] == entry["files"][0]["sha256"]
    assert user.call("POST", "renewal/decision", json={"decision": "now"}).json() == {"outcome": "begun"}
    assert user.call("GET", "badge").status_code == 401
    meter.wait("task", count=2)
    user.ring(meter.keeper)
    page = user.call("GET", "renewal/latest").text
    assert '<p class="verdict">under way</p>' in page and "<h2>Renewal to 4.4.0</h2>" in page
    assert re.search(r"<li>seal: <b>settled</b> <i>all of it</i><s></s></li>", page) and '<p class="since">20' not in page
    assert release(meter) == [4, 3, 5]
    meter.wait("silence_begin")
    assert release(meter) is None or meter.events("silence_end")
    meter.wait("renewed")
    assert release(meter) == [4, 4, 0] and meter.state["verdict"] == "renewed" and meter.state["attempts"] == 1
    assert not meter.events("violation")


@pytest.mark.parametrize(("version", "fail", "remark"), [("4.3.4", "", "wrong desk"), ("4.4.0", "kernel gave up", "kernel gave up")])
def test_spoiled_renewal(meter: ForeignMeter, version: str, fail: str, remark: str) -> None:
    meter.fail(fail)
    user = Visitor(meter)
    user.ring(meter.keeper)
    user.deliver(parcel("PM5560", version))
    user.call("POST", "renewal/decision", json={"decision": "now"})
    assert meter.wait("renewed")["ok"] is False
    user.ring(meter.keeper)
    page = user.call("GET", "renewal/latest").text
    assert f"renewal went wrong: {remark}" in page and "<b>broken</b>" in page and f"<s>{remark}</s>" in page
    assert meter.state["release"] == "4.3.5"


def test_sealed_web() -> None:
    with ForeignMeter(tls=True) as meter, pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        user = Visitor(meter)
        assert user.ring(meter.visitor) == {"outcome": "welcome", "rank": "visitor"} and len(meter.fingerprint) == 64
        with pytest.raises(requests.ConnectionError):
            requests.get(user.base.replace("https", "http") + "lobby", timeout=5)


def test_identity(meter: ForeignMeter) -> None:
    with ModbusTcpClient(meter.address, port=meter.ports["modbus"]) as client:
        words = client.read_holding_registers(49, count=20, device_id=255).registers
        assert client.convert_from_registers(words, client.DATATYPE.STRING).rstrip("\0") == "PM5560"
        assert client.read_holding_registers(5679, count=1, device_id=255).exception_code == 2
        assert client.read_holding_registers(49, count=1, device_id=1).exception_code == 11
        assert client.write_register(100, 1, device_id=255).exception_code == 1 and meter.events("modbus_write")
        answer = client.read_device_information(read_code=1, device_id=255)
        assert answer.information[1] == b"METSEPM5560" and answer.information[2] == b"4.3.501"
        year = client.read_holding_registers(1836, count=1, device_id=255).registers
        assert year == [meter.wall().year]
