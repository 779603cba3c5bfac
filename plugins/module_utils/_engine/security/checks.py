# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Checks of single values of the desired-state document. None is always 'not given'. All raise InputError."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.errors import InputError


def choice(option: str, value: Any, choices: Sequence[str], rule: str) -> str | None:
    """One of these words."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in choices:
        raise InputError(option, value, f"one of {', '.join(choices)}", rule)
    return value


def flag(option: str, value: Any, rule: str) -> bool | None:
    """True or false."""
    if value is not None and not isinstance(value, bool):
        raise InputError(option, value, "true or false", rule)
    return value


def whole(option: str, value: Any, low: int, high: int, rule: str, unit: str = "") -> int | None:
    """A whole number in a range."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(option, value, f"a whole number from {low} to {high}{unit and ' '}{unit}", rule)
    return value


def text(option: str, value: Any, least: int, most: int, rule: str) -> str | None:
    """Text of one line."""
    if value is None:
        return None
    if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
        raise InputError(option, value, f"text of {least} to {most} characters on one line", rule)
    return value


def day(option: str, value: Any, rule: str, why: str = "") -> datetime.date:
    """A day, as YAML or as text gives it."""
    if isinstance(value, datetime.datetime):
        return value.date()
    try:
        return value if isinstance(value, datetime.date) else datetime.date.fromisoformat(str(value))
    except ValueError:
        raise InputError(option, value, f"a day such as 2027-12-31{why}", rule) from None


def mapping(option: str, value: Any, names: Sequence[str], rule: str, secret: bool = False) -> dict[str, Any]:
    """A dictionary with no other names than these; without those that are None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(option, value, f"a dictionary with any of {', '.join(names)}", rule, secret=secret)
    for name in value:
        if name not in names:
            raise InputError(f"{option}.{name}", "given", f"only {', '.join(names)} in {option}", rule)
    return {str(name): item for name, item in value.items() if item is not None}
