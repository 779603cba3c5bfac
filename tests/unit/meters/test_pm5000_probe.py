# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The probe's judgement, its masking and its report; what it does on the wire is in the integration tests."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import pm5000_probe
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.pm5000_assumptions import OTHERS, REGISTERS, Finding
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.pm5000_registers import FORBIDDEN
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.anonymous import Answer
from ansible_collections.gridops.metering.plugins.module_utils._probe import report_lines


def test_registers_that_must_not_be_read_are_not_in_the_list() -> None:
    asked = {number for item in REGISTERS for number in range(item.field.first, item.field.first + item.field.count)}
    assert not asked & FORBIDDEN
    assert len({item.field.name for item in REGISTERS}) == len(REGISTERS)


@pytest.mark.requirement("R-062")
@pytest.mark.parametrize(
    "profile",
    [
        {"status_page": {"path": "/PM5500StartUpgrade.shtml"}},
        {"role_page": {"path": "/x/pm5500%73tartupgrade.shtml"}},
        {"settings": {"ftp_server": {"path": "/PM5500STARTUPGRADE.SHTML?a"}}},
        {"login": {"kind": "form", "page": "/PM5500StartUpgrade.shtml", "path": "/in"}},
        {"logout": {"path": "/PM5500StartUpgrade.shtml"}},
    ],
)
def test_a_profile_that_would_start_an_upgrade_is_refused(profile: dict[str, object]) -> None:
    with pytest.raises(InputError, match="R-062"):
        pm5000_probe.check_profile(profile)


def test_pages_that_are_written_to_are_not_asked_for() -> None:
    profile = {
        "status_page": {"path": "/s"},
        "settings": {"a": {"path": "/s"}, "b": {"path": "/n", "write": {"path": "/w"}}},
        "upload": {"page": "/up", "path": "/up"},
        "confirm": {"path": "/go"},
    }
    assert [path for _name, path in pm5000_probe._pages(profile)] == ["/s", "/n"]


@pytest.mark.parametrize(
    ("revision", "fits"), [("2.7.801", True), ("2.7.8", True), ("2.7.901", False), ("12.7.801", False), ("2.7.8012", False), ("", False)]
)
def test_revision(revision: str, fits: bool) -> None:
    assert pm5000_probe._revision_fits(revision, "2.7.8") is fits


def test_who_asks_to_sign_in() -> None:
    assert all(pm5000_probe.asks_to_sign_in(Answer(status)) for status in (401, 403, 302))
    assert pm5000_probe.asks_to_sign_in(Answer(200, text="<INPUT name=p TYPE='password'>"))
    assert not pm5000_probe.asks_to_sign_in(Answer(200, text="<h1>Energy</h1>"))


def found() -> pm5000_probe.Probe:
    probe = pm5000_probe.Probe(
        values={"serial": "51730000", "name": "Feeder 7", "fingerprint": "ab" * 32, "model": "PM5560", "firmware": "4.3.5"}
    )
    for key, text in (
        ("register.serial", "51730000"),
        ("register.name", "Feeder 7"),
        ("tls.self_signed", "subject CN=PM5000-51730000,O=x"),
        ("tls.fingerprint", "ab" * 32),
        ("http.redirect", "status 301, to https://10.1.2.3/"),
        ("http.login", "server 00:80:F4:02:AB:CD and 0080F402ABCD at meter-7.example.org <b>|x`"),
    ):
        probe.findings.append(Finding(key, "t|<x>", "s", "doc", "yes", text))
    return probe


def test_a_masked_report_names_nobody() -> None:
    shown = [item.as_dict() for item in pm5000_probe.masked(found(), "meter-7.example.org")]
    text = json.dumps(shown)
    for secret in ("51730000", "Feeder", "abababab", "10.1.2.3", "80:F4", "0080F402", "meter-7"):
        assert secret not in text
    assert shown[0]["seen"] == "8 digits" and shown[1]["seen"] == "8 characters"


def test_a_report_is_a_table_whatever_the_device_says() -> None:
    findings = [item.as_dict() for item in found().findings]
    findings[2]["holds"] = "no"
    report = {"model": "PM5560", "firmware": "4.3.5", "generation": "new", "profile": None, "signed_in": False,
              "summary": {"yes": 5, "no": 1, "unknown": 0}, "assumptions": findings}  # fmt: skip
    lines = report_lines(report)
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert rows[0].startswith("| DOES NOT HOLD") and len(rows) == 6
    assert all(row.replace("\\|", "").count("|") == 5 and "<b>" not in row and "`" not in row for row in rows)


def test_every_statement_has_a_name_of_its_own() -> None:
    assert all(key == item.id for key, item in OTHERS.items())
