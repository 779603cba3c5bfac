# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Writes docs/controls.md from the catalogue; ``--check`` fails when the page is not what the catalogue says."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.clauses import CLAUSES, Clause
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.controls import CONTROLS, ControlEntry
from reason_codes import keep

PAGE = Path(__file__).resolve().parents[2] / "docs" / "controls.md"
PARTS = {
    "firmware": "Firmware",
    "applies_to": "What the baseline is for",
    "evidence": "Evidence",
    "security": "Security",
    "attested": "What a person tells",
}
HEAD = """<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Copyright: (c) 2026, The gridops.metering authors -->
<!-- Written by tests/tools/controls_page.py from the catalogue. Do not edit. -->
# Controls

Every point that an audit may judge, by the part of its id before the colon: `user:USER1` is a `user`. A [baseline](guides/baselines.md) asks for it in the
option that is named here, and a waiver names the whole id, or `user:*` for all of one kind. What no baseline asks for, and the documents recommend, is judged
as well and never changed.

Level 1 is for every meter, level 2 for those that need more. Clauses are identifiers of standards that speak of the same thing; `?` stands behind those whose
text nobody could read here. A mapping is a help for whoever answers an auditor, not a certificate. NIST SP 800-82 names the same identifiers as SP 800-53.
"""
COLUMNS = "| Control | What it says | Why | Severity | Level | Asked for by | Rule | Clauses |\n|---|---|---|---|---|---|---|---|\n"
CLAUSE_HEAD = """
## Clauses

What each clause is about, in our words. *Read* means that its text, as public documents quote it, was compared with these words.

| Standard | Clause | About | Read |
|---|---|---|---|
"""


def short(clause: Clause) -> str:
    """The clause in a list."""
    return f"{clause.standard} {clause.clause}" + ("" if clause.verified else " ?")


def row(entry: ControlEntry) -> str:
    """One line of a table."""
    asked = f"`{entry.part}.{entry.option}`" if entry.option else "`attested`" if entry.valid_days else "every audit"
    days = f"; counts {entry.valid_days} days" if entry.valid_days else ""
    cells = (
        f"`{entry.id}`",
        entry.title,
        entry.rationale,
        entry.severity,
        str(entry.level),
        asked + days,
        entry.rule,
        "; ".join(short(clause) for clause in entry.clauses),
    )
    return "| " + " | ".join(cells) + " |\n"


def page() -> str:
    """The whole page."""
    text = HEAD
    for part, title in PARTS.items():
        entries = sorted((entry for entry in CONTROLS.values() if entry.part == part), key=lambda entry: entry.id)
        text += f"\n## {title}\n\n{COLUMNS}" + "".join(row(entry) for entry in entries)
    text += CLAUSE_HEAD
    for clause in CLAUSES.values():
        text += f"| {clause.standard} | {clause.clause} | {clause.about} | {'yes' if clause.verified else 'no'} |\n"
    return text


if __name__ == "__main__":
    sys.exit(keep(PAGE, page()))
