# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The matrix and the attempt limits against a second reading of the source chapter, written down here by hand."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import generations, limits, matrix
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model, models_of
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version

requirement = pytest.mark.requirement
FIVE = "PM5560 PM5562 PM5562MC PM5563 PM5580"
THREE = "PM5570 PM5660 PM5760"
PAIR = "PM5661 PM5761"
LONG = "PM5570L PM5660L PM5760L"
HEP = "ION9000 ION9000T PM8000 ION7400"
TOP = "99999.0.0"


def _row(row_id, models, sources, targets, method, reversible, higher_only, *marks):
    return pytest.param(row_id, models, sources, targets, method, reversible, higher_only, marks=list(marks), id=row_id)


# sources and targets: lowest accepted, highest accepted
ROWS = [
    _row("A-1", FIVE, ("2.0.0", "2.9.9"), ("0.0.0", "2.9.9"), "ftp", None, False, requirement("R-008")),
    _row("A-2", FIVE, ("2.5.0", "2.9.9"), ("4.0.0", TOP), "tool", False, False, requirement("R-009", "R-010")),
    _row("A-3", FIVE, ("4.0.0", TOP), ("4.0.0", TOP), "web", None, False, requirement("R-011")),
    _row("B-1", THREE, ("3.1.0", "3.2.9"), ("0.0.0", "3.2.9"), "ftp", None, False, requirement("R-012")),
    _row("B-2", THREE, ("0.0.0", "3.2.9"), ("6.0.0", TOP), "unsupported", None, False, requirement("R-013")),
    _row("B-3", THREE, ("6.0.0", TOP), ("6.0.0", TOP), "web", None, False, requirement("R-014")),
    _row("C-1", "PM5650", ("2.11.0", "2.12.9"), ("0.0.0", "2.12.9"), "ftp", None, False, requirement("R-015")),
    _row("C-2", "PM5650", ("0.0.0", "2.12.9"), ("4.10.0", TOP), "tool", False, False, requirement("R-016", "R-017")),
    _row("C-3", "PM5650", ("4.10.0", TOP), ("4.10.0", TOP), "web", None, False, requirement("R-018")),
    _row("D-1", "PM5561", ("10.6.3", "10.9.9"), ("0.0.0", "10.9.9"), "ftp", None, True, requirement("R-019", "R-042", "G-21")),
    _row("D-2", "PM5561", ("0.0.0", "10.9.9"), ("12.0.0", TOP), "tool", False, False, requirement("R-020", "R-021")),
    _row("D-3", "PM5561", ("12.0.0", TOP), ("12.0.0", TOP), "web", None, True, requirement("R-022")),
    _row("E-1", PAIR, ("11.0.0", "11.2.9"), ("0.0.0", "11.2.9"), "ftp", None, True, requirement("R-023", "R-042")),
    _row("E-2", PAIR, ("0.0.0", "11.2.9"), ("14.0.0", TOP), "unsupported", None, False, requirement("R-024")),
    _row("E-3", PAIR, ("14.0.0", TOP), ("14.0.0", TOP), "web", None, True, requirement("R-025", "R-153")),
    _row("F-1", LONG, ("6.0.0", TOP), ("6.0.0", TOP), "web", None, False, requirement("R-026")),
    _row("H-1", HEP, ("2.1.0", "2.99999.99999"), ("3.0.0", "3.99999.99999"), "ion", False, False, requirement("R-163", "R-173", "R-245")),
    _row("H-2", HEP, ("3.0.0", TOP), ("3.0.0", TOP), "ion", False, False, requirement("X-12", "R-173")),
    _row("M-1", "MCS301", ("0.0.0", TOP), ("0.0.0", TOP), "dlms", True, False, requirement("R-223", "R-222")),
]


def _below(version: str) -> Version | None:
    found = Version.parse(version)
    if found.patch:
        return Version(found.major, found.minor, found.patch - 1)
    if found.minor:
        return Version(found.major, found.minor - 1, 99999)
    return Version(found.major - 1, 99999, 99999) if found.major else None


def _assert_ends(band, ends):
    low, high = ends
    assert Version.parse(low) in band
    assert Version.parse(high) in band
    below = _below(low)
    assert below is None or below not in band
    assert high == TOP or Version.parse(high).next() not in band or "99999" in high
    assert (band.end is None) == (high == TOP)


@pytest.mark.parametrize(("row_id", "models", "sources", "targets", "method", "reversible", "higher_only"), ROWS)
def test_row_says_what_the_chapter_says(row_id, models, sources, targets, method, reversible, higher_only):
    row = matrix.row(row_id)
    assert sorted(row.models) == sorted(models.split())
    _assert_ends(row.source, sources)
    _assert_ends(row.target, targets)
    assert (row.method, row.reversible, row.higher_only) == (method, reversible, higher_only)


@requirement("R-163", "R-173")
def test_hep_bands_end_before_the_next_major_version():
    assert str(matrix.row("H-1").source.end) == "3.0.0"
    assert str(matrix.row("H-1").target.end) == "4.0.0"


