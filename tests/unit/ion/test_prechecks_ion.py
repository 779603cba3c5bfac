# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The method ion, judged without any meter: predicted security, the ION Setup that is needed, and every precheck."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import prechecks_ion as ion
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import plan_path
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Attempts, Login, Situation, blocking

requirement = pytest.mark.requirement
V = Version.parse
ION9000 = find_model("ION9000")
EXTRA: dict[str, Any] = {
    "mode": "command",
    "host": "desk",
    "setup_version": "3.2.22341.01",
    "least_ion_setup": "3.2.20218.01",
    "min_ion_setup": "3.2.20218.01",
    "bare": False,
    "transport": "ethernet",
    "gateway_model": None,
    "baud": None,
    "has_admin": True,
    "numeric_password": True,
    "security_mode": "standard",
    "mode_attested": False,
    "prediction": ion.predict_mode(ION9000, V("2.4.1"), "standard", V("3.0.0")).as_dict(),
    "revenue_lock": False,
    "consumers": (),
    "snapshot": {"template": True, "energies": True},
}


def situation(attest: dict[str, Any] | None = None, services: dict[str, str] | None = None, **extra: Any) -> Situation:
    return Situation(
        has_lock=False,
        needed_accept={},
        accept=frozenset(),
        attest={"critical_control": False, **(attest or {})},
        package_faults=(),
        package_text="as pinned",
        package_bytes=1_200_000,
        attempts=Attempts(),
        reserve=1,
        behind_gateway=False,
        services={"ion": "open", "ion_tls": "closed"} if services is None else services,
        login=Login(),
        lock="not_applicable",
        ip_mode="unknown",
        has_credential=True,
        extra={**EXTRA, **extra},
    )


@requirement("R-185", "R-189", "R-191", "R-196", "R-232", "R-234", "R-252", "R-253", "R-255", "R-256", "G-11", "F-29")
@pytest.mark.parametrize(
    ("source", "target", "before", "after", "removed", "created"),
    [
        ("2.1.0", "3.0.0", "standard", "legacy_support", True, ("User1",)),
        ("2.4.1", "4.0.0", "standard", "legacy_support", True, ("User1",)),
        ("2.4.1", "3.0.0", "advanced", "advanced", False, ()),
        ("2.4.1", "3.0.0", "none", "unknown", None, ()),
        ("2.4.1", "3.0.0", "unknown", "unknown", None, ()),
        ("3.0.0", "4.0.0", "legacy_support", "legacy_support", False, ()),
        ("3.1.0", "3.2.0", "advanced", "advanced", False, ()),
        ("2.1.0", "2.4.1", "standard", "standard", False, ()),
    ],
)
def test_security_after_the_upgrade(
    source: str, target: str, before: str, after: str, removed: bool | None, created: tuple[str, ...]
) -> None:
    found = ion.predict_mode(ION9000, V(source), before, V(target))
    assert (found.before, found.mode, found.users_removed, found.users_created) == (before, after, removed, created)
    assert bool(found.notes) is (source < "3" <= target)
    if created:
        assert any("9000" in note for note in found.notes) and any("password of before" in note for note in found.notes)


@requirement("R-164", "R-166", "X-12", "G-19")
@pytest.mark.parametrize(
    ("target", "stated", "least"),
    [
        ("3.0.0", "", "3.2.20218.01"),
        ("3.9.9", "", "3.2.20218.01"),
        ("4.0.0", "", "3.2.22341.01"),
        ("4.1.0", "3.2.30000.01", "3.2.30000.01"),
        ("4.0.0", "3.2.20218.01", "3.2.22341.01"),
        ("3.0.0", "3.2.9999.99", "3.2.20218.01"),
    ],
)
def test_the_later_of_documented_and_stated_minimum_holds(target: str, stated: str, least: str) -> None:
    assert str(ion.minimum_ion_setup(ION9000, V(target), stated)) == least


def test_all_is_well() -> None:
    checks = ion.judge_ion(situation())
    assert blocking(checks) == []
    assert all(check.reason in reasons.REASONS for check in checks)


@requirement(
    "R-161", "R-162", "R-164", "R-166", "R-167", "R-168", "R-172", "R-175", "R-177", "R-178", "R-199", "R-246", "G-19", "X-10", "F-28"
)
@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("artifact_unverifiable_min_version", {"bare": True, "min_ion_setup": ""}),
        ("engine_too_old", {"setup_version": None}),
        ("engine_too_old", {"setup_version": "3.2.20217.99"}),
        ("engine_too_old", {"least_ion_setup": "3.2.22341.01", "setup_version": "3.2.20218.01"}),
        ("tool_host_unusable", {"host_fault": "it cannot be reached"}),
        ("ion_port_closed", {"services": {"ion": "closed", "ion_tls": "closed"}}),
        ("ion_port_closed", {"services": {}}),
        ("credential_unknown", {"has_admin": False}),
        ("lss_alphanumeric_password", {"security_mode": "legacy_support", "numeric_password": False}),
        ("revenue_locked", {"revenue_lock": True}),
        ("consumers_not_reviewed", {"consumers": ["scada", "pme"]}),
        ("consumers_not_reviewed", {"consumers": ["ion_setup"]}),
        ("nothing_to_compare", {"snapshot": {"template": False, "energies": False}}),
        ("critical_control_use", {"attest": {"critical_control": None}}),
    ],
)
def test_what_stops_the_upgrade(reason: str, change: dict[str, Any]) -> None:
    assert [check.reason for check in blocking(ion.judge_ion(situation(**change)))] == [reason]


