# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan and outcomes as tables for people: aligned text and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Longest cell in characters; the whole text is in the JSON file.
LONGEST = 100
Rows = Sequence[Mapping[str, Any]]


def text_table(rows: Rows) -> list[str]:
    """Lines of aligned columns with a head; empty for no rows."""
    if not rows:
        return []
    names = list(rows[0])
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[index]) for line in cells)) for index, name in enumerate(names)]
    lines = ["  ".join(name.upper().ljust(width) for name, width in zip(names, widths, strict=True)).rstrip()]
    lines.append("  ".join("-" * width for width in widths))
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return lines


def markdown_table(rows: Rows) -> list[str]:
    """The same as a Markdown table."""
    if not rows:
        return []
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return lines + ["| " + " | ".join(_cell(row.get(name)).replace("|", "\\|") for name in names) + " |" for row in rows]


def _cell(value: Any) -> str:
    """One line without control characters: texts of meters come through here."""
    text = "-" if value is None or value == "" else str(value)
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
