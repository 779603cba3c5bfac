# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The upgrade matrix: which method leads from which version to which, and which way is closed (R-007).

``reversible`` is False where the documents say that there is no way back, True where they say there is one, None where
they say nothing. ``pattern_first`` is the lowest source of the documented pattern when a note sets a higher minimum.
``literal`` is the major and minor number that the text names as source where G-01 reads it as the start of a band.
"""

from __future__ import annotations

from dataclasses import dataclass

from .models import Model
from .versions import Band, Version

UNSUPPORTED = "unsupported"

_PM55 = ("PM5560", "PM5562", "PM5562MC", "PM5563", "PM5580")
_PM_B = ("PM5570", "PM5660", "PM5760")
_PM_E = ("PM5661", "PM5761")
_PM_L = ("PM5570L", "PM5660L", "PM5760L")
_HEP = ("ION9000", "ION9000T", "PM8000", "ION7400")


@dataclass(frozen=True)
class Row:
    """One line of the matrix."""

    id: str
    models: tuple[str, ...]
    source: Band
    target: Band
    method: str
    rules: tuple[str, ...]
    reversible: bool | None = None
    higher_only: bool = False
    pattern_first: Version | None = None
    literal: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """False for the rows by which the documents close a way."""
        return self.method != UNSUPPORTED

    @property
    def relaxed_source(self) -> Band:
        """The sources of the documented pattern, without the minimum that a note sets."""
        return Band(self.pattern_first or self.source.first, self.source.last, self.source.below)

    def sources(self, strict: bool) -> Band:
        """The accepted sources; with ``strict`` only those that the text itself names (G-01)."""
        if not strict or self.literal is None:
            return self.source
        major, minor = self.literal
        return self.source.meet(Band(Version(major, minor, 0), below=Version(major, minor + 1, 0))) or self.source

    def reading(self, source: Version) -> str:
        """``literal`` where the text names this source, ``extended`` where G-01 reads it as part of the band."""
        if self.literal is None or self.literal == (source.major, source.minor):
            return "literal"
        return "extended"


def _v(text: str) -> Version:
    return Version.parse(text)


def _from(first: str, last: str | None = None, below: str | None = None) -> Band:
    return Band(_v(first), _v(last) if last else None, _v(below) if below else None)


def _upto(last: str) -> Band:
    return Band(None, _v(last))


ROWS: tuple[Row, ...] = (
    Row("A-1", _PM55, _from("2.0.0", "2.9.9"), _upto("2.9.9"), "ftp", ("R-008",)),
    Row("A-2", _PM55, _from("2.5.0", "2.9.9"), _from("4.0.0"), "tool", ("R-009", "R-010"), reversible=False),
    Row("A-3", _PM55, _from("4.0.0"), _from("4.0.0"), "web", ("R-011",)),
    Row("B-1", _PM_B, _from("3.1.0", "3.2.9"), _upto("3.2.9"), "ftp", ("R-012", "G-01"), literal=(3, 1)),
    Row("B-2", _PM_B, _upto("3.2.9"), _from("6.0.0"), UNSUPPORTED, ("R-013",)),
    Row("B-3", _PM_B, _from("6.0.0"), _from("6.0.0"), "web", ("R-014",)),
    Row("C-1", ("PM5650",), _from("2.11.0", "2.12.9"), _upto("2.12.9"), "ftp", ("R-015", "G-01"), literal=(2, 11)),
    Row("C-2", ("PM5650",), _upto("2.12.9"), _from("4.10.0"), "tool", ("R-016", "R-017"), reversible=False),
    Row("C-3", ("PM5650",), _from("4.10.0"), _from("4.10.0"), "web", ("R-018",)),
    Row(
        "D-1",
        ("PM5561",),
        _from("10.6.3", "10.9.9"),
        _upto("10.9.9"),
        "ftp",
        ("R-019", "R-042", "G-01", "G-21"),
        higher_only=True,
        pattern_first=_v("10.6.0"),
        literal=(10, 6),
    ),
    Row("D-2", ("PM5561",), _upto("10.9.9"), _from("12.0.0"), "tool", ("R-020", "R-021", "G-21"), reversible=False),
    Row("D-3", ("PM5561",), _from("12.0.0"), _from("12.0.0"), "web", ("R-022", "R-152"), higher_only=True),
    Row("E-1", _PM_E, _from("11.0.0", "11.2.9"), _upto("11.2.9"), "ftp", ("R-023", "R-042", "G-01"), higher_only=True, literal=(11, 0)),
    Row("E-2", _PM_E, _upto("11.2.9"), _from("14.0.0"), UNSUPPORTED, ("R-024",)),
    Row("E-3", _PM_E, _from("14.0.0"), _from("14.0.0"), "web", ("R-025", "R-153"), higher_only=True),
    Row("F-1", _PM_L, _from("6.0.0"), _from("6.0.0"), "web", ("R-026",)),
    Row(
        "H-1",
        _HEP,
        _from("2.1.0", below="3.0.0"),
        _from("3.0.0", below="4.0.0"),
        "ion",
        ("R-163", "R-173", "R-245"),
        reversible=False,
        pattern_first=_v("0.0.0"),
        notes=("procedure: document 7EN72-0206-00 of the maker (R-180)",),
    ),
    Row(
        "H-2",
        _HEP,
        _from("3.0.0"),
        _from("3.0.0"),
        "ion",
        ("R-173", "R-245", "X-12"),
        reversible=False,
        notes=("this row comes from the maker's product help, not from the four source documents (X-12)",),
    ),
    # Versions of an MCS301 are identifiers without an order (design 4.1), so its row has no bounds.
    Row(
        "M-1",
        ("MCS301",),
        Band(),
        Band(),
        "dlms",
        ("R-223", "R-222"),
        reversible=True,
        notes=("the old firmware stays in the meter until the new one is confirmed (R-222)",),
    ),
)


def rows_for(model: Model, rows: tuple[Row, ...] | None = None) -> tuple[Row, ...]:
    """The rows of one model, in the order of the documents; out of ``rows`` where they are given."""
    return tuple(row for row in (ROWS if rows is None else rows) if model.name in row.models)


def row(row_id: str) -> Row:
    """The row of this id. Raises KeyError."""
    for item in ROWS:
        if item.id == row_id:
            return item
    raise KeyError(row_id)
