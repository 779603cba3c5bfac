# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The fleet file: reading, checking, expanding. Every error is one clear line."""

from __future__ import annotations

import ipaddress
import os
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from metersim import faults, tables
from metersim.hep import spec as hep
from metersim.mcs301 import spec as mcs301
from metersim.surfaces import NEW_SURFACES, SURFACES


class SpecError(ValueError):
    """The fleet file is wrong; the text says where and what is accepted."""


class StartError(RuntimeError):
    """The fleet cannot start, or is not there; the text says why in one line."""


SERVICES = ("modbus", "ftp", "http")
PORTS = (*SERVICES, "https", "dlms", *hep.PORTS)
DLMS_PORT = 4059
ION_PORTS = {"ion": 7700, "ion_tls": 7443, "rtu_tcp": 7701}
USUAL_PORTS = {"http": 80, "https": 443}
FLEET_KEYS = (
    "name", "clock_factor", "first_address", "ports", "surface", "services", "control", "profiles", "log_reads", "defaults", "meters",
)  # fmt: skip
ROLES = {
    tables.LEGACY: ("product_master", "web_master", "web_user"),
    tables.NEW: ("administrator", "guest"),
}


@dataclass
class MeterSpec:
    """One meter as the fleet file describes it (times in meter seconds)."""

    name: str
    model: str
    firmware: tables.Version
    address: str = ""
    serial: int = 0
    previous_firmware: tables.Version | None = None
    label: str = ""
    model_text: str = ""
    hardware_revision: str = "000C01"
    unit_id: int = 255
    ip_mode: str = "stored"
    mid_lock: bool = False
    attempts_used: int = 0
    attempts_hidden: int = 0
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    ftp: bool = True
    ftp_idle: float = 30.0
    http_auth: str = "basic"
    free_space: int = 256 * 1024 * 1024
    custom_files: dict[str, Any] = field(default_factory=dict)
    surface: str = "a"
    fc43: bool = True
    latency: float = 0.0
    silence: float = 75.0
    process_time: float = 120.0
    trigger_answer: str = "redirect"
    update_time: float = 300.0
    restart_silence: float = 30.0
    web_login: str = "normal"
    lockout: dict[str, float] | None = field(default_factory=lambda: {"tries": 5, "seconds": 900.0})
    session_idle: float = 600.0
    http_redirect: bool | None = None
    web_ports: dict[str, int] = field(default_factory=lambda: dict(USUAL_PORTS))
    missing_pages: tuple[str, ...] = ()
    keep_accounts: bool = True
    services: tuple[str, ...] = SERVICES
    log_reads: bool = False
    faults: dict[str, faults.Fault] = field(default_factory=dict)
    attest: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)


@dataclass
class FleetSpec:
    """A whole fleet."""

    name: str
    clock_factor: float
    ports: dict[str, int]
    control_port: int
    profiles: dict[str, str]
    meters: list[MeterSpec | mcs301.DlmsSpec | hep.HepSpec]


def default_ports() -> dict[str, int]:
    """The real ports for root, high ones for everybody else."""
    if os.geteuid() == 0:
        return {"modbus": 502, "ftp": 21, "http": 80, "https": 443, "dlms": DLMS_PORT, "ssh": 22, "telnet": 23, **ION_PORTS}
    return {"modbus": 1502, "ftp": 2121, "http": 8080, "https": 8443, "dlms": DLMS_PORT, "ssh": 2222, "telnet": 2323, **ION_PORTS}


