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
from ..catalogue.models import HEP, MCS301, Model, find_model
from ..catalogue.versions import Dotted, Version
from . import parts, plan_ion
from .estimates import transfer_seconds
from .paths import Hop, plan_path
from .retries import retry_table
from .waves import Wave, assign_waves, check_concurrency, cut_batches, spread

FORMAT = 2
UPGRADE, CURRENT, BLOCKED, NO_TARGET = "upgrade", "current", "blocked", "no_target"
#: The words of the vendor's tool for a meter that can be upgraded (R-110).
APPLICABLE = "Firmware upgrade applicable"
#: Methods this release can run, in the order of the rolling passes; a path with another one is shown and blocked.
METHODS = ("ftp", "tool", "ion", "web", "dlms")
#: The rolling passes: one for each method, and a second one for the two hops of a HEP meter by the same method (rows H-1, H-2).
PASSES = ("ftp", "tool", "ion", "ion_2", "web", "dlms")


@dataclass(frozen=True)
class MeterState:
    """One meter as the plan sees it. ``version`` and ``target`` are text; ``error`` says why it could not be read.

    ``open_method`` is that of an upgrade without an end; ``done`` says that this campaign upgraded the meter in an earlier run.
    ``open_target`` is the version that such an upgrade leads to. For HEP meters ``security_mode`` is the present one, ``transport``
    how ION Setup reaches the meter, and ``setup_version`` that of the installed ION Setup. ``exempt`` says why the targets by model are not
    for this meter.
    Where versions are identifiers, ``parts`` holds them and ``component`` the part that was named; ``block_size`` is in octets.
    """

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
    open_method: str = ""
    hardware: str = ""
    done: bool = False
    open_target: str = ""
    security_mode: str = "unknown"
    transport: str = ""
    gateway_model: str = ""
    baud: int | None = None
    setup_version: str = ""
    consumers: tuple[str, ...] = ()
    parts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    component: int | None = None
    block_size: int | None = None
    exempt: str = ""


@dataclass(frozen=True)
class PackageInfo:
    """What the plan must know of a firmware package; ``models`` are canonical names, ``size`` is in bytes."""

    models: tuple[str, ...]
    version: str
    method: str
    size: int = 0
    id: str = ""
    digest: str = ""
    tool_version: str = ""
    component: int | None = None
    signature: str = ""
    min_ion_setup: str = ""
    bare: bool = False


@dataclass(frozen=True)
class Settings:
    """How a rollout is cut and read. ``campaign`` is what the campaign file says beside, kept in the plan as it is."""

    batches: tuple[int | str, ...] = (1,)
    concurrency: int = 1
    strict_matrix: bool = False
    waves: tuple[Wave, ...] = ()
    campaign: Mapping[str, Any] = field(default_factory=dict)


def check_targets(targets: Mapping[str, Any] | None) -> dict[str, Any]:
    """Target versions by canonical model name; for identifiers with the part that was named. Raises InputError."""
    if not isinstance(targets or {}, Mapping):
        raise InputError("metering_targets", targets, "a dictionary of model to version", "R-006")
    checked: dict[str, Any] = {}
    for name, version in (targets or {}).items():
        model = find_model(name, "metering_targets")
        option = f"metering_targets.{name}"
        text = parts.check_target(option, version) if model.family == MCS301 else check_version(option, version)
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
    meters: Sequence[MeterState], targets: Mapping[str, Any], packages: Sequence[PackageInfo], settings: Settings
) -> dict[str, Any]:
    """The plan document. Raises InputError for settings or targets that are not accepted; a meter never raises."""
    concurrency = check_concurrency(settings.concurrency)
    by_model = check_targets(targets)
    entries = [_entry(meter, by_model, packages, settings.strict_matrix) for meter in meters]
    # Meters that the plan sees no obstacle for go first, so that the canary is a fair test of the firmware.
    hardware = {meter.host: meter.hardware for meter in meters}
    clear = spread([entry["host"] for entry in entries if entry["state"] == UPGRADE and not entry["obstacles"]], hardware)
    doubtful = [entry["host"] for entry in entries if entry["state"] == UPGRADE and entry["obstacles"]]
    named = {host for wave in settings.waves for host in wave.hosts}
    done = {meter.host for meter in meters if meter.done and meter.host not in named}
    waves = assign_waves(
        [*clear, *doubtful], settings.waves, sum(1 for entry in entries if entry["state"] == CURRENT and entry["host"] in done)
    )
    peers = {meter.host: meter.peer_group for meter in meters}
    passes = _passes(entries, waves, settings, packages, peers)
    plan: dict[str, Any] = {
        "format": FORMAT,
        "targets": by_model,
        "concurrency": concurrency,
        "concurrency_note": f"no document gives a number for ftp, ion, web and dlms: {concurrency} at a time is the operator's choice (G-18)",
        "meters": entries,
        "waves": [{**wave.as_dict(), "meters": list(hosts)} for wave, hosts in waves],
        "passes": passes,
        "batches": [batch["meters"] for one in passes for batch in one["batches"]],
        "needed_accept": sorted({word for entry in entries if entry["state"] == UPGRADE for word in entry["needed_accept"]}),
        "missing_accept": sorted({word for entry in entries if entry["state"] == UPGRADE for word in entry["missing_accept"]}),
        "counts": {state: sum(1 for entry in entries if entry["state"] == state) for state in (UPGRADE, CURRENT, BLOCKED, NO_TARGET)},
        "estimate": estimate(passes),
        "retries": retry_table(),
        "deadlines": _deadlines(),
        "campaign": dict(settings.campaign),
    }
    number(entries, passes)
    return {**plan, "digest": plan_digest(plan)}


