# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Meters whose firmware parts have identifiers instead of versions: what is wanted of which part, and what it runs now. Pure.

Identifiers are compared for equality per part and have no order (design 4.1, R-213).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants, identifiers

#: Identifiers by part (OBIS field B), canonical; a part may tell several (X-06).
Parts = Mapping[int, tuple[str, ...]]


def check_target(option: str, value: Any) -> Any:
    """A target as identifier, or as ``{version, component}``; canonical. Raises InputError."""
    if not isinstance(value, Mapping):
        return identifiers.canonical(value, option)
    unknown = set(value) - {"version", "component"}
    if unknown or "version" not in value:
        raise InputError(option, sorted(value), "an identifier, or a dictionary of version and component", "R-212")
    version = identifiers.canonical(value["version"], f"{option}.version")
    component = check_component(f"{option}.component", value.get("component"))
    return version if component is None else {"version": version, "component": component}


def check_component(option: str, value: Any) -> int | None:
    """The number of a part, or None where none is named. Raises InputError."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    low, high = constants.DLMS_B_METROLOGY.number, constants.DLMS_B_OTHER_MAX.number
    if number is None or (isinstance(number, int) and not isinstance(number, bool) and low <= number <= high):
        return number
    raise InputError(option, value, "0 for metrology, 1 for the application, 2 to 9 for other parts", "R-216")


def split(target: Any) -> tuple[str, int | None]:
    """Identifier and part of a checked target."""
    if isinstance(target, Mapping):
        return str(target["version"]), target.get("component")
    return str(target), None


def choose(named: int | None, offered: Iterable[int | None]) -> int:
    """The part that is meant: the named one, else that of all packages on offer, else the application (R-215)."""
    if named is not None:
        return named
    parts = {part for part in offered if part is not None}
    return parts.pop() if len(parts) == 1 else int(constants.DLMS_B_APPLICATION.number)


def runs(parts: Parts, component: int, wanted: str = "") -> str:
    """What this part runs now; of several identifiers the wanted one where it is among them. Empty where it is not told."""
    told = parts.get(component, ())
    return wanted if wanted in told else told[0] if told else ""


def parts_of(firmware: Mapping[str, Any]) -> dict[int, tuple[str, ...]]:
    """The identifiers by part out of the facts of a meter; what is malformed or unknown is left out."""
    found: dict[int, tuple[str, ...]] = {}
    for item in firmware.get("components") or ():
        if isinstance(item, Mapping) and isinstance(item.get("b"), int):
            told = tuple(str(text) for text in item.get("identifiers") or ())
            if told:
                found[item["b"]] = told
    return found
