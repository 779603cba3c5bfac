# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The one seam to the database: short transactions, here over SQLite; ``postgres`` has the other store.

Every transaction opens its own connection and closes it. That costs about a millisecond and makes forked workers
safe by construction: no connection ever lives long enough to be shared across a fork. Statements keep to what SQLite
and PostgreSQL both understand, with ``?`` as placeholder.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from .errors import RecordsError

Row = dict[str, Any]
BUSY_SECONDS = 30.0
_WORLD_WRITABLE = 0o002


class Transaction:
    """Statements of one transaction. ``connection`` follows the database API of Python (PEP 249)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; the number of rows it changed."""
        return int(self._connection.execute(sql, tuple(values)).rowcount)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for each of many rows."""
        if rows:
            self._connection.cursor().executemany(sql, rows)

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a query, as dicts."""
        cursor = self._connection.execute(sql, tuple(values))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def has_table(self, name: str) -> bool:
        """Whether a table exists."""
        return self.row("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)) is not None

    def is_empty(self) -> bool:
        """Whether there is no table of anybody yet."""
        return self.row("SELECT name FROM sqlite_master LIMIT 1") is None

    def clock(self) -> float | None:
        """Seconds since 1970 by the store's own clock; None where that is this machine's."""
        return None


class Database(Protocol):
    """What the records ask of a store. All errors are RecordsError with one sentence."""

    @property
    def location(self) -> str:
        """Where it is, fit to be shown."""

    def prepare(self) -> None:
        """Make it where there is none."""

    def read(self) -> contextlib.AbstractContextManager[Transaction]:
        """A consistent view."""

    def write(self) -> contextlib.AbstractContextManager[Transaction]:
        """A change, one at a time over all processes; durable when the block ends, undone by an exception."""


class SqliteDatabase:
    """A ledger file. Raises RecordsError with one sentence for whatever is wrong with it."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy = busy_seconds

    @property
    def location(self) -> str:
        """The path."""
        return str(self.path)

    def prepare(self) -> None:
        """Make the file with mode 0600 (and a missing folder with 0700), or refuse one that anybody may write."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            mode = self.path.stat().st_mode
        except OSError as error:
            raise RecordsError(f"the ledger {self.path} cannot be opened: {error.strerror}") from None
        if mode & _WORLD_WRITABLE:
            raise RecordsError(
                f"the ledger {self.path} can be written by everybody on this machine, so it is not trusted; take that right away"
            )

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view."""
        with self._session("BEGIN") as transaction:
            yield transaction

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """A change: takes the write lock first, is on the disk when the block ends, and is undone by an exception."""
        with self._session("BEGIN IMMEDIATE") as transaction:
            yield transaction

    @contextlib.contextmanager
    def _session(self, begin: str) -> Iterator[Transaction]:
        connection: sqlite3.Connection | None = None
        try:
            connection = self._connect()
            connection.execute(begin)
            yield Transaction(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._sentence(error) from None
        finally:
            if connection is not None:
                connection.close()  # an open transaction is rolled back by this

    def _connect(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path))}?mode={'rw' if os.access(self.path, os.W_OK) else 'ro'}"
        connection = sqlite3.connect(uri, uri=True, timeout=self._busy, isolation_level=None)
        # EXTRA also waits for the folder entry of the removed journal: a recorded attempt survives a power loss.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _sentence(self, error: sqlite3.Error) -> RecordsError:
        text = str(error).lower()
        if "locked" in text or "busy" in text:
            return RecordsError(f"the ledger {self.path} was locked by another process for {self._busy:g} s")
        if "readonly" in text or "read-only" in text:
            return RecordsError(f"the ledger {self.path} cannot be written: it is read-only for this user")
        if "unable to open" in text:
            return RecordsError(f"the ledger {self.path} cannot be opened")
        if "disk" in text and "full" in text:
            return RecordsError(f"the ledger {self.path} cannot be written: the disk is full")
        if "not a database" in text or "malformed" in text or "corrupt" in text:
            return RecordsError(f"the ledger {self.path} is damaged or is not a ledger ({error}); restore it from a copy")
        return RecordsError(f"the ledger {self.path} cannot be used ({error})")


class MemoryDatabase(SqliteDatabase):
    """Stands for a ledger that does not exist yet, where nothing may be written (check mode): empty, and forgets all."""

    def __init__(self, path: Path, statements: Sequence[str]) -> None:
        super().__init__(path)
        self._statements = statements

    def prepare(self) -> None:
        """Nothing is made on the disk."""

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        for statement in self._statements:
            connection.execute(statement)
        return connection
