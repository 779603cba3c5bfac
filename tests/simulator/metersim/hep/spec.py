# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the fleet file may say about a HEP meter (SURFACE.md, section 40)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metersim import tables
from metersim.faults import Fault
from metersim.hep import faults, settings
from metersim.hep.users import FACTORY_PASSWORD, FIRST, Refused, User, name_of, password_fits, permissions_of

# model: product id (whose is which is invented), model number, range, may be set to test mode
MODELS: dict[str, tuple[int, str, str, bool]] = {
    "PM8000": (18000, "8000", "PM", False),
    "ION7400": (18005, "7400", "ION", False),
    "ION9000": (18010, "9000", "ION", True),
    "ION9000T": (18011, "9000", "ION", True),
}
MODES = {"below 3": ("none", "standard", "advanced"), "3": ("legacy_support", "advanced"), "4": ("legacy_support", "advanced")}
SURFACES = ("hep", "hep-b")
PORTS = ("ssh", "ion", "ion_tls", "rtu_tcp", "telnet")
SERVICES = ("modbus", "http", "https", "ftp", *PORTS)
METER_KEYS = (
    "name", "model", "firmware", "address", "serial", "label", "model_text", "unit_id", "latency", "log_reads", "fc43", "surface",
    "hep", "faults", "attest", "vars",
)  # fmt: skip


def generation(version: tables.Version) -> str:
    """below 3, 3 or 4."""
    return "below 3" if version[0] < 3 else "3" if version[0] == 3 else "4"


@dataclass
class Settings:
    """The mapping ``hep`` of one meter."""

    mode: str = ""
    password: str = FACTORY_PASSWORD
    users: list[User] | None = None
    login: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    revenue_lock: bool = False
    template: str | None = None
    energies: list[int] = field(default_factory=list)
    silence: float = 90.0
    upgrade_time: float = 600.0
    firmware_text: str = ""
    gateway: str = "none"
    port_numbers: dict[str, int] = field(default_factory=dict)
    closed: tuple[str, ...] = ()


@dataclass
class HepSpec:
    """One HEP meter as the fleet file describes it (times in meter seconds)."""

    name: str
    model: str
    firmware: tables.Version
    address: str = ""
    serial: Any = ""
    label: str = ""
    model_text: str = ""
    unit_id: int = 255
    latency: float = 0.0
    log_reads: bool = False
    fc43: bool = True
    surface: str = "hep"
    hep: Settings = field(default_factory=Settings)
    faults: dict[str, Fault] = field(default_factory=dict)
    attest: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    services: tuple[str, ...] = ()  # of the PM5000 kind: none


def read(raw: dict[str, Any], name: str, error: Callable[[str], Exception]) -> HepSpec:
    """One entry of the fleet file; ``error`` makes what is raised."""
    where = f"meter {name}"
    values = dict(raw)
    try:
        if "firmware" not in values:
            raise ValueError("'firmware' is missing")
        values["firmware"] = tables.parse_version(values["firmware"])
        _plain(values)
        values["hep"] = _settings(values.get("hep") or {}, values["model"], values["firmware"])
        values["faults"] = faults.normalise(values.get("faults"), where)
    except (ValueError, Refused) as exc:
        text = str(exc)
        raise error(text if text.startswith(where) else f"{where}: {text}") from exc
    return HepSpec(**values)


def _plain(values: dict[str, Any]) -> None:
    serial, unit = values.get("serial", ""), values.get("unit_id", 255)
    if serial:
        values["serial"] = str(serial)
        _need(re.fullmatch(r"[!-~]{1,24}", str(serial)), "serial must be 1 to 24 ASCII characters")
    _need(isinstance(unit, int) and 0 < unit <= 255, f"unit_id must be 1 to 255, not '{unit}'")
    latency = values.get("latency", 0)
    _need(isinstance(latency, int | float) and latency >= 0, f"latency must be a number of seconds, not '{latency}'")
    _need(values.get("surface", "hep") in SURFACES, f"surface must be one of {', '.join(SURFACES)}, not '{values.get('surface')}'")
    for key in ("log_reads", "fc43"):
        _need(isinstance(values.get(key, True), bool), f"{key} must be true or false")
    for key in ("attest", "vars"):
        _need(isinstance(values.get(key, {}), dict), f"{key} must be a mapping")


def _need(good: Any, text: str) -> None:
    if not good:
        raise ValueError(text)


