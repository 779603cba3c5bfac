# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by every module of the collection, and the way from validated options to a Target."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ._dlms_options import DLMS_SPEC, check_dlms
from ._engine.base.clock import Clock, SystemClock
from ._engine.base.errors import InputError
from ._engine.base.target import Credential, Target, Timeouts, Tls
from ._engine.catalogue import constants

FAMILY_SERVICES: dict[str, tuple[str, ...]] = {
    "pm5000": ("modbus", "ftp", "http", "https"),
    "hep": ("modbus", "http", "https", "ssh", "ftp", "telnet", "ion", "ion_tls", "rtu_tcp", "dnp"),
    "mcs301": ("dlms",),
}
FAMILIES = tuple(FAMILY_SERVICES)
SERVICES = tuple(dict.fromkeys(name for names in FAMILY_SERVICES.values() for name in names))

CONNECTION_SPEC: dict[str, Any] = {
    "host": {"type": "str"},
    "family": {"type": "str", "choices": list(FAMILIES), "default": "pm5000"},
    "unit_id": {"type": "int"},
    "ports": {"type": "dict", "options": {name: {"type": "int"} for name in SERVICES}},
    "timeouts": {"type": "dict", "options": {"connect": {"type": "float"}, "read": {"type": "float"}}},
    "tls": {"type": "dict", "options": {"ca_file": {"type": "path"}, "fingerprint": {"type": "str"}, "legacy": {"type": "bool"}}},
    "gateway": {"type": "str"},
    "credentials": {"type": "dict", "no_log": True},
    **DLMS_SPEC,
    "sealed": {"type": "str", "no_log": True},
}

ATTEST_SPEC: dict[str, Any] = {
    "attest": {
        "type": "dict",
        "options": {
            "ip_mode": {"type": "str", "choices": ["stored", "dhcp", "bootp", "default"]},
            "mid_lock": {"type": "str", "choices": ["locked", "unlocked"]},
            "attempts_used": {"type": "int"},
            "power_source": {"type": "str"},
            "critical_control": {"type": "bool"},
            "digital_outputs_in_use": {"type": "bool"},
            "outputs_safe": {"type": "bool"},
            "management_zone": {"type": "str"},
            "recovered": {"type": "bool"},
            "replaces": {"type": "str"},
            "icmp": {"type": "bool"},
            "same_subnet": {"type": "bool"},
            "direct_connection": {"type": "bool"},
            "read_connections": {"type": "int"},
            "tool_not_started": {"type": "bool"},
            "consumers_reviewed": {"type": "bool"},
            "registers_saved": {"type": "bool"},
            "security_mode": {"type": "str", "choices": ["none", "standard", "advanced", "legacy_support"]},
            "revenue_lock": {"type": "str", "choices": ["locked", "unlocked"]},
            "seals": {"type": "str"},
            "by": {"type": "str"},
            "at": {"type": "str"},
        },
    },
}

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?\Z")


def default_ports(family: str = "pm5000") -> dict[str, int]:
    """The documented port of each service of a family."""
    documented = {
        "modbus": constants.PORT_MODBUS.number,
        "ftp": constants.PORT_FTP.number,
        "http": constants.PORT_HTTP.number,
        "https": constants.PORT_HTTPS.number,
        "ssh": constants.PORT_SSH.number,
        "telnet": constants.PORT_TELNET.number,
        "ion": constants.PORT_ION.number,
        "ion_tls": constants.PORT_ION_TLS.number,
        "rtu_tcp": constants.PORT_MODBUS_RTU.number,
        "dnp": constants.PORT_DNP3.number,
        "dlms": constants.PORT_DLMS.number,
    }
    return {name: documented[name] for name in FAMILY_SERVICES[family]}


def check_family(family: object) -> str:
    """The family, which tells by what protocol the meter is read. Raises InputError."""
    if family is None:
        return "pm5000"
    if family not in FAMILIES:
        raise InputError("family", family, f"one of {', '.join(FAMILIES)}", "design 2")
    return str(family)


def merge_specs(*specs: Mapping[str, Any]) -> dict[str, Any]:
    """One argument specification from several; a name may stand in one of them only."""
    merged: dict[str, Any] = {}
    for spec in specs:
        double = merged.keys() & spec.keys()
        if double:
            raise ValueError(f"options declared twice: {', '.join(sorted(double))}")
        merged.update(spec)
    return merged


def check_host(host: object) -> str:
    """A host name or an IP address, checked by form only. Raises InputError (R-108)."""
    text = str(host or "").strip()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if not _HOST_NAME.match(text) or re.fullmatch(r"[0-9.]+", text):
        raise InputError("host", host, "an IP address or a host name", "R-108")
    return text


