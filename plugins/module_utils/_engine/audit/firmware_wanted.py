# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a baseline wants of firmware: versions by model, identifiers by part; pure (rollout 4.2, design 4.1).

Versions are compared within one model only (R-015), and identifiers for equality only (R-213). The narrower part, a model, goes before the
wider one, its family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import InputError
from ..catalogue import identifiers
from ..catalogue.advisories import advisories_for
from ..catalogue.matrix import rows_for
from ..catalogue.models import MCS301, MODELS, Model, find_model
from ..catalogue.versions import Band, Version
from .faults import RULE, WHAT, Faults, Path


@dataclass(frozen=True)
class ComponentWanted:
    """One firmware part: where an upgrade shall lead, every identifier that may run, and the signature it must have; canonical."""

    target: str = ""
    approved: tuple[str, ...] = ()
    signature: str = ""


@dataclass(frozen=True)
class FirmwareWanted:
    """What one model shall run. ``paths`` tells by key (``minimum``, ``components.0.approved``) where in the document it stands."""

    minimum: Version | None = None
    target: Version | None = None
    forbidden: tuple[Band, ...] = ()
    advisories: bool = True
    components: Mapping[int, ComponentWanted] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)

    def forbids(self, version: Version) -> Band | None:
        """The forbidden version or range that this one is in."""
        return next((band for band in self.forbidden if version in band), None)

    def path(self, key: str) -> Path:
        """Where this is wanted, the part ``firmware`` where nothing asks for it."""
        return self.paths.get(key, ("firmware",))


@dataclass(frozen=True)
class Firmware:
    """The whole part ``firmware``."""

    by_model: Mapping[str, FirmwareWanted]
    by_family: Mapping[str, FirmwareWanted]

    def of(self, model: str, family: str) -> FirmwareWanted:
        """What is wanted of this model, or of a meter of which only the family is known."""
        return self.by_model.get(model) or self.by_family.get(family) or FirmwareWanted()

    def targets(self) -> dict[str, Any]:
        """Targets by model, as ``metering_targets`` has them."""
        found: dict[str, Any] = {}
        for name, wanted in sorted(self.by_model.items()):
            if wanted.target is not None:
                found[name] = str(wanted.target)
            for part, component in wanted.components.items():
                if component.target:
                    found[name] = {"version": component.target, "component": part}
        return found


def firmware_from(given: Mapping[str, Any], faults: Faults) -> tuple[Firmware, list[str]]:
    """From the checked part ``firmware``, with warnings."""
    families, models, warnings = {}, {}, []
    for family in dict.fromkeys(model.family for model in MODELS):
        parts = _parts(("firmware", family), given.get(family, {}), faults)
        families[family] = FirmwareWanted(
            advisories=_advisories(given, family),
            components={number: item for number, (item, dummy) in parts.items()},
            paths=_paths(given, (family,), parts),
        )
    for model in MODELS:
        models[model.name] = wanted = _of_model(model, given, families[model.family], faults)
        warnings += _doubts(model, wanted)
    return Firmware(models, families), warnings


def _advisories(given: Mapping[str, Any], *places: str) -> bool:
    found = bool(given.get("advisories", True))
    for place in places:
        found = bool(given.get(place, {}).get("advisories", found))
    return found


def _of_model(model: Model, given: Mapping[str, Any], shared: FirmwareWanted, faults: Faults) -> FirmwareWanted:
    """What this model shall run, over what its family shares."""
    entry, place = given.get(model.name, {}), ("firmware", model.name)
    versions: dict[str, Version] = {}
    for key in ("minimum", "target"):
        with faults.at(*place, key):
            if key in entry:
                versions[key] = Version.parse(entry[key], f"{WHAT}.firmware.{model.name}.{key}")
    bands = []
    for number, text in enumerate(entry.get("forbidden", ())):
        with faults.at(*place, "forbidden", number):
            bands.append(_band(text, f"{WHAT}.firmware.{model.name}.forbidden[{number}]"))
    parts = _parts(place, entry, faults)
    wanted = FirmwareWanted(
        versions.get("minimum"),
        versions.get("target"),
        tuple(bands),
        _advisories(given, model.family, model.name),
        {**shared.components, **{number: _over(shared.components.get(number), item, keys) for number, (item, keys) in parts.items()}},
        {**shared.paths, **_paths(given, (model.name,), parts)},
    )
    _agree(model, wanted, faults)
    return wanted


