# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is said of a meter that runs the new firmware: as before, lost, empty, in another mode, or not to be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.hep_snapshot import Snapshot
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ion_compare import judge

requirement = pytest.mark.requirement
BEFORE = Snapshot(
    "2026-11-21T10:00:00+00:00",
    "S1",
    "ION9000",
    "2.4.1",
    "T-1",
    {"active": 100, "reactive": 7},
    {"mode": "standard", "users": 3, "web_protocol": "http"},
)
AFTER = replace(BEFORE, version="3.0.0", settings={"mode": "legacy_support", "users": 1, "web_protocol": "https_redirect"})
STANDARD = {"mode": "legacy_support", "users_removed": True, "users_created": ["User1"], "rules": ["R-189"]}
ADVANCED = {"mode": "advanced", "users_removed": False, "users_created": [], "rules": ["R-253"]}
NONE = {"mode": "unknown", "users_removed": None, "users_created": [], "rules": ["G-11"]}


@requirement("R-168", "R-179", "R-189", "R-252")
def test_as_before_and_as_predicted() -> None:
    found = judge(BEFORE, AFTER, STANDARD)
    assert (found.reason, found.text, found.mode, found.users, found.review, found.warnings) == ("", "", "legacy_support", 1, False, ())
    more = replace(AFTER, energies={"active": 101, "reactive": 7})
    assert judge(BEFORE, more, STANDARD).reason == "", "the meter went on counting"


@requirement("R-169", "R-170", "R-171", "R-179", "R-189", "R-252", "R-253", "F-17", "F-29")
@pytest.mark.parametrize(
    ("reason", "words", "change", "prediction", "told"),
    [
        ("register_data_loss", "active 100 to 0", {"energies": {"active": 0, "reactive": 7}}, STANDARD, ""),
        ("register_data_loss", "no template", {"energies": {"active": 0, "reactive": 0}, "template": ""}, STANDARD, "restore_failed"),
        ("upgraded_unconfigured", "no template", {"template": ""}, STANDARD, ""),
        ("upgraded_unconfigured", "template T-2 instead of T-1", {"template": "T-2"}, STANDARD, ""),
        ("upgraded_unconfigured", "template could be read before", {"template": None}, STANDARD, ""),
        ("upgraded_unconfigured", "reactive could be read before", {"energies": {"active": 100, "reactive": None}}, STANDARD, ""),
        ("restore_failed", "could not write", {}, STANDARD, "restore_failed"),
        ("post_security_mode_unexpected", "advanced was predicted", {}, ADVANCED, ""),
        ("post_security_mode_unexpected", "3 users", {"settings": {"mode": "legacy_support", "users": 3}}, STANDARD, ""),
        ("post_security_mode_unexpected", "1 users", {"settings": {"mode": "advanced", "users": 1}}, ADVANCED, ""),
    ],
)
def test_the_worst_thing_is_the_reason(reason: str, words: str, change: dict[str, Any], prediction: dict[str, Any], told: str) -> None:
    found = judge(BEFORE, replace(AFTER, **change), prediction, told)
    assert found.reason == reason and words in found.text
    assert reason in reasons.REASONS


@requirement("G-11", "R-184")
def test_a_mode_that_no_document_predicts_is_for_a_person() -> None:
    found = judge(replace(BEFORE, settings={"mode": "none"}), AFTER, NONE)
    assert (found.reason, found.review) == ("", True) and "G-11" in found.warnings[-1]


@requirement("R-029", "F-40")
def test_what_cannot_be_told_is_a_warning_and_no_loss() -> None:
    blind = {"template": "no profile names its register", "settings": "no profile names its register"}
    before = replace(BEFORE, template=None, settings={}, unread=blind)
    found = judge(before, replace(AFTER, template=None, settings={}, unread=blind), STANDARD)
    assert (found.reason, found.mode) == ("", "unknown")
    assert [text for text in found.warnings if text.startswith("template cannot be compared")]
    other = judge(BEFORE, replace(AFTER, settings={**AFTER.settings, "lockout_web": 3}), STANDARD)
    assert other.warnings == (), "nothing is known of it from before"
    changed = judge(
        replace(BEFORE, settings={**BEFORE.settings, "lockout_web": 5}),
        replace(AFTER, settings={**AFTER.settings, "lockout_web": 3}),
        STANDARD,
    )
    assert changed.reason == "" and changed.warnings == ("lockout_web: 5 before, 3 now",)
