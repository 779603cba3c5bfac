# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Maintenance windows: whether work may start now, how long it may last, and when the next one opens (F-25). Pure.

A window is named by the day it opens on and by local time; the zone decides what that means when clocks are changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..base.errors import InputError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AHEAD_DAYS = 15


@dataclass(frozen=True)
class Window:
    """From ``begin`` to ``end`` local time; an end that is not after the begin is on the next day."""

    days: frozenset[str]
    begin: time
    end: time
    zone: str

    def on(self, day: datetime) -> tuple[datetime, datetime]:
        """Opening and closing as instants, for the calendar day of ``day``."""
        zone = ZoneInfo(self.zone)
        opens = datetime.combine(day.date(), self.begin, zone)
        last = day.date() + (timedelta(days=1) if self.end <= self.begin else timedelta())
        return opens.astimezone(UTC), datetime.combine(last, self.end, zone).astimezone(UTC)


@dataclass(frozen=True)
class Opening:
    """Whether work of the asked length may start. ``seconds_left`` is None without windows; ``next_opening`` is ISO text."""

    open: bool
    text: str
    seconds_left: float | None = None
    next_opening: str = ""


def check_windows(given: Sequence[Mapping[str, object]]) -> tuple[Window, ...]:
    """Windows from a campaign file, whose form the schema checked. Raises InputError for a zone or a time that is none."""
    return tuple(_window(number, item) for number, item in enumerate(given))


def _window(number: int, item: Mapping[str, object]) -> Window:
    zone = str(item["zone"])
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"windows.{number}.zone", zone, "the name of a time zone, such as Europe/Zurich", "F-25") from None
    days = item.get("days", DAYS)
    names = days if isinstance(days, (list, tuple)) else [days]
    begin, end = (_time(f"windows.{number}.{name}", item[name]) for name in ("from", "to"))
    return Window(frozenset(str(day) for day in names), begin, end, zone)


def _time(option: str, value: object) -> time:
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise InputError(option, value, "a time of day between quotes, such as '22:00'", "F-25") from None


def look(windows: Sequence[Window], now: float, needed: float) -> Opening:
    """Whether work that may last ``needed`` seconds may start at ``now`` (seconds since 1970)."""
    if not windows:
        return Opening(True, "no window is set")
    moment = datetime.fromtimestamp(now, UTC)
    spans = _merged(windows, moment)
    current = next(((opens, closes) for opens, closes in spans if opens <= moment < closes), None)
    coming = next((opens for opens, closes in spans if opens > moment and (closes - opens).total_seconds() >= needed), None)
    told = _local(coming, windows[0].zone) if coming else ""
    after = f"the next one that is long enough opens {told}" if told else f"no window of {needed:.0f} s opens in the next two weeks"
    if current is None:
        return Opening(False, f"the maintenance window is closed; {after}", 0.0, told)
    left = (current[1] - moment).total_seconds()
    if left < needed:
        text = f"the maintenance window closes in {left:.0f} s and a batch may need {needed:.0f} s; {after}"
        return Opening(False, text, left, told)
    return Opening(True, f"the maintenance window is open for another {left:.0f} s", left, told)


def _merged(windows: Sequence[Window], moment: datetime) -> list[tuple[datetime, datetime]]:
    """The openings around and after a moment, those that touch joined to one."""
    spans = []
    for window in windows:
        local = moment.astimezone(ZoneInfo(window.zone))
        for offset in range(-1, _AHEAD_DAYS):
            day = local + timedelta(days=offset)
            if DAYS[day.weekday()] in window.days:
                spans.append(window.on(day))
    joined: list[tuple[datetime, datetime]] = []
    for opens, closes in sorted(span for span in spans if span[0] < span[1]):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    return joined


def _local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") + f" ({zone})"
