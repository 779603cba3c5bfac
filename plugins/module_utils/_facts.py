# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the facts of one meter and of a fleet have in common, whichever front runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ._argspec import ATTEST_SPEC, CONNECTION_SPEC, check_attest, merge_specs, target_from
from ._dlms_options import needs_counters
from ._engine.base.errors import DeviceError, InputError, MeteringError
from ._engine.base.target import Target
from ._engine.catalogue.accept import check_words
from ._engine.meters import hep, mcs301, pm5000
from ._engine.meters.families import MIN, parse_subsets, subsets_of
from ._engine.meters.fleet import MOST_THREADS, FleetOptions, Job, read_fleet
from ._engine.wire.dlms.counters import BlockCounters, CounterStore, MemoryCounters
from ._engine.wire.loop import run
from ._errors import describe_error, internal_error

GATHER_SPEC: dict[str, Any] = {
    "gather_subset": {"type": "list", "elements": "str"},
    "profile": {"type": "raw"},
    "records": {"type": "str"},
}
#: Counters for a jump host: a block, or in a fleet one BY_NAME of each meter; travels sealed and is no option of anybody.
#: ASK wants to know what the meters tell.
BLOCKS = "counter_blocks"
ASK = "ask"
BY_NAME = "by_name"

FACTS_SPEC: dict[str, Any] = merge_specs(
    CONNECTION_SPEC,
    ATTEST_SPEC,
    GATHER_SPEC,
    {"web_profile": {"type": "raw"}, "security_profile": {"type": "raw"}, "accept": {"type": "list", "elements": "str", "default": []}},
)

FLEET_SPEC: dict[str, Any] = merge_specs(
    GATHER_SPEC,
    {
        "meters": {"type": "list", "elements": "raw"},
        "concurrency": {"type": "int", "default": 200},
        "per_gateway": {"type": "int", "default": 1},
        "deadline": {"type": "float", "default": 30.0},
        "retries": {"type": "int", "default": 1},
        "max_error_share": {"type": "float", "default": 1.0},
        "sealed": {"type": "str", "no_log": True},
    },
)

#: The parts of the facts for which a profile's registers are used.
PROFILED = frozenset({"lock", "security", "energies"})
JOB_OPTIONS = ("name", "host", "family", "unit_id", "ports", "timeouts", "gateway", "attest", "profile", "dlms", "dlms_keys")
#: The keys of each meter of a fleet, by its name: apart from the list of meters, so that they travel sealed.
FLEET_KEYS = "fleet_keys"

Counters = Callable[[], CounterStore]


def gather(params: Mapping[str, Any], name: str, counters: Counters | None = None) -> dict[str, Any]:
    """The result of ``meter_facts``. ``counters`` gives the store of an association with keys. Raises MeteringError."""
    asked = parse_subsets(params.get("gather_subset") or ["all"])
    target = target_from(params, name)
    subsets = subsets_of(target.family, asked)
    web = "web" in subsets
    profile = profile_value(params.get("profile")) if web or subsets & PROFILED else None
    web_profile = profile_value(params.get("web_profile"), "web_profile") if web else None
    attest = check_attest(params.get("attest"))
    if target.family == mcs301.FAMILY:
        return _gather_dlms(params, target, subsets, counters)
    if target.family == hep.FAMILY:
        own = profile_value(params.get("security_profile"), "security_profile")
        facts = run(hep.read(target, subsets, own or profile, attest))
    elif web:
        facts = _with_web(target, subsets, profile, web_profile, attest)
    else:
        facts = run(pm5000.read(target, subsets, profile, attest))
    return {"changed": False, "ansible_facts": {"meter": facts}}


def _gather_dlms(params: Mapping[str, Any], target: Target, subsets: frozenset[str], counters: Counters | None) -> dict[str, Any]:
    """Facts over DLMS/COSEM; on a jump host first only what the meter tells of its counters, then with those reserved for it."""
    blocks = params.get(BLOCKS)
    if blocks == ASK:
        return {"changed": False, "floor": mcs301.counter_floor(target)}
    facts = mcs301.read_target(target, subsets, _store(target, blocks, counters), accept_reset=accepts_reset(params))
    return {"changed": False, "ansible_facts": {"meter": facts}}


def accepts_reset(params: Mapping[str, Any]) -> bool:
    """Whether a counter that went back or far ahead is taken; other words of ``accept`` are for other modules. Raises InputError."""
    return "counter_reset" in check_words(params.get("accept") or ())


