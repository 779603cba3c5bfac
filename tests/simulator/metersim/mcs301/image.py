# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The image transfer object and the meter's two places for firmware."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from metersim.faults import Fault
from metersim.mcs301.apdu import DENIED, OTHER, SUCCESS, TEMPORARY, TYPE
from metersim.mcs301.container import ContainerError, Firmware, open_container

if TYPE_CHECKING:
    from metersim.mcs301.meter import Mcs301

IDLE, INITIATED, VERIFYING, VERIFIED, FAILED, ACTIVATING, ACTIVATED, FELL_BACK = range(8)
READY_CODE, ACTIVATED_CODE, VERIFY_FAILED_CODE, ACTIVATION_FAILED_CODE = 17, 18, 51, 58


class ImageTransfer:
    """Class 18, and what the meter does with an image."""

    def __init__(self, meter: Mcs301) -> None:
        self.meter = meter
        self.enabled = meter.spec.dlms.transfer == "enabled"
        self.status = IDLE
        self.identifier = b""
        self.size = 0
        self.data = bytearray()
        self.have = bytearray()
        self.parts: list[Firmware] = []
        self._lost: dict[int, int] = {}
        self._since = 0
        self._before: dict[int, Firmware] = {}
        self._task: asyncio.Task[None] | None = None

    def forget_faults(self) -> None:
        """Faults were set anew: count from the start."""
        self._lost.clear()
        self._since = 0

    # -- attributes ----------------------------------------------------------

    @property
    def block_size(self) -> int:
        """Octets of every block but the last."""
        return self.meter.spec.dlms.block_size

    @property
    def blocks(self) -> int:
        """How many blocks the image has."""
        return -(-self.size // self.block_size)

    @property
    def first_missing(self) -> int:
        """Number of the first block that is not there; the number of blocks when complete."""
        found = self.have.find(0)
        return len(self.have) if found < 0 else found

    @property
    def complete(self) -> bool:
        """Whether all blocks are there."""
        return bool(self.have) and 0 not in self.have

    # -- methods -------------------------------------------------------------

    def initiate(self, identifier: bytes, size: int) -> int:
        """Method 1: forget what was there and wait for blocks."""
        result = self._may_initiate(identifier, size)
        if result == SUCCESS:
            if self.status == VERIFIED:
                self.meter.record("violation", what="initiate_over_pending", identifier=self.identifier.hex())
            elif self.status == INITIATED and any(self.have):
                self.meter.record("violation", what="initiate_over_transfer", received=sum(self.have), blocks=len(self.have))
            self.discard("initiate")
            self.meter.scheduler.write([])
            self.status, self.identifier, self.size = INITIATED, identifier, size
            self.data = bytearray(size)
            self.have = bytearray(self.blocks)
        self.meter.record("initiate", identifier=identifier.hex(), size=size, ok=result == SUCCESS, result=result)
        return result

    def _may_initiate(self, identifier: bytes, size: int) -> int:
        if not self.enabled:
            return DENIED
        if self.status in (VERIFYING, ACTIVATING) or self.meter.strike("initiate_busy"):
            return TEMPORARY
        good = 0 < size <= self.meter.spec.dlms.slot_size and 0 < len(identifier) <= 64
        return SUCCESS if good else OTHER

    def block(self, number: int, raw: bytes) -> int:
        """Method 2."""
        self.meter.was_block = True
        stored, result = False, self._may_store(number, raw)
        if result == SUCCESS:
            cut = self._cut()
            stored = not (cut and not cut["stored"]) and not self._loses(number)
            if stored:
                self.store(number, raw)
        self.meter.record("block", number=number, size=len(raw), stored=stored, result=result)
        if stored and self.complete and self.meter.spec.dlms.self_verify:
            self.verify()
        return result

    def store(self, number: int, raw: bytes) -> None:
        """Put a block where it belongs."""
        self.data[number * self.block_size : number * self.block_size + len(raw)] = raw
        self.have[number] = 1

    def _may_store(self, number: int, raw: bytes) -> int:
        if self.status != INITIATED or number >= self.blocks:
            return OTHER
        last = number == self.blocks - 1
        if len(raw) != (self.size - number * self.block_size if last else self.block_size):
            return TYPE
        busy = self.meter.faults.get("block_busy")
        if busy and number % busy["every"] == busy["every"] - 1 and self.meter.strike("block_busy"):
            return TEMPORARY
        return SUCCESS

    def _cut(self) -> Fault | None:
        """F-04: the link breaks with every Nth block."""
        fault = self.meter.faults.get("F-04")
        if not fault:
            return None
        self._since += 1
        if self._since < fault["after"] or not self.meter.strike("F-04"):
            return None
        self._since = 0
        self.meter.cut = fault
        return fault

    def _loses(self, number: int) -> bool:
        """Whether this block gets lost by a fault; counted per block."""
        fault = self.meter.faults.get("lose_blocks")
        if not fault:
            return False
        chosen = number in fault["numbers"] if fault["numbers"] else number % fault["every"] == fault["every"] - 1
        if not chosen or (fault["times"] and self._lost.get(number, 0) >= fault["times"]):
            return False
        self._lost[number] = self._lost.get(number, 0) + 1
        return True

    def verify(self, activate: bool = False) -> int:
        """Method 3; with ``activate`` the activation follows."""
        if self.status == VERIFYING:
            result = TEMPORARY
        elif self.status == VERIFIED:
            result = SUCCESS
        elif self.status != INITIATED or not self.complete:
            result = OTHER
        else:
            result = self._start_verify(activate)
        self.meter.record("verify", result=result)
        return result

    def _start_verify(self, activate: bool) -> int:
        seconds = self.meter.spec.dlms.verify_time
        slow = self.meter.strike("F-35")
        if slow:
            seconds += slow["seconds"]
        if not seconds and not activate:
            return SUCCESS if self._judge() else OTHER
        self.status = VERIFYING

        async def work() -> None:
            await self.meter.clock.sleep(seconds)
            if self._judge() and activate:
                await self._activation("client")

        self._task = self.meter.spawn(work)
        return TEMPORARY

    def _judge(self) -> bool:
        """The meter's own check of the image."""
        why, parts = "", []
        if self.meter.strike("verify_failure"):
            why = "fault"
        else:
            try:
                parts = open_container(bytes(self.data))
            except ContainerError as exc:
                why = str(exc)
        self.status = FAILED if why else VERIFIED
        self.parts = parts
        self.meter.log_standard(VERIFY_FAILED_CODE if why else READY_CODE)
        self.meter.record("verify_done", ok=not why, why=why, sha256=hashlib.sha256(self.data).hexdigest())
        return not why

    def activate(self, by: str) -> int:
        """Method 4, by the client or by the schedule."""
        if self.status in (VERIFYING, ACTIVATING):
            result = TEMPORARY
        elif self.status == INITIATED and self.complete:
            result = TEMPORARY
            self._start_verify(activate=True)
        elif self.status != VERIFIED:
            result = OTHER
            self.meter.record("violation", what="activate_incomplete", status=self.status)
        else:
            result = SUCCESS
            self._task = self.meter.spawn(lambda: self._activation(by))
        self.meter.record("activate", result=result, by=by)
        if result == SUCCESS:
            self.status = ACTIVATING
            if by == "client":
                self.meter.scheduler.write([])
        return result

    # -- what happens in the meter ---------------------------------------------

    async def _activation(self, by: str) -> None:
        """Reboot into the new firmware, test it, keep it or fall back (X-05)."""
        meter, times = self.meter, self.meter.spec.dlms
        self.status = ACTIVATING
        version = ", ".join(part.identifier.hex() for part in self.parts)
        component = self.parts[0].component
        self._before = dict(meter.components)
        meter.record("trigger_accepted", method="dlms", by=by, version=version, component=component)
        meter.journal.begin_progress(meter.name)
        await meter.clock.sleep(1)
        await meter.go_silent("reboot")
        if meter.strike("F-01") is not None:
            self.status = VERIFIED
            self._over(False, version, component)
            meter.state = "dead"
            meter.record("power_lost")
            return
        late = meter.strike("F-14")
        await meter.clock.sleep(late["silence"] if late else times.silence)
        if meter.strike("F-02"):
            meter.record("power_lost")
            self.status = VERIFIED
            self._over(False, version, component)
            await meter.come_back("power")
            return
        meter.install(self.parts if meter.strike("F-16") is None else [])
        await meter.come_back("upgrade", "testing")
        await meter.clock.sleep(times.self_test)
        good = not meter.strike("activation_failure")
        meter.record("self_test_done", ok=good)
        if good:
            self._confirm()
            self._fail_later()
        else:
            await meter.go_silent("fallback")
            await meter.clock.sleep(times.silence)
            meter.fall_back()
            self.discard("fallback")
            self.status = FELL_BACK
            meter.log_standard(ACTIVATION_FAILED_CODE)
            await meter.come_back("fallback")
        self._over(good, version, component)

    def _confirm(self) -> None:
        meter = self.meter
        meter.state = "idle"
        self.status = ACTIVATED
        meter.discard_old()
        meter.log_standard(ACTIVATED_CODE)
        self.data, self.have, self.parts, self.size = bytearray(), bytearray(), [], 0

    def _fail_later(self) -> None:
        """F-36: a good upgrade goes bad after a while."""
        meter, old = self.meter, dict(self._before)
        fault = meter.strike("F-36")
        if not fault:
            return

        async def work() -> None:
            await meter.clock.sleep(fault["after"])
            meter.record("late_failure", mode=fault["mode"])
            if fault["mode"] == "dead":
                await meter.die()
            else:
                await meter.go_silent("late_failure")
                meter.run(old)
                await meter.come_back("late_failure")

        meter.spawn(work)

    def _over(self, good: bool, version: str, component: int) -> None:
        self._task = None
        self.meter.journal.end_progress(self.meter.name)
        self.meter.record("upgrade_done", ok=good, version=version, component=component, status=self.status)

    def power_lost(self) -> None:
        """Power went: what runs in the background is broken off."""
        task, self._task = self._task, None
        if task:
            task.cancel()
        if self.status == VERIFYING:
            self.status = INITIATED
        elif self.status == ACTIVATING:
            self.meter.fall_back()
            self.status = VERIFIED
            self.meter.journal.end_progress(self.meter.name)
            self.meter.record("upgrade_done", ok=False, version="", status=self.status)
        elif self.status in (ACTIVATED, FELL_BACK):
            self.status = IDLE

    def discard(self, why: str) -> None:
        """The second place for firmware is empty again."""
        if self.data:
            self.meter.record("image_discarded", why=why, identifier=self.identifier.hex())
        self.data, self.have, self.parts, self.size, self.identifier = bytearray(), bytearray(), [], 0, b""
        self._lost.clear()

    def preload(self, identifier: bytes, raw: bytes, every: int) -> None:
        """Multicast has brought the image, but not every block (F-34)."""
        self.discard("multicast")
        self.status, self.identifier, self.size = INITIATED, identifier, len(raw)
        self.data, self.have = bytearray(len(raw)), bytearray(self.blocks)
        self.meter.record("initiate", identifier=identifier.hex(), size=len(raw), ok=True, result=SUCCESS, by="multicast")
        for number in range(self.blocks):
            if number % every != every - 1:
                self.store(number, raw[number * self.block_size : (number + 1) * self.block_size])
        self.meter.record("preloaded", received=sum(self.have), blocks=len(self.have))
