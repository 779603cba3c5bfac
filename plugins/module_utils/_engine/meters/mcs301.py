# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an MCS301, or another DLMS/COSEM meter with the same objects, tells about itself (contract 4.2). Only reads.

What an association does not show is listed in ``unread`` with the reason; the public client shows little (wire-dlms 4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..base.errors import DeviceError
from ..base.target import Dlms, Target
from ..wire.dlms.counters import CounterStore
from ..wire.dlms.session import Session, told_floor
from . import mcs301_firmware as parts
from . import mcs301_state as state
from .mcs301_reader import Meter

FAMILY = parts.FAMILY
MODEL = parts.MODEL
_PARTS: dict[str, Callable[[Meter], None]] = {
    "identification": parts.identification,
    "firmware": parts.firmware,
    "transfer": parts.transfer,
    "clock": state.clock,
    "security": state.security,
    "associations": state.associations,
    "counters": state.counters,
    "events": state.events,
    "network": state.network,
    "services": state.services,
}
SUBSETS = ("identity", *_PARTS)
OPT_IN: tuple[str, ...] = ()
MIN = frozenset({"identity", "firmware"})


@dataclass(frozen=True)
class Identity:
    """Who answers, and what it runs. ``components`` are as in the facts; ``identifiers`` are those of one part, canonical."""

    model: str
    serial: str | None
    logical_device_name: str | None
    system_title: str | None
    components: tuple[dict[str, Any], ...]

    def component(self, part: int) -> dict[str, Any] | None:
        """The part with this B, where the meter tells it."""
        return next((item for item in self.components if item["b"] == part), None)

    def identifiers(self, part: int) -> list[str]:
        """All identifiers of part B; none where it is not told."""
        found = self.component(part)
        return list(found["identifiers"]) if found else []


def read_target(
    target: Target, subsets: Iterable[str], counters: CounterStore, seconds: float | None = None, accept_reset: bool = False
) -> dict[str, Any]:
    """The facts of one meter over an association of its own, given up after ``seconds``. Raises DeviceError."""
    end = None if seconds is None else time.monotonic() + seconds
    pause = None if end is None else _patience(target, end)
    with Session(target, counters, stage="facts", accept_reset=accept_reset, pause=pause) as session:
        return read(session, subsets, target, end=end)


def counter_floor(target: Target) -> int:
    """The lowest invocation counter which the meter says it takes, 0 where it does not tell. Raises DeviceError where it is not there."""
    return told_floor(target)


def _patience(target: Target, end: float) -> Callable[[float], None]:
    """A wait for a busy meter that does not go beyond the time there is."""

    def pause(seconds: float) -> None:
        if time.monotonic() + seconds > end:
            text = "another program, or an earlier run that was cut, has this association open; there is no time to wait for its end"
            raise DeviceError("association", "dlms_association_busy", text)
        target.clock.pause(seconds)

    return pause


def identify(session: Session, target: Target) -> Identity:
    """Who the meter is and which identifiers its parts have, in as few requests as possible. Raises DeviceError."""
    meter = Meter(session, target)
    parts.identity(meter)
    parts.firmware(meter)
    values = meter.out.values
    title = session.meter_title
    return Identity(
        model=str(values["model"]),
        serial=values["serial"] if meter.out.known("serial") else None,
        logical_device_name=values["logical_device_name"] if meter.out.known("logical_device_name") else None,
        system_title=title.hex() if title else None,
        components=tuple(values.get("firmware.components") or ()),
    )


def read(
    session: Session, subsets: Iterable[str], target: Target, now: Callable[[], float] = time.time, end: float | None = None
) -> dict[str, Any]:
    """The facts over an open session, until ``end`` of the monotonic clock. Other families' subsets are not looked at. Raises DeviceError."""
    wanted = frozenset(subsets)
    meter = Meter(session, target, now, end)
    parts.identity(meter)
    for name, take in _PARTS.items():
        if name in wanted:
            take(meter)
    meter.out.put("association", _association(meter.dlms, session), "object")
    return meter.out.nested()


def _association(dlms: Dlms, session: Session) -> dict[str, Any]:
    """How these facts were read; no secret in it."""
    return {
        "client": dlms.client,
        "authentication": dlms.authentication,
        "protection": dlms.protection,
        "pdu": session.pdu,
        "conformance": sorted(session.conformance),
    }
