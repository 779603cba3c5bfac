# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a PM5000 tells about itself (design 4.2), in as few requests as possible. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from ..catalogue.advisories import describe_advisories
from ..catalogue.limits import attempt_limit
from ..catalogue.models import Model, find_model
from ..catalogue.versions import Version
from ..wire.loop import run
from ..wire.modbus import ModbusReader
from ..wire.probe import probe_all
from . import pm5000_registers as registers
from .modbus_reading import RegisterValues, fetch, fetch_identification
from .pm5000_registers import Block, Field
from .reading import UNKNOWN

FAMILY = "pm5000"
SUBSETS = ("identity", "firmware", "network", "services", "status", "lock", "clock", "security", "identification")
OPT_IN = ("web",)  # signs in at the meter, so ``all`` does not mean it
MIN = frozenset({"identity", "firmware"})
NO_PUBLIC_REGISTER = "no public register; it can be attested"


class Reading(RegisterValues):
    """Values read from registers."""

    def is_text(self, item: Field) -> bool:
        return registers.is_text_field(item)


@dataclass(frozen=True)
class Identity:
    """Who answers: enough to prove that it is the same meter, what it runs and whether it has restarted.

    ``model`` is None when the text is not one of the catalogue; ``unread`` says why anything else is None.
    """

    model_text: str | None
    model: Model | None
    version: Version | None
    serial: str | None
    restarts: int | None
    last_restart: str | None
    name: str | None
    manufacturer: str | None
    product_id: int | None
    hardware_revision: str | None
    raw: int | None
    previous: str | None
    unread: Mapping[str, str]


def parse_subsets(names: Iterable[str]) -> frozenset[str]:
    """The subsets that ``gather_subset`` asks for: names, ``all``, ``min``, and ``!name`` to leave one out.

    Identity is always read. Raises InputError.
    """
    wanted: set[str] = set()
    refused: set[str] = set()
    entries = [str(name).strip() for name in names]
    for entry in entries:
        name = entry.removeprefix("!")
        if name not in (*SUBSETS, *OPT_IN, "all", "min"):
            known = ", ".join(("all", "min", *SUBSETS, *OPT_IN))
            raise InputError("gather_subset", entry, f"{known}, each also with '!' before it", "design 4.2")
        group = set(SUBSETS) if name == "all" else set(MIN) if name == "min" else {name}
        (refused if entry.startswith("!") else wanted).update(group)
    if not any(not entry.startswith("!") for entry in entries):
        wanted = set(SUBSETS)
    return frozenset((wanted - refused) | {"identity"})


async def identify(target: Target, stage: str = "identify") -> Identity:
    """Who the meter is, in three requests. Raises DeviceError (transport_failed, identity_unreadable)."""
    async with ModbusReader(target, stage) as reader:
        reading = Reading()
        for block in (registers.IDENTITY, registers.FIRMWARE, registers.RESTART):
            await fetch(reader, block, reading)
    _require_identity(reading, target, stage)
    values = {path: value if reading.known(path) else None for path, value in reading.values.items()}
    version = values["firmware.version"]
    return Identity(
        model_text=values["model"],
        model=_model(values["model"]),
        version=Version.parse(version) if version else None,
        serial=values["serial"],
        restarts=values["status.restarts"],
        last_restart=values["status.last_restart"],
        name=values["name"],
        manufacturer=values["manufacturer"],
        product_id=values["product_id"],
        hardware_revision=values["hardware_revision"],
        raw=values["firmware.raw"],
        previous=values["firmware.previous"],
        unread=dict(reading.unread),
    )


def identify_sync(target: Target, stage: str = "identify") -> Identity:
    """``identify`` for code that has no event loop."""
    return run(identify(target, stage))


async def lock_state(target: Target, mapping: Mapping[str, Any] | None) -> str:
    """``locked``, ``unlocked`` or ``unknown``. Without a site's mapping of the register's values always unknown (R-047).

    ``mapping`` is a profile's ``registers.mid_lock``: {register, locked: [..], unlocked: [..]}. Raises DeviceError.
    """
    if not mapping:
        return UNKNOWN
    async with ModbusReader(target, "lock") as reader:
        reading = Reading()
        await fetch(reader, registers.LOCK, reading)
    return _mapped_lock(reading, mapping)


def lock_state_sync(target: Target, mapping: Mapping[str, Any] | None) -> str:
    """``lock_state`` for code that has no event loop."""
    return run(lock_state(target, mapping))


