# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The settings of the desired-state document, made flat: options in, ``{setting: value}`` out; pure. All raise InputError."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants, enums
from ..catalogue.models import HEP, PM5000
from .checks import choice, flag, mapping, text, whole

LOCKOUT_PROTOCOLS = ("ion", "modbus", "web", "sftp", "ssh")
SERVICES = ("ftp", "sftp", "ssh", "ion", "ion_tls", "telnet")
_PM5000_SERVICES = ("ftp",)
PRIORITIES = ("login", "invalid_login", "lockout")
#: Ports that a meter itself, or a neighbour of its webpages, needs.
_TAKEN = {
    item.number: item.name.removeprefix("port_")
    for item in (
        constants.PORT_FTP,
        constants.PORT_SSH,
        constants.PORT_IEC61850,
        constants.PORT_MODBUS,
        constants.PORT_DLMS,
        constants.PORT_ION_TLS,
        constants.PORT_ION,
        constants.PORT_MODBUS_RTU,
        constants.PORT_ETHERGATE_1,
        constants.PORT_ETHERGATE_4,
        constants.PORT_DNP3,
    )
}


def settings_from(params: Mapping[str, Any], family: str, mode: str | None) -> dict[str, Any]:
    """Every setting that was asked for, by its flat name. Raises InputError."""
    found = {
        **_web(params.get("web"), family),
        **_modbus(params.get("modbus"), family),
        **_lockout(params.get("lockout")),
        **_sessions(params.get("session_timeout")),
        **_services(params.get("services"), family),
        **_events(params.get("event_log")),
        "panel_programming": flag("panel_programming", params.get("panel_programming"), "R-269"),
        "time_sync": flag("time_sync", params.get("time_sync"), "R-271"),
        "ip_filter": _filter(params.get("ip_filter"), family),
    }
    settings = {name: value for name, value in found.items() if value is not None}
    _needs_advanced(settings, mode)
    return settings


def _web(given: Any, family: str) -> dict[str, Any]:
    """The web server, its protocol and its ports (R-267, R-270, R-394…R-404)."""
    names = ("server", "programming", "protocol", "ports") if family == HEP else ("protocol", "ports")
    entry = mapping("web", given, names, "R-403")
    found = {
        "web_server": flag("web.server", entry.get("server"), "R-267"),
        "web_programming": flag("web.programming", entry.get("programming"), "R-270"),
        "web_protocol": _protocol(entry.get("protocol")),
        **_ports(entry.get("ports")),
    }
    off = found["web_server"] is False or found["web_protocol"] == "disabled"
    if off and found["web_programming"]:
        raise InputError("web.programming", True, "false where the web server is off: it needs an active web server", "R-279, R-280")
    if found["web_server"] and found["web_protocol"] == "disabled":
        raise InputError("web.protocol", "disabled", "https or https_redirect beside web.server: true", "R-396, R-267")
    if found["web_server"] is False and found["web_protocol"] == "disabled":
        raise InputError(
            "web.protocol", "disabled", "one of the two beside web.server: false, since either closes the way to the other", "R-399"
        )
    for name in ("http", "https") if off else ():
        if found[f"web_port_{name}"] is not None:
            raise InputError(f"web.ports.{name}", found[f"web_port_{name}"], "no port where the web server is off", "R-404")
    if found["web_protocol"] == "https" and found.get("web_port_http") is not None:
        raise InputError("web.ports.http", found["web_port_http"], "no port where web.protocol is https: HTTP is closed then", "R-398")
    return found


def _protocol(value: Any) -> str | None:
    """One of three spellings, as one word (G-12); plain HTTP is no protocol to be asked for (R-236)."""
    if value is None:
        return None
    word = enums.web_protocol(value) if isinstance(value, str) else None
    if word not in enums.WEB_PROTOCOLS:
        accepted = f"one of {', '.join(enums.WEB_PROTOCOLS)}; webpages without encryption are never asked for"
        raise InputError("web.protocol", value, accepted, "R-236, R-394")
    return word


def _ports(given: Any) -> dict[str, Any]:
    entry = mapping("web.ports", given, ("http", "https"), "R-404")
    found = {f"web_port_{name}": whole(f"web.ports.{name}", entry.get(name), 1, 65535, "R-404") for name in ("http", "https")}
    for name, port in found.items():
        if port in _TAKEN:
            option = f"web.ports.{name.removeprefix('web_port_')}"
            raise InputError(option, port, f"a port of its own; this one is for {_TAKEN[port]}", "R-404")
    http, https = found["web_port_http"], found["web_port_https"]
    if http is not None and http == https:
        raise InputError("web.ports.https", https, "another port than web.ports.http", "R-404")
    for name, port, other in (("http", http, constants.PORT_HTTPS.number), ("https", https, constants.PORT_HTTP.number)):
        beside = https if name == "http" else http
        if port == other and beside is None:
            raise InputError(f"web.ports.{name}", port, "a port of its own: the other protocol has this one", "R-404")
    return found


