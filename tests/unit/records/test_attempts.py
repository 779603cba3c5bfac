# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Attempts are recorded before the act and counted for every outcome (R-043, R-154, G-06)."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt, AttemptCount


class Now:
    """A wall clock that goes on by itself, one second for each look."""

    def __init__(self) -> None:
        self.value = 1_000_000.0

    def __call__(self) -> float:
        self.value += 1
        return self.value


@pytest.fixture
def ledger(location: str) -> Records:
    return open_records(location, "tester", Now())


def begin(records: Records, serial: str = "S1", source: str = "10.7.3", target: str = "10.9.9") -> Attempt:
    return records.begin_attempt(
        serial, "PM5561", "m01", "D-1", "ftp", source, target, "sha", "ann", "plan", "c1", {"version": source}, "10.6.3"
    )


@pytest.mark.requirement("R-043")
def test_every_attempt_counts_except_one_that_never_started(ledger: Records) -> None:
    for outcome in ("verified", "failed_final", "comms_lost"):
        attempt = begin(ledger)
        ledger.mark(attempt.id, "triggered")
        ledger.end_attempt(attempt.id, outcome)
    ledger.mark(begin(ledger).id, "not_started", {"status": 401})
    assert ledger.attempts("S1", "PM5561", "10.6.3") == AttemptCount(known=True, used=3, estimated=True)
    begin(ledger)
    assert ledger.attempts("S1", "PM5561", "10.6.3").used == 4, "recorded and perhaps triggered counts"


@pytest.mark.requirement("R-043", "R-154")
def test_a_ledger_that_knows_nothing_says_so(ledger: Records) -> None:
    assert ledger.attempts("S1", "PM5561", "10.6.3") == AttemptCount(known=False, used=0, estimated=False)


@pytest.mark.requirement("R-154", "G-06")
def test_nothing_is_carried_from_one_band_to_the_next(ledger: Records) -> None:
    ledger.end_attempt(begin(ledger).id, "verified")
    assert ledger.attempts("S1", "PM5561", "12.0.0").known is False, "the ledger did not see the meter enter this band"
    ledger.end_attempt(begin(ledger, source="10.9.9", target="12.0.0").id, "verified")
    assert ledger.attempts("S1", "PM5561", "12.0.0") == AttemptCount(known=True, used=0, estimated=True)
    ledger.end_attempt(begin(ledger, source="12.0.0", target="12.1.0").id, "verified")
    assert ledger.attempts("S1", "PM5561", "12.0.0").used == 1
    assert ledger.attempts("S1", "PM5561", "10.6.3").used == 3


@pytest.mark.requirement("R-043")
def test_versions_are_compared_as_numbers(ledger: Records) -> None:
    ledger.end_attempt(begin(ledger, source="9.9.9", target="10.6.2").id, "verified")
    assert ledger.attempts("S1", "PM5561", "10.6.3").known is False


def test_an_attested_number_is_the_floor_for_what_comes_later(ledger: Records) -> None:
    ledger.attest_attempts("S1", "PM5561", "10.6.3", 4, "ann", "2026-01-02T03:04:05Z")
    assert ledger.attempts("S1", "PM5561", "10.6.3") == AttemptCount(known=True, used=4, estimated=True)
    ledger.end_attempt(begin(ledger).id, "failed_final")
    assert ledger.attempts("S1", "PM5561", "10.6.3").used == 5
    ledger.attest_attempts("S1", "PM5561", "10.6.3", 4, "ann", "2026-01-02T03:04:05Z")
    assert ledger.attempts("S1", "PM5561", "10.6.3").used == 5, "the inventory repeats its word in each run"
    ledger.attest_attempts("S1", "PM5561", "10.6.3", 0, "bob", "2026-02-02T03:04:05Z")
    assert ledger.attempts("S1", "PM5561", "10.6.3").used == 1, "a person's word never lowers what the ledger has seen"


@pytest.mark.requirement("invariant-c", "invariant-d")
def test_a_meter_has_one_open_attempt_at_most(ledger: Records) -> None:
    first = begin(ledger)
    with pytest.raises(RecordsError, match="has an attempt without a known end") as error:
        begin(ledger)
    assert error.value.reason == "upgrade_state_unknown"
    found = ledger.open_attempt("S1")
    assert found is not None and found.id == first.id and found.before == {"version": "10.7.3"}
    ledger.end_attempt(first.id, "verified")
    assert ledger.open_attempt("S1") is None
    begin(ledger)


def test_states_only_go_forward(ledger: Records) -> None:
    attempt = begin(ledger)
    assert ledger.mark(attempt.id, "triggered", {"status": 302}).triggered is not None
    with pytest.raises(RecordsError, match="is triggered and cannot become not_started"):
        ledger.mark(attempt.id, "not_started")
    assert ledger.end_attempt(attempt.id, "verified").detail == {"status": 302}
    assert ledger.end_attempt(attempt.id, "verified").outcome == "verified"
    with pytest.raises(RecordsError, match="ended before as verified"):
        ledger.end_attempt(attempt.id, "failed_final")
    with pytest.raises(RecordsError, match="no attempt nobody"):
        ledger.end_attempt("nobody", "verified")


@pytest.mark.requirement("R-043", "F-23", "invariant-c")
@pytest.mark.parametrize("state", ["recorded", "triggered"])
def test_what_was_written_survives_a_killed_writer(ledger: Records, state: str) -> None:
    pid = os.fork()
    if pid == 0:
        attempt = begin(ledger)
        if state == "triggered":
            ledger.mark(attempt.id, state)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    found = ledger.open_attempt("S1")
    assert found is not None and found.state == state
    assert ledger.attempts("S1", "PM5561", "10.6.3").used == 1
    assert ledger.verify_chain("c1").ok


def test_a_writer_killed_inside_a_transaction_leaves_nothing(ledger: Records, location: str) -> None:
    pid = os.fork()
    if pid == 0:
        with ledger._database.write() as transaction:
            transaction.execute("UPDATE meta SET value = 'half' WHERE name = 'ledger_id'")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    reopened = open_records(location, "tester")
    assert reopened.ledger_id == ledger.ledger_id
    begin(reopened)


def test_the_history_of_a_meter_is_in_order(ledger: Records) -> None:
    for target in ("10.8.0", "10.9.9"):
        ledger.end_attempt(begin(ledger, target=target).id, "failed_final", "upgrade_process_failed")
    begin(ledger, serial="S2")
    assert [(item.target, item.reason) for item in ledger.attempt_history("S1")] == [
        ("10.8.0", "upgrade_process_failed"),
        ("10.9.9", "upgrade_process_failed"),
    ]
