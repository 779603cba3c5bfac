# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A database that goes away: nothing is started without it, and what was started is watched and written down later."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.plugin_utils import _firmware_ledger
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_ledger import PatientLedger


class Records:
    """Writes a list of calls, while ``away`` says no; each refusal counts it down."""

    def __init__(self) -> None:
        self.away = 0
        self.reason = "ledger_unreachable"
        self.done: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **fields: Any) -> str:
            if self.away:
                self.away -= 1
                raise RecordsError("the database is away", self.reason)
            self.done.append((name, *args))
            return name

        return call

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.done]


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(_firmware_ledger, "_PAUSE", 0.0)
    return Records()


@pytest.mark.requirement("R-043", "F-24")
def test_nothing_begins_without_the_database(records: Records) -> None:
    records.away = 1
    with pytest.raises(RecordsError):
        PatientLedger(records, 60).begin_attempt()
    ledger = PatientLedger(records, 60)
    records.away = 1
    with pytest.raises(RecordsError):
        ledger.journal("c", "e", {})
    assert not records.done


def test_after_the_trigger_all_is_written_in_order(records: Records) -> None:
    ledger = PatientLedger(records, 60)
    ledger.begin_attempt()
    records.away = 2
    ledger.mark("a", "triggered")
    assert records.names == ["begin_attempt"], "it does not wait: the meter has to be watched"
    ledger.journal("c", "note", {})
    records.away = 3
    ledger.end_attempt("a", "verified")
    ledger.release("lease")
    assert records.names == ["begin_attempt", "mark", "journal", "end_attempt", "release"] and not ledger.lost


def test_it_gives_up_and_says_so(records: Records) -> None:
    ledger = PatientLedger(records, 0)
    ledger.begin_attempt()
    records.away = 1000
    ledger.end_attempt("a", "verified")
    ledger.release("lease")
    assert ledger.lost == "the database is away" and records.away == 999, "one try at the end of its patience, then no more"
    records.away = 0
    with pytest.raises(RecordsError):
        ledger.begin_attempt()
    assert records.names == ["begin_attempt"]


def test_another_fault_is_not_waited_for(records: Records) -> None:
    ledger = PatientLedger(records, 60)
    ledger.begin_attempt()
    records.away, records.reason = 1, "upgrade_state_unknown"
    with pytest.raises(RecordsError):
        ledger.end_attempt("a", "verified")
    ledger.release("lease")
    assert records.names == ["begin_attempt", "release"]
