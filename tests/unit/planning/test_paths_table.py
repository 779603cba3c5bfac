# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The planner, case by case: every row of the matrix, every refusal the documents give, the decisions of the gap list."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import plan_path

requirement = pytest.mark.requirement


def plan(model, source, target, available=(), **options):
    """Plan with versions as text."""
    return plan_path(
        find_model(model), Version.parse(source), Version.parse(target), [Version.parse(item) for item in available], **options
    )


def _one(model, source, target, row, method, reversible, *marks):
    return pytest.param(model, source, target, row, method, reversible, marks=list(marks), id=f"{row}-{model}-{source}-{target}")


ONE_HOP = [
    *[
        _one(model, "2.0.0", "2.9.9", "A-1", "ftp", None, requirement("R-008"))
        for model in ("PM5560", "PM5562", "PM5562MC", "PM5563", "PM5580")
    ],
    _one("PM5560", "2.9.8", "2.9.9", "A-1", "ftp", None, requirement("R-008")),
    *[
        _one(model, "2.5.0", "4.0.0", "A-2", "tool", False, requirement("R-009", "R-010"))
        for model in ("PM5560", "PM5562", "PM5562MC", "PM5563", "PM5580")
    ],
    _one("PM5560", "2.7.8", "4.3.5", "A-2", "tool", False, requirement("R-009", "R-010")),
    _one("PM5560", "2.9.9", "5.0.0", "A-2", "tool", False, requirement("R-009", "R-010")),
    *[
        _one(model, "4.0.0", "4.0.1", "A-3", "web", None, requirement("R-011"))
        for model in ("PM5560", "PM5562", "PM5562MC", "PM5563", "PM5580")
    ],
    *[_one(model, "3.1.0", "3.2.9", "B-1", "ftp", None, requirement("R-012")) for model in ("PM5570", "PM5660", "PM5760")],
    *[_one(model, "6.0.0", "6.1.0", "B-3", "web", None, requirement("R-014")) for model in ("PM5570", "PM5660", "PM5760")],
    _one("PM5650", "2.11.0", "2.12.9", "C-1", "ftp", None, requirement("R-015")),
    _one("PM5650", "2.12.9", "4.10.0", "C-2", "tool", False, requirement("R-016", "R-017")),
    _one("PM5650", "1.0.0", "4.10.0", "C-2", "tool", False, requirement("R-016", "R-017")),
    _one("PM5650", "4.10.0", "4.10.1", "C-3", "web", None, requirement("R-018")),
    _one("PM5561", "10.6.3", "10.9.9", "D-1", "ftp", None, requirement("R-019", "R-042")),
    _one("PM5561", "10.9.9", "12.0.0", "D-2", "tool", False, requirement("R-020", "R-021")),
    _one("PM5561", "10.6.1", "12.0.0", "D-2", "tool", False, requirement("R-020", "G-21")),
    _one("PM5561", "9.0.0", "12.0.0", "D-2", "tool", False, requirement("R-020", "G-21")),
    _one("PM5561", "12.0.0", "12.0.1", "D-3", "web", None, requirement("R-022")),
    *[_one(model, "11.0.0", "11.2.9", "E-1", "ftp", None, requirement("R-023", "R-042")) for model in ("PM5661", "PM5761")],
    *[_one(model, "14.0.0", "14.0.1", "E-3", "web", None, requirement("R-025", "R-153")) for model in ("PM5661", "PM5761")],
    *[_one(model, "6.0.0", "6.0.1", "F-1", "web", None, requirement("R-026")) for model in ("PM5570L", "PM5660L", "PM5760L")],
    *[
        _one(model, "2.1.0", "3.0.0", "H-1", "ion", False, requirement("R-163", "R-173", "R-245"))
        for model in ("ION9000", "ION9000T", "PM8000", "ION7400")
    ],
    _one("PM8000", "2.99.0", "3.99.0", "H-1", "ion", False, requirement("R-163")),
    *[_one(model, "3.0.0", "4.0.0", "H-2", "ion", False, requirement("X-12")) for model in ("ION9000", "ION9000T", "PM8000", "ION7400")],
    _one("ION9000", "3.0.0", "3.0.1", "H-2", "ion", False, requirement("X-12")),
]


