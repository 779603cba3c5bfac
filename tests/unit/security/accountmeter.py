# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A meter with accounts as the rotation of passwords sees it, written from wire-schneider.md 6.4: lockouts by account and protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError


class Killed(BaseException):
    """The run ends here, as by kill -9."""


class AccountMeter:
    """Passwords by account. ``limit`` failed logins lock an account on one protocol. ``fault`` is what happens to the next write."""

    def __init__(self, limit: int = 3, **passwords: str) -> None:
        self.passwords, self.limit = dict(passwords), limit
        self.failed: Counter[tuple[str, str]] = Counter()
        self.locked: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str, str]] = []
        self.refused: list[str] = []
        self.writes = 0
        self.fault = ""
        self.silent_logins = 0

    def login(self, account: str, protocol: str = "web") -> Callable[[str], None]:
        def attempt(secret: str) -> None:
            if self.silent_logins:
                self.silent_logins -= 1
                raise DeviceError("web_login", "transport_failed", "the connection ended")
            self.asked.append((account, protocol, secret))
            if (account, protocol) in self.locked:
                raise DeviceError("login", "locked_out", "the account is locked")
            if self.passwords.get(account) != secret:
                self.failed[account, protocol] += 1
                self.refused.append(secret)
                if self.limit and self.failed[account, protocol] >= self.limit:
                    self.locked.add((account, protocol))
                raise DeviceError("login", "login_refused", "the meter refused the login", "401")
            self.failed[account, protocol] = 0

        return attempt

    def write(self, account: str, secret: str) -> Callable[[], None]:
        def act() -> None:
            self.writes += 1
            fault, self.fault = self.fault, ""
            if fault == "refused":
                raise DeviceError("write", "setting_refused", "the meter refused it", "too short")
            if fault == "lost":
                raise DeviceError("write", "transport_failed", "no answer")
            if fault == "killed_before":
                raise Killed
            if fault != "ignored":
                self.passwords[account] = secret
            if fault == "reply_lost":
                raise DeviceError("write", "transport_failed", "no answer")
            if fault == "killed_after":
                raise Killed

        return act
