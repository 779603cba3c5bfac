# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method ftp: every id with every result, in the documented order, all reported at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.accept import WORDS
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.reasons import REASONS
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import (
    Attempts,
    Login,
    Precheck,
    Situation,
    blocking,
    judge_ftp,
)

GOOD = Situation(
    has_lock=True,
    needed_accept={"loses_dlf3000": WORDS["loses_dlf3000"].reason},
    accept=frozenset({"loses_dlf3000"}),
    attest={"critical_control": False, "power_source": "uninterrupted", "management_zone": "plant-7", "digital_outputs_in_use": False},
    package_faults=(),
    package_text="pm5561-10.9.9-ftp: names, sizes and hashes are as pinned",
    package_bytes=5000,
    attempts=Attempts(10, 2, "ledger"),
    reserve=1,
    behind_gateway=False,
    services={"ftp": "open", "http": "open"},
    login=Login("ok", "", "the FTP server accepted the login", "product_master", 100_000),
    lock="unlocked",
    ip_mode="stored",
    has_credential=True,
)

# Requirements 6.6: artifacts, acknowledgements, attempts, inventory flags, reachability, login, device facts, lease.
ORDER = [
    "artifact_present_and_pinned",
    "accepted_loses_dlf3000",
    "attempts_left",
    "not_critical_control",
    "digital_outputs_safe",
    "power_source_ok",
    "management_zone",
    "transport_is_ethernet",
    "http_port_open",
    "ftp_server_enabled",
    "credential_given",
    "ftp_login",
    "role_product_master",
    "ip_mode_stored",
    "mid_lock_open",
    "ftp_free_space",
    "meter_is_free",
]


def judged(name: str, **changes: Any) -> Precheck:
    return next(item for item in judge_ftp(replace(GOOD, **changes)) if item.id == name)


def attest(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD.attest, **changes}.items() if value is not None}


@pytest.mark.requirement("R-030")
def test_the_order_is_the_documented_one_and_a_good_situation_stops_nothing() -> None:
    checks = judge_ftp(GOOD)
    assert [item.id for item in checks] == ORDER
    assert blocking(checks) == []
    assert {item.result for item in checks} == {"pass", "attested"}


@pytest.mark.requirement("R-030")
def test_all_failures_are_reported_at_once_and_not_the_first_only() -> None:
    bad = replace(
        GOOD,
        accept=frozenset(),
        attest={"critical_control": True, "digital_outputs_in_use": True, "power_source": "mains"},
        package_faults=(("artifact_missing", "x"),),
        attempts=Attempts(10, 10, "ledger"),
        behind_gateway=True,
        services={"ftp": "closed", "http": "closed"},
        login=Login("refused", "ftp_auth_failed", "530"),
        lock="locked",
        ip_mode="dhcp",
        has_credential=False,
        holder="process 1 on x",
    )
    stops = {item.id for item in blocking(judge_ftp(bad))}
    # The IP mode is a recommendation for this method and only warns (G-09); free space and role were not told.
    assert stops == set(ORDER) - {"ip_mode_stored", "ftp_free_space"}


