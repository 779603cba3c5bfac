# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""State of a DLMS/COSEM meter: clock, security setup, associations and rights, counters, events, network (wire-dlms 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.target import Dlms
from ..catalogue import obis
from ..catalogue.obis import CosemObject
from ..catalogue.published_keys import FINDING, is_published_key
from ..wire.dlms.apdu import AccessFault
from . import cosem, mcs301_logs
from .mcs301_reader import MALFORMED, NO_OBJECT, UNFIT, Meter, digits, number


def clock(meter: Meter) -> None:
    """The meter's time and how far it is from this computer's, seconds; positive when the meter is ahead."""
    out = meter.out
    began = meter.now()
    (answer,) = meter.many([(obis.CLOCK, 2)])
    middle = (began + meter.now()) / 2
    if isinstance(answer, AccessFault):
        out.miss("clock", meter.why(answer, obis.CLOCK))
        out.miss("clock_skew", out.unread["clock"], text=False)
        return
    try:
        told = cosem.meter_time(answer)
    except UNFIT:
        out.miss("clock", MALFORMED)
        out.miss("clock_skew", out.unread["clock"], text=False)
        return
    out.put("clock", told.text, "object")
    out.put("clock_flags", list(told.flags), "object")
    if told.moment is None:
        out.miss("clock_skew", "the meter does not tell its deviation from UTC, or not the whole time", text=False)
    else:
        out.put("clock_skew", round(told.moment.timestamp() - middle, 1) + 0.0, "object")  # no minus zero


def security(meter: Meter) -> None:
    """Policy, suite and titles (class 64), and what is wrong with the keys that are used here."""
    out, setup = meter.out, obis.SECURITY
    listed = meter.object_list()
    version = next((item.version for item in listed or () if item.class_id == setup.class_id and item.obis == setup.obis), None)
    policy, suite, client, server = meter.many([(setup, 2), (setup, 3), (setup, 4), (setup, 5)])
    if version is None:
        out.miss("security.version", meter.list_fault or f"the object list has no object {setup.obis}", text=False)
    else:
        out.put("security.version", version, "object")
    meter.take("security.policy_value", policy, setup, number, text=False)
    if version is not None and out.known("security.policy_value"):
        out.put("security.policy", cosem.policy_word(version, out.values["security.policy_value"]), "object")
    else:
        why = out.unread.get("security.policy_value") or "the version of the security setup is unknown, so its number means nothing"
        out.miss("security.policy", why)
    out.values["security.mode"] = out.values["security.policy"]
    meter.take("security.suite", suite, setup, number, text=False)
    meter.take("security.client_title", client, setup, digits)
    meter.take("security.server_title", server, setup, digits)
    out.values["security.findings"] = findings(meter.dlms)


def associations(meter: Meter) -> None:
    """Who may do what: each client's association, and what this one shows of the objects of an upgrade (R-202)."""
    out, listed = meter.out, meter.object_list()
    if listed is None:
        out.miss("associations", str(meter.list_fault), text=False)
        out.miss("objects", str(meter.list_fault), text=False)
        return
    names = [item for item in listed if item.class_id == obis.ASSOCIATION_LN]
    own = obis.CURRENT_ASSOCIATION.obis
    others = [item for item in names if item.obis != own]
    entries = [_one_association(meter, item) for item in (others or names)]
    out.put("associations", entries, "object")
    shown = {(item.class_id, item.obis): item for item in listed}
    out.put("objects", {item.name: _shown(shown.get((item.class_id, item.obis))) for item in obis.UPGRADE_OBJECTS}, "object")


def _one_association(meter: Meter, item: cosem.Rights) -> dict[str, Any]:
    """One association object: its partners, how they sign in, and how much they may."""
    there = CosemObject(f"association {item.obis}", item.class_id, item.obis, item.version)
    partners, context, mechanism, status, rights = meter.many([(there, 3), (there, 4), (there, 6), (there, 8), (there, 2)])
    entry: dict[str, Any] = {"object": item.obis, "version": item.version}
    entry["client"], entry["server"] = partners if _is_pair(partners) else (None, None)
    entry["mechanism"] = _formed(meter, f"associations[{item.obis}].mechanism", mechanism, lambda value: cosem.mechanism(value) or "none")
    number = _formed(meter, f"associations[{item.obis}].context", context, cosem.last_arc)
    entry["ciphered"] = None if number is None else number in (3, 4)
    entry["status"] = cosem.ENTRY_STATES.get(status) if isinstance(status, int) else None
    entry["rights"] = _rights(rights, item.version)
    for name, answer in (("client", partners), ("mechanism", mechanism), ("context", context), ("rights", rights)):
        if isinstance(answer, AccessFault):
            meter.out.unread[f"associations[{item.obis}].{name}"] = meter.why(answer, there)
    return entry


