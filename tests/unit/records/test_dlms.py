# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Counters, transfers, keys and marks of DLMS meters, on both stores."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records

NAME = "4752440000000001/4d43530600bc614e/6b1f"
IMAGE = {"component": 1, "digest": "ab" * 32, "identifier": "4d", "size": 1000, "block_size": 128}


@pytest.fixture
def ledger(location: str) -> Records:
    return open_records(location, "test")


def test_counters_are_never_given_out_twice(ledger: Records, location: str) -> None:
    """Whatever the meter tells, and whoever asks in between."""
    assert ledger.dlms.counter(NAME) is None
    assert ledger.dlms.reserve(NAME, 10, 0) == 1
    assert open_records(location, "other").dlms.reserve(NAME, 5, 3) == 11, "the meter is behind: blocks were not used up"
    assert ledger.dlms.reserve(NAME, 1, 500) == 500, "the meter is ahead: somebody else used the key"
    assert ledger.dlms.counter(NAME) == 501
    assert ledger.dlms.reserve("another key", 1, 0) == 1


def test_two_at_once_get_different_counters(ledger: Records) -> None:
    """Two forks on one meter must not meet in a nonce."""
    got: list[int] = []

    def take() -> None:
        got.extend(ledger.dlms.reserve(NAME, 7, 0) for dummy in range(10))

    threads = [threading.Thread(target=take) for dummy in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1 + 7 * number for number in range(30)]


def test_many_are_reserved_in_one_change_and_one_that_is_refused_harms_no_other(ledger: Records) -> None:
    ledger.dlms.reserve(NAME, 1, 1000)
    first, refused, again, last = ledger.dlms.reserve_many([("a", 5, 0), (NAME, 5, 10), ("a", 5, 0), ("b", 1, 70)])
    assert (first, again, last) == (1, 6, 70)
    assert isinstance(refused, DeviceError) and refused.reason == "dlms_counter_rolled_back"
    assert (ledger.dlms.counter("a"), ledger.dlms.counter(NAME), ledger.dlms.counter("b")) == (11, 1001, 71)


def test_a_counter_that_went_back_or_far_ahead_is_refused(ledger: Records) -> None:
    """What the public client says is not protected (wire-dlms 4.4)."""
    ledger.dlms.reserve(NAME, 1, 1000)
    with pytest.raises(DeviceError) as back:
        ledger.dlms.reserve(NAME, 1, 999)
    assert back.value.reason == "dlms_counter_rolled_back"
    far = 1001 + constants.DLMS_COUNTER_JUMP.number
    assert ledger.dlms.counter(NAME) == 1001
    with pytest.raises(DeviceError) as jump:
        ledger.dlms.reserve(NAME, 1, far + 1)
    assert jump.value.reason == "dlms_counter_jump"
    assert ledger.dlms.reserve(NAME, 1, 5, accept_reset=True) == 1001, "accepted, but never one that was given out"
    assert ledger.dlms.reserve(NAME, 1, 6) == 1002
    assert ledger.dlms.reserve(NAME, 1, far + 3, accept_reset=True) == far + 3


def test_a_first_counter_that_would_use_up_the_key_is_refused(ledger: Records) -> None:
    absurd = constants.DLMS_COUNTER_FIRST.number + 1
    with pytest.raises(DeviceError) as jump:
        ledger.dlms.reserve("first", 1, absurd)
    assert jump.value.reason == "dlms_counter_jump" and ledger.dlms.counter("first") is None
    assert ledger.dlms.reserve("first", 1, absurd, accept_reset=True) == absurd
    assert ledger.dlms.reserve("other", 1, absurd - 1) == absurd - 1


def test_a_used_up_counter_is_refused(ledger: Records) -> None:
    """The next one would be the first one again."""
    top = constants.DLMS_COUNTER_MAX.number
    assert top == 4_294_967_295
    assert ledger.dlms.reserve(NAME, 1, top, accept_reset=True) == top
    with pytest.raises(DeviceError) as full:
        ledger.dlms.reserve(NAME, 1, 0)
    assert full.value.reason == "dlms_counter_exhausted"


@pytest.mark.requirement("X-08", "R-226")
def test_a_transfer_is_known_to_the_next_run(ledger: Records, location: str) -> None:
    """Hash, identifier, size and block size decide whether a transfer may be resumed."""
    assert ledger.dlms.transfer("1234") is None
    ledger.dlms.begin_transfer("1234", IMAGE, "spring")
    ledger.dlms.note_transfer("1234", "initiated")
    kept = open_records(location, "test").dlms.transfer("1234")
    assert kept is not None and {name: kept[name] for name in IMAGE} == IMAGE
    assert (kept["state"], kept["campaign"]) == ("initiated", "spring")
    ledger.dlms.begin_transfer("1234", {**IMAGE, "digest": "cd" * 32}, "spring")
    assert (ledger.dlms.transfer("1234") or {})["digest"] == "cd" * 32
    ledger.dlms.end_transfer("1234", "verified")
    ledger.dlms.end_transfer("1234", "verified")
    assert ledger.dlms.transfer("1234") is None
    lines = ledger.journal_lines("spring")
    assert lines.count("transfer_begun") == 2 and lines.count("transfer_ended") == 1 and ledger.verify_chain("spring").ok


@pytest.mark.requirement("F-27")
def test_a_key_stays_pending_until_its_end_is_known(ledger: Records) -> None:
    """An answer that got lost leaves it pending, for the next run to try."""
    ledger.dlms.begin_key("1234", 1, "guek", "mark-a")
    ledger.dlms.end_key("1234", 1, "guek", "unknown")
    assert {key: value["mark"] for key, value in ledger.dlms.pending_keys("1234", 1).items()} == {"guek": "mark-a"}
    assert ledger.dlms.pending_keys("1234", 2) == {}
    ledger.dlms.end_key("1234", 1, "guek", "active")
    assert ledger.dlms.pending_keys("1234", 1) == {}


def test_a_mark_keeps_the_time_of_its_first_proof(location: str) -> None:
    """The age of a password is that of the mark."""
    clock = [1_800_000_000.0]
    ledger = open_records(location, "test", now=lambda: clock[0])
    ledger.dlms.set_mark("1234", "lls/2", "mark-a")
    clock[0] += 50
    ledger.dlms.set_mark("1234", "lls/2", "mark-a")
    assert ledger.dlms.mark("1234", "lls/2") == {"mark": "mark-a", "at": 1_800_000_000.0}
    ledger.dlms.set_mark("1234", "lls/2", "mark-b")
    assert ledger.dlms.mark("1234", "lls/2") == {"mark": "mark-b", "at": 1_800_000_050.0}


def test_check_mode_writes_nothing(ledger: Records, location: str) -> None:
    """Opened for reading only, even a counter is refused."""
    ledger.dlms.begin_transfer("1234", IMAGE, "spring")
    readonly = open_records(location, "test", read_only=True)
    assert readonly.dlms.transfer("1234") is not None
    with pytest.raises(RecordsError):
        readonly.dlms.reserve(NAME, 1, 0)
    with pytest.raises(RecordsError):
        readonly.dlms.end_transfer("1234", "verified")
