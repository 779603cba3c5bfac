# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The tables (design 4.5) and their version. Types are spelt so that SQLite and PostgreSQL both take them."""

from __future__ import annotations

import uuid

from .database import Transaction
from .errors import RecordsError

VERSION = 5

STATEMENTS: tuple[str, ...] = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE attempt (
        id TEXT PRIMARY KEY, campaign TEXT NOT NULL, serial TEXT NOT NULL, model TEXT NOT NULL, host TEXT NOT NULL,
        matrix_row TEXT NOT NULL, method TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
        artifact_digest TEXT NOT NULL, operator TEXT NOT NULL, plan_digest TEXT NOT NULL, limit_from TEXT NOT NULL,
        state TEXT NOT NULL, started DOUBLE PRECISION NOT NULL, triggered DOUBLE PRECISION, finished DOUBLE PRECISION,
        hard_seconds DOUBLE PRECISION, outcome TEXT NOT NULL, reason TEXT NOT NULL, before TEXT NOT NULL, detail TEXT NOT NULL)""",
    "CREATE INDEX attempt_serial ON attempt (serial, started)",
    # The rule "one open attempt for each meter" is kept by the database itself.
    "CREATE UNIQUE INDEX attempt_open ON attempt (serial) WHERE finished IS NULL",
    """CREATE TABLE attestation (
        serial TEXT NOT NULL, since_version TEXT NOT NULL, model TEXT NOT NULL, used BIGINT NOT NULL,
        said_by TEXT NOT NULL, said_at TEXT NOT NULL, stored DOUBLE PRECISION NOT NULL, PRIMARY KEY (serial, since_version))""",
    """CREATE TABLE lease (
        resource TEXT PRIMARY KEY, slot_group TEXT NOT NULL, token TEXT NOT NULL, attempt_id TEXT,
        host TEXT NOT NULL, boot_id TEXT NOT NULL, pid BIGINT NOT NULL, pid_start BIGINT NOT NULL, run TEXT NOT NULL,
        acquired DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION NOT NULL)""",
    "CREATE INDEX lease_group ON lease (slot_group)",
    """CREATE TABLE journal (
        campaign TEXT NOT NULL, entry BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL, operator TEXT NOT NULL, event TEXT NOT NULL,
        body TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (campaign, entry))""",
    """CREATE TABLE campaign_meter (
        campaign TEXT NOT NULL, host TEXT NOT NULL, planned BIGINT NOT NULL, serial TEXT NOT NULL, outcome TEXT NOT NULL,
        reason TEXT NOT NULL, detail TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, PRIMARY KEY (campaign, host))""",
)

#: What each later version adds to the one before. A ledger of an older release goes through them in order, in one transaction.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    2: (
        "CREATE INDEX attempt_campaign ON attempt (campaign, method)",
        """CREATE TABLE replaced (
            host TEXT NOT NULL, serial TEXT NOT NULL, said_by TEXT NOT NULL, said_at TEXT NOT NULL, stored DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (host, serial))""",
    ),
    3: (
        "CREATE TABLE dlms_counter (name TEXT PRIMARY KEY, next BIGINT NOT NULL, told BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL)",
        """CREATE TABLE dlms_transfer (
            serial TEXT PRIMARY KEY, component BIGINT NOT NULL, digest TEXT NOT NULL, identifier TEXT NOT NULL, size BIGINT NOT NULL,
            block_size BIGINT NOT NULL, state TEXT NOT NULL, campaign TEXT NOT NULL, at DOUBLE PRECISION NOT NULL)""",
        """CREATE TABLE dlms_key (
            serial TEXT NOT NULL, client BIGINT NOT NULL, key_id TEXT NOT NULL, mark TEXT NOT NULL, state TEXT NOT NULL,
            at DOUBLE PRECISION NOT NULL, PRIMARY KEY (serial, client, key_id))""",
        """CREATE TABLE credential_mark (
            serial TEXT NOT NULL, account TEXT NOT NULL, mark TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, PRIMARY KEY (serial, account))""",
    ),
    4: (
        """CREATE TABLE secret_change (
            serial TEXT NOT NULL, account TEXT NOT NULL, mark TEXT NOT NULL, previous TEXT NOT NULL, state TEXT NOT NULL,
            began DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, PRIMARY KEY (serial, account))""",
        """CREATE TABLE secret_history (
            serial TEXT NOT NULL, account TEXT NOT NULL, mark TEXT NOT NULL, at DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (serial, account, mark))""",
        """CREATE TABLE login_try (
            serial TEXT NOT NULL, account TEXT NOT NULL, protocol TEXT NOT NULL, mark TEXT NOT NULL, state TEXT NOT NULL,
            tries BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL, until DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (serial, account, protocol, mark))""",
    ),
    5: (
        """CREATE TABLE scan (
            number BIGINT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, operator TEXT NOT NULL, baseline TEXT NOT NULL,
            verdict TEXT NOT NULL, digest TEXT NOT NULL, verdicts TEXT NOT NULL)""",
        """CREATE TABLE scan_meter (
            serial TEXT NOT NULL, host TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, PRIMARY KEY (serial, host))""",
    ),
}


def install(transaction: Transaction) -> None:
    """Make the tables where there are none. Raises RecordsError for tables of a newer version or of somebody else."""
    if not transaction.has_table("meta"):
        if not transaction.is_empty():
            raise RecordsError("what is given as ledger is a database of something else")
        for statement in STATEMENTS:
            transaction.execute(statement)
        transaction.execute("INSERT INTO meta (name, value) VALUES ('schema_version', '1')")
        transaction.execute("INSERT INTO meta (name, value) VALUES ('ledger_id', ?)", (uuid.uuid4().hex,))
    refuse_newer(transaction)
    _migrate(transaction)


def _migrate(transaction: Transaction) -> None:
    present = stored_version(transaction)
    for version in range(present + 1, VERSION + 1):
        for statement in MIGRATIONS[version]:
            transaction.execute(statement)
    if present < VERSION:
        transaction.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", (str(VERSION),))


def refuse_newer(transaction: Transaction) -> None:
    """Raise RecordsError for a ledger written by a newer release."""
    version = stored_version(transaction)
    if version > VERSION:
        raise RecordsError(
            f"the ledger has schema version {version}, but this release knows up to {VERSION}: use a newer release of the collection"
        )


def stored_version(transaction: Transaction) -> int:
    """Schema version of this ledger."""
    row = transaction.row("SELECT value FROM meta WHERE name = 'schema_version'")
    if row is None or not str(row["value"]).isdigit():
        raise RecordsError("the ledger does not say its schema version, so it is not trusted")
    return int(row["value"])


def ledger_id(transaction: Transaction) -> str:
    """The name this ledger was given when it was made."""
    row = transaction.row("SELECT value FROM meta WHERE name = 'ledger_id'")
    return str(row["value"]) if row else ""
