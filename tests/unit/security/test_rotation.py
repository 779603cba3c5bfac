# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Key change in two phases against a modelled meter: an answer lost at any point locks nobody out (F-27)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import DlmsKeys
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import marks, rotation
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.rotation import (
    LOST,
    ORDER,
    REFUSED,
    SILENT,
    WORKS,
    Begin,
    End,
    Known,
    Prove,
    Send,
    Situation,
    Verdict,
)

OLD = DlmsKeys(guek=b"e" * 16, gak=b"a" * 16, gbek=b"b" * 16, kek=b"k" * 16)
NEW = DlmsKeys(guek=b"E" * 16, gak=b"A" * 16, gbek=b"B" * 16, kek=b"K" * 16)
SERIAL, CLIENT = "90000001", 1


class Killed(Exception):
    """The run was cut off here (kill -9)."""


@dataclass
class Meter:
    """A meter's keys, its ledger on the control node, and what happens at each step: ``faults`` by step number."""

    keys: DlmsKeys = OLD
    faults: dict[int, str] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    proven: dict[str, str] = field(default_factory=dict)
    open: bool = False
    steps: int = 0
    sent_in_association: int = 0
    refused_logins: int = 0
    deliberate: int = 0
    journal: list[str] = field(default_factory=list)

    def known_to(self, current: DlmsKeys, new: DlmsKeys) -> bool:
        """Each key of the meter is one that the caller has."""
        return all(getattr(self.keys, name) in (getattr(current, name), getattr(new, name)) for name in ORDER)

    def situation(self, current: DlmsKeys = OLD, new: DlmsKeys = NEW, probe: bool = True) -> Situation:
        def which(name: str, mark: str | None) -> str:
            for label, keys in (("new", new), ("current", current)):
                if marks.is_key_mark(mark, SERIAL, name, getattr(keys, name)):
                    return label
            return "other"

        proven = {name: which(name, mark) for name, mark in self.proven.items()}
        known = {name: label for name, label in proven.items() if label != "other"}
        return Situation(current, new, known, {name: which(name, mark) for name, mark in self.pending.items()}, probe)

    def do(self, step: Any) -> str | None:
        self.steps += 1
        fault = self.faults.get(self.steps, "")
        if fault == "kill_before":
            raise Killed
        answer = self._act(step, fault)
        if fault == "kill_after":
            raise Killed
        return answer

    def _act(self, step: Any, fault: str) -> str | None:
        if isinstance(step, Prove):
            self.open, self.sent_in_association = False, 0
            if fault == "lost":
                return SILENT
            self.open = (step.keys.gak, step.keys.guek) == (self.keys.gak, self.keys.guek)
            self.deliberate += step.deliberate
            if self.open:
                self.proven.update({name: self._mark(name, getattr(step.keys, name)) for name in ("gak", "guek")})
                return WORKS
            self.refused_logins += 1
            return REFUSED
        if isinstance(step, Begin):
            self.pending[step.key_id] = self._mark(step.key_id, step.key)
            return None
        if isinstance(step, End):
            self.journal.append(f"{step.key_id} {step.outcome}")
            if step.outcome != "unknown":
                self.pending.pop(step.key_id, None)
                if step.key is not None:
                    self.proven[step.key_id] = self._mark(step.key_id, step.key)
            return None
        if isinstance(step, Known):
            self.proven[step.key_id] = self._mark(step.key_id, step.key)
            return None
        return self._send(step, fault)

    def _send(self, step: Send, fault: str) -> str:
        assert self.open, "a key is only sent in an association that was proven"
        if step.new:
            assert marks.is_key_mark(self.pending.get(step.key_id), SERIAL, step.key_id, step.key), "announced before it is sent"
            assert not self.sent_in_association, "one key in one association"
        if fault == "lost":  # the request never arrived
            self.open = False
            return LOST
        if step.kek != self.keys.kek or fault == "refuse":
            return REFUSED
        self.sent_in_association += 1
        self.keys = replace(self.keys, **{step.key_id: step.key})
        if fault == "answer_lost":
            self.open = False
            return LOST
        return WORKS

    @staticmethod
    def _mark(name: str, key: bytes) -> str:
        return marks.key_mark(SERIAL, name, key)


def drive(meter: Meter, generator: Generator[Any, Any, Verdict]) -> Verdict:
    answer: str | None = None
    while True:
        try:
            step = generator.send(answer)
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict
        answer = meter.do(step)


