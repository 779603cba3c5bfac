# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method dlms, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import prechecks_dlms as dlms
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import (
    Attempts,
    Login,
    Precheck,
    Situation,
    blocking,
)

requirement = pytest.mark.requirement
LOOK: dict[str, Any] = {
    "block_size": 1024,
    "room": 1100,
    "parts_allowed": True,
    "enabled": True,
    "status": 0,
    "first_missing": 0,
    "images": None,
    "clock": {"text": "2026-11-22T02:00:00+01:00", "skew": -4.0, "deviation": -60, "fault": ""},
}
EXTRA: dict[str, Any] = {
    "component": 1,
    "signature": "present",
    "image_identifier": True,
    "size": 500_000,
    "service": "unicast",
    "activate": "now",
    "association": {"authentication": "hls_gmac", "protection": "authenticated_encrypted", "fault": "", "findings": []},
    "look": LOOK,
    "pending": dlms.EMPTY,
}
GOOD = Situation(
    has_lock=False,
    needed_accept={},
    accept=frozenset(),
    attest={},
    package_faults=(),
    package_text="as pinned",
    package_bytes=500_000,
    attempts=Attempts(),
    reserve=1,
    behind_gateway=False,
    services={"dlms": "open"},
    login=Login("ok", "", "associated"),
    lock="unlocked",
    ip_mode="unknown",
    has_credential=True,
    extra=EXTRA,
)


def judged(extra: dict[str, Any] | None = None, **changes: Any) -> dict[str, Precheck]:
    checks = dlms.judge_dlms(replace(GOOD, extra={**EXTRA, **(extra or {})}, **changes))
    assert len({item.id for item in checks}) == len(checks)
    assert all(item.reason in reasons.REASONS for item in checks)
    return {item.id: item for item in checks}


def stops(extra: dict[str, Any] | None = None, **changes: Any) -> set[str]:
    return {item.id for item in blocking(judged(extra, **changes).values())}


def test_a_good_situation_stops_nothing() -> None:
    assert stops() == set()


def test_what_was_not_tried_stops_nothing_but_what_needs_no_meter() -> None:
    unread = {"look": None, "activate": "at", "ahead": 3600}
    assert stops(unread, login=Login(), services={"dlms": "open"}) == set()
    assert stops({**unread, "image_identifier": False}, login=Login(), services={}) == {"image_identifier_given", "dlms_port_open"}


@requirement("R-213", "R-214", "R-215", "R-216")
@pytest.mark.parametrize(("part", "stop"), [(None, True), (-1, True), (10, True), (1, False), (2, False), (9, False)])
def test_the_component_is_one_that_may_be(part, stop) -> None:
    found = judged({"component": -1 if part is None else part})["component_valid"]
    assert (found.result, found.reason) == ("fail" if stop else "pass", "component_b_invalid")


@requirement("R-214")
def test_metrology_needs_its_word() -> None:
    assert stops({"component": 0}) == {"accepted_legally_relevant"}
    found = judged({"component": 0})["accepted_legally_relevant"]
    assert "legally_relevant" in found.text and found.reason == "legally_relevant_not_accepted"
    assert stops({"component": 0}, accept=frozenset({"legally_relevant"})) == set()


@requirement("R-217", "R-218", "F-09")
def test_the_signature() -> None:
    assert judged()["image_signed"].text.startswith("verified")
    assert judged({"signature": "absent"})["image_signed"].reason == "image_unsigned"
    assert stops({"signature": "unverified"}) == {"accepted_unverified_image"}
    assert stops({"signature": "unverified"}, accept=frozenset({"unverified_image"})) == set()
    for code in ("image_signature_missing", "image_signature_invalid", "signature_algorithm_not_allowed"):
        found = judged(package_faults=((code, "why"),))["image_signed"]
        assert (found.result, found.reason) == ("fail", code)


