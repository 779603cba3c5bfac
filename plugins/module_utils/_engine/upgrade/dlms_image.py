# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The objects of an upgrade over an open association: image transfer (18), scheduler (22), scripts (9), clock (8), table 48.

No decision is made here; refusals of single objects come as AccessFault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..base.clock import Clock
from ..base.errors import DeviceError
from ..catalogue import obis
from ..meters import cosem
from ..wire.dlms import axdr
from ..wire.dlms.session import AccessFault, Attribute, Data, LostError, Method, RefusalError, Session

T = TypeVar("T")
TEMPORARY, DENIED = 2, 3  # action results
_ABSENT = (4, 9, 11)  # object or attribute not there
_ACTIVATION_SCRIPT = (2, obis.IMAGE_TRANSFER_CLASS, obis.IMAGE_TRANSFER.obis, 4)  # service 2 executes a method
_LOST_REASONS = ("transport_failed", "dlms_association_busy", "dlms_counter_refused")


class Unclear(DeviceError):
    """The meter's value is not of the documented form."""

    def __init__(self, what: str) -> None:
        super().__init__("read", "dlms_protocol_error", f"the meter's {what} is not of the documented form")


class ImageObject:
    """Attributes and methods of class 18 on this session (R-203)."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def _get(self, index: int) -> Any:
        return self.session.get(_image(index)).plain()

    def _number(self, index: int, what: str) -> int:
        return _integer(self._get(index), what)

    def bitmap(self) -> tuple[bool, ...] | None:
        """One bit for each block, or None where this meter does not show it."""
        try:
            value = self._get(3)
        except AccessFault:
            return None
        if not isinstance(value, list):
            raise Unclear("list of received blocks")
        return tuple(bool(bit) for bit in value)

    def first_missing(self) -> int:
        return self._number(4, "first missing block")

    def enabled(self) -> bool:
        return bool(self._get(5))

    def enable(self, value: bool) -> None:
        self.session.set(_image(5), axdr.boolean(value))

    def status(self) -> int:
        return self._number(6, "state of the transfer")

    def images(self) -> list[dict[str, Any]] | None:
        """What activation would activate, or None where the meter has no such attribute."""
        try:
            return _candidates(self._get(7))
        except AccessFault as fault:
            if fault.code in (*_ABSENT, DENIED):
                return None
            raise

    def look(self) -> dict[str, Any]:
        """Everything about the transfer in one request where the meter takes lists; plain data."""
        wanted = self.session.get_list([_image(index) for index in (2, 4, 5, 6)])
        size, missing, enabled, status = (_needed(item) for item in wanted)
        state = _integer(status, "state of the transfer")
        return {
            "block_size": _integer(size, "block size"),
            "first_missing": _integer(missing, "first missing block"),
            "enabled": bool(enabled),
            "status": state,
            "images": self.images() if state in (3, 5) else None,
            "pdu": self.session.pdu,
            "room": self.session.room,
            "parts_allowed": "action-blocks" in self.session.conformance,
        }

    def initiate(self, identifier: bytes, size: int) -> None:
        self._run(1, axdr.structure(axdr.octets(identifier), axdr.u32(size)))

    def block(self, number: int, value: bytes) -> None:
        self._run(2, axdr.structure(axdr.u32(number), axdr.octets(value)))

    def verify(self) -> None:
        self._run(3, axdr.i8(0))

    def activate(self) -> None:
        self._run(4, axdr.i8(0))

    def _run(self, index: int, data: Data) -> None:
        self.session.action(Method(*obis.IMAGE_TRANSFER.attribute(index)), data)


@dataclass(frozen=True)
class MeterClock:
    """The meter's clock: ``skew`` seconds ahead of this computer, ``deviation`` minutes from local time to UTC."""

    text: str
    skew: float
    deviation: int


def read_clock(session: Session, clock: Clock) -> MeterClock:
    """The meter's clock against this computer's. Raises DeviceError, also where it does not tell its zone."""
    before = clock.time()
    value = session.get(Attribute(*obis.CLOCK.attribute(2))).plain()
    middle = (before + clock.time()) / 2
    try:
        told = cosem.meter_time(bytes(value))
    except (TypeError, ValueError):
        raise Unclear("clock") from None
    if told.moment is None or told.deviation is None:
        raise DeviceError("trigger", "meter_clock_wrong", f"the meter's clock says {told.text} and not how far that is from UTC")
    return MeterClock(told.text, told.moment.timestamp() - middle, told.deviation)


