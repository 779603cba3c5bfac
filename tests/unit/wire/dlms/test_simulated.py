# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The client against the simulated MCS301, which was written by others from the standard's text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import (
    AccessFault,
    Attribute,
    MemoryCounters,
    Method,
    Session,
    counter_name,
    entries,
    invocation_counter,
    public,
)
from metersim.testing import Fleet

requirement = pytest.mark.requirement
LDN = Attribute(1, "0-0:42.0.0.255", 2)
OBJECTS = Attribute(15, "0-0:40.0.0.255", 2)
IMAGE = "0-0:44.0.0.255"
FIRMWARE = {0: "010200030001", 1: "020500010007", 2: "030100000004"}
METERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "strict": {"policy": "authenticated_encrypted", "block_size": 4096},
    "small": {"pdu": 256, "block_size": 128},
    "bare": {"pdu": 128, "block_transfer": False},
    "own": {"counters": "per_client", "counter": 3000},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    meters = [{"name": name, "model": "MCS301", "firmware": FIRMWARE, "dlms": dlms} for name, dlms in METERS.items()]
    with Fleet({"clock_factor": 1000, "meters": meters}, tmp_path_factory.mktemp("mcs301")) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_left(fleet: Fleet) -> Iterator[None]:
    yield
    for name in METERS:
        fleet.meter(name).faults({})
    assert not fleet.events("simulator_error")


def target(fleet: Fleet, name: str, **changes: Any) -> Target:
    host = yaml.safe_load(fleet.inventory.read_text())["meters"]["hosts"][name]
    told, keys = host["metering_dlms"], host["metering_dlms_keys"]
    secrets = DlmsKeys(*(bytes.fromhex(keys[key]) for key in ("guek", "gak", "gbek", "kek")), keys["lls"].encode())
    dlms = Dlms(
        client=told["client"],
        server=told["server"],
        authentication=told["authentication"],
        protection=told["protection"],
        system_title=bytes.fromhex(told["system_title"]),
        keys=secrets,
    )
    made = dataclasses.replace(dlms, **changes)
    port = {"dlms": host["metering_ports"]["dlms"]}
    return Target(name, host["ansible_host"], port, 1, Timeouts(10, 10), clock=SystemClock(10_000), family="mcs301", dlms=made)


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("protection", ["authenticated_encrypted", "authenticated", "encrypted", "none"])
def test_hls(fleet, protection, general):
    with Session(target(fleet, "plain", protection=protection, general=general), MemoryCounters()) as made:
        assert made.get(LDN).value.startswith(b"MCS00406")
    (event, *dummy) = reversed(fleet.meter("plain").events("hls_done"))
    assert event


@pytest.mark.parametrize("client", [1, 2])
def test_lls(fleet, client):
    dlms = target(fleet, "plain", client=client, authentication="lls", protection="none")
    if client == 1:
        with Session(dlms, MemoryCounters()) as made:
            assert made.get(LDN).value.startswith(b"MCS00406")
        assert fleet.meter("plain").wait("release")
    else:  # another client's password
        with pytest.raises(DeviceError) as caught:
            Session(dlms, MemoryCounters()).open()
        assert caught.value.reason == "dlms_auth_failed"


def test_the_public_client(fleet):
    with public(target(fleet, "plain")) as made:
        assert made.get(LDN).value.startswith(b"MCS00406")
        with pytest.raises(AccessFault) as caught:
            made.get(Attribute(18, IMAGE, 2))
    assert caught.value.reason in ("dlms_access_denied", "dlms_object_missing")


def test_policy_of_the_meter_is_not_met(fleet):
    with pytest.raises(DeviceError) as caught:
        Session(target(fleet, "strict", protection="authenticated"), MemoryCounters()).open()
    assert caught.value.reason in ("dlms_association_refused", "dlms_auth_failed")


@pytest.mark.parametrize("name", list(METERS))
def test_objects_lists_blocks_and_selection(fleet, name):
    with Session(target(fleet, name), MemoryCounters()) as made:
        if name != "bare":
            objects = made.get(OBJECTS).plain()
            assert [18, 0, axdr.logical_name(IMAGE)] in [item[:3] for item in objects]
        values = made.get_list(
            [LDN, Attribute(1, "0-0:96.1.0.255", 2), Attribute(1, "1-9:0.2.0.255", 2), Attribute(15, "0-0:40.0.1.255", 7)]
        )
        assert isinstance(values[0], axdr.Data)
        assert [item.code for item in values if isinstance(item, AccessFault)] == [4, 3]
        log = made.get(Attribute(7, "0-0:99.98.0.255", 2), entries(1, 2))
        assert log.tag == axdr.ARRAY
        assert len(log.value) <= 2


def test_counters_for_one_and_for_each_client(fleet):
    own = target(fleet, "own")
    store = MemoryCounters()
    with Session(own, store) as made:
        made.get(LDN)
    assert store.next[counter_name(own)] > 3000
    first = invocation_counter(own)
    with Session(dataclasses.replace(own, dlms=dataclasses.replace(own.dlms, client=2)), MemoryCounters()) as made:
        made.get(LDN)
    assert invocation_counter(own) >= first
    assert not fleet.meter("own").events("counter_refused")


