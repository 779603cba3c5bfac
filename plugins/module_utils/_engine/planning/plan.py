# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The plan document of a rollout (design 4.6): what every meter needs, in which batch, under one digest. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants
from ..catalogue.limits import attempt_limit
from ..catalogue.models import Model, find_model
from ..catalogue.versions import Version
from .paths import Hop, plan_path
from .waves import check_concurrency, cut_batches

FORMAT = 1
UPGRADE, CURRENT, BLOCKED, NO_TARGET = "upgrade", "current", "blocked", "no_target"
#: The words of the vendor's tool for a meter that can be upgraded (R-110).
APPLICABLE = "Firmware upgrade applicable"
#: Methods this release can run; a path that begins with another one is shown and blocked.
METHODS = ("ftp",)


@dataclass(frozen=True)
class MeterState:
    """One meter as the plan sees it. ``version`` and ``target`` are text; ``error`` says why it could not be read."""

    host: str
    address: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""
    error_reason: str = ""
    error: str = ""
    target: str = ""
    peer_group: str | None = None
    accept: frozenset[str] = frozenset()
    attempts_used: int | None = None
    attempts_reserve: int = field(default_factory=lambda: constants.ATTEMPTS_RESERVE_DEFAULT.number)
    upgraded_by_ftp: bool = False
    open_attempt: bool = False


@dataclass(frozen=True)
class PackageInfo:
    """What the plan must know of a firmware package; ``models`` are canonical names, ``size`` is in bytes."""

    models: tuple[str, ...]
    version: str
    method: str
    size: int = 0


@dataclass(frozen=True)
class Settings:
    """How a rollout is cut and read."""

    batches: tuple[int | str, ...] = (1,)
    concurrency: int = 1
    strict_matrix: bool = False


def check_targets(targets: Mapping[str, Any] | None) -> dict[str, str]:
    """Target versions by canonical model name. Raises InputError."""
    if not isinstance(targets or {}, Mapping):
        raise InputError("metering_targets", targets, "a dictionary of model to version", "R-006")
    checked: dict[str, str] = {}
    for name, version in (targets or {}).items():
        model = find_model(name, "metering_targets")
        text = check_version(f"metering_targets.{name}", version) if model.family != "mcs301" else str(version)
        if checked.setdefault(model.name, text) != text:
            raise InputError("metering_targets", name, f"one version for {model.name}, not two", "R-006")
    return checked


def check_version(option: str, version: object) -> str:
    """A target version of one meter as canonical text; empty for none. Raises InputError."""
    if version in (None, ""):
        return ""
    try:
        return str(Version.parse(version))
    except InputError as error:
        raise InputError(option, version, error.accepted, error.rule) from None


def build_plan(
    meters: Sequence[MeterState], targets: Mapping[str, str], packages: Sequence[PackageInfo], settings: Settings
) -> dict[str, Any]:
    """The plan document. Raises InputError for settings or targets that are not accepted; a meter never raises."""
    concurrency = check_concurrency(settings.concurrency)
    by_model = check_targets(targets)
    entries = [_entry(meter, by_model, packages, settings.strict_matrix) for meter in meters]
    # Meters that the plan sees no obstacle for go first, so that the canary is a fair test of the firmware.
    clear = [entry["host"] for entry in entries if entry["state"] == UPGRADE and not entry["obstacles"]]
    doubtful = [entry["host"] for entry in entries if entry["state"] == UPGRADE and entry["obstacles"]]
    peers = {meter.host: meter.peer_group for meter in meters}
    batches = cut_batches(clear + doubtful, settings.batches, concurrency, peers)
    number = {host: index for index, batch in enumerate(batches, start=1) for host in batch}
    for entry in entries:
        entry["batch"] = number.get(entry["host"])
    plan: dict[str, Any] = {
        "format": FORMAT,
        "targets": by_model,
        "concurrency": concurrency,
        "concurrency_note": f"no document gives a number for {', '.join(METHODS)}: {concurrency} at a time is the operator's choice (G-18)",
        "meters": entries,
        "batches": [list(batch) for batch in batches],
        "needed_accept": sorted({word for entry in entries if entry["state"] == UPGRADE for word in entry["needed_accept"]}),
        "missing_accept": sorted({word for entry in entries if entry["state"] == UPGRADE for word in entry["missing_accept"]}),
        "counts": {state: sum(1 for entry in entries if entry["state"] == state) for state in (UPGRADE, CURRENT, BLOCKED, NO_TARGET)},
        "estimate": _estimate(len(batches)),
    }
    return {**plan, "digest": plan_digest(plan)}


