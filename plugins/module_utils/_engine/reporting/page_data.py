# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The data of the HTML page, made small: equal texts and equal results once, meters as columns of numbers; pure.

Most results of a fleet are the same but for the meter's own name or serial number, so these two stand as a mark in the texts and the
page puts them back. Fingerprints are left out: they follow from serial number and control.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.constants import REPORT_SCANS, WAIVER_SOON
from .document import STATES, VERDICTS, compact
from .parts import accepted, clean, command, task_lines

NAME_MARK, SERIAL_MARK = "\x01", "\x02"

_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{4,}")
#: Fields of a result in the order of the page's rows; empty ones at the end of a row are left out.
_VALUES = ("want", "have", "waiver", "attested")
_TEXTS = ("id", "text", "rule", "evidence", "remedy", "reason")
FIELDS = ("state", *_TEXTS, *_VALUES, "fix", "file", "line")
_KEY = ("state", *_TEXTS, *_VALUES, "fix", "location")
_COLUMNS = ("family", "model", "firmware", "target", "mode", "gateway", "reason", "text")


def within_script(value: Any) -> str:
    """JSON that may stand inside a script element: no angle bracket, so that no text can end the element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


class Table:
    """Rows that are stored once, by their number."""

    def __init__(self, *first: Any) -> None:
        self.rows: list[Any] = list(first)
        self._numbers = {row: number for number, row in enumerate(first)}

    def number(self, row: Any) -> int:
        """The number of this row, which is added when it is new."""
        found = self._numbers.get(row)
        if found is None:
            found = self._numbers[row] = len(self.rows)
            self.rows.append(row)
        return found


class Packer:
    """Gathers texts and results of all meters; texts have the number 0 where there is none."""

    def __init__(self) -> None:
        self.texts = Table("")
        self.results = Table()
        self._seen: dict[str, int] = {}

    def text(self, value: Any) -> int:
        return self.texts.number(clean(str(value))) if value else 0

    def result(self, result: Mapping[str, Any], meter: str, name: str, serial: str) -> int:
        """The number of this result of the meter of this name. ``name`` and ``serial`` are empty where they cannot stand as a mark."""
        get = result.get
        key = repr([get(field) for field in _KEY])
        if name:
            key = key.replace(name, NAME_MARK)
        elif get("fix"):
            key += meter  # its name will stand in the command
        if serial:
            key = key.replace(serial, SERIAL_MARK)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = self.results.number(self._row(result, meter, name, serial))
        return found

    def _row(self, result: Mapping[str, Any], meter: str, name: str, serial: str) -> tuple[int, ...]:
        def number(text: str) -> int:
            text = clean(text)
            if name:
                text = text.replace(name, NAME_MARK)
            if serial:
                text = text.replace(serial, SERIAL_MARK)
            return self.texts.number(text)

        place = result.get("location") or {}
        row = [STATES.index(result["state"])]
        row += [number(result.get(field) or "") for field in _TEXTS]
        row += [number(compact(result[field])) if result.get(field) is not None else 0 for field in _VALUES]
        row += [number(compact(_fix(result["fix"], meter))) if result.get("fix") else 0]
        row += [self.text(place.get("file")), int(place.get("line") or 0)]
        while row[-1] == 0 and len(row) > 1:
            row.pop()
        return tuple(row)


def _fix(fix: Mapping[str, Any], meter: str) -> dict[str, Any]:
    """What a person copies to mend it."""
    return {
        "playbook": fix["playbook"],
        "command": command(fix, meter),
        "task": "\n".join(task_lines(fix)),
        "accept": accepted(fix),
        "runs": fix.get("runs", 1),
    }


def _mark(text: str, other: str = "") -> str:
    """``text`` where it may be replaced by a mark: long and plain enough to be told from words, and no part of ``other``."""
    return text if _PLAIN.fullmatch(text) and text not in other else ""


def _columns(meters: Sequence[Mapping[str, Any]], packer: Packer) -> Iterator[tuple[str, list[Any]]]:
    for name in ("name", "host", "serial"):
        yield name, [clean(meter[name]) for meter in meters]
    for name in _COLUMNS:
        yield name, [packer.text(meter[name]) for meter in meters]
    yield "verdict", [VERDICTS.index(meter["verdict"]) for meter in meters]
    yield "attempts", [packer.text(compact(meter["attempts"])) if meter["attempts"] else 0 for meter in meters]
    places: list[Mapping[str, Any]] = [meter.get("location") or {} for meter in meters]
    yield "file", [packer.text(place.get("file")) for place in places]
    yield "line", [int(place.get("line") or 0) for place in places]
    controls: list[list[int]] = []
    for meter in meters:
        name, serial = _mark(meter["name"]), _mark(meter["serial"], meter["name"])
        controls.append([packer.result(item, meter["name"], name, serial) for item in meter["controls"]])
    yield "controls", controls


def _campaign(campaign: Mapping[str, Any], packer: Packer) -> dict[str, Any]:
    text = packer.text
    tries = [
        [
            *(text(item[name]) for name in ("host", "serial", "method", "source", "target", "outcome", "reason")),
            int(item["started"]),
            None if item["finished"] is None else int(item["finished"]),
        ]
        for item in campaign["tries"]
    ]
    return {
        "campaign": clean(campaign["campaign"]),
        "meters": campaign["meters"],
        "outcomes": {clean(name): number for name, number in sorted(campaign["outcomes"].items())},
        "head": clean(campaign["head"]),
        "tries": tries,
    }


def pack(document: Mapping[str, Any], history: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The page's data, part by part: name and value. Texts come last, as all other parts add to them."""
    packer = Packer()
    yield "head", {name: document[name] for name in ("schema", "schema_version", "baseline", "verdict", "totals", "digest")}
    yield "states", STATES
    yield "verdicts", VERDICTS
    yield "fields", FIELDS
    yield "controls", document["controls"]
    yield "meters", dict(_columns(document["meters"], packer))
    yield "results", packer.results.rows
    yield "scans", history["scans"][-REPORT_SCANS.number :]
    yield "waiver_soon", WAIVER_SOON.number
    yield "campaigns", [_campaign(item, packer) for item in history["campaigns"]]
    yield "texts", packer.texts.rows
