# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The journal: one hash chain for each campaign (R-297, F-39), written in the transaction of the change it tells of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .database import Row, Transaction
from .errors import RecordsError
from .types import ChainCheck

GENESIS = "0" * 64
_COLUMNS = "campaign, entry, at, operator, event, body, prev, hash"
#: Campaign of entries that belong to none, such as an attestation.
NO_CAMPAIGN = "-"
REBASELINED = "ledger_rebaselined"


def append(transaction: Transaction, campaign: str, at: float, operator: str, event: str, body: Mapping[str, Any]) -> str:
    """Add one entry to the chain of ``campaign``; its hash."""
    name = campaign or NO_CAMPAIGN
    last = transaction.row(f"SELECT {_COLUMNS} FROM journal WHERE campaign = ? ORDER BY entry DESC LIMIT 1", (name,))
    if last is not None and event != REBASELINED and entry_hash(last) != last["hash"]:
        raise RecordsError(f"the journal of {name} was changed at entry {last['entry']}: its last entry is not as it was written")
    row: Row = {
        "campaign": name,
        "entry": last["entry"] + 1 if last else 1,
        "at": at,
        "operator": operator,
        "event": event,
        "body": canonical(body),
        "prev": last["hash"] if last else GENESIS,
    }
    digest = entry_hash(row)
    transaction.execute(
        "INSERT INTO journal (campaign, entry, at, operator, event, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (name, row["entry"], at, operator, event, row["body"], row["prev"], digest),
    )
    return digest


def canonical(value: Any) -> str:
    """JSON with one possible spelling: sorted keys, no spaces, plain ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def entry_hash(row: Row) -> str:
    """SHA-256 over the previous hash and the entry itself."""
    content = canonical({key: row[key] for key in ("campaign", "entry", "at", "operator", "event", "body")})
    return hashlib.sha256((row["prev"] + content).encode()).hexdigest()


def entries(transaction: Transaction, campaign: str) -> list[Row]:
    """All entries of a campaign, oldest first."""
    return transaction.rows(
        f"SELECT {_COLUMNS} FROM journal WHERE campaign = ? ORDER BY entry",
        (campaign or NO_CAMPAIGN,),
    )


def head(transaction: Transaction, campaign: str) -> str:
    """Hash of the last entry; that of no entry where there is none."""
    last = transaction.row("SELECT hash FROM journal WHERE campaign = ? ORDER BY entry DESC LIMIT 1", (campaign or NO_CAMPAIGN,))
    return str(last["hash"]) if last else GENESIS


def count(transaction: Transaction, campaign: str, event: str, key: str, value: str) -> int:
    """How many entries of this event have ``value`` under ``key``."""
    sql = "SELECT body FROM journal WHERE campaign = ? AND event = ?"
    rows = transaction.rows(sql, (campaign or NO_CAMPAIGN, event))
    return sum(1 for row in rows if json.loads(row["body"]).get(key) == value)


def verify(rows: list[Row], expected_head: str | None = None, first: int = 1) -> ChainCheck:
    """Recompute the chain. A head noted elsewhere (a report) also shows entries cut off at the end.

    ``first`` is the entry of an accepted baseline: what was before it is not judged, but its place in the chain is kept.
    A number that is no such entry is no baseline: the database alone cannot excuse an edited entry.
    """
    accepted = first if any(row["entry"] == first and row["event"] == REBASELINED for row in rows) else 1
    before = [row for row in rows if row["entry"] < accepted]
    prev = before[-1]["hash"] if before else GENESIS
    seen = expected_head in (None, GENESIS) or any(row["hash"] == expected_head for row in before)
    baseline = accepted if before else None
    for number, row in enumerate(rows[len(before) :], start=accepted):
        if row["entry"] != number or row["prev"] != prev or entry_hash(row) != row["hash"]:
            return ChainCheck(ok=False, head=prev, entries=number - 1, broken_at=number, baseline=baseline)
        prev = row["hash"]
        seen = seen or prev == expected_head or _gave_up(row, expected_head)
    end = rows[-1]["entry"] if rows else 0
    return ChainCheck(ok=seen, head=prev, entries=end, broken_at=None if seen else end + 1, baseline=baseline)


def _gave_up(row: Row, head: str | None) -> bool:
    """Whether this entry says that somebody goes on without the entries up to ``head``, lost with a newer ledger."""
    return bool(row["event"] == REBASELINED and json.loads(row["body"]).get("missing") == head)


def check(transaction: Transaction, campaign: str, head: str | None = None) -> ChainCheck:
    """``verify`` over what is stored, from the last accepted baseline on."""
    name = campaign or NO_CAMPAIGN
    rows = entries(transaction, name)
    row = transaction.row("SELECT value FROM meta WHERE name = ?", (f"baseline:{name}",))
    return verify(rows, head, json.loads(row["value"])["entry"] if row else 1)


def rebaseline(transaction: Transaction, campaign: str, at: float, operator: str, broken_at: int, why: str, missing: str | None) -> str:
    """An entry that says so, from which the chain is verified from now on. ``missing``: a head that this ledger does not know."""
    name = campaign or NO_CAMPAIGN
    digest = append(transaction, name, at, operator, REBASELINED, {"broken_at": broken_at, "why": why, "missing": missing or ""})
    last = transaction.row("SELECT MAX(entry) AS entry FROM journal WHERE campaign = ?", (name,))
    transaction.execute("DELETE FROM meta WHERE name = ?", (f"baseline:{name}",))
    values = (f"baseline:{name}", canonical({"entry": last["entry"] if last else 1}))
    transaction.execute("INSERT INTO meta (name, value) VALUES (?, ?)", values)
    return digest


def export_lines(rows: list[Row]) -> str:
    """The chain as JSON lines, bodies as objects."""
    return "".join(json.dumps({**row, "body": json.loads(row["body"])}, sort_keys=True, ensure_ascii=True) + "\n" for row in rows)
