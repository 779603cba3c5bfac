# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Changes one by one, on a meter that is a dictionary: lost replies, refusals, other people's changes, ways that close."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.control import PLANNED, Control
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.export import write_export
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_apply import apply_changes
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_session import Options, Report, Session, Stop
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import Change, State, User
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import Wanted


class FakeChannel:
    """A meter's settings and users. ``on_write`` may raise, or change things as another tool would."""

    name, protocol, closers = "profile", "web", frozenset({"web_programming"})

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings, self.users = settings, {"USER1": frozenset({"read", "full_config", "security_config"})}
        self.on_write: Callable[[Change], None] = lambda change: None
        self.on_read: Callable[[int], None] = lambda number: None
        self.reads, self.writes = 0, 0
        self.findings: list[Any] = []

    def read(self, state: State) -> None:
        self.reads += 1
        self.on_read(self.reads)
        state.settings = dict(self.settings)
        state.provenance = dict.fromkeys(self.settings, "page")
        state.users = tuple(User(name, rights) for name, rights in self.users.items())
        state.mode = "advanced"

    def write(self, change: Change, secret: str | None = None) -> None:
        self.writes += 1
        if change.kind == "setting":
            self.settings[change.control] = change.want
        elif change.kind == "user_remove" and change.subject:
            self.users.pop(change.subject)
        elif change.kind == "user_change" and change.subject:
            self.users[change.subject] = frozenset(change.want)
        self.on_write(change)

    def closed_by(self, change: Change) -> bool:
        return False

    def moved_by(self, change: Change) -> bool:
        return False


class Desk:
    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.orphan = False

    def holder(self, serial: str) -> str | None:
        return None

    def guard(self) -> None:
        if self.orphan:
            raise OrphanedError("security")

    def journal(self, event: str, body: Mapping[str, Any]) -> None:
        self.events.append((event, body))


LOCKOUT, DURATION = Change("lockout_web", "setting", None, 5), Change("lockout_duration", "setting", None, 20)


def session(*changes: Change, **settings: Any) -> tuple[Session, FakeChannel]:
    channel = FakeChannel({"lockout_web": 0, "lockout_duration": 30, "ssh": False, **settings})
    state = State("hep", "ION9000", generation="3", serial="S-1")
    channel.read(state)
    report = Report(state=state)
    report.controls = [Control(item.control, PLANNED, item.want, None, "R-344", "") for item in changes]
    wanted = Wanted("hep", {item.control: item.want for item in changes if item.kind == "setting"})
    target = Target("m", "127.0.0.1", {"http": 80, "https": 443}, 255, family="hep")
    return Session(target, wanted, Options(), Desk(), report, channel=channel), channel  # type: ignore[arg-type]


@pytest.mark.requirement("R-318", "R-344")
def test_each_change_is_read_back_and_written_into_the_journal() -> None:
    now, channel = session(LOCKOUT, DURATION)
    apply_changes(now, [LOCKOUT, DURATION])
    assert (channel.settings["lockout_web"], channel.settings["lockout_duration"], channel.writes) == (5, 20, 2)
    assert [item.state for item in now.report.controls] == ["changed", "changed"] and now.report.changed
    assert [body["control"] for event, body in now.desk.events] == ["lockout_web", "lockout_duration"]  # type: ignore[attr-defined]


@pytest.mark.requirement("R-268")
@pytest.mark.parametrize("reason", ["transport_failed", "write_unanswered", "session_lost"])
def test_a_lost_reply_is_looked_after_by_reading_and_never_sent_again(reason: str) -> None:
    now, channel = session(LOCKOUT)

    def lost(change: Change) -> None:
        raise DeviceError("web_write", reason, "no answer")

    channel.on_write = lost
    apply_changes(now, [LOCKOUT])
    assert channel.writes == 1 and now.report.controls[0].state == "changed" and "was lost" in now.report.notes[0]


def test_a_write_that_did_not_arrive_is_told_with_its_reason() -> None:
    now, channel = session(LOCKOUT, DURATION)

    def lost(change: Change) -> None:
        channel.settings["lockout_web"] = 0
        raise DeviceError("web_write", "write_unanswered", "no answer")

    channel.on_write = lost
    with pytest.raises(Stop):
        apply_changes(now, [LOCKOUT, DURATION])
    assert (now.report.outcome, now.report.reason, channel.writes, now.report.changed) == ("failed", "write_unanswered", 1, False)


