# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Invocation counters: never the same one twice, whatever the meter tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.counters import (
    BlockCounters,
    Counters,
    CounterStore,
    MemoryCounters,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.just("take"), st.integers(0, 500)), max_size=60), st.integers(1, 9))
def test_counters_of_several_sessions_never_repeat(steps, block):
    store = MemoryCounters()
    sessions = [Counters(store, "n", block, accept_reset=True) for dummy in range(3)]
    seen: list[int] = []
    for at, step in enumerate(steps):
        if step == "take":
            seen.append(sessions[at % 3].take())
        else:
            sessions[at % 3].begin(int(step))
            seen.append(sessions[at % 3].take())
            assert seen[-1] >= int(step)
    assert len(seen) == len(set(seen))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 100), st.integers(1, 50), st.lists(st.integers(0, 60), max_size=20))
def test_a_block_gives_out_its_own_counters_only(first, count, floors):
    counters = Counters(BlockCounters(first, count), "n", 64)
    seen: list[int] = []
    try:
        for floor in floors:
            counters.begin(first + floor if floor % 3 == 0 else 0)
            seen.append(counters.take())
    except DeviceError as exc:
        assert exc.reason == "dlms_counter_block_used"
    assert len(seen) == len(set(seen))
    assert all(first <= one < first + count for one in seen)


def test_the_last_counter_of_a_key():
    counters = MemoryCounters()
    assert counters.reserve("n", 1, 2**32 - 1) == 2**32 - 1
    with pytest.raises(DeviceError) as caught:
        counters.reserve("n", 1, 0)
    assert caught.value.reason == "dlms_counter_exhausted"


def test_the_records_are_such_a_store(tmp_path: Path):
    where = str(tmp_path / "ledger.sqlite")
    store: CounterStore = open_records(where, "tester").dlms
    counters = Counters(store, "n", 8)
    counters.begin(41)
    assert [counters.take() for dummy in range(10)] == list(range(41, 51))
    again = Counters(open_records(where, "tester").dlms, "n", 8)
    again.begin(0)
    assert again.take() == 57
