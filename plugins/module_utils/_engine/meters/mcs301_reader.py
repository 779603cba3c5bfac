# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One reading of a DLMS/COSEM meter: questions over a session, answers at their paths, and why one is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..base.errors import DeviceError
from ..base.target import Target
from ..catalogue import obis
from ..catalogue.obis import CosemObject
from ..wire.dlms.apdu import AccessFault, Attribute
from ..wire.dlms.axdr import Data
from ..wire.dlms.session import Session
from . import cosem
from .reading import Values

#: Results that mean: there is no such object or attribute.
MISSING = (4, 9, 11)
DENIED = (3, 13)
BUSY = 2
MALFORMED = "the meter's value is not of the documented form"
NO_OBJECT = "the family has no object for it"
#: What taking apart a value of another shape ends in.
UNFIT = (ValueError, TypeError, IndexError, AttributeError, OverflowError)


class Meter:
    """One reading over one session."""

    def __init__(self, session: Session, target: Target, now: Callable[[], float] = time.time, end: float | None = None) -> None:
        self.session, self.target, self.now, self.end = session, target, now, end
        self.dlms = session.client
        self.out = Values()
        self.listed: tuple[cosem.Rights, ...] | None = None
        self.list_fault: str | None = None

    def many(self, wanted: Sequence[tuple[CosemObject, int]]) -> list[Any]:
        """Plain values in the order asked, or an AccessFault for each that was refused."""
        self.in_time()
        try:
            answers = self.session.get_list([Attribute(*item.attribute(index)) for item, index in wanted])
        except AccessFault as fault:  # the list as a whole
            return [fault for _item in wanted]
        return [answer.plain() if isinstance(answer, Data) else answer for answer in answers]

    def in_time(self) -> None:
        """Raises DeviceError once the time for this meter is over; a single answer has a limit of its own."""
        if self.end is not None and time.monotonic() > self.end:
            where = f"{self.target.host}:{self.target.ports['dlms']}"
            raise DeviceError("facts", "deadline_exceeded", f"{where} was not read in the time it has")

    def why(self, fault: AccessFault, item: CosemObject) -> str:
        """Why a value is missing, in words that tell what helps."""
        if fault.code in MISSING:
            return f"the meter has no object {item.obis} of class {item.class_id} with it"
        if fault.code in DENIED:
            if self.dlms.authentication == "none":
                return f"client {self.dlms.client} may not read it without security; give dlms and dlms_keys of a client that may"
            return f"access denied to client {self.dlms.client}"
        if fault.code == BUSY:
            return "the meter cannot read it at the moment"
        return f"the meter refuses it with code {fault.code}"

    def take(self, path: str, answer: Any, item: CosemObject, form: Callable[[Any], Any], text: bool = True) -> None:
        """One answer at its path: its value in the right form, or why there is none."""
        if isinstance(answer, AccessFault):
            self.out.miss(path, self.why(answer, item), text)
            return
        try:
            self.out.put(path, form(answer), "object")
        except UNFIT:
            self.out.miss(path, MALFORMED, text)

    def object_list(self) -> tuple[cosem.Rights, ...] | None:
        """What this association shows; None where it does not tell, and ``list_fault`` says why."""
        if self.listed is None and self.list_fault is None:
            self.in_time()
            try:
                plain = self.session.get(Attribute(*obis.CURRENT_ASSOCIATION.attribute(2))).plain()
                self.listed = cosem.object_list(plain)
            except AccessFault as fault:
                self.list_fault = self.why(fault, obis.CURRENT_ASSOCIATION)
            except UNFIT:
                self.list_fault = "the object list is not of the documented form"
        return self.listed


def text(value: Any) -> str:
    """Text as it is, octets as text when they are printable, else as hexadecimal digits. Raises ValueError for anything else."""
    if isinstance(value, bytes):
        plain = value.strip(b"\x00 ")
        if plain and all(32 <= octet < 127 for octet in plain):
            return plain.decode("ascii")
        value = value.hex()
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


def digits(value: Any) -> str:
    """Octets as hexadecimal digits. Raises ValueError for anything else."""
    if not isinstance(value, bytes):
        raise ValueError("no octets")
    return value.hex()


def number(value: Any) -> int:
    """A whole number. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("no number")
    return value


def truth(value: Any) -> bool:
    """True or false. Raises ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value
