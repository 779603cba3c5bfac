# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a HEP meter (ION9000, ION9000T, PM8000, ION7400) tells about itself (design 4.2). Only reads, and nothing is guessed.

Security settings have no public register: they are unknown unless a profile names registers for them, or somebody attests them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from ..catalogue import constants
from ..catalogue.advisories import describe_advisories
from ..catalogue.generations import generation
from ..catalogue.models import HEP, Model, family_of_product_id, find_model
from ..catalogue.versions import Version
from ..wire.loop import run
from ..wire.modbus import ModbusReader
from . import hep_probe
from . import hep_registers as registers
from .hep_modbus import PROTECTED, Reading, fetch_profiled, nothing_told, tells_nothing
from .hep_snapshot import NO_PROFILE, Loss, Snapshot, blind, compare, snapshot, snapshot_sync
from .modbus_reading import fetch, fetch_identification
from .reading import UNKNOWN

__all__ = [
    "FAMILY",
    "MIN",
    "OPT_IN",
    "SUBSETS",
    "Identity",
    "Loss",
    "Snapshot",
    "blind",
    "compare",
    "identify",
    "identify_sync",
    "read",
    "snapshot",
    "snapshot_sync",
]

FAMILY = HEP
SUBSETS = ("identity", "firmware", "network", "services", "tls", "web_access", "clock", "security", "energies", "identification")
OPT_IN: tuple[str, ...] = ()
MIN = frozenset({"identity", "firmware"})
#: Subsets that need no register: they are read also where the meter's register map is closed.
_FROM_OUTSIDE = frozenset({"network", "services", "tls", "web_access"})
_CATALOGUE = "catalogue"


@dataclass(frozen=True)
class Identity:
    """Who answers: enough to prove that it is the same meter and what it runs. The names are those of a PM5000's identity.

    ``model`` is None when the text is not one of the catalogue; ``raw`` is the firmware as the meter spells it; no public register
    tells restarts, so they are None. ``generation`` is ``below 3``, ``3``, ``4`` or ``unknown``.
    """

    model_text: str | None
    model: Model | None
    version: Version | None
    generation: str
    serial: str | None
    name: str | None
    manufacturer: str | None
    product_id: int | None
    raw: str | None
    unread: Mapping[str, str]
    restarts: int | None = None
    last_restart: str | None = None
    previous: str | None = None
    hardware_revision: str | None = None


async def identify(target: Target, stage: str = "identify") -> Identity:
    """Who the meter is, in two requests. Raises DeviceError (transport_failed, identity_unreadable, modbus_map_closed)."""
    async with ModbusReader(target, stage) as reader:
        reading = Reading()
        for block in (registers.IDENTITY, registers.FIRMWARE):
            await fetch(reader, block, reading)
    if tells_nothing(reading):
        raise nothing_told(reading, target, stage)
    values = {path: value if reading.known(path) else None for path, value in reading.values.items()}
    model = _model(values["model"])
    version = _version(reading)
    return Identity(
        model_text=values["model"],
        model=model,
        version=version,
        generation=_generation(model, version),
        serial=values["serial"],
        name=values["name"],
        manufacturer=values["manufacturer"],
        product_id=values["product_id"],
        raw=values["firmware.raw"],
        unread=dict(reading.unread),
    )


def identify_sync(target: Target, stage: str = "identify") -> Identity:
    """``identify`` for code that has no event loop."""
    return run(identify(target, stage))