def load(source: str | Path | dict[str, Any]) -> FleetSpec:
    """Read a fleet from a file or a mapping. Raises SpecError."""
    if isinstance(source, dict):
        return parse(source)
    try:
        raw = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except OSError as exc:
        raise SpecError(f"{source}: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SpecError(f"{source}: not valid YAML ({' '.join(str(exc).split())})") from exc
    try:
        return parse(raw)
    except SpecError as exc:
        raise SpecError(f"{source}: {exc}") from exc


def parse(raw: Any) -> FleetSpec:
    """Check a mapping and expand ranges."""
    if not isinstance(raw, dict):
        raise SpecError("the fleet must be a mapping with at least 'meters'")
    _known(raw, FLEET_KEYS, "fleet")
    name = str(raw.get("name", "fleet"))
    factor = raw.get("clock_factor", 1)
    if not isinstance(factor, int | float) or isinstance(factor, bool) or factor <= 0:
        raise SpecError(f"clock_factor must be a number above 0, not '{factor}'")
    defaults = _mapping(raw, "defaults")
    for key in ("surface", "services", "log_reads"):
        if key in raw:
            defaults.setdefault(key, raw[key])
    entries = raw.get("meters")
    if not isinstance(entries, list) or not entries:
        raise SpecError("'meters' must be a list with at least one meter")
    _known(defaults, tuple(dict.fromkeys((*METER_KEYS, *mcs301.METER_KEYS, *hep.METER_KEYS))), "defaults")
    meters = [meter for entry in entries for meter in _expand(entry, defaults)]
    _give_addresses(meters, str(raw.get("first_address", "127.20.0.1")))
    _give_serials(meters, name)
    _unique(meters)
    for meter in meters:
        if isinstance(meter, mcs301.DlmsSpec):
            meter.fleet = name
    return FleetSpec(name, float(factor), _ports(raw), _control_port(raw), _profiles(raw), meters)


def _known(raw: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in raw:
        if key not in keys:
            raise SpecError(f"{where}: unknown key '{key}' (known: {', '.join(keys)})")


def _mapping(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key) or {}
    if not isinstance(value, dict):
        raise SpecError(f"'{key}' must be a mapping")
    return dict(value)


def _port(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
        raise SpecError(f"{where} must be a port number, not '{value}'")
    return value


def _ports(raw: dict[str, Any]) -> dict[str, int]:
    given = _mapping(raw, "ports")
    _known(given, PORTS, "ports")
    ports = {**default_ports(), **given}
    return {key: _port(value, f"ports: {key}") for key, value in ports.items()}


def _control_port(raw: dict[str, Any]) -> int:
    control = _mapping(raw, "control")
    _known(control, ("port",), "control")
    return _port(control.get("port", 0), "control: port")


def _profiles(raw: dict[str, Any]) -> dict[str, str]:
    given = _mapping(raw, "profiles")
    usual = {**SURFACES, **{f"{key}_new": surface for key, surface in NEW_SURFACES.items()}}
    _known(given, tuple(usual), "profiles")
    return {key: str(given.get(key, surface.profile)) for key, surface in usual.items()}


METER_KEYS = tuple(MeterSpec.__dataclass_fields__)


AnySpec = MeterSpec | mcs301.DlmsSpec | hep.HepSpec


def _with_defaults(entry: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What a family does not have is no default for it; ``dlms`` and ``hep`` are merged."""
    model = entry.get("model", defaults.get("model"))
    keys = mcs301.METER_KEYS if model == mcs301.MODEL else hep.METER_KEYS if model in hep.MODELS else METER_KEYS
    merged = {**{key: value for key, value in defaults.items() if key in keys}, **entry}
    for part in ("dlms", "hep"):
        usual, own = defaults.get(part), entry.get(part)
        if part in keys and isinstance(usual, dict) and isinstance(own, dict):
            merged[part] = {**usual, **own}
            if isinstance(usual.get("settings"), dict) and isinstance(own.get("settings"), dict):
                merged[part]["settings"] = {**usual["settings"], **own["settings"]}
    if keys is hep.METER_KEYS and "surface" not in entry and merged.get("surface") not in hep.SURFACES:
        merged.pop("surface", None)  # the fleet's surface a or b is the PM5000's
    return merged


def _expand(entry: Any, defaults: dict[str, Any]) -> list[AnySpec]:
    if not isinstance(entry, dict):
        raise SpecError(f"each meter must be a mapping, not '{entry}'")
    entry = _with_defaults(entry, defaults)
    name = str(entry.get("name", ""))
    match = re.fullmatch(r"([A-Za-z0-9_.-]*)\[(\d+):(\d+)\]([A-Za-z0-9_.-]*)", name)
    if not match:
        return [_meter(entry, name)]
    first, last = int(match[2]), int(match[3])
    if last < first:
        raise SpecError(f"meter '{name}': the range must go upwards")
    for key in ("serial", "address"):
        if key in entry and last > first:
            raise SpecError(f"meter '{name}': '{key}' cannot be given for a range")
    names = [f"{match[1]}{number:0{len(match[2])}d}{match[4]}" for number in range(first, last + 1)]
    return [_meter({**entry, "name": item}, item) for item in names]


def _meter(raw: dict[str, Any], name: str) -> AnySpec:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise SpecError(f"meter name '{name}' is missing or has characters other than letters, digits, '_', '.', '-'")
    where = f"meter {name}"
    if raw.get("model") == mcs301.MODEL:
        _known(raw, mcs301.METER_KEYS, where)
        checked = mcs301.read(raw, name, SpecError)
        _address(vars(checked), where)
        return checked
    if raw.get("model") in hep.MODELS:
        _known(raw, hep.METER_KEYS, where)
        found = hep.read(raw, name, SpecError)
        _address(vars(found), where)
        return found
    _known(raw, METER_KEYS, where)
    for key in ("model", "firmware"):
        if key not in raw:
            raise SpecError(f"{where}: '{key}' is missing")
    values = dict(raw)
    if values["model"] not in tables.MODELS:
        raise SpecError(f"{where}: unknown model '{values['model']}' (known: {', '.join((*tables.MODELS, mcs301.MODEL, *hep.MODELS))})")
    for key in ("firmware", "previous_firmware"):
        if values.get(key) is not None:
            try:
                values[key] = tables.parse_version(values[key])
            except ValueError as exc:
                raise SpecError(f"{where}: {key}: {exc}") from exc
    if tables.generation(values["model"], values["firmware"]) == tables.NEW:
        values.setdefault("ftp", False)
    _words(values, where)
    _numbers(values, where)
    values["accounts"] = _accounts(values, where)
    try:
        values["faults"] = faults.normalise(values.get("faults"), where)
    except ValueError as exc:
        raise SpecError(str(exc)) from exc
    return MeterSpec(**values)


def _words(values: dict[str, Any], where: str) -> None:
    choices = {
        "ip_mode": ("stored", "dhcp"),
        "http_auth": ("basic", "digest", "none"),
        "surface": tuple(SURFACES),
        "trigger_answer": ("redirect", "cut"),
        "web_login": ("normal", "handshake"),
    }
    for key, words in choices.items():
        if key in values and values[key] not in words:
            raise SpecError(f"{where}: {key} must be one of {', '.join(words)}, not '{values[key]}'")
    for key in ("ftp", "mid_lock", "fc43", "log_reads", "http_redirect", "keep_accounts"):
        if key in values and not isinstance(values[key], bool):
            raise SpecError(f"{where}: {key} must be true or false, not '{values[key]}'")
    services = values.get("services", SERVICES)
    if not isinstance(services, list | tuple) or not services or any(item not in SERVICES for item in services):
        raise SpecError(f"{where}: services must be a list out of {', '.join(SERVICES)}, not '{services}'")
    values["services"] = tuple(services)
    _web_words(values, where)
    if values.get("mid_lock") and not tables.band_of(values["model"]).lockable:
        raise SpecError(f"{where}: a {values['model']} has no MID/MIR lock")
    for key in ("custom_files", "attest", "vars"):
        if not isinstance(values.get(key, {}), dict):
            raise SpecError(f"{where}: {key} must be a mapping")
    _address(values, where)


def _address(values: dict[str, Any], where: str) -> None:
    if values.get("address"):
        try:
            values["address"] = str(ipaddress.IPv4Address(values["address"]))
        except ValueError as exc:
            raise SpecError(f"{where}: '{values['address']}' is not an IPv4 address") from exc


def _web_words(values: dict[str, Any], where: str) -> None:
    """Settings of the new generation's webpages that are more than one word."""
    if "web_ports" in values:
        given = values["web_ports"]
        if not isinstance(given, dict) or any(key not in USUAL_PORTS for key in given):
            raise SpecError(f"{where}: web_ports must be a mapping of {' and '.join(USUAL_PORTS)}")
        values["web_ports"] = {**USUAL_PORTS, **{key: _port(number, f"{where}: web_ports: {key}") for key, number in given.items()}}
    if values.get("lockout") is not None and "lockout" in values:
        given = values["lockout"]
        if (
            not isinstance(given, dict)
            or set(given) != {"tries", "seconds"}
            or not all(isinstance(item, int | float) for item in given.values())
        ):
            raise SpecError(f"{where}: lockout must be {{tries: 5, seconds: 900}} or null")
    pages = values.get("missing_pages", ())
    if not isinstance(pages, list | tuple) or not all(isinstance(item, str) for item in pages):
        raise SpecError(f"{where}: missing_pages must be a list of paths")
    values["missing_pages"] = tuple(pages)


def _numbers(values: dict[str, Any], where: str) -> None:
    for key in ("serial", "attempts_used", "attempts_hidden", "free_space"):
        value = values.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 0xFFFFFFFF:
            raise SpecError(f"{where}: {key} must be a whole number from 0, not '{value}'")
    unit = values.get("unit_id", 255)
    if not isinstance(unit, int) or not 0 < unit <= 255:
        raise SpecError(f"{where}: unit_id must be 1 to 255, not '{unit}'")
    for key in ("latency", "silence", "process_time", "ftp_idle", "update_time", "restart_silence", "session_idle"):
        value = values.get(key, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
            raise SpecError(f"{where}: {key} must be a number of seconds, not '{value}'")


def _accounts(values: dict[str, Any], where: str) -> dict[str, dict[str, str]]:
    given = values.get("accounts") or {}
    if not isinstance(given, dict):
        raise SpecError(f"{where}: accounts must be a mapping of roles")
    roles = ROLES[tables.generation(values["model"], values["firmware"])]
    for role, account in given.items():
        if role not in sum(ROLES.values(), ()):
            raise SpecError(f"{where}: unknown role '{role}' (known here: {', '.join(roles)})")
        if not isinstance(account, dict) or set(account) != {"user", "password"}:
            raise SpecError(f"{where}: account {role} needs exactly 'user' and 'password'")
    return {role: {key: str(text) for key, text in account.items()} for role, account in given.items()}


def _give_addresses(meters: list[AnySpec], first: str) -> None:
    try:
        number = int(ipaddress.IPv4Address(first))
    except ValueError as exc:
        raise SpecError(f"first_address '{first}' is not an IPv4 address") from exc
    taken = {meter.address for meter in meters if meter.address}
    for meter in meters:
        while not meter.address:
            address = str(ipaddress.IPv4Address(number))
            if number & 0xFF not in (0, 255) and address not in taken:
                meter.address = address
            number += 1


def _give_serials(meters: list[AnySpec], fleet: str) -> None:
    base = 10_000_000 + zlib.crc32(fleet.encode()) % 8000 * 10_000
    taken = {meter.serial for meter in meters if meter.serial}
    for index, meter in enumerate(meters):
        candidate = base + index
        while not meter.serial:
            if candidate not in taken:
                meter.serial = candidate
                taken.add(candidate)
            candidate += len(meters)
        if isinstance(meter, hep.HepSpec):
            meter.serial = str(meter.serial)


def _unique(meters: list[AnySpec]) -> None:
    for key in ("name", "address", "serial"):
        seen: set[Any] = set()
        for meter in meters:
            value = getattr(meter, key)
            if value in seen:
                raise SpecError(f"meter {meter.name}: {key} '{value}' is used twice")
            seen.add(value)
