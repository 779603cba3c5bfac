# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What was not reviewed is not done: changes against a reviewed plan, for any two of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import review
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.control import FAIL, PLANNED, Control
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import Change

CONTROLS = [
    Control("lockout_web", PLANNED, 5, 0, "R-344", ""),
    Control("user:USER2", PLANNED, ["read"], "absent", "R-321", ""),
    Control("password:USER1", PLANNED, "the given password", "none to the records", "R-315", ""),
]
CHANGES = [
    Change("lockout_web", "setting", None, 5),
    Change("user:USER2", "user_add", "USER2", ["read"]),
    Change("password:USER1", "password", "USER1", None),
]
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "control": st.sampled_from(["a", "b", "c"]),
            "kind": st.just("setting"),
            "subject": st.none(),
            "want": st.integers(0, 1),
            "have": st.integers(0, 1),
        }
    ),
    max_size=5,
)


def reviewed(lines: list[dict[str, Any]], serial: str = "S-1") -> dict[str, Any]:
    found = review.expected({"serial": serial, "changes": lines})
    assert found is not None
    return found


@pytest.mark.requirement("R-116")
def test_changes_go_to_review_with_the_present_value_and_passwords_only_as_set() -> None:
    assert review.listed(CHANGES, CONTROLS) == [
        {"control": "lockout_web", "kind": "setting", "subject": None, "want": 5, "have": 0},
        {"control": "user:USER2", "kind": "user_add", "subject": "USER2", "want": ["read"], "have": "absent"},
        {"control": "password:USER1", "kind": "password", "subject": "USER1", "want": "set", "have": None},
    ]  # fmt: skip
    keys = [
        Control("key_gak", PLANNED, "the new key", "not known", "F-27", ""),
        Control("clock", PLANNED, "within 30 s", "+90 s", "F-25", ""),
    ]
    keys.append(Control("policy", FAIL, "encrypted", "none", "own", ""))
    assert [(item["control"], item["want"], item["have"]) for item in review.listed_controls(keys)] == [
        ("key_gak", "set", None),
        ("clock", "within 30 s", None),
    ]


@pytest.mark.requirement("R-116")
@given(LINES, LINES)
def test_only_what_was_reviewed_passes_and_in_that_order(plan: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
    why = review.stale(reviewed(plan), now)
    rest = iter(json.loads(json.dumps(plan)))  # a plan comes from a file
    assert (why == "") == all(item in rest for item in now)


@pytest.mark.requirement("R-116")
def test_why_a_plan_is_stale() -> None:
    line = {"control": "lockout_web", "kind": "setting", "subject": None, "want": 5, "have": 0}
    other = {**line, "control": "ssh", "want": False, "have": True}
    plan = reviewed([line, other])
    assert review.stale(plan, []) == review.stale(plan, [other]) == review.stale(None, [line]) == ""
    assert review.stale(plan, [{**line, "have": 3}]) == "lockout_web is 3; the reviewed plan says 0"
    assert review.stale(plan, [{**line, "want": 9}]) == "lockout_web would become 9; the reviewed plan says 5"
    assert review.stale(plan, [{**line, "control": "ftp"}]) == "ftp would be changed, which the reviewed plan does not say"
    assert "another order" in review.stale(plan, [other, line])
    assert "serial S-2 answers here; the reviewed plan says S-1" in review.other_meter(plan, "S-2")
    assert "serial unknown" in review.other_meter(plan, None) and review.other_meter(plan, "S-1") == review.other_meter(None, "S-2") == ""


@pytest.mark.parametrize(
    "given_", [{"serial": None, "changes": []}, {"serial": "S", "changes": "x"}, {"serial": "S", "changes": [{"control": "a"}]}]
)
def test_an_option_that_is_no_part_of_a_plan_is_refused(given_: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expect"):
        review.expected(given_)
