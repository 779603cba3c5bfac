# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What our client encodes is read by a foreign decoder: the translator of gurux_dlms, many messages in one run."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from refereekit import results

from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import acse, apdu, axdr, security

GUEK, GAK, TITLE = bytes(range(0x40, 0x50)), bytes(range(0x60, 0x70)), bytes.fromhex("4752440000000001")
CHOICE = random.Random(64)
ATTRIBUTES = [
    apdu.Attribute(
        CHOICE.choice((1, 3, 7, 8, 15, 18, 22, 64)),
        f"{CHOICE.randrange(256)}-{CHOICE.randrange(256)}:{CHOICE.randrange(256)}.{CHOICE.randrange(256)}.{CHOICE.randrange(256)}.255",
        CHOICE.randrange(1, 30),
    )
    for dummy in range(20)
]


def data() -> list[axdr.Data]:
    """A value of each type that we send, and some nested ones."""
    flat = [
        axdr.null(),
        axdr.boolean(True),
        axdr.boolean(False),
        axdr.u8(200),
        axdr.u16(60_000),
        axdr.u32(4_000_000_000),
        axdr.i8(-100),
        axdr.i16(-30_000),
        axdr.i32(-2_000_000_000),
        axdr.enum(3),
        axdr.octets(b""),
        axdr.octets(CHOICE.randbytes(127)),
        axdr.octets(CHOICE.randbytes(128)),
        axdr.octets(CHOICE.randbytes(1024)),
    ]
    return [*flat, axdr.structure(axdr.u32(7), axdr.octets(b"abc")), axdr.array([axdr.structure(axdr.enum(0), axdr.octets(bytes(24)))])]


def told(pdus: list[bytes], **keys: str) -> list[str]:
    found: list[dict[str, Any]] = results("gurux", {"pdus": [pdu.hex() for pdu in pdus], **keys})
    assert all(item["ok"] for item in found), [item for item in found if not item["ok"]][:3]
    return [item["value"] for item in found]


def hex_name(what: apdu.Attribute | apdu.Method) -> str:
    return axdr.logical_name(what.obis).hex().upper()


def one(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def test_requests_name_the_right_object() -> None:
    pdus = [apdu.get(1, item) for item in ATTRIBUTES]
    for item, text in zip(ATTRIBUTES, told(pdus), strict=True):
        assert int(one(r'<ClassId Value="([0-9A-F]+)"', text), 16) == item.class_id
        assert one(r'<InstanceId Value="([0-9A-F]+)"', text) == hex_name(item)
        assert int(one(r'<AttributeId Value="([0-9A-F]+)"', text), 16) == item.index


def test_lists_and_following_blocks() -> None:
    (text, following) = told([apdu.get_list(1, ATTRIBUTES), apdu.get_next(1, 77)])
    assert re.findall(r'<InstanceId Value="([0-9A-F]+)"', text) == [hex_name(item) for item in ATTRIBUTES]
    assert int(one(r'<BlockNumber Value="([0-9A-F]+)"', following), 16) == 77


@pytest.mark.parametrize("kind", ["set", "action"])
def test_values_of_every_type_are_read_as_they_were_meant(kind: str) -> None:
    values = data()
    if kind == "set":
        pdus = [apdu.set_normal(1, apdu.Attribute(1, "0-0:96.1.0.255", 2), axdr.encode(value)) for value in values]
    else:
        pdus = [apdu.action(1, apdu.Method(18, "0-0:44.0.0.255", 1), axdr.encode(value)) for value in values]
    for value, text in zip(values, told(pdus), strict=True):
        assert shape(value) in re.sub(r"\s+", "", text), (value, text)


def shape(value: axdr.Data) -> str:
    """The value in the words of the translator, without spaces."""
    names = {
        axdr.BOOLEAN: "Boolean",
        axdr.U8: "UInt8",
        axdr.U16: "UInt16",
        axdr.U32: "UInt32",
        axdr.I8: "Int8",
        axdr.I16: "Int16",
        axdr.I32: "Int32",
        axdr.ENUM: "Enum",
        axdr.OCTETS: "OctetString",
    }
    if value.tag == axdr.NULL:
        return "<None/>"
    if value.tag in (axdr.ARRAY, axdr.STRUCTURE):
        name = "Array" if value.tag == axdr.ARRAY else "Structure"
        return f'<{name}Qty="{len(value.value):02X}">' + "".join(shape(item) for item in value.value) + f"</{name}>"
    width = {axdr.U8: 2, axdr.U16: 4, axdr.U32: 8, axdr.I8: 2, axdr.I16: 4, axdr.I32: 8, axdr.ENUM: 2}
    if value.tag == axdr.OCTETS:
        text = value.value.hex().upper()
    elif value.tag == axdr.BOOLEAN:
        text = str(bool(value.value))
    else:
        text = f"{value.value % 16 ** width[value.tag]:0{width[value.tag]}X}"
    return f'<{names[value.tag]}Value="{text}"/>'


def test_blocks_of_set_carry_number_and_end() -> None:
    """Those of ACTION are not read by the translator; the simulated meter reads them, and its own from the client of the library."""
    attribute = apdu.Attribute(22, "0-0:15.0.2.255", 4)
    texts = told([apdu.set_block(1, attribute, False, 1, b"\x01\x02"), apdu.set_block(1, None, True, 2, b"\x03")])
    assert hex_name(attribute) in texts[0]
    assert [int(one(r'<BlockNumber Value="([0-9A-F]+)"', text), 16) for text in texts] == [1, 2]
    assert [one(r'<LastBlock Value="([0-9A-F]+)"', text) for text in texts] == ["00", "01"]
    assert [one(r'<RawData Value="([0-9A-F]*)"', text) for text in texts] == ["0102", "03"]


def test_association_requests() -> None:
    services = frozenset({"get", "set", "action", "get-blocks"})
    plain = acse.aarq(context=1, mechanism=1, title=b"", secret=b"Canary-lls", user_information=acse.initiate_request(services, 1224))
    gmac = acse.aarq(context=3, mechanism=5, title=TITLE, secret=bytes(16), user_information=acse.initiate_request(services, 1224))
    first, second = told([plain, gmac])
    assert b"Canary-lls".hex().upper() in first and "Authentication" in first and 'Value="04C8"' in first
    assert TITLE.hex().upper() in second and bytes(16).hex().upper() in second


@pytest.mark.parametrize("general", [False, True], ids=["glo", "general-glo"])
@pytest.mark.parametrize("asked", [0x10, 0x30])
def test_protected_messages_are_opened_with_the_keys(asked: int, general: bool) -> None:
    """Deciphered by the library with the same keys, the inner request shows."""
    sealing = security.Protection(GUEK, GAK, TITLE, asked, general=general)
    pdus = [sealing.seal(apdu.get(1, item), number + 1) for number, item in enumerate(ATTRIBUTES)]
    texts = told(pdus, guek=GUEK.hex(), gak=GAK.hex(), title=TITLE.hex())
    for item, text in zip(ATTRIBUTES, texts, strict=True):
        assert hex_name(item) in text, text
