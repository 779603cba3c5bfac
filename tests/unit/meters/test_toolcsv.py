# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The vendor tool's Config.csv, as an import and as a hand-over."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.toolcsv import (
    FIELDS,
    ToolMeter,
    parse_tool_csv,
    render_config,
    unrepresentable,
)

GOOD = "192.168.0.10,255,user1,pass1,user2,pass2"


@pytest.mark.requirement("R-101", "R-103")
def test_the_documented_line() -> None:
    assert parse_tool_csv(GOOD) == [ToolMeter(1, "192.168.0.10", 255, "user1", "user2")]


@pytest.mark.requirement("R-101")
def test_passwords_are_not_kept() -> None:
    assert "pass" not in repr(parse_tool_csv(GOOD))


@pytest.mark.requirement("G-05")
def test_several_lines_are_accepted_with_any_line_end() -> None:
    text = "\ufeff" + GOOD + "\r\n\n" + GOOD.replace(".10,255", ".11,7") + "\n"
    assert [(meter.line, meter.host, meter.unit_id) for meter in parse_tool_csv(text)] == [(1, "192.168.0.10", 255), (3, "192.168.0.11", 7)]


@pytest.mark.requirement("R-101", "R-102", "R-108")
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "an empty file"),
        ("\n \n", "an empty file"),
        (GOOD + ",", "7 fields"),
        ("192.168.0.10,255,user1,pass1,user2", "5 fields"),
        (GOOD + " ", "Product Master password"),
        (GOOD.replace(",user2", ", user2"), "Product Master user"),
        ("<" + GOOD, "IP address"),
        ("meter-1,255,user1,pass1,user2,pass2", "'meter-1'"),
        ("192.168.0.999,255,user1,pass1,user2,pass2", "an IP address"),
        ("192.168.0.10,0,user1,pass1,user2,pass2", "1 to 255"),
        ("192.168.0.10,256,user1,pass1,user2,pass2", "1 to 255"),
        ("192.168.0.10,x,user1,pass1,user2,pass2", "1 to 255"),
        ("192.168.0.10,255,,pass1,user2,pass2", "Web Master user"),
        (GOOD + "\n" + GOOD, "line 1 names it too"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_tool_csv(text)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.requirement("R-101")
def test_an_error_never_shows_a_password() -> None:
    for text in (GOOD.replace("pass1", "se cret"), GOOD.replace("pass2", 'se"cret')):
        with pytest.raises(InputError) as caught:
            parse_tool_csv(text)
        assert "cret" not in str(caught.value)


@pytest.mark.requirement("R-101", "R-102", "R-103", "G-05")
def test_the_written_line_is_the_documented_one_to_its_last_character() -> None:
    line = render_config("192.168.0.10", 255, Credential("user1", "pass1"), Credential("user2", "pass2"))
    assert line == GOOD, "no line end, nothing after the last password"
    assert parse_tool_csv(line)[0].host == "192.168.0.10"


@pytest.mark.requirement("R-101", "R-108")
@pytest.mark.parametrize("bad", ["a,b", "a b", 'a"b', "a'b", "a<b", "a>b", "a\nb", "a\tb", "a\x7fb", "pässword", ""])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_what_the_file_cannot_carry_is_refused_by_the_name_of_its_field_only(bad: str, place: int) -> None:
    values = ["user1", "secret1", "user2", "secret2"]
    values[place] = bad
    accounts = Credential(*values[:2]), Credential(*values[2:])
    assert unrepresentable("192.168.0.10", *accounts) == FIELDS[2 + place]
    with pytest.raises(InputError) as caught:
        render_config("192.168.0.10", 255, *accounts)
    assert FIELDS[2 + place] in str(caught.value) and "secret" not in str(caught.value)
    assert bad == "" or bad not in str(caught.value)


@pytest.mark.requirement("R-101")
def test_the_tool_takes_an_address_and_no_name() -> None:
    account = Credential("u", "p")
    assert unrepresentable("meter-1.example", account, account) == "IP address"
