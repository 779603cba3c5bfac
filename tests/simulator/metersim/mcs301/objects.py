# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The meter's COSEM objects and who may do what with them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metersim.mcs301 import acse, calendar, classes
from metersim.mcs301.apdu import OTHER, SUCCESS, TYPE, Outcome, Selection, Target
from metersim.mcs301.axdr import (
    BOOLEAN,
    U16,
    Value,
    array,
    boolean,
    enum,
    i8,
    i16,
    octets,
    structure,
    u8,
    u16,
    u32,
)  # fmt: skip

if TYPE_CHECKING:
    from metersim.mcs301.association import Association
    from metersim.mcs301.meter import Mcs301

PUBLIC, MANAGEMENT, READING, BROADCAST = 16, 1, 2, 102
CLIENTS = {MANAGEMENT: 1, READING: 2, PUBLIC: 3, BROADCAST: 4}  # to E of the association object

READ, WRITE, BOTH = 1, 2, 3
SECURE = 3  # added to the three above: only authenticated requests
RUN, RUN_SECURE = 1, 2

Reader = Callable[["Association"], Value | int]
Writer = Callable[["Association", Value], int]
Method = Callable[["Association", Value | None], Outcome | None]


def obis(text: str) -> bytes:
    """``0-0:1.0.0.255`` as six octets."""
    return bytes(int(part) for part in text.replace("-", ".").replace(":", ".").split("."))


@dataclass
class Rights:
    """Access modes of one client to one object."""

    attributes: dict[int, int] = field(default_factory=dict)
    methods: dict[int, int] = field(default_factory=dict)


@dataclass
class Cosem:
    """One object."""

    class_id: int
    name: bytes
    version: int = 0
    readers: dict[int, Reader] = field(default_factory=dict)
    writers: dict[int, Writer] = field(default_factory=dict)
    methods: dict[int, Method] = field(default_factory=dict)
    rights: dict[int, Rights] = field(default_factory=dict)
    select: Callable[[Selection], Value | int] | None = None

    def __post_init__(self) -> None:
        self.readers[1] = lambda who: octets(self.name)

    def allow(self, client: int, read: Iterable[int] = (), write: Iterable[int] = (), secret: Iterable[int] = (), run: int = 0) -> Cosem:
        """``write`` adds plain writing, ``secret`` writing in authenticated requests only; ``run`` is the mode of all methods."""
        modes = dict.fromkeys((1, *read), READ)
        for index in write:
            modes[index] = modes.get(index, 0) | WRITE
        for index in secret:
            modes[index] = WRITE + SECURE
        self.rights[client] = Rights(modes, dict.fromkeys(self.methods, run) if run else {})
        return self


class Objects:
    """All objects of one meter by logical name."""

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter
        self.all: dict[bytes, Cosem] = {}
        self.rebuild()

    def find(self, target: Target) -> Cosem | None:
        """The object of a request."""
        return self.all.get(target.obis)

    def rebuild(self) -> None:
        """Make the objects anew (the firmware's parts may have changed)."""
        made = [*_identity(self._meter), *_firmware(self._meter), *_times(self._meter), *_image(self._meter), *_others(self._meter)]
        made += [_association(self._meter, client) for client in (0, *CLIENTS)]
        self.all = {item.name: item for item in made}
        if self._meter.spec.dlms.public == "wide":
            self._widen()

    def _widen(self) -> None:
        """A public client that may do far too much."""
        for item in self.all.values():
            theirs = item.rights.get(MANAGEMENT)
            if theirs and not (item.class_id == 15 and item.name[4]):
                modes = {index: READ for index, mode in theirs.attributes.items() if mode in (READ, BOTH)}
                item.rights[PUBLIC] = Rights(modes)
        self.all[obis("0-0:44.0.0.255")].rights[PUBLIC].attributes[5] = BOTH

    def listing(self, client: int) -> Value:
        """Attribute 2 of an association: the objects this client sees, with its rights."""
        found = []
        for item in self.all.values():
            rights = item.rights.get(client)
            if rights is None:
                continue
            selectors = {2: array(i8(1), i8(2))} if item.class_id == 7 else {}
            modes = [structure(i8(index), enum(mode), selectors.get(index, Value(0))) for index, mode in sorted(rights.attributes.items())]
            methods = [structure(i8(index), enum(mode)) for index, mode in sorted(rights.methods.items())]
            row = structure(u16(item.class_id), u8(item.version), octets(item.name), structure(array(*modes), array(*methods)))
            found.append(row)
        return array(*found)


def _fixed(value: Value) -> Reader:
    return lambda who: value


def _data(name: str, read: Reader, *clients: int) -> Cosem:
    item = Cosem(1, obis(name), readers={2: read})
    for client in clients:
        item.allow(client, [2])
    return item


