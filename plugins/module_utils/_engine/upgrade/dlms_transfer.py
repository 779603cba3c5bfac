# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""An image into the meter's second slot, checked: initiate, blocks, gaps, verify, compare (wire-dlms 3 steps 1 to 6; R-225…R-227).

Initiate throws away every block that is there, so it is called once and never where blocks can be kept (X-08). A lost
connection is opened again as long as blocks arrive. Everything ends, complete or with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..artifacts.manifest import file_sha256
from ..base.clock import Clock, Waiter
from ..base.errors import DeadlineError, DeviceError
from ..catalogue import constants
from ..wire.dlms.session import AccessFault, Session
from . import dlms_rules as rules
from .dlms_image import DENIED, TEMPORARY, ImageObject, Link, lost
from .steps import Hooks

T = TypeVar("T")
_STAGE = "staging"
_STEP = 5  # per cent between two lines of progress


class SliceOverError(Exception):
    """The time of this call is used up; the next one goes on."""


@dataclass
class Progress:
    """Where a transfer is; plain data, so that one call on a jump host goes on where the last one stopped."""

    changed: bool = False
    initiated: bool = False
    resumed_at: int | None = None
    rounds: int = 0
    sent: int = 0
    failures: int = 0
    missing: int | None = None
    stuck: int = 0
    verifications: int = 0
    checking: float = 0.0
    restore_enabled: bool = False
    text: str = ""


