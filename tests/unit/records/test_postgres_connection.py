# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The one connection that a process keeps to its PostgreSQL ledger: used again, never shared with a fork, replaced when it broke."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.postgres import PostgresDatabase


def backend(database: PostgresDatabase) -> int:
    with database.read() as transaction:
        row = transaction.row("SELECT pg_backend_pid() AS pid")
    assert row is not None
    return int(row["pid"])


@pytest.fixture
def database(postgres: Any) -> PostgresDatabase:
    return PostgresDatabase(postgres.url())


def test_transactions_one_after_another_share_a_connection(database: PostgresDatabase) -> None:
    assert len({backend(database) for dummy in range(5)}) == 1


def test_one_inside_another_has_its_own(database: PostgresDatabase) -> None:
    with database.read() as outer:
        row = outer.row("SELECT pg_backend_pid() AS pid")
        assert row is not None and backend(database) != row["pid"]


@pytest.mark.requirement("F-23")
def test_a_fork_neither_uses_nor_closes_it(database: PostgresDatabase) -> None:
    mine = backend(database)
    for dummy in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if backend(database) != mine else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert backend(database) == mine


def test_one_that_the_server_closed_is_replaced(database: PostgresDatabase, postgres: Any) -> None:
    first = backend(database)
    with psycopg.connect(postgres.admin, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", (first,))
    assert backend(database) != first


def test_what_fails_inside_is_undone_and_its_connection_dropped(database: PostgresDatabase) -> None:
    first = backend(database)
    with pytest.raises(KeyError), database.write() as transaction:
        transaction.execute("CREATE TABLE left_over (n bigint)")
        raise KeyError
    with database.read() as transaction:
        assert not transaction.has_table("left_over")
    assert backend(database) != first
