# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The result of an audit as one document (rollout.md 4.2, 4.3), from which every report is made; pure.

The same fleet in the same state gives the same bytes: everything is sorted and nothing tells when it was made. When it was is in the records
(``Scan``), which the reports take beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NotRequired, TypedDict

SCHEMA, SCHEMA_VERSION = "gridops.metering/audit", 1

#: States of a control. Unknown is never good (design 1.5).
STATES = ("pass", "fail", "unknown", "not_applicable", "waived", "attested")
#: From what is worst to deal with to what is good: an apply mends drift; blocked needs a person; unknown needs a look.
VERDICTS = ("drift", "blocked", "unknown", "compliant")
SEVERITIES = ("critical", "high", "medium", "low")


class Location(TypedDict):
    """Where the wanted value stands, or the meter: a file and a line from 1."""

    file: str
    line: int


class Clause(TypedDict):
    """A clause of a standard that a control speaks to. ``verified`` is true where its text was read and compared."""

    standard: str
    clause: str
    verified: bool


class ControlInfo(TypedDict):
    """What all results of one control share. ``id`` is the part before the colon of theirs."""

    id: str
    title: str
    rationale: str
    severity: str
    level: int
    kind: str
    rule: str
    clauses: list[Clause]


class Result(TypedDict):
    """One judged point of one meter. ``want`` and ``have`` never hold a secret.

    ``fix`` is {playbook, task} where a run can mend it; ``reason`` the code why it cannot. Fields that say nothing are left out.
    """

    id: str
    state: str
    want: Any
    have: Any
    text: str
    rule: str
    fingerprint: str
    evidence: NotRequired[str]
    remedy: NotRequired[str]
    reason: NotRequired[str]
    fix: NotRequired[dict[str, Any]]
    waiver: NotRequired[dict[str, str]]
    attested: NotRequired[dict[str, str]]
    location: NotRequired[Location]


class Meter(TypedDict):
    """One meter: what it is, and every control. ``reason`` says why it could not be read, empty where it could."""

    name: str
    host: str
    serial: str
    family: str
    model: str
    firmware: str
    target: str
    mode: str
    gateway: str
    reason: str
    text: str
    verdict: str
    summary: dict[str, int]
    attempts: dict[str, Any]
    controls: list[Result]
    location: NotRequired[Location]


class Document(TypedDict):
    """The whole. ``digest`` is the SHA-256 of the canonical text of everything else."""

    schema: str
    schema_version: int
    baseline: dict[str, str]
    verdict: str
    totals: dict[str, Any]
    controls: list[ControlInfo]
    meters: list[Meter]
    digest: str


class Scan(TypedDict):
    """When an audit was made, from the records. ``at`` is seconds since 1970; ``verdicts`` counts meters."""

    at: float
    operator: str
    baseline: str
    verdict: str
    digest: str
    verdicts: dict[str, int]


class Try(TypedDict):
    """One attempt to upgrade a meter, from the records. ``finished`` is null while it is open."""

    host: str
    serial: str
    method: str
    source: str
    target: str
    started: float
    finished: float | None
    outcome: str
    reason: str


class Campaign(TypedDict):
    """One campaign, from the records: outcomes count meters; ``head`` is that of its journal."""

    campaign: str
    meters: int
    outcomes: dict[str, int]
    tries: list[Try]
    head: str


class History(TypedDict):
    """What happened over time, the oldest first."""

    scans: list[Scan]
    campaigns: list[Campaign]


_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def compact(value: Any) -> str:
    """JSON in one line, keys sorted. Half a character, which no file can hold, becomes a question mark."""
    text = _ENCODE(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The canonical text, a line for each meter and each of its controls, so that two of them compare well and large ones stream."""
    rest = {name: value for name, value in document.items() if name not in ("meters", "digest")}
    yield compact(rest)[:-1] + ',"meters":['
    meters = document["meters"]
    for number, meter in enumerate(meters, start=1):
        yield compact({name: value for name, value in meter.items() if name != "controls"})[:-1] + ',"controls":['
        controls = meter["controls"]
        for count, control in enumerate(controls, start=1):
            yield compact(control) + ("," if count < len(controls) else "")
        yield "]}" + ("," if number < len(meters) else "")
    yield "]"


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical text without the digest itself."""
    found = hashlib.sha256()
    for line in lines(document):
        found.update(line.encode() + b"\n")
    return found.hexdigest()


def dump(document: Mapping[str, Any]) -> Iterator[str]:
    """The file's text, line by line: valid JSON that ends with the digest."""
    yield from (line + "\n" for line in lines(document))
    yield ',"digest":' + compact(document["digest"]) + "}\n"


def fingerprint(meter: str, control: str) -> str:
    """What stays the same of a finding from audit to audit: the meter's serial number (its name where that is unknown) and the control."""
    return hashlib.sha256(f"{meter}\0{control}".encode()).hexdigest()[:32]
