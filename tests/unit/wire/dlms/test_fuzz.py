# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Whatever octets come: a value or one DeviceError with a short text, in bounded time and memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from handmeter import AK, CLIENT_TITLE, EK, METER_TITLE, HandMeter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import acse, apdu, axdr, security
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import Attribute, MemoryCounters, Session

GOOD = [
    "c40141000203" + "0101020312345611050906000100010203",
    "c4024100000000010004" + "01020304",
    "c4034102001105" + "0104",
    "c503410300000002",
    "c701410001000911" + "10" * 17,
    "d801060000ffff",
    "0e010602",
    "613aa109060760857405080103a203020100a305a10302010ea40a04084d4d4d0000bc614e88020780890760857405080205aa0a8008"
    + "41" * 8
    + "be0404020800",
    "0800065f1f0400007c1f04000007",
    "01020202" + "1101" * 2 + "0202" + "0a0141" + "0401ff",
]


def unseal(raw: bytes) -> bytes:
    made = security.Protection(EK, AK, CLIENT_TITLE, 0x20)  # encrypted only: nothing is stopped by a tag
    made.pair(METER_TITLE)
    return made.unseal(raw)


DECODERS: dict[str, Callable[[bytes], object]] = {
    "axdr": axdr.decode,
    "aare": acse.parse_aare,
    "initiate": acse.parse_initiate_response,
    "get": lambda raw: apdu.parse_get(raw, 1),
    "list": lambda raw: apdu.parse_get_list(raw, 1, 2),
    "results": lambda raw: apdu.parse_results(raw, 2),
    "set": lambda raw: apdu.parse_set(raw, 1),
    "action": lambda raw: apdu.parse_action(raw, 1),
    "refusal": apdu.refusal,
    "unseal": unseal,
}


def judged(decoder: Callable[[bytes], object], raw: bytes) -> None:
    try:
        decoder(raw)
    except DeviceError as exc:
        assert exc.reason.startswith("dlms_")
        assert len(str(exc)) < 160
        assert raw.hex() not in str(exc) or len(raw) < 2


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("name", list(DECODERS))
@settings(max_examples=80, deadline=None)
@given(raw=st.binary(max_size=300))
@example(raw=b"")
@example(raw=b"\x01\x84\xff\xff\xff\xff" + bytes(40))
@example(raw=b"\x61\x84\xff\xff\xff\xff" + bytes(40))
def test_any_octets(name, raw):
    judged(DECODERS[name], raw)


@st.composite
def _bent(draw: st.DrawFn) -> bytes:
    raw = bytearray(bytes.fromhex(draw(st.sampled_from(GOOD))))
    for dummy in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        kind = draw(st.sampled_from(["change", "drop", "insert", "cut", "repeat"]))
        if kind == "change" and raw:
            raw[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0x81, 0x84, 0xFF]) | st.integers(0, 255))
        elif kind == "drop":
            del raw[at : at + draw(st.integers(1, 4))]
        elif kind == "insert":
            raw[at:at] = draw(st.binary(max_size=6))
        elif kind == "cut":
            del raw[at:]
        else:
            raw += raw[at : at + 40]
    return bytes(raw)


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("name", list(DECODERS))
@settings(max_examples=80, deadline=None)
@given(raw=_bent())
def test_good_messages_bent(name, raw):
    judged(DECODERS[name], raw)


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("name", list(DECODERS))
def test_long_messages_take_bounded_memory(name):
    for head in ("01820fff", "0184000fffff", "0483ffffff", "c40141000184000fffff", "c403418400ffffff", "c402410000000001008400fffff0"):
        for filler in (b"\x00", b"\x01\x01", b"\x02\x7f", b"\x09\x00", b"\xff"):
            raw = bytes.fromhex(head) + filler * (65_535 // len(filler))
            tracemalloc.start()
            judged(DECODERS[name], raw)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 20_000_000


@pytest.mark.requirement("F-37")
@settings(max_examples=40, deadline=None)
@given(raw=_bent(), inside=st.booleans())
def test_a_meter_that_answers_anything(raw, inside):
    """Octets nobody expects, inside the protection or instead of it: one DeviceError or a value, and a released meter."""
    meter = HandMeter()
    meter.answers = [b"\xc4" + raw[1:]]
    if not inside:
        meter.twist = lambda sealed, plain: raw or b"\xcc"
    dlms = Dlms(system_title=CLIENT_TITLE, keys=DlmsKeys(guek=EK, gak=AK))
    try:
        with Session(Target("m", "127.0.0.1", {"dlms": meter.port}, 1, Timeouts(5, 5), dlms=dlms), MemoryCounters(), floor=0) as made:
            judged(lambda dummy: made.get(Attribute(1, "0-0:42.0.0.255", 2)), raw)
    finally:
        meter.close()
    assert meter.releases == 1