async def read(
    target: Target,
    subsets: Iterable[str] = ("all",),
    profile: Mapping[str, Any] | None = None,
    attest: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The facts of one meter. A field that cannot be read is ``unknown`` or None and stands in ``unread``.

    ``profile`` may map the lock register's values; ``attest`` fills what no wire tells. Raises DeviceError.
    """
    wanted = parse_subsets(subsets)
    reading = Reading()
    async with ModbusReader(target, "facts") as reader:
        for block in _blocks(wanted):
            await fetch(reader, block, reading)
        if "identification" in wanted or not reading.known("model") or not reading.known("manufacturer"):
            await fetch_identification(reader, reading, "identification" in wanted)
    _require_identity(reading, target, "facts")
    if "services" in wanted:
        await _probe_services(target, reading)
    model = _settle_model(reading)
    given = {name: value for name, value in (attest or {}).items() if value is not None}
    if "firmware" in wanted:
        _settle_firmware(reading, model, given)
    if "network" in wanted:
        _settle_network(reading, target, given)
    if "lock" in wanted:
        _settle_lock(reading, model, profile, given)
    if "security" in wanted:
        _settle_security(reading, model)
    return reading.nested()


# -- reading ----------------------------------------------------------------------------------------------------------


def _blocks(wanted: frozenset[str]) -> list[Block]:
    blocks = [registers.IDENTITY]
    if "firmware" in wanted:
        blocks.append(registers.FIRMWARE)
    if "status" in wanted:
        blocks.append(registers.STATUS)
    elif "clock" in wanted:
        blocks.append(registers.CLOCK)
    if "lock" in wanted:
        blocks.append(registers.LOCK)
    return blocks


async def _probe_services(target: Target, reading: Reading) -> None:
    """Which services answer on their ports. Modbus has just answered; the others get one connection without a byte."""
    others = {name: port for name, port in target.ports.items() if name != "modbus"}
    states = {"modbus": "open", **await probe_all(target.host, others, target.timeouts.connect)}
    for name, state in states.items():
        reading.put(f"services.{name}.port", target.ports[name], "probe")
        if state == UNKNOWN:
            reading.miss(f"services.{name}.state", "there is no way to the host")
        else:
            reading.put(f"services.{name}.state", state, "probe")


def _require_identity(reading: Reading, target: Target, stage: str) -> None:
    """Something that tells neither model nor serial nor version is not taken for a meter."""
    if not any(reading.known(path) for path in ("model", "serial", "firmware.version")):
        why = "; ".join(f"{path}: {reading.unread[path]}" for path in ("model", "serial", "firmware.version") if path in reading.unread)
        where = f"{target.host}:{target.ports['modbus']}"
        raise DeviceError(stage, "identity_unreadable", f"{where} tells neither model nor serial number nor version ({why})")


# -- judging ----------------------------------------------------------------------------------------------------------


def _model(text: str | None) -> Model | None:
    if not text:
        return None
    try:
        return find_model(text)
    except InputError:
        return None


def _settle_model(reading: Reading) -> Model | None:
    text = reading.values["model"] if reading.known("model") else None
    model = _model(text)
    if model is None:
        reading.miss("family", f"the model {text!r} is not in the catalogue" if text else "the model could not be read")
        return None
    if model.family != FAMILY:
        text = f"the meter says that it is a {model.name}, of family {model.family}; the option family says {FAMILY}"
        raise DeviceError("facts", "family_mismatch", text)
    reading.values["model"] = model.name
    reading.put("family", model.family, reading.provenance["model"])
    return model


def _settle_firmware(reading: Reading, model: Model | None, attest: Mapping[str, Any]) -> None:
    version = Version.parse(reading.values["firmware.version"]) if reading.known("firmware.version") else None
    limit = attempt_limit(model, version) if model and version else None
    path = "firmware.attempts"
    if model and version:
        reading.values[f"{path}.limit"] = limit.limit if limit else None
    else:
        reading.miss(f"{path}.limit", "model or version is unknown", text=False)
    used = attest.get("attempts_used")
    if used is not None:
        reading.put(f"{path}.used", used, "attested")
        reading.values[f"{path}.remaining"] = max(0, limit.limit - used) if limit else None
        reading.values[f"{path}.source"] = "attested"
    elif model and version and limit is None:
        reading.values.update({f"{path}.used": None, f"{path}.remaining": None, f"{path}.source": "no_limit"})
    else:
        reading.miss(f"{path}.used", "no public register; the ledger knows, or it can be attested", text=False)
        reading.miss(f"{path}.remaining", "the attempts used are unknown", text=False)
        reading.values[f"{path}.source"] = UNKNOWN
    reading.values["firmware.components"] = []
    reading.unread["firmware.components"] = "no public register for the versions of communication card, language files and webpages"
    reading.values["firmware.slots"] = None


def _settle_network(reading: Reading, target: Target, attest: Mapping[str, Any]) -> None:
    reading.put("network.address", target.host, "probe")
    if attest.get("ip_mode"):
        reading.put("network.ip_mode", attest["ip_mode"], "attested")
    else:
        reading.miss("network.ip_mode", NO_PUBLIC_REGISTER)
    reading.miss("network.mac", "no public register")


def _settle_security(reading: Reading, model: Model | None) -> None:
    """No register tells a mode; the bulletins that name the version are known where it was read (X-09)."""
    reading.miss("security.mode", "the family has no public register for it")
    if model and reading.known("firmware.version"):
        version = Version.parse(reading.values["firmware.version"])
        reading.put("security.advisories", describe_advisories(model, version), "catalogue")
    else:
        reading.miss("security.advisories", "model or version is unknown, or the subset firmware was left out", text=False)


def _mapped_lock(reading: Reading, mapping: Mapping[str, Any]) -> str:
    names = {item.first: item.name for item in registers.LOCK.fields}
    path = names.get(int(mapping.get("register", 0)), "")
    if not reading.known(path):
        return UNKNOWN
    value = reading.values[path]
    if value in mapping.get("locked", ()):
        return "locked"
    return "unlocked" if value in mapping.get("unlocked", ()) else UNKNOWN


def _settle_lock(reading: Reading, model: Model | None, profile: Mapping[str, Any] | None, attest: Mapping[str, Any]) -> None:
    """The values of 1920/1921 are not public: raw facts, unless a site's profile maps them (contract 4.2)."""
    mapping = ((profile or {}).get("registers") or {}).get("mid_lock")
    state = _mapped_lock(reading, mapping) if mapping else UNKNOWN
    if mapping and profile:
        reading.values["lock.profile"] = profile.get("name")
        reading.values["lock.profile_verified"] = bool(profile.get("verified"))
    if model is not None and not model.has_lock:
        reading.put("mid_lock", "not_applicable", reading.provenance["model"])
    elif state != UNKNOWN:
        reading.put("mid_lock", state, "register")
    elif attest.get("mid_lock"):
        reading.put("mid_lock", attest["mid_lock"], "attested")
    else:
        reading.miss("mid_lock", "the values of the lock registers are not public; a site profile can map them, or it can be attested")
