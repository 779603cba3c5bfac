# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From a present version to a target: the documented chain of hops, or one reason why there is none (R-006).

A search over the matrix and nothing else: fewest hops first, then the highest intermediate version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from typing import Optional

from ..base.errors import InputError
from ..catalogue import accept, matrix
from ..catalogue.limits import attempt_limit
from ..catalogue.matrix import Row, rows_for
from ..catalogue.models import MCS301, Model
from ..catalogue.versions import Band, Version

_FTP = "ftp"
_IDENTIFIER_LENGTH = 64


@dataclass(frozen=True)
class Hop:
    """One step of a chain. ``target`` is None where any version of ``target_range`` will do and none was on offer."""

    row: str
    method: str
    source: Version | str | None
    target: Version | str | None
    target_range: Band
    reversible: bool | None
    attempts_limit: int | None
    reading: str
    rules: tuple[str, ...]
    accept: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PathResult:
    """``reason`` is empty when the path is supported, else a code of the catalogue; ``text`` says it in one sentence."""

    supported: bool
    reason: str
    hops: tuple[Hop, ...]
    text: str
    row: str = ""


def plan_path(
    model: Model,
    source: Version | str,
    target: Version | str,
    available: Sequence[Version] = (),
    strict_matrix: bool = False,
    allow_downgrade: bool = False,
    rows: Sequence[Row] = matrix.ROWS,
    offered: Mapping[str, Sequence[Version]] | None = None,
) -> PathResult:
    """The path of one meter.

    ``available`` are the versions there are packages of: intermediates must be among them when the list is not empty, the
    target need not. ``offered`` says the same by method; a chain with a package for every hop goes before a shorter one without.
    ``strict_matrix`` takes only the sources that the text names (G-01). Versions of an MCS301 are
    identifiers (text) without an order; for every other family they are ``Version``. Raises InputError on a mix of both.
    """
    own = rows_for(model, tuple(rows))
    if model.family == MCS301:
        return _opaque_path(own, source, target)
    if not isinstance(source, Version) or not isinstance(target, Version):
        raise InputError("version", source if not isinstance(source, Version) else target, "a parsed version", "R-241")
    if source == target:
        return PathResult(True, "", (), f"the meter already runs {target}")
    usable = tuple(row for row in own if row.supported)
    if target < source:
        return _downgrade(model, usable, source, target, strict_matrix, allow_downgrade)
    found = (_search(usable, source, target, tuple(available), strict_matrix, offered) if offered else None) or _search(
        usable, source, target, tuple(available), strict_matrix
    )
    if found is not None:
        hops = _hops(model, found, source, target)
        return PathResult(True, "", hops, f"{source} to {target}: {_chain_text(hops)}")
    return _refusal(model, own, usable, source, target, strict_matrix)


# The search


@dataclass(frozen=True)
class _Chain:
    rows: tuple[Row, ...]
    ranges: tuple[Band, ...]
    picks: tuple[Version | None, ...]


_Offered = Optional[Mapping[str, Sequence[Version]]]  # noqa: UP045 - evaluated at run time


def _search(
    rows: Sequence[Row], source: Version, target: Version, available: tuple[Version, ...], strict: bool, offered: _Offered = None
) -> _Chain | None:
    """The best chain of the smallest length. A row never helps twice: its first use could go to where the last use goes."""
    for length in range(1, len(rows) + 1):
        chains = (_chain(order, source, target, available, strict, offered) for order in permutations(rows, length))
        best = max((chain for chain in chains if chain is not None), key=_height, default=None)
        if best is not None:
            return best
    return None


def _height(chain: _Chain) -> tuple[tuple[int, Version], ...]:
    """Compares chains of one length: by the intermediates, the first one first; an open range is higher than any version."""
    ends = (band.end if pick is None else pick for pick, band in zip(chain.picks, chain.ranges, strict=True))
    return tuple((0, end) if end is not None else (1, Version(0, 0, 0)) for end in ends)