def _passes(
    entries: Sequence[dict[str, Any]],
    waves: Sequence[tuple[Wave, tuple[str, ...]]],
    settings: Settings,
    packages: Sequence[PackageInfo],
    peers: Mapping[str, str | None],
) -> list[dict[str, Any]]:
    """One rolling pass for each method that is needed: its batches, wave by wave, under its own cap."""
    by_host = {entry["host"]: entry for entry in entries}
    passes = []
    for name in PASSES:
        method = method_of(name)
        cap, note = _cap(method, entries, packages, settings.concurrency)
        batches: list[dict[str, Any]] = []
        for wave, hosts in waves:
            own = [host for host in hosts if name in by_host[host]["passes"]]
            sizes = tuple(size if isinstance(size, str) else min(size, cap) for size in wave.batches or settings.batches)
            # An upgrade over an unreliable way goes alone, and after those whose way is good.
            alone = [host for host in own if by_host[host].get("alone")]
            cut = cut_batches([host for host in own if host not in alone], sizes, cap, peers)
            batches += [
                {"wave": wave.name, "meters": list(batch), **_slow(batch, by_host)} for batch in (*cut, *([host] for host in alone))
            ]
        if batches:
            passes.append({"method": method, "pass": name, "cap": cap, "cap_note": note, "batches": batches})
    return passes


def method_of(name: str) -> str:
    """The method of a pass."""
    return name.removesuffix("_2")


def pass_names(methods: Sequence[str]) -> list[str]:
    """The passes for hops by these methods, one after another: a second hop by ion has a pass of its own (R-163, X-12)."""
    names: list[str] = []
    for method in methods:
        name = f"{method}_2" if method == "ion" and method in names else method
        if name not in names:
            names.append(name)
    return names


def name_of(one: Mapping[str, Any]) -> str:
    """The name of a pass, by which groups and results are found again."""
    return str(one.get("pass") or one["method"])


