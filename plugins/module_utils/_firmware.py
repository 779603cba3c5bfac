# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_firmware: the argument specification, and their meaning, checked before any contact."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ._argspec import ATTEST_SPEC, CONNECTION_SPEC, check_family, merge_specs
from ._engine.base.errors import InputError
from ._engine.catalogue import accept, constants, enums, identifiers
from ._engine.catalogue.models import MCS301
from ._engine.catalogue.versions import Version
from ._engine.planning.prechecks_ion import CONSUMERS, TRANSPORTS

ACTIVATE = ("now", "at", "never")
METHODS = ("ftp", "tool", "web", "ion", "dlms")
TIMINGS: dict[str, constants.Constant] = {
    "settle": constants.SETTLE,
    "card_reset": constants.CARD_RESET,
    "resume": constants.RESUME,
    "retry_hold": constants.RETRY_HOLD,
    "stall": constants.STALL,
    "hard_timeout": constants.HARD_TIMEOUT,
}

FIRMWARE_SPEC: dict[str, Any] = merge_specs(
    CONNECTION_SPEC,
    ATTEST_SPEC,
    {
        "version": {"type": "str"},
        "component": {"type": "int"},
        "activate": {"type": "str", "choices": list(ACTIVATE), "default": "now"},
        "activate_at": {"type": "str"},
        "fill_gaps": {"type": "bool", "default": False},
        "service": {"type": "str", "choices": list(enums.DLMS_SERVICES), "default": enums.DLMS_SERVICE_DEFAULT},
        "artifacts": {"type": "path"},
        "method": {"type": "str", "choices": list(METHODS)},
        "profile": {"type": "str"},
        "web_profile": {"type": "str"},
        "web_session": {
            "type": "dict",
            "no_log": True,
            "options": {"cookies": {"type": "dict", "default": {}}, "headers": {"type": "dict", "default": {}}},
        },
        "login_helper": {"type": "list", "elements": "str", "default": []},
        "tool_mode": {"type": "str", "choices": ["manual", "command"]},
        "tool": {
            "type": "dict",
            "options": {
                "host": {"type": "str"},
                "command": {"type": "list", "elements": "str"},
                "version": {"type": "str"},
                "review": {"type": "list", "elements": "str"},
                "ping": {"type": "list", "elements": "str"},
                "handover_dir": {"type": "str"},
                "logs_to": {"type": "path"},
                "exit_ok": {"type": "list", "elements": "int", "default": [0]},
                "encoding": {"type": "str"},
            },
        },
        "ion": {
            "type": "dict",
            "options": {
                "setup_version": {"type": "str"},
                "host": {"type": "str"},
                "command": {"type": "list", "elements": "str"},
                "review": {"type": "list", "elements": "str"},
                "handover_dir": {"type": "str"},
                "logs_to": {"type": "path"},
                "exit_ok": {"type": "list", "elements": "int", "default": [0]},
                "exit_reasons": {"type": "dict"},
                "encoding": {"type": "str"},
                "transport": {"type": "str", "choices": list(TRANSPORTS)},
                "gateway_model": {"type": "str"},
                "baud": {"type": "int"},
            },
        },
        "consumers": {"type": "list", "elements": "str", "choices": list(CONSUMERS), "default": []},
        "security_profile": {"type": "str"},
        "wait": {"type": "float", "default": 0.0},
        "strict_matrix": {"type": "bool", "default": False},
        "accept": {"type": "list", "elements": "str", "default": []},
        "attempts_reserve": {"type": "int"},
        "retries": {"type": "int"},
        "concurrency": {"type": "int"},
        "verify_upload": {"type": "str", "choices": ["read_back", "size"], "default": "read_back"},
        "search": {"type": "list", "elements": "str", "default": []},
        "timing": {
            "type": "dict",
            "options": {
                **{name: {"type": "float"} for name in TIMINGS},
                "lease_wait": {"type": "float"},
                "clock_factor": {"type": "float"},
            },
        },
        "check_login": {"type": "bool", "default": False},
        "marks_key": {"type": "str", "no_log": True},
        "on_failure": {"type": "str", "choices": ["fail", "record"], "default": "fail"},
        "silent": {"type": "str", "choices": ["fail", "park"], "default": "fail"},
        "retry": {"type": "bool", "default": False},
        "expect": {
            "type": "dict",
            "options": {"serial": {"type": "str"}, "versions": {"type": "list", "elements": "str"}, "artifact": {"type": "str"}},
        },
        "campaign": {"type": "str", "default": "adhoc"},
        "plan_digest": {"type": "str"},
        "records": {"type": "str"},
        "progress_dir": {"type": "path"},
    },
)


@dataclass(frozen=True)
class Rules:
    """What the options mean once they are checked; durations in meter seconds.

    ``version`` is text for families whose versions are identifiers. ``activate_at`` is an ISO time in UTC, empty unless asked for.
    """

    version: Version | str
    accept: frozenset[str]
    attest: Mapping[str, Any]
    reserve: int
    retries: int
    cap: int
    waits: Mapping[str, float]
    settle: float
    lease_wait: float
    clock_factor: float
    search: tuple[str, ...]
    park: bool = False
    retry: bool = False
    expect: Mapping[str, Any] = field(default_factory=dict)
    component: int | None = None
    activate: str = "now"
    activate_at: str = ""


