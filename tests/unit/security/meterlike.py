# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A scripted meter at the interface of a session, with faults by the number of the request; and a ledger in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.desired import Desired, desired_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.dlms import Report, SecurityRun, Way
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.apdu import AccessFault, Attribute, Method

OLD = DlmsKeys(guek=b"0123456789abcdef", gak=b"ABCDEFGH01234567", gbek=b"bbbbbbbb01234567", kek=b"kkkkkkkk01234567")
NEW = DlmsKeys(guek=b"fedcba9876543210", gak=b"76543210HGFEDCBA", gbek=b"7654321bbbbbbbbb", kek=b"7654321kkkkkkkkk")
DLMS = Dlms(client=1, authentication="hls_gmac", protection="authenticated_encrypted", system_title=b"MSIM\0\0\0\1", keys=OLD)
NOW = 1_800_000_000.0
SERIAL = "90000001"
NAMES = {0: "guek", 1: "gbek", 2: "gak", 3: "kek"}


def hex_keys(keys: DlmsKeys) -> dict[str, str]:
    return {name: getattr(keys, name).hex() for name in NAMES.values() if getattr(keys, name) is not None}


def date_time(seconds: float) -> bytes:
    when = datetime.fromtimestamp(seconds, UTC)
    day = (when.month, when.day, when.isoweekday(), when.hour, when.minute, when.second, 0)
    return when.year.to_bytes(2, "big") + bytes(day) + b"\x00\x00\x00"


class Killed(BaseException):
    """kill -9 at this request."""


@dataclass
class Meter:
    """What the meter holds. ``faults`` maps the number of a request to one of lost, answer_lost, refuse, unreachable, kill."""

    keys: DlmsKeys = OLD
    version: int = 1
    policy: int = 0
    enabled: bool = True
    status: int = 0
    skew: float = 0.0
    lls: bytes = b"Canary-first"
    gate: bool = False
    public_writes: bool = False
    mechanisms: dict[int, int] = field(default_factory=lambda: {16: 0, 1: 5, 2: 5})
    faults: dict[int, str] = field(default_factory=dict)
    schedule: tuple[axdr.Data, ...] = ()
    no_lists: bool = False
    told_serial: str = SERIAL
    after_key: str = ""  # what stranger becomes once a key has come
    denied: set[tuple[int, str, int]] = field(default_factory=set)
    stranger: str = ""  # why every association with keys ends, whatever the keys
    odd: dict[tuple[int, str, int], axdr.Data] = field(default_factory=dict)
    requests: int = 0
    log: list[str] = field(default_factory=list)
    refused_logins: int = 0
    opened: list[bool] = field(default_factory=list)

    def fault(self) -> str:
        self.requests += 1
        found = self.faults.get(self.requests, "")
        if found == "kill":
            raise Killed
        return found

    def connect(self, keys: DlmsKeys, fresh: bool = False) -> ScriptedSession:
        return ScriptedSession(self, keys, fresh)

    def public(self) -> ScriptedSession:
        return ScriptedSession(self, None)

    def object_list(self, public: bool) -> axdr.Data:
        def entry(class_id: int, version: int, obis: str, attributes: dict[int, int], methods: tuple[int, ...] = ()) -> axdr.Data:
            rights = axdr.array(axdr.structure(axdr.i8(index), axdr.enum(mode), axdr.null()) for index, mode in attributes.items())
            runs = axdr.array(axdr.structure(axdr.i8(index), axdr.enum(1)) for index in methods)
            return axdr.structure(axdr.u16(class_id), axdr.u8(version), axdr.octets(axdr.logical_name(obis)), axdr.structure(rights, runs))

        found = [entry(1, 0, "0-0:96.1.0.255", {2: 1}), entry(15, 1, "0-0:40.0.0.255", {2: 1, 3: 1, 6: 1, 9: 1}, (1,))]
        if public:
            return axdr.array([*found, *([entry(18, 0, "0-0:44.0.0.255", {5: 3})] if self.public_writes else [])])
        found += [entry(15, 1, f"0-0:40.0.{number}.255", {2: 1, 3: 1, 6: 1, 7: 5}) for number in range(1, len(self.mechanisms) + 1)]
        found += [entry(8, 0, "0-0:1.0.0.255", {2: 3}), entry(18, 0, "0-0:44.0.0.255", {5: 3, 6: 1}, (1, 2, 3, 4))]
        return axdr.array([*found, entry(64, self.version, "0-0:43.0.0.255", {2: 1, 3: 1}, (1, 2))])


