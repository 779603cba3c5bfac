# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Draws docs/images/rooms.svg, the rooms of the engine and which of them may import which, from the import contract in pyproject.toml.

``--check`` fails when the drawing is not what the contract says. Import-linter proves in CI that the code keeps the contract.
"""

from __future__ import annotations

import re
import sys
import tomllib
from html import escape
from pathlib import Path

from reason_codes import keep

ROOT = Path(__file__).resolve().parents[2]
DRAWING = ROOT / "docs" / "images" / "rooms.svg"
FACES = "modules, action, inventory, filter, lookup, callback"
#: What a room is about, in a few words; a room without any is an error.
ABOUT = {
    "audit": "baseline and verdict",
    "security": "settings, users, passwords, keys",
    "upgrade": "one executor per method",
    "reporting": "one document, many formats",
    "records": "ledger, leases, journal",
    "meters": "what a family says, and where",
    "wire": "Modbus, web, FTP, DLMS, TLS",
    "profiles": "a meter's pages as data",
    "artifacts": "manifest, hashes, signatures",
    "planning": "paths, prechecks, waves, the plan",
    "catalogue": "models, versions, matrix, limits, reasons",
    "base": "clock, errors, redaction",
}
WIDTH, BOX, STEP, MARGIN, GAP = 920, 62, 96, 20, 14
STYLE = """
text { font-family: system-ui, sans-serif; font-size: 15px; fill: #1b1f24; text-anchor: middle; }
.about { font-size: 12px; fill: #57606a; }
rect { fill: #eef4fb; stroke: #4a78a8; stroke-width: 1.2; }
.face { fill: #f6f0e4; stroke: #a8854a; }
.pure { stroke-dasharray: 5 3; }
path { stroke: #57606a; stroke-width: 1.6; fill: none; }
.tip { fill: #57606a; stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .about { fill: #9da7b1; } rect { fill: #1c2733; stroke: #6f9fd0; } .face { fill: #2b2619; stroke: #c9a86a; }
  path { stroke: #9da7b1; } .tip { fill: #9da7b1; }
}
"""


def rooms_by_layer() -> tuple[list[list[str]], set[str]]:
    """The rooms by layer, the one that may import all others first; and those that do no I/O."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    pure = next(contract["source_modules"] for contract in contracts if contract["name"].endswith("do no I/O"))
    return [re.findall(r"\w+", row) for row in rows], {name.rpartition(".")[2] for name in pure}


def box(x: float, y: float, width: float, name: str, about: str, kind: str) -> str:
    middle = x + width / 2
    return (
        f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="6"/>'
        f'<text x="{middle:.0f}" y="{y + 27:.0f}">{escape(name)}</text>'
        f'<text class="about" x="{middle:.0f}" y="{y + 46:.0f}">{escape(about)}</text>'
    )


def arrow(y: float) -> str:
    """From a row down to the next: all rows may import those below them, never those above or beside them."""
    x, start, end = WIDTH / 2, y + BOX, y + STEP
    return f'<path d="M{x:.0f} {start + 3:.0f} V{end - 10:.0f}"/><path class="tip" d="M{x:.0f} {end - 2:.0f} l-6 -10 h12 z"/>'


def drawing() -> str:
    rows, pure = rooms_by_layer()
    height = MARGIN * 2 + STEP * len(rows) + BOX
    parts = [box(MARGIN, MARGIN, WIDTH - 2 * MARGIN, "playbooks, roles and plugins", FACES, "face"), arrow(MARGIN)]
    for number, rooms in enumerate(rows, 1):
        y = MARGIN + STEP * number
        width = (WIDTH - 2 * MARGIN - GAP * (len(rooms) - 1)) / len(rooms)
        for place, room in enumerate(rooms):
            parts.append(box(MARGIN + place * (width + GAP), y, width, room, ABOUT[room], "pure" if room in pure else "room"))
        parts += [arrow(y)] if number < len(rows) else []
    text = (
        "Rooms of the engine from the top down: "
        + "; ".join(", ".join(rooms) for rooms in rows)
        + ". Each row imports only from rows below it."
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t">'
    return "\n".join([head, f'<title id="t">{escape(text)}</title>', f"<style>{STYLE}</style>", *parts, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(keep(DRAWING, drawing()))
