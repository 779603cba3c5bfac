# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What attributes of COSEM objects mean, from octets and numbers written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import obis
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import cosem


@pytest.mark.requirement("X-06", "R-212")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (bytes.fromhex("0205000100FF"), ["0205000100ff"]),
        ([bytes.fromhex("020500010007"), bytes(0), bytes.fromhex("020500010006")], ["020500010007", "020500010006"]),
        ([[bytes.fromhex("0205"), 3], [bytes.fromhex("0206"), 4]], ["0205", "0206"]),
        ("V2.5", ["56322e35"]),
        (b"", []),
        ([], []),
    ],
)
def test_identifiers_are_octets_or_an_array_of_them(value: Any, expected: list[str]) -> None:
    assert cosem.identifiers(value) == expected


@pytest.mark.parametrize("value", [7, None, True])
def test_an_identifier_of_another_form_is_no_identifier(value: Any) -> None:
    with pytest.raises(ValueError, match="octets"):
        cosem.identifiers(value)


@pytest.mark.requirement("R-212")
def test_identifiers_are_the_same_in_any_spelling() -> None:
    assert cosem.same_identifier("0205000100FF", "hex:0205000100ff")
    assert cosem.same_identifier("V2.5", "hex:56322E35")
    assert not cosem.same_identifier("020500010007", "020500010008")


# 2026-03-29 is a Sunday. The deviation counts from local time to UTC: -60 is one hour east.
@pytest.mark.parametrize(
    ("octets", "text", "moment", "flags"),
    [
        ("07EA 03 1D 07 0C 1E 05 00 FFC4 00", "2026-03-29T12:30:05+01:00", datetime(2026, 3, 29, 11, 30, 5, tzinfo=UTC), ()),
        (
            "07EA 03 1D 07 0C 1E 05 FF FF88 80",
            "2026-03-29T12:30:05+02:00",
            datetime(2026, 3, 29, 10, 30, 5, tzinfo=UTC),
            ("daylight_saving",),
        ),
        (
            "07EA 03 1D FF 0C 1E 05 00 012C 03",
            "2026-03-29T12:30:05-05:00",
            datetime(2026, 3, 29, 17, 30, 5, tzinfo=UTC),
            ("invalid", "doubtful"),
        ),
        ("07EA 03 1D 07 0C 1E 05 00 8000 FF", "2026-03-29T12:30:05", None, ()),
        ("FFFF FF FF FF 0C 1E FF FF 0000 00", "*-*-*T12:30:*+00:00", None, ()),
        ("07EA 02 1E 07 0C 1E 05 00 0000 00", "2026-02-30T12:30:05+00:00", None, ()),
    ],
)
def test_a_date_time_tells_when_and_how_sure(octets: str, text: str, moment: datetime | None, flags: tuple[str, ...]) -> None:
    told = cosem.meter_time(bytes.fromhex(octets))
    assert (told.text, told.moment, told.flags) == (text, moment, flags)


@given(st.binary(min_size=12, max_size=12))
def test_no_date_time_makes_the_reader_stumble(octets: bytes) -> None:
    assert cosem.meter_time(octets).text


@pytest.mark.requirement("R-204")
def test_a_schedule_is_told_in_the_meters_own_time() -> None:
    assert cosem.execution_time([bytes.fromhex("02000000"), bytes.fromhex("07EA0C01FF")]) == "2026-12-01T02:00:00"
    assert cosem.execution_time([bytes.fromhex("02000000"), bytes.fromhex("FFFFFF01FF")]) == "*-*-01T02:00:00"
    with pytest.raises(ValueError, match="four octets"):
        cosem.execution_time([b"\x02", bytes(5)])


def _entry(class_id: int, version: int, attributes: list[tuple[int, int]], methods: list[tuple[int, Any]]) -> list[Any]:
    name = bytes((0, 0, class_id, 0, 0, 255))
    return [class_id, version, name, [[[index, mode, None] for index, mode in attributes], [[index, mode] for index, mode in methods]]]


def test_access_modes_are_counted_in_old_associations_and_bits_in_new_ones() -> None:
    modes = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 0)]
    old = cosem.object_list([_entry(15, 1, modes, [(1, 1), (2, 2), (3, 0)])])[0]
    assert (old.reads, old.writes, old.runs) == ({1, 3, 4, 6}, {2, 3, 5, 6}, {1, 2})
    new = cosem.object_list([_entry(15, 3, modes, [(1, True), (2, False)])])[0]
    assert (new.reads, new.writes, new.runs) == ({1, 3, 5}, {2, 3, 6}, {1})


@pytest.mark.parametrize("plain", [[7], [[1, 0]], [[1, 0, b"\x00", [[], []]]], [None]])
def test_a_list_of_another_form_is_no_object_list(plain: Any) -> None:
    with pytest.raises(ValueError):
        cosem.object_list(plain, 1)


def test_mechanisms_come_as_octets_or_as_arcs() -> None:
    assert cosem.mechanism(bytes.fromhex("60857405080205")) == "hls_gmac"
    assert cosem.mechanism([2, 16, 756, 5, 8, 2, 1]) == "lls"
    assert cosem.mechanism(b"") is None
    assert cosem.mechanism(bytes((0, 99))) == "mechanism 99"


@pytest.mark.parametrize(
    ("version", "value", "word"),
    [
        (0, 0, "none"),
        (0, 3, "authenticated_encrypted"),
        (0, 1, "authenticated"),
        (1, 0x6C, "authenticated_encrypted"),
        (1, 0x0C, "none"),
        (1, 0x2C, "authenticated"),
        (1, 0xFC, "authenticated_encrypted"),
    ],
)
def test_a_policy_means_what_its_class_version_says(version: int, value: int, word: str) -> None:
    assert cosem.policy_word(version, value) == word
    assert cosem.policy_value(version, word) & ~value == 0


@pytest.mark.requirement("R-203", "R-204", "R-205", "R-206", "R-207", "R-208", "R-209", "R-210", "R-211")
def test_the_object_map_is_table_48() -> None:
    table = {
        "R-203": (18, 0, "0-0:44.0.0.255"),
        "R-204": (22, 0, "0-0:15.0.2.255"),
        "R-205": (9, 0, "0-0:10.0.107.255"),
        "R-206": (1, 0, "1-0:0.2.0.255"),
        "R-207": (1, 0, "1-0:0.2.8.255"),
        "R-208": (1, 0, "1-1:0.2.0.255"),
        "R-209": (1, 0, "1-1:0.2.8.255"),
        "R-210": (1, 0, "1-2:0.2.0.255"),
        "R-211": (1, 0, "1-2:0.2.8.255"),
    }
    assert {item.rules[0]: (item.class_id, item.version, item.obis) for item in obis.UPGRADE_OBJECTS} == table


@pytest.mark.requirement("R-213", "R-214", "R-215", "R-216")
def test_parts_have_their_roles_by_b() -> None:
    assert [obis.part_role(part) for part in obis.PARTS] == ["metrology", "application", *["other"] * 8]
    assert [part for part in obis.PARTS if obis.is_legally_relevant(part)] == [0]
    assert obis.identifier_object(7).obis == "1-7:0.2.0.255"