def schedule(session: Session) -> list[tuple[bytes, bytes]]:
    """The entries of the activation scheduler (R-204)."""
    value = session.get(Attribute(*obis.ACTIVATION_SCHEDULER.attribute(4))).plain()
    try:
        return [(bytes(time), bytes(date)) for time, date in value]
    except (TypeError, ValueError):
        raise Unclear("schedule") from None


def write_schedule(session: Session, entries: list[tuple[bytes, bytes]]) -> None:
    """Replace the entries; none cancels."""
    items = [axdr.structure(axdr.octets(time), axdr.octets(date)) for time, date in entries]
    session.set(Attribute(*obis.ACTIVATION_SCHEDULER.attribute(4)), axdr.array(items))


def scheduler_fault(session: Session) -> str:
    """Why the scheduler would not activate the image when its time comes; empty where it would (R-205)."""
    script, selector = _pair(session.get(Attribute(*obis.ACTIVATION_SCHEDULER.attribute(2))).plain())
    if script != obis.ACTIVATION_SCRIPTS.obis:
        return f"the scheduler runs {script}, not the script table {obis.ACTIVATION_SCRIPTS.obis}"
    value = session.get(Attribute(*obis.ACTIVATION_SCRIPTS.attribute(2))).plain()
    try:
        scripts = {int(number): [_action(item) for item in actions] for number, actions in value}
    except (TypeError, ValueError):
        raise Unclear("script table") from None
    if _ACTIVATION_SCRIPT not in scripts.get(selector, []):
        return f"script {selector} of the meter does not activate the image"
    return ""


def attribute_writable(session: Session, index: int) -> bool | None:
    """Whether this client may write an attribute of the image transfer, by the object list; None where that does not tell."""
    try:
        listed = cosem.object_list(session.get(Attribute(*obis.CURRENT_ASSOCIATION.attribute(2))).plain())
    except (AccessFault, ValueError, TypeError, IndexError):
        return None
    item = next((entry for entry in listed if entry.obis == obis.IMAGE_TRANSFER.obis), None)
    return None if item is None else index in item.writes


def lost(error: DeviceError) -> bool:
    """Whether another connection may help: the link broke, or the meter still thinks that the last one is open."""
    return isinstance(error, LostError) or error.reason in _LOST_REASONS


class Link:
    """One association at a time with a meter, opened when needed and again after a loss.

    ``opener`` opens one; it is told the lowest invocation counter that the meter takes: None asks the meter, 0 does not.
    """

    def __init__(self, opener: Callable[[int | None], Session], floor: int | None = None) -> None:
        self._opener, self._floor = opener, floor
        self._session: Session | None = None

    def session(self) -> Session:
        if self._session is None:
            floor, self._floor = self._floor, 0
            try:
                self._session = self._opener(floor)
            except DeviceError as error:
                self._learn(error, floor)
                raise
        return self._session

    def use(self, what: Callable[[Session], T]) -> T:
        """Do something with the association; a fault of the connection ends it. Raises DeviceError."""
        session = self.session()
        try:
            return what(session)
        except AccessFault:
            raise
        except DeviceError as error:
            self._learn(error, 0)
            self.drop()
            raise

    def _learn(self, error: DeviceError, floor: int | None) -> None:
        """What the next association has to know about counters."""
        if isinstance(error, RefusalError) and error.reason == "dlms_counter_refused":
            self._floor = error.expected
        elif error.stage == "connect":
            self._floor = floor  # nothing was asked yet

    def drop(self) -> None:
        """Release and hang up; repeating it is fine."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _image(index: int) -> Attribute:
    return Attribute(*obis.IMAGE_TRANSFER.attribute(index))


def _needed(item: Data | AccessFault) -> Any:
    if isinstance(item, AccessFault):
        raise item
    return item.plain()


def _integer(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unclear(what)
    return value


def _candidates(value: Any) -> list[dict[str, Any]]:
    try:
        return [{"size": int(size), "identifier": bytes(name).hex(), "signature": bytes(mark).hex()} for size, name, mark in value]
    except (TypeError, ValueError):
        raise Unclear("list of images to activate") from None


def _pair(value: Any) -> tuple[str, int]:
    try:
        name, selector = value
        return obis.obis_text(bytes(name)), int(selector)
    except (TypeError, ValueError):
        raise Unclear("scheduler") from None


def _action(value: Any) -> tuple[int, int, str, int]:
    service, class_id, name, index, dummy_parameter = value
    return int(service), int(class_id), obis.obis_text(bytes(name)), int(index)
