# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Batches and gates (design 4.6): who goes first, who goes together, and whether the next batch may start. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants, enums

GOOD, WAITING, BAD = "good", "waiting", "bad"
ADVANCE, PAUSE, ABORT = "advance", "pause", "abort"

#: Outcomes and reasons after which a firmware may be wrong for every meter: one is enough to stop (F-13, F-16, F-17).
ABORT_ON = ("upgraded_unconfigured", "wrong_version_after", "serial_mismatch", "register_data_loss")
_PERCENT = re.compile(r"([0-9]{1,3})%")


# -- batches ------------------------------------------------------------------------------------------------------


def check_concurrency(value: object) -> int:
    """How many meters may be upgraded at once where the documents give no number (G-18). Raises InputError."""
    ceiling = constants.UNDOCUMENTED_CAP_CEILING.number
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= ceiling:
        raise InputError("metering_concurrency", value, f"a whole number from 1 to {ceiling}", "R-084, G-18")
    return value


def check_batches(sizes: object, concurrency: int) -> tuple[int | str, ...]:
    """Batch sizes as numbers and percentages. Raises InputError for anything else, and for a number above ``concurrency``."""
    given = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
    if not given:
        raise InputError("metering_rollout_batches", sizes, "at least one batch size", "G-18")
    return tuple(_check_size(size, concurrency) for size in given)


def _check_size(size: object, concurrency: int) -> int | str:
    if isinstance(size, str) and size.isascii() and size.isdigit():
        size = int(size)
    if isinstance(size, str) and (match := _PERCENT.fullmatch(size)) and 1 <= int(match.group(1)) <= 100:
        return size
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        accepted = "numbers of meters from 1 up, or percentages from '1%' to '100%'"
        raise InputError("metering_rollout_batches", size, accepted, "G-18")
    if size > concurrency:
        accepted = f"batches of at most {concurrency} (metering_concurrency)"
        raise InputError("metering_rollout_batches", size, accepted, "R-084, G-18")
    return size


def cut_batches(
    hosts: Sequence[str], sizes: Sequence[int | str], concurrency: int, peers: Mapping[str, str | None] | None = None
) -> tuple[tuple[str, ...], ...]:
    """Cut hosts, in their order, into batches.

    ``sizes`` are used one after another, the last one again and again. A percentage is of all hosts, at least one and never
    above ``concurrency``. Hosts that share a peer group (a gateway, a ring) never meet in a batch: the later one waits.
    """
    checked = check_batches(list(sizes), check_concurrency(concurrency))
    groups = peers or {}
    waiting = list(dict.fromkeys(hosts))
    total = len(waiting)
    batches: list[tuple[str, ...]] = []
    while waiting:
        size = _resolve(checked[min(len(batches), len(checked) - 1)], total, concurrency)
        batch = _fill(waiting, size, groups)
        batches.append(batch)
        waiting = [host for host in waiting if host not in set(batch)]
    return tuple(batches)


