# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The codec of dlms-cosem: it reads our requests and makes the same octets of them; our decoders read the answers it encodes."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from refereekit import results

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import acse, apdu, axdr, security

GUEK, GAK = bytes(range(0x40, 0x50)), bytes(range(0x60, 0x70))
OURS, METER = bytes.fromhex("4752440000000001"), bytes.fromhex("4d4d4d0000bc614e")
CHOICE = random.Random(62056)
#: Our names of services, and the library's.
SERVICES = {
    "get": "get",
    "set": "set",
    "action": "action",
    "selective-access": "selective_access",
    "multiple-references": "multiple_references",
    "get-blocks": "block_transfer_with_get_or_read",
    "set-blocks": "block_transfer_with_set_or_write",
    "action-blocks": "block_transfer_with_action",
    "general-protection": "general_protection",
}


def names(count: int) -> list[tuple[int, str, int]]:
    """Class, OBIS code, index."""
    made = []
    for dummy in range(count):
        obis = (
            f"{CHOICE.randrange(256)}-{CHOICE.randrange(256)}:{CHOICE.randrange(256)}.{CHOICE.randrange(256)}.{CHOICE.randrange(256)}.255"
        )
        made.append((CHOICE.choice((1, 3, 7, 8, 15, 18, 22, 64)), obis, CHOICE.randrange(1, 30)))
    return made


def made(*wanted: tuple[str, dict[str, Any]]) -> list[bytes]:
    found = results("cosem", {"make": wanted})
    assert all(item["ok"] for item in found), [item for item in found if not item["ok"]]
    return [bytes.fromhex(item["value"]) for item in found]


def test_every_request_is_read_and_written_again_octet_by_octet() -> None:
    asked_for = frozenset(SERVICES) - {"general-protection"}  # of a request the library drops the first octet of the services
    initiate = acse.initiate_request(asked_for, 1224)
    values = [axdr.u8(200), axdr.octets(CHOICE.randbytes(300)), axdr.structure(axdr.u32(7), axdr.octets(CHOICE.randbytes(1024)))]
    pdus: list[tuple[str, bytes]] = []
    for class_id, obis, index in names(20):
        attribute, method = apdu.Attribute(class_id, obis, index), apdu.Method(class_id, obis, index)
        value = axdr.encode(CHOICE.choice(values))
        pdus += [
            ("GetRequestNormal", apdu.get(CHOICE.randrange(16), attribute)),
            ("GetRequestNext", apdu.get_next(CHOICE.randrange(16), CHOICE.randrange(2**32))),
            ("GetRequestWithList", apdu.get_list(1, [attribute, attribute])),
            ("SetRequestNormal", apdu.set_normal(1, attribute, value)),
            ("ActionRequestNormal", apdu.action(1, method, value)),
            ("ActionRequestNormal", apdu.action(1, method, None)),
        ]
    for secret in (b"Canary-lls", b"Canary-" * 9):
        plain = acse.aarq(context=1, mechanism=1, title=b"", secret=secret, user_information=initiate)
        pdus.append(("ApplicationAssociationRequest", plain))
    gmac = acse.aarq(context=3, mechanism=5, title=OURS, secret=CHOICE.randbytes(16), user_information=initiate)
    public = acse.aarq(context=1, mechanism=0, title=b"", secret=None, user_information=initiate)
    pdus += [("ApplicationAssociationRequest", gmac), ("ApplicationAssociationRequest", public)]
    pdus += [("InitiateRequest", initiate), ("ReleaseRequest", acse.rlrq(None))]
    for asked in (0x10, 0x20, 0x30):
        sealing = security.Protection(GUEK, GAK, OURS, asked, general=True)
        pdus.append(("GeneralGlobalCipher", sealing.seal(apdu.get(1, apdu.Attribute(1, "0-0:96.1.0.255", 2)), 7)))
    found = results("cosem", {"pdus": [pdu.hex() for dummy, pdu in pdus]})
    assert len(found) == 129
    for (kind, pdu), item in zip(pdus, found, strict=True):
        assert item["ok"], (kind, item)
        assert (item["value"]["kind"], item["value"]["again"]) == (kind, pdu.hex())
    text = next(item["value"]["text"] for item in found if item["value"]["kind"] == "InitiateRequest")
    assert set(re.findall(r"(\w+)=True", text)) - {"response_allowed"} == {SERVICES[name] for name in asked_for}


def test_values_of_the_library_are_read_as_they_were_meant() -> None:
    raw = CHOICE.randbytes(100)
    wanted: list[tuple[list[Any], axdr.Data]] = [
        ([5, -70_000], axdr.i32(-70_000)),
        ([6, 4_000_000_000], axdr.u32(4_000_000_000)),
        ([9, raw.hex()], axdr.octets(raw)),
        ([9, ""], axdr.octets(b"")),
        ([10, "MCS301"], axdr.visible("MCS301")),
        ([15, -3], axdr.i8(-3)),
        ([16, -300], axdr.i16(-300)),
        ([17, 200], axdr.u8(200)),
        ([18, 60_000], axdr.u16(60_000)),
        ([21, 2**40], axdr.u64(2**40)),
        ([22, 3], axdr.enum(3)),
    ]
    nested = ([2, [spec for spec, dummy in wanted]], axdr.structure(*(data for dummy, data in wanted)))
    long = ([1, [[18, number] for number in range(200)]], axdr.array([axdr.u16(number) for number in range(200)]))
    wanted += [nested, long]
    for (spec, data), octets in zip(wanted, made(*(("value", {"data": spec}) for spec, dummy in wanted)), strict=True):
        assert axdr.decode(octets) == data, spec


