# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""SARIF 2.1.0 (rollout 4.3) for GitHub code scanning, Azure DevOps and editors: a rule for each control, a result for each finding.

The place of a result is the line of the baseline or inventory that set the value. What is unknown has the kind ``open``, whose level
is ``none`` by the standard; what is waived carries its waiver as a suppression. What passes is counted, not listed.
GitHub takes at most 25,000 results in a run, and wants a category of its own for each run of a file (docs.github.com, SARIF support).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO
from urllib.parse import quote

from ..catalogue import constants
from .document import ControlInfo, Document, History, Location, Meter, Result, compact
from .parts import base_id, clean, command, info_of, infos, one_line, results, shown

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LISTED = ("fail", "unknown", "waived")
ROOT = "%SRCROOT%"
#: severity: level, and the score that GitHub shows as the same word: the middle of its band.
_SEVERITIES = {"critical": ("error", "9.5"), "high": ("error", "8.0"), "medium": ("warning", "5.5"), "low": ("note", "2.0")}
_NO_PLACE: Location = {"file": "inventory", "line": 1}


def write(document: Document, history: History, out: TextIO) -> None:
    """The whole file, in as many runs as its results need."""
    del history  # it tells of this audit only
    known = _rules(document)
    numbers = {name: number for number, name in enumerate(known)}
    out.write(f'{{"$schema":"{SCHEMA}","version":"2.1.0","runs":[')
    for number, part in enumerate(_runs(document), start=1):
        out.write(("," if number > 1 else "") + "\n")
        head = compact(_head(document, known, number))
        out.write(head[:-1] + ',"results":[')
        for count, (meter, result) in enumerate(part):
            out.write((",\n" if count else "\n") + compact(_result(meter, result, known, numbers)))
        out.write("]}")
    out.write("\n]}\n")


def _runs(document: Document) -> Iterator[Sequence[tuple[Meter, Result]]]:
    """The findings in runs of the highest allowed size; one empty run where there are none."""
    part: list[tuple[Meter, Result]] = []
    full = constants.SARIF_RESULTS.number
    for item in results(document, *LISTED):
        if len(part) == full:
            yield part
            part = []
        part.append(item)
    yield part


def _rules(document: Document) -> dict[str, ControlInfo]:
    """Every control that the document tells of, by id, in order."""
    told = infos(document)
    used = {base_id(result["id"]) for dummy, result in results(document, *LISTED)}
    return {name: info_of(told, name) for name in sorted(used | set(told))}


def _head(document: Document, known: Mapping[str, ControlInfo], number: int) -> dict[str, Any]:
    """All of a run but its results."""
    baseline = " ".join(filter(None, (document["baseline"].get("id", ""), document["baseline"].get("version", ""))))
    return {
        "tool": {
            "driver": {
                "name": "gridops.metering",
                "rules": [_rule(info) for info in known.values()],
            }
        },
        "automationDetails": {"id": "gridops.metering/audit/" if number == 1 else f"gridops.metering/audit-{number}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository that holds baseline and inventory."}}},
        "properties": {
            "baseline": clean(baseline),
            "digest": document["digest"],
            "verdict": document["verdict"],
            "totals": document["totals"],
        },
    }


def _rule(info: ControlInfo) -> dict[str, Any]:
    """A control as GitHub shows it: no more tags than it takes."""
    level, score = _SEVERITIES.get(info["severity"], _SEVERITIES["medium"])
    clauses = [f"{item['standard']} {item['clause']}" + ("" if item["verified"] else " (not verified)") for item in info["clauses"]]
    sentences = [info["rationale"] or info["title"], f"Rule {info['rule']}." if info["rule"] else ""]
    text = " ".join(filter(None, [*sentences, f"Speaks to: {', '.join(clauses)}." if clauses else ""]))
    tags = ["security", *(f"{item['standard']} {item['clause']}" for item in info["clauses"])]
    return {
        "id": info["id"],
        "shortDescription": {"text": clean(info["title"])},
        "fullDescription": {"text": clean(info["rationale"] or info["title"])[:1000]},
        "help": {"text": clean(text)},
        "defaultConfiguration": {"level": level},
        "properties": {
            "tags": list(dict.fromkeys(tags))[: constants.SARIF_TAGS.number],
            "security-severity": score,
            "precision": "high",
            "level": info["level"],
            "kind": info["kind"],
        },
    }


def _result(meter: Meter, result: Result, known: Mapping[str, ControlInfo], numbers: Mapping[str, int]) -> dict[str, Any]:
    """One finding."""
    base = base_id(result["id"])
    level, dummy = _SEVERITIES.get(known[base]["severity"], _SEVERITIES["medium"])
    state = result["state"]
    place = result.get("location") or meter.get("location")
    found: dict[str, Any] = {
        "ruleId": base,
        "ruleIndex": numbers[base],
        "kind": "open" if state == "unknown" else "fail",
        "level": "none" if state == "unknown" else level,
        "message": {"text": _message(meter, result, known[base])},
        "locations": [_location(place or _NO_PLACE, meter)],
        "partialFingerprints": {"primaryLocationLineHash": f"{result['fingerprint']}:1", "gridops.metering/v1": result["fingerprint"]},
        "properties": {
            "state": state,
            "control": clean(result["id"]),
            "meter": clean(meter["name"]),
            "serial": clean(meter["serial"]),
            "verdict": meter["verdict"],
        },
    }
    if place is None:
        found["properties"]["location"] = "not known"
    if state == "waived":
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": _waiver(result)}]
    return found


def _message(meter: Meter, result: Result, info: ControlInfo) -> str:
    """The finding in sentences, of which GitHub's lists show the first: meter, control, what is wrong."""
    unknown = "not known, because " if result["state"] == "unknown" else ""
    text = one_line(result["text"]).rstrip(".")
    parts = [f"{one_line(meter['name'])}: {info['title']}: {unknown}{text}."]
    if result["want"] is not None or result["have"] is not None:
        parts.append(f"Wanted {one_line(shown(result['want'])) or 'nothing'}, found {one_line(shown(result['have'])) or 'nothing'}.")
    if "remedy" in result:
        parts.append(f"Remedy: {one_line(result['remedy']).rstrip('.')}.")
    if "fix" in result:
        parts.append(f"Run: {command(result['fix'], meter['name'])}")
    # Square brackets would be read as links.
    return " ".join(parts).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _waiver(result: Result) -> str:
    waiver = result.get("waiver", {})
    return one_line("until {}, approved by {}: {}".format(*(waiver.get(key, "?") for key in ("expires", "approver", "reason"))))


def _location(place: Location, meter: Meter) -> dict[str, Any]:
    """A line of a file, and the meter as what it is about."""
    line = max(1, place["line"])
    path = clean(place["file"])
    outside = path.startswith("/")
    address = {"uri": "file://" + quote(path)} if outside else {"uri": quote(path.removeprefix("./")), "uriBaseId": ROOT}
    return {
        "physicalLocation": {
            "artifactLocation": address,
            "region": {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 2},
        },
        "logicalLocations": [
            {"name": clean(meter["name"]), "fullyQualifiedName": clean(meter["serial"] or meter["name"]), "kind": "resource"}
        ],
    }
