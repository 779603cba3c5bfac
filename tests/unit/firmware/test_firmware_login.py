# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The one login of an upgrade's prechecks, with and without a memory of refused passwords."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_login import login

KEY = "Canary-key-of-the-vault"
OK, NO = {"state": "ok", "text": "in"}, {"state": "refused", "reason": "ftp_auth_failed", "text": "530"}


class Bench:
    """One meter; every ``ask`` is a task of its own, ``asked`` counts the logins that were sent."""

    def __init__(self, folder: Path, key: str | None = KEY, method: str = "ftp") -> None:
        self.records, self.key, self.asked = open_records(str(folder / "records.sqlite3"), "test"), key, 0
        self.method: Any = SimpleNamespace(name=method, roles=("product_master",), role=lambda: "product_master")

    def ask(
        self, answer: dict[str, Any], password: str = "Canary-1", *, check: bool = False, check_login: bool = False, **more: Any
    ) -> str:
        def sent() -> dict[str, Any]:
            self.asked += 1
            return {**answer, "findings": []}

        task: Any = SimpleNamespace(
            params={"marks_key": self.key, "check_login": check_login},
            check_mode=check,
            records=self.records,
            reading=SimpleNamespace(serial="S1"),
            rules=SimpleNamespace(accept=frozenset(), clock_factor=1.0, **more),
            target=SimpleNamespace(family="pm5000", credentials={"product_master": Credential("user2", password)}),
            findings=[],
        )
        found = login(task, self.method, SimpleNamespace(login=sent))
        return found.reason or found.state


@pytest.mark.requirement("F-26", "R-344")
def test_a_refused_password_is_not_sent_again_and_another_one_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert [bench.ask(NO), bench.ask(NO), bench.ask(NO, check=True, check_login=True)] == ["ftp_auth_failed", "login_held", "login_held"]
    assert bench.asked == 1
    assert bench.ask(OK, "Canary-2") == "ok" and bench.ask(OK, "Canary-2") == "ok"


def test_check_mode_sends_only_what_has_worked_before(tmp_path: Path) -> None:
    """Design 4.3; with check_login it also sends what has not."""
    bench = Bench(tmp_path)
    assert bench.ask(OK, check=True) == "not_tried" and bench.ask(OK, check=True, check_login=True) == "ok"
    assert bench.ask(OK) == "ok" and bench.ask(OK, check=True) == "ok"
    assert bench.ask(OK, "Canary-2", check=True) == "not_tried" and bench.asked == 3


def test_other_faults_of_a_login_tell_nothing_of_the_password(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for dummy in range(4):
        assert bench.ask({"state": "refused", "reason": "ftp_layout_unexpected", "text": "no folder"}) == "ftp_layout_unexpected"
    assert bench.asked == 4


def test_without_a_key_for_marks_everything_is_as_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path, None)
    assert [bench.ask(NO), bench.ask(NO), bench.ask(OK, check=True)] == ["ftp_auth_failed", "ftp_auth_failed", "not_tried"]
    assert bench.records.secrets.tries("S1", "user:user2") == []


def test_methods_without_a_password_of_ours_are_not_held(tmp_path: Path) -> None:
    bench = Bench(tmp_path, method="dlms")
    assert bench.ask(NO) == "ftp_auth_failed" and bench.ask(NO) == "ftp_auth_failed"
    bench.method.role = lambda: None
    assert bench.ask(OK) == "not_tried", "no credential of the role is given"
