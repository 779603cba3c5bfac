# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The meter's side of the tool interface, and what a meter is after it."""

from __future__ import annotations

from typing import Any

import pytest

from metersim import packages
from metersim.bench import Bench, Forms, Person

FLEET = {
    "clock_factor": 100,
    "defaults": {"update_time": 60, "restart_silence": 20},
    "meters": [
        {"name": "m1", "model": "PM5560", "firmware": "2.9.9"},
        {"name": "m2", "model": "PM5560", "firmware": "2.9.9", "keep_accounts": False, "surface": "b"},
        {"name": "low", "model": "PM5560", "firmware": "2.4.0"},
        {"name": "none", "model": "PM5570", "firmware": "3.2.9"},
        {"name": "new", "model": "PM5560", "firmware": "4.3.5", "surface": "b"},
        {"name": "mid", "model": "PM5561", "firmware": "10.9.0", "mid_lock": True},
        {"name": "ten", "model": "PM5561", "firmware": "10.9.0", "attempts_used": 9},
        {"name": "bad", "model": "PM5650", "firmware": "2.12.9"},
    ],
}
OLD = [{"user": "user1", "password": "pass1"}, {"user": "user2", "password": "pass2"}]


class Tool(Person):
    """The tool's half of the conversation."""

    ticket = ""

    def fw(self, method: str, path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
        """One request; status and JSON."""
        if body is not None and self.ticket:
            body["ticket"] = self.ticket
        answer = self.call(method, "/fwtool/" + path, json=body, **options)
        return answer.status_code, answer.json() if answer.content else None

    def open(self, accounts: list[dict[str, str]]) -> Any:
        """Sign in."""
        status, answer = self.fw("POST", "open", {"tool": "3.8", "accounts": accounts})
        self.ticket = answer.get("ticket", "")
        return status, answer

    def check(self, model: str, version: str) -> str:
        """The status text."""
        return str(self.fw("POST", "check", {"package": {"models": [model], "version": version}})[1]["status"])

    def upgrade(self, bench: Bench, model: str, version: str, **options: Any) -> Any:
        """Send and start."""
        path = bench.sedp(model, version, **options)
        headers = {"X-Ticket": self.ticket, "X-File-Name": path.name}
        assert self.fw("PUT", "image", data=path.read_bytes(), headers=headers)[0] == 200
        return self.fw("POST", "start", {})


def tool(bench: Bench, name: str, scheme: str = "http", accounts: Any = None) -> Tool:
    """A tool that is signed in."""
    found = Tool(bench.ip(name), ("", ""), scheme)
    assert found.open(accounts or OLD)[0] == 200
    return found


@pytest.mark.simulates("R-011", "R-088")
@pytest.mark.parametrize("name", ["m1", "m2"])
def test_old_meter_becomes_a_new_one(bench: Bench, name: str) -> None:
    meter, link = bench.meter(name), tool(bench, name)
    assert link.check("PM5560", "4.3.5") == "Firmware upgrade applicable"
    assert link.upgrade(bench, "PM5560", "4.3.5") == (202, {"status": "Upgrading"})
    progress = link.fw("GET", "progress", headers={"X-Ticket": link.ticket})[1]
    assert (progress["state"], progress["status"]) == ("running", "Upgrading")
    assert Tool(bench.ip(name), ("", ""), "http").open(OLD)[1]["error"] == "busy"
    assert meter.wait("upgrade_done")["ok"] and meter.events("trigger_accepted")[0]["method"] == "tool"
    link.base = f"https://{link.address}"
    progress = link.fw("GET", "progress", headers={"X-Ticket": link.ticket})[1]
    assert (progress["state"], progress["status"], progress["version"]) == ("done", "Upgrade Completed", "4.3.5")
    state = meter.state()
    assert (state["generation"], state["attempts"], state["ftp"]) == ("new", 1, True)
    login = bench.fleet.hosts()[name]["metering_credentials"]["administrator"]
    assert (login["user"] == "user2") == (name == "m1")
    person = bench.browser(name, (login["user"], login["password"]))
    status = person.status()
    assert (status["version"] if isinstance(person, Forms) else status["to"]) == "4.3.5"
    person.upload(bench.sedp("PM5560", "4.4.0"))
    assert person.apply().ok and meter.wait("upgrade_done", count=2)["ok"]


def test_what_the_meter_says_before(bench: Bench) -> None:
    assert tool(bench, "low").check("PM5560", "4.3.5") == "Upgrade from this version is not supported"
    assert tool(bench, "none").check("PM5570", "6.0.1") == "Upgrade from this version is not supported"
    assert tool(bench, "bad").check("PM5650", "2.12.9") == "Firmware version already present"
    assert tool(bench, "bad").check("PM5560", "4.3.5") == "Firmware not compatible with this product"
    assert tool(bench, "mid").check("PM5561", "12.0.1") == "MID/MIR lock is enabled"
    user, password = bench.administrator("new")
    master = {"user": user, "password": password}
    link = tool(bench, "new", "https", [master, master])
    assert link.check("PM5560", "4.4.0") == "Use the webpages for this firmware"
    link = Tool(bench.ip("low"), ("", ""), "http")
    assert link.open([OLD[0], {"user": "user2", "password": "Canary-x"}]) == (
        401,
        {"error": "login", "status": "Login failed: Product Master"},
    )
    assert link.open([OLD[1], OLD[1]])[1]["status"] == "Login failed: Web Master"
    assert link.fw("POST", "start", {})[0] == 401 and link.fw("GET", "nothing")[0] == 404
    assert "Canary" not in str(bench.meter("low").events())


@pytest.mark.simulates("R-096", "R-043")
def test_refusals_and_failures(bench: Bench) -> None:
    assert tool(bench, "mid").upgrade(bench, "PM5561", "12.0.1")[1]["error"] == "lock"
    link = tool(bench, "bad")
    link.upgrade(bench, "PM5650", "4.10.2", corrupt="flip")
    assert not bench.meter("bad").wait("upgrade_done")["ok"]
    progress = link.fw("GET", "progress", headers={"X-Ticket": link.ticket})[1]
    assert (progress["state"], "invalid or corrupted" in progress["status"]) == ("failed", True)
    assert bench.meter("bad").state()["attempts"] == 1 and not bench.meter("bad").events("silence_begin")
    link.upgrade(bench, "PM5650", "4.10.2")
    assert bench.meter("bad").wait("upgrade_done", count=2)["ok"]
    link = tool(bench, "ten")
    link.upgrade(bench, "PM5561", "12.0.1")
    assert bench.meter("ten").wait("upgrade_done")["ok"]
    state = bench.meter("ten").state()
    assert (state["attempts"], state["attempts_limit"]) == (10, 25)
    assert tool(bench, "none").upgrade(bench, "PM5570", "6.0.1")[0] == 202
    assert not bench.meter("none").wait("upgrade_done")["ok"]


def test_manifest_entries(tmp_path: Any) -> None:
    manifest = packages.write(tmp_path, [("PM5560", "4.3.5")], size=5000, methods=("web", "tool"), tool="3.7")
    text = manifest.read_text()
    assert "pm5560-4.3.5-web" in text and "tool:\n    version: '3.7'" in text
    path = tmp_path / "pm5560-4.3.5-sedp" / "PM5560_v4.3.5.sedp"
    head = packages.open_signed(path)
    assert (head.models, head.tool, head.name, path.stat().st_size) == (("PM5560",), "3.7", path.name, 5000)
    with pytest.raises(packages.PackageError, match="signature"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        packages.open_signed(path)
