# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Targets that somebody gave beside a baseline: they may be fewer than the baseline has, and never others; pure (rollout 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue.models import find_model
from ..catalogue.versions import Version
from ..planning import parts
from ..planning.plan import check_targets
from ..reporting.document import Location
from .baseline import Baseline
from .faults import RULE, WHAT, BaselineError, Flaw, Path
from .firmware_wanted import FirmwareWanted


@dataclass(frozen=True)
class Given:
    """One target that is given elsewhere: the option it stands in, the model, the version or identifier, and where that was written."""

    option: str
    model: str
    target: Any
    location: Location | None = None


def targets_with(baseline: Baseline, given: Iterable[Given]) -> dict[str, Any]:
    """The given targets where there are any and the baseline agrees, else those of the baseline. Raises InputError with both places."""
    found: dict[str, Any] = {}
    for item in given:
        refuse(baseline, item)
        found[item.model] = item.target
    return check_targets(found) or baseline.targets()


def refuse(baseline: Baseline, given: Given) -> None:
    """Raise BaselineError for a target that the baseline would not call good."""
    model = find_model(given.model, given.option)
    wanted = baseline.firmware_for(model.name, model.family)
    path, says = _against(wanted, check_targets({model.name: given.target})[model.name])
    if path is None:
        return
    here = baseline.origin(path)
    place = f" in {here['file']}:{here['line']}" if here else ""
    accepted = f"{says}, as {'.'.join(map(str, (WHAT, *path)))} says{place}"
    raise BaselineError([Flaw(given.option, str(InputError(given.option, given.target, accepted, RULE)), given.location)])


def _against(wanted: FirmwareWanted, target: Any) -> tuple[Path | None, str]:
    """Where the baseline says otherwise and what it says; None where it does not."""
    if wanted.components:
        return _against_part(wanted, target)
    if not isinstance(target, str) or not target:
        return None, ""
    try:
        version = Version.parse(target)
    except InputError:  # an identifier, of which this baseline says nothing
        return None, ""
    if wanted.target is not None and version != wanted.target:
        return wanted.path("target"), str(wanted.target)
    if wanted.minimum is not None and version < wanted.minimum:
        return wanted.path("minimum"), f"{wanted.minimum} or a higher version"
    if wanted.forbids(version) is not None:
        return wanted.path("forbidden"), "a version that is not forbidden"
    return None, ""


def _against_part(wanted: FirmwareWanted, target: Any) -> tuple[Path | None, str]:
    version, named = parts.split(target)
    numbers = [number for number, item in wanted.components.items() if item.target] if named is None else [named]
    for number in numbers:
        item = wanted.components.get(number)
        if item is None:
            continue
        if item.target and version != item.target:
            return wanted.path(f"components.{number}.target"), item.target
        if item.approved and version not in item.approved:
            return wanted.path(f"components.{number}.approved"), "an approved identifier"
    return None, ""
