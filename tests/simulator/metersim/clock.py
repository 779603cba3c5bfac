# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The clock of a fleet: meter seconds run ``factor`` times faster than real ones."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


class FleetClock:
    """One clock for all meters of a fleet, in seconds since the fleet started."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._start = time.monotonic()
        self._wall = datetime.now(UTC)

    def now(self) -> float:
        """Meter seconds since start."""
        return (time.monotonic() - self._start) * self.factor

    def wall(self) -> datetime:
        """What the meter's own calendar says (UTC)."""
        return self._wall + timedelta(seconds=self.now())

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many meter seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.factor)
