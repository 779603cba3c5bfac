# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The ledger file itself, the journal's chain and the outcomes of a campaign."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, default_location, open_records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Records:
    return open_records(str(path), "tester")


def edit(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_folder_and_file_belong_to_the_user_alone(ledger: Records, path: Path) -> None:
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_records(str(path), "tester").ledger_id == ledger.ledger_id


def test_the_default_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_location() == tmp_path / "gridops.metering" / "records.sqlite3"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_location() == tmp_path / "home" / ".local/share/gridops.metering/records.sqlite3"


@pytest.mark.requirement("F-39")
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"this is no database at all, but it is long enough to look at" * 40, "damaged or is not a ledger"),
        (b"SQLite format 3\x00" + b"\x00" * 5000, "damaged or is not a ledger|cannot be used"),
    ],
)
def test_a_damaged_file_is_one_sentence(path: Path, content: bytes, text: str) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    with pytest.raises(RecordsError, match=text) as error:
        open_records(str(path), "tester")
    assert error.value.reason == "ledger_untrusted" and "\n" not in str(error.value)


def test_a_database_of_somebody_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    edit(path, "CREATE TABLE theirs (a TEXT)")
    with pytest.raises(RecordsError, match="database of something else"):
        open_records(str(path), "tester")


def test_a_newer_schema_is_refused(ledger: Records, path: Path) -> None:
    edit(path, "UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    for read_only in (False, True):
        with pytest.raises(RecordsError, match="schema version 99, but this release knows up to 5"):
            open_records(str(path), "tester", read_only=read_only)
    edit(path, "UPDATE meta SET value = 'x' WHERE name = 'schema_version'")
    with pytest.raises(RecordsError, match="does not say its schema version"):
        open_records(str(path), "tester")


def test_a_locked_ledger_is_one_sentence(ledger: Records, path: Path) -> None:
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(RecordsError, match=r"was locked by another process for 0\.1 s"):
        open_records(str(path), "tester", busy_seconds=0.1)
    blocker.close()


def test_a_ledger_that_cannot_be_written_is_one_sentence(ledger: Records, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may write everything, so the refusal is provoked where it is decided.
    monkeypatch.setattr(os, "access", lambda *dummy: False)
    with pytest.raises(RecordsError, match="read-only for this user"):
        ledger.plan_meters("c1", ["m01"])
    assert ledger.outcomes("c1") == {}, "reading still works"


def test_a_ledger_everybody_may_write_is_refused(ledger: Records, path: Path) -> None:
    path.chmod(0o666)
    with pytest.raises(RecordsError, match="can be written by everybody"):
        open_records(str(path), "tester")


@pytest.mark.parametrize("location", ["mysql://user:secret-word@db/x", "postgresql://user:secret-word@db:x/y?bad", "/"])
def test_other_kinds_of_location_are_bad_input(location: str) -> None:
    with pytest.raises(InputError, match="records: ") as error:
        open_records(location, "tester")
    assert "secret-word" not in str(error.value)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="cannot be opened"):
        open_records(str(tmp_path / "file" / "records.sqlite3"), "tester")


def test_check_mode_makes_nothing(path: Path) -> None:
    records = open_records(str(path), "tester", read_only=True)
    assert records.open_attempt("S1") is None
    assert records.attempts("S1", "PM5561", "10.6.3").known is False
    assert records.outcomes("c1") == {}
    with pytest.raises(RecordsError, match="reading only"):
        records.acquire("meter:S1", 60)
    assert not path.parent.exists()


def test_check_mode_reads_what_is_there(ledger: Records, path: Path) -> None:
    ledger.record_outcome("c1", "m01", "S1", "verified")
    before = path.read_bytes()
    assert open_records(str(path), "tester", read_only=True).outcomes("c1")["m01"]["outcome"] == "verified"
    assert path.read_bytes() == before


@pytest.mark.requirement("R-297", "F-39")
@pytest.mark.parametrize(
    ("sql", "broken_at"),
    [
        ("UPDATE journal SET body = '{\"n\":9}' WHERE entry = 2", 2),
        ("UPDATE journal SET at = at + 1 WHERE entry = 3", 3),
        ("UPDATE journal SET operator = 'nobody' WHERE entry = 1", 1),
        ("DELETE FROM journal WHERE entry = 2", 2),
        ("UPDATE journal SET hash = 'x' WHERE entry = 4", 4),
    ],
)
def test_an_edited_journal_is_noticed(ledger: Records, path: Path, sql: str, broken_at: int) -> None:
    for number in range(4):
        ledger.journal("c1", "note", {"n": number})
    good = ledger.verify_chain("c1")
    assert good.ok and good.entries == 4
    edit(path, sql)
    broken = ledger.verify_chain("c1")
    assert (broken.ok, broken.broken_at) == (False, broken_at)


@pytest.mark.requirement("R-297", "F-39")
def test_entries_cut_off_at_the_end_show_against_a_noted_head(ledger: Records, path: Path) -> None:
    ledger.journal("c1", "note", {})
    middle = ledger.verify_chain("c1").head
    head = ledger.journal("c1", "note", {})
    assert ledger.verify_chain("c1", head).ok and ledger.verify_chain("c1", middle).ok, "an older report still fits"
    edit(path, "DELETE FROM journal WHERE entry = 2")
    assert ledger.verify_chain("c1").ok, "the chain alone cannot know"
    assert ledger.verify_chain("c1", head).ok is False


def test_the_journal_tells_each_change_and_exports_as_lines(ledger: Records) -> None:
    ledger.plan_meters("c1", ["m01"])
    attempt = ledger.begin_attempt("S1", "PM5560", "m01", "A-1", "ftp", "2.7.8", "2.9.9", "d", "tester", "p", "c1", {})
    ledger.mark(attempt.id, "triggered", {"status": 302})
    ledger.end_attempt(attempt.id, "verified")
    ledger.end_attempt(attempt.id, "verified")
    ledger.record_outcome("c1", "m01", "S1", "verified")
    lines = [json.loads(line) for line in ledger.journal_lines("c1").splitlines()]
    assert [line["event"] for line in lines] == ["meters_planned", "attempt_recorded", "attempt_triggered", "attempt_ended", "outcome"]
    assert lines[2]["body"]["detail"] == {"status": 302}
    assert [line["prev"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
    assert ledger.verify_chain("other").entries == 0


@pytest.mark.requirement("invariant-h")
def test_outcomes_cover_every_planned_meter(ledger: Records) -> None:
    assert ledger.plan_meters("c1", {"m01": "S1", "m02": "S2"}) == ["m01", "m02"]
    assert ledger.plan_meters("c1", ["m02", "m03"]) == ["m03"], "planning again adds, and forgets nothing"
    ledger.record_outcome("c1", "m02", "S2", "failed_final", "upgrade_process_failed", {"text": "no"})
    ledger.record_outcome("c1", "m02", "S2", "verified_late")
    ledger.record_outcome("c1", "stray", "S9", "verified")
    found = ledger.outcomes("c1")
    assert {host: (row["planned"], row["outcome"]) for host, row in found.items()} == {
        "m01": (True, ""),
        "m02": (True, "verified_late"),
        "m03": (True, ""),
        "stray": (False, "verified"),
    }
    assert ledger.plan_meters("c1", ["stray"]) == ["stray"]
    assert ledger.outcomes("c1")["stray"]["outcome"] == "verified"
    assert ledger.outcomes("c2") == {}


@pytest.mark.requirement("F-23")
def test_a_ledger_that_another_process_is_just_making_knows_nothing_yet(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite3"
    path.touch(mode=0o600)
    records = open_records(str(path), "tester", read_only=True)
    assert records.open_attempt("S1") is None and path.stat().st_size == 0
