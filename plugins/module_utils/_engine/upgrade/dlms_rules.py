# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an image transfer (class 18) may do next, judged from plain data; pure (wire-dlms 3, R-221…R-228)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..base.errors import InputError
from ..planning.prechecks_dlms import EMPTY, OTHER, OTHER_HALF, OUR_HALF, OURS

# States of class 18, attribute 6.
NOT_INITIATED, INITIATED, VERIFYING, VERIFIED, VERIFY_FAILED, ACTIVATING, ACTIVATED, ACTIVATION_FAILED = range(8)
STATES = (
    "not initiated",
    "initiated",
    "verification runs",
    "verified",
    "verification failed",
    "activation runs",
    "activation successful",
    "activation failed",
)
#: States of a ledger row in which nobody can say whose blocks the meter holds: the kill came before the meter's answer.
_UNCERTAIN_ROWS = ("initiating",)

NOW, AT, NEVER = "now", "at", "never"
ACTIVATIONS = (NOW, AT, NEVER)
SERVICES = ("unicast", "multicast")  # broadcast is no value

Look = Mapping[str, Any]


@dataclass(frozen=True)
class ImageJob:
    """One image for one component. ``expected`` are identifiers (canonical hex) of which one must be active afterwards.

    ``identifier`` names the container to the meter, ``at`` is a time with zone for ``activate: at``; sizes in octets. Another image
    that waits in the meter, checked, is thrown away only with ``replace_pending``, a word of accept (R-221).
    """

    component: int
    identifier: bytes
    expected: tuple[str, ...]
    expected_signature: str | None
    path: str
    size: int
    sha256: str
    activate: str = NOW
    at: str | None = None
    service: str = "unicast"
    replace_pending: bool = False


def state_name(status: int | None) -> str:
    """The words of a status, for people."""
    return STATES[status] if status is not None and 0 <= status < len(STATES) else f"status {status}"


def blocks_of(size: int, block_size: int) -> int:
    """How many blocks an image has; the last one is short, never padded."""
    return -(-size // block_size)


def may_resume(row: Mapping[str, Any] | None, look: Look, job: ImageJob) -> bool:
    """Whether the half of an image in the meter is this one's: status 1, and the ledger's row of the same values (X-08, R-226).

    Before the check no attribute tells which image is half loaded, so the row is all there is.
    """
    return look.get("status") in (INITIATED, VERIFYING) and row_matches(row, job, look.get("block_size"))


def row_matches(row: Mapping[str, Any] | None, job: ImageJob, block_size: Any) -> bool:
    """Whether a transfer row is of this image: hash, identifier, size, block size and component."""
    if not row or row.get("state") in _UNCERTAIN_ROWS:
        return False
    wanted = (job.sha256, job.identifier.hex(), job.size, block_size, job.component)
    return tuple(row.get(name) for name in ("digest", "identifier", "size", "block_size", "component")) == wanted


def is_pending(look: Look, job: ImageJob, row: Mapping[str, Any] | None = None) -> bool:
    """Whether this image waits in the meter, checked: then it is activated, not sent (R-221).

    Attribute 7 tells; where the meter has none, the ledger's row does.
    """
    if look.get("status") != VERIFIED:
        return False
    images = look.get("images")
    if images is None:
        return row_matches(row, job, look.get("block_size"))
    return not mismatch(images, job)


def pending_kind(look: Look, job: ImageJob, row: Mapping[str, Any] | None) -> str:
    """What the second slot holds, as the prechecks say it (``planning.prechecks_dlms``)."""
    status = look.get("status")
    if is_pending(look, job, row):
        return OURS
    if status in (VERIFIED, ACTIVATING):
        return OTHER
    if status in (INITIATED, VERIFYING):
        return OUR_HALF if may_resume(row, look, job) else OTHER_HALF
    return EMPTY


def mismatch(images: Sequence[Mapping[str, Any]], job: ImageJob) -> str:
    """Why what the meter would activate is not this image; empty where it is (R-227).

    One image must have the file's size. In a container of several each has its own.
    """
    names = (*job.expected, job.identifier.hex())
    own = [item for item in images if item.get("identifier") in names]
    if not own:
        told = ", ".join(str(item.get("identifier")) for item in images) or "nothing"
        return f"the meter would activate {told}, not {' or '.join(job.expected)}"
    if len(images) == 1 and own[0].get("size") != job.size:
        return f"the meter tells a size of {own[0].get('size')} octets; the image has {job.size}"
    signatures = [item.get("signature") for item in own]
    if job.expected_signature and job.expected_signature not in signatures:
        return f"the meter tells the signature {signatures[0]}; expected was {job.expected_signature}"
    return ""


def missing_blocks(count: int, first: int, bitmap: Sequence[bool] | None) -> list[int]:
    """The numbers of the blocks that the meter does not have. Without a bitmap all from the first missing one on."""
    if first >= count:
        return []
    if bitmap is None:
        return list(range(first, count))
    return [number for number in range(count) if number >= len(bitmap) or not bitmap[number]]


# -- time of an activation --------------------------------------------------------------------------------------------


def parse_at(text: object) -> datetime:
    """The time of ``activate_at``, with its zone. Raises InputError."""
    accepted = "a time with zone, such as 2026-11-22T02:00:00+01:00"
    try:
        moment = datetime.fromisoformat(str(text).strip())
        spare = timedelta(days=2)  # the meter's own zone must not lead out of the calendar
        fits = moment.tzinfo is not None and moment - spare < moment < moment + spare
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError("activate_at", text, accepted, "R-204")
    return moment


def check_job(job: ImageJob) -> None:
    """Refuse before contact what no meter could do. Raises InputError."""
    if job.activate not in ACTIVATIONS:
        raise InputError("activate", job.activate, ", ".join(ACTIVATIONS), "R-228")
    if job.service not in SERVICES:
        raise InputError("service", job.service, "unicast; broadcast is never used with these meters", "R-219")
    if job.service != "unicast":
        raise InputError("service", job.service, "unicast; multicast comes later", "R-220, G-20")
    if job.activate == AT:
        parse_at(job.at)


def schedule_entry(at: datetime, deviation: int) -> tuple[bytes, bytes]:
    """Time and date of class 22, in the meter's local time. ``deviation`` is minutes from local time to UTC (class 8)."""
    local = at.astimezone(UTC).replace(tzinfo=None) - timedelta(minutes=deviation)
    time = bytes((local.hour, local.minute, local.second, 0))
    date = local.year.to_bytes(2, "big") + bytes((local.month, local.day, 0xFF))
    return time, date


def same_entry(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether two entries mean the same second; hundredths and weekday may be unspecified or filled in."""
    try:
        return bytes(left[0])[:3] == bytes(right[0])[:3] and bytes(left[1])[:4] == bytes(right[1])[:4]
    except (TypeError, IndexError, ValueError):
        return False
