# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the options of meter_firmware mean: documented floors of waits, caps, and the clock factor."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock, clock_for
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._firmware import TIMINGS, check_rules

REAL, LOOPBACK = "192.0.2.10", ("127.0.0.1", "127.93.4.5", "::1", "localhost")


def options(**more: Any) -> dict[str, Any]:
    return {"version": "2.9.9", "artifacts": "/srv/firmware", "accept": [], "search": [], **more}


@pytest.mark.requirement("R-044", "R-064", "R-119", "R-143", "R-089", "R-092", "R-142", "R-149", "G-18")
def test_without_options_the_documented_numbers_hold() -> None:
    rules = check_rules(options(), REAL)
    assert dict(rules.waits) == {"settle": 60, "card_reset": 120, "resume": 40, "retry_hold": 300, "stall": 300, "hard_timeout": 1800}
    assert (rules.reserve, rules.retries, rules.cap, rules.clock_factor) == (1, 1, 1, 1.0)
    assert rules.lease_wait == constants.LEASE_WAIT.number


@pytest.mark.requirement("G-22", "R-064", "R-089", "R-142", "R-149")
@pytest.mark.parametrize("name", sorted(TIMINGS))
def test_a_documented_wait_may_be_longer_and_never_shorter(name: str) -> None:
    documented = TIMINGS[name].number
    for longer in (documented, documented + 1, documented * 10):
        rules = check_rules(options(timing={name: longer}), REAL)
        assert rules.waits[name] == longer
    for shorter in (documented - 0.001, 1, 0.001):
        with pytest.raises(InputError, match=rf"timing\.{name}.*G-22"):
            check_rules(options(timing={name: shorter}), REAL)


@pytest.mark.requirement("G-22")
@pytest.mark.parametrize("host", LOOPBACK)
def test_against_loopback_waits_may_be_shorter(host: str) -> None:
    assert check_rules(options(timing={"settle": 1}), host).settle == 1


@pytest.mark.requirement("G-22")
@pytest.mark.parametrize(
    "host", [REAL, "meter.example", "localhost.example", "128.0.0.1", "2001:db8::1", "127.0.0.1.example", "0177.0.0.1"]
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    with pytest.raises(InputError, match="G-22"):
        check_rules(options(timing={"settle": 1}), host)
    with pytest.raises(InputError, match="G-22"):
        clock_for(host, 60)
    assert clock_for(host, 1).factor == 1


@pytest.mark.requirement("G-22")
@pytest.mark.parametrize("name", [*sorted(TIMINGS), "lease_wait", "clock_factor"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
@pytest.mark.parametrize("host", ["127.0.0.1", REAL])
def test_a_wait_is_a_finite_number(name: str, value: float, host: str) -> None:
    """Found here: a wait that is not a number compares with nothing, so a settle of that kind did not wait at all."""
    with pytest.raises(InputError, match=rf"timing\.{name}"):
        rules = check_rules(options(timing={name: value}), host)
        clock_for(host, rules.clock_factor)


@pytest.mark.requirement("G-22")
@pytest.mark.parametrize("host", LOOPBACK)
def test_the_clock_factor_holds_for_loopback_only(host: str) -> None:
    assert clock_for(host, 60).factor == 60
    with pytest.raises(InputError, match="1 or more"):
        clock_for(host, 0.5)


def test_the_scaled_clock_runs_faster_and_the_wall_clock_does_not() -> None:
    fast, real = SystemClock(1000.0), SystemClock()
    begin = fast.monotonic()
    fast.pause(5)
    assert fast.monotonic() - begin >= 5
    assert abs(fast.time() - real.time()) < 60


@pytest.mark.requirement("G-18", "R-044", "R-092")
@pytest.mark.parametrize(
    ("name", "good", "bad", "rule"),
    [
        ("concurrency", (1, 10), (0, 11, -1), "G-18"),
        ("retries", (0, 1), (-1, 2), "R-092"),
        ("attempts_reserve", (0, 25), (-1, 26), "R-044"),
    ],
)
def test_numbers_have_bounds(name: str, good: tuple[int, ...], bad: tuple[int, ...], rule: str) -> None:
    for value in good:
        check_rules(options(**{name: value}), REAL)
    for value in bad:
        with pytest.raises(InputError, match=f"{name}: {value} .*{rule}"):
            check_rules(options(**{name: value}), REAL)


@pytest.mark.requirement("R-032")
def test_networks_have_a_common_bound() -> None:
    assert check_rules(options(search=["10.0.0.0/23", "10.1.0.0/23"]), REAL).search == ("10.0.0.0/23", "10.1.0.0/23")
    for given in (["10.0.0.0/21"], ["10.0.0.0/22", "10.1.0.1/32"], ["2001:db8::/64"], ["10.0.0.0/33"], ["x"]):
        with pytest.raises(InputError, match="search"):
            check_rules(options(search=given), REAL)


@pytest.mark.requirement("R-043")
def test_attestations_without_a_value_are_none() -> None:
    assert check_rules(options(attest={"mid_lock": None, "attempts_used": 3}), REAL).attest == {"attempts_used": 3}
    with pytest.raises(InputError, match="R-043"):
        check_rules(options(attest={"attempts_used": -1}), REAL)


def image(**more: Any) -> dict[str, Any]:
    return options(**{"family": "mcs301", "version": "020500020001", "activate": "now", "service": "unicast", **more})


@pytest.mark.requirement("R-204", "R-212", "R-216", "R-228")
def test_options_of_an_image_transfer() -> None:
    rules = check_rules(image(version="hex:0205 0002 0001", component=0, activate="at", activate_at="2026-11-22T02:30:00+01:00"), REAL)
    assert (rules.version, rules.component, rules.activate) == ("020500020001", 0, "at")
    assert rules.activate_at == "2026-11-22T01:30:00+00:00"
    assert check_rules(image(expect={"versions": ["0205AA"]}), REAL).expect["versions"] == ["0205aa"]


@pytest.mark.requirement("R-204", "R-216", "R-219", "R-220", "R-228", "G-20")
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (image(activate="at"), "activate_at: None"),
        (image(activate_at="2026-11-22T02:30:00+01:00"), "nothing without activate: at"),
        (image(activate="at", activate_at="2026-11-22T02:30:00"), "with its zone"),
        (image(activate="at", activate_at="tonight"), "with its zone"),
        (image(activate="at", activate_at="9999-12-31T23:59:59-14:00"), "with its zone"),
        (image(activate="at", activate_at="0001-01-01T00:00:00+14:00"), "with its zone"),
        (image(component=10), "R-216"),
        (image(component=-1), "R-216"),
        (image(service="multicast"), "multicast is for a later release"),
        (options(activate="never"), "only meters of the family mcs301"),
        (options(component=1), "only meters of the family mcs301"),
    ],
)
def test_what_an_image_transfer_does_not_take_is_refused_before_contact(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_rules(given, REAL)
