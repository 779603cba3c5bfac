# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reads a profile by name or path, on the controller; what runs elsewhere gets it as a value."""

from __future__ import annotations

import re
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
    "status_page": {"process": {"name", "state"}, "overall": {"state"}, "text": {"text"}},
}


def shipped() -> list[str]:
    """Names of the profiles that come with the collection."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yml"))


def load_profile(name: str) -> dict[str, Any]:
    """A checked profile by shipped name, or by the path of a file. Raises InputError."""
    path = Path(name).expanduser() if "/" in name or name.endswith((".yml", ".yaml")) else _SHIPPED / f"{name}.yml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError("profile", name, "one of " + ", ".join(shipped()) + ", or the path of a readable profile file", "design 2") from None
    what = f"profile {path.name}"
    document = parse_yaml(text, what, "design 2")
    check(document, PROFILE, what, "design 2")
    _check_expressions(document, what)
    require_library(document)
    profile: dict[str, Any] = document
    return profile


def _check_expressions(document: dict[str, Any], what: str) -> None:
    for section, keys in _EXPRESSIONS.items():
        given = document.get(section, {})
        for key, groups in keys.items():
            if key in given and given.get("format") == "json":
                _check_jmespath(given[key], f"{what}: {section}.{key}")
            elif key in given:
                _check_regex(given[key], groups, f"{what}: {section}.{key}")
    if "rejected" in document.get("status_page", {}):
        _check_regex(document["status_page"]["rejected"], set(), f"{what}: status_page.rejected")
    for index, item in enumerate(document.get("refusals", [])):
        _check_regex(item["pattern"], set(), f"{what}: refusals[{index}].pattern")
        if item["reason"] not in REASONS:
            raise InputError(f"{what}: refusals[{index}].reason", item["reason"], "a reason code of the catalogue", "6.7")


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
