# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Security settings by a meter's webpages, which a profile describes.

Each login is one session and one request that carries the password for the first time, so that a wrong one costs exactly one failed
login. A reply that is lost after a write is no refusal: the caller reads back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ..base.errors import DeviceError
from ..base.target import Credential, Target
from ..profiles import settings_page as pages
from ..profiles.answers import Answer
from ..profiles.expressions import search
from ..wire.web_session import ProfileSession
from . import state as seen
from .channel import STAGE, refused
from .state import Change, State, User

ROLE = "security"
_WRITES = {
    seen.USER_ADD: "add",
    seen.USER_CHANGE: "change",
    seen.USER_REMOVE: "remove",
    seen.PASSWORD: "password",
}
#: Codes of clients for a refused password; here it has one name.
_REFUSED = frozenset({"web_auth_failed", "ftp_auth_failed", "trigger_auth_failed"})


class WebChannel:
    """One meter's webpages. ``generation`` chooses between HTTP and HTTPS where the profile tells them apart."""

    name = "profile"
    protocol = "web"
    closers = frozenset({"web_programming", "web_server", "web_protocol", "web_port_http", "web_port_https"})

    def __init__(self, target: Target, profile: Mapping[str, Any], generation: str = "unknown") -> None:
        self._target, self._profile = target, profile
        self._security: Mapping[str, Any] = profile.get("security", {})
        transport = profile.get("transport", {})
        schemes, known = transport.get("generations", {}), ("3", "4") if generation == "3 or later" else (generation,)
        self._scheme: str = next((schemes[name] for name in known if name in schemes), None) or transport.get("scheme", "http")
        self._session: ProfileSession | None = None
        self._user: str | None = None
        self._groups: dict[str, str] = {}
        self._numbers: dict[str, Any] = {}
        # What the last look saw, by section: a write holds for that state and no newer one (F-38).
        self._seen: dict[str, Any] = {}
        self._revisions: dict[str, dict[str, str]] = {}
        self.findings: list[dict[str, Any]] = []

    @property
    def port(self) -> int:
        """The port on which the webpages are."""
        return self._target.ports[self._scheme]

    @property
    def clear(self) -> bool:
        """Whether passwords cross the network in clear."""
        return self._scheme == "http"

    # -- signing in ---------------------------------------------------------------------------------------------------

    def login(self, user: str, password: str) -> None:
        self.close()
        self._session = self._signed_in(user, password)
        self.findings = self._session.findings
        self._user = self._who(self._session) or user

    def prove(self, user: str, password: str) -> None:
        self._signed_in(user, password).close()

    def _signed_in(self, user: str, password: str) -> ProfileSession:
        target = replace(self._target, credentials={ROLE: Credential(user, password)})
        session = ProfileSession(target, self._profile, ROLE, scheme=self._scheme)
        try:
            session.login()
        except DeviceError as error:
            never = session.nothing_sent()
            session.abandon()
            if error.reason in _REFUSED:
                raise DeviceError(STAGE, "login_refused", error.text, error.device_text) from None
            if never:
                raise DeviceError("connect", error.reason, error.text, error.device_text) from None
            raise
        return session

    def _who(self, session: ProfileSession) -> str | None:
        """The user as the meter calls him; a model number stands for User1 (R-191)."""
        page = self._profile.get("session_page")
        if page is None:
            return None
        told = _told(page, session.page(page["path"]))
        return None if told in (None, page.get("anonymous")) else told

    def _open(self) -> ProfileSession:
        if self._session is None:
            raise DeviceError(STAGE, "session_lost", "nobody is signed in")
        return self._session

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self, state: State) -> None:
        session, state.login = self._open(), self._user
        self._seen, self._revisions = {}, {}
        section = self._security.get("settings")
        if section is not None:
            answer = session.page(section["path"])
            found, unread = pages.read_settings(section, answer)
            self._seen["settings"], self._revisions["settings"] = dict(found), session.revision(answer)
            if not found:
                raise DeviceError(STAGE, "web_not_understood", f"{section['path']} shows none of the settings that the profile names")
            state.mode = found.pop("mode", state.mode)
            unread.pop("mode", None)
            state.settings.update(found)
            state.provenance.update(dict.fromkeys(found, seen.PAGE))
            state.provenance["mode"] = seen.PAGE
            for name in found:
                state.unread.pop(name, None)
            state.unread.update({name: why for name, why in unread.items() if name not in state.settings})
        self._read_users(session, state)

    def _read_users(self, session: ProfileSession, state: State) -> None:
        section = self._security.get("users")
        if section is None:
            return
        answer = session.page(section["path"])
        listed = pages.read_users(section, answer)
        if listed is None:
            raise DeviceError(STAGE, "web_not_understood", f"{section['path']} has no list of users")
        state.users = tuple(User(name, rights) for name, rights in listed)
        self._seen["users"], self._revisions["users"] = dict(listed), session.revision(answer)
        self._numbers = pages.read_numbers(section, answer)
        self._groups = {group: name for name, rights in listed for group in rights} if "groups" in section else {}

    def events(self, most: int) -> list[dict[str, str]] | None:
        """The newest entries of the meter's event log, newest first (R-273); None where the profile does not tell where they are."""
        section = self._security.get("events")
        return None if section is None else pages.read_events(section, self._open().page(section["path"]), most)

    # -- writing ------------------------------------------------------------------------------------------------------

    def writable(self, control: str, kind: str) -> str | None:
        if self._spec(control, kind) is None:
            return f"the profile {self._profile.get('name')} does not tell how to write it"
        return None

    def _spec(self, control: str, kind: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None
        if kind == seen.SETTING:
            section = self._security.get("settings", {})
            found = section.get("write") if control in section.get("fields", {}) else None
        elif kind == seen.MODE:
            found = self._security.get("mode", {}).get("write")
        else:
            users = self._security.get("users", {})
            found = users.get("rename" if kind == seen.USER_CHANGE and "groups" in users else _WRITES[kind])
        return found

    def write(self, change: Change, secret: str | None = None) -> None:
        spec = self._spec(change.control, change.kind)
        if spec is None:
            raise refused(f"the profile does not tell how to write {change.control}", reason="profile_missing")
        if change.kind == seen.SETTING:
            section = self._security["settings"]
            fields = pages.body_of(section, change.control, change.want)
        else:
            fields = pages.filled(spec, self._values(change, secret))
        if change.subject is not None:
            spec = {**spec, "path": spec["path"].replace("{user}", quote(self._name(change.subject), safe=""))}
        where = "settings" if change.kind in (seen.SETTING, seen.MODE) else "users"
        revision = self._revisions.get(where)
        self._open().submit(
            change.control, spec, fields, secret, revision=revision, compare=lambda answer: self._compare(change.control, spec, answer)
        )

    def _compare(self, control: str, spec: Mapping[str, Any], answer: Answer) -> None:
        """The page that is opened for a write must show what the last look saw, where it is one that was looked at (F-38)."""
        for name in ("settings", "users"):
            section = self._security.get(name, {})
            if name not in self._seen or section.get("path") != spec.get("page"):
                continue
            if name == "settings":
                now: Any = pages.read_settings(section, answer)[0]
            else:
                listed = pages.read_users(section, answer)
                now = None if listed is None else dict(listed)
            if not now and self._seen[name]:
                raise refused(f"{spec['page']} does not show what it has shown before, so {control} was not sent")
            if now != self._seen[name]:
                strange = sorted(key for key in {*now, *self._seen[name]} if now.get(key) != self._seen[name].get(key))
                raise DeviceError(STAGE, "changed_out_of_band", f"{control} was not written: somebody else changed {', '.join(strange)}")

    def _name(self, subject: str) -> str:
        """The user of a subject; of an account group the one that is in it."""
        return self._groups.get(subject, subject)

    def _values(self, change: Change, secret: str | None) -> dict[str, Any]:
        words = self._security.get("mode", {}).get("words", {})
        values: dict[str, Any] = {"group": change.subject, "password": secret}
        if change.kind == seen.MODE:
            values["mode"] = words.get(change.want, [change.want])[0]
        elif change.subject is not None:
            values["user"] = self._name(change.subject)
            values["number"] = self._numbers.get(values["user"])
            values["new_user" if isinstance(change.want, str) else "permissions"] = change.want
        return values

    # -- where it is --------------------------------------------------------------------------------------------------

    def closed_by(self, change: Change) -> bool:
        off = (change.control == "web_protocol" and change.want == "disabled") or (change.control == "web_server" and change.want is False)
        return change.kind == seen.SETTING and off

    def moved_by(self, change: Change) -> bool:
        """Whether the webpages are elsewhere now; the new place is where the next login goes."""
        name = {"web_port_http": "http", "web_port_https": "https"}.get(change.control)
        if name is None:
            return change.control == "web_protocol" and change.want != "disabled"
        self._target = replace(self._target, ports={**self._target.ports, name: int(change.want)})
        return name == self._scheme

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _told(page: Mapping[str, Any], answer: Answer) -> str | None:
    if page.get("format") == "json":
        value = search(page["user"], answer.document)
        return value if isinstance(value, str) and value else None
    found = re.search(page["user"], answer.text)
    return found["user"].strip() if found else None
