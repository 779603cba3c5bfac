# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The fault campaign: each test has its own fleet, ledger and outputs, and ends with the invariants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultlab.lab import Lab

import warmstart
from metersim import testing

# Fleets start warm, as plays do.
testing.launch = warmstart.start


@pytest.fixture
def lab(artifacts: Path, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(artifacts, tmp_path)
    try:
        yield lab
    finally:
        lab.down()
