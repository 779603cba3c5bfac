# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A meter in memory that answers as a session does, with faults where a test wants them. It knows class 18, 22, 9, 8 and 15."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import (
    AccessFault,
    Attribute,
    Data,
    LostError,
    Method,
)

IMAGE, SCHEDULER, SCRIPTS, CLOCK = "0-0:44.0.0.255", "0-0:15.0.2.255", "0-0:10.0.107.255", "0-0:1.0.0.255"
OLD, NEW = "0a0a", "0b0b"


class Clock:
    """Time passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_800_000_000.0 + self.now

    def pause(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


def drop() -> LostError:
    return LostError("staging", "the meter closed the connection", silent=False, sent=True)


@dataclass
class Meter:
    """State and faults. ``on`` maps a request, like ``block 3`` or ``verify``, to what is done instead of answering it, once."""

    clock: Clock = field(default_factory=Clock)
    block_size: int = 4
    enabled: bool = True
    enable_fault: int = 0
    obeys: bool = True
    status: int = 0
    size: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)
    images: list[tuple[int, str, str]] | None = None
    shows_bitmap: bool = True
    shows_images: bool = True
    verdict: int = 3
    verify_polls: int = 0
    room: int = 1000
    conformance: frozenset[str] = frozenset({"action-blocks"})
    schedule: list[Any] = field(default_factory=list)
    keeps_schedule: bool | None = True  # None: it may not be written
    script: str = SCRIPTS
    method: int = 4
    skew: float = 0.0
    deviation: int = -60
    active: str = OLD
    identifier: bytes = b""
    offered: str = NEW
    opens: int = 0
    open_faults: list[DeviceError] = field(default_factory=list)
    on: dict[str, list[Callable[[], Exception | None]]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    odd: dict[tuple[str, int], Data | int] = field(default_factory=dict)  # other values, or access faults, by object and attribute

    @property
    def count(self) -> int:
        return -(-self.size // self.block_size) if self.size else 0

    @property
    def first_missing(self) -> int:
        return next((number for number in range(self.count) if number not in self.blocks), self.count)

    def open(self, stage: str, floor: int | None) -> Session:
        self.opens += 1
        if self.open_faults:
            raise self.open_faults.pop(0)
        return Session(self)

    def strike(self, what: str) -> None:
        self.log.append(what)
        todo = self.on.get(what) or []
        if todo:
            fault = todo.pop(0)()
            if fault is not None:
                raise fault

    def refuse(self, code: int, kind: str = "action", index: int = 1) -> AccessFault:
        return AccessFault(kind, code, Method(18, IMAGE, index), "staging")


class Session:
    """One association with the meter; its end is noted."""

    meter_title = None
    pdu = 1224
    client = Dlms(authentication="hls_gmac")

    def __init__(self, meter: Meter) -> None:
        self.meter, self.room, self.conformance = meter, meter.room, meter.conformance

    def get(self, attribute: Attribute, selection: Any = None) -> Data:
        meter = self.meter
        odd = meter.odd.get((attribute.obis, attribute.index))
        if isinstance(odd, int):
            raise AccessFault("get", odd, attribute, "reading")
        if odd is not None:
            return odd
        if attribute.obis == IMAGE:
            meter.strike(f"get {attribute.index}")
            return self._image(attribute.index)
        if attribute.obis == SCHEDULER:
            return self._scheduler(attribute.index)
        if attribute.obis == SCRIPTS:
            action = axdr.structure(axdr.enum(2), axdr.u16(18), axdr.octets(axdr.logical_name(IMAGE)), axdr.i8(meter.method), axdr.i8(0))
            return axdr.array([axdr.structure(axdr.u16(1), axdr.array([action]))])
        if attribute.obis == CLOCK:
            return axdr.octets(self._clock())
        values = {
            "0-0:42.0.0.255": b"MCS00406",
            "0-0:96.1.0.255": b"S1",
            "1-1:0.2.0.255": bytes.fromhex(meter.active),
            "1-1:0.2.8.255": b"\x55",
        }
        if attribute.obis in values:
            return axdr.octets(values[attribute.obis])
        raise AccessFault("get", 4, attribute, "reading")

    def _image(self, index: int) -> Data:
        meter = self.meter
        if index == 2:
            return axdr.u32(meter.block_size)
        if index == 3 and meter.shows_bitmap:
            return axdr.bits(number in meter.blocks for number in range(meter.count))
        if index == 4:
            return axdr.u32(meter.first_missing)
        if index == 5:
            return axdr.boolean(meter.enabled)
        if index == 6:
            if meter.status == 2:
                meter.verify_polls -= 1
                if meter.verify_polls < 0:
                    self._decide()
            return axdr.enum(meter.status)
        if index == 7 and meter.shows_images:
            return axdr.array(
                axdr.structure(axdr.u32(size), axdr.octets(bytes.fromhex(name)), axdr.octets(bytes.fromhex(mark)))
                for size, name, mark in meter.images or []
            )
        raise meter.refuse(4, "get", index)

    def _scheduler(self, index: int) -> Data:
        if index == 2:
            return axdr.structure(axdr.octets(axdr.logical_name(self.meter.script)), axdr.u16(1))
        return axdr.array(self.meter.schedule)

    def _clock(self) -> bytes:
        meter = self.meter
        local = datetime.fromtimestamp(meter.clock.time() + meter.skew - meter.deviation * 60, UTC)
        head = local.year.to_bytes(2, "big") + bytes((local.month, local.day, 0xFF, local.hour, local.minute, local.second, 0))
        return head + meter.deviation.to_bytes(2, "big", signed=True) + b"\x00"

    def get_list(self, attributes: list[Attribute]) -> list[Data | AccessFault]:
        found: list[Data | AccessFault] = []
        for attribute in attributes:
            try:
                found.append(self.get(attribute))
            except AccessFault as fault:
                found.append(fault)
        return found

    def set(self, attribute: Attribute, data: Data) -> None:
        meter = self.meter
        if attribute.obis == SCHEDULER:
            meter.strike("schedule")
            if meter.keeps_schedule is None:
                raise meter.refuse(3, "set", 4)
            if meter.keeps_schedule:
                meter.schedule = list(data.value)
            return
        meter.strike(f"enable {data.value}")
        if meter.enable_fault:
            raise meter.refuse(meter.enable_fault, "set", 5)
        meter.enabled = data.value if meter.obeys else meter.enabled

    def action(self, method: Method, data: Data | None = None, *, seconds: float | None = None) -> None:
        assert data is not None
        if method.index == 1:
            self._initiate(*data.plain())
        elif method.index == 2:
            self._block(*data.plain())
        elif method.index == 3:
            self._verify()
        else:
            self._activate()

    def _initiate(self, identifier: bytes, size: int) -> None:
        meter = self.meter
        meter.strike("initiate")
        if not meter.enabled:
            raise meter.refuse(3)
        meter.identifier, meter.size, meter.status, meter.images = identifier, size, 1, None
        meter.blocks.clear()
        meter.schedule = []
        self._after("initiate")

    def _block(self, number: int, value: bytes) -> None:
        meter = self.meter
        meter.strike(f"block {number}")
        if meter.status != 1 or number >= meter.count:
            raise meter.refuse(250, index=2)
        if len(value) != min(meter.block_size, meter.size - number * meter.block_size):
            raise meter.refuse(12, index=2)
        if not self._swallowed(number):
            meter.blocks[number] = value
        self._after(f"block {number}")

    def _swallowed(self, number: int) -> bool:
        todo = self.meter.on.get(f"swallow {number}") or []
        return bool(todo and todo.pop(0)())

    def _verify(self) -> None:
        meter = self.meter
        meter.strike("verify")
        if meter.status == 2:
            raise meter.refuse(2, index=3)
        if meter.status != 1 or len(meter.blocks) < meter.count:
            raise meter.refuse(250, index=3)
        if meter.verify_polls:
            meter.status = 2
            raise meter.refuse(2, index=3)
        self._decide()
        if meter.status == 4:
            raise meter.refuse(250, index=3)
        self._after("verify")

    def _decide(self) -> None:
        meter = self.meter
        meter.status = meter.verdict
        if meter.status == 3:
            meter.images = [(meter.size, meter.offered, "77")]

    def _activate(self) -> None:
        meter = self.meter
        meter.strike("activate")
        if meter.status != 3:
            raise meter.refuse(250, index=4)
        meter.status = 5
        self._after("activate")

    def _after(self, what: str) -> None:
        """Faults that strike after the meter has done it: the answer is lost."""
        todo = self.meter.on.get(f"after {what}") or []
        if todo:
            fault = todo.pop(0)()
            if fault is not None:
                raise fault

    def close(self) -> None:
        self.meter.log.append("close")
