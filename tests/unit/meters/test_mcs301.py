# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Facts of a DLMS meter over a scripted session: what is told, what is not and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import mcs301
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.apdu import AccessFault, Attribute
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.axdr import (
    array,
    bits,
    boolean,
    enum,
    null,
    octets,
    structure,
    u8,
    u16,
    u32,
    visible,
)

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
CLOCK = "07EB 01 0F 05 09 00 2A 00 FFC4 00"  # 09:00:42, an hour east of UTC
LDN, SERIAL = (1, "0-0:42.0.0.255", 2), (1, "0-0:96.1.0.255", 2)
IMAGE, SCHEDULER = "0-0:44.0.0.255", "0-0:15.0.2.255"
KEYS = DlmsKeys(guek=bytes(range(16)), gak=bytes.fromhex("8899aabbccddeeff0011223344556677"))


def part(number: int, field: int = 0) -> tuple[int, str, int]:
    return 1, f"1-{number}:0.2.{field}.255", 2


def meter(**more: Any) -> dict[tuple[int, str, int], Any]:
    """What a meter with three parts tells its management client; a number is a refusal."""
    told: dict[tuple[int, str, int], Any] = {
        LDN: octets(b"MCS0040612345678"),
        SERIAL: octets(b"12345678"),
        (8, "0-0:1.0.0.255", 2): octets(bytes.fromhex(CLOCK)),
        (18, IMAGE, 2): u32(1024),
        (18, IMAGE, 4): u32(0),
        (18, IMAGE, 5): boolean(True),
        (18, IMAGE, 6): enum(0),
        (18, IMAGE, 7): array([]),
        (22, SCHEDULER, 2): structure(octets(bytes((0, 0, 10, 0, 107, 255))), u16(1)),
        (22, SCHEDULER, 4): array([]),
    }
    for number in range(3):
        told[part(number)] = octets(bytes((1, number, 0, 0, 0, 7)))
        told[part(number, 8)] = octets(bytes((0xAB, number)))
    return {**told, **more}


class Scripted:
    """Stands in for a session: answers from a table, counts the questions."""

    def __init__(
        self, told: dict[tuple[int, str, int], Any], client: Dlms | None = None, title: bytes | None = b"MCS\x04\x60\xbc\x61\x4e"
    ) -> None:
        self.told, self.meter_title = told, title
        self.client = client or Dlms(keys=KEYS)
        self.pdu, self.conformance, self.requests = 1224, frozenset({"get", "multiple-references"}), 0

    def _one(self, attribute: Attribute) -> Any:
        answer = self.told.get(tuple(attribute), 4)
        return AccessFault("get", answer, attribute) if isinstance(answer, int) else answer

    def get_list(self, attributes: Sequence[Attribute]) -> list[Any]:
        self.requests += 1
        return [self._one(attribute) for attribute in attributes]

    def get(self, attribute: Attribute, selection: Any = None) -> Any:
        self.requests += 1
        answer = self._one(attribute)
        if isinstance(answer, AccessFault):
            raise answer
        return answer(selection) if callable(answer) else answer


TARGET = Target("m1", "192.0.2.1", {"dlms": 4059}, 255, family="mcs301", dlms=Dlms(keys=KEYS))


def facts(told: dict[tuple[int, str, int], Any], *subsets: str, session: Scripted | None = None) -> dict[str, Any]:
    scripted: Any = session or Scripted(told)
    return mcs301.read(scripted, {"identity", *subsets}, TARGET, now=lambda: NOW)


@pytest.mark.requirement("R-201", "R-206", "R-207", "R-208", "R-209", "R-210", "R-211", "R-212", "R-213", "R-214", "R-215")
def test_every_part_is_read_with_identifier_and_signature() -> None:
    session = Scripted(meter())
    found = facts({}, "firmware", session=session)
    assert (found["family"], found["model"], found["serial"], found["system_title"]) == ("mcs301", "MCS301", "12345678", "4d43530460bc614e")
    assert [
        (item["b"], item["role"], item["legally_relevant"], item["identifier"], item["signature"])
        for item in found["firmware"]["components"]
    ] == [
        (0, "metrology", True, "010000000007", "ab00"),
        (1, "application", False, "010100000007", "ab01"),
        (2, "other", False, "010200000007", "ab02"),
    ]
    assert found["firmware"]["version"] == "010100000007"
    assert found["firmware"]["attempts"]["source"] == "no_limit"
    assert session.requests == 3, "lists save round trips"
    assert not any(path.startswith("firmware") for path in found["unread"])


