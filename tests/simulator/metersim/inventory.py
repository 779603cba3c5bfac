# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The Ansible inventory that belongs to a running fleet."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metersim import tables
from metersim.fleet import Fleet
from metersim.meter import Meter

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter
    from metersim.mcs301.meter import Mcs301


def build(fleet: Fleet) -> dict[str, Any]:
    """Inventory as a mapping: one group ``meters``."""
    group_vars: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    if fleet.spec.clock_factor != 1:
        group_vars["metering_timing"] = {"clock_factor": fleet.spec.clock_factor}
    hosts = {meter.name: _any_host(fleet, meter) for meter in fleet.meters.values()}
    return {"meters": {"hosts": hosts, "vars": group_vars}}


def _any_host(fleet: Fleet, meter: Meter | Mcs301 | HepMeter) -> dict[str, Any]:
    if isinstance(meter, Meter):
        return _host(fleet, meter)
    from metersim.hep.meter import HepMeter

    return _hep_host(meter) if isinstance(meter, HepMeter) else _dlms_host(meter)


def _hep_host(meter: HepMeter) -> dict[str, Any]:
    host: dict[str, Any] = {
        "ansible_host": meter.address,
        "metering_family": "hep",
        "metering_ports": {name: meter.own_port(name) for name in meter.services},
        "metering_unit_id": meter.unit_id,
        "metering_credentials": {"admin": meter.spec.hep.login or _hep_admin(meter)},
        "metering_attest": _signed({}, meter.spec.attest),
        "metering_profile": meter.spec.surface,
        "metering_web_profile": meter.spec.surface,
    }
    if meter.major >= 3:
        from metersim import certs  # heavy import, and bulk fleets do without

        host["metering_tls"] = {"fingerprint": certs.now_shown(meter).fingerprint}
    host.update(meter.spec.vars)
    return host


def _hep_admin(meter: HepMeter) -> dict[str, str]:
    """The login that the owner of such a meter would use."""
    if meter.mode in ("none", "standard"):
        return {"user": meter.model_number, "password": meter.numeric_password}
    name = "USER1" if meter.mode == "legacy_support" else meter.users.admins()[0]
    user = meter.users.get(name)
    return {"user": name, "password": user.password if user else ""}


def _host(fleet: Fleet, meter: Meter) -> dict[str, Any]:
    host: dict[str, Any] = {
        "ansible_host": meter.address,
        "metering_ports": {name: meter.own_port(name) for name in ("modbus", "ftp", "http", "https")},
        "metering_unit_id": meter.unit_id,
        "metering_credentials": _credentials(meter),
        "metering_attest": _attest(meter),
    }
    if "http" in meter.spec.services:
        from metersim import certs  # heavy import, and bulk fleets do without

        host["metering_tls"] = {"fingerprint": certs.now_shown(meter).fingerprint}
    old, new = (fleet.spec.profiles[meter.surface.name + tail] for tail in ("", "_new"))
    host["metering_profile"] = old if meter.generation == tables.LEGACY else new
    host["metering_web_profile"] = new
    host.update(meter.spec.vars)
    return host


def _dlms_host(meter: Mcs301) -> dict[str, Any]:
    words: dict[str, Any] = {
        "client": 1,
        "server": 1,
        "authentication": "hls_gmac",
        "protection": "authenticated_encrypted",
        "security_suite": 0,
        "system_title": meter.spec.dlms.client_title,
        **meter.spec.dlms.access,
    }
    keys = {name: key.hex() for name, key in meter.security.keys.items()}
    host: dict[str, Any] = {
        "ansible_host": meter.address,
        "metering_family": "mcs301",
        "metering_ports": {"dlms": meter.own_port("dlms")},
        "metering_dlms": {key: value for key, value in words.items() if value is not None},
        "metering_dlms_keys": {**keys, "lls": meter.secrets[words["client"] if words["client"] in meter.secrets else 1].decode()},
    }
    host["metering_attest"] = _signed({}, meter.spec.attest)
    host.update(meter.spec.vars)
    return host


def _credentials(meter: Meter) -> dict[str, dict[str, str]]:
    """The present logins, and the Administrator's that will hold with new firmware."""
    accounts = {role: dict(account) for role, account in meter.accounts().items()}
    accounts.setdefault("administrator", dict(meter.new_accounts()["administrator"]))
    return accounts


def _attest(meter: Meter) -> dict[str, Any]:
    """What a person would have written down about this meter."""
    words: dict[str, Any] = {}
    if tables.band_of(meter.model).lockable and not meter.locked:
        words["mid_lock"] = "unlocked"
    if tables.attempt_limit(meter.model, meter.firmware) is not None:
        words["attempts_used"] = meter.spec.attempts_used
    words["ip_mode"] = meter.spec.ip_mode
    return _signed(words, meter.spec.attest)


def _signed(words: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What holds for every meter, with name and time; the fleet file has the last word."""
    words["power_source"] = "uninterrupted"
    words["critical_control"] = False
    words["by"] = "metersim"
    words["at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words.update(given)
    return {key: value for key, value in words.items() if value is not None}


def write(fleet: Fleet, path: Path) -> None:
    """Write the inventory as YAML: a line for each host variable. The values are JSON, which a fleet of thousands has at once."""
    found = build(fleet)["meters"]
    lines = ["---", "meters:", "  hosts:"]
    for name, host in found["hosts"].items():
        lines += [f"    {_key(name)}:", *(f"      {_key(key)}: {_value(value)}" for key, value in host.items())]
    lines += ["  vars:", *(f"    {_key(key)}: {_value(value)}" for key, value in found["vars"].items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _key(name: str) -> str:
    """A name as YAML takes it for text: quoted where it could be read as a number or a truth value."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{2,}", name) and name.lower() not in ("yes", "off", "true", "false", "null")
    return name if plain else _value(name)
