# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What only a person can tell of a meter, and until when that counts; pure (rollout 4.2, R-300)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants
from ..catalogue.controls import CONTROLS, base_id
from ..security.baseline import matches, patterns
from ..security.checks import day, whole
from .faults import WHAT, Faults, Path


@dataclass(frozen=True)
class Attestation:
    """Somebody saw something on a day. After ``until`` it is unknown again."""

    control: str
    hosts: tuple[str, ...]
    by: str
    at: datetime.date
    text: str
    until: datetime.date
    path: Path

    def concerns(self, host: str) -> bool:
        """Whether it was said of this meter."""
        return matches(host, self.hosts)

    def expired(self, today: datetime.date) -> bool:
        """Whether it was too long ago to count."""
        return today > self.until


def attestations_from(given: Sequence[Mapping[str, Any]], today: datetime.date, faults: Faults) -> tuple[Attestation, ...]:
    """From the checked part ``attested``."""
    return faults.each("attested", given, lambda number, item: _attestation(number, item, today))


def _attestation(number: int, item: Mapping[str, Any], today: datetime.date) -> Attestation:
    option = f"{WHAT}.attested[{number}]"
    known = CONTROLS.get(base_id(item["control"]))
    if known is None or known.valid_days is None:
        names = ", ".join(sorted(name for name, entry in CONTROLS.items() if entry.valid_days is not None))
        raise InputError(f"{option}.control", item["control"], f"what only a person can tell, one of {names}", "R-300")
    at = day(f"{option}.at", item["at"], "R-300")
    if at > today:
        raise InputError(f"{option}.at", str(at), f"a day up to {today}: nobody saw it yet", "R-300")
    most = constants.ATTESTED_DAYS_MAX.number
    days = whole(f"{option}.valid_days", item.get("valid_days", known.valid_days), 1, most, "rollout 4.2", "days")
    until = at + datetime.timedelta(days=days or 0)
    hosts = patterns(f"{option}.hosts", item.get("hosts"), "R-300")
    return Attestation(item["control"], hosts, item["by"], at, item.get("text", ""), until, ("attested", number))
