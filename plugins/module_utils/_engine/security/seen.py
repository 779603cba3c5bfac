# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What was seen of a DLMS meter's security, as plain values; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from ..catalogue import obis
from ..meters.cosem import Rights


@dataclass(frozen=True)
class Association:
    """One association object: whose it is, how that client signs in, and which security setup it uses."""

    obis: str
    client: int | None
    mechanism: str | None
    setup: str | None


@dataclass
class Seen:
    """The meter as it was read. None is what could not be read; ``unread`` says why."""

    serial: str | None = None
    known_by: obis.CosemObject | None = None
    objects: tuple[Rights, ...] | None = None
    setup: str = obis.SECURITY.obis
    setup_version: int | None = None
    policy: int | None = None
    suite: int | None = None
    associations: tuple[Association, ...] = ()
    transfer_enabled: bool | None = None
    transfer_status: int | None = None
    scheduled: bool = False
    clock: bytes | None = None
    skew: float | None = None
    public: tuple[Rights, ...] | None = None
    unread: dict[str, str] = field(default_factory=dict)

    def may(self, verb: str, class_id: int, name: str, index: int) -> bool | None:
        """Whether the present association ``writes`` or ``runs`` this; None where the object list was not read."""
        if self.objects is None:
            return None
        return any(
            item.class_id == class_id and item.obis == name and index in (item.writes if verb == "writes" else item.runs)
            for item in self.objects
        )

    def of_client(self, client: int) -> Association | None:
        """The association object of a client, by its own name rather than as the current one."""
        found = [item for item in self.associations if item.client == client]
        return next((item for item in found if item.obis != obis.CURRENT_ASSOCIATION.obis), found[0] if found else None)


def clock_octets(present: bytes, now: float) -> bytes:
    """``now`` (seconds since 1970) as a date-time of 12 octets, in the zone and with the daylight-saving flag of ``present``."""
    minutes = int.from_bytes(present[9:11], "big", signed=True)
    local = datetime.fromtimestamp(now, timezone(timedelta(minutes=-minutes)))
    head = local.year.to_bytes(2, "big") + bytes((local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second))
    return head + bytes((local.microsecond // 10_000,)) + present[9:11] + bytes((present[11] & 0x80,))