class Transfer:
    """Brings one image into the meter. ``seconds`` is the time of this call in meter seconds, None for no limit."""

    def __init__(
        self,
        link: Link,
        job: rules.ImageJob,
        hooks: Hooks,
        clock: Clock,
        progress: Progress,
        seconds: float | None = None,
    ) -> None:
        self._link, self._job, self._hooks, self._clock, self.progress = link, job, hooks, clock, progress
        self._waiter = Waiter(clock, lambda: hooks.guard(_STAGE))
        self._end = None if seconds is None else clock.monotonic() + seconds
        self._shown = -_STEP
        self._block_size = 0
        self._count = 0

    def run(self, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """Do what is left to do. ``row`` is the ledger's transfer row, where blocks in the meter may be kept (X-08).

        Raises DeviceError with a reason. Of a call that ran out of time the result says ``done: False``.
        """
        try:
            images = self._run(row)
        except SliceOverError:
            return {"done": False, "changed": self.progress.changed, "state": asdict(self.progress)}
        except DeviceError as error:
            if not lost(error):
                self._restore()
            raise
        return self._result(images)

    def _run(self, row: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
        look = self._settled()
        self._block_size = int(look["block_size"])
        if self._block_size < 1:
            raise DeviceError(_STAGE, "dlms_protocol_error", "the meter tells a block size of 0")
        self._count = rules.blocks_of(self._job.size, self._block_size)
        if rules.is_pending(look, self._job, row):
            self._say("the image waits in the meter, checked; nothing is sent")
            if self._job.activate != rules.NEVER:
                self._enable_if_possible(look)
            return self._accept(look["images"])
        self._check_file()
        if self._ours(row, look):
            self._resume(look)
        else:
            self._initiate(look)
        self._fill()
        return self._checked()

    def _ours(self, row: Mapping[str, Any] | None, look: Mapping[str, Any]) -> bool:
        """Whether the meter holds this image, whole or in part: begun by an earlier call or run."""
        if not (self.progress.initiated or rules.row_matches(row, self._job, self._block_size)):
            return False
        if look["status"] == rules.VERIFIED and look["images"] is not None:
            self._accept(look["images"])  # it is checked and not pending, so this says why
        if look["status"] == rules.VERIFY_FAILED:
            self._refused()
        if self.progress.initiated and look["status"] in (rules.NOT_INITIATED, rules.ACTIVATED, rules.ACTIVATION_FAILED):
            raise DeviceError(_STAGE, "image_incomplete", f"the meter has forgotten the transfer ({rules.state_name(look['status'])})")
        return look["status"] in (rules.INITIATED, rules.VERIFYING, rules.VERIFIED)

    # -- what is there ------------------------------------------------------------------------------------------------

    def _settled(self) -> dict[str, Any]:
        """The state of the transfer, once the meter is not at work (status 2 and 5 are waited for)."""
        limit = constants.DLMS_VERIFY_LIMIT.number

        def look() -> dict[str, Any] | None:
            found = self._steady(lambda image: image.look())
            busy = found["status"] == rules.ACTIVATING or (found["status"] == rules.VERIFYING and not self.progress.verifications)
            if busy:
                self._say(f"waiting: {rules.state_name(found['status'])}")
            return None if busy else found

        return self._poll("the meter's own work", look, limit, "firmware_in_progress")

    def _resume(self, look: Mapping[str, Any]) -> None:
        if self.progress.initiated or self.progress.resumed_at is not None:
            return  # the slice before this one
        self.progress.resumed_at = int(look["first_missing"])
        self._enable_if_possible(look)
        self._hooks.phase("transferring", None, f"going on from block {look['first_missing']} of {self._count}")

    # -- step 2 -------------------------------------------------------------------------------------------------------

    def _initiate(self, look: Mapping[str, Any]) -> None:
        largest = min(self._block_size, self._job.size)
        if largest > look["room"] and not look["parts_allowed"]:
            text = f"blocks of {largest} octets do not fit into messages of {look['pdu']}, and the meter takes no message in parts"
            raise DeviceError(_STAGE, "image_block_too_large", text)
        if look["status"] == rules.VERIFIED and not self._job.replace_pending:
            names = ", ".join(item["identifier"] for item in look["images"] or ()) or "one that it does not name"
            raise DeviceError(_STAGE, "image_pending", f"another image waits in the meter: {names}")
        self._enable(look)
        self._hooks.phase("initiating", 0, f"{self._job.size} octets in {self._count} blocks of {self._block_size}")
        self.progress.changed = True
        self._begin(foreign=look["status"] == rules.INITIATED)
        if self._poll("initiate", self._began, constants.DLMS_STATUS_SETTLE.number, "image_transfer_refused") != 0:
            raise DeviceError(_STAGE, "image_transfer_refused", "the meter says that it has blocks of an image that it was not sent")
        self.progress.initiated = True
        self._hooks.phase("initiated", 0, "")
        if self._end is not None:
            raise SliceOverError  # so that the controller can write down whose blocks these are

    def _begin(self, foreign: bool) -> None:
        """Method 1, once. Put off, it is asked again; where the answer was lost, the status tells whether it was done."""
        for dummy in range(constants.DLMS_BUSY_TRIES.number):
            try:
                self._link.use(lambda session: ImageObject(session).initiate(self._job.identifier, self._job.size))
                return
            except AccessFault as fault:
                if fault.code != TEMPORARY:
                    disabled = fault.code == DENIED and not self._steady(lambda image: image.enabled())
                    reason = "image_transfer_disabled" if disabled else "image_transfer_refused"
                    raise DeviceError(_STAGE, reason, "the meter does not begin the transfer", fault.name) from None
                self._say("the meter puts the beginning off")
                self._waiter.hold(constants.DLMS_STATUS_POLL.number)
            except DeviceError as error:
                self._after_loss(error)
                if self._steady(lambda image: image.status()) == rules.INITIATED and not foreign:
                    return
        raise DeviceError(_STAGE, "image_transfer_refused", "the meter puts the beginning of the transfer off again and again")

    def _began(self) -> int | None:
        """The first missing block once the transfer shows as initiated."""

        def read(image: ImageObject) -> tuple[int, int]:
            return image.status(), image.first_missing()

        status, first = self._steady(read)
        return first if status == rules.INITIATED else None

    def _enable(self, look: Mapping[str, Any]) -> None:
        """image_transfer_enabled must be true (R-225); it is put back at the end."""
        if look["enabled"]:
            return
        try:
            self._steady(lambda image: image.enable(True))
            enabled = self._steady(lambda image: image.enabled())
        except AccessFault as fault:
            raise DeviceError(_STAGE, "image_transfer_disabled", "image transfer is disabled in the meter", fault.name) from None
        if not enabled:
            raise DeviceError(_STAGE, "image_transfer_disabled", "the meter took the word to enable image transfer, but did not do it")
        self.progress.changed = self.progress.restore_enabled = True

    def _enable_if_possible(self, look: Mapping[str, Any]) -> None:
        """For what comes after initiate the documents ask for nothing; a meter that is disabled may stop it all the same."""
        try:
            self._enable(look)
        except DeviceError as error:
            if error.reason != "image_transfer_disabled":
                raise

    # -- steps 3 and 4 ------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Send what is missing until nothing is; each round must leave less (F-04, F-34)."""
        most, progress, missing = constants.DLMS_FILL_ROUNDS.number, self.progress, self._missing()
        self._measure(len(missing))
        while missing:
            self._show(len(missing))
            whole = self._send(missing)
            missing = self._missing()
            progress.rounds += whole
            self._measure(len(missing))
            if missing and ((whole and progress.stuck) or progress.stuck > most or progress.rounds > most):
                raise DeviceError(_STAGE, "image_incomplete", f"{len(missing)} of {self._count} blocks stay missing")
            if missing and whole:
                self._say(f"{len(missing)} blocks got lost; sending them again")
        self.progress.failures = 0
        self._hooks.phase("transferred", 100, f"{self._count} blocks")

    def _measure(self, left: int) -> None:
        """Whether something was gained since the last time, also in an earlier call."""
        progress = self.progress
        if progress.missing is None or left < progress.missing:
            progress.failures = progress.stuck = 0
        else:
            progress.stuck += 1
        progress.missing = left

    def _missing(self) -> list[int]:
        """What the meter does not have; nothing once it has begun the check by itself."""

        def read(image: ImageObject) -> list[int]:
            status = image.status()
            if status in (rules.VERIFYING, rules.VERIFIED, rules.VERIFY_FAILED):
                return []
            if status != rules.INITIATED:
                text = f"the meter has forgotten the transfer ({rules.state_name(status)})"
                raise DeviceError(_STAGE, "image_incomplete", text)
            first = image.first_missing()
            fresh = self.progress.initiated and not self.progress.sent
            return rules.missing_blocks(self._count, first, None if fresh or first >= self._count else image.bitmap())

        return self._steady(read)

    def _send(self, missing: list[int]) -> bool:
        """Send these blocks. False where the connection was lost, or the meter stopped taking any, on the way."""
        size, left = self._block_size, len(missing)
        with Path(self._job.path).open("rb") as file:
            for number in missing:
                self._hooks.guard(_STAGE)
                self._in_time()
                file.seek(number * size)
                value = file.read(min(size, self._job.size - number * size))
                try:
                    if not self._block(number, value):
                        return False
                except AccessFault as fault:
                    text = f"the meter does not take block {number} of {self._count}"
                    raise DeviceError(_STAGE, "image_transfer_refused", text, fault.name) from None
                except DeviceError as error:
                    self._after_loss(error)
                    return False
                left -= 1
                self.progress.sent += 1
                self.progress.changed = True
                self._show(left)
        return True

    def _block(self, number: int, value: bytes) -> bool:
        """Send one block. False where the meter is not in the state for it any more: it may check by itself already."""
        for dummy in range(constants.DLMS_BUSY_TRIES.number):
            try:
                self._link.use(lambda session: ImageObject(session).block(number, value))
                return True
            except AccessFault as fault:
                if fault.code != TEMPORARY:
                    if self._link.use(lambda session: ImageObject(session).status()) == rules.INITIATED:
                        raise
                    return False
            self._waiter.hold(constants.DLMS_STATUS_POLL.number)
        raise DeviceError(_STAGE, "image_transfer_refused", f"the meter puts block {number} off again and again")

    def _check_file(self) -> None:
        try:
            if file_sha256(Path(self._job.path)) == self._job.sha256:
                return
            text = f"{self._job.path} was changed since the prechecks"
        except OSError as error:
            text = f"{self._job.path} cannot be read: {error.strerror}"
        raise DeviceError(_STAGE, "artifact_hash_mismatch", text)

    # -- steps 5 and 6 ------------------------------------------------------------------------------------------------

    def _checked(self) -> list[dict[str, Any]] | None:
        """Have the meter check the image, and compare what it would activate."""
        self._hooks.phase("checking", None, "the meter checks the image")
        limit = constants.DLMS_VERIFY_LIMIT.number - self.progress.checking
        begun = self._clock.monotonic()
        try:
            status = self._poll("verification", self._verdict, limit, "image_verification_late")
        finally:
            self.progress.checking += self._clock.monotonic() - begun
        if status == rules.VERIFY_FAILED:
            self._refused()
        return self._accept(self._steady(lambda image: image.images()))

    def _refused(self) -> NoReturn:
        raise DeviceError(_STAGE, "image_verification_failed", "the meter checked the image and refuses it", "verification failed")

    def _verdict(self) -> int | None:
        """Status 3 or 4, once it is there. The method is called where no check runs; its refusal says less than the status (F-35)."""
        status = self._steady(lambda image: image.status())
        if status in (rules.VERIFIED, rules.VERIFY_FAILED):
            return status
        if status == rules.INITIATED:
            self._verify()
            status = self._steady(lambda image: image.status())
            if status in (rules.VERIFIED, rules.VERIFY_FAILED):
                return status
        if status not in (rules.INITIATED, rules.VERIFYING):
            text = f"the meter has lost the image during the check ({rules.state_name(status)})"
            raise DeviceError(_STAGE, "image_incomplete", text)
        return None

    def _verify(self) -> None:
        if self.progress.verifications >= constants.DLMS_BUSY_TRIES.number:
            raise DeviceError(_STAGE, "image_verification_late", "the meter begins the check again and again and ends it never")
        self.progress.verifications += 1
        self.progress.changed = True
        try:
            self._link.use(lambda session: ImageObject(session).verify())
        except AccessFault as fault:
            if fault.code == TEMPORARY:
                return
            status, missing = self._steady(lambda image: (image.status(), image.first_missing()))
            if status == rules.INITIATED:
                reason = "image_incomplete" if missing < self._count else "image_verification_failed"
                raise DeviceError(_STAGE, reason, "the meter does not check the image", fault.name) from None
        except DeviceError as error:
            self._after_loss(error)

    def _accept(self, images: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        """What the meter would activate must be what was sent. Not telling is no error (wire-dlms 3, step 6)."""
        why = rules.mismatch(images, self._job) if images is not None else ""
        if why:
            raise DeviceError(_STAGE, "image_mismatch", why)
        return images

    def _result(self, images: list[dict[str, Any]] | None) -> dict[str, Any]:
        progress = self.progress
        if self._job.activate == rules.NEVER:
            self._restore()
        return {
            "done": True,
            "changed": progress.changed,
            "bytes": self._job.size,
            "blocks": self._count,
            "sent": progress.sent,
            "status": rules.VERIFIED,
            "initiated": progress.initiated,
            "resumed_at": progress.resumed_at,
            "rounds": progress.rounds,
            "text": progress.text,
            "images": images,
            "restore_enabled": progress.restore_enabled,
        }

    def _restore(self) -> None:
        """Put image_transfer_enabled back; where that fails the facts and meter_security show it."""
        if not self.progress.restore_enabled:
            return
        try:
            self._link.use(lambda session: ImageObject(session).enable(False))
        except DeviceError as error:
            self._say(f"image_transfer_enabled stays true: {error.text}")
            return
        self.progress.restore_enabled = False

    # -- connections and time -----------------------------------------------------------------------------------------

    def _steady(self, what: Callable[[ImageObject], T]) -> T:
        """Something that may be repeated, over as many connections as are allowed. Raises DeviceError."""

        def on(session: Session) -> T:
            return what(ImageObject(session))

        while True:
            self._in_time()
            try:
                return self._link.use(on)
            except AccessFault:
                raise
            except DeviceError as error:
                self._after_loss(error)

    def _after_loss(self, error: DeviceError) -> None:
        """Wait before another connection, longer each time nothing was gained; raises ``error`` when that is enough."""
        if not lost(error):
            raise error
        self.progress.failures += 1
        if self.progress.failures > constants.DLMS_RECONNECTS.number:
            raise error
        self._say(f"connection lost ({error.text}); opening another one")
        self._waiter.hold(constants.DLMS_RECONNECT_PAUSE.number * 2 ** (self.progress.failures - 1))

    def _poll(self, state: str, look: Callable[[], T | None], seconds: float, reason: str) -> T:
        try:
            return self._waiter.until(state, look, max(0.0, seconds), interval=constants.DLMS_STATUS_POLL.number)
        except DeadlineError as error:
            raise DeviceError(_STAGE, reason, f"{error}") from None

    def _in_time(self) -> None:
        if self._end is not None and self._clock.monotonic() >= self._end:
            raise SliceOverError

    def _say(self, text: str) -> None:
        self.progress.text = text
        self._hooks.phase(_STAGE, None, text)

    def _show(self, left: int) -> None:
        percent = (self._count - left) * 100 // self._count
        if percent >= self._shown + _STEP:
            self._shown = percent
            self._hooks.phase("transferring", percent, f"{self._count - left} of {self._count} blocks")
