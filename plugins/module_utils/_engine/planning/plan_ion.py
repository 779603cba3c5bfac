# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the plan says of a HEP meter beside its hops: security before and after each, users, ION Setup, the way, notes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..catalogue.models import Model
from ..catalogue.versions import Dotted, Version
from . import prechecks_ion as ion
from .paths import Hop

if TYPE_CHECKING:
    from .plan import MeterState, PackageInfo


def words(meter: MeterState, packages: Sequence[PackageInfo]) -> tuple[str, ...]:
    """Words of ``accept`` that this meter needs beside those of the matrix."""
    return ion.accept_words(any(item.bare for item in packages), ion.transport_of(meter.transport, False), meter.gateway_model)


def describe(entry: dict[str, Any], meter: MeterState, model: Model, hops: Sequence[Hop], packages: Sequence[PackageInfo]) -> None:
    """Fill in ``security`` (one entry for each hop), ``alone``, the ION Setup that is needed, notes, and obstacles that can be seen now."""
    transport, mode = ion.transport_of(meter.transport, False), meter.security_mode
    security = []
    for hop, package, shown in zip(hops, packages, entry["hops"], strict=True):
        if not isinstance(hop.source, Version) or not isinstance(hop.target, Version):
            continue
        prediction = ion.predict_mode(model, hop.source, mode, hop.target)
        needed = ion.minimum_ion_setup(model, hop.target, package.min_ion_setup)
        security.append({"source": str(hop.source), "target": str(hop.target), **prediction.as_dict()})
        notes = ion.plan_notes(meter.consumers, transport, package.size, meter.baud)
        shown.update(ion_setup=str(needed), notes=list(dict.fromkeys([*shown["notes"], *notes, *prediction.notes])))
        mode = prediction.mode
        _obstacles(entry, meter, needed, package)
    entry["security"] = security
    if ion.unreliable(transport):
        entry["alone"] = True


def _obstacles(entry: dict[str, Any], meter: MeterState, needed: Dotted, package: PackageInfo) -> None:
    """What the prechecks will not let pass, as far as it is known without asking the meter (G-19, R-167)."""
    found = []
    if meter.setup_version and Dotted.parse(meter.setup_version).fields < needed.fields:
        found.append({"reason": "engine_too_old", "text": f"ION Setup {meter.setup_version} is installed; {needed} or later is needed"})
    if package.bare and not package.min_ion_setup:
        found.append({"reason": "artifact_unverifiable_min_version", "text": f"package {package.id} is a bare image without min_ion_setup"})
    entry["obstacles"] += [item for item in found if item not in entry["obstacles"]]


def hardened(plan: Mapping[str, Any], hosts: Sequence[str] | None = None) -> list[str]:
    """The meters whose users or mode the upgrade changes, or may change, where the campaign hardens those in the end (R-189, R-252).

    ``hosts`` asks for some of them only.
    """
    if not (plan.get("campaign") or {}).get("harden_after_upgrade"):
        return []
    return [
        str(entry["host"])
        for entry in plan["meters"]
        if (hosts is None or entry["host"] in hosts)
        and entry["passes"]
        and any(item["before"] != item["mode"] or item["users_removed"] is not False for item in entry.get("security") or ())
    ]


def lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each way that security takes in this plan, with its meters (R-189, R-252, R-253, G-11), and what cannot be undone."""
    ways: dict[str, list[str]] = {}
    for entry in entries:
        steps = [item for item in entry.get("security") or () if item["before"] != item["mode"] or item["users_removed"] is not False]
        for item in steps:
            removed = item["users_removed"]
            users = "all users deleted" if removed else "users unknown" if removed is None else "users stay"
            after = "unknown, to be looked at" if item["mode"] == "unknown" else item["mode"]
            ways.setdefault(f"{item['source']} to {item['target']}: security {item['before']} to {after}, {users}", []).append(
                entry["host"]
            )
    return [f"{text} ({', '.join(hosts[:5])}{' and more' if len(hosts) > 5 else ''})" for text, hosts in ways.items()]
