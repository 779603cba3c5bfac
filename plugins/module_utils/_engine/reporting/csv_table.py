# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""CSV (RFC 4180, UTF-8) for spreadsheets and the metrology office: one row for each meter and control.

A cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, TextIO

from ..catalogue import constants
from .document import ControlInfo, Document, History, Meter, Result
from .parts import base_id, clean, info_of, infos, place, shown

#: How a formula can begin, also in the wide forms that spreadsheets of East Asia take.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_QUOTED = re.compile('[",\\r\\n]')
_END = "\r\n"
_METER = ("name", "host", "serial", "family", "model", "firmware", "target", "mode", "gateway", "verdict")
_RESULT = ("control", "title", "severity", "state", "want", "have", "text", "rule", "evidence", "remedy", "reason", "fix")
_MORE = ("waiver_expires", "waiver_approver", "waiver_reason", "attested_by", "attested_at", "attested_text")
_LAST = ("file", "line", "fingerprint")
#: For the metrology office: columns that repeat in each row of a meter what these controls say of it.
_OF_METER = ("seals", "revenue_lock", "revenue_lock_witness")
COLUMNS = ("meter", *_METER[1:], *_OF_METER, *_RESULT, *_MORE, *_LAST)


def write(document: Document, history: History, out: TextIO) -> None:
    """The table with its head line."""
    del history  # it tells of this audit only
    out.write(",".join(COLUMNS) + _END)
    known = infos(document)
    # What simply passes is the same on meter after meter.
    passed: dict[tuple[str, ...], str] = {}
    for meter in document["meters"]:
        told: Mapping[str, Any] = meter
        first = ",".join(_cell(told[name]) for name in _METER)
        first += "," + ",".join(_cell(_said(meter, name)) for name in _OF_METER)
        for result in meter["controls"]:
            if result["state"] == "pass":
                key = _same(result)
                row = passed.get(key) or passed.setdefault(key, _row(result, known))
            else:
                row = _row(result, known)
            # The fingerprint is hexadecimal and needs no look.
            out.write(f"{first},{row},{result['fingerprint']}{_END}")


def _same(result: Result) -> tuple[str, ...]:
    """All of a result that passes but its fingerprint."""
    told = (result["id"], result["text"], shown(result["want"]), shown(result["have"]), result["rule"], place(result.get("location")))
    return (*told, result.get("evidence", ""), result.get("remedy", ""), result.get("reason", ""))


def _row(result: Result, known: Mapping[str, ControlInfo]) -> str:
    """The cells of one result, without its fingerprint."""
    info, fix = info_of(known, result["id"]), result.get("fix") or {}
    waiver, attested, origin = result.get("waiver", {}), result.get("attested", {}), result.get("location")
    values: tuple[str, ...] = (
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
        origin["file"] if origin else "",
        str(origin["line"]) if origin else "",
    )
    return ",".join(map(_cell, values))


def _said(meter: Meter, control: str) -> str:
    """What this control says of the meter: what was attested, else what was found, else its state alone."""
    for result in meter["controls"]:
        if base_id(result["id"]) == control:
            attested = result.get("attested")
            if attested:
                return f"{result['state']} {attested.get('at', '')} {attested.get('text', '')}".strip()
            return f"{result['state']} {shown(result['have'])}".strip()
    return ""


@functools.lru_cache(constants.REPORT_CACHE.number)
def _cell(text: str) -> str:
    """A text as a cell that no spreadsheet computes. Most of them come again with every meter."""
    found = clean(text).replace("\r\n", "\n")
    if found.startswith(_FORMULA) or found.lstrip().startswith(_FORMULA):
        found = "'" + found
    return '"' + found.replace('"', '""') + '"' if _QUOTED.search(found) else found
