# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors of the engine as a task's result: one sentence, no traceback, no value of an unexpected error."""

from __future__ import annotations

from typing import Any

from ._engine.base.errors import DeadlineError, DependencyError, DeviceError, InputError, MeteringError, OrphanedError
from ._engine.catalogue import reasons


def describe_error(exc: MeteringError, stage: str) -> dict[str, Any]:
    """The result of a task that ended with a known error."""
    kind, reason = "metering", None
    if isinstance(exc, InputError):
        kind = "input"
    elif isinstance(exc, DeviceError):
        kind, stage, reason = "device", exc.stage, exc.reason
    elif isinstance(exc, DependencyError):
        kind, reason = "dependency", "dependency_missing"
    elif isinstance(exc, DeadlineError):
        kind, stage, reason = "deadline", exc.state, "deadline_exceeded"
    elif isinstance(exc, OrphanedError):
        kind, stage, reason = "orphaned", exc.stage, "worker_orphaned"
    else:  # the ledger's errors know their stage and reason as well
        stage, reason = getattr(exc, "stage", stage), getattr(exc, "reason", None)
    error = {"class": kind, "stage": stage, "reason": reason, "remedy": remedy(reason)}
    if isinstance(exc, DeviceError) and exc.device_text:
        error["device_text"] = exc.device_text
    return {"failed": True, "msg": str(exc), "error": error}


def internal_error(exc: BaseException, stage: str) -> dict[str, Any]:
    """The result of a task that ended with an error nobody foresaw. Its text may hold anything, so it is not shown."""
    return {
        "failed": True,
        "msg": f"internal error: {type(exc).__name__} in {stage}; this is a fault of the collection, please report it with this line",
        "error": {"class": "internal", "stage": stage, "reason": None, "remedy": None},
    }


def remedy(reason: str | None) -> str | None:
    """The one remedy text of a reason code."""
    known = reasons.REASONS.get(reason) if reason else None
    return known.remedy if known else None
