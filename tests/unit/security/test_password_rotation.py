# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The change of passwords in two phases, and the guard of logins: with a real ledger and a meter that counts failed logins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.login_guard import Guard
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.marks import user_account
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.password_rotation import Rotor, Verdict

from .accountmeter import AccountMeter, Killed

requirement = pytest.mark.requirement
KEY = b"Canary-key-of-the-vault"
OLD, NEW, ELSE = "Canary-old", "Canary-new", "Canary-else"
SELF, OTHER = "user:admin", "user:reader"


class Bench:
    """One meter, one ledger, a clock; every ``run`` is a run of its own with its own guard."""

    def __init__(self, path: Path, meter: AccountMeter, key: bytes | None = KEY) -> None:
        self.clock, self.meter, self.key = [1_800_000_000.0], meter, key
        self.records: Records = open_records(str(path / "records.sqlite3"), "test", now=lambda: self.clock[0])

    def run(self, *, accepted: bool = False, **guard: object) -> tuple[Rotor, Guard]:
        made = Guard(self.records.secrets, "S1", self.key, retry_accepted=accepted)
        for name, value in guard.items():
            setattr(made, name, value)
        return Rotor(self.records.secrets, made, "S1", self.key, "web", lambda: None), made

    def sign_in(self, current: str | None, new: str | None = None, **guard: object) -> Verdict:
        return self.run(**guard)[0].sign_in(SELF, current, new, login=self.meter.login(SELF))

    def own(self, current: str, new: str) -> Verdict:
        """What a run does with its own account: sign in with what works, then change it where that is needed."""
        rotor = self.run()[0]
        found = rotor.sign_in(SELF, current, new, login=self.meter.login(SELF))
        if found.reason or not rotor.wanted(SELF, new, "always").change:
            return found
        return rotor.rotate(SELF, new, own=True, current=current, write=self.meter.write(SELF, new), login=self.meter.login(SELF))

    def other(self, new: str, rotor: Rotor | None = None) -> Verdict:
        rotor = rotor or self.run()[0]
        return rotor.rotate(OTHER, new, own=False, write=self.meter.write(OTHER, new), login=self.meter.login(OTHER))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, AccountMeter(**{SELF: OLD, OTHER: OLD}))


def spent(bench: Bench, account: str = SELF) -> list[str]:
    return [secret for name, _protocol, secret in bench.meter.asked if name == account]


# -- the change -------------------------------------------------------------------------------------------------------


@requirement("R-198", "R-309")
def test_our_own_password_is_changed_and_proven_and_a_second_run_changes_nothing(bench: Bench) -> None:
    done = bench.own(OLD, NEW)
    assert (done.reason, done.which, done.changed) == ("", "new", True)
    again = bench.own(OLD, NEW)
    assert (again.reason, again.which, again.changed) == ("", "new", False), "the vault did not learn of it: both are still given"
    assert bench.meter.writes == 1 and not bench.meter.failed[SELF, "web"] and spent(bench) == [OLD, NEW, NEW]
    assert bench.own(NEW, NEW).which == "current", "now it did"


@requirement("R-315")
def test_the_password_of_another_account_costs_no_failed_login(bench: Bench) -> None:
    done = bench.other(NEW)
    assert (done.reason, done.changed, bench.meter.passwords[OTHER]) == ("", True, NEW)
    assert not bench.run()[0].wanted(OTHER, NEW, "always").change and spent(bench, OTHER) == [NEW]


@pytest.mark.parametrize("key", [KEY, None], ids=["marks", "no-marks"])
@pytest.mark.parametrize("fault", ["reply_lost", "lost", "ignored", "refused", "killed_before", "killed_after"])
@requirement("F-27", "R-309")
def test_whatever_happens_to_the_write_the_next_run_has_the_password_that_works(tmp_path: Path, fault: str, key: bytes | None) -> None:
    """Each password is tried at most once in a run, one login fails at most in all, and the last run ends with the new one."""
    bench = Bench(tmp_path, AccountMeter(**{SELF: OLD}), key)
    bench.meter.fault = fault
    try:
        first = bench.own(OLD, NEW)
        endings = {"reply_lost": "", "lost": "password_not_taken", "ignored": "password_not_taken", "refused": "password_refused"}
        assert first.reason == endings[fault] and first.state == "known"
        assert bench.meter.passwords[SELF] == (NEW if first.which == "new" else OLD)
        assert not bench.records.secrets.pending("S1")
    except Killed:
        assert SELF in bench.records.secrets.pending("S1")
    failed = len([secret for secret in spent(bench) if secret == NEW and bench.meter.passwords[SELF] == OLD])
    bench.meter.asked.clear()
    bench.clock[0] += 90_000  # after a refusal only time, or another password, lets it be tried again
    last = bench.own(OLD, NEW)
    assert (last.reason, last.which, bench.meter.passwords[SELF]) == ("", "new", NEW)
    assert failed <= 1 and not bench.meter.locked and len(spent(bench)) <= 3
    assert not bench.records.secrets.pending("S1")