@requirement("R-219", "R-220", "G-20")
@pytest.mark.parametrize("service", ["multicast", "broadcast"])
def test_only_unicast(service) -> None:
    assert stops({"service": service}) == {"service_is_unicast"}


@requirement("G-17")
def test_how_well_the_association_protects() -> None:
    said = EXTRA["association"]
    assert stops({"association": {**said, "authentication": "none", "protection": "none"}}) == {"credential_given"}
    assert stops({"association": {**said, "fault": "dlms_keys.guek is missing"}}) == {"credential_given"}
    lls = {"association": {**said, "authentication": "lls", "protection": "none"}}
    assert stops(lls) == {"management_zone"}
    assert stops(lls, attest={"management_zone": "m1"}) == set()
    weak = judged({"association": {**said, "protection": "authenticated", "findings": ["published_key"]}})
    assert weak["association_strong"].result == "unknown" and "published_key" in weak["keys_unpublished"].text


@requirement("R-223")
def test_a_refused_association_stops() -> None:
    found = judged(login=Login("refused", "dlms_auth_failed", "refused"), extra={"look": None})
    assert (found["association_opens"].result, found["association_opens"].reason) == ("fail", "dlms_auth_failed")


@requirement("R-221", "X-08")
def test_the_pending_slot() -> None:
    other = {"look": {**LOOK, "status": 3, "images": [{"identifier": "0909", "size": 1, "signature": ""}]}, "pending": dlms.OTHER}
    assert stops(other) == {"accepted_replace_pending", "pending_slot_free"}
    assert "0909" in judged(other)["pending_slot_free"].text
    assert stops(other, accept=frozenset({"replace_pending"})) == set()
    for kind in (dlms.EMPTY, dlms.OURS, dlms.OUR_HALF, dlms.OTHER_HALF):
        assert stops({"pending": kind}) == set()
    assert "not sent" in judged({"pending": dlms.OURS})["pending_slot_free"].text
    assert stops({"look": {**LOOK, "status": 2}}) == set()


@requirement("R-225")
@pytest.mark.parametrize(("writable", "pending", "result"), [(True, "empty", "pass"), (None, "empty", "unknown"), (False, "ours", "pass")])
def test_transfer_that_is_disabled_but_can_be_enabled(writable, pending, result) -> None:
    extra = {"look": {**LOOK, "enabled": False, "enabled_writable": writable}, "pending": pending}
    assert judged(extra)["image_transfer_enabled"].result == result
    assert stops(extra) == set()


@requirement("R-225")
def test_transfer_that_is_disabled_for_good() -> None:
    assert stops({"look": {**LOOK, "enabled": False, "enabled_writable": False}}) == {"image_transfer_enabled"}


@requirement("X-07")
def test_block_against_pdu() -> None:
    large = {**LOOK, "block_size": 4096}
    assert stops({"look": large}) == set()
    assert stops({"look": {**large, "parts_allowed": False}}) == {"block_fits"}
    assert stops({"look": {**large, "parts_allowed": False}, "size": 900}) == set()
    assert stops({"look": {**LOOK, "block_size": 0}}) == {"block_fits"}


@requirement("R-204", "R-205")
def test_an_activation_at_a_time() -> None:
    at = {"activate": "at", "ahead": 3600.0}
    assert stops(at) == set()
    assert stops({**at, "ahead": 30}) == stops({**at, "ahead": None}) == {"activation_time_ahead"}
    for clock in ({"skew": 61.0}, {"skew": -3600.0}, {"skew": None, "fault": "no zone"}):
        assert stops({**at, "look": {**LOOK, "clock": clock}}) == {"meter_clock_right"}
    assert "meter_clock_right" not in judged({"look": {**LOOK, "clock": {"skew": 9999}}})


def test_words_for_the_plan() -> None:
    assert dlms.needed_words(1, "present") == {}
    assert list(dlms.needed_words(0, "unverified", dlms.OTHER)) == ["legally_relevant", "replace_pending", "unverified_image"]
