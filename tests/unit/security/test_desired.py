# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Bad input is refused before any contact, and no secret stands in the refusal; marks; clock octets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meterlike import DLMS, NEW, NOW, OLD, date_time, hex_keys

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.cosem import meter_time
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import marks
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.desired import desired_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.seen import clock_octets
from ansible_collections.gridops.metering.plugins.module_utils._security import check_family, secrets_of

WEAK = Dlms(client=1, authentication="lls", protection="none", keys=DlmsKeys(lls=b"Canary-lls"))
SECRET = {"client": 2, "value": "Canary-long-enough"}


@pytest.mark.parametrize(
    ("options", "dlms", "named"),
    [
        ({"policy": "none"}, DLMS, "policy"),
        ({"policy": "authenticated"}, WEAK, "policy"),
        ({"policy": "authenticated"}, replace(DLMS, protection="authenticated"), "policy"),
        ({"lls_secret": SECRET}, WEAK, "lls_secret"),
        ({"lls_secret": SECRET}, replace(DLMS, protection="authenticated"), "lls_secret"),
        ({"lls_secret": {"client": 16, "value": "Canary-long-enough"}}, DLMS, "lls_secret.client"),
        ({"lls_secret": {"client": True, "value": "Canary-long-enough"}}, DLMS, "lls_secret.client"),
        ({"lls_secret": {"client": 2, "value": "short"}}, DLMS, "lls_secret.value"),
        ({"lls_secret": {"client": 2, "value": "aaaaaaaaaaaa"}}, DLMS, "lls_secret.value"),
        ({"lls_secret": {"client": 2, "value": "Canary\nbreak"}}, DLMS, "lls_secret.value"),
        ({"lls_secret": {"client": 2, "value": "Canary-\ud800-half"}}, DLMS, "lls_secret.value"),
        ({"lls_secret": {"client": 2, "value": 342391}}, DLMS, "lls_secret.value"),  # 01234567 without quotation marks
        ({"lls_secret": {"client": 2, "value": "hex:0g"}}, DLMS, "lls_secret.value"),
        ({"lls_secret": {"client": 2, "value": "x" * 65 + "yz"}}, DLMS, "lls_secret.value"),
        ({"lls_secret": SECRET, "update_secret": "on_create"}, DLMS, "marks_key"),
        ({"update_secret": "never"}, DLMS, "update_secret"),
        ({"marks_key": "short"}, DLMS, "marks_key"),
        ({"new_keys": {"guek": "00"}}, DLMS, "new_keys.guek"),
        ({"new_keys": {"lls": "00" * 16}}, DLMS, "new_keys"),
        ({"new_keys": {"gak": "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"}}, DLMS, "new_keys.gak"),
        ({"new_keys": {"gak": OLD.guek.hex()}}, DLMS, "new_keys.gak"),  # type: ignore[union-attr]
        ({"new_keys": {"gak": NEW.guek.hex(), "guek": NEW.guek.hex()}}, DLMS, "new_keys.g"),  # type: ignore[union-attr]
        ({"new_keys": hex_keys(NEW)}, replace(DLMS, keys=replace(OLD, kek=None)), "dlms_keys.kek"),
        ({"new_keys": hex_keys(NEW)}, replace(DLMS, protection="authenticated"), "new_keys"),
        ({"image_transfer_enabled": True}, DLMS, "image_transfer_enabled"),
        ({"clock": "guess"}, DLMS, "clock"),
        ({"clock_tolerance": 0}, DLMS, "clock_tolerance"),
        ({"public_objects": True}, DLMS, "public_objects"),
        ({"accept": ["everything"]}, DLMS, "accept"),
    ],
)
def test_bad_input_names_the_option_and_never_the_secret(options: dict[str, Any], dlms: Dlms, named: str) -> None:
    with pytest.raises(InputError) as refused:
        desired_from(options, dlms)
    assert refused.value.option.startswith(named)
    text = str(refused.value)
    assert not any(secret in text for secret in secrets_of(options) if len(secret) > 2)
    assert "Canary" not in text


def test_a_reading_may_be_compared_with_a_policy_over_any_association() -> None:
    assert desired_from({"policy": "authenticated_encrypted"}, WEAK, managed=False).policy == "authenticated_encrypted"


def test_a_key_may_be_kept_and_spelt_in_any_usual_way() -> None:
    text = "-".join(f"{octet:02X}" for octet in OLD.gak or b"")
    assert desired_from({"new_keys": {"gak": text}}, DLMS).new_keys.gak == OLD.gak
    assert desired_from({"lls_secret": {"client": 2, "value": "hex:0001020304050607"}}, DLMS).lls.value == bytes(range(8))  # type: ignore[union-attr]


@pytest.mark.parametrize("family", ["pm5000", "hep"])
def test_other_families_are_refused_with_those_that_are_covered(family: str) -> None:
    with pytest.raises(InputError, match="mcs301"):
        check_family(family)


def test_marks_tell_secrets_apart_and_nothing_else() -> None:
    mark = marks.key_mark("1", "gak", b"k" * 16)
    assert marks.is_key_mark(mark, "1", "gak", b"k" * 16)
    others = [("2", "gak", b"k" * 16), ("1", "guek", b"k" * 16), ("1", "gak", b"l" * 16), ("1", "gak", None)]
    assert not any(marks.is_key_mark(mark, *other) for other in others)
    assert not marks.is_key_mark(None, "1", "gak", b"k" * 16)
    one = marks.secret_mark("1", "dlms:2:lls", b"Canary-x", b"Canary-marks-key")
    assert one != marks.secret_mark("1", "dlms:2:lls", b"Canary-x", b"Canary-other-key")
    assert one != marks.secret_mark("1", "dlms:2:lls", b"Canary-y", b"Canary-marks-key")


@given(st.integers(-720, 720), st.integers(0, 4_000_000_000))
def test_a_clock_is_set_in_the_meters_own_zone(minutes: int, now: int) -> None:
    present = bytearray(date_time(NOW))
    present[9:11] = minutes.to_bytes(2, "big", signed=True)
    present[11] = 0x81
    written = clock_octets(bytes(present), float(now))
    told = meter_time(written)
    assert told.moment is not None and told.moment.timestamp() == now
    assert (told.deviation, told.flags) == (minutes, ("daylight_saving",))
