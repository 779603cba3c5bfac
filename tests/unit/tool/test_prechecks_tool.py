# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method tool: what the documents call fatal blocks until it is known to be right."""

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
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks_tool import APPLICABLE, judge_tool

EXTRA = {
    "mode": "command",
    "host": "desk",
    "tool_version": "3.8",
    "tool_said": None,
    "model": "PM5560",
    "source": "2.9.9",
    "ports": {"http": 80, "https": 443},
    "loopback": False,
    "missing_credentials": [],
    "config_fault": "",
    "icmp": True,
    "same_subnet": True,
}
GOOD = Situation(
    has_lock=False,
    needed_accept={"irreversible": WORDS["irreversible"].reason},
    accept=frozenset({"irreversible"}),
    attest={"critical_control": False, "power_source": "uninterrupted", "management_zone": "plant-7", "digital_outputs_in_use": False},
    package_faults=(),
    package_text="names, sizes and hashes are as pinned",
    package_bytes=5000,
    attempts=Attempts(),
    reserve=1,
    behind_gateway=False,
    services={"http": "open", "https": "closed", "ftp": "closed", "link": "stable"},
    login=Login(text="the tool logs in by itself"),
    lock="not_applicable",
    ip_mode="stored",
    has_credential=True,
    extra=EXTRA,
)


def judged(name: str, extra: dict[str, Any] | None = None, attest: dict[str, Any] | None = None, **changes: Any) -> Precheck:
    now = replace(GOOD, extra={**EXTRA, **(extra or {})}, attest={**GOOD.attest, **(attest or {})}, **changes)
    return next(item for item in judge_tool(now) if item.id == name)


@pytest.mark.requirement("R-068", "R-069", "R-094")
def test_a_good_situation_stops_nothing_and_every_reason_is_known() -> None:
    checks = judge_tool(GOOD)
    assert blocking(checks) == []
    assert len({item.id for item in checks}) == len(checks)
    assert {item.reason for item in checks} <= REASONS.keys()


# (precheck, facts of the method, words attested, other changes) -> (result, whether it stops)
CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str, bool]] = [
    ("tool_version_matches_package", {"tool_said": "3.8.0"}, {}, {}, "pass", False),
    ("tool_version_matches_package", {"tool_said": "3.9"}, {}, {}, "fail", True),
    ("tool_version_matches_package", {"tool_version": ""}, {}, {}, "fail", True),
    ("tool_reachable", {"host_fault": "desk: it cannot be reached"}, {}, {}, "fail", True),
    ("tool_reachable", {"mode": "manual", "host": None}, {}, {}, "pass", False),
    ("credentials_given", {"missing_credentials": ["web_master"]}, {}, {}, "fail", True),
    ("config_representable", {"config_fault": "Web Master password"}, {}, {}, "fail", True),
    ("ip_mode_stored", {}, {}, {"ip_mode": "dhcp"}, "fail", True),
    ("ip_mode_stored", {}, {"ip_mode": "stored"}, {"ip_mode": "dhcp"}, "fail", True),
    ("ip_mode_stored", {}, {}, {"ip_mode": "unknown"}, "unknown", True),
    ("ip_mode_stored", {}, {"ip_mode": "stored"}, {"ip_mode": "unknown"}, "attested", False),
    ("ip_mode_stored", {}, {"ip_mode": "bootp"}, {"ip_mode": "unknown"}, "fail", True),
    ("ip_mode_stored", {}, {}, {"ip_mode": "unknown", "login": Login("ok", facts={"ip_mode": "stored"})}, "pass", False),
    ("web_port_default", {}, {}, {"services": {"http": "closed", "https": "open"}}, "pass", False),
    ("web_port_default", {}, {}, {"services": {"http": "closed", "https": "no_answer"}}, "fail", True),
    ("web_port_default", {"ports": {"http": 8080, "https": 443}}, {}, {}, "fail", True),
    ("web_port_default", {"ports": {"http": 8080, "https": 8443}, "loopback": True}, {}, {}, "pass", False),
    ("web_port_default", {"ports": {"http": 8085, "https": 8443}, "loopback": True}, {}, {}, "fail", True),
    ("ftp_server_enabled", {"model": "PM5561", "source": "10.7.3"}, {}, {}, "fail", True),
    ("ftp_server_enabled", {"model": "PM5561", "source": "10.8.2"}, {}, {"services": {"http": "open", "ftp": "open"}}, "pass", False),
    ("ftp_server_enabled", {"model": "PM5561", "source": "10.6.3"}, {}, {}, "pass", False),
    ("same_subnet", {"same_subnet": False}, {}, {}, "fail", True),
    ("same_subnet", {"same_subnet": False}, {"same_subnet": True}, {}, "fail", True),
    ("same_subnet", {"same_subnet": None}, {}, {}, "unknown", True),
    ("same_subnet", {"same_subnet": None}, {"same_subnet": True}, {}, "attested", False),
    ("direct_connection", {"tool_version": "3.6"}, {}, {}, "unknown", True),
    ("direct_connection", {"tool_version": "3.7"}, {}, {}, "unknown", True),
    ("direct_connection", {"tool_version": "3.7"}, {"direct_connection": True}, {}, "attested", False),
    ("icmp_reachable", {"icmp": False}, {}, {}, "fail", True),
    ("icmp_reachable", {"icmp": False}, {"icmp": True}, {}, "fail", True),
    ("icmp_reachable", {"icmp": None}, {}, {}, "unknown", True),
    ("icmp_reachable", {"icmp": None}, {"icmp": True}, {}, "attested", False),
    ("link_stable", {}, {}, {"services": {"http": "open", "link": "1 of 5 connections failed"}}, "fail", True),
    ("read_connections", {}, {}, {}, "unknown", False),
    ("read_connections", {}, {"read_connections": 8}, {}, "attested", False),
    ("read_connections", {}, {"read_connections": 9}, {}, "fail", True),
    ("web_login", {}, {}, {"login": Login("refused", "web_auth_failed", "refused")}, "fail", True),
    ("mid_lock_open", {}, {}, {"has_lock": True, "lock": "locked"}, "fail", True),
    ("mid_lock_open", {}, {}, {"has_lock": True, "lock": "unknown"}, "unknown", True),
    ("power_source_ok", {}, {"power_source": None}, {}, "unknown", True),
    ("attempts_left", {}, {}, {"attempts": Attempts(10, 9, "ledger")}, "fail", True),
    ("accepted_irreversible", {}, {}, {"accept": frozenset()}, "fail", True),
]


@pytest.mark.requirement(
    "R-070", "R-071", "R-073", "R-074", "R-076", "R-077", "R-078", "R-080", "R-081", "R-087", "R-093", "R-095", "R-096", "R-097", "R-098", "R-099",
    "R-101", "R-106", "R-108", "G-03", "G-04", "G-09",
)  # fmt: skip
@pytest.mark.parametrize(("name", "extra", "attest", "changes", "result", "stops"), CASES)
def test_each_precheck(name: str, extra: dict[str, Any], attest: dict[str, Any], changes: dict[str, Any], result: str, stops: bool) -> None:
    found = judged(name, extra, attest, **changes)
    assert (found.result, blocking([found]) != []) == (result, stops), found.text


@pytest.mark.requirement("R-109", "R-110", "R-111")
def test_the_tools_own_status_is_told_to_come() -> None:
    found = judged("tool_says_applicable")
    assert APPLICABLE in found.text and not found.blocking