def _chain(
    order: tuple[Row, ...], source: Version, target: Version, available: tuple[Version, ...], strict: bool, offered: _Offered = None
) -> _Chain | None:
    if source not in order[0].sources(strict) or target not in order[-1].target:
        return None
    if offered is not None and target not in offered.get(order[-1].method, ()):
        return None
    ranges = _intermediates(order, source, target, strict)
    if ranges is None:
        return None
    if not available:
        return _Chain(order, ranges, tuple(None for dummy in ranges))
    picks = _pick(order, ranges, available, strict, offered)
    return None if picks is None else _Chain(order, ranges, picks)


def _intermediates(order: tuple[Row, ...], source: Version, target: Version, strict: bool) -> tuple[Band, ...] | None:
    """What each intermediate version may be, rising from source to target; None when one cannot be anything."""
    ranges: list[Band] = []
    low = source.next()
    for before, after in pairwise(order):
        both = before.target.meet(after.sources(strict))
        band = both.meet(Band(low, below=target)) if both is not None else None
        if band is None:
            return None
        ranges.append(band)
        low = band.low.next()
    return _capped(ranges)


def _capped(ranges: list[Band]) -> tuple[Band, ...] | None:
    """Each intermediate must leave room for the next one above it."""
    for index in range(len(ranges) - 2, -1, -1):
        following = ranges[index + 1]
        last = following.last_before_end()
        if last is not None:
            capped = ranges[index].meet(Band(below=last))
            if capped is None:
                return None
            ranges[index] = capped
    return tuple(ranges)


def _pick(
    order: tuple[Row, ...], ranges: tuple[Band, ...], available: tuple[Version, ...], strict: bool, offered: _Offered = None
) -> tuple[Version, ...] | None:
    """The highest version on offer for each intermediate, the first one first; None when one has none."""
    if not ranges:
        return ()
    own = available if offered is None else [item for item in available if item in offered.get(order[0].method, ())]
    for candidate in sorted({item for item in own if item in ranges[0] and item in order[1].sources(strict)}, reverse=True):
        above = tuple(item for item in available if item > candidate)
        rest = _pick(order[1:], ranges[1:], above, strict, offered)
        if rest is not None:
            return (candidate, *rest)
    return None


# From rows to hops


def _hops(model: Model, chain: _Chain, source: Version, target: Version) -> tuple[Hop, ...]:
    starts: tuple[Version | None, ...] = (source, *chain.picks)
    ends: tuple[Version | None, ...] = (*chain.picks, target)
    ranges = (*chain.ranges, chain.rows[-1].target)
    lowest = (source, *(band.low for band in chain.ranges))
    return tuple(
        _hop(model, row, start, end, band, start or low)
        for row, start, end, band, low in zip(chain.rows, starts, ends, ranges, lowest, strict=True)
    )


def _hop(model: Model, row: Row, source: Version | None, target: Version | None, band: Band, low: Version, downgrade: bool = False) -> Hop:
    limit = attempt_limit(model, low)
    reading = row.reading(low)
    return Hop(
        row=row.id,
        method=row.method,
        source=source,
        target=target,
        target_range=band,
        reversible=row.reversible,
        attempts_limit=limit.limit if limit else None,
        reading=reading,
        rules=row.rules + (limit.rules if limit else ()),
        accept=accept.needed_for(row, downgrade),
        notes=tuple(_notes(row, target, band, limit.limit if limit else None, reading, downgrade)),
    )


def _notes(row: Row, target: Version | None, band: Band, limit: int | None, reading: str, downgrade: bool) -> list[str]:
    notes = []
    if target is None:
        notes.append(f"intermediate: any version from {band} will do")
    if row.reversible is False:
        notes.append("IRREVERSIBLE: the meter cannot go back to its present version")
    if downgrade:
        notes.append("downgrade inside an FTP band (G-10); it costs an attempt where attempts are limited")
    if limit is not None:
        notes.append(f"costs one of at most {limit} attempts in the meter's life, whether it succeeds or not")
    if row.method == _FTP:
        notes.append("afterwards the DLF3000 software can no longer upgrade this meter (R-041)")
    if reading == "extended":
        notes.append("reading: extended, the text names only the first versions of this band (G-01)")
    return [*notes, *row.notes]


