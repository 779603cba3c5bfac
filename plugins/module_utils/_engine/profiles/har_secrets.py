# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The secrets in a recording: which values they are, and where in the meter's earlier answers a value came from.

A draft is built from names, addresses and expressions, never from values that are known or look like secrets here; at
the end it is searched once more for all of them.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from .har import Exchange, Recording, leaves
from .har_pages import escape, value_pattern

SECRET_NAME = re.compile(
    r"pass|pwd|secret|\bpin\b|token|csrf|xsrf|nonce|challenge|proof|digest|signature|otp|sess|auth|key$|ticket|guard", re.I
)
PASSWORD_NAME = re.compile(r"pass|pwd|passwd|secret|kennwort|\bpin\b|code$", re.I)
DERIVED_NAME = re.compile(r"proof|digest|hash|hmac|response|nonce|challenge|salt|client.?key|srp", re.I)
_HEX = re.compile(r"[0-9a-fA-F]{12,}\Z")
_TOKENLIKE = re.compile(r"[A-Za-z0-9_\-+/=.~:|]{12,}\Z")
_MINIMUM = 4
_ORDINARY_HEADERS = re.compile(
    r"accept|user-agent|content-|origin$|referer$|sec-|host$|connection$|cookie$|cache-control$|pragma$|upgrade|dnt$|te$|priority$|if-|range$|"
    r"x-requested-with$|:|authorization$|purpose$|keep-alive$"
)


def looks_random(value: str) -> bool:
    """Whether a value looks drawn or computed rather than typed: long, without blanks, letters and digits mixed."""
    if _HEX.match(value):
        return True
    if not _TOKENLIKE.match(value):
        return False
    digits = sum(char.isdigit() for char in value)
    letters = [char for char in value if char.isalpha()]
    mixed = any(char.isupper() for char in letters) and any(char.islower() for char in letters)
    return bool(letters) and (digits >= 3 or (mixed and len(value) >= 20)) and "." not in value.strip(".")[:4]


_DIGEST_LENGTHS = {32, 40, 56, 64, 96, 128}


def looks_computed(value: str) -> bool:
    """Whether a value has the form of a usual digest, in hex or base64: then it is not a password as somebody typed it."""
    if re.fullmatch(r"[0-9a-fA-F]+", value) and len(value) in _DIGEST_LENGTHS:
        return True
    return bool(re.fullmatch(r"[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==", value))


@dataclass(frozen=True)
class Origin:
    """Where the meter had told a value: ``kind`` page, cookie, header or json; ``how`` the expression or name."""

    kind: str
    how: str
    number: int
    address: str


@dataclass
class Secrets:
    """Values that may not be in a draft. ``passwords`` are those the user named, ``user`` the name that signed in."""

    passwords: tuple[str, ...] = ()
    user: str | None = None
    values: set[str] = field(default_factory=set)
    password_fields: set[str] = field(default_factory=set)
    hidden_fields: set[str] = field(default_factory=set)

    def learn(self, value: str) -> None:
        """One more value; what is very short is only kept out by its field."""
        if len(value) >= _MINIMUM:
            self.values.add(value)

    def in_the_clear(self, value: str) -> bool:
        """Whether this is one of the named passwords."""
        return value in self.passwords

    def derived(self, value: str) -> bool:
        """Whether this is a usual digest of one of the named passwords."""
        return any(value.lower() in _digests(word) for word in self.passwords)

    def constant(self, name: str, value: str) -> bool:
        """Whether a recorded value may stand in a draft: short, not secret by its name, its form or its use."""
        if len(value) > 60 or value in self.values or value in self.passwords or value == self.user:
            return False
        return not SECRET_NAME.search(name) and not looks_random(value) and value.isprintable()

    def leaks(self, value: Any, path: str = "") -> Iterable[str]:
        """Places of a document in which a secret stands."""
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from self.leaks(str(key), f"{path}.{key}" if path else str(key))
                yield from self.leaks(item, f"{path}.{key}" if path else str(key))
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                yield from self.leaks(item, f"{path}[{index}]")
        elif isinstance(value, str) and (value in self.passwords or any(secret in value for secret in self.values)):
            yield path


