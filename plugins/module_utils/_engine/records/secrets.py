# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is kept of passwords of named accounts: changes on their way, logins that were tried, how old a password is (design 4.5).

Callers pass marks, never a password. A mark is empty where the caller has no key for marks; then only times are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import journal as chain
from .database import Database, Row, Transaction

PENDING, ACTIVE, REFUSED = "pending", "active", "refused"
#: How a login ended that was noted before it: ``trying`` until then, and for good where the run was cut off.
TRYING, SILENT = "trying", "silent"

_CHANGE = "serial, account, mark, previous, state, began, ended"
_TRY = "serial, account, protocol, mark, state, tries, at, until"
_ACCOUNT = "serial = ? AND account = ?"
_WAY = f"{_ACCOUNT} AND protocol = ?"


class SecretLedger:
    """The part of the records for passwords; ``Records.secrets`` makes it. Every change is on the disk when its method returns."""

    def __init__(self, database: Database, operator: str, now: Callable[[], float], writable: Callable[[], None]) -> None:
        self._database, self._operator, self._now, self._writable = database, operator, now, writable

    def now(self) -> float:
        """The store's time, seconds since 1970, by which its waits are judged."""
        return self._now()

    # -- changes of a password ----------------------------------------------------------------------------------------

    def last_change(self, serial: str, account: str) -> Row | None:
        """The last change of this account's password: ``{mark, previous, state, began, ended}``, or None."""
        return self._row("secret_change", f"SELECT {_CHANGE} FROM secret_change WHERE {_ACCOUNT}", (serial, account))

    def pending(self, serial: str) -> dict[str, Row]:
        """Changes of this meter's passwords that have no known end, by account."""
        rows = self._rows("secret_change", f"SELECT {_CHANGE} FROM secret_change WHERE serial = ? AND state = ?", (serial, PENDING))
        return {str(row["account"]): row for row in rows}

    def begin(self, serial: str, account: str, mark: str, previous: str = "") -> None:
        """Note that a new password is about to be sent (R-309); ``previous`` is the mark of the one that works, where known."""
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            transaction.execute(f"DELETE FROM secret_change WHERE {_ACCOUNT}", (serial, account))
            values = (serial, account, mark, previous, PENDING, now, None)
            transaction.execute(f"INSERT INTO secret_change ({_CHANGE}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            self._append(transaction, "password_sending", {"serial": serial, "account": account})

    def end(self, serial: str, account: str, outcome: str, mark: str = "") -> None:
        """Note what became of it: ``active``, ``refused`` or ``unknown`` (which stays pending).

        Active: ``mark`` becomes the one that works, set now; logins that were refused before tell nothing any more.
        """
        self._writable()
        now = self._now()
        with self._database.write() as transaction:
            if outcome != "unknown":
                values = (outcome, now, serial, account)
                transaction.execute(f"UPDATE secret_change SET state = ?, ended = ? WHERE {_ACCOUNT}", values)
            if outcome == ACTIVE:
                transaction.execute(f"DELETE FROM login_try WHERE {_ACCOUNT} AND state <> 'locked'", (serial, account))
                if mark:
                    _replace_mark(transaction, serial, account, mark, now)
                    transaction.execute(f"DELETE FROM secret_history WHERE {_ACCOUNT} AND mark = ?", (serial, account, mark))
                    sql = "INSERT INTO secret_history (serial, account, mark, at) VALUES (?, ?, ?, ?)"
                    transaction.execute(sql, (serial, account, mark, now))
            self._append(transaction, "password_ended", {"serial": serial, "account": account, "outcome": outcome})

    def drop(self, serial: str, account: str) -> None:
        """Forget an account that was removed from the meter. Repeating it is fine."""
        self._writable()
        with self._database.write() as transaction:
            for table in ("secret_change", "credential_mark", "login_try"):
                transaction.execute(f"DELETE FROM {table} WHERE {_ACCOUNT}", (serial, account))

    # -- marks --------------------------------------------------------------------------------------------------------

    def mark(self, serial: str, account: str) -> Row | None:
        """``{mark, at}`` of the password that worked last, ``at`` the time of its first proof (or of its change); or None."""
        return self._row("credential_mark", f"SELECT mark, at FROM credential_mark WHERE {_ACCOUNT}", (serial, account))

    def prove(self, serial: str, account: str, mark: str) -> None:
        """Keep the mark of a password that has just worked; the time stays that of the first proof of the same mark."""
        known = self.mark(serial, account)
        if not mark or (known is not None and known["mark"] == mark):
            return
        self._writable()
        with self._database.write() as transaction:
            _replace_mark(transaction, serial, account, mark, self._now())

    def history(self, serial: str, account: str) -> list[Row]:
        """Marks of the passwords that runs of ours set on this account, newest first: ``{mark, at}`` (R-307)."""
        sql = f"SELECT mark, at FROM secret_history WHERE {_ACCOUNT} ORDER BY at DESC"
        return self._rows("secret_history", sql, (serial, account))

    # -- logins -------------------------------------------------------------------------------------------------------

    def tries(self, serial: str, account: str) -> list[Row]:
        """Logins of this account that did not succeed, as far as they still count: ``{protocol, mark, state, tries, at, until}``."""
        rows = self._rows("login_try", f"SELECT {_TRY} FROM login_try WHERE {_ACCOUNT}", (serial, account))
        return [row for row in rows if row["until"] > self._now()]

    def try_begin(self, serial: str, account: str, protocol: str, mark: str, until: float) -> None:
        """Note a login before it is tried; ``until`` is how long it counts where nobody learns its end."""
        self._writable()
        now = self._now()
        way = (serial, account, protocol)
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM login_try WHERE until <= ?", (now,))
            row = transaction.row(f"SELECT tries FROM login_try WHERE {_WAY} AND mark = ?", (*way, mark))
            transaction.execute(f"DELETE FROM login_try WHERE {_WAY} AND mark = ?", (*way, mark))
            values = (*way, mark, TRYING, int(row["tries"]) + 1 if row else 1, now, until)
            transaction.execute(f"INSERT INTO login_try ({_TRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def try_end(self, serial: str, account: str, protocol: str, mark: str, result: str, until: float) -> None:
        """Note how it ended: ``works`` (what was refused before counts no more towards a lockout), ``refused``, ``locked``,
        ``silent`` (sent, no answer) or ``unsent`` (which takes it back).

        ``until``: a refused password is not tried again before, and a locked account not at all.
        """
        self._writable()
        now = self._now()
        way = (serial, account, protocol)
        with self._database.write() as transaction:
            if result == "works":
                transaction.execute(f"DELETE FROM login_try WHERE {_WAY} AND (mark = ? OR mark = '' OR state = 'locked')", (*way, mark))
                transaction.execute(f"UPDATE login_try SET tries = 0 WHERE {_WAY}", way)
                return
            if result == "unsent":
                transaction.execute(f"UPDATE login_try SET tries = tries - 1, state = ? WHERE {_WAY} AND mark = ?", (SILENT, *way, mark))
                transaction.execute(f"DELETE FROM login_try WHERE {_WAY} AND mark = ? AND tries <= 0", (*way, mark))
                return
            transaction.execute(
                f"UPDATE login_try SET state = ?, until = ?, at = ? WHERE {_WAY} AND mark = ?", (result, until, now, *way, mark)
            )
            body = {"serial": serial, "account": account, "protocol": protocol, "result": result}
            self._append(transaction, "login_failed", body)

    def forget_tries(self, serial: str, account: str, mark: str | None = None) -> None:
        """Logins that failed tell nothing any more, of one password or of all; a lockout stays."""
        self._writable()
        one, values = ("", ()) if mark is None else (" AND mark = ?", (mark,))
        with self._database.write() as transaction:
            transaction.execute(f"DELETE FROM login_try WHERE {_ACCOUNT} AND state <> 'locked'{one}", (serial, account, *values))

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _row(self, table: str, sql: str, values: tuple[object, ...]) -> Row | None:
        found = self._rows(table, sql, values)
        return found[0] if found else None

    def _rows(self, table: str, sql: str, values: tuple[object, ...]) -> list[Row]:
        with self._database.read() as transaction:
            return transaction.rows(sql, values) if transaction.has_table(table) else []  # an older ledger that is only read

    def _append(self, transaction: Transaction, event: str, body: Mapping[str, Any]) -> None:
        chain.append(transaction, chain.NO_CAMPAIGN, self._now(), self._operator, event, body)


def _replace_mark(transaction: Transaction, serial: str, account: str, mark: str, now: float) -> None:
    row = transaction.row(f"SELECT mark FROM credential_mark WHERE {_ACCOUNT}", (serial, account))
    if row is not None and row["mark"] == mark:
        return
    transaction.execute(f"DELETE FROM credential_mark WHERE {_ACCOUNT}", (serial, account))
    transaction.execute("INSERT INTO credential_mark (serial, account, mark, at) VALUES (?, ?, ?, ?)", (serial, account, mark, now))
