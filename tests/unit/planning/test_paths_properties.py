# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Properties of the planner for any model and any versions, and its search against an exhaustive one on small grids."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import matrix, reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.matrix import Row
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model, models_of
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Band, Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import plan_path

requirement = pytest.mark.requirement
MODELS = [model for family in ("pm5000", "hep") for model in models_of(family)]


def _interesting() -> list[Version]:
    """Every bound of the matrix and its neighbours: where a planner would go wrong."""
    found = set()
    for row in matrix.ROWS:
        for band in (row.source, row.target):
            for edge in (band.low, band.end):
                if edge is not None:
                    found |= {
                        edge,
                        edge.next(),
                        Version(edge.major, edge.minor, max(0, edge.patch - 1)),
                        Version(edge.major, edge.minor + 1, 0),
                    }
    return sorted(found)


EDGES = _interesting()
versions = st.one_of(
    st.sampled_from(EDGES),
    st.builds(Version, st.integers(0, 15), st.integers(0, 13), st.integers(0, 12)),
)
options = st.fixed_dictionaries({"strict_matrix": st.booleans(), "allow_downgrade": st.booleans()})


def _steps(result, source, target):
    """The hops with concrete versions: where a range was given, its ends stand for it."""
    at = [{source}]
    for hop in result.hops[:-1]:
        assert isinstance(hop.target_range, Band)
        at.append({hop.target} if hop.target is not None else {hop.target_range.low, _top(hop.target_range)})
    return [*at, {target}]


def _top(band):
    last = band.last_before_end()
    assert last is not None, "an intermediate always lies below a target"
    return last if last in band else Version(last.major - (last.minor == 0), 99999 if last.minor == 0 else last.minor - 1, 99999)


@requirement("R-006", "R-007", "R-008", "R-010", "R-013", "R-017", "R-021", "R-024", "G-10")
@settings(max_examples=600, deadline=None)
@given(st.sampled_from(MODELS), versions, versions, st.lists(versions, max_size=6), options)
def test_no_chain_leaves_the_matrix_or_goes_down_without_leave(model, source, target, available, chosen):
    result = plan_path(model, source, target, available, **chosen)
    if not result.supported:
        assert result.reason in reasons.REASONS
        assert result.hops == () and result.text
        return
    assert result.reason == ""
    if source == target:
        assert result.hops == ()
        return
    assert result.hops
    steps = _steps(result, source, target)
    for hop, starts, ends in zip(result.hops, steps[:-1], steps[1:], strict=True):
        row = matrix.row(hop.row)
        assert model.name in row.models and row.supported and hop.method == row.method
        for start, end in product(starts, ends):
            assert start in row.source and end in row.target
            if end <= start:
                assert chosen["allow_downgrade"] and row.method == "ftp" and not row.higher_only and end >= row.source.low
                assert not model.has_lock and len(result.hops) == 1
    for hop in result.hops[:-1]:
        assert (hop.target in available) if available else (hop.target is None)


@requirement("R-013", "R-024")
@given(st.sampled_from([row for row in matrix.ROWS if not row.supported]), versions, versions, st.lists(versions, max_size=6), options)
def test_a_closed_way_is_never_crossed(row, source, target, available, chosen):
    model = find_model(row.models[0])
    if source in row.source and target in row.target:
        assert plan_path(model, source, target, available, **chosen).reason == "path_not_supported"


@requirement("R-010", "R-017", "R-021", "R-173", "G-10")
@given(st.sampled_from([row for row in matrix.ROWS if row.reversible is False]), versions, versions, options)
def test_a_one_way_row_has_no_way_back(row, source, target, chosen):
    model = find_model(row.models[0])
    if source in row.target and target in row.source and target < source:
        assert not plan_path(model, source, target, (), **chosen).supported


@requirement("R-042", "R-153")
@given(st.sampled_from([model for model in MODELS if model.has_lock]), versions, versions)
def test_models_with_a_lock_never_go_down(model, source, target):
    result = plan_path(model, max(source, target), min(source, target), (), allow_downgrade=True)
    assert source == target or not result.supported


@requirement("R-009", "R-036")
@given(st.sampled_from(MODELS), versions, versions, st.lists(versions, min_size=1, max_size=6))
def test_a_longer_list_of_packages_never_closes_a_way(model, source, target, available):
    some = plan_path(model, source, target, available)
    more = plan_path(model, source, target, [*available, *EDGES])
    free = plan_path(model, source, target)
    if some.supported:
        assert more.supported and len(more.hops) <= len(some.hops)
    assert more.supported == free.supported
    assert len(more.hops) == len(free.hops)


# Against an exhaustive search, on random matrices over a small grid

GRID = [Version(major, 0, patch) for major in range(3) for patch in range(4)]


def _between(pair):
    return Band(min(pair), max(pair))


bands = st.tuples(st.sampled_from(GRID), st.sampled_from(GRID)).map(_between)


@st.composite
def _matrices(draw):
    count = draw(st.integers(1, 4))
    return tuple(Row(f"T-{number}", ("PM5560",), draw(bands), draw(bands), "web", ("R-006",)) for number in range(count))


def _exhaustive(rows, source, target, available):
    """All rising chains over the grid, shortest first; the best is the one with the highest intermediates."""
    frontier = [(source,)]
    for dummy in range(len(rows)):
        ends = [
            chain[1:] for chain in frontier if any(chain[-1] in row.source and target in row.target for row in rows) and chain[-1] < target
        ]
        if ends:
            return max(ends)
        frontier = [
            (*chain, version)
            for chain in frontier
            for version in sorted(set(available))
            if chain[-1] < version < target and any(chain[-1] in row.source and version in row.target for row in rows)
        ]
    return None


@requirement("R-006")
@settings(max_examples=300, deadline=None)
@given(_matrices(), st.sampled_from(GRID), st.sampled_from(GRID), st.lists(st.sampled_from(GRID), min_size=1, max_size=6))
def test_the_search_finds_what_an_exhaustive_one_finds(rows, source, target, available):
    if source >= target:
        return
    result = plan_path(find_model("PM5560"), source, target, available, rows=rows)
    best = _exhaustive(rows, source, target, available)
    if best is None:
        assert not result.supported
    else:
        assert tuple(hop.target for hop in result.hops) == (*best, target)


@requirement("R-006")
@settings(max_examples=300, deadline=None)
@given(_matrices(), st.sampled_from(GRID), st.sampled_from(GRID))
def test_ranges_hold_exactly_where_some_version_would_do(rows, source, target):
    """Without a list, the chain is as long as with every version on offer, and each end of a first range really works."""
    if source >= target:
        return
    free = plan_path(find_model("PM5560"), source, target, rows=rows)
    every = plan_path(
        find_model("PM5560"), source, target, [Version(*number) for number in product(range(3), range(1), range(6))], rows=rows
    )
    assert free.supported == every.supported
    assert len(free.hops) == len(every.hops)
    if len(free.hops) > 1:
        band = free.hops[0].target_range
        for version in (band.low, _top(band)):
            rest = plan_path(find_model("PM5560"), version, target, rows=rows)
            assert rest.supported and len(rest.hops) == len(free.hops) - 1


@requirement("R-006")
@given(st.sampled_from(MODELS), versions, versions, options)
def test_planning_is_a_function_of_its_input(model, source, target, chosen):
    assert plan_path(model, source, target, (), **chosen) == plan_path(model, source, target, (), **chosen)