@pytest.mark.parametrize(("model", "source", "target", "row", "method", "reversible"), ONE_HOP)
def test_one_hop(model, source, target, row, method, reversible):
    result = plan(model, source, target)
    assert (result.supported, result.reason, len(result.hops)) == (True, "", 1)
    hop = result.hops[0]
    assert (hop.row, hop.method, hop.reversible) == (row, method, reversible)
    assert (str(hop.source), str(hop.target)) == (source, target)
    assert hop.target in hop.target_range
    assert ("irreversible" in hop.accept) == (reversible is False)
    assert any("IRREVERSIBLE" in note for note in hop.notes) == (reversible is False)


def _no(model, source, target, reason, *marks):
    return pytest.param(model, source, target, reason, marks=list(marks), id=f"{model}-{source}-{target}")


REFUSED = [
    *[_no(model, "3.2.9", "6.0.0", "path_not_supported", requirement("R-013")) for model in ("PM5570", "PM5660", "PM5760")],
    _no("PM5570", "3.2.1", "6.1.5", "path_not_supported", requirement("R-013")),
    _no("PM5570", "3.1.0", "6.0.0", "path_not_supported", requirement("R-013")),
    _no("PM5570", "1.0.0", "6.0.0", "path_not_supported", requirement("R-013")),
    *[_no(model, "11.2.9", "14.0.0", "path_not_supported", requirement("R-024")) for model in ("PM5661", "PM5761")],
    _no("PM5661", "11.0.0", "14.3.0", "path_not_supported", requirement("R-024")),
    _no("PM5661", "3.0.0", "14.0.0", "path_not_supported", requirement("R-024")),
    *[_no(model, "5.99.0", "6.0.0", "undocumented_path", requirement("R-026")) for model in ("PM5570L", "PM5660L", "PM5760L")],
    _no("PM5570L", "3.1.0", "3.2.9", "undocumented_path", requirement("R-026", "R-012")),
    _no("PM5650", "4.0.0", "4.10.0", "undocumented_path", requirement("R-018")),
    _no("PM5650", "4.9.9", "4.10.0", "undocumented_path", requirement("R-018")),
    _no("PM5650", "2.11.0", "4.9.9", "undocumented_path", requirement("R-016")),
    _no("PM5650", "2.12.10", "4.10.0", "undocumented_path", requirement("R-016", "R-015")),
    _no("PM5650", "2.10.9", "2.12.0", "undocumented_path", requirement("R-015", "G-01")),
    _no("PM5650", "2.9.0", "2.12.0", "undocumented_path", requirement("R-015", "G-01")),
    _no("PM5561", "11.0.0", "12.0.0", "undocumented_path", requirement("R-022")),
    _no("PM5561", "11.5.0", "12.1.0", "undocumented_path", requirement("R-022")),
    _no("PM5561", "10.9.9", "11.0.0", "undocumented_path", requirement("R-020")),
    _no("PM5561", "10.9.10", "12.0.0", "undocumented_path", requirement("R-020", "R-019")),
    _no("PM5561", "10.6.2", "10.9.9", "source_below_minimum", requirement("R-042", "G-21", "R-019")),
    _no("PM5561", "10.6.0", "10.6.3", "source_below_minimum", requirement("R-042", "G-21")),
    _no("PM5561", "10.6.0", "10.6.2", "source_below_minimum", requirement("R-042", "G-21")),
    _no("PM5561", "10.5.9", "10.9.9", "undocumented_path", requirement("G-01", "R-019")),
    _no("PM5661", "10.9.0", "11.2.9", "undocumented_path", requirement("G-01", "R-023")),
    _no("PM5661", "11.2.10", "14.0.0", "undocumented_path", requirement("R-024", "R-023")),
    _no("PM5661", "13.0.0", "14.0.0", "undocumented_path", requirement("R-025")),
    _no("PM5560", "2.10.0", "4.0.0", "undocumented_path", requirement("R-009", "R-008")),
    _no("PM5560", "2.9.9", "2.10.0", "undocumented_path", requirement("R-008")),
    _no("PM5560", "3.0.0", "4.0.0", "undocumented_path", requirement("R-009", "R-011")),
    _no("PM5560", "2.9.9", "3.5.0", "undocumented_path", requirement("R-009")),
    _no("PM5560", "1.9.9", "2.9.9", "undocumented_path", requirement("R-008", "G-01")),
    _no("PM5560", "1.9.9", "4.0.0", "undocumented_path", requirement("R-008", "G-01")),
    _no("PM5570", "3.0.9", "3.2.9", "undocumented_path", requirement("R-012", "G-01")),
    _no("PM5570", "3.2.10", "6.0.0", "undocumented_path", requirement("R-013", "R-012")),
    _no("PM5570", "3.2.9", "3.2.10", "undocumented_path", requirement("R-012")),
    _no("PM5570", "5.9.9", "6.0.0", "undocumented_path", requirement("R-014")),
    *[_no(model, "2.0.9", "3.0.0", "source_below_minimum", requirement("R-163")) for model in ("ION9000", "ION9000T", "PM8000", "ION7400")],
    _no("PM8000", "0.0.0", "3.0.0", "source_below_minimum", requirement("R-163")),
    _no("PM8000", "2.0.9", "4.0.0", "source_below_minimum", requirement("R-163", "X-12")),
    _no("PM8000", "2.1.0", "2.2.0", "undocumented_path", requirement("R-163")),
    _no("PM8000", "2.0.0", "2.1.0", "undocumented_path", requirement("R-163")),
]  # fmt: skip


