# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The session against a meter written by hand: what it does, and whom it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from handmeter import AK, CLIENT_TITLE, CLOSE, EK, METER_TITLE, HandMeter, acted, gcm, get_refused, got, written

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.mcs301 import counter_floor
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import (
    AccessFault,
    Attribute,
    BlockCounters,
    LostError,
    MemoryCounters,
    Method,
    RefusalError,
    Session,
    between,
    counter_name,
    entries,
    invocation_counter,
    public,
    told_floor,
)

LDN = Attribute(1, "0-0:42.0.0.255", 2)
SERIAL = Attribute(1, "0-0:96.1.0.255", 2)
BLOCK = Method(18, "0-0:44.0.0.255", 2)
KEYS = DlmsKeys(guek=EK, gak=AK, lls=b"Canary-lls")
HLS = Dlms(system_title=CLIENT_TITLE, keys=KEYS)
LLS = dataclasses.replace(HLS, authentication="lls", protection="none")
CIPHERED = dataclasses.replace(HLS, authentication="none")


@pytest.fixture
def meter() -> Iterator[HandMeter]:
    made = HandMeter()
    yield made
    made.close()
    assert made.fault is None


def target(meter: HandMeter, dlms: Dlms = HLS, read: float = 5) -> Target:
    clock = SystemClock(10_000)
    return Target("q1", "127.0.0.1", {"dlms": meter.port}, 1, Timeouts(5.0, read), clock=clock, family="mcs301", dlms=dlms)


def session(meter: HandMeter, dlms: Dlms = HLS, **options: object) -> Session:
    return Session(target(meter, dlms), MemoryCounters(), **{"floor": 0, **options})


def opened(meter: HandMeter, dlms: Dlms = HLS, **options: object) -> None:
    with session(meter, dlms, **options):
        pass


def refused(reason: str, meter: HandMeter, dlms: Dlms = HLS, stage: str = "association") -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        with session(meter, dlms) as made:
            made.get(LDN)
    assert (caught.value.reason, caught.value.stage) == (reason, stage)
    assert "Canary" not in str(caught.value)
    return caught.value


# -- associations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize(("protection", "sc"), [("authenticated_encrypted", 0x30), ("authenticated", 0x10), ("encrypted", 0x20)])
def test_hls_in_every_protection(meter, general, protection, sc):
    meter.sc, meter.general = sc, general
    meter.answers = [got("09034d4353"), acted(0)]
    dlms = dataclasses.replace(HLS, protection=protection, general=general, meter_title=METER_TITLE)
    with session(meter, dlms) as made:
        assert made.get(LDN) == axdr.octets(b"MCS")
        assert made.action(Method(18, "0-0:44.0.0.255", 3), axdr.i8(0)) is None
        assert made.meter_title == METER_TITLE
        assert made.pdu == 1224
        assert {"get", "set", "action", "get-blocks", "action-blocks", "set-blocks", "multiple-references"} <= made.conformance
    assert meter.releases == 1
    assert all(
        raw[0] == (0xDB if general else {0xC0: 0xC8, 0xC3: 0xCB}[plain[0]])
        for raw, plain in zip(meter.wire[1:-1], meter.requests, strict=True)
    )
    assert len(meter.counters) == len(set(meter.counters))  # the proof's own counter among them


def test_hls_without_protection(meter):
    meter.sc = 0
    meter.answers = [got("1105")]
    with session(meter, dataclasses.replace(HLS, protection="none")) as made:
        assert made.get(LDN) == axdr.u8(5)


def test_lls_and_no_security(meter):
    meter.mode, meter.sc, meter.title = "lls", 0, None
    meter.answers = [got("1105"), got("1106")]
    with session(meter, LLS) as made:
        assert made.get(LDN).plain() == 5
    meter.mode = "none"
    with session(meter, dataclasses.replace(LLS, authentication="none")) as made:
        assert made.get(LDN).plain() == 6
    assert meter.releases == 2


def test_lls_within_ciphering(meter):
    meter.mode = "lls"
    meter.answers = [got("1105")]
    with session(meter, dataclasses.replace(HLS, authentication="lls")) as made:
        assert made.get(LDN).plain() == 5


def test_long_lengths_of_the_answer_to_the_association(meter):
    meter.long_form = True
    opened(meter)


