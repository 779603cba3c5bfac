# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Attempts: written before the act, counted for every outcome (R-043, R-154, G-06)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .database import Row, Transaction
from .errors import RecordsError
from .journal import canonical
from .types import ENDED, NOT_STARTED, RECORDED, TRIGGERED, Attempt, AttemptCount

_COLUMNS = (
    "id, campaign, serial, model, host, matrix_row, method, source, target, artifact_digest, operator, plan_digest, limit_from, "
    "state, started, triggered, finished, hard_seconds, outcome, reason, before, detail"
)
#: What may follow what. An attempt that was recorded but perhaps triggered stays recorded and is counted.
_NEXT = {RECORDED: (TRIGGERED, NOT_STARTED), TRIGGERED: ()}


def insert(transaction: Transaction, attempt: Attempt, hard_seconds: float | None) -> None:
    """Store a new attempt. Raises RecordsError when another one of this meter has no end yet."""
    other = open_of(transaction, attempt.serial)
    if other is not None:
        raise RecordsError(
            f"meter {attempt.serial} has an attempt without a known end (to {other.target}, by {other.operator or 'nobody named'}): "
            "read the meter and end that attempt first",
            "upgrade_state_unknown",
        )
    head = (attempt.id, attempt.campaign, attempt.serial, attempt.model, attempt.host, attempt.row, attempt.method)
    what = (attempt.source, attempt.target, attempt.artifact_digest, attempt.operator, attempt.plan_digest, attempt.limit_from)
    state = (attempt.state, attempt.started, None, None, hard_seconds, "", "", canonical(attempt.before), canonical(attempt.detail))
    values = (*head, *what, *state)
    transaction.execute(f"INSERT INTO attempt ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)


def open_of(transaction: Transaction, serial: str) -> Attempt | None:
    """The attempt of this meter whose end is unknown."""
    row = transaction.row(f"SELECT {_COLUMNS} FROM attempt WHERE serial = ? AND finished IS NULL ORDER BY started DESC", (serial,))
    return from_row(row) if row else None


def get(transaction: Transaction, attempt_id: str) -> Attempt:
    """One attempt. Raises RecordsError when there is none."""
    row = transaction.row(f"SELECT {_COLUMNS} FROM attempt WHERE id = ?", (attempt_id,))
    if row is None:
        raise RecordsError(f"the ledger has no attempt {attempt_id}")
    return from_row(row)


def history(transaction: Transaction, serial: str) -> list[Attempt]:
    """All attempts of a meter, oldest first."""
    return [from_row(row) for row in transaction.rows(f"SELECT {_COLUMNS} FROM attempt WHERE serial = ? ORDER BY started, id", (serial,))]


_NOT_REPLACED = """AND NOT EXISTS (SELECT 1 FROM replaced
    WHERE replaced.host = attempt.host AND replaced.serial = attempt.serial AND replaced.stored >= attempt.started)"""


def last_of_host(transaction: Transaction, host: str) -> Attempt | None:
    """The newest attempt made under this host name, or None."""
    current = "" if not transaction.has_table("replaced") else _NOT_REPLACED  # an older ledger that is only read
    row = transaction.row(f"SELECT {_COLUMNS} FROM attempt WHERE host = ? {current} ORDER BY started DESC, id DESC LIMIT 1", (host,))
    return from_row(row) if row else None


def replace(transaction: Transaction, host: str, serial: str, by: str, at: str, now: float) -> bool:
    """Note that this meter is no longer the one under this host name; False when exactly this was noted after its last attempt."""
    row = transaction.row("SELECT said_by, said_at, stored FROM replaced WHERE host = ? AND serial = ?", (host, serial))
    last = transaction.row("SELECT MAX(started) AS at FROM attempt WHERE host = ? AND serial = ?", (host, serial))
    if row is not None and (row["said_by"], row["said_at"]) == (by, at) and row["stored"] >= ((last or {}).get("at") or 0.0):
        return False
    transaction.execute("DELETE FROM replaced WHERE host = ? AND serial = ?", (host, serial))
    transaction.execute("INSERT INTO replaced (host, serial, said_by, said_at, stored) VALUES (?, ?, ?, ?, ?)", (host, serial, by, at, now))
    return True


def upgraded_by(transaction: Transaction, method: str) -> frozenset[str]:
    """Serials of meters that this method has upgraded."""
    rows = transaction.rows("SELECT DISTINCT serial FROM attempt WHERE method = ? AND outcome IN ('verified', 'verified_late')", (method,))
    return frozenset(str(row["serial"]) for row in rows)


def serials_without_end(transaction: Transaction) -> frozenset[str]:
    """Serials of the meters with an open attempt."""
    return frozenset(row["serial"] for row in transaction.rows("SELECT DISTINCT serial FROM attempt WHERE finished IS NULL", ()))


def move(transaction: Transaction, attempt_id: str, state: str, detail: dict[str, Any], now: float) -> Attempt:
    """Go from recorded to triggered or not_started; the latter also ends it."""
    attempt = get(transaction, attempt_id)
    if not attempt.open or state not in _NEXT.get(attempt.state, ()):
        raise RecordsError(f"attempt {attempt_id} is {attempt.state} and cannot become {state}", "upgrade_state_unknown")
    merged = canonical({**attempt.detail, **detail})
    if state == NOT_STARTED:
        sql = "UPDATE attempt SET state = ?, finished = ?, outcome = ?, detail = ? WHERE id = ?"
        transaction.execute(sql, (state, now, NOT_STARTED, merged, attempt_id))
    else:
        transaction.execute("UPDATE attempt SET state = ?, triggered = ?, detail = ? WHERE id = ?", (state, now, merged, attempt_id))
    return get(transaction, attempt_id)


def annotate(transaction: Transaction, attempt_id: str, detail: dict[str, Any]) -> Attempt:
    """Keep more of an attempt whose end is not known yet. Raises RecordsError when it ended."""
    attempt = get(transaction, attempt_id)
    if not attempt.open:
        raise RecordsError(f"attempt {attempt_id} ended as {attempt.outcome}; nothing is added to it", "upgrade_state_unknown")
    transaction.execute("UPDATE attempt SET detail = ? WHERE id = ?", (canonical({**attempt.detail, **detail}), attempt_id))
    return get(transaction, attempt_id)


def last_end(transaction: Transaction, campaign: str, method: str) -> float | None:
    """When the last attempt of this method in this campaign ended, seconds since 1970."""
    row = transaction.row("SELECT MAX(finished) AS finished FROM attempt WHERE campaign = ? AND method = ?", (campaign, method))
    return None if row is None or row["finished"] is None else float(row["finished"])


def finish(transaction: Transaction, attempt_id: str, outcome: str, reason: str, detail: dict[str, Any], now: float) -> Attempt:
    """End an attempt. Saying the same end twice is fine; another end is refused."""
    attempt = get(transaction, attempt_id)
    if not attempt.open:
        if (attempt.outcome, attempt.reason) == (outcome, reason):
            return attempt
        raise RecordsError(
            f"attempt {attempt_id} ended before as {attempt.outcome}; it is not changed to {outcome}", "upgrade_state_unknown"
        )
    merged = canonical({**attempt.detail, **detail})
    sql = "UPDATE attempt SET state = ?, finished = ?, outcome = ?, reason = ?, detail = ? WHERE id = ?"
    transaction.execute(sql, (ENDED, now, outcome, reason, merged, attempt_id))
    return get(transaction, attempt_id)


def count(transaction: Transaction, serial: str, since_version: str) -> AttemptCount:
    """Attempts used in the band that starts at ``since_version``.

    The band is known when a person attested it or when the ledger saw an attempt inside it or into it. A person's
    word never lowers what the ledger has seen.
    """
    said = transaction.row("SELECT used, stored FROM attestation WHERE serial = ? AND since_version = ?", (serial, since_version))
    return _count(history(transaction, serial), said, since_version)


def used(transaction: Transaction, since: Mapping[str, str]) -> dict[str, int]:
    """``count`` of many meters (serial number to where their band begins) in one look; those of which nothing is known are left out."""
    rows: dict[str, list[_Made]] = {}
    for row in transaction.rows("SELECT serial, state, source, target, started FROM attempt ORDER BY started, id"):
        if row["serial"] in since:
            rows.setdefault(row["serial"], []).append(_Made(row["state"], row["source"], row["target"], row["started"]))
    said = {
        (row["serial"], row["since_version"]): row
        for row in transaction.rows("SELECT serial, since_version, used, stored FROM attestation")
        if row["serial"] in since
    }
    found = {serial: _count(rows.get(serial, []), said.get((serial, border)), border) for serial, border in since.items()}
    return {serial: item.used for serial, item in found.items() if item.known}


@dataclass(frozen=True)
class _Made:
    """The part of an attempt that counts."""

    state: str
    source: str
    target: str
    started: float


def _count(attempts: Sequence[Attempt] | Sequence[_Made], said: Row | None, since_version: str) -> AttemptCount:
    border = _fields(since_version)
    counted = [item for item in attempts if item.state != NOT_STARTED and _fields(item.source) >= border]
    crossed = any(item.state != NOT_STARTED and _fields(item.target) >= border for item in attempts)
    known = said is not None or bool(counted) or crossed
    used = len(counted)
    if said is not None:
        used = max(used, int(said["used"]) + sum(1 for item in counted if item.started > said["stored"]))
    estimated = said is not None or len(attempts) > len(counted)
    return AttemptCount(known=known, used=used if known else 0, estimated=known and estimated)


def attest(
    transaction: Transaction, serial: str, model: str, since_version: str, used: int, said_by: str, said_at: str, now: float
) -> bool:
    """Store a person's word; False when exactly this was stored before (its time then stays, so later attempts still add up)."""
    row = transaction.row("SELECT used, said_by, said_at FROM attestation WHERE serial = ? AND since_version = ?", (serial, since_version))
    if row is not None and (row["used"], row["said_by"], row["said_at"]) == (used, said_by, said_at):
        return False
    transaction.execute("DELETE FROM attestation WHERE serial = ? AND since_version = ?", (serial, since_version))
    transaction.execute(
        "INSERT INTO attestation (serial, since_version, model, used, said_by, said_at, stored) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (serial, since_version, model, used, said_by, said_at, now),
    )
    return True


def from_row(row: Row) -> Attempt:
    """An attempt as value."""
    begun = row["triggered"] if row["triggered"] is not None else row["started"]
    return Attempt(
        id=row["id"],
        campaign=row["campaign"],
        serial=row["serial"],
        model=row["model"],
        host=row["host"],
        row=row["matrix_row"],
        method=row["method"],
        source=row["source"],
        target=row["target"],
        artifact_digest=row["artifact_digest"],
        operator=row["operator"],
        plan_digest=row["plan_digest"],
        limit_from=row["limit_from"],
        state=row["state"],
        started=row["started"],
        triggered=row["triggered"],
        finished=row["finished"],
        hard_until=None if row["hard_seconds"] is None else begun + row["hard_seconds"],
        outcome=row["outcome"],
        reason=row["reason"],
        before=json.loads(row["before"]),
        detail=json.loads(row["detail"]),
    )


def _fields(version: str) -> tuple[int, ...]:
    """A stored version (canonical text) for comparing. Models with opaque versions have no attempt limit."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        raise RecordsError(f"the ledger holds the version {version!r}, which is not a row of numbers") from None
