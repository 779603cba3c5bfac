# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Passwords of simulated meters are changed over their webpages, whatever happens in between; the meters' own counters are the witness."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from firmwarekit import ATTEST
from firmwarekit import PASSWORD as PLANTED

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.channel_web import WebChannel
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_session import Report
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.ftp import FtpSession
from ansible_collections.gridops.metering.plugins.module_utils._firmware import FIRMWARE_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware import FirmwareTask
from ansible_collections.gridops.metering.plugins.plugin_utils._security_settings import run_settings
from metersim import packages
from metersim.testing import Fleet

KEY = "Canary-key-of-the-vault"
OLD, NEW, ELSE = "Canary-old-90c2", "Canary-new-77aa", "Canary-else-11bb"
ADMIN, READER = "USER1", "USER2"
SURFACES = ("hep", "hep-b")


def hep(name: str, surface: str = "hep", firmware: str = "4.0.0", **more: Any) -> dict[str, Any]:
    """A meter that locks an account at the third failed login over the web."""
    settings = {"web_programming": True, "lockout_web": 3}
    users = [{"name": ADMIN, "password": OLD, "permissions": "all"}, {"name": READER, "password": OLD, "permissions": ["read"]}]
    given = {"mode": "advanced", "users": users, **more, "settings": settings}
    return {"name": name, "model": "ION9000", "firmware": firmware, "surface": surface, "hep": given}


