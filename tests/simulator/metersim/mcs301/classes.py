# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What writing an attribute or running a method does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from metersim.mcs301 import calendar
from metersim.mcs301.apdu import DENIED, INCONSISTENT, OTHER, SUCCESS, TYPE, Outcome, Selection
from metersim.mcs301.axdr import ARRAY, ENUM, I8, OCTETS, STRUCTURE, U16, U32, Value, array, octets, structure, u8
from metersim.mcs301.policy import ENCRYPTED
from metersim.mcs301.security import CipherError, unwrap

if TYPE_CHECKING:
    from metersim.mcs301.association import Association
    from metersim.mcs301.image import ImageTransfer
    from metersim.mcs301.meter import Mcs301

Writer = Callable[["Association", Value], int]
Method = Callable[["Association", Value | None], Outcome | None]


def shape(value: Value | None, *tags: int) -> list[Value] | None:
    """The members of a structure when they have these tags."""
    if value is None or value.tag != STRUCTURE or [item.tag for item in value.content] != list(tags):
        return None
    return list(value.content)


def clock_setter(meter: Mcs301) -> Writer:
    """Attribute 2 of class 8."""

    def write(who: Association, value: Value) -> int:
        if value.tag != OCTETS:
            return TYPE
        try:
            wanted = calendar.from_date_time(value.content, meter.spec.dlms.time_zone)
        except ValueError:
            return TYPE
        meter.move_clock((wanted - meter.calendar.now()).total_seconds())
        return SUCCESS

    return write


def schedule_setter(meter: Mcs301) -> Writer:
    """Attribute 4 of class 22: at most one entry, type 1."""

    def write(who: Association, value: Value) -> int:
        if value.tag != ARRAY:
            return TYPE
        entries = []
        for item in value.content:
            parts = shape(item, OCTETS, OCTETS)
            if parts is None or len(parts[0].content) != 4 or len(parts[1].content) != 5:
                return TYPE
            entries.append((parts[0].content, parts[1].content))
        if len(entries) > 1 or not all(map(calendar.check_entry, entries)):
            return OTHER
        meter.scheduler.write(entries)
        return SUCCESS

    return write


def script_method(meter: Mcs301) -> Method:
    """Method 1 of class 9: run script 1."""

    def run(who: Association, value: Value | None) -> int:
        if value is None or value.tag != U16:
            return TYPE
        if value.content != 1:
            return OTHER
        meter.record("script", by="client")
        return meter.image.activate("client")

    return run


def image_methods(image: ImageTransfer) -> dict[int, Method]:
    """Methods of class 18."""

    def initiate(who: Association, value: Value | None) -> int:
        parts = shape(value, OCTETS, U32)
        return TYPE if parts is None else image.initiate(parts[0].content, parts[1].content)

    def block(who: Association, value: Value | None) -> int:
        parts = shape(value, U32, OCTETS)
        return TYPE if parts is None else image.block(parts[0].content, parts[1].content)

    def verify(who: Association, value: Value | None) -> int:
        return image.verify() if value is not None and value.tag == I8 else TYPE

    def activate(who: Association, value: Value | None) -> int:
        if value is None or value.tag != I8:
            return TYPE
        result = image.activate("client")
        if result == SUCCESS:
            answer = image.meter.spec.dlms.activate_answer
            if answer == "cut":
                image.meter.cut = {"down": 0.0}
            return 2 if answer == "temporary_failure" else SUCCESS
        return result

    return {1: initiate, 2: block, 3: verify, 4: activate}


def policy_method(meter: Mcs301) -> Method:
    """Method 1 of class 64: only stronger."""

    def run(who: Association, value: Value | None) -> int:
        if value is None or value.tag != ENUM:
            return TYPE
        policy = meter.security.policy
        if not policy.can_become(value.content):
            return OTHER
        meter.record("policy", old=policy.number, new=value.content)
        meter.later(lambda: meter.set_policy(value.content))
        return SUCCESS

    return run


def key_method(meter: Mcs301) -> Method:
    """Method 2 of class 64: all keys of the array or none."""

    def run(who: Association, value: Value | None) -> int:
        if value is None or value.tag != ARRAY or not value.content:
            return TYPE
        names = {0: "guek", 1: "gbek", 2: "gak"} | ({3: "kek"} if meter.security.policy.version == 1 else {})
        found: dict[str, bytes] = {}
        result = SUCCESS
        for item in value.content:
            parts = shape(item, ENUM, OCTETS)
            if parts is None:
                return TYPE
            try:
                found[names[parts[0].content]] = unwrap(meter.security.keys["kek"], parts[1].content)
            except (KeyError, CipherError):
                result = OTHER
        if any(len(key) != 16 for key in found.values()):
            result = OTHER
        meter.record("key_transfer", ids=[item.content[0].content for item in value.content], result=result)
        if result == SUCCESS:
            _weak(meter, who)
            meter.later(lambda: meter.set_keys(found))
            if meter.strike("lost_key_answer"):
                meter.cut = {"down": 0.0}
        else:
            meter.log_fraud(49)
        return result

    return run


def _weak(meter: Mcs301, who: Association) -> None:
    if not who.control & ENCRYPTED:
        meter.record("violation", what="weak_secret")


def secret_setter(meter: Mcs301, client: int) -> Writer:
    """Attribute 7 of class 15: the password of LLS of a client, 0 is the current one."""

    def write(who: Association, value: Value) -> int:
        if value.tag != OCTETS or not 0 < len(value.content) <= 64:
            return TYPE
        _weak(meter, who)
        meter.secrets[client or who.client] = value.content
        meter.record("secret_changed", client=client or who.client)
        meter.log_standard(59)
        return SUCCESS

    return write


def reply_method() -> Method:
    """Method 1 of class 15: pass 3 of HLS; returns pass 4."""

    def run(who: Association, value: Value | None) -> Outcome:
        if value is None or value.tag != OCTETS:
            return TYPE
        proof = who.reply(value.content)
        return DENIED if proof is None else octets(proof)

    return run


# -- event logs -------------------------------------------------------------------


def log_rows(entries: list[tuple[datetime, int]], zone: int) -> Value:
    """The buffer of an event log."""
    return array(*(structure(octets(calendar.date_time(moment, zone)), u8(code)) for moment, code in entries))


def log_selection(entries: list[tuple[datetime, int]], selection: Selection, zone: int) -> Value | int:
    """Selector 1: range of time; selector 2: entries from, to (from 1; 0 is to the end)."""
    how = selection.how
    if how.tag != STRUCTURE or len(how.content) != 4:
        return TYPE
    if selection.selector == 2:
        first, last = how.content[0].content, how.content[1].content
        if not isinstance(first, int) or not isinstance(last, int):
            return TYPE
        return log_rows(entries[max(0, first - 1) : last or None], zone)
    if selection.selector != 1:
        return INCONSISTENT
    try:
        low, high = (calendar.from_date_time(item.content, zone) for item in how.content[1:3])
    except (ValueError, TypeError):
        return TYPE
    return log_rows([entry for entry in entries if low <= entry[0] <= high], zone)
