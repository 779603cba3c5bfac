# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Campaigns: who was planned, and what became of each (invariant h: the outcomes add up to the planned meters)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .database import Transaction
from .journal import canonical


def plan(transaction: Transaction, campaign: str, hosts: Mapping[str, str], now: float) -> list[str]:
    """Register planned meters (host to serial); the hosts that were new."""
    known = {row["host"]: row for row in transaction.rows("SELECT host, planned FROM campaign_meter WHERE campaign = ?", (campaign,))}
    new = [host for host in hosts if host not in known or not known[host]["planned"]]
    for host in new:
        if host in known:
            transaction.execute("UPDATE campaign_meter SET planned = 1 WHERE campaign = ? AND host = ?", (campaign, host))
        else:
            _insert(transaction, campaign, host, 1, hosts[host], "", "", {}, now)
    return new


def record(
    transaction: Transaction, campaign: str, host: str, serial: str, outcome: str, reason: str, detail: Mapping[str, Any], now: float
) -> None:
    """Store the last outcome of a meter; a meter nobody planned is kept, marked as such."""
    changed = transaction.execute(
        "UPDATE campaign_meter SET serial = ?, outcome = ?, reason = ?, detail = ?, at = ? WHERE campaign = ? AND host = ?",
        (serial, outcome, reason, canonical(detail), now, campaign, host),
    )
    if not changed:
        _insert(transaction, campaign, host, 0, serial, outcome, reason, detail, now)


def outcomes(transaction: Transaction, campaign: str) -> dict[str, dict[str, Any]]:
    """Last outcome by host; ``outcome`` is empty for a planned meter that has none yet."""
    rows = transaction.rows(
        "SELECT host, planned, serial, outcome, reason, detail, at FROM campaign_meter WHERE campaign = ? ORDER BY host", (campaign,)
    )
    return {row["host"]: {**row, "planned": bool(row["planned"]), "detail": json.loads(row["detail"])} for row in rows}


def names(transaction: Transaction) -> list[str]:
    """Names of all campaigns that planned or tried a meter, the oldest first."""
    rows = transaction.rows(
        "SELECT campaign, MIN(at) AS at FROM (SELECT campaign, at FROM campaign_meter UNION ALL SELECT campaign, started AS at FROM attempt) "
        "AS seen GROUP BY campaign ORDER BY at, campaign"
    )
    return [str(row["campaign"]) for row in rows]


def _insert(
    transaction: Transaction,
    campaign: str,
    host: str,
    planned: int,
    serial: str,
    outcome: str,
    reason: str,
    detail: Mapping[str, Any],
    now: float,
) -> None:
    transaction.execute(
        "INSERT INTO campaign_meter (campaign, host, planned, serial, outcome, reason, detail, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (campaign, host, planned, serial, outcome, reason, canonical(detail), now),
    )
