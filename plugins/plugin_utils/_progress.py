# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Live progress of one meter (design 4.8): a plain line for each phase, and one small file that is overwritten.

Nothing here is needed for correctness, so nothing here ever fails a task: a full disk costs the picture, not the upgrade.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from ansible.utils.display import Display

#: The callback sets this in the controller's environment; forked workers inherit it.
ENVIRONMENT = "GRIDOPS_METERING_PROGRESS_DIR"
SUFFIX = ".progress.json"
#: Seconds between two writes for a percentage alone.
_PACE = 0.5

#: How far along a phase is when no better figure is known: percent of the whole upgrade, where it begins and where it ends.
PHASES: dict[str, tuple[int, int]] = {
    "leased": (0, 2),
    "prechecks": (0, 2),
    "staging": (2, 30),
    "initiating": (2, 3),
    "initiated": (3, 4),
    "transferring": (4, 28),
    "transferred": (28, 28),
    "checking": (28, 30),
    "staged": (30, 32),
    "attempt_recorded": (32, 34),
    "resuming": (34, 36),
    "triggered": (34, 38),
    "in_progress": (38, 55),
    "restarting": (38, 55),
    "resumed": (55, 60),
    "verifying": (60, 95),
    "activated_unconfirmed": (60, 95),
    "settling": (95, 99),
}


def overall(phase: str, percent: float | None, before: int) -> int:
    """Percent of the whole upgrade; never goes back except to start anew at ``staging``."""
    low, high = PHASES.get(phase, (before, before))
    value = low if percent is None else round(low + (high - low) * max(0.0, min(100.0, percent)) / 100)
    return value if phase == "staging" else max(before, value)


class Progress:
    """What one worker tells of its meter. ``folder`` None means: the one the callback named, or none."""

    def __init__(self, host: str, folder: str | None = None, say: Callable[[str], None] | None = None) -> None:
        self.host = host
        chosen = folder or os.environ.get(ENVIRONMENT) or None
        self._path = Path(chosen) / f"{re.sub(r'[^A-Za-z0-9._-]', '_', host)}{SUFFIX}" if chosen else None
        self._say = say or Display().display
        self._phase = ""
        self._overall = 0
        self._written = 0.0
        self._started = time.time()

    def phase(self, phase: str, percent: float | None = None, text: str = "") -> None:
        """Report a phase, or with ``percent`` (0 to 100 of this phase) how far it is. Cheap enough to call for every block sent."""
        new = phase != self._phase
        self._overall = overall(phase, percent, self._overall)
        if new:
            self._phase = phase
            self._line(f"[{self.host}] {phase}" + (f": {text}" if text else ""))
        if new or time.monotonic() - self._written >= _PACE:
            self._write(text, done=False)

    def done(self, outcome: str, reason: str = "") -> None:
        """Report the end."""
        self._phase, self._overall = outcome, 100
        self._line(f"[{self.host}] {outcome}" + (f" ({reason})" if reason else ""))
        self._write(reason, done=True)

    def _line(self, text: str) -> None:
        with contextlib.suppress(Exception):
            self._say(text)

    def _write(self, text: str, done: bool) -> None:
        if self._path is None:
            return
        self._written = time.monotonic()
        document = {"host": self.host, "phase": self._phase, "percent": self._overall, "text": text[:200], "done": done}
        document |= {"started": self._started, "at": time.time()}
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_text(json.dumps(document), encoding="utf-8")
            temporary.replace(self._path)