def _resolve(size: int | str, total: int, concurrency: int) -> int:
    if isinstance(size, str):
        return max(1, min(concurrency, total * int(size.rstrip("%")) // 100))
    return size


def _fill(waiting: Sequence[str], size: int, groups: Mapping[str, str | None]) -> tuple[str, ...]:
    batch: list[str] = []
    taken: set[str] = set()
    for host in waiting:
        group = groups.get(host)
        if group and group in taken:
            continue
        batch.append(host)
        if group:
            taken.add(group)
        if len(batch) == size:
            break
    return tuple(batch)


# -- waves --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wave:
    """One step of a campaign: ``hosts`` by name, or ``size`` (a number or a percentage of all), or whoever is left.

    ``soak`` is in meter seconds, spent after the wave's last batch and before its meters are read again (F-36).
    """

    name: str = "all"
    size: int | str | None = None
    hosts: tuple[str, ...] = ()
    batches: tuple[int | str, ...] = ()
    gate: Mapping[str, Any] = field(default_factory=dict)
    soak: float = 0.0
    on_success: str = ADVANCE

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the plan."""
        return {
            "name": self.name,
            "batches": list(self.batches),
            "gate": dict(self.gate),
            "soak": self.soak,
            "on_success": self.on_success,
        }


def assign_waves(hosts: Sequence[str], waves: Sequence[Wave], done: int = 0) -> list[tuple[Wave, tuple[str, ...]]]:
    """Each host in exactly one wave, in the order of ``hosts``. Named hosts are kept for their wave; a wave may be empty.

    Hosts that no wave takes go into a last one named ``rest``, under the rules of the campaign. ``done`` meters were upgraded
    by an earlier run of the campaign; they fill the first places, so that a paused campaign goes on where it was.
    """
    named = {host for wave in waves for host in wave.hosts}
    left = [host for host in dict.fromkeys(hosts) if host not in named]
    total = done + len(set(hosts))
    present = set(hosts)
    assigned: list[tuple[Wave, tuple[str, ...]]] = []
    for wave in waves:
        if wave.hosts:
            taken = [host for host in dict.fromkeys(wave.hosts) if host in present]
            present -= set(taken)
        else:
            places = len(left) + done if wave.size is None else _resolve(wave.size, total, max(total, 1))
            filled = min(done, places)
            done -= filled
            taken = left[: places - filled]
            left = left[len(taken) :]
        assigned.append((wave, tuple(taken)))
    if left:
        assigned.append((Wave("rest" if waves else "all"), tuple(left)))
    return assigned


def spread(hosts: Sequence[str], kinds: Mapping[str, str]) -> list[str]:
    """The hosts so that each kind of hardware comes early: a canary of one hardware batch proves nothing of another (F-36)."""
    queues: dict[str, list[str]] = {}
    for host in hosts:
        queues.setdefault(kinds.get(host, ""), []).append(host)
    longest = max((len(queue) for queue in queues.values()), default=0)
    return [queue[place] for place in range(longest) for queue in queues.values() if place < len(queue)]


# -- gate ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """When a rollout stops. Shares are 0 to 1, of meters that ended good or bad by an upgrade; blocked ones prove nothing."""

    min_success_share: float = 0.8
    min_sample: int = 5
    max_failures: int | None = None
    max_by_kind: Mapping[str, int] = field(default_factory=lambda: {"comms_lost": 2})
    abort_on: tuple[str, ...] = ABORT_ON


@dataclass(frozen=True)
class Verdict:
    """What the gate says, and why, in one sentence."""

    action: str
    text: str
    good: int
    bad: int
    judged: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a result."""
        return {"action": self.action, "text": self.text, "good": self.good, "bad": self.bad, "judged": self.judged}


def kind_of(outcome: str) -> str:
    """``good``, ``waiting`` (a later run goes on from there; also no outcome yet) or ``bad``."""
    if outcome in enums.GOOD_OUTCOMES:
        return GOOD
    return WAITING if not outcome or outcome in enums.RESTING_STATES else BAD


def check_policy(given: Mapping[str, Any] | None) -> Policy:
    """A policy from options. Raises InputError."""
    values = {key: value for key, value in (given or {}).items() if value is not None}
    default = Policy()
    for key in values:
        if key not in default.__dataclass_fields__:
            raise InputError("metering_gate", key, f"one of {', '.join(default.__dataclass_fields__)}", "F-22")
    share = values.get("min_success_share", default.min_success_share)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise InputError("metering_gate.min_success_share", share, "a share from 0 to 1", "F-22")
    kinds = values.get("max_by_kind", default.max_by_kind)
    if not isinstance(kinds, Mapping):
        raise InputError("metering_gate.max_by_kind", kinds, "a dictionary of outcome or reason to number", "F-22")
    words = values.get("abort_on", default.abort_on)
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise InputError("metering_gate.abort_on", words, "a list of outcomes or reasons", "F-22")
    return Policy(
        min_success_share=float(share),
        min_sample=_count("min_sample", values.get("min_sample", default.min_sample), 1),
        max_failures=None if values.get("max_failures") is None else _count("max_failures", values["max_failures"], 0),
        max_by_kind={str(kind): _count(f"max_by_kind.{kind}", number, 0) for kind, number in kinds.items()},
        abort_on=tuple(str(word) for word in words),
    )


def _count(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"metering_gate.{name}", value, f"a whole number from {least} up", "F-22")
    return value


def judge(outcomes: Mapping[str, Mapping[str, Any]], batch: Iterable[str], policy: Policy) -> Verdict:
    """Whether the next batch may start, from all outcomes so far (host to outcome and reason) and the batch just ended.

    Abort means that the firmware or the plan is in doubt; pause that something outside may be wrong and the same campaign
    can go on later. Meters that were current before the rollout must not be among ``outcomes``.
    """
    ended = {host: row for host, row in outcomes.items() if _judged(str(row.get("outcome") or ""))}
    good = sum(1 for row in ended.values() if kind_of(str(row["outcome"])) == GOOD)
    bad = len(ended) - good

    def verdict(action: str, text: str) -> Verdict:
        return Verdict(action, text, good, bad, len(ended))

    for word in policy.abort_on:
        for host, row in ended.items():
            if word in (row["outcome"], row.get("reason")) and kind_of(str(row["outcome"])) == BAD:
                return verdict(ABORT, f"{host} ended with {word}, which may hit every meter: nothing more is started")
    if policy.max_failures is not None and bad > policy.max_failures:
        return verdict(ABORT, f"{bad} meters failed; at most {policy.max_failures} may")
    if len(ended) >= policy.min_sample and good < policy.min_success_share * len(ended):
        return verdict(ABORT, f"{good} of {len(ended)} upgrades succeeded, below the share of {policy.min_success_share:.0%}")
    kinds = Counter(word for row in ended.values() if kind_of(str(row["outcome"])) == BAD for word in _kinds(row))
    for kind, most in policy.max_by_kind.items():
        if kinds[kind] > most:
            return verdict(PAUSE, f"{kinds[kind]} meters ended with {kind}; at most {most} may")
    if bad and not good:
        return verdict(PAUSE, f"no upgrade has succeeded yet and {_number(bad)} failed: the canary speaks against going on")
    last = [ended[host] for host in batch if host in ended]
    if len(last) > 1 and all(kind_of(str(row["outcome"])) == BAD for row in last):
        return verdict(PAUSE, f"all {len(last)} upgrades of the last batch failed")
    return verdict(ADVANCE, f"{good} of {len(ended)} upgrades succeeded" if ended else "no upgrade has ended yet")


def _judged(outcome: str) -> bool:
    """Whether an upgrade ended here: a meter that was blocked, skipped or is still to come says nothing of the firmware."""
    return kind_of(outcome) != WAITING and outcome not in ("blocked", "attempts_exhausted", "skipped_by_abort", "current")


def _kinds(row: Mapping[str, Any]) -> set[str]:
    return {str(row["outcome"]), str(row.get("reason") or "")} - {""}


def _number(count: int) -> str:
    return "one" if count == 1 else str(count)


def summarize(outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Counts by outcome and by kind over planned meters; the counts add up to ``planned`` (invariant h)."""
    names = Counter(str(row.get("outcome") or "none") for row in outcomes.values())
    kinds = Counter(kind_of(str(row.get("outcome") or "")) for row in outcomes.values())
    return {
        "planned": len(outcomes),
        "by_outcome": dict(sorted(names.items())),
        "good": kinds[GOOD],
        "waiting": kinds[WAITING],
        "bad": kinds[BAD],
    }
