# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Whether the records may be trusted: chain, heads, clocks, old schemas, and the words that make good what was lost. On both stores."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records import journal as chain
from ansible_collections.gridops.metering.plugins.module_utils._engine.records import postgres as store
from ansible_collections.gridops.metering.plugins.module_utils._engine.records import schema
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records


@pytest.fixture
def ledger(location: str) -> Records:
    return open_records(location, "tester")


def change(ledger: Records, *statements: str) -> None:
    """What somebody with the database's own tools could do."""
    with ledger._database.write() as transaction:
        for statement in statements:
            transaction.execute(statement)


def begin(ledger: Records, serial: str = "S1", host: str = "m01") -> Any:
    return ledger.begin_attempt(serial, "PM5560", host, "A-1", "ftp", "2.7.8", "2.9.9", "d", "tester", "p", "c1", {})


@pytest.mark.requirement("F-39", "R-297")
@pytest.mark.parametrize("entry", [1, 2, 3])
def test_an_edited_journal_is_not_trusted_until_somebody_says_so(ledger: Records, entry: int) -> None:
    for number in range(3):
        ledger.journal("c1", "note", {"n": number})
    ledger.require_trust("c1")
    change(ledger, f"UPDATE journal SET operator = 'nobody' WHERE entry = {entry}")
    with pytest.raises(RecordsError, match=f"broken at entry {entry}, .* accept 'ledger_rebaseline'") as caught:
        ledger.require_trust("c1")
    assert caught.value.reason == "ledger_untrusted"
    head = ledger.rebaseline("c1", "restored from the copy of Monday")
    ledger.require_trust("c1", head)
    assert "ledger_rebaselined" in ledger.journal_lines("c1") and f'"broken_at": {entry}' in ledger.journal_lines("c1")
    ledger.journal("c1", "note", {})
    assert ledger.rebaseline("c1", "again") == ledger.verify_chain("c1").head, "a whole chain is left alone"
    change(ledger, "UPDATE journal SET operator = 'nobody' WHERE entry = 5")
    assert ledger.verify_chain("c1").broken_at == 5, "what comes after the baseline is judged as before"


@pytest.mark.requirement("F-39")
def test_after_a_lost_entry_the_chain_goes_on_from_the_accepted_one(ledger: Records) -> None:
    heads = [ledger.journal("c1", "note", {"n": number}) for number in range(4)]
    change(ledger, "DELETE FROM journal WHERE entry = 2")
    assert ledger.verify_chain("c1").broken_at == 2
    ledger.rebaseline("c1", "somebody deleted an entry")
    for number in range(3):
        ledger.journal("c1", "note", {"n": number})
    found = ledger.verify_chain("c1", heads[-1])
    assert found.ok and found.baseline == 5 and found.entries == 8
    change(ledger, "DELETE FROM journal WHERE entry = 7")
    assert ledger.verify_chain("c1").broken_at == 7


@pytest.mark.requirement("F-39")
def test_a_number_in_the_database_is_no_word_of_a_person(ledger: Records) -> None:
    for number in range(3):
        ledger.journal("c1", "note", {"n": number})
    change(ledger, "UPDATE journal SET operator = 'nobody' WHERE entry = 1", "INSERT INTO meta VALUES ('baseline:c1', '{\"entry\":3}')")
    assert ledger.verify_chain("c1").broken_at == 1


@pytest.mark.requirement("F-39")
def test_an_older_copy_is_taken_by_word_and_then_answers_for_the_lost_head(ledger: Records) -> None:
    ledger.journal("c1", "note", {})
    lost = ledger.journal("c1", "note", {})
    change(ledger, "DELETE FROM journal WHERE entry = 2")
    ledger.rebaseline("c1", "restored from the copy of Monday")
    with pytest.raises(RecordsError, match="older than the given head"):
        ledger.require_trust("c1", lost)
    ledger.rebaseline("c1", "restored from the copy of Monday", lost)
    ledger.require_trust("c1", lost)
    with pytest.raises(RecordsError, match="older than the given head"):
        ledger.require_trust("c1", "f" * 64)
    assert f'"missing": "{lost}"' in ledger.journal_lines("c1")


@pytest.mark.requirement("F-39")
def test_nothing_is_added_to_a_last_entry_that_was_changed(ledger: Records) -> None:
    ledger.journal("c1", "note", {})
    change(ledger, "UPDATE journal SET operator = 'nobody'")
    with pytest.raises(RecordsError, match="was changed at entry 1") as caught:
        begin(ledger)
    assert caught.value.reason == "ledger_untrusted"
    assert ledger.open_attempt("S1") is None, "and so nothing limited is spent"


@pytest.mark.requirement("F-39")
def test_an_older_copy_does_not_know_the_head_of_a_report(ledger: Records) -> None:
    ledger.journal("c1", "note", {})
    head = ledger.journal("c1", "note", {})
    ledger.require_trust("c1", head)
    change(ledger, "DELETE FROM journal WHERE entry = 2")
    with pytest.raises(RecordsError, match="older than the given head"):
        ledger.require_trust("c1", head)
    assert ledger.campaigns() == ["c1"]


