# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The mutation check itself, in processes of its own: it names what no test catches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tests" / "tools" / "mutation.py"

PLANTED = """
import sys
sys.path.insert(0, {folder!r})
import mutation
mutation.preload()
row = next(item for item in mutation.mutants() if item.name == {name!r})
blind = mutation.replace(row, rules=({rule!r},))
said = []
print(mutation.run_all([blind], 1, said.append), said)
"""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_every_row_limit_and_number_is_altered():
    listed = _run(str(TOOL), "--list").stdout
    assert len(listed.splitlines()) > 500
    for part in (
        "A-2 source.first up",
        "B-2 method web",
        "A-2 reversible True",
        "D-1 higher_only",
        "limit PM5561 10.6.3 limit up",
        "settle down",
    ):
        assert part in listed


def test_a_change_that_no_marked_test_sees_is_named():
    blind = _run("-c", PLANTED.format(folder=str(TOOL.parent), name="A-2 source.first up", rule="G-13"))
    assert "'A-2 source.first up': 1" in blind.stdout, blind.stderr
    assert "not caught: A-2 source.first up (G-13)" in blind.stdout


def test_a_change_that_a_marked_test_sees_is_caught():
    seen = _run("-c", PLANTED.format(folder=str(TOOL.parent), name="A-2 source.first up", rule="R-009"))
    assert "{'A-2 source.first up': 0} []" in seen.stdout, seen.stderr
