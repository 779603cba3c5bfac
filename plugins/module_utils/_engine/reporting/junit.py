# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JUnit XML (rollout 4.3) for GitLab, Jenkins, Azure DevOps: a suite for each meter, a case for each of its controls.

A fail is a failure, what is unknown an error, what does not apply or is waived is skipped; what a person attested passes and says so.
Only what the schema of Jenkins' xUnit plug-in knows is written, so cases have no properties, and the totals at the top no skips.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TextIO

from ..catalogue import constants
from .document import ControlInfo, Document, History, Meter, Result
from .parts import clean, fix_lines, info_of, infos, place, shown


def write(document: Document, history: History, out: TextIO) -> None:
    """The whole file, meter by meter."""
    del history  # it tells of this audit only
    known, totals = infos(document), document["totals"]
    states = totals["states"]
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(
        f'<testsuites name="gridops.metering audit" tests="{totals["controls"]}" failures="{states["fail"]}" '
        f'errors="{states["unknown"]}" time="0">\n'
    )
    for meter in document["meters"]:
        _suite(meter, document["digest"], known, out)
    out.write("</testsuites>\n")


def _suite(meter: Meter, digest: str, known: Mapping[str, ControlInfo], out: TextIO) -> None:
    """One meter with its properties and cases."""
    count, name = meter["summary"], _attribute(meter["name"])
    skipped = count.get("not_applicable", 0) + count.get("waived", 0)
    out.write(
        f' <testsuite name="{name}" tests="{len(meter["controls"])}" failures="{count.get("fail", 0)}" '
        f'errors="{count.get("unknown", 0)}" skipped="{skipped}" time="0" hostname="{_attribute(meter["host"])}">\n  <properties>\n'
    )
    values = {
        "serial": meter["serial"],
        "family": meter["family"],
        "model": meter["model"],
        "firmware": meter["firmware"],
        "target": meter["target"],
        "verdict": meter["verdict"],
        "digest": digest,
    }
    out.writelines(f'   <property name="{key}" value="{_attribute(value)}"/>\n' for key, value in values.items())
    out.write("  </properties>\n")
    for result in meter["controls"]:
        case = f'  <testcase classname="{name}" name="{_attribute(result["id"])}" time="0"'
        inside = _outcome(result, meter, known)
        out.write(f"{case}>{inside}</testcase>\n" if inside else f"{case}/>\n")
    out.write(" </testsuite>\n")


def _outcome(result: Result, meter: Meter, known: Mapping[str, ControlInfo]) -> str:
    """What stands inside a case; nothing where it simply passed."""
    state = result["state"]
    if state == "pass":
        return ""
    if state == "fail":
        return _element("failure", info_of(known, result["id"])["severity"], result["text"], _body(result, meter, known))
    if state == "unknown":
        return _element("error", "unknown", result["text"], _body(result, meter, known))
    if state == "attested":
        said = result.get("attested", {})
        return f"<system-out>{_text('attested by {} on {}: {}'.format(*(said.get(key, '?') for key in ('by', 'at', 'text'))))}</system-out>"
    if state == "waived":
        waiver = result.get("waiver", {})
        text = "waived until {} by {}: {}".format(*(waiver.get(key, "?") for key in ("expires", "approver", "reason")))
        return _element("skipped", "waived", text, _body(result, meter, known))
    return _element("skipped", state, result["text"], "")


def _body(result: Result, meter: Meter, known: Mapping[str, ControlInfo]) -> str:
    """The finding in full, with what would mend it."""
    info = info_of(known, result["id"])
    lines = [f"{info['title']} ({result['id']}, {info['severity']}, {result['rule']})", result["text"]]
    lines += [
        f"{name}: {value}"
        for name, value in (
            ("wanted", shown(result["want"])),
            ("found", shown(result["have"])),
            ("seen by", result.get("evidence", "")),
            ("set at", place(result.get("location"))),
            ("reason", result.get("reason", "")),
            ("remedy", result.get("remedy", "")),
        )
        if value
    ]
    if "fix" in result:
        lines += ["", *fix_lines(result["fix"], meter["name"])]
    return "\n".join(lines)


def _element(name: str, kind: str, message: str, body: str) -> str:
    head = f'<{name} type="{_attribute(kind)}" message="{_attribute(message)}"'
    return f"{head}>{_text(body)}</{name}>" if body else f"{head}/>"


@functools.lru_cache(constants.REPORT_CACHE.number)
def _attribute(text: str) -> str:
    """Most of them come again with every meter."""
    return _text(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def _text(text: str) -> str:
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
