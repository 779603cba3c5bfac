# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an MCS301, or another DLMS/COSEM meter with the same objects, tells about itself (contract 4.2). Only reads.

What an association does not show is listed in ``unread`` with the reason; the public client shows little (wire-dlms 4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.errors import DeviceError
from ..base.target import Dlms, Target
from ..catalogue import obis
from ..catalogue.obis import CosemObject
from ..catalogue.published_keys import FINDING, is_published_key
from ..wire.dlms.apdu import AccessFault, Attribute
from ..wire.dlms.axdr import Data
from ..wire.dlms.counters import CounterStore
from ..wire.dlms.session import Session
from . import cosem, mcs301_logs
from .reading import Values

FAMILY = "mcs301"
MODEL = "MCS301"
SUBSETS = (
    "identity",
    "firmware",
    "transfer",
    "clock",
    "security",
    "associations",
    "counters",
    "events",
    "network",
    "services",
    "identification",
)
OPT_IN: tuple[str, ...] = ()
MIN = frozenset({"identity", "firmware"})
_LDN_PREFIX = "MCS"
_NO_OBJECT = "the family has no object for it"


@dataclass(frozen=True)
class Identity:
    """Who answers, and what it runs. ``components`` are as in the facts; ``identifiers`` are those of one part, canonical."""

    model: str
    serial: str | None
    logical_device_name: str | None
    system_title: str | None
    components: tuple[dict[str, Any], ...]

    def component(self, part: int) -> dict[str, Any] | None:
        """The part with this B, where the meter tells it."""
        return next((item for item in self.components if item["b"] == part), None)

    def identifiers(self, part: int) -> list[str]:
        """All identifiers of part B; none where it is not told."""
        found = self.component(part)
        return list(found["identifiers"]) if found else []


def read_target(target: Target, subsets: Iterable[str], counters: CounterStore, seconds: float | None = None) -> dict[str, Any]:
    """The facts of one meter over an association of its own, given up after ``seconds``. Raises DeviceError."""
    end = None if seconds is None else time.monotonic() + seconds
    with Session(target, counters, stage="facts") as session:
        return read(session, subsets, target, end=end)


def identify(session: Session, target: Target) -> Identity:
    """Who the meter is and which identifiers its parts have, in as few requests as possible. Raises DeviceError."""
    meter = _Meter(session, target)
    meter.identity()
    meter.firmware()
    values = meter.out.values
    title = session.meter_title
    return Identity(
        model=str(values["model"]),
        serial=values["serial"] if meter.out.known("serial") else None,
        logical_device_name=values["logical_device_name"] if meter.out.known("logical_device_name") else None,
        system_title=title.hex() if title else None,
        components=tuple(values.get("firmware.components") or ()),
    )


def read(
    session: Session, subsets: Iterable[str], target: Target, now: Callable[[], float] = time.time, end: float | None = None
) -> dict[str, Any]:
    """The facts over an open session, until ``end`` of the monotonic clock. Other families' subsets are not looked at. Raises DeviceError."""
    wanted = frozenset(subsets)
    meter = _Meter(session, target, now, end)
    meter.identity()
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("identification", meter.identification),
        ("firmware", meter.firmware),
        ("transfer", meter.transfer),
        ("clock", meter.clock),
        ("security", meter.security),
        ("associations", meter.associations),
        ("counters", meter.counters),
        ("events", meter.events),
        ("network", meter.network),
        ("services", meter.services),
    )
    for name, part in parts:
        if name in wanted:
            part()
    meter.out.put("association", _association(meter.dlms, session), "object")
    return meter.out.nested()


def _association(dlms: Dlms, session: Session) -> dict[str, Any]:
    """How these facts were read; no secret in it."""
    return {
        "client": dlms.client,
        "authentication": dlms.authentication,
        "protection": dlms.protection,
        "pdu": session.pdu,
        "conformance": sorted(session.conformance),
    }