@pytest.mark.parametrize("reason", ["setting_refused", "programming_off", "revenue_locked", "would_lock_out"])
def test_a_refusal_stops_the_run_and_keeps_what_was_done(reason: str) -> None:
    now, channel = session(LOCKOUT, DURATION)

    def refuse(change: Change) -> None:
        if change is DURATION:
            channel.settings["lockout_duration"] = 30
            raise DeviceError("web_write", reason, "not taken", "NO")

    channel.on_write = refuse
    with pytest.raises(Stop):
        apply_changes(now, [LOCKOUT, DURATION])
    assert (now.report.reason, now.report.device_text, now.report.changed) == (reason, "NO", True)
    assert [item.state for item in now.report.controls] == ["changed", "planned"]


def test_a_meter_that_says_yes_and_does_nothing_is_found_out() -> None:
    now, channel = session(LOCKOUT)
    channel.on_write = lambda change: channel.settings.update(lockout_web=0)
    with pytest.raises(Stop):
        apply_changes(now, [LOCKOUT])
    assert now.report.reason == "setting_refused" and "shows 0" in now.report.text and not now.report.changed


@pytest.mark.requirement("F-38", "R-320")
def test_a_change_by_somebody_else_is_seen_before_the_next_write() -> None:
    now, channel = session(LOCKOUT, DURATION)
    first = channel.reads

    def other(number: int) -> None:
        if number == first + 3:  # one look before and one after the first write
            channel.users["USER9"] = frozenset({"read"})

    channel.on_read = other
    with pytest.raises(Stop):
        apply_changes(now, [LOCKOUT, DURATION])
    assert now.report.reason == "changed_out_of_band" and "user:USER9" in now.report.text and channel.writes == 1


@pytest.mark.requirement("F-38")
def test_a_wanted_setting_that_changes_during_a_write_is_somebody_elses() -> None:
    now, channel = session(LOCKOUT, DURATION)
    channel.on_write = lambda change: channel.settings.update(lockout_duration=99)
    with pytest.raises(Stop):
        apply_changes(now, [LOCKOUT, DURATION])
    assert now.report.reason == "changed_out_of_band" and [item.state for item in now.report.controls] == ["changed", "planned"]


def test_users_are_compared_with_what_their_permissions_bring() -> None:
    remove, change = (
        Change("user:USER2", "user_remove", "USER2", None),
        Change("user:USER3", "user_change", "USER3", ["security_config", "read"]),
    )
    now, channel = session(remove, change)
    channel.users.update(USER2=frozenset({"read"}), USER3=frozenset({"read"}))
    channel.read(now.state)
    channel.on_write = lambda item: (
        channel.users.update(USER3=frozenset({"read", "security_config", "full_config"})) if item is change else None
    )
    apply_changes(now, [remove, change])
    assert set(channel.users) == {"USER1", "USER3"}


def test_an_orphan_starts_nothing_more() -> None:
    now, channel = session(LOCKOUT)
    now.desk.orphan = True  # type: ignore[attr-defined]
    with pytest.raises(OrphanedError):
        apply_changes(now, [LOCKOUT])
    assert not channel.writes


@pytest.mark.requirement("R-405")
def test_a_port_that_does_not_open_is_told_as_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock

    change = Change("web_port_https", "setting", None, 1)
    now, dummy_channel = session(change, web_protocol="https", web_port_https=443)
    now.target = Target("m", "127.0.0.1", {"http": 80, "https": 443}, 255, family="hep", clock=SystemClock(10_000.0))
    with pytest.raises(Stop):
        apply_changes(now, [change])
    assert now.report.reason == "port_change_unverified" and now.report.changed and "https (1)" in now.report.text


@pytest.mark.requirement("R-292", "R-294", "R-296", "R-297", "R-299")
def test_an_export_is_never_overwritten_and_a_changed_file_not_believed(tmp_path: Path) -> None:
    state = State("hep", "ION9000", serial="S/1", settings={"ssh": False})
    first, digest = write_export(tmp_path / "new", state, "run 1", 0.0)
    assert first.name == "S_1_19700101T000000Z_run_1.security.json" and first.stat().st_mode & 0o777 == 0o600
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert write_export(tmp_path / "new", state, "run 2", 5.0) == (first, digest)
    first.write_text(first.read_text().replace('"ssh": false', '"ssh": true'), encoding="utf-8")
    again, same = write_export(tmp_path / "new", state, "run 2", 5.0)
    assert again != first and same == digest
    state.settings["ssh"] = True
    with pytest.raises(DeviceError, match="never overwritten"):
        write_export(tmp_path / "new", state, "run 2", 5.0)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DeviceError, match="cannot be written"):
        write_export(tmp_path / "file", state, "run", 0.0)
