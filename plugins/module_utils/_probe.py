# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probe of one meter as a task's result, and its report as text; whichever front runs it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from ._argspec import CONNECTION_SPEC, merge_specs, target_from
from ._engine.base.errors import InputError
from ._engine.base.target import Target
from ._engine.meters import hep, hep_findings, pm5000, pm5000_probe
from ._engine.meters.pm5000_assumptions import NO, UNKNOWN, YES, Finding
from ._facts import profile_value

PROBE_SPEC: dict[str, Any] = merge_specs(
    CONNECTION_SPEC,
    {
        "profile": {"type": "raw"},
        "check_login": {"type": "bool", "default": False},
        "mask": {"type": "bool", "default": True},
        "report_dir": {"type": "path"},
    },
)

_WORD = {YES: "holds", NO: "DOES NOT HOLD", UNKNOWN: "not seen"}
_ORDER = {NO: 0, UNKNOWN: 1, YES: 2}


def run_probe(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The result of ``meter_probe_info``, with the report as a document. Raises MeteringError."""
    profile = profile_value(params.get("profile"))
    pm5000_probe.check_profile(profile)
    target = target_from(params, name)
    found = _probed(target, profile, bool(params.get("check_login")))
    shown = pm5000_probe.masked(found, target.host) if params.get("mask", True) else found.findings
    return {
        "changed": False,
        "assumptions": [item.as_dict() for item in found.findings],
        "summary": _summary(found.findings),
        "report": {
            "format": 1,
            "model": found.values.get("model"),
            "firmware": found.values.get("firmware"),
            "generation": found.values.get("generation") or {True: "old", False: "new", None: UNKNOWN}[found.old],
            "profile": (profile or {}).get("name"),
            "masked": bool(params.get("mask", True)),
            "signed_in": bool(params.get("check_login")),
            "python": platform.python_version(),
            "summary": _summary(found.findings),
            "assumptions": [item.as_dict() for item in shown],
        },
    }


def _probed(target: Target, profile: Mapping[str, Any] | None, check_login: bool) -> pm5000_probe.Probe:
    if target.family == pm5000.FAMILY:
        return pm5000_probe.probe(target, profile, check_login)
    if target.family != hep.FAMILY:
        families = f"{pm5000.FAMILY} or {hep.FAMILY}: the assumptions that are looked at are about these families"
        raise InputError("family", target.family, families, "design 2")
    if check_login:
        raise InputError("check_login", True, f"false for family {hep.FAMILY}; meter_security_info signs in there", "R-344")
    return hep_findings.probe(target, profile)


def _summary(findings: Sequence[Finding]) -> dict[str, int]:
    return {word: sum(item.holds == word for item in findings) for word in (YES, NO, UNKNOWN)}


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in Markdown: what does not hold comes first."""
    lines = [
        f"# Probe of a {_cell(report['model'] or 'meter of unknown model')}, firmware {report['firmware'] or 'unknown'}",
        "",
        f"Generation: {report['generation']}. Profile: {report['profile'] or 'none'}. "
        f"{'Signed in once.' if report['signed_in'] else 'Nobody signed in.'} Only reads; the page that starts an upgrade was not asked for.",
        f"{report['summary'][NO]} do not hold, {report['summary'][UNKNOWN]} could not be seen, {report['summary'][YES]} hold.",
        "",
        "| | Assumption | Known from | Seen |",
        "|---|---|---|---|",
    ]
    for item in sorted(report["assumptions"], key=lambda item: _ORDER[item["holds"]]):
        cells = (_WORD[item["holds"]], item["text"], f"{item['source']} ({item['confidence']})", item["seen"])
        lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    return lines


def _cell(text: object) -> str:
    """Text as a table cell; what a device says must not become markup."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
