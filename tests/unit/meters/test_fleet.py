# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One pass over many meters: bounds, retries, deadlines, and that one meter never spoils it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import fleet
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.fleet import FleetOptions, Job, read_fleet


class Line:
    """Stands in for the meters and counts who is read at the same time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
        self.order: list[str] = []
        self.fails: dict[str, list[BaseException]] = {}
        monkeypatch.setattr(fleet.pm5000, "read", self.read)

    async def read(self, target: Target, *dummy: Any) -> dict[str, Any]:
        keys = ["all", target.gateway or target.host]
        self.tries[target.name] += 1
        self.order.append(target.name)
        for key in keys:
            self.now[key] += 1
            self.most[key] = max(self.most[key], self.now[key])
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self.fails.get(target.name):
                raise self.fails[target.name].pop(0)
            return {"name": target.name}
        finally:
            for key in keys:
                self.now[key] -= 1


def job(name: str, gateway: str | None = None, host: str | None = None, unit: int = 255) -> Job:
    return Job(Target(name, host or f"192.0.2.{name}", {"modbus": 502}, unit, gateway=gateway))


def go(jobs: list[Job], **options: Any) -> dict[str, Any]:
    return asyncio.run(read_fleet(jobs, FleetOptions(**options)))


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


def test_every_meter_has_a_result_in_the_order_given(line: Line) -> None:
    names = [str(n) for n in range(1, 60)]
    assert list(go([job(name) for name in names], concurrency=7)) == names
    assert line.most["all"] == 7


def test_a_gateway_is_asked_for_one_meter_at_a_time_and_the_others_go_on(line: Line) -> None:
    jobs = [job(f"g{n}", gateway="riser") for n in range(20)] + [job(str(n)) for n in range(20)]
    assert len(go(jobs, concurrency=50)) == 40
    assert line.most["riser"] == 1
    assert line.most["all"] > 5
    line.most.clear()
    go(jobs, concurrency=50, per_gateway=3)
    assert line.most["riser"] == 3


def test_units_behind_one_address_share_it(line: Line) -> None:
    go([job(f"u{n}", host="192.0.2.9", unit=n) for n in range(1, 10)], concurrency=50)
    assert line.most["192.0.2.9"] == 1


def test_a_meter_that_cannot_be_reached_is_tried_once_more_and_later(line: Line) -> None:
    line.fails = {"1": [DeviceError("facts", "transport_failed", "x")], "2": [DeviceError("facts", "transport_failed", "x")] * 2}
    results = go([job("1"), job("2"), job("3")], concurrency=1)
    assert results["1"] == {"name": "1"}
    assert isinstance(results["2"], DeviceError)
    assert line.tries == {"1": 2, "2": 2, "3": 1}
    assert line.order[:3] == ["1", "2", "3"]


def test_a_retry_behind_a_gateway_waits_for_the_others(line: Line) -> None:
    line.fails = {"a": [DeviceError("facts", "transport_failed", "x")]}
    results = go([job(name, gateway="g") for name in "abc"], concurrency=10)
    assert line.order == ["a", "b", "c", "a"]
    assert results["a"] == {"name": "a"}
    assert line.most["g"] == 1


def test_what_will_not_change_is_not_tried_again(line: Line) -> None:
    line.fails = {"1": [DeviceError("facts", "identity_unreadable", "x")]}
    go([job("1")])
    assert line.tries["1"] == 1


def test_no_retry_when_none_is_wanted(line: Line) -> None:
    line.fails = {"1": [DeviceError("facts", "transport_failed", "x")]}
    go([job("1")], retries=0)
    assert line.tries["1"] == 1


def test_an_error_nobody_foresaw_belongs_to_its_meter_alone(line: Line) -> None:
    line.fails = {"2": [KeyError("secret")]}
    results = go([job("1"), job("2"), job("3")])
    assert isinstance(results["2"], KeyError)
    assert results["1"] == {"name": "1"} and results["3"] == {"name": "3"}


def test_a_meter_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(target: Target, *dummy: Any) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    monkeypatch.setattr(fleet.pm5000, "read", never)
    result = go([job("1")], deadline=0.01)["1"]
    assert isinstance(result, DeviceError) and result.reason == "deadline_exceeded"


@pytest.mark.parametrize(
    "bad", [{"concurrency": 0}, {"concurrency": 5000}, {"per_gateway": 0}, {"retries": 2}, {"deadline": 0}, {"deadline": 1e9}]
)
def test_options_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        FleetOptions(**bad).check()


def test_no_meters_is_no_error() -> None:
    assert go([]) == {}


# -- DLMS meters in the same pass ---------------------------------------------------------------------------------------


class DlmsLine:
    """Stands in for DLMS meters, which are read in threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lock = threading.Lock()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.asked: list[tuple[str, frozenset[str], object, float]] = []
        self.fails: dict[str, list[BaseException]] = {}
        monkeypatch.setattr(fleet.mcs301, "read_target", self.read)

    def read(self, target: Target, subsets: frozenset[str], counters: object, seconds: float) -> dict[str, Any]:
        key = target.gateway or target.host
        with self.lock:
            self.asked.append((target.name, subsets, counters, seconds))
            self.now[key] += 1
            self.most[key] = max(self.most[key], self.now[key])
        try:
            assert threading.current_thread() is not threading.main_thread()
            if self.fails.get(target.name):
                raise self.fails[target.name].pop(0)
            return {"name": target.name, "family": "mcs301"}
        finally:
            with self.lock:
                self.now[key] -= 1


def dlms_job(name: str, gateway: str | None = None, counters: Any = None) -> Job:
    target = Target(name, f"192.0.2.{name}", {"dlms": 4059}, 255, gateway=gateway, family="mcs301", dlms=Dlms())
    return Job(target, counters=counters)


def test_families_are_read_in_one_pass_each_with_its_own_subsets(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    dlms, counters = DlmsLine(monkeypatch), object()
    jobs = [job("1"), dlms_job("2", counters=counters), job("3"), dlms_job("4", counters=counters)]
    found = go(jobs, subsets=frozenset({"identity", "lock", "transfer"}), deadline=7.0)
    assert [(name, facts.get("family")) for name, facts in found.items()] == [("1", None), ("2", "mcs301"), ("3", None), ("4", "mcs301")]
    assert {asked[1:] for asked in dlms.asked} == {(frozenset({"identity", "transfer"}), counters, 7.0)}


def test_a_gateway_of_both_families_is_asked_for_one_meter_at_a_time(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    dlms = DlmsLine(monkeypatch)
    go([dlms_job(str(n), "riser") for n in range(1, 9)] + [job(f"m{n}", "riser") for n in range(4)], concurrency=50)
    assert (dlms.most["riser"], line.most["riser"], len(dlms.asked)) == (1, 1, 8)


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (DeviceError("connect", "transport_failed", "nobody there"), 2),
        (DeviceError("facts", "transport_failed", "the line broke"), 2),
        (DeviceError("association", "transport_failed", "the meter closed the connection"), 1),
        (DeviceError("association", "dlms_auth_failed", "wrong keys"), 1),
    ],
)
def test_a_login_that_failed_is_never_tried_again(monkeypatch: pytest.MonkeyPatch, fault: DeviceError, tries: int) -> None:
    dlms = DlmsLine(monkeypatch)
    dlms.fails["5"] = [fault, fault]
    found = go([dlms_job("5"), dlms_job("6")])
    assert isinstance(found["5"], DeviceError) and found["6"]["name"] == "6"
    assert [asked[0] for asked in dlms.asked].count("5") == tries
