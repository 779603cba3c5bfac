# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is kept of DLMS/COSEM meters: invocation counters, half-done transfers, keys on their way, marks of credentials.

No key, password or anything that can be turned back into one is ever stored: callers pass names and marks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..base.errors import DeviceError
from ..catalogue import constants
from . import journal as chain
from .database import Database, Transaction

_TRANSFER = "serial, component, digest, identifier, size, block_size, state, campaign, at"
_KEY = "serial, client, key_id, mark, state, at"


class DlmsLedger:
    """The part of the records for DLMS meters; ``Records.dlms`` makes it. Every change is on the disk when its method returns."""

    def __init__(self, database: Database, operator: str, now: Callable[[], float], writable: Callable[[], None]) -> None:
        self._database, self._operator, self._now, self._writable = database, operator, now, writable

    # -- invocation counters ------------------------------------------------------------------------------------------

    def reserve(self, name: str, count: int, floor: int, *, accept_reset: bool = False) -> int:
        """The first of ``count`` counters that were never given out under this name (client title, meter title, key).

        ``floor`` is the lowest one the meter will take, 0 where it does not tell. What the meter tells is not protected: a
        value below what it told before, or far above what was given out, raises DeviceError, unless ``accept_reset``. A
        counter is never given out twice, whatever the meter tells.
        """
        self._writable()
        with self._database.write() as transaction:
            return self._reserve(transaction, name, count, floor, accept_reset)

    def reserve_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[int | DeviceError]:
        """``reserve`` for several (name, count, floor) in one change; one that is refused has its error in its place."""
        self._writable()
        found: list[int | DeviceError] = []
        with self._database.write() as transaction:
            for name, count, floor in wanted:
                try:
                    found.append(self._reserve(transaction, name, count, floor, False))
                except DeviceError as exc:  # raised before anything of this one is written
                    found.append(exc)
        return found

    def _reserve(self, transaction: Transaction, name: str, count: int, floor: int, accept_reset: bool) -> int:
        row = transaction.row("SELECT next, told FROM dlms_counter WHERE name = ?", (name,))
        following, told = (int(row["next"]), int(row["told"])) if row else (0, 0)
        if floor and not accept_reset:
            _refuse_strange(floor, following if row else 0, told)
        first = max(following, floor, 1)
        if first + count - 1 > constants.DLMS_COUNTER_MAX.number:
            raise DeviceError("association", "dlms_counter_exhausted", "the invocation counter of this key is used up: change the keys")
        values = (first + count, max(floor, 0 if accept_reset else told), self._now(), name)
        if row:
            transaction.execute("UPDATE dlms_counter SET next = ?, told = ?, at = ? WHERE name = ?", values)
        else:
            transaction.execute("INSERT INTO dlms_counter (next, told, at, name) VALUES (?, ?, ?, ?)", values)
        return first

    def counter(self, name: str) -> int | None:
        """The next counter under this name, or None where none was given out."""
        row = self._row("dlms_counter", "SELECT next FROM dlms_counter WHERE name = ?", (name,))
        return int(row["next"]) if row else None

    # -- transfers ----------------------------------------------------------------------------------------------------

    def transfer(self, serial: str) -> dict[str, Any] | None:
        """The transfer that was begun with this meter and has no end yet (X-08), or None."""
        return self._row("dlms_transfer", f"SELECT {_TRANSFER} FROM dlms_transfer WHERE serial = ?", (serial,))

    def begin_transfer(self, serial: str, what: Mapping[str, Any], campaign: str) -> None:
        """Note a transfer before it is initiated; one that was there is gone with it.

        ``what`` holds component, digest (SHA-256 of the image), identifier (hex), size and block_size (octets).
        """
        self._writable()
        now = self._now()
        known = {name: what[name] for name in ("component", "digest", "identifier", "size", "block_size")}
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM dlms_transfer WHERE serial = ?", (serial,))
            values = (serial, *known.values(), "initiating", campaign, now)
            transaction.execute(f"INSERT INTO dlms_transfer ({_TRANSFER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            self._append(transaction, campaign, "transfer_begun", {"serial": serial, **known})

    def note_transfer(self, serial: str, state: str) -> None:
        """Move a transfer to a later state (initiated, transferred, checked, scheduled)."""
        self._writable()
        with self._database.write() as transaction:
            transaction.execute("UPDATE dlms_transfer SET state = ?, at = ? WHERE serial = ?", (state, self._now(), serial))

    def end_transfer(self, serial: str, outcome: str) -> None:
        """Forget a transfer that is complete, or that the meter has thrown away. Repeating it is fine."""
        self._writable()
        with self._database.write() as transaction:
            row = transaction.row("SELECT campaign FROM dlms_transfer WHERE serial = ?", (serial,))
            if row and transaction.execute("DELETE FROM dlms_transfer WHERE serial = ?", (serial,)):
                self._append(transaction, str(row["campaign"]), "transfer_ended", {"serial": serial, "outcome": outcome})

    # -- keys on their way --------------------------------------------------------------------------------------------

    def pending_keys(self, serial: str, client: int) -> dict[str, dict[str, Any]]:
        """Keys that were about to be sent and have no known end, by key id: ``{guek: {mark, at}}``."""
        with self._database.read() as transaction:
            if not transaction.has_table("dlms_key"):
                return {}
            found = transaction.rows(f"SELECT {_KEY} FROM dlms_key WHERE serial = ? AND client = ? AND state = 'pending'", (serial, client))
        return {str(row["key_id"]): {"mark": row["mark"], "at": row["at"]} for row in found}

    def begin_key(self, serial: str, client: int, key_id: str, mark: str) -> None:
        """Note that a new key is about to be sent (wire-dlms 4.3). ``mark`` tells it from others and does not give it away."""
        self._writable()
        with self._database.write() as transaction:
            self._put_key(transaction, serial, client, key_id, mark, "pending")
            self._append(transaction, chain.NO_CAMPAIGN, "key_sending", {"serial": serial, "client": client, "key": key_id})

    def end_key(self, serial: str, client: int, key_id: str, outcome: str) -> None:
        """Note what became of it: ``active``, ``refused`` or ``unknown`` (which stays pending)."""
        self._writable()
        with self._database.write() as transaction:
            if outcome != "unknown":
                values = (outcome, self._now(), serial, client, key_id)
                transaction.execute("UPDATE dlms_key SET state = ?, at = ? WHERE serial = ? AND client = ? AND key_id = ?", values)
            body = {"serial": serial, "client": client, "key": key_id, "outcome": outcome}
            self._append(transaction, chain.NO_CAMPAIGN, "key_ended", body)

    def _put_key(self, transaction: Transaction, serial: str, client: int, key_id: str, mark: str, state: str) -> None:
        transaction.execute("DELETE FROM dlms_key WHERE serial = ? AND client = ? AND key_id = ?", (serial, client, key_id))
        transaction.execute(f"INSERT INTO dlms_key ({_KEY}) VALUES (?, ?, ?, ?, ?, ?)", (serial, client, key_id, mark, state, self._now()))

    # -- marks of credentials -----------------------------------------------------------------------------------------

    def mark(self, serial: str, account: str) -> dict[str, Any] | None:
        """``{mark, at}``: what is known of the credential of this account that last worked, or None."""
        row = self._row("credential_mark", "SELECT mark, at FROM credential_mark WHERE serial = ? AND account = ?", (serial, account))
        return row

    def set_mark(self, serial: str, account: str, mark: str) -> None:
        """Keep the mark of a credential that has just worked; the time stays that of the first proof of the same mark."""
        self._writable()
        known = self.mark(serial, account)
        if known is not None and known["mark"] == mark:
            return
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM credential_mark WHERE serial = ? AND account = ?", (serial, account))
            values = (serial, account, mark, self._now())
            transaction.execute("INSERT INTO credential_mark (serial, account, mark, at) VALUES (?, ?, ?, ?)", values)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _row(self, table: str, sql: str, values: tuple[object, ...]) -> dict[str, Any] | None:
        with self._database.read() as transaction:
            return transaction.row(sql, values) if transaction.has_table(table) else None  # an older ledger that is only read

    def _append(self, transaction: Transaction, campaign: str, event: str, body: Mapping[str, Any]) -> None:
        chain.append(transaction, campaign, self._now(), self._operator, event, body)


def _refuse_strange(floor: int, following: int, told: int) -> None:
    """The value of the public client is not protected: going back or far ahead is refused (wire-dlms 4.4)."""
    if floor < told:
        raise DeviceError(
            "association",
            "dlms_counter_rolled_back",
            f"the meter says that invocation counter {floor - 1} was the last one, but it said {told - 1} before",
        )
    if not following and floor > constants.DLMS_COUNTER_FIRST.number:  # one lie would use up the numbers of this key for good
        text = (
            f"the meter says that invocation counter {floor - 1} was the last one, more than half of all there are, and nothing is recorded"
        )
        raise DeviceError("association", "dlms_counter_jump", text)
    if following and floor > following + constants.DLMS_COUNTER_JUMP.number:
        raise DeviceError(
            "association",
            "dlms_counter_jump",
            f"the meter says that invocation counter {floor - 1} was the last one; the ledger has given out none above {following - 1}",
        )
