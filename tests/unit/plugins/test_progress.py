# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Live progress: phases and percent in small files, a viewer that gives the terminal back (design 4.8)."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.gridops.metering.plugins.plugin_utils import _viewer
from ansible_collections.gridops.metering.plugins.plugin_utils._progress import SUFFIX, Progress


def read(folder: Path, host: str = "m01") -> dict[str, object]:
    return dict(json.loads((folder / f"{host}{SUFFIX}").read_text()))


def test_a_phase_is_a_line_and_a_file(tmp_path: Path) -> None:
    said: list[str] = []
    progress = Progress("m01", str(tmp_path / "p"), said.append)
    progress.phase("staging", None, "3 files")
    progress.phase("staging", 50.0)
    progress._written = 0
    progress.phase("staging", 100.0)
    assert (read(tmp_path / "p")["phase"], read(tmp_path / "p")["percent"]) == ("staging", 30)
    progress.phase("triggered")
    progress.phase("unheard_of")
    assert read(tmp_path / "p")["percent"] == 34, "an unknown phase does not move the bar"
    progress.done("verified")
    assert read(tmp_path / "p")["done"] is True and read(tmp_path / "p")["percent"] == 100
    assert said == ["[m01] staging: 3 files", "[m01] triggered", "[m01] unheard_of", "[m01] verified"]
    assert [path.name for path in (tmp_path / "p").iterdir()] == [f"m01{SUFFIX}"]


def test_trouble_with_the_picture_is_not_trouble_with_the_upgrade(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def broken(text: str) -> None:
        raise OSError(text)

    Progress("m/../01", str(tmp_path / "file" / "below"), broken).phase("staging")
    Progress("m01", None, broken).done("verified")


def test_the_picture_shows_work_first_and_survives_bad_files(tmp_path: Path) -> None:
    Progress("done", str(tmp_path), lambda dummy: None).done("verified")
    Progress("busy", str(tmp_path), lambda dummy: None).phase("staging", 50, "App2.out\x1b[2J")
    (tmp_path / f"torn{SUFFIX}").write_text('{"host": ')
    (tmp_path / f"list{SUFFIX}").write_text("[]")
    lines = _viewer.rows(_viewer.read_all(tmp_path), 100, 10)
    assert lines[0].startswith(" meters at work: 1   ended: 1 ")
    assert lines[1].startswith("busy") and " 16%" in lines[1] and "\x1b" not in lines[1]
    assert lines[2].startswith("done") and "100%" in lines[2]
    assert all(len(line) <= 100 for line in lines) and len(_viewer.rows(_viewer.read_all(tmp_path), 40, 2)) == 2


def test_the_viewer_draws_on_a_terminal_and_gives_it_back(tmp_path: Path) -> None:
    Progress("m01", str(tmp_path), lambda dummy: None).phase("staging")
    master, slave = pty.openpty()
    viewer = subprocess.Popen([sys.executable, "-I", _viewer.__file__, str(tmp_path), str(os.getpid())], stdout=slave)
    os.close(slave)
    seen = _read_until(master, b"m01")
    viewer.terminate()
    seen += _read_until(master, b"\x1b[r")
    assert viewer.wait(10) == 0
    os.close(master)
    assert b"staging" in seen and b"\x1b[r" in seen


def test_the_viewer_does_nothing_without_a_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", _viewer.__file__, str(tmp_path), str(os.getpid())], capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_the_viewer_ends_with_the_playbook(tmp_path: Path) -> None:
    Progress("m01", str(tmp_path), lambda dummy: None).phase("staging")
    master, slave = pty.openpty()
    viewer = subprocess.Popen([sys.executable, "-I", _viewer.__file__, str(tmp_path), "1"], stdout=slave)
    os.close(slave)
    assert viewer.wait(20) == 0
    os.close(master)


def _read_until(descriptor: int, marker: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + 15
    while marker not in seen and time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.2)[0]:
            try:
                seen += os.read(descriptor, 65536)
            except OSError:
                break
    return seen
