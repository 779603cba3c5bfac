# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The campaign file: what is to be rolled out, why, in which waves and windows, and when to stop. Pure.

Everything it says goes before the variable of the same meaning. It is kept in the plan, so the plan alone tells what was reviewed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base import documents
from ..base.errors import InputError
from ..catalogue import enums
from ..catalogue.accept import check_words
from . import waves
from .windows import DAYS, Window, check_windows

WHAT = "metering_campaign_file"
_SIZE: dict[str, Any] = {
    "type": ["integer", "string"],
    "minimum": 1,
    "pattern": r"^(100|[1-9][0-9]?)%$",
    "x-accepted": "a number of meters from 1 up, or a percentage from '1%' to '100%'",
    "x-rule": "G-18",
}
_GATE: dict[str, Any] = {"type": "object", "x-accepted": "a dictionary, as for metering_gate", "x-rule": "F-22"}
_NAMES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "uniqueItems": True,
    "x-accepted": "a list of names of meters, each once",
    "x-rule": "design 4.6",
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["reason"],
    "x-accepted": "the keys of a campaign file; reason is required",
    "x-rule": "R-001",
    "properties": {
        "campaign": {"type": "string", "minLength": 1, "x-accepted": "a name", "x-rule": "design 4.5"},
        "reason": {
            "type": "object",
            "additionalProperties": False,
            "required": ["kind"],
            "x-accepted": "a dictionary with kind, and if wanted advisories, controls and text",
            "x-rule": "R-001",
            "properties": {
                "kind": {
                    "enum": list(enums.CAMPAIGN_REASONS),
                    "x-accepted": f"one of {', '.join(enums.CAMPAIGN_REASONS)}",
                    "x-rule": "R-001, R-002, R-003, R-004, R-005",
                },
                "advisories": {"type": "array", "items": {"type": "string"}, "x-accepted": "a list of advisory ids", "x-rule": "R-005"},
                "controls": {"type": "array", "items": {"type": "string"}, "x-accepted": "a list of control ids", "x-rule": "R-004"},
                "text": {"type": "string", "x-accepted": "a sentence", "x-rule": "R-001"},
            },
        },
        "targets": {"type": "object", "x-accepted": "a dictionary of model to version", "x-rule": "R-006"},
        "accept": {"type": "array", "items": {"type": "string"}, "x-accepted": "a list of words", "x-rule": "design 4.3"},
        "concurrency": {"type": "integer", "minimum": 1, "x-accepted": "a whole number from 1 up", "x-rule": "G-18"},
        "strict_matrix": {"type": "boolean", "x-accepted": "true or false", "x-rule": "G-01"},
        "batches": {"type": "array", "items": _SIZE, "minItems": 1, "x-accepted": "a list of batch sizes", "x-rule": "G-18"},
        "harden_after_upgrade": {"type": "boolean", "x-accepted": "true or false", "x-rule": "R-189"},
        "gate": _GATE,
        "waves": {
            "type": "array",
            "minItems": 1,
            "x-accepted": "a list of waves",
            "x-rule": "design 4.6",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "x-accepted": "a wave with name, and size, share or hosts, batches, gate, soak, on_success",
                "x-rule": "design 4.6",
                "properties": {
                    "name": {"type": "string", "minLength": 1, "x-accepted": "a name", "x-rule": "design 4.6"},
                    "size": {"type": "integer", "minimum": 1, "x-accepted": "a number of meters from 1 up", "x-rule": "design 4.6"},
                    "share": {
                        "type": "string",
                        "pattern": r"^(100|[1-9][0-9]?)%$",
                        "x-accepted": "a percentage from '1%' to '100%'",
                        "x-rule": "design 4.6",
                    },
                    "hosts": _NAMES,
                    "batches": {"type": "array", "items": _SIZE, "minItems": 1, "x-accepted": "a list of batch sizes", "x-rule": "G-18"},
                    "gate": _GATE,
                    "soak": {
                        "type": ["number", "string"],
                        "minimum": 0,
                        "x-accepted": "seconds, or a time such as '30m', '24h' or '2d'",
                        "x-rule": "F-36",
                    },
                    "on_success": {"enum": ["advance", "pause"], "x-accepted": "advance or pause", "x-rule": "design 4.6"},
                },
            },
        },
        "windows": {
            "type": "array",
            "minItems": 1,
            "x-accepted": "a list of windows",
            "x-rule": "F-25",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["from", "to", "zone"],
                "x-accepted": "a window with from, to and zone, and if wanted days",
                "x-rule": "F-25",
                "properties": {
                    "days": {
                        "type": "array",
                        "items": {"enum": list(DAYS), "x-accepted": f"one of {', '.join(DAYS)}", "x-rule": "F-25"},
                        "minItems": 1,
                        "x-accepted": f"a list of {', '.join(DAYS)}",
                        "x-rule": "F-25",
                    },
                    "from": {"type": "string", "x-accepted": "a time of day between quotes, such as '22:00'", "x-rule": "F-25"},
                    "to": {"type": "string", "x-accepted": "a time of day between quotes, such as '05:00'", "x-rule": "F-25"},
                    "zone": {"type": "string", "x-accepted": "the name of a time zone, such as Europe/Zurich", "x-rule": "F-25"},
                },
            },
        },
        "topology": {
            "type": "object",
            "additionalProperties": _NAMES,
            "x-accepted": "a dictionary of group name to a list of meters that must never share a batch",
            "x-rule": "design 4.6",
        },
        "tool_mode": {"enum": ["manual", "command"], "x-accepted": "manual or command", "x-rule": "R-071"},
        "tool": {"type": "object", "x-accepted": "a dictionary, as for metering_tool", "x-rule": "R-071"},
        "ion": {"type": "object", "x-accepted": "a dictionary, as for metering_ion", "x-rule": "R-164"},
        "activate": {"enum": ["now", "at", "never"], "x-accepted": "now, at or never", "x-rule": "R-228"},
        "activate_at": {
            "type": "string",
            "x-accepted": "a time with zone between quotes, such as '2026-11-22T02:00:00+01:00'",
            "x-rule": "R-204",
        },
    },
}


