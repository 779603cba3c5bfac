# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The baseline: the wanted state of firmware and security of a fleet as one document, checked as a whole (rollout 4.2).

Nothing is contacted. Each fault names option, value, what is accepted, the rule, and the line where core tells it; all are told at once.
Whoever makes ``Baseline`` hands in ``locate``, which tells where a value was written.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from ..base.documents import violations
from ..base.errors import InputError
from ..catalogue import constants
from ..catalogue.controls import CONTROLS
from ..catalogue.models import families
from ..reporting.document import Location, compact
from ..security import baseline as security
from ..security.checks import day
from .attestations import Attestation, attestations_from
from .coverage import Coverage, coverage_from
from .faults import RULE, WHAT, Faults, Locate, Path, plain, where
from .firmware_wanted import Firmware, FirmwareWanted, firmware_from
from .waivers import HostWaiver, waivers_from

SCHEMA_FILE = File(__file__).parent / "data" / "baseline-1.schema.json"


@dataclass(frozen=True)
class Evidence:
    """How old evidence may be, in days, and when somebody last looked for new advisories."""

    max_age_days: int = constants.EVIDENCE_AGE_MAX.number
    advisories_evaluated: datetime.date | None = None


@dataclass(frozen=True)
class Baseline:
    """A checked baseline. ``digest`` is the SHA-256 of its canonical text; ``document`` is that document as plain values."""

    profile: Mapping[str, str]
    digest: str
    today: datetime.date
    coverage: Coverage
    firmware: Firmware
    attestations: tuple[Attestation, ...]
    waivers: tuple[HostWaiver, ...]
    evidence: Evidence
    warnings: tuple[str, ...]
    document: Mapping[str, Any]
    raw: Mapping[Any, Any] = field(repr=False)
    locate: Locate | None = field(default=None, repr=False)

    def head(self) -> dict[str, str]:
        """What a report says of it: what is given of id, version, owner and valid_until, and the digest."""
        return {**self.profile, "digest": self.digest}

    # -- of one meter -------------------------------------------------------------------------------------------------

    def covers(self, host: str, family: str, model: str) -> bool:
        """Whether it is for this meter; ``coverage.why`` tells why not."""
        return not self.coverage.why(host, family, model)

    def firmware_for(self, model: str, family: str) -> FirmwareWanted:
        """What this model shall run; of an unknown model, what its family shares."""
        return self.firmware.of(model, family)

    def attested_for(self, host: str) -> tuple[Attestation, ...]:
        """What was seen of this meter, the newest of each control."""
        found: dict[str, Attestation] = {}
        for item in self.attestations:
            before = found.get(item.control)
            if item.concerns(host) and (before is None or before.at <= item.at):
                found[item.control] = item
        return tuple(found[name] for name in sorted(found))

    def waivers_for(self, host: str) -> tuple[HostWaiver, ...]:
        """The waivers for this meter, those that ran out among them."""
        return tuple(item for item in self.waivers if item.concerns(host))

    def security_for(
        self, host: str, family: str, generation: str = "unknown", passwords: Mapping[str, str] | None = None, model: str = ""
    ) -> dict[str, Any]:
        """The options of meter_security for this meter, with its passwords. Raises InputError for passwords that do not fit."""
        parts = {name: self.document[name] for name in ("profile", "security", "waivers") if name in self.document}
        return security.document(parts, host, family, generation, passwords, self.today, model)

    # -- of the fleet -------------------------------------------------------------------------------------------------

    def targets(self) -> dict[str, Any]:
        """Firmware targets by model, as ``metering_targets`` has them."""
        return self.firmware.targets()

    @property
    def advisories_old(self) -> bool:
        """Whether nobody looked for new advisories for too long, or ever."""
        seen = self.evidence.advisories_evaluated
        return seen is None or (self.today - seen).days > self.evidence.max_age_days

    # -- where things stand -------------------------------------------------------------------------------------------

    def origin(self, path: Path) -> Location | None:
        """Where the value at this path was written, else its key, else what is around it."""
        return where(self.raw, path, self.locate)

    def origin_of_control(self, control: str, family: str, generation: str = "unknown", model: str = "") -> Location | None:
        """The line that sets what this control wants, the narrowest one; else the part that it belongs to."""
        name, dummy, subject = control.partition(":")
        entry = CONTROLS.get(name)
        if entry is None:
            return self.origin(("security",))
        if entry.part == "firmware":
            key = entry.option.replace("<B>", subject)
            wanted = self.firmware_for(model, family)
            return self.origin(wanted.path(key if key in wanted.paths else key.replace(".approved", ".target")))
        if entry.part != "security":
            return self.origin((entry.part, entry.option))
        sections = self.document.get("security", {})
        for place in (model, f"{family} {generation}", family, "all"):
            if place in sections and (path := _inside(sections[place], entry.option, subject)):
                return self.origin(("security", place, *path))
        return self.origin(("security", family) if family in sections else ("security",))


