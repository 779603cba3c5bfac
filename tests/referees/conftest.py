# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Simulated MCS301 for the referees, and their environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from refereekit import ROOT, Bench

from metersim import packages
from metersim.testing import Fleet

FIRMWARE = {0: "010200030001", 1: "020500010007"}
TARGET = "020500020001"
SIZE = 20_000


@pytest.fixture(scope="session", autouse=True)
def environment() -> None:
    """The referees' own virtual environment; made on first use."""
    subprocess.run([sys.executable, str(ROOT / "tests" / "tools" / "env.py"), "--referees"], check=True)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed sample image for B=1."""
    folder = tmp_path_factory.mktemp("firmware")
    packages.write(folder, [("MCS301", TARGET)], SIZE, "", ("dlms",), dlms={"component": 1, "build": "", "stated": "detached"})
    return next(path for path in folder.rglob("*.img"))


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A fresh meter with these words of the fleet file's ``dlms``."""
    fleets = []

    def make(**words: object) -> Bench:
        (tmp_path / str(len(fleets))).mkdir()
        entry = {"name": "q1", "model": "MCS301", "firmware": FIRMWARE, "dlms": {"verify_time": 1, "silence": 20, "self_test": 10, **words}}
        fleet = Fleet({"clock_factor": 200, "meters": [entry]}, tmp_path / str(len(fleets))).__enter__()
        fleets.append(fleet)
        return Bench(fleet, "q1")

    yield make
    for fleet in fleets:
        fleet.__exit__(None, None, None)