@requirement("F-27")
def test_a_change_cut_off_before_it_was_sent_is_begun_again(bench: Bench) -> None:
    """The new one first, since it may have arrived; then the old one: one failed login."""
    bench.meter.fault = "killed_before"
    with pytest.raises(Killed):
        bench.own(OLD, NEW)
    bench.meter.asked.clear()
    found = bench.sign_in(OLD, NEW)
    assert (found.reason, found.which, spent(bench)) == ("", "current", [NEW, OLD])
    assert not bench.records.secrets.pending("S1") and bench.meter.failed[SELF, "web"] == 0


@requirement("F-27", "R-156")
def test_neither_works_is_said_and_not_repeated(bench: Bench) -> None:
    """Cut off in the middle, and somebody else changed it meanwhile: two failed logins, then none."""
    bench.meter.fault = "killed_after"
    with pytest.raises(Killed):
        bench.own(OLD, NEW)
    bench.meter.passwords[SELF] = ELSE
    found = bench.sign_in(OLD, NEW)
    assert (found.reason, found.state) == ("credential_unknown", "unknown") and found.device_text == "401"
    bench.meter.asked.clear()
    for dummy in range(3):
        held = bench.sign_in(OLD, NEW)
        assert held.reason == "login_held" and held.retry_after
    assert not bench.meter.asked and not bench.meter.locked


@requirement("R-320", "F-38")
def test_what_worked_last_and_is_refused_was_changed_by_somebody_else(bench: Bench) -> None:
    """Nothing else is tried then, though another password is given."""
    assert not bench.sign_in(OLD).reason
    bench.meter.passwords[SELF] = ELSE
    bench.meter.asked.clear()
    found = bench.sign_in(OLD, NEW)
    assert (found.reason, spent(bench)) == ("changed_out_of_band", [OLD])
    held = bench.sign_in(OLD, NEW)
    assert (held.reason, len(spent(bench))) == ("login_held", 1), "not even once more"
    assert bench.sign_in(ELSE).which == "current", "the vault learnt of it: tried at once"


def test_a_refusal_that_is_not_about_the_password_keeps_its_reason(bench: Bench) -> None:
    def off() -> None:
        raise DeviceError("write", "programming_off", "changes over the web are switched off", "programming_off")

    done = bench.run()[0].rotate(OTHER, NEW, own=False, write=off, login=bench.meter.login(OTHER))
    assert (done.reason, done.state, done.changed) == ("programming_off", "known", False) and not bench.meter.asked
    assert not bench.records.secrets.pending("S1")


def test_an_acknowledged_password_that_does_not_work_is_not_called_good(bench: Bench) -> None:
    bench.meter.fault = "ignored"
    done = bench.other(NEW)
    assert (done.reason, done.state, done.changed) == ("rotation_unverified", "unknown", None)
    assert OTHER in bench.records.secrets.pending("S1")
    assert bench.run()[0].wanted(OTHER, NEW, "on_create").state == "unknown"


def test_silence_after_the_change_leaves_it_to_the_next_run(bench: Bench) -> None:
    rotor = bench.run()[0]
    assert not rotor.sign_in(SELF, OLD, NEW, login=bench.meter.login(SELF)).reason
    bench.meter.silent_logins = 1
    done = rotor.rotate(SELF, NEW, own=True, current=OLD, write=bench.meter.write(SELF, NEW), login=bench.meter.login(SELF))
    assert (done.reason, done.changed) == ("rotation_unverified", None) and SELF in bench.records.secrets.pending("S1")
    assert bench.sign_in(OLD, NEW).which == "new" and not bench.records.secrets.pending("S1")


@pytest.mark.parametrize("key", [KEY, None], ids=["marks", "no-marks"])
def test_a_change_that_could_not_be_proven_is_settled_by_the_vaults_present_password(tmp_path: Path, key: bytes | None) -> None:
    """The vault has made the pending one current before anybody knew: it works, so it was taken."""
    bench = Bench(tmp_path, AccountMeter(**{SELF: OLD, OTHER: OLD}), key)
    bench.meter.silent_logins = 1
    assert bench.other(NEW).reason == "rotation_unverified"
    found = bench.run()[0].sign_in(OTHER, NEW, login=bench.meter.login(OTHER))
    assert (found.reason, found.which) == ("", "current") and not bench.records.secrets.pending("S1")
    assert (bench.records.secrets.last_change("S1", OTHER) or {})["state"] == "active"
    assert len(bench.records.secrets.history("S1", OTHER)) == (0 if key is None else 1)