CASES = {"hep": ("good", "lost-reply", "refused", "lost-request", "ignored", "killed-after"), "hep-b": ("lost-reply", "killed-before")}
FAULTS = ("lost-reply", "refused", "lost-request", "ignored")
METERS = [
    *(hep(f"{surface}-{case}", surface) for surface in SURFACES for case in (*CASES[surface], "elsewhere")),
    hep("wrong"),
    hep("number", "hep", "3.1.0", mode="legacy_support", users=None, password="24681357"),
    hep("locked", "hep-b"),
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    for item in METERS:
        item["hep"] = {name: value for name, value in item["hep"].items() if value is not None}
    with Fleet({"name": "passwords", "clock_factor": 100, "meters": METERS}, tmp_path_factory.mktemp("passwords")) as running:
        yield running


class Bench:
    """One meter and one ledger; every call is a run of its own."""

    def __init__(self, fleet: Fleet, name: str, folder: Path) -> None:
        self.name, self.meter, self.ledger = name, fleet.meter(name), folder / f"{name}.sqlite3"
        host = fleet.hosts()[name]
        self.options = {key.removeprefix("metering_"): value for key, value in host.items() if key.startswith("metering_")}
        self.options |= {"host": host["ansible_host"], "records": str(self.ledger), "marks_key": KEY, "accept": ["unverified_profile"]}

    def run(self, password: str, user: str = ADMIN, *, change: bool = True, check: bool = False, **more: Any) -> Report:
        """meter_security, or without ``change`` meter_security_info, signed in with this password as far as that works."""
        options = {**self.options, "credentials": {"admin": {"user": user, "password": password}}, **more}
        return run_settings(options, self.name, change=change, check=check)

    def rotate(self, current: str, **new: str) -> Report:
        return self.run(current, users=[{"name": name, "password": secret} for name, secret in new.items()])

    def pending(self) -> bool:
        return bool(open_records(str(self.ledger), "test", read_only=True).secrets.pending(str(self.meter.state()["serial"])))

    def counted(self) -> tuple[int, bool]:
        """Failed logins that the meter has counted ever, and whether it has locked anybody."""
        rows = self.meter.lockouts().values()
        return sum(item["total"] for item in rows), any(item["locked"] for item in rows)


def killed_after_the_write(bench: Bench, *, arrives: bool) -> None:
    """A run in a process of its own, which ends as by kill -9 when the new password is, or is about to be, on the wire."""
    child = os.fork()
    if child == 0:
        write = WebChannel.write

        def last(self: WebChannel, *given: Any) -> None:
            if arrives:
                write(self, *given)
            os._exit(9)

        WebChannel.write = last  # type: ignore[method-assign]
        bench.rotate(OLD, **{ADMIN: NEW})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


ENDINGS = {
    "good": "",
    "lost-reply": "",
    "refused": "password_refused",
    "lost-request": "password_not_taken",
    "ignored": "password_not_taken",
}
COUNTED = {"good": 0, "lost-reply": 0, "refused": 0, "lost-request": 1, "ignored": 1, "killed-before": 1, "killed-after": 0}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.requirement("F-27", "R-198", "R-309")
def test_a_password_ends_known_whatever_happens_to_its_change(fleet: Fleet, surface: str, tmp_path: Path) -> None:
    """The own password, each case with a meter of its own. The next run, with the same two, ends with the new one at work."""
    for case in CASES[surface]:
        bench = Bench(fleet, f"{surface}-{case}", tmp_path)
        if case in FAULTS:
            bench.meter.faults({"F-27": {"mode": case.replace("-", "_")}})
        if case.startswith("killed"):
            killed_after_the_write(bench, arrives=case == "killed-after")
            assert bench.pending()
        else:
            first = bench.rotate(OLD, **{ADMIN: NEW})
            assert (first.reason, first.changed) == (ENDINGS[case], not ENDINGS[case]), (case, first.text)
        again = bench.rotate(OLD, **{ADMIN: NEW})
        assert (again.reason, again.outcome) == ("", "changed" if ENDINGS.get(case) or case == "killed-before" else "current"), (
            case,
            again.text,
        )
        assert len(bench.meter.events("password_changed")) == 1 and not bench.pending(), case
        assert bench.counted() == (COUNTED[case], False), case


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.requirement("F-26", "F-38", "R-307", "R-315", "R-320", "R-344", "R-360")
def test_a_password_that_somebody_else_changed_costs_one_login(fleet: Fleet, surface: str, tmp_path: Path) -> None:
    """The own one and another one are changed in one run; then the meter has a third, and nothing is tried twice."""
    bench = Bench(fleet, f"{surface}-elsewhere", tmp_path)
    done = bench.rotate(OLD, **{READER: "Canary-read-77aa", ADMIN: NEW})
    assert [(row["subject"], row["state"], row["consumers"]) for row in done.secrets] == [
        (READER, "changed", []),
        (ADMIN, "changed", ["admin"]),
    ]
    assert bench.rotate(NEW, **{READER: "Canary-read-77aa", ADMIN: NEW}).outcome == "current"
    aged = bench.run(NEW, users=[{"name": ADMIN, "password": "Canary-next-22cc"}], update_secret="if_expired", max_age_days=30)
    assert aged.outcome == "current" and {"password_age:USER1", "password_age:USER2", "password:USER1"} <= {
        item.id for item in aged.controls if item.state == "pass"
    }
    assert bench.rotate(NEW, **{READER: "Canary-read-88bb"}).outcome == "changed"
    again = bench.run(NEW, check=True, users=[{"name": READER, "password": "Canary-read-77aa"}])
    assert (again.outcome, [item.id for item in again.prechecks if item.result == "fail"]) == ("planned", ["password_is_new"])
    bench.meter.action("set_password", user=ADMIN, password=ELSE)
    lost = bench.run(NEW, change=False)
    assert lost.reason == "changed_out_of_band" and [line["rule"] for line in lost.diagnosis] == ["own"]
    assert [bench.run(NEW, change=change, panel_programming=False).reason for change in (False, True)] == ["login_held", "login_held"]
    assert bench.run(ELSE, change=False).reason == "", "the vault has the right one: tried at once"
    assert bench.counted() == (1, False)


@pytest.mark.requirement("F-26", "R-343", "R-344", "R-360", "R-363", "R-364", "R-369")
def test_a_wrong_password_costs_one_login_whoever_sends_it(fleet: Fleet, tmp_path: Path) -> None:
    """Audit, change, check mode with a login, and all of it again."""
    bench = Bench(fleet, "wrong", tmp_path)
    reasons = [
        bench.run(ELSE, change=False).reason,
        bench.run(ELSE, panel_programming=False).reason,
        bench.run(ELSE, check=True, check_login=True, panel_programming=False).reason,
        bench.run(ELSE, change=False, default_credentials=True).reason,
    ]
    assert reasons == ["login_refused", "login_held", "login_held", "login_held"]
    told = bench.run(ELSE, change=False, diagnose={"situation": "after_upgrade", "software": ["pme"], "setup_version": "3.2.22341.01"})
    assert [(line["rule"], line["next"]) for line in told.diagnosis] == [("T-5", 1), ("T-2", 3), ("T-6", 2)]
    untried = bench.run(OLD, check=True, panel_programming=False)
    assert "nobody signed in" in untried.text and not bench.meter.events("login_ok"), "no password is proven yet"
    assert bench.run(OLD, change=False).reason == "" and bench.run(OLD, check=True, panel_programming=False).outcome == "planned"
    assert bench.counted() == (1, False)


@pytest.mark.requirement("R-186", "R-191", "R-256", "R-302")
def test_the_model_number_is_the_account_user1(fleet: Fleet, tmp_path: Path) -> None:
    """Signed in as 9000 under Legacy security support, the password of User1 is the own one."""
    bench = Bench(fleet, "number", tmp_path)
    users = [{"name": ADMIN, "password": "13572468"}]
    assert bench.run("24681357", "9000", users=users).outcome == "changed"
    again = bench.run("24681357", "9000", users=users)
    assert again.outcome == "current"
    audit = bench.run("13572468", "9000", change=False, default_credentials=True)
    (default,) = [item for item in audit.controls if item.id.startswith("no_default_password")]
    assert (default.state, default.evidence, bench.counted()) == ("pass", "login", (0, False)), "known without a try"


@pytest.mark.requirement("F-26", "R-342", "R-343", "R-369", "R-370")
def test_a_locked_account_is_left_alone_and_the_batch_is_told_until_when(fleet: Fleet, tmp_path: Path) -> None:
    bench = Bench(fleet, "locked", tmp_path)
    bench.meter.action("lock_user", user=ADMIN, protocol="web")
    first, again = bench.run(OLD, change=False), bench.run(OLD, change=False)
    assert (first.reason, again.reason) == ("locked_out", "locked_out") and 0 < (again.retry_after or 0) <= (first.retry_after or 0) <= 1800
    assert [line["rule"] for line in again.diagnosis] == ["T-5"]
    assert len(bench.meter.events("login_failed")) == 1


# -- accounts of the family pm5000 ------------------------------------------------------------------------------------

PM_OLD, PM_NEW = "Canary-Old-90c2", "Canary-New-77aa"
#: By firmware and surface: what goes wrong, how the first run ends, and failed logins that the meter counts.
PM_CASES = {
    ("2.7.8", "a"): ("lost_reply", "", 0),
    ("2.7.8", "b"): ("ignored", "password_not_taken", 1),
    ("4.3.5", "a"): ("refused", "password_refused", 0),
    ("4.3.5", "b"): ("lost_request", "password_not_taken", 1),
}


def pm5000(version: str, surface: str) -> dict[str, Any]:
    old = version == "2.7.8"
    accounts = {"product_master": ("user2", "web_master", "user1")} if old else {"administrator": ("Administrator", "guest", "Guest")}
    ((main, (user, other, name)),) = accounts.items()
    given = {main: {"user": user, "password": PM_OLD}, other: {"user": name, "password": f"{PM_OLD}x"}}
    return {"name": f"pm-{surface}-{version[0]}", "model": "PM5560", "firmware": version, "surface": surface, "accounts": given}


@pytest.mark.requirement("F-27", "R-035", "R-198", "R-309")
def test_accounts_of_old_and_new_firmware_end_known_and_ftp_follows(tmp_path: Path) -> None:
    """The own account by its group, on all four surfaces; afterwards the FTP server takes the new password as well."""
    listed = [pm5000(*kind) for kind in PM_CASES]
    with Fleet({"name": "pmpasswords", "clock_factor": 100, "meters": listed}, tmp_path) as fleet:
        for (version, surface), (fault, reason, failed) in PM_CASES.items():
            item = pm5000(version, surface)
            (group, account), *_others = item["accounts"].items()
            bench = Bench(fleet, item["name"], tmp_path)
            bench.meter.faults({"F-27": {"mode": fault}})
            ends = []
            for dummy in range(3):
                credentials = {group: {"user": account["user"], "password": PM_OLD}}
                accounts = {group: {"password": PM_NEW}}
                options = {**bench.options, "credentials": credentials, "accounts": accounts}
                report = run_settings(options, bench.name, change=True, check=False)
                ends.append((report.reason, report.outcome))
            assert ends == [(reason, "failed" if reason else "changed"), ("", "changed" if reason else "current"), ("", "current")], item
            counted = [event for event in bench.meter.events() if event["kind"] in ("http_login_failed", "web_login_failed")]
            assert len(counted) == failed and not bench.pending(), item
            if version == "2.7.8":
                with FtpSession(target_from(bench.options, bench.name), Credential(account["user"], PM_NEW)) as session:
                    session.require_layout()


# -- meters of the family pm5000: the login of an upgrade -------------------------------------------------------------


def upgrade(host: dict[str, Any], name: str, password: str, *, check: bool = False, **more: Any) -> dict[str, Any]:
    """meter_firmware on one meter, in this process."""
    given = {key.removeprefix("metering_"): value for key, value in host.items() if key.startswith("metering_")}
    user = {"old": ("product_master", "user2"), "new": ("administrator", "Administrator")}[name]
    given["attest"] = {**given["attest"], **ATTEST}
    given |= {"host": host["ansible_host"], "accept": ["loses_dlf3000", "unverified_profile"], "marks_key": KEY, **more}
    given["credentials"] = {user[0]: {"user": user[1], "password": password}}
    checked = ArgumentSpecValidator(FIRMWARE_SPEC).validate({key: value for key, value in given.items() if key in FIRMWARE_SPEC})
    assert not checked.error_messages, checked.error_messages
    hooks = SimpleNamespace(say=print, beat=lambda *leases: None, alive=lambda: True)
    return FirmwareTask(checked.validated_parameters, name, check, None, hooks).run()


@pytest.mark.requirement("F-26", "R-034", "R-344")
def test_a_wrong_password_costs_an_upgrade_one_login_over_all_runs(tmp_path: Path) -> None:
    right, wrong = f"{PLANTED}-a", f"{PLANTED}-wrong"
    accounts = {
        "old": {"product_master": {"user": "user2", "password": right}},
        "new": {"administrator": {"user": "Administrator", "password": right}},
    }
    kinds = {"old": ("2.7.8", "2.8.3", "ftp_auth_failed"), "new": ("4.3.5", "4.4.0", "web_auth_failed")}
    listed = [{"name": name, "model": "PM5560", "firmware": kind[0], "accounts": accounts[name]} for name, kind in kinds.items()]
    options = {"artifacts": str(tmp_path / "firmware"), "records": str(tmp_path / "records.sqlite3")}
    packages.write(tmp_path / "firmware", [("PM5560", "2.8.3")], 20_000, methods=("ftp",))
    packages.write(tmp_path / "firmware", [("PM5560", "4.4.0")], 20_000, methods=("web",))
    with Fleet({"name": "onelogin", "clock_factor": 100, "meters": listed}, tmp_path) as fleet:
        for name, (_version, target, reason) in kinds.items():
            host = fleet.hosts()[name]
            ends = [upgrade(host, name, wrong, version=target, **options)["reason"] for dummy in range(2)]
            ends.append(upgrade(host, name, right, check=True, check_login=True, version=target, **options)["outcome"])
            assert ends == [reason, "login_held", "planned"], name
        failed = sorted(event["kind"] for event in fleet.events() if event["kind"].endswith("login_failed"))
    assert failed == ["ftp_login_failed", "web_login_failed"]
