# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The gate of a rolling change of security: the gate of the rollouts, over outcomes of meter_security; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..planning import waves

#: What a run's end is to the gate. ``current`` proves nothing, a hand-over waits, a blocked meter was not touched.
_OUTCOMES = {"changed": "verified", "failed": "failed_final"}
#: One such end may be the first of many: accounts that lock, or meters that nobody can get into any more.
DEFAULT: Mapping[str, Any] = {
    "abort_on": ["locked_out", "credential_unknown", "rotation_unverified", "port_change_unverified", "would_lock_out"],
    "max_by_kind": {"login_refused": 0, "transport_failed": 2},
}


def verdict(outcomes: Mapping[str, Mapping[str, Any]], batch: Iterable[str], gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Whether the next batch may start: ``action`` advance, pause or abort, with the reason as ``text``. Raises InputError."""
    policy = waves.check_policy({**DEFAULT, **(gate or {})})
    rows = {host: {**row, "outcome": _OUTCOMES.get(str(row.get("outcome") or ""), row.get("outcome"))} for host, row in outcomes.items()}
    judged = waves.judge(rows, batch, policy)
    text = judged.text.replace("upgrades succeeded", "meters were changed well").replace(
        "no upgrade has succeeded", "no meter was changed well"
    )
    text = text.replace("no upgrade has ended", "no change has ended").replace("upgrades of the last batch", "meters of the last batch")
    return {**judged.as_dict(), "text": text, "stop": judged.action != waves.ADVANCE}
