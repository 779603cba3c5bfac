# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""GET, SET and ACTION inside an association, with their blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metersim.mcs301 import acse, apdu
from metersim.mcs301.apdu import Outcome, Refusal, Request, Selection, Target
from metersim.mcs301.axdr import DataError, Reader, Value, decode, encode
from metersim.mcs301.objects import BOTH, READ, SECURE, WRITE, Cosem
from metersim.mcs301.policy import AUTHENTICATED

if TYPE_CHECKING:
    from metersim.mcs301.association import Association

LIMIT = 8 * 1024 * 1024  # octets of one value that comes in blocks
BITS = {apdu.GET: "get", apdu.SET: "set", apdu.ACTION: "action"}
BLOCK_BITS = {apdu.GET: "block_get", apdu.SET: "block_set", apdu.ACTION: "block_action"}


class Services:
    """Answers requests; keeps what is half sent or half received."""

    def __init__(self, who: Association) -> None:
        self._who = who
        self.ended = False
        self._out = b""
        self._out_number = 0
        self._in: Request | None = None
        self._in_raw = bytearray()
        self._in_number = 0

    def answer(self, request: Request) -> bytes:
        """The plain answer to a request. Raises Refusal."""
        self._check_negotiated(request)
        if request.service == apdu.GET:
            return self._get(request)
        if request.kind in (apdu.FIRST_BLOCK, apdu.LIST_FIRST_BLOCK, apdu.BLOCK):
            return self._receive(request)
        if request.kind == apdu.NEXT:
            raise Refusal(apdu.UNKNOWN, apdu.NOT_SUPPORTED)  # no answer of ours to an ACTION is that long
        self._in = None
        return self._perform(request)

    def _check_negotiated(self, request: Request) -> None:
        bits = self._who.bits
        wanted = [BITS[request.service]]
        if request.kind in (apdu.LIST, apdu.LIST_FIRST_BLOCK):
            wanted.append("multiple")
        if request.kind in (apdu.NEXT, apdu.FIRST_BLOCK, apdu.LIST_FIRST_BLOCK, apdu.BLOCK):
            wanted.append(BLOCK_BITS[request.service])
        if not all(acse.has(bits, name) for name in wanted):
            raise Refusal(apdu.UNKNOWN, apdu.NOT_SUPPORTED)

    # -- GET -----------------------------------------------------------------------

    def _get(self, request: Request) -> bytes:
        invoke = request.invoke
        if request.kind == apdu.NEXT:
            return self._next(request, invoke)
        outcomes = [self.read(target, selection) for target, selection in zip(request.targets, request.selections, strict=True)]
        if request.kind == apdu.NORMAL:
            whole = apdu.get_answer(invoke, outcomes[0])
            body = encode(outcomes[0]) if isinstance(outcomes[0], Value) else b""
        else:
            body = apdu.get_list_body(outcomes)
            whole = bytes([0xC4, 3, invoke]) + body
        room = self._who.pdu - self._who.overhead()
        if len(whole) <= room:
            return whole
        if not acse.has(self._who.bits, "block_get"):
            return apdu.get_answer(invoke, apdu.OTHER)
        self._out, self._out_number = body, 0
        return self._part(invoke)

    def _part(self, invoke: int) -> bytes:
        room = max(1, self._who.pdu - self._who.overhead() - 14)
        part, self._out = self._out[:room], self._out[room:]
        self._out_number += 1
        return apdu.get_block(invoke, not self._out, self._out_number, part)

    def _next(self, request: Request, invoke: int) -> bytes:
        if not self._out:
            return apdu.get_block_error(invoke, request.number, apdu.NO_LONG)
        if request.number != self._out_number:
            self._out = b""
            return apdu.get_block_error(invoke, request.number, apdu.BAD_BLOCK)
        return self._part(invoke)

    def read(self, target: Target, selection: Selection | None) -> Outcome:
        """One attribute, or why not."""
        item, result = self._find(target)
        if item is None:
            return result
        mode = self._mode(item, target, attribute=True)
        if target.number not in item.readers:
            return apdu.DENIED if mode is not None else apdu.UNDEFINED
        if mode not in (READ, BOTH, READ + SECURE, BOTH + SECURE) or not self._secure_enough(mode, SECURE):
            return apdu.DENIED
        if selection is not None:
            if item.select is None or target.number != 2:
                return apdu.INCONSISTENT
            return item.select(selection)
        return item.readers[target.number](self._who)

    # -- rights -----------------------------------------------------------------------

    def _find(self, target: Target) -> tuple[Cosem | None, int]:
        item = self._who.meter.objects.find(target)
        if item is None or self._who.client not in item.rights:
            return None, apdu.UNDEFINED if item is None else apdu.DENIED
        if item.class_id != target.class_id:
            return None, apdu.INCONSISTENT
        return item, apdu.SUCCESS

    def _mode(self, item: Cosem, target: Target, attribute: bool) -> int | None:
        rights = item.rights[self._who.client]
        return (rights.attributes if attribute else rights.methods).get(target.number)

    def _secure_enough(self, mode: int, above: int) -> bool:
        return mode <= above or bool(self._who.control & AUTHENTICATED)

    # -- SET and ACTION ------------------------------------------------------------------

    def write(self, target: Target, value: Value) -> int:
        """One attribute; the result."""
        item, result = self._find(target)
        if item is not None:
            mode = self._mode(item, target, attribute=True)
            if mode is None and target.number not in item.readers:
                result = apdu.UNDEFINED
            elif mode not in (WRITE, BOTH, WRITE + SECURE, BOTH + SECURE) or not self._secure_enough(mode, SECURE) or self._gate(item):
                result = apdu.DENIED
            else:
                result = item.writers[target.number](self._who, value)
        self._who.meter.record("set", **{"class": target.class_id}, obis=target.name, attribute=target.number, result=result)
        return result

    def _gate(self, item: Cosem) -> bool:
        """The jumper under the main cover."""
        fault = self._who.meter.faults.get("jumper_gate")
        return bool(fault and item.class_id in fault["classes"] and self._who.meter.strike("jumper_gate"))

    def run(self, target: Target, value: Value | None) -> Outcome | None:
        """One method; what it returns, or why not."""
        outcome = self._run(target, value)
        if (target.class_id, target.number) != (18, 2):
            code = outcome if isinstance(outcome, int) else apdu.SUCCESS
            self._who.meter.record("action", **{"class": target.class_id}, obis=target.name, method=target.number, result=code)
        return None if outcome == apdu.SUCCESS else outcome

    def _run(self, target: Target, value: Value | None) -> Outcome | None:
        item, result = self._find(target)
        if item is None:
            return result
        mode = self._mode(item, target, attribute=False)
        if mode is None:
            return apdu.DENIED if target.number in item.methods else apdu.UNDEFINED
        reply = (target.class_id, target.number) == (15, 1)
        if not self._secure_enough(mode, 1) or (not reply and self._gate(item)):
            return apdu.DENIED
        return item.methods[target.number](self._who, value)

    def _perform(self, request: Request) -> bytes:
        invoke = request.invoke
        if request.service == apdu.SET:
            results = self._write_all(request)
            return apdu.set_answer(invoke, results[0]) if request.kind == apdu.NORMAL else apdu.set_list(invoke, results)
        outcomes = [self.run(target, value) for target, value in zip(request.targets, request.values, strict=True)]
        return apdu.action_answer(invoke, outcomes[0]) if request.kind == apdu.NORMAL else apdu.action_list(invoke, outcomes)

    def _write_all(self, request: Request) -> list[int]:
        return [
            apdu.INCONSISTENT if selection else self.write(target, value or Value(0))
            for target, selection, value in zip(
                request.targets, request.selections or [None] * len(request.targets), request.values, strict=True
            )
        ]

    # -- blocks from the client -----------------------------------------------------------

    def _receive(self, request: Request) -> bytes:
        invoke = request.invoke
        if request.kind != apdu.BLOCK:
            self._in, self._in_raw, self._in_number = request, bytearray(), 0
        first = self._in
        if first is None or first.service != request.service:
            return self._broken(request, invoke, apdu.NO_LONG + (2 if request.service == apdu.SET else 0))
        if request.number != self._in_number + 1 or len(self._in_raw) + len(request.raw) > LIMIT:
            self._in = None
            return self._broken(request, invoke, apdu.BAD_BLOCK if request.service == apdu.SET else apdu.ABORTED)
        self._in_number = request.number
        self._in_raw += request.raw
        if not request.last:
            return (apdu.set_block if request.service == apdu.SET else apdu.action_next)(invoke, request.number)
        self._in = None
        return self._complete(first, request, invoke)

    def _complete(self, first: Request, last: Request, invoke: int) -> bytes:
        listed = first.kind == apdu.LIST_FIRST_BLOCK
        try:
            first.values = self._values(bytes(self._in_raw), len(first.targets) if listed else 0)
        except DataError:
            return self._broken(last, invoke, apdu.TYPE)
        if first.service == apdu.SET:
            return apdu.set_last(invoke, last.number, self._write_all(first), listed)
        outcomes = [self.run(target, value) for target, value in zip(first.targets, first.values, strict=True)]
        return apdu.action_list(invoke, outcomes) if listed else apdu.action_answer(invoke, outcomes[0])

    @staticmethod
    def _values(raw: bytes, count: int) -> list[Value | None]:
        if not count:
            return [decode(raw)]
        reader = Reader(raw)
        if reader.length() != count:
            raise DataError("bad count")
        values: list[Value | None] = [reader.value() for dummy in range(count)]
        reader.end()
        return values

    @staticmethod
    def _broken(request: Request, invoke: int, result: int) -> bytes:
        if request.service == apdu.SET:
            return apdu.set_last(invoke, request.number, [result], False)
        return apdu.action_answer(invoke, result)
