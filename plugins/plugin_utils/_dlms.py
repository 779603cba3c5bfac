# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an action gets invocation counters from, and where it keeps that a DLMS client's keys have worked.

They live in the records on the control node. A counter is spent even in check mode, because reading over HLS sends
one, so the records are opened for writing there too. A jump host gets a block that was reserved before the call.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.dlms import DlmsLedger
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.marks import key_account, key_mark
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.counters import counter_name


def dlms_ledger(location: str | None) -> DlmsLedger:
    """The records' part for DLMS meters, open for writing. Raises RecordsError."""
    return open_records(location, getpass.getuser()).dlms


def reserve_block(ledger: DlmsLedger, target: Target, told: int | None, count: int, accept_reset: bool = False) -> dict[str, int]:
    """``{first, count}`` counters for a jump host, above what the meter told there over the public client (None: nothing).

    Raises DeviceError for a value that went back or far ahead.
    """
    first = ledger.reserve(counter_name(target), count, 0 if told is None else told + 1, accept_reset=accept_reset)
    return {"first": first, "count": count}


def facts_block(ledger: DlmsLedger, target: Target, floor: int, accept_reset: bool = False) -> dict[str, int]:
    """The block for one reading of facts; ``floor`` is the lowest counter the meter takes, 0 where it does not tell."""
    return reserve_block(ledger, target, floor - 1 if floor else None, constants.DLMS_FACTS_COUNTERS.number, accept_reset)


def note_proven(ledger: DlmsLedger, facts: Mapping[str, Any], dlms: Dlms | None) -> None:
    """Keep the marks of keys that HLS has just proven, so that check mode may use them later. No key is kept."""
    serial = facts.get("serial")
    if dlms is None or not needs_counters(dlms) or dlms.authentication != "hls_gmac" or serial in (None, "unknown"):
        return
    for name in ("guek", "gak"):
        key = getattr(dlms.keys, name)
        if key is not None:
            ledger.set_mark(str(serial), key_account(dlms.client, name), key_mark(str(serial), name, key))
