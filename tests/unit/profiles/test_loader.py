# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Profiles: the shipped ones are good, and a bad one is one sentence before any contact."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile, shipped


def test_the_shipped_profiles_load_and_say_that_no_real_meter_confirmed_them() -> None:
    assert shipped() == ["hep", "hep-b", "hep-registers", "pm5000-legacy", "pm5000-legacy-b", "pm5000-new", "pm5000-new-b"]
    for name in shipped():
        profile = load_profile(name)
        assert (profile["name"], profile["provenance"], profile["verified"]) == (name, "reference", False)


@pytest.mark.requirement("R-047")
def test_the_shipped_lock_values_are_those_of_the_two_surfaces() -> None:
    assert load_profile("pm5000-legacy")["registers"]["mid_lock"] == {"register": 1921, "locked": [5], "unlocked": [2]}
    assert load_profile("pm5000-legacy-b")["registers"]["mid_lock"] == {"register": 1921, "locked": [80], "unlocked": [160]}


def test_a_profile_by_path_even_with_very_little_in_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("{name: mine, family: pm5000, provenance: captured, verified: true}", encoding="utf-8")
    assert load_profile(str(path))["name"] == "mine"


@pytest.mark.parametrize("name", ["pm9999", "", "../pm5000-legacy", "/nowhere/x.yml", "x.yaml", "data", "PM5000-LEGACY"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        InputError, match=r"one of hep, hep-b, hep-registers, pm5000-legacy, pm5000-legacy-b, pm5000-new, pm5000-new-b, or the path"
    ) as caught:
        load_profile(name)
    assert str(caught.value).startswith("profile: ")


def setting(*steps: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(profile: dict[str, Any]) -> None:
        place: Any = profile
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = to

    return change


def without(*steps: str) -> Callable[[dict[str, Any]], None]:
    def change(profile: dict[str, Any]) -> None:
        place: Any = profile
        for step in steps[:-1]:
            place = place[step]
        del place[steps[-1]]

    return change


BAD: list[tuple[str, Callable[[dict[str, Any]], None], str, str]] = [
    ("a", without("name"), "the key name", "design 2"),
    ("a", setting("name", to="My Site"), "'My Site'", "design 2"),
    ("a", setting("family", to="mcs301"), "'mcs301'", "design 2"),
    ("a", setting("provenance", to="guess"), "'guess'", "design 2"),
    ("a", setting("verified", to="maybe"), "verified", "design 2"),
    ("a", setting("login", to={}), "login", "design 2"),
    ("a", setting("registers", "mid_lock", "register", to=5680), "1920 or 1921", "R-047"),
    ("a", setting("registers", "mid_lock", "locked", to=[]), "a list of register values", "design 2"),
    ("a", setting("registers", "mid_lock", "locked", to=[70000]), "70000", "design 2"),
    ("a", without("registers", "mid_lock", "unlocked"), "the key unlocked", "design 2"),
    ("a", setting("status_page", "path", to="status.html"), "a path that begins with /", "design 2"),
    ("a", setting("status_page", "format", to="xml"), "'xml'", "design 2"),
    ("a", setting("status_page", "process", to="(?P<name>"), "a regular expression", "design 2"),
    ("a", setting("status_page", "process", to="(?P<name>x)"), "the named group state", "design 2"),
    ("a", setting("status_page", "overall", to="x"), "the named group state", "design 2"),
    ("a", setting("status_page", "text", to="(x)"), "the named group text", "design 2"),
    ("a", setting("status_page", "rejected", to="*"), "a regular expression", "design 2"),
    ("a", without("status_page", "states", "failed"), "the key failed", "design 2"),
    ("a", setting("status_page", "states", "failed", to=[]), "a list of at least one word", "design 2"),
    ("a", setting("role_page", "role", to="x"), "the named group role", "design 2"),
    ("b", setting("status_page", "process", to="update.jobs["), "a JMESPath expression", "design 2"),
    ("b", setting("role_page", "role", to="!!"), "a JMESPath expression", "design 2"),
    ("b", setting("refusals", 0, "pattern", to="["), "a regular expression", "design 2"),
    ("b", setting("refusals", 0, "reason", to="bad_luck"), "'bad_luck'", "6.7"),
    ("new", without("login", "ok"), "the key ok", "design 2"),
    ("new", without("login", "password"), "the key password", "design 2"),
    ("new", setting("login", "kind", to="oauth"), "'oauth'", "design 2"),
    ("new", setting("login", "ok", to={}), "login.ok", "design 2"),
    ("new", setting("login", "ok", "location", to="("), "a regular expression", "design 2"),
    ("new", without("confirm"), "applies_at_once", "R-139"),
    ("new", without("upload", "ok"), "the key ok", "design 2"),
    ("new", setting("upload", "max_bytes", to=0), "a number of bytes", "design 2"),
    ("new", setting("tokens", 0, "take", to={}), "exactly one of", "design 2"),
    ("new", setting("tokens", 0, "take", to={"cookie": "a", "header": "b"}), "exactly one of", "design 2"),
    ("new", setting("tokens", 0, "send", to={}), "either header or field", "design 2"),
    ("new", setting("tokens", 0, "take", to={"pattern": "x"}), "the named group value", "design 2"),
    ("new", setting("settings", "ip_mode", "value", to="x"), "the named group value", "design 2"),
    ("new", setting("settings", "IP mode", to={"path": "/x", "value": "(?P<value>x)"}), "IP mode", "design 2"),
    ("new", setting("settings", "http_port", "write", "ok", to={"status": [9]}), "settings", "design 2"),
    ("new", setting("answers", "missing", to=[]), "a list of signs", "design 2"),
    ("new", setting("answers", "says", "html", to="<p>"), "the named group text", "design 2"),
    ("new", setting("transport", "scheme", to="ftp"), "http or https", "design 2"),
    ("new-b", setting("login", "ok", "expression", to="a["), "a JMESPath expression", "design 2"),
    ("new-b", setting("tokens", 0, "take", "expression", to="a["), "a JMESPath expression", "design 2"),
    ("new-b", setting("settings", "ftp_server", "value", to="]"), "a JMESPath expression", "design 2"),
    ("new-b", setting("answers", "says", "json", to="]"), "a JMESPath expression", "design 2"),
    ("new-b", setting("status_page", "version", to="]"), "a JMESPath expression", "design 2"),
]
PROFILES = {"a": "pm5000-legacy", "b": "pm5000-legacy-b", "new": "pm5000-new", "new-b": "pm5000-new-b"}


@pytest.mark.parametrize(("which", "change", "words", "rule"), BAD)
def test_a_bad_profile_is_one_sentence(tmp_path: Path, which: str, change: Callable[[dict[str, Any]], None], words: str, rule: str) -> None:
    profile = copy.deepcopy(load_profile(PROFILES[which]))
    change(profile)
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_profile(str(path))
    text = str(caught.value)
    assert text.startswith("profile site.yml") and words in text and text.endswith(f"({rule})") and "\n" not in text


@pytest.mark.parametrize("content", [b"", b"- a", b"name: [", b"\xff\xfe", b"name: a\nname: b"])
def test_a_file_that_is_no_profile_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "site.yml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_profile(str(path))
    assert "\n" not in str(caught.value)