@dataclass
class ScriptedSession:
    """The interface of the DLMS client's session over the scripted meter."""

    meter: Meter
    keys: DlmsKeys | None
    fresh: bool = False
    up: bool = False

    def open(self) -> None:
        meter = self.meter
        fault = meter.fault()
        if fault in ("unreachable", "lost"):
            raise DeviceError("connect", "transport_failed", "the connection is refused")
        if self.keys is not None:
            meter.opened.append(self.fresh)
            if meter.stranger:
                raise DeviceError("association", meter.stranger, "not of the keys")
            if (self.keys.guek, self.keys.gak) != (meter.keys.guek, meter.keys.gak):
                meter.refused_logins += 1
                raise DeviceError("association", "dlms_auth_failed", "the meter refuses the association")
        self.up = True

    def close(self) -> None:
        self.up = False

    def get(self, attribute: Attribute) -> axdr.Data:
        assert self.up
        fault = self.meter.fault()
        if fault == "lost":
            raise self._lost()
        value = (self._values() | self.meter.odd).get(tuple(attribute))
        if value is None or tuple(attribute) in self.meter.denied:
            raise AccessFault("get", 4, attribute)
        return value

    def get_list(self, attributes: list[Attribute]) -> list[axdr.Data | AccessFault]:
        if self.meter.no_lists:
            raise AccessFault("get", 250, attributes[0])
        found: list[axdr.Data | AccessFault] = []
        for attribute in attributes:
            try:
                found.append(self.get(attribute))
            except AccessFault as fault:
                found.append(fault)
        return found

    def _values(self) -> dict[tuple[int, str, int], axdr.Data]:
        meter, public = self.meter, self.keys is None
        own = 16 if public else 1
        values = {
            (1, "0-0:96.1.0.255", 2): axdr.octets((meter.told_serial if public else SERIAL).encode()),
            (15, "0-0:40.0.0.255", 1): axdr.octets(bytes((0, 0, 40, 0, 0, 255))),
            (15, "0-0:40.0.0.255", 2): meter.object_list(public),
            (15, "0-0:40.0.0.255", 3): axdr.structure(axdr.i8(own), axdr.u16(1)),
            (15, "0-0:40.0.0.255", 9): axdr.octets(bytes((0, 0, 43, 0, 0, 255))),
        }
        if public:
            return values
        for number, (client, mechanism) in enumerate(meter.mechanisms.items(), start=1):
            values[(15, f"0-0:40.0.{number}.255", 3)] = axdr.structure(axdr.i8(client), axdr.u16(1))
            values[(15, f"0-0:40.0.{number}.255", 6)] = axdr.octets(bytes((0x60, 0x85, 0x74, 5, 8, 2, mechanism)))
        return values | {
            (64, "0-0:43.0.0.255", 2): axdr.enum(meter.policy),
            (64, "0-0:43.0.0.255", 3): axdr.enum(0),
            (18, "0-0:44.0.0.255", 5): axdr.boolean(meter.enabled),
            (18, "0-0:44.0.0.255", 6): axdr.enum(meter.status),
            (22, "0-0:15.0.2.255", 4): axdr.array(meter.schedule),
            (8, "0-0:1.0.0.255", 2): axdr.octets(date_time(NOW + meter.skew)),
        }

    def set(self, attribute: Attribute, data: axdr.Data) -> None:
        def act() -> None:
            if attribute.class_id == 18:
                self.meter.enabled = data.value
            elif attribute.class_id == 8:
                self.meter.skew = 0.0
            else:
                self.meter.lls = data.value

        self._change("set", attribute, act)

    def action(self, method: Method, data: axdr.Data | None = None) -> None:
        assert data is not None
        self._change("action", method, lambda: self._strengthen(data) if method.index == 1 else self._transfer(method, data))

    def _strengthen(self, data: axdr.Data) -> None:
        assert data.value & self.meter.policy == self.meter.policy, "a policy is only strengthened"
        self.meter.policy = data.value

    def _transfer(self, method: Method, data: axdr.Data) -> None:
        for item in data.value:
            number, wrapped = item.value
            try:
                key = aes_key_unwrap(self.meter.keys.kek or b"", wrapped.value)
            except InvalidUnwrap:
                raise AccessFault("action", 250, method) from None
            self.meter.keys = replace(self.meter.keys, **{NAMES[number.value]: key})
        self.meter.stranger = self.meter.after_key

    def _change(self, kind: str, what: Any, act: Any) -> None:
        assert self.up
        fault = self.meter.fault()
        if fault == "lost":
            raise self._lost()
        if fault == "refuse" or (self.meter.gate and what.class_id in (8, 15, 64)):
            raise AccessFault(kind, 3, what)
        act()
        self.meter.log.append(f"{kind} {what.class_id} {what.index}")
        if fault == "answer_lost":
            raise self._lost()

    def _lost(self) -> DeviceError:
        self.up = False
        return DeviceError("security", "transport_failed", "the meter closed the connection")


@dataclass
class Book:
    """Ledger and desk in memory."""

    pending: dict[tuple[str, int, str], str] = field(default_factory=dict)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    entries: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    busy: str | None = None

    def pending_keys(self, serial: str, client: int) -> dict[str, dict[str, Any]]:
        return {key[2]: {"mark": mark, "at": 0.0} for key, mark in self.pending.items() if key[:2] == (serial, client)}

    def begin_key(self, serial: str, client: int, key_id: str, mark: str) -> None:
        self.pending[serial, client, key_id] = mark

    def end_key(self, serial: str, client: int, key_id: str, outcome: str) -> None:
        self.ended.append(f"{key_id} {outcome}")
        if outcome != "unknown":
            self.pending.pop((serial, client, key_id), None)

    def mark(self, serial: str, account: str) -> dict[str, Any] | None:
        found = self.marks.get((serial, account))
        return {"mark": found, "at": 0.0} if found else None

    def set_mark(self, serial: str, account: str, mark: str) -> None:
        self.marks[serial, account] = mark

    def holder(self, serial: str) -> str | None:
        return self.busy

    def guard(self) -> None:
        """Nobody else."""

    def journal(self, event: str, body: Mapping[str, Any]) -> None:
        self.entries.append((event, body))


def run(meter: Meter, options: Mapping[str, Any], book: Book | None = None, dlms: Dlms = DLMS, **flags: Any) -> Report:
    """One run of the module's engine with these options."""
    book = book if book is not None else Book()
    desired: Desired = desired_from(options, dlms)
    return SecurityRun(dlms, desired, Way(meter.connect, meter.public, lambda: NOW), book, book, **flags).run()
