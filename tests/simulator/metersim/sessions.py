# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Who is signed in on the new generation's webpages: sessions, limits, lockout, key agreement."""

from __future__ import annotations

import hmac
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metersim.meter import Meter

SAME_USER = 3
ALL_USERS = 5
WAITING = 200  # login pages and nonces a meter remembers


@dataclass
class Session:
    """One signed-in browser; ``seen`` is meter seconds."""

    token: str
    user: str
    role: str
    csrf: str
    seen: float


@dataclass(frozen=True)
class Refused:
    """Why there is no session: password, locked, sessions, handshake."""

    why: str
    minutes: int = 0


@dataclass
class _Tries:
    wrong: int = 0
    locked_until: float = field(default=-1.0)


class Sessions:
    """All sessions of one meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._open: dict[str, Session] = {}
        self._pages: dict[str, str] = {}  # cookie of a login page: its csrf token
        self._nonces: dict[str, float] = {}
        self._tries: dict[str, _Tries] = {}

    # -- login page -----------------------------------------------------------

    def login_page(self, cookie: str = "") -> tuple[str, str]:
        """Cookie and token for a login page, new ones unless the cookie is known."""
        if cookie in self._pages:  # a second look of the same browser, an icon for instance
            return cookie, self._pages[cookie]
        cookie = secrets.token_hex(16)
        self._pages[cookie] = secrets.token_hex(16)
        while len(self._pages) > WAITING:
            del self._pages[next(iter(self._pages))]
        return cookie, self._pages[cookie]

    def login_page_fits(self, cookie: str, csrf: str) -> bool:
        """Whether a posted login comes from a page we gave out."""
        return bool(csrf) and hmac.compare_digest(self._pages.get(cookie, ""), csrf)

    def login_page_done(self, cookie: str) -> None:
        """The login was good, its page is used up."""
        self._pages.pop(cookie, None)

    def nonce(self) -> str:
        """A fresh nonce for the key agreement, good once."""
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = self._meter.clock.now()
        while len(self._nonces) > WAITING:
            del self._nonces[next(iter(self._nonces))]
        return nonce

    # -- login ----------------------------------------------------------------

    def login(self, user: str, password: str, nonce: str = "", proof: str = "") -> Session | Refused:
        """Sign in by password, or by nonce and proof on a meter with key agreement."""
        meter = self._meter
        self._forget_idle()
        refused = self._refusal(user, password, nonce, proof)
        if refused:
            meter.logins["http"]["failed"] += 1
            meter.record("web_login_failed", user=user, why=refused.why)
            return refused
        role = meter.effective_role(next(role for role, account in meter.accounts().items() if account["user"] == user))
        session = Session(secrets.token_hex(16), user, role, secrets.token_hex(16), meter.clock.now())
        self._open[session.token] = session
        meter.logins["http"]["ok"] += 1
        meter.record("web_login_ok", user=user, role=role, sessions=len(self._open))
        meter.lock_when("after_login")
        return session

    def _refusal(self, user: str, password: str, nonce: str, proof: str) -> Refused | None:
        meter = self._meter
        handshake = meter.spec.web_login == "handshake"
        if handshake and not proof:
            return Refused("handshake")
        now = meter.clock.now()
        tries = self._tries.setdefault(user, _Tries()) if any(a["user"] == user for a in meter.accounts().values()) else _Tries()
        if tries.locked_until > now:
            return Refused("locked", math.ceil((tries.locked_until - now) / 60))
        good = self._proof_fits(user, nonce, proof) if handshake else meter.role_of(user, password) is not None
        fault = meter.faults.get("F-30")
        if not good or (fault and fault["mode"] == "web_denied"):
            return self._count_wrong(tries, now)
        tries.wrong = 0
        if sum(item.user == user for item in self._open.values()) >= SAME_USER or len(self._open) >= ALL_USERS:
            return Refused("sessions")
        return None

    def _count_wrong(self, tries: _Tries, now: float) -> Refused:
        tries.wrong += 1
        rule = self._meter.spec.lockout
        if rule and tries.wrong >= rule["tries"]:
            tries.wrong = 0
            tries.locked_until = now + rule["seconds"]
            return Refused("locked", math.ceil(rule["seconds"] / 60))
        return Refused("password")

    def _proof_fits(self, user: str, nonce: str, proof: str) -> bool:
        given_out = self._nonces.pop(nonce, None)
        if given_out is None or self._meter.clock.now() - given_out > self._meter.spec.session_idle:
            return False
        for account in self._meter.accounts().values():
            if account["user"] == user:
                right = hmac.digest(account["password"].encode(), nonce.encode(), "sha256").hex()
                if hmac.compare_digest(right.encode(), proof.encode()):
                    return True
        return False

    # -- sessions -------------------------------------------------------------

    def find(self, token: str) -> Session | None:
        """The session, refreshed; None when it is gone."""
        self._forget_idle()
        session = self._open.get(token)
        if session:
            session.seen = self._meter.clock.now()
        return session

    def touch(self, session: Session) -> None:
        """An upload that is under way keeps its session."""
        session.seen = self._meter.clock.now()

    def locked(self, user: str) -> bool:
        """Whether this user is locked out now."""
        tries = self._tries.get(user)
        return tries is not None and tries.locked_until > self._meter.clock.now()

    def csrf_fits(self, session: Session, given: str) -> bool:
        """Whether a request carries the session's present token."""
        return hmac.compare_digest(session.csrf.encode(), given.encode())

    @staticmethod
    def rotate(session: Session) -> str:
        """A new request token after an accepted write."""
        session.csrf = secrets.token_hex(16)
        return session.csrf

    def account_changed(self, old: str, new: str, keep: str) -> None:
        """Sessions of a changed account end; the one that changed itself goes on under the new name."""
        for token, session in list(self._open.items()):
            if session.user != old:
                continue
            if token == keep:
                session.user = new
            else:
                del self._open[token]
                self._meter.record("session_dropped", user=old, why="account")

    def end(self, token: str) -> None:
        """Sign out."""
        session = self._open.pop(token, None)
        if session:
            self._meter.record("session_end", user=session.user, why="logout")

    def drop(self, why: str) -> None:
        """End all sessions at once: upgrade or restart."""
        for session in self._open.values():
            self._meter.record("session_dropped", user=session.user, why=why)
        self._open.clear()
        self._pages.clear()
        self._nonces.clear()

    def _forget_idle(self) -> None:
        limit = self._meter.clock.now() - self._meter.spec.session_idle
        for session in [item for item in self._open.values() if item.seen < limit]:
            del self._open[session.token]
            self._meter.record("session_end", user=session.user, why="idle")

    def count(self) -> int:
        """Open sessions now."""
        self._forget_idle()
        return len(self._open)
