# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reads a HAR 1.2 file, which a browser writes of its network traffic, into plain exchanges with one meter.

Browsers differ and leave parts out; what is missing or of another form is left out here too, never an error, as long as
there is something to read. Nothing in this file judges; har_infer does.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..base.errors import InputError
from .har_pages import Html

RULE = "design 2"
MAX_ENTRIES = 20_000
TEXT_LIMIT = 1 << 20  # characters of one body that are looked at
_FIELD_LIMIT = 500
_MULTIPART = re.compile(r"content-disposition:\s*form-data;([^\r\n]{0,600})\r?\n(?:[^\r\n]{1,600}\r?\n){0,10}\r?\n", re.I)
_PARAMETER = re.compile(r'(name|filename)="([^"]{0,300})"', re.I)


@dataclass(frozen=True)
class Body:
    """What a request carried: ``form``, ``json``, ``multipart``, ``binary``, ``unseen`` (sent, but not recorded) or ``none``.

    ``fields`` are the names and values of a form, or the leaves of a JSON document by JMESPath. ``file`` is the field and
    the name of an uploaded file; its bytes are dropped.
    """

    kind: str = "none"
    fields: tuple[tuple[str, str], ...] = ()
    file: tuple[str, str] | None = None
    document: Any = None


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. Header names are lower case."""

    number: int
    method: str
    scheme: str
    host: str
    port: int
    path: str
    query: str
    sent: Mapping[str, str]
    cookies: Mapping[str, str]
    body: Body
    status: int
    headers: tuple[tuple[str, str], ...]
    set_cookies: Mapping[str, str]
    mime: str
    text: str = field(repr=False)

    @property
    def writes(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH", "DELETE")

    @property
    def address(self) -> str:
        """Path and query, as a profile names a page."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str:
        """An answer's header, empty when it is not there."""
        return next((value for key, value in self.headers if key == name), "")

    @functools.cached_property
    def json(self) -> Any:
        """The answer as JSON, or None."""
        return parse_json(self.text) if "json" in self.mime or self.text[:1] in ("{", "[") else None

    @functools.cached_property
    def page(self) -> Html:
        """The answer taken apart as HTML; taken apart once."""
        return Html(self.text)

    @property
    def is_html(self) -> bool:
        return "html" in self.mime or (not self.mime and self.text.lstrip()[:1] == "<")


@dataclass(frozen=True)
class Recording:
    """All exchanges with the meter, in order, and what was left aside."""

    exchanges: tuple[Exchange, ...]
    host: str
    other_hosts: tuple[str, ...]
    unreadable: int
    browser: str

    @functools.cached_property
    def usual_tags(self) -> frozenset[str]:
        """Start tags of labelled texts that stand on pages which were read with GET."""
        return frozenset(spot.raw for item in self.exchanges if item.method == "GET" and item.is_html for spot in item.page.spots)


def parse_har(text: str, host: str | None = None) -> Recording:
    """A HAR file's text as the traffic with one meter: ``host``, or the host that was written to or asked most. Raises InputError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(
            "har", "the file", "a HAR file, which is JSON; choose 'save all as HAR with content' in the browser", RULE
        ) from None
    log = document.get("log") if isinstance(document, Mapping) else None
    entries = log.get("entries") if isinstance(log, Mapping) else None
    if not isinstance(log, Mapping) or not isinstance(entries, list) or not entries:
        raise InputError("har", "the file", "a HAR file with log.entries, at least one of them", RULE)
    if len(entries) > MAX_ENTRIES:
        raise InputError("har", f"{len(entries)} entries", f"at most {MAX_ENTRIES}; record only what belongs to the upgrade", RULE)
    read = [_exchange(number, entry) for number, entry in enumerate(entries)]
    exchanges = [item for item in read if item is not None]
    chosen = _choose(exchanges, host)
    ours = tuple(item for item in exchanges if item.host == chosen)
    others = tuple(sorted({item.host for item in exchanges} - {chosen}))
    browser = log.get("browser") or log.get("creator")
    name = str(browser.get("name", ""))[:40] if isinstance(browser, Mapping) else ""
    return Recording(ours, chosen, others, len(read) - len(exchanges), name)


def parse_json(text: str) -> Any:
    """A JSON document, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def leaves(document: Any, prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    """Scalars of a JSON document with their JMESPath. Lists are followed into their first items only."""
    if depth > 12:
        return
    if isinstance(document, Mapping):
        for key, value in list(document.items())[:_FIELD_LIMIT]:
            yield from leaves(value, f"{prefix}.{quote(str(key))}" if prefix else quote(str(key)), depth + 1)
    elif isinstance(document, list):
        for index, value in enumerate(document[:20]):
            yield from leaves(value, f"{prefix}[{index}]", depth + 1)
    elif prefix:
        yield prefix, document


def quote(key: str) -> str:
    """A key as a JMESPath identifier."""
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,80}", key) else json.dumps(key)


def as_text(value: Any) -> str:
    """A scalar as it would stand in a form: JSON's own words for true, false and null."""
    return value if isinstance(value, str) else json.dumps(value)


# -- one entry --------------------------------------------------------------------------------------------------------


