# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One association with one meter: opened, proven, used, released.

The association is released in every way out that still runs code; after a fault that leaves the connection in doubt it
is released without waiting for the answer. No error holds a secret or a message's octets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from ...base.errors import DeviceError
from ...base.target import Dlms, DlmsKeys, Target
from ...catalogue import constants
from . import apdu, axdr
from .apdu import AccessFault, Attribute, Method, RefusalError, Selection, between, entries
from .association import Association, BusyError
from .axdr import Data, MalformedError
from .counters import BlockCounters, Counters, CounterStore, MemoryCounters, counter_name
from .transport import LostError, Wire

__all__ = [
    "AccessFault",
    "Attribute",
    "BlockCounters",
    "CounterStore",
    "Data",
    "LostError",
    "MemoryCounters",
    "Method",
    "RefusalError",
    "Selection",
    "Session",
    "between",
    "counter_name",
    "entries",
    "invocation_counter",
    "public",
    "told_floor",
]

_ACTION_BLOCK_HEAD = 13 + 7  # service to descriptor and presence, then structure and block number


class Session:
    """An association with ``target``; use as a context manager, or call ``open`` and ``close``.

    ``client`` says as whom, ``stage`` the state named in errors, ``reserve`` how many counters are written down at a time.
    ``floor`` is the lowest counter the meter takes, where it is known; None asks the public client, 0 does not ask.
    ``pause`` lets meter seconds pass while a meter is busy (one that renews a lease meanwhile, for example).
    Raises DeviceError, and InputError for keys that are missing, before any contact.
    """

    def __init__(
        self,
        target: Target,
        counters: CounterStore,
        *,
        client: Dlms | None = None,
        stage: str = "read",
        reserve: int | None = None,
        floor: int | None = None,
        accept_reset: bool = False,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self.target, self.stage = target, stage
        self._pause = pause or target.clock.pause
        self.client = client or target.dlms or Dlms()
        block = reserve or constants.DLMS_COUNTER_BLOCK.number
        self._counters = Counters(counters, counter_name(target, self.client), block, accept_reset=accept_reset)
        self._association = Association(self.client, self._counters)
        self._floor = floor
        self._wire: Wire | None = None
        self._invoke = 0
        self.requests = 0
        self._faults, self._association_faults = _Faults(self, stage), _Faults(self, "association")

    def __enter__(self) -> Session:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- opening ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Associate and, with HLS, prove both sides. One polite second try where the meter says it is still busy."""
        if self._wire is not None:
            raise RuntimeError("this session is open")
        if self._association.needs_key:
            self._begin_counters()
        try:
            self._associate()
        except BusyError:
            # The only state in which a second request is no second login: the meter judged nothing yet.
            self._pause(constants.DLMS_BUSY_WAIT.number)
            self._associate()

    def _begin_counters(self) -> None:
        if self._floor is not None:
            self._counters.begin(self._floor)
            return
        floor = told_floor(self.target, self.client, self._pause)
        for last in (False, False, True):
            try:
                self._counters.begin(floor)
                return
            except DeviceError as error:
                if last or error.reason != "dlms_counter_rolled_back":
                    raise
                # Other runs may have been told later ones between our question and this. A meter that went back says so again.
                again = told_floor(self.target, self.client, self._pause)
                if again <= floor:
                    raise
                floor = again

    def _associate(self) -> None:
        limit = self.client.max_pdu + constants.DLMS_PDU_MARGIN.number
        self._wire = Wire(self.target, self.client.client, self.client.server, limit)
        try:
            with self._association_faults:
                self._association.begin(self._wire)
        except BaseException:
            self.close()
            raise

    @property
    def meter_title(self) -> bytes | None:
        """The system title of the meter that answers, where it tells one."""
        return self._association.meter_title

    @property
    def pdu(self) -> int:
        """The largest APDU which the meter takes, in octets."""
        return self._association.agreed.pdu

    @property
    def conformance(self) -> frozenset[str]:
        """The services which the meter agreed to (names of acse.CONFORMANCE)."""
        return self._association.agreed.conformance

    # -- services -----------------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Octets left for the block value in one image_block_transfer that fits the meter's largest APDU."""
        return max(0, self._fits(lambda size: _ACTION_BLOCK_HEAD + 1 + len(axdr.length_of(size)) + size))

    def get(self, attribute: Attribute, selection: Selection | None = None) -> Data:
        """One attribute. Raises AccessFault."""
        with self._faults:
            invoke = self._next_invoke()
            answer = apdu.parse_get(self._ask(apdu.get(invoke, attribute, selection)), invoke)
            if isinstance(answer, apdu.Block):
                raw = self._blocks(answer, invoke)
                answer = raw if isinstance(raw, int) else axdr.decode(raw)
            if isinstance(answer, Data):
                return answer
            raise AccessFault("get", answer, attribute, self.stage)

    def get_list(self, attributes: Sequence[Attribute]) -> list[Data | AccessFault]:
        """Several attributes, refusals among them: in as few requests as fit, one by one where the meter takes no lists."""
        if "multiple-references" not in self.conformance:
            return [self._got(attribute) for attribute in attributes]
        with self._faults:
            found: list[Data | AccessFault] = []
            per_request = self._fits(lambda size: 3 + 3 + 10 * size)
            for start in range(0, len(attributes), max(1, min(per_request, 127))):
                found += self._several(attributes[start : start + max(1, min(per_request, 127))])
            return found

    def _got(self, attribute: Attribute) -> Data | AccessFault:
        try:
            return self.get(attribute)
        except AccessFault as fault:
            return fault

    def _several(self, wanted: Sequence[Attribute]) -> list[Data | AccessFault]:
        invoke = self._next_invoke()
        try:
            answer = apdu.parse_get_list(self._ask(apdu.get_list(invoke, wanted)), invoke, len(wanted))
        except RefusalError as exc:
            if exc.service == apdu.COUNTER_ERROR:
                raise
            answer = 0  # agreed to, but not served
        if isinstance(answer, apdu.Block):
            raw = self._blocks(answer, invoke)
            answer = raw if isinstance(raw, int) else apdu.parse_results(raw, len(wanted))
        if isinstance(answer, int):
            return [self._got(attribute) for attribute in wanted]
        return [
            item if isinstance(item, Data) else AccessFault("get", item, what, self.stage)
            for item, what in zip(answer, wanted, strict=True)
        ]

    def _blocks(
        self,
        first: apdu.Block,
        invoke: int,
        following: Callable[[int, int], bytes] = apdu.get_next,
        parse: Callable[[bytes, int], object] = apdu.parse_get,
    ) -> bytes | int:
        """A long answer put together; a number is a refusal on the way."""
        parts: list[bytes] = []
        size, block = 0, first
        while True:
            if block.number != len(parts) + 1:
                raise MalformedError("its blocks are out of order")
            size += len(block.raw)
            if size > constants.DLMS_DATA_OCTETS.number:
                raise MalformedError("its value is too long")
            parts.append(block.raw)
            if block.last:
                return b"".join(parts)
            if not block.raw:
                raise MalformedError("it has an empty block")
            answer = parse(self._ask(following(invoke, block.number)), invoke)
            if isinstance(answer, int):
                return answer
            if not isinstance(answer, apdu.Block):
                raise MalformedError("its blocks end without a last one")
            block = answer

    def set(self, attribute: Attribute, data: Data) -> None:
        """Write one attribute, in blocks where it does not fit. Raises AccessFault."""
        with self._faults:
            raw = axdr.encode(data)
            invoke = self._next_invoke()
            request = apdu.set_normal(invoke, attribute, raw)
            if self._association.size(len(request)) <= self.pdu:
                answer: apdu.Done | apdu.Acknowledged | apdu.Block = apdu.parse_set(self._ask(request), invoke)
            else:
                self._require_blocks("set-blocks", "this value")
                answer = self._send_blocks(apdu.set_block, apdu.parse_set, invoke, attribute, raw)
            self._finished("set", answer, attribute)

    def action(self, method: Method, data: Data | None = None, *, seconds: float | None = None) -> Data | None:
        """Run one method, in blocks where its parameter does not fit; ``seconds`` to wait for the answer. Raises AccessFault."""
        with self._faults:
            return self._action(method, data, seconds)

    def _action(self, method: Method, data: Data | None, seconds: float | None) -> Data | None:
        raw = None if data is None else axdr.encode(data)
        invoke = self._next_invoke()
        request = apdu.action(invoke, method, raw)
        if raw is None or self._association.size(len(request)) <= self.pdu:
            answer = apdu.parse_action(self._ask(request, seconds), invoke)
        else:
            self._require_blocks("action-blocks", "this parameter")
            answer = self._send_blocks(apdu.action_block, apdu.parse_action, invoke, method, raw, seconds)
        if isinstance(answer, apdu.Block):
            whole = self._blocks(answer, invoke, apdu.action_next, _returned)
            answer = apdu.Done(whole) if isinstance(whole, int) else apdu.parse_returned(whole)
        return self._finished("action", answer, method).data

    def _finished(self, kind: str, answer: apdu.Done | apdu.Acknowledged | apdu.Block, what: Attribute | Method) -> apdu.Done:
        if not isinstance(answer, apdu.Done):
            raise MalformedError("it asks for more than there is")
        if answer.result != 0:
            raise AccessFault(kind, answer.result, what, self.stage)
        return answer

    # -- one request and its answer -----------------------------------------------------------------------------------

    def _ask(self, request: bytes, seconds: float | None = None) -> bytes:
        wire = self._wire
        if wire is None:
            raise LostError(self.stage, "the association is not open any more", silent=False, sent=False)
        self.requests += 1
        return self._association.ask(wire, request, seconds)

    def _send_blocks(
        self,
        build: Callable[..., bytes],
        parse: Callable[[bytes, int], apdu.Done | apdu.Acknowledged | apdu.Block],
        invoke: int,
        what: Attribute | Method,
        raw: bytes,
        seconds: float | None = None,
    ) -> apdu.Done | apdu.Block:
        """A request that does not fit, block by block; each is asked for by the meter's answer to the one before."""
        at, number = 0, 1
        while True:
            head = (13 if number == 1 else 3) + 5
            room = self._fits(lambda size, head=head: head + len(axdr.length_of(size)) + size)  # type: ignore[misc]
            if room < 1:
                raise DeviceError(self.stage, "dlms_pdu_too_small", f"the meter takes {self.pdu} octets at a time, too few for a block")
            piece = raw[at : at + room]
            at += len(piece)
            last = at >= len(raw)
            answer = parse(self._ask(build(invoke, what if number == 1 else None, last, number, piece), seconds), invoke)
            if isinstance(answer, (apdu.Done, apdu.Block)):
                if not last and (isinstance(answer, apdu.Block) or answer.result == 0):
                    raise MalformedError("it ends before the last block")
                return answer
            if last or answer.number != number:
                raise MalformedError("it asks for another block than the next one")
            number += 1

    def _require_blocks(self, service: str, what: str) -> None:
        if service not in self.conformance:
            text = f"{what} does not fit into the {self.pdu} octets which the meter takes at a time, and it takes no blocks"
            raise DeviceError(self.stage, "dlms_pdu_too_small", text)

    def _fits(self, length: Callable[[int], int]) -> int:
        """The largest number whose request, ``length(number)`` octets before protection, the meter takes."""
        low, high = 0, self.pdu
        while low < high:
            middle = (low + high + 1) // 2
            if self._association.size(length(middle)) <= self.pdu:
                low = middle
            else:
                high = middle - 1
        return low

    def _next_invoke(self) -> int:
        self._invoke = self._invoke % 15 + 1
        return self._invoke

    # -- faults and the end -------------------------------------------------------------------------------------------

    def _failed(self, exc: DeviceError, stage: str) -> DeviceError:
        """The error with the stage it happened in; whatever leaves the connection in doubt ends the association."""
        if isinstance(exc, AccessFault):
            return exc
        if isinstance(exc, LostError):
            self._end(wait=False)
            if stage == "association" and exc.sent and not exc.silent:
                exc.text += "; wrong keys or a used invocation counter can be the reason"
        elif exc.reason in _IN_DOUBT:
            self._end(wait=False)
        exc.stage = stage
        exc.args = (f"{stage}: {exc.text}",)
        return exc

    def close(self) -> None:
        """Release the association and hang up. Never raises; repeating it is fine."""
        self._end(wait=True)

    def _end(self, *, wait: bool) -> None:
        wire, self._wire = self._wire, None
        if wire is None:
            return
        accepted, self._association.accepted = self._association.accepted, False
        try:
            # Whatever goes wrong here must not hide why the session ends; the meter forgets the association by itself later.
            with suppress(Exception):
                if accepted and wire.open:
                    wire.send(self._association.release_request())
                    if wait:
                        wire.receive(min(self.target.timeouts.read, constants.DLMS_RELEASE_WAIT.number))
        finally:
            wire.close()


def _returned(raw: bytes, invoke: int) -> object:
    """What follows in the blocks of a return value: the next block, or the number of a refusal."""
    answer = apdu.parse_action(raw, invoke)
    return answer.result if isinstance(answer, apdu.Done) and answer.result else answer


class _Faults:
    """Gives the errors of one piece of work their stage; made once, since it is entered for every block of an image."""

    __slots__ = ("_session", "_stage")

    def __init__(self, session: Session, stage: str) -> None:
        self._session, self._stage = session, stage

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(exc, DeviceError):
            raise self._session._failed(exc, self._stage) from None


_IN_DOUBT = frozenset(
    {"dlms_protocol_error", "dlms_unprotected_answer", "dlms_replayed_answer", "dlms_answer_forged", "dlms_meter_unproven"}
)


# -- the public client ------------------------------------------------------------------------------------------------


def public(target: Target, stage: str = "read", pause: Callable[[float], None] | None = None) -> Session:
    """A session as the public client: no secret is sent, and little can be read."""
    dlms = target.dlms or Dlms()
    client = replace(
        dlms, client=dlms.public_client, authentication="none", protection="none", general=False, system_title=b"", keys=DlmsKeys()
    )
    return Session(target, MemoryCounters(), client=client, stage=stage, pause=pause)


def invocation_counter(target: Target, client: Dlms | None = None, pause: Callable[[float], None] | None = None) -> int:
    """The last invocation counter which the meter took, as it tells the public client: unprotected, so not to be believed blindly.

    Raises DeviceError where the meter does not tell.
    """
    number = (client or target.dlms or Dlms()).client
    names = ["0-0:43.1.0.255"]
    if number != constants.DLMS_CLIENT_MANAGEMENT.number:
        names.append(f"0-0:43.1.{number}.255")  # where each client has its own
    with public(target, "association", pause) as session:
        found = [session._got(Attribute(1, name, 2)) for name in names]
    values = [item.value for item in found if isinstance(item, Data)]
    if not values:
        raise next(item for item in found if isinstance(item, AccessFault))
    if not all(
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= constants.DLMS_COUNTER_MAX.number for value in values
    ):
        raise MalformedError("its invocation counter is no counter", "association")
    return int(max(values))


def told_floor(target: Target, client: Dlms | None = None, pause: Callable[[float], None] | None = None) -> int:
    """The lowest counter which the meter will take, 0 where it does not tell. Raises DeviceError where it is not there."""
    try:
        return invocation_counter(target, client, pause) + 1
    except (AccessFault, RefusalError):
        return 0
    except DeviceError as exc:
        if exc.reason == "dlms_association_refused" or (isinstance(exc, LostError) and exc.sent):  # some just hang up
            return 0
        raise
