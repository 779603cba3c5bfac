# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A baseline and the targets beside it as the faces get them, with the places they were written in."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.baseline import Baseline, parse
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.targets import Given, refuse, targets_with
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.documents import line_of
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.campaign import Campaign
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Location

from ._campaign_file import read_text
from ._origin import location, location_of, shown_path
from ._rollout import Said


def read_baseline(given: Any, today: datetime.date | None = None) -> Baseline:
    """The checked baseline. Raises InputError with all its faults and their lines."""
    return parse(given, today, location)


def one_baseline(hostvars: Any, hosts: Iterable[str]) -> None:
    """Refuse a run whose meters have different baselines: it would judge some by the wrong one. Raises InputError."""
    one = OneBaseline()
    for host in hosts:
        one.take(host, hostvars.raw_get(host) if host in hostvars else {})


class OneBaseline:
    """Takes the variables of one meter after another, and refuses the first one that has another baseline than those before it."""

    def __init__(self) -> None:
        self._first: tuple[str, Any] | None = None

    def take(self, host: str, raw: Mapping[str, Any]) -> None:
        """One meter. Raises InputError."""
        given = raw.get("metering_baseline")
        if self._first is None:
            self._first = host, given
            return
        first, other = self._first
        if given is other or given == other:
            return
        here, there = location_of(raw, "metering_baseline"), location(other)
        places = " and ".join(f"{item['file']}:{item['line']}" for item in (there, here) if item)
        shown = f"another one for {host} than for {first}" + (f" ({places})" if places else "")
        accepted = "one baseline for all meters of a run: limit the run with metering_hosts"
        raise InputError("metering_baseline", shown, accepted, "rollout 4.2")


def given_targets(option: str, given: Mapping[Any, Any]) -> list[Given]:
    """Targets of a variable. Raises InputError for a model that is not known."""
    return [
        Given(f"{option}.{name}", find_model(name, option).name, value, location(value) or location_of(given, str(name)))
        for name, value in given.items()
    ]


def agreed_targets(baseline: Baseline, params: Mapping[str, Any], campaign: Campaign) -> dict[str, Any]:
    """The targets of the options and of the campaign file, else those of the baseline. Raises InputError for one that contradicts it."""
    given = given_targets("metering_targets", params["targets"] or {})
    if campaign.targets:
        named = _in_file(params["campaign_file"], campaign.targets)
        given = [item for item in given if item.model not in {other.model for other in named}] + named
    return targets_with(baseline, given)


def _in_file(path: str, given: Mapping[str, Any]) -> list[Given]:
    """Targets of a campaign file, with their lines."""
    option, text = "metering_campaign_file.targets", read_text("metering_campaign_file", path)
    place, found = shown_path(str(Path(path).absolute())), []
    for name, value in given.items():
        line = line_of(text, ("targets", name))
        where: Location | None = None if line is None else {"file": place, "line": line}
        found.append(Given(f"{option}.{name}", find_model(name, option).name, value, where))
    return found


class OwnTargets:
    """What a baseline means for single meters. ``given``: the targets come from elsewhere, so that no meter is exempt from them."""

    def __init__(self, baseline: Baseline | None, given: bool) -> None:
        self._baseline, self._given = baseline, given

    def exempt(self, host: str, model: str) -> str:
        """Why the targets of the baseline are not for this meter; empty where they are."""
        if self._baseline is None or self._given:
            return ""
        family, name = _known(model)
        return self._baseline.coverage.why(host, family, name)

    def refuse(self, host: str, said: Said, model: str) -> None:
        """Refuse a meter's own target that contradicts the baseline. Raises InputError."""
        version, baseline = said.get("version"), self._baseline
        family, name = _known(model)
        if baseline is None or not version or not name or not baseline.covers(host, family, name):
            return
        if any(item.covers("firmware_target") and not item.expired(baseline.today) for item in baseline.waivers_for(host)):
            return
        component = said.get("component")
        target = version if component is None else {"version": version, "component": component}
        refuse(baseline, Given(f"metering_version of {host}", name, target, location(version)))


def _known(model: str) -> tuple[str, str]:
    """Family and name of a model; empty where it is not known, which the plan tells by itself."""
    try:
        found = find_model(model)
    except InputError:
        return "", ""
    return found.family, found.name