@pytest.mark.parametrize(("model", "source", "target", "reason"), REFUSED)
@pytest.mark.parametrize("options", [{}, {"allow_downgrade": True}, {"strict_matrix": True}], ids=["plain", "down", "strict"])
def test_refusal(model, source, target, reason, options):
    result = plan(model, source, target, **options)
    assert (result.supported, result.reason, result.hops) == (False, reason, ())
    assert source in result.text and target in result.text


LOWER = [
    _no("PM5560", "2.9.9", "2.3.0", "downgrade_forbidden", requirement("G-10", "R-008")),
    _no("PM5560", "4.3.5", "4.0.0", "downgrade_forbidden", requirement("G-10", "R-011")),
    _no("PM5560", "4.0.0", "2.9.9", "downgrade_forbidden", requirement("R-010")),
    _no("PM5650", "4.10.0", "2.12.9", "downgrade_forbidden", requirement("R-017")),
    _no("PM5561", "12.0.0", "10.9.9", "downgrade_forbidden", requirement("R-021")),
    _no("PM5561", "12.1.0", "12.0.0", "target_not_higher", requirement("R-042", "R-152", "R-022")),
    _no("PM5561", "10.9.9", "10.6.3", "target_not_higher", requirement("R-042", "R-019")),
    _no("PM5661", "11.2.9", "11.0.0", "target_not_higher", requirement("R-042", "R-023")),
    _no("PM5761", "14.1.0", "14.0.0", "target_not_higher", requirement("R-153", "R-025")),
    _no("PM5570L", "6.1.0", "6.0.0", "downgrade_forbidden", requirement("G-10", "R-026")),
    _no("PM8000", "3.0.0", "2.1.0", "downgrade_forbidden", requirement("R-173", "R-245")),
    _no("PM8000", "4.0.0", "3.0.0", "downgrade_forbidden", requirement("R-173", "X-12")),
    _no("PM5560", "3.0.0", "2.9.9", "undocumented_path", requirement("R-008", "R-006")),
]


@pytest.mark.parametrize(("model", "source", "target", "reason"), LOWER)
def test_lower_target_without_leave(model, source, target, reason):
    result = plan(model, source, target)
    assert (result.supported, result.reason, result.hops) == (False, reason, ())


@requirement("G-10", "R-042", "R-010", "R-017", "R-021", "R-173", "R-019", "R-022", "R-023", "R-025", "R-153")
@pytest.mark.parametrize(
    ("model", "source", "target", "reason"), [case for case in LOWER if case.values[:3] != ("PM5560", "2.9.9", "2.3.0")]
)
def test_leave_to_go_down_opens_nothing_but_an_ftp_band(model, source, target, reason):
    assert plan(model, source, target, allow_downgrade=True).reason == reason


