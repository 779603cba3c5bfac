# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of meter_security and meter_security_info: records, lease, sessions."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import MeteringError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Holder, Lease
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.dlms import Report
from ansible_collections.gridops.metering.plugins.module_utils._security import check_family, run_on

from ._dlms import dlms_ledger


class ControllerDesk:
    """Lease and journal of one run. In check mode it only looks who works on the meter."""

    def __init__(self, records: Records, campaign: str, check: bool) -> None:
        self._records, self._campaign, self._check = records, campaign, check
        self._leases: list[Lease] = []
        self._parent = os.getppid()

    def holder(self, serial: str) -> str | None:
        """Who works on this meter; None when it is free, and outside check mode ours from now on (R-086)."""
        attempt = self._records.open_attempt(serial)
        if attempt is not None:
            return f"an upgrade of this meter to {attempt.target} has no known end yet"
        resource = f"meter:{serial}"
        if self._check:
            found = self._records.holder(resource)
            return found.text if found is not None else None
        taken = self._records.acquire(resource, constants.SECURITY_LEASE_TTL.number)
        if isinstance(taken, Holder):
            return taken.text
        self._leases.append(taken)
        return None

    def guard(self) -> None:
        """Nothing is changed by an orphan, or after another run took the meter."""
        if os.getppid() != self._parent:
            raise OrphanedError("security")
        if self._leases:
            try:
                self._records.beat(*self._leases)
            except MeteringError as error:
                raise OrphanedError("security", str(error)) from None

    def journal(self, event: str, body: Mapping[str, Any]) -> None:
        self._records.journal(self._campaign, event, body)

    def release(self) -> None:
        """Give the meter back."""
        leases, self._leases = self._leases, []
        if leases:
            self._records.release(*leases)


def run_security(params: Mapping[str, Any], host: str, *, change: bool, check: bool) -> Report:
    """One meter, from this process. Raises MeteringError: for bad input before any contact."""
    target = target_from(params, host)
    check_family(target.family)
    records = open_records(params.get("records"), getpass.getuser(), read_only=check)
    # A counter is spent with every protected request, also in check mode.
    counters = dlms_ledger(params.get("records")) if check and needs_counters(target.dlms) else records.dlms
    desk = ControllerDesk(records, params.get("campaign") or "adhoc", check or not change)
    try:
        return run_on(target, params, counters, records.dlms, desk, change=change, check=check)
    finally:
        desk.release()
