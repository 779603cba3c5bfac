# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Leases and slots: who may work on a meter now, and how many at once (R-084, G-18, design 4.5).

A lease frees itself when its owner is known to be dead or its time is over, with one exception: while an attempt that
it covers has no end, only a fresh read that ends the attempt, or the method's hard timeout, frees it.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from .database import Row, Transaction
from .owner import Owner, owner_alive
from .types import Holder, Lease

_COLUMNS = "resource, slot_group, token, attempt_id, host, boot_id, pid, pid_start, run, acquired, expires"


def take(
    transaction: Transaction, me: Owner, now: float, resource: str, ttl: float, attempt_id: str | None, resolve_open: bool, group: str = ""
) -> Lease | Holder:
    """The lease on ``resource``, or who holds it. Must run inside a write transaction."""
    row = transaction.row(f"SELECT {_COLUMNS} FROM lease WHERE resource = ?", (resource,))
    if row is None:
        return _store(transaction, me, now, resource, ttl, attempt_id, group, taken_over=False)
    owner = owner_of(row)
    if owner == me:
        return _store(transaction, me, now, resource, ttl, attempt_id or row["attempt_id"], group, taken_over=False)
    alive = owner_alive(owner)
    is_open = attempt_is_open(transaction, row["attempt_id"], now)
    free = alive is False or row["expires"] <= now
    if free and (resolve_open or not is_open):
        kept = row["attempt_id"] if is_open else None
        return _store(transaction, me, now, resource, ttl, attempt_id or kept, group, taken_over=True)
    return Holder(resource=resource, owner=owner, alive=alive, expires=row["expires"], attempt_id=row["attempt_id"], attempt_open=is_open)


def holder_of(transaction: Transaction, me: Owner, now: float, resource: str) -> Holder | None:
    """Who else works on ``resource`` now; None when a lease would be given to a run that resolves what it finds."""
    row = transaction.row(f"SELECT {_COLUMNS} FROM lease WHERE resource = ?", (resource,))
    if row is None or owner_of(row) == me:
        return None
    owner = owner_of(row)
    alive = owner_alive(owner)
    if alive is False or row["expires"] <= now:
        return None
    is_open = attempt_is_open(transaction, row["attempt_id"], now)
    return Holder(resource=resource, owner=owner, alive=alive, expires=row["expires"], attempt_id=row["attempt_id"], attempt_open=is_open)


def take_slot(transaction: Transaction, me: Owner, now: float, group: str, cap: int, ttl: float, attempt_id: str | None) -> Lease | None:
    """One of ``cap`` slots of a group, or None. Slots above a lowered cap still count while they are in use.

    With the id of an open attempt, the slot which that attempt left behind is taken first: resuming it adds nothing to the load.
    """
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM lease WHERE slot_group = ? ORDER BY resource", (group,))
    if attempt_id is not None:
        for row in rows:
            if row["attempt_id"] == attempt_id:
                lease = take(transaction, me, now, row["resource"], ttl, attempt_id, True, group)
                return lease if isinstance(lease, Lease) else None
    busy = {row["resource"] for row in rows if not _slot_is_free(transaction, row, now)}
    if len(busy) >= cap:
        return None
    for number in range(cap):
        resource = f"slot:{group}:{number}"
        if resource not in busy:
            left = next((row["attempt_id"] for row in rows if row["resource"] == resource), None)
            lease = _store(transaction, me, now, resource, ttl, attempt_id, group, taken_over=left is not None)
            return replace(lease, settling_since=_good_end(transaction, left))
    return None


def _good_end(transaction: Transaction, attempt_id: str | None) -> float | None:
    """When the attempt behind an abandoned slot ended well; a slot that was given back in order leaves nothing behind (R-089)."""
    sql = "SELECT finished FROM attempt WHERE id = ? AND outcome IN ('verified', 'verified_late')"
    row = transaction.row(sql, (attempt_id,)) if attempt_id is not None else None
    return None if row is None else float(row["finished"])


def in_use(transaction: Transaction, group: str, now: float) -> int:
    """Slots of a group that are not free."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM lease WHERE slot_group = ?", (group,))
    return sum(1 for row in rows if not _slot_is_free(transaction, row, now))


def _slot_is_free(transaction: Transaction, row: Row, now: float) -> bool:
    dead = owner_alive(owner_of(row)) is False
    return (dead or row["expires"] <= now) and not attempt_is_open(transaction, row["attempt_id"], now)


def attempt_is_open(transaction: Transaction, attempt_id: str | None, now: float) -> bool:
    """Whether an attempt without an end, still inside its hard timeout, stands behind a lease."""
    if attempt_id is None:
        return False
    row = transaction.row("SELECT started, triggered, finished, hard_seconds FROM attempt WHERE id = ?", (attempt_id,))
    if row is None or row["finished"] is not None:
        return False
    if row["hard_seconds"] is None:
        return True
    begun = row["triggered"] if row["triggered"] is not None else row["started"]
    return bool(now < begun + row["hard_seconds"])


def holds(transaction: Transaction, lease: Lease) -> bool:
    """Whether this lease is still the one that is written down."""
    return transaction.row("SELECT token FROM lease WHERE resource = ? AND token = ?", (lease.resource, lease.token)) is not None


def extend(transaction: Transaction, lease: Lease, now: float) -> bool:
    """Let the lease run for its time from now on; False when it was lost."""
    return (
        transaction.execute("UPDATE lease SET expires = ? WHERE resource = ? AND token = ?", (now + lease.ttl, lease.resource, lease.token))
        == 1
    )


def bind(transaction: Transaction, lease: Lease, attempt_id: str | None) -> bool:
    """Say that the lease covers this attempt, or none any more; False when the lease was lost."""
    changed = transaction.execute(
        "UPDATE lease SET attempt_id = ? WHERE resource = ? AND token = ?", (attempt_id, lease.resource, lease.token)
    )
    return changed == 1


def give_back(transaction: Transaction, lease: Lease, now: float) -> bool:
    """Free the lease. While its attempt is open it only expires, so that a run which resolves the attempt can have it."""
    row = transaction.row("SELECT attempt_id FROM lease WHERE resource = ? AND token = ?", (lease.resource, lease.token))
    if row is None:
        return False
    if attempt_is_open(transaction, row["attempt_id"], now):
        transaction.execute("UPDATE lease SET expires = ? WHERE resource = ? AND token = ?", (now, lease.resource, lease.token))
        return False
    transaction.execute("DELETE FROM lease WHERE resource = ? AND token = ?", (lease.resource, lease.token))
    return True


def owner_of(row: Row) -> Owner:
    """The owner written in a row."""
    return Owner(host=row["host"], boot_id=row["boot_id"], pid=row["pid"], pid_start=row["pid_start"], run=row["run"])


def _store(
    transaction: Transaction, me: Owner, now: float, resource: str, ttl: float, attempt_id: str | None, group: str, taken_over: bool
) -> Lease:
    token = uuid.uuid4().hex
    transaction.execute("DELETE FROM lease WHERE resource = ?", (resource,))
    transaction.execute(
        f"INSERT INTO lease ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (resource, group, token, attempt_id, me.host, me.boot_id, me.pid, me.pid_start, me.run, now, now + ttl),
    )
    return Lease(resource=resource, token=token, ttl=ttl, attempt_id=attempt_id, taken_over=taken_over)