def plan_digest(plan: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a plan without its digest."""
    body = {key: value for key, value in plan.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def table(plan: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row for each meter, with at least what the vendor's tool shows (R-109): ip, current version, product name, status."""
    return [
        {
            "meter": str(entry["host"]),
            "ip": str(entry["address"]),
            "product name": str(entry["model"] or "unknown"),
            "current version": str(entry["version"] or "unknown"),
            "target": str(entry["target"] or "-"),
            "path": " > ".join(f"{hop['row']} {hop['method']}" for hop in entry["hops"]) or "-",
            "batch": str(entry["batch"] or "-"),
            "status": str(entry["status"]),
        }
        for entry in plan["meters"]
    ]


def _entry(meter: MeterState, targets: Mapping[str, str], packages: Sequence[PackageInfo], strict: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "host": meter.host,
        "address": meter.address,
        "model": meter.model,
        "serial": meter.serial,
        "version": meter.version,
        "target": meter.target,
        "hops": [],
        "needed_accept": [],
        "missing_accept": [],
        "attempts": {"limit": None, "used": None, "remaining": None, "remaining_after": None},
        "bytes_to_send": 0,
        "obstacles": [],
        "batch": None,
    }
    if meter.error or meter.error_reason:
        return _end(entry, BLOCKED, meter.error_reason or "transport_failed", meter.error or "the meter could not be read")
    try:
        model = find_model(meter.model)
    except InputError:
        return _end(entry, BLOCKED, "model_unknown", f"{meter.model or 'no model'} is not in the catalogue")
    entry["model"] = model.name
    wanted = meter.target or targets.get(model.name, "")
    if not wanted:
        return _end(entry, NO_TARGET, "", f"no target version is given for {model.name}")
    target = Version.parse(check_version("metering_version", wanted))
    entry["target"] = str(target)
    try:
        source = Version.parse(meter.version)
    except InputError:
        return _end(
            entry, BLOCKED, "identity_unreadable", f"the meter does not tell a firmware version that can be read: {meter.version!r}"
        )
    entry["version"] = str(source)
    return _with_path(entry, meter, model, source, target, packages, strict)


def _with_path(
    entry: dict[str, Any], meter: MeterState, model: Model, source: Version, target: Version, packages: Sequence[PackageInfo], strict: bool
) -> dict[str, Any]:
    own = [package for package in packages if model.name in package.models]
    available = [Version.parse(package.version) for package in own]
    path = plan_path(model, source, target, available, strict, "downgrade" in meter.accept)
    if not path.supported:
        return _end(entry, BLOCKED, path.reason, path.text)
    if not path.hops and meter.open_attempt:
        return _end(entry, UPGRADE, "", f"at {target}; an interrupted upgrade has no recorded end yet and is ended by a fresh look")
    if not path.hops:
        return _end(entry, CURRENT, "", f"already at {target}")
    entry["hops"] = [_hop(hop) for hop in path.hops]
    hop = path.hops[0]
    if hop.method not in METHODS:
        return _end(entry, BLOCKED, "method_not_available", f"row {hop.row} needs the method {hop.method}, which this release does not run")
    package = next((item for item in own if item.method == hop.method and item.version == str(hop.target)), None)
    if package is None:
        return _end(
            entry, BLOCKED, "artifact_missing", f"no package for {model.name} {hop.target or ''} by {hop.method} is in the artifact folder"
        )
    entry["bytes_to_send"] = package.size
    _judge_accept(entry, meter, path.hops)
    _judge_attempts(entry, meter, model, source)
    if not meter.serial:
        entry["obstacles"].append({"reason": "serial_unknown", "text": "the meter does not tell its serial number"})
    return _end(entry, UPGRADE, "", "; ".join(item["text"] for item in entry["obstacles"]) or APPLICABLE)


def _judge_accept(entry: dict[str, Any], meter: MeterState, hops: Sequence[Hop]) -> None:
    words = sorted({word for hop in hops for word in hop.accept if not (word == "loses_dlf3000" and meter.upgraded_by_ftp)})
    entry["needed_accept"] = words
    entry["missing_accept"] = [word for word in words if word not in meter.accept]
    for word in entry["missing_accept"]:
        entry["obstacles"].append({"reason": f"accept:{word}", "text": f"needs the word '{word}' in accept"})


def _judge_attempts(entry: dict[str, Any], meter: MeterState, model: Model, source: Version) -> None:
    limit = attempt_limit(model, source)
    if limit is None:
        return
    used = meter.attempts_used
    remaining = None if used is None else max(0, limit.limit - used)
    after = None if remaining is None else max(0, remaining - 1)
    entry["attempts"] = {"limit": limit.limit, "used": used, "remaining": remaining, "remaining_after": after}
    if remaining is None:
        entry["obstacles"].append(
            {"reason": "attempts_unknown", "text": f"limited to {limit.limit} attempts, and how many are used is unknown"}
        )
    elif remaining == 0:
        entry["obstacles"].append({"reason": "attempts_exhausted", "text": f"all {limit.limit} attempts are used"})
    elif remaining - 1 < meter.attempts_reserve:
        text = f"{used} of {limit.limit} attempts are used and {meter.attempts_reserve} must stay in reserve"
        entry["obstacles"].append({"reason": "attempts_reserve", "text": text})


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "row": hop.row,
        "method": hop.method,
        "source": str(hop.source or ""),
        "target": str(hop.target or ""),
        "target_range": str(hop.target_range),
        "reversible": hop.reversible,
        "attempts_limit": hop.attempts_limit,
        "notes": list(hop.notes),
    }


def _end(entry: dict[str, Any], state: str, reason: str, status: str) -> dict[str, Any]:
    entry.update(state=state, reason=reason, status=status)
    return entry


def _estimate(batches: int) -> dict[str, Any]:
    """Bounds in seconds from the documented waits: batches go one after another, each with its settle time (R-064, R-089)."""
    least = constants.CARD_RESET_MIN.number + constants.SETTLE.number
    most = constants.HARD_TIMEOUT.number + constants.SETTLE.number
    return {"batches": batches, "at_least_seconds": batches * least, "at_most_seconds": batches * most}