def _slow(batch: Sequence[str], by_host: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Bounds of a batch whose time depends on its images; its meters work side by side, so the slowest one counts."""
    own = [by_host[host]["seconds"] for host in batch if by_host[host].get("seconds")]
    return {"seconds": [max(item[0] for item in own), max(item[1] for item in own)]} if own else {}


def _cap(method: str, entries: Sequence[Mapping[str, Any]], packages: Sequence[PackageInfo], concurrency: int) -> tuple[int, str]:
    """Meters at a time in the pass of one method: the tool's own limit is documented, the others are not (R-083, R-084, G-18)."""
    if method != "tool":
        return concurrency, f"no document gives a number for {method}: the operator's choice (G-18)"
    used = {hop["artifact"] for entry in entries for hop in entry["hops"] if hop["method"] == method}
    versions = [item.tool_version for item in packages if item.method == method and item.id in used]
    caps = [int(constants.tool_cap(Dotted.parse(text)).number) if text else int(constants.TOOL_CAP_SINGLE.number) for text in versions]
    documented = min(caps, default=int(constants.TOOL_CAP_SINGLE.number))
    return min(documented, concurrency), f"the tool takes {documented} at a time (R-083, R-084), metering_concurrency {concurrency}"


def number(entries: Sequence[dict[str, Any]], passes: Sequence[Mapping[str, Any]]) -> None:
    """Write into each entry the number of its first batch, counted over all passes."""
    first: dict[str, int] = {}
    for place, batch in enumerate((batch for one in passes for batch in one["batches"]), start=1):
        for host in batch["meters"]:
            first.setdefault(host, place)
    for entry in entries:
        entry["batch"] = first.get(entry["host"])


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


def notes(plan: Mapping[str, Any]) -> list[str]:
    """Lines under the table: reason, passes, waves, times."""
    reason = plan["campaign"].get("reason") or {}
    advised = ", ".join([*reason.get("advisories", ()), *reason.get("controls", ())])
    lines = (
        [f"Reason: {reason['kind']}" + (f" ({advised})" if advised else "") + (f": {reason['text']}" if reason.get("text") else "")]
        if reason
        else []
    )
    for one in plan["passes"]:
        times = plan["estimate"]["by_method"][name_of(one)]
        least, most = (times[key] // 60 for key in ("at_least_seconds", "at_most_seconds"))
        sizes = ", ".join(str(len(batch["meters"])) for batch in one["batches"])
        lines.append(f"Pass {name_of(one)}: batches of {sizes}, at most {one['cap']} at a time, {least} to {most} minutes")
    lines += plan_ion.lines(plan["meters"])
    hardened = plan_ion.hardened(plan)
    if hardened:
        shown = ", ".join(hardened[:5]) + (" and more" if len(hardened) > 5 else "")
        lines.append(f"Hardened by the baseline after the upgrade, before the gate judges: {shown}")
    if len(plan["waves"]) > 1:
        lines.append("Waves: " + ", ".join(f"{wave['name']} {len(wave['meters'])}" for wave in plan["waves"]))
    return lines


def _entry(meter: MeterState, targets: Mapping[str, Any], packages: Sequence[PackageInfo], strict: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "host": meter.host,
        "address": meter.address,
        "model": meter.model,
        "serial": meter.serial,
        "version": meter.version,
        "target": meter.target,
        "hops": [],
        "passes": [],
        "expect": {},
        "needed_accept": [],
        "missing_accept": [],
        "attempts": {"limit": None, "used": None, "remaining": None, "remaining_after": None},
        "bytes_to_send": 0,
        "obstacles": [],
        "batch": None,
    }
    if (meter.error or meter.error_reason) and meter.open_method:
        entry["passes"] = [meter.open_method]
        entry["target"] = meter.target or ("" if meter.exempt else parts.split(targets.get(meter.model, ""))[0])
        return _end(entry, UPGRADE, "", "does not answer, and its last upgrade has no recorded end: it is looked at again")
    if meter.error or meter.error_reason:
        return _end(entry, BLOCKED, meter.error_reason or "transport_failed", meter.error or "the meter could not be read")
    try:
        model = find_model(meter.model)
    except InputError:
        return _end(entry, BLOCKED, "model_unknown", f"{meter.model or 'no model'} is not in the catalogue")
    entry["model"] = model.name
    wanted = meter.target or ("" if meter.exempt else targets.get(model.name, ""))
    if not wanted:
        return _end(entry, NO_TARGET, "", meter.exempt or f"no target version is given for {model.name}")
    if model.family == MCS301:
        return _part_entry(entry, meter, model, wanted, packages)
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
    offered = {method: [Version.parse(item.version) for item in own if item.method == method] for method in {item.method for item in own}}
    path = plan_path(model, source, target, available, strict, "downgrade" in meter.accept, offered=offered)
    if not path.supported:
        return _end(entry, BLOCKED, path.reason, path.text)
    opened = [meter.open_method or METHODS[0]] if meter.open_attempt else []
    if not path.hops and opened:
        entry["passes"] = opened
        return _end(entry, UPGRADE, "", f"at {target}; an interrupted upgrade has no recorded end yet and is ended by a fresh look")
    if not path.hops:
        return _end(entry, CURRENT, "", f"already at {target}")
    entry["hops"] = [_hop(hop) for hop in path.hops]
    found: list[PackageInfo] = []
    for hop, shown in zip(path.hops, entry["hops"], strict=True):
        if hop.method not in METHODS:
            return _end(
                entry, BLOCKED, "method_not_available", f"row {hop.row} needs the method {hop.method}, which this release does not run"
            )
        package = next((item for item in own if item.method == hop.method and item.version == str(hop.target)), None)
        if package is None:
            wanted = hop.target or hop.target_range
            return _end(
                entry, BLOCKED, "artifact_missing", f"no package for {model.name} {wanted} by {hop.method} is in the artifact folder"
            )
        shown.update(artifact=package.id, digest=package.digest)
        entry["bytes_to_send"] += package.size
        found.append(package)
    names = pass_names([hop.method for hop in path.hops])
    if opened == ["ion"] and names[0] == "ion" and meter.open_target == str(source):
        names = pass_names(["ion", *(hop.method for hop in path.hops)])  # the first pass only ends what an earlier run began
    own_names = names[-len(path.hops) :]
    entry["passes"] = list(dict.fromkeys([*opened, *names]))
    entry["expect"] = {name: _expect(meter.serial, hop) for name, hop in zip(own_names, entry["hops"], strict=False)}
    _judge_accept(entry, meter, path.hops)
    if model.family == HEP:
        plan_ion.describe(entry, meter, model, path.hops, found)
        _need(entry, meter, {*entry["needed_accept"], *plan_ion.words(meter, found)})
    _judge_attempts(entry, meter, model, source)
    if not meter.serial:
        entry["obstacles"].append({"reason": "serial_unknown", "text": "the meter does not tell its serial number"})
    return _end(entry, UPGRADE, "", "; ".join(item["text"] for item in entry["obstacles"]) or APPLICABLE)


def _part_entry(entry: dict[str, Any], meter: MeterState, model: Model, wanted: Any, packages: Sequence[PackageInfo]) -> dict[str, Any]:
    """A meter whose parts have identifiers: one hop for one part (R-223)."""
    target, named = parts.split(parts.check_target("metering_version", wanted))
    own = [item for item in packages if model.name in item.models and item.method in METHODS and item.version == target]
    component = parts.choose(meter.component if meter.component is not None else named, (item.component for item in own))
    source = parts.runs(meter.parts, component, target)
    entry.update(target=target, version=source, component=component)
    if not source:
        return _end(entry, BLOCKED, "identity_unreadable", f"the meter does not tell the identifier of its part {component}")
    opened = [meter.open_method] if meter.open_attempt and meter.open_method else []
    path = plan_path(model, source, target)
    if not path.hops and not opened:
        return _end(entry, CURRENT, "", f"already at {target}")
    entry["passes"] = list(dict.fromkeys([*opened, *(hop.method for hop in path.hops)]))
    if not path.hops:
        return _end(entry, UPGRADE, "", f"at {target}; an interrupted upgrade has no recorded end yet and is ended by a fresh look")
    (hop,) = path.hops
    package = next((item for item in own if item.component in (None, component)), None)
    if package is None:
        entry["passes"] = []
        return _end(
            entry, BLOCKED, "artifact_missing", f"no package for {model.name} {target}, part {component}, is in the artifact folder"
        )
    entry["hops"] = [{**_hop(hop), "artifact": package.id, "digest": package.digest}]
    entry["bytes_to_send"], entry["seconds"] = package.size, _image_seconds(package.size, meter.block_size)
    entry["expect"] = {hop.method: _expect(meter.serial, entry["hops"][0])}
    words = {*hop.accept, *(["legally_relevant"] if component == constants.DLMS_B_METROLOGY.number else [])}
    _need(entry, meter, words | ({"unverified_image"} if package.signature == "unverified" else set()))
    if not meter.serial:
        entry["obstacles"].append({"reason": "serial_unknown", "text": "the meter does not tell its serial number"})
    return _end(entry, UPGRADE, "", "; ".join(item["text"] for item in entry["obstacles"]) or APPLICABLE)


def _image_seconds(size: int, block_size: int | None) -> list[int]:
    """From the first block to the last word of the meter's own test."""
    least, most = transfer_seconds(size, block_size)
    after = constants.DLMS_VERIFY_LIMIT.number + constants.DLMS_ACTIVATION_LIMIT.number + constants.DLMS_SELF_TEST_LIMIT.number
    return [round(least + constants.DLMS_CONFIRM_HOLD.number), round(most + after + constants.DLMS_CONFIRM_HOLD.number)]


def _judge_accept(entry: dict[str, Any], meter: MeterState, hops: Sequence[Hop]) -> None:
    _need(entry, meter, {word for hop in hops for word in hop.accept if not (word == "loses_dlf3000" and meter.upgraded_by_ftp)})


def _need(entry: dict[str, Any], meter: MeterState, needed: set[str]) -> None:
    words = sorted(needed)
    entry["obstacles"] = [item for item in entry["obstacles"] if not item["reason"].startswith("accept:")]
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
    cost = max(1, sum(1 for hop in entry["hops"] if hop["attempts_limit"] is not None))
    after = None if remaining is None else max(0, remaining - cost)
    entry["attempts"] = {"limit": limit.limit, "used": used, "remaining": remaining, "remaining_after": after}
    if remaining is None:
        entry["obstacles"].append(
            {"reason": "attempts_unknown", "text": f"limited to {limit.limit} attempts, and how many are used is unknown"}
        )
    elif remaining == 0:
        entry["obstacles"].append({"reason": "attempts_exhausted", "text": f"all {limit.limit} attempts are used"})
    elif remaining - cost < meter.attempts_reserve:
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
        "artifact": "",
        "digest": "",
        "notes": list(hop.notes),
    }


def _expect(serial: str, hop: Mapping[str, Any]) -> dict[str, Any]:
    """What must still hold right before a hop; anything else makes the plan stale for this meter (R-116)."""
    found: dict[str, Any] = {"serial": serial, "versions": [hop["source"]] if hop["source"] else [], "artifact": hop["digest"]}
    return {key: value for key, value in found.items() if value}


def _end(entry: dict[str, Any], state: str, reason: str, status: str) -> dict[str, Any]:
    entry.update(state=state, reason=reason, status=status)
    return entry


def estimate(passes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Bounds in seconds from the documented waits: batches go one after another, each with its settle time (R-064, R-089, R-142)."""
    by_method = {
        name_of(one): {"batches": len(one["batches"]), **dict(zip(("at_least_seconds", "at_most_seconds"), _bounds(one), strict=True))}
        for one in passes
    }
    return {
        "batches": sum(item["batches"] for item in by_method.values()),
        "at_least_seconds": sum(item["at_least_seconds"] for item in by_method.values()),
        "at_most_seconds": sum(item["at_most_seconds"] for item in by_method.values()),
        "by_method": by_method,
    }


def _bounds(one: Mapping[str, Any]) -> tuple[int, int]:
    usual = batch_seconds(one["method"])
    each = [tuple(batch.get("seconds") or usual) for batch in one["batches"]]
    return sum(item[0] for item in each), sum(item[1] for item in each)


def batch_seconds(method: str) -> tuple[int, int]:
    """Shortest and longest documented time of one batch, in seconds, its settle time included."""
    method = method_of(method)
    if method == "dlms":  # without an image to send: an interrupted upgrade that is looked at
        shortest, longest = _image_seconds(0, None)
        return shortest, longest
    documented = constants.CARD_RESET_MIN if method == "ftp" else constants.EXPECTED_DURATION
    most = constants.TOOL_DEADLINE if method in ("tool", "ion") else constants.HARD_TIMEOUT
    more = constants.ION_PROGRAMMING.number if method == "ion" else 0
    return int(documented.number + constants.SETTLE.number), int(most.number + more + constants.SETTLE.number)


def _deadlines() -> dict[str, int]:
    """After how many seconds each state of a meter ends by itself; nothing waits for ever (F-01, R-064, R-142, R-149)."""
    silent = constants.CARD_RESET.number + constants.LATE_GRACE.number
    return {
        "leased": int(constants.LEASE_WAIT.number),
        "in_progress": int(constants.HARD_TIMEOUT.number),
        "stalled": int(constants.STALL.number + constants.STALL_NO_PROGRESS.number),
        "restarting": int(silent),
        "not_responding": int(constants.PARKED_LOOK.number),
        "failed_retryable": int(constants.RETRY_HOLD.number),
        "handed_over": int(constants.HANDOVER_HOLD.number),
        "settling": int(constants.SETTLE.number),
        "image_check": int(constants.DLMS_VERIFY_LIMIT.number),
        "activation": int(constants.DLMS_ACTIVATION_LIMIT.number),
        "activated_unconfirmed": int(constants.DLMS_SELF_TEST_LIMIT.number),
    }
