# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running upgrade tells the outside, and what it notices of it: progress, heartbeat, an abandoned worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import MeteringError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.redaction import Redactor

from ._progress import Progress

_BEAT_SECONDS = 10.0
#: Stages in which something could still be started. After the trigger an orphan only observes and records.
_STARTING = frozenset({"staging", "trigger"})


class TaskHooks:
    """Hooks of an upgrade in this process. ``beat`` keeps the leases; ``leases`` are those held now."""

    def __init__(self, progress: Progress, redactor: Redactor, beat: Callable[..., None]) -> None:
        self.leases: list[Any] = []
        self._progress = progress
        self._redactor = redactor
        self._beat = beat
        self._parent = os.getppid()
        self._next_beat = 0.0

    def phase(self, state: str, percent: int | None, text: str) -> None:
        """Show a phase; device text is masked like everything that leaves the task."""
        self._progress.phase(state, percent, self._redactor.text(text))

    def learn(self, secret: str) -> None:
        """Mask this value from now on: a cookie or a header that a login gave."""
        self._redactor.add(secret)

    def guard(self, stage: str) -> None:
        """Keep the leases alive; stop whatever would start something new in an orphan or under a lost lease."""
        if stage in _STARTING and os.getppid() != self._parent:
            raise OrphanedError(stage)
        if self.leases and time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + _BEAT_SECONDS
            try:
                self._beat(*self.leases)
            except MeteringError as error:
                if stage in _STARTING:
                    raise OrphanedError(stage, str(error)) from None
