# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Services: answers in every form, and what is not one. Requests are proven in test_session.py, as they reach the meter."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import apdu, axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.axdr import MalformedError


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_get_answers():
    assert apdu.parse_get(raw("c40141001105"), 1) == axdr.u8(5)
    assert apdu.parse_get(raw("c401c1001105"), 1) == axdr.u8(5)  # another priority
    assert apdu.parse_get(raw("c401410103"), 1) == 3
    assert apdu.parse_get(raw("c40241000000000700" + "03010203"), 1) == apdu.Block(False, 7, b"\x01\x02\x03")
    assert apdu.parse_get(raw("c4024101000000070102"), 1) == 2
    assert apdu.parse_get_list(raw("c4034102" + "001105" + "0104"), 1, 2) == [axdr.u8(5), 4]
    assert apdu.parse_get_list(raw("c4024101000000010002" + "0102"), 1, 2) == apdu.Block(True, 1, b"\x01\x02")


def test_set_and_action_answers():
    assert apdu.parse_set(raw("c5014100"), 1) == apdu.Done(0)
    assert apdu.parse_set(raw("c5024100000002"), 1) == apdu.Acknowledged(2)
    assert apdu.parse_set(raw("c503410300000002"), 1) == apdu.Done(3, number=2)
    assert apdu.parse_action(raw("c701410000"), 1) == apdu.Done(0)
    assert apdu.parse_action(raw("c70141020" + "0"), 1) == apdu.Done(2)
    assert apdu.parse_action(raw("c701410001001105"), 1) == apdu.Done(0, axdr.u8(5))
    assert apdu.parse_action(raw("c7014100010104"), 1) == apdu.Done(4)  # done, but its value is refused
    assert apdu.parse_action(raw("c7014103010104"), 1) == apdu.Done(3)
    assert apdu.parse_action(raw("c7044100000003"), 1) == apdu.Acknowledged(3)


@pytest.mark.parametrize(
    "text",
    [
        "c4",
        "c401",
        "c40141",
        "c4014100",
        "c40141001105ff",
        "c401410100",
        "c4014102",
        "c40142001105",
        "c50141001105",
        "c40341001105",
        "c4014101",
        "c40241000000000100",
        "c40241000000000101",
        "c402410000000001000401",
        "c4024100000000010100",
        "c40541001105",
    ],
)
def test_malformed_get_answers(text):
    with pytest.raises(MalformedError):
        apdu.parse_get(raw(text), 1)


@pytest.mark.parametrize("text", ["c40341", "c4034101001105", "c4034103001105001105", "c4034102001105001105ff", "c40141001105"])
def test_malformed_lists(text):
    with pytest.raises(MalformedError):
        apdu.parse_get_list(raw(text), 1, 2)


@pytest.mark.parametrize("text", ["", "c50141", "c501410000", "c50241000002", "c5034100", "c5044100", "c701410000", "c5014200"])
def test_malformed_set_answers(text):
    with pytest.raises(MalformedError):
        apdu.parse_set(raw(text), 1)


@pytest.mark.parametrize(
    "text", ["", "c70141", "c7014100", "c70141000000", "c70141000102", "c701410001", "c70241010000000101", "c7034100", "c7044100"]
)
def test_malformed_action_answers(text):
    with pytest.raises(MalformedError):
        apdu.parse_action(raw(text), 1)


@pytest.mark.parametrize(
    ("text", "words", "service", "expected"),
    [
        ("d80106", "counter", 6, None),
        ("d801060000ffff", "65535", 6, 65535),
        ("d80105", "deciphering error", 5, None),
        ("d80202", "service unknown, service not supported", 2, None),
        ("d8097f", "state 9, service error 127", 0x7F, None),
        ("0e010602", "incompatible conformance", 0, None),
        ("0e050502", "object access violated", 0, None),
        ("0e05ff63", "group 255 error, number 99", 0, None),
    ],
)
def test_refusals(text, words, service, expected):
    found = apdu.refusal(raw(text))
    assert found is not None
    assert words in str(found)
    assert (found.service, found.expected) == (service, expected)


def test_an_answer_is_no_refusal():
    assert apdu.refusal(raw("c40141001105")) is None


@pytest.mark.parametrize("text", ["", "d8", "d801", "d8010600", "d8010600000001ff", "d8010100", "0e", "0e0106", "0e01060100"])
def test_malformed_refusals(text):
    with pytest.raises(MalformedError):
        apdu.refusal(raw(text))
