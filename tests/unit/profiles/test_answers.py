# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a profile reads out of one answer, whatever the answer is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles import answers
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.answers import Answer
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile, shipped

PROFILES = [load_profile(name) for name in shipped()]


@pytest.mark.parametrize(
    ("sign", "wanted"),
    [
        ({"status": [200, 302]}, True),
        ({"status": [200]}, False),
        ({"pattern": "welc"}, True),
        ({"pattern": "^$"}, False),
        ({"location": "/home$"}, True),
        ({"location": "^/login"}, False),
        ({"cookie": "SID"}, True),
        ({"cookie": "sid"}, False),
        ({"header": "X-Guard"}, True),
        ({"header": "X-Other"}, False),
        ({"expression": "a.b"}, False),
        ({"status": [302], "location": "home", "cookie": "SID", "pattern": "welcome"}, True),
        ({"status": [302], "location": "home", "cookie": "OTHER", "pattern": "welcome"}, False),
    ],
)
def test_all_that_a_sign_names_must_hold(sign: dict[str, Any], wanted: bool) -> None:
    answer = Answer(302, "<p>welcome</p>", {"location": "/home", "x-guard": "1"}, {"SID": "x"})
    assert answers.holds(sign, answer) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [('{"a": 1}', True), ('{"a": 0}', False), ('{"a": []}', False), ('{"a": false}', False), ("<a>", False)]
)
def test_an_expression_holds_unless_it_is_false_zero_or_empty(text: str, wanted: bool) -> None:
    assert answers.holds({"expression": "a"}, Answer(200, text)) is wanted


@pytest.mark.requirement("F-37")
def test_a_token_that_would_write_a_header_is_not_taken() -> None:
    profile = {"tokens": [{"name": "t", "take": {"expression": "t"}, "send": {"header": "X"}}]}
    for text, found in (
        ('{"t": "good"}', {"t": "good"}),
        ('{"t": "a\\r\\nX-Evil: 1"}', {}),
        ('{"t": 5}', {}),
        ('{"t": ""}', {}),
        ("no", {}),
    ):
        assert answers.tokens(profile, Answer(200, text)) == found
    assert answers.tokens(profile, Answer(200, '{"t": "' + "x" * 5000 + '"}')) == {}


def test_settings_are_read_in_our_words_and_written_in_the_devices() -> None:
    spec = {"format": "json", "value": "ftp", "words": {"on": ["Enabled", "true"], "off": ["Disabled"]}}
    for text, value in (
        ('{"ftp": "enabled"}', "on"),
        ('{"ftp": true}', "on"),
        ('{"ftp": "maybe"}', "maybe"),
        ('{"ftp": null}', None),
        ("", None),
    ):
        assert answers.setting(spec, Answer(200, text)) == value
    assert (answers.device_word(spec, "on"), answers.device_word(spec, "2121")) == ("Enabled", "2121")


@pytest.mark.requirement("R-074", "R-097")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pm5000-legacy",
            '<table id="ethernet">\n<tr><td>HTTP port</td><td>8085</td></tr>\n<tr><td>FTP server</td><td>Disabled</td></tr>\n'
            "<tr><td>IP method</td><td>DHCP</td></tr>\n</table>",
        ),
        ("pm5000-legacy-b", '{"network": {"web_port": 8085, "ftp": false, "address_from": "dhcp"}}'),
    ],
)
def test_network_settings_of_both_old_surfaces(name: str, text: str) -> None:
    specs = load_profile(name)["settings"]
    found = {setting: answers.setting(spec, Answer(200, text)) for setting, spec in specs.items()}
    assert found == {"http_port": "8085", "ftp_server": "off", "ip_mode": "dhcp"}


_TEXTS = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["[" * 5000, "9" * 10_000, '{"error": {"text": [1]}, "token": {}}', '<p id="error">&#x110000;</p>']),
)
_PAIRS = st.dictionaries(st.sampled_from(["location", "x-guard", "content-type", "XSRF", "PMSESSION"]), st.text(max_size=30))


@pytest.mark.requirement("F-37")
@settings(max_examples=150, deadline=None)
@given(status=st.integers(0, 999), text=_TEXTS, headers=_PAIRS, cookies=_PAIRS)
def test_no_answer_breaks_the_reading_of_it(status: int, text: str, headers: dict[str, str], cookies: dict[str, str]) -> None:
    answer = Answer(status, text, headers, cookies)
    for profile in PROFILES:
        for judge in (answers.is_missing, answers.is_busy, answers.is_signed_out):
            assert judge(profile, answer) in (True, False)
        said = answers.words(profile, answer)
        assert len(said) <= answers.TEXT_LIMIT and "\n" not in said
        assert all(value.isprintable() for value in answers.tokens(profile, answer).values())
        for spec in profile.get("settings", {}).values():
            value = answers.setting(spec, answer)
            assert value is None or len(value) <= answers.TEXT_LIMIT
        for name in ("login", "upload", "confirm"):
            if "ok" in profile.get(name, {}):
                answers.holds(profile[name]["ok"], answer)
