# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is gathered for the prechecks of one hop, and the attempt budget of a meter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import accept, constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.limits import attempt_limit
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import (
    Attempts,
    Login,
    Precheck,
    Situation,
    blocking,
)

from ._firmware_login import login
from ._method import Method

if TYPE_CHECKING:
    from ._firmware import FirmwareTask


def judge(task: FirmwareTask, method: Method) -> list[Precheck]:
    """Every precheck of this method; the one login only when nothing cheaper stops the upgrade already."""
    holder, steps = _holder(task), method.steps(method.files())
    try:
        services, lock, extra = steps.services(), _lock(task, steps), method.gather(steps)

        def situation(went: Login) -> Situation:
            return _situation(task, method, services, lock, holder, went, extra)

        checks = method.judge(situation(Login(text="not tried, because something cheaper failed already")))
        if blocking(checks):
            return checks
        return method.judge(situation(login(task, method, steps)))
    finally:
        steps.close()


def _situation(
    task: FirmwareTask, method: Method, services: Mapping[str, str], lock: str, holder: str | None, login: Login, extra: dict[str, Any]
) -> Situation:
    package = task.package
    return Situation(
        has_lock=task.model.has_lock,
        needed_accept=task.needed,
        accept=task.rules.accept,
        attest=task.rules.attest,
        package_faults=tuple((fault.reason, fault.text) for fault in task.package_faults),
        package_text=f"{package.id}: names, sizes and hashes are as pinned" if package else "",
        package_bytes=package.size if package else 0,
        attempts=task.attempts,
        reserve=task.rules.reserve,
        behind_gateway=bool(task.target.gateway) or task.target.unit_id != constants.UNIT_ID.number,
        services=services,
        login=login,
        lock=lock,
        ip_mode=str(extra.get("ip_mode") or "unknown"),
        has_credential=not method.roles or method.role() is not None,
        holder=holder,
        extra=extra,
    )


def needed_words(task: FirmwareTask, method: Method) -> dict[str, str]:
    """Words of ``accept`` that the whole chain and this method need, each with its reason code."""
    hops = task.path.hops if task.path else ()
    words = {word: accept.WORDS[word].reason for hop in hops for word in hop.accept}
    if "loses_dlf3000" in words and _upgraded_by_ftp_before(task):
        del words["loses_dlf3000"]
    return {**words, **method.needed_words()}


def _upgraded_by_ftp_before(task: FirmwareTask) -> bool:
    serial = task.reading.serial if task.reading else None
    history = task.records.attempt_history(serial) if serial else []
    return any(item.method == "ftp" and item.outcome in ("verified", "verified_late") for item in history)


def budget(task: FirmwareTask) -> Attempts:
    """The attempt budget of the meter in the band of its present version (R-043, R-154, G-06)."""
    limit = attempt_limit(task.model, task.source) if isinstance(task.source, Version) else None
    serial = task.reading.serial if task.reading else None
    if limit is None or serial is None:
        return Attempts()
    if _meter_said_exhausted(task, serial, limit.since):
        return Attempts(limit.limit, limit.limit, "device")
    since, attested = str(limit.since), task.rules.attest.get("attempts_used")
    count = task.records.attempts(serial, task.model.name, since)
    if not count.known and attested is not None:
        _record_attested(task, serial, since, int(attested))
        return Attempts(limit.limit, int(attested), "attested")
    if not count.known:
        return Attempts(limit.limit, None, "unknown")
    return Attempts(limit.limit, count.used, "ledger, estimated" if count.estimated else "ledger")


def _meter_said_exhausted(task: FirmwareTask, serial: str, since: Version) -> bool:
    """The meter itself refused for want of attempts: it knows of some that the ledger does not (F-11)."""
    history = task.records.attempt_history(serial)
    return any(item.outcome == "attempts_exhausted" and Version.parse(item.source) >= since for item in history)


def _record_attested(task: FirmwareTask, serial: str, since: str, used: int) -> None:
    if not task.check_mode:
        attest = task.rules.attest
        task.records.attest_attempts(serial, task.model.name, since, used, str(attest.get("by", "")), str(attest.get("at", "")))


def why_not(task: FirmwareTask) -> str:
    """A reason against one more attempt, asked right before it: the budget may have been spent meanwhile."""
    left = budget(task)
    if left.limit is None:
        return ""
    if left.remaining is None:
        return "attempts_unknown"
    if left.remaining == 0:
        return "attempts_exhausted"
    return "attempts_reserve" if left.remaining - 1 < task.rules.reserve else ""


def _lock(task: FirmwareTask, steps: Any) -> str:
    if not task.model.has_lock:
        return "not_applicable"
    try:
        return str(steps.lock())
    except DeviceError:
        return "unknown"


def _holder(task: FirmwareTask) -> str | None:
    serial = task.reading.serial if task.reading else None
    holder = task.records.holder(f"meter:{serial}") if serial else None
    return holder.text if holder is not None and holder.alive and task.rules.lease_wait == 0 else None
