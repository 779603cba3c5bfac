# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One judged point of a baseline, the same for every family; pure.

Unknown is never good. ``attested`` is what only a person saw, ``waived`` what a person leaves as it is until a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

PASS, FAIL, UNKNOWN, PLANNED, CHANGED = "pass", "fail", "unknown", "planned", "changed"
NOT_APPLICABLE, WAIVED, ATTESTED = "not_applicable", "waived", "attested"
#: Shown in every summary; the others only where there are any.
_ALWAYS = (PASS, FAIL, UNKNOWN, PLANNED, CHANGED)
STATES = (*_ALWAYS, NOT_APPLICABLE, WAIVED, ATTESTED)


@dataclass(frozen=True)
class Control:
    """One point of the baseline. ``want`` and ``have`` never hold a secret; ``evidence`` tells where ``have`` was seen."""

    id: str
    state: str
    want: Any
    have: Any
    rule: str
    text: str
    remedy: str = ""
    evidence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a result."""
        return asdict(self)


def findings(controls: Sequence[Control]) -> list[dict[str, Any]]:
    """What should be looked at: each with the options that would change it, where there are any."""
    return [
        {"id": item.id, "state": item.state, "text": item.text, "rule": item.rule, **({"remedy": item.remedy} if item.remedy else {})}
        for item in controls
        if item.state in (FAIL, UNKNOWN)
    ]


def summary(controls: Sequence[Control]) -> dict[str, int]:
    """How many controls are in which state."""
    counts = {state: sum(item.state == state for item in controls) for state in STATES}
    return {state: number for state, number in counts.items() if number or state in _ALWAYS}


def diff(before: Sequence[Control], after: Sequence[Control]) -> dict[str, Mapping[str, Any]]:
    """What is or would be changed, without any secret."""
    shown = {item.id for item in before if item.state == PLANNED}
    ends = {item.id: item for item in after}
    was = {item.id: item.have for item in before if item.id in shown}
    now = {name: ends[name].want if ends[name].state in (PLANNED, CHANGED) else ends[name].have for name in was if name in ends}
    return {"before": was, "after": now}