def _store(target: Target, blocks: Any, counters: Counters | None) -> CounterStore:
    """Where this meter's counters come from: nowhere without keys, the block of a jump host, else the records."""
    if not needs_counters(target.dlms):
        return MemoryCounters()
    if isinstance(blocks, Mapping):
        return BlockCounters(int(blocks["first"]), int(blocks["count"]))
    if counters is None:
        raise InputError("dlms", "an association with keys", "a task on the control node, whose records keep the counters", "wire-dlms 4.4")
    return counters()


def counter_floor(target: Target) -> int:
    """As ``mcs301.counter_floor``, for the actions of other modules."""
    return mcs301.counter_floor(target)


def _with_web(target: Target, subsets: frozenset[str], profile: Any, web_profile: Any, attest: Mapping[str, Any]) -> dict[str, Any]:
    """Webpages after Modbus. The library for them takes longer to load than a meter takes to be read, so only who asks waits for it."""
    from ._engine.meters import pm5000_web
    from ._engine.profiles.expressions import require_library as require_expressions
    from ._engine.wire.web import require_library

    require_library()
    pm5000_web.account(target)
    for given in (profile, web_profile):
        if given is not None:
            require_expressions(given)
    facts = run(pm5000.read(target, subsets | {"firmware"}, profile, attest))  # the version tells which pages there are
    pm5000_web.add_web(facts, target, pm5000_web.choose(facts, profile, web_profile))
    return facts


def profile_value(profile: Any, option: str = "profile") -> Mapping[str, Any] | None:
    """A profile's content. Names are looked up on the controller, before this. Raises InputError."""
    if profile is None or isinstance(profile, Mapping):
        return profile
    raise InputError(option, profile, "a profile's content; its name is looked up on the controller only", "design 3")


def gather_fleet(params: Mapping[str, Any], counters: Counters | None = None) -> dict[str, Any]:
    """The result of ``meter_fleet_info``. Raises MeteringError for bad options, never for one meter."""
    options = fleet_options(params)
    share = float(params["max_error_share"])
    if not 0 <= share <= 1:
        raise InputError("max_error_share", share, "a share from 0 to 1", "design 3")
    profile = profile_value(params.get("profile")) if options.subsets & PROFILED else None
    jobs: dict[str, Job] = {}
    meters: dict[str, dict[str, Any]] = {}
    keys, blocks, store = params.get(FLEET_KEYS) or {}, params.get(BLOCKS), _once(counters)
    for entry in params.get("meters") or ():
        name = _name(entry)
        if name in meters or name in jobs:
            raise InputError("meters", name, "each meter once", "design 3")
        try:
            jobs[name] = _job({"dlms_keys": keys.get(name), **entry}, name, profile)
        except InputError as exc:
            meters[name] = _failed(exc)
    if blocks == ASK:
        return {"changed": False, "floors": _floors(jobs.values(), options)}
    for name, job in list(jobs.items()):
        if job.target.family == mcs301.FAMILY and needs_counters(job.target.dlms):
            block = blocks[BY_NAME].get(name) if isinstance(blocks, Mapping) else None
            if isinstance(blocks, Mapping) and block is None:  # it was not there when it was asked
                del jobs[name]
                meters[name] = _failed(DeviceError("connect", "transport_failed", f"{job.gateway} did not answer the first question"))
                continue
            job.counters = _store(job.target, block, store)
    for name, outcome in run(read_fleet(jobs.values(), options)).items():
        meters[name] = {"ok": True, "facts": outcome} if isinstance(outcome, dict) else _failed(outcome)
    return fleet_result(meters, share)


class _InTurn:
    """A counter store for the threads of one pass: whoever comes to write takes what the others wait for along, in one change.

    Each change waits for the disk, so that a fleet would be read no faster than the disk turns.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._waiting: list[tuple[tuple[str, int, int], Future[int]]] = []
        self._list, self._turn = threading.Lock(), threading.Lock()

    def reserve(self, name: str, count: int, floor: int, *, accept_reset: bool = False) -> int:
        """As the store's; many at a time. The word for a reset is for single meters."""
        ticket: Future[int] = Future()
        with self._list:
            self._waiting.append(((name, count, floor), ticket))
        with self._turn:
            if not ticket.done():
                with self._list:
                    batch, self._waiting = self._waiting, []
                self._write(batch)
        return ticket.result()

    def _write(self, batch: list[tuple[tuple[str, int, int], Future[int]]]) -> None:
        try:
            answers = self._store.reserve_many([wanted for wanted, dummy in batch])
        except Exception as exc:
            answers = [exc] * len(batch)
        for (dummy, ticket), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                ticket.set_exception(answer)
            else:
                ticket.set_result(answer)


