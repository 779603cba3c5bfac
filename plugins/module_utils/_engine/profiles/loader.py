# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reads a profile by name or path, on the controller; what runs elsewhere gets it as a value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base.documents import check, parse_yaml
from ..base.errors import InputError
from ..catalogue.reasons import REASONS
from .expressions import fault, require_library
from .schema import PROFILE

_SHIPPED = Path(__file__).parent / "data"
_EXPRESSIONS = {
    "role_page": {"role": {"role"}},
    "status_page": {"process": {"name", "state"}, "overall": {"state"}, "text": {"text"}, "version": {"version"}, "at": {"at"}},
}


def shipped() -> list[str]:
    """Names of the profiles that come with the collection."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yml"))


def load_profile(name: str, option: str = "profile", family: str | None = None) -> dict[str, Any]:
    """A checked profile by shipped name, or by the path of a file; of this ``family`` where one is given. Raises InputError."""
    path = Path(name).expanduser() if "/" in name or name.endswith((".yml", ".yaml")) else _SHIPPED / f"{name}.yml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(option, name, "one of " + ", ".join(shipped()) + ", or the path of a readable profile file", "design 2") from None
    what = f"profile {path.name}"
    document = parse_yaml(text, what, "design 2", own=path.parent == _SHIPPED)
    check(document, PROFILE, what, "design 2")
    _check_expressions(document, what)
    require_library(document)
    profile: dict[str, Any] = document
    if family is not None and profile["family"] != family:
        raise InputError(option, name, f"a profile for family '{family}'; this one is for '{profile['family']}'", "design 2")
    return profile


def _check_expressions(document: dict[str, Any], what: str) -> None:
    for section, keys in _EXPRESSIONS.items():
        given = document.get(section, {})
        for key, groups in keys.items():
            if key in given and given.get("format") == "json":
                _check_jmespath(given[key], f"{what}: {section}.{key}")
            elif key in given:
                _check_regex(given[key], groups, f"{what}: {section}.{key}")
    _check_web(document, what)
    _check_security(document, what)
    if "rejected" in document.get("status_page", {}):
        _check_regex(document["status_page"]["rejected"], set(), f"{what}: status_page.rejected")
    for index, item in enumerate(document.get("refusals", [])):
        _check_regex(item["pattern"], set(), f"{what}: refusals[{index}].pattern")
        if item["reason"] not in REASONS:
            raise InputError(f"{what}: refusals[{index}].reason", item["reason"], "a reason code of the catalogue", "6.7")


def _check_web(document: dict[str, Any], what: str) -> None:
    """Expressions and what must stand together in the sections of the webpages."""
    says = document.get("answers", {}).get("says", {})
    if "html" in says:
        _check_regex(says["html"], {"text"}, f"{what}: answers.says.html")
    if "json" in says:
        _check_jmespath(says["json"], f"{what}: answers.says.json")
    for where, sign in _signs(document):
        for key in ("pattern", "location"):
            if key in sign:
                _check_regex(sign[key], set(), f"{what}: {where}.{key}")
        if "expression" in sign:
            _check_jmespath(sign["expression"], f"{what}: {where}.expression")
    for index, token in enumerate(document.get("tokens", [])):
        _check_token(token, f"{what}: tokens[{index}]")
    for name, spec in document.get("settings", {}).items():
        check_value = _check_jmespath if spec.get("format") == "json" else lambda text, where: _check_regex(text, {"value"}, where)
        check_value(spec["value"], f"{what}: settings.{name}.value")
    _check_login(document.get("login", {}), what)
    if "upload" in document and "confirm" not in document and not document["upload"].get("applies_at_once"):
        raise InputError(f"{what}: upload", "no confirm", "a section confirm as well, or upload.applies_at_once: true", "R-139")


def _check_security(document: dict[str, Any], what: str) -> None:
    """Expressions of the pages of settings and of users, and of the one that tells who is signed in."""
    if "identity" in document:
        _check_regex(document["identity"]["certificate"], {"model", "serial"}, f"{what}: identity.certificate")
    page = document.get("session_page", {})
    for key in ("user", "permissions"):
        if key in page:
            _check_reads(page, key, {key}, f"{what}: session_page.{key}")
    settings = document.get("security", {}).get("settings", {})
    if "row" in settings:
        _check_regex(settings["row"], {"name", "value"}, f"{what}: security.settings.row")
    for name, spec in settings.get("fields", {}).items():
        if "row" not in settings:
            _check_reads(
                {"format": settings.get("format"), "at": spec["at"]}, "at", {"value"}, f"{what}: security.settings.fields.{name}.at"
            )
    users = document.get("security", {}).get("users", {})
    if "list" in users:
        _check_jmespath(users["list"], f"{what}: security.users.list")
    elif users:
        groups = {"name", "cells"} if "columns" in users else {"name", "group"}
        _check_regex(users.get("row", ""), groups, f"{what}: security.users.row")
    events = document.get("security", {}).get("events", {})
    if "list" in events:
        _check_jmespath(events["list"], f"{what}: security.events.list")
    elif events:
        _check_regex(events.get("row", ""), {"time", "text"}, f"{what}: security.events.row")
    if "sign" in users:
        _check_regex(users["sign"], set(), f"{what}: security.users.sign")
    if "cell" in users:
        _check_regex(users["cell"], {"value"}, f"{what}: security.users.cell")


def _check_reads(section: dict[str, Any], key: str, groups: set[str], where: str) -> None:
    if section.get("format") == "json":
        _check_jmespath(section[key], where)
    else:
        _check_regex(section[key], groups, where)


def _signs(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("login", "upload", "confirm"):
        if "ok" in document.get(name, {}):
            yield f"{name}.ok", document[name]["ok"]
    for name, spec in document.get("settings", {}).items():
        if "write" in spec:
            yield f"settings.{name}.write.ok", spec["write"]["ok"]
    security = document.get("security", {})
    for where, spec in ((f"{part}.{act}", write) for part, section in security.items() for act, write in section.items()):
        if isinstance(spec, dict) and "ok" in spec:
            yield f"security.{where}.ok", spec["ok"]
    for name in ("missing", "busy", "signed_out"):
        for index, sign in enumerate(document.get("answers", {}).get(name, [])):
            yield f"answers.{name}[{index}]", sign


def _check_token(token: dict[str, Any], where: str) -> None:
    take, send = token["take"], token["send"]
    if len(take) != 1:
        raise InputError(f"{where}.take", ", ".join(sorted(take)), "exactly one of cookie, header, pattern, expression", "design 2")
    if ("header" in send) == ("field" in send):
        raise InputError(f"{where}.send", ", ".join(sorted(send)), "either header or field", "design 2")
    if "pattern" in take:
        _check_regex(take["pattern"], {"value"}, f"{where}.take.pattern")
    if "expression" in take:
        _check_jmespath(take["expression"], f"{where}.take.expression")


def _check_login(login: dict[str, Any], what: str) -> None:
    """A form or JSON login needs its fields and its sign; the others have none."""
    needed = ("path", "user", "password", "ok") if login.get("kind") in ("form", "json") else ()
    for key in needed:
        if key not in login:
            raise InputError(f"{what}: login", login["kind"], f"the key {key} as well", "design 2")


def _check_jmespath(expression: str, where: str) -> None:
    wrong = fault(expression)
    if wrong:
        raise InputError(where, expression, f"a JMESPath expression ({wrong})", "design 2")


def _check_regex(pattern: str, groups: set[str], where: str) -> None:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(where, pattern, f"a regular expression ({error})", "design 2") from None
    missing = groups - set(compiled.groupindex)
    if missing:
        raise InputError(where, pattern, "the named group " + " and ".join(sorted(missing)), "design 2")
