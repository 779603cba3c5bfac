# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The meter's clock, the activation scheduler and the event logs."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metersim.mcs301.meter import Mcs301

ENTRIES = 100
Entry = tuple[bytes, bytes]  # time (4), date (5)


def date_time(moment: datetime, zone: int) -> bytes:
    """UTC as the 12 octets of local time; the deviation is from local time to UTC."""
    local = moment + timedelta(minutes=zone)
    parts = [local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second, local.microsecond // 10000]
    return local.year.to_bytes(2, "big") + bytes(parts) + (-zone).to_bytes(2, "big", signed=True) + b"\x00"


def from_date_time(raw: bytes, zone: int) -> datetime:
    """The other way round. Raises ValueError."""
    if len(raw) != 12:
        raise ValueError("not a date-time")
    deviation = int.from_bytes(raw[9:11], "big", signed=True)
    hundredths = 0 if raw[8] == 0xFF else raw[8]
    local = datetime(int.from_bytes(raw[:2], "big"), raw[2], raw[3], raw[5], raw[6], raw[7], hundredths * 10000, tzinfo=UTC)
    return local + timedelta(minutes=-zone if deviation == -0x8000 else deviation)


def check_entry(entry: Entry) -> bool:
    """Whether the meter can work with this time and date."""
    time, date = entry
    if len(time) != 4 or len(date) != 5 or time[0] > 23 or time[1] > 59 or time[2] > 59:
        return False
    year, month, day, week = int.from_bytes(date[:2], "big"), date[2], date[3], date[4]
    return (
        (year == 0xFFFF or 2000 <= year < 2100)
        and month in (*range(1, 13), 0xFF)
        and day in (*range(1, 32), 0xFF)
        and week in (*range(1, 8), 0xFF)
    )


def next_due(entry: Entry, after: datetime, zone: int) -> datetime | None:
    """The first moment later than ``after`` at which an entry fires, in UTC."""
    time, date = entry
    year, month, day, week = int.from_bytes(date[:2], "big"), date[2], date[3], date[4]
    local = after + timedelta(minutes=zone)
    start = local.replace(hour=time[0], minute=time[1], second=time[2], microsecond=0 if time[3] > 99 else time[3] * 10000)
    if year != 0xFFFF and year > start.year:
        start = start.replace(year=year, month=1, day=1)
    for days in range(800):
        found = start + timedelta(days=days)
        fits = (
            year in (0xFFFF, found.year)
            and month in (0xFF, found.month)
            and day in (0xFF, found.day)
            and week in (0xFF, found.isoweekday())
        )
        if fits and found > local:
            return found - timedelta(minutes=zone)
    return None


class Calendar:
    """The meter's own clock: real time or the fleet's, and what somebody has set it wrong by."""

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter
        self.offset = 0.0

    @property
    def factor(self) -> float:
        """How fast it runs."""
        return self._meter.clock.factor if self._meter.spec.dlms.clock == "fleet" else 1.0

    def now(self) -> datetime:
        """What the clock says, in UTC."""
        fault = self._meter.faults.get("F-25")
        base = self._meter.clock.wall() if self._meter.spec.dlms.clock == "fleet" else datetime.now(UTC)
        return base + timedelta(seconds=self.offset + (fault["offset"] if fault else 0))

    def octets(self) -> bytes:
        """Attribute 2 of class 8."""
        return date_time(self.now(), self._meter.spec.dlms.time_zone)


class Scheduler:
    """Class 22: runs the script when the clock passes a time."""

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter
        self.entries: list[Entry] = []
        self._checked = datetime.now(UTC)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def write(self, entries: list[Entry]) -> None:
        """A new schedule; an empty one cancels."""
        if entries == self.entries:
            return
        self.entries = entries
        self._checked = self._meter.calendar.now()
        self._meter.record("schedule", entries=[time.hex() + "/" + date.hex() for time, date in entries])
        self._wake.set()
        if entries and self._task is None:
            self._task = self._meter.spawn(self._watch)

    def clock_moved(self) -> None:
        """Somebody has set the clock: what lies between fires now."""
        self._wake.set()

    def _due(self) -> datetime | None:
        found = [next_due(entry, self._checked, self._meter.spec.dlms.time_zone) for entry in self.entries]
        return min((moment for moment in found if moment), default=None)

    async def _watch(self) -> None:
        while self.entries:
            self._wake.clear()
            now, due = self._meter.calendar.now(), self._due()
            if due is not None and due <= now:
                self._checked = now
                self._fire()
                continue
            self._checked = max(self._checked, now) if now >= self._checked else now
            seconds = 3600.0 if due is None else min(3600.0, (due - now).total_seconds() / self._meter.calendar.factor)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.001, seconds))
        self._task = None

    def _fire(self) -> None:
        meter = self._meter
        meter.record("script", by="schedule")
        if meter.state in ("silent", "dead"):
            return
        meter.image.activate("schedule")


class Log:
    """An event log: class 7 with time and code."""

    def __init__(self) -> None:
        self.entries: list[tuple[datetime, int]] = []

    def add(self, moment: datetime, code: int) -> None:
        """One more event; the oldest goes when the log is full."""
        self.entries = [*self.entries, (moment, code)][-ENTRIES:]