@pytest.mark.requirement("R-216", "X-06")
def test_further_parts_and_lists_of_identifiers_are_taken_as_they_come() -> None:
    ten = array([octets(bytes((2, 5, 0, 1, 0, number))) for number in range(10, 0, -1)])
    found = facts(meter(**{}) | {part(1): ten, part(9): octets(b"\x09")}, "firmware")
    by_number = {item["b"]: item for item in found["firmware"]["components"]}
    assert sorted(by_number) == [0, 1, 2, 9]
    assert by_number[1]["identifier"] == "02050001000a" and len(by_number[1]["identifiers"]) == 10
    assert (by_number[9]["role"], by_number[9]["signature"]) == ("other", None)
    assert "no object" in found["unread"]["firmware.components[9].signature"]


@pytest.mark.requirement("R-202")
def test_what_is_missing_denied_or_malformed_is_told_with_its_reason() -> None:
    told = meter() | {part(0): 3, part(1): 11, part(2): enum(7), part(5): 3}
    found = facts(told, "firmware")
    assert found["firmware"]["components"] == [] and found["firmware"]["version"] == "unknown"
    unread = found["unread"]
    assert unread["firmware.components[0].identifier"] == "access denied to client 1"
    assert (
        "1-1:0.2.0.255" in unread["firmware.components[1].identifier"]
        and unread["firmware.version"] == unread["firmware.components[1].identifier"]
    )
    assert "documented form" in unread["firmware.components[2].identifier"]
    assert unread["firmware.components"].startswith("access denied to parts 5")


def test_the_public_client_reads_what_it_is_shown_and_says_what_would_help() -> None:
    public = Dlms(client=16, authentication="none", protection="none")
    told = {key: 3 for key in meter()} | {LDN: octets(b"MCS0040612345678"), SERIAL: octets(b"12345678")}
    found = facts({}, *mcs301.SUBSETS, session=Scripted(told, public, None))
    assert (found["serial"], found["firmware"]["version"], found["system_title"]) == ("12345678", "unknown", "unknown")
    assert "give dlms and dlms_keys" in found["unread"]["firmware.version"]
    assert found["association"]["client"] == 16
    for path in found["unread"]:
        assert path.split(".")[0].split("[")[0] in {*found, "associations"}, path


def test_a_meter_of_another_maker_is_no_mcs301() -> None:
    found = facts(meter() | {LDN: octets(b"XYZ1234567890123")}, "firmware")
    assert (found["family"], found["model"], found["logical_device_name"]) == ("mcs301", "unknown", "XYZ1234567890123")
    assert "another maker" in found["unread"]["model"]


def test_a_peer_without_name_and_number_is_not_taken_for_a_meter() -> None:
    with pytest.raises(DeviceError) as caught:
        facts({})
    assert caught.value.reason == "identity_unreadable"


def test_text_that_is_no_text_is_shown_as_digits() -> None:
    assert facts(meter() | {SERIAL: octets(b"\x00\x01\x02")})["serial"] == "000102"


@pytest.mark.requirement("R-203", "R-204", "R-205", "R-221")
def test_a_verified_image_waits_in_the_second_slot() -> None:
    entry = structure(u32(524288), octets(bytes.fromhex("020500020001")), octets(b"\xab\xcd"))
    script = structure(octets(bytes((0, 0, 10, 0, 107, 255))), u16(1))
    when = structure(octets(bytes.fromhex("02000000")), octets(bytes.fromhex("07EB0201FF")))
    told = meter() | {
        (18, IMAGE, 6): enum(3),
        (18, IMAGE, 7): array([entry]),
        (22, SCHEDULER, 2): script,
        (22, SCHEDULER, 4): array([when]),
    }
    firmware = facts(told, "firmware", "transfer")["firmware"]
    images = [{"size": 524288, "identifier": "020500020001", "signature": "abcd"}]
    assert firmware["transfer"] == {
        "enabled": True,
        "status": "verification_successful",
        "status_code": 3,
        "block_size": 1024,
        "first_missing": 0,
        "images": images,
    }
    assert firmware["slots"] == {"active": "010100000007", "pending": {"state": "verification_successful", "images": images}}
    assert firmware["schedule"] == {
        "times": ["2027-02-01T02:00:00"],
        "script": {"object": "0-0:10.0.107.255", "selector": 1, "activates_image": True},
    }


@pytest.mark.requirement("R-221")
@pytest.mark.parametrize(
    ("status", "pending"), [(0, None), (1, "initiated"), (4, "verification_failed"), (5, "activation_initiated"), (6, None), (7, None)]
)
def test_the_second_slot_is_free_or_says_in_which_state_it_is(status: int, pending: str | None) -> None:
    slots = facts(meter() | {(18, IMAGE, 6): enum(status)}, "transfer")["firmware"]["slots"]
    assert (slots["pending"] or {}).get("state") == pending


