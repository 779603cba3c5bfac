# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Activation of an image that waits in the meter: now, at a time, or called off (wire-dlms 3 step 7; R-204, R-205, R-228).

Method 4 is called once. Everything that leaves open whether the meter has it counts as triggered; what is proven not to
have reached it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from ..base.clock import Clock, Waiter
from ..base.errors import DeviceError, MeteringError
from ..catalogue import constants
from ..wire.dlms.session import AccessFault, LostError, RefusalError, Session
from . import dlms_rules as rules
from .dlms_image import TEMPORARY, ImageObject, Link, lost, read_clock, schedule, scheduler_fault, write_schedule

T = TypeVar("T")
_STAGE = "trigger"
_NOT_SENT = ("dlms_counter_block_used", "dlms_counter_exhausted", "dlms_counter_rolled_back", "dlms_counter_jump")

Answer = dict[str, Any]


def answer(state: str, text: str, reason: str = "", status: int | None = None) -> Answer:
    """How a trigger went: triggered, scheduled, staged, refused or not_started."""
    return {"state": state, "status": status, "location": "", "reason": reason, "text": text}


class Activation:
    """Activates one image over ``link``."""

    def __init__(self, link: Link, job: rules.ImageJob, clock: Clock, guard: Callable[[], None]) -> None:
        self._link, self._job, self._clock = link, job, clock
        self._waiter = Waiter(clock, guard)

    # -- now ----------------------------------------------------------------------------------------------------------

    def now(self) -> Answer:
        """Method 4, once; nothing but a fault of the ledger or the process is raised."""
        try:
            return self._now()
        finally:
            self._link.drop()

    def _now(self) -> Answer:
        try:
            look = self._steady(lambda session: ImageObject(session).look())
        except DeviceError as error:
            return answer("not_started", str(error), error.reason)
        status = look["status"]
        if status == rules.ACTIVATING:
            return answer("triggered", "the meter activates already", status=status)
        why = self._not_ready(look)
        if why:
            return answer("not_started", why, "activation_refused", status)
        try:
            self._link.use(lambda session: ImageObject(session).activate())
        except AccessFault as fault:
            if fault.code == TEMPORARY:
                return answer("triggered", "the meter says that the activation runs", status=fault.code)
            return self._refused(fault)
        except RefusalError as error:
            return answer("not_started", error.text, error.reason)
        except DeviceError as error:
            if error.reason in _NOT_SENT or (isinstance(error, LostError) and not error.sent):
                return answer("not_started", error.text, error.reason)
            return answer("triggered", f"the connection ended with the request: {error.text}")
        return answer("triggered", "the meter has begun the activation", status=0)

    def _not_ready(self, look: dict[str, Any]) -> str:
        if look["status"] != rules.VERIFIED:
            return f"no checked image waits in the meter ({rules.state_name(look['status'])})"
        return rules.mismatch(look["images"], self._job) if look["images"] is not None else ""

    def _refused(self, fault: AccessFault) -> Answer:
        """A refusal says less than the status afterwards."""
        try:
            status = self._link.use(lambda session: ImageObject(session).status())
        except DeviceError:
            return answer("triggered", f"the meter answered {fault.name} and then nothing more")
        if status in (rules.ACTIVATING, rules.ACTIVATED):
            return answer("triggered", f"the meter answered {fault.name}, but {rules.state_name(status)}", status=status)
        return answer("refused", f"{fault.name}; {rules.state_name(status)}", "activation_refused", fault.code)

    # -- at a time ----------------------------------------------------------------------------------------------------

    def at(self) -> Answer:
        """Write the scheduler and read it back. The meter's clock must be right: it alone decides when (F-25)."""
        moment = rules.parse_at(self._job.at)
        ahead = moment.timestamp() - self._clock.time()
        if ahead < constants.DLMS_LEAD_TIME.number:
            return answer("not_started", f"{self._job.at} is {_span(ahead)}", "activation_time_refused")
        written = False

        def write(session: Session) -> Answer:
            nonlocal written
            look = ImageObject(session).look()
            why = self._not_ready(look)
            if why:
                return answer("not_started", why, "activation_refused", look["status"])
            entry, refusal = self._entry(session, moment)
            if refusal is not None:
                return refusal
            if not _holds(schedule(session), entry):
                written = True
                write_schedule(session, [entry])
            if not _holds(schedule(session), entry):
                return answer("refused", "the scheduler does not show the time that was written", "schedule_not_confirmed")
            return answer("scheduled", f"activation at {moment.isoformat()}")

        try:
            return self._steady(write)
        except AccessFault as fault:
            state = "refused" if written else "not_started"
            return answer(state, f"the meter refuses its scheduler: {fault}", "schedule_not_confirmed", fault.code)
        except DeviceError as error:
            if not written:
                return answer("not_started", str(error), error.reason)
            return answer(
                "scheduled", f"not read back, so it is unknown whether the time was taken: {error.text}", "schedule_not_confirmed"
            )
        finally:
            self._link.drop()

    def _entry(self, session: Session, moment: datetime) -> tuple[tuple[bytes, bytes], Answer | None]:
        told = read_clock(session, self._clock)
        entry = rules.schedule_entry(moment, told.deviation)
        if abs(told.skew) > constants.DLMS_CLOCK_TOLERANCE.number:
            text = f"the meter's clock says {told.text}, {abs(told.skew):.0f} s {'ahead' if told.skew > 0 else 'behind'}"
            return entry, answer("not_started", text, "meter_clock_wrong")
        fault = scheduler_fault(session)
        return entry, answer("not_started", fault, "schedule_not_confirmed") if fault else None

    def cancel(self) -> Answer:
        """Empty the scheduler (R-204). Repeating it is fine. Raises DeviceError."""

        def clear(session: Session) -> Answer:
            there = schedule(session)
            if not there:
                return answer("cancelled", "nothing was scheduled")
            write_schedule(session, [])
            if schedule(session):
                raise DeviceError(_STAGE, "schedule_not_confirmed", "the scheduler still shows a time after it was emptied")
            return {**answer("cancelled", "the schedule is empty now"), "changed": True}

        try:
            return {"changed": False, **self._steady(clear)}
        finally:
            self._link.drop()

    def _steady(self, what: Callable[[Session], T]) -> T:
        """Something that may be repeated, over a few connections. Raises DeviceError."""
        tries = constants.DLMS_RECONNECTS.number
        for number in range(tries + 1):
            try:
                return self._link.use(what)
            except AccessFault:
                raise
            except DeviceError as error:
                if not lost(error) or number == tries:
                    raise
            self._waiter.hold(constants.DLMS_RECONNECT_PAUSE.number * 2**number)
        raise MeteringError("unreachable")


def _holds(entries: list[tuple[bytes, bytes]], entry: tuple[bytes, bytes]) -> bool:
    return len(entries) == 1 and rules.same_entry(entries[0], entry)


def _span(seconds: float) -> str:
    if seconds < 0:
        return f"{-seconds:.0f} s in the past"
    return f"only {seconds:.0f} s ahead; at least {constants.DLMS_LEAD_TIME.number} are needed"