def run(meter: Meter, current: DlmsKeys = OLD, new: DlmsKeys = NEW, probe: bool = True) -> Verdict:
    """One run of the module: find the keys, then change what is left."""
    now = meter.situation(current, new, probe)
    found = drive(meter, rotation.locate(now))
    return found if found.reason else drive(meter, rotation.rotate(now, found.keys))


@pytest.mark.requirement("F-27")
def test_a_change_sends_each_key_once_in_order_and_proves_it() -> None:
    meter = Meter()
    verdict = run(meter)
    assert (verdict.reason, meter.keys) == ("", NEW)
    assert list(verdict.states) == list(ORDER)
    assert meter.journal == [f"{name} active" for name in ORDER]
    assert meter.deliberate == meter.refused_logins == 1
    again = meter.steps
    assert run(meter).states == {}
    assert meter.steps == again + 1, "the ledger knows the keys: one association, nothing sent, nothing probed"


def test_without_a_ledger_the_wanted_keys_are_tried_first_and_nothing_is_sent() -> None:
    meter = Meter(keys=NEW)
    assert run(meter).states == {"gbek": "changed"}, "nothing tells which broadcast key a meter has"
    assert meter.refused_logins == 0
    assert meter.keys == NEW
    assert run(meter).states == {}


@pytest.mark.parametrize("name", ORDER)
def test_one_key_alone(name: str) -> None:
    new = DlmsKeys(**{name: getattr(NEW, name)})
    meter = Meter()
    assert run(meter, new=new).states == {name: "changed"}
    assert meter.keys == replace(OLD, **{name: getattr(NEW, name)})
    assert run(meter, new=new).states == {}


def test_without_probing_no_login_is_bound_to_fail() -> None:
    meter = Meter()
    assert run(meter, probe=False).reason == ""
    assert meter.refused_logins == 0
    assert meter.keys == NEW


def test_wrong_current_keys_are_tried_once_and_nothing_is_sent() -> None:
    meter = Meter()
    wrong = replace(OLD, guek=b"x" * 16)
    assert run(meter, current=wrong, probe=False).reason == "dlms_auth_failed"
    assert meter.refused_logins == 1
    assert run(meter, current=wrong).reason == "key_state_unknown"
    assert meter.refused_logins == 3


def test_a_key_sent_by_an_earlier_run_and_not_given_any_more_stops() -> None:
    meter = Meter()
    meter.faults = {7: "answer_lost", 8: "lost"}  # probe, current, master key (3), begin, send, prove
    assert run(meter).reason == "transport_failed"
    before = meter.keys
    verdict = run(meter, new=replace(NEW, gak=b"Z" * 16))
    assert verdict.reason == "key_state_unknown"
    assert "another gak" in verdict.text
    assert meter.keys == before


def test_a_pending_key_that_was_put_into_the_vault_is_settled() -> None:
    meter = Meter()
    meter.faults = {7: "answer_lost", 8: "lost"}
    run(meter)
    moved = replace(OLD, gak=NEW.gak)
    assert run(meter, current=moved, new=DlmsKeys()).reason == ""
    assert meter.journal[-1] == "gak active"
    assert not meter.pending


@pytest.mark.requirement("F-27")
@settings(max_examples=400, deadline=None)
@given(
    faults=st.dictionaries(
        st.integers(1, 22), st.sampled_from(["lost", "answer_lost", "refuse", "kill_before", "kill_after"]), min_size=1, max_size=4
    ),
    wanted=st.sets(st.sampled_from(ORDER), min_size=1),
    probe=st.booleans(),
)
def test_no_fault_at_any_point_locks_anybody_out(faults: dict[int, str], wanted: set[str], probe: bool) -> None:
    new = DlmsKeys(**{name: getattr(NEW, name) for name in wanted})
    meter = Meter(faults=dict(faults))
    for _run in range(5):
        before = meter.refused_logins
        meter.deliberate = 0
        try:
            verdict = run(meter, new=new, probe=probe)
        except Killed:
            verdict = None
        assert meter.known_to(OLD, new), "at every point the caller has the keys of the meter"
        assert meter.refused_logins - before <= 2, "each set of keys is tried at most once"
        assert meter.deliberate <= 1
        if verdict is not None and not verdict.reason:
            assert meter.keys == rotation.merged(OLD, new, ORDER)
            assert not meter.pending
            return
    raise AssertionError(f"never came to an end: {verdict}")
