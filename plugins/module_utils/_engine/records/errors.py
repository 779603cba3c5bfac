# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Errors of the records. Each is one sentence; ``stage`` and ``reason`` go into the task's ``error``."""

from __future__ import annotations

from ..base.errors import MeteringError


class RecordsError(MeteringError):
    """The ledger cannot be used, or says something that must not be overruled.

    Without a trustworthy ledger nothing limited may be spent (R-043, F-39), so callers stop.
    """

    stage = "records"

    def __init__(self, text: str, reason: str = "ledger_untrusted") -> None:
        self.reason = reason
        super().__init__(text)


class LeaseLostError(RecordsError):
    """Another run has taken this lease over; this one may only observe."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(
            f"the lease on {resource} was lost: another run has taken it over, so nothing more is started here", "campaign_locked"
        )