def test_nothing_is_sent_where_the_ledger_cannot_be_written_or_the_run_must_stop(bench: Bench) -> None:
    rotor, guard = bench.run()

    def lost() -> None:
        raise DeviceError("security", "transport_failed", "the lease is gone")

    stopped = Rotor(bench.records.secrets, guard, "S1", KEY, "web", lost)
    with pytest.raises(DeviceError):
        stopped.rotate(SELF, NEW, own=True, current=OLD, write=bench.meter.write(SELF, NEW), login=bench.meter.login(SELF))
    assert not bench.meter.writes and not bench.records.secrets.pending("S1")
    assert rotor.wanted(SELF, NEW, "always").change


@given(data=st.data())
@settings(max_examples=15, deadline=None)
@requirement("F-27", "F-26", "R-343", "R-344")
def test_no_row_of_faults_locks_an_account_or_loses_the_password(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Runs one after another, each with a fault, a new password in every third: never locked, and in the end one of the two works."""
    limit = data.draw(st.sampled_from([0, 3, 5]))
    bench = Bench(tmp_path_factory.mktemp("faults"), AccountMeter(limit, **{SELF: OLD}), data.draw(st.sampled_from([KEY, None])))
    current, pending = OLD, NEW
    for number in range(data.draw(st.integers(1, 6))):
        bench.meter.fault = data.draw(st.sampled_from(["", "reply_lost", "lost", "ignored", "refused", "killed_before", "killed_after"]))
        bench.meter.silent_logins = data.draw(st.sampled_from([0, 0, 0, 1]))
        bench.meter.refused.clear()
        try:
            done = bench.own(current, pending)
        except Killed:
            done = None
        refused = bench.meter.refused
        assert refused.count(current) <= 1 and refused.count(pending) <= 2, "a second time only after it was sent to the meter"
        assert bench.meter.passwords[SELF] in (current, pending) and not bench.meter.locked
        if done is not None and done.state == "known" and done.which:
            assert bench.meter.passwords[SELF] == (pending if done.which == "new" else current), "what is said is true"
        if done is not None and done.which == "new" and data.draw(st.booleans()):
            current, pending = pending, f"Canary-{number}"  # the vault commits, and has another one made
        bench.clock[0] += data.draw(st.sampled_from([60, 90_000]))
    bench.meter.fault, bench.meter.silent_logins = "", 0
    bench.clock[0] += 90_000
    assert bench.own(current, pending).which == "new" and bench.meter.passwords[SELF] == pending


# -- when it is set ---------------------------------------------------------------------------------------------------


@requirement("R-307")
def test_when_a_password_is_set(bench: Bench) -> None:
    rotor = bench.run()[0]
    unknown = rotor.wanted(OTHER, NEW, "always")
    assert (unknown.change, unknown.state, unknown.age_days) == (True, "unknown", None)
    assert not rotor.wanted(OTHER, NEW, "on_create").change and rotor.wanted(OTHER, NEW, "on_create", exists=False).change
    assert rotor.wanted(OTHER, NEW, "if_expired", 90).change, "an age that nobody knows is not a good one"
    assert not bench.other(OLD + "x").reason
    bench.clock[0] += 89 * 86_400
    young = bench.run()[0].wanted(OTHER, NEW, "if_expired", 90)
    assert (young.change, young.state, round(young.age_days or 0)) == (False, "kept", 89)
    bench.clock[0] += 86_400
    assert bench.run()[0].wanted(OTHER, NEW, "if_expired", 90).change
    same = bench.run()[0].wanted(OTHER, OLD + "x", "if_expired", 90)
    assert (same.change, same.expired) == (False, True), "the same one again does not make it younger"


def test_without_marks_age_and_equality_are_unknown(tmp_path: Path) -> None:
    bench = Bench(tmp_path, AccountMeter(**{SELF: OLD, OTHER: OLD}), None)
    assert not bench.other(NEW).reason
    need = bench.run()[0].wanted(OTHER, NEW, "always")
    assert (need.change, need.state, need.age_days) == (True, "unknown", None)
    assert not bench.run()[0].wanted(OTHER, NEW, "if_expired", 1).change


@requirement("R-307")
def test_a_password_of_before_is_known_again(bench: Bench) -> None:
    for secret in (NEW, ELSE):
        assert not bench.other(secret).reason
    rotor = bench.run()[0]
    assert rotor.reused(OTHER, NEW, 5) and not rotor.reused(OTHER, ELSE, 5) and not rotor.reused(OTHER, NEW, 1)


# -- the guard --------------------------------------------------------------------------------------------------------


@requirement("R-344", "F-26")
def test_a_wrong_password_costs_one_login_on_whatever_protocol(bench: Bench) -> None:
    wrong, web, ftp = "Canary-wrong", bench.meter.login(SELF), bench.meter.login(SELF, "ftp")
    assert bench.sign_in(wrong).reason == "login_refused"
    for protocol, login in (("web", web), ("ftp", ftp)):
        guard = bench.run()[1]
        assert guard.attempt(SELF, protocol, wrong, lambda login=login: login(wrong)) == "held"
    assert len(bench.meter.asked) == 1
    bench.clock[0] += 86_401
    assert bench.sign_in(wrong).reason == "login_refused", "the lockout time is over"


@requirement("R-342", "R-343", "R-369", "R-370")
def test_a_locked_account_is_left_alone_until_its_time_and_another_protocol_is_tried_once(bench: Bench) -> None:
    assert not bench.sign_in(OLD).reason
    bench.meter.locked.add((SELF, "web"))
    bench.meter.asked.clear()
    locked = bench.sign_in(OLD, duration=30)
    assert (locked.reason, locked.state, locked.retry_after) == ("locked_out", "locked", 1800)
    bench.clock[0] += 1700
    again = bench.sign_in(OLD, duration=30)
    assert (again.reason, again.retry_after, len(bench.meter.asked)) == ("locked_out", 100, 1)
    assert "until 2027-01-15" in again.text
    guard = bench.run()[1]
    assert guard.attempt(SELF, "ftp", OLD, lambda: bench.meter.login(SELF, "ftp")(OLD)) == "works"
    bench.meter.locked.clear()
    bench.clock[0] += 101
    assert not bench.sign_in(OLD).reason


@pytest.mark.parametrize(("attempts", "wrong"), [(1, 1), (2, 1), (3, 2), (5, 4)])
@requirement("R-344")
def test_never_one_wrong_password_more_than_the_meter_forgives(bench: Bench, attempts: int, wrong: int) -> None:
    """Each one is another password, as a person mends it: the last one before the lockout is not spent."""
    bench.meter.limit = attempts
    for number in range(attempts + 2):
        bench.sign_in(f"Canary-{number}", attempts={"web": attempts})
    assert len(bench.meter.asked) == wrong and (attempts == 1 or not bench.meter.locked)
    if attempts > 1:
        assert bench.sign_in("Canary-0", attempts={"web": attempts}).reason == "login_held"


def test_a_person_may_say_that_the_password_was_corrected(tmp_path: Path) -> None:
    bench = Bench(tmp_path, AccountMeter(**{SELF: OLD}), None)
    assert bench.sign_in("Canary-wrong").reason == "login_refused"
    assert bench.sign_in(OLD).reason == "login_held", "without marks nobody can tell one password from another"
    assert bench.sign_in(OLD, accepted=True).which == "current"
    assert bench.sign_in(OLD).which == "current", "and what works is tried again"


@pytest.mark.parametrize("key", [KEY, None], ids=["marks", "no marks"])
@pytest.mark.parametrize(("attempts", "spent"), [(2, 1), (3, 2), (5, 4), (None, 2)])
@requirement("R-344")
def test_a_corrected_password_does_not_lift_the_limit(tmp_path: Path, attempts: int | None, spent: int, key: bytes | None) -> None:
    """The same wrong password, each time said to be corrected; it had worked once, so the records cannot excuse it either."""
    bench = Bench(tmp_path, AccountMeter(attempts or 3, **{SELF: OLD}), key)
    assert not bench.sign_in(OLD).reason
    bench.meter.passwords[SELF] = ELSE
    known = {} if attempts is None else {"web": attempts}
    ends = [bench.sign_in(OLD, accepted=True, attempts=known).reason for dummy in range(spent + 2)]
    assert len(bench.meter.refused) == spent and not bench.meter.locked and ends[-2:] == ["login_held"] * 2, ends


def test_a_login_without_an_answer_is_tried_once_more_and_no_more(bench: Bench) -> None:
    bench.meter.silent_logins = 9
    assert [bench.sign_in(OLD).reason for dummy in range(4)] == ["transport_failed", "transport_failed", "login_held", "login_held"]
    assert bench.meter.silent_logins == 7


def test_a_login_that_was_never_sent_costs_nothing(bench: Bench) -> None:
    def unreachable(secret: str) -> None:
        raise DeviceError("connect", "transport_failed", "no route")

    for dummy in range(5):
        assert bench.run()[0].sign_in(SELF, OLD, login=unreachable).reason == "transport_failed"
    assert bench.sign_in(OLD).which == "current"


def test_a_run_that_may_not_write_spends_nothing_it_could_not_note(bench: Bench) -> None:
    guard = Guard(bench.records.secrets, "S1", KEY, record=False)
    assert guard.may_try(SELF, "web", OLD) is None and not bench.records.secrets.tries("S1", SELF)


@requirement("R-255")
def test_names_of_accounts() -> None:
    assert user_account("User1", "hep") == user_account("USER1", "hep") != user_account("User1", "pm5000")