def test_a_failed_login_is_tried_once(meter):
    meter.mode, meter.sc, meter.password = "lls", 0, b"another"
    refused("dlms_auth_failed", meter, LLS)
    assert meter.associations == 1


@pytest.mark.parametrize(
    ("result", "diagnostic", "provider", "reason"),
    [
        (1, 13, False, "dlms_auth_failed"),
        (2, 13, False, "dlms_auth_failed"),  # not taken for busy: the secret was judged, so it is not sent again
        (1, 2, False, "dlms_association_refused"),
        (1, 1, False, "dlms_association_refused"),
        (1, 13, True, "dlms_association_refused"),
        (0, 0, False, "dlms_meter_unproven"),
    ],
)
def test_what_the_meter_says_to_the_association(meter, result, diagnostic, provider, reason):
    meter.result, meter.diagnostic, meter.provider = result, diagnostic, provider
    refused(reason, meter)
    assert meter.associations == 1


def test_high_level_security_is_not_taken_for_low(meter):
    meter.mode, meter.sc, meter.diagnostic = "lls", 0, 14
    refused("dlms_association_refused", meter, LLS)


def test_a_half_open_association_gets_one_second_try(meter):
    results = iter([2, 0])

    def half_open(raw: bytes) -> bytes:
        at = raw.index(bytes.fromhex("a2030201")) + 4
        return raw[:at] + bytes((next(results),)) + raw[at + 1 :]

    meter.twist_aare = half_open
    opened(meter)
    assert meter.associations == 2


def test_a_meter_that_stays_busy_is_left_alone(meter):
    meter.result = 2
    refused("dlms_association_busy", meter)
    assert meter.associations == 2


def test_whoever_calls_may_wait_in_its_own_way(meter):
    meter.result = 2
    waited: list[float] = []
    with pytest.raises(DeviceError):
        session(meter, pause=waited.append).open()
    assert waited == [75]


def test_words_that_come_with_a_refusal(meter):
    meter.result, meter.diagnostic = 1, 1
    meter.twist_aare = lambda raw: _with_user_information(raw, bytes.fromhex("0e010603"))
    assert "PDU size too short" in str(refused("dlms_association_refused", meter))


# -- who answers ------------------------------------------------------------------------------------------------------


def test_another_meter_than_the_pinned_one(meter):
    refused("dlms_wrong_meter_title", meter, dataclasses.replace(HLS, meter_title=b"MCS\x04`\xbc\x61\x4f"))


def test_a_meter_without_a_title(meter):
    meter.title = None
    refused("dlms_meter_unproven", meter)


def test_our_own_title_and_our_own_challenge_are_no_meter(meter):
    meter.challenge = lambda ours: ours
    refused("dlms_meter_unproven", meter)
    meter.title = CLIENT_TITLE
    refused("dlms_meter_unproven", meter)


@pytest.mark.parametrize(
    "twist",
    [
        lambda proof: proof[:-1] + bytes((proof[-1] ^ 1,)),
        lambda proof: b"\x30" + proof[1:],
        lambda proof: proof[:-1],
        lambda proof: b"",
    ],
)
def test_a_wrong_proof_of_the_meter(meter, twist):
    meter.twist_proof = twist
    refused("dlms_meter_unproven", meter)


def test_a_challenge_of_improper_length(meter):
    meter.challenge = lambda ours: b"short"
    refused("dlms_protocol_error", meter)


def test_other_keys_than_the_meters(meter):
    """The meter cannot decipher the first message; it says so, or it just hangs up."""
    meter.twist_aare = lambda raw: bytes.fromhex("d80105")
    refused("dlms_auth_failed", meter)
    meter.twist_aare = lambda raw: CLOSE
    assert "wrong keys" in str(refused("transport_failed", meter))
    assert meter.associations == 2


def test_a_refused_proof_is_a_failed_login(meter):
    dlms = dataclasses.replace(HLS, protection="none", keys=dataclasses.replace(KEYS, gak=b"Canary-gak-16-oc"))
    meter.sc = 0
    refused("dlms_auth_failed", meter, dlms)
    assert meter.associations == 1
    assert meter.releases == 1


