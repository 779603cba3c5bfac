# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The records in PostgreSQL, for several control processes and for containers that are thrown away.

Writers go one after another by one advisory lock, as they do with a SQLite file, so the same statements mean the same on both.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import platform
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..base.errors import DependencyError, InputError
from .database import BUSY_SECONDS, Transaction
from .errors import RecordsError

_CONNECT_SECONDS = 10
_LOCK = 0x6772_6964_6F70_7301  # one number of our own for the advisory lock
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: Each statement sees what was committed before it, so also what was written while this one waited for its turn,
#: whatever the database's own default is.
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"


@functools.cache
def _driver() -> Any:
    """psycopg, loaded when a URL is used for the first time: it takes nearly half a second, which the file store shall not cost."""
    try:
        return importlib.import_module("psycopg")
    except ImportError as exc:
        raise DependencyError(exc.name or "psycopg", platform.node(), "records in PostgreSQL") from None


class PostgresTransaction(Transaction):
    """The same statements, with PostgreSQL's placeholders."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        return super().execute(_translated(sql), values)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        super().execute_many(_translated(sql), rows)

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        return super().rows(_translated(sql), values)

    def has_table(self, name: str) -> bool:
        return (
            self.row("SELECT 1 AS found FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?", (name,))
            is not None
        )

    def is_empty(self) -> bool:
        return self.row("SELECT 1 AS found FROM information_schema.tables WHERE table_schema = current_schema() LIMIT 1") is None

    def clock(self) -> float | None:
        row = self.row("SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS at")
        return None if row is None else float(row["at"])


def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


class PostgresDatabase:
    """A ledger in a database of its own, or in a schema of its own (``search_path``). The password may stand in the URL, in ``PGPASSWORD`` or in ``~/.pgpass``.

    Raises InputError for another URL, DependencyError without psycopg, RecordsError ``ledger_unreachable`` for a server that is away.
    """

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        shown = masked(url)
        if not url.startswith(("postgresql://", "postgres://")):
            raise InputError("records", shown, "the path of a SQLite file, or a URL that begins with postgresql://", "design 4.5")
        driver = _driver()
        try:
            driver.conninfo.conninfo_to_dict(url)
        except driver.Error:
            raise InputError("records", shown, "a URL such as postgresql://user@host/database", "design 4.5") from None
        self._url, self._busy, self._shown = url, busy_seconds, shown
        self._kept: tuple[int, Any] | None = None

    def __del__(self) -> None:
        kept = getattr(self, "_kept", None)
        if kept is not None and kept[0] == os.getpid():
            kept[1].close()

    @property
    def location(self) -> str:
        """The URL without its password."""
        return self._shown

    def prepare(self) -> None:
        """Nothing: the database is made by its administrator, the tables with the first write."""

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view that changes nothing."""
        with self._session(_READ) as transaction:
            yield transaction

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """A change: waits for its turn, is on the server's disk when the block ends, and is undone by an exception."""
        with self._session(_WRITE) as transaction:
            transaction.execute("SET LOCAL synchronous_commit = on")
            transaction.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield transaction

    @contextlib.contextmanager
    def _session(self, begin: str) -> Iterator[PostgresTransaction]:
        connection: Any = None
        driver, done = _driver(), False
        try:
            connection = self._begun(f"{begin}; SET LOCAL lock_timeout = '{int(self._busy * 1000)}ms'")
            yield PostgresTransaction(connection)
            connection.execute("COMMIT")
            done = True
        except driver.Error as error:
            raise self._sentence(error) from None
        finally:
            if done and self._kept is None:
                self._kept = (os.getpid(), connection)
            elif connection is not None:
                connection.close()  # an open transaction is rolled back by this

    def _begun(self, begin: str) -> Any:
        """A connection with an open transaction: the one kept from the last, where it still works, else a new one.

        It is kept by the process that made it: workers are forks, and what they inherit is neither used nor closed. Whoever asks
        for a transaction inside another one gets a second connection.
        """
        driver, kept, self._kept = _driver(), self._kept, None
        if kept is not None and kept[0] == os.getpid():
            try:
                kept[1].execute(begin)
                return kept[1]
            except driver.Error:  # the server or something on the way closed it while it was idle; nothing was done yet
                kept[1].close()
        # Nothing is prepared on the server: a pooler may give each transaction another connection of its own.
        made = driver.connect(self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS, prepare_threshold=None)
        made.execute(begin)
        return made

    def _sentence(self, error: Exception) -> RecordsError:
        errors = _driver().errors
        if isinstance(error, errors.LockNotAvailable):
            return RecordsError(f"the ledger {self._shown} was locked by another process for {self._busy:g} s", "ledger_unreachable")
        if isinstance(error, errors.IntegrityError):
            return RecordsError(f"the ledger {self._shown} refused a record that contradicts another one ({type(error).__name__})")
        if isinstance(error, (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
            return RecordsError(f"the ledger {self._shown} cannot be written by this user", "ledger_unreachable")
        said = " ".join(str(error).split())[:200]
        return RecordsError(f"the ledger {self._shown} cannot be used ({_without_password(said, self._url)})", "ledger_unreachable")


def masked(url: str) -> str:
    """A URL without the password that may stand in it."""
    hidden = re.sub(r"(://[^/@:]*):.*@", r"\1:********@", url)
    return re.sub(r"(?i)(password=)[^&\s]*", r"\1********", hidden)


def password_of(url: object) -> str | None:
    """The password in a records URL, to be masked wherever a task shows something; None in whatever is no such URL."""
    if not isinstance(url, str) or "://" not in url:
        return None
    try:
        parts = urlsplit(url)
        found = parts.password or parse_qs(parts.query).get("password", [""])[0]
    except ValueError:
        return None
    return unquote(found) or None


def _without_password(text: str, url: str) -> str:
    secret = password_of(url)
    return text.replace(secret, "********") if secret else text