CASES: list[tuple[str, dict[str, Any], str, bool, str, tuple[str, ...]]] = [
    ("artifact_present_and_pinned", {}, "pass", False, "artifact_missing", ("R-036", "R-040", "R-085")),
    ("artifact_present_and_pinned", {"package_faults": (("artifact_renamed", "App.out"),)}, "fail", True, "artifact_renamed", ("R-085",)),
    (
        "artifact_present_and_pinned",
        {"package_faults": (("artifact_missing", "a"), ("artifact_renamed", "b"))},
        "fail",
        True,
        "artifact_missing",
        (),
    ),
    ("accepted_loses_dlf3000", {}, "pass", False, "dlf3000_loss_not_accepted", ("R-041",)),
    ("accepted_loses_dlf3000", {"accept": frozenset()}, "fail", True, "dlf3000_loss_not_accepted", ("R-041",)),
    ("attempts_left", {}, "pass", False, "attempts_exhausted", ("R-043", "R-154")),
    ("attempts_left", {"attempts": Attempts()}, "pass", False, "attempts_exhausted", ()),
    ("attempts_left", {"attempts": Attempts(10, None, "unknown")}, "unknown", True, "attempts_unknown", ("R-043",)),
    ("attempts_left", {"attempts": Attempts(10, 3, "attested")}, "attested", False, "attempts_exhausted", ()),
    ("attempts_left", {"attempts": Attempts(10, 10, "ledger")}, "fail", True, "attempts_exhausted", ("R-044",)),
    ("attempts_left", {"attempts": Attempts(10, 14, "ledger")}, "fail", True, "attempts_exhausted", ()),
    ("attempts_left", {"attempts": Attempts(25, 25, "ledger")}, "fail", True, "attempts_exhausted", ("R-155",)),
    ("attempts_left", {"attempts": Attempts(10, 9, "ledger")}, "fail", True, "attempts_reserve", ("R-044",)),
    ("attempts_left", {"attempts": Attempts(10, 9, "ledger"), "reserve": 0}, "pass", False, "attempts_exhausted", ()),
    ("attempts_left", {"attempts": Attempts(10, 8, "ledger"), "reserve": 2}, "fail", True, "attempts_reserve", ()),
    ("not_critical_control", {}, "attested", False, "critical_control_use", ("R-050",)),
    ("not_critical_control", {"attest": attest(critical_control=None)}, "unknown", True, "critical_control_use", ("R-050",)),
    ("not_critical_control", {"attest": attest(critical_control=True)}, "fail", True, "critical_control_use", ("R-050",)),
    ("digital_outputs_safe", {}, "attested", False, "digital_outputs_in_use", ("R-049",)),
    ("digital_outputs_safe", {"attest": attest(digital_outputs_in_use=None)}, "unknown", False, "digital_outputs_in_use", ("R-049",)),
    ("digital_outputs_safe", {"attest": attest(digital_outputs_in_use=True)}, "fail", True, "digital_outputs_in_use", ("R-049",)),
    (
        "digital_outputs_safe",
        {"attest": attest(digital_outputs_in_use=True, outputs_safe=True)},
        "attested",
        False,
        "digital_outputs_in_use",
        (),
    ),
    ("power_source_ok", {}, "attested", False, "power_source_unknown", ("R-051",)),
    ("power_source_ok", {"attest": attest(power_source=None)}, "unknown", True, "power_source_unknown", ("R-051",)),
    ("power_source_ok", {"attest": attest(power_source="unknown")}, "unknown", True, "power_source_unknown", ()),
    ("power_source_ok", {"attest": attest(power_source="mains")}, "fail", True, "power_source_unknown", ()),
    ("management_zone", {}, "attested", False, "cleartext_management", ("G-17",)),
    ("management_zone", {"attest": attest(management_zone=None)}, "unknown", True, "cleartext_management", ("G-17",)),
    (
        "management_zone",
        {"attest": attest(management_zone=None), "accept": frozenset({"loses_dlf3000", "cleartext_management"})},
        "attested",
        False,
        "cleartext_management",
        ("G-17",),
    ),
    ("transport_is_ethernet", {}, "pass", False, "not_ethernet", ("R-031",)),
    ("transport_is_ethernet", {"behind_gateway": True}, "fail", True, "not_ethernet", ("R-031",)),
    ("http_port_open", {}, "pass", False, "web_port_changed", ("R-062",)),
    ("http_port_open", {"services": {"ftp": "open", "http": "closed"}}, "fail", True, "web_port_changed", ("R-062",)),
    ("http_port_open", {"services": {"ftp": "open", "http": "no_answer"}}, "unknown", True, "web_port_changed", ()),
    ("http_port_open", {"services": {"ftp": "open"}}, "unknown", True, "web_port_changed", ()),
    ("ftp_server_enabled", {}, "pass", False, "ftp_server_disabled", ("R-033",)),
    ("ftp_server_enabled", {"services": {"http": "open", "ftp": "closed"}}, "fail", True, "ftp_server_disabled", ("R-033",)),
    ("ftp_server_enabled", {"services": {"http": "open", "ftp": "no_answer"}}, "unknown", True, "ftp_server_disabled", ()),
    ("credential_given", {}, "pass", False, "credential_unknown", ("R-034",)),
    ("credential_given", {"has_credential": False}, "fail", True, "credential_unknown", ("R-034",)),
    ("ftp_login", {}, "pass", False, "ftp_auth_failed", ("R-034", "R-054", "R-055")),
    ("ftp_login", {"login": Login()}, "unknown", False, "ftp_auth_failed", ()),
    ("ftp_login", {"login": Login("refused", "ftp_auth_failed", "530 no")}, "fail", True, "ftp_auth_failed", ("R-054",)),
    ("ftp_login", {"login": Login("refused", "ftp_layout_unexpected", "no fw")}, "fail", True, "ftp_layout_unexpected", ("R-055",)),
    ("role_product_master", {}, "pass", False, "role_insufficient", ("R-034",)),
    ("role_product_master", {"login": replace(GOOD.login, role="Web Master")}, "fail", True, "role_insufficient", ("R-034",)),
    ("role_product_master", {"login": replace(GOOD.login, role=None)}, "attested", False, "role_insufficient", ()),
    ("role_product_master", {"login": Login(), "has_credential": False}, "unknown", True, "role_insufficient", ()),
    ("ip_mode_stored", {}, "pass", False, "ip_mode_not_stored", ("R-032", "G-09")),
    ("ip_mode_stored", {"ip_mode": "dhcp"}, "fail", False, "ip_mode_not_stored", ("R-032", "G-09")),
    ("ip_mode_stored", {"ip_mode": "unknown"}, "unknown", False, "ip_mode_not_stored", ()),
    ("ip_mode_stored", {"ip_mode": "unknown", "attest": attest(ip_mode="stored")}, "attested", False, "ip_mode_not_stored", ()),
    ("ip_mode_stored", {"ip_mode": "unknown", "attest": attest(ip_mode="dhcp")}, "fail", False, "ip_mode_not_stored", ("G-09",)),
    ("mid_lock_open", {}, "pass", False, "mid_lock_enabled", ("R-047",)),
    ("mid_lock_open", {"has_lock": False, "lock": "not_applicable"}, "pass", False, "mid_lock_enabled", ()),
    ("mid_lock_open", {"lock": "locked"}, "fail", True, "mid_lock_enabled", ("R-047",)),
    ("mid_lock_open", {"lock": "locked", "attest": attest(mid_lock="unlocked")}, "fail", True, "mid_lock_enabled", ("R-047",)),
    ("mid_lock_open", {"lock": "unknown"}, "unknown", True, "mid_lock_enabled", ("R-047",)),
    ("mid_lock_open", {"lock": "unknown", "attest": attest(mid_lock="unlocked")}, "attested", False, "mid_lock_enabled", ()),
    ("mid_lock_open", {"lock": "unknown", "attest": attest(mid_lock="locked")}, "fail", True, "mid_lock_enabled", ()),
    ("ftp_free_space", {}, "pass", False, "ftp_no_space", ("R-060",)),
    ("ftp_free_space", {"login": replace(GOOD.login, free_space=5000)}, "pass", False, "ftp_no_space", ()),
    ("ftp_free_space", {"login": replace(GOOD.login, free_space=4999)}, "fail", True, "ftp_no_space", ("R-060",)),
    ("ftp_free_space", {"login": replace(GOOD.login, free_space=None)}, "unknown", False, "ftp_no_space", ()),
    ("meter_is_free", {}, "pass", False, "firmware_in_progress", ("R-086",)),
    ("meter_is_free", {"holder": "process 7 on controller"}, "fail", True, "firmware_in_progress", ("R-086", "R-117")),
]


