# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A baseline file for a whole fleet, and what it says of one meter: the options of meter_security; pure.

A part for ``all``, one for each family, each generation of its firmware, each model; the narrower part goes before the wider one. Passwords are
never in the file: they come beside it, by user or account group. All faults raise InputError, before any contact.
"""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from ..base.errors import InputError
from ..catalogue.generations import generation as generation_by
from ..catalogue.models import HEP, MCS301, MODELS, PM5000, families, find_model, models_of
from ..catalogue.versions import Version
from .checks import day, mapping
from .wanted import refuse_foreign, wanted_from
from .wanted_users import GROUPS

GENERATIONS = {HEP: ("below 3", "3", "4"), PM5000: ("legacy", "new"), MCS301: ()}
_FAMILY_OF = {
    **{family: family for family in families},
    **{f"{family} {age}": family for family, ages in GENERATIONS.items() for age in ages},
    **{model.name: model.family for model in MODELS},
}
_PLACES = ("all", *_FAMILY_OF)
MODEL_NAMES = frozenset(model.name for model in MODELS)
_SHARED = (
    "services",
    "web",
    "modbus",
    "ip_filter",
    "update_secret",
    "max_age_days",
    "password_strength",
    "channel",
    "unsupported",
    "accept",
)
_OPTIONS = {
    HEP: (
        *_SHARED, "mode", "users", "users_exclusive", "lockout", "session_timeout", "panel_programming", "time_sync", "event_log",
        "break_glass", "consumers",
    ),
    PM5000: (*_SHARED, "accounts"),
    MCS301: ("policy", "clock", "clock_tolerance", "public_objects", "image_transfer_enabled", "update_secret", "accept"),
}  # fmt: skip
#: What a part for all may hold: each family takes what it has.
_ALL = tuple(dict.fromkeys(name for names in _OPTIONS.values() for name in names if name not in ("users", "accounts", "break_glass")))
_PROFILE = ("id", "version", "owner", "valid_until")
#: The parts of a baseline; those besides security, its profile and its waivers are the business of the room ``audit``.
PARTS = ("schema", "profile", "applies_to", "firmware", "security", "attested", "waivers", "evidence")
WAIVER = ("control", "hosts", "reason", "approver", "expires")
_RULE = "rollout 4.2"


def document(
    baseline: Mapping[str, Any],
    host: str,
    family: str,
    generation: str = "unknown",
    passwords: Mapping[str, str] | None = None,
    today: datetime.date | None = None,
    model: str = "",
) -> dict[str, Any]:
    """What the baseline says of one meter, as options of meter_security; of an unknown generation, what holds for all. Raises InputError.

    While the generation is not known the parts of all of them are checked, so that a fault in any is found before a meter is asked.
    """
    for age in GENERATIONS.get(family, ()) if generation == "unknown" else ():
        for name in ("", *(item.name for item in models_of(family) if item.name in (baseline.get("security") or {}))):
            document(baseline, host, family, age, passwords, today, name)
    given = mapping("metering_baseline", baseline, PARTS, _RULE)
    in_force(given.get("profile"), today or datetime.datetime.now(datetime.UTC).date())
    if family not in families:
        raise InputError("family", family, f"one of {', '.join(families)}", _RULE)
    options = _merged(given.get("security"), family, generation, model)
    secrets = {str(name): secret for name, secret in (passwords or {}).items()}
    if family == HEP:
        options = _with_users(options, secrets)
    elif family == PM5000:
        options = _with_accounts(options, secrets, generation)
    waivers = _waivers(given.get("waivers"), host)
    if waivers and family != MCS301:
        options["waivers"] = waivers
    _check(options, family)
    return options


def generation_of(facts: Mapping[str, Any]) -> str:
    """The generation of firmware that facts of a meter tell; ``unknown`` where they do not."""
    firmware = facts.get("firmware")
    try:
        return generation_by(
            find_model(facts.get("model")), Version.parse((firmware if isinstance(firmware, Mapping) else {}).get("version"))
        )
    except InputError:
        return "unknown"


def model_of(facts: Mapping[str, Any]) -> str:
    """The model's name that facts of a meter tell; empty where they do not."""
    try:
        return find_model(facts.get("model")).name
    except InputError:
        return ""


