# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Pages with many security settings, and lists of users, by a profile: a device's answer in, our values out, and back; pure.

The sender is a device (F-37): what does not have the documented form is not read, and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .answers import Answer, clean
from .expressions import search

#: Settings that are on or off; all others that are no number are words.
SWITCHES = frozenset(
    {
        "web_server", "web_programming", "panel_programming", "modbus_programming", "time_sync",
        "ftp", "sftp", "ssh", "ion", "ion_tls", "telnet",
    }
)  # fmt: skip
_NUMBERS = ("lockout_", "web_port_", "session_timeout_", "event_cutoff", "priority_")
_ON, _OFF = ("yes", "true", "on", "enabled", "1"), ("no", "false", "off", "disabled", "0")
_MOST_USERS = 200
EVENT_FIELDS = ("time", "priority", "user", "text")
PLACEHOLDERS = ("{user}", "{password}", "{permissions}", "{group}", "{mode}", "{new_user}", "{number}")


def read_settings(section: Mapping[str, Any], answer: Answer) -> tuple[dict[str, Any], dict[str, str]]:
    """(settings, why others of the profile were not read)."""
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}
    rows = _rows(section, answer)
    for name, spec in section.get("fields", {}).items():
        said = _said(section, spec, rows, answer)
        if said is None:
            unread[name] = "the page does not show it"
            continue
        value = ours(name, spec, said)
        if value is None:
            unread[name] = f"the profile has no word for {clean(said)!r}"
        else:
            found[name] = value
    return found, unread


def _rows(section: Mapping[str, Any], answer: Answer) -> dict[str, str] | None:
    if "row" not in section:
        return None
    return {match["name"]: match["value"] for match in re.finditer(section["row"], answer.text)}


def _said(section: Mapping[str, Any], spec: Mapping[str, Any], rows: Mapping[str, str] | None, answer: Answer) -> Any:
    if rows is not None:
        return rows.get(spec["at"])
    if section.get("format") == "json":
        value = search(spec["at"], answer.document)
        return value if isinstance(value, (str, int, float, bool)) else None
    found = re.search(spec["at"], answer.text)
    return found["value"] if found else None


def ours(name: str, spec: Mapping[str, Any], said: Any) -> Any:
    """Our value for what the device says; None where it is none of this setting."""
    text = clean("true" if said is True else "false" if said is False else said)
    for word, theirs in spec.get("words", {}).items():
        if text.lower() in [item.lower() for item in theirs]:
            return _truth(word) if name in SWITCHES else word
    if name in SWITCHES:
        return _truth(text)
    if name.startswith(_NUMBERS):
        return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None
    return text.lower() if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", text) else None


def _truth(text: str) -> bool | None:
    return True if text.lower() in _ON else False if text.lower() in _OFF else None


def theirs(section: Mapping[str, Any], name: str, value: Any) -> Any:
    """What the device calls this value of ours."""
    words = section["fields"][name].get("words", {})
    key = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if key in words:
        return words[key][0]
    if section.get("format") == "json":
        return value
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def body_of(section: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The fields of a request that writes one setting; in JSON nested as the answer is, where no ``field`` is named."""
    spec = section["fields"][name]
    fields: dict[str, Any] = dict(section["write"].get("fields", {}))
    said = theirs(section, name, value)
    if section.get("format") != "json" or "field" in spec:
        return {**fields, spec.get("field", spec["at"]): said}
    *way, last = spec["at"].split(".")
    place = fields
    for step in way:
        place = place.setdefault(step, {})
    place[last] = said
    return fields


def read_users(section: Mapping[str, Any], answer: Answer) -> list[tuple[str, frozenset[str]]] | None:
    """(name, permissions or the one group) of each user; None where the answer is not such a list.

    A page of HTML that lists nobody is one only where the profile's ``sign`` is on it: an error page lists nobody either (F-37).
    """
    if section.get("format") == "json":
        rows = search(section["list"], answer.document)
        if not isinstance(rows, list):
            return None
        return [user for user in (_json_user(section, row) for row in rows[:_MOST_USERS]) if user is not None]
    matches = list(re.finditer(section["row"], answer.text))[:_MOST_USERS]
    if not matches and ("sign" not in section or re.search(section["sign"], answer.text) is None):
        return None
    return [_html_user(section, match) for match in matches]


def read_numbers(section: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """The number by which the meter calls each user, where it has one."""
    if section.get("format") == "json":
        rows = search(section["list"], answer.document)
        named = [row for row in rows[:_MOST_USERS] if isinstance(row, Mapping)] if isinstance(rows, list) else []
        return {clean(row.get("name")): row["number"] for row in named if isinstance(row.get("number"), int)}
    found = re.finditer(section["row"], answer.text)
    return {clean(item["name"]): item["number"] for item in found if "number" in item.groupdict()}


def read_events(section: Mapping[str, Any], answer: Answer, most: int) -> list[dict[str, str]]:
    """The newest events of the meter's log, newest first; each value is the device's own word, in one line."""
    if section.get("format") == "json":
        told = search(section["list"], answer.document)
        rows = [row for row in told if isinstance(row, Mapping)] if isinstance(told, list) else []
    else:
        rows = [found.groupdict() for found in re.finditer(section["row"], answer.text)]
    if section.get("newest") == "last":
        rows = rows[::-1]
    return [{name: clean(row.get(name)) for name in EVENT_FIELDS if row.get(name) is not None} for row in rows[:most]]


def _json_user(section: Mapping[str, Any], row: Any) -> tuple[str, frozenset[str]] | None:
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str):
        return None
    given = row.get("permissions")
    if isinstance(given, list):
        return clean(row["name"]), frozenset(clean(item) for item in given if isinstance(item, str))
    return clean(row["name"]), frozenset({_group(section, str(row.get("group", "")))})


def _html_user(section: Mapping[str, Any], match: re.Match[str]) -> tuple[str, frozenset[str]]:
    if "columns" not in section:
        return clean(match["name"]), frozenset({_group(section, match["group"])})
    cells = [clean(cell["value"]).lower() for cell in re.finditer(section["cell"], match["cells"])]
    yes = [word.lower() for word in section.get("yes", _ON)]
    pairs = zip(section["columns"], cells, strict=False)
    return clean(match["name"]), frozenset(name for name, cell in pairs if cell in yes)


def _group(section: Mapping[str, Any], said: str) -> str:
    text = clean(said)
    return next((ours for ours, words in section.get("groups", {}).items() if text.lower() in [item.lower() for item in words]), "other")


def filled(spec: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request with its placeholders filled in; a list becomes words with commas in a form."""
    return {name: _fill(value, values, spec["body"]) for name, value in spec.get("fields", {}).items()}


def _fill(value: Any, values: Mapping[str, Any], body: str) -> Any:
    if value not in PLACEHOLDERS:
        return value
    given = values.get(str(value)[1:-1])
    if isinstance(given, (list, tuple)) and body == "form":
        return ",".join(str(item) for item in given)
    return "" if given is None else given
