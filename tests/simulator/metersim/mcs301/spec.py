# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the fleet file may say about an MCS301, and what follows from its name and serial number."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metersim.faults import Fault
from metersim.mcs301 import faults
from metersim.mcs301.policy import Policy

MODEL = "MCS301"
KEYS = ("guek", "gak", "gbek", "kek")
SECRETS = ("lls", "lls_reading")
DEVICE_TYPE, FUNCTION = 4, 6
METER_KEYS = ("name", "model", "firmware", "address", "serial", "latency", "dlms", "faults", "attest", "vars")

_WORDS: dict[str, tuple[str, ...]] = {
    "transfer": ("enabled", "disabled", "fixed"),
    "identifiers": ("octets", "array"),
    "policy": tuple(Policy.WORDS),
    "public": ("small", "wide"),
    "counters": ("shared", "per_client"),
    "pass3_counter": ("strict", "lenient"),
    "activate_answer": ("success", "temporary_failure", "cut"),
    "clock": ("real", "fleet"),
}
_FLAGS = ("block_transfer", "image_info", "self_verify")
_WHOLE = {
    "block_size": (16, 65000),
    "pdu": (64, 65535),
    "slot_size": (1, 64 * 1024 * 1024),
    "security_version": (0, 1),
    "counter": (0, 0xFFFFFFFF),
    "time_zone": (-720, 840),
    "connections": (1, 100),
}
_SECONDS = ("verify_time", "silence", "self_test", "inactivity")


@dataclass
class Settings:
    """The mapping ``dlms`` of one meter."""

    block_size: int = 1024
    pdu: int = 1224
    block_transfer: bool = True
    slot_size: int = 4 * 1024 * 1024
    transfer: str = "enabled"
    identifiers: str = "octets"
    image_info: bool = True
    security_version: int = 1
    policy: str = "none"
    mechanisms: tuple[str, ...] = ("lls", "hls")
    public: str = "small"
    counters: str = "shared"
    pass3_counter: str = "strict"
    counter: int = 100
    keys: dict[str, str] = field(default_factory=dict)
    system_title: str = ""
    client_title: str = "4D53494D00000001"
    access: dict[str, Any] = field(default_factory=dict)
    verify_time: float = 10.0
    self_verify: bool = False
    activate_answer: str = "success"
    silence: float = 60.0
    self_test: float = 30.0
    clock: str = "real"
    time_zone: int = 0
    connections: int = 3
    inactivity: float = 120.0


@dataclass
class DlmsSpec:
    """One MCS301 as the fleet file describes it (times in meter seconds)."""

    name: str
    firmware: dict[int, list[bytes]]
    model: str = MODEL
    address: str = ""
    serial: int = 0
    latency: float = 0.0
    dlms: Settings = field(default_factory=Settings)
    faults: dict[str, Fault] = field(default_factory=dict)
    attest: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    services: tuple[str, ...] = ("dlms",)
    fleet: str = ""

    @property
    def system_title(self) -> bytes:
        """MCS, device type, function type (4 bit), serial number (28 bit)."""
        if self.dlms.system_title:
            return bytes.fromhex(self.dlms.system_title)
        return b"MCS" + bytes([DEVICE_TYPE]) + (FUNCTION << 28 | self.serial).to_bytes(4, "big")

    @property
    def ldn(self) -> str:
        """Logical device name."""
        return f"MCS{DEVICE_TYPE:03d}{FUNCTION:02d}{self.serial:08d}"

    def key(self, name: str) -> bytes:
        """A key of 16 octets: the file's, or one that follows from fleet and serial number."""
        given = self.dlms.keys.get(name)
        return bytes.fromhex(given) if given else hashlib.sha256(f"metersim/{self.fleet}/{self.serial}/{name}".encode()).digest()[:16]

    def secret(self, name: str) -> bytes:
        """A password of LLS."""
        given = self.dlms.keys.get(name)
        return given.encode() if given else hashlib.sha256(f"metersim/{self.fleet}/{self.serial}/{name}".encode()).hexdigest()[:16].encode()


