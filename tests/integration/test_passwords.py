# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Passwords of simulated meters are changed over their webpages, whatever happens in between; the meters' own counters are the witness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import PASSWORD as PLANTED
from firmwarekit import firmware, play

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target, Timeouts, Tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.channel_web import WebChannel
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.login_guard import Guard
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.marks import user_account
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.password_rotation import Rotor, Verdict
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import PASSWORD, Change
from metersim import packages
from metersim.testing import Fleet, MeterHandle

KEY = b"Canary-key-of-the-vault"
OLD, NEW = "Canary-old-90c2", "Canary-new-77aa"
ADMIN, READER = "USER1", "USER2"
SURFACES = ("hep", "hep-b")
CASES = ("good", "reply_lost", "refused", "lost", "killed", "unknown")


class Killed(BaseException):
    """The run ends here."""


def meters() -> list[dict[str, Any]]:
    users = [
        {"name": ADMIN, "password": OLD, "permissions": "all"},
        {"name": READER, "password": OLD, "permissions": ["read"]},
    ]
    hep = {"mode": "advanced", "users": users, "settings": {"web_programming": True, "lockout_web": 3, "lockout_duration": 30}}
    return [
        {"name": f"{surface}-{case}".replace("_", "-"), "model": "ION9000", "firmware": "4.0.0", "surface": surface, "hep": hep}
        for surface in SURFACES
        for case in CASES
    ]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet({"name": "passwords", "clock_factor": 100, "meters": meters()}, tmp_path_factory.mktemp("passwords")) as running:
        yield running


class Bench:
    """One meter, its ledger, and runs one after another; ``lose`` is what happens to the next write on this side of the network."""

    def __init__(self, fleet: Fleet, name: str, folder: Path) -> None:
        host = yaml.safe_load(fleet.inventory.read_text(encoding="utf-8"))["meters"]["hosts"][name]
        tls = Tls(fingerprint=host["metering_tls"]["fingerprint"])
        self.target = Target(name, host["ansible_host"], host["metering_ports"], 255, Timeouts(2, 5), tls=tls, family="hep")
        self.profile = load_profile(host["metering_profile"])
        self.meter: MeterHandle = fleet.meter(name)
        self.records: Records = open_records(str(folder / f"{name}.sqlite3"), "test")
        self.lose = ""

    def run(self, current: str, new: str, subject: str = ADMIN) -> Verdict:
        """Sign in as the administrator with what works, then set the password of ``subject`` where that is needed."""
        guard = Guard(self.records.secrets, "S1", KEY, factor=100, duration=30, attempts={"web": 3})
        rotor = Rotor(self.records.secrets, guard, "S1", KEY, "web", lambda: None)
        channel, own = WebChannel(self.target, self.profile, "4"), subject == ADMIN
        account, admin = user_account(subject, "hep"), user_account(ADMIN, "hep")
        try:
            found = rotor.sign_in(admin, current, new if own else None, login=lambda secret: channel.login(ADMIN, secret))
            if found.reason or not rotor.wanted(account, new, "always").change:
                return found
            login: Callable[[str], None] = lambda secret: (channel.login if own else channel.prove)(subject, secret)  # noqa: E731
            return rotor.rotate(
                account, new, own=own, current=current if own else None, write=self._write(channel, subject, new), login=login
            )
        finally:
            channel.close()

    def _write(self, channel: WebChannel, subject: str, new: str) -> Callable[[], None]:
        def act() -> None:
            lose, self.lose = self.lose, ""
            if lose == "lost":
                raise DeviceError("security", "transport_failed", "the connection ended")
            channel.write(Change(f"password:{subject}", PASSWORD, subject, None), new)
            if lose == "killed":
                raise Killed

        return act

    def spent(self) -> int:
        """Failed logins that the meter has counted ever."""
        return sum(item["total"] for item in self.meter.lockouts().values())

    def locked(self) -> bool:
        return any(item["locked"] for item in self.meter.lockouts().values())


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.requirement("F-27", "R-198", "R-309", "R-315")
def test_a_password_ends_known_whatever_happens_to_its_change(fleet: Fleet, surface: str, tmp_path: Path) -> None:
    """Good, reply lost, refused, lost on the way, killed; each time the next run has the new password at work and changes nothing more."""
    spent: dict[str, int] = {}
    for case, reason in (
        ("good", ""),
        ("reply_lost", ""),
        ("refused", "password_refused"),
        ("lost", "password_not_taken"),
        ("killed", None),
    ):
        bench = Bench(fleet, f"{surface}-{case}".replace("_", "-"), tmp_path)
        if case in ("reply_lost", "refused"):
            bench.meter.faults({"F-27": {"mode": "lost_reply" if case == "reply_lost" else "refused"}})
        bench.lose = case
        try:
            first = bench.run(OLD, NEW)
            assert first.reason == reason, case
        except Killed:
            assert bench.records.secrets.pending("S1")
        again = bench.run(OLD, NEW)
        last = bench.run(OLD, NEW)
        assert (again.reason, again.which, last.reason, last.which) == ("", "new", "", "new"), case
        changes = bench.meter.events("password_changed")
        assert len(changes) == 1 and not bench.records.secrets.pending("S1") and not bench.locked(), case
        spent[case] = bench.spent()
    assert spent == {"good": 0, "reply_lost": 0, "refused": 0, "lost": 1, "killed": 0}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.requirement("F-26", "F-27", "F-38", "R-320", "R-344")
