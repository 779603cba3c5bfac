# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Text for the textfile collector of Prometheus' node exporter (rollout 4.3).

No label holds a meter's name: the number of series does not grow with the fleet, and alerts lead to the other reports.
Days are told as the time at which they end, so that a rule compares them with ``time()`` and the file stays the same from day to day.
"""

from __future__ import annotations

import calendar
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TextIO

from .document import STATES, VERDICTS, Document, History
from .parts import base_id, clean, info_of, infos, results

Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]


def write(document: Document, history: History, out: TextIO) -> None:
    """Every metric with its HELP and TYPE."""
    totals = document["totals"]
    good, meters = totals["verdicts"]["compliant"], totals["meters"]
    baseline = document["baseline"]
    name = {"baseline": baseline.get("id", ""), "version": baseline.get("version", "")}
    _gauge(out, "audit_info", "The baseline of the last audit", [({**name, "verdict": document["verdict"]}, 1)])
    _gauge(out, "compliance_ratio", "Share of the meters that are compliant, 0 to 1", [({}, good / meters)] if meters else [])
    _gauge(out, "meters", "Meters by verdict", [({"verdict": item}, totals["verdicts"].get(item, 0)) for item in VERDICTS])
    _gauge(out, "controls", "Judged controls of all meters by state", [({"state": item}, totals["states"].get(item, 0)) for item in STATES])
    _findings(document, out)
    _attempts(document, out)
    _waivers(document, out)
    ends = _day_ends(baseline.get("valid_until", ""))
    _gauge(out, "baseline_valid_until_timestamp_seconds", "When the baseline ends", [] if ends is None else [({}, ends)])
    scans = history["scans"]
    _gauge(out, "last_scan_timestamp_seconds", "When the last audit was made", [({}, scans[-1]["at"])] if scans else [])


def _findings(document: Document, out: TextIO) -> None:
    """Results in a state that is not good, by control. A control without any has a series that says 0."""
    known = infos(document)
    for metric, help_text, state in (
        ("findings", "Results that fail, by control", "fail"),
        ("unknown", "Results that are not known, by control", "unknown"),
        ("waived", "Results that are waived, by control", "waived"),
    ):
        counts = Counter(base_id(result["id"]) for dummy, result in results(document, state))
        ids = sorted({*known, *counts})
        samples = [({"control": item, "severity": info_of(known, item)["severity"]}, counts[item]) for item in ids]
        _gauge(out, metric, help_text, samples)


def _attempts(document: Document, out: TextIO) -> None:
    """The lowest number of upgrade attempts left among the meters of a model, and the meters of which it is not known."""
    lowest: dict[str, int] = {}
    unknown: Counter[str] = Counter()
    for meter in document["meters"]:
        attempts, model = meter["attempts"], meter["model"]
        if not model or attempts.get("limit") is None:
            continue
        left = attempts.get("remaining")
        if isinstance(left, int):
            lowest[model] = min(left, lowest.get(model, left))
            unknown[model] += 0
        else:
            unknown[model] += 1
    _gauge(out, "attempts_remaining", "Fewest upgrade attempts left on a meter of this model", _by("model", lowest))
    _gauge(out, "attempts_unknown", "Meters of this model whose upgrade attempts left are not known", _by("model", unknown))


def _waivers(document: Document, out: TextIO) -> None:
    """When the first waiver in use of each control ends."""
    first: dict[str, float] = {}
    for dummy, result in results(document, "waived"):
        control = base_id(result["id"])
        ends = _day_ends(result.get("waiver", {}).get("expires", ""))
        if ends is not None:
            first[control] = min(ends, first.get(control, ends))
    _gauge(out, "waiver_expires_timestamp_seconds", "When the first waiver of this control ends", _by("control", first))


def _by(label: str, values: Mapping[str, float]) -> list[tuple[Labels, float]]:
    return [({label: name}, values[name]) for name in sorted(values)]


def _day_ends(day: str) -> float | None:
    """The end of this day in UTC, or None where it is no day."""
    try:
        return float(calendar.timegm(time.strptime(day, "%Y-%m-%d")) + 86_400)
    except ValueError:
        return None


def _gauge(out: TextIO, name: str, text: str, samples: Samples) -> None:
    """One metric; nothing at all where there is nothing to say."""
    lines = [f"metering_{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    if lines:
        out.write(f"# HELP metering_{name} {text}.\n# TYPE metering_{name} gauge\n")
        out.writelines(lines)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return clean(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """Whole numbers without a fraction, others as Python reads them back."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
