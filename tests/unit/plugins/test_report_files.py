# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Tables and report files: readable, safe against what meters say, whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_json, write_text
from ansible_collections.gridops.metering.plugins.plugin_utils._tables import LONGEST, markdown_table, text_table

ROWS = [{"meter": "m01", "status": "ok"}, {"meter": "a-longer-name", "status": None}]


def test_columns_are_aligned() -> None:
    assert text_table(ROWS) == ["METER          STATUS", "-------------  ------", "m01            ok", "a-longer-name  -"]
    assert text_table([]) == [] == markdown_table([])


@pytest.mark.requirement("F-37")
def test_what_a_meter_says_cannot_break_the_table() -> None:
    rows = [{"meter": "m01", "status": "a|b\n\x1b[2J" + "x" * 500}]
    line = text_table(rows)[-1]
    assert "\n" not in line and "\x1b" not in line and line.endswith("...") and len(line) == len("m01    ") + LONGEST
    assert markdown_table(rows)[-1].startswith("| m01 | a\\|b ?[2Jxx")


def test_files_are_written_whole_and_not_for_everybody(tmp_path: Path) -> None:
    write_json(tmp_path / "new", "report.json", {"b": 1, "a": [2]})
    write_text(tmp_path / "new", "report.json", ['{"a": 1}'])
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == {"a": 1}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]
    assert stat.S_IMODE((tmp_path / "new" / "report.json").stat().st_mode) & 0o007 == 0


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="metering_report_dir"):
        write_text(tmp_path / "file" / "below", "report.md", [])