@requirement("G-10", "R-008", "R-012", "R-015")
@pytest.mark.parametrize(
    ("model", "source", "target", "row"),
    [
        ("PM5560", "2.9.9", "2.0.0", "A-1"),
        ("PM5563", "2.5.0", "2.4.9", "A-1"),
        ("PM5570", "3.2.9", "3.1.0", "B-1"),
        ("PM5650", "2.12.0", "2.11.0", "C-1"),
    ],
)
def test_down_inside_an_ftp_band_with_leave(model, source, target, row):
    result = plan(model, source, target, allow_downgrade=True)
    assert result.supported
    (hop,) = result.hops
    assert (hop.row, hop.method, hop.accept) == (row, "ftp", ("downgrade", "loses_dlf3000"))
    assert any("downgrade" in note and "attempt" in note for note in hop.notes)
    assert hop.target in hop.target_range and hop.source not in hop.target_range


@requirement("G-10", "R-008", "R-012", "R-015")
@pytest.mark.parametrize(
    ("model", "source", "target"), [("PM5560", "2.9.9", "1.9.9"), ("PM5570", "3.2.9", "3.0.9"), ("PM5650", "2.12.0", "2.10.9")]
)
def test_even_with_leave_not_below_the_band(model, source, target):
    assert plan(model, source, target, allow_downgrade=True).reason == "downgrade_forbidden"


@requirement("R-006")
@pytest.mark.parametrize(
    ("model", "version"), [("PM5560", "2.9.9"), ("PM5560", "3.3.3"), ("PM5561", "11.0.0"), ("PM5661", "14.0.0"), ("PM8000", "1.0.0")]
)
def test_target_equal_to_source_needs_no_hop(model, version):
    result = plan(model, version, version, strict_matrix=True)
    assert (result.supported, result.reason, result.hops) == (True, "", ())


# Two hops


@requirement("R-008", "R-009")
@pytest.mark.parametrize("source", ["2.0.0", "2.3.1", "2.4.99"])
def test_an_old_pm5560_goes_by_ftp_first_then_by_the_tool(source):
    result = plan("PM5560", source, "4.3.5")
    assert [(hop.row, hop.method) for hop in result.hops] == [("A-1", "ftp"), ("A-2", "tool")]
    first, second = result.hops
    assert (first.target, str(first.target_range)) == (None, "2.5.0 to 2.9.9")
    assert any("2.5.0 to 2.9.9" in note for note in first.notes)
    assert (second.source, str(second.target)) == (None, "4.3.5")


@requirement("R-008", "R-009")
@pytest.mark.parametrize(
    ("available", "picked"),
    [
        (["2.5.0", "2.8.3", "4.3.5"], "2.8.3"),
        (["2.8.3", "2.11.0", "2.10.0"], "2.8.3"),
        (["2.4.9", "2.5.0"], "2.5.0"),
        (["2.9.9", "2.9.10", "3.0.0", "4.0.0"], "2.9.9"),
        (["2.10.0", "2.9.0", "2.8.12"], "2.9.0"),
    ],
)
def test_the_highest_intermediate_on_offer_is_taken(available, picked):
    result = plan("PM5560", "2.3.1", "4.3.5", available)
    assert [str(hop.target) for hop in result.hops] == [picked, "4.3.5"]
    assert str(result.hops[1].source) == picked


@requirement("R-009")
@pytest.mark.parametrize("available", [["4.3.5"], ["2.4.9", "2.9.10", "4.3.5"], ["2.3.1"]])
def test_an_intermediate_that_nobody_has_is_named(available):
    result = plan("PM5560", "2.3.1", "4.3.5", available)
    assert (result.supported, result.reason) == (False, "intermediate_missing")
    assert "2.5.0 to 2.9.9" in result.text


@requirement("R-009", "R-006")
def test_the_target_need_not_be_on_offer():
    assert plan("PM5560", "2.7.8", "4.3.5", ["2.9.9"]).supported


@requirement("X-12", "R-163")
def test_hep_below_three_to_four_goes_over_three():
    result = plan("ION9000", "2.1.0", "4.0.0")
    assert [hop.row for hop in result.hops] == ["H-1", "H-2"]
    assert str(result.hops[0].target_range) == "3.0.0 to 3.x"
    assert all("irreversible" in hop.accept for hop in result.hops)


# Readings, limits, notes


@requirement("G-01", "R-012", "R-015", "R-019", "R-023", "R-042")
@pytest.mark.parametrize(
    ("model", "source", "target"),
    [("PM5570", "3.2.0", "3.2.9"), ("PM5650", "2.12.0", "2.12.9"), ("PM5561", "10.7.0", "10.9.9"), ("PM5661", "11.1.0", "11.2.9")],
)
def test_a_source_that_the_text_does_not_name_is_marked_or_refused(model, source, target):
    (hop,) = plan(model, source, target).hops
    assert hop.reading == "extended"
    assert any("extended" in note for note in hop.notes)
    assert plan(model, source, target, strict_matrix=True).reason == "undocumented_path"


