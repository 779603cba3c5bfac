# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Which bad ends a campaign tries again by itself: once, after the documented hold, and never for what only a person can mend.

The table is part of the plan (R-092, R-119), so that everybody sees beforehand what will be repeated. Pure.
"""

from __future__ import annotations

from typing import Any

from ..catalogue import constants, reasons

#: An upgrade that failed so that it may be repeated: a new recorded attempt. Otherwise nothing was begun and none is spent.
RETRY, AGAIN = "retry", "again"
#: The link failed before anything was triggered. An account that is locked or a login that was refused is never among them.
LINK_REASONS = ("transport_failed", "ftp_connect_failed", "upload_incomplete", "upload_unreadable", "session_lost", "web_busy")
_LINK_OUTCOMES = ("blocked", "failed_final")


def how_to_retry(outcome: str, reason: str, attempted: bool) -> str:
    """``retry`` for an upgrade that ended retryable, ``again`` for a link that failed before one began, else nothing.

    ``attempted`` says whether the last thing that happened to the meter in this campaign is an attempt in the ledger.
    """
    if outcome == "failed_retryable":
        return RETRY if attempted else AGAIN
    if outcome in _LINK_OUTCOMES and reason in LINK_REASONS and not attempted:
        return AGAIN
    return ""


def retry_table() -> list[dict[str, Any]]:
    """One row for each reason code that is repeated: how often, and after which wait in seconds."""
    once = int(constants.MAX_RETRIES_DEFAULT.number)
    hold = int(constants.RETRY_HOLD.number)
    again = [code for code, known in reasons.REASONS.items() if known.retry == reasons.AFTER_HOLD]
    rows = [{"reason": code, "times": once, "after_seconds": hold, "costs_attempt": True} for code in again]
    rows += [{"reason": code, "times": 1, "after_seconds": hold, "costs_attempt": False} for code in LINK_REASONS]
    rows.append({"reason": "image_invalid_or_corrupted", "times": once, "after_seconds": hold, "costs_attempt": True})
    return sorted(rows, key=lambda row: str(row["reason"]))
