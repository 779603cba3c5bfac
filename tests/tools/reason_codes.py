# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Writes docs/reason-codes.md from the catalogue; ``--check`` fails when the page is not what the catalogue says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.reasons import REASONS, Reason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reason-codes.md"
AGAIN = {
    "never": "not until something was changed",
    "after_remedy": "when the remedy is done",
    "after_hold": "once by itself, as a new recorded attempt; then when the remedy is done",
    "later": "at any time",
}
HEAD = """<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Copyright: (c) 2026, The gridops.metering authors -->
<!-- Written by tests/tools/reason_codes.py from the catalogue. Do not edit. -->
# Reason codes

Every outcome that is not good carries one of these codes in `reason`, with the remedy in `remedy`. One code stands for one remedy. Codes for methods and
tasks that this release does not run yet are listed too, because the catalogue is complete for all families.

| Code | What it says | What to do | Run again | Methods | Rules |
|---|---|---|---|---|---|
"""


def row(reason: Reason) -> str:
    """One line of the table."""
    cells = (
        f"`{reason.code}`",
        reason.text,
        reason.remedy,
        AGAIN[reason.retry],
        ", ".join(reason.methods) or "all",
        ", ".join(reason.rules),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(row(REASONS[code]) for code in sorted(REASONS)) + "\n"


def keep(path: Path, text: str) -> int:
    """Write a page that is made from something else, such as the catalogue; with ``--check`` only compare. The exit status."""
    script = Path(sys.argv[0]).name
    parser = argparse.ArgumentParser(description=f"Write or check {path.name}.")
    parser.add_argument("--check", action="store_true", help="only compare")
    if not parser.parse_args().check:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{path.name} is stale; run tests/tools/{script}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(keep(PAGE, page()))