def _identity(meter: Mcs301) -> list[Cosem]:
    spec, known = meter.spec, (MANAGEMENT, READING)
    digits = f"{meter.serial:08d}"
    made = [
        _data("0-0:42.0.0.255", lambda who: octets(meter.ldn.encode()), PUBLIC, *known),
        _data("0-0:96.1.0.255", lambda who: octets(f"{meter.serial:08d}".encode()), PUBLIC, *known),
        _data("1-0:0.0.0.255", _fixed(octets(f"100406{digits}".encode())), *known),
    ]
    texts = ("MCS301", f"CT{digits}", "metersim", "RELEASE 1", digits[::-1])
    made += [_data(f"0-0:96.1.{number}.255", _fixed(octets(text.encode())), *known) for number, text in enumerate(texts, 1)]
    made.append(_data("0-0:43.1.0.255", lambda who: u32(meter.told_counter(who.client, MANAGEMENT)), PUBLIC, *known))
    if spec.dlms.counters == "per_client":
        made.append(_data("0-0:43.1.2.255", lambda who: u32(meter.told_counter(who.client, READING)), PUBLIC, *known))
    return made


def _firmware(meter: Mcs301) -> list[Cosem]:
    def identifier(b: int) -> Reader:
        return lambda who: _identifiers(meter, b)

    def signature(b: int) -> Reader:
        return lambda who: octets(meter.components[b].signature)

    known, made = (MANAGEMENT, READING), []
    for b in sorted(meter.components):
        made += [_data(f"1-{b}:0.2.0.255", identifier(b), *known), _data(f"1-{b}:0.2.8.255", signature(b), *known)]
    return made


def _identifiers(meter: Mcs301, b: int) -> Value:
    present = [meter.components[b].identifier, *meter.older.get(b, [])]
    if len(present) == 1 and meter.spec.dlms.identifiers == "octets":
        return octets(present[0])
    count = 10 if meter.spec.dlms.identifiers == "array" else len(present)
    return array(*(octets(item) for item in (present + [b"\x00" * 6] * 10)[: max(count, len(present))]))


def _times(meter: Mcs301) -> list[Cosem]:
    zone = meter.spec.dlms.time_zone
    never = bytes.fromhex("ffffffffffffffffff800000")
    readers: dict[int, Reader] = {
        2: lambda who: octets(meter.calendar.octets()),
        3: lambda who: i16(-zone),
        4: _fixed(u8(0)),
        5: _fixed(octets(never)),
        6: _fixed(octets(never)),
        7: _fixed(i8(0)),
        8: _fixed(boolean(False)),
        9: _fixed(enum(1)),
    }
    clock = Cosem(8, obis("0-0:1.0.0.255"), readers=readers, writers={2: classes.clock_setter(meter), 3: lambda who, value: OTHER})
    clock.allow(PUBLIC, [2]).allow(MANAGEMENT, range(2, 10), [2]).allow(READING, range(2, 10))
    return [
        clock,
        *(_log(meter, name, log) for name, log in (("0-0:99.98.0.255", meter.standard_log), ("0-0:99.98.1.255", meter.fraud_log))),
    ]


def _log(meter: Mcs301, name: str, log: calendar.Log) -> Cosem:
    code = obis("0-0:96.11.0.255" if name.endswith("98.0.255") else "0-0:96.11.1.255")

    def captured(class_id: int, what: bytes) -> Value:
        return structure(u16(class_id), octets(what), i8(2), u16(0))

    clock = captured(8, obis("0-0:1.0.0.255"))
    zone = meter.spec.dlms.time_zone
    readers: dict[int, Reader] = {
        2: lambda who: classes.log_rows(log.entries, zone),
        3: _fixed(array(clock, captured(1, code))),
        4: _fixed(u32(0)),
        5: _fixed(enum(1)),
        6: _fixed(clock),
        7: lambda who: u32(len(log.entries)),
        8: _fixed(u32(calendar.ENTRIES)),
    }
    item = Cosem(7, obis(name), 1, readers=readers, select=lambda selection: classes.log_selection(log.entries, selection, zone))
    return item.allow(MANAGEMENT, range(2, 9)).allow(READING, range(2, 9))


def _image(meter: Mcs301) -> list[Cosem]:
    image, name = meter.image, obis("0-0:44.0.0.255")

    def info(who: Association) -> Value:
        if image.status not in (3, 5):
            return array()
        return array(*(structure(u32(part.size), octets(part.identifier), octets(part.signature)) for part in image.parts))

    readers: dict[int, Reader] = {
        2: lambda who: u32(image.block_size),
        3: lambda who: Value(4, [bool(flag) for flag in image.have]),
        4: lambda who: u32(image.first_missing),
        5: lambda who: boolean(image.enabled),
        6: lambda who: enum(int(image.status)),
    }
    if meter.spec.dlms.image_info:
        readers[7] = info

    def enable(who: Association, value: Value) -> int:
        if value.tag != BOOLEAN:
            return TYPE
        image.enabled = value.content
        return SUCCESS

    transfer = Cosem(18, name, readers=readers, writers={5: enable}, methods=classes.image_methods(image))
    shown = [index for index in readers if index > 1]
    transfer.allow(MANAGEMENT, shown, [] if meter.spec.dlms.transfer == "fixed" else [5], run=RUN).allow(READING, shown)
    transfer.rights[BROADCAST] = Rights({}, {1: RUN_SECURE, 2: RUN_SECURE})
    script = obis("0-0:10.0.107.255")
    step = structure(enum(2), u16(18), octets(name), i8(4), i8(0))
    table = Cosem(9, script, readers={2: _fixed(array(structure(u16(1), array(step))))}, methods={1: classes.script_method(meter)})
    table.allow(MANAGEMENT, [2], run=RUN).allow(READING, [2])
    scheduler = Cosem(
        22,
        obis("0-0:15.0.2.255"),
        readers={
            2: _fixed(structure(octets(script), u16(1))),
            3: _fixed(enum(1)),
            4: lambda who: array(*(structure(octets(time), octets(date)) for time, date in meter.scheduler.entries)),
        },
        writers={4: classes.schedule_setter(meter)},
    )
    scheduler.allow(MANAGEMENT, [2, 3, 4], [4]).allow(READING, [2, 3, 4])
    return [transfer, scheduler, table]