def counters(meter: Meter) -> None:
    """The invocation counters as the meter tells them (unprotected in part), by logical name."""
    listed = meter.listed or ()
    names = [item.obis for item in listed if item.class_id == obis.DATA and item.obis.startswith("0-0:43.1.")]
    items = [CosemObject("invocation_counter", obis.DATA, name) for name in names or [obis.INVOCATION_COUNTER.obis]]
    told: dict[str, int] = {}
    for item, answer in zip(items, meter.many([(item, 2) for item in items]), strict=True):
        if isinstance(answer, int) and not isinstance(answer, bool):
            told[item.obis] = answer
        else:
            fault = meter.why(answer, item) if isinstance(answer, AccessFault) else MALFORMED
            meter.out.unread[f"counters[{item.obis}]"] = fault
    meter.out.values["counters"] = told
    if told:
        meter.out.provenance["counters"] = "object"


def events(meter: Meter) -> None:
    """The last entries of the standard and the fraud log. Codes stay numbers: their meanings are not public (wire-dlms 5)."""
    for name, item in (("standard", obis.STANDARD_LOG), ("fraud", obis.FRAUD_LOG)):
        meter.in_time()
        try:
            meter.out.put(f"events.{name}", mcs301_logs.read_log(meter.session, item), "object")
        except AccessFault as fault:
            meter.out.miss(f"events.{name}", meter.why(fault, item), text=False)
        except UNFIT:
            meter.out.miss(f"events.{name}", "the log is not of the documented form", text=False)


def network(meter: Meter) -> None:
    """The address it was reached at, and its TCP setup (class 41)."""
    out, setup = meter.out, obis.TCP_SETUP
    out.put("network.address", meter.target.host, "probe")
    port, connections, timeout = meter.many([(setup, 2), (setup, 5), (setup, 6)])
    meter.take("network.dlms_port", port, setup, number, text=False)
    meter.take("network.connections", connections, setup, number, text=False)
    meter.take("network.inactivity_timeout", timeout, setup, number, text=False)
    out.miss("network.ip_mode", NO_OBJECT)
    out.miss("network.mac", NO_OBJECT)


def services(meter: Meter) -> None:
    """The one service of this family has just answered."""
    meter.out.put("services.dlms.port", meter.target.ports["dlms"], "probe")
    meter.out.put("services.dlms.state", "open", "probe")


def findings(dlms: Dlms) -> list[dict[str, Any]]:
    """What is wrong with the keys in use, without showing them: those that everybody knows."""
    names = [name for name in ("guek", "gak", "gbek", "kek") if is_published_key(getattr(dlms.keys, name))]
    if not names:
        return []
    text = f"{', '.join(names)} can be guessed by anyone: a published example, or one octet over and over; change the keys"
    return [{"id": FINDING, "keys": names, "text": text}]


# -- forms ------------------------------------------------------------------------------------------------------------


def _shown(item: cosem.Rights | None) -> dict[str, Any] | None:
    if item is None:
        return None
    rights = {"reads": sorted(item.reads), "writes": sorted(item.writes), "runs": sorted(item.runs)}
    return {"class": item.class_id, "object": item.obis, "version": item.version, **rights}


def _formed(meter: Meter, path: str, answer: Any, form: Callable[[Any], Any]) -> Any:
    """An answer in the right form; None where it was refused, or is of another form, which is noted."""
    if isinstance(answer, AccessFault):
        return None
    try:
        return form(answer)
    except UNFIT:
        meter.out.unread[path] = MALFORMED
        return None


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _rights(value: Any, version: int) -> dict[str, Any] | None:
    """How many objects a client sees, and what it may change; None where its list is not shown."""
    if isinstance(value, AccessFault) or not isinstance(value, list):
        return None
    try:
        listed = cosem.object_list(value, version)
    except UNFIT:
        return None
    return {
        "objects": len(listed),
        "writable": [f"{item.obis}/{index}" for item in listed for index in sorted(item.writes)],
        "runnable": [f"{item.obis}/{index}" for item in listed for index in sorted(item.runs)],
    }
