# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Firmware versions as numbers, compared field by field and within one model only (R-015, R-241)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..base.errors import InputError

_TRIPLE = re.compile(r"[vV]?([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})")
_DOTTED = re.compile(r"[vV]?[0-9]{1,9}(?:\.[0-9]{1,9}){1,5}")


@dataclass(frozen=True, order=True)
class Version:
    """A meter's firmware version: exactly three numbers; ``str()`` gives the canonical text ``2.9.9``."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: object, option: str = "version") -> Version:
        """Read ``2.9.9``, ``v4.3.5``, ``V003.000.000`` or ``003.000.000`` (R-241). Raises InputError naming ``option``."""
        found = _TRIPLE.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise InputError(option, text, "a version of three numbers in quotes or as plain text, such as 2.9.9 or V003.000.000", "R-241")
        return cls(int(found[1]), int(found[2]), int(found[3]))

    def next(self) -> Version:
        """The smallest version above this one."""
        return Version(self.major, self.minor, self.patch + 1)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, order=True)
class Dotted:
    """A version of a PC program, two to six numbers, such as tool 3.8 or ION Setup 3.2.20218.01 (R-164).

    Missing last fields compare as zero; ``text`` keeps the maker's spelling and does not take part in comparing.
    """

    fields: tuple[int, ...]
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: object, option: str = "version") -> Dotted:
        """Read a dotted version. Raises InputError naming ``option``."""
        if not isinstance(text, str) or _DOTTED.fullmatch(text.strip()) is None:
            raise InputError(option, text, "a version of numbers with dots in quotes, such as 3.8 or 3.2.20218.01", "R-164")
        plain = text.strip().lstrip("vV")
        numbers = [int(part) for part in plain.split(".")]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return cls(tuple(numbers), plain)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Band:
    """A range of versions. ``first`` and ``last`` belong to it, ``below`` does not; None means no bound on that side."""

    first: Version | None = None
    last: Version | None = None
    below: Version | None = None

    @property
    def low(self) -> Version:
        """The lowest version of the band."""
        return self.first or Version(0, 0, 0)

    @property
    def end(self) -> Version | None:
        """The lowest version above the band, None where it has no upper bound."""
        return self.last.next() if self.last is not None else self.below

    def last_before_end(self) -> Version | None:
        """The highest version that can be named: ``last``, or ``below`` itself as a bound; None without upper bound."""
        end = self.end
        if end is not None and end.patch > 0:
            return Version(end.major, end.minor, end.patch - 1)
        return end

    def __contains__(self, version: Version) -> bool:
        return self.low <= version and (self.end is None or version < self.end)

    def meet(self, other: Band) -> Band | None:
        """The versions in both bands, or None when there are none."""
        low = max(self.low, other.low)
        ends = [end for end in (self.end, other.end) if end is not None]
        end = min(ends) if ends else None
        return Band(low, below=end) if end is None or low < end else None

    @property
    def first_text(self) -> str | None:
        """Lowest version as text, None where there is no lower bound."""
        return str(self.first) if self.first is not None else None

    @property
    def last_text(self) -> str | None:
        """Highest version as text; ``3.x`` for anything below 4.0.0; None where there is no upper bound."""
        end = self.end
        if end is None:
            return None
        if end.patch > 0:
            return str(Version(end.major, end.minor, end.patch - 1))
        if end.minor > 0:
            return f"{end.major}.{end.minor - 1}.x"
        return f"{end.major - 1}.x"

    def __str__(self) -> str:
        if self.first is None and self.end is None:
            return "any version"
        if self.last_text is None:
            return f"{self.low} and above"
        return f"{self.first_text} to {self.last_text}" if self.first is not None else f"{self.last_text} and earlier"
