# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The controller's side of a run that changes security, whatever the family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Desk(Protocol):
    """The controller's side of a run: who else works on the meter, and the journal."""

    def holder(self, serial: str) -> str | None:
        """Who works on this meter, in a sentence; None when it is free. Outside check mode it is ours from now on."""

    def guard(self) -> None:
        """Asked before each change. Raises when nothing more may be started."""

    def journal(self, event: str, body: Mapping[str, Any]) -> None:
        """Write down what was done."""
