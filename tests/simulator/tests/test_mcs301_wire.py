# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The simulated MCS301 over its port: associations, services, rights, security. Octets are made here, as a client would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from metersim.bench import Bench
from metersim.mcs301 import security
from metersim.mcs301.axdr import Value, array, boolean, decode, encode, enum, i8, octets, structure, u8, u16, u32
from metersim.mcs301.bench import Answer, Client, Gone, ln
from metersim.mcs301.calendar import from_date_time

PARTS = {0: "010200030001", 1: "020500010007", 2: "030100000004"}


def one(name: str, dlms: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An entry of the fleet file."""
    return {"name": name, "model": "MCS301", "firmware": PARTS, "dlms": {"connections": 50, **(dlms or {})}, **more}


FLEET = {
    "clock_factor": 200,
    "meters": [
        one("q", {"keys": {"lls": "12345678"}}),
        one("v0", {"security_version": 0, "identifiers": "array", "time_zone": 60}),
        one("strict", {"policy": "authenticated_encrypted"}),
        one("half", {"policy": "authenticated", "pass3_counter": "lenient"}),
        one("keys"),
        one("wide", {"public": "wide", "counters": "per_client", "mechanisms": ["hls"], "block_transfer": False}),
        one("small", {"pdu": 128}),
        one("bad", {"connections": 3}),
        one("locked", faults={"lockout": {"tries": 2, "seconds": 4000}}),
        {"name": "old", "model": "PM5560", "firmware": "2.7.8", "services": ["modbus"]},
    ],
}

Open = Callable[..., Client]


@pytest.fixture
def client(bench: Bench, request: pytest.FixtureRequest) -> Open:
    """Clients that are closed at the end; counters go up over all tests."""

    def make(name: str = "q", number: int = 1, **options: Any) -> Client:
        made = Client(bench.fleet, name, number, **options)
        made.counter = bench.meter(name).state()["counter"] + 10
        request.addfinalizer(made.sock.close)
        return made

    return make


# -- associations -----------------------------------------------------------------------


def test_an_aarq_of_the_green_book_is_answered(client: Open) -> None:
    raw = "6036A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738BE10040E01000000065F1F0400007E1F04B0"
    answer = client().ask(bytes.fromhex(raw)).hex()
    oid, mechanism = "a109060760857405080101", "880207808907" + "60857405080201"
    # offered: attribute services of logical names; what both know is left
    assert answer == "6136" + oid + "a203020100" + "a305a103020100" + mechanism + "be10040e" + "0800065f1f0400" + "005e1d" + "04c80007"


@pytest.mark.parametrize(
    ("number", "options", "ending"),
    [
        (1, {"mechanism": 1, "value": b"wrong"}, "a203020101a305a10302010d"),
        (1, {"mechanism": 1, "value": b""}, "a203020101a305a10302010d"),
        (1, {}, "a203020101a305a10302010c"),
        (1, {"mechanism": 2, "value": b"x" * 16}, "a203020101a305a10302010b"),
        (1, {"mechanism": 5, "value": b"short"}, "a203020101a305a10302010d"),
        (1, {"mechanism": 1, "value": b"12345678", "context": 2}, "a203020101a305a103020102"),
        (16, {"mechanism": 1, "value": b"12345678"}, "a203020101a305a10302010b"),
        (16, {"version": 5}, "be0604040e010601"),
        (16, {"bits": 0x400000 >> 15}, "be0604040e010602"),
        (16, {"pdu": 11}, "be0604040e010603"),
        (7, {}, "a203020101a305a103020101"),
        (102, {}, ""),
    ],
)
def test_refused_associations(client: Open, bench: Bench, number: int, options: dict[str, Any], ending: str) -> None:
    made = client("q", number)
    if not ending:
        made.send(made.aarq(**options))
        made.client = 16
        assert made.open()  # the first was not answered
        return
    with pytest.raises(Answer) as caught:
        made.open(**options)
    assert ending in caught.value.raw.hex()
    with pytest.raises(Answer) as caught:
        made.get(1, "0-0:42.0.0.255")
    assert caught.value.raw == b"\xd8\x01\x01"


def test_long_lengths_and_long_challenges(client: Open) -> None:
    made = client()
    made.control = 0x30
    parts = made.open(mechanism=5, value=b"c" * 64, context=3)
    assert parts[0xA3] == b"\xa1\x03\x02\x01\x0e" and len(parts[0xAA]) == 18
    aarq = client("q", 16)
    raw = aarq.aarq()
    long = b"\x60\x82\x00" + raw[1:2] + raw[2:]
    assert aarq.ask(long)[0] == 0x61


def test_hls_in_every_form(client: Open) -> None:
    for control in (0x30, 0x10, 0x20):
        for general in (False, True):
            made = client(general=general).high(control)
            assert made.get(1, "0-0:42.0.0.255").content.startswith(b"MCS00406")
            assert made.answered == control
            assert made.seen == sorted(set(made.seen)) and len(made.seen) == 3
            assert made.ask(b"\x62\x03\x80\x01\x00").hex() == "6303800100"
    plain = client().high(0, context=1)
    assert plain.get(64, "0-0:43.0.0.255", 2).content == 0


def test_a_dedicated_key(client: Open, bench: Bench) -> None:
    for general in (False, True):
        made = client(general=general)
        made.next_dedicated = b"D" * 16
        made.high()
        assert made.get(1, "0-0:96.1.0.255").content.isdigit()
        used = made.counter
        assert bench.meter("q").state()["counter"] < used  # counted apart
        made.counter -= 1
        with pytest.raises(Answer) as caught:
            made.get(1, "0-0:96.1.0.255")
        assert caught.value.raw.hex() == "d80106" + (used + 1).to_bytes(4, "big").hex()


def test_lls_inside_ciphers(client: Open) -> None:
    made = client()
    made.control = 0x30
    made.low(context=3)
    assert made.get(64, "0-0:43.0.0.255", 5).content == made.peer


def test_pass_three_must_be_right_and_comes_first(client: Open, bench: Bench) -> None:
    made = client()
    made.control = 0x30
    made.open(mechanism=5, value=b"0123456789abcdef", context=3)
    with pytest.raises(Answer) as caught:
        made.get(1, "0-0:42.0.0.255")
    assert caught.value.raw == b"\xd8\x01\x01"
    made.counter += 1
    assert made.action(15, "0-0:40.0.0.255", 1, octets(b"\x10" + made.counter.to_bytes(4, "big") + b"x" * 12)) == 3
    with pytest.raises(Answer):
        made.get(1, "0-0:42.0.0.255")
    assert bench.meter("q").events("auth_failed")[-1]["why"] == "gmac"


def test_a_nonce_used_twice(client: Open) -> None:
    with pytest.raises(AssertionError):
        client("q").high(reuse=True)
    assert client("half").high(reuse=True).get(1, "0-0:42.0.0.255")


def test_a_wrong_key_is_a_failed_login(client: Open, bench: Bench) -> None:
    for name in ("guek", "gak"):
        made = client()
        made.keys[name] = b"x" * 16
        with pytest.raises(Answer) as caught:
            made.high()
        assert "a203020101a305a10302010d" in caught.value.raw.hex()
    fraud = client().high().get(7, "0-0:99.98.1.255").content
    assert {46, 49} <= {row.content[1].content for row in fraud}


def test_lockout(client: Open, bench: Bench) -> None:
    for dummy in range(2):
        with pytest.raises(Answer):
            client("locked").low(value=b"wrong")
    with pytest.raises(Answer):
        client("locked").low()
    assert client("locked", 2).high().get(1, "0-0:42.0.0.255")
    assert [event["why"] for event in bench.meter("locked").events("auth_failed")] == ["password", "password", "locked"]


def test_half_open_associations_and_close_on_failure(client: Open, bench: Bench) -> None:
    meter = bench.meter("bad")
    meter.faults({"half_open": {"seconds": 20000}})
    first = client("bad").low()
    with pytest.raises(Answer) as caught:
        client("bad").low()
    assert "a203020102a305a103020101" in caught.value.raw.hex()
    first.sock.close()
    meter.wait("disconnect")
    with pytest.raises(Answer):
        client("bad").low()
    assert client("bad", 16).public()
    meter.faults({"close_on_failure": {}})
    with pytest.raises(Gone):
        client("bad").low(value=b"wrong")
    meter.faults({})


def test_two_clients_share_a_connection(client: Open) -> None:
    made = client().low()
    made.client = 16
    made.open()
    assert made.get(1, "1-1:0.2.0.255") == 3
    made.client = 1
    assert made.get(1, "1-1:0.2.0.255").content.hex() == PARTS[1]


def test_too_many_connections(client: Open, bench: Bench) -> None:
    bench.meter("bad").action("drop")
    if made := len(bench.meter("bad").events("connect")):  # by the tests before, where they ran here
        bench.meter("bad").wait("disconnect", count=made)
    kept = [client("bad", 16).public() for dummy in range(3)]
    with pytest.raises(Gone):
        client("bad", 16).public()
    assert kept[0].get(1, "0-0:42.0.0.255")


# -- the wire ------------------------------------------------------------------------------


def test_pieces_and_heaps(client: Open) -> None:
    made = client("q", 16)
    frame = bytes.fromhex("000100100001") + len(made.aarq()).to_bytes(2, "big") + made.aarq()
    for octet in frame:
        made.sock.sendall(bytes([octet]))
    assert made.receive()[0] == 0x61
    get = bytes.fromhex("00010010000100 0D".replace(" ", "")) + b"\xc0\x01\xc1\x00\x01" + ln("0-0:42.0.0.255") + b"\x02\x00"
    made.sock.sendall(get * 3)
    assert [made.receive()[:2].hex() for dummy in range(3)] == ["c401"] * 3
    other = get[:4] + b"\x00\x02" + get[6:]
    made.sock.sendall(other + get)
    assert made.receive()[:2].hex() == "c401"
    made.sock.sendall(b"\x00\x02" + get[2:])
    with pytest.raises(Gone):
        made.receive()


def test_what_is_not_understood(client: Open) -> None:
    made = client().low()
    assert made.ask(b"\xc0\x09\xc1").hex() == "d80202"
    assert made.ask(b"\x05\x01\x02").hex() == "d80202"
    assert made.ask(b"").hex() == "d80202"
    assert made.ask(b"\xc0\x01\xc1" + b"\x00" * 2000).hex() == "d80104"
    assert made.ask(b"\xc8\x05\x30\x00\x00\x00\x01").hex() == "d80202"  # no ciphers in this context
    assert made.get(1, "0-0:42.0.0.255")


def test_get_with_list_and_in_blocks(client: Open) -> None:
    made = client("q", general=True).high(pdu=100)
    names = [(1, "0-0:42.0.0.255", 2), (1, "9-9:9.9.9.9", 2), (3, "0-0:42.0.0.255", 2), (1, "0-0:42.0.0.255", 9), (15, "0-0:40.0.0.255", 7)]
    rows = b"".join(number.to_bytes(2, "big") + ln(name) + bytes([index, 0]) for number, name, index in names)
    answer = made.request(b"\xc0\x03\xc2" + bytes([len(names)]) + rows)
    assert answer[:4].hex() == "c403c205" and answer[-8:].hex() == "0104010901040103"
    listing = made.get(15, "0-0:40.0.0.255")
    assert len(encode(listing)) > 1000 and len(listing.content) > 25
    assert made.request(b"\xc0\x02\xc1\x00\x00\x00\x01").hex() == "c402c101000000010110"
    start = made.request(b"\xc0\x01\xc1\x00\x0f" + ln("0-0:40.0.0.255") + b"\x02\x00")
    assert start[:8].hex() == "c402c10000000001"
    assert made.request(b"\xc0\x02\xc1\x00\x00\x00\x05").hex() == "c402c101000000050113"
    long = made.request(b"\xc0\x03\xc3\x02" + (b"\x00\x0f" + ln("0-0:40.0.0.255") + b"\x02\x00") * 2)
    assert long[:4].hex() == "c402c300"


def test_set_in_blocks_and_with_list(client: Open) -> None:
    made = client().high()
    raw = encode(octets(b"87654321"))
    target = b"\x00\x0f" + ln("0-0:40.0.2.255") + b"\x07\x00"
    first = made.request(b"\xc1\x02\xc1" + target + b"\x00\x00\x00\x00\x01\x04" + raw[:4])
    assert first.hex() == "c502c100000001"
    last = made.request(b"\xc1\x03\xc1\x01\x00\x00\x00\x02" + bytes([len(raw) - 4]) + raw[4:])
    assert last.hex() == "c503c10000000002"
    assert client("q", 2).low(value=b"87654321").get(18, "0-0:44.0.0.255", 6).content == 0
    assert made.request(b"\xc1\x03\xc1\x01\x00\x00\x00\x02\x01\x00").hex() == "c503c11200000002"
    bad = b"\x00\x12" + ln("0-0:44.0.0.255") + b"\x05\x00"
    answer = made.request(b"\xc1\x04\xc1\x02" + target + bad + b"\x02" + raw + encode(u8(1)))
    assert answer.hex() == "c505c102000c"


def test_action_in_blocks_with_list_and_nothing(client: Open) -> None:
    made = client("small").low()
    body = encode(structure(octets(b"an identifier"), u32(5000)))
    target = b"\x00\x12" + ln("0-0:44.0.0.255") + b"\x01"
    assert made.request(b"\xc3\x04\xc1" + target + b"\x00\x00\x00\x00\x01\x05" + body[:5]).hex() == "c704c100000001"
    assert made.request(b"\xc3\x06\xc1\x00\x00\x00\x00\x02\x05" + body[5:10]).hex() == "c704c100000002"
    assert made.request(b"\xc3\x06\xc1\x01\x00\x00\x00\x03" + bytes([len(body) - 10]) + body[10:]).hex() == "c701c10000"
    assert made.status() == 1
    assert made.request(b"\xc3\x06\xc1\x01\x00\x00\x00\x03\x01\x00").hex() == "c701c11000"
    made.request(b"\xc3\x04\xc1" + target + b"\x00\x00\x00\x00\x01\x05" + body[:5])
    assert made.request(b"\xc3\x06\xc1\x00\x00\x00\x00\x07\x05" + body[5:10]).hex() == "c701c10f00"
    verify = b"\x00\x12" + ln("0-0:44.0.0.255") + b"\x03"
    assert made.request(b"\xc3\x03\xc1\x02" + verify * 2 + b"\x02" + encode(i8(0)) * 2).hex() == "c703c102fa00fa00"
    assert made.request(b"\xc3\x01\xc1" + verify + b"\x00").hex() == "c701c10c00"


def test_only_what_was_negotiated(client: Open) -> None:
    made = client("wide").high(bits=0x000019)
    assert made.get(1, "0-0:42.0.0.255")
    with pytest.raises(Answer) as caught:
        made.request(b"\xc0\x03\xc1\x01\x00\x01" + ln("0-0:42.0.0.255") + b"\x02\x00")
    assert caught.value.raw.hex() == "d80202"
    assert made.set(18, "0-0:44.0.0.255", 5, boolean(True)) == 0
    whole = client("wide").high()
    flags = whole.get(15, "0-0:40.0.0.255", 5).content[0].content
    assert [at for at, flag in enumerate(flags) if flag] == [9, 11, 14, 19, 20, 21, 23]


def test_unconfirmed_requests_get_no_answer(client: Open) -> None:
    made = client().low()
    made.send(b"\xc0\x01\x81\x00\x01" + ln("0-0:42.0.0.255") + b"\x02\x00")
    assert made.get(1, "0-0:96.1.0.255").content.isdigit()


# -- objects and rights -------------------------------------------------------------------------


def listing(made: Client) -> dict[tuple[int, bytes], Value]:
    """The object list by class and name."""
    return {(row.content[0].content, row.content[2].content): row for row in made.get(15, "0-0:40.0.0.255").content}


@pytest.mark.simulates("R-202", "R-203", "R-204", "R-205", "R-206", "R-207", "R-208", "R-209", "R-210", "R-211", "R-212", "R-213")
def test_table_48_is_complete(client: Open) -> None:
    made = client("q", 2).high()
    seen = listing(made)
    table = [(18, "0-0:44.0.0.255"), (22, "0-0:15.0.2.255"), (9, "0-0:10.0.107.255")]
    table += [(1, f"1-{b}:0.2.{what}.255") for b in range(3) for what in (0, 8)]
    for number, name in table:
        assert seen[number, ln(name)].content[1].content == 0
        assert isinstance(made.get(number, name), Value)
    assert [made.get(1, f"1-{b}:0.2.0.255").content.hex() for b in range(3)] == list(PARTS.values())
    assert made.get(22, "0-0:15.0.2.255").content[0].content == ln("0-0:10.0.107.255")
    script = made.get(9, "0-0:10.0.107.255").content[0].content[1].content[0].content
    assert [item.content for item in script] == [2, 18, ln("0-0:44.0.0.255"), 4, 0]


@pytest.mark.simulates("X-06")
def test_identifiers_as_arrays(client: Open) -> None:
    value = client("v0").high().get(1, "1-1:0.2.0.255")
    assert value.tag == 1 and len(value.content) == 10 and value.content[0].content.hex() == PARTS[1]


def test_the_list_says_what_is_allowed(client: Open) -> None:
    """What the object list grants works, what it does not name is refused, for three clients."""
    for number in (16, 1, 2):
        made = client("q", number).public() if number == 16 else client("q", number).high()
        seen = listing(made)
        assert len(seen) == {16: 5, 1: 29, 2: 25}[number]
        for (class_id, name), row in seen.items():
            text = "{}-{}:{}.{}.{}.{}".format(*name)
            granted = {entry.content[0].content: entry.content[1].content for entry in row.content[3].content[0].content}
            for index in range(1, 10):
                outcome = made.get(class_id, text, index)
                assert isinstance(outcome, Value) == (granted.get(index) in (1, 3, 4, 6)), (number, text, index, outcome)
                if granted.get(index) not in (2, 3, 5, 6):
                    assert made.set(class_id, text, index, u8(0)) in (3, 4)


def test_the_public_client_may_little_and_elsewhere_far_too_much(client: Open) -> None:
    small, wide = client("q", 16).public(), client("wide", 16).public()
    assert small.get(1, "1-1:0.2.0.255") == 3 and small.set(18, "0-0:44.0.0.255", 5, boolean(True)) == 3
    assert small.get(8, "0-0:1.0.0.255").tag == 9 and small.get(8, "0-0:1.0.0.255", 3) == 3
    assert wide.get(1, "1-1:0.2.0.255").content.hex() == PARTS[1] and wide.set(18, "0-0:44.0.0.255", 5, boolean(True)) == 0
    assert wide.action(18, "0-0:44.0.0.255", 1, structure(octets(b"x"), u32(1))) == 3


def test_identity(client: Open, bench: Bench) -> None:
    made, state = client().high(), bench.meter("q").state()
    serial = f"{state['serial']:08d}"
    assert made.get(1, "0-0:42.0.0.255").content.decode() == state["ldn"] == "MCS00406" + serial
    assert made.get(1, "0-0:96.1.0.255").content.decode() == serial
    assert len(made.get(1, "1-0:0.0.0.255").content) == 14
    assert made.get(64, "0-0:43.0.0.255", 5).content.hex() == state["system_title"] == made.peer.hex()
    assert made.get(64, "0-0:43.0.0.255", 4).content == made.title
    assert made.get(41, "0-0:25.0.0.255", 2).content == 4059
    assert made.set(41, "0-0:25.0.0.255", 6, u16(90)) == 0 and made.get(41, "0-0:25.0.0.255", 6).content == 90
    assert made.get(15, "0-0:40.0.3.255", 3).content[0].content == 16
    assert made.get(15, "0-0:40.0.0.255", 8).content == 2
    assert made.get(15, "0-0:40.0.0.255", 6).content[-1].content == 5


def test_clock(client: Open, bench: Bench) -> None:
    made = client("v0").high()
    raw = made.get(8, "0-0:1.0.0.255").content
    assert abs((from_date_time(raw, 0) - datetime.now(UTC)).total_seconds()) < 5 and raw[9:11].hex() == "ffc4"
    assert made.get(8, "0-0:1.0.0.255", 3).content == -60
    assert made.set(8, "0-0:1.0.0.255", 2, octets(bytes.fromhex("07ea0b15060a000000ffc400"))) == 0
    assert from_date_time(made.get(8, "0-0:1.0.0.255").content, 0).hour == 9
    assert made.set(8, "0-0:1.0.0.255", 2, octets(b"noon")) == 12
    codes = [row.content[1].content for row in made.get(7, "0-0:99.98.0.255").content]
    assert codes[-2:] == [4, 5]
    bench.meter("v0").faults({"F-25": {"offset": -3600}})
    assert from_date_time(made.get(8, "0-0:1.0.0.255").content, 0).hour == 8
    bench.meter("v0").faults({})


def test_logs_by_entry_and_range(client: Open) -> None:
    made = client("keys").high()
    clock = structure(u16(8), octets(ln("0-0:1.0.0.255")), i8(2), u16(0))
    everything = made.get(7, "0-0:99.98.0.255")
    assert made.get(7, "0-0:99.98.0.255", 7).content == len(everything.content)
    first = made.get(7, "0-0:99.98.0.255", 2, b"\x01\x02" + encode(structure(u32(1), u32(1), u16(1), u16(0))))
    assert first.content == everything.content[:1]
    low, high = octets(bytes.fromhex("07e40101ff000000ff800000")), octets(bytes.fromhex("07e50101ff000000ff800000"))
    assert made.get(7, "0-0:99.98.0.255", 2, b"\x01\x01" + encode(structure(clock, low, high, array()))).content == []


# -- counters, policy, keys ---------------------------------------------------------------------------


def test_counters_must_rise(client: Open, bench: Bench) -> None:
    made = client().high()
    told = client("q", 16).public().get(1, "0-0:43.1.0.255").content
    assert told == made.counter == bench.meter("q").state()["counter"]
    raw = made.protect(b"\xc0\x01\xc1\x00\x01" + ln("0-0:42.0.0.255") + b"\x02\x00")
    made.unprotect(made.ask(raw))
    expected = (made.counter + 1).to_bytes(4, "big").hex()
    assert made.ask(raw).hex() == "d80106" + expected
    spoiled = made.protect(b"\xc0\x01\xc1\x00\x01" + ln("0-0:42.0.0.255") + b"\x02\x00")
    assert made.ask(spoiled[:-1] + bytes([spoiled[-1] ^ 1])).hex() == "d80105"
    assert made.get(1, "0-0:42.0.0.255")
    late = client()
    late.counter, late.control = 5, 0x30
    assert late.ask(late.aarq(5, b"0123456789abcdef", 3)).hex()[:6] == "d80106"
    meter = bench.meter("q")
    meter.faults({"counter_error": {"answer": "bare"}})
    assert made.ask(raw).hex() == "d80106"
    meter.faults({"counter_error": {"answer": "close"}})
    with pytest.raises(Gone):
        made.ask(raw)
    meter.faults({"told_counter": {"mode": "absurd"}})
    public = client("q", 16).public()
    assert public.get(1, "0-0:43.1.0.255").content == 0xFFFFFF00
    meter.faults({"told_counter": {"value": 7}})
    assert public.get(1, "0-0:43.1.0.255").content == 7
    meter.faults({})
    assert [event["got"] for event in meter.events("counter_refused")][-1] == decode(b"\x06" + raw[3:7]).content


def test_counters_per_client(client: Open) -> None:
    assert client("wide", 2).high().get(1, "0-0:42.0.0.255")
    public = client("wide", 16).public()
    assert public.get(1, "0-0:43.1.2.255").content > 100
    third = client("wide", 2)
    third.counter = 5
    with pytest.raises(Answer):
        third.high()


def test_policy_is_enforced(client: Open, bench: Bench) -> None:
    for name in ("strict", "half"):
        with pytest.raises(Answer) as caught:
            client(name).low()
        assert "a203020101a305a103020102" in caught.value.raw.hex()
        assert client(name, 16).public().get(1, "0-0:42.0.0.255")
    half = client("half").high(0x10)
    assert half.get(64, "0-0:43.0.0.255").content == 0x24 and half.answered == 0x10
    with pytest.raises(Answer) as caught:
        client("strict").high(0x10)
    strict = client("strict").high()
    strict.control = 0x10
    with pytest.raises(Answer) as caught:
        strict.get(1, "0-0:42.0.0.255")
    assert caught.value.raw == b"\xd8\x01\x01"
    strict.control = 0
    with pytest.raises(Answer):
        strict.get(1, "0-0:42.0.0.255")


@pytest.mark.parametrize(
    ("name", "steps"), [("v0", [(1, 0), (0, 250), (4, 250), (3, 0), (1, 250)]), ("half", [(0x48, 250), (0x7C, 250), (0x6C, 0)])]
)
def test_security_activate_only_strengthens(client: Open, bench: Bench, name: str, steps: list[tuple[int, int]]) -> None:
    made = client(name).high()
    for number, result in steps:
        assert made.action(64, "0-0:43.0.0.255", 1, enum(number)) == result
    assert bench.meter(name).state()["policy"] == "authenticated_encrypted"
    made.control = 0x20
    with pytest.raises(Answer):
        made.get(64, "0-0:43.0.0.255")


def wrapped(made: Client, **keys: bytes) -> Value:
    """The array of a key transfer."""
    ids = {"guek": 0, "gbek": 1, "gak": 2, "kek": 3}
    return array(*(structure(enum(ids[name]), octets(security.wrap(made.keys["kek"], key))) for name, key in keys.items()))


def test_key_transfer(client: Open, bench: Bench) -> None:
    made = client("keys").high()
    setup, old = "0-0:43.0.0.255", dict(made.keys)
    assert made.action(64, setup, 2, array(structure(enum(0), octets(b"x" * 24)))) == 250
    assert made.action(64, setup, 2, array(structure(enum(9), octets(security.wrap(old["kek"], b"n" * 16))))) == 250
    assert made.action(64, setup, 2, wrapped(made, gak=b"a" * 16)) == 0
    with pytest.raises(Answer) as caught:
        made.get(64, setup)
    assert caught.value.raw == b"\xd8\x01\x05"
    made.keys["gak"] = b"a" * 16
    assert made.get(64, setup).content == 0
    assert made.action(64, setup, 2, wrapped(made, guek=b"g" * 16)) == 0
    assert client("keys", 16).public().get(1, "0-0:43.1.0.255").content == 0
    made.keys["guek"] = b"g" * 16
    made.counter = 0
    assert made.get(64, setup).content == 0 and made.seen[-1] == 1
    assert made.action(64, setup, 2, wrapped(made, kek=b"k" * 16)) == 0
    assert made.action(64, setup, 2, wrapped(made, gbek=b"b" * 16)) == 250
    made.keys["kek"] = b"k" * 16
    meter = bench.meter("keys")
    meter.faults({"lost_key_answer": {}})
    with pytest.raises(Gone):
        made.action(64, setup, 2, wrapped(made, gak=b"z" * 16))
    meter.faults({})
    again = client("keys")
    again.keys = {**made.keys, "gak": b"z" * 16}
    assert again.high().get(64, setup).content == 0
    assert [event["result"] for event in meter.events("key_transfer")] == [250, 250, 0, 0, 0, 250, 0]
    assert not any(key.hex() in str(event) for event in meter.events() for key in (b"g" * 16, b"a" * 16))


def test_version_zero_has_no_master_key_transfer(client: Open) -> None:
    made = client("v0").high()
    assert made.action(64, "0-0:43.0.0.255", 2, wrapped(made, kek=b"k" * 16)) == 250
    assert made.get(64, "0-0:43.0.0.255", 6) == 4


def test_the_secret_of_lls(client: Open, bench: Bench) -> None:
    clear = client("keys").low()
    assert clear.set(15, "0-0:40.0.1.255", 7, octets(b"Canary-new")) == 3  # only authenticated requests
    made = client("keys")
    made.keys.update(guek=b"g" * 16, gak=b"z" * 16)
    made.high()
    assert made.get(15, "0-0:40.0.1.255", 7) == 3
    assert made.set(15, "0-0:40.0.1.255", 7, octets(b"")) == 12
    assert made.set(15, "0-0:40.0.1.255", 7, octets(b"Canary-new")) == 0
    with pytest.raises(Answer):
        client("keys").low()
    assert client("keys").low(value=b"Canary-new")
    assert "Canary" not in str(bench.meter("keys").events())


def test_the_jumper_gate(client: Open, bench: Bench) -> None:
    bench.meter("small").faults({"jumper_gate": {}})
    made = client("small").low()
    assert made.set(8, "0-0:1.0.0.255", 2, octets(b"\x07\xea\x0b\x15\x06\x0a\x00\x00\x00\x80\x00\x00")) == 3
    assert made.set(18, "0-0:44.0.0.255", 5, boolean(True)) == 0
    assert bench.meter("small").events("fault")[-1]["name"] == "jumper_gate"
    bench.meter("small").faults({})


# -- dishonest answers ---------------------------------------------------------------------------------


def test_dishonest_answers(client: Open, bench: Bench) -> None:
    meter = bench.meter("q")
    made = client().high()
    meter.faults({"plaintext_answers": {"after": 1}})
    raw = b"\xc0\x01\xc1\x00\x01" + ln("0-0:42.0.0.255") + b"\x02\x00"
    assert [made.ask(made.protect(raw))[0] for dummy in range(3)] == [0xCC, 0xC4, 0xC4]
    meter.faults({"plaintext_answers": {"mode": "weaker", "times": 1}})
    made.get(1, "0-0:42.0.0.255")
    assert made.answered == 0x10
    made.get(1, "0-0:42.0.0.255")
    assert made.answered == 0x30
    meter.faults({"replayed_answers": {"times": 2}})
    made.seen.clear()
    for dummy in range(3):
        made.get(1, "0-0:42.0.0.255")
    assert made.seen[0] == made.seen[1] == made.seen[2] - 1
    meter.faults({"wrong_pass4": {}})
    with pytest.raises(security.CipherError):
        client().high()
    meter.faults({"same_challenge": {}})
    with pytest.raises(AssertionError):
        client().high()
    meter.faults({})
    made = client().high()
    for kind in ("truncated", "length", "tag", "invoke", "empty"):
        meter.faults({"F-37": {"kind": kind, "times": 1}})
        with pytest.raises((AssertionError, ValueError, IndexError)):
            made.get(1, "0-0:42.0.0.255")
    meter.faults({"F-37": {"where": "aare"}})
    with pytest.raises((AssertionError, ValueError, KeyError)):
        client("q", 16).public()
    meter.faults({})


def test_the_fleet_knows_both_kinds(bench: Bench) -> None:
    assert {meter["model"] for meter in bench.fleet.meters()} == {"MCS301", "PM5560"}
    hosts = bench.fleet.hosts()
    host = hosts["q"]
    assert host["metering_family"] == "mcs301" and host["metering_ports"] == {"dlms": 4059} and host["metering_attest"]["by"] == "metersim"
    assert host["metering_dlms"] == {
        "client": 1, "server": 1, "authentication": "hls_gmac", "protection": "authenticated_encrypted", "security_suite": 0,
        "system_title": "4D53494D00000001",
    }  # fmt: skip
    assert set(host["metering_dlms_keys"]) == {"guek", "gak", "gbek", "kek", "lls"} and host["metering_dlms_keys"]["lls"] == "12345678"
    assert hosts["old"]["metering_profile"] == "pm5000-legacy"
    assert not bench.fleet.events("simulator_error")