def _modbus(given: Any, family: str) -> dict[str, Any]:
    """What Modbus may do (R-268, R-282…R-284)."""
    names = ("access", "programming") if family == HEP else ("access",)
    entry = mapping("modbus", given, names, "R-268")
    access = choice("modbus.access", entry.get("access"), enums.MODBUS_ACCESS, "R-282, R-283, R-284")
    programming = flag("modbus.programming", entry.get("programming"), "R-268")
    if programming and access in ("none", "read_only"):
        raise InputError("modbus.programming", True, f"false beside modbus.access: {access}", "R-268")
    return {"modbus_access": access, "modbus_programming": programming}


def _lockout(given: Any) -> dict[str, Any]:
    """Failed logins before a lockout, by protocol, and how long it lasts (R-344, R-346)."""
    entry = mapping("lockout", given, ("attempts", "duration"), "R-265")
    attempts = mapping("lockout.attempts", entry.get("attempts"), LOCKOUT_PROTOCOLS, "R-344")
    low, high = constants.LOCKOUT_ATTEMPTS_MIN.number, constants.LOCKOUT_ATTEMPTS_MAX.number
    found: dict[str, Any] = {
        f"lockout_{name}": whole(f"lockout.attempts.{name}", attempts.get(name), low, high, "R-344") for name in LOCKOUT_PROTOCOLS
    }
    least, most = constants.LOCKOUT_DURATION_MIN.number, constants.LOCKOUT_DURATION_MAX.number
    found["lockout_duration"] = whole("lockout.duration", entry.get("duration"), least, most, "R-346", "minutes")
    return found


def _sessions(given: Any) -> dict[str, Any]:
    """Only ION has a session timeout, because it has no logout (R-345, R-355)."""
    entry = mapping("session_timeout", given, ("ion",), "R-345")
    low, high = constants.SESSION_TIMEOUT_MIN.number, constants.SESSION_TIMEOUT_MAX.number
    return {"session_timeout_ion": whole("session_timeout.ion", entry.get("ion"), low, high, "R-345", "minutes")}


def _services(given: Any, family: str) -> dict[str, Any]:
    names = SERVICES if family == HEP else _PM5000_SERVICES
    entry = mapping("services", given, names, "R-376")
    return {name: flag(f"services.{name}", entry.get(name), "R-376") for name in names}


def _events(given: Any) -> dict[str, Any]:
    """Cut-off and priorities of the event log; what is at or below the cut-off is not logged (R-273)."""
    entry = mapping("event_log", given, ("cutoff", "priorities"), "R-273")
    most = constants.EVENT_PRIORITY_MAX.number
    cutoff = whole("event_log.cutoff", entry.get("cutoff"), 0, most, "R-273")
    given_priorities = mapping("event_log.priorities", entry.get("priorities"), PRIORITIES, "R-273")
    found: dict[str, Any] = {"event_cutoff": cutoff}
    for name in PRIORITIES:
        found[f"priority_{name}"] = whole(f"event_log.priorities.{name}", given_priorities.get(name), 0, most, "R-273")
    for name in ("invalid_login", "lockout"):
        value = found[f"priority_{name}"]
        if value is not None and value <= max(cutoff or 0, 0):
            option = f"event_log.priorities.{name}"
            raise InputError(option, value, f"a priority above the cut-off {cutoff or 0}: what is not above it is not logged", "R-273")
    return found


def _filter(given: Any, family: str) -> list[str] | None:
    """Addresses that may use the meter, each once, in the order given."""
    if given is None:
        return None
    most = constants.IP_FILTER_MAX.number
    if not isinstance(given, (list, tuple)) or (family == PM5000 and len(given) > most):
        raise InputError("ip_filter", given, f"a list of at most {most} addresses", "wire-schneider 1.7")
    found: list[str] = []
    for item in given:
        shown = text("ip_filter", item, 1, 64, "wire-schneider 1.7")
        try:
            address = str(ipaddress.ip_network(shown or "", strict=True)).removesuffix("/32").removesuffix("/128")
        except ValueError:
            raise InputError("ip_filter", item, "an IP address, or a network such as 192.0.2.0/28", "wire-schneider 1.7") from None
        if address in found:
            raise InputError("ip_filter", item, "each address once", "wire-schneider 1.7")
        found.append(address)
    return found


def _needs_advanced(settings: Mapping[str, Any], mode: str | None) -> None:
    """Modbus programming, and time synchronisation off, exist under Advanced security only (product manual)."""
    if mode in (None, "advanced"):
        return
    if settings.get("modbus_programming") is not None:
        raise InputError("modbus.programming", settings["modbus_programming"], f"nothing beside mode: {mode}; it needs advanced", "R-268")
    if settings.get("time_sync") is False:
        raise InputError("time_sync", False, f"true beside mode: {mode}; switching it off needs advanced", "R-271")