def in_force(given: Any, today: datetime.date) -> dict[str, str]:
    """The profile as text. A baseline has an owner and an end: nobody works by one that was forgotten. Raises InputError."""
    profile = mapping("metering_baseline.profile", given, _PROFILE, _RULE)
    until = profile.get("valid_until")
    if until is not None:
        last = day("metering_baseline.profile.valid_until", until, _RULE)
        if today > last:
            raise InputError("metering_baseline.profile.valid_until", str(last), f"a day from {today} on: review the baseline", _RULE)
    return {name: str(value) for name, value in profile.items()}


def family_of(place: str) -> str:
    """The family that a place of the part security is for; empty for ``all`` and for what is no place."""
    return _FAMILY_OF.get(place, "")


def _merged(given: Any, family: str, generation: str, model: str) -> dict[str, Any]:
    parts = mapping("metering_baseline.security", given, _PLACES, _RULE)
    for place, part in parts.items():
        known = _ALL if place == "all" else _OPTIONS[_FAMILY_OF[place]]
        mapping(f"metering_baseline.security.{place}", part, known, _RULE)
    found: dict[str, Any] = {}
    for place in ("all", family, f"{family} {generation}", model):
        part = mapping(f"metering_baseline.security.{place}", parts.get(place), _ALL + _OPTIONS[family], _RULE)
        found = _over(found, {name: value for name, value in part.items() if name in _OPTIONS[family]})
    if family != MCS301:
        found.setdefault("unsupported", "leave")  # one file is for many kinds of firmware
    return found


def _over(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> dict[str, Any]:
    """The narrower part over the wider one, dictionaries by their keys, lists as a whole."""
    found = dict(wide)
    for name, value in narrow.items():
        before = found.get(name)
        found[name] = _over(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return found


def _with_users(options: dict[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Passwords beside the users they belong to; a password of somebody whom the file does not name keeps his rights."""
    users = options.get("users")
    if users is None and not any(name.casefold().startswith("user") for name in secrets):
        return options
    if users is not None and not isinstance(users, (list, tuple)):
        raise InputError("metering_baseline.security.hep.users", "given", "a list of users", "R-314")
    left = {name.casefold(): (name, secret) for name, secret in secrets.items() if name.casefold().startswith("user")}
    merged = []
    for user in users or ():
        entry = mapping("users", user, ("name", "permissions", "state"), "R-314: passwords are never in a baseline", secret=True)
        found = left.pop(str(entry.get("name")).casefold(), None)
        merged.append({**entry, "password": found[1]} if found and entry.get("state") != "absent" else entry)
    merged += [{"name": name, "password": secret} for name, secret in left.values()]
    return {**options, "users": merged}


def _with_accounts(options: dict[str, Any], secrets: Mapping[str, str], generation: str) -> dict[str, Any]:
    """Passwords of the groups that this firmware has."""
    groups = GROUPS.get(generation, ())
    named = mapping("accounts", options.get("accounts"), sum(GROUPS.values(), ()), _RULE, secret=True)
    accounts = {group: dict(mapping(f"accounts.{group}", item, ("user",), _RULE, secret=True)) for group, item in named.items()}
    for group in groups:
        if group in secrets:
            accounts.setdefault(group, {})["password"] = secrets[group]
    if not accounts:
        return {name: value for name, value in options.items() if name != "accounts"}
    return {**options, "accounts": accounts}


def _waivers(given: Any, host: str) -> list[dict[str, Any]]:
    """The waivers for this meter; ``hosts`` are patterns, all meters unless given."""
    if given is None:
        return []
    if not isinstance(given, (list, tuple)):
        raise InputError("metering_baseline.waivers", "given", "a list of waivers", "R-233")
    found = []
    for item in given:
        entry = mapping("metering_baseline.waivers", item, WAIVER, "R-233")
        hosts = patterns("metering_baseline.waivers.hosts", entry.pop("hosts", None), "R-233")
        if matches(host, hosts):
            found.append({**entry, "expires": str(entry.get("expires", ""))})
    return found


def patterns(option: str, given: Any, rule: str) -> tuple[str, ...]:
    """Names or patterns of meters, all meters where nothing is given. Raises InputError."""
    if given is None:
        return ("*",)
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise InputError(option, given, "a list of names or patterns", rule)
    return tuple(str(item) for item in given)


def matches(host: str, given: Iterable[str]) -> bool:
    """Whether one of these patterns names the meter."""
    return any(fnmatch.fnmatchcase(host, pattern) for pattern in given)


def _check(options: Mapping[str, Any], family: str) -> None:
    """All that can be wrong without a meter. Ages of passwords need a key, which a task has and a file has not."""
    if family == MCS301:
        refuse_foreign(options, family)
        return
    wanted_from({**options, "marks_key": "0" * 32}, family)
