# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The exact task that would mend a failed control of an audit, and the playbook that does it for the whole fleet; pure.

A control without one needs a person: another baseline, a waiver, somebody on site. No secret is ever in a task, only the variable that
holds it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ..base.errors import InputError
from ..catalogue import accept, identifiers
from ..catalogue.models import MCS301, find_model
from ..catalogue.versions import Version
from ..planning.paths import PathResult, plan_path
from ..reporting.document import Meter, Result
from ..security import capabilities
from ..security.wanted import wanted_from

UPGRADE, HARDEN = "gridops.metering.upgrade", "gridops.metering.harden"
FIRMWARE, SECURITY = "gridops.metering.meter_firmware", "gridops.metering.meter_security"
_FIRMWARE_IDS = frozenset({"firmware_minimum", "firmware_target", "firmware_forbidden", "firmware_advisory"})
#: Where the option of a flat setting is in the desired-state document; the others are options of their own name.
_PLACES: Mapping[str, tuple[str, ...]] = {
    **{name: ("web", name.removeprefix("web_")) for name in ("web_server", "web_programming", "web_protocol")},
    **{name: ("web", "ports", name.removeprefix("web_port_")) for name in ("web_port_http", "web_port_https")},
    **{name: ("modbus", name.removeprefix("modbus_")) for name in ("modbus_access", "modbus_programming")},
    **{f"lockout_{name}": ("lockout", "attempts", name) for name in ("ion", "modbus", "web", "sftp", "ssh")},
    **{name: ("services", name) for name in ("ftp", "sftp", "ssh", "ion", "ion_tls", "telnet")},
    **{f"priority_{name}": ("event_log", "priorities", name) for name in ("login", "invalid_login", "lockout")},
    **{name: (name,) for name in ("mode", "panel_programming", "time_sync", "ip_filter")},
    "lockout_duration": ("lockout", "duration"),
    "session_timeout_ion": ("session_timeout", "ion"),
    "event_cutoff": ("event_log", "cutoff"),
}


def fix(result: Result, meter: Meter, asked: bool = True) -> dict[str, Any] | None:
    """{playbook, task} for a failed control, with ``runs`` where the task is needed more than once; None where no run mends it.

    ``asked`` False: the baseline does not ask for this, so no playbook of ours changes it.
    """
    if result["state"] != "fail" or not asked or not meter["family"]:
        return None
    base, rest = result["id"].partition(":")[::2]
    if base in _FIRMWARE_IDS:
        return _firmware(result, meter)
    if base == "component":
        return _component(result, meter, rest)
    options = _of_dlms(base, result) if meter["family"] == MCS301 else _of_settings(base, rest, result, meter)
    if options is None:
        return None
    return {"playbook": HARDEN, "task": {"name": f"Mend {result['id']} of {meter['name']}", SECURITY: options}}


def asked_ids(document: Mapping[str, Any], family: str) -> frozenset[str]:
    """The ids of the controls that a meter's part of a baseline asks for (``security.baseline.document``); the others are only compared.

    Users whom ``users_exclusive`` removes are asked for as well, and have no id before they are seen: ``user:*``. Raises InputError.
    """
    if family == MCS301:
        wanted = {"policy": document.get("policy") is not None, "clock": document.get("clock") == "set"}
        wanted["image_transfer_enabled"] = document.get("image_transfer_enabled") is False
        return frozenset(name for name, is_asked in wanted.items() if is_asked)
    found = wanted_from({**document, "marks_key": "0" * 32}, family)
    return capabilities.asked(found) | ({"user:*"} if found.exclusive else set())


# -- firmware ---------------------------------------------------------------------------------------------------------


@functools.cache
def way(model: str, source: str, target: str) -> PathResult | None:
    """The documented way between two versions; None where one of them, or the model, is not known."""
    try:
        known = find_model(model)
        parse = identifiers.canonical if known.family == MCS301 else Version.parse
        return plan_path(known, parse(source), parse(target))
    except InputError:
        return None


def _firmware(result: Result, meter: Meter) -> dict[str, Any] | None:
    """Towards the target of the baseline, else the least version that this control wants."""
    target = meter["target"] or (result["want"] if isinstance(result["want"], str) else "")
    path = way(meter["model"], meter["firmware"], target)
    if path is None or not path.supported or not path.hops:
        return None
    words = sorted({word for hop in path.hops for word in hop.accept})
    options: dict[str, Any] = {"version": target, "method": path.hops[0].method, "artifacts": "{{ metering_artifacts }}"}
    return _upgrade(result, meter, {**options, **({"accept": words} if words else {})}, len(path.hops))


def _component(result: Result, meter: Meter, component: str) -> dict[str, Any] | None:
    """The part of an MCS301; the one under legal metrology needs its own word (R-214)."""
    target = result["want"]
    if not isinstance(target, str) or not component.isdigit():
        return None
    path = way(meter["model"], str(result["have"] or ""), target)
    if path is None or not path.supported or not path.hops:
        return None
    words = {word for hop in path.hops for word in hop.accept} | ({accept.WORDS["legally_relevant"].name} if component == "0" else set())
    options: dict[str, Any] = {"version": target, "component": int(component), "artifacts": "{{ metering_artifacts }}"}
    return _upgrade(result, meter, {**options, **({"accept": sorted(words)} if words else {})}, 1)


def _upgrade(result: Result, meter: Meter, options: dict[str, Any], runs: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "playbook": UPGRADE,
        "task": {"name": f"Upgrade {meter['name']} to {options['version']} ({result['id']})", FIRMWARE: options},
    }
    return {**found, "runs": runs} if runs > 1 else found


# -- security ---------------------------------------------------------------------------------------------------------


def _of_dlms(base: str, result: Result) -> dict[str, Any] | None:
    """Options of a DLMS meter; what has no remedy in the control is left alone by a run as well."""
    if not result.get("remedy"):
        return None
    if base == "policy":
        return {"policy": result["want"], "accept": ["irreversible"]}
    others: dict[str, dict[str, Any]] = {"image_transfer_enabled": {"image_transfer_enabled": False}, "clock": {"clock": "set"}}
    return others.get(base)


def _of_settings(base: str, subject: str, result: Result, meter: Meter) -> dict[str, Any] | None:
    if base == "user":
        return _user(subject, result)
    if base == "account":
        renamed = isinstance(result["have"], str) and "," not in result["have"] and result["have"] != "nobody"
        return {"accounts": {subject: {"user": result["want"]}}} if renamed else None
    place = _PLACES.get(base)
    if place is None or not result.get("remedy") or result["remedy"].startswith("an upgrade"):
        return None
    options: dict[str, Any] = {}
    inner = options
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = result["want"]
    return options


def _user(name: str, result: Result) -> dict[str, Any] | None:
    """Permissions and presence; a user who is not there is made with the password of the vault."""
    if result["want"] == "absent":
        return {"users": [{"name": name, "state": "absent"}]}
    if not isinstance(result["want"], list) or result.get("remedy", "").startswith("users["):
        return None
    user: dict[str, Any] = {"name": name, "permissions": result["want"]}
    if result["have"] == "absent":
        user["password"] = f"{{{{ metering_passwords['{name}'] }}}}"
    return {"users": [user]}


__all__ = ["FIRMWARE", "HARDEN", "SECURITY", "UPGRADE", "asked_ids", "fix", "way"]
