# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The one clock and the one waiter.

Durations are in *meter seconds*. Against real meters these are real seconds; against loopback addresses a factor
may make them shorter (G-22), so that tests observe documented waits without sitting through them.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from .errors import DeadlineError, InputError

T = TypeVar("T")


class Clock(Protocol):
    """What the engine knows of time."""

    def monotonic(self) -> float:
        """Meter seconds since an arbitrary start; never goes back."""

    def time(self) -> float:
        """Wall clock, seconds since 1970 (never scaled)."""

    def pause(self, seconds: float) -> None:
        """Let this many meter seconds pass."""


class SystemClock:
    """The operating system's clock; ``factor`` meter seconds pass in one real second."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def monotonic(self) -> float:
        return time.monotonic() * self.factor

    def time(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.factor)


def clock_for(host: str, factor: float) -> SystemClock:
    """The clock for a meter; a factor other than 1 is honoured only for loopback addresses (G-22)."""
    if factor == 1:
        return SystemClock()
    if factor < 1:
        raise InputError("timing.clock_factor", factor, "1 or more", "G-22")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise InputError("timing.clock_factor", factor, f"1, because {host} is not a loopback address", "G-22")
    return SystemClock(factor)


class Waiter:
    """Polls a condition until it holds or its deadline passes. The only place of the engine that waits."""

    def __init__(self, clock: Clock, on_tick: Callable[[], None] | None = None) -> None:
        self.clock = clock
        self._on_tick = on_tick

    def until(self, state: str, condition: Callable[[], T | None], seconds: float, interval: float | Callable[[], float] = 1.0) -> T:
        """The first value of ``condition`` that is not None; ``interval`` may change from one look to the next.

        Raises DeadlineError when ``seconds`` meter seconds pass without one.
        """
        deadline = self.clock.monotonic() + seconds
        while True:
            if self._on_tick is not None:
                self._on_tick()
            value = condition()
            if value is not None:
                return value
            left = deadline - self.clock.monotonic()
            if left <= 0:
                raise DeadlineError(state, seconds)
            pause = interval() if callable(interval) else interval
            self.clock.pause(min(pause, left))

    def hold(self, seconds: float, interval: float = 5.0) -> None:
        """Let a documented wait pass in full, ticking meanwhile."""
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            if self._on_tick is not None:
                self._on_tick()
            self.clock.pause(min(interval, left))
