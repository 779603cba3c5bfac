# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Which audits were made, and when each meter was last read by one (rollout 4.2: evidence has an age); what reports tell over time.

A scan is an entry of the journal as well, so that the chain covers it: its digest is that of the whole result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import attempts as attempt_rows
from . import campaigns as campaign_rows
from . import journal as chain
from .database import Database, Transaction

#: The campaign whose journal holds the scans.
CAMPAIGN = "audit"
_SCAN = "at, operator, baseline, verdict, digest, verdicts"


class ScanLedger:
    """The part of the records for audits; ``Records.audits`` makes it. Every change is on the disk when its method returns."""

    def __init__(self, database: Database, operator: str, now: Callable[[], float], writable: Callable[[], None]) -> None:
        self._database, self._operator, self._now, self._writable = database, operator, now, writable

    def now(self) -> float:
        """The store's time, seconds since 1970, by which evidence grows old."""
        return self._now()

    def record(self, document: Mapping[str, Any], seen: Mapping[str, str], at: float | None = None) -> float:
        """Keep that this audit was made, and that these meters (serial number to host) were read by it; when that was."""
        self._writable()
        when = self._now() if at is None else at
        baseline = " ".join(str(document["baseline"].get(name) or "") for name in ("id", "version")).strip()
        verdicts = chain.canonical(document["totals"]["verdicts"])
        listed = hashlib.sha256(chain.canonical(dict(seen)).encode()).hexdigest()
        body = {
            "digest": document["digest"],
            "baseline": baseline,
            "verdict": document["verdict"],
            "seen": len(seen),
            "seen_digest": listed,
        }
        with self._database.write() as transaction:
            last = transaction.row("SELECT MAX(number) AS number FROM scan")
            number = ((last or {}).get("number") or 0) + 1
            values = (number, when, self._operator, baseline, document["verdict"], document["digest"], verdicts)
            transaction.execute(f"INSERT INTO scan (number, {_SCAN}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            transaction.execute_many(
                "INSERT INTO scan_meter (serial, host, at) VALUES (?, ?, ?) "
                "ON CONFLICT (serial, host) DO UPDATE SET at = excluded.at WHERE excluded.at > scan_meter.at",
                [(serial, host, when) for serial, host in seen.items()],
            )
            chain.append(transaction, CAMPAIGN, when, self._operator, "scan", {**body, "verdicts": document["totals"]["verdicts"]})
        return when

    def scans(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The last ``limit`` scans as ``document.Scan``, the oldest first."""
        with self._database.read() as transaction:
            return _scans(transaction, limit)

    def last_seen(self, hosts: Iterable[str]) -> dict[str, tuple[str, float]]:
        """Serial number and time of the last audit that read a meter under each of these names; who was never seen is left out."""
        wanted = frozenset(hosts)
        if not wanted:
            return {}
        with self._database.read() as transaction:
            if not transaction.has_table("scan_meter"):  # an older ledger that is only read
                return {}
            rows = transaction.rows("SELECT host, serial, at FROM scan_meter ORDER BY at, serial")
        return {row["host"]: (row["serial"], row["at"]) for row in rows if row["host"] in wanted}

    def attempts_used(self, since: Mapping[str, str]) -> dict[str, int]:
        """How many attempts these meters have used in their band (serial number to its first version), where the ledger knows."""
        if not since:
            return {}
        with self._database.read() as transaction:
            return attempt_rows.used(transaction, since)

    def history(self, campaigns: Iterable[str] | None = None, limit: int | None = None) -> dict[str, Any]:
        """``document.History``: the last ``limit`` scans, and these campaigns (all of them unless given)."""
        wanted = None if campaigns is None else frozenset(campaigns)
        with self._database.read() as transaction:
            found = [_campaign(transaction, name) for name in campaign_rows.names(transaction) if wanted is None or name in wanted]
            return {"scans": _scans(transaction, limit), "campaigns": found}


def _scans(transaction: Transaction, limit: int | None) -> list[dict[str, Any]]:
    if not transaction.has_table("scan"):
        return []
    cut = "" if limit is None else f" LIMIT {int(limit)}"
    rows = transaction.rows(f"SELECT {_SCAN} FROM scan ORDER BY number DESC{cut}")
    return [{**row, "verdicts": json.loads(row["verdicts"])} for row in reversed(rows)]


def _campaign(transaction: Transaction, name: str) -> dict[str, Any]:
    counts = transaction.rows("SELECT outcome, COUNT(*) AS meters FROM campaign_meter WHERE campaign = ? GROUP BY outcome", (name,))
    tries = transaction.rows(
        "SELECT host, serial, method, source, target, started, finished, outcome, reason FROM attempt WHERE campaign = ? "
        "ORDER BY started, id",
        (name,),
    )
    outcomes = {row["outcome"] or "planned": int(row["meters"]) for row in counts}
    return {
        "campaign": name,
        "meters": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "tries": tries,
        "head": chain.head(transaction, name),
    }
