# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the documents recommend of each setting that nobody asked for: looked at and reported, never changed by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import constants
from .models import HEP, PM5000


@dataclass(frozen=True)
class Recommended:
    """One recommendation: values out of ``among``, or numbers from ``least`` on. ``remedy`` is the option that would change it."""

    setting: str
    want: str
    rule: str
    bad: str
    remedy: str
    among: tuple[Any, ...] = ()
    least: int | None = None
    families: tuple[str, ...] = (HEP,)

    def met(self, value: Any) -> bool:
        """Whether a seen value is as recommended."""
        if self.least is not None:
            return isinstance(value, int) and value >= self.least
        return value in self.among


def _lockout(protocol: str) -> Recommended:
    return Recommended(
        f"lockout_{protocol}",
        "1 or more",
        "R-344",
        f"passwords can be tried over {protocol} without end",
        f"lockout.attempts.{protocol}",
        least=1,
    )


def _off(setting: str, bad: str, remedy: str, families: tuple[str, ...] = (HEP,)) -> Recommended:
    return Recommended(setting, "off", "R-376", bad, remedy, (False,), families=families)


_LOGGED = constants.EVENT_PRIORITY_LOGGED.number
RECOMMENDED: dict[str, Recommended] = {
    item.setting: item
    for item in (
        Recommended(
            "modbus_access",
            "none or read_only",
            "R-376",
            "anyone who reaches the meter may set its basic parameters over Modbus",
            "modbus.access",
            ("none", "read_only"),
        ),
        Recommended(
            "web_protocol",
            "https_redirect, https or disabled",
            "R-236",
            "passwords and pages go over the network in clear",
            "web.protocol",
            ("https_redirect", "https", "disabled"),
            families=(HEP, PM5000),
        ),
        _off("web_programming", "the meter can be set over its webpages", "web.programming"),
        _off("panel_programming", "the meter can be set at its display", "panel_programming"),
        _off("modbus_programming", "the meter can be set over Modbus", "modbus.programming"),
        _off("ftp", "files and passwords go over the network in clear", "services.ftp", (HEP, PM5000)),
        _off("telnet", "passwords go over the network in clear", "services.telnet"),
        _off("ssh", "a terminal is open to the network", "services.ssh"),
        *(_lockout(protocol) for protocol in ("ion", "modbus", "web", "sftp", "ssh")),
        Recommended(
            "priority_invalid_login",
            f"{_LOGGED} or more",
            "R-273",
            "failed logins are not logged",
            "event_log.priorities.invalid_login",
            least=_LOGGED,
        ),
        Recommended(
            "priority_lockout", f"{_LOGGED} or more", "R-273", "lockouts are not logged", "event_log.priorities.lockout", least=_LOGGED
        ),
    )
}
#: The mode that the documents recommend (R-254, R-298, R-305).
MODE = "advanced"
#: The rules of settings that a baseline may ask for and that the documents recommend nothing of; R-376 for the others.
RULES = {
    "web_server": "R-267",
    "time_sync": "R-271",
    "web_port_http": "R-404",
    "web_port_https": "R-404",
    "lockout_duration": "R-346",
    "session_timeout_ion": "R-345",
    "event_cutoff": "R-273",
    "priority_login": "R-273",
}
