# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Faults of a baseline, collected so that all of them are told at once, each with the line it stands in where that is known; pure."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from ..base.errors import InputError
from ..catalogue import constants
from ..reporting.document import Location

WHAT, RULE = "metering_baseline", "rollout 4.2"
Path: TypeAlias = "tuple[str | int, ...]"
Entry = TypeVar("Entry")
#: Tells where a value was written, None where that is not known.
Locate: TypeAlias = "Callable[[Any], Location | None]"


@dataclass(frozen=True)
class Flaw:
    """One fault: the option, the whole sentence, and where it stands."""

    option: str
    text: str
    location: Location | None

    def __str__(self) -> str:
        return self.text if self.location is None else f"{self.text}, in {self.location['file']}:{self.location['line']}"


class BaselineError(InputError):
    """All that is wrong with a baseline. ``faults`` has each by itself."""

    def __init__(self, faults: Sequence[Flaw]) -> None:
        self.faults = tuple(faults)
        super().__init__(faults[0].option, None, "a baseline without faults", RULE, secret=True)
        shown = [str(item) for item in faults[: constants.BASELINE_FAULTS.number]]
        if len(faults) > len(shown):
            shown.append(f"and {len(faults) - len(shown)} more")
        self.args = ("; ".join(shown) if len(faults) == 1 else f"{len(faults)} faults: " + "; ".join(shown),)


class Faults:
    """Takes the faults of a document one after another."""

    def __init__(self, raw: Any, locate: Locate | None) -> None:
        self._raw, self._locate = raw, locate
        self._found: list[Flaw] = []

    def add(self, path: Path, error: InputError, before: str = "") -> None:
        """One fault at this place, with what goes before its option; the same sentence is told once."""
        fault = Flaw(before + error.option, before + str(error), where(self._raw, path, self._locate))
        if fault.text not in [item.text for item in self._found]:
            self._found.append(fault)

    @contextmanager
    def at(self, *path: str | int) -> Iterator[None]:
        """Takes an InputError of what is checked within."""
        try:
            yield
        except InputError as error:
            self.add(path, error)

    def each(self, part: str, given: Sequence[Any], read: Callable[[int, Any], Entry]) -> tuple[Entry, ...]:
        """What ``read`` makes of the entries of a list, without those that are faulty."""
        found = []
        for number, item in enumerate(given):
            with self.at(part, number):
                found.append(read(number, item))
        return tuple(found)

    def end(self) -> None:
        """Raise BaselineError if there were any."""
        if self._found:
            raise BaselineError(self._found)


def where(raw: Any, path: Path, locate: Locate | None) -> Location | None:
    """Where the value at ``path`` was written: itself, else its key, else what is around it."""
    if locate is None:
        return None
    found, value = locate(raw), raw
    for step in path:
        if isinstance(value, Mapping):
            key = next((name for name in value if str(name) == str(step)), None)
            if key is None:
                break
            found, value = locate(key) or locate(value[key]) or found, value[key]
        elif isinstance(value, (list, tuple)) and isinstance(step, int) and step < len(value):
            value = value[step]
            found = locate(value) or found
        else:
            break
    return found


def plain(value: Any, option: str = WHAT, depth: int = 0) -> Any:
    """The document as JSON would hold it: text keys, no None in dictionaries, days as text. Raises InputError."""
    if depth > constants.BASELINE_DEPTH.number:
        raise InputError(option, "nested too deeply", f"at most {constants.BASELINE_DEPTH.number} levels", RULE)
    if isinstance(value, Mapping):
        return _dictionary(value, option, depth)
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{option}[{number}]", depth + 1) for number, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value, option)
    if isinstance(value, (bool, int)) or value is None or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise InputError(option, type(value).__name__, "text, a number, true or false, a list or a dictionary", RULE)


def _dictionary(given: Mapping[Any, Any], option: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise InputError(option, type(key).__name__, "keys of text", RULE)
        name = _text(str(key), option)
        if name in found:
            raise InputError(option, name, "each key once", RULE)
        if value is not None:
            found[name] = plain(value, f"{option}.{name}", depth + 1)
    return found


def _text(value: str, option: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(option, "given", "text of whole characters", RULE) from None
    return str(value)
