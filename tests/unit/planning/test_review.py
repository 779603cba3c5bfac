# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Exactly the reviewed plan: what is left of it for the meters as they are, and what makes it stale (R-116, design 4.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import review
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.plan import MeterState, PackageInfo, Settings

pytestmark = pytest.mark.requirement("R-116")
PACKAGES = (
    PackageInfo(("PM5560",), "2.9.9", "ftp", 1000, "app", "a" * 64),
    PackageInfo(("PM5560",), "4.3.5", "tool", 3000, "tool", "b" * 64, "3.8"),
)
WORDS = frozenset({"loses_dlf3000", "irreversible"})


def meter(host: str, version: str = "2.3.0", **more: Any) -> MeterState:
    return MeterState(host, "192.0.2.1", "PM5560", version, **{"serial": f"S-{host}", "accept": WORDS, **more})


MADE = planning.build_plan(
    [meter("m1"), meter("m2"), meter("m3"), meter("done", "4.3.5")], {"PM5560": "4.3.5"}, PACKAGES, Settings((2,), 2)
)


def apply(*meters: MeterState, packages: tuple[PackageInfo, ...] = PACKAGES) -> dict[str, dict[str, Any]]:
    """Entries by host."""
    applied = review.apply_plan(MADE, meters, packages)
    assert applied["digest"] == MADE["digest"]
    return {entry["host"]: entry for entry in applied["meters"]}


def batches(applied: dict[str, Any]) -> list[tuple[str, list[list[str]]]]:
    return [(one["method"], [batch["meters"] for batch in one["batches"]]) for one in applied["passes"]]


def test_unchanged_meters_get_unchanged_batches() -> None:
    applied = review.apply_plan(MADE, [meter("m1"), meter("m2"), meter("m3"), meter("done", "4.3.5")], PACKAGES)
    assert batches(applied) == batches(MADE) == [("ftp", [["m1", "m2"], ["m3"]]), ("tool", [["m1", "m2"], ["m3"]])]
    assert applied["counts"] == MADE["counts"] and applied["unplanned"] == []


def test_a_meter_on_its_way_goes_on_from_there() -> None:
    applied = review.apply_plan(MADE, [meter("m1", "2.9.9"), meter("m2", "4.3.5"), meter("m3")], PACKAGES)
    entries = {entry["host"]: entry for entry in applied["meters"]}
    assert [hop["method"] for hop in entries["m1"]["hops"]] == ["tool"] and entries["m2"]["state"] == "current"
    assert batches(applied) == [("ftp", [["m3"]]), ("tool", [["m1"], ["m3"]])], "the other meters keep their batches"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (meter("m1", "2.5.4"), "the meter runs 2.5.4"),
        (meter("m1", "9.9.9"), "the meter runs 9.9.9"),
        (meter("m1", ""), "unknown version"),
        (meter("m1", serial="other"), "serial other answers here"),
        (meter("m1", serial=""), "serial unknown answers here"),
        (meter("done", "2.9.9"), "the meter runs 2.9.9"),
    ],
)
def test_a_meter_that_is_not_as_reviewed_is_left_alone(now: MeterState, words: str) -> None:
    applied = review.apply_plan(MADE, [now, meter("m3")], PACKAGES)
    stale = next(entry for entry in applied["meters"] if entry["host"] == now.host)
    assert (stale["state"], stale["reason"], stale["passes"]) == ("blocked", "plan_stale", []) and words in stale["status"]
    assert batches(applied) == [("ftp", [["m3"]]), ("tool", [["m3"]])]


@pytest.mark.requirement("F-08")
def test_another_package_makes_the_plan_stale_for_those_who_still_need_it() -> None:
    changed = (replace(PACKAGES[0], digest="c" * 64), PACKAGES[1])
    entries = apply(meter("m1"), meter("m2", "2.9.9"), packages=changed)
    assert entries["m1"]["reason"] == "plan_stale" and entries["m2"]["state"] == "upgrade", "its ftp hop is done"
    assert apply(meter("m1"), packages=PACKAGES[1:])["m1"]["reason"] == "plan_stale"


@pytest.mark.requirement("R-143", "invariant-d")
def test_an_attempt_without_an_end_is_looked_at_first() -> None:
    silent = replace(meter("m1", ""), serial="", error_reason="transport_failed", error="no answer", open_attempt=True, open_method="ftp")
    applied = review.apply_plan(MADE, [silent, meter("m2", "4.3.5", open_attempt=True, open_method="tool")], PACKAGES)
    assert batches(applied) == [("ftp", [["m1"]]), ("tool", [["m2"], ["m1"]])] or batches(applied) == [
        ("ftp", [["m1"]]),
        ("tool", [["m1", "m2"]]),
    ]
    unread = apply(replace(silent, open_attempt=False, open_method=""))
    assert (unread["m1"]["state"], unread["m1"]["reason"]) == ("blocked", "transport_failed")


def test_a_limited_run_and_a_meter_nobody_reviewed() -> None:
    applied = review.apply_plan(MADE, [meter("m3"), meter("new")], PACKAGES)
    assert [entry["host"] for entry in applied["meters"]] == ["m3"] and applied["unplanned"] == ["new"]


def test_a_file_is_read_only_as_it_was_made() -> None:
    text = json.dumps(MADE)
    assert review.read_plan(text, MADE["digest"]) == MADE == review.read_plan(text)
    touched = json.loads(text)
    touched["meters"][0]["hops"][0]["target"] = "2.8.3"
    for bad, digest, words in (
        (json.dumps(touched), "", "an unchanged plan"),
        (text, "0" * 64, "metering_plan_digest"),
        (json.dumps({**MADE, "format": 1}), "", "plan again"),
        ("{", "", "that the playbook plan wrote"),
        ("[]", "", "that the playbook plan wrote"),
        (json.dumps({"meters": []}), "", "that the playbook plan wrote"),
    ):
        with pytest.raises(InputError, match=words):
            review.read_plan(bad, digest)
