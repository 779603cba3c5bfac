# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Image transfer and activation of the simulated MCS301, and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from metersim.bench import Bench
from metersim.mcs301 import container, security
from metersim.mcs301.axdr import Value, array, boolean, encode, i8, octets, structure, u8, u16, u32
from metersim.mcs301.bench import ALL, Answer, Client, Gone, ln
from metersim.mcs301.calendar import from_date_time
from metersim.mcs301.container import Firmware
from metersim.testing import MeterHandle

OLD, NEW = "020500010007", "020500020001"
IMAGE, SCHEDULE, SCRIPTS = "0-0:44.0.0.255", "0-0:15.0.2.255", "0-0:10.0.107.255"
RAW = container.build([Firmware(1, bytes.fromhex(NEW))], 5000)
BLOCK = 256
BLOCKS = 20


def one(name: str, dlms: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An entry of the fleet file."""
    return {"name": name, "model": "MCS301", "firmware": {0: "010200030001", 1: OLD, 2: "030100000004"}, "dlms": dlms or {}, **more}


FLEET = {
    "clock_factor": 500,
    "defaults": {"dlms": {"block_size": BLOCK, "verify_time": 0, "connections": 50}},
    "meters": [
        one("good", {"verify_time": 1000, "silence": 1000}),
        one("bad"),
        one("states"),
        one("off", {"transfer": "disabled"}),
        one("fixed", {"transfer": "fixed", "image_info": False}),
        one("big", {"pdu": 128}),
        one("lossy"),
        one("cuts"),
        one("busy", {"verify_time": 5, "self_verify": True}),
        one("power"),
        one("falls", {"identifiers": "array"}),
        one("timed", {"clock": "fleet", "time_zone": 60}),
        one("answers", {"activate_answer": "temporary_failure"}),
        one("cut", {"activate_answer": "cut"}),
        one("multi"),
        one("group"),
        one("complete"),
        one("never"),
        one("late"),
    ],
}

Open = Callable[..., Client]


@pytest.fixture
def client(bench: Bench, request: pytest.FixtureRequest) -> Open:
    """Management clients, LLS without ciphers."""

    def make(name: str, **options: Any) -> Client:
        made = Client(bench.fleet, name)
        request.addfinalizer(made.sock.close)
        return made.low(**options)

    return make


def kinds(meter: MeterHandle, *wanted: str) -> list[str]:
    """Event kinds in order."""
    return [event["kind"] for event in meter.events() if event["kind"] in wanted]


@pytest.mark.simulates("R-203", "R-221", "R-222", "R-224", "R-225", "R-226", "R-227", "R-228", "X-04", "X-05", "X-07")
def test_the_whole_way(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("good"), client("good")
    assert made.status() == 0 and made.get(18, IMAGE, 2).content == BLOCK and made.get(18, IMAGE, 7).content == []
    made.upload(RAW)
    assert made.get(18, IMAGE, 4).content == BLOCKS and made.get(18, IMAGE, 3).content == [True] * BLOCKS
    assert made.action(18, IMAGE, 3, i8(0)) == 2 and made.status() == 2
    assert made.action(18, IMAGE, 3, i8(0)) == 2 and made.initiate(RAW) == 2 and made.action(18, IMAGE, 4, i8(0)) == 2
    meter.wait("verify_done")
    assert made.status() == 3
    part = Firmware(1, bytes.fromhex(NEW))
    (row,) = made.get(18, IMAGE, 7).content
    assert [item.content for item in row.content] == [5000, part.identifier, part.signature]
    assert made.action(18, IMAGE, 3, i8(0)) == 0
    assert made.get(1, "1-1:0.2.0.255").content.hex() == OLD
    assert made.action(18, IMAGE, 4, i8(0)) == 0
    with pytest.raises(Gone):
        while True:
            made.status()
    with pytest.raises(OSError):
        client("good")
    meter.wait("silence_end")
    again = client("good")
    assert again.get(1, "1-1:0.2.0.255").content.hex() == NEW
    meter.wait("upgrade_done")
    assert again.status() == 6 and again.get(1, "1-1:0.2.8.255").content == part.signature
    steps = ("trigger_accepted", "silence_begin", "silence_end", "restart", "self_test_done", "slot_discarded", "upgrade_done")
    assert kinds(meter, *steps) == list(steps)
    codes = [row.content[1].content for row in again.get(7, "0-0:99.98.0.255").content]
    assert codes == [2, 17, 1, 2, 18]
    meter.action("power_cycle", silence=5)
    meter.wait("restart", count=2)
    assert client("good").status() == 0 and meter.state()["fallback"] is None
    assert bench.fleet.peaks()["in_progress_meters"].count("good") == 0


@pytest.mark.simulates("R-222")
def test_the_old_firmware_is_kept_until_the_new_one_has_proved_itself(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("answers"), client("answers")
    made.upload(RAW)
    assert made.action(18, IMAGE, 3, i8(0)) == 0 and made.action(18, IMAGE, 4, i8(0)) == 2
    meter.wait("restart")
    state = meter.state()
    if state["state"] == "testing":
        assert state["fallback"]["1"]["identifier"] == OLD and state["image"]["status"] == 5
    meter.wait("upgrade_done")
    assert meter.state()["state"] == "idle" and meter.state()["image"]["status"] == 6


@pytest.mark.simulates("F-09", "R-217", "R-218")
@pytest.mark.parametrize("corrupt", ["unsigned", "wrong_curve", "wrong_key", "flip", "model"])
def test_bad_images_are_refused(client: Open, corrupt: str) -> None:
    made = client("bad")
    made.upload(container.build([Firmware(1, bytes.fromhex(NEW))], 3000, corrupt))
    assert made.action(18, IMAGE, 3, i8(0)) == 250 and made.status() == 4 and made.get(18, IMAGE, 7).content == []
    assert made.action(18, IMAGE, 3, i8(0)) == 250 and made.action(18, IMAGE, 4, i8(0)) == 250


def test_what_is_not_in_order(client: Open, bench: Bench) -> None:
    made = client("states")
    assert made.action(18, IMAGE, 3, i8(0)) == 250 and made.action(18, IMAGE, 4, i8(0)) == 250
    assert made.block(RAW, 0, BLOCK) == 250
    assert made.initiate(b"") == 250 and made.initiate(RAW, b"") == 250 and made.initiate(RAW, b"x" * 65) == 250
    assert made.action(18, IMAGE, 1, structure(octets(b"x"), u32(5_000_000))) == 250
    assert made.action(18, IMAGE, 1, u8(1)) == 12 and made.action(18, IMAGE, 3, u8(0)) == 12
    assert made.initiate(RAW) == 0 and made.status() == 1
    assert made.action(18, IMAGE, 2, structure(u32(0), octets(b"short"))) == 12
    assert made.action(18, IMAGE, 2, structure(u32(BLOCKS), octets(RAW[:BLOCK]))) == 250
    assert made.action(18, IMAGE, 2, structure(u32(BLOCKS - 1), octets(RAW[:BLOCK]))) == 12  # padded
    assert made.block(RAW, 3, BLOCK) == 0 and made.block(RAW, 3, BLOCK) == 0
    assert made.get(18, IMAGE, 4).content == 0 and made.get(18, IMAGE, 3).content.index(True) == 3
    assert made.action(18, IMAGE, 3, i8(0)) == 250 and made.status() == 1
    assert made.initiate(RAW) == 0 and not any(made.get(18, IMAGE, 3).content)
    what = [event["what"] for event in bench.meter("states").events("violation")]
    assert what == ["activate_incomplete", "initiate_over_transfer"]
    made.upload(RAW)
    assert made.action(18, IMAGE, 3, i8(0)) == 0 and made.initiate(RAW) == 0
    assert bench.meter("states").events("violation")[-1]["what"] == "initiate_over_pending"


def test_transfer_disabled(client: Open, bench: Bench) -> None:
    made, fixed = client("off"), client("fixed")
    assert made.get(18, IMAGE, 5).content is False and made.initiate(RAW) == 3
    assert made.set(18, IMAGE, 5, u8(1)) == 12 and made.set(18, IMAGE, 5, boolean(True)) == 0
    assert made.initiate(RAW) == 0
    assert fixed.initiate(RAW) == 3 and fixed.set(18, IMAGE, 5, boolean(True)) == 3
    assert fixed.get(18, IMAGE, 7) == 4
    bench.meter("off").action("set_transfer", enabled=False)
    assert made.get(18, IMAGE, 5).content is False


def test_blocks_above_the_pdu(client: Open) -> None:
    made = client("big")
    assert made.initiate(RAW) == 0
    with pytest.raises(Answer) as caught:
        made.block(RAW, 0, BLOCK)
    assert caught.value.raw.hex() == "d80104"
    target = b"\x00\x12" + ln(IMAGE) + b"\x02"
    for number in range(BLOCKS):
        body = encode(structure(u32(number), octets(RAW[number * BLOCK : (number + 1) * BLOCK])))
        parts = [body[at : at + 90] for at in range(0, len(body), 90)]
        for count, part in enumerate(parts, 1):
            head = b"\xc3\x04\xc1" + target if count == 1 else b"\xc3\x06\xc1"
            answer = made.request(head + bytes([count == len(parts)]) + count.to_bytes(4, "big") + bytes([len(part)]) + part)
        assert made.done(answer) == 0
    assert made.get(18, IMAGE, 4).content == BLOCKS and made.action(18, IMAGE, 3, i8(0)) == 0


# -- faults -----------------------------------------------------------------------------------------


def test_lost_blocks(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("lossy"), client("lossy")
    meter.faults({"lose_blocks": {"every": 6}})
    made.upload(RAW)
    missing = [number for number, there in enumerate(made.get(18, IMAGE, 3).content) if not there]
    assert missing == [5, 11, 17] and made.get(18, IMAGE, 4).content == 5
    assert made.action(18, IMAGE, 3, i8(0)) == 250
    for number in missing:
        assert made.block(RAW, number, BLOCK) == 0
    assert made.action(18, IMAGE, 3, i8(0)) == 0
    meter.faults({"lose_blocks": {"numbers": [2], "times": 0}})
    made.upload(RAW)
    assert made.block(RAW, 2, BLOCK) == 0 and made.get(18, IMAGE, 4).content == 2
    meter.faults({"block_busy": {"every": 5, "times": 2}})
    assert made.block(RAW, 4, BLOCK) == 2 and made.block(RAW, 4, BLOCK) == 2 and made.block(RAW, 4, BLOCK) == 0
    meter.faults({})


@pytest.mark.simulates("F-04", "X-04")
@pytest.mark.parametrize(("stored", "there"), [(True, 6), (False, 5)])
def test_cut_links(client: Open, bench: Bench, stored: bool, there: int) -> None:
    meter, made = bench.meter("cuts"), client("cuts")
    meter.faults({"F-04": {"after": 6, "stored": stored}})
    with pytest.raises(Gone):
        made.upload(RAW)
    again = client("cuts")
    assert again.status() == 1 and again.get(18, IMAGE, 4).content == there
    for number in range(there, BLOCKS):
        assert again.block(RAW, number, BLOCK) == 0
    assert again.action(18, IMAGE, 3, i8(0)) == 0
    meter.faults({})


def test_a_link_that_stays_down(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("cuts"), client("cuts")
    meter.faults({"F-04": {"after": 3, "down": 60, "times": 1}, "F-05": {"seconds": 0.001}})
    seen = len(meter.events("link_down"))
    with pytest.raises(Gone):
        made.upload(RAW)
    meter.wait("link_up", count=seen + 1)
    assert client("cuts").get(18, IMAGE, 4).content == 3
    meter.faults({})


@pytest.mark.simulates("F-35")
def test_busy_meters(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("busy"), client("busy")
    meter.faults({"initiate_busy": {"times": 2}, "F-35": {"seconds": 1000}})
    assert [made.initiate(RAW) for dummy in range(3)] == [2, 2, 0]
    for number in range(BLOCKS):
        made.block(RAW, number, BLOCK)
    assert made.status() == 2  # by itself
    began = meter.events("verify")[-1]["t"]
    assert meter.wait("verify_done")["t"] - began >= 1004
    assert made.status() == 3
    meter.faults({"verify_failure": {}})
    made.upload(RAW)
    meter.wait("verify_done", count=2)
    assert made.status() == 4


@pytest.mark.simulates("F-02", "X-05")
def test_power_loss_in_the_activation(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("power"), client("power")
    made.upload(RAW)
    made.action(18, IMAGE, 3, i8(0))
    meter.faults({"F-02": {}})
    made.action(18, IMAGE, 4, i8(0))
    meter.wait("restart")
    again = client("power")
    assert again.status() == 3 and again.get(1, "1-1:0.2.0.255").content.hex() == OLD and again.get(18, IMAGE, 7).content
    assert not meter.events("upgrade_done")[0]["ok"]
    assert again.action(18, IMAGE, 4, i8(0)) == 0
    meter.wait("restart", count=2)
    meter.action("power_cycle", silence=20)  # while the new firmware tests itself, or just after
    meter.wait("restart", count=3)
    last = client("power")
    tested = bool(meter.events("self_test_done"))
    assert (last.status(), last.get(1, "1-1:0.2.0.255").content.hex()) == ((0, NEW) if tested else (3, OLD))


def test_power_loss_before(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("group"), client("group")
    made.initiate(RAW)
    made.block(RAW, 0, BLOCK)
    meter.action("power_cycle", silence=5)
    meter.wait("restart")
    again = client("group")
    assert again.status() == 1 and again.get(18, IMAGE, 4).content == 1


@pytest.mark.simulates("X-05")
def test_a_failed_activation_falls_back(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("falls"), client("falls")
    made.upload(RAW)
    made.action(18, IMAGE, 3, i8(0))
    meter.faults({"activation_failure": {}})
    made.action(18, IMAGE, 4, i8(0))
    assert not meter.wait("upgrade_done")["ok"]
    again = client("falls")
    assert again.status() == 7 and again.get(1, "1-1:0.2.0.255").content[0].content.hex() == OLD
    assert again.get(18, IMAGE, 7).content == [] and again.action(18, IMAGE, 4, i8(0)) == 250
    assert meter.events("image_discarded")[-1]["why"] == "fallback" and len(meter.events("restart")) == 2
    again.upload(RAW)
    assert again.action(18, IMAGE, 3, i8(0)) == 0 and again.action(18, IMAGE, 4, i8(0)) == 0
    assert meter.wait("upgrade_done", count=2)["ok"]
    first, second = client("falls").get(1, "1-1:0.2.0.255").content[:2]
    assert (first.content.hex(), second.content.hex()) == (NEW, OLD)


def test_the_answer_to_activate_may_be_a_cut(client: Open, bench: Bench) -> None:
    made = client("cut")
    made.upload(RAW)
    made.action(18, IMAGE, 3, i8(0))
    with pytest.raises(Gone):
        made.action(18, IMAGE, 4, i8(0))
    assert bench.meter("cut").wait("upgrade_done")["ok"]


def test_activate_verifies_a_complete_image_first(client: Open, bench: Bench) -> None:
    made = client("complete")
    made.upload(RAW)
    assert made.action(18, IMAGE, 4, i8(0)) == 2
    assert bench.meter("complete").wait("upgrade_done")["ok"]
    assert kinds(bench.meter("complete"), "verify_done", "trigger_accepted") == ["verify_done", "trigger_accepted"]


@pytest.mark.simulates("F-01", "F-14", "F-16", "F-36")
def test_general_faults(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("late"), client("late")
    meter.faults({"F-14": {"silence": 100}, "F-16": {}})
    made.upload(RAW)
    made.action(18, IMAGE, 4, i8(0))
    meter.wait("upgrade_done")
    began, ended = meter.events("silence_begin")[0]["t"], meter.events("silence_end")[0]["t"]
    assert ended - began >= 100 and meter.state()["firmware"] == OLD and meter.state()["image"]["status"] == 6
    meter.faults({"F-36": {"after": 10}})
    again = client("late")
    again.upload(RAW)
    again.action(18, IMAGE, 4, i8(0))
    meter.wait("restart", count=3)
    assert [event["cause"] for event in meter.events("restart")] == ["upgrade", "upgrade", "late_failure"]
    assert meter.state()["firmware"] == OLD
    gone = client("never")
    bench.meter("never").faults({"F-01": {}})
    gone.upload(RAW)
    gone.action(18, IMAGE, 4, i8(0))
    bench.meter("never").wait("power_lost")
    assert bench.meter("never").state()["state"] == "dead"


# -- schedule ------------------------------------------------------------------------------------------


def entry(made: Client, seconds: int) -> Value:
    """Attribute 4 of the scheduler: so many seconds from the meter's now, in its local time."""
    raw = made.get(8, "0-0:1.0.0.255").content
    zone = -int.from_bytes(raw[9:11], "big", signed=True)
    local = from_date_time(raw, 0) + timedelta(seconds=seconds, minutes=zone)
    time = bytes((local.hour, local.minute, local.second, 0))
    return array(structure(octets(time), octets(local.year.to_bytes(2, "big") + bytes((local.month, local.day, 0xFF)))))


@pytest.mark.simulates("R-204", "R-205", "R-228", "X-05")
def test_scheduled_activation(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("timed"), client("timed")
    made.upload(RAW)
    assert made.action(18, IMAGE, 3, i8(0)) == 0
    wanted = entry(made, 7200)
    assert made.set(22, SCHEDULE, 4, wanted) == 0 and made.get(22, SCHEDULE, 4) == wanted
    assert made.set(22, SCHEDULE, 4, array()) == 0 and made.get(22, SCHEDULE, 4).content == []
    assert made.set(22, SCHEDULE, 4, array(*wanted.content * 2)) == 250
    assert made.set(22, SCHEDULE, 4, array(structure(octets(b"x"), octets(b"12345")))) == 12
    assert made.set(22, SCHEDULE, 4, array(structure(octets(b"\x19\0\0\0"), octets(b"\x07\xea\x0b\x15\xff")))) == 250
    assert made.set(22, SCHEDULE, 4, entry(made, -3600)) == 0 and not meter.events("script")  # over: never fires
    assert made.set(22, SCHEDULE, 4, entry(made, 7200)) == 0
    assert not meter.events("activate")
    meter.action("advance_clock", seconds=7200)
    meter.wait("upgrade_done")
    assert meter.events("activate")[0]["by"] == "schedule" and meter.state()["firmware"] == NEW
    assert len(meter.events("script")) == 1


@pytest.mark.simulates("X-05")
def test_the_meters_clock_runs_at_the_fleets_pace_and_activation_on_demand_beats_the_schedule(client: Open, bench: Bench) -> None:
    meter, made = bench.meter("timed"), client("timed")
    count = len(meter.events("script"))
    made.upload(RAW)
    made.action(18, IMAGE, 3, i8(0))
    made.set(22, SCHEDULE, 4, entry(made, 1000))
    meter.wait("script", count=count + 1)
    meter.wait("upgrade_done", count=2)
    again = client("timed")
    again.upload(RAW)
    again.action(18, IMAGE, 3, i8(0))
    again.set(22, SCHEDULE, 4, entry(again, 36000))
    assert again.action(9, SCRIPTS, 1, u16(2)) == 250 and again.action(9, SCRIPTS, 1, u16(1)) == 0
    assert meter.state()["schedule"] == []
    meter.wait("upgrade_done", count=3)


# -- more ----------------------------------------------------------------------------------------------


@pytest.mark.simulates("R-214", "R-216")
def test_one_container_for_several_parts(client: Open, bench: Bench) -> None:
    parts = [Firmware(0, bytes.fromhex("0a0000000001")), Firmware(3, bytes.fromhex("0d0000000001"))]
    made = client("multi")
    made.upload(container.build(parts, 4000))
    assert made.action(18, IMAGE, 3, i8(0)) == 0
    assert [row.content[1].content for row in made.get(18, IMAGE, 7).content] == [part.identifier for part in parts]
    made.action(18, IMAGE, 4, i8(0))
    bench.meter("multi").wait("upgrade_done")
    again = client("multi")
    shown = [again.get(1, f"1-{b}:0.2.0.255").content.hex() for b in range(4)]
    assert shown == ["0a0000000001", OLD, "030100000004", "0d0000000001"]


@pytest.mark.simulates("F-34")
def test_multicast_has_missed_blocks(client: Open, bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(RAW)
    meter = bench.meter("group")
    meter.action("preload", path=str(path), identifier="c0ffee", every=5)
    made = client("group")
    missing = [number for number, there in enumerate(made.get(18, IMAGE, 3).content) if not there]
    assert made.status() == 1 and missing == [4, 9, 14, 19]
    for number in missing:
        assert made.block(RAW, number, BLOCK) == 0
    assert made.action(18, IMAGE, 3, i8(0)) == 0


def test_the_preestablished_client(client: Open, bench: Bench) -> None:
    """Initiate and blocks under the broadcast key, unconfirmed; nothing else."""
    made = Client(bench.fleet, "lossy", 102)

    def send(plain: bytes) -> None:
        made.counter += 1
        body = security.protect(0x70, made.keys["gbek"], made.keys["gak"], made.title, made.counter, plain)
        made.send(b"\xdb\x08" + made.title + b"\x82" + len(body).to_bytes(2, "big") + body)

    head = b"\x00\x12" + ln(IMAGE)
    send(b"\xc3\x01\x01" + head + b"\x01\x01" + encode(structure(octets(b"group"), u32(len(RAW)))))
    send(b"\xc3\x01\x01" + head + b"\x02\x01" + encode(structure(u32(0), octets(RAW[:BLOCK]))))
    send(b"\xc3\x01\x01" + head + b"\x04\x01\x0f\x00")
    send(b"\xc0\x01\x01" + head + b"\x06\x00")
    made.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        made.receive()
    made.sock.close()
    own = client("lossy", bits=ALL)
    assert own.status() == 1 and own.get(18, IMAGE, 4).content == 1


def test_control_actions(client: Open, bench: Bench) -> None:
    meter = bench.meter("bad")
    meter.action("set_firmware", component=2, identifier="0b0b0b0b0b0b")
    meter.action("set_counter", value=9)
    meter.action("set_keys", guek="00" * 16, lls="Canary-other")
    state = meter.state()
    assert state["components"]["2"]["identifier"] == "0b0b0b0b0b0b" and state["counter"] == 9 and "Canary" not in str(state)
    made = Client(bench.fleet, "bad").low(value=b"Canary-other")
    made.sock.close()
    meter.action("set_policy", word="encrypted")
    with pytest.raises(Answer):
        Client(bench.fleet, "bad").low(value=b"Canary-other")
    first = Client(bench.fleet, "bad", 16).public()
    meter.action("drop")
    with pytest.raises(Gone):
        first.get(1, "0-0:42.0.0.255")
    meter.action("power_off")
    with pytest.raises(OSError):
        Client(bench.fleet, "bad", 16)
    meter.action("power_on")
    assert Client(bench.fleet, "bad", 16).public()
    for action, args, words in (
        ("lock", {}, "unknown action"),
        ("set_policy", {"word": "x"}, "one of"),
        ("preload", {"identifier": "00"}, "needs"),
        ("preload", {"path": "/nowhere", "identifier": "00"}, "No such file"),
    ):
        with pytest.raises(Exception, match=words):
            meter.action(action, **args)
    with pytest.raises(Exception, match="unknown fault"):
        meter.faults({"F-10": {}})
    assert not bench.fleet.events("simulator_error")
