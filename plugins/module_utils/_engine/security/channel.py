# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The ways by which a meter's security settings are read and written: one small interface, and what they have in common."""

from __future__ import annotations

from typing import Protocol

from ..base.errors import DeviceError
from .state import Change, State

STAGE = "security"


class Channel(Protocol):
    """One way to one meter. Every method raises DeviceError with a code of the catalogue.

    ``protocol`` names the lockout counter that its logins count for, empty where it has no login. ``closers`` are the settings
    that can close this very way; they are written last.
    """

    name: str
    protocol: str
    closers: frozenset[str]

    def login(self, user: str, password: str) -> None:
        """Sign in anew. Afterwards everything goes over this session."""

    def prove(self, user: str, password: str) -> None:
        """One login of another account, in a session of its own."""

    def read(self, state: State) -> None:
        """Put what this way shows into ``state``."""

    def writable(self, control: str, kind: str) -> str | None:
        """Why this way cannot write that; None where it can."""

    def write(self, change: Change, secret: str | None = None) -> None:
        """One change."""

    def closed_by(self, change: Change) -> bool:
        """Whether this way is gone for good after the change."""

    def moved_by(self, change: Change) -> bool:
        """Whether the change moves the place where this way is reached; the channel has noted the new one."""

    def close(self) -> None:
        """Sign out and hang up."""


def refused(text: str, said: str = "", reason: str = "setting_refused") -> DeviceError:
    """The meter did not take something."""
    return DeviceError(STAGE, reason, text, said)


def unsent(error: DeviceError) -> DeviceError:
    """Mark a fault as one before any password went out, so that it is not counted as a login."""
    error.sent = False  # type: ignore[attr-defined]
    return error
