# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Association messages, octet by octet as the Green Book's examples have them."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import acse
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.axdr import MalformedError

INITIATE = bytes.fromhex("01000000065f1f0400007e1f04b0")
ACCEPT = "61" + "29" + "a109060760857405080101" + "a203020100" + "a305a103020100" + "be10040e" + "0800065f1f0400007c1f04000007"


def aare(*fields: str) -> bytes:
    content = bytes.fromhex("".join(fields))
    return b"\x61" + bytes((len(content),)) + content


CONTEXT, RESULT, DIAGNOSTIC = "a109060760857405080101", "a203020100", "a305a103020100"


def test_a_request_without_security():
    made = acse.aarq(context=1, mechanism=0, title=b"", secret=None, user_information=INITIATE)
    assert made.hex() == "601d" + "a109060760857405080101" + "be10040e" + INITIATE.hex()


def test_a_request_with_a_password():
    made = acse.aarq(context=1, mechanism=1, title=b"", secret=b"12345678", user_information=INITIATE)
    assert made.hex() == (
        "6036" + "a109060760857405080101" + "8a020780" + "8b0760857405080201" + "ac0a8008" + b"12345678".hex() + "be10040e" + INITIATE.hex()
    )


def test_a_request_with_ciphering_and_a_challenge():
    made = acse.aarq(context=3, mechanism=5, title=bytes.fromhex("4d4d4d0000000001"), secret=b"K56iVagY", user_information=b"\x21\x00")
    assert made.hex() == (
        "6036" + "a109060760857405080103" + "a60a04084d4d4d0000000001" + "8a020780" + "8b0760857405080205"
        "ac0a8008" + b"K56iVagY".hex() + "be0404022100"
    )  # fmt: skip


def test_the_initiate_request():
    made = acse.initiate_request(acse.PROPOSED, 1224)
    assert made.hex() == "01000000065f1f0400" + "001e1d" + "04c8"


def test_releases():
    assert acse.rlrq(None).hex() == "6203800100"
    assert acse.rlrq(b"\x21\x00").hex() == "6209800100be0404022100"


def test_an_answer():
    answer = acse.parse_aare(bytes.fromhex(ACCEPT))
    assert (answer.result, answer.diagnostic, answer.context, answer.mechanism, answer.title) == (0, 0, 1, None, None)
    assert answer.user_information is not None
    agreed = acse.parse_initiate_response(answer.user_information)
    assert agreed.pdu == 1024
    assert {"get", "set", "action", "get-blocks", "set-blocks", "action-blocks", "selective-access"} <= agreed.conformance
    assert "general-protection" not in agreed.conformance


def test_an_answer_with_a_challenge_in_long_lengths():
    challenge = "aa" + "8112" + "80" + "820010" + "41" * 16
    fields = bytes.fromhex(
        CONTEXT
        + RESULT
        + "a305a10302010e"
        + "a40a04084d4d4d0000bc614e"
        + "88020780"
        + "890760857405080205"
        + "aa8114"
        + challenge[6:]
        + "be0404020800"
    )
    answer = acse.parse_aare(b"\x61\x83\x00\x00" + bytes((len(fields),)) + fields)
    assert (answer.diagnostic, answer.mechanism, answer.challenge) == (14, 5, b"A" * 16)
    assert answer.title == bytes.fromhex("4d4d4d0000bc614e")
    assert "AAAA" not in repr(answer)


def test_refusals_in_words():
    answer = acse.parse_aare(aare(CONTEXT, "a203020101", "a305a10302010d"))
    assert answer.words() == "rejected permanently: authentication failure"
    answer = acse.parse_aare(aare(CONTEXT, "a203020102", "a305a203020102"))
    assert answer.words() == "rejected for the moment: no common version of the association protocol"
    assert acse.parse_aare(aare(CONTEXT, "a203020101", "a305a103020163")).words() == "rejected permanently: diagnostic 99"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x60\x00",
        b"\x61\x05\x00",
        aare(CONTEXT),
        aare(CONTEXT, RESULT),
        aare(CONTEXT, RESULT, RESULT, DIAGNOSTIC),
        aare(CONTEXT, "a203030100", DIAGNOSTIC),
        aare(CONTEXT, RESULT, "a305a303020100"),
        aare(CONTEXT, "a2020200", DIAGNOSTIC),
        aare("a109060760857405090101", RESULT, DIAGNOSTIC),
        aare("a108060660857405080101"[:22], RESULT, DIAGNOSTIC),
        aare(CONTEXT, RESULT, DIAGNOSTIC, "a40904074d4d4d0000bc61"),
        aare(CONTEXT, RESULT, DIAGNOSTIC) + b"\x00",
        aare(CONTEXT, RESULT, DIAGNOSTIC, "be040401"),
    ],
)
def test_malformed_answers(raw):
    with pytest.raises(MalformedError):
        acse.parse_aare(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "0800055f1f0400007c1f04000007",  # another version
        "0800065f1f0400007c1f040000",  # cut
        "0800065f1f0400007c1f0400000700",  # too long
        "0800065f1f0500007c1f0004000007",
        "0800065f1f0401007c1f04000007",
        "0800065f200400007c1f04000007",
        "0800065f1f0400007c1f000b0007",  # takes 11 octets
        "0e010601",
    ],
)
def test_malformed_agreements(raw):
    with pytest.raises(MalformedError):
        acse.parse_initiate_response(bytes.fromhex(raw))


def test_an_agreement_with_quality_of_service_and_without_a_limit():
    agreed = acse.parse_initiate_response(bytes.fromhex("080100065f1f0400007c1f00000007"))
    assert agreed.pdu == 65535
