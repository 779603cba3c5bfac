# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The plan of a change of security over many meters, as it goes to review: what each would have changed, in which batches (R-116). Pure.

It is made of what check mode found, and holds no secret, no time and no name of a person: the same fleet in the same state gives the same digest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants
from . import waves
from .plan import plan_digest

SCHEMA, SCHEMA_VERSION = "gridops.metering/security-plan", 1
#: The name of the only pass, by which windows ask how long a batch lasts.
METHOD = "security"
CHANGE, HANDOVER, CURRENT, BLOCKED, UNSEEN = "change", "handover", "current", "blocked", "unseen"
STATES = (CHANGE, HANDOVER, CURRENT, BLOCKED, UNSEEN)
_WHAT, _DIGEST = "metering_security_plan_file", "metering_security_plan_digest"


def batches(
    hosts: Sequence[str], sizes: Sequence[Any], concurrency: int, peers: Mapping[str, str | None] | None = None
) -> list[dict[str, Any]]:
    """The only pass, with its batches, in the form of a plan of upgrades. Raises InputError."""
    found = waves.cut_batches(list(hosts), list(sizes), concurrency, peers)
    seconds = [int(constants.HARDEN_SHORTEST.number), int(constants.HARDEN_LONGEST.number)]
    cut = [{"wave": "", "meters": list(batch), "seconds": seconds} for batch in found]
    return [{"method": METHOD, "pass": METHOD, "batches": cut}] if cut else []


