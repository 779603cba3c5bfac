# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From options to a target, and what is refused on the way."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.gridops.metering.plugins.module_utils._argspec import (
    ATTEST_SPEC,
    CONNECTION_SPEC,
    check_attest,
    check_credentials,
    merge_specs,
    target_from,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError


@pytest.mark.requirement("R-103", "R-097", "R-098")
def test_documented_values_hold_where_nothing_is_said() -> None:
    target = target_from({"host": "192.0.2.1"}, "m1")
    assert (target.unit_id, dict(target.ports)) == (255, {"modbus": 502, "ftp": 21, "http": 80, "https": 443})
    assert (target.timeouts.connect, target.timeouts.read) == (5, 5)


def test_given_values_replace_only_what_they_name() -> None:
    target = target_from({"host": "m.example.net", "unit_id": 1, "ports": {"modbus": 1502, "ftp": None}, "timeouts": {"read": 2}}, "m1")
    assert (target.unit_id, target.ports["modbus"], target.ports["ftp"], target.timeouts.read) == (1, 1502, 21, 2)


@pytest.mark.requirement("R-108")
@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({"host": None}, "host"),
        ({"host": ""}, "host"),
        ({"host": "two words"}, "host"),
        ({"host": "192.168.0.999"}, "host"),
        ({"host": "http://192.0.2.1/"}, "host"),
        ({"host": "a" * 300}, "host"),
        ({"unit_id": 0}, "unit_id"),
        ({"unit_id": 256}, "unit_id"),
        ({"unit_id": True}, "unit_id"),
        ({"unit_id": "x"}, "unit_id"),
        ({"ports": {"modbus": 0}}, "ports.modbus"),
        ({"ports": {"modbus": 70000}}, "ports.modbus"),
        ({"ports": {"gopher": 23}}, "ports.gopher"),
        ({"ports": [502]}, "ports"),
        ({"timeouts": {"read": 0}}, "timeouts.read"),
        ({"timeouts": {"read": "soon"}}, "timeouts.read"),
        ({"timeouts": {"write": 1}}, "timeouts.write"),
        ({"timeouts": 5}, "timeouts"),
    ],
)
def test_bad_connection_options_name_the_option_and_what_is_accepted(params: dict[str, Any], option: str) -> None:
    with pytest.raises(InputError) as caught:
        target_from({"host": "192.0.2.1", **params}, "m1")
    assert caught.value.option == option
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        "Canary-77-x",
        {"user": "u"},
        {"password": "Canary-77-x"},
        {"user": "u", "password": ["Canary-77-x"]},
        {"user": "u", "password": "Canary-77-x", "pin": 1},
        {"user": "u", "password": "Canary-77-x\n"},
        {"user": "u", "password": "Canary-77\x00-x"},
        {"user": "u\r\nX-Evil: 1", "password": "Canary-77-x"},
    ],
)
def test_bad_credentials_are_refused_without_being_shown(entry: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_credentials({"product_master": entry})
    assert "Canary" not in str(caught.value) and "credentials.product_master" in str(caught.value)


@pytest.mark.requirement("R-043")
@pytest.mark.parametrize(
    ("attest", "option"),
    [
        ({"mid_lok": "unlocked"}, "attest.mid_lok"),
        ({"mid_lock": "open"}, "attest.mid_lock"),
        ({"ip_mode": "static"}, "attest.ip_mode"),
        ({"attempts_used": -1}, "attest.attempts_used"),
        ({"attempts_used": "few"}, "attest.attempts_used"),
        ("unlocked", "attest"),
    ],
)
def test_bad_attestations_are_refused(attest: Any, option: str) -> None:
    with pytest.raises(InputError) as caught:
        check_attest(attest)
    assert caught.value.option == option


def test_the_fragment_documents_exactly_the_options() -> None:
    for spec, text in ((CONNECTION_SPEC, ModuleDocFragment.DOCUMENTATION), (ATTEST_SPEC, ModuleDocFragment.ATTEST)):
        documented = yaml.safe_load(text)["options"]
        assert set(documented) == set(spec)
        for name, option in spec.items():
            assert documented[name]["type"] == option["type"]
            assert set(documented[name].get("suboptions", {})) == set(option.get("options", {}))


def test_an_option_stands_in_one_specification_only() -> None:
    with pytest.raises(ValueError, match="host"):
        merge_specs(CONNECTION_SPEC, {"host": {"type": "str"}})