# -- answers that are not taken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("twist", "reason"),
    [
        (lambda m: lambda sealed, plain: plain, "dlms_unprotected_answer"),
        (lambda m: lambda sealed, plain: m.seal(plain, sc=0x10), "dlms_unprotected_answer"),
        (lambda m: lambda sealed, plain: m.seal(plain, sc=0x20), "dlms_unprotected_answer"),
        (lambda m: lambda sealed, plain: m.seal(plain, counter=m.counter - 1), "dlms_replayed_answer"),
        (lambda m: lambda sealed, plain: sealed[:-1] + bytes((sealed[-1] ^ 1,)), "dlms_answer_forged"),
        (lambda m: lambda sealed, plain: sealed[:-20] + bytes((sealed[-20] ^ 1,)) + sealed[-19:], "dlms_answer_forged"),
        (lambda m: lambda sealed, plain: b"\xdb\x08" + b"MCS-else" + sealed[1:], "dlms_answer_forged"),
        (lambda m: lambda sealed, plain: b"\xcd" + sealed[1:], "dlms_protocol_error"),
        (lambda m: lambda sealed, plain: m.seal(plain, sc=0x70), "dlms_protocol_error"),
        (lambda m: lambda sealed, plain: m.seal(plain, sc=0x31), "dlms_protocol_error"),
        (lambda m: lambda sealed, plain: sealed + b"\x00", "dlms_protocol_error"),
        (lambda m: lambda sealed, plain: sealed[:9], "dlms_protocol_error"),
        (lambda m: lambda sealed, plain: b"\xcc\x05\x30" + sealed[3:7], "dlms_protocol_error"),
    ],
)
def test_an_answer_that_is_not_the_meters(meter, twist, reason):
    meter.twist = twist(meter)
    meter.answers = [got("1105")]
    refused(reason, meter, stage="read")
    assert meter.releases <= 1


def test_an_answer_that_repeats_the_last_counter(meter):
    first: list[bytes] = []

    def repeat(sealed: bytes, plain: bytes) -> bytes:
        first.append(sealed)
        return first[0]

    meter.twist = repeat
    meter.answers = [got("1105"), got("1106")]
    with session(meter) as made:
        made.get(LDN)
        with pytest.raises(DeviceError) as caught:
            made.get(LDN)
        assert caught.value.reason == "dlms_replayed_answer"
        with pytest.raises(LostError):
            made.get(LDN)


def test_a_weaker_answer_to_the_association(meter):
    meter.sc = 0x10
    with pytest.raises(DeviceError) as caught:
        opened(meter)
    assert caught.value.reason == "dlms_unprotected_answer"


def test_a_plain_answer_to_a_ciphered_association(meter):
    meter.mode, meter.twist_aare = "none", lambda raw: _with_user_information(raw, bytes.fromhex("0800065f1f0400003e1d04c80007"))
    refused("dlms_unprotected_answer", meter, CIPHERED)


def _with_user_information(aare: bytes, content: bytes) -> bytes:
    at, kept = 2, b""
    while at < len(aare):
        field = aare[at : at + 2 + aare[at + 1]]
        kept += field if field[0] != 0xBE else b"\xbe" + bytes((len(content) + 2, 4, len(content))) + content
        at += len(field)
    return b"\x61" + bytes((len(kept),)) + kept


@pytest.mark.parametrize(
    ("raw", "reason", "word"),
    [
        ("d80106", "dlms_counter_refused", "counter"),
        ("d80106000004d2", "dlms_counter_refused", "1234"),
        ("d80101", "dlms_request_refused", "not possible"),
        ("d80104", "dlms_request_refused", "too long"),
        ("0e010601", "dlms_request_refused", "version"),
        ("0e0109ff", "dlms_request_refused", "group 9"),
    ],
)
def test_refusals_of_a_request(meter, raw, reason, word):
    meter.answers = [got("1105"), got("1106")]
    first = [bytes.fromhex(raw)]
    meter.twist = lambda sealed, plain: first.pop() if first else sealed
    with session(meter) as made:
        with pytest.raises(RefusalError, match=word) as caught:
            made.get(LDN)
        assert caught.value.reason == reason
        assert made.get(LDN).plain() == 6  # the association goes on


# -- the connection ---------------------------------------------------------------------------------------------------