def entry(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the plan says of one meter, from the result of meter_security in check mode. Its sentences stay out: they are not stable."""
    outcome, changes = str(result.get("outcome") or ""), list(result.get("plan") or ())
    state = _state(outcome, changes, bool(result.get("handover")))
    reason = str(result.get("reason") or (result.get("error") or {}).get("reason") or "")
    return {
        "host": host,
        "serial": str(result.get("serial") or ""),
        "model": str(result.get("model") or ""),
        "channel": str(result.get("channel") or ""),
        "state": state,
        "reason": reason if state == BLOCKED else "",
        "accept": sorted(result.get("needed_accept") or ()),
        "changes": changes if state in (CHANGE, HANDOVER) else [],
    }


def _state(outcome: str, changes: Sequence[object], handed: bool) -> str:
    if outcome == "planned":
        return HANDOVER if handed else CHANGE if changes else UNSEEN
    return CURRENT if outcome == CURRENT else BLOCKED


def build(
    results: Mapping[str, Mapping[str, Any]],
    profile: Mapping[str, Any],
    campaign: Mapping[str, Any],
    sizes: Sequence[Any],
    concurrency: int,
    peers: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """The document. ``results`` in the order of the inventory, ``campaign`` as its file says it, with the gate. Raises InputError."""
    entries = {host: entry(host, result) for host, result in results.items()}
    todo = [host for host, item in entries.items() if item["state"] in (CHANGE, HANDOVER)]
    counts = Counter(item["state"] for item in entries.values())
    plan: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "baseline": {name: str(value) for name, value in profile.items()},
        "campaign": json.loads(json.dumps(campaign, default=str)),
        "concurrency": concurrency,
        "meters": [entries[host] for host in sorted(entries)],
        "passes": batches(todo, sizes, concurrency, peers),
        "counts": {state: counts[state] for state in STATES},
    }
    return {**plan, "digest": plan_digest(plan)}


def read(text: str, digest: str = "") -> dict[str, Any]:
    """A reviewed plan from its file, untouched since it was made, and the one that was asked for. Raises InputError."""
    try:
        plan = json.loads(text)
    except ValueError:
        plan = None
    if not isinstance(plan, dict) or plan.get("schema") != SCHEMA or not isinstance(plan.get("meters"), list):
        raise InputError(_WHAT, "the file", "a security-plan.json that the playbook plan, or harden in check mode, wrote", "R-116")
    if plan.get("schema_version") != SCHEMA_VERSION:
        raise InputError(_WHAT, f"version {plan.get('schema_version')}", f"a plan of version {SCHEMA_VERSION}: plan again", "R-116")
    own = plan_digest(plan)
    if plan.get("digest") != own:
        raise InputError(_WHAT, plan.get("digest"), f"an unchanged plan; what the file holds has the digest {own}", "R-116")
    if digest and digest != own:
        raise InputError(_DIGEST, digest, f"the digest of the plan in {_WHAT}, {own}", "R-116")
    return plan


def limited(plan: Mapping[str, Any], hosts: Iterable[str]) -> dict[str, Any]:
    """The reviewed plan for the meters of this run; its digest stays. Meters that it does not know are left alone, and named."""
    here = list(hosts)
    known = {item["host"] for item in plan["meters"]}
    present = known & set(here)
    passes = []
    for one in plan["passes"]:
        kept = [{**batch, "meters": [host for host in batch["meters"] if host in present]} for batch in one["batches"]]
        kept = [batch for batch in kept if batch["meters"]]
        passes += [{**one, "batches": kept}] if kept else []
    return {
        **plan,
        "meters": [item for item in plan["meters"] if item["host"] in present],
        "passes": passes,
        "unplanned": sorted(set(here) - known),
    }


def expectations(plan: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The option ``expect`` of meter_security for each meter that is worked on."""
    worked_on = [item for item in plan["meters"] if item["state"] in (CHANGE, HANDOVER)]
    return {item["host"]: {"serial": item["serial"], "changes": item["changes"]} for item in worked_on}


def left_alone(plan: Mapping[str, Any]) -> dict[str, str]:
    """Why the plan has nothing for a meter that may need something."""
    words = {BLOCKED: "blocked in the reviewed plan", UNSEEN: "nobody could sign in when the reviewed plan was made"}
    return {
        item["host"]: words[item["state"]] + (f" ({item['reason']})" if item["reason"] else "")
        for item in plan["meters"]
        if item["state"] in words
    }


def table(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each meter."""
    place = {host: number for one in plan["passes"] for number, batch in enumerate(one["batches"], start=1) for host in batch["meters"]}
    return [
        {
            "meter": item["host"],
            "serial": item["serial"],
            "model": item["model"],
            "state": item["state"],
            "changes": len(item["changes"]) or "",
            "batch": place.get(item["host"], ""),
            "accept": ", ".join(item["accept"]),
            "reason": item["reason"],
        }
        for item in plan["meters"]
    ]


def sentence(plan: Mapping[str, Any]) -> str:
    """The plan in a sentence, with its digest."""
    counts = plan["counts"]
    changes = sum(len(item["changes"]) for item in plan["meters"] if item["state"] == CHANGE)
    left = ", ".join(f"{counts[state]} {state}" for state in STATES[1:] if counts[state])
    return f"{changes} changes on {counts[CHANGE]} of {sum(counts.values())} meters{f'; {left}' if left else ''}"


def lines(plan: Mapping[str, Any]) -> list[str]:
    """Every change of every meter, with the value before and after."""
    found = []
    for item in plan["meters"]:
        found += [f"{item['host']}: {_change(change)}" for change in item["changes"]]
    unseen = [item["host"] for item in plan["meters"] if item["state"] == UNSEEN]
    if unseen:
        shown = ", ".join(unseen[:5]) + (" and more" if len(unseen) > 5 else "")
        found.append(f"Nobody signed in to {shown}: run an audit first, or plan with metering_check_login: true")
    return found


def _change(change: Mapping[str, Any]) -> str:
    have = "" if change["have"] is None else f"{_shown(change['have'])} to "
    by_hand = ", by a person" if change["kind"] == HANDOVER else ""
    subject = f" ({change['subject']})" if change["subject"] and str(change["subject"]) not in str(change["control"]) else ""
    secret = ", with a password" if change["kind"] == "user_add" else ""
    return f"{change['control']}{subject}: {have}{_shown(change['want'])}{secret}{by_hand}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return {True: "on", False: "off", None: "removed"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)
