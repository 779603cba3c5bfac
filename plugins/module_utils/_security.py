# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options and results of meter_security and meter_security_info."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._argspec import CONNECTION_SPEC, merge_specs
from ._engine.base.errors import InputError
from ._engine.base.target import DlmsKeys, Target
from ._engine.catalogue import reasons
from ._engine.meters.cosem import rights_report
from ._engine.security import controls_dlms as judging
from ._engine.security.desired import CLOCK, POLICY_WORDS, UPDATE_SECRET, desired_from
from ._engine.security.desk import Desk
from ._engine.security.dlms import KeyLedger, Report, SecurityRun, Way
from ._engine.security.review import expected
from ._engine.wire.dlms.counters import CounterStore
from ._engine.wire.dlms.session import Session, public
from ._security_settings import SETTINGS_INFO_SPEC, SETTINGS_SPEC, passwords_in, sentence

#: Families whose security is looked after over DLMS objects; the others are in ``_security_settings``.
FAMILIES = ("mcs301",)

_BASELINE: dict[str, Any] = {
    "policy": {"type": "str", "choices": list(POLICY_WORDS)},
    "clock_tolerance": {"type": "float"},
    "public_objects": {"type": "int"},
    "records": {"type": "str"},
    "accept": {"type": "list", "elements": "str", "default": []},
}

INFO_SPEC: dict[str, Any] = merge_specs(CONNECTION_SPEC, _BASELINE, SETTINGS_INFO_SPEC)

SECURITY_SPEC: dict[str, Any] = merge_specs(
    CONNECTION_SPEC,
    _BASELINE,
    SETTINGS_SPEC,
    {
        "lls_secret": {
            "type": "dict",
            "no_log": True,
            "options": {"client": {"type": "int", "required": True}, "value": {"type": "raw", "required": True, "no_log": True}},
        },
        "update_secret": {"type": "str", "choices": [*UPDATE_SECRET, "if_expired"], "default": "always", "no_log": False},
        "new_keys": {"type": "dict", "no_log": True},
        "probe": {"type": "bool", "default": True},
        "image_transfer_enabled": {"type": "bool"},
        "clock": {"type": "str", "choices": list(CLOCK), "default": "report"},
        "campaign": {"type": "str", "default": "adhoc"},
        "expect": {
            "type": "dict",
            "options": {"serial": {"type": "str", "required": True}, "changes": {"type": "list", "elements": "dict", "required": True}},
        },
    },
)

#: Options that hold secrets beside those of the connection.
SECRET_OPTIONS = ("lls_secret", "new_keys", "marks_key", "users", "accounts")


def check_family(family: str) -> None:
    """Only families whose security this release covers. Raises InputError, before any contact."""
    if family not in FAMILIES:
        covered = f"{', '.join(FAMILIES)} where it runs on another host: the records of logins are on the control node"
        raise InputError("family", family, covered, "design 2")


def run_on(
    target: Target, params: Mapping[str, Any], counters: CounterStore, ledger: KeyLedger, desk: Desk, *, change: bool, check: bool
) -> Report:
    """One run against one meter. Raises InputError before any contact, DeviceError where nothing could be read."""
    check_family(target.family)
    dlms = target.dlms
    if dlms is None:
        raise TypeError("no association")
    desired = desired_from(params, dlms, change)
    reset = "counter_reset" in desired.accept

    def connect(keys: DlmsKeys, fresh: bool) -> Session:
        return Session(target, counters, client=replace(dlms, keys=keys), stage="security", accept_reset=reset or fresh)

    way = Way(connect, lambda: public(target), time.time)
    login = bool(params.get("check_login"))
    expect = expected(params.get("expect"))
    return SecurityRun(dlms, desired, way, ledger, desk, change=change, check=check, check_login=login, expect=expect).run()


def secrets_of(params: Mapping[str, Any]) -> list[str]:
    """Everything in these options that must never be shown, in the spellings that could turn up."""
    found: list[str] = []
    keys, lls = params.get("new_keys"), params.get("lls_secret")
    for value in keys.values() if isinstance(keys, Mapping) else ():
        bare = "".join(char for char in str(value) if char not in " :-")
        found += [str(value), bare.lower(), bare.upper()]
    if isinstance(lls, Mapping) and isinstance(lls.get("value"), str):
        text = lls["value"]
        found += [text, text.removeprefix("hex:"), text.encode("utf-8", "surrogatepass").hex()]
    if isinstance(params.get("marks_key"), str):
        found.append(params["marks_key"])
    found += passwords_in(params)
    return [item for item in dict.fromkeys(found) if item]


def result_of(report: Report) -> dict[str, Any]:
    """A run as a task's result; failed where it did not come to a good end."""
    known = reasons.REASONS.get(report.reason)
    remedy = known.remedy if known else ""
    seen = report.seen
    result: dict[str, Any] = {
        "changed": report.changed,
        "outcome": report.outcome,
        "reason": report.reason,
        "remedy": remedy,
        "text": report.text,
        "msg": sentence(report, remedy),
        "device_text": report.device_text,
        "serial": report.serial,
        "controls": [item.as_dict() for item in report.controls],
        "summary": judging.summary(report.controls),
        "findings": judging.findings(report.controls),
        "prechecks": [item.as_dict() for item in report.prechecks],
        "plan": list(report.planned),
        "needed_accept": list(report.needed),
        "rights": {
            "own": None if seen.objects is None else [dict(item) for item in rights_report(seen.objects)],
            "public": None if seen.public is None else [dict(item) for item in rights_report(seen.public)],
        },
        "associations": [{"obis": item.obis, "client": item.client, "mechanism": item.mechanism} for item in seen.associations],
        "logins": {"refused": report.failed_logins, "probed": report.probed},
        "unread": dict(seen.unread),
    }
    if report.key_states:
        result["key_states"] = dict(report.key_states)
    if report.outcome in ("failed", "blocked"):
        result["failed"] = True
        result["error"] = {"class": "outcome", "stage": "security", "reason": report.reason, "remedy": remedy}
    return result


def info_of(report: Report) -> dict[str, Any]:
    """The same without what only a change has."""
    result = result_of(report)
    for name in ("prechecks", "plan", "needed_accept", "outcome", "logins", "key_states"):
        result.pop(name, None)
    return result


def diff_of(report: Report, host: str) -> dict[str, Any]:
    """Before and after for ``--diff``, without secrets."""
    return {**judging.diff(report.before, report.controls), "before_header": host, "after_header": host}