@dataclass(frozen=True)
class Campaign:
    """A campaign file, checked. ``raw`` is what the plan keeps; empty without a file."""

    name: str = ""
    targets: Mapping[str, Any] = field(default_factory=dict)
    accept: tuple[str, ...] = ()
    concurrency: int | None = None
    strict_matrix: bool | None = None
    batches: tuple[int | str, ...] = ()
    gate: Mapping[str, Any] = field(default_factory=dict)
    waves: tuple[waves.Wave, ...] = ()
    windows: tuple[Window, ...] = ()
    topology: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)

    def group_of(self, host: str) -> str | None:
        """The topology group that this meter is in, or None."""
        return next((name for name, hosts in self.topology.items() if host in hosts), None)


def parse_campaign(text: str) -> Campaign:
    """A campaign from the text of its file. Raises InputError with one sentence that names the key."""
    given = documents.parse_yaml(text, WHAT, "R-001")
    documents.check(given, SCHEMA, WHAT, "R-001")
    check_words(given.get("accept", []))
    waves.check_policy(given.get("gate"))
    found = tuple(_wave(number, item) for number, item in enumerate(given.get("waves", ())))
    names = [wave.name for wave in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{WHAT}.waves", twice, "each wave once, by its name", "design 4.6")
    member: dict[str, str] = {}
    for name, hosts in given.get("topology", {}).items():
        for host in hosts:
            if member.setdefault(host, name) != name:
                raise InputError(f"{WHAT}.topology", host, "each meter in one group only", "design 4.6")
    return Campaign(
        name=given.get("campaign", ""),
        targets=given.get("targets", {}),
        accept=tuple(given.get("accept", ())),
        concurrency=given.get("concurrency"),
        strict_matrix=given.get("strict_matrix"),
        batches=tuple(given.get("batches", ())),
        gate=given.get("gate", {}),
        waves=found,
        windows=check_windows(given.get("windows", ())),
        topology={name: tuple(hosts) for name, hosts in given.get("topology", {}).items()},
        raw=given,
    )


def _wave(number: int, item: Mapping[str, Any]) -> waves.Wave:
    option = f"{WHAT}.waves.{number}"
    ways = [key for key in ("size", "share", "hosts") if key in item]
    if len(ways) > 1:
        raise InputError(option, " and ".join(ways), "only one of size, share and hosts", "design 4.6")
    waves.check_policy(item.get("gate"))
    return waves.Wave(
        name=item["name"],
        size=item.get("size", item.get("share")),
        hosts=tuple(item.get("hosts", ())),
        batches=tuple(item.get("batches", ())),
        gate=item.get("gate", {}),
        soak=seconds(f"{option}.soak", item.get("soak", 0)),
        on_success=item.get("on_success", waves.ADVANCE),
    )


def seconds(option: str, value: object) -> float:
    """A duration in seconds. Raises InputError."""
    match = _DURATION.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None:
        raise InputError(option, value, "seconds, or a time such as '30m', '24h' or '2d'", "F-36")
    return float(match.group(1)) * _UNITS[match.group(2)]
