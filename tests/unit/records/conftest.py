# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One test-suite for both stores: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.postgres import PostgresTransaction


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_debian("postgresql"))])
def location(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the records are. Tests move the clock themselves, so the server's own is not asked."""
    if request.param == "sqlite":
        return str(tmp_path / "records.sqlite3")
    monkeypatch.setattr(PostgresTransaction, "clock", lambda self: None)
    return str(request.getfixturevalue("postgres").url())
