# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of meter_security and meter_security_info: records, lease, sessions."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import MeteringError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Holder, Lease
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.desired import desired_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.dlms import Report, SecurityRun, Way
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import Session, public
from ansible_collections.gridops.metering.plugins.module_utils._security import check_family


class ControllerDesk:
    """Lease and journal of one run. In check mode it only looks who works on the meter."""

    def __init__(self, records: Records, campaign: str, check: bool) -> None:
        self._records, self._campaign, self._check = records, campaign, check
        self._lease: Lease | None = None
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
        self._lease = taken
        return None

    def guard(self) -> None:
        """Nothing is changed by an orphan, or after another run took the meter."""
        if os.getppid() != self._parent:
            raise OrphanedError("security")
        if self._lease is not None:
            try:
                self._records.beat(self._lease)
            except MeteringError as error:
                raise OrphanedError("security", str(error)) from None

    def journal(self, event: str, body: Mapping[str, Any]) -> None:
        self._records.journal(self._campaign, event, body)

    def release(self) -> None:
        """Give the meter back."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            self._records.release(lease)


def run_security(params: Mapping[str, Any], host: str, *, change: bool, check: bool) -> Report:
    """One meter. Raises MeteringError: for bad input before any contact."""
    target = target_from(params, host)
    check_family(target.family)
    dlms = _dlms(target)
    desired = desired_from(params, dlms, change)
    campaign = params.get("campaign") or "adhoc"
    records = open_records(params.get("records"), getpass.getuser(), read_only=check)
    # A counter is spent with every protected request, also in check mode.
    counters = open_records(params.get("records"), getpass.getuser()).dlms if check and dlms.protection != "none" else records.dlms
    reset = "counter_reset" in desired.accept

    def connect(keys: DlmsKeys, fresh: bool) -> Session:
        return Session(target, counters, client=replace(dlms, keys=keys), stage="security", accept_reset=reset or fresh)

    desk = ControllerDesk(records, campaign, check or not change)
    run = SecurityRun(
        dlms,
        desired,
        Way(connect, lambda: public(target), time.time),
        records.dlms,
        desk,
        change=change,
        check=check,
        check_login=bool(params.get("check_login")),
    )
    try:
        return run.run()
    finally:
        desk.release()


def _dlms(target: Target) -> Dlms:
    if target.dlms is None:  # the family was checked
        raise TypeError("no association")
    return target.dlms
