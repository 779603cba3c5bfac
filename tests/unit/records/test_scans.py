# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the records keep of audits, on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records import schema
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records

START = 1_800_000_000.0


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(location: str, clock: Clock) -> Records:
    return open_records(location, "ann", clock)


def document(verdict: str = "compliant", digest: str = "d1") -> dict[str, Any]:
    return {
        "baseline": {"id": "grid", "version": "3"},
        "verdict": verdict,
        "totals": {"verdicts": {"drift": 0, "compliant": 2}},
        "digest": digest,
    }


@pytest.mark.requirement("R-297")
def test_a_scan_is_kept_with_its_digest_and_is_part_of_the_chain(ledger: Records, clock: Clock) -> None:
    ledger.audits.record(document(), {"S1": "m01", "S2": "m02"})
    clock.now += 86_400
    ledger.audits.record(document("drift", "d2"), {"S1": "m01"})
    scans = ledger.audits.scans()
    assert [(item["at"], item["verdict"], item["digest"]) for item in scans] == [
        (START, "compliant", "d1"),
        (START + 86_400, "drift", "d2"),
    ]
    assert scans[0]["operator"] == "ann" and scans[0]["baseline"] == "grid 3" and scans[0]["verdicts"] == {"drift": 0, "compliant": 2}
    assert ledger.audits.scans(1) == scans[1:]
    found = ledger.verify_chain("audit")
    assert found.ok and found.entries == 2
    assert '"seen": 2' in ledger.journal_lines("audit")


def test_when_a_meter_was_last_read_is_known_by_its_name(ledger: Records, clock: Clock) -> None:
    ledger.audits.record(document(), {"S1": "m01", "S2": "m02"})
    clock.now += 60
    ledger.audits.record(document(), {"S9": "m01"})
    assert ledger.audits.last_seen(["m01", "m02", "m03"]) == {"m01": ("S9", START + 60), "m02": ("S2", START)}
    assert ledger.audits.last_seen([]) == {}
    ledger.audits.record(document(), {"S2": "m02"}, at=START - 60)
    assert ledger.audits.last_seen(["m02"]) == {"m02": ("S2", START)}, "an older reading takes nothing back"


def test_the_history_has_campaigns_with_their_attempts(ledger: Records, clock: Clock) -> None:
    ledger.plan_meters("spring", {"m01": "S1", "m02": "S2"})
    attempt = ledger.begin_attempt("S1", "PM5560", "m01", "A-1", "ftp", "2.3.1", "2.8.3", "d", "ann", "p", "spring", {})
    ledger.mark(attempt.id, "triggered")
    clock.now += 300
    ledger.end_attempt(attempt.id, "verified")
    ledger.record_outcome("spring", "m01", "S1", "verified")
    clock.now += 300
    ledger.plan_meters("later", ["m03"])
    ledger.audits.record(document(), {})
    history = ledger.audits.history()
    assert [item["campaign"] for item in history["campaigns"]] == ["spring", "later"] and len(history["scans"]) == 1
    spring = history["campaigns"][0]
    assert spring["meters"] == 2 and spring["outcomes"] == {"planned": 1, "verified": 1}
    assert spring["head"] == ledger.verify_chain("spring").head
    assert spring["tries"] == [
        {
            "host": "m01", "serial": "S1", "method": "ftp", "source": "2.3.1", "target": "2.8.3", "started": START,
            "finished": START + 300, "outcome": "verified", "reason": "",
        }
    ]  # fmt: skip
    assert [item["campaign"] for item in ledger.audits.history(["later"])["campaigns"]] == ["later"]


def test_a_ledger_of_the_release_before_is_brought_up_to_date(ledger: Records, location: str, clock: Clock) -> None:
    """Check mode reads the older one as one that knows of no audit."""
    ledger.plan_meters("spring", ["m01"])
    with ledger._database.write() as transaction:
        for statement in ("DROP TABLE scan", "DROP TABLE scan_meter", "UPDATE meta SET value = '4' WHERE name = 'schema_version'"):
            transaction.execute(statement)
    old = open_records(location, "ann", clock, read_only=True)
    assert old.schema_version == 4 and old.audits.scans() == [] and old.audits.last_seen(["m01"]) == {}
    assert [item["campaign"] for item in old.audits.history()["campaigns"]] == ["spring"]
    with pytest.raises(RecordsError, match="reading only"):
        old.audits.record(document(), {})
    now = open_records(location, "ann", clock)
    assert now.schema_version == schema.VERSION == 5 and now.ledger_id == ledger.ledger_id
    now.audits.record(document(), {"S1": "m01"})
    assert len(now.audits.scans()) == 1


@pytest.mark.requirement("R-043", "R-154", "G-06")
def test_attempts_of_a_fleet_are_counted_in_one_look_as_they_are_one_by_one(ledger: Records, clock: Clock) -> None:
    for serial, source, target in (
        ("S1", "10.6.5", "10.9.9"),
        ("S1", "10.9.9", "12.0.0"),
        ("S2", "10.5.0", "10.6.5"),
        ("S3", "10.5.0", "10.5.2"),
    ):
        attempt = ledger.begin_attempt(serial, "PM5561", "m", "B-1", "ftp", source, target, "d", "ann", "p", "spring", {})
        ledger.mark(attempt.id, "triggered")
        ledger.end_attempt(attempt.id, "failed_final")
        clock.now += 60
    ledger.attest_attempts("S4", "PM5561", "10.6.3", 7, "ann", "2026-11-01")
    serials = ("S1", "S2", "S3", "S4", "S5")
    found = ledger.audits.attempts_used(dict.fromkeys(serials, "10.6.3"))
    one_by_one = {serial: ledger.attempts(serial, "PM5561", "10.6.3") for serial in serials}
    assert found == {serial: count.used for serial, count in one_by_one.items() if count.known} == {"S1": 2, "S2": 0, "S4": 7}
    assert ledger.audits.attempts_used({}) == {}
