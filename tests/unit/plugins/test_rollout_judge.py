# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The judgement after a batch: place in the plan, gates of campaign and wave, hand-overs, damaged packages, late failures."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import waves
from ansible_collections.gridops.metering.plugins.plugin_utils import _rollout as rollout

PLAN: dict[str, Any] = {
    "waves": [
        {"name": "canary", "gate": {"max_failures": 0}, "soak": 60, "meters": ["m1", "m2"]},
        {"name": "rest", "gate": {}, "soak": 0, "meters": ["m3", "m4"]},
    ],
    "passes": [
        {"method": "ftp", "batches": [{"wave": "canary", "meters": ["m1"]}, {"wave": "canary", "meters": ["m2"]}, {"wave": "rest", "meters": ["m3"]}]},
        {"method": "tool", "batches": [{"wave": "canary", "meters": ["m1"]}, {"wave": "rest", "meters": ["m4"]}]},
    ],
    "meters": [{"hops": [{"digest": "D"}]}],
}  # fmt: skip


def row(outcome: str, reason: str = "", hops: int = 1, after: str = "2.9.9") -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "detail": {"after": {"version": after}, "hops": [{}] * hops}}


@pytest.mark.parametrize(
    ("method", "batch", "wave", "ends", "more"),
    [
        ("ftp", ["m1"], "canary", False, True),
        ("ftp", ["m2"], "canary", True, True),
        ("ftp", ["m3"], "rest", True, True),
        ("tool", ["m1"], "canary", True, True),
        ("tool", ["m4"], "rest", True, False),
        ("web", ["m4"], None, False, False),
    ],
)
def test_the_place_of_a_batch(method: str, batch: list[str], wave: str | None, ends: bool, more: bool) -> None:
    place = rollout.Place(PLAN, method, batch)
    assert (place.wave.get("name"), place.ends_wave, place.more_to_come) == (wave, ends, more)


@pytest.mark.requirement("F-22")
def test_the_gate_of_the_wave_is_harder_inside_the_wave() -> None:
    found = {"m1": row("verified"), "m2": row("failed_final", "upgrade_process_failed"), "m3": row("verified")}
    assert rollout.judge(found, ["m2"], {}, rollout.Place(PLAN, "ftp", ["m2"])).action == "abort"
    assert rollout.judge(found, ["m3"], {}, rollout.Place(PLAN, "ftp", ["m3"])).action == "advance"


@pytest.mark.requirement("R-148", "R-072")
def test_hand_overs_rest_and_a_damaged_package_ends_everything() -> None:
    place = rollout.Place(PLAN, "tool", ["m1"])
    rests = rollout.judge({"m1": row("handed_over")}, ["m1"], {}, place)
    assert rests.action == "pause" and "run this campaign again" in rests.text
    assert rollout.judge({"m1": row("blocked", "artifact_suspect"), "m2": row("handed_over")}, ["m2"], {}, place).action == "abort"


class Reports:
    """Records that know how often meters called a package damaged."""

    def __init__(self, count: int) -> None:
        self.count = count

    def corrupt_reports(self, dummy_campaign: str, digest: str) -> int:
        return self.count if digest == "D" else 0


@pytest.mark.requirement("R-148")
def test_the_second_report_of_a_damaged_package_aborts() -> None:
    fine = waves.Verdict("advance", "", 1, 0, 1)
    assert rollout.suspect(Reports(1), "c", PLAN, fine) is fine  # type: ignore[arg-type]
    assert rollout.suspect(Reports(2), "c", PLAN, fine).action == "abort"  # type: ignore[arg-type]


@pytest.mark.requirement("R-088", "F-36", "invariant-h")
def test_a_later_reading_wins_and_a_chain_is_not_good_before_its_end() -> None:
    found = {name: row("verified") for name in ("same", "other", "silent", "unread")}
    meters = {
        "same": {"ok": True, "facts": {"firmware": {"version": "2.9.9"}}},
        "other": {"ok": True, "facts": {"firmware": {"version": "2.7.8"}}},
        "silent": {"ok": False, "facts": {}},
    }
    assert rollout.disprove(found, meters) == ["other", "silent"]
    assert {name: item["outcome"] for name, item in found.items()} == {
        "same": "verified",
        "other": "failed_final",
        "silent": "comms_lost",
        "unread": "verified",
    }
    assert [rollout.unfinished(item) for item in (row("verified", hops=3), row("verified"), row("blocked", hops=2))] == [2, 0, 0]


class Vars(dict[str, dict[str, Any]]):
    """Host variables as core gives them."""

    def raw_get(self, host: str) -> dict[str, Any]:
        return self[host]


@pytest.mark.requirement("G-22")
def test_only_simulated_meters_have_a_fast_clock() -> None:
    hosts = Vars(
        sim={"ansible_host": "127.9.0.1", "metering_timing": {"clock_factor": 60}},
        slow={"ansible_host": "127.9.0.2", "metering_timing": {"clock_factor": 20}},
        real={"ansible_host": "192.0.2.7", "metering_timing": {"clock_factor": 60}},
    )
    assert rollout.clock_factor(hosts, ["sim"]) == 60 and rollout.clock_factor(hosts, ["sim", "slow"]) == 20
    assert rollout.clock_factor(hosts, ["sim", "real"]) == 1 == rollout.clock_factor(hosts, [])
