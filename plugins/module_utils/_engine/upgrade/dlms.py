# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Executor of the method dlms: image transfer into the second slot, activation, proof by identifiers and signatures (R-223…R-228).

Each step opens and releases its own association. Steps take and return plain data; the controller writes the ledger between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..base.clock import Waiter
from ..base.errors import DeadlineError, DeviceError
from ..base.target import Target
from ..catalogue import constants
from ..meters import mcs301, search
from ..wire.dlms.session import AccessFault, CounterStore, Session
from ..wire.loop import run
from ..wire.probe import probe_all
from . import dlms_rules as rules
from .dlms_activate import Activation, answer
from .dlms_image import ImageObject, Link, attribute_writable, lost, read_clock, schedule
from .dlms_observe import Sight, advance, resting
from .dlms_rules import ImageJob
from .dlms_transfer import Progress, Transfer
from .observe import Expected, Limits, Observation
from .steps import Hooks, Reading, Silence

__all__ = ["DlmsSteps", "ImageJob"]

_GUARDED = ("staging", "trigger", "observing")  # stages in which the leases are kept alive


@dataclass
class DlmsSteps:
    """The steps of the method dlms against one meter, in this process.

    ``counters`` gives invocation counters. ``floor`` is the lowest one that the meter takes: None asks it before the first
    association, 0 does not ask (a jump host is told). ``accept_reset`` believes a meter whose counter went back (a word of accept).
    ``restore_enabled`` is set by ``stage``, and given to the next step's process on a jump host. ``opener`` replaces the
    association, for tests.
    """

    target: Target
    job: ImageJob
    hooks: Hooks = field(default_factory=Silence)
    counters: CounterStore | None = None
    floor: int | None = None
    networks: Sequence[str] = ()
    accept_reset: bool = False
    restore_enabled: bool = False
    opener: Callable[[str, int | None], Session] | None = None

    def __post_init__(self) -> None:
        """Raise InputError for what no meter could do, before any contact."""
        rules.check_job(self.job)

    def _link(self, stage: str) -> Link:
        def connect(floor: int | None) -> Session:
            if self.opener is not None:
                return self.opener(stage, floor)
            if self.counters is None:
                raise ValueError("an association needs invocation counters")
            session = Session(self.target, self.counters, stage=stage, floor=floor, accept_reset=self.accept_reset, pause=pause)
            session.open()
            self.floor = 0  # what the meter told holds from now on; our own counters lead
            return session

        def pause(seconds: float) -> None:
            Waiter(self.target.clock, lambda: self.hooks.guard(stage) if stage in _GUARDED else None).hold(seconds)

        return Link(connect, self.floor)

    def _once(self, stage: str, what: Callable[[Session], Any]) -> Any:
        link = self._link(stage)
        try:
            return link.use(what)
        finally:
            link.drop()

    # -- before anything is written -----------------------------------------------------------------------------------

    def identify(self) -> Reading:
        """Model, serial number and the identifier of the job's component. Raises DeviceError."""
        found = self._once("reading", lambda session: mcs301.identify(session, self.target))
        return self._reading(found)

    def _reading(self, found: mcs301.Identity) -> Reading:
        own = found.identifiers(self.job.component)
        return Reading(
            model=found.model,
            serial=found.serial or found.logical_device_name,
            version=own[0] if own else None,
            restarts=None,
            last_restart=None,
            name=found.logical_device_name,
        )

    def services(self) -> dict[str, str]:
        """State of the DLMS port: a TCP connect, no byte sent."""
        ports = {"dlms": self.target.ports["dlms"]}
        return run(probe_all(self.target.host, ports, self.target.timeouts.connect))

    def lock(self) -> str:
        """This family has no lock that stops an upgrade."""
        return "unlocked"

    def look(self) -> dict[str, Any]:
        """What the prechecks and the ledger need to know of transfer, parts and clock; plain data. Only reads. Raises DeviceError."""

        def read(session: Session) -> dict[str, Any]:
            found = mcs301.identify(session, self.target)
            transfer = ImageObject(session).look()
            if not transfer["enabled"]:
                transfer["enabled_writable"] = attribute_writable(session, 5)
            return {
                **transfer,
                **asdict(self._reading(found)),
                "components": list(found.components),
                "blocks": rules.blocks_of(self.job.size, max(1, transfer["block_size"])),
                "clock": self._clock(session),
                "schedule": _shown(session),
            }

        return dict(self._once("reading", read))

    def _clock(self, session: Session) -> dict[str, Any]:
        try:
            return {**asdict(read_clock(session, self.target.clock)), "fault": ""}
        except DeviceError as error:
            if lost(error):
                raise
            return {"text": "", "skew": None, "deviation": None, "fault": error.text}

    # -- transfer -----------------------------------------------------------------------------------------------------

    def stage(
        self, resume: Mapping[str, Any] | None = None, seconds: float | None = None, state: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Bring the image into the meter, checked (R-225…R-227). Nothing is activated.

        ``resume`` is the ledger's transfer row; without it blocks in the meter are nobody's, and the transfer is initiated
        anew. With ``seconds`` (meter seconds) the call ends after that long with ``done: False`` and a ``state`` for the next
        one, and in any case right after initiate. Raises DeviceError with a reason.
        """
        link = self._link("staging")
        progress = Progress(**dict(state)) if state else Progress()
        try:
            result = Transfer(link, self.job, self.hooks, self.target.clock, progress, seconds).run(resume)
        finally:
            link.drop()
        if result["done"]:
            self.restore_enabled = result["restore_enabled"]
            result["detail"] = self._detail(result)
        return result

    def _detail(self, staged: Mapping[str, Any]) -> dict[str, Any]:
        """What the observation needs to know, also in a later run."""
        job = self.job
        return {
            "component": job.component,
            "expected": list(job.expected),
            "expected_signature": job.expected_signature,
            "images": staged["images"],
            "activate": job.activate,
            "at": job.at,
            "restore_enabled": staged["restore_enabled"],
        }

    # -- activation ---------------------------------------------------------------------------------------------------

    def trigger(self) -> dict[str, Any]:
        """Activate, once. The caller wrote the ledger before. Raises nothing that belongs to the meter."""
        if self.job.activate == rules.NEVER:
            return answer("staged", "the image waits in the meter; nothing was activated")
        activation = self._activation()
        given = activation.at() if self.job.activate == rules.AT else activation.now()
        if given["state"] in ("refused", "not_started") and self.restore_enabled:
            self.put_back()  # nobody will observe, so this is the end
        return given

    def put_back(self) -> str:
        """Disable image transfer again where the staging had to enable it. Why it could not be done, or nothing."""
        try:
            self._once("trigger", lambda session: ImageObject(session).enable(False))
        except DeviceError as error:
            return f"image_transfer_enabled stays true: {error.text}"
        self.restore_enabled = False
        return ""

    def cancel(self) -> dict[str, Any]:
        """Call a scheduled activation off: ``{"state": "cancelled", "changed": …}``. Raises DeviceError."""
        return self._activation().cancel()

    def _activation(self) -> Activation:
        return Activation(self._link("trigger"), self.job, self.target.clock, lambda: self.hooks.guard("trigger"))

    # -- proof --------------------------------------------------------------------------------------------------------

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Look on for at most ``seconds`` meter seconds; returns the moved state, over when ``outcome`` is set."""
        observation, wanted, deadlines = Observation(**state), Expected(**expected), Limits(**limits)
        clock = self.target.clock
        start = clock.monotonic() - observation.elapsed
        link = self._link("observing")

        def look() -> bool | None:
            sight = self._sight(link, observation.detail)
            observation.elapsed = clock.monotonic() - start
            advance(observation, sight, wanted, deadlines, self._ahead(observation.detail))
            last = observation.timeline[-1] if observation.timeline else {"state": "triggered", "text": ""}
            # What an earlier run scheduled and this one takes back is no failure to anybody who watches.
            state = "not_started" if observation.reason == "upgrade_not_started" else last["state"]
            self.hooks.phase(state, None, last["text"])
            return True if observation.outcome else None

        def pace() -> float:
            near = observation.near_the_end or "hold" in observation.detail
            return float((constants.POLL_NEAR if near else constants.POLL_INTERVAL).number)

        try:
            Waiter(clock, lambda: self.hooks.guard("observing")).until("observing", look, seconds, interval=pace)
            self._put_back(link, observation)
        except DeadlineError:
            pass  # the slice is over, the observation is not
        finally:
            link.drop()
        return observation.as_dict()

    def _sight(self, link: Link, detail: Mapping[str, Any]) -> Sight:
        """One look. Whatever another connection may cure is silence; a refused login is not asked again."""

        def read(session: Session) -> Sight:
            found = mcs301.identify(session, self.target)
            scheduled = self._still_scheduled(session, detail) if self._ahead(detail) > 0 else None
            return Sight(True, found.serial or found.logical_device_name, found.components, _status(session), scheduled)

        try:
            return link.use(read)
        except DeviceError as error:
            fatal = error.stage == "association" and not lost(error)
            return Sight(False, fault=error.reason if fatal else "", text=error.text)

    def _ahead(self, detail: Mapping[str, Any]) -> float:
        """Seconds until the scheduled time; 0 where nothing is scheduled."""
        if detail.get("activate") != rules.AT:
            return 0.0
        return rules.parse_at(detail.get("at")).timestamp() - self.target.clock.time()

    def _still_scheduled(self, session: Session, detail: Mapping[str, Any]) -> bool | None:
        try:
            deviation = read_clock(session, self.target.clock).deviation
            entry = rules.schedule_entry(rules.parse_at(detail.get("at")), deviation)
            return any(rules.same_entry(item, entry) for item in schedule(session))
        except DeviceError as error:
            if lost(error):
                raise
            return None

    def _put_back(self, link: Link, observation: Observation) -> None:
        """At the end image transfer is disabled again where the staging had to enable it."""
        if not observation.detail.get("restore_enabled") or resting(observation):
            return
        try:
            link.use(lambda session: ImageObject(session).enable(False))
        except DeviceError as error:
            observation.detail["enabled_left"] = f"image_transfer_enabled stays true: {error.text}"
            return
        observation.detail["restore_enabled"] = False

    def find(self, serial: str) -> str | None:
        """The address in ``networks`` at which this serial number answers the public client now, or None (R-032, F-13)."""
        return search.find_dlms_serial(self.target, serial, self.networks) if self.networks else None

    def close(self) -> None:
        """Nothing stays open between the steps."""


def _status(session: Session) -> int | None:
    try:
        return ImageObject(session).status()
    except AccessFault:
        return None


def _shown(session: Session) -> list[list[str]] | None:
    """The scheduler's entries as hexadecimal pairs, or None where this client may not read them."""
    try:
        return [[time.hex(), date.hex()] for time, date in schedule(session)]
    except AccessFault:
        return None