def _whole(value: object) -> object:
    """A number that an inventory wrote as text, as a number."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def check_unit_id(value: object) -> int:
    """A Modbus unit id. Raises InputError (R-108)."""
    value = _whole(value)
    low, high = constants.UNIT_ID_MIN.number, constants.UNIT_ID_MAX.number
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError("unit_id", value, f"a whole number from {low} to {high}", "R-108")
    return value


def _mapping(option: str, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InputError(option, value, "a dictionary", "design 4.0", secret=option == "credentials")
    return value or {}


def check_ports(ports: Mapping[str, Any] | None, family: str = "pm5000") -> dict[str, int]:
    """The documented ports of this family, with the given ones in their place. Raises InputError.

    Ports of other families' services are checked and left out: one variable may serve a mixed fleet.
    """
    merged = default_ports(family)
    for name, port in _mapping("ports", ports).items():
        if port is None:
            continue
        if name not in SERVICES:
            raise InputError(f"ports.{name}", port, f"one of the services {', '.join(SERVICES)}", "R-097")
        port = _whole(port)
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise InputError(f"ports.{name}", port, "a port from 1 to 65535", "R-097")
        if name in merged:
            merged[name] = port
    return merged


def check_timeouts(timeouts: Mapping[str, Any] | None) -> Timeouts:
    """Seconds for one connect and one answer. Raises InputError."""
    given = {name: value for name, value in _mapping("timeouts", timeouts).items() if value is not None}
    for name, value in given.items():
        if name not in ("connect", "read"):
            raise InputError(f"timeouts.{name}", value, "one of the time limits connect, read", "design 4.0")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 600:
            raise InputError(f"timeouts.{name}", value, "seconds, more than 0 and at most 600", "design 4.0")
    return Timeouts(**{name: float(value) for name, value in given.items()})


def check_tls(tls: Mapping[str, Any] | None) -> Tls:
    """How the certificate is judged; a fingerprint in any usual spelling. Raises InputError (F-31)."""
    given = {name: value for name, value in _mapping("tls", tls).items() if value is not None}
    for name, value in given.items():
        if name not in ("ca_file", "fingerprint", "legacy"):
            raise InputError(f"tls.{name}", value, "one of ca_file, fingerprint, legacy", "F-31")
    if "legacy" in given and not isinstance(given["legacy"], bool):
        raise InputError("tls.legacy", given["legacy"], "true or false", "F-31")
    if "ca_file" in given and not isinstance(given["ca_file"], str):
        raise InputError("tls.ca_file", given["ca_file"], "the path of a file", "F-31")
    if "fingerprint" in given:
        folded = re.sub(r"[:\s]", "", str(given["fingerprint"])).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", folded):
            raise InputError("tls.fingerprint", given["fingerprint"], "the SHA-256 of the certificate, 64 hexadecimal digits", "F-31")
        given["fingerprint"] = folded
        if "ca_file" in given:
            raise InputError("tls.ca_file", given["ca_file"], "either a CA file or a pinned fingerprint, not both", "F-31")
    return Tls(**given)


def check_credentials(credentials: Mapping[str, Any] | None) -> dict[str, Credential]:
    """Accounts by role: each has a user and a password. Raises InputError without showing any of it."""
    accounts: dict[str, Credential] = {}
    for role, entry in _mapping("credentials", credentials).items():
        known = isinstance(entry, Mapping) and set(entry) <= {"user", "password"}
        if not known or any(isinstance(entry.get(key), bool) or not isinstance(entry.get(key), (str, int)) for key in ("user", "password")):
            raise InputError(f"credentials.{role}", entry, "a dictionary of 'user' and 'password', both text", "design 4.0", secret=True)
        for key in ("user", "password"):
            if any(ord(char) < 32 or ord(char) == 127 for char in str(entry[key])):
                raise InputError(
                    f"credentials.{role}.{key}", None, "text without line breaks or control characters", "design 4.0", secret=True
                )
        accounts[str(role)] = Credential(user=str(entry["user"]), password=str(entry["password"]))
    return accounts


def check_attest(attest: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an operator attests, without what is not given. Raises InputError."""
    options = ATTEST_SPEC["attest"]["options"]
    given = {name: value for name, value in _mapping("attest", attest).items() if value is not None}
    for name, value in given.items():
        if name not in options:
            raise InputError(f"attest.{name}", value, f"one of {', '.join(options)}", "design 4.0")
        choices = options[name].get("choices")
        if choices and value not in choices:
            raise InputError(f"attest.{name}", value, f"one of {', '.join(choices)}", "design 4.0")
    used = _whole(given.get("attempts_used", 0))
    if isinstance(used, bool) or not isinstance(used, int) or used < 0:
        raise InputError("attest.attempts_used", used, "a whole number, 0 or more", "R-043")
    if "attempts_used" in given:
        given["attempts_used"] = used
    return given


def target_from(params: Mapping[str, Any], name: str, clock: Clock | None = None) -> Target:
    """The target which these validated options describe; documented values where an option is absent."""
    unit_id = params.get("unit_id")
    family = check_family(params.get("family"))
    return Target(
        name=name,
        host=check_host(params.get("host")),
        ports=check_ports(params.get("ports"), family),
        unit_id=check_unit_id(constants.UNIT_ID.number if unit_id is None else unit_id),
        timeouts=check_timeouts(params.get("timeouts")),
        gateway=params.get("gateway") or None,
        credentials=check_credentials(params.get("credentials")),
        tls=check_tls(params.get("tls")),
        clock=clock or SystemClock(),
        family=family,
        dlms=check_dlms(params) if family == "mcs301" else None,
    )