def test_a_ledger_of_the_first_release_is_brought_up_to_date(ledger: Records, location: str) -> None:
    begin(ledger)
    newer = ("replaced", "dlms_counter", "dlms_transfer", "dlms_key", "credential_mark", "secret_change", "secret_history", "login_try")
    newer += ("scan", "scan_meter")
    change(
        ledger,
        *(f"DROP TABLE {name}" for name in newer),
        "DROP INDEX attempt_campaign",
        "UPDATE meta SET value = '1' WHERE name = 'schema_version'",
    )
    read = open_records(location, "tester", read_only=True)
    assert read.schema_version == 1 and read.last_attempt_of_host("m01") is not None, "check mode reads it as it is"
    again = open_records(location, "tester")
    assert again.schema_version == schema.VERSION and again.ledger_id == ledger.ledger_id
    again.replace_meter("m01", "S1", "ann", "2026-11-21")


def test_check_mode_of_an_empty_store_knows_nothing(location: str) -> None:
    records = open_records(location, "tester", read_only=True)
    assert records.open_attempt("S1") is None and records.campaigns() == []
    with pytest.raises(RecordsError, match="reading only"):
        records.journal("c1", "note", {})


@pytest.mark.requirement("F-25")
def test_a_clock_before_the_last_attempt_is_refused(ledger: Records, location: str) -> None:
    begin(ledger)
    bound = constants.CLOCK_SKEW.number
    open_records(location, "tester", lambda: time.time() - bound + 5)
    with pytest.raises(RecordsError, match=f"differ by .* at most {bound} s") as caught:
        open_records(location, "tester", lambda: time.time() - bound - 10)
    assert caught.value.reason == "clock_skew"
    assert open_records(location, "tester", lambda: time.time() - bound - 10, read_only=True).open_attempt("S1") is not None


@pytest.mark.requirement("F-13")
def test_a_replaced_meter_no_longer_speaks_for_its_host_name(ledger: Records) -> None:
    attempt = begin(ledger)
    ledger.mark(attempt.id, "triggered")
    ledger.end_attempt(attempt.id, "comms_lost", "comms_lost")
    ledger.replace_meter("m01", "S1", "ann", "2026-11-21")
    ledger.replace_meter("m01", "S1", "ann", "2026-11-21")
    assert ledger.last_attempt_of_host("m01") is None
    assert [item.outcome for item in ledger.attempt_history("S1")] == ["comms_lost"], "its attempts stay on record"
    assert ledger.journal_lines("-").count("meter_replaced") == 1, "the same word twice changes nothing"
    assert begin(ledger, "S2").id == ledger.last_attempt_of_host("m01").id


# -- PostgreSQL alone ------------------------------------------------------------------------------------------------------


@pytest.mark.needs_debian("postgresql")
@pytest.mark.requirement("F-25")
def test_leases_are_judged_by_the_servers_clock(postgres: Any) -> None:
    url, bound = postgres.url(), constants.CLOCK_SKEW.number
    for wrong in (-bound - 10, bound + 10):
        with pytest.raises(RecordsError, match="differ by") as caught:
            open_records(url, "tester", lambda wrong=wrong: time.time() + wrong)
        assert caught.value.reason == "clock_skew"
    late = open_records(url, "tester", lambda: time.time() - bound + 5)
    begin(late)
    assert abs(late.open_attempt("S1").started - time.time()) < 4, "stored by the server's time"


@pytest.mark.needs_debian("postgresql")
def test_a_server_that_is_away_is_one_sentence_without_the_password(postgres: Any) -> None:
    url = postgres.url()
    secret = postgres_password(url)
    records = open_records(url, "tester")
    assert secret and secret not in records.location and "********" in records.location
    postgres.stop()
    try:
        with pytest.raises(RecordsError, match="cannot be used") as caught:
            records.open_attempt("S1")
    finally:
        postgres.start()
    assert caught.value.reason == "ledger_unreachable" and secret not in str(caught.value)
    assert records.open_attempt("S1") is None, "and it goes on when the server is back"


@pytest.mark.needs_debian("postgresql")
def test_writers_see_each_other_whatever_the_databases_default_is(postgres: Any) -> None:
    """A snapshot taken before the turn came would give one slot to two."""
    import psycopg

    url = postgres.url()
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.execute("SELECT current_database()").fetchone()[0]
        connection.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")
    first = open_records(url, "tester", run="one")
    second = open_records(url, "tester", run="two")
    with first._database.write() as transaction, concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.journal, "c1", "note", {"n": 2})
        looks = (transaction.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") for dummy in range(100_000))
        assert any(looks), "the second one never asked for its turn"
        chain.append(transaction, "c1", time.time(), "tester", "note", {"n": 1})
        transaction.execute("COMMIT")
        transaction.execute("BEGIN")
        waiting.result(10)
    assert second.verify_chain("c1").entries == 2


@pytest.mark.needs_debian("postgresql")
def test_a_database_of_something_else_is_refused(postgres: Any) -> None:
    import psycopg

    url = postgres.url()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE somebody (id int)")
    with pytest.raises(RecordsError, match="database of something else"):
        open_records(url, "tester")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:Canary-pg-1@db/x", "postgresql://user:********@db/x"),
        ("postgresql://db/x?user=u&password=Canary-pg-2", "postgresql://db/x?user=u&password=********"),
        ("postgresql://user:Canary@pg@3@db/x", "postgresql://user:********@db/x"),
        ("postgresql://user@db/x", "postgresql://user@db/x"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert store.masked(url) == shown


@pytest.mark.parametrize("url", ["mysql://user:Canary-pg-4@db/x", "postgresql://user:Canary-pg-5@db:x/y?bad"])
def test_other_urls_are_bad_input(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_records(url, "tester")
    assert "Canary" not in str(caught.value)


def postgres_password(url: str) -> str:
    return str(store.password_of(url))
