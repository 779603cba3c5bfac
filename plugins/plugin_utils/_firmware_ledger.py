# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger as a running upgrade uses it: strict before the trigger, patient after it (R-043, design 4.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import MeteringError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.errors import RecordsError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records

_PAUSE = 2.0


class PatientLedger:
    """Records whose database may go away while a meter works.

    Until the attempt is recorded every error stops the act. From then on nothing can be taken back: what cannot be written is
    kept, the meter is watched on, and at the end the writes are tried again for ``patience`` seconds of real time. If that was
    in vain ``lost`` says why, and the attempt stays without an end in the ledger: the next run reads the meter and ends it.
    """

    def __init__(self, records: Records, patience: float | None = None) -> None:
        self._records = records
        self._patience = constants.LEDGER_PATIENCE.number if patience is None else patience
        self._begun = False
        self._kept: list[Callable[[], Any]] = []
        self.lost = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def begin_attempt(self, *args: Any, **fields: Any) -> Any:
        if not self.lost:
            self._write_kept()  # of the attempt before this one
        if self.lost:
            raise RecordsError(self.lost, "ledger_unreachable")
        attempt = self._records.begin_attempt(*args, **fields)
        self._begun = True
        return attempt

    def mark(self, attempt_id: Any, state: str, detail: Mapping[str, Any] | None = None) -> None:
        """Does not wait: the meter has to be watched from now on."""
        self._write(lambda: self._records.mark(attempt_id, state, detail), wait=False)

    def journal(self, campaign: str, event: str, body: Mapping[str, Any]) -> None:
        """Does not wait; comes with the next write that does."""
        self._write(lambda: self._records.journal(campaign, event, body), wait=False)

    def report_corrupt(self, campaign: str, digest: str, serial: str) -> None:
        self._write(lambda: self._records.report_corrupt(campaign, digest, serial), wait=False)

    def annotate(self, attempt_id: Any, detail: Mapping[str, Any]) -> None:
        self._write(lambda: self._records.annotate(attempt_id, detail))

    def end_attempt(self, attempt_id: Any, outcome: str, reason: str = "") -> None:
        self._write(lambda: self._records.end_attempt(attempt_id, outcome, reason))

    def release(self, *leases: Any) -> None:
        self._write(lambda: self._records.release(*leases))

    def _write(self, act: Callable[[], Any], wait: bool = True) -> None:
        """One write, after those that were kept. Raises what is wrong with it, but not that the database is away."""
        if not self._begun:
            act()
            return
        if self.lost:
            return
        self._kept.append(act)
        self._write_kept(wait)

    def _write_kept(self, wait: bool = True) -> None:
        end = time.monotonic() + (self._patience if wait else 0.0)
        while self._kept:
            try:
                self._kept[0]()
            except MeteringError as error:
                if getattr(error, "reason", "") != "ledger_unreachable":
                    del self._kept[0]
                    raise
                if not wait:
                    return
                if time.monotonic() >= end:
                    self.lost = str(error)
                    return
                time.sleep(_PAUSE)
            else:
                del self._kept[0]
