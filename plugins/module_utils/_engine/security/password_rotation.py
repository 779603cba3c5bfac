# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Change of the password of a named account, in two phases (R-309, R-315, R-320, F-27).

The caller's vault holds the new password, as pending, before the first contact. ``locate`` and ``change`` are pure generators: they say
what to do next, are told how it ended, and end with a Verdict. ``Rotor`` does what they say, with the ledger, the login guard and two
callables of a channel. The ledger learns of a new password before it is sent and after one login has proven it. Each
password is tried at most once; whatever is cut off in the middle, the next run knows which two it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from ..base.errors import DeviceError
from . import marks
from .login_guard import HELD, LOCKED, REFUSED, UNSENT, WORKS, Guard, LoginLedger

CURRENT, NEW, OTHER = "current", "new", "other"
#: A change without a known end, or one that ended well, of a run that had no key for marks.
UNMARKED = "unmarked"
KNOWN, UNKNOWN = "known", "unknown"
#: Another one is set, and stays until it is too old.
KEPT = "kept"
LOST = "lost"
ALWAYS, ON_CREATE, IF_EXPIRED = "always", "on_create", "if_expired"
UPDATE_SECRET = (ALWAYS, ON_CREATE, IF_EXPIRED)
#: Reason codes by which channels say that the meter did not take a new password. Everything else may have been taken.
WRITE_REFUSALS = frozenset(
    {
        "cannot_change_own_permissions",
        "changed_out_of_band",
        "firmware_in_progress",
        "option_not_available",
        "password_out_of_range",
        "password_policy",
        "password_refused",
        "programming_off",
        "revenue_locked",
        "security_access_missing",
        "setting_refused",
        "too_many_users",
        "web_role_insufficient",
        "would_lock_out",
    }
)
_PLAIN_REFUSALS = ("setting_refused", "password_refused", "password_policy", "password_out_of_range")
_DAY = 86_400


