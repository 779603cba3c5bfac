# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""CSV: a row for each meter and control that a spreadsheet and a database read back, and none of them computes."""

from __future__ import annotations

import csv
import io
import sqlite3

import pytest

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import csv_table
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import STATES


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_database_counts_what_the_audit_counts(audit, text_of) -> None:
    text = text_of(csv_table.write, audit)
    assert text.count("\r\n") == audit["totals"]["controls"] + 1, "line ends of RFC 4180, one line a row"
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE audit ({', '.join(csv_table.COLUMNS)})")
    marks = ", ".join("?" * len(csv_table.COLUMNS))
    found = rows(text)
    database.executemany(f"INSERT INTO audit VALUES ({marks})", [list(row.values()) for row in found])
    counted = dict(database.execute("SELECT state, COUNT(*) FROM audit GROUP BY state"))
    assert counted == {name: number for name in STATES if (number := audit["totals"]["states"][name])}
    (meters,) = database.execute("SELECT COUNT(DISTINCT meter) FROM audit").fetchone()
    assert meters == audit["totals"]["meters"]
    (sealed,) = database.execute("SELECT COUNT(DISTINCT meter) FROM audit WHERE seals LIKE 'attested %'").fetchone()
    assert sealed == audit["totals"]["states"]["attested"]


@pytest.mark.requirement("R-248")
def test_each_row_tells_the_result_in_full(text_of) -> None:
    found = {row["control"]: row for row in rows(text_of(csv_table.write, auditmaker.one_of_each_state()))}
    assert found["mode"]["fix"] == "gridops.metering.harden" and (found["mode"]["file"], found["mode"]["line"]) == (
        "group_vars/all/baseline.yml",
        "12",
    )
    assert (found["services_ftp"]["waiver_expires"], found["services_ftp"]["want"]) == ("2027-03-31", "false")
    assert (found["seals"]["attested_by"], found["mode"]["seals"]) == ("j.doe", "attested 2026-10-01 A-17")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\uff1d1", '=HYPERLINK("http://x")', " =1"])
def test_no_cell_is_a_formula(text: str, text_of) -> None:
    (row,) = rows(text_of(csv_table.write, auditmaker.with_text(text)))
    for name in ("meter", "have", "remedy"):
        assert row[name] == "'" + text


def test_whatever_a_meter_says_is_one_cell(text_of) -> None:
    for nasty in auditmaker.NASTY:
        (row,) = rows(text_of(csv_table.write, auditmaker.with_text(nasty)))
        assert row["have"].removeprefix("'") == auditmaker.cleaned(nasty) and row["state"] == "fail"
