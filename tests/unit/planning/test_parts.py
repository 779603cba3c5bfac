# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Meters whose parts have identifiers: targets, the part that is meant, the plan, and how long an image takes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import parts, review
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.estimates import transfer_seconds
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.plan import MeterState, PackageInfo, Settings

OLD, NEW, MODEM = "020500010007", "020500020001", "030100000004"
PACKAGES = (
    PackageInfo(("MCS301",), NEW, "dlms", 512 * 1024, "app", "d1", "", 1, "present"),
    PackageInfo(("MCS301",), "010200040001", "dlms", 1000, "metrology", "d0", "", 0, "unverified"),
    PackageInfo(("PM5560",), "2.9.9", "ftp", 1000, "pm", "d2"),
)
PARTS = {0: ("010200030001",), 1: (OLD, "0205aa"), 2: (MODEM,)}


def meter(host: str = "q1", **more: Any) -> MeterState:
    known = {"model": "MCS301", "version": OLD, "serial": f"S-{host}", "parts": PARTS}
    return MeterState(host=host, address="192.0.2.9", **{**known, **more})


def entry(*meters: MeterState, target: Any = NEW, **settings: Any) -> dict[str, Any]:
    document = planning.build_plan(meters or (meter(),), {"MCS301": target}, PACKAGES, Settings(**settings))
    return dict(document["meters"][0])


@pytest.mark.requirement("R-006", "R-212", "R-216")
def test_targets_are_canonical_and_bad_ones_are_named() -> None:
    assert planning.check_targets({"MCS301": "0205 0002 0001".replace(" ", "").upper(), "PM5560": "v2.9.9"}) == {
        "MCS301": NEW,
        "PM5560": "2.9.9",
    }
    assert planning.check_targets({"mcs301": {"version": f"hex:{NEW}", "component": 1}}) == {"MCS301": {"version": NEW, "component": 1}}
    for bad, words in (
        ({"version": NEW, "part": 1}, "dictionary of version and component"),
        ({"component": 1}, "dictionary of version and component"),
        ({"version": NEW, "component": 10}, "0 for metrology"),
        ({"version": NEW, "component": True}, "0 for metrology"),
        ("", "R-212"),
    ):
        with pytest.raises(InputError, match=words):
            planning.check_targets({"MCS301": bad})


@pytest.mark.requirement("R-109", "R-213", "R-215", "R-223", "G-18")
def test_one_hop_for_one_part() -> None:
    found = entry()
    assert (found["state"], found["version"], found["target"], found["component"]) == ("upgrade", OLD, NEW, 1)
    assert [(hop["row"], hop["method"], hop["artifact"]) for hop in found["hops"]] == [("M-1", "dlms", "app")]
    assert found["passes"] == ["dlms"] and found["expect"] == {"dlms": {"serial": "S-q1", "versions": [OLD], "artifact": "d1"}}
    assert found["attempts"]["limit"] is None and found["obstacles"] == []
    document = planning.build_plan([meter("q1"), meter("q2")], {"MCS301": NEW}, PACKAGES, Settings(batches=(2,), concurrency=2))
    (only,) = document["passes"]
    assert (only["method"], only["cap"]) == ("dlms", 2) and "no document" in only["cap_note"]


@pytest.mark.requirement("R-213", "R-214", "R-217")
def test_metrology_and_unverified_images_need_their_words() -> None:
    found = entry(target="010200040001")
    assert (found["component"], found["version"]) == (0, "010200030001")
    assert found["needed_accept"] == ["legally_relevant", "unverified_image"] == found["missing_accept"]
    assert entry(meter(accept=frozenset(found["needed_accept"])), target="010200040001")["missing_accept"] == []


@pytest.mark.parametrize(
    ("state", "reason", "one", "target"),
    [
        ("current", "", meter(parts={1: ("0205aa", NEW)}), NEW),
        ("blocked", "identity_unreadable", meter(parts={}), NEW),
        ("blocked", "identity_unreadable", meter(component=5), NEW),
        ("blocked", "artifact_missing", meter(), "0a0b"),
        ("blocked", "artifact_missing", meter(component=2), NEW),
        ("no_target", "", meter(), ""),
        ("blocked", "transport_failed", meter(error="no route"), NEW),
    ],
)
def test_meters_that_do_not_go_say_why(state: str, reason: str, one: MeterState, target: str) -> None:
    document = planning.build_plan([one], {"MCS301": target} if target else {}, PACKAGES, Settings())
    found = document["meters"][0]
    assert (found["state"], found["reason"], found["passes"]) == (state, reason, [])


@pytest.mark.requirement("X-05", "F-23")
def test_an_upgrade_without_an_end_is_looked_at_whatever_runs_now() -> None:
    there = entry(meter(parts={1: (NEW,)}, open_attempt=True, open_method="dlms"))
    assert (there["state"], there["passes"], there["hops"]) == ("upgrade", ["dlms"], [])


@pytest.mark.requirement("R-226")
def test_time_is_blocks_times_round_trip() -> None:
    size, block = 512 * 1024, 450
    least, most = transfer_seconds(size, block)
    assert (least, most) == (58.3, 583.0) and transfer_seconds(0) == (0.0, 0.0)
    assert transfer_seconds(size) == (25.6, 2048.0), "a large and a small block where the meter's is not known"
    slow, fast = entry(meter(block_size=128)), entry(meter(block_size=1024))
    assert slow["seconds"][1] > fast["seconds"][1] > constants.DLMS_VERIFY_LIMIT.number
    document = planning.build_plan([meter(block_size=128)], {"MCS301": NEW}, PACKAGES, Settings())
    assert document["passes"][0]["batches"][0]["seconds"] == slow["seconds"]
    assert document["estimate"]["by_method"]["dlms"]["at_most_seconds"] == slow["seconds"][1]


@pytest.mark.requirement("R-116")
def test_a_reviewed_plan_holds_for_the_part_it_is_about() -> None:
    plan = planning.build_plan([meter("q1"), meter("q2"), meter("q3")], {"MCS301": NEW}, PACKAGES, Settings())
    now = [meter("q1"), meter("q2", parts={**PARTS, 1: (NEW,)}), meter("q3", parts={**PARTS, 1: ("0a",)})]
    applied = {row["host"]: (row["state"], row["reason"]) for row in review.apply_plan(plan, now, PACKAGES)["meters"]}
    assert applied == {"q1": ("upgrade", ""), "q2": ("current", ""), "q3": ("blocked", "plan_stale")}


@pytest.mark.requirement("X-06", "R-213")
def test_identifiers_come_out_of_facts() -> None:
    facts = {"components": [{"b": 1, "identifiers": [OLD]}, {"b": 2, "identifiers": []}, "odd", {"b": "x", "identifiers": [OLD]}]}
    assert parts.parts_of(facts) == {1: (OLD,)} and parts.parts_of({"components": "unknown"}) == {}
    assert parts.runs(PARTS, 1, "0205aa") == "0205aa" and parts.runs(PARTS, 1) == OLD and parts.runs(PARTS, 7) == ""
    assert parts.choose(None, (1, 2)) == 1 and parts.choose(None, (2, 2, None)) == 2 and parts.choose(0, (2,)) == 0