def test_answers_of_the_library_are_read() -> None:
    raw = CHOICE.randbytes(300)
    refused, first, last, listed, done, denied, bare, busy, more, lost, error = made(
        ("get_error", {"invoke": 1, "error": 3}),
        ("block", {"invoke": 1, "number": 1, "last": False, "raw": raw.hex()}),
        ("block", {"invoke": 1, "number": 2, "last": True, "raw": "01"}),
        ("list", {"invoke": 1, "items": [[18, 5], 4, [9, "ff"]]}),
        ("set", {"invoke": 1, "result": 0}),
        ("set", {"invoke": 1, "result": 3}),
        ("action", {"invoke": 1, "status": 0}),
        ("action", {"invoke": 1, "status": 2}),
        ("action", {"invoke": 1, "status": 0, "data": [9, "11" * 17]}),
        ("action", {"invoke": 1, "status": 1, "error": 3}),
        ("exception", {"state": 1, "service": 2}),
    )
    assert apdu.parse_get(refused, 1) == 3
    assert apdu.parse_get(first, 1) == apdu.Block(False, 1, raw) and apdu.parse_get(last, 1) == apdu.Block(True, 2, b"\x01")
    assert apdu.parse_get_list(listed, 1, 3) == [axdr.u16(5), 4, axdr.octets(b"\xff")]
    assert apdu.parse_set(done, 1) == apdu.Done(0) and apdu.parse_set(denied, 1) == apdu.Done(3)
    assert apdu.parse_action(bare, 1) == apdu.Done(0) and apdu.parse_action(busy, 1) == apdu.Done(2)
    assert apdu.parse_action(more, 1) == apdu.Done(0, axdr.octets(b"\x11" * 17))
    found = apdu.parse_action(lost, 1)
    assert isinstance(found, apdu.Done) and found.result == 1 and found.data is None
    assert isinstance(apdu.refusal(error), apdu.RefusalError)


def test_association_answers_of_the_library_are_read() -> None:
    hls = {"title": METER.hex(), "challenge": "41" * 16}
    plain, asked, wrong, provider, release = made(
        ("aare", {"result": 0, "diagnostic": 0, "pdu": 1224, "services": [*SERVICES.values()]}),
        ("aare", {"result": 0, "diagnostic": 14, "pdu": 1024, "services": ["get", "multiple_references"], "hls": hls}),
        ("aare", {"result": 1, "diagnostic": 13, "pdu": 0, "services": []}),
        ("aare", {"result": 1, "diagnostic": 2, "pdu": 0, "services": [], "provider": True}),
        ("release", {}),
    )
    told = acse.parse_aare(plain)
    assert (told.result, told.diagnostic, told.provider, told.context) == (0, 0, False, 1)
    agreed = acse.parse_initiate_response(told.user_information or b"")
    assert (agreed.pdu, agreed.conformance) == (1224, frozenset(SERVICES))
    told = acse.parse_aare(asked)
    assert (told.result, told.diagnostic, told.context, told.mechanism) == (0, 14, 3, 5)
    assert (told.title, told.challenge) == (METER, b"\x41" * 16)
    assert acse.parse_initiate_response(told.user_information or b"").pdu == 1024
    told = acse.parse_aare(wrong)
    assert (told.result, told.diagnostic, told.provider) == (1, 13, False)
    told = acse.parse_aare(provider)
    assert (told.result, told.diagnostic, told.provider) == (1, 2, True)
    assert acse.is_release_answer(release)


def test_protected_answers_of_the_library_are_opened_once_and_only_with_the_key() -> None:
    plain = bytes.fromhex("c401c1000903010203")
    keys = {"title": METER.hex(), "guek": GUEK.hex(), "gak": GAK.hex()}
    fifth, sixth, spoiled = made(
        ("sealed", {**keys, "control": 0x30, "counter": 5, "plain": plain.hex()}),
        ("sealed", {**keys, "control": 0x30, "counter": 6, "plain": plain.hex()}),
        ("sealed", {**keys, "control": 0x30, "counter": 7, "plain": plain.hex(), "gak": bytes(16).hex()}),
    )
    ours = security.Protection(GUEK, GAK, OURS, 0x30, general=True)
    ours.pair(METER)
    assert ours.unseal(fifth) == plain and ours.unseal(sixth) == plain
    for bad in (fifth, spoiled):
        with pytest.raises(DeviceError):
            ours.unseal(bad)


def test_proofs_of_the_key_are_the_same() -> None:
    """Ours to the octet; the library's, as a meter's, is believed."""
    challenge = CHOICE.randbytes(16)
    keys = {"guek": GUEK.hex(), "gak": GAK.hex(), "challenge": challenge.hex()}
    own, meters = made(("proof", {**keys, "title": OURS.hex(), "counter": 9}), ("proof", {**keys, "title": METER.hex(), "counter": 11}))
    ours = security.Protection(GUEK, GAK, OURS, 0x30)
    ours.pair(METER)
    assert ours.proof(challenge, 9) == own
    assert ours.check_proof(meters, challenge)
    assert not ours.check_proof(own, challenge)
