# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From results to one word for a meter and one for the fleet, and the sums; pure. Unknown is never good (design 1.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..reporting.document import STATES, VERDICTS, Meter, Result

DRIFT, BLOCKED, UNKNOWN, COMPLIANT = VERDICTS


def of_meter(controls: Iterable[Mapping[str, Any]]) -> str:
    """Drift where a run can mend a failed control, blocked where none can; unknown where nothing failed and something is not known."""
    verdict = COMPLIANT
    nothing = True
    for item in controls:
        nothing = False
        if item["state"] == "fail":
            if "fix" in item:
                return DRIFT
            verdict = BLOCKED
        elif item["state"] == "unknown" and verdict == COMPLIANT:
            verdict = UNKNOWN
    return UNKNOWN if nothing else verdict  # nobody has looked at anything


def of_fleet(verdicts: Iterable[str]) -> str:
    """The first of VERDICTS that any meter has; unknown where there is no meter."""
    found = frozenset(verdicts)
    return next((verdict for verdict in VERDICTS if verdict in found), UNKNOWN)


def summary(controls: Iterable[Result]) -> dict[str, int]:
    """How many results are in each state."""
    counts = dict.fromkeys(STATES, 0)
    for item in controls:
        counts[item["state"]] += 1
    return counts


def totals(meters: Sequence[Meter]) -> dict[str, Any]:
    """The sums over a fleet: meters, results, and how many of each are in which verdict or state."""
    states, verdicts = dict.fromkeys(STATES, 0), dict.fromkeys(VERDICTS, 0)
    for meter in meters:
        verdicts[meter["verdict"]] += 1
        for state, number in meter["summary"].items():
            states[state] += number
    return {"meters": len(meters), "controls": sum(states.values()), "verdicts": verdicts, "states": states}


def sentence(meter: Meter) -> str:
    """What is not as it should be, for a person; empty where all is."""
    if meter["verdict"] == COMPLIANT:
        return ""
    if meter["reason"]:
        return f"{meter['verdict']} ({meter['reason']}): {meter['text']}"
    bad = [item["id"] for item in meter["controls"] if item["state"] == ("unknown" if meter["verdict"] == UNKNOWN else "fail")]
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{meter['verdict']}: {', '.join(bad[:_SHOWN])}{more}"


_SHOWN = 8


def overview(found: Mapping[str, Any]) -> str:
    """The sum of an audit in one sentence, from its totals."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in found["verdicts"].items() if number)
    states = ", ".join(f"{number} {state}" for state, number in found["states"].items() if number)
    return f"{found['meters']} meters: {counts or 'none'}. {found['controls']} controls: {states or 'none'}."
