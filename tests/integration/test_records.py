# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The playbook verify_records: whole, edited and older journals, the word that takes one as it is, and no password anywhere (F-39, R-297)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.postgres import password_of
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_debian("postgresql"))])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "records.sqlite3")
    return str(request.getfixturevalue("postgres").url())


def verify(folder: Path, *arguments: str, **variables: Any) -> tuple[bool, str]:
    """Run the playbook; whether it was content, and all it said."""
    given = {f"metering_{name}": value for name, value in variables.items()}
    command = [str(PLAYBOOK), "-v", "-i", "localhost,", "gridops.metering.verify_records", "-e", json.dumps(given), *arguments]
    environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "ANSIBLE_HOME": str(folder / "home"), "HOME": str(folder)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    output = done.stdout + done.stderr
    assert "Traceback" not in output and done.returncode in (0, 2), output
    secret = password_of(variables.get("records"))
    assert not secret or secret not in output, "the password of the records is shown"
    return done.returncode == 0, output


def edited(records: Records, statement: str) -> None:
    with records._database.write() as transaction:
        assert transaction.execute(statement) == 1


@pytest.mark.requirement("F-39", "R-297")
def test_a_journal_is_verified_found_broken_and_taken_by_word(location: str, tmp_path: Path) -> None:
    records = open_records(location, "tester")
    for number in range(3):
        head = records.journal("autumn", "note", {"n": number})
    records.journal("spring", "note", {})

    good, said = verify(tmp_path, records=location, report_dir=str(tmp_path / "report"))
    assert good and "2 journals, 0 of them broken" in said and head in said
    assert len((tmp_path / "report" / "journal-autumn.jsonl").read_text(encoding="utf-8").splitlines()) == 3

    edited(records, "UPDATE journal SET operator = 'nobody' WHERE campaign = 'autumn' AND entry = 2")
    good, said = verify(tmp_path, records=location)
    assert not good and "the journal of autumn cannot be trusted" in said and "ledger_untrusted" in said and "spring cannot" not in said

    words = {"records": location, "campaign": "autumn", "accept": ["ledger_rebaseline"]}
    good, said = verify(tmp_path, **words)
    assert not good and "campaign and reason as well" in said
    good, said = verify(tmp_path, "--check", **words, reason="restored on Monday")
    assert good and "changed=1" in said and not records.verify_chain("autumn").ok, "check mode tells and changes nothing"
    good, said = verify(tmp_path, **words, reason="restored on Monday")
    assert good and records.verify_chain("autumn").baseline == 4 and "restored on Monday" in records.journal_lines("autumn")


@pytest.mark.requirement("F-39", "R-297")
def test_a_ledger_from_an_older_copy_is_found_by_the_head_of_a_report(tmp_path: Path) -> None:
    location = str(tmp_path / "records.sqlite3")
    records = open_records(location, "tester")
    records.journal("autumn", "note", {})
    head = records.journal("autumn", "note", {})
    edited(records, "DELETE FROM journal WHERE entry = 2")
    assert verify(tmp_path, records=location)[0], "without the head nothing is missing"
    good, said = verify(tmp_path, records=location, campaign="autumn", records_head=head)
    assert not good and "older than the given head" in said
