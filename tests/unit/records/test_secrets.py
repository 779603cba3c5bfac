# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Passwords in the records, on both stores: changes on their way, marks, logins that failed."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records import schema
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records

WHO = ("S1", "user:admin")
START = 1_800_000_000.0


@pytest.fixture
def clock() -> list[float]:
    return [START]


@pytest.fixture
def ledger(location: str, clock: list[float]) -> Records:
    return open_records(location, "test", now=lambda: clock[0])


@pytest.mark.requirement("R-309", "F-27")
def test_a_password_stays_pending_until_its_end_is_known(ledger: Records, clock: list[float]) -> None:
    secrets = ledger.secrets
    assert secrets.last_change(*WHO) is None and secrets.pending("S1") == {}
    secrets.begin(*WHO, "new", "old")
    secrets.end(*WHO, "unknown")
    assert [(row["mark"], row["previous"]) for row in secrets.pending("S1").values()] == [("new", "old")]
    clock[0] += 60
    secrets.end(*WHO, "active", "new")
    assert secrets.pending("S1") == {} and secrets.mark(*WHO) == {"mark": "new", "at": START + 60}
    assert (secrets.last_change(*WHO) or {})["state"] == "active"
    assert ledger.verify_chain("-").ok and "new" not in ledger.journal_lines("-").replace("newer", "")


@pytest.mark.requirement("R-307")
def test_age_and_history_of_passwords(ledger: Records, clock: list[float]) -> None:
    """A password that only was seen working is as old as that; those that were set are remembered in order."""
    secrets = ledger.secrets
    secrets.prove(*WHO, "first")
    clock[0] += 100
    secrets.prove(*WHO, "first")
    secrets.prove(*WHO, "")
    assert secrets.mark(*WHO) == {"mark": "first", "at": START}
    for mark in ("second", "third"):
        clock[0] += 100
        secrets.begin(*WHO, mark)
        secrets.end(*WHO, "active", mark)
    assert [row["mark"] for row in secrets.history(*WHO)] == ["third", "second"]
    secrets.drop(*WHO)
    assert secrets.mark(*WHO) is None and len(secrets.history(*WHO)) == 2


@pytest.mark.requirement("R-343", "R-344", "F-26")
def test_a_login_is_noted_before_it_is_sent(ledger: Records, clock: list[float]) -> None:
    secrets = ledger.secrets
    secrets.try_begin(*WHO, "web", "wrong", START + 1800)
    assert [(row["state"], row["tries"]) for row in secrets.tries(*WHO)] == [("trying", 1)], "also where the run is cut off now"
    secrets.try_end(*WHO, "web", "wrong", "refused", START + 600)
    secrets.try_begin(*WHO, "web", "right", START + 1800)
    secrets.try_end(*WHO, "web", "right", "works", START)
    assert [(row["mark"], row["state"], row["tries"]) for row in secrets.tries(*WHO)] == [("wrong", "refused", 0)], "counts no more"
    clock[0] += 601
    assert secrets.tries(*WHO) == []


def test_a_login_that_was_not_sent_is_taken_back(ledger: Records) -> None:
    secrets = ledger.secrets
    for tries in (1, 2):
        secrets.try_begin(*WHO, "web", "m", START + 1800)
        assert secrets.tries(*WHO)[0]["tries"] == tries
        secrets.try_end(*WHO, "web", "m", "silent", START + 1800)
    secrets.try_begin(*WHO, "web", "m", START + 1800)
    secrets.try_end(*WHO, "web", "m", "unsent", START)
    assert [(row["state"], row["tries"]) for row in secrets.tries(*WHO)] == [("silent", 2)]
    secrets.try_begin(*WHO, "ftp", "m", START + 1800)
    secrets.try_end(*WHO, "ftp", "m", "unsent", START)
    assert [row["protocol"] for row in secrets.tries(*WHO)] == ["web"]


def test_a_change_or_a_persons_word_ends_what_was_refused_but_no_lockout(ledger: Records) -> None:
    secrets = ledger.secrets
    for protocol, result in (("web", "refused"), ("ftp", "locked")):
        secrets.try_begin(*WHO, protocol, "m", START + 1800)
        secrets.try_end(*WHO, protocol, "m", result, START + 1800)
    secrets.forget_tries(*WHO)
    assert [row["protocol"] for row in secrets.tries(*WHO)] == ["ftp"]
    secrets.begin(*WHO, "n")
    secrets.end(*WHO, "active", "n")
    assert [row["state"] for row in secrets.tries(*WHO)] == ["locked"]


def test_a_ledger_of_the_release_before_is_brought_up_to_date(ledger: Records, location: str) -> None:
    """Marks of DLMS passwords stay, and check mode reads the older ledger as one that knows nothing of logins."""
    ledger.dlms.set_mark("S1", "dlms:1:lls", "kept")
    with ledger._database.write() as transaction:
        for statement in (
            *(f"DROP TABLE {name}" for name in ("secret_change", "secret_history", "login_try", "scan", "scan_meter")),
            "UPDATE meta SET value = '3' WHERE name = 'schema_version'",
        ):
            transaction.execute(statement)
    old = open_records(location, "test", read_only=True)
    assert old.schema_version == 3 and old.secrets.tries(*WHO) == [] and old.secrets.pending("S1") == {}
    assert old.secrets.last_change(*WHO) is None and old.secrets.history(*WHO) == []
    now = open_records(location, "test")
    assert now.schema_version == schema.VERSION == 5 and now.ledger_id == ledger.ledger_id
    now.secrets.begin(*WHO, "m")
    assert now.secrets.pending("S1") and (now.secrets.mark("S1", "dlms:1:lls") or {})["mark"] == "kept"


def test_check_mode_writes_nothing(ledger: Records, location: str) -> None:
    ledger.secrets.begin(*WHO, "m")
    readonly = open_records(location, "test", read_only=True).secrets
    assert readonly.pending("S1")
    for write in (
        lambda: readonly.begin(*WHO, "m"),
        lambda: readonly.end(*WHO, "active"),
        lambda: readonly.prove(*WHO, "m"),
        lambda: readonly.try_begin(*WHO, "web", "m", 1.0),
        lambda: readonly.try_end(*WHO, "web", "m", "refused", 1.0),
        lambda: readonly.forget_tries(*WHO),
        lambda: readonly.drop(*WHO),
    ):
        with pytest.raises(RecordsError, match="reading only"):
            write()
