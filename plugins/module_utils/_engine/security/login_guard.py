# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Logins are spent, not tried: a wrong password costs one failed login, and no account is locked by us (R-343, R-344, R-369, F-26).

Every login is in the ledger before it is sent. A password that was refused is not sent again on any protocol of that account until
the meter's lockout duration is over or the password was changed, and a locked account is left alone until then. Lockouts are
kept for each account and protocol, as the meters keep them; another protocol stays open to a password that is known to work (R-342).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..base.errors import DeviceError
from ..catalogue import constants
from . import marks

WORKS, REFUSED, LOCKED, SILENT, UNSENT, HELD = "works", "refused", "locked", "silent", "unsent", "held"
LOCKED_OUT, LOGIN_HELD = "locked_out", "login_held"
#: Reason codes by which wire clients say that a meter did not take a password.
REFUSALS = frozenset({"login_refused", "web_auth_failed", "ftp_auth_failed", "trigger_auth_failed"})
#: Reason codes of answers that came before any password was looked at.
_NOT_JUDGED = frozenset({"credential_unknown", "web_busy", "page_missing", "profile_missing", "login_helper_failed", "web_unreachable"})
_CONNECT = "connect"
_ON_THE_WAY = ("trying", "silent")


class LoginLedger(Protocol):
    """What the guard asks of the records (``Records.secrets``)."""

    def now(self) -> float: ...

    def mark(self, serial: str, account: str) -> Mapping[str, Any] | None: ...

    def prove(self, serial: str, account: str, mark: str) -> None: ...

    def tries(self, serial: str, account: str) -> list[dict[str, Any]]: ...

    def try_begin(self, serial: str, account: str, protocol: str, mark: str, until: float) -> None: ...

    def try_end(self, serial: str, account: str, protocol: str, mark: str, result: str, until: float) -> None: ...

    def forget_tries(self, serial: str, account: str, mark: str | None = None) -> None: ...


@dataclass(frozen=True)
class Refusal:
    """Why a password is not sent now, and in how many seconds it may be (R-369)."""

    reason: str
    text: str
    retry_after: int | None = None


