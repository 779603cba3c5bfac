# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One fleet per test module, described by the module's FLEET."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from metersim.bench import Bench
from metersim.testing import Fleet


def pytest_configure(config: pytest.Config) -> None:
    """Not ``requirement``: these tests prove the simulated meter, not the product."""
    config.addinivalue_line("markers", "simulates(*ids): rules of the documents which the simulated meter models")


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The fleet a module describes in its FLEET."""
    folder = tmp_path_factory.mktemp("sim")
    spec = {"name": request.module.__name__, "clock_factor": 100, **request.module.FLEET}
    with Fleet(spec, folder) as fleet:
        yield Bench(fleet, folder / "packages")
