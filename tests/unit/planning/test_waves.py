# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Batches within the cap, peers apart, and a gate that judges the whole campaign (design 4.6, G-18, F-22)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import waves

HOSTS = [f"m{number:02d}" for number in range(1, 18)]


def outcomes(**counts: int) -> dict[str, dict[str, Any]]:
    """So many meters of each outcome; ``outcome__reason`` gives a reason too."""
    rows: dict[str, dict[str, Any]] = {}
    for name, count in counts.items():
        outcome, dummy, reason = name.partition("__")
        for dummy_number in range(count):
            rows[f"h{len(rows)}"] = {"outcome": "" if outcome == "none" else outcome, "reason": reason}
    return rows


@pytest.mark.requirement("G-18", "R-084")
def test_sizes_are_used_in_turn_and_the_last_one_again() -> None:
    sizes = [len(batch) for batch in waves.cut_batches(HOSTS, [1, 5, 10], 10)]
    assert sizes == [1, 5, 10, 1]
    assert [len(batch) for batch in waves.cut_batches(HOSTS[:4], [1], 1)] == [1, 1, 1, 1]
    assert [host for batch in waves.cut_batches(HOSTS, [1, 5, 10], 10) for host in batch] == HOSTS
    assert waves.cut_batches([], [1], 1) == ()


@pytest.mark.requirement("G-18")
def test_percentages_stay_within_the_cap_and_are_at_least_one() -> None:
    assert [len(batch) for batch in waves.cut_batches(HOSTS, ["5%", "50%"], 10)] == [1, 8, 8]
    assert [len(batch) for batch in waves.cut_batches(HOSTS, ["100%"], 10)] == [10, 7]
    assert [len(batch) for batch in waves.cut_batches(HOSTS[:2], ["1%"], 10)] == [1, 1]


@pytest.mark.requirement("R-084", "G-18")
@pytest.mark.parametrize("sizes", [[5], [1, 2], ["3"], [1, 11]])
def test_a_batch_above_the_cap_is_refused(sizes: list[Any]) -> None:
    with pytest.raises(InputError, match=r"batches of at most 1 \(metering_concurrency\)"):
        waves.check_batches(sizes, 1)


@pytest.mark.parametrize("sizes", [[], [0], [-1], ["0%"], ["101%"], ["5 %"], ["x"], [1.5], [True], [None], "25", {"a": 1}])
def test_bad_sizes_are_refused(sizes: Any) -> None:
    with pytest.raises(InputError, match="metering_rollout_batches"):
        waves.check_batches(sizes, 10)


@pytest.mark.requirement("G-18")
@pytest.mark.parametrize("value", [0, 11, -1, "5", 1.0, None, True])
def test_the_ceiling_is_ten(value: Any) -> None:
    with pytest.raises(InputError, match="metering_concurrency"):
        waves.check_concurrency(value)
    assert waves.check_concurrency(10) == 10


def test_meters_of_one_gateway_never_share_a_batch() -> None:
    peers = {"m01": "g1", "m02": "g1", "m03": "g1", "m04": None}
    assert waves.cut_batches(["m01", "m02", "m03", "m04"], [4], 10, peers) == (("m01", "m04"), ("m02",), ("m03",))


@given(
    count=st.integers(0, 40),
    sizes=st.lists(st.one_of(st.integers(1, 10), st.integers(1, 100).map(lambda number: f"{number}%")), min_size=1, max_size=4),
    groups=st.lists(st.sampled_from([None, "g1", "g2"]), min_size=40, max_size=40),
)
@pytest.mark.requirement("G-18", "invariant-a")
def test_every_cut_is_complete_capped_and_keeps_peers_apart(count: int, sizes: list[Any], groups: list[str | None]) -> None:
    hosts = [f"h{number}" for number in range(count)]
    peers = dict(zip(hosts, groups, strict=False))
    batches = waves.cut_batches(hosts, sizes, 10, peers)
    assert sorted(host for batch in batches for host in batch) == sorted(hosts)
    for batch in batches:
        named = [peers[host] for host in batch if peers[host]]
        assert 1 <= len(batch) <= 10 and len(named) == len(set(named))