@requirement("R-226")
@pytest.mark.parametrize(("name", "general"), [("plain", False), ("strict", True), ("small", False)])
def test_blocks_of_an_image_below_and_above_the_pdu(fleet, name, general):
    data = bytes(range(256)) * 40
    with Session(target(fleet, name, general=general), MemoryCounters()) as made:
        size = made.get(Attribute(18, IMAGE, 2)).value
        made.action(Method(18, IMAGE, 1), axdr.structure(axdr.octets(b"image"), axdr.u32(len(data))))
        for number in range(-(-len(data) // size)):
            part = data[number * size : (number + 1) * size]
            made.action(Method(18, IMAGE, 2), axdr.structure(axdr.u32(number), axdr.octets(part)))
        assert made.get(Attribute(18, IMAGE, 3)).value == (True,) * (number + 1)
        assert made.get(Attribute(18, IMAGE, 4)).value >= number + 1
    assert [event["stored"] for event in fleet.meter(name).events("block")] == [True] * (number + 1)


def test_a_block_that_does_not_fit_a_meter_without_blocks(fleet):
    with Session(target(fleet, "bare"), MemoryCounters()) as made:
        with pytest.raises(DeviceError) as caught:
            made.action(Method(18, IMAGE, 2), axdr.structure(axdr.u32(0), axdr.octets(bytes(1024))))
        assert caught.value.reason == "dlms_pdu_too_small"


def test_long_writes(fleet):
    """A meter refuses or takes it; either way the blocks arrive."""
    with Session(target(fleet, "small"), MemoryCounters()) as made:
        with pytest.raises(AccessFault):
            made.set(Attribute(1, "0-0:96.1.0.255", 2), axdr.octets(bytes(600)))
        made.set(Attribute(18, IMAGE, 5), axdr.boolean(True))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"plaintext_answers": {}}, "dlms_unprotected_answer"),
        ({"plaintext_answers": {"mode": "weaker"}}, "dlms_unprotected_answer"),
        ({"replayed_answers": {}}, "dlms_replayed_answer"),
        ({"wrong_pass4": {}}, "dlms_meter_unproven"),
        ({"same_challenge": {}}, "dlms_meter_unproven"),
        ({"F-37": {"where": "aare", "kind": "truncated"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "aare", "kind": "length"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "aare", "kind": "tag"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "get", "kind": "truncated"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "get", "kind": "length"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "get", "kind": "tag"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "get", "kind": "invoke"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "get", "kind": "empty"}}, "dlms_protocol_error"),
        ({"F-37": {"where": "action", "kind": "truncated"}}, "dlms_protocol_error"),
        ({"close_on_failure": {}}, None),
    ],
)
def test_a_meter_that_misbehaves(fleet, fault, reason):
    fleet.meter("plain").faults(fault)

    def use() -> None:
        with Session(target(fleet, "plain"), MemoryCounters()) as made:
            made.get(LDN)
            made.get(LDN)

    if reason is None:
        use()
        return
    with pytest.raises(DeviceError) as caught:
        use()
    assert caught.value.reason == reason


@pytest.mark.parametrize("answer", ["bare", "close"])
def test_a_counter_that_the_meter_does_not_take(fleet, answer):
    fleet.meter("plain").faults({"counter_error": {"answer": answer}})
    with pytest.raises(DeviceError) as caught:
        Session(target(fleet, "plain"), MemoryCounters(), floor=1).open()
    assert caught.value.reason == ("dlms_counter_refused" if answer == "bare" else "transport_failed")


@pytest.mark.parametrize(
    ("told", "reason"), [({"mode": "rolled_back"}, "dlms_counter_rolled_back"), ({"mode": "absurd"}, "dlms_counter_jump")]
)
def test_a_counter_that_cannot_be_believed(fleet, told, reason):
    store = MemoryCounters()
    with Session(target(fleet, "plain"), store):
        pass
    before = len(fleet.meter("plain").events("aarq"))
    fleet.meter("plain").faults({"told_counter": told})
    with pytest.raises(DeviceError) as caught:
        Session(target(fleet, "plain"), store).open()
    assert caught.value.reason == reason
    asked = fleet.meter("plain").events("aarq")[before:]
    assert {event["client"] for event in asked} == {16}  # a counter that went back is asked for once more


@pytest.mark.parametrize("key", ["guek", "gak", "both"])
def test_wrong_keys_are_one_failed_login(fleet, key):
    right = target(fleet, "own")
    wrong = {"guek": b"Canary-guek-0001", "gak": b"Canary-gak--0001"}
    changed = dataclasses.replace(right.dlms.keys, **(wrong if key == "both" else {key: wrong[key]}))
    before = len(fleet.meter("own").events("aarq"))
    with pytest.raises(DeviceError) as caught:
        Session(dataclasses.replace(right, dlms=dataclasses.replace(right.dlms, keys=changed)), MemoryCounters()).open()
    assert caught.value.reason == "dlms_auth_failed"
    assert "Canary" not in str(caught.value)
    assert [event["client"] for event in fleet.meter("own").events("aarq")[before:]] == [16, 1]


def test_an_association_left_open_by_an_earlier_run(fleet):
    meter = fleet.meter("plain")
    meter.faults({"half_open": {"seconds": 60}})
    first = Session(target(fleet, "plain"), MemoryCounters())
    first.open()
    first._wire.close()  # as a process that was killed leaves it
    slow = dataclasses.replace(target(fleet, "plain"), clock=SystemClock(1000))
    with Session(slow, MemoryCounters()) as made:
        made.get(LDN)