def _others(meter: Mcs301) -> list[Cosem]:
    security = meter.security

    readers: dict[int, Reader] = {
        2: lambda who: enum(security.policy.number),
        3: _fixed(enum(0)),
        4: lambda who: octets(who.title),
        5: lambda who: octets(meter.system_title),
    }
    if security.policy.version == 1:
        readers[6] = _fixed(array())
    methods: dict[int, Method] = {1: classes.policy_method(meter), 2: classes.key_method(meter)}
    setup = Cosem(64, obis("0-0:43.0.0.255"), security.policy.version, readers=readers, methods=methods)
    shown = [index for index in readers if index > 1]
    setup.allow(MANAGEMENT, shown, run=RUN_SECURE).allow(READING, shown)

    def inactivity(who: Association, value: Value) -> int:
        if value.tag != U16:
            return TYPE
        meter.inactivity = value.content
        return SUCCESS

    tcp = Cosem(
        41,
        obis("0-0:25.0.0.255"),
        readers={
            2: lambda who: u16(meter.port("dlms")),
            3: _fixed(octets(obis("0-0:25.1.0.255"))),
            4: _fixed(u16(1460)),
            5: _fixed(u8(meter.spec.dlms.connections)),
            6: lambda who: u16(int(meter.inactivity)),
        },
        writers={6: inactivity},
    )
    tcp.allow(MANAGEMENT, range(2, 7), [6]).allow(READING, range(2, 7))
    ip = Cosem(42, obis("0-0:25.1.0.255"), readers={3: lambda who: u32(int(ipaddress.IPv4Address(meter.address)))})
    return [setup, tcp, ip.allow(MANAGEMENT, [3]).allow(READING, [3])]


def _association(meter: Mcs301, client: int) -> Cosem:
    """Class 15: of one client, or with client 0 the current one."""

    def of(who: Association) -> int:
        return client or who.client

    def mechanism(who: Association) -> int:
        if not client:
            return who.mechanism
        return acse.NONE if client in (PUBLIC, BROADCAST) else acse.HLS_GMAC if "hls" in meter.spec.dlms.mechanisms else acse.LLS

    def context(who: Association) -> int:
        if client:
            return acse.PLAIN_CONTEXT if client == PUBLIC else acse.CIPHERED_CONTEXT
        return who.context

    def oid(kind: int, number: int) -> Value:
        return structure(u8(2), u8(16), u16(756), u8(5), u8(8), u8(kind), u8(number))

    def xdlms(who: Association) -> Value:
        bits = who.bits if not client else meter.offered
        flags = [bool(bits & 1 << 23 - at) for at in range(24)]
        return structure(Value(4, flags), u16(meter.spec.dlms.pdu), u16(who.pdu), u8(6), i8(0), octets(b""))

    readers: dict[int, Reader] = {
        2: lambda who: meter.objects.listing(of(who)),
        3: lambda who: structure(i8(of(who)), u16(1)),
        4: lambda who: oid(1, context(who)),
        5: xdlms,
        6: lambda who: oid(2, mechanism(who)),
        8: lambda who: enum(2 if of(who) in meter.open_clients() or of(who) == who.client else 0),
        9: lambda who: octets(b"" if of(who) == PUBLIC else obis("0-0:43.0.0.255")),
    }
    item = Cosem(15, obis(f"0-0:40.0.{CLIENTS.get(client, 0)}.255"), 1, readers=readers)
    shown = [2, 3, 4, 5, 6, 8, 9]
    if client:
        secret = (7,) if client in (MANAGEMENT, READING) else ()
        item.writers = {7: classes.secret_setter(meter, client)} if secret else {}
        return item.allow(MANAGEMENT, shown, secret=secret)
    item.writers = {7: classes.secret_setter(meter, 0)}
    item.methods = {1: classes.reply_method()}
    return item.allow(PUBLIC, shown).allow(MANAGEMENT, shown, secret=(7,), run=RUN).allow(READING, shown, run=RUN)