def test_a_script_that_is_not_the_activation_is_seen() -> None:
    other = structure(octets(bytes((0, 0, 10, 0, 100, 255))), u16(1))
    found = facts(meter() | {(22, SCHEDULER, 2): other}, "transfer")
    assert found["firmware"]["schedule"]["script"]["activates_image"] is False


@pytest.mark.requirement("F-25")
def test_the_clock_is_compared_with_this_computers() -> None:
    found = facts(meter(), "clock")
    assert (found["clock"], found["clock_skew"], found["clock_flags"]) == ("2027-01-15T09:00:42+01:00", 42.0, [])
    without = bytes.fromhex(CLOCK)[:9] + bytes.fromhex("8000 02")
    found = facts(meter() | {(8, "0-0:1.0.0.255", 2): octets(without)}, "clock")
    assert (found["clock"], found["clock_skew"], found["clock_flags"]) == ("2027-01-15T09:00:42", None, ["doubtful"])
    assert "deviation" in found["unread"]["clock_skew"]


def _listed(class_id: int, name: tuple[int, ...], version: int, attributes: dict[int, int], methods: dict[int, int]) -> Any:
    rights = structure(
        array([structure(u8(index), enum(mode), array([])) for index, mode in attributes.items()]),
        array([structure(u8(index), enum(mode)) for index, mode in methods.items()]),
    )
    return structure(u16(class_id), u8(version), octets(bytes(name)), rights)


def secured(version: int, policy: int) -> dict[tuple[int, str, int], Any]:
    own, first = (0, 0, 40, 0, 0, 255), (0, 0, 40, 0, 1, 255)
    listed = array(
        [
            _listed(15, own, 1, {2: 1}, {1: 1}),
            _listed(15, first, 1, {2: 1}, {}),
            _listed(64, (0, 0, 43, 0, 0, 255), version, {2: 1}, {1: 2}),
            _listed(18, (0, 0, 44, 0, 0, 255), 0, {2: 1, 5: 3}, {1: 1, 2: 1}),
        ]
    )
    mine = "0-0:40.0.1.255"
    return meter() | {
        (15, "0-0:40.0.0.255", 2): listed,
        (15, mine, 2): listed,
        (15, mine, 3): structure(u8(1), u16(1)),
        (15, mine, 4): octets(bytes.fromhex("60857405080103")),
        (15, mine, 6): octets(bytes.fromhex("60857405080205")),
        (15, mine, 8): enum(2),
        (64, "0-0:43.0.0.255", 2): enum(policy),
        (64, "0-0:43.0.0.255", 3): enum(0),
        (64, "0-0:43.0.0.255", 4): octets(b"MSIM\x00\x00\x00\x01"),
        (64, "0-0:43.0.0.255", 5): octets(b"MCS\x04\x60\xbc\x61\x4e"),
    }


@pytest.mark.parametrize(
    ("version", "policy", "word"), [(0, 3, "authenticated_encrypted"), (1, 0x6C, "authenticated_encrypted"), (1, 3, "none")]
)
def test_the_policy_is_understood_by_the_version_of_its_class(version: int, policy: int, word: str) -> None:
    security = facts(secured(version, policy), "security")["security"]
    assert (security["version"], security["policy_value"], security["policy"], security["mode"]) == (version, policy, word, word)
    assert (security["suite"], security["server_title"]) == (0, "4d43530460bc614e")


def test_without_an_object_list_a_policys_number_means_nothing() -> None:
    told = secured(1, 3) | {(15, "0-0:40.0.0.255", 2): 3}
    found = facts(told, "security", "associations")
    assert (found["security"]["version"], found["security"]["policy"], found["associations"]) == (None, "unknown", None)
    assert found["unread"]["security.version"] == "access denied to client 1"


