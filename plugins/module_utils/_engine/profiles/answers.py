# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What one answer of a meter's web server says, by a profile: signs, the device's words, tokens, settings. Pure; the sender is a device (F-37)."""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .expressions import search

TEXT_LIMIT = 300
_TOKEN_LIMIT = 4096
_MISSING: tuple[dict[str, Any], ...] = ({"status": [404, 410]},)
_SIGNED_OUT: tuple[dict[str, Any], ...] = ({"status": [401]},)


@dataclass(frozen=True)
class Answer:
    """One answer. ``headers`` have lower-case names; ``cookies`` are those that this answer set; ``text`` is cut at the page limit."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """Where a redirect leads, as the meter wrote it."""
        return self.headers.get("location", "")

    @functools.cached_property
    def document(self) -> Any:
        """The answer as JSON, or None where it is none."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


def holds(sign: Mapping[str, Any], answer: Answer) -> bool:
    """Whether everything that the sign names is so in this answer."""
    if "status" in sign and answer.status not in sign["status"]:
        return False
    if "pattern" in sign and not re.search(sign["pattern"], answer.text):
        return False
    if "location" in sign and not re.search(sign["location"], answer.location):
        return False
    if "cookie" in sign and sign["cookie"] not in answer.cookies:
        return False
    if "header" in sign and sign["header"].lower() not in answer.headers:
        return False
    return "expression" not in sign or bool(search(sign["expression"], answer.document))


def is_missing(profile: Mapping[str, Any], answer: Answer) -> bool:
    """The page does not exist on this firmware: a normal outcome (R-029)."""
    return _any(profile, "missing", answer, _MISSING)


def is_busy(profile: Mapping[str, Any], answer: Answer) -> bool:
    """The meter serves nothing at the moment."""
    return _any(profile, "busy", answer, ())


def is_signed_out(profile: Mapping[str, Any], answer: Answer) -> bool:
    """The session is over, or there was none."""
    return _any(profile, "signed_out", answer, _SIGNED_OUT)


def _any(profile: Mapping[str, Any], name: str, answer: Answer, default: Iterable[Mapping[str, Any]]) -> bool:
    return any(holds(sign, answer) for sign in profile.get("answers", {}).get(name, default))


def words(profile: Mapping[str, Any], answer: Answer) -> str:
    """The device's own words where the profile can tell them, else nothing."""
    says = profile.get("answers", {}).get("says", {})
    if answer.document is not None and "json" in says:
        value = search(says["json"], answer.document)
        return clean(value) if isinstance(value, (str, int, float)) else ""
    found = re.search(says["html"], answer.text) if "html" in says else None
    return clean(found["text"]) if found else ""


def tokens(profile: Mapping[str, Any], answer: Answer) -> dict[str, str]:
    """The values of this answer which the meter wants back in later requests, by token name."""
    found = {token["name"]: _taken(token["take"], answer) for token in profile.get("tokens", ())}
    return {name: value for name, value in found.items() if value is not None and 0 < len(value) <= _TOKEN_LIMIT and _one_line(value)}


def _taken(take: Mapping[str, Any], answer: Answer) -> str | None:
    if "cookie" in take:
        return answer.cookies.get(take["cookie"])
    if "header" in take:
        return answer.headers.get(take["header"].lower())
    if "pattern" in take:
        found = re.search(take["pattern"], answer.text)
        return html.unescape(found["value"]) if found else None
    value = search(take["expression"], answer.document)
    return value if isinstance(value, str) else None


def _one_line(value: str) -> bool:
    """A device must not be able to write headers of ours."""
    return value.isprintable()


def setting(spec: Mapping[str, Any], answer: Answer) -> str | None:
    """A setting's value: our word where the profile has one for the device's, else the device's; None where it is not there."""
    if spec.get("format") == "json":
        said = search(spec["value"], answer.document)
        if isinstance(said, bool):
            said = "true" if said else "false"
        value = str(said) if isinstance(said, (str, int, float)) else None
    else:
        found = re.search(spec["value"], answer.text)
        value = found["value"] if found else None
    if value is None:
        return None
    word = clean(value)
    return next((ours for ours, theirs in spec.get("words", {}).items() if word.lower() in [item.lower() for item in theirs]), word)


def device_word(spec: Mapping[str, Any], value: str) -> str:
    """What the device calls this value of ours: its first word for it, or the value itself."""
    theirs = spec.get("words", {}).get(value)
    return str(theirs[0]) if theirs else value


def clean(text: Any) -> str:
    """One line of the device's words, at most 300 characters."""
    return " ".join(html.unescape(str(text if text is not None else "")).split())[:TEXT_LIMIT]