def test_nobody_there(meter):
    meter.close()
    with pytest.raises(DeviceError) as caught:
        opened(meter, floor=None)
    assert (caught.value.stage, caught.value.reason) == ("connect", "transport_failed")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (CLOSE, "transport_failed"),
        (b"RAW:\x00", "transport_failed"),
        (b"RAW:\x00\x02\x00\x01\x00\x01\x00\x01\xc4", "dlms_protocol_error"),
        (b"RAW:\x00\x01\x00\x01\x00\x02\x00\x01\xc4", "dlms_protocol_error"),
        (b"RAW:\x00\x01\x00\x01\x00\x01\xff\xff\xc4", "dlms_protocol_error"),
        (b"RAW:\x00\x01\x00\x01\x00\x01\x00\x00", "dlms_protocol_error"),
        (b"RAW:\x00\x01\x00\x01\x00\x01\x00\x05\xc4\x01", "transport_failed"),
    ],
)
def test_a_connection_that_breaks(meter, raw, reason):
    meter.answers = [raw]
    with session(meter) as made:
        made._wire._seconds = 0.3  # from here on the meter is silent, or quick
        with pytest.raises(DeviceError) as caught:
            made.get(LDN)
        assert (caught.value.reason, caught.value.stage) == (reason, "read")


def test_more_than_was_asked_for(meter):
    meter.answers = [got("1105")]

    def twice(sealed: bytes, plain: bytes) -> bytes:
        return b"RAW:" + 2 * (b"\x00\x01\x00\x01\x00\x01" + len(sealed).to_bytes(2, "big") + sealed)

    meter.twist = twice
    with session(meter) as made:
        made.get(LDN)
        with pytest.raises(DeviceError) as caught:
            made.get(LDN)
        assert caught.value.reason == "dlms_protocol_error"


def test_the_callers_exception_releases(meter):
    with pytest.raises(KeyError), session(meter):
        raise KeyError("of the caller")
    assert meter.releases == 1


def test_close_may_come_twice_and_nothing_is_sent_after(meter):
    made = session(meter)
    made.open()
    made.close()
    made.close()
    assert meter.releases == 1
    with pytest.raises(LostError):
        made.get(LDN)


# -- services ---------------------------------------------------------------------------------------------------------


def test_refusals_of_one_object_have_a_name_and_a_code(meter):
    meter.answers = [get_refused(4), acted(2), written(3), acted(77)]
    with session(meter, stage="facts") as made:
        with pytest.raises(AccessFault, match="object-undefined") as caught:
            made.get(LDN)
        assert (caught.value.kind, caught.value.code, caught.value.reason, caught.value.stage) == ("get", 4, "dlms_object_missing", "facts")
        with pytest.raises(AccessFault, match="temporary-failure") as caught:
            made.action(BLOCK, axdr.null())
        assert caught.value.reason == "dlms_temporary_failure"
        with pytest.raises(AccessFault, match="read-write-denied") as caught:
            made.set(LDN, axdr.u8(1))
        assert caught.value.reason == "dlms_access_denied"
        with pytest.raises(AccessFault, match="result 77"):
            made.action(BLOCK)


def test_requests_as_the_standard_writes_them(meter):
    meter.answers = [got("00"), got("0100"), got("0100"), written(0), acted(0), acted(0, "1107")]
    with session(meter) as made:
        made.get(LDN)
        made.get(Attribute(7, "0-0:99.98.0.255", 2), entries(1, 10))
        made.get(Attribute(7, "0-0:99.98.0.255", 2), between(bytes(12), bytes(range(12))))
        made.set(Attribute(18, "0-0:44.0.0.255", 5), axdr.boolean(True))
        made.action(Method(18, "0-0:44.0.0.255", 3), axdr.i8(0))
        assert made.action(Method(9, "0-0:10.0.107.255", 1)) == axdr.u8(7)
    assert [raw.hex() for raw in meter.requests[1:]] == [
        "c001410001" + "00002a0000ff" + "0200",
        "c001420007" + "0000636200ff" + "02" + "0102" + "0204" + "0600000001" + "060000000a" + "120001" + "120000",
        "c001430007" + "0000636200ff" + "02" + "0101" + "0204" + "0204" + "120008" + "09060000010000ff" + "0f02" + "120000"
        "090c" + "00" * 12 + "090c" + bytes(range(12)).hex() + "0100",
        "c101440012" + "00002c0000ff" + "0500" + "0301",
        "c301450012" + "00002c0000ff" + "0301" + "0f00",
        "c301460009" + "00000a006bff" + "0100",
    ]