class _Meter:
    """One reading over one session."""

    def __init__(self, session: Session, target: Target, now: Callable[[], float] = time.time, end: float | None = None) -> None:
        self.session, self.target, self.now, self.end = session, target, now, end
        self.dlms = session.client
        self.out = Values()
        self._list: tuple[cosem.Rights, ...] | None = None
        self._list_fault: str | None = None

    # -- asking ---------------------------------------------------------------------------------------------------------

    def many(self, wanted: Sequence[tuple[CosemObject, int]]) -> list[Any]:
        """Plain values in the order asked, or an AccessFault for each that was refused."""
        self.in_time()
        try:
            answers = self.session.get_list([Attribute(*item.attribute(index)) for item, index in wanted])
        except AccessFault as fault:  # the list as a whole
            return [fault for _item in wanted]
        return [answer.plain() if isinstance(answer, Data) else answer for answer in answers]

    def in_time(self) -> None:
        """Raises DeviceError once the time for this meter is over; a single answer has a limit of its own."""
        if self.end is not None and time.monotonic() > self.end:
            where = f"{self.target.host}:{self.target.ports['dlms']}"
            raise DeviceError("facts", "deadline_exceeded", f"{where} was not read in the time it has")

    def why(self, fault: AccessFault, item: CosemObject) -> str:
        """Why a value is missing, in words that tell what helps."""
        if fault.code in (4, 9, 11):
            return f"the meter has no object {item.obis} of class {item.class_id} with it"
        if fault.code in (3, 13):
            if self.dlms.authentication == "none":
                return f"client {self.dlms.client} may not read it without security; give dlms and dlms_keys of a client that may"
            return f"access denied to client {self.dlms.client}"
        if fault.code == 2:
            return "the meter cannot read it at the moment"
        return f"the meter refuses it with code {fault.code}"

    def take(self, path: str, answer: Any, item: CosemObject, form: Callable[[Any], Any], text: bool = True) -> None:
        """One answer at its path: its value in the right form, or why there is none."""
        if isinstance(answer, AccessFault):
            self.out.miss(path, self.why(answer, item), text)
            return
        try:
            self.out.put(path, form(answer), "object")
        except (ValueError, TypeError, IndexError):
            self.out.miss(path, "the meter's value is not of the documented form", text)

    def object_list(self) -> tuple[cosem.Rights, ...] | None:
        """What this association shows; None where it does not tell, and ``_list_fault`` says why."""
        if self._list is None and self._list_fault is None:
            self.in_time()
            try:
                plain = self.session.get(Attribute(*obis.CURRENT_ASSOCIATION.attribute(2))).plain()
                self._list = cosem.object_list(plain)
            except AccessFault as fault:
                self._list_fault = self.why(fault, obis.CURRENT_ASSOCIATION)
            except (ValueError, TypeError, IndexError):
                self._list_fault = "the object list is not of the documented form"
        return self._list

    # -- who it is ------------------------------------------------------------------------------------------------------

    def identity(self) -> None:
        """Logical device name, serial number, system title."""
        out = self.out
        name, serial = self.many([(obis.LOGICAL_DEVICE_NAME, 2), (obis.SERIAL_NUMBER, 2)])
        self.take("logical_device_name", name, obis.LOGICAL_DEVICE_NAME, _text)
        self.take("serial", serial, obis.SERIAL_NUMBER, _text)
        title = self.session.meter_title
        if title:
            out.put("system_title", title.hex(), "object")
        else:
            out.miss("system_title", "the meter tells it only in an association with keys")
        ldn = str(out.values["logical_device_name"]) if out.known("logical_device_name") else ""
        if not ldn and not out.known("serial"):
            why = f"logical device name: {out.unread['logical_device_name']}; serial number: {out.unread['serial']}"
            where = f"{self.target.host}:{self.target.ports['dlms']}"
            raise DeviceError("facts", "identity_unreadable", f"{where} tells neither logical device name nor serial number ({why})")
        out.put("family", FAMILY, "object")
        if ldn.startswith(_LDN_PREFIX):
            out.put("model", MODEL, "object")
            out.put("manufacturer", ldn[:3], "object")
        elif ldn:
            out.miss("model", f"the logical device name {ldn!r} is of another maker")
            out.put("manufacturer", ldn[:3], "object")
        else:
            out.miss("model", "the logical device name could not be read")
            out.miss("manufacturer", "the logical device name could not be read")
        out.miss("name", _NO_OBJECT)
        out.miss("product_id", _NO_OBJECT, text=False)
        out.miss("hardware_revision", _NO_OBJECT)

    def identification(self) -> None:
        """Device ids 2 to 7 (wire-dlms 5)."""
        for item, answer in zip(obis.DEVICE_IDS, self.many([(item, 2) for item in obis.DEVICE_IDS]), strict=True):
            self.take(f"identification.{item.name}", answer, item, _text)

    # -- firmware -------------------------------------------------------------------------------------------------------

    def firmware(self) -> None:
        """Every part: identifiers, then the signatures of those that are there (R-206 to R-216)."""
        out = self.out
        components: list[dict[str, Any]] = []
        denied: list[int] = []
        answers = self.many([(obis.identifier_object(part), 2) for part in obis.PARTS])
        for part, answer in zip(obis.PARTS, answers, strict=True):
            path = f"firmware.components[{part}].identifier"
            item = obis.identifier_object(part)
            if isinstance(answer, AccessFault):
                if part in obis.LISTED_PARTS:
                    out.unread[path] = self.why(answer, item)
                elif answer.code not in (4, 9, 11):
                    denied.append(part)
                continue
            try:
                found = cosem.identifiers(answer)
            except ValueError:
                found = []
            if not found:
                out.unread[path] = "the meter's value is not of the documented form"
                continue
            components.append(
                {
                    "b": part,
                    "role": obis.part_role(part),
                    "legally_relevant": obis.is_legally_relevant(part),
                    "identifier": found[0],
                    "identifiers": found,
                    "signature": None,
                }
            )
        if denied:
            out.unread["firmware.components"] = f"access denied to parts {', '.join(map(str, denied))}, if the meter has them"
        self._signatures(components)
        self._version(components)
        out.values["firmware.components"] = components
        if components:
            out.provenance["firmware.components"] = "object"
        attempts = {"limit": None, "used": None, "remaining": None, "source": "no_limit"}
        out.values["firmware.attempts"] = attempts

    def _signatures(self, components: Sequence[dict[str, Any]]) -> None:
        items = [obis.signature_object(entry["b"]) for entry in components]
        for entry, item, answer in zip(components, items, self.many([(item, 2) for item in items]) if items else [], strict=True):
            path = f"firmware.components[{entry['b']}].signature"
            if isinstance(answer, AccessFault):
                self.out.unread[path] = self.why(answer, item)
            elif isinstance(answer, (bytes, str)):
                entry["signature"] = answer.hex() if isinstance(answer, bytes) else answer.encode().hex()
            else:
                self.out.unread[path] = "the meter's value is not of the documented form"

    def _version(self, components: Sequence[dict[str, Any]]) -> None:
        """The version of the meter is the identifier of its application, B=1 (design 4.1)."""
        application = next((entry for entry in components if entry["role"] == "application"), None)
        if application:
            self.out.put("firmware.version", application["identifier"], "object")
            self.out.put("firmware.raw", application["identifier"], "object")
        else:
            why = self.out.unread.get("firmware.components[1].identifier", "the meter has no part 1")
            self.out.miss("firmware.version", why)
            self.out.miss("firmware.raw", why)

    def transfer(self) -> None:
        """Image transfer, what waits to be activated, and the schedule (R-203 to R-205, R-221)."""
        image, scheduler = obis.IMAGE_TRANSFER, obis.ACTIVATION_SCHEDULER
        wanted = [(image, 5), (image, 6), (image, 2), (image, 4), (image, 7), (scheduler, 2), (scheduler, 4)]
        enabled, status, block, missing, images, script, times = self.many(wanted)
        self.take("firmware.transfer.enabled", enabled, image, bool, text=False)
        self.take("firmware.transfer.status", status, image, _transfer_state)
        self.take("firmware.transfer.status_code", status, image, int, text=False)
        self.take("firmware.transfer.block_size", block, image, int, text=False)
        self.take("firmware.transfer.first_missing", missing, image, int, text=False)
        self.take("firmware.transfer.images", images, image, _images, text=False)
        self.take("firmware.schedule.times", times, scheduler, lambda value: [cosem.execution_time(entry) for entry in value], text=False)
        self.take("firmware.schedule.script", script, scheduler, _script, text=False)
        self._slots()

    def _slots(self) -> None:
        """Two versions are stored: the one in use and one that waits (R-221). The meter does not tell what a half-done transfer is of."""
        out = self.out
        if "firmware.version" not in out.values:
            self.firmware()
        out.values["firmware.slots.active"] = out.values["firmware.version"]
        if not out.known("firmware.transfer.status"):
            out.miss("firmware.slots.pending", out.unread["firmware.transfer.status"], text=False)
            return
        state = out.values["firmware.transfer.status"]
        pending: dict[str, Any] | None = None
        if state in ("initiated", "verification_initiated", "verification_failed"):
            pending = {"state": state, "images": []}
        elif state in ("verification_successful", "activation_initiated"):
            pending = {"state": state, "images": out.values["firmware.transfer.images"] or []}
        out.put("firmware.slots.pending", pending, "object")

    # -- state ----------------------------------------------------------------------------------------------------------

    def clock(self) -> None:
        """The meter's time and how far it is from this computer's, seconds; positive when the meter is ahead."""
        out = self.out
        began = self.now()
        (answer,) = self.many([(obis.CLOCK, 2)])
        middle = (began + self.now()) / 2
        if isinstance(answer, AccessFault):
            out.miss("clock", self.why(answer, obis.CLOCK))
            out.miss("clock_skew", out.unread["clock"], text=False)
            return
        try:
            told = cosem.meter_time(answer)
        except (ValueError, TypeError):
            out.miss("clock", "the meter's value is not of the documented form")
            out.miss("clock_skew", out.unread["clock"], text=False)
            return
        out.put("clock", told.text, "object")
        out.put("clock_flags", list(told.flags), "object")
        if told.moment is None:
            out.miss("clock_skew", "the meter does not tell its deviation from UTC, or not the whole time", text=False)
        else:
            out.put("clock_skew", round(told.moment.timestamp() - middle, 1), "object")

    def security(self) -> None:
        """Policy, suite and titles (class 64), and what is wrong with the keys that are used here."""
        out, setup = self.out, obis.SECURITY
        listed = self.object_list()
        version = next((item.version for item in listed or () if item.class_id == setup.class_id and item.obis == setup.obis), None)
        policy, suite, client, server = self.many([(setup, 2), (setup, 3), (setup, 4), (setup, 5)])
        if version is None:
            out.miss("security.version", self._list_fault or f"the object list has no object {setup.obis}", text=False)
        else:
            out.put("security.version", version, "object")
        self.take("security.policy_value", policy, setup, int, text=False)
        if version is not None and out.known("security.policy_value"):
            out.put("security.policy", cosem.policy_word(version, out.values["security.policy_value"]), "object")
        else:
            why = out.unread.get("security.policy_value") or "the version of the security setup is unknown, so its number means nothing"
            out.miss("security.policy", why)
        out.values["security.mode"] = out.values["security.policy"]
        self.take("security.suite", suite, setup, int, text=False)
        self.take("security.client_title", client, setup, _hex)
        self.take("security.server_title", server, setup, _hex)
        out.values["security.findings"] = findings(self.dlms)

    def associations(self) -> None:
        """Who may do what: each client's association, and what this one shows of the objects of an upgrade (R-202)."""
        out, listed = self.out, self.object_list()
        if listed is None:
            out.miss("associations", str(self._list_fault), text=False)
            out.miss("objects", str(self._list_fault), text=False)
            return
        names = [item for item in listed if item.class_id == obis.ASSOCIATION_LN]
        own = obis.CURRENT_ASSOCIATION.obis
        others = [item for item in names if item.obis != own]
        entries = [self._one_association(item) for item in (others or names)]
        out.put("associations", entries, "object")
        shown = {(item.class_id, item.obis): item for item in listed}
        out.put("objects", {item.name: _shown(shown.get((item.class_id, item.obis))) for item in obis.UPGRADE_OBJECTS}, "object")

    def _one_association(self, item: cosem.Rights) -> dict[str, Any]:
        """One association object: its partners, how they sign in, and how much they may."""
        there = CosemObject(f"association {item.obis}", item.class_id, item.obis, item.version)
        partners, context, mechanism, status, rights = self.many([(there, 3), (there, 4), (there, 6), (there, 8), (there, 2)])
        entry: dict[str, Any] = {"object": item.obis, "version": item.version}
        entry["client"], entry["server"] = partners if _is_pair(partners) else (None, None)
        entry["mechanism"] = None if isinstance(mechanism, AccessFault) else cosem.mechanism(mechanism) or "none"
        number = None if isinstance(context, AccessFault) else cosem.last_arc(context)
        entry["ciphered"] = None if number is None else number in (3, 4)
        entry["status"] = cosem.ENTRY_STATES.get(status) if isinstance(status, int) else None
        entry["rights"] = _rights(rights, item.version)
        for name, answer in (("client", partners), ("mechanism", mechanism), ("context", context), ("rights", rights)):
            if isinstance(answer, AccessFault):
                self.out.unread[f"associations[{item.obis}].{name}"] = self.why(answer, there)
        return entry

    def counters(self) -> None:
        """The invocation counters as the meter tells them (unprotected in part), by logical name."""
        listed = self._list or ()
        names = [item.obis for item in listed if item.class_id == obis.DATA and item.obis.startswith("0-0:43.1.")]
        items = [CosemObject("invocation_counter", obis.DATA, name) for name in names or [obis.INVOCATION_COUNTER.obis]]
        told: dict[str, int] = {}
        for item, answer in zip(items, self.many([(item, 2) for item in items]), strict=True):
            if isinstance(answer, int) and not isinstance(answer, bool):
                told[item.obis] = answer
            else:
                fault = self.why(answer, item) if isinstance(answer, AccessFault) else "the meter's value is not of the documented form"
                self.out.unread[f"counters[{item.obis}]"] = fault
        self.out.values["counters"] = told
        if told:
            self.out.provenance["counters"] = "object"

    def events(self) -> None:
        """The last entries of the standard and the fraud log. Codes stay numbers: their meanings are not public (wire-dlms 5)."""
        for name, item in (("standard", obis.STANDARD_LOG), ("fraud", obis.FRAUD_LOG)):
            self.in_time()
            try:
                self.out.put(f"events.{name}", mcs301_logs.read_log(self.session, item), "object")
            except AccessFault as fault:
                self.out.miss(f"events.{name}", self.why(fault, item), text=False)
            except (ValueError, TypeError, IndexError):
                self.out.miss(f"events.{name}", "the log is not of the documented form", text=False)

    def network(self) -> None:
        """The address it was reached at, and its TCP setup (class 41)."""
        out, setup = self.out, obis.TCP_SETUP
        out.put("network.address", self.target.host, "probe")
        port, connections, timeout = self.many([(setup, 2), (setup, 5), (setup, 6)])
        self.take("network.dlms_port", port, setup, int, text=False)
        self.take("network.connections", connections, setup, int, text=False)
        self.take("network.inactivity_timeout", timeout, setup, int, text=False)
        out.miss("network.ip_mode", _NO_OBJECT)
        out.miss("network.mac", _NO_OBJECT)

    def services(self) -> None:
        """The one service of this family has just answered."""
        self.out.put("services.dlms.port", self.target.ports["dlms"], "probe")
        self.out.put("services.dlms.state", "open", "probe")


