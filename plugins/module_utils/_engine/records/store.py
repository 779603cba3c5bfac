# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The records of design 4.5 as callers see them: ledger, leases, slots, campaigns and the journal.

Every change is on the disk when its method returns. Nothing here knows secrets: what is passed as detail or body must be clean already.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants
from . import attempts as attempt_rows
from . import campaigns as campaign_rows
from . import journal as chain
from . import leases as lease_rows
from . import schema
from .database import BUSY_SECONDS, Database, MemoryDatabase, SqliteDatabase, Transaction
from .dlms import DlmsLedger
from .errors import LeaseLostError, RecordsError
from .owner import Owner, this_process
from .postgres import PostgresDatabase
from .scans import ScanLedger
from .secrets import SecretLedger
from .types import RECORDED, Attempt, AttemptCount, ChainCheck, Holder, Lease

_MEMORY_SCHEMA = (
    *schema.STATEMENTS,
    *(statement for version in sorted(schema.MIGRATIONS) for statement in schema.MIGRATIONS[version]),
    f"INSERT INTO meta (name, value) VALUES ('schema_version', '{schema.VERSION}')",
    "INSERT INTO meta (name, value) VALUES ('ledger_id', 'none')",
)


def default_location() -> Path:
    """``${XDG_DATA_HOME:-~/.local/share}/gridops.metering/records.sqlite3``."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    folder = Path(base) if base.startswith("/") else Path("~/.local/share").expanduser()
    return folder / "gridops.metering" / "records.sqlite3"


def open_records(
    location: str | None,
    operator: str,
    now: Callable[[], float] = time.time,
    *,
    run: str = "",
    read_only: bool = False,
    busy_seconds: float = BUSY_SECONDS,
) -> Records:
    """Open the records, making them where there are none.

    With ``read_only`` nothing is made or changed: a ledger that does not exist reads as one that knows nothing.
    Raises InputError for a location of another kind, RecordsError for a ledger that cannot be trusted.
    """
    if location and "://" in location:
        return Records(_server(location, busy_seconds, read_only), operator, now, run, read_only)
    path = Path(location).expanduser() if location else default_location()
    if path.is_dir():
        raise InputError("records", str(path), "the path of a file, not of a folder", "design 4.5")
    if read_only and not path.exists():
        return Records(MemoryDatabase(path, _MEMORY_SCHEMA), operator, now, run, read_only)
    database = SqliteDatabase(path, busy_seconds)
    if not read_only:
        database.prepare()
        return Records(database, operator, now, run, read_only)
    return Records(_unless_empty(database, path), operator, now, run, read_only)


def _server(url: str, busy_seconds: float, read_only: bool) -> Database:
    """The server's ledger; read only and still without a table, one that knows nothing."""
    database = PostgresDatabase(url, busy_seconds)
    return _unless_empty(database, Path(database.location)) if read_only else database


def _unless_empty(database: Database, path: Path) -> Database:
    """For reading: without a table it is one that knows nothing; another process may be making them at this moment."""
    with database.read() as transaction:
        return MemoryDatabase(path, _MEMORY_SCHEMA) if transaction.is_empty() else database


