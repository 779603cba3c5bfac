# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Leases and slots: exclusive, capped, taken over only when that is safe (design 4.5, R-084, G-18)."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import LeaseLostError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.owner import Owner, owner_alive, this_process
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt, Holder, Lease

FORK = multiprocessing.get_context("fork")


class Now:
    """A wall clock that tests move."""

    def __init__(self) -> None:
        self.value = 1_000_000.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def seen_file(tmp_path: Path) -> Path:
    """Where a forked process leaves word."""
    return tmp_path / "seen"


@pytest.fixture
def ledger(location: str, now: Now) -> Records:
    return open_records(location, "tester", now)


def begin(records: Records, serial: str = "S1", *leases: Lease, hard_timeout: float | None = None) -> Attempt:
    return records.begin_attempt(
        serial, "PM5560", "m01", "A-1", "ftp", "2.7.8", "2.9.9", "d", "tester", "p", "c1", {}, leases=leases, hard_timeout=hard_timeout
    )


def in_child(work: Callable[[], None], kill: bool = True) -> int:
    """Run ``work`` in a forked process that then is killed without any clean-up; its pid, reaped."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL) if kill else os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_a_lease_is_exclusive_and_released(ledger: Records, seen_file: Path) -> None:
    seen: list[str] = []
    lease = ledger.acquire("meter:S1", 60)
    assert isinstance(lease, Lease)

    def rival() -> None:
        other = ledger.acquire("meter:S1", 60)
        seen_file.write_text(other.text if isinstance(other, Holder) else "taken")

    in_child(rival)
    seen.append(seen_file.read_text())
    assert seen == [f"meter:S1 is in use by process {os.getpid()} on {this_process().host}"]
    ledger.release(lease)
    in_child(rival)
    assert seen_file.read_text() == "taken"


def test_the_same_process_gets_its_lease_again(ledger: Records) -> None:
    first = ledger.acquire("meter:S1", 60)
    second = ledger.acquire("meter:S1", 60)
    assert isinstance(first, Lease) and isinstance(second, Lease)
    with pytest.raises(LeaseLostError):
        ledger.beat(first)
    ledger.beat(second)


@pytest.mark.requirement("F-24")
def test_a_living_owner_keeps_its_lease_only_while_it_beats(ledger: Records, now: Now) -> None:
    ready, leave = FORK.Event(), FORK.Event()

    def hold() -> None:
        ledger.acquire("meter:S1", 60)
        ready.set()
        leave.wait(20)

    child = FORK.Process(target=hold)
    child.start()
    assert ready.wait(20)
    holder = ledger.acquire("meter:S1", 60)
    assert isinstance(holder, Holder) and holder.alive is True
    now.value += 61
    taken = ledger.acquire("meter:S1", 60)
    assert isinstance(taken, Lease) and taken.taken_over
    leave.set()
    child.join(20)


@pytest.mark.requirement("F-23")
def test_the_lease_of_a_killed_process_is_taken_at_once(ledger: Records) -> None:
    in_child(lambda: ledger.acquire("meter:S1", 3600) and None)
    lease = ledger.acquire("meter:S1", 60)
    assert isinstance(lease, Lease) and lease.taken_over


@pytest.mark.requirement("F-23", "invariant-d")
def test_a_triggered_meter_is_not_freed_by_death_or_expiry(ledger: Records, now: Now) -> None:
    def die_after_trigger() -> None:
        lease = ledger.acquire("meter:S1", 60)
        assert isinstance(lease, Lease)
        ledger.mark(begin(ledger, "S1", lease).id, "triggered", lease=lease)

    in_child(die_after_trigger)
    now.value += 100_000
    holder = ledger.acquire("meter:S1", 60)
    assert isinstance(holder, Holder) and holder.attempt_open and holder.alive is False
    assert "end is not known" in holder.text
    lease = ledger.acquire("meter:S1", 60, resolve_open=True)
    assert isinstance(lease, Lease) and lease.attempt_id == holder.attempt_id
    assert lease.attempt_id is not None
    ledger.end_attempt(lease.attempt_id, "verified_late")
    ledger.release(lease)
    assert isinstance(ledger.acquire("meter:S1", 60), Lease)


def test_resolving_is_refused_while_the_old_worker_lives(ledger: Records) -> None:
    ready, leave = FORK.Event(), FORK.Event()

    def orphan() -> None:
        lease = ledger.acquire("meter:S1", 60)
        assert isinstance(lease, Lease)
        begin(ledger, "S1", lease)
        ready.set()
        leave.wait(20)

    child = FORK.Process(target=orphan)
    child.start()
    assert ready.wait(20)
    assert isinstance(ledger.acquire("meter:S1", 60, resolve_open=True), Holder)
    leave.set()
    child.join(20)
    assert isinstance(ledger.acquire("meter:S1", 60, resolve_open=True), Lease)


def test_the_hard_timeout_frees_what_nobody_resolved(ledger: Records, now: Now) -> None:
    def die_after_trigger() -> None:
        slot = ledger.acquire_slot("ftp", 1, 60)
        assert slot is not None
        ledger.mark(begin(ledger, "S1", slot, hard_timeout=1800).id, "triggered")

    in_child(die_after_trigger)
    now.value += 1799
    assert ledger.acquire_slot("ftp", 1, 60) is None
    now.value += 2
    assert ledger.acquire_slot("ftp", 1, 60) is not None
    assert ledger.open_attempt("S1") is not None, "freeing the slot does not end the attempt"


def test_release_keeps_a_lease_whose_attempt_is_open(ledger: Records, seen_file: Path) -> None:
    lease = ledger.acquire("meter:S1", 60)
    assert isinstance(lease, Lease)
    begin(ledger, "S1", lease)
    ledger.release(lease)

    def rival() -> None:
        plain = ledger.acquire("meter:S1", 60)
        resolving = ledger.acquire("meter:S1", 60, resolve_open=True)
        seen_file.write_text(f"{type(plain).__name__} {type(resolving).__name__}")

    in_child(rival)
    assert seen_file.read_text() == "Holder Lease"


def test_a_lost_lease_stops_the_trigger(ledger: Records, now: Now) -> None:
    lease = ledger.acquire("meter:S1", 60)
    assert isinstance(lease, Lease)
    attempt = begin(ledger, "S1", lease)
    now.value += 61
    in_child(lambda: ledger.acquire("meter:S1", 60, resolve_open=True) and None)
    with pytest.raises(LeaseLostError, match="nothing more is started here"):
        ledger.mark(attempt.id, "triggered", lease=lease)
    assert not ledger.holds(lease)
    assert ledger.attempt(attempt.id).state == "recorded"
    with pytest.raises(LeaseLostError):
        begin(ledger, "S2", lease)
    assert ledger.open_attempt("S2") is None, "an attempt without its lease leaves no trace"


@pytest.mark.requirement("R-084", "G-18", "invariant-a")
def test_slots_are_capped_even_when_the_cap_is_lowered(ledger: Records) -> None:
    taken = [ledger.acquire_slot("ftp", 3, 60) for dummy in range(4)]
    assert [lease is not None for lease in taken] == [True, True, True, False]
    assert ledger.slots_in_use("ftp") == 3
    assert taken[0] is not None
    ledger.release(taken[0])
    assert ledger.acquire_slot("ftp", 2, 60) is None, "two higher slots are still in use"
    assert ledger.acquire_slot("web", 1, 60) is not None, "groups do not share slots"


def test_a_slot_left_by_a_triggered_attempt_goes_to_its_successor(ledger: Records, now: Now) -> None:
    def die_after_trigger() -> None:
        lease, slot = ledger.acquire("meter:S1", 60), ledger.acquire_slot("ftp", 1, 60)
        assert isinstance(lease, Lease) and slot is not None
        ledger.mark(begin(ledger, "S1", lease, slot).id, "triggered")

    in_child(die_after_trigger)
    now.value += 10_000
    assert ledger.acquire_slot("ftp", 1, 60) is None
    attempt = ledger.open_attempt("S1")
    assert attempt is not None
    mine = ledger.acquire_slot("ftp", 1, 60, attempt.id)
    assert mine is not None and mine.taken_over and mine.attempt_id == attempt.id


def test_looking_at_a_lease_changes_nothing(ledger: Records, seen_file: Path) -> None:
    assert ledger.holder("meter:S1") is None
    ledger.acquire("meter:S1", 60)
    assert ledger.holder("meter:S1") is None, "our own lease is no obstacle"

    def rival() -> None:
        found = ledger.holder("meter:S1")
        seen_file.write_text(found.text if found else "free")

    in_child(rival)
    assert "is in use by process" in seen_file.read_text()
    in_child(lambda: ledger.acquire("meter:S2", 60) and None)
    assert ledger.holder("meter:S2") is None, "its owner is dead"


def test_a_dead_slot_without_attempt_is_free(ledger: Records) -> None:
    in_child(lambda: ledger.acquire_slot("ftp", 1, 3600) and None)
    assert ledger.acquire_slot("ftp", 1, 60) is not None


def _compete(location: str, gate: object, results: object) -> None:
    records = open_records(location, "tester")
    gate.wait(20)  # type: ignore[attr-defined]
    lease = records.acquire("meter:S1", 60)
    slot = records.acquire_slot("ftp", 4, 60)
    results.put((isinstance(lease, Lease), slot.resource if slot else None))  # type: ignore[attr-defined]
    gate.wait(20)  # type: ignore[attr-defined]


@pytest.mark.requirement("F-24", "invariant-a", "invariant-b")
def test_many_forked_processes_get_one_lease_and_four_slots(location: str) -> None:
    workers = 16
    gate, results = FORK.Barrier(workers), FORK.Queue()
    children = [FORK.Process(target=_compete, args=(location, gate, results)) for dummy in range(workers)]
    for child in children:
        child.start()
    answers = [results.get(timeout=60) for dummy in range(workers)]
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0] * workers
    assert sum(won for won, dummy in answers) == 1
    slots = [slot for dummy, slot in answers if slot]
    assert sorted(slots) == [f"slot:ftp:{number}" for number in range(4)]


def test_liveness_is_only_claimed_where_it_can_be_told() -> None:
    me = this_process()
    assert owner_alive(me) is True
    assert owner_alive(Owner(me.host, me.boot_id, me.pid, me.pid_start + 1, me.run)) is False, "a reused pid is another process"
    assert owner_alive(Owner("elsewhere", me.boot_id, me.pid, me.pid_start, me.run)) is None
    boot, namespace = me.boot_id.split("/")
    assert owner_alive(Owner(me.host, f"older/{namespace}", me.pid, me.pid_start, me.run)) is None, "or a clone with the same name"
    assert owner_alive(Owner(me.host, f"{boot}/another", me.pid, me.pid_start, me.run)) is None, "another container of this machine"


def test_an_unknown_owner_is_waited_for_until_its_lease_expires(ledger: Records, now: Now, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Owner("elsewhere", "boot/ns", 1, 1, "run")
    with monkeypatch.context() as patch:
        patch.setattr(type(ledger), "owner", property(lambda self: elsewhere))
        assert isinstance(ledger.acquire("meter:S1", 60), Lease)
    holder = ledger.acquire("meter:S1", 60)
    assert isinstance(holder, Holder) and holder.alive is None and "cannot be checked from here" in holder.text
    now.value += 61
    assert isinstance(ledger.acquire("meter:S1", 60), Lease)


def test_a_zombie_is_dead() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    me = this_process()
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert owner_alive(Owner(me.host, me.boot_id, pid, int(stat[19]), me.run)) is False
    os.waitpid(pid, 0)