def test_nothing_that_works_is_said_and_no_account_is_locked(fleet: Fleet, surface: str, tmp_path: Path) -> None:
    """Another tool changes the password: one failed login, then none, however often the run is repeated."""
    bench = Bench(fleet, f"{surface}-unknown", tmp_path)
    assert not bench.run(OLD, NEW, READER).reason and bench.spent() == 0
    bench.meter.action("set_password", user=ADMIN, password="Canary-else-11bb")
    assert bench.run(OLD, NEW, READER).reason == "changed_out_of_band"
    for dummy in range(3):
        assert bench.run(OLD, NEW, READER).reason == "login_held"
    assert bench.spent() == 1 and not bench.locked()
    assert bench.run("Canary-else-11bb", NEW, READER).which == "current", "the vault has the right one: tried at once"
    assert bench.spent() == 1


# -- meters of the family pm5000: the login of an upgrade -------------------------------------------------------------


def upgrade(artifacts: Path, records: Path, password: str, **more: Any) -> dict[str, Any]:
    accounts = {"product_master": {"user": "user2", "password": password}, "administrator": {"user": "Administrator", "password": password}}
    options = {"accept": ["loses_dlf3000", "unverified_profile"], "marks_key": KEY.decode(), "credentials": accounts, **more}
    return firmware("{{ wanted }}", artifacts, records, **options)


@pytest.mark.requirement("F-26", "R-034", "R-344")
def test_a_wrong_password_costs_an_upgrade_one_login_over_all_runs(tmp_path: Path, artifacts: Path) -> None:
    right, wrong = f"{PLANTED}-a", f"{PLANTED}-wrong"
    accounts = {
        "old": {"product_master": {"user": "user2", "password": right}},
        "new": {"administrator": {"user": "Administrator", "password": right}},
    }
    kinds = [("old", "2.7.8", "2.8.3"), ("new", "4.3.5", "4.4.0")]
    listed = [
        {"name": name, "model": "PM5560", "firmware": source, "accounts": accounts[name], "vars": {"wanted": target}}
        for name, source, target in kinds
    ]
    folder, records = tmp_path / "firmware", artifacts / "records.sqlite3"
    packages.write(folder, [("PM5560", "2.8.3")], 20_000, methods=("ftp",))
    packages.write(folder, [("PM5560", "4.4.0")], 20_000, methods=("web",))
    with Fleet({"name": "onelogin", "clock_factor": 100, "meters": listed}, tmp_path) as fleet:
        tasks = [
            upgrade(folder, records, wrong),
            upgrade(folder, records, wrong),
            {**upgrade(folder, records, right, check_login=True), "check_mode": True},
        ]
        played = play(artifacts, fleet.inventory, tasks)
        failed = [event["kind"] for event in fleet.events() if event["kind"].endswith("login_failed")]
    reasons = [[played.result(name, number)["reason"] for name in ("old", "new")] for number in range(3)]
    assert reasons == [["ftp_auth_failed", "web_auth_failed"], ["login_held", "login_held"], ["", ""]]
    assert sorted(failed) == ["ftp_login_failed", "web_login_failed"]
    assert [played.result(name)["outcome"] for name in ("old", "new")] == ["planned", "planned"]