def findings(dlms: Dlms) -> list[dict[str, Any]]:
    """What is wrong with the keys in use, without showing them: those that everybody knows."""
    names = [name for name in ("guek", "gak", "gbek", "kek") if is_published_key(getattr(dlms.keys, name))]
    if not names:
        return []
    text = f"{', '.join(names)} can be guessed by anyone: a published example, or one octet over and over; change the keys"
    return [{"id": FINDING, "keys": names, "text": text}]


# -- forms ------------------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    """Text as it is, octets as text when they are printable, else as hexadecimal digits. Raises ValueError for anything else."""
    if isinstance(value, bytes):
        plain = value.strip(b"\x00 ")
        if plain and all(32 <= octet < 127 for octet in plain):
            return plain.decode("ascii")
        value = value.hex()
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


def _hex(value: Any) -> str:
    if not isinstance(value, bytes):
        raise ValueError("no octets")
    return value.hex()


def _transfer_state(value: Any) -> str:
    return cosem.TRANSFER_STATES[value] if 0 <= value < len(cosem.TRANSFER_STATES) else f"status {value}"


def _images(value: Any) -> list[dict[str, Any]]:
    """Attribute 7 of class 18: what verification found in the container."""
    return [{"size": int(size), "identifier": identifier.hex(), "signature": signature.hex()} for size, identifier, signature in value]


def _script(value: Any) -> dict[str, Any]:
    """What the scheduler runs, and whether that is the image activation of table 48 (R-205)."""
    name, selector = value
    there = obis.obis_text(bytes(name))
    return {"object": there, "selector": int(selector), "activates_image": there == obis.ACTIVATION_SCRIPTS.obis}


def _shown(item: cosem.Rights | None) -> dict[str, Any] | None:
    if item is None:
        return None
    rights = {"reads": sorted(item.reads), "writes": sorted(item.writes), "runs": sorted(item.runs)}
    return {"class": item.class_id, "object": item.obis, "version": item.version, **rights}


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _rights(value: Any, version: int) -> dict[str, Any] | None:
    """How many objects a client sees, and what it may change; None where its list is not shown."""
    if isinstance(value, AccessFault) or not isinstance(value, list):
        return None
    try:
        listed = cosem.object_list(value, version)
    except (ValueError, TypeError):
        return None
    return {
        "objects": len(listed),
        "writable": [f"{item.obis}/{index}" for item in listed for index in sorted(item.writes)],
        "runnable": [f"{item.obis}/{index}" for item in listed for index in sorted(item.runs)],
    }