def test_a_long_answer_comes_in_blocks(meter):
    text = "0982012c" + "41" * 300
    parts = [text[:200], text[200:400], text[400:]]

    def block(number: int, last: int) -> object:
        def answer(request: bytes) -> bytes:
            asked = int.from_bytes(request[3:7], "big") if request[1] == 2 else 0
            assert asked == number - 1
            raw = bytes.fromhex(parts[number - 1])
            return b"\xc4\x02" + request[2:3] + bytes((last,)) + number.to_bytes(4, "big") + b"\x00\x81" + bytes((len(raw),)) + raw

        return answer

    meter.answers = [block(1, 0), block(2, 0), block(3, 1)]
    with session(meter) as made:
        assert made.get(LDN) == axdr.octets(b"A" * 300)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["c4024100000000020002", "0500"], "dlms_protocol_error"),
        (["c402410000000001000109", "c40241000000000100010a"], "dlms_protocol_error"),
        (["c402410000000001000109", "c401410005"], "dlms_protocol_error"),
        (["c4024100000000010000"], "dlms_protocol_error"),
        (["c402410000000001000109", "c40241000000000201" + "0f"], "dlms_request_refused"),
        (["c40241000000000101" + "0e"], "dlms_request_refused"),
        (["c402410000000001000109", "c4024101000000020002" + "0500"], "dlms_protocol_error"),
    ],
)
def test_blocks_that_go_wrong(meter, answers, error):
    meter.mode, meter.sc = "none", 0
    meter.answers = [bytes.fromhex(raw) for raw in answers]
    refused(error, meter, dataclasses.replace(LLS, authentication="none"), stage="read")


def test_several_attributes_at_once(meter):
    meter.answers = [lambda request: b"\xc4\x03" + request[2:3] + bytes.fromhex("02" + "001105" + "0104")]
    with session(meter) as made:
        first, second = made.get_list([LDN, SERIAL])
    assert first == axdr.u8(5)
    assert isinstance(second, AccessFault)
    assert (second.code, second.what) == (4, SERIAL)
    assert meter.requests[-1].hex() == "c003410200010000" + "2a0000ff0200" + "00010000600100ff0200"


def test_several_attributes_in_blocks(meter):
    raw = bytes.fromhex("02" + "0009" + "81c8" + "42" * 200 + "001106")
    meter.answers = [
        lambda request: b"\xc4\x02" + request[2:3] + bytes.fromhex("00000000010064") + raw[:100],
        lambda request: b"\xc4\x02" + request[2:3] + bytes.fromhex("010000000200") + bytes((len(raw) - 100,)) + raw[100:],
    ]
    with session(meter) as made:
        assert [item.plain() for item in made.get_list([LDN, SERIAL])] == [b"B" * 200, 6]


def test_several_attributes_one_by_one_where_lists_are_not_agreed(meter):
    meter.conformance = bytes.fromhex("000019")
    meter.answers = [got("1105"), get_refused(3)]
    with session(meter) as made:
        first, second = made.get_list([LDN, SERIAL])
    assert first.plain() == 5
    assert second.code == 3


@pytest.mark.parametrize("refusal", ["d80202", "c40241" + "0100000001" + "010e"])
def test_several_attributes_one_by_one_where_a_list_is_refused(meter, refusal):
    meter.mode, meter.sc = "none", 0
    meter.answers = [bytes.fromhex(refusal), got("1105"), get_refused(3)]
    with session(meter, dataclasses.replace(LLS, authentication="none")) as made:
        first, second = made.get_list([LDN, SERIAL])
    assert first.plain() == 5
    assert second.code == 3


def test_lists_are_split_by_what_the_meter_takes(meter):
    meter.pdu = 64  # room for three in a protected request
    meter.answers = [lambda request: b"\xc4\x03" + request[2:4] + bytes.fromhex("001105") * request[3]] * 3
    with session(meter) as made:
        assert len(made.get_list([LDN] * 8)) == 8
    assert [request[3] for request in meter.requests[1:]] == [3, 3, 2]
    assert max(len(raw) for raw in meter.wire[2:-1]) <= 64