def collect(recording: Recording, passwords: Sequence[str], user: str | None) -> Secrets:
    """Every secret of a recording: named ones, and those told by the field, the header or the form they stand in."""
    secrets = Secrets(tuple(word for word in passwords if word), user)
    for word in secrets.passwords:
        for variant in (word, quote_plus(word), base64.b64encode(word.encode()).decode(), *_digests(word)):
            secrets.learn(variant)
    hidden: dict[str, set[str]] = {}
    for item in recording.exchanges:
        _learn_answer(secrets, item, hidden)
    secrets.hidden_fields.update(hidden)
    for values in hidden.values():
        if len(values) > 1:  # a hidden field that changes from page to page guards its form, whatever it looks like
            secrets.values.update(value for value in values if len(value) >= _MINIMUM)
    for item in recording.exchanges:
        _learn_request(secrets, item)
    secrets.values.discard(user or "")
    return secrets


def _learn_request(secrets: Secrets, item: Exchange) -> None:
    scheme, dummy, given = item.sent.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            secrets.learn(base64.b64decode(given).decode("utf-8", errors="replace").partition(":")[2])
        except ValueError:
            pass
    if scheme:
        secrets.learn(given or scheme)
    for value in (*item.cookies.values(), *custom_headers(item).values()):
        if looks_random(value):
            secrets.learn(value)
    for name, value in item.body.fields:
        if name in secrets.password_fields or (SECRET_NAME.search(name) and (looks_random(value) or PASSWORD_NAME.search(name))):
            secrets.learn(value)
    for piece in item.query.split("&"):
        name, dummy, value = piece.partition("=")
        if looks_random(value) or PASSWORD_NAME.search(name):
            secrets.learn(value)


def _learn_answer(secrets: Secrets, item: Exchange, hidden: dict[str, set[str]]) -> None:
    for value in item.set_cookies.values():
        if looks_random(value):
            secrets.learn(value)
    for name, value in item.headers:
        if SECRET_NAME.search(name) and looks_random(value):
            secrets.learn(value)
    if item.is_html:
        for entry in item.page.inputs:
            if entry.kind == "password":
                secrets.password_fields.add(entry.name)
            if entry.kind == "password" or (entry.kind == "hidden" and looks_random(entry.value)):
                secrets.learn(entry.value)
            if entry.kind == "hidden":
                hidden.setdefault(entry.name, set()).add(entry.value)
    document = item.json
    if document is not None:
        for path, value in leaves(document):
            if isinstance(value, str) and looks_random(value) and SECRET_NAME.search(path):
                secrets.learn(value)


def custom_headers(item: Exchange) -> dict[str, str]:
    """Request headers that a page's script added, Authorization aside."""
    return {name: value for name, value in item.sent.items() if value and not _ORDINARY_HEADERS.match(name)}


def _digests(word: str) -> tuple[str, ...]:
    raw = word.encode()
    names = ("md5", "sha1", "sha256", "sha512")
    return tuple(hashlib.new(name, raw, usedforsecurity=False).hexdigest() for name in names)


def origin(recording: Recording, value: str, before: int, group: str = "value") -> Origin | None:
    """The latest answer before exchange ``before`` that held ``value``, and how to find it there."""
    if len(value) < _MINIMUM:
        return None
    for item in reversed([entry for entry in recording.exchanges if entry.number < before]):
        found = _in_answer(item, value, group)
        if found is not None:
            return Origin(found[0], found[1], item.number, item.address)
    return None


def _in_answer(item: Exchange, value: str, group: str) -> tuple[str, str] | None:
    for name, given in item.set_cookies.items():
        if given == value:
            return "cookie", name
    for name, given in item.headers:
        if given == value and name != "set-cookie":
            return "header", name
    if value not in item.text and html.escape(value) not in item.text:
        return None
    if item.is_html:
        for entry in item.page.inputs:
            pattern = value_pattern(entry.raw, value, group) if entry.value == value else None
            if pattern is not None:
                return "page", pattern
        return _in_text(item.text, value, group)
    document = item.json
    if document is not None:
        for path, given in leaves(document):
            if given == value:
                return "json", path
    return None


def _in_text(text: str, value: str, group: str) -> tuple[str, str] | None:
    """A value somewhere else in a page, as in a meta tag or a script: by what stands before it on its line."""
    at = text.find(value)
    if at < 0:
        return None
    before = re.split(r"[\r\n>;{]", text[max(0, at - 80) : at])[-1]
    if len(before.strip()) < 4:
        return None
    return "page", f"{escape(before.lstrip())}(?P<{group}>[^\"'<>\\s;]{{1,300}})"
