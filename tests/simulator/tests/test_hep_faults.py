# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Faults of simulated HEP meters: locked already, password changes that go wrong, another tool that writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from metersim.bench import Bench
from metersim.hep.bench import HepBench, JsonClient

OPEN = {"settings": {"web_programming": True, "lockout_web": 3}}
FLEET = {
    "clock_factor": 100,
    "meters": [
        {"name": "forms", "model": "ION9000", "firmware": "3.0.0", "hep": {"mode": "advanced", **OPEN}},
        {"name": "json", "model": "PM8000", "firmware": "4.0.0", "surface": "hep-b", "hep": {"mode": "advanced", **OPEN}},
        {"name": "locked", "model": "ION9000", "firmware": "3.0.0", "faults": {"F-26": {"user": "USER1", "protocol": "web"}}},
    ],
}
CASES = [("lost_reply", True, True), ("lost_request", True, False), ("ignored", False, False), ("refused", False, False)]


@pytest.fixture(scope="module")
def hep(bench: Bench) -> Iterator[HepBench]:
    yield HepBench(bench.fleet, bench.folder)


def works(hep: HepBench, name: str, password: str) -> bool:
    """Whether this is the password of USER1 now; a wrong one must not lock anybody."""
    if name == "json":
        good = JsonClient(hep, name, password=password).opened.status_code == 200
    else:
        good = hep.web(name, "/setup/session.html", auth=("USER1", password)).status_code == 200
    hep.meter(name).action("clear_lockouts")
    hep.meter(name).action("end_sessions")
    return good


def change(hep: HepBench, name: str, old: str, new: str) -> Any:
    if name == "json":
        return JsonClient(hep, name, password=old).call("PATCH", "/api/users/USER1", {"password": new})
    return hep.form(name, "password", ("USER1", old), password=new)


@pytest.mark.simulates("F-27", "R-198")
@pytest.mark.parametrize("name", ["forms", "json"])
def test_a_password_change_that_goes_wrong(hep: HepBench, name: str) -> None:
    now = "0"
    for number, (mode, cut, taken) in enumerate(CASES):
        new = f"Ca-{number}!"
        hep.meter(name).faults({"F-27": {"mode": mode}})
        if cut:
            with pytest.raises(requests.ConnectionError):
                change(hep, name, now, new)
        else:
            answer = change(hep, name, now, new)
            assert answer in (
                ("done", (200, {"name": "USER1"})) if mode == "ignored" else ("password_form", (422, {"error": "password_form"}))
            )
        assert (works(hep, name, now), works(hep, name, new)) == (not taken, taken), mode
        now = new if taken else now
    change(hep, name, now, "Ca-9!")
    assert works(hep, name, "Ca-9!")
    change(hep, name, "Ca-9!", "0")
    assert works(hep, name, "0")
    assert not any("Ca-" in str(event) for event in hep.meter(name).events())


@pytest.mark.simulates("F-38", "R-320")
def test_another_tool_writes_in_between(hep: HepBench) -> None:
    hep.meter("json").faults({"F-38": {"values": {"lockout_ion": 9}, "skip": 1}})
    person = JsonClient(hep, "json")
    first = person.call("GET", "/api/security")[1]
    second = person.call("GET", "/api/security")[1]
    assert first["revision"] == second["revision"]
    assert person.call("PATCH", "/api/security", {"session_timeout": 5}, **{"If-Match": str(second["revision"])}) == (
        409,
        {"error": "revision"},
    )
    assert person.call("GET", "/api/security")[1]["lockout"]["ion"] == 9
    assert person.patch({"session_timeout": 5})[0] == 200
    hep.meter("forms").faults({"F-38": {}})
    assert (hep.table("forms")["event_cutoff"], hep.table("forms")["event_cutoff"]) == ("5", "6")
    assert hep.meter("forms").events("setting_written")[-1]["by"] == "other tool"


@pytest.mark.simulates("F-26")
def test_locked_already(hep: HepBench) -> None:
    assert hep.web("locked", "/setup/session.html", auth=("USER1", "0")).status_code == 401
    assert hep.meter("locked").lockouts()["USER1", "web"]["locked"]
    hep.meter("locked").faults({})
    hep.meter("locked").action("unlock_user", user="USER1", protocol="web")
    assert hep.web("locked", "/setup/session.html", auth=("USER1", "0")).status_code == 200