def _once(counters: Counters | None) -> Counters:
    """The same store for every meter, opened when the first one needs it."""
    opened: list[CounterStore] = []

    def store() -> CounterStore:
        if counters is None:
            raise InputError("meters", "an association with keys", "a control node, whose records keep the counters", "wire-dlms 4.4")
        if not opened:
            found = counters()
            opened.append(_InTurn(found) if hasattr(found, "reserve_many") else found)
        return opened[0]

    return store


def _floors(jobs: Iterable[Job], options: FleetOptions) -> dict[str, int]:
    """What the meters that need counters tell; those that do not answer are left out."""
    asked = [job.target for job in jobs if needs_counters(job.target.dlms)]

    def one(target: Target) -> tuple[str, int | None]:
        try:
            return target.name, mcs301.counter_floor(target)
        except DeviceError:
            return target.name, None

    with ThreadPoolExecutor(max(1, min(options.concurrency, MOST_THREADS, len(asked)))) as threads:
        return {name: floor for name, floor in threads.map(one, asked) if floor is not None}


def fleet_options(params: Mapping[str, Any]) -> FleetOptions:
    """The pass as the options describe it. Raises InputError."""
    given = params.get("gather_subset")
    subsets = parse_subsets(given) if given else MIN
    if "web" in subsets:
        raise InputError("gather_subset", "web", "the other subsets; meter_facts reads webpages, one meter for each task", "design 3")
    return FleetOptions(
        concurrency=params["concurrency"],
        per_gateway=params["per_gateway"],
        deadline=params["deadline"],
        retries=params["retries"],
        subsets=subsets,
    ).check()


def fleet_result(meters: Mapping[str, dict[str, Any]], max_error_share: float) -> dict[str, Any]:
    """Totals beside the meters; failed only where more than the tolerated share could not be read."""
    errors = sorted(name for name, entry in meters.items() if not entry["ok"])
    reasons: dict[str, int] = {}
    for name in errors:
        reason = str(meters[name]["error"]["reason"] or meters[name]["error"]["class"])
        reasons[reason] = reasons.get(reason, 0) + 1
    totals = {"meters": len(meters), "ok": len(meters) - len(errors), "error": len(errors), "reasons": reasons}
    result: dict[str, Any] = {"changed": False, "meters": dict(meters), "totals": totals}
    if meters and len(errors) / len(meters) > max_error_share:
        result["failed"] = True
        result["msg"] = f"{len(errors)} of {len(meters)} meters could not be read, more than the tolerated share of {max_error_share:g}"
    return result


def with_failures(result: dict[str, Any], failures: Mapping[str, BaseException], max_error_share: float) -> dict[str, Any]:
    """The result of a pass, with what is known to be wrong with some meters in place of what was found there."""
    if not failures or "meters" not in result:
        return result
    meters = {**result["meters"], **{name: _failed(exc) for name, exc in failures.items()}}
    return fleet_result(meters, max_error_share)


def _failed(exc: BaseException) -> dict[str, Any]:
    told = describe_error(exc, "facts") if isinstance(exc, MeteringError) else internal_error(exc, "facts")
    return {"ok": False, "msg": told["msg"], "error": told["error"]}


def _name(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        raise InputError("meters", entry, "a list of inventory names, or of dictionaries with name and host", "design 3")
    unknown = sorted(str(key) for key in entry.keys() - set(JOB_OPTIONS))
    if unknown:
        raise InputError("meters", ", ".join(unknown), f"the keys {', '.join(JOB_OPTIONS)}", "design 3")
    name = str(entry.get("name") or entry.get("host") or "")
    if not name:
        raise InputError("meters", "an entry without name and host", "a name or a host in each entry", "design 3")
    return name


def _job(entry: Mapping[str, Any], name: str, profile: Mapping[str, Any] | None) -> Job:
    own = profile_value(entry.get("profile")) if "profile" in entry else profile
    return Job(target_from({"host": name, **entry}, name), own, check_attest(entry.get("attest")))
