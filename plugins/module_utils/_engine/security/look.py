# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reads what the controls need, from an open session. What one object does not give is noted and hides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..base.errors import DeviceError
from ..catalogue import obis
from ..meters import cosem
from ..meters.cosem import Rights
from ..wire.dlms.axdr import Data
from ..wire.dlms.session import AccessFault, Attribute, Method
from .seen import Association, Seen

_OWN = obis.CURRENT_ASSOCIATION.obis


class SessionLike(Protocol):
    """What is needed of a session of the DLMS client."""

    def open(self) -> None:
        """Associate. Raises DeviceError; with the stage ``connect`` where nothing was sent."""

    def get(self, attribute: Attribute) -> Data:
        """One attribute. Raises AccessFault where the meter does not give it."""

    def get_list(self, attributes: Sequence[Attribute]) -> Sequence[Data | AccessFault]:
        """Several attributes, refusals among them."""

    def set(self, attribute: Attribute, data: Data) -> None:
        """Write one attribute. Raises AccessFault where the meter refuses."""

    def action(self, method: Method, data: Data | None = None) -> Data | None:
        """Run one method. Raises AccessFault where the meter refuses."""

    def close(self) -> None:
        """Release the association and close the connection."""


def identity(session: SessionLike, seen: Seen) -> None:
    """Who the meter says it is: its serial number, or its logical device name where it does not tell that."""
    for item in (obis.SERIAL_NUMBER, obis.LOGICAL_DEVICE_NAME):
        value = told(session, seen, item)
        if value:
            seen.serial, seen.known_by = value, item
            seen.unread.pop("serial", None)
            return


def told(session: SessionLike, seen: Seen, item: obis.CosemObject) -> str:
    """One name of the meter as text; empty where it does not tell it."""
    value = _plain(session, seen, "serial", Attribute(*item.attribute(2)))
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")).strip()


def public(session: SessionLike, seen: Seen) -> None:
    """What the client without security is shown."""
    seen.public = _objects(session, seen, "public_client")


def secured(session: SessionLike, seen: Seen, now: Callable[[], float]) -> None:
    """What the configured client is shown of the meter's security."""
    seen.objects = _objects(session, seen, "objects")
    _associations(session, seen)
    _setup(session, seen)
    settings(session, seen, now)


def settings(session: SessionLike, seen: Seen, now: Callable[[], float]) -> None:
    """The values that can be changed and read back."""
    wanted = {
        "policy": Attribute(obis.SECURITY_SETUP, seen.setup, 2),
        "suite": Attribute(obis.SECURITY_SETUP, seen.setup, 3),
        "transfer_enabled": Attribute(*obis.IMAGE_TRANSFER.attribute(5)),
        "transfer_status": Attribute(*obis.IMAGE_TRANSFER.attribute(6)),
        "schedule": Attribute(*obis.ACTIVATION_SCHEDULER.attribute(4)),
    }
    found = dict(zip(wanted, _several(session, seen, list(wanted), list(wanted.values())), strict=True))
    seen.policy, seen.suite, seen.transfer_status = (_number(seen, name, found[name]) for name in ("policy", "suite", "transfer_status"))
    seen.transfer_enabled = found["transfer_enabled"] if isinstance(found["transfer_enabled"], bool) else None
    seen.scheduled = bool(found["schedule"])
    before = now()
    clock = _plain(session, seen, "clock", Attribute(*obis.CLOCK.attribute(2)))
    seen.clock, seen.skew = clock if isinstance(clock, bytes) and len(clock) == 12 else None, None
    if seen.clock is not None:
        told = _moment(seen.clock)
        if told is None:
            seen.unread["clock"] = "the meter's clock does not tell its zone, or is not set"
        else:
            seen.skew = told - (before + now()) / 2


def _moment(clock: bytes) -> float | None:
    try:
        told = cosem.meter_time(clock).moment
    except ValueError:
        return None
    return None if told is None else told.timestamp()


def _objects(session: SessionLike, seen: Seen, name: str) -> tuple[Rights, ...] | None:
    plain = _plain(session, seen, name, Attribute(*obis.CURRENT_ASSOCIATION.attribute(2)))
    if plain is None:
        return None
    try:
        return cosem.object_list(plain)
    except (ValueError, TypeError, IndexError):
        seen.unread[name] = "the object list has an unknown shape"
        return None


def _associations(session: SessionLike, seen: Seen) -> None:
    """Whose each association object is (attribute 3), how it signs in (6), and which security setup it uses (9)."""
    listed = [item.obis for item in seen.objects or () if item.class_id == obis.ASSOCIATION_LN]
    names = list(dict.fromkeys((_OWN, *listed)))
    wanted = [Attribute(obis.ASSOCIATION_LN, name, index) for name in names for index in (3, 6, 9)]
    values = _several(session, seen, ["associations"] * len(wanted), wanted)
    found = []
    for number, name in enumerate(names):
        partners, mechanism, setup = values[3 * number : 3 * number + 3]
        client = int(partners[0]) if isinstance(partners, list) and partners and isinstance(partners[0], int) else None
        reference = obis.obis_text(setup) if isinstance(setup, bytes) and len(setup) == 6 else None
        found.append(Association(name, client, _mechanism(mechanism), reference))
    seen.associations = tuple(found)


def _mechanism(value: Any) -> str | None:
    try:
        return cosem.mechanism(value)
    except (TypeError, ValueError):
        return None


def _setup(session: SessionLike, seen: Seen) -> None:
    """The security setup of the own association, and its version, on which the meaning of the policy depends."""
    own = next((item for item in seen.associations if item.obis == _OWN), None)
    if own is not None and own.setup:
        seen.setup = own.setup
    entry = next((item for item in seen.objects or () if item.class_id == obis.SECURITY_SETUP and item.obis == seen.setup), None)
    if entry is not None:
        seen.setup_version = entry.version
    else:
        seen.unread["policy"] = "the object list does not show the version of the security setup"


def _number(seen: Seen, name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    seen.unread[name] = "the meter gives no number"
    return None


def _several(session: SessionLike, seen: Seen, names: list[str], attributes: list[Attribute]) -> list[Any]:
    """Values in as few requests as the meter takes; None for those it refuses, with the reason noted."""
    try:
        answers = session.get_list(attributes)
    except AccessFault:  # of the list as such
        return [_plain(session, seen, name, attribute) for name, attribute in zip(names, attributes, strict=True)]
    found = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, AccessFault):
            seen.unread[name] = _refusal(answer)
        found.append(None if isinstance(answer, AccessFault) else answer.plain())
    return found


def _plain(session: SessionLike, seen: Seen, name: str, attribute: Attribute) -> Any:
    """A value, or None with the reason noted. A meter that is gone is an error, not a reason."""
    try:
        return session.get(attribute).plain()
    except AccessFault as fault:
        seen.unread[name] = _refusal(fault)
        return None


def _refusal(fault: AccessFault) -> str:
    return f"{fault.what.obis} attribute {fault.what.index}: {fault.name}"


def refused_by_gate(fault: DeviceError, allowed: bool | None) -> bool:
    """A refusal of what the access rights allow: on this family a jumper or a button may stand in the way (wire-dlms 5)."""
    return isinstance(fault, AccessFault) and fault.code == 3 and allowed is True
