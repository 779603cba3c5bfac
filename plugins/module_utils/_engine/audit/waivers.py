# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Waivers of a baseline: what a person leaves as it is on some meters until a day; pure (R-233). One that ran out is a fail again."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants
from ..catalogue.controls import CONTROLS, base_id
from ..security.baseline import matches, patterns
from ..security.wanted import Waiver, waiver_from
from .faults import WHAT, Faults, Path


@dataclass(frozen=True)
class HostWaiver(Waiver):
    """A waiver with the meters it is for and its place in the document."""

    hosts: tuple[str, ...] = ("*",)
    path: Path = ()

    def concerns(self, host: str) -> bool:
        """Whether it is for this meter."""
        return matches(host, self.hosts)


def waivers_from(given: Sequence[Mapping[str, Any]], today: datetime.date, faults: Faults) -> tuple[HostWaiver, ...]:
    """From the checked part ``waivers``."""
    return faults.each("waivers", given, lambda number, item: _waiver(number, item, today))


def _waiver(number: int, item: Mapping[str, Any], today: datetime.date) -> HostWaiver:
    option = f"{WHAT}.waivers[{number}]"
    waiver = waiver_from({key: value for key, value in item.items() if key != "hosts"})
    name = base_id(waiver.control)
    if name not in CONTROLS or "*" in waiver.control.replace(f"{name}:*", "", 1):
        close = difflib.get_close_matches(name, CONTROLS, n=1)
        hint = f"; is {close[0]!r} meant?" if close else ""
        accepted = f"the id of a control as an audit shows it, or such as 'user:*' for all of that kind{hint}"
        raise InputError(f"{option}.control", waiver.control, accepted, "R-233")
    last = today + datetime.timedelta(days=constants.WAIVER_DAYS_MAX.number)
    if waiver.expires > last:
        accepted = f"a day up to {last}: what is waived is looked at again once a year"
        raise InputError(f"{option}.expires", str(waiver.expires), accepted, "R-233")
    hosts = patterns(f"{option}.hosts", item.get("hosts"), "R-233")
    return HostWaiver(waiver.control, waiver.reason, waiver.approver, waiver.expires, hosts, ("waivers", number))
