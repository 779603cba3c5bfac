# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Values to octets and back; examples written by hand from the standard, round trips by the machine."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.axdr import Data, MalformedError

EXAMPLES = [
    ("00", axdr.null(), None),
    ("0100", axdr.array(()), []),
    ("0202" + "1101" + "1202bc", axdr.structure(axdr.u8(1), axdr.u16(700)), [1, 700]),
    ("0301", axdr.boolean(True), True),
    ("0300", axdr.boolean(False), False),
    ("0400", axdr.bits(()), []),
    ("040ad540", axdr.bits(bit == "1" for bit in "1101010101"), [bit == "1" for bit in "1101010101"]),
    ("05ffffffff", axdr.i32(-1), -1),
    ("06ffffffff", axdr.u32(0xFFFFFFFF), 0xFFFFFFFF),
    ("0903616263", axdr.octets(b"abc"), b"abc"),
    ("0a03616263", axdr.visible("abc"), "abc"),
    ("0c02c3bc", Data(axdr.UTF8, "ü"), "ü"),
    ("0d12", Data(axdr.BCD, 0x12), 0x12),
    ("0f80", axdr.i8(-128), -128),
    ("108000", axdr.i16(-32768), -32768),
    ("14ffffffffffffffff", Data(axdr.I64, -1), -1),
    ("150000000000000001", axdr.u64(1), 1),
    ("1603", axdr.enum(3), 3),
    ("173fc00000", Data(axdr.F32, 1.5), 1.5),
    ("183ff8000000000000", Data(axdr.F64, 1.5), 1.5),
    (
        "1907ea0b1506092a00ff800000",
        Data(axdr.DATE_TIME, bytes.fromhex("07ea0b1506092a00ff800000")),
        bytes.fromhex("07ea0b1506092a00ff800000"),
    ),
    ("1a07ea0b1506", Data(axdr.DATE, bytes.fromhex("07ea0b1506")), bytes.fromhex("07ea0b1506")),
    ("1b092a00ff", Data(axdr.TIME, bytes.fromhex("092a00ff")), bytes.fromhex("092a00ff")),
]


@pytest.mark.parametrize(("raw", "data", "plain"), EXAMPLES, ids=[raw[:8] for raw, dummy, dummy2 in EXAMPLES])
def test_examples(raw, data, plain):
    assert axdr.encode(data).hex() == raw
    assert axdr.decode(bytes.fromhex(raw)) == data
    assert data.plain() == plain


@pytest.mark.parametrize("length", ["7f", "817f", "82007f", "8300007f", "840000007f"])
def test_every_form_of_a_length(length):
    assert axdr.decode(bytes.fromhex("09" + length) + bytes(127)) == axdr.octets(bytes(127))


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("", "too early"),
        ("11", "too early"),
        ("0905616263", "too early"),
        ("09847fffffff61", "too early"),
        ("0980", "unknown form"),
        ("098500000000016100", "unknown form"),
        ("110100", "longer"),
        ("ff", "type"),
        ("1300", "type"),
        ("0184ffffffff", "more elements"),
        ("0102" + "00", "more elements"),
        ("0101" * 40 + "00", "nested"),
        ("0484ffffffff00", "too long"),
        ("190000", "too early"),
    ],
)
def test_malformed_values_are_one_short_sentence(raw, word):
    with pytest.raises(MalformedError, match=word) as caught:
        axdr.decode(bytes.fromhex(raw))
    assert caught.value.reason == "dlms_protocol_error"
    assert len(str(caught.value)) < 120


def test_a_bomb_of_elements_is_bounded():
    """A million elements in a million octets would be a hundred megabytes of objects."""
    bomb = b"\x01\x83\x0f\x42\x40" + b"\x11\x01" * 500_000
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            axdr.decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_depth_does_not_depend_on_the_interpreters_stack():
    nested = b"\x02\x01" * (sys.getrecursionlimit() * 2) + b"\x00"
    with pytest.raises(MalformedError, match="nested"):
        axdr.decode(nested)


def test_latin_1_in_a_visible_string_does_not_hide_the_rest():
    assert axdr.decode(bytes.fromhex("0202" + "0a01fc" + "1105")).plain() == ["ü", 5]
    assert axdr.decode(bytes.fromhex("0c01ff")).plain() == "\ufffd"


@pytest.mark.parametrize("data", [axdr.u8(256), axdr.u8(-1), axdr.i8(200), Data(axdr.DATE, b"shorter"), Data(99, 1)])
def test_what_does_not_fit_is_a_mistake_of_the_caller(data):
    with pytest.raises(ValueError):
        axdr.encode(data)


def _integers(tag: int, bits: int, signed: bool) -> st.SearchStrategy[Data]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return st.integers(low, high).map(lambda value: Data(tag, value))


LEAVES = st.one_of(
    st.just(axdr.null()),
    st.booleans().map(axdr.boolean),
    st.binary(max_size=300).map(axdr.octets),
    st.lists(st.booleans(), max_size=300).map(axdr.bits),
    st.text(st.characters(max_codepoint=127), max_size=20).map(axdr.visible),
    st.text(max_size=20).map(lambda text: Data(axdr.UTF8, text)),
    st.binary(min_size=12, max_size=12).map(lambda raw: Data(axdr.DATE_TIME, raw)),
    *(_integers(tag, bits, signed) for tag, bits, signed in [(5, 32, True), (6, 32, False), (15, 8, True), (16, 16, True)]),
    *(
        _integers(tag, bits, signed)
        for tag, bits, signed in [(17, 8, False), (18, 16, False), (20, 64, True), (21, 64, False), (22, 8, False)]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(axdr.array), st.lists(inner, max_size=4).map(lambda i: axdr.structure(*i))),
)


@settings(max_examples=80, deadline=None)
@given(VALUES)
def test_what_is_encoded_is_read_back(data):
    assert axdr.decode(axdr.encode(data)) == data


@settings(max_examples=60, deadline=None)
@given(VALUES, st.data())
def test_no_prefix_and_no_tail_is_a_value(data, draw):
    raw = axdr.encode(data)
    cut = draw.draw(st.integers(0, len(raw) - 1))
    for wrong in (raw[:cut], raw + b"\x00"):
        with pytest.raises(MalformedError):
            axdr.decode(wrong)


def test_names_of_objects():
    assert axdr.logical_name("0-0:44.0.0.255") == bytes((0, 0, 44, 0, 0, 255))
    assert axdr.obis_text(bytes((1, 2, 0, 2, 8, 255))) == "1-2:0.2.8.255"
    for wrong in ("", "1.2.3.4.5.6", "0-0:44.0.0", "0-0:44.0.0.256", "0-0:44.0.0.٣", "0-0:44.0.0.255.1"):
        with pytest.raises(ValueError):
            axdr.logical_name(wrong)