# -- long requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("general", "sc", "head"), [(False, 0, 24), (False, 0x30, 45), (True, 0x30, 54)])
def test_room_for_one_image_block(meter, general, sc, head):
    """One octet more than ``room`` does not fit (wire-dlms 3, step 1)."""
    meter.sc, meter.general, meter.pdu = sc, general, 1224
    meter.mode = "hls" if sc else "none"
    protection = "authenticated_encrypted" if sc else "none"
    dlms = dataclasses.replace(HLS, protection=protection, general=general, authentication="hls_gmac" if sc else "none")
    meter.answers = [acted(0), lambda request: b"\xc7\x04" + request[2:3] + bytes(3) + b"\x01", acted(0)]
    with session(meter, dlms) as made:
        assert made.room == 1224 - head
        made.action(BLOCK, axdr.structure(axdr.u32(0), axdr.octets(bytes(made.room))))
        assert meter.requests[-1][1] == 1
        assert len(meter.wire[-1]) == 1224
        made.action(BLOCK, axdr.structure(axdr.u32(0), axdr.octets(bytes(made.room + 1))))
    assert [request[1] for request in meter.requests[-2:]] == [4, 6]


def _gather(collected: list[bytes], set_service: bool, refuse: int = 0) -> object:
    """A meter's side of a long SET or ACTION: takes blocks in order."""

    def answer(request: bytes) -> bytes:
        service, kind = request[:2]
        first = kind in (2, 4)
        at = 3 + (10 if first and set_service else 9 if first else 0)
        last, number = request[at], int.from_bytes(request[at + 1 : at + 5], "big")
        assert number == len(collected) + 1
        length_at = at + 5
        octets = request[length_at] & 0x7F if request[length_at] > 127 else 0
        raw = request[length_at + 1 + octets :]
        collected.append(raw)
        answer_tag = bytes((service + 4,))
        if last:
            tail = bytes((refuse,)) + (number.to_bytes(4, "big") if set_service else b"\x00")
            return answer_tag + (b"\x03" if set_service else b"\x01") + request[2:3] + tail
        return answer_tag + (b"\x02" if set_service else b"\x04") + request[2:3] + number.to_bytes(4, "big")

    return answer


@pytest.mark.parametrize("set_service", [False, True])
@pytest.mark.parametrize("size", [200, 4096])
def test_long_requests_go_in_blocks(meter, set_service, size):
    meter.pdu = 128
    collected: list[bytes] = []
    meter.answers = [_gather(collected, set_service)] * 100
    value = axdr.octets(bytes(range(256)) * (size // 256) + bytes(size % 256))
    with session(meter) as made:
        if set_service:
            made.set(Attribute(1, "0-0:96.1.0.255", 2), value)
        else:
            made.action(BLOCK, value)
    assert b"".join(collected) == axdr.encode(value)
    assert max(len(raw) for raw in meter.wire[2:-1]) <= 128
    assert min(len(raw) for raw in meter.wire[3:-2]) >= 126  # full blocks


def returned(last: bool, number: int, raw: bytes):
    """One block of what a method returns."""
    return lambda request: b"\xc7\x02" + request[2:3] + bytes((last,)) + number.to_bytes(4, "big") + bytes((len(raw),)) + raw


def test_a_long_return_value_comes_in_blocks(meter):
    """Asked for block by block; put together it is the result, then the value."""
    value = axdr.octets(bytes(range(100)))
    whole = b"\x00\x01\x00" + axdr.encode(value)
    meter.answers = [returned(False, 1, whole[:60]), returned(True, 2, whole[60:])]
    with session(meter) as made:
        assert made.action(Method(9, "0-0:10.0.107.255", 1)) == value
    assert meter.requests[2].hex() == "c3024100000001"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([returned(False, 1, b"\x00"), acted(4)], AccessFault),
        ([returned(True, 1, b"\x03\x00")], AccessFault),
        ([returned(False, 1, b"\x00"), acted(0)], DeviceError),
        ([returned(False, 2, b"\x00")], DeviceError),
        ([returned(False, 1, b"")], DeviceError),
        ([returned(True, 1, b"\x00\x01")], DeviceError),
    ],
)
def test_a_long_return_value_that_ends_badly(meter, answers, error):
    meter.answers = answers
    with session(meter) as made, pytest.raises(error) as caught:
        made.action(Method(9, "0-0:10.0.107.255", 1))
    assert error is AccessFault or caught.value.reason == "dlms_protocol_error"


