# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Maintenance windows by zone: days, midnight, changed clocks, and when the next one opens (F-25)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import windows

pytestmark = pytest.mark.requirement("F-25")
NIGHT = {"days": ["mon", "fri", "sat"], "from": "22:00", "to": "05:00", "zone": "Europe/Zurich"}


def at(text: str) -> float:
    """Seconds since 1970 of an ISO time; without an offset in UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def look(now: str, needed: float = 1800, *given: dict[str, Any]) -> windows.Opening:
    return windows.look(windows.check_windows(given or (NIGHT,)), at(now), needed)


def test_without_windows_work_may_always_start() -> None:
    assert windows.look((), 0.0, 1e9).open


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-20T22:00+01:00", 7),  # a Friday
        ("2026-11-21T04:29+01:00", 31 / 60),  # the next day, still Friday's window
        ("2026-10-24T22:00+02:00", 8),  # clocks go back in this night
        ("2026-03-28T22:00+01:00", 6),  # and forward in this one
    ],
)
def test_open_and_for_how_long(now: str, hours: float) -> None:
    opening = look(now)
    assert opening.open and opening.seconds_left == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    ("now", "following"),
    [
        ("2026-11-20T21:59+01:00", "2026-11-20T22:00+01:00"),
        ("2026-11-21T04:31+01:00", "2026-11-21T22:00+01:00"),  # open, and too short for a batch
        ("2026-11-21T05:00+01:00", "2026-11-21T22:00+01:00"),  # the end is not part of it
        ("2026-11-22T23:00+01:00", "2026-11-23T22:00+01:00"),  # a Sunday
        ("2026-03-28T12:00+01:00", "2026-03-28T22:00+01:00"),
        ("2026-10-25T06:00+01:00", "2026-10-26T22:00+01:00"),  # the first one in winter time
    ],
)
def test_closed_and_when_the_next_one_opens(now: str, following: str) -> None:
    opening = look(now)
    assert not opening.open and opening.next_opening == f"{following} (Europe/Zurich)" and following in opening.text


def test_windows_that_touch_are_one() -> None:
    days = {"from": "00:00", "to": "00:00", "zone": "UTC"}
    assert look("2026-11-21T23:59", 86_400, days).open
    halves = ({"from": "20:00", "to": "00:00", "zone": "UTC"}, {"from": "01:00", "to": "03:00", "zone": "Europe/Zurich"})
    assert look("2026-11-21T23:50", 7000, *halves).open


def test_a_window_that_is_too_short_never_opens() -> None:
    opening = look("2026-11-21T00:00", 1800, {"from": "00:00", "to": "00:10", "zone": "UTC"})
    assert not opening.open and opening.next_opening == "" and "no window of 1800 s" in opening.text


def test_an_hour_that_does_not_exist_opens_nothing() -> None:
    lost = {"days": ["sun"], "from": "02:30", "to": "03:30", "zone": "Europe/Zurich"}
    assert not look("2026-03-29T03:30+02:00", 60, lost).open
    assert look("2026-10-25T02:30+02:00", 60, lost).seconds_left == 7200


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"zone": "Mars/Base"}, "name of a time zone"),
        ({"zone": "../etc/passwd"}, "name of a time zone"),
        ({"from": "25:00"}, "time of day"),
        ({"to": 79_200}, "time of day"),
    ],
)
def test_bad_windows_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        windows.check_windows([{**NIGHT, **changed}])


MINUTE = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
ZONES = st.sampled_from(["UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"])
WINDOW = st.fixed_dictionaries(
    {"days": st.lists(st.sampled_from(windows.DAYS), min_size=1, unique=True), "from": MINUTE, "to": MINUTE, "zone": ZONES}
)


@given(st.lists(WINDOW, min_size=1, max_size=3), st.integers(1_700_000_000, 1_900_000_000), st.integers(1, 20_000))
def test_what_is_promised_is_kept(given_windows: list[dict[str, Any]], now: int, needed: int) -> None:
    """An open window stays open for the work; a closed one opens when it says, and then for long enough."""
    found = windows.check_windows(given_windows)
    opening = windows.look(found, now, needed)
    if opening.open:
        assert opening.seconds_left is not None and opening.seconds_left >= needed
        assert windows.look(found, now + needed - 1, 1).open
    elif opening.next_opening:
        then = at(opening.next_opening.partition(" ")[0])
        assert then > now and windows.look(found, then, needed).open