async def read(
    target: Target,
    subsets: Iterable[str],
    profile: Mapping[str, Any] | None = None,
    attest: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The facts of one meter. A field that cannot be read is ``unknown`` or None and stands in ``unread``.

    ``profile`` may name setup registers; ``attest`` fills what no wire tells. Raises DeviceError, InputError for a bad profile.
    """
    wanted = frozenset(subsets) | {"identity"}
    fields = [item for item in registers.profile_fields(profile) if item.name.split(".")[0] in _profiled(wanted)]
    reading, settings = Reading(), Reading()
    async with ModbusReader(target, "facts") as reader:
        for block in _blocks(wanted):
            await fetch(reader, block, reading)
        closed = tells_nothing(reading)
        if not closed:
            await fetch_profiled(reader, fields, settings)
        if "identification" in wanted or not reading.known("model") or not reading.known("manufacturer"):
            await fetch_identification(reader, reading, "identification" in wanted)
    if closed and tells_nothing(reading) and not (wanted & _FROM_OUTSIDE and PROTECTED in reading.refused):
        raise nothing_told(reading, target, "facts")
    await _from_outside(target, wanted, reading)
    model = _settle_model(reading)
    version = _version(reading)
    given = {name: value for name, value in (attest or {}).items() if value is not None}
    if "firmware" in wanted:
        _settle_firmware(reading, model, version)
    if "network" in wanted:
        _settle_network(reading, target, given)
    if "security" in wanted:
        _settle_security(reading, settings, model, version, profile, given)
    if "energies" in wanted:
        _settle_energies(reading, settings)
    return reading.nested()


# -- reading ----------------------------------------------------------------------------------------------------------


def _profiled(wanted: frozenset[str]) -> frozenset[str]:
    """Which parts of a profile's registers these subsets need."""
    parts = {"security": ("settings",), "energies": ("energies", "template")}
    return frozenset(part for name, members in parts.items() if name in wanted for part in members)


def _blocks(wanted: frozenset[str]) -> list[registers.Block]:
    """The version is read with the identity whenever something is judged by it."""
    blocks = [registers.IDENTITY]
    if wanted & {"firmware", "security"}:
        blocks.append(registers.FIRMWARE)
    if "clock" in wanted:
        blocks.append(registers.CLOCK)
    return blocks


async def _from_outside(target: Target, wanted: frozenset[str], reading: Reading) -> None:
    """Ports, certificates and the redirect. Modbus has just answered; the others get one connection without a byte."""
    names: set[str] = set()
    if "services" in wanted:
        names |= target.ports.keys() - {"modbus"}
    if "tls" in wanted:
        names |= set(hep_probe.TLS_SERVICES)
    if "web_access" in wanted:
        names |= {"http", "https"}
    if not names:
        return
    states = await hep_probe.ports(target, (name for name in target.ports if name in names))
    if "services" in wanted:
        hep_probe.put_services(target, {"modbus": "open", **states}, reading)
    if "tls" in wanted:
        await hep_probe.put_tls(target, states, reading)
    if "web_access" in wanted:
        await hep_probe.put_web(target, states, reading)


# -- judging ----------------------------------------------------------------------------------------------------------


def _model(text: str | None) -> Model | None:
    if not text:
        return None
    try:
        return find_model(text)
    except InputError:
        return None


def _version(reading: Reading) -> Version | None:
    return Version.parse(reading.values["firmware.raw"]) if reading.known("firmware.raw") else None


def _generation(model: Model | None, version: Version | None) -> str:
    return generation(model, version) if model and version and model.family == HEP else UNKNOWN


def _settle_model(reading: Reading) -> Model | None:
    """Model and family: by the text, else the family alone by the numeric product id (R-160, R-242)."""
    text = reading.values["model"] if reading.known("model") else None
    model = _model(text)
    if model is not None:
        reading.values["model"] = model.name
        reading.put("family", model.family, reading.provenance["model"])
        if model.family != HEP:
            where = f"the meter says that it is a {model.name}, of family {model.family}; the option family says {HEP}"
            raise DeviceError("facts", "family_mismatch", where)
        return model
    number = reading.values["product_id"] if reading.known("product_id") else None
    if number is not None and family_of_product_id(number) == HEP:
        reading.put("family", HEP, "register")
    else:
        reading.miss("family", f"the model {text!r} is not in the catalogue" if text else "the model could not be read")
    return None


def _settle_firmware(reading: Reading, model: Model | None, version: Version | None) -> None:
    if version is not None:
        reading.put("firmware.version", str(version), "register")
    else:
        reading.miss("firmware.version", reading.unread.get("firmware.raw", "could not be read"))
    known = _generation(model, version)
    if known != UNKNOWN:
        reading.put("firmware.generation", known, _CATALOGUE)
    else:
        reading.miss("firmware.generation", "model or version is unknown")
    reading.values["firmware.attempts"] = {"limit": None, "used": None, "remaining": None, "source": "no_limit"}
    reading.values["firmware.components"] = []
    reading.unread["firmware.components"] = "no public register for the versions of option modules and remote displays"
    reading.values["firmware.slots"] = None


def _settle_network(reading: Reading, target: Target, attest: Mapping[str, Any]) -> None:
    reading.put("network.address", target.host, "probe")
    if attest.get("ip_mode"):
        reading.put("network.ip_mode", attest["ip_mode"], "attested")
    else:
        reading.miss("network.ip_mode", "no public register; it can be attested")
    reading.miss("network.mac", "no public register")


def _settle_security(
    reading: Reading,
    settings: Reading,
    model: Model | None,
    version: Version | None,
    profile: Mapping[str, Any] | None,
    attest: Mapping[str, Any],
) -> None:
    """What the version tells for sure, what a profile's registers tell, and what was attested; the rest is unknown."""
    _by_version(reading, model, version)
    for path, value in settings.values.items():
        if not path.startswith("settings."):
            continue
        place = _place(path)
        if settings.known(path):
            reading.put(place, value, "register")
        else:
            reading.miss(place, settings.unread[path], text=value is not None)
    if profile and any(path.startswith("settings.") for path in settings.values):
        reading.values["security.profile"] = profile.get("name")
        reading.values["security.profile_verified"] = bool(profile.get("verified"))
    for name, word in (("mode", "security_mode"), ("revenue_lock", "revenue_lock")):
        if reading.known(f"security.{name}"):
            continue
        if attest.get(word) is not None:
            reading.put(f"security.{name}", attest[word], "attested")
        else:
            reading.miss(f"security.{name}", reading.unread.get(f"security.{name}", f"{NO_PROFILE}, or it can be attested"))
    _by_mode(reading)


def _place(path: str) -> str:
    """Mode, revenue lock and number of users stand beside the settings: no setting of them can be written there."""
    name = path.removeprefix("settings.")
    return f"security.{name}" if name in ("mode", "revenue_lock", "users") else f"security.settings.{name}"


def _by_version(reading: Reading, model: Model | None, version: Version | None) -> None:
    """What the documents say of a generation (R-196, R-231, R-237, R-238), and the bulletins that name the version."""
    known = _generation(model, version)
    if known == UNKNOWN or model is None or version is None:
        for name in ("password_storage", "front_panel_password_change", "advisories", "limits"):
            reading.miss(f"security.{name}", "model or version is unknown", text=name == "password_storage")
        return
    old = known == "below 3"
    reading.put("security.advisories", describe_advisories(model, version), _CATALOGUE)
    reading.put("security.front_panel_password_change", old, _CATALOGUE)
    if old:
        reading.miss("security.password_storage", "the documents describe it from 3.0.0 on")
    else:
        reading.put("security.password_storage", "protected", _CATALOGUE)
    maps = constants.MASTER_MAP_MODULES_OLD if old else constants.MASTER_MAP_MODULES
    devices = constants.MASTER_DEVICE_MODULES_OLD if old else constants.MASTER_DEVICE_MODULES
    limits = {"modbus_master_map_modules": maps.number, "modbus_master_device_modules": devices.number}
    if not old:  # some older firmware takes fewer; which, is not public
        limits["users"] = constants.USERS_MAX.number
    reading.put("security.limits", limits, _CATALOGUE)


def _by_mode(reading: Reading) -> None:
    """What follows from a known mode (R-182, R-184, R-186); nothing where it is unknown."""
    if not reading.known("security.mode"):
        return
    mode, source = reading.values["security.mode"], reading.provenance["security.mode"]
    if mode == "legacy_support":
        reading.put("security.anonymous_maps_to", constants.LSS_DEFAULT_USER.value, source)
    else:
        reading.put("security.anonymous_read", mode in ("none", "standard"), source)


def _settle_energies(reading: Reading, settings: Reading) -> None:
    """Energies and template, by a profile's registers: the public lists do not agree on their form."""
    for path, value in settings.values.items():
        if path.startswith("settings."):
            continue
        if settings.known(path):
            reading.put(path, value, "register")
        else:
            reading.miss(path, settings.unread[path], text=path == "template")
    if not any(path.startswith("energies.") for path in settings.values):
        reading.miss("energies", NO_PROFILE, text=False)
    if "template" not in settings.values:
        reading.miss("template", NO_PROFILE)
