# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Where the counters of a fleet come from, and that what is wrong with one meter stays with it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils import _facts
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import mcs301
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.counters import BlockCounters, MemoryCounters

DEFAULTS = {name: spec.get("default") for name, spec in _facts.FLEET_SPEC.items()}
KEYS = {"guek": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "gak": "8899aabbccddeeff0011223344556677"}


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "host": f"192.0.2.{name[1:]}", "family": "mcs301", "dlms": {"system_title": "4D53494D00000001"}, **more}


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The counter store with which each meter was read."""
    seen: dict[str, Any] = {}

    def read_target(target: Target, subsets: Any, counters: Any, *dummy: Any) -> dict[str, Any]:
        seen[target.name] = counters
        return {"serial": target.name}

    monkeypatch.setattr(mcs301, "read_target", read_target)
    return seen


def test_the_records_are_opened_once_and_only_for_meters_with_keys(stores: dict[str, Any]) -> None:
    ledger, opened = MemoryCounters(), []

    def counters() -> MemoryCounters:
        opened.append(True)
        return ledger

    fleet = {**DEFAULTS, "meters": [entry("m1"), entry("m2"), {**entry("m3"), "dlms": None}], "fleet_keys": {"m1": KEYS, "m2": KEYS}}
    result = _facts.gather_fleet(fleet, counters)
    assert (result["totals"]["ok"], len(opened)) == (3, 1)
    assert stores["m1"] is stores["m2"] and stores["m3"] is not stores["m1"]
    assert stores["m1"].reserve("a", 4, 0) == 1 and ledger.next == {"a": 5}
    opened.clear()
    assert _facts.gather_fleet({**DEFAULTS, "meters": [{**entry("m3"), "dlms": None}]}, counters)["totals"]["ok"] == 1
    assert not opened


def test_on_a_jump_host_each_meter_has_its_own_block(stores: dict[str, Any]) -> None:
    blocks = {"by_name": {"m1": {"first": 100, "count": 8}}}
    fleet = {**DEFAULTS, "meters": [entry("m1"), entry("m2")], "fleet_keys": {"m1": KEYS, "m2": KEYS}, "counter_blocks": blocks}
    result = _facts.gather_fleet(fleet)
    assert isinstance(stores["m1"], BlockCounters) and stores["m1"].reserve("", 1, 0) == 100
    assert (result["meters"]["m1"]["ok"], result["meters"]["m2"]["error"]["reason"]) == (True, "transport_failed")


def test_a_jump_host_first_tells_what_the_meters_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def floor(target: Target) -> int:
        if target.name == "m2":
            raise DeviceError("connect", "transport_failed", "nobody there")
        return 42

    monkeypatch.setattr(mcs301, "counter_floor", floor)
    meters = [entry("m1"), entry("m2"), {**entry("m3"), "dlms": None}]
    asked = {**DEFAULTS, "meters": meters, "fleet_keys": {"m1": KEYS, "m2": KEYS}, "counter_blocks": "ask"}
    assert _facts.gather_fleet(asked) == {"changed": False, "floors": {"m1": 42}}


def test_without_records_nothing_is_sent_with_keys() -> None:
    with pytest.raises(InputError, match="records keep the counters"):
        _facts.gather_fleet({**DEFAULTS, "meters": [entry("m1")], "fleet_keys": {"m1": KEYS}})


def test_bad_keys_of_one_meter_are_its_own_error_and_are_not_shown(stores: dict[str, Any]) -> None:
    fleet = {**DEFAULTS, "meters": [entry("m1"), {**entry("m2"), "dlms": None}], "fleet_keys": {"m1": {"guek": "Canary-key-51"}}}
    result = _facts.gather_fleet(fleet, MemoryCounters)
    assert result["totals"] == {"meters": 2, "ok": 1, "error": 1, "reasons": {"input": 1}}
    assert "dlms_keys.guek" in result["meters"]["m1"]["msg"] and "Canary" not in str(result)


def test_a_counter_that_went_back_takes_the_place_of_what_was_read() -> None:
    result = _facts.fleet_result({"m1": {"ok": True, "facts": {}}, "m2": {"ok": True, "facts": {}}}, 1.0)
    told = _facts.with_failures(result, {"m2": DeviceError("association", "dlms_counter_rolled_back", "it went back")}, 0.4)
    assert told["totals"] == {"meters": 2, "ok": 1, "error": 1, "reasons": {"dlms_counter_rolled_back": 1}}
    assert told["failed"] and told["meters"]["m1"]["ok"]
    assert _facts.with_failures(result, {}, 0.4) is result


class _SlowLedger:
    """Refuses one name and counts how often it was written to."""

    def __init__(self) -> None:
        self.changes: list[int] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.broken = False

    def reserve_many(self, wanted: list[tuple[str, int, int]]) -> list[Any]:
        self.begun.set()
        self.gate.wait(10)  # the first one is at work while the others come
        self.changes.append(len(wanted))
        if self.broken:
            raise RecordsError("the disk is full")
        refused = DeviceError("association", "dlms_counter_jump", "far ahead")
        return [refused if name == "bad" else floor + count for name, count, floor in wanted]


@pytest.mark.parametrize("broken", [False, True])
def test_threads_share_one_change_of_the_records_and_each_gets_its_own_answer(broken: bool) -> None:
    ledger = _SlowLedger()
    ledger.broken = broken
    store = _facts._InTurn(ledger)

    def ask(number: int) -> object:
        try:
            return store.reserve("bad" if number == 7 else f"m{number}", 1, number)
        except (DeviceError, RecordsError) as exc:
            return type(exc)

    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(ask, 0)]
        assert ledger.begun.wait(10)
        asked += [threads.submit(ask, number) for number in range(1, 20)]
        while len(store._waiting) < 19:
            threading.Event().wait(0.001)
        ledger.gate.set()
        found = [item.result() for item in asked]
    assert found == ([RecordsError] * 20 if broken else [DeviceError if number == 7 else number + 1 for number in range(20)])
    assert ledger.changes == [1, 19]