def test_a_long_request_may_be_refused(meter):
    meter.pdu = 128
    meter.answers = [_gather([], False, refuse=250)] * 10
    with session(meter) as made:
        with pytest.raises(AccessFault, match="other-reason"):
            made.action(BLOCK, axdr.octets(bytes(200)))


@pytest.mark.parametrize("bad", ["c70441000000ff", "c7014100" + "00", "c70341", "c704410000"])
def test_long_requests_whose_answers_go_wrong(meter, bad):
    meter.mode, meter.sc, meter.pdu = "none", 0, 64
    meter.answers = [bytes.fromhex(bad)]
    with session(meter, dataclasses.replace(LLS, authentication="none")) as made:
        with pytest.raises(DeviceError) as caught:
            made.action(BLOCK, axdr.octets(bytes(200)))
        assert caught.value.reason == "dlms_protocol_error"


def test_a_meter_without_blocks_is_not_sent_what_does_not_fit(meter):
    meter.pdu, meter.conformance = 128, bytes.fromhex("000019")
    with session(meter) as made:
        for send in (lambda: made.action(BLOCK, axdr.octets(bytes(200))), lambda: made.set(LDN, axdr.octets(bytes(200)))):
            with pytest.raises(DeviceError) as caught:
                send()
            assert caught.value.reason == "dlms_pdu_too_small"
    assert len(meter.requests) == 1  # the proof alone


# -- invocation counters ----------------------------------------------------------------------------------------------