def test_a_published_key_is_a_finding_and_is_not_shown() -> None:
    found = facts(secured(1, 0), "security")
    assert [item["id"] for item in found["security"]["findings"]] == ["published_key"]
    assert found["security"]["findings"][0]["keys"] == ["guek"]
    assert "000102030405" not in str(found)
    own = replace(KEYS, guek=bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
    assert facts({}, "security", session=Scripted(secured(1, 0), Dlms(keys=own)))["security"]["findings"] == []


@pytest.mark.requirement("R-202")
def test_associations_and_rights_are_listed() -> None:
    found = facts(secured(1, 0), "associations")
    assert found["associations"] == [
        {
            "object": "0-0:40.0.1.255",
            "version": 1,
            "client": 1,
            "server": 1,
            "mechanism": "hls_gmac",
            "ciphered": True,
            "status": "associated",
            "rights": {
                "objects": 4,
                "writable": ["0-0:44.0.0.255/5"],
                "runnable": ["0-0:40.0.0.255/1", "0-0:43.0.0.255/1", "0-0:44.0.0.255/1", "0-0:44.0.0.255/2"],
            },
        }
    ]
    assert found["objects"]["image_transfer"]["writes"] == [5]
    assert found["objects"]["firmware_identifier_0"] is None, "an object that the association does not show"


@pytest.mark.parametrize("odd", [structure(structure()), octets(b"x"), u8(1), array([u8(1), structure(u8(1))])])
def test_an_odd_mechanism_is_unread_and_not_none(odd: Any) -> None:
    """Neither an internal error, nor taken for a client without authentication."""
    mine = "0-0:40.0.1.255"
    found = facts(secured(1, 0) | {(15, mine, 6): odd, (15, mine, 4): odd}, "associations")
    (entry,) = found["associations"]
    assert entry["mechanism"] != "none" and entry["client"] == 1
    if entry["mechanism"] is None:
        assert entry["ciphered"] is None and f"associations[{mine}].mechanism" in found["unread"]


def test_counters_are_told_by_name() -> None:
    found = facts(meter() | {(1, "0-0:43.1.0.255", 2): u32(77)}, "counters")
    assert found["counters"] == {"0-0:43.1.0.255": 77}


@pytest.mark.parametrize(("sort", "wanted"), [(1, (31, 50)), (2, (1, 20))])
def test_only_the_last_events_are_read_whichever_way_the_log_is_sorted(sort: int, wanted: tuple[int, int]) -> None:
    asked: list[Any] = []
    rows = array(
        [
            structure(octets(bytes.fromhex("07EB010F0508000000000000")), u8(17)),
            structure(octets(bytes.fromhex("07EB010F0508000100000000")), u8(18)),
        ]
    )

    def buffer(selection: Any) -> Any:
        asked.append([item.value for item in selection.data.value[:2]])
        return rows

    log = "0-0:99.98.0.255"
    found = facts(meter() | {(7, log, 2): buffer, (7, log, 5): enum(sort), (7, log, 7): u32(50)}, "events")
    assert asked == [list(wanted)]
    assert [entry["code"] for entry in found["events"]["standard"]["last"]] == ([17, 18] if sort == 1 else [18, 17])
    assert found["events"]["standard"]["entries"] == 50
    assert found["events"]["fraud"] is None and "no object" in found["unread"]["events.fraud"]


def test_a_reading_ends_at_its_deadline() -> None:
    session: Any = Scripted(meter())
    with pytest.raises(DeviceError) as caught:
        mcs301.read(session, {"firmware"}, TARGET, end=0.0)
    assert caught.value.reason == "deadline_exceeded"


@pytest.mark.requirement("R-212")
def test_identify_tells_what_an_upgrade_compares() -> None:
    session: Any = Scripted(meter())
    found = mcs301.identify(session, TARGET)
    assert (found.model, found.serial, found.system_title) == ("MCS301", "12345678", "4d43530460bc614e")
    assert (found.identifiers(1), found.identifiers(9)) == (["010100000007"], [])
    component = found.component(0)
    assert component and component["legally_relevant"]


_LEAVES = st.one_of(
    st.builds(octets, st.binary(max_size=14)),
    st.builds(u32, st.integers(0, 2**32 - 1)),
    st.builds(enum, st.integers(0, 255)),
    st.builds(boolean, st.booleans()),
    st.just(null()),
    st.builds(visible, st.text("aA0 ", max_size=4)),
    st.builds(bits, st.lists(st.booleans(), max_size=4)),
)


def _nested(inner: Any) -> Any:
    items = st.lists(inner, max_size=4)
    return st.one_of(st.builds(array, items), items.map(lambda values: structure(*values)))


_ANY = st.recursive(_LEAVES, _nested, max_leaves=12)


@given(st.lists(st.one_of(_ANY, st.sampled_from((2, 3, 4, 250))), min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_a_meter_says_is_a_fact_or_has_a_reason(values: list[Any]) -> None:
    asked = iter(range(10**6))

    class Anything(Scripted):
        def _one(self, attribute: Attribute) -> Any:
            answer = values[next(asked) % len(values)]
            return AccessFault("get", answer, attribute) if isinstance(answer, int) else answer

    session: Any = Anything({})
    try:
        found = mcs301.read(session, mcs301.SUBSETS, TARGET, now=lambda: NOW)
    except DeviceError as exc:
        assert exc.reason == "identity_unreadable"
    else:
        json.dumps(found)
