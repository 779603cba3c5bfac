# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""HEP meters in the plan: two passes by one method, security from hop to hop, what goes alone, what is reviewed, what is left open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import review, waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.plan import MeterState, PackageInfo, Settings
from ansible_collections.gridops.metering.plugins.plugin_utils import _rollout as rollout

requirement = pytest.mark.requirement
PACKAGES = (
    PackageInfo(("ION9000", "PM8000"), "3.0.0", "ion", 1000, "p3", "d3", min_ion_setup="3.2.20218.01"),
    PackageInfo(("ION9000", "PM8000"), "4.0.0", "ion", 2000, "p4", "d4", min_ion_setup="3.2.22341.01"),
    PackageInfo(("ION7400",), "3.0.0", "ion", 3000, "bare", "db", bare=True),
)
TARGETS = {"ION9000": "4.0.0", "PM8000": "4.0.0", "ION7400": "3.0.0"}


def meter(host: str, version: str = "2.4.1", model: str = "ION9000", **more: Any) -> MeterState:
    given = {
        "serial": f"S-{host}",
        "accept": frozenset({"irreversible"}),
        "setup_version": "3.2.22341.01",
        "security_mode": "standard",
        **more,
    }
    return MeterState(host=host, address="192.0.2.1", model=model, version=version, **given)


def plan(*meters: MeterState, **settings: Any) -> dict[str, Any]:
    return planning.build_plan(meters, TARGETS, PACKAGES, Settings(batches=(5,), concurrency=5, **settings))


def passes(document: dict[str, Any]) -> dict[str, list[list[str]]]:
    return {one["pass"]: [batch["meters"] for batch in one["batches"]] for one in document["passes"]}


def entry(document: dict[str, Any], host: str) -> dict[str, Any]:
    return dict(next(item for item in document["meters"] if item["host"] == host))


@requirement("R-163", "R-189", "R-245", "R-252", "X-12", "G-18")
def test_two_hops_by_one_method_are_two_passes() -> None:
    document = plan(meter("a"), meter("b", "3.1.0", security_mode="legacy_support"), meter("c", "4.0.0"))
    assert passes(document) == {"ion": [["a", "b"]], "ion_2": [["a"]]}
    found = entry(document, "a")
    assert found["passes"] == ["ion", "ion_2"] and found["bytes_to_send"] == 3000
    assert {name: item["versions"] for name, item in found["expect"].items()} == {"ion": ["2.4.1"], "ion_2": ["3.0.0"]}
    assert [(hop["row"], hop["ion_setup"]) for hop in found["hops"]] == [("H-1", "3.2.20218.01"), ("H-2", "3.2.22341.01")]
    assert [(item["before"], item["mode"], item["users_removed"]) for item in found["security"]] == [
        ("standard", "legacy_support", True),
        ("legacy_support", "legacy_support", False),
    ]
    assert set(document["estimate"]["by_method"]) == {"ion", "ion_2"}
    lines = planning.notes(document)
    assert "2.4.1 to 3.0.0: security standard to legacy_support, all users deleted (a)" in lines
    assert any(line.startswith("Pass ion_2: batches of 1") for line in lines)


@requirement("G-11")
def test_a_mode_that_nobody_knows_is_said() -> None:
    document = plan(meter("a", security_mode="none"))
    assert any("security none to unknown, to be looked at, users unknown" in line for line in planning.notes(document))


@requirement("R-164", "R-167", "R-175", "R-177", "G-19")
def test_obstacles_that_the_plan_sees() -> None:
    old = entry(plan(meter("a", "3.0.0", setup_version="3.2.20218.01")), "a")
    assert [item["reason"] for item in old["obstacles"]] == ["engine_too_old"]
    bare = entry(plan(meter("a", model="ION7400", setup_version="")), "a")
    assert [item["reason"] for item in bare["obstacles"]] == ["artifact_unverifiable_min_version", "accept:bare_upx"]
    words = entry(plan(meter("a", transport="serial", accept=frozenset())), "a")
    assert words["needed_accept"] == words["missing_accept"] == ["irreversible", "serial_transport"]
    assert entry(plan(meter("a", transport="ion_over_modbus", gateway_model="PM8240")), "a")["missing_accept"] == ["gateway"]


@requirement("R-174", "R-177", "R-178", "F-33")
def test_an_unreliable_way_goes_alone_and_last() -> None:
    document = plan(
        meter("a", "3.0.0", transport="ion_over_modbus"),
        meter("b", "3.0.0"),
        meter("c", "3.0.0"),
        meter("d", "3.0.0", transport="ion_over_modbus"),
    )
    assert passes(document) == {"ion": [["b", "c"], ["a"], ["d"]]}


@requirement("R-043", "F-23")
def test_an_open_hand_over_is_ended_before_the_next_hop() -> None:
    between = meter("a", "3.0.0", open_attempt=True, open_method="ion", open_target="3.0.0")
    assert entry(plan(between), "a")["passes"] == ["ion", "ion_2"]
    assert entry(plan(between), "a")["expect"].keys() == {"ion_2"}
    before = meter("a", "2.4.1", open_attempt=True, open_method="ion", open_target="3.0.0")
    assert entry(plan(before), "a")["passes"] == ["ion", "ion_2"]
    last = meter("a", "3.0.0", open_attempt=True, open_method="ion", open_target="4.0.0")
    assert entry(plan(last), "a")["passes"] == ["ion"]


@requirement("R-116")
def test_a_reviewed_plan_keeps_its_passes() -> None:
    document = plan(meter("a"), meter("b"))
    between = review.apply_plan(document, [meter("a", "3.0.0"), meter("b")], PACKAGES)
    assert passes(between) == {"ion": [["b"]], "ion_2": [["a", "b"]]}
    changed = [replace(item, digest="other") if item.id == "p4" else item for item in PACKAGES]
    stale = review.apply_plan(document, [meter("a"), meter("b")], changed)
    assert {item["reason"] for item in stale["meters"]} == {"plan_stale"}


def row(outcome: str = "verified", asks: bool = False, reason: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "detail": {"after": {"version": "3.0.0", "review": asks}, "hops": [{}]}}


@requirement("G-11", "R-170", "R-171", "F-17", "F-29")
def test_the_gate_after_a_batch() -> None:
    document = plan(meter("a"), meter("b"))
    place = rollout.Place(document, "ion_2", ["a", "b"])
    assert (place.wave["name"], place.more_to_come) == ("all", False) and rollout.Place(document, "ion", ["a"]).more_to_come
    first = rollout.judge({"a": row(asks=True), "b": row("planned")}, ["a"], {}, place)
    assert first.action == waves.PAUSE and "G-11" in first.text
    assert rollout.judge({"a": row(asks=True), "b": row(asks=True)}, ["b"], {}, place).action == waves.ADVANCE, (
        "somebody looked, and went on"
    )
    for reason in ("register_data_loss", "post_security_mode_unexpected", "restore_failed", "upgraded_unconfigured"):
        assert rollout.judge({"a": row(), "b": row("upgraded_unconfigured", reason=reason)}, ["b"], {}, place).action == waves.ABORT
