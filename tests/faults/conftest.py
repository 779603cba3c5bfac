# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The fault campaign: each test has its own fleet, ledger and outputs, and ends with the invariants."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in (Path(__file__).parent, ROOT / "tests" / "simulator", ROOT / "tests" / "tools"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from faultlab.lab import Lab  # noqa: E402


@pytest.fixture
def lab(artifacts: Path, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(artifacts, tmp_path)
    try:
        yield lab
    finally:
        lab.down()
