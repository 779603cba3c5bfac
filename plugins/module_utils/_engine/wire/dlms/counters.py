# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Invocation counters: never the same one twice with one key (wire-dlms 4.4).

They live on the controller. A store gives them out in blocks and writes each block down before it returns.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from ...base.errors import DeviceError
from ...base.target import Dlms, Target
from ...catalogue import constants


class CounterStore(Protocol):
    """Where counters come from; the records of the controller, as a rule."""

    def reserve(self, name: str, count: int, floor: int, *, accept_reset: bool = False) -> int:
        """The first of ``count`` counters that were never given out under ``name``.

        ``floor`` is the lowest one the meter takes, 0 where it did not tell. Durable before it returns. Raises DeviceError
        (``dlms_counter_rolled_back``, ``dlms_counter_jump``, ``dlms_counter_exhausted``) unless ``accept_reset``.
        """


class MemoryCounters:
    """Counters that are forgotten with the process; for tests and for single calls by hand."""

    def __init__(self) -> None:
        self.next: dict[str, int] = {}
        self.told: dict[str, int] = {}

    def reserve(self, name: str, count: int, floor: int, *, accept_reset: bool = False) -> int:
        if floor and not accept_reset:
            if floor < self.told.get(name, 0):
                raise DeviceError("association", "dlms_counter_rolled_back", "the meter tells a lower invocation counter than before")
            if name in self.next and floor > self.next[name] + constants.DLMS_COUNTER_JUMP.number:
                raise DeviceError("association", "dlms_counter_jump", "the meter tells an invocation counter far above ours")
        first = max(self.next.get(name, 1), floor, 1)
        if first + count - 1 > constants.DLMS_COUNTER_MAX.number:
            raise DeviceError("association", "dlms_counter_exhausted", "the invocation counter of this key is used up: change the keys")
        self.next[name] = first + count
        self.told[name] = floor or self.told.get(name, 0)
        return first


class BlockCounters:
    """The counters from ``first`` on which a controller reserved for a jump host: these and no others.

    A meter that tells a higher one makes it skip within the block. Raises ``dlms_counter_block_used`` at its end.
    """

    def __init__(self, first: int, count: int) -> None:
        self._next, self._end = first, first + count

    @property
    def left(self) -> int:
        return self._end - self._next

    def reserve(self, name: str, count: int, floor: int, *, accept_reset: bool = False) -> int:
        first = max(self._next, floor)
        if first + count > self._end:
            raise DeviceError("association", "dlms_counter_block_used", "the invocation counters reserved for this work are used up")
        self._next = first + count
        return first


class Counters:
    """What one session takes its counters from, one by one out of reserved blocks."""

    def __init__(self, store: CounterStore, name: str, block: int, *, accept_reset: bool = False) -> None:
        self._store, self._name, self._block, self._accept = store, name, block, accept_reset
        self._next = self._end = 0

    def begin(self, floor: int) -> None:
        """Have a block at hand from ``floor`` on (0: unknown)."""
        if floor > self._next or self._next >= self._end:
            self._reserve(floor)

    def take(self) -> int:
        """A fresh counter."""
        if self._next >= self._end:
            self._reserve(0)
        self._next += 1
        return self._next - 1

    def _reserve(self, floor: int) -> None:
        count = self._block
        if isinstance(self._store, BlockCounters):  # written down already, in one piece
            count = 1
        if self._accept:
            first = self._store.reserve(self._name, count, floor, accept_reset=True)
        else:
            first = self._store.reserve(self._name, count, floor)
        self._next, self._end = first, first + count


def counter_name(target: Target, dlms: Dlms | None = None) -> str:
    """Under which name the counters of this client with this meter and key are kept.

    It holds the client's title, the meter's (the target's name, where no title is pinned) and a mark of the encryption
    key; the authentication key is no part of a nonce.
    """
    dlms = dlms or target.dlms or Dlms()
    meter = dlms.meter_title.hex() if dlms.meter_title else f"name:{target.name}"
    mark = hashlib.sha256(b"gridops.metering counter\0" + (dlms.keys.guek or b"")).hexdigest()[:12]
    return f"{dlms.system_title.hex()}/{meter}/{mark}"