@requirement("R-161", "R-167", "R-168", "R-174", "R-176", "R-177", "R-184", "R-199", "G-11", "X-10")
@pytest.mark.parametrize(
    "change",
    [
        {"bare": True},
        {"services": {"ion": "closed", "ion_tls": "open"}},
        {"services": {}, "transport": "serial"},
        {"transport": "ion_over_modbus", "gateway_model": "EGX"},
        {"transport": "ion_over_modbus"},
        {"has_admin": False, "security_mode": "none"},
        {"has_admin": False, "mode": "manual"},
        {"security_mode": "advanced", "numeric_password": False},
        {"revenue_lock": None},
        {"consumers": ["scada", "legacy", "modbus_master"]},
        {"consumers": ["pme"], "attest": {"consumers_reviewed": True}},
        {"snapshot": {"template": False, "energies": True}},
        {"snapshot": {"template": False, "energies": False}, "attest": {"registers_saved": True}},
        {"prediction": ion.predict_mode(ION9000, V("2.4.1"), "none", V("3.0.0")).as_dict()},
    ],
)
def test_what_does_not_stop_it(change: dict[str, Any]) -> None:
    assert blocking(ion.judge_ion(situation(**change))) == []


@requirement("R-167", "R-175", "R-176", "R-177", "F-33")
@pytest.mark.parametrize(
    ("bare", "transport", "gateway", "words"),
    [
        (False, "ethernet", "ION9000", ()),
        (True, "ethernet", None, ("bare_upx",)),
        (False, "ion_over_modbus", "PM8240", ("gateway",)),
        (False, "ion_over_modbus", "EGX", ()),
        (False, "ion_over_modbus", None, ()),
        (False, "serial", None, ("serial_transport",)),
    ],
)
def test_words_that_a_meter_needs(bare: bool, transport: str, gateway: str | None, words: tuple[str, ...]) -> None:
    assert ion.accept_words(bare, transport, gateway) == words


@requirement("R-174", "R-178")
def test_how_ion_setup_reaches_the_meter() -> None:
    assert [ion.transport_of(None, False), ion.transport_of(None, True), ion.transport_of("ethernet", True)] == [
        "ethernet",
        "ion_over_modbus",
        "ethernet",
    ]
    assert [ion.unreliable(item) for item in ion.TRANSPORTS] == [False, True, True]


@requirement("R-161", "R-162", "R-177", "R-179", "R-180", "R-192", "R-407")
def test_notes_of_the_plan() -> None:
    notes = "\n".join(ion.plan_notes(["pme", "legacy"], "serial", 1_200_000, 9600))
    for words in ("7EN72-0206-00", "template stays", "Power Monitoring Expert", "digits", "browsers", "21 to 83 minutes"):
        assert words in notes
    assert "alone" in "\n".join(ion.plan_notes([], "ion_over_modbus"))


@requirement("R-163", "R-173", "R-245", "G-13", "X-12")
@pytest.mark.parametrize("name", ["ION9000", "ION9000T", "PM8240", "ION7400"])
def test_ways_of_the_family(name: str) -> None:
    model = find_model(name)
    way = plan_path(model, V("2.1.0"), V("4.0.0"), [V("3.0.0"), V("4.0.0")])
    assert [(hop.row, str(hop.target), hop.method) for hop in way.hops] == [("H-1", "3.0.0", "ion"), ("H-2", "4.0.0", "ion")]
    assert all(hop.accept == ("irreversible",) and hop.reversible is False for hop in way.hops)
    assert plan_path(model, V("2.0.9"), V("3.0.0")).reason == "source_below_minimum"
    assert plan_path(model, V("2.0.9"), V("4.0.0"), [V("3.0.0")]).reason == "source_below_minimum"
    assert plan_path(model, V("3.0.0"), V("2.1.0"), allow_downgrade=True).reason == "downgrade_forbidden"
    assert plan_path(model, V("4.0.0"), V("3.0.0")).reason == "downgrade_forbidden"


def test_attested_mode_is_one_of_the_words() -> None:
    assert ion.check_security_mode("standard") == "standard"
    with pytest.raises(InputError, match="legacy_support"):
        ion.check_security_mode("lss")