def _settings(raw: Any, model: str, version: tables.Version) -> Settings:
    _need(isinstance(raw, dict), "hep must be a mapping")
    known = tuple(Settings.__dataclass_fields__)
    for key in raw:
        _need(key in known, f"hep: unknown key '{key}' (known: {', '.join(known)})")
    values = dict(raw)
    modes = MODES[generation(version)]
    values.setdefault("mode", "standard" if version[0] < 3 else "legacy_support")
    _need(values["mode"] in modes, f"hep: mode must be one of {', '.join(modes)} with this firmware, not '{values['mode']}'")
    if "password" in values:
        values["password"] = str(values["password"])
    good = password_fits(values.get("password", "0"), version[0], numeric_only=version[0] < 3)
    _need(good, "hep: password is not one that this firmware takes")
    _words(values)
    values["users"] = _users(values, model, version)
    wanted = values.get("settings") or {}
    _need(isinstance(wanted, dict), "hep: settings must be a mapping")
    for key, value in wanted.items():
        try:
            settings.check(key, value, version[0])
        except Refused as exc:
            raise ValueError(f"hep: settings: {key} cannot be '{value}' with this firmware") from exc
    values["settings"] = dict(wanted)
    return Settings(**values)


def _words(values: dict[str, Any]) -> None:
    _need(values.get("gateway", "none") in ("none", "hep", "egx", "serial"), "hep: gateway must be one of none, hep, egx, serial")
    _need(isinstance(values.get("revenue_lock", False), bool), "hep: revenue_lock must be true or false")
    for key in ("silence", "upgrade_time"):
        number = values.get(key, 0)
        _need(isinstance(number, int | float) and not isinstance(number, bool) and number >= 0, f"hep: {key} must be a number of seconds")
    energies = values.get("energies", [0] * 4)
    _need(
        isinstance(energies, list) and len(energies) == 4 and all(isinstance(item, int) for item in energies),
        "hep: energies must be four whole numbers",
    )
    login = values.get("login", {})
    _need(isinstance(login, dict) and set(login) <= {"user", "password"}, "hep: login needs 'user' and 'password'")
    values["login"] = {key: str(text) for key, text in login.items()}
    numbers = values.get("port_numbers", {})
    _need(isinstance(numbers, dict), "hep: port_numbers must be a mapping")
    for key, number in numbers.items():
        _need(
            key in SERVICES and isinstance(number, int) and 0 < number <= 65535, f"hep: port_numbers: '{key}' is not a port and its number"
        )
    closed = values.get("closed", [])
    _need(isinstance(closed, list | tuple) and set(closed) <= set(SERVICES), f"hep: closed must be a list out of {', '.join(SERVICES)}")
    values["closed"] = tuple(closed)


def _users(values: dict[str, Any], model: str, version: tables.Version) -> list[User]:
    """The users as they are at the start; USER1 is there where the firmware makes one."""
    given, advanced = values.get("users"), values["mode"] == "advanced"
    if given is None:
        if version[0] < 3 and not advanced:
            return []
        return [User(FIRST, values.get("password", FACTORY_PASSWORD), set(permissions_of("all", MODELS[model][3])))]
    _need(isinstance(given, list), "hep: users must be a list")
    limit = 16 if version[0] < 3 else 50
    _need(len(given) <= limit, f"hep: at most {limit} users with this firmware")
    users = []
    for item in given:
        _need(
            isinstance(item, dict) and set(item) == {"name", "password", "permissions"},
            "hep: users: each needs name, password, permissions",
        )
        try:
            user = User(name_of(item["name"], limit), str(item["password"]), permissions_of(item["permissions"], MODELS[model][3]))
        except Refused as exc:
            raise ValueError(f"hep: users: '{item['name']}': {exc.word}") from exc
        _need(password_fits(user.password, version[0]), f"hep: users: the password of {user.name} is not one that this firmware takes")
        users.append(user)
    if values["mode"] == "legacy_support" and not any(user.name == FIRST for user in users):
        users.append(User(FIRST, values.get("password", FACTORY_PASSWORD), set(permissions_of("all", MODELS[model][3]))))
    _need(len({user.name for user in users}) == len(users), "hep: users: a name is used twice")
    _need(
        not advanced or any("security_config" in user.permissions for user in users), "hep: users: advanced needs one with security_config"
    )
    return users
