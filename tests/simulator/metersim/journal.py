# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The meters' own account of what happened to them."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable
from typing import Any

from metersim.clock import FleetClock

Event = dict[str, Any]


class Journal:
    """Every event of a fleet in order, with one strictly increasing ``seq``."""

    def __init__(self, clock: FleetClock, limit: int = 2_000_000) -> None:
        self._clock = clock
        self._events: list[Event] = []
        self._by_meter: dict[str, list[Event]] = {}
        self._limit = limit
        self._seq = 0
        self.in_progress: set[str] = set()
        self.in_progress_max = 0
        self.connections_max: dict[str, int] = {}
        self.listener: Callable[[Event], None] | None = None

    def add(self, meter: str, kind: str, **fields: Any) -> Event:
        """Record one event. ``t`` is meter seconds, ``real`` is Unix time."""
        self._seq += 1
        event: Event = {"seq": self._seq, "t": round(self._clock.now(), 3), "real": time.time(), "meter": meter, "kind": kind, **fields}
        self._events.append(event)
        self._by_meter.setdefault(meter, []).append(event)
        if len(self._events) > self._limit:
            self._trim()
        if self.listener:
            self.listener(event)
        return event

    def _trim(self) -> None:
        """Forget the older half, so that a long run does not eat all memory."""
        self._events = self._events[self._limit // 2 :]
        first = self._events[0]["seq"]
        for name, events in self._by_meter.items():
            self._by_meter[name] = [event for event in events if event["seq"] >= first]

    def of(self, meter: str, after: int = 0) -> list[Event]:
        """Events of one meter with a higher ``seq`` than ``after``."""
        return self._cut(self._by_meter.get(meter, []), after)

    def all(self, after: int = 0) -> list[Event]:
        """Events of all meters with a higher ``seq`` than ``after``."""
        return self._cut(self._events, after)

    @staticmethod
    def _cut(events: list[Event], after: int) -> list[Event]:
        return events[bisect.bisect_right(events, after, key=lambda event: event["seq"]) :]

    def begin_progress(self, meter: str) -> None:
        """An upgrade was accepted by this meter."""
        self.in_progress.add(meter)
        self.in_progress_max = max(self.in_progress_max, len(self.in_progress))

    def end_progress(self, meter: str) -> None:
        """That upgrade is over, well or badly."""
        self.in_progress.discard(meter)

    def connections(self, meter: str, count: int) -> None:
        """Remember the most Modbus connections a meter had at once."""
        if count > self.connections_max.get(meter, 0):
            self.connections_max[meter] = count

    def peaks(self) -> dict[str, Any]:
        """The figures of the control endpoint's ``/peaks``."""
        return {
            "in_progress": len(self.in_progress),
            "in_progress_max": self.in_progress_max,
            "in_progress_meters": sorted(self.in_progress),
            "connections_max": dict(self.connections_max),
        }
