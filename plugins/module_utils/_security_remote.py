# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""meter_security_info on a jump host: without records, with the invocation counters that the control node reserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._argspec import target_from
from ._dlms_options import needs_counters
from ._engine.wire.dlms.counters import BlockCounters, CounterStore, MemoryCounters
from ._facts import ASK, BLOCKS, counter_floor
from ._security import check_family, info_of, run_on


class NoLedger:
    """Knows nothing of any key and keeps nothing; what was proven is written down by the control node."""

    def pending_keys(self, serial: str, client: int) -> Mapping[str, Mapping[str, Any]]:
        return {}

    def begin_key(self, serial: str, client: int, key_id: str, mark: str) -> None:
        raise TypeError("keys are changed from the control node only")

    def end_key(self, serial: str, client: int, key_id: str, outcome: str) -> None:
        raise TypeError("keys are changed from the control node only")

    def mark(self, serial: str, account: str) -> Mapping[str, Any] | None:
        return None

    def set_mark(self, serial: str, account: str, mark: str) -> None:
        """Nothing is kept here."""


class NoDesk:
    """Nobody to ask and nothing to write into: only readings run here."""

    def holder(self, serial: str) -> str | None:
        return None

    def guard(self) -> None:
        """Nothing is changed."""

    def journal(self, event: str, body: Mapping[str, Any]) -> None:
        """Nothing is changed."""


def remote_info(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The result of meter_security_info, or first what the meter tells of its counters. Raises MeteringError."""
    target = target_from(params, str(params.get("host")))
    check_family(target.family)
    block = params.get(BLOCKS)
    if block == ASK:
        return {"changed": False, "floor": counter_floor(target)}
    counters: CounterStore = MemoryCounters()
    if needs_counters(target.dlms) and not check:
        block = block or {"first": 0, "count": 0}
        counters = BlockCounters(int(block["first"]), int(block["count"]))
    return info_of(run_on(target, params, counters, NoLedger(), NoDesk(), change=False, check=check))
