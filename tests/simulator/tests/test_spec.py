# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The fleet file: what is accepted, and one clear line for what is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from metersim import packages, spec, tables

GOOD: dict[str, Any] = {"name": "m1", "model": "PM5560", "firmware": "2.7.8"}
FLEETS = Path(__file__).parents[1] / "fleets"


def one(**change: Any) -> dict[str, Any]:
    """A fleet of one meter with something changed."""
    return {"meters": [{**GOOD, **change}]}


BAD = [
    ([], "must be a mapping"),
    ({}, "'meters' must be a list"),
    ({"meters": ["x"]}, "each meter must be a mapping"),
    ({"speed": 2, "meters": [GOOD]}, "unknown key 'speed'"),
    ({"clock_factor": 0, "meters": [GOOD]}, "clock_factor"),
    ({"ports": {"snmp": 22}, "meters": [GOOD]}, "unknown key 'snmp'"),
    ({"ports": {"http": 99999}, "meters": [GOOD]}, "port number"),
    ({"first_address": "here", "meters": [GOOD]}, "first_address"),
    ({"control": {"port": "x"}, "meters": [GOOD]}, "control: port"),
    (one(name="a b"), "meter name"),
    (one(model="PM9999"), "unknown model"),
    (one(firmware="2.7"), "firmware"),
    (one(colour="red"), "unknown key 'colour'"),
    (one(ip_mode="maybe"), "ip_mode"),
    (one(http_auth="ntlm"), "http_auth"),
    (one(surface="z"), "surface"),
    (one(services=["snmp"]), "services"),
    (one(mid_lock=True), "no MID/MIR lock"),
    (one(attempts_used=-1), "attempts_used"),
    (one(unit_id=0), "unit_id"),
    (one(silence="long"), "silence"),
    (one(ftp="yes"), "ftp must be true or false"),
    (one(address="1.2.3"), "not an IPv4 address"),
    (one(accounts={"boss": {"user": "a", "password": "b"}}), "unknown role"),
    (one(accounts={"web_user": {"user": "a"}}), "needs exactly"),
    (one(faults={"F-99": {}}), "unknown fault"),
    (one(faults={"F-40": {"registers": ["x"]}}), "F-40"),
    (one(name="m[3:1]"), "upwards"),
    (one(name="m[1:3]", serial=5), "cannot be given for a range"),
    ({"meters": [GOOD, GOOD]}, "used twice"),
    ({"meters": [GOOD, {"name": "m2", "firmware": "2.7.8"}]}, "'model' is missing"),
]


@pytest.mark.parametrize(("raw", "words"), BAD, ids=[words for dummy, words in BAD])
def test_bad_files(raw: Any, words: str) -> None:
    with pytest.raises(spec.SpecError) as caught:
        spec.parse(raw)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ranges_addresses_and_serials() -> None:
    fleet = spec.parse({"first_address": "127.9.0.250", "meters": [{**GOOD, "name": "b[001:200]"}, {**GOOD, "address": "127.9.0.253"}]})
    assert len(fleet.meters) == 201
    assert fleet.meters[0].name == "b001" and fleet.meters[199].name == "b200"
    addresses = [meter.address for meter in fleet.meters]
    assert len(set(addresses)) == 201 and not any(address.endswith((".0", ".255")) for address in addresses)
    assert len({meter.serial for meter in fleet.meters}) == 201


def test_shipped_fleets_are_good() -> None:
    for path in FLEETS.glob("*.yml"):
        assert spec.load(path).meters
    demo = spec.load(FLEETS / "demo.yml")
    bands = {tables.band_of(meter.model).models for meter in demo.meters}
    assert len(demo.meters) >= 12 and len(bands) == 6


VERDICTS = [
    ("PM5560", "2.3.1", "2.9.9", True),
    ("PM5560", "2.9.9", "2.8.3", True),
    ("PM5560", "2.7.8", "2.10.0", False),
    ("PM5560", "2.7.8", "4.0.0", False),
    ("PM5560", "4.0.0", "4.3.5", False),
    ("PM5570", "3.1.4", "3.2.9", True),
    ("PM5570", "3.0.9", "3.2.9", False),
    ("PM5660", "3.2.9", "6.0.0", False),
    ("PM5650", "2.11.4", "2.12.9", True),
    ("PM5650", "2.9.9", "2.12.9", False),
    ("PM5561", "10.6.3", "10.9.9", True),
    ("PM5561", "10.6.2", "10.9.9", False),
    ("PM5561", "10.8.2", "10.8.2", False),
    ("PM5661", "11.0.0", "11.2.9", True),
    ("PM5761", "11.2.9", "14.0.0", False),
    ("PM5570L", "6.0.0", "6.1.0", False),
]


