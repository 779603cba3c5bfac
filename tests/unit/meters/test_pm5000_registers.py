# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the registers of a PM5000 mean."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import pm5000_registers as registers
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.pm5000_registers import UnreadableError


def words(text: str, count: int = 20) -> list[int]:
    raw = text.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, 2 * count, 2)]


@pytest.mark.parametrize("block", registers.BLOCKS, ids=lambda block: block.name)
def test_no_block_touches_a_forbidden_register_or_is_too_long(block: registers.Block) -> None:
    span = range(block.first, block.first + block.count)
    assert not set(span) & registers.FORBIDDEN
    assert len(span) <= 125


def test_the_forbidden_registers_are_the_semaphore_and_the_pass_codes() -> None:
    assert {5680, 1880, 1899} <= registers.FORBIDDEN
    assert registers.FORBIDDEN.isdisjoint({1879, 1900, 5679, 5681})


def test_identity_is_one_request_of_111_registers() -> None:
    assert (registers.IDENTITY.first, registers.IDENTITY.count) == (30, 111)
    assert (registers.FIRMWARE.first, registers.FIRMWARE.count) == (1637, 9)


def test_text_is_two_bytes_per_register_high_byte_first() -> None:
    assert registers.text([0x504D, 0x3535, 0x3630, 0x0000]) == "PM5560"
    assert registers.text(words("Halle 3 – Süd")) == "Halle 3 – Süd"
    assert registers.text([0x504D, 0x2020]) == "PM"


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([0xFFFF] * 4, "not available"),
        ([0] * 4, "empty"),
        ([0x2020] * 4, "empty"),
        ([0xC328, 0x4141], "not UTF-8"),
        ([0x5007, 0x1B5B], "unprintable"),
    ],
)
def test_text_that_is_none_has_a_reason(given: list[int], reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        registers.text(given)


def test_numbers_are_most_significant_word_first_and_know_their_filler() -> None:
    assert registers.u32([0x0001, 0x0002]) == 65538
    assert registers.u16([7]) == 7
    assert registers.serial([0x0415, 0x60A1]) == str(0x041560A1)
    for decode, filler in ((registers.u16, [0xFFFF]), (registers.u32, [0xFFFF, 0xFFFF]), (registers.serial, [0xFFFF, 0xFFFF])):
        with pytest.raises(UnreadableError, match="not available"):
            decode(filler)
    with pytest.raises(UnreadableError, match="empty"):
        registers.serial([0, 0])


def test_a_version_is_three_words() -> None:
    assert registers.version([10, 7, 3]) == "10.7.3"
    assert registers.version([0, 0, 1]) == "0.0.1"
    for given in ([0xFFFF, 0, 0], [0, 0, 0], [21328, 0, 0]):
        with pytest.raises(UnreadableError):
            registers.version(given)


def test_date_and_time_in_four_words_ignore_the_weekday_bits() -> None:
    weekday = 5 << 5
    assert registers.datetime([26, (11 << 8) | weekday | 21, (2 << 8) | 59, 41_500]) == "2026-11-21T02:59:41"
    for given in ([0xFFFF] * 4, [0] * 4, [26, 0, 0, 1], [26, (13 << 8) | 1, 0, 0], [26, (1 << 8) | 1, 0, 65000]):
        with pytest.raises(UnreadableError):
            registers.datetime(given)


def test_the_clock_is_seven_words() -> None:
    assert registers.clock([2026, 11, 21, 3, 4, 5, 678]) == "2026-11-21T03:04:05"
    for given in ([0xFFFF] * 7, [0] * 7, [26, 11, 21, 3, 4, 5, 0], [2026, 11, 21, 24, 0, 0, 0]):
        with pytest.raises(UnreadableError):
            registers.clock(given)
