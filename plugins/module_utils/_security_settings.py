# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options and results of meter_security and meter_security_info for HEP and PM5000 meters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._argspec import ATTEST_SPEC
from ._engine.catalogue import reasons
from ._engine.security import control
from ._engine.security.diagnosis import OPTION_SPEC
from ._engine.security.wanted import CHANNELS, CONSUMERS, MODES, UNSUPPORTED

if TYPE_CHECKING:  # the run itself is not needed where only the options are, on a jump host
    from ._engine.security.dlms import Report as DlmsReport
    from ._engine.security.settings_session import Report

FAMILIES = ("hep", "pm5000")

#: What an audit compares with. The values of dictionaries are checked by the engine, which names option and rule.
_DOCUMENT: dict[str, Any] = {
    "mode": {"type": "str", "choices": list(MODES)},
    "users": {"type": "list", "elements": "dict", "no_log": True},
    "users_exclusive": {"type": "bool"},
    "accounts": {"type": "dict", "no_log": True},
    "lockout": {"type": "dict"},
    "session_timeout": {"type": "dict"},
    "web": {"type": "dict"},
    "modbus": {"type": "dict"},
    "panel_programming": {"type": "bool"},
    "time_sync": {"type": "bool"},
    "services": {"type": "dict"},
    "ip_filter": {"type": "list", "elements": "str"},
    "event_log": {"type": "dict"},
    "break_glass": {"type": "str"},
    "max_age_days": {"type": "int"},
    "password_strength": {"type": "str", "choices": ["weak", "fair", "strong"], "no_log": False},
    "unsupported": {"type": "str", "choices": list(UNSUPPORTED), "default": "refuse"},
    "waivers": {"type": "list", "elements": "dict"},
    "consumers": {"type": "list", "elements": "str", "choices": list(CONSUMERS)},
    "channel": {"type": "str", "choices": list(CHANNELS), "default": "auto"},
    "profile": {"type": "raw"},
    "security_profile": {"type": "raw"},
    "export": {"type": "dict", "options": {"dir": {"type": "path"}}},
    "default_credentials": {"type": "bool", "default": False},
    "diagnose": OPTION_SPEC,
    "marks_key": {"type": "str", "no_log": True},
    "check_login": {"type": "bool", "default": False},
    **ATTEST_SPEC,
}
SETTINGS_INFO_SPEC: dict[str, Any] = _DOCUMENT
SETTINGS_SPEC: dict[str, Any] = {**_DOCUMENT, "handover_dir": {"type": "path"}}

_GOOD = ("current", "changed", "planned", "reported", "handed_over")


def passwords_in(params: Mapping[str, Any]) -> list[str]:
    """Every password of the document, so that it is masked."""
    found: list[str] = []
    users, accounts = params.get("users"), params.get("accounts")
    for entry in [*(users if isinstance(users, list) else ()), *(accounts.values() if isinstance(accounts, Mapping) else ())]:
        if isinstance(entry, Mapping) and entry.get("password") is not None:
            found.append(str(entry["password"]))
    return found


def settings_result(report: Report) -> dict[str, Any]:
    """A run as a task's result; failed where it did not come to a good end."""
    known = reasons.REASONS.get(report.reason)
    remedy = known.remedy if known else ""
    state = report.state
    result: dict[str, Any] = {
        "changed": report.changed,
        "outcome": report.outcome,
        "reason": report.reason,
        "remedy": remedy,
        "text": report.text,
        "msg": sentence(report, remedy),
        "device_text": report.device_text,
        "serial": state.serial,
        "model": state.model,
        "channel": report.channel,
        "mode": state.mode or "unknown",
        "controls": [item.as_dict() for item in report.controls],
        "summary": control.summary(report.controls),
        "findings": [*control.findings(report.controls), *report.findings],
        "prechecks": [item.as_dict() for item in report.prechecks],
        "plan": list(report.planned),
        "needed_accept": list(report.needed),
        "settings": dict(state.settings),
        "provenance": dict(state.provenance),
        "users": None if state.users is None else [{"name": user.name, "permissions": sorted(user.permissions)} for user in state.users],
        "ports": dict(state.ports),
        "logins": {"refused": report.failed_logins},
        "secrets": report.secrets,
        "notes": report.notes,
        "unread": dict(state.unread),
    }
    optional = {
        "diagnosis": report.diagnosis,
        "events": report.events,
        "handover": report.handover,
        "handover_file": report.handover_file,
        "export_file": report.export_file,
        "retry_after": report.retry_after,
    }
    result.update({name: value for name, value in optional.items() if value})
    if report.outcome not in _GOOD:
        result["failed"] = True
        result["error"] = {"class": "outcome", "stage": "security", "reason": report.reason, "remedy": remedy}
    return result


def settings_info(report: Report) -> dict[str, Any]:
    """The same without what only a change has."""
    result = settings_result(report)
    for name in ("outcome", "prechecks", "plan", "needed_accept", "secrets", "notes", "handover"):
        result.pop(name, None)
    return result


def settings_diff(report: Report, host: str) -> dict[str, Any]:
    """Before and after for ``--diff``; passwords as set and changed only."""
    return {**control.diff(report.before, report.controls), "before_header": host, "after_header": host}


def sentence(report: Report | DlmsReport, remedy: str) -> str:
    """What a run came to, of whatever family."""
    told = f"{report.outcome}{f' ({report.reason})' if report.reason else ''}: {report.text}"
    if report.device_text and report.device_text not in told:
        told += f"; the meter says: {report.device_text}"
    return f"{told}. {remedy}" if remedy else told