class SecretLedger(LoginLedger, Protocol):
    """What rotation asks of the records (``Records.secrets``)."""

    def last_change(self, serial: str, account: str) -> Mapping[str, Any] | None: ...

    def begin(self, serial: str, account: str, mark: str, previous: str = "") -> None: ...

    def end(self, serial: str, account: str, outcome: str, mark: str = "") -> None: ...

    def history(self, serial: str, account: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Login:
    """Sign in with the current or the new password. Answers: works, refused, locked, held; any other word is no answer."""

    which: str


@dataclass(frozen=True)
class Begin:
    """Write into the ledger that the new password is about to be sent."""


@dataclass(frozen=True)
class Write:
    """Send the new password. Answers: works, refused, lost."""


@dataclass(frozen=True)
class End:
    """Write into the ledger what became of it: active, refused or unknown (which stays pending)."""

    outcome: str
    which: str = NEW


Step: TypeAlias = "Login | Begin | Write | End"


@dataclass(frozen=True)
class Situation:
    """What is known before the first contact, without any secret.

    ``proven`` and ``pending`` say which of the given passwords worked last, and which one an earlier run was about to send:
    current, new, other (none of the given), unmarked, or empty. ``own``: it is the account that we are signed in as.
    """

    own: bool
    has_current: bool
    has_new: bool
    proven: str = ""
    pending: str = ""


@dataclass(frozen=True)
class Verdict:
    """How it ended. ``which`` password works now, ``state`` whether that is known; ``changed`` None where that is not known."""

    reason: str
    text: str
    state: str
    which: str = ""
    changed: bool | None = False
    retry_after: int | None = None
    device_text: str = ""


def candidates(now: Situation) -> list[str]:
    """The passwords to sign in with, in this order and each once.

    After a change that was cut off the new one goes first, then the one before it. What the ledger saw working goes alone: if
    the meter refuses that, somebody else changed it, and nothing is guessed (R-320).
    """
    both = [which for which, there in ((NEW, now.has_new), (CURRENT, now.has_current)) if there]
    if now.pending in (NEW, UNMARKED):
        return both
    if now.pending in (CURRENT, OTHER) or now.proven in (CURRENT, OTHER):
        return [CURRENT] if now.has_current else both
    if now.proven == NEW:
        return [NEW]
    return both[::-1]


def locate(now: Situation) -> Generator[Step, str, Verdict]:
    """Find out which of the given passwords works, and settle what an earlier run left open."""
    tries = candidates(now)
    for which in tries:
        answer = yield Login(which)
        if answer == WORKS:
            if now.pending:
                sent = now.pending if now.pending != UNMARKED else NEW if now.has_new else CURRENT
                yield End("active" if which == sent else "refused", which)
            return Verdict("", "", KNOWN, which)
        if answer == LOCKED:
            return Verdict("locked_out", "the account is locked, so no password was proven", LOCKED)
        if answer == HELD:
            return Verdict("login_held", "no password may be tried now", HELD)
        if answer != REFUSED:
            return Verdict("transport_failed", "the meter gave no answer to the login, so no password was proven or ruled out", UNKNOWN)
    return _nothing_works(now, tries)


def _nothing_works(now: Situation, tries: list[str]) -> Verdict:
    if now.pending == OTHER:
        text = "an earlier run was about to set another password than the ones given, and the one given does not work"
        return Verdict("credential_unknown", text, UNKNOWN)
    if now.pending or len(tries) > 1:
        return Verdict("credential_unknown", "neither the new password nor the one before it works", UNKNOWN)
    if now.proven and now.proven == tries[0]:
        text = "the password that worked last is refused: somebody changed it at the meter or with another tool"
        return Verdict("changed_out_of_band", text, UNKNOWN)
    known = "; the records know of another one that worked last" if now.proven == OTHER else ""
    return Verdict("login_refused", f"the meter refused the password{known}", UNKNOWN)


def change(now: Situation) -> Generator[Step, str, Verdict]:
    """Set the new password over a session that works, and prove it by one login."""
    yield Begin()
    written = yield Write()
    if written == REFUSED:
        yield End("refused")
        return Verdict("password_refused", "the meter refused the new password; the old one holds", KNOWN, CURRENT)
    answer = yield Login(NEW)
    if answer == WORKS:
        yield End("active")
        return Verdict("", "", KNOWN, NEW, changed=True)
    if answer == REFUSED:
        return (yield from _new_refused(now, written))
    yield End("unknown")
    return _unproven(answer)


def _new_refused(now: Situation, written: str) -> Generator[Step, str, Verdict]:
    """The new password does not work: then, of our own account, the old one must, and that is tried once."""
    if now.own and now.has_current:
        answer = yield Login(CURRENT)
        if answer == WORKS:
            yield End("refused")
            return Verdict("password_not_taken", "the meter still works with the old password", KNOWN, CURRENT)
        yield End("unknown")
        if answer == REFUSED:
            return Verdict("credential_unknown", "neither the new password nor the one before it works", UNKNOWN, changed=None)
        return _unproven(answer)
    if written == WORKS:
        yield End("unknown")
        text = "the meter accepted the new password, and refuses a login with it"
        return Verdict("rotation_unverified", text, UNKNOWN, changed=None)
    yield End("refused")
    return Verdict("password_not_taken", "the new password did not arrive; the one before it holds", KNOWN, CURRENT)


def _unproven(answer: str) -> Verdict:
    """The change may have arrived; which password works is found out by the next run."""
    later = "which password it has is found out by the next run"
    if answer == LOCKED:
        return Verdict("locked_out", f"the new password was sent and the account is locked; {later}", LOCKED, changed=None)
    if answer == HELD:
        return Verdict("login_held", f"the new password was sent and may not be tried now; {later}", HELD, changed=None)
    return Verdict("rotation_unverified", f"since the new password was sent the meter answered no login; {later}", UNKNOWN, changed=None)


@dataclass(frozen=True)
class Need:
    """Whether a password has to be set, judged without contact.

    ``state`` is same, other, kept (another one, not due yet) or unknown to the records; ``age_days`` None: unknown.
    """

    change: bool
    state: str
    age_days: float | None
    expired: bool
    why: str


class Rotor:
    """Passwords of one meter in one run. ``protocol`` is the way by which they are proven; ``beat`` raises where this run must stop."""

    def __init__(
        self, ledger: SecretLedger, guard: Guard, serial: str, marks_key: bytes | None, protocol: str, beat: Callable[[], None]
    ) -> None:
        self._ledger, self._guard, self._serial, self._key = ledger, guard, serial, marks_key
        self._protocol, self._beat = protocol, beat
        self._works: dict[str, str] = {}
        self._refusal = ""

    # -- without contact ----------------------------------------------------------------------------------------------

    def wanted(self, account: str, new: str, update_secret: str, max_age_days: float | None = None, *, exists: bool = True) -> Need:
        """Whether this password has to be set (R-307). What the records do not know reads unknown, never good."""
        if not exists:
            return Need(True, UNKNOWN, None, False, "the account is new")
        state, age = self._state(account, new), self.age_days(account)
        expired = age is not None and max_age_days is not None and age >= max_age_days
        if state == "same":
            return Need(False, state, age, expired, "it is older than it may be; give another one" if expired else "it is set already")
        if update_secret == ON_CREATE:
            return Need(False, state, age, expired, "update_secret is on_create and the account was there")
        if update_secret == IF_EXPIRED and not expired:
            if age is None:
                return Need(self._key is not None, state, age, False, "its age is not known")
            return Need(False, KEPT, age, False, f"the present one is {age:.0f} days old and may be {max_age_days or 0:g}")
        return Need(True, state, age, expired, "it is older than it may be" if update_secret == IF_EXPIRED else "another one is set")

    def age_days(self, account: str) -> float | None:
        """How long ago the password that works was first proven, or set; at least so old is it. None without marks."""
        row = self._ledger.mark(self._serial, account) if self._key else None
        return None if row is None else max(0.0, (self._ledger.now() - row["at"]) / _DAY)

    def reused(self, account: str, new: str, last: int) -> bool:
        """Whether this is one of the ``last`` passwords that runs of ours have set (R-307); always False without marks."""
        mark = self._mark(account, new)
        rows = [row["mark"] for row in self._ledger.history(self._serial, account)]
        return bool(mark) and mark in rows[:last] and mark != self._guard.proven(account)

    def _state(self, account: str, new: str) -> str:
        last = self._ledger.last_change(self._serial, account)
        if last is not None and last["state"] == "pending":
            return UNKNOWN
        if self._works.get(account) == new:
            return "same"
        proven = self._guard.proven(account)
        return UNKNOWN if not self._key or not proven else "same" if proven == self._mark(account, new) else OTHER

    def situation(self, account: str, current: str | None, new: str | None, *, own: bool) -> Situation:
        """What the records know of an account and the given passwords."""
        given = {CURRENT: current, NEW: new if new != current else None}
        named = {self._mark(account, secret): which for which, secret in given.items() if secret is not None and self._key}
        last = self._ledger.last_change(self._serial, account)
        pending = ""
        if last is not None and last["state"] == "pending":
            pending = named.get(last["mark"], OTHER) if last["mark"] and self._key else UNMARKED
        proven = self._guard.proven(account) if self._key else ""
        return Situation(own, current is not None, given[NEW] is not None, named.get(proven, OTHER) if proven else "", pending)

    # -- with contact -------------------------------------------------------------------------------------------------

    def sign_in(self, account: str, current: str | None, new: str | None = None, *, login: Callable[[str], object]) -> Verdict:
        """Sign in to our own account with that of the two passwords that works; each is tried at most once.

        ``login`` takes the password and raises DeviceError: login_refused, locked_out, or another code where no answer came.
        """
        now = self.situation(account, current, new, own=True)
        return self._drive(locate(now), account, current, new, None, login)

    def rotate(
        self,
        account: str,
        new: str,
        *,
        own: bool,
        current: str | None = None,
        write: Callable[[], object],
        login: Callable[[str], object],
    ) -> Verdict:
        """Set ``new`` by ``write`` (DeviceError setting_refused: not taken; another: no answer) and prove it by one ``login``.

        Of our own account give the ``current`` one, which is tried once where the new one is refused. Afterwards, with ``own``, the
        session is that of the password which works (R-198).
        """
        now = self.situation(account, current, new, own=own)
        return self._drive(change(now), account, current, new, write, login)

    def _drive(
        self,
        steps: Generator[Step, str, Verdict],
        account: str,
        current: str | None,
        new: str | None,
        write: Callable[[], object] | None,
        login: Callable[[str], object],
    ) -> Verdict:
        answer, said = None, ""
        while True:
            try:
                step = next(steps) if answer is None else steps.send(answer)
            except StopIteration as end:
                return self._told(end.value, said)
            answer = WORKS
            if isinstance(step, Login):
                secret = _needed(new if step.which == NEW else current)
                answer = self._login(account, secret, login)
                said = self._guard.error.device_text if self._guard.error is not None else said
            elif isinstance(step, Begin):
                self._beat()
                self._ledger.begin(self._serial, account, self._mark(account, _needed(new)), self._guard.proven(account))
            elif isinstance(step, Write):
                answer, said = self._write(_needed_call(write))
                if answer != REFUSED:
                    self._guard.renewed(account, _needed(new))
            else:
                mark = self._mark(account, _needed(new if step.which == NEW else current)) if step.outcome == "active" else ""
                self._ledger.end(self._serial, account, step.outcome, mark)

    def _login(self, account: str, secret: str, login: Callable[[str], object]) -> str:
        result = self._guard.attempt(account, self._protocol, secret, lambda: login(secret))
        if result == WORKS:
            self._works[account] = secret
        return LOST if result == UNSENT else result

    def _write(self, write: Callable[[], object]) -> tuple[str, str]:
        self._beat()
        try:
            write()
        except DeviceError as error:
            said = error.device_text or error.text
            if error.reason not in WRITE_REFUSALS:
                return LOST, said
            self._refusal = "" if error.reason in _PLAIN_REFUSALS else error.reason
            return REFUSED, said
        return WORKS, ""

    def _told(self, verdict: Verdict, said: str) -> Verdict:
        """The verdict with the device's words, and with the time before which nothing is tried."""
        if not verdict.reason:
            return verdict
        if verdict.reason == "password_refused" and self._refusal:  # not for the sake of the password
            return replace(
                verdict, reason=self._refusal, text="the meter refused the change, and not for the password's sake", device_text=said
            )
        refusal = self._guard.refusal if verdict.state in (LOCKED, HELD) else None
        if refusal is None:
            return replace(verdict, device_text=said)
        return replace(verdict, text=f"{verdict.text}: {refusal.text}", retry_after=refusal.retry_after, device_text=said)

    def _mark(self, account: str, secret: str) -> str:
        return marks.secret_mark(self._serial, account, secret.encode(), self._key) if self._key else ""


def _needed(secret: str | None) -> str:
    """A password that the situation says to be there."""
    if secret is None:
        raise TypeError("a password is missing")
    return secret


def _needed_call(write: Callable[[], object] | None) -> Callable[[], object]:
    if write is None:
        raise TypeError("nothing to write with")
    return write