def _over(wide: ComponentWanted | None, narrow: ComponentWanted, keys: frozenset[str]) -> ComponentWanted:
    """The narrower part's own keys over the wider one."""
    if wide is None:
        return narrow
    own = {key: getattr(narrow, key) for key in keys}
    return ComponentWanted(**{"target": wide.target, "approved": wide.approved, "signature": wide.signature, **own})


def _band(text: str, option: str) -> Band:
    first, dash, last = (part.strip() for part in text.partition("-"))
    low = Version.parse(first, option)
    high = Version.parse(last, option) if dash else low
    if high < low:
        raise InputError(option, text, "a range from the lower to the higher version", "R-241")
    return Band(low, high)


def _parts(place: Path, given: Mapping[str, Any], faults: Faults) -> dict[int, tuple[ComponentWanted, frozenset[str]]]:
    """Parts by number, each with the keys that were given."""
    found = {}
    for number, entry in given.get("components", {}).items():
        path = (*place, "components", number)
        option = ".".join(map(str, (WHAT, *path)))
        with faults.at(*path):
            approved = tuple(identifiers.canonical(text, f"{option}.approved") for text in entry.get("approved", ()))
            single = {key: identifiers.canonical(entry[key], f"{option}.{key}") for key in ("target", "signature") if key in entry}
            found[int(number)] = ComponentWanted(single.get("target", ""), approved, single.get("signature", "")), frozenset(entry)
    return found


def _paths(given: Mapping[str, Any], place: Path, parts: Mapping[int, Any]) -> dict[str, Path]:
    entry: Any = given
    for step in place:
        entry = entry.get(step, {})
    start: Path = ("firmware", *place)
    found: dict[str, Path] = {key: (*start, key) for key in ("minimum", "target", "forbidden", "advisories") if key in entry}
    for number in parts:
        keys = entry["components"][str(number)]
        found.update({f"components.{number}.{key}": (*start, "components", str(number), key) for key in keys})
    if "advisories" in given:
        found.setdefault("advisories", ("firmware", "advisories"))
    return found


def _agree(model: Model, wanted: FirmwareWanted, faults: Faults) -> None:
    """A document that contradicts itself is nobody's wish."""
    option = f"{WHAT}.firmware.{model.name}.target"
    with faults.at(*wanted.path("target")):
        if wanted.target is not None and wanted.minimum is not None and wanted.target < wanted.minimum:
            raise InputError(option, str(wanted.target), f"the minimum {wanted.minimum} or a higher version", RULE)
    with faults.at(*wanted.path("target")):
        band = wanted.forbids(wanted.target) if wanted.target is not None else None
        if band is not None:
            raise InputError(option, str(wanted.target), f"a version that is not forbidden: {_shown(band)} is", RULE)
    for number, item in wanted.components.items():
        path = wanted.path(f"components.{number}.target")
        with faults.at(*path):
            if item.target and item.approved and item.target not in item.approved:
                raise InputError(".".join(map(str, (WHAT, *path))), item.target, "one of the approved identifiers of this part", RULE)
    targets = [number for number, item in wanted.components.items() if item.target]
    with faults.at(*wanted.path(f"components.{targets[-1]}.target") if targets else "firmware"):
        if len(targets) > 1:
            option = f"{WHAT}.firmware.{model.name}.components"
            shown = f"targets for {' and '.join(map(str, targets))}"
            raise InputError(option, shown, "one part with a target: parts are upgraded one after another", "R-215")


def _shown(band: Band) -> str:
    return str(band.first) if band.first == band.last else f"{band.first}-{band.last}"


def _doubts(model: Model, wanted: FirmwareWanted) -> list[str]:
    """What is odd about a target and yet may be meant."""
    if wanted.target is None or model.family == MCS301:
        return []
    place = f"{WHAT}.firmware.{model.name}.target {wanted.target}"
    found = [
        f"{place} is affected by {item.id}, which {item.fixed[model.name]} mends"
        for item in (advisories_for(model, wanted.target) if wanted.advisories else ())
    ]
    if not any(row.supported and wanted.target in row.target for row in rows_for(find_model(model.name))):
        found.append(f"{place}: no documented upgrade leads there")
    return found
