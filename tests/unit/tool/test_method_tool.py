# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The method tool as the task sees it: options that cannot work, slots as leases, deadlines, what ends and how."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.plugin_utils._method_registry import METHODS
from ansible_collections.gridops.metering.plugins.plugin_utils._method_tool import ToolMethod

OPTIONS = {"host": "desk", "command": ["tool.exe", "{config}"], "handover_dir": "C:\\hand"}


def method(tool: dict[str, Any] | None = None, mode: str | None = "command", version: str = "3.8", **params: Any) -> ToolMethod:
    waits = {"retry_hold": 300.0, "hard_timeout": 1800.0, "card_reset": 120.0, "stall": 300.0}
    task = SimpleNamespace(
        params={"tool": tool, "tool_mode": mode, "concurrency": None, "campaign": "c", **params},
        rules=SimpleNamespace(waits=waits, clock_factor=1.0, cap=1, attest={}),
        package=SimpleNamespace(tool_version=version),
    )
    return ToolMethod(task)


@pytest.mark.requirement("R-083", "R-084", "G-03", "G-22")
@pytest.mark.parametrize(
    ("version", "asked", "cap"),
    [
        ("3.5", None, 1),
        ("3.6", 10, 1),
        ("3.7", 10, 1),
        ("3.8", None, 10),
        ("3.10", None, 10),
        ("4.0", 4, 4),
        ("3.8", 10, 10),
        ("", None, 1),
    ],
)
def test_how_many_meters_a_tool_takes(version: str, asked: int | None, cap: int) -> None:
    assert method(OPTIONS, version=version, concurrency=asked).slot() == ("tool:desk", cap)


@pytest.mark.requirement("R-083", "R-084", "invariant-b")
@pytest.mark.parametrize(("version", "cap"), [("3.7", 1), ("3.8", 10)])
def test_one_meter_more_than_the_tool_takes_gets_no_slot(version: str, cap: int, tmp_path: Path) -> None:
    records = open_records(str(tmp_path / "records.sqlite3"), "test")
    group, most = method(OPTIONS, version=version).slot()
    slots = [records.acquire_slot(group, most, 60) for dummy in range(cap + 1)]
    assert [slot is not None for slot in slots] == [True] * cap + [False]
    other, most = method({**OPTIONS, "host": "desk2"}, version=version).slot()
    assert records.acquire_slot(other, most, 60) is not None, "another computer has a tool of its own"


@pytest.mark.requirement("R-105")
@pytest.mark.parametrize(
    ("tool", "mode", "wanted"),
    [
        (None, "command", "tool.host"),
        ({"host": "desk"}, "command", "tool.command"),
        ({"host": "desk", "command": ["x"]}, "command", "tool.handover_dir"),
        ({**OPTIONS, "command": ["x", "--password={password}"]}, "command", "{password}"),
        ({**OPTIONS, "review": ["{secret}"]}, "command", "tool.review"),
        ({**OPTIONS, "ping": ["ping", "{host}"]}, "command", "tool.ping"),
        ({**OPTIONS, "version": "latest"}, "command", "tool.version"),
        ({"version": "3"}, None, ""),
        (None, None, ""),
        (OPTIONS, "command", ""),
        ({**OPTIONS, "version": "3.8"}, "command", ""),
    ],
)
def test_options_that_cannot_work_are_refused_before_any_contact(tool: dict[str, Any] | None, mode: str | None, wanted: str) -> None:
    if not wanted and (tool or {}).get("version") != "3":
        method(tool, mode).check()
        return
    with pytest.raises(InputError) as caught:
        method(tool, mode).check()
    assert wanted in str(caught.value)


@pytest.mark.requirement("R-079", "R-092", "R-119", "R-120")
def test_a_failed_upgrade_is_tried_once_more_after_the_hold_and_then_belongs_to_the_maker() -> None:
    made = method(OPTIONS)
    assert METHODS["tool"] is ToolMethod
    assert (made.retry_hold, made.exhausted) == (300.0, "escalate_vendor")
    for outcome in ("comms_lost", "failed_final", "escalate_vendor", "not_responding"):
        assert made.recovery(outcome, "tool_failed").startswith("Do not power cycle")


@pytest.mark.requirement("G-06")
def test_a_technician_has_days_and_a_command_has_not() -> None:
    assert method(None, "manual").limits().hard_timeout == 604_800
    limits = method(OPTIONS).limits()
    assert (limits.hard_timeout, limits.works_first, limits.failed_reason) == (1800, True, "tool_failed")