def _chain_text(hops: Sequence[Hop]) -> str:
    return ", then ".join(f"{hop.method} (row {hop.row}) to {hop.target or hop.target_range}" for hop in hops)


# Going down, and refusals


def _downgrade(model: Model, rows: Sequence[Row], source: Version, target: Version, strict: bool, allow: bool) -> PathResult:
    """Down is possible only by leave and inside one FTP band whose models may go down at all (G-10)."""
    inside = [row for row in rows if source in row.sources(strict) and target in row.target and target >= row.source.low]
    for row in inside:
        if row.higher_only:
            text = f"{model} takes only versions above its present {source} (row {row.id}), not {target}"
            return PathResult(False, "target_not_higher", (), text, row.id)
    if not any(source in row.sources(strict) for row in rows):
        return _undocumented(model, source, target)
    for row in inside:
        if row.method == _FTP and allow:
            hop = _hop(model, row, source, target, Band(row.source.low, below=source), source, downgrade=True)
            return PathResult(True, "", (hop,), f"{source} down to {target}: ftp (row {row.id})")
    leave = " without allow_downgrade" if any(row.method == _FTP for row in inside) else ""
    return PathResult(
        False, "downgrade_forbidden", (), f"{model} at {source} does not go down to {target}{leave}", inside[0].id if inside else ""
    )


def _refusal(model: Model, own: Sequence[Row], usable: Sequence[Row], source: Version, target: Version, strict: bool) -> PathResult:
    for row in own:
        if not row.supported and source in row.source and target in row.target:
            text = f"{model} from {source} to {target} is not supported (row {row.id}); contact Schneider Electric Technical Support"
            return PathResult(False, "path_not_supported", (), text, row.id)
    unlimited = _search(usable, source, target, (), strict)
    if unlimited is not None:
        missing = " and ".join(str(band) for band in unlimited.ranges)
        text = f"{model} from {source} to {target} needs an intermediate version from {missing}, and none is available"
        return PathResult(False, "intermediate_missing", (), text, unlimited.rows[0].id)
    for row in usable:
        if source not in row.source and _leads(row, usable, source, target, strict):
            text = f"{model} at {source} is below {row.source.low}, the lowest version from which {target} can be reached (row {row.id})"
            return PathResult(False, "source_below_minimum", (), text, row.id)
    return _undocumented(model, source, target)


def _leads(row: Row, rows: Sequence[Row], source: Version, target: Version, strict: bool) -> bool:
    """Whether only the minimum that a note sets for this row stands in the way."""
    relaxed = replace(row, source=row.relaxed_source, pattern_first=None)
    return _search([relaxed if item is row else item for item in rows], source, target, (), strict) is not None


def _undocumented(model: Model, source: Version, target: Version) -> PathResult:
    return PathResult(False, "undocumented_path", (), f"no document names a way for {model} from {source} to {target}")


# Meters whose versions have no order


def identifier(text: object, option: str = "version") -> str:
    """A firmware identifier of an MCS301 as canonical text. Raises InputError."""
    plain = text.strip() if isinstance(text, str) else ""
    if not plain or len(plain) > _IDENTIFIER_LENGTH or not plain.isprintable():
        raise InputError(option, text, "the firmware identifier as text or hexadecimal digits, at most 64 characters", "R-212")
    return plain


def _opaque_path(rows: Sequence[Row], source: Version | str, target: Version | str) -> PathResult:
    """Identifiers are only compared for equality: any signed image may follow any other (R-223, design 4.1)."""
    start, end = identifier(str(source), "source"), identifier(str(target), "target")
    if start.casefold() == end.casefold():
        return PathResult(True, "", (), f"the meter already runs {end}")
    row = rows[0]
    notes = ("identifiers have no order: whether this is a step up is for a person to say", *row.notes)
    hop = Hop(row.id, row.method, start, end, row.target, row.reversible, None, "literal", row.rules, accept.needed_for(row), notes)
    return PathResult(True, "", (hop,), f"{start} to {end}: {row.method} (row {row.id})")