def check_rules(params: Mapping[str, Any], host: str) -> Rules:
    """The meaning of the options. Raises InputError before anything is contacted."""
    for name in ("version", "artifacts"):
        if not params.get(name):
            raise InputError(
                name, None, {"version": "the wanted firmware version, such as 2.9.9", "artifacts": "the artifact folder"}[name], "R-006"
            )
    timing = {name: value for name, value in (params.get("timing") or {}).items() if value is not None}
    factor = timing.get("clock_factor", 1.0)
    if not math.isfinite(factor):  # neither clock nor waiter would ever compare with it
        raise InputError("timing.clock_factor", factor, "a number, 1 or more", "G-22")
    waits = {name: _wait(name, timing.get(name), constant, host) for name, constant in TIMINGS.items()}
    opaque = check_family(params.get("family")) == MCS301
    return Rules(
        version=identifiers.canonical(params["version"]) if opaque else _version(params["version"]),
        accept=accept.check_words(params["accept"]),
        attest=_attest(params.get("attest")),
        reserve=_bounded("attempts_reserve", params.get("attempts_reserve"), constants.ATTEMPTS_RESERVE_DEFAULT.number, 0, 25, "R-044"),
        retries=_bounded(
            "retries", params.get("retries"), constants.MAX_RETRIES_DEFAULT.number, 0, constants.MAX_RETRIES_DEFAULT.number, "R-092"
        ),
        cap=_bounded(
            "concurrency",
            params.get("concurrency"),
            constants.UNDOCUMENTED_CAP_DEFAULT.number,
            1,
            constants.UNDOCUMENTED_CAP_CEILING.number,
            "G-18",
        ),
        waits=waits,
        settle=waits["settle"],
        lease_wait=_seconds("lease_wait", timing.get("lease_wait"), constants.LEASE_WAIT.number),
        clock_factor=factor,
        search=_networks(params["search"]),
        park=params.get("silent") == "park",
        retry=bool(params.get("retry")),
        expect=_expect(params.get("expect"), opaque),
        **_image(params, opaque),
    )


def _image(params: Mapping[str, Any], dlms: bool) -> dict[str, Any]:
    """The options of the image transfer; other methods install at once, so that anything else is refused for them."""
    component, activate, at = params.get("component"), params.get("activate") or "now", params.get("activate_at")
    if not dlms:
        for name, value, usual in (("component", component, None), ("activate", activate, "now"), ("activate_at", at, None)):
            if value != usual:
                raise InputError(name, value, "nothing, because only meters of the family mcs301 know it", "R-228")
        return {}
    if params.get("service") not in (None, enums.DLMS_SERVICE_DEFAULT):
        raise InputError("service", params["service"], "unicast; multicast is for a later release", "G-20, R-220")
    if component is not None and not constants.DLMS_B_METROLOGY.number <= component <= constants.DLMS_B_OTHER_MAX.number:
        raise InputError("component", component, "0 for metrology, 1 for the application, 2 to 9 for other parts", "R-216")
    if (activate == "at") != bool(at):
        accepted = "a time with zone, with activate: at" if activate == "at" else "nothing without activate: at"
        raise InputError("activate_at", at, accepted, "R-204")
    return {"component": component, "activate": activate, "activate_at": _moment(at) if at else ""}


def _moment(text: str) -> str:
    """A time with its zone, in UTC. One that is over is no mistake: the run after the activation gives the same options again."""
    try:
        moment = datetime.fromisoformat(str(text).strip())
        told = moment.astimezone(UTC).isoformat(timespec="seconds") if moment.tzinfo is not None else ""
    except (ValueError, OverflowError):  # the first or last day there is, in another zone
        told = ""
    if not told:
        raise InputError("activate_at", text, "a time with its zone, such as 2026-11-22T02:30:00+01:00", "R-204")
    return told


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except InputError as error:
        raise InputError("version", text, error.accepted, error.rule) from None


def _expect(given: Mapping[str, Any] | None, opaque: bool = False) -> dict[str, Any]:
    """What the reviewed plan says of this meter, versions in one spelling (R-116)."""
    expect = {name: value for name, value in (given or {}).items() if value is not None}
    try:
        parse = identifiers.canonical if opaque else Version.parse
        expect["versions"] = [str(parse(text)) for text in expect.get("versions", ())]
    except InputError as error:
        raise InputError("expect.versions", given, error.accepted, error.rule) from None
    return expect


def _attest(given: Mapping[str, Any] | None) -> dict[str, Any]:
    attest = {name: value for name, value in (given or {}).items() if value is not None}
    used = attest.get("attempts_used", 0)
    if used < 0:
        raise InputError("attest.attempts_used", used, "0 or more", "R-043")
    return attest


def _bounded(name: str, value: int | None, default: int, low: int, high: int, rule: str) -> int:
    if value is None:
        return default
    if not low <= value <= high:
        raise InputError(name, value, f"a number from {low} to {high}", rule)
    return value


def _wait(name: str, value: float | None, constant: constants.Constant, host: str) -> float:
    """A documented wait may be made longer, never shorter, except against loopback addresses (G-22)."""
    if value is None:
        return float(constant.number)
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"timing.{name}", value, "seconds above 0", constant.rules[0])
    return value if _is_loopback(host) else constant.check(value, f"timing.{name}")


def _seconds(name: str, value: float | None, default: float) -> float:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise InputError(f"timing.{name}", value, "0 or more seconds", "design 4.3")
    return float(default if value is None else value)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _networks(given: list[str]) -> tuple[str, ...]:
    limit, total = constants.SEARCH_LIMIT.number, 0
    for text in given:
        try:
            total += ipaddress.ip_network(text, strict=False).num_addresses
        except ValueError:
            raise InputError("search", text, "a network such as 10.0.4.0/24", "R-032") from None
    if total > limit:
        raise InputError("search", total, f"networks of at most {limit} addresses in all", "R-032")
    return tuple(given)