@pytest.mark.simulates("R-008", "R-012", "R-015", "R-019", "R-023", "R-026", "R-042")
@pytest.mark.parametrize(("model", "present", "target", "good"), VERDICTS)
def test_what_the_card_takes_over_ftp(model: str, present: str, target: str, good: bool) -> None:
    verdict = tables.ftp_verdict(model, tables.parse_version(present), tables.parse_version(target))
    assert (verdict == "") is good


@pytest.mark.parametrize(
    ("model", "version", "limit"),
    [
        ("PM5561", "10.6.2", None), ("PM5561", "10.6.3", 10), ("PM5561", "12.0.0", 25), ("PM5661", "11.0.0", 10), ("PM5761", "14.0.0", 25),
        ("PM5562", "4.3.4", None), ("PM5562MC", "4.3.5", 25), ("PM5560", "4.3.5", None),
    ],
)  # fmt: skip
def test_limits(model: str, version: str, limit: int | None) -> None:
    assert tables.attempt_limit(model, tables.parse_version(version)) == limit


def test_packages_are_judged() -> None:
    raw = packages.seal("firmware", ["PM5560"], "2.9.9", 5000)
    assert len(raw) == 5000
    assert packages.open_sealed(raw) == packages.Head("firmware", ("PM5560",), (2, 9, 9))
    for bad in (raw[:-1], raw[:2000] + b"\0" + raw[2001:], b"", b"hello" * 100):
        with pytest.raises(packages.PackageError):
            packages.open_sealed(bad)


WEB_ERRORS = [
    ({"web_login": "magic"}, "web_login must be one of normal, handshake"),
    ({"web_ports": {"ftp": 21}}, "web_ports must be a mapping of http and https"),
    ({"web_ports": {"http": 99999}}, "web_ports: http must be a port number"),
    ({"lockout": {"tries": 3}}, "lockout must be {tries: 5, seconds: 900} or null"),
    ({"missing_pages": "/x"}, "missing_pages must be a list of paths"),
    ({"update_time": -1}, "update_time must be a number of seconds"),
    ({"faults": {"F-31": {"mode": "odd"}}}, "option 'mode' must be one of tls1.0"),
    ({"faults": {"F-25": {"offset": "late"}}}, "must be a number of seconds"),
]


@pytest.mark.parametrize(("words", "error"), WEB_ERRORS)
def test_errors_of_the_web_words(words: dict[str, object], error: str) -> None:
    with pytest.raises(spec.SpecError, match=re.escape(error)):
        spec.parse({"meters": [{"name": "x", "model": "PM5560", "firmware": "4.3.5", **words}]})


@pytest.mark.simulates("R-011", "R-014", "R-017", "R-020", "R-153")
@pytest.mark.parametrize(
    ("verdict", "model", "present", "target", "good"),
    [
        (tables.tool_verdict, "PM5560", "2.5.0", "4.0.0", True),
        (tables.tool_verdict, "PM5560", "2.4.9", "4.0.0", False),
        (tables.tool_verdict, "PM5560", "2.9.9", "2.9.9", False),
        (tables.tool_verdict, "PM5560", "4.3.5", "4.4.0", False),
        (tables.tool_verdict, "PM5570", "3.2.9", "6.0.0", False),
        (tables.tool_verdict, "PM5650", "2.11.0", "4.10.0", True),
        (tables.tool_verdict, "PM5650", "2.12.9", "4.9.9", False),
        (tables.tool_verdict, "PM5561", "10.6.0", "12.0.0", True),
        (tables.tool_verdict, "PM5661", "11.2.9", "14.0.0", False),
        (tables.web_verdict, "PM5560", "2.9.9", "4.0.0", False),
        (tables.web_verdict, "PM5560", "4.3.5", "4.0.0", True),
        (tables.web_verdict, "PM5562", "4.3.5", "4.3.5", False),
        (tables.web_verdict, "PM5661", "14.0.1", "14.0.0", False),
        (tables.web_verdict, "PM5661", "14.0.1", "14.1.0", True),
        (tables.web_verdict, "PM5570L", "6.0.4", "6.1.0", True),
        (tables.web_verdict, "PM5570L", "6.0.4", "3.2.9", False),
        (tables.web_verdict, "PM5560", "4.3.5", "2.9.9", False),
    ],
)
def test_steps_with_a_package(verdict: object, model: str, present: str, target: str, good: bool) -> None:
    assert (not verdict(model, tables.parse_version(present), tables.parse_version(target))) == good  # type: ignore[operator]
