# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The event log of a HEP meter, as its webpages show it."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

LENGTH = 500
LOGIN, INVALID_LOGIN, LOCKOUT, LOCKOUT_OVER = 1, 2, 3, 4
SETTING, USER_ADDED, USER_CHANGED, USER_REMOVED, PASSWORD, MODE = 10, 11, 12, 13, 14, 15
UPGRADE_BEGUN, UPGRADE_ENDED, POWER_DOWN, POWER_UP = 20, 21, 30, 31
OTHER_PRIORITY = 64
PRIORITIES = {LOGIN: "priority_login", INVALID_LOGIN: "priority_invalid_login", LOCKOUT: "priority_lockout"}


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    n: int
    time: str
    priority: int
    code: int
    user: str
    text: str


class EventLog:
    """The last events that are above the cut-off."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LENGTH)
        self._number = 0

    def add(self, when: datetime, code: int, user: str, text: str, settings: dict[str, Any]) -> None:
        """Write a line, unless its priority is too low."""
        priority = settings[PRIORITIES[code]] if code in PRIORITIES else OTHER_PRIORITY
        if priority == 0 or priority <= settings["event_cutoff"]:
            return
        self._number += 1
        self._entries.append(Entry(self._number, when.strftime("%Y-%m-%dT%H:%M:%SZ"), priority, code, user, text))

    def after(self, number: int) -> list[dict[str, Any]]:
        """Lines with a higher number, oldest first."""
        return [asdict(entry) for entry in self._entries if entry.n > number]
