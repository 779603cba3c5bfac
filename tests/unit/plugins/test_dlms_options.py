# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How to associate with a DLMS meter: what is taken, what is refused before any contact, and that no key is ever shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._argspec import check_ports, target_from
from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import (
    check_dlms,
    check_dlms_keys,
    dlms_from,
    dlms_plain,
    dlms_secrets,
    needs_counters,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.redaction import Redactor
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.published_keys import is_published_key
from ansible_collections.gridops.metering.plugins.module_utils._probe import run_probe
from ansible_collections.gridops.metering.plugins.module_utils._sealed import seal, secrets_in, unseal

GUEK, GAK = "0F1E2D3C4B5A69788796A5B4C3D2E1F0", "8899AABBCCDDEEFF0011223344556677"
TITLE = "4D53494D00000001"
KEYS = {"guek": GUEK, "gak": GAK, "lls": "Canary-lls-81"}


def given(dlms: dict[str, Any] | None = None, keys: Any = KEYS) -> dict[str, Any]:
    return {"dlms": {"system_title": TITLE, **(dlms or {})}, "dlms_keys": keys}


def test_keys_mean_the_strongest_association() -> None:
    dlms = check_dlms(given())
    assert (dlms.client, dlms.server, dlms.authentication, dlms.protection) == (1, 1, "hls_gmac", "authenticated_encrypted")
    assert (dlms.system_title.hex().upper(), dlms.keys.guek, dlms.max_pdu, dlms.suite) == (TITLE, bytes.fromhex(GUEK), 1224, 0)
    assert needs_counters(dlms)


def test_without_keys_it_is_the_public_client_and_a_password_alone_is_not_sent() -> None:
    for keys in (None, {}, {"lls": "Canary-lls-81"}):
        dlms = check_dlms({"dlms": None, "dlms_keys": keys})
        assert (dlms.client, dlms.authentication, dlms.protection, needs_counters(dlms)) == (16, "none", "none", False)
    assert check_dlms({"dlms": {"public_client": 3}}).client == 3


def test_a_password_is_sent_only_on_word() -> None:
    dlms = check_dlms({"dlms": {"authentication": "lls"}, "dlms_keys": {"lls": "hex:00 FF"}})
    assert (dlms.client, dlms.authentication, dlms.protection, dlms.keys.lls) == (1, "lls", "none", b"\x00\xff")


@pytest.mark.parametrize(
    ("dlms", "keys", "option"),
    [
        ({"client": 0}, KEYS, "dlms.client"),
        ({"client": "first"}, KEYS, "dlms.client"),
        ({"authentication": "hls_md5"}, KEYS, "dlms.authentication"),
        ({"protection": "signed"}, KEYS, "dlms.protection"),
        ({"security_suite": 1}, KEYS, "dlms.security_suite"),
        ({"security_suite": 7}, KEYS, "dlms.security_suite"),
        ({"system_title": "MSIM0001"}, KEYS, "dlms.system_title"),
        ({"system_title": None}, KEYS, "dlms.system_title"),
        ({"meter_title": "4D43"}, KEYS, "dlms.meter_title"),
        ({"max_pdu": 20}, KEYS, "dlms.max_pdu"),
        ({"general_ciphering": "often"}, KEYS, "dlms.general_ciphering"),
        ({"colour": 1}, KEYS, "dlms.colour"),
        ({"authentication": "hls_gmac"}, {"guek": GUEK}, "dlms_keys.gak"),
        ({"authentication": "hls_gmac"}, None, "dlms_keys.guek"),
        ({"authentication": "lls"}, {"guek": GUEK, "gak": GAK}, "dlms_keys.lls"),
        ({"authentication": "none", "protection": "encrypted"}, {"gak": GAK}, "dlms_keys.guek"),
    ],
)
def test_what_cannot_work_is_refused_before_any_contact(dlms: dict[str, Any], keys: Any, option: str) -> None:
    with pytest.raises(InputError) as caught:
        check_dlms(given(dlms, keys))
    assert caught.value.option == option
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        "Canary-77-x",
        ["Canary-77-x"],
        {"guek": "Canary-77-x"},
        {"gak": 12345678901234567890123456789012},
        {"kek": "CA9A57" * 5},
        {"gbek": {"value": "Canary-77-x"}},
        {"lls": "hex:CA9A5"},
        {"lls": ""},
        {"lls": "Canary-77-x" * 10},
        {"lls": True},
        {"lls": 0},  # what YAML makes of 00000000 without quotation marks
        {"lls": "Canary-\ud800"},
        {"master": "Canary-77-x"},
    ],
)
def test_bad_keys_are_refused_without_being_shown(keys: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_dlms_keys(keys)
    for shown in ("Canary", "CA9A5", "1234567890"):
        assert shown not in str(caught.value)
    assert "dlms_keys" in str(caught.value)


def test_every_spelling_of_a_secret_is_masked() -> None:
    keys = {**KEYS, "kek": "0f:1e:2d:3c:4b:5a:69:78:87:96:a5:b4:c3:d2:e1:f1", "gbek": "Canary-not-hex"}
    redactor = Redactor(dlms_secrets(keys))
    octets = keys["kek"].replace(":", "")
    for text in (GUEK, GUEK.lower(), octets, octets.upper(), keys["kek"], "Canary-lls-81", b"Canary-lls-81".hex(), "Canary-not-hex"):
        assert redactor.text(f"see {text}!") == "see ********!"
    assert Redactor(dlms_secrets({"lls": "hex:43616E617279"})).text("Canary 43616e617279") == "******** ********"


def test_keys_travel_sealed_and_in_full() -> None:
    sealed = seal({**given(), "host": "192.0.2.1", "family": "mcs301"})
    assert "dlms_keys" not in sealed and GUEK not in str(sealed)
    opened = unseal(sealed)
    assert (opened["dlms_keys"], opened["dlms"]["system_title"]) == (KEYS, TITLE)
    assert GUEK in secrets_in(opened)
    dlms = check_dlms(given({"meter_title": "4D4353046233CFF0"}))
    assert dlms_from(dlms_plain(dlms)) == dlms
    assert check_dlms(given()) == dlms_from(dlms_plain(check_dlms(given())))


def test_no_key_is_in_the_target_as_text() -> None:
    target = target_from({"host": "192.0.2.1", "family": "mcs301", **given()}, "m1")
    assert GUEK.lower() not in repr(target).lower() and "Canary" not in repr(target)


def test_each_family_has_its_own_ports() -> None:
    ports = {"modbus": 1502, "dlms": 14059}
    assert check_ports(ports, "mcs301") == {"dlms": 14059}
    assert check_ports(ports) == {"modbus": 1502, "ftp": 21, "http": 80, "https": 443}
    target = target_from({"host": "192.0.2.1", "family": "mcs301"}, "m1")
    assert (dict(target.ports), target.family, target.dlms and target.dlms.client) == ({"dlms": 4059}, "mcs301", 16)
    assert target_from({"host": "192.0.2.1"}, "m2").dlms is None
    with pytest.raises(InputError) as caught:
        target_from({"host": "192.0.2.1", "family": "mcs302"}, "m3")
    assert caught.value.option == "family"


@pytest.mark.parametrize("key", ["000102030405060708090A0B0C0D0E0F", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF", "00" * 16, "FF" * 16])
def test_keys_that_everybody_knows_are_recognised(key: str) -> None:
    assert is_published_key(bytes.fromhex(key))
    assert not is_published_key(bytes.fromhex(GUEK))
    assert not is_published_key(None)


def test_the_probe_looks_at_its_own_family_only() -> None:
    with pytest.raises(InputError, match="expected pm5000"):
        run_probe({"host": "192.0.2.1", "family": "mcs301"}, "m1")
