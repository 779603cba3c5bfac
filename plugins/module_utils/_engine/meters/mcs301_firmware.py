# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Who a DLMS/COSEM meter is, its firmware parts and its image transfer (R-203 to R-216, R-221)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base.errors import DeviceError
from ..catalogue import obis
from ..wire.dlms.apdu import AccessFault
from . import cosem
from .mcs301_reader import MALFORMED, MISSING, NO_OBJECT, Meter, number, text, truth

FAMILY = "mcs301"
MODEL = "MCS301"
_LDN_PREFIX = "MCS"


def identity(meter: Meter) -> None:
    """Logical device name, serial number, system title."""
    out = meter.out
    name, serial = meter.many([(obis.LOGICAL_DEVICE_NAME, 2), (obis.SERIAL_NUMBER, 2)])
    meter.take("logical_device_name", name, obis.LOGICAL_DEVICE_NAME, text)
    meter.take("serial", serial, obis.SERIAL_NUMBER, text)
    title = meter.session.meter_title
    if title:
        out.put("system_title", title.hex(), "object")
    else:
        out.miss("system_title", "the meter tells it only in an association with keys")
    ldn = str(out.values["logical_device_name"]) if out.known("logical_device_name") else ""
    if not ldn and not out.known("serial"):
        why = f"logical device name: {out.unread['logical_device_name']}; serial number: {out.unread['serial']}"
        where = f"{meter.target.host}:{meter.target.ports['dlms']}"
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
    out.miss("name", NO_OBJECT)
    out.miss("product_id", NO_OBJECT, text=False)
    out.miss("hardware_revision", NO_OBJECT)


def identification(meter: Meter) -> None:
    """Device ids 2 to 7 (wire-dlms 5)."""
    for item, answer in zip(obis.DEVICE_IDS, meter.many([(item, 2) for item in obis.DEVICE_IDS]), strict=True):
        meter.take(f"identification.{item.name}", answer, item, text)


def firmware(meter: Meter) -> None:
    """Every part: identifiers, then the signatures of those that are there (R-206 to R-216)."""
    out = meter.out
    components: list[dict[str, Any]] = []
    denied: list[int] = []
    answers = meter.many([(obis.identifier_object(part), 2) for part in obis.PARTS])
    for part, answer in zip(obis.PARTS, answers, strict=True):
        path = f"firmware.components[{part}].identifier"
        item = obis.identifier_object(part)
        if isinstance(answer, AccessFault):
            if part in obis.LISTED_PARTS:
                out.unread[path] = meter.why(answer, item)
            elif answer.code not in MISSING:
                denied.append(part)
            continue
        try:
            found = cosem.identifiers(answer)
        except ValueError:
            found = []
        if not found:
            out.unread[path] = MALFORMED
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
    _signatures(meter, components)
    _version(meter, components)
    out.values["firmware.components"] = components
    if components:
        out.provenance["firmware.components"] = "object"
    attempts = {"limit": None, "used": None, "remaining": None, "source": "no_limit"}
    out.values["firmware.attempts"] = attempts


def _signatures(meter: Meter, components: Sequence[dict[str, Any]]) -> None:
    items = [obis.signature_object(entry["b"]) for entry in components]
    for entry, item, answer in zip(components, items, meter.many([(item, 2) for item in items]) if items else [], strict=True):
        path = f"firmware.components[{entry['b']}].signature"
        if isinstance(answer, AccessFault):
            meter.out.unread[path] = meter.why(answer, item)
        elif isinstance(answer, (bytes, str)):
            entry["signature"] = answer.hex() if isinstance(answer, bytes) else answer.encode().hex()
        else:
            meter.out.unread[path] = MALFORMED


def _version(meter: Meter, components: Sequence[dict[str, Any]]) -> None:
    """The version of the meter is the identifier of its application, B=1 (design 4.1)."""
    application = next((entry for entry in components if entry["role"] == "application"), None)
    if application:
        meter.out.put("firmware.version", application["identifier"], "object")
        meter.out.put("firmware.raw", application["identifier"], "object")
    else:
        why = meter.out.unread.get("firmware.components[1].identifier", "the meter has no part 1")
        meter.out.miss("firmware.version", why)
        meter.out.miss("firmware.raw", why)


def transfer(meter: Meter) -> None:
    """Image transfer, what waits to be activated, and the schedule (R-203 to R-205, R-221)."""
    image, scheduler = obis.IMAGE_TRANSFER, obis.ACTIVATION_SCHEDULER
    wanted = [(image, 5), (image, 6), (image, 2), (image, 4), (image, 7), (scheduler, 2), (scheduler, 4)]
    enabled, status, block, missing, images, script, times = meter.many(wanted)
    meter.take("firmware.transfer.enabled", enabled, image, truth, text=False)
    meter.take("firmware.transfer.status", status, image, _transfer_state)
    meter.take("firmware.transfer.status_code", status, image, number, text=False)
    meter.take("firmware.transfer.block_size", block, image, number, text=False)
    meter.take("firmware.transfer.first_missing", missing, image, number, text=False)
    meter.take("firmware.transfer.images", images, image, _images, text=False)
    meter.take("firmware.schedule.times", times, scheduler, lambda value: [cosem.execution_time(entry) for entry in value], text=False)
    meter.take("firmware.schedule.script", script, scheduler, _script, text=False)
    _slots(meter)


def _slots(meter: Meter) -> None:
    """Two versions are stored: the one in use and one that waits (R-221). The meter does not tell what a half-done transfer is of."""
    out = meter.out
    if "firmware.version" not in out.values:
        firmware(meter)
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


# -- forms ------------------------------------------------------------------------------------------------------------


def _transfer_state(value: Any) -> str:
    code = number(value)
    return cosem.TRANSFER_STATES[code] if 0 <= code < len(cosem.TRANSFER_STATES) else f"status {code}"


def _images(value: Any) -> list[dict[str, Any]]:
    """Attribute 7 of class 18: what verification found in the container."""
    return [{"size": number(size), "identifier": identifier.hex(), "signature": signature.hex()} for size, identifier, signature in value]


def _script(value: Any) -> dict[str, Any]:
    """What the scheduler runs, and whether that is the image activation of table 48 (R-205)."""
    name, selector = value
    there = obis.obis_text(bytes(name))
    return {"object": there, "selector": number(selector), "activates_image": there == obis.ACTIVATION_SCRIPTS.obis}
