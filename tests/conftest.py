# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What all tests share: the collection loader, the place for outputs, and the skip for a missing Debian package."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

try:
    from ansible.plugins.loader import init_plugin_loader
except ImportError:  # ansible-test hides the controller's code from module tests
    init_plugin_loader = None

if init_plugin_loader and not any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
    init_plugin_loader()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_debian(*packages): skipped, by name, when one of these Debian packages is missing")


def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [name for mark in item.iter_markers("needs_debian") for name in mark.args]
    if wanted:
        from debian import missing_packages

        if missing := missing_packages(wanted):
            pytest.skip(f"Debian package {missing[0]} is missing")


@pytest.fixture
def artifacts(request: pytest.FixtureRequest) -> Path:
    """A folder for this test's outputs, which stays after the run and is searched for planted passwords."""
    base = Path(os.environ.get("METERING_TEST_ARTIFACTS") or ROOT / "build" / "test-artifacts")
    module = request.path.relative_to(ROOT / "tests").with_suffix("").as_posix().replace("/", ".")
    folder = base / module / re.sub(r"[^\w.-]+", "_", request.node.name)[:100]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL of this test process; ``postgres.url()`` is an empty database. Mark the test ``needs_debian("postgresql")``."""
    from postgres import postgres_server

    with postgres_server() as server:
        yield server