@requirement("G-01", "R-012", "R-015", "R-019", "R-023", "R-042", "R-008")
@pytest.mark.parametrize(
    ("model", "source", "target"),
    [
        ("PM5570", "3.1.99", "3.2.9"),
        ("PM5650", "2.11.99", "2.12.9"),
        ("PM5561", "10.6.99", "10.9.9"),
        ("PM5661", "11.0.99", "11.2.9"),
        ("PM5560", "2.8.0", "2.9.9"),
    ],
)
def test_a_source_that_the_text_names_passes_the_strict_reading(model, source, target):
    (hop,) = plan(model, source, target, strict_matrix=True).hops
    assert hop.reading == "literal"
    assert not any("extended" in note for note in hop.notes)


@pytest.mark.parametrize(
    ("model", "source", "target", "limit"),
    [
        pytest.param("PM5561", "10.6.3", "10.9.9", 10, marks=requirement("R-043"), id="5561-ftp"),
        pytest.param("PM5561", "10.9.9", "12.0.0", 10, marks=requirement("R-043", "G-06"), id="5561-tool"),
        pytest.param("PM5561", "12.0.0", "12.0.1", 25, marks=requirement("R-152", "R-154"), id="5561-web"),
        pytest.param("PM5661", "11.0.0", "11.2.9", 10, marks=requirement("R-043"), id="5661-ftp"),
        pytest.param("PM5761", "14.0.0", "14.0.1", 25, marks=requirement("R-153", "R-154"), id="5761-web"),
        pytest.param("PM5562", "4.3.4", "4.3.5", None, marks=requirement("R-152"), id="5562-below"),
        pytest.param("PM5562MC", "4.3.5", "4.3.6", 25, marks=requirement("R-152", "R-154"), id="5562MC-web"),
        pytest.param("PM5560", "4.3.5", "4.3.6", None, marks=requirement("R-152"), id="5560-web"),
    ],
)
def test_a_hop_tells_the_limit_of_attempts(model, source, target, limit):
    (hop,) = plan(model, source, target).hops
    assert hop.attempts_limit == limit
    assert any("attempts in the meter's life" in note for note in hop.notes) == (limit is not None)


@requirement("R-041")
@pytest.mark.parametrize(("source", "target", "loses"), [("2.0.0", "2.9.9", True), ("2.5.0", "4.0.0", False), ("4.0.0", "4.1.0", False)])
def test_only_ftp_hops_lose_dlf3000(source, target, loses):
    (hop,) = plan("PM5560", source, target).hops
    assert ("loses_dlf3000" in hop.accept) == loses
    assert any("DLF3000" in note for note in hop.notes) == loses


@requirement("R-180", "R-407")
def test_the_hep_row_cites_the_procedure():
    (hop,) = plan("PM8000", "2.1.0", "3.0.0").hops
    assert any("7EN72-0206-00" in note for note in hop.notes)


# Meters without an order of versions


@requirement("R-223", "R-222", "R-212")
def test_an_mcs301_takes_any_other_identifier():
    result = plan_path(find_model("MCS301"), "0102030405AF", "0102030405B0")
    (hop,) = result.hops
    assert (hop.row, hop.method, hop.source, hop.target, hop.reversible) == ("M-1", "dlms", "0102030405AF", "0102030405B0", True)
    assert any("confirmed" in note for note in hop.notes) and any("no order" in note for note in hop.notes)
    assert plan_path(find_model("MCS301"), "0102030405af", "0102030405AF").hops == ()


@requirement("R-212")
@pytest.mark.parametrize("bad", ["", "  ", "x" * 65, "a\x00b"])
def test_a_bad_identifier_is_refused(bad):
    with pytest.raises(InputError, match="R-212"):
        plan_path(find_model("MCS301"), bad, "ok")


@requirement("R-241")
def test_text_is_not_a_version():
    with pytest.raises(InputError, match="version"):
        plan_path(find_model("PM5560"), "2.9.9", Version(4, 0, 0))