class Records:
    """Ledger, leases and journal of one operator's process. Cheap to make; safe to carry through a fork."""

    def __init__(self, database: Database, operator: str, now: Callable[[], float], run: str, read_only: bool) -> None:
        self._database = database
        self._local_now = now
        self._ahead = 0.0
        self._run = run
        self._read_only = read_only
        self.operator = operator
        self.location = database.location
        self._check_schema()
        #: Counters, transfers and keys of DLMS meters.
        self.dlms = DlmsLedger(database, operator, self._now, self._writable)
        #: Passwords of named accounts: changes on their way, marks, logins.
        self.secrets = SecretLedger(database, operator, self._now, self._writable)
        #: Audits that were made, and when each meter was last read by one.
        self.audits = ScanLedger(database, operator, self._now, self._writable)

    def _now(self) -> float:
        """The store's time: leases of several machines are judged by one clock (F-25)."""
        return self._local_now() + self._ahead

    def _check_schema(self) -> None:
        if self._read_only:
            with self._database.read() as transaction:
                if not transaction.has_table("meta"):
                    raise RecordsError(f"the ledger {self.location} has no tables of a ledger")
                schema.refuse_newer(transaction)
                self._know(transaction)
            return
        with self._database.write() as transaction:
            schema.install(transaction)
            self._know(transaction)

    def _know(self, transaction: Transaction) -> None:
        self.schema_version = schema.stored_version(transaction)
        self.ledger_id = schema.ledger_id(transaction)
        said, here = transaction.clock(), self._local_now()
        self._ahead = 0.0 if said is None else said - here
        latest = transaction.row("SELECT MAX(started) AS at FROM attempt")
        ahead = max(abs(self._ahead), (latest["at"] or 0.0) - self._now() if latest else 0.0)
        if ahead > constants.CLOCK_SKEW.number and not self._read_only:
            raise RecordsError(
                f"this machine's clock and that of the ledger {self.location} differ by {ahead:.0f} s; "
                f"at most {constants.CLOCK_SKEW.number} s are allowed, because waits, windows and leases are judged by it",
                "clock_skew",
            )

    @property
    def owner(self) -> Owner:
        """This process; looked up anew, since a worker is a fork of the one that opened the records."""
        return this_process(self._run)

    def _writable(self) -> None:
        if self._read_only:
            raise RecordsError("the ledger was opened for reading only (check mode), so nothing is written")

    # -- leases -----------------------------------------------------------------------------------------------

    def acquire(self, resource: str, ttl: float, attempt_id: str | None = None, *, resolve_open: bool = False) -> Lease | Holder:
        """The lease on ``resource`` (``meter:<serial>``) for ``ttl`` seconds, or who holds it.

        ``resolve_open`` also takes a lease whose owner is dead or late although its attempt has no end: the caller
        must then read the meter and end that attempt (``lease.attempt_id``) before it starts anything.
        """
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            result = lease_rows.take(transaction, self.owner, now, resource, ttl, attempt_id, resolve_open)
            if isinstance(result, Lease) and result.taken_over:
                body = {"resource": resource, "attempt": result.attempt_id}
                chain.append(transaction, self._campaign_of(transaction, result.attempt_id), now, self.operator, "lease_taken_over", body)
            return result

    def holder(self, resource: str) -> Holder | None:
        """Who else works on ``resource`` now, or None. Changes nothing."""
        with self._database.read() as transaction:
            return lease_rows.holder_of(transaction, self.owner, self._now(), resource)

    def acquire_slot(self, group: str, cap: int, ttl: float, attempt_id: str | None = None) -> Lease | None:
        """One of ``cap`` slots of ``group``, or None while all are in use.

        Given the id of an open attempt, the slot that attempt left behind is taken.
        """
        self._writable()
        with self._database.write() as transaction:
            return lease_rows.take_slot(transaction, self.owner, self._now(), group, cap, ttl, attempt_id)

    def slots_in_use(self, group: str) -> int:
        """Slots of a group that are not free now."""
        with self._database.read() as transaction:
            return lease_rows.in_use(transaction, group, self._now())

    def bind(self, lease: Lease, attempt_id: str | None) -> None:
        """Say that ``lease`` covers this attempt, or none any more. Raises LeaseLostError."""
        self._writable()
        with self._database.write() as transaction:
            if not lease_rows.bind(transaction, lease, attempt_id):
                raise LeaseLostError(lease.resource)

    def beat(self, *leases: Lease) -> None:
        """Keep leases for another ``ttl`` seconds. Raises LeaseLostError when another run has one of them."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            for lease in leases:
                if not lease_rows.extend(transaction, lease, now):
                    raise LeaseLostError(lease.resource)

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is still ours. Ask right before the point of no return."""
        with self._database.read() as transaction:
            return lease_rows.holds(transaction, lease)

    def release(self, *leases: Lease) -> None:
        """Give leases back. One that covers an attempt without an end only expires, to be resolved; a lost one is left alone."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            for lease in leases:
                lease_rows.give_back(transaction, lease, now)

    # -- attempts ---------------------------------------------------------------------------------------------

    def attempts(self, serial: str, model: str, since_version: str) -> AttemptCount:
        """Attempts of a meter in the band that begins at ``since_version`` (from the catalogue's limit)."""
        del model  # serial numbers are unique over models; the name stays in the call for ledgers of several makers
        with self._database.read() as transaction:
            return attempt_rows.count(transaction, serial, since_version)

    def attest_attempts(self, serial: str, model: str, since_version: str, used: int, by: str, at: str) -> None:
        """Store a person's word on attempts made before this ledger knew the meter. The same word twice changes nothing."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            if attempt_rows.attest(transaction, serial, model, since_version, used, by, at, now):
                body = {"serial": serial, "model": model, "since": since_version, "used": used, "by": by, "at": at}
                chain.append(transaction, chain.NO_CAMPAIGN, now, self.operator, "attempts_attested", body)

    def open_attempt(self, serial: str) -> Attempt | None:
        """The attempt of this meter whose end is not known."""
        with self._database.read() as transaction:
            return attempt_rows.open_of(transaction, serial)

    def attempt(self, attempt_id: str) -> Attempt:
        """One attempt by its id."""
        with self._database.read() as transaction:
            return attempt_rows.get(transaction, attempt_id)

    def attempt_history(self, serial: str) -> list[Attempt]:
        """All attempts of a meter, oldest first."""
        with self._database.read() as transaction:
            return attempt_rows.history(transaction, serial)

    def last_attempt_of_host(self, host: str) -> Attempt | None:
        """The newest attempt made under this inventory name: what to look for while its meter is silent."""
        with self._database.read() as transaction:
            return attempt_rows.last_of_host(transaction, host)

    def upgraded_by(self, method: str) -> frozenset[str]:
        """Serials of all meters that this method has upgraded, in one look."""
        with self._database.read() as transaction:
            return attempt_rows.upgraded_by(transaction, method)

    def serials_without_end(self) -> frozenset[str]:
        """Serials of all meters with an attempt whose end is not known, in one look."""
        with self._database.read() as transaction:
            return attempt_rows.serials_without_end(transaction)

    def begin_attempt(
        self,
        serial: str,
        model: str,
        host: str,
        row: str,
        method: str,
        source: str,
        target: str,
        artifact_digest: str,
        operator: str,
        plan_digest: str,
        campaign: str,
        before: Mapping[str, Any],
        limit_from: str = "",
        *,
        hard_timeout: float | None = None,
        leases: Iterable[Lease] = (),
    ) -> Attempt:
        """Record an attempt, durably, before the first request to the trigger path.

        ``leases`` (meter and slot) are checked and bound to it in the same transaction. ``hard_timeout`` (seconds) is when its
        leases become free although nobody saw its end. Raises LeaseLostError, or RecordsError while another attempt is open.
        """
        self._writable()
        now = self._now()
        attempt = Attempt(
            id=uuid.uuid4().hex,
            serial=serial,
            model=model,
            host=host,
            row=row,
            method=method,
            source=source,
            target=target,
            artifact_digest=artifact_digest,
            operator=operator,
            plan_digest=plan_digest,
            campaign=campaign,
            before=before,
            limit_from=limit_from,
            state=RECORDED,
            started=now,
            triggered=None,
            finished=None,
            hard_until=None if hard_timeout is None else now + hard_timeout,
            outcome="",
            reason="",
        )
        with self._database.write() as transaction:
            attempt_rows.insert(transaction, attempt, hard_timeout)
            for lease in leases:
                if not lease_rows.bind(transaction, lease, attempt.id):
                    raise LeaseLostError(lease.resource)
            body = {
                "attempt": attempt.id,
                "serial": serial,
                "model": model,
                "row": row,
                "method": method,
                "source": source,
                "target": target,
            }
            chain.append(transaction, campaign, now, self.operator, "attempt_recorded", {**body, "artifact": artifact_digest, "host": host})
        return attempt

    def mark(self, attempt_id: str, state: str, detail: Mapping[str, Any] | None = None, *, lease: Lease | None = None) -> Attempt:
        """Move an attempt from recorded to ``triggered`` or ``not_started`` (which ends it and does not count).

        With ``lease`` the move only happens while that lease is held; otherwise LeaseLostError.
        """
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            if lease is not None and not lease_rows.holds(transaction, lease):
                raise LeaseLostError(lease.resource)
            attempt = attempt_rows.move(transaction, attempt_id, state, dict(detail or {}), now)
            body = {"attempt": attempt_id, "serial": attempt.serial, "detail": dict(detail or {})}
            chain.append(transaction, attempt.campaign, now, self.operator, f"attempt_{state}", body)
            return attempt

    def end_attempt(self, attempt_id: str, outcome: str, reason: str = "", detail: Mapping[str, Any] | None = None) -> Attempt:
        """Write down how an attempt ended. The same end twice is fine, another one is refused."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            was_open = attempt_rows.get(transaction, attempt_id).open
            attempt = attempt_rows.finish(transaction, attempt_id, outcome, reason, dict(detail or {}), now)
            if was_open:
                body = {"attempt": attempt_id, "serial": attempt.serial, "outcome": outcome, "reason": reason}
                chain.append(transaction, attempt.campaign, now, self.operator, "attempt_ended", body)
            return attempt

    def annotate(self, attempt_id: str, detail: Mapping[str, Any]) -> Attempt:
        """Keep more of an attempt that rests (parked as silent, handed over). Raises RecordsError when it ended."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            attempt = attempt_rows.annotate(transaction, attempt_id, dict(detail))
            body = {"attempt": attempt_id, "serial": attempt.serial, "detail": dict(detail)}
            chain.append(transaction, attempt.campaign, now, self.operator, "attempt_noted", body)
            return attempt

    def last_end(self, campaign: str, method: str) -> float | None:
        """When the last attempt of this method in this campaign ended (R-119), or None."""
        with self._database.read() as transaction:
            return attempt_rows.last_end(transaction, campaign, method)

    def report_corrupt(self, campaign: str, digest: str, serial: str) -> None:
        """A meter called this artifact invalid or corrupted (R-145)."""
        self.journal(campaign, "image_corrupt", {"artifact": digest, "serial": serial})

    def corrupt_reports(self, campaign: str, digest: str) -> int:
        """How often meters called this artifact invalid or corrupted in this campaign (R-148)."""
        with self._database.read() as transaction:
            return chain.count(transaction, campaign, "image_corrupt", "artifact", digest)

    # -- campaigns --------------------------------------------------------------------------------------------

    def plan_meters(self, campaign: str, hosts: Iterable[str] | Mapping[str, str], plan_digest: str = "") -> list[str]:
        """Register who is planned (host names, or host to serial). Repeating it is fine; the hosts that were new."""
        self._writable()
        now = self._now()
        wanted = dict(hosts) if isinstance(hosts, Mapping) else dict.fromkeys(hosts, "")
        with self._database.write() as transaction:
            new = campaign_rows.plan(transaction, campaign, wanted, now)
            if new:
                chain.append(transaction, campaign, now, self.operator, "meters_planned", {"hosts": new, "plan_digest": plan_digest})
            return new

    def record_outcome(
        self, campaign: str, host: str, serial: str, outcome: str, reason: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        """Store the last outcome of a meter in this campaign."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            campaign_rows.record(transaction, campaign, host, serial, outcome, reason, dict(detail or {}), now)
            chain.append(
                transaction, campaign, now, self.operator, "outcome", {"host": host, "serial": serial, "outcome": outcome, "reason": reason}
            )

    def record_outcomes(self, campaign: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Store the outcome of many meters (host, serial, outcome, reason, text) as one entry of the journal."""
        self._writable()
        now = self._now()
        kept = [dict(row) for row in rows]
        with self._database.write() as transaction:
            for row in kept:
                detail = {"text": row.get("text", "")}
                campaign_rows.record(transaction, campaign, row["host"], row["serial"], row["outcome"], row.get("reason", ""), detail, now)
            if kept:
                chain.append(transaction, campaign, now, self.operator, "outcomes", {"meters": kept})

    def outcomes(self, campaign: str) -> dict[str, dict[str, Any]]:
        """``{host: {planned, serial, outcome, reason, detail, at}}``; an empty outcome means none yet."""
        with self._database.read() as transaction:
            return campaign_rows.outcomes(transaction, campaign)

    # -- journal ----------------------------------------------------------------------------------------------

    def journal(self, campaign: str, event: str, body: Mapping[str, Any]) -> str:
        """Add an entry of the caller's own; the new head of the chain."""
        self._writable()
        with self._database.write() as transaction:
            return chain.append(transaction, campaign, self._now(), self.operator, event, body)

    def journal_lines(self, campaign: str) -> str:
        """The campaign's journal as JSON lines."""
        with self._database.read() as transaction:
            return chain.export_lines(chain.entries(transaction, campaign))

    def verify_chain(self, campaign: str, head: str | None = None) -> ChainCheck:
        """Recompute the campaign's chain; with a ``head`` from a report also notice entries cut off at the end."""
        with self._database.read() as transaction:
            return chain.check(transaction, campaign, head)

    def campaigns(self) -> list[str]:
        """Names of all campaigns with a journal, that of entries without a campaign among them."""
        with self._database.read() as transaction:
            return [str(row["campaign"]) for row in transaction.rows("SELECT DISTINCT campaign FROM journal ORDER BY campaign")]

    def require_trust(self, campaign: str, head: str | None = None) -> None:
        """Raise RecordsError ``ledger_untrusted`` unless the campaign's journal is whole and knows ``head`` (F-39, R-297)."""
        found = self.verify_chain(campaign, head)
        if not found.ok:
            raise RecordsError(
                f"the journal of {campaign} in {self.location} is broken at entry {found.broken_at}, or older than the given head: "
                "restore the ledger from a copy, or accept 'ledger_rebaseline' to go on from what is there"
            )

    def rebaseline(self, campaign: str, why: str, head: str | None = None) -> str:
        """Take the journal as it is now for good, in an entry of its own that tells so; the new head. Whole chains are left alone.

        With a ``head`` also a journal that is whole but does not know it, such as one from an older copy.
        """
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            found = chain.check(transaction, campaign, head)
            if found.ok:
                return found.head
            return chain.rebaseline(transaction, campaign, now, self.operator, found.broken_at or 0, why, head)

    def replace_meter(self, host: str, serial: str, by: str, at: str) -> None:
        """A person's word that the meter with this serial was taken away from under this host name; its attempts stay on record."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            if attempt_rows.replace(transaction, host, serial, by, at, now):
                body = {"host": host, "serial": serial, "by": by, "at": at}
                chain.append(transaction, chain.NO_CAMPAIGN, now, self.operator, "meter_replaced", body)

    @staticmethod
    def _campaign_of(transaction: Transaction, attempt_id: str | None) -> str:
        return attempt_rows.get(transaction, attempt_id).campaign if attempt_id else chain.NO_CAMPAIGN