def _inside(section: Mapping[str, Any], option: str, subject: str) -> Path:
    """The path of an option such as ``lockout.attempts.web`` in one place of the part security; of a list the entry named ``subject``."""
    path: Path = ()
    value: Any = section
    for step in option.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return ()
        path, value = (*path, step), value[step]
    if subject and isinstance(value, list):
        number = next((number for number, item in enumerate(value) if _name(item) == subject.casefold()), None)
        return path if number is None else (*path, number)
    return (*path, subject) if subject and isinstance(value, Mapping) and subject in value else path


def _name(item: Any) -> str:
    return str(item.get("name")).casefold() if isinstance(item, Mapping) else ""


# -- reading ----------------------------------------------------------------------------------------------------------


def parse(baseline: Any, today: datetime.date | None = None, locate: Locate | None = None) -> Baseline:
    """The baseline, checked. Raises BaselineError with all its faults."""
    now = today or datetime.datetime.now(datetime.UTC).date()
    faults = Faults(baseline, locate)
    document: dict[str, Any] = {}
    with faults.at():
        document = plain(baseline)
    if not isinstance(document, dict):
        faults.add((), InputError(WHAT, type(baseline).__name__, "a dictionary", RULE))
    faults.end()
    _shape(document, faults)
    faults.end()
    firmware, warnings = firmware_from(document.get("firmware", {}), faults)
    profile: dict[str, str] = {}
    with faults.at("profile", "valid_until"):
        profile = security.in_force(document.get("profile"), now)
    coverage = coverage_from(document.get("applies_to", {}), faults)
    found = Baseline(
        profile,
        hashlib.sha256(compact(document).encode()).hexdigest(),
        now,
        coverage,
        firmware,
        attestations_from(document.get("attested", ()), now, faults),
        waivers_from(document.get("waivers", ()), now, faults),
        _evidence(document.get("evidence", {}), now, faults),
        tuple(warnings),
        document,
        baseline,
        locate,
    )
    _check_security(found, faults)
    faults.end()
    return found


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema, as it is published."""
    found: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return found


def _shape(document: dict[str, Any], faults: Faults) -> None:
    """Unknown keys and wrong types. Of the part security no value is ever shown: somebody may have put a password there."""
    whole = schema()
    for path, error in violations(document, {"$ref": "#/$defs/baseline", "$defs": whole["$defs"]}, WHAT, RULE, hidden="security"):
        faults.add(path, error)


def _evidence(given: Mapping[str, Any], today: datetime.date, faults: Faults) -> Evidence:
    seen = None
    with faults.at("evidence", "advisories_evaluated"):
        if "advisories_evaluated" in given:
            option = f"{WHAT}.evidence.advisories_evaluated"
            seen = day(option, given["advisories_evaluated"], RULE)
            if seen > today:
                raise InputError(option, str(seen), f"a day up to {today}", RULE)
    return Evidence(given.get("max_age_days", constants.EVIDENCE_AGE_MAX.number), seen)


def _check_security(found: Baseline, faults: Faults) -> None:
    """Every part of security for every family, generation and model that it could be for, so that no meter finds a fault later."""
    parts = {"security": found.document.get("security", {})}
    for family, generation, model in _kinds(found, parts["security"]):
        try:
            security.document(parts, "", family, generation, None, found.today, model)
        except InputError as error:
            path = _place(parts["security"], error.option, family, generation, model)
            faults.add(path, error, f"{WHAT}.security.{path[1]}." if len(path) > 1 and not error.option.startswith(WHAT) else "")


def _kinds(found: Baseline, sections: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for family in found.coverage.families or families:
        names = ["", *(name for name in sections if security.family_of(name) == family and name in security.MODEL_NAMES)]
        for generation in security.GENERATIONS.get(family) or ("known",):
            for name in names:
                yield family, generation, name


def _place(sections: Mapping[str, Any], option: str, family: str, generation: str, model: str) -> Path:
    """Where an option of meter_security was set: in the narrowest place that names it, or a part of it."""
    names = option.removeprefix(f"{WHAT}.security.").split(".")
    for place in (model, f"{family} {generation}", family, "all"):
        section = sections.get(place, {})
        for length in range(len(names), 0, -1):
            if path := _inside(section, ".".join(names[:length]), ""):
                return ("security", place, *path)
    return ("security",)


__all__ = ["Baseline", "Evidence", "parse", "schema"]
