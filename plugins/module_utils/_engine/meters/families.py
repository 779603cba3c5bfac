# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The families this collection can read, by explicit imports: what is imported by name would not reach a jump host."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from ..base.errors import InputError
from . import hep, mcs301, pm5000

FAMILIES: dict[str, ModuleType] = {pm5000.FAMILY: pm5000, hep.FAMILY: hep, mcs301.FAMILY: mcs301}
#: The parts of the facts, of all families; one list may be for a mixed fleet, and each family reads what it has.
SUBSETS = tuple(dict.fromkeys((*pm5000.SUBSETS, *hep.SUBSETS, *mcs301.SUBSETS)))
OPT_IN = pm5000.OPT_IN
MIN = pm5000.MIN


def parse_subsets(names: Iterable[str]) -> frozenset[str]:
    """The subsets that ``gather_subset`` asks for: names, ``all``, ``min``, and ``!name`` to leave one out.

    Identity is always read. Raises InputError.
    """
    wanted: set[str] = set()
    refused: set[str] = set()
    entries = [str(name).strip() for name in names]
    for entry in entries:
        name = entry.removeprefix("!")
        if name not in (*SUBSETS, *OPT_IN, "all", "min"):
            known = ", ".join(("all", "min", *SUBSETS, *OPT_IN))
            raise InputError("gather_subset", entry, f"{known}, each also with '!' before it", "design 4.2")
        group = set(SUBSETS) if name == "all" else set(MIN) if name == "min" else {name}
        (refused if entry.startswith("!") else wanted).update(group)
    if not any(not entry.startswith("!") for entry in entries):
        wanted = set(SUBSETS)
    return frozenset((wanted - refused) | {"identity"})


def subsets_of(family: str, wanted: Iterable[str]) -> frozenset[str]:
    """Those of ``wanted`` that this family has."""
    known = FAMILIES[family]
    return frozenset(wanted) & {*known.SUBSETS, *known.OPT_IN}
