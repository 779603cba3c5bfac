# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Lockouts: one count for each user and protocol; they outlive every restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

# Which setting holds for a protocol. ION and secure ION are one (documented).
LIMITS = {"ion": "lockout_ion", "modbus": "lockout_modbus", "web": "lockout_web", "sftp": "lockout_sftp", "ssh": "lockout_ssh"}
LIKE = {"ion_tls": "ion", "ftp": "sftp", "telnet": "ssh"}
PROTOCOLS = (*LIMITS, "ftp", "telnet")


@dataclass
class Count:
    """One user on one protocol."""

    failed: int = 0
    total: int = 0
    until: float = 0.0
    last_wrong: str = ""
    last_at: float = 0.0


class Lockouts:
    """All counts of one meter."""

    def __init__(self, meter: HepMeter, now: Callable[[], float]) -> None:
        self._meter = meter
        self._now = now
        self._counts: dict[tuple[str, str], Count] = {}

    @staticmethod
    def _protocol(protocol: str) -> str:
        return "ion" if protocol == "ion_tls" else protocol

    def _count(self, user: str, protocol: str) -> Count:
        return self._counts.setdefault((user, self._protocol(protocol)), Count())

    def locked(self, user: str, protocol: str) -> bool:
        """Whether this user is locked there now; a lockout that is over is noted."""
        count = self._count(user, protocol)
        if not count.until:
            return False
        if self._now() < count.until:
            return True
        count.until, count.failed = 0.0, 0
        self._meter.record("unlocked", user=user, protocol=self._protocol(protocol))
        self._meter.log(4, user, "lockout over")
        return False

    def good(self, user: str, protocol: str) -> None:
        """A login worked."""
        count = self._count(user, protocol)
        count.failed, count.last_wrong = 0, ""

    def wrong(self, user: str, protocol: str, password: str) -> None:
        """A login failed; may lock the user."""
        count = self._count(user, protocol)
        protocol = self._protocol(protocol)
        settings = self._meter.settings
        if protocol == "ion":
            # the documents: repeats of the same wrong pair count once within the session timeout
            again = password == count.last_wrong and self._now() - count.last_at < settings["session_timeout_ion"] * 60
            count.last_wrong, count.last_at = password, self._now()
            if again:
                return
        count.failed += 1
        count.total += 1
        limit = settings.get(LIMITS[LIKE.get(protocol, protocol)], 0)
        if limit and count.failed >= limit:
            self.lock(user, protocol, settings["lockout_duration"] * 60)

    def lock(self, user: str, protocol: str, seconds: float) -> None:
        """Lock a user for so many meter seconds."""
        self._count(user, protocol).until = self._now() + seconds
        self._meter.record("locked", user=user, protocol=self._protocol(protocol), seconds=seconds)
        self._meter.log(3, user, f"locked out on {self._protocol(protocol)}")

    def unlock(self, user: str, protocol: str) -> None:
        """Somebody sets it free."""
        count = self._count(user, protocol)
        count.until, count.failed = 0.0, 0
        self._meter.record("unlocked", user=user, protocol=self._protocol(protocol))

    def clear(self) -> None:
        """Forget all counts."""
        self._counts.clear()
        self._meter.record("lockouts_cleared")

    def shown(self) -> list[dict[str, Any]]:
        """For the control endpoint."""
        for user, protocol in list(self._counts):
            self.locked(user, protocol)
        return [
            {"user": user, "protocol": protocol, "failed": count.failed, "locked": bool(count.until), "total": count.total}
            for (user, protocol), count in sorted(self._counts.items())
            if count.failed or count.total or count.until
        ]