@requirement("R-007")
def test_eighteen_rows_of_the_sources_and_one_of_the_product_help():
    assert len(matrix.ROWS) == 19
    assert [row.id for row in matrix.ROWS if all(not rule.startswith("R-") or rule in ("R-173", "R-245") for rule in row.rules)] == ["H-2"]
    assert len({row.id for row in matrix.ROWS}) == 19
    with pytest.raises(KeyError):
        matrix.row("Z-1")


@requirement("G-01")
def test_the_text_names_one_first_pattern_for_four_ftp_rows():
    assert {row.id: row.literal for row in matrix.ROWS if row.literal} == {"B-1": (3, 1), "C-1": (2, 11), "D-1": (10, 6), "E-1": (11, 0)}


@requirement("R-042", "R-163", "G-21")
def test_two_rows_have_a_minimum_above_their_pattern():
    assert {row.id: str(row.pattern_first) for row in matrix.ROWS if row.pattern_first} == {"D-1": "10.6.0", "H-1": "0.0.0"}


LIMITS = [
    pytest.param("PM5561", "10.6.2", None, marks=requirement("R-042", "R-043"), id="5561-below-note"),
    pytest.param("PM5561", "10.6.3", 10, marks=requirement("R-042", "R-043"), id="5561-from-note"),
    pytest.param("PM5561", "11.99999.99999", 10, marks=requirement("R-043", "R-152"), id="5561-below-12"),
    pytest.param("PM5561", "12.0.0", 25, marks=requirement("R-152", "R-154"), id="5561-12"),
    pytest.param("PM5562", "4.3.4", None, marks=requirement("R-152", "R-154"), id="5562-below"),
    pytest.param("PM5562", "4.3.5", 25, marks=requirement("R-152", "R-154"), id="5562-from"),
    pytest.param("PM5562MC", "4.3.4", None, marks=requirement("R-152", "R-154"), id="5562MC-below"),
    pytest.param("PM5562MC", "4.3.5", 25, marks=requirement("R-152", "R-154"), id="5562MC-from"),
    pytest.param("PM5661", "10.99999.99999", None, marks=requirement("R-042", "R-043"), id="5661-below"),
    pytest.param("PM5661", "11.0.0", 10, marks=requirement("R-042", "R-043"), id="5661-11"),
    pytest.param("PM5661", "13.99999.99999", 10, marks=requirement("R-043", "R-153"), id="5661-below-14"),
    pytest.param("PM5661", "14.0.0", 25, marks=requirement("R-153", "R-154"), id="5661-14"),
    pytest.param("PM5761", "10.99999.99999", None, marks=requirement("R-042", "R-043"), id="5761-below"),
    pytest.param("PM5761", "11.0.0", 10, marks=requirement("R-042", "R-043"), id="5761-11"),
    pytest.param("PM5761", "14.0.0", 25, marks=requirement("R-153", "R-154"), id="5761-14"),
]


@pytest.mark.parametrize(("model", "version", "limit"), LIMITS)
def test_attempt_limit(model, version, limit):
    found = limits.attempt_limit(find_model(model), Version.parse(version))
    assert (found.limit if found else None) == limit


@requirement("R-152", "R-043", "R-042", "R-153", "R-154")
@pytest.mark.parametrize("model", ["PM5560", "PM5563", "PM5570", "PM5570L", "PM5580", "PM5650", "PM5660", "PM5760", "PM8000", "ION9000"])
def test_no_limit_is_documented_for_other_models(model):
    assert limits.attempt_limit(find_model(model), Version.parse("99.0.0")) is None


@requirement("R-008", "R-011", "R-014", "R-018", "R-022", "R-025", "R-026")
@pytest.mark.parametrize(
    ("model", "version", "expected"),
    [
        ("PM5560", "2.9.9", "legacy"),
        ("PM5560", "2.9.10", "unknown"),
        ("PM5560", "4.0.0", "new"),
        ("PM5570", "3.2.9", "legacy"),
        ("PM5570", "6.0.0", "new"),
        ("PM5650", "2.12.9", "legacy"),
        ("PM5650", "4.9.9", "unknown"),
        ("PM5650", "4.10.0", "new"),
        ("PM5561", "10.9.9", "legacy"),
        ("PM5561", "11.0.0", "unknown"),
        ("PM5561", "12.0.0", "new"),
        ("PM5661", "11.2.9", "legacy"),
        ("PM5761", "14.0.0", "new"),
        ("PM5570L", "5.9.9", "unknown"),
        ("PM5570L", "6.0.0", "new"),
        ("PM8000", "2.99.0", "below 3"),
        ("PM8000", "3.0.0", "3"),
        ("ION9000T", "3.99.0", "3"),
        ("ION7400", "4.0.0", "4"),
    ],
)
def test_generation_of_firmware(model, version, expected):
    assert generations.generation(find_model(model), Version.parse(version)) == expected


def test_an_mcs301_has_no_generation():
    assert generations.generation(find_model("MCS301"), Version(1, 0, 0)) == "unknown"


@requirement("R-006", "R-007", "R-026")
def test_every_model_has_a_row_and_every_row_knows_its_models():
    named = {name for row in matrix.ROWS for name in row.models}
    assert named == {model.name for family in ("pm5000", "hep", "mcs301") for model in models_of(family)}