class Guard:
    """The logins of one run on one meter.

    ``duration`` (minutes) and ``attempts`` (failed logins that lock, by protocol, 0 for never) are the meter's own settings where they
    are known. ``factor``: meter seconds in one real second. ``retry_accepted``: a person says that refused passwords were corrected;
    how many logins may fail holds all the same (R-344).
    ``record`` False writes nothing, for runs that send no password.
    """

    def __init__(
        self,
        ledger: LoginLedger,
        serial: str,
        marks_key: bytes | None,
        *,
        factor: float = 1.0,
        duration: float | None = None,
        attempts: Mapping[str, int] | None = None,
        retry_accepted: bool = False,
        record: bool = True,
    ) -> None:
        self._ledger, self._serial, self._key, self._factor = ledger, serial, marks_key, max(factor, 1.0)
        self.duration, self.attempts = duration, dict(attempts or {})
        self._accepted, self._record = retry_accepted, record
        # Within a run passwords are told apart by marks under a key that ends with it; it is never stored.
        self._run_key = os.urandom(16)
        self._spent: dict[tuple[str, str], set[str]] = {}
        self._told: dict[tuple[str, str], str] = {}
        #: Why the last password was not sent, how the last one that was sent failed, and how many logins the meter refused.
        self.refusal: Refusal | None = None
        self.error: DeviceError | None = None
        self.failed = 0

    # -- before a login -----------------------------------------------------------------------------------------------

    def may_try(self, account: str, protocol: str, secret: str) -> Refusal | None:
        """None where this password may be sent now."""
        rows, now = self._ledger.tries(self._serial, account), self._ledger.now()
        here = [row for row in rows if row["protocol"] == protocol]
        locked = max((row["until"] for row in here if row["state"] == LOCKED), default=0.0)
        if locked:
            return self._refuse(LOCKED_OUT, f"the account is locked for {protocol}; no login is tried before that is over", locked - now)
        mark = self._mark(account, secret)
        if self._here(account, secret) in self._spent.get((account, protocol), set()):
            return self._refuse(LOGIN_HELD, "this password was tried in this run already", None)
        return self._held(account, protocol, mark, rows, here, now)

    def _held(
        self, account: str, protocol: str, mark: str, rows: list[dict[str, Any]], here: list[dict[str, Any]], now: float
    ) -> Refusal | None:
        proven = bool(mark) and self.proven(account) == mark
        own = bool(self._spent.get((account, protocol)))
        for row in () if self._accepted else here if proven else rows:
            if row["mark"] != mark or (not mark and own):
                continue  # without a key for marks, rows of this run are told apart by ``_spent``
            until = row["until"] - now
            if row["state"] == REFUSED:
                return self._refuse(LOGIN_HELD, f"{_this(mark)} was refused by {row['protocol']} and is not tried again", until)
            if row["state"] in _ON_THE_WAY and row["tries"] >= constants.LOGIN_UNANSWERED.number and not proven:
                return self._refuse(
                    LOGIN_HELD, f"{_this(mark)} was sent by {row['protocol']} {row['tries']} times without an answer", until
                )
        # That a password was corrected is a person's word: what it has spent before counts too, and having worked once excuses nothing.
        refused = any(row["mark"] == mark and row["state"] == REFUSED for row in here)
        failed = sum(row["tries"] for row in here if self._accepted or row["mark"] != mark or not mark)
        if (not proven or refused) and failed >= self._limit(protocol):
            until = min((row["until"] for row in here if row["tries"]), default=now) - now
            hint = ", which accept: [login_retry] does not change" if self._accepted else ""
            return self._refuse(LOGIN_HELD, f"{failed} logins by {protocol} failed; one more could lock the account{hint}", until)
        return None

    def _limit(self, protocol: str) -> int:
        """How many logins may fail: one less than what locks (R-344), but one has to be possible."""
        known = self.attempts.get(protocol)
        if known is None:
            return constants.LOGIN_FAILURES.number
        return max(1, known - 1) if known > 0 else 1 << 30

    def proven(self, account: str) -> str:
        """The mark of the password that worked last; empty where nothing is known."""
        row = self._ledger.mark(self._serial, account)
        return str(row["mark"]) if row else ""

    def standing(self, account: str, secret: str) -> str:
        """What this run or the records know of a password without a login: works, refused, or empty where they know nothing of it."""
        told = self._told.get((account, self._here(account, secret)))
        if told is not None:
            return told
        mark = self._mark(account, secret)
        if not mark:
            return ""
        proven = self.proven(account)
        refused = any(row["mark"] == mark and row["state"] == REFUSED for row in self._ledger.tries(self._serial, account))
        return REFUSED if refused or (proven and proven != mark) else WORKS if proven else ""

    def outlived(self, account: str, secret: str) -> bool:
        """Whether the records have seen another password work on this account, so that this one is none of it."""
        mark, proven = self._mark(account, secret), self.proven(account)
        return bool(mark and proven and mark != proven)

    def forgives(self, account: str, protocol: str) -> bool:
        """Whether a login may fail that need not be: the meter still forgives one after it."""
        failed = sum(row["tries"] for row in self._ledger.tries(self._serial, account) if row["protocol"] == protocol)
        known = self.attempts.get(protocol)
        return failed == 0 and (known is None or known == 0 or known > 2)

    # -- around a login -----------------------------------------------------------------------------------------------

    def trying(self, account: str, protocol: str, secret: str) -> None:
        """Say so right before a password is sent."""
        self._spent.setdefault((account, protocol), set()).add(self._here(account, secret))
        if self._record:
            self._ledger.try_begin(self._serial, account, protocol, self._mark(account, secret), self._until(None))

    def tried(self, account: str, protocol: str, secret: str, result: str, retry_after: float | None = None) -> None:
        """Say how it ended: works, refused, locked, silent (sent, no answer) or unsent. ``retry_after``: seconds that the meter told."""
        if result in (REFUSED, LOCKED):
            self.failed += 1
        if result in (REFUSED, WORKS):
            self._told[account, self._here(account, secret)] = result
        if result in (UNSENT, WORKS):
            self._spent.get((account, protocol), set()).discard(self._here(account, secret))
        if not self._record:
            return
        mark = self._mark(account, secret)
        self._ledger.try_end(self._serial, account, protocol, mark, result, self._until(retry_after if result == LOCKED else None))
        if result == WORKS:
            self._ledger.prove(self._serial, account, mark)

    def attempt(self, account: str, protocol: str, secret: str, login: Callable[[], object]) -> str:
        """One login, where it may be: works, refused, locked, silent, unsent or held.

        ``login`` raises DeviceError; one whose attribute ``retry_after`` (seconds) is set tells how long the account is locked.
        """
        self.refusal, self.error = self.may_try(account, protocol, secret), None
        if self.refusal is not None:
            return LOCKED if self.refusal.reason == LOCKED_OUT else HELD
        self.trying(account, protocol, secret)
        try:
            login()
        except DeviceError as error:
            self.error = error
            result = _result_of(error)
            wait = getattr(error, "retry_after", None)
            self.tried(account, protocol, secret, result, wait)
            if result == LOCKED:
                seconds = self._until(wait) - self._ledger.now()
                self.refusal = self._refuse(LOCKED_OUT, f"the meter has locked the account for {protocol}", seconds)
            return result
        self.tried(account, protocol, secret, WORKS)
        return WORKS

    def renewed(self, account: str, secret: str) -> None:
        """This password has just been sent to the meter as the new one: that it was refused before tells nothing any more."""
        for (name, _protocol), spent in self._spent.items():
            if name == account:
                spent.discard(self._here(account, secret))
        self._told = {(name, mark): result for (name, mark), result in self._told.items() if name != account}
        if self._record:
            self._ledger.forget_tries(self._serial, account, self._mark(account, secret))

    def _until(self, retry_after: float | None) -> float:
        seconds = retry_after
        if seconds is None:
            seconds = float(constants.LOGIN_HOLD.number) if self.duration is None else self.duration * 60
        return self._ledger.now() + seconds / self._factor

    def _mark(self, account: str, secret: str) -> str:
        return marks.secret_mark(self._serial, account, secret.encode(), self._key) if self._key else ""

    def _here(self, account: str, secret: str) -> str:
        return marks.secret_mark(self._serial, account, secret.encode(), self._run_key)

    def _refuse(self, reason: str, text: str, seconds: float | None) -> Refusal:
        if seconds is None:
            return Refusal(reason, text)
        wait = max(1, round(seconds))
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self._ledger.now() + wait))
        return Refusal(reason, f"{text} before {at}" if reason == LOGIN_HELD else f"{text} (until {at})", wait)


def _result_of(error: DeviceError) -> str:
    if error.reason == LOCKED_OUT:
        return LOCKED
    if error.reason in REFUSALS:
        return REFUSED
    unsent = error.stage == _CONNECT or error.reason in _NOT_JUDGED or getattr(error, "sent", True) is False
    return UNSENT if unsent else SILENT


def _this(mark: str) -> str:
    return "this password" if mark else "a password, perhaps this one (there is no marks_key to tell),"
