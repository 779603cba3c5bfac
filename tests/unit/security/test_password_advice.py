# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Lost access, factory passwords, the break-glass account, and passwords made by chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import passwords
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.default_accounts import default_accounts, is_default
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Dotted, Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import (
    break_glass,
    consumers,
    default_credentials,
    password_age,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.diagnosis import Case, case_from, diagnose
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.generate import generate
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.login_guard import Guard
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import Change, User

from .accountmeter import AccountMeter

requirement = pytest.mark.requirement
KEY = b"Canary-key-of-the-vault"
V3 = Version.parse("3.1.0")


# -- lost access ------------------------------------------------------------------------------------------------------

TABLE = [
    pytest.param(Case(situation="new_meter"), [("T-1", ["R-361", "R-362"])], marks=requirement("R-361", "R-362"), id="T-1"),
    pytest.param(
        Case(situation="after_upgrade", software=("pme",)),
        [("T-2", ["R-363", "R-364", "R-365", "R-366"]), ("T-6", ["R-371", "R-371"])],
        marks=requirement("R-363", "R-364", "R-365", "R-366"),
        id="T-2",
    ),
    pytest.param(
        Case(situation="after_upgrade", software=("vista",)),
        [("T-3", ["R-367"]), ("T-6", ["R-371", "R-371"])],
        marks=requirement("R-367"),
        id="T-3",
    ),
    pytest.param(
        Case(upgraded=True, software=("scada",)), [("T-4", ["R-368"]), ("T-6", ["R-371", "R-371"])], marks=requirement("R-368"), id="T-4"
    ),
    pytest.param(Case(reason="locked_out"), [("T-5", ["R-369", "R-370"])], marks=requirement("R-369", "R-370"), id="T-5"),
    pytest.param(Case(upgraded=True, reason="login_refused"), [("T-6", ["R-371", "R-371"])], marks=requirement("R-371"), id="T-6"),
    pytest.param(Case(reason="login_refused"), [("own", ["R-320", "R-344", "R-342", "R-157"])], id="own"),
    pytest.param(Case(family="pm5000", reason="login_refused"), [("own", ["R-320", "R-344", "R-156", "R-157"])], id="pm5000"),
]


@pytest.mark.parametrize(("case", "lines"), TABLE)
@requirement("R-360")
def test_each_line_of_the_table_has_its_steps_in_order(case: Case, lines: list[tuple[str, list[str]]]) -> None:
    found = diagnose(case)
    assert [(line["rule"], [step["rule"] for step in line["steps"]]) for line in found] == lines
    assert all([step["step"] for step in line["steps"]] == list(range(1, len(line["steps"]) + 1)) for line in found)


@requirement("R-363", "R-364")
def test_steps_that_the_facts_answer_are_answered() -> None:
    line = diagnose(Case(situation="after_upgrade", software=("pme",), version=V3, setup_version=Dotted.parse("3.2.22341.01")))[0]
    assert [step["state"] for step in line["steps"]] == ["done", "done", "todo", "todo"] and line["next"] == 3
    old = diagnose(Case(situation="new_meter", version=Version.parse("4.0.0"), setup_version=Dotted.parse("3.2.20218.01")))[0]
    assert old["steps"][0]["state"] == "failed" and old["next"] == 1 and "22341" in old["steps"][0]["text"]
    below = diagnose(Case(situation="after_upgrade", software=("pme",), version=Version.parse("2.4.1")))[0]
    assert below["steps"][1]["state"] == "failed"


@requirement("R-369", "R-370")
def test_a_lockout_says_how_long_and_what_else_is_open() -> None:
    (line,) = diagnose(Case(reason="locked_out", protocol="web", retry_after=1800, others=("modbus",)))
    assert "1800 s" in line["steps"][0]["text"] and "(modbus)" in line["steps"][1]["text"]


def test_a_factory_password_that_was_refused_is_not_advised_again() -> None:
    (line,) = diagnose(Case(situation="new_meter", default_refused=True))
    assert line["steps"][1]["state"] == "failed"


@pytest.mark.parametrize(
    ("option", "value"), [("situation", "lost"), ("software", ["excel"]), ("setup_version", "newest")], ids=lambda item: str(item)
)
def test_bad_options_are_refused_in_one_sentence(option: str, value: object) -> None:
    with pytest.raises(InputError, match=f"diagnose.{option}"):
        case_from({option: value})
    assert case_from(None, reason="locked_out").reason == "locked_out"


# -- passwords of the factory -----------------------------------------------------------------------------------------


@requirement("R-187", "R-257", "R-302")
def test_accounts_of_the_factory() -> None:
    def users(*args: str, mac: str | None = None) -> list[tuple[str, str]]:
        return [(item.user, item.password) for item in default_accounts(*args, mac=mac)]

    assert users("hep", "3", "ION9000") == [("User1", "0")] and users("hep", "below 3", "ION9000T") == [("9000", "0")]
    assert users("pm5000", "legacy") == [("user2", "pass2"), ("user1", "pass1")]
    assert users("pm5000", "new", mac="00:80:67-aa bb cc") == [("Administrator", "00806" + "7AABBCC"), ("Guest", "Powerlogic@1")]
    assert users("pm5000", "new") == [("Guest", "Powerlogic@1")] and users("mcs301", "unknown") == []
    assert is_default("hep", "4", "USER1", "0") and not is_default("pm5000", "legacy", "USER1", "pass1")


class Audit:
    """One meter whose account User1 has this password, and a ledger."""

    def __init__(self, path: Path, password: str) -> None:
        self.meter = AccountMeter(**{"user:user1": password})
        self.records = open_records(str(path / "records.sqlite3"), "test")

    def judge(
        self, *, opt_in: bool = True, signed_in: dict[str, str] | None = None, attempts: int | None = None, tells_locked: bool = True
    ) -> list[tuple[str, str]]:
        guard = Guard(self.records.secrets, "S1", KEY, attempts={} if attempts is None else {"web": attempts})
        login = (lambda user, secret: self.meter.login("user:" + user.casefold())(secret)) if opt_in else None
        known = default_accounts("hep", "3", "ION9000")
        found = default_credentials.judge(
            "hep", known, guard, signed_in=signed_in or {}, protocol="web", login=login, tells_locked=tells_locked
        )
        return [(item.state, item.evidence) for item in found]


@requirement("R-302", "R-304")
def test_a_factory_password_is_tried_once_and_only_when_asked_for(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "Canary-x")
    assert audit.judge(opt_in=False) == [("unknown", "")] and not audit.meter.asked
    assert audit.judge() == [("pass", "login")] and len(audit.meter.asked) == 1
    assert audit.judge() == [("pass", "records")] and len(audit.meter.asked) == 1, "what was refused is known, and costs nothing more"


@requirement("R-302", "F-26")
def test_a_refusal_is_no_pass_where_a_locked_account_is_answered_alike(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "0")
    known = default_accounts("hep", "3", "ION9000")

    def locked(user: str, secret: str) -> None:
        raise DeviceError("login", "login_refused", "the meter refused the login", "401")

    for evidence in ("login", "records"):  # the right password, refused because the account is locked
        guard = Guard(audit.records.secrets, "S1", KEY)
        (found,) = default_credentials.judge("hep", known, guard, signed_in={}, protocol="web", login=locked)
        assert (found.state, found.evidence) == ("unknown", evidence) and "locked account may be answered" in found.text
    guard.tried("user:user1", "web", "Canary-x", "works")
    assert audit.judge(tells_locked=False) == [("pass", "records")], "another password has worked since"


@requirement("R-302")
def test_a_factory_password_that_works_fails_the_control(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "0")
    assert audit.judge() == [("fail", "login")] and audit.judge(opt_in=False) == [("fail", "records")]


@requirement("R-302", "R-344")
def test_without_marks_the_run_itself_remembers_and_the_next_one_spends_nothing(tmp_path: Path) -> None:
    meter, records = AccountMeter(**{"user:user1": "Canary-x"}), open_records(str(tmp_path / "records.sqlite3"), "test")
    known = default_accounts("hep", "3", "ION9000")
    states = []
    for dummy in range(2):
        guard = Guard(records.secrets, "S1", None)
        for dummy_too in range(2):

            def login(user: str, secret: str) -> None:
                meter.login("user:" + user.casefold())(secret)

            found = default_credentials.judge("hep", known, guard, signed_in={}, protocol="web", login=login, tells_locked=True)
            states += [item.state for item in found]
    assert states == ["pass", "pass", "unknown", "unknown"] and len(meter.asked) == 1


@requirement("R-302", "R-344")
def test_what_is_known_is_not_tried(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "Canary-x")
    assert audit.judge(signed_in={"USER1": "Canary-x"}) == [("pass", "login")]
    assert audit.judge(signed_in={"user1": "0"}) == [("fail", "login")]
    assert audit.judge(attempts=2) == [("unknown", "")], "the one failed login that is left is not spent"
    assert not audit.meter.asked


def test_silence_is_no_answer(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "0")
    audit.meter.silent_logins = 1
    assert audit.judge() == [("unknown", "")]


@requirement("R-307")
def test_overdue_passwords_are_named_and_unknown_ages_are_not_good() -> None:
    ages = {"USER1": 10.0, "USER2": 400.0, "USER3": None, "USER4": 500.0}
    found = password_age.judge(ages, ages.get, 365, renewed=["user4"])
    assert [(item.id, item.state) for item in found] == [
        ("password_age:USER1", "pass"),
        ("password_age:USER2", "fail"),
        ("password_age:USER3", "unknown"),
    ]


# -- the break-glass account ------------------------------------------------------------------------------------------

USERS = (User("Admin", frozenset({"read", "security_config"})), User("Glass", frozenset({"read", "security_config"})), User("Eve"))


def _password(*names: str) -> list[Change]:
    return [Change(f"password:{name}", "password", name, None) for name in names]


@pytest.mark.parametrize(
    ("login", "users", "changes", "failed"),
    [
        ("Admin", USERS, _password("Admin", "Eve"), []),
        ("Admin", USERS, _password("Glass"), []),
        ("Glass", USERS, _password("Glass"), []),
        ("Admin", None, _password("Eve"), []),
        ("Glass", USERS, _password("Eve"), ["break_glass_in_use"]),
        ("Admin", USERS, _password("glass", "Eve"), ["break_glass_in_use"]),
        ("Admin", USERS, [Change("user:Glass", "user_remove", "Glass", None)], ["break_glass_in_use"]),
        ("Admin", USERS[:1], [], ["would_lock_out"]),
        ("Admin", (*USERS[:1], User("Glass")), [], ["would_lock_out"]),
    ],
)
@requirement("R-196", "R-342")
def test_the_break_glass_account_stays_apart(login: str, users: tuple[User, ...] | None, changes: list[Change], failed: list[str]) -> None:
    found = break_glass.prechecks("Glass", login, users, changes)
    assert [item.reason for item in found if item.result == "fail"] == failed
    assert all(item.blocking == (item.result == "fail") for item in found)
    assert break_glass.prechecks(None, login, users, changes) == []


# -- passwords made by chance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", passwords.POLICIES.values(), ids=str)
@requirement("R-306", "G-14", "R-258")
def test_passwords_made_by_chance_obey_the_policy(policy: passwords.Policy) -> None:
    made = [generate(policy, readable=number % 2 == 0) for number in range(60)]
    assert len(set(made)) == 60 and all(passwords.check(policy, secret) is None for secret in made)
    assert {len(secret) for secret in made} == {policy.generate_length}
    for name in policy.generate_classes:
        assert all(any(char in passwords.CLASSES[name] for char in secret) for secret in made)
    if not policy.numeric:
        assert all(passwords.strength(secret) != passwords.WEAK for secret in made)
        assert not any(char in "0O1lI" for secret in made[::2] for char in secret)


def test_a_policy_that_nothing_meets_ends() -> None:
    impossible = passwords.Policy("none", "nothing", (), 9, 4, 4, ("digit", "upper"))
    with pytest.raises(ValueError, match="none"):
        generate(impossible)


def test_errors_of_a_login_are_no_verdict_on_a_password(tmp_path: Path) -> None:
    records = open_records(str(tmp_path / "records.sqlite3"), "test")
    guard = Guard(records.secrets, "S1", KEY)

    def busy() -> None:
        raise DeviceError("web_login", "web_busy", "503")

    assert guard.attempt("user:a", "web", "Canary-1", busy) == "unsent" and not records.secrets.tries("S1", "user:a")


# -- who else uses an account -----------------------------------------------------------------------------------------


@requirement("R-035", "R-192")
def test_everything_that_uses_an_account_is_named() -> None:
    credentials = {
        "product_master": Credential("user2", "Canary-a"),
        "ftp": Credential("user2", "Canary-a"),
        "web_master": Credential("user1", "Canary-b"),
    }
    roles = consumers.roles_of(credentials, "user2", "pm5000")
    assert roles == ("ftp", "product_master") and consumers.roles_of(credentials, "USER2", "pm5000") == ()
    lines = consumers.notes("pm5000", "user2", roles, ("pme", "modbus_master"))
    assert "web and ftp" in lines[0] and "credentials.ftp, credentials.product_master" in lines[1] and "Power Monitoring Expert" in lines[2]
    assert len(lines) == 4 and "Canary" not in " ".join(lines)
    assert consumers.roles_of({"admin": Credential("USER1", "Canary-c")}, "User1", "hep") == ("admin",)
    assert len(consumers.notes("hep", "User1", ())) == 2
