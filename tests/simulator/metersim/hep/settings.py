# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The settings of a HEP meter: names, values, and on which firmware they exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from metersim.hep.users import Refused

READ_WRITE = "read_write"
WEB_PORTS = ("web_port_http", "web_port_https")
PORT_CHANGES = (*WEB_PORTS, "web_protocol", "web_server", "ftp", "telnet", "sftp", "ssh", "ion", "ion_tls")
NEVER = 99


@dataclass(frozen=True)
class Setting:
    """One setting: ``kind`` is bool, a range, or words with the generation they begin and end at."""

    default: Any
    kind: Any = bool
    first: int = 0
    last: int = NEVER

    def exists(self, major: int) -> bool:
        """Whether firmware with this first number has it."""
        return self.first <= major <= self.last

    def words(self, major: int) -> list[str]:
        """The words this firmware knows."""
        return [word for word, (first, last) in self.kind.items() if first <= major <= last]


_EVER = (0, NEVER)
SETTINGS: dict[str, Setting] = {
    "modbus_access": Setting("read_only", {"none": (3, NEVER), "read_only": _EVER, READ_WRITE: _EVER}),
    "web_server": Setting(True),
    "web_programming": Setting(False),
    "panel_programming": Setting(True),
    "modbus_programming": Setting(False),
    "time_sync": Setting(True),
    "web_protocol": Setting("", {"http": (0, 2), "https_redirect": (3, NEVER), "https": (3, NEVER), "disabled": _EVER}),
    "web_port_http": Setting(80, (1, 65535)),
    "web_port_https": Setting(443, (1, 65535), first=3),
    "lockout_ion": Setting(0, (0, 255)),
    "lockout_modbus": Setting(0, (0, 255)),
    "lockout_web": Setting(0, (0, 255)),
    "lockout_sftp": Setting(0, (0, 255), first=3),
    "lockout_ssh": Setting(0, (0, 255), first=3),
    "lockout_duration": Setting(30, (1, 1440)),
    "session_timeout_ion": Setting(60, (1, 43200)),
    "ftp": Setting(True, last=2),
    "sftp": Setting(True, first=3),
    "ssh": Setting(False, first=3),
    "ion": Setting(True),
    "ion_tls": Setting(True, first=4),
    "telnet": Setting(True, last=2),
    "event_cutoff": Setting(5, (0, 255)),
    "priority_login": Setting(0, (0, 255)),
    "priority_invalid_login": Setting(128, (0, 255)),
    "priority_lockout": Setting(255, (0, 255)),
}


def factory(major: int) -> dict[str, Any]:
    """What a new meter with this firmware is set to."""
    values = {name: item.default for name, item in SETTINGS.items() if item.exists(major)}
    values["web_protocol"] = "https_redirect" if major >= 3 else "http"
    return values


def check(name: str, value: Any, major: int) -> Any:
    """One value as the meter keeps it. Raises Refused."""
    item = SETTINGS.get(name)
    if item is None:
        raise Refused(f"value:{name}")
    if not item.exists(major):
        raise Refused("option_not_available")
    if item.kind is bool:
        good = isinstance(value, bool)
    elif isinstance(item.kind, dict):
        if value in item.kind and value not in item.words(major):
            raise Refused("option_not_available")
        good = value in item.kind
    else:
        low, high = item.kind
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not good:
        raise Refused(f"value:{name}")
    return value


def together(new: dict[str, Any], old: dict[str, Any], mode: str, taken: set[int]) -> None:
    """Rules between settings; ``taken`` are the numbers of the meter's other ports. Raises Refused."""
    changed = {name for name, value in new.items() if old.get(name) != value}
    now = {**old, **new}
    if mode != "advanced" and ("modbus_programming" in changed or ("time_sync" in changed and not now["time_sync"])):
        raise Refused("option_not_available")
    if "web_programming" in changed and now["web_programming"] and not now["web_server"]:
        raise Refused("value:web_programming")
    ports = [now[name] for name in WEB_PORTS if name in now]
    for name in WEB_PORTS:
        if name in changed and (now[name] in taken or ports.count(now[name]) > 1):
            raise Refused(f"value:{name}")
