# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Apply exactly the plan that was reviewed: what is left of it for the meters as they are now (R-116, design 4.6). Pure.

Nothing is planned anew. A meter is where the plan says, or on the way that the plan laid down, or the plan is stale for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..base.errors import InputError
from ..catalogue.versions import Version
from . import parts
from . import plan as planning
from .plan import BLOCKED, CURRENT, UPGRADE, MeterState, PackageInfo


def read_plan(text: str, digest: str = "") -> dict[str, Any]:
    """A plan document from its file, untouched since it was made, and the one that was asked for. Raises InputError."""
    try:
        plan = json.loads(text)
    except ValueError:
        plan = None
    if not isinstance(plan, dict) or not isinstance(plan.get("meters"), list) or not isinstance(plan.get("passes"), list):
        raise InputError("metering_plan_file", "the file", "a plan.json that the playbook plan wrote", "R-116")
    if plan.get("format") != planning.FORMAT:
        raise InputError("metering_plan_file", f"format {plan.get('format')}", f"a plan of format {planning.FORMAT}: plan again", "R-116")
    own = planning.plan_digest(plan)
    if plan.get("digest") != own:
        raise InputError("metering_plan_file", plan.get("digest"), f"an unchanged plan; what the file holds has the digest {own}", "R-116")
    if digest and digest != own:
        raise InputError("metering_plan_digest", digest, f"the digest of the plan in metering_plan_file, {own}", "R-116")
    return plan


def apply_plan(plan: Mapping[str, Any], meters: Sequence[MeterState], packages: Sequence[PackageInfo]) -> dict[str, Any]:
    """The reviewed plan with what is still to do for the meters that were read; its digest stays.

    Meters of the plan that were not read (a limited run) are left out; meters that the plan does not know are left alone.
    """
    now = {meter.host: meter for meter in meters}
    digests = {package.id: package.digest for package in packages}
    entries = [_entry(entry, now[entry["host"]], digests) for entry in plan["meters"] if entry["host"] in now]
    passes = _passes(plan, entries)
    applied = {
        **plan,
        "meters": entries,
        "passes": passes,
        "batches": [batch["meters"] for one in passes for batch in one["batches"]],
        "counts": {state: sum(1 for entry in entries if entry["state"] == state) for state in plan["counts"]},
        "estimate": planning.estimate(passes),
        "unplanned": sorted(set(now) - {entry["host"] for entry in plan["meters"]}),
    }
    planning.number(entries, passes)
    return applied


def _entry(planned: Mapping[str, Any], meter: MeterState, digests: Mapping[str, str]) -> dict[str, Any]:
    if planned.get("component") is not None:  # the part that the plan is about
        meter = replace(meter, version=parts.runs(meter.parts, int(planned["component"]), str(planned["target"])))
    entry = {**planned, "version": meter.version or planned["version"]}
    if planned["state"] not in (UPGRADE, CURRENT):
        return entry
    if meter.error or meter.error_reason:
        if meter.open_method:
            later = planning.PASSES.index(meter.open_method) if meter.open_method in planning.PASSES else 0
            rest = [name for name in planned["passes"] if planning.PASSES.index(name) > later]
            return {**entry, "passes": [meter.open_method, *rest], "status": "does not answer, and its last upgrade has no recorded end"}
        return _end(entry, BLOCKED, meter.error_reason or "transport_failed", meter.error or "the meter could not be read")
    if planned["serial"] and meter.serial != planned["serial"]:
        return _stale(entry, f"serial {meter.serial or 'unknown'} answers here; the reviewed plan says {planned['serial']}")
    if planned["state"] == CURRENT:
        if _same(meter.version, planned["version"]):
            return entry
        return _stale(entry, f"the meter runs {meter.version}; the reviewed plan says {planned['version']}")
    return _rest(entry, planned, meter, digests)


def _rest(entry: dict[str, Any], planned: Mapping[str, Any], meter: MeterState, digests: Mapping[str, str]) -> dict[str, Any]:
    """The hops that are left from where the meter is on its way."""
    opened = [meter.open_method] if meter.open_attempt and meter.open_method else []
    if _same(meter.version, planned["target"]):
        if opened:
            return {**entry, "hops": [], "passes": opened, "status": "an interrupted upgrade has no recorded end yet"}
        return _end(entry, CURRENT, "", f"already at {planned['target']}")
    hops = planned["hops"]
    place = next((index for index, hop in enumerate(hops) if _same(meter.version, hop["source"])), None)
    if place is None:
        said = " or ".join(hop["source"] for hop in hops)
        return _stale(entry, f"the meter runs {meter.version or 'an unknown version'}; the reviewed plan says {said or 'nothing'}")
    for hop in hops[place:]:
        if digests.get(hop["artifact"]) != hop["digest"]:
            return _stale(entry, f"package {hop['artifact']} is not the one that was reviewed")
    # The passes of the plan, of which those of the hops that are done fall away.
    names = planning.pass_names([hop["method"] for hop in hops])[place:]
    return {**entry, "hops": hops[place:], "passes": list(dict.fromkeys([*opened, *names]))}


def _passes(plan: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The batches of the plan without those who have nothing to do in them, and first the ends of interrupted upgrades."""
    todo = {entry["host"]: entry["passes"] for entry in entries if entry["state"] == UPGRADE}
    passes = []
    for name in planning.PASSES:
        nothing: dict[str, Any] = {"method": planning.method_of(name), "pass": name, "cap": 1, "cap_note": "", "batches": []}
        known: dict[str, Any] = next((one for one in plan["passes"] if planning.name_of(one) == name), nothing)
        kept = [{**batch, "meters": [host for host in batch["meters"] if name in todo.get(host, ())]} for batch in known["batches"]]
        placed = {host for batch in kept for host in batch["meters"]}
        extra = [{"wave": "", "meters": [host]} for host, names in todo.items() if name in names and host not in placed]
        batches = [*extra, *(batch for batch in kept if batch["meters"])]
        if batches:
            passes.append({**known, "batches": batches})
    return passes


def _same(version: str, other: str) -> bool:
    if version and version == other:  # identifiers, which are canonical
        return True
    try:
        return Version.parse(version) == Version.parse(other)
    except InputError:
        return False


def _stale(entry: dict[str, Any], text: str) -> dict[str, Any]:
    return _end(entry, BLOCKED, "plan_stale", text)


def _end(entry: dict[str, Any], state: str, reason: str, status: str) -> dict[str, Any]:
    return {**entry, "state": state, "reason": reason, "status": status, "passes": []}