@pytest.mark.requirement("F-22")
@pytest.mark.parametrize(
    ("rows", "batch", "action", "text"),
    [
        (outcomes(), [], "advance", "no upgrade has ended yet"),
        (outcomes(verified=3, verified_late=1), ["h3"], "advance", "4 of 4"),
        (outcomes(failed_final=1), ["h0"], "pause", "the canary speaks against going on"),
        (outcomes(comms_lost=1, none=5), ["h0"], "pause", "canary"),
        (outcomes(verified=1, comms_lost=3), [], "pause", "3 meters ended with comms_lost; at most 2 may"),
        (outcomes(verified=6, failed_final=2), ["h6", "h7"], "abort", "below the share of 80%"),
        (outcomes(verified=8, failed_final=2), ["h8", "h9"], "pause", "all 2 upgrades of the last batch failed"),
        (outcomes(verified=8, failed_final=2), ["h7", "h9"], "advance", "8 of 10"),
        (outcomes(verified=3, failed_final=1), ["h3"], "advance", "3 of 4"),
        (outcomes(verified=20, failed_final__wrong_version_after=1), [], "abort", "wrong_version_after, which may hit every meter"),
        (outcomes(verified=20, upgraded_unconfigured=1), [], "abort", "upgraded_unconfigured"),
        (outcomes(blocked=9), ["h0"], "advance", "no upgrade has ended"),
        (outcomes(blocked=9, current=3, verified=1, planned=4), [], "advance", "1 of 1"),
        (outcomes(attempts_exhausted=2, skipped_by_abort=2, paused=1), [], "advance", "no upgrade has ended"),
    ],
)
def test_the_default_gate(rows: dict[str, dict[str, Any]], batch: list[str], action: str, text: str) -> None:
    verdict = waves.judge(rows, batch, waves.Policy())
    assert verdict.action == action and text in verdict.text


def test_the_gate_is_set_by_the_operator() -> None:
    policy = waves.check_policy({"max_failures": 0, "min_success_share": 0, "min_sample": 1, "max_by_kind": {}, "abort_on": ["comms_lost"]})
    assert waves.judge(outcomes(verified=9, failed_final=1), [], policy).action == "abort"
    policy = waves.check_policy({"min_success_share": 0.5, "max_by_kind": {"upgrade_process_failed": 1}, "abort_on": []})
    assert waves.judge(outcomes(verified=9, failed_final__upgrade_process_failed=2), [], policy).action == "pause"
    assert waves.judge(outcomes(verified=9, failed_final__wrong_version_after=1), [], policy).action == "advance"
    assert waves.check_policy(None) == waves.Policy() == waves.check_policy({"min_sample": None})


@pytest.mark.parametrize(
    "gate",
    [
        {"min_share": 1},
        {"min_success_share": 1.5},
        {"min_success_share": "x"},
        {"min_sample": 0},
        {"max_failures": -1},
        {"max_by_kind": [1]},
        {"max_by_kind": {"comms_lost": "2"}},
        {"abort_on": "comms_lost"},
        {"abort_on": 1},
    ],
)
def test_a_bad_gate_is_refused(gate: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="metering_gate"):
        waves.check_policy(gate)


@pytest.mark.requirement("invariant-h")
def test_the_outcomes_add_up_to_the_planned_meters() -> None:
    summary = waves.summarize(outcomes(verified=2, current=1, blocked=1, paused=1, none=3, comms_lost=1))
    assert summary["planned"] == 9 == sum(summary["by_outcome"].values())
    assert (summary["good"], summary["waiting"], summary["bad"]) == (3, 4, 2)
    assert summary["by_outcome"]["none"] == 3


@pytest.mark.requirement("invariant-h", "F-36")
@given(
    st.lists(st.one_of(st.integers(1, 9), st.integers(1, 100).map(lambda share: f"{share}%"), st.none()), max_size=4),
    st.integers(0, 17),
    st.integers(0, 5),
)
def test_every_meter_is_in_exactly_one_wave(sizes: list[int | str | None], hosts: int, done: int) -> None:
    given_waves = [waves.Wave(f"w{number}", size) for number, size in enumerate(sizes)]
    assigned = waves.assign_waves(HOSTS[:hosts], given_waves, done)
    assert [host for dummy, members in assigned for host in members] == HOSTS[:hosts]
    assert [wave for wave, dummy in assigned][: len(given_waves)] == given_waves


def test_waves_by_name_number_share_and_rest() -> None:
    first, second, third = waves.Wave("named", hosts=("m05", "m02", "m99")), waves.Wave("few", 2), waves.Wave("part", "50%")
    assigned = waves.assign_waves(HOSTS[:10], [first, second, third])
    members = [(wave.name, hosts) for wave, hosts in assigned]
    assert members == [
        ("named", ("m05", "m02")),
        ("few", ("m01", "m03")),
        ("part", ("m04", "m06", "m07", "m08", "m09")),
        ("rest", ("m10",)),
    ]
    resumed = waves.assign_waves(HOSTS[3:10], [waves.Wave("canary", 1), waves.Wave("few", 3)], done=3)
    assert [hosts for dummy, hosts in resumed] == [(), ("m04",), tuple(HOSTS[4:10])], "three are done: the canary and two of the next wave"


@pytest.mark.requirement("F-36")
def test_each_kind_of_hardware_comes_early() -> None:
    kinds = {"m01": "A", "m02": "A", "m03": "B", "m04": "A", "m05": "B"}
    assert waves.spread(HOSTS[:5], kinds) == ["m01", "m03", "m02", "m05", "m04"]
    assert waves.spread(HOSTS, {}) == HOSTS