def _exchange(number: int, entry: Any) -> Exchange | None:
    if not isinstance(entry, Mapping):
        return None
    request, answer = entry.get("request"), entry.get("response")
    if not isinstance(request, Mapping) or not isinstance(request.get("url"), str):
        return None
    place = _place(request["url"])
    if place is None:
        return None
    scheme, host, port, path, query = place
    answer = answer if isinstance(answer, Mapping) else {}
    sent = dict(_headers(request.get("headers")))
    headers = tuple(_headers(answer.get("headers")))
    given = answer.get("content")
    content: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    mime = str(content.get("mimeType") or dict(headers).get("content-type", "")).lower()[:100]
    status = answer.get("status")
    return Exchange(
        number=number,
        method=str(request.get("method", "GET")).upper()[:10],
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        query=query,
        sent=sent,
        cookies=_cookies(request.get("cookies"), sent.get("cookie", "")),
        body=_body(request.get("postData"), sent),
        status=status if isinstance(status, int) and not isinstance(status, bool) else 0,
        headers=headers,
        set_cookies=_set_cookies(headers, answer.get("cookies")),
        mime=mime if mime != "x-unknown" else "",
        text=_text(content),
    )


def _place(url: str) -> tuple[str, str, int, str, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    path = parts.path if parts.path.startswith("/") else "/"
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80), path[:500], parts.query[:500]


def _pairs(given: Any) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for item in given[:_FIELD_LIMIT] if isinstance(given, list) else ():
        if isinstance(item, Mapping) and isinstance(item.get("name"), str):
            value = item.get("value")
            yield item["name"], value if isinstance(value, str) else "", item


def _headers(given: Any) -> Iterable[tuple[str, str]]:
    # Browsers join several headers of one name by a line feed.
    for name, value, _item in _pairs(given):
        for piece in value.split("\n"):
            yield name.lower(), piece


def _cookies(given: Any, header: str) -> dict[str, str]:
    found = {name: value for name, value, _item in _pairs(given)}
    for piece in header.split(";"):
        name, equals, value = piece.strip().partition("=")
        if equals and name:
            found.setdefault(name, value)
    return found


def _set_cookies(headers: Iterable[tuple[str, str]], given: Any) -> dict[str, str]:
    found = {name: value for name, value, _item in _pairs(given)}
    for name, value in headers:
        if name != "set-cookie":
            continue
        try:
            found.update((key, morsel.value) for key, morsel in SimpleCookie(value).items())
        except CookieError:
            continue
    return found


def _text(content: Mapping[str, Any]) -> str:
    text = content.get("text")
    if not isinstance(text, str):
        return ""
    if content.get("encoding") == "base64":
        try:
            return base64.b64decode(text[: TEXT_LIMIT * 2], validate=False).decode("utf-8", errors="replace")[:TEXT_LIMIT]
        except (binascii.Error, ValueError):
            return ""
    return text[:TEXT_LIMIT]


# -- what a request carried -------------------------------------------------------------------------------------------


def _body(post: Any, sent: Mapping[str, str]) -> Body:
    kind = sent.get("content-type", "").lower()
    if not isinstance(post, Mapping):
        # Chromium does not record a body that a script made of a file.
        return Body("unseen") if kind.startswith("multipart/") or _length(sent) > 0 else Body()
    kind = kind or str(post.get("mimeType", "")).lower()
    raw = post.get("text")
    text = raw if isinstance(raw, str) else ""
    if kind.startswith("multipart/"):
        return _multipart(text, post.get("params"))
    if "json" in kind or (not kind and text[:1] in ("{", "[")):
        document = parse_json(text[:TEXT_LIMIT])
        return Body("json", tuple((path, as_text(value)) for path, value in leaves(document)), None, document)
    if "x-www-form-urlencoded" in kind:
        fields = parse_qsl(text[:TEXT_LIMIT], keep_blank_values=True) or [
            (name, value) for name, value, _item in _pairs(post.get("params"))
        ]
        return Body("form", tuple(fields[:_FIELD_LIMIT]))
    return Body("binary" if text or post.get("params") else "none")


def _length(sent: Mapping[str, str]) -> int:
    text = sent.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _multipart(text: str, params: Any) -> Body:
    """Fields in order. The bytes of the file are never kept; only its field and its name."""
    fields: list[tuple[str, str]] = []
    file: tuple[str, str] | None = None
    for name, value, item in _pairs(params):
        if isinstance(item.get("fileName"), str):
            file = file or (name, item["fileName"][:300])
        else:
            fields.append((name, value[:TEXT_LIMIT]))
    if fields or file:
        return Body("multipart", tuple(fields), file)
    boundary = text.split("\n", 1)[0].rstrip("\r") if text.startswith("--") else ""
    for part in _MULTIPART.finditer(text):
        given = {key.lower(): value for key, value in _PARAMETER.findall(part[1])}
        if "filename" in given:
            file = file or (given.get("name", ""), given["filename"])
        elif "name" in given and len(fields) < _FIELD_LIMIT:
            end = text.find(boundary, part.end()) if boundary else -1
            fields.append((given["name"], text[part.end() : end if end >= 0 else part.end() + 2000].rstrip("\r\n")))
    return Body("multipart" if fields or file else "unseen", tuple(fields), file)


def _choose(exchanges: list[Exchange], host: str | None) -> str:
    """The meter among the hosts: as told, else the one that got most requests, writes counting more."""
    if not exchanges:
        raise InputError("har", "the file", "entries with a request of http or https", RULE)
    weights: Counter[str] = Counter()
    for item in exchanges:
        weights[item.host] += 5 if item.writes else 1
    if host is None:
        return weights.most_common(1)[0][0]
    wanted = host.lower()
    if wanted not in weights:
        known = ", ".join(sorted(weights)[:5])
        raise InputError("meter_host", host, f"a host of the recording: {known}", RULE)
    return wanted
