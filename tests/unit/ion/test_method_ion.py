# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The method ion as the task sees it: options that cannot work, slots, deadlines, words, plan and result."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import HopResult
from ansible_collections.gridops.metering.plugins.plugin_utils._method_ion import IonMethod
from ansible_collections.gridops.metering.plugins.plugin_utils._method_registry import METHODS
from ansible_collections.gridops.metering.plugins.plugin_utils._method_tool import ToolMethod

requirement = pytest.mark.requirement
OPTIONS = {"host": "desk", "command": ["drive.exe", "{password}"], "handover_dir": "C:\\hand", "setup_version": "3.2.22341.01"}


def method(
    ion: dict[str, Any] | None = None, mode: str | None = "command", family: str = "hep", password: str = "4711", **more: Any
) -> IonMethod:
    waits = {"retry_hold": 300.0, "hard_timeout": 1800.0, "card_reset": 120.0, "stall": 300.0}
    target = Target(
        "m",
        "192.0.2.1",
        {},
        more.pop("unit", 255),
        gateway=more.pop("gateway", None),
        family=family,
        credentials={"admin": Credential("", password)},
    )
    params = {"ion": OPTIONS if ion is None else ion, "tool_mode": mode, "campaign": "c", "consumers": ["pme"], **more}
    task = SimpleNamespace(
        params=params,
        target=target,
        profile={"name": "p"},
        rules=SimpleNamespace(
            waits=waits, clock_factor=1.0, cap=4, attest={"security_mode": "standard"}, version=Version.parse("3.0.0"), search=()
        ),
        package=SimpleNamespace(min_ion_setup="", bare=True, size=960_000),
        model=find_model("ION9000"),
        source=Version.parse("2.4.1"),
        hop=SimpleNamespace(target=Version.parse("3.0.0"), notes=("a note",)),
        warnings=[],
    )
    return IonMethod(task)


@requirement("R-164", "R-177", "R-246")
@pytest.mark.parametrize(
    ("ion", "wanted"),
    [
        ({}, "ion.host"),
        ({"host": "desk"}, "ion.command"),
        ({"host": "desk", "command": ["x"]}, "ion.handover_dir"),
        ({**OPTIONS, "command": ["x", "{config}"]}, "{config}"),
        ({**OPTIONS, "review": ["{secret}"]}, "ion.review"),
        ({**OPTIONS, "setup_version": "newest"}, "ion.setup_version"),
        ({**OPTIONS, "baud": 10}, "ion.baud"),
        ({**OPTIONS, "exit_reasons": {"ten": "restore_failed"}}, "ion.exit_reasons"),
        ({**OPTIONS, "exit_reasons": {"10": "broken"}}, "restore_failed"),
    ],
)
def test_options_that_cannot_work_are_refused_before_any_contact(ion: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        method(ion).check()
    method(ion, family="pm5000").check()


def test_options_that_work_and_whose_they_are() -> None:
    method().check()
    method({}, mode=None).check()
    assert METHODS["ion"] is IonMethod
    task = SimpleNamespace(
        params={"tool": None, "tool_mode": "command"},
        target=SimpleNamespace(family="hep"),
        rules=SimpleNamespace(waits={"retry_hold": 1.0}),
    )
    ToolMethod(task).check()  # the options of the other tool are not those of a HEP meter


@requirement("R-174", "R-177", "R-178", "G-18")
@pytest.mark.parametrize(
    ("ion", "more", "slot"),
    [
        ({}, {}, ("ion:manual", 4)),
        (OPTIONS, {}, ("ion:desk", 4)),
        (OPTIONS, {"gateway": "egx-1"}, ("ion:desk", 1)),
        (OPTIONS, {"unit": 7}, ("ion:desk", 1)),
        ({**OPTIONS, "transport": "ethernet"}, {"gateway": "egx-1"}, ("ion:desk", 4)),
        ({**OPTIONS, "transport": "serial"}, {}, ("ion:desk", 1)),
    ],
)
def test_an_unreliable_way_takes_one_meter(ion: dict[str, Any], more: dict[str, Any], slot: tuple[str, int]) -> None:
    assert method(ion, **more).slot() == slot


@requirement("R-177", "R-168")
def test_deadlines() -> None:
    assert method().limits().hard_timeout == 2400 and not method().limits().retry_failed
    assert method({**OPTIONS, "transport": "serial", "baud": 9600}).limits().hard_timeout == 2400 + 4000
    assert method(mode="manual").limits().hard_timeout == 7 * 86_400


@requirement("R-167", "R-175", "R-177")
def test_words() -> None:
    assert set(method().needed_words()) == {"bare_upx"}
    assert set(method({**OPTIONS, "transport": "ion_over_modbus", "gateway_model": "ION7400"}).needed_words()) == {"bare_upx", "gateway"}


@requirement("R-189", "R-199", "R-252", "R-258", "R-300")
def test_what_is_gathered_and_told() -> None:
    made = method(password="abc123")
    seen = {"template": "T", "energies": {"a": None}, "settings": {"mode": "legacy_support", "users": 3, "revenue_lock": "locked"}}
    found = made.gather(SimpleNamespace(snapshot=lambda: seen, reaches=dict))
    assert (found["security_mode"], found["mode_attested"], found["revenue_lock"], found["numeric_password"]) == (
        "legacy_support",
        False,
        True,
        False,
    )
    assert found["snapshot"] == {"template": True, "energies": False}
    blind = method()

    def fails() -> dict[str, Any]:
        raise DeviceError("snapshot", "transport_failed", "silent")

    found = blind.gather(SimpleNamespace(snapshot=fails, reaches=fails))
    assert (found["security_mode"], found["mode_attested"], found["host_fault"], found["numeric_password"]) == (
        "standard",
        True,
        "silent",
        True,
    )
    notes = blind.notes()
    assert notes["security"]["mode"] == "legacy_support" and notes["security"]["users_deleted"] is None
    assert notes["ion_setup"] == {"needed": "3.2.20218.01", "installed": "3.2.22341.01"}
    assert "a note" in notes["notes"] and any("Power Monitoring Expert" in note for note in notes["notes"])


@requirement("G-11", "invariant-e")
def test_what_the_result_adds() -> None:
    ended = HopResult(
        after={"version": "3.0.0"}, detail={"configuration": {"mode": "advanced", "users": 2, "review": False, "warnings": ["w"]}}
    )
    found = method().result_fields(ended)
    assert found == {"warnings": ["w"], "after": {"version": "3.0.0", "security_mode": "advanced", "users": 2, "review": False}}
    assert method().result_fields(HopResult()) == {}
    assert method(mode="manual")._password() == "" and method()._password() == "4711"