@pytest.mark.requirement(
    "R-030", "R-031", "R-032", "R-033", "R-034", "R-041", "R-043", "R-044", "R-047", "R-049", "R-050", "R-051", "R-054", "R-055",
    "R-060", "R-062", "R-085", "R-154", "R-155", "G-09", "G-17", "F-11", "F-12", "F-21", "F-30",
)  # fmt: skip
@pytest.mark.parametrize(("name", "changes", "result", "stops", "reason", "rules"), CASES)
def test_each_precheck(name: str, changes: dict[str, Any], result: str, stops: bool, reason: str, rules: tuple[str, ...]) -> None:
    found = judged(name, **changes)
    assert (found.result, found.reason) == (result, reason)
    assert bool(blocking([found])) is stops
    assert set(rules) <= set(found.rules)
    assert found.text and "\n" not in found.text


@pytest.mark.requirement("R-030")
def test_every_precheck_and_result_has_a_case() -> None:
    assert {name for name, *_rest in CASES} == set(ORDER)


def test_every_reason_is_in_the_catalogue_and_every_result_is_plain() -> None:
    for name, changes, *_rest in CASES:
        found = judged(name, **changes)
        assert found.reason in REASONS
        assert found.as_dict() == {**found.as_dict(), "id": name, "rules": list(found.rules)}


@pytest.mark.requirement("R-043", "R-050", "R-051", "R-047", "G-17")
def test_unknown_stops_where_a_document_makes_it_a_condition_and_nowhere_else() -> None:
    nothing = replace(
        GOOD,
        attest={},
        attempts=Attempts(10, None, "unknown"),
        services={},
        login=Login(),
        lock="unknown",
        ip_mode="unknown",
    )
    unknown = {item.id: item.blocking for item in judge_ftp(nothing) if item.result == "unknown"}
    assert unknown == {
        "attempts_left": True,
        "not_critical_control": True,
        "digital_outputs_safe": False,
        "power_source_ok": True,
        "management_zone": True,
        "http_port_open": True,
        "ftp_server_enabled": True,
        "ftp_login": False,
        "ip_mode_stored": False,
        "mid_lock_open": True,
        "ftp_free_space": False,
    }


@pytest.mark.requirement("R-010")
@pytest.mark.parametrize("word", sorted(WORDS))
def test_a_refusal_prints_the_exact_word_to_add(word: str) -> None:
    found = judged(f"accepted_{word}", needed_accept={word: WORDS[word].reason}, accept=frozenset())
    assert found.result == "fail"
    assert found.text.endswith(f"add '{word}' to accept to go on")
    given = judged(f"accepted_{word}", needed_accept={word: WORDS[word].reason}, accept=frozenset({word}))
    assert given.result == "pass"


@pytest.mark.requirement("R-043")
@pytest.mark.parametrize(("limit", "used", "left"), [(None, None, None), (10, None, None), (10, 3, 7), (10, 12, 0), (25, 25, 0)])
def test_attempts_left(limit: int | None, used: int | None, left: int | None) -> None:
    assert Attempts(limit, used, "ledger").as_dict() == {"limit": limit, "used": used, "remaining": left, "source": "ledger"}
