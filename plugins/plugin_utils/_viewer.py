# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The viewer: a process of its own that draws the progress files of a folder on the lower rows of a terminal.

Run by the callback as a script, so it imports nothing but the standard library. The upper rows go on scrolling with what
ansible-playbook prints: the terminal's scroll region keeps the two apart, and each picture is one write.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

SUFFIX = ".progress.json"
INTERVAL = 0.25
MOST_ROWS = 14


def read_all(folder: Path) -> list[dict[str, Any]]:
    """All progress files that can be read, by start."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError, ValueError):
            entry = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(entry, dict) and "host" in entry:
                found.append(entry)
    return sorted(found, key=lambda entry: (entry.get("started", 0), str(entry["host"])))


def rows(entries: list[dict[str, Any]], width: int, height: int) -> list[str]:
    """The picture: a head line, then meters at work, then those that ended last."""
    working = [entry for entry in entries if not entry.get("done")]
    ended = sorted((entry for entry in entries if entry.get("done")), key=lambda entry: -float(entry.get("at", 0)))
    head = f" meters at work: {len(working)}   ended: {len(ended)} "
    lines = [head.ljust(width, "-")[:width]]
    return lines + [_row(entry, width) for entry in (working + ended)[: max(0, height - 1)]]


def _row(entry: dict[str, Any], width: int) -> str:
    percent = max(0, min(100, int(entry.get("percent", 0))))
    bar_width = max(5, min(30, width - 62))
    filled = bar_width * percent // 100
    gauge = "#" * filled + "." * (bar_width - filled)
    text = f"{entry['host']!s:<20.20} {entry.get('phase', '')!s:<18.18} [{gauge}] {percent:3d}%  {entry.get('text', '')}"
    return "".join(char if char.isprintable() else "?" for char in text)[:width]


class Screen:
    """The lower rows of the terminal, and how they are given back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = (0, 0, 0)

    def draw(self, entries: list[dict[str, Any]]) -> None:
        columns, lines = shutil.get_terminal_size()
        height = min(MOST_ROWS, len(entries) + 1, lines // 2)
        parts = []
        if (columns, lines, height) != self._size:
            parts.append(self._reserve(lines, height))
            self._size = (columns, lines, height)
        parts.append("\x1b7")
        for number, text in enumerate(rows(entries, columns - 1, height)):
            parts.append(f"\x1b[{lines - height + 1 + number};1H\x1b[2K{text}")
        parts.append("\x1b8")
        self._put("".join(parts))

    def close(self) -> None:
        """Give all rows back to the terminal."""
        dummy, lines, height = self._size
        if not height:
            return
        wipe = "".join(f"\x1b[{lines - number};1H\x1b[2K" for number in range(height))
        self._put(f"\x1b7\x1b[r{wipe}\x1b8")
        self._size = (0, 0, 0)

    def _reserve(self, lines: int, height: int) -> str:
        old = self._size[2]
        wipe = "".join(f"\x1b[{lines - number};1H\x1b[2K" for number in range(old)) if old else ""
        # Push what stands there up first, so that the picture covers nothing.
        push = "\n" * max(0, height - old) + f"\x1b[{max(0, height - old)}A" if height > old else ""
        return f"{push}\x1b7{wipe}\x1b[1;{lines - height}r\x1b8"

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode("utf-8", "replace"))


def main(folder: str, parent: int) -> int:
    """Draw until the playbook's process is gone or asks to stop."""
    if not os.isatty(1):
        return 0
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, dummy: stopping.append(got))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the playbook; its end is seen below
    screen = Screen(1)
    try:
        while not stopping and os.getppid() == parent:
            entries = read_all(Path(folder))
            if entries:
                screen.draw(entries)
            time.sleep(INTERVAL)
    finally:
        screen.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
