# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The vendor tool's Config.csv, as an import."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.toolcsv import ToolMeter, parse_tool_csv

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
