# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method web, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import (
    Attempts,
    Login,
    Precheck,
    Situation,
    blocking,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks_web import judge_web

requirement = pytest.mark.requirement
EXTRA: dict[str, Any] = {
    "scheme": "https",
    "profile": "pm5000-new",
    "verified": True,
    "missing_sections": [],
    "role": "administrator",
    "signature": "unverified",
    "corrupt_reports": 0,
}
GOOD = Situation(
    has_lock=True,
    needed_accept={},
    accept=frozenset(),
    attest={"power_source": "uninterrupted", "critical_control": False, "outputs_safe": True},
    package_faults=(),
    package_text="as pinned",
    package_bytes=1000,
    attempts=Attempts(25, 3, "ledger"),
    reserve=1,
    behind_gateway=False,
    services={"https": "open", "link": "stable", "tls": "ok"},
    login=Login("ok", "", "in", "product_master", None, {"ip_mode": "stored", "status": "idle"}),
    lock="unlocked",
    ip_mode="unknown",
    has_credential=True,
    extra=EXTRA,
)


def check(name: str, extra: dict[str, Any] | None = None, **changes: Any) -> Precheck:
    now = replace(GOOD, extra={**EXTRA, **(extra or {})}, **changes)
    return next(item for item in judge_web(now) if item.id == name)


def test_a_good_situation_stops_nothing_and_every_reason_is_in_the_catalogue() -> None:
    checks = judge_web(GOOD)
    assert blocking(checks) == []
    assert len({item.id for item in checks}) == len(checks)
    assert all(item.reason in reasons.REASONS for item in checks)


def test_nothing_known_stops_it() -> None:
    now = replace(GOOD, extra={}, services={}, login=Login(), attest={}, attempts=Attempts(25), lock="unknown", has_credential=False)
    stops = {item.id for item in blocking(judge_web(now))}
    assert {"profile_drives_upgrade", "power_source_ok", "not_critical_control", "attempts_left", "mid_lock_open"} <= stops
    assert {"credential_given", "role_may_upgrade", "web_port_open"} <= stops


@requirement("R-135", "G-02")
def test_a_profile_must_tell_how_to_upload_and_confirm() -> None:
    assert check("profile_drives_upgrade", {"profile": None}).result == "fail"
    assert "confirm" in check("profile_drives_upgrade", {"missing_sections": ["confirm"]}).text
    assert "never verified" in check("profile_drives_upgrade", {"verified": False}).text


@requirement("R-148")
@pytest.mark.parametrize(("reports", "result"), [(0, "pass"), (1, "pass"), (2, "fail"), (7, "fail")])
def test_two_reports_make_a_package_suspect(reports: int, result: str) -> None:
    found = check("artifact_not_suspect", {"corrupt_reports": reports})
    assert (found.result, found.reason) == (result, "artifact_suspect")


@requirement("R-134")
@pytest.mark.parametrize(("kind", "result"), [("present", "pass"), ("unverified", "unknown"), ("absent", "unknown")])
def test_the_signature_is_told_and_never_blocks(kind: str, result: str) -> None:
    found = check("artifact_signature", {"signature": kind})
    assert (found.result, found.blocking) == (result, False)


@requirement("R-150", "R-151", "G-08")
def test_after_a_bad_end_a_person_must_have_looked_since() -> None:
    bad = {"bad_end": "stalled"}
    assert check("recovered_after_failure", bad).result == "unknown"
    said = {**GOOD.attest, "recovered": True}
    assert check("recovered_after_failure", bad, attest=said).result == "attested"
    assert check("recovered_after_failure", {**bad, "attest_is_older": True}, attest=said).result == "unknown"
    assert check("recovered_after_failure", bad, attest={**said, "recovered": False}).result == "unknown"


@requirement("G-17")
def test_the_management_zone_matters_in_clear_text_only() -> None:
    assert "management_zone" not in {item.id for item in judge_web(GOOD)}
    assert check("management_zone", {"scheme": "http"}, services={"http": "open"}).result == "unknown"


@requirement("R-130")
@pytest.mark.parametrize(
    ("state", "result", "stops"), [("stable", "pass", False), ("2 of 5 connections failed", "fail", True), (None, "unknown", False)]
)
def test_the_link(state: str | None, result: str, stops: bool) -> None:
    services = {"https": "open", **({"link": state} if state else {})}
    found = check("link_stable", services=services)
    assert (found.result, bool(blocking([found]))) == (result, stops)


@requirement("F-31")
@pytest.mark.parametrize("code", ["tls_fingerprint_mismatch", "tls_protocol_too_old"])
def test_tls_faults_keep_their_code(code: str) -> None:
    found = check("tls_usable", services={"https": "open", "tls": f"{code}: what was seen: ab:cd"})
    assert (found.result, found.reason, found.text) == ("fail", code, "what was seen: ab:cd")
    assert not [item for item in judge_web(replace(GOOD, services={"http": "open"})) if item.id == "tls_usable"]


@requirement("R-087")
@pytest.mark.parametrize(("count", "result"), [(None, "unknown"), (8, "pass"), (9, "fail")])
def test_read_connections_where_known(count: int | None, result: str) -> None:
    assert check("read_connections", {"read_connections": count}).result == result


@requirement("R-138")
@pytest.mark.parametrize(("role", "result"), [("product_master", "pass"), ("Guest", "fail"), (None, "attested")])
def test_the_role_by_the_meters_own_word(role: str | None, result: str) -> None:
    assert check("role_may_upgrade", login=replace(GOOD.login, role=role)).result == result


@requirement("R-138", "I-j")
def test_a_refused_login_keeps_its_reason() -> None:
    found = check("web_login", login=Login("refused", "locked_out", "try again in 15 minutes"))
    assert (found.result, found.reason) == ("fail", "locked_out")
    assert not blocking([check("web_login", login=Login())]), "in check mode it is not tried"


@requirement("R-086", "R-117")
@pytest.mark.parametrize(
    ("status", "result"), [("running", "fail"), ("waiting", "fail"), ("idle", "pass"), ("failed", "pass"), ("unknown", "unknown")]
)
def test_an_upgrade_that_somebody_else_started(status: str, result: str) -> None:
    found = check("meter_is_idle", login=replace(GOOD.login, facts={"status": status}))
    assert (found.result, found.reason) == (result, "firmware_in_progress")


@requirement("G-09", "R-032")
@pytest.mark.parametrize(("mode", "result"), [("stored", "pass"), ("dhcp", "fail"), (None, "unknown")])
def test_the_ip_mode_is_read_from_the_pages_and_only_warns(mode: str | None, result: str) -> None:
    found = check("ip_mode_stored", login=replace(GOOD.login, facts={"ip_mode": mode}))
    assert (found.result, found.blocking) == (result, False)