def read(raw: dict[str, Any], name: str, error: Callable[[str], Exception]) -> DlmsSpec:
    """One entry of the fleet file; ``error`` makes what is raised."""
    where = f"meter {name}"

    def need(good: bool, text: str) -> None:
        if not good:
            raise error(f"{where}: {text}")

    need("firmware" in raw, "'firmware' is missing")
    values = dict(raw)
    try:
        values["firmware"] = _firmware(values["firmware"])
        values["dlms"] = _settings(values.get("dlms") or {})
        values["faults"] = faults.normalise(values.get("faults"), where)
    except ValueError as exc:
        text = str(exc)
        raise error(text if text.startswith(where) else f"{where}: {text}") from exc
    serial, latency = values.get("serial", 0), values.get("latency", 0)
    need(isinstance(serial, int) and not isinstance(serial, bool) and 0 <= serial <= 99_999_999, "serial must have at most 8 digits")
    need(isinstance(latency, int | float) and latency >= 0, f"latency must be a number of seconds, not '{latency}'")
    for key in ("attest", "vars"):
        need(isinstance(values.get(key, {}), dict), f"{key} must be a mapping")
    return DlmsSpec(**values)


def _firmware(raw: Any) -> dict[int, list[bytes]]:
    if not isinstance(raw, dict) or not raw:
        raise ValueError("firmware of an MCS301 must be a mapping of B to identifier, such as {0: '010200030001', 1: '020500010007'}")
    return {_component(b): [identifier(item) for item in (given if isinstance(given, list) else [given])] for b, given in raw.items()}


def _component(b: Any) -> int:
    if not str(b).isdigit() or not 0 <= int(b) <= 9:
        raise ValueError(f"firmware: B must be 0 to 9, not '{b}'")
    return int(b)


def identifier(text: Any) -> bytes:
    """An identifier written as hex digits. Raises ValueError."""
    if not isinstance(text, str) or not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){1,32}", text):
        raise ValueError(f"identifier '{text}' must be hex digits in quotes, usually 12")
    return bytes.fromhex(text)


def _settings(raw: Any) -> Settings:
    if not isinstance(raw, dict):
        raise ValueError("dlms must be a mapping")
    known = tuple(Settings.__dataclass_fields__)
    for key, value in raw.items():
        _setting(key, value, known)
    values = dict(raw)
    if "mechanisms" in values:
        values["mechanisms"] = tuple(values["mechanisms"])
    return Settings(**values)


def _setting(key: str, value: Any, known: tuple[str, ...]) -> None:
    if key not in known:
        raise ValueError(f"dlms: unknown key '{key}' (known: {', '.join(known)})")
    if key in _WORDS and value not in _WORDS[key]:
        raise ValueError(f"dlms: {key} must be one of {', '.join(_WORDS[key])}, not '{value}'")
    if key in _FLAGS and not isinstance(value, bool):
        raise ValueError(f"dlms: {key} must be true or false, not '{value}'")
    if key in _WHOLE:
        low, high = _WHOLE[key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"dlms: {key} must be a whole number from {low} to {high}, not '{value}'")
    if key in _SECONDS and (not isinstance(value, int | float) or isinstance(value, bool) or value < 0):
        raise ValueError(f"dlms: {key} must be a number of seconds, not '{value}'")
    if key == "mechanisms" and (not isinstance(value, list | tuple) or not value or any(item not in ("lls", "hls") for item in value)):
        raise ValueError("dlms: mechanisms must be a list out of lls, hls")
    if key in ("system_title", "client_title") and not re.fullmatch(r"[0-9A-Fa-f]{16}", str(value)):
        raise ValueError(f"dlms: {key} must be 16 hex digits in quotes")
    if key == "access" and not isinstance(value, dict):
        raise ValueError("dlms: access must be a mapping")
    if key == "keys":
        _check_keys(value)


def _check_keys(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError("dlms: keys must be a mapping")
    for name, text in value.items():
        if name not in KEYS + SECRETS:
            raise ValueError(f"dlms: keys: unknown key '{name}' (known: {', '.join(KEYS + SECRETS)})")
        if name in KEYS and not re.fullmatch(r"[0-9A-Fa-f]{32}", str(text)):
            raise ValueError(f"dlms: keys: {name} must be 32 hex digits in quotes")
        if name in SECRETS and not (isinstance(text, str) and 0 < len(text.encode()) <= 64):
            raise ValueError(f"dlms: keys: {name} must be text of 1 to 64 octets")
