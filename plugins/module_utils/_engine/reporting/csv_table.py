# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""CSV (RFC 4180, UTF-8) for spreadsheets and the metrology office: one row for each meter and control.

A cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, TextIO

from .document import ControlInfo, Document, History, Meter, Result
from .parts import base_id, clean, info_of, infos, shown

#: How a formula can begin, also in the wide forms that spreadsheets of East Asia take.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_METER = ("name", "host", "serial", "family", "model", "firmware", "target", "mode", "gateway", "verdict")
_RESULT = ("control", "title", "severity", "state", "want", "have", "text", "rule", "evidence", "remedy", "reason", "fix")
_MORE = ("waiver_expires", "waiver_approver", "waiver_reason", "attested_by", "attested_at", "attested_text")
_LAST = ("file", "line", "fingerprint")
#: Columns that repeat in each row of a meter what these controls say of it.
_OF_METER = {"seals": ("seals", "revenue_lock"), "events": ("event_counters", "event_log", "log_events", "intervention_events")}
COLUMNS = ("meter", *_METER[1:], *_OF_METER, *_RESULT, *_MORE, *_LAST)


def write(document: Document, history: History, out: TextIO) -> None:
    """The table with its head line."""
    del history  # it tells of this audit only
    table = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(COLUMNS)
    known = infos(document)
    for meter in document["meters"]:
        first = [_cell(meter[name]) for name in _METER]  # type: ignore[literal-required]
        first += [_cell(_said(meter, ids)) for ids in _OF_METER.values()]
        table.writerows([*first, *_row(result, known)] for result in meter["controls"])


def _row(result: Result, known: Mapping[str, ControlInfo]) -> list[str]:
    """The cells of one result."""
    info, fix = info_of(known, result["id"]), result.get("fix") or {}
    waiver, attested, place = result.get("waiver", {}), result.get("attested", {}), result.get("location")
    values: tuple[Any, ...] = (
        result["id"],
        info["title"],
        info["severity"],
        result["state"],
        shown(result["want"]),
        shown(result["have"]),
        result["text"],
        result["rule"],
        result.get("evidence", ""),
        result.get("remedy", ""),
        result.get("reason", ""),
        fix.get("playbook", ""),
        *(waiver.get(key, "") for key in ("expires", "approver", "reason")),
        *(attested.get(key, "") for key in ("by", "at", "text")),
        place["file"] if place else "",
        place["line"] if place else "",
        result["fingerprint"],
    )
    return [_cell(value) for value in values]


def _said(meter: Meter, ids: tuple[str, ...]) -> str:
    """What the first of these controls says of the meter: who attested it, else what was found, else its state."""
    for result in meter["controls"]:
        if base_id(result["id"]) in ids:
            attested = result.get("attested")
            if attested:
                return f"{result['state']} {attested.get('at', '')} {attested.get('text', '')}".strip()
            return f"{result['state']} {shown(result['have'])}".strip()
    return ""


def _cell(value: Any) -> str:
    """A value as a cell that no spreadsheet computes."""
    text = clean(str(value)).replace("\r\n", "\n")
    return "'" + text if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text
