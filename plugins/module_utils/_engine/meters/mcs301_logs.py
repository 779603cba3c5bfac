# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The last entries of a meter's event logs (class 7), without reading the whole log."""

from __future__ import annotations

from typing import Any

from ..catalogue import constants
from ..catalogue.obis import CosemObject
from ..wire.dlms.apdu import Attribute, entries
from ..wire.dlms.session import Session
from . import cosem
from .mcs301_reader import number

_LIFO = 2


def read_log(session: Session, item: CosemObject) -> dict[str, Any]:
    """``{entries, last: [{at, code}]}``, oldest first. Raises AccessFault, and ValueError for a log of another form."""
    held = number(session.get(Attribute(*item.attribute(7))).plain())
    if held == 0:
        return {"entries": 0, "last": []}
    newest_first = number(session.get(Attribute(*item.attribute(5))).plain()) == _LIFO
    count = min(held, constants.DLMS_EVENTS.number)
    first, last = (1, count) if newest_first else (held - count + 1, held)
    rows = session.get(Attribute(*item.attribute(2)), entries(first, last)).plain()
    found = [_entry(row) for row in rows][-count:]
    return {"entries": held, "last": found[::-1] if newest_first else found}


def _entry(row: Any) -> dict[str, Any]:
    """A row of a log: when, and the event's number; further columns as they are."""
    when, code, *more = row
    entry: dict[str, Any] = {"at": cosem.meter_time(when).text if isinstance(when, bytes) else None, "code": number(code)}
    if more:
        entry["more"] = [item.hex() if isinstance(item, bytes) else item for item in more]
    return entry