class Noted(MemoryCounters):
    """Counters that note what was asked of them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int, int]] = []

    def reserve(self, name: str, count: int, floor: int, *, accept_reset: bool = False) -> int:
        self.asked.append((name, count, floor))
        return super().reserve(name, count, floor, accept_reset=accept_reset)


def told(*values: int) -> list[bytes]:
    return [bytes.fromhex("c401") + bytes((0x40 | at + 1,)) + b"\x00\x06" + value.to_bytes(4, "big") for at, value in enumerate(values)]


def test_the_counter_starts_above_what_the_public_client_is_told(meter):
    meter.public = told(500)
    counters = Noted()
    meter.answers = [got("1105")]
    with Session(target(meter), counters) as made:
        made.get(LDN)
    assert meter.clients == [16, 1]
    assert meter.counters == [501, 503, 502, 504, 505]  # initiate, cover of the proof and the proof, GET, release
    assert counters.asked == [(counter_name(target(meter)), 64, 501)]


def test_counters_are_written_down_before_they_are_used_and_in_blocks(meter):
    counters = Noted()
    meter.answers = [got("1105")] * 6
    with Session(target(meter), counters, floor=0, reserve=4) as made:
        for dummy in range(6):
            made.get(LDN)
    assert [count for dummy, count, dummy2 in counters.asked] == [4, 4, 4]
    assert sorted(meter.counters) == list(range(1, 11))


def test_a_meter_that_does_not_tell_its_counter(meter):
    counters = Noted()
    with Session(target(meter), counters):
        pass
    assert counters.asked[0][2] == 0


def test_a_counter_that_went_back_is_refused_before_the_login(meter):
    counters = MemoryCounters()
    meter.public = told(500)
    with Session(target(meter), counters):
        pass
    meter.public = told(20)
    with pytest.raises(DeviceError) as caught:
        Session(target(meter), counters).open()
    assert caught.value.reason == "dlms_counter_rolled_back"
    meter.public = told(5_000_000)
    with pytest.raises(DeviceError) as caught:
        Session(target(meter), counters).open()
    assert caught.value.reason == "dlms_counter_jump"
    meter.public = told(20)
    with Session(target(meter), counters, accept_reset=True):
        pass
    assert len(meter.counters) == len(set(meter.counters))


def test_a_counter_that_another_run_was_told_meanwhile_did_not_go_back(meter):
    counters = MemoryCounters()
    counters.reserve(counter_name(target(meter)), 64, 900)  # the other run, told between our question and our reservation
    meter.public = [*told(500), *told(899)]
    with Session(target(meter), counters):
        pass
    assert meter.clients == [16, 16, 1] and min(meter.counters) >= 964
    meter.public = [*told(500), *told(500)]
    with pytest.raises(DeviceError) as caught:
        Session(target(meter), counters).open()
    assert caught.value.reason == "dlms_counter_rolled_back" and meter.clients[3:] == [16, 16]


def test_a_meter_that_tells_its_counter_to_nobody_is_the_same_here_and_on_a_jump_host(meter):
    assert told_floor(target(meter)) == 0  # the attribute is refused
    meter.result, meter.diagnostic = 1, 1
    assert told_floor(target(meter)) == counter_floor(target(meter)) == 0  # the public client is refused
    meter.close()
    with pytest.raises(LostError):
        told_floor(target(meter))


def test_clients_with_a_counter_of_their_own(meter):
    meter.public = told(7, 900)
    assert invocation_counter(target(meter, dataclasses.replace(HLS, client=2))) == 900
    assert meter.requests[1].hex() == "c001420001" + "00002b0102ff" + "0200"


def test_a_counter_that_is_none(meter):
    meter.public = [bytes.fromhex("c401410009021234")]
    with pytest.raises(DeviceError) as caught:
        invocation_counter(target(meter))
    assert caught.value.reason == "dlms_protocol_error"
    with pytest.raises(AccessFault):
        invocation_counter(target(meter))


def test_a_reserved_block_is_used_to_its_end_and_no_further(meter):
    meter.answers = [got("1105")] * 9
    counters = BlockCounters(40, 6)
    with pytest.raises(DeviceError) as caught:
        with Session(target(meter), counters, floor=0) as made:
            for dummy in range(9):
                made.get(LDN)
    assert caught.value.reason == "dlms_counter_block_used"
    assert sorted(meter.counters) == list(range(40, 46))
    assert counters.left == 0


def test_a_reserved_block_below_the_meters_counter(meter):
    meter.public = told(42, 80)
    with Session(target(meter), BlockCounters(40, 10)):
        pass
    assert sorted(meter.counters) == [43, 44, 45, 46]
    meter.public = told(80)
    with pytest.raises(DeviceError) as caught:
        Session(target(meter), BlockCounters(40, 10)).open()
    assert caught.value.reason == "dlms_counter_block_used"


def test_the_name_of_a_counter_holds_no_key_and_follows_the_encryption_key_alone(meter):
    plain = target(meter)
    name = counter_name(plain)
    assert EK.hex() not in name
    assert CLIENT_TITLE.hex() in name
    other_gak = dataclasses.replace(HLS, keys=dataclasses.replace(KEYS, gak=b"g" * 16))
    other_guek = dataclasses.replace(HLS, keys=dataclasses.replace(KEYS, guek=b"g" * 16))
    assert counter_name(plain, other_gak) == name
    assert counter_name(plain, other_guek) != name
    assert METER_TITLE.hex() in counter_name(plain, dataclasses.replace(HLS, meter_title=METER_TITLE))


# -- what is refused before contact -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"suite": 1},
        {"authentication": "hls_md5"},
        {"protection": "signed"},
        {"system_title": b"short"},
        {"keys": DlmsKeys(guek=EK)},
        {"keys": DlmsKeys(guek=b"short", gak=AK)},
        {"authentication": "lls", "keys": DlmsKeys()},
    ],
)
def test_what_cannot_work_is_refused_before_contact(meter, change):
    with pytest.raises(InputError):
        session(meter, dataclasses.replace(HLS, **change))
    assert meter.wire == []


def test_no_secret_in_any_text(meter):
    made = session(meter)
    shown = repr(made.target) + repr(made.client) + str(vars(made._association)) + str(vars(made))
    for secret in (EK, AK, b"Canary-lls"):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_the_public_client_sends_no_title_and_no_secret(meter):
    meter.public = [bytes.fromhex("c40141001105")]
    with public(target(meter)) as made:
        assert made.get(LDN).plain() == 5
    assert CLIENT_TITLE not in meter.wire[0]
    assert meter.wire[0][:11].hex() == "601d a1090607608574050801".replace(" ", "")[:22]


def test_vectors_of_the_hand_written_meter():
    """The meter of these tests speaks as the Green Book says, not as our client does."""
    key, auth = bytes(range(16)), bytes(range(0xD0, 0xE0))
    tag = gcm(key, bytes.fromhex("4D4D4D0000000001"), 1, b"", b"\x10" + auth + b"P6wRJ21F")[1]
    assert tag.hex() == "1a52fe7dd3e72748973c1e28"
