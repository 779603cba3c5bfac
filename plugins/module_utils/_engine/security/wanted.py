# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The desired-state document of a meter's security, from options, for every family but DLMS meters; pure.

Bad input is refused here, before any contact: one sentence with option, value, what is accepted and the rule. What is not given is
looked at and reported, never changed.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import InputError
from ..catalogue import accept, constants, passwords
from ..catalogue.models import HEP, MCS301, PM5000
from .checks import choice, day, mapping, text, whole
from .desired import marks_key
from .wanted_settings import settings_from
from .wanted_users import WantedAccount, WantedUser, accounts_from, users_from

UPDATE_SECRET = ("always", "on_create", "if_expired")
CHANNELS = ("auto", "profile", "registers", "handover")
CONSUMERS = ("pme", "scada", "ion_setup", "modbus_master", "legacy")
UNSUPPORTED = ("refuse", "leave")
#: ``none`` is a mode that a meter may have, never one to be asked for (R-184).
MODES = ("standard", "legacy_support", "advanced")

#: Options that only one family has; each is refused by its name on the others.
_ONLY = {
    HEP: (
        "mode", "users", "users_exclusive", "lockout", "session_timeout", "panel_programming", "time_sync", "event_log", "break_glass",
    ),
    PM5000: ("accounts",),
    MCS301: ("policy", "lls_secret", "new_keys", "image_transfer_enabled"),
}  # fmt: skip
_NOT_DLMS = ("web", "modbus", "services", "ip_filter", "export", "max_age_days", "waivers")


@dataclass(frozen=True)
class Waiver:
    """A failed control that a person leaves as it is until the end of a day."""

    control: str
    reason: str
    approver: str
    expires: datetime.date

    def covers(self, control: str) -> bool:
        """Whether it is for this control: by its id, or by ``user:*`` for all of that kind."""
        return self.control == control or (self.control.endswith(":*") and control.startswith(self.control[:-1]))

    def expired(self, today: datetime.date) -> bool:
        """Whether it has run out: the control then fails again."""
        return today > self.expires


@dataclass(frozen=True)
class Wanted:
    """The wanted state of one meter. ``settings`` are flat names; ``passwords`` maps a user or account group to a secret."""

    family: str
    settings: dict[str, Any] = field(default_factory=dict)
    mode: str | None = None
    users: tuple[WantedUser, ...] = ()
    exclusive: bool = False
    accounts: tuple[WantedAccount, ...] = ()
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    update_secret: str = "always"
    max_age_days: int | None = None
    break_glass: str | None = None
    consumers: tuple[str, ...] = ()
    channel: str = "auto"
    export_dir: str | None = None
    marks_key: bytes | None = field(default=None, repr=False)
    unsupported: str = "refuse"
    min_strength: str | None = None
    waivers: tuple[Waiver, ...] = ()
    accept: frozenset[str] = frozenset()
    managed: bool = True

    def secret(self, subject: str) -> str | None:
        """The wanted password of this user or group; names compare without case (R-255)."""
        folded = subject.casefold()
        return next((secret for name, secret in self.passwords.items() if name.casefold() == folded), None)

    def user(self, name: str) -> WantedUser | None:
        """What is wanted of this user."""
        return next((user for user in self.users if user.name.casefold() == name.casefold()), None)

    def waiver(self, control: str) -> Waiver | None:
        """The waiver of this control."""
        return next((item for item in self.waivers if item.covers(control)), None)


def wanted_from(params: Mapping[str, Any], family: str, managed: bool = True) -> Wanted:
    """The wanted state, to be reached (``managed``) or only to be compared with. Raises InputError."""
    refuse_foreign(params, family)
    mode = choice("mode", params.get("mode"), MODES, "R-184, R-232")
    settings = settings_from(params, family, mode)
    users, secrets = users_from(params, mode, _login(params))
    accounts, of_groups = accounts_from(params.get("accounts"))
    expiry, age = _secrets_policy(params)
    return Wanted(
        family,
        settings,
        mode,
        users,
        bool(params.get("users_exclusive")),
        accounts,
        {**secrets, **of_groups},
        expiry,
        age,
        _break_glass(params, users),
        _consumers(params.get("consumers")),
        choice("channel", params.get("channel"), CHANNELS, "design 4.3") or "auto",
        _export(params.get("export")),
        marks_key(params),
        choice("unsupported", params.get("unsupported"), UNSUPPORTED, "R-289") or "refuse",
        choice("password_strength", params.get("password_strength"), passwords.STRENGTHS, "R-264"),
        _waivers(params.get("waivers")),
        accept.check_words(params.get("accept") or []),
        managed,
    )


def refuse_foreign(params: Mapping[str, Any], family: str) -> None:
    """Options of other families, by name. Raises InputError; also for DLMS meters, whose own options are checked elsewhere."""
    for owner, names in _ONLY.items():
        for name in names if owner != family else ():
            if _given(params.get(name)):
                raise InputError(name, "given", f"nothing on a meter of family {family}: the option is for family {owner}", "design 4.3")
    for name in _NOT_DLMS if family == MCS301 else ():
        if _given(params.get(name)):
            raise InputError(name, "given", f"nothing on a meter of family {family}: it has no such setting", "design 4.3")
    if family != MCS301 and params.get("clock") == "set":
        raise InputError("clock", "set", f"report on a meter of family {family}: the option is for family {MCS301}", "design 4.3")


def _given(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_given(item) for item in value.values())
    return value is not None and value is not False if not isinstance(value, (list, tuple)) else True


def _login(params: Mapping[str, Any]) -> str | None:
    """The user name of the account that signs in."""
    credentials = params.get("credentials")
    entry = credentials.get("admin") if isinstance(credentials, Mapping) else None
    user = entry.get("user") if isinstance(entry, Mapping) else None
    return None if user is None else str(user)


def _secrets_policy(params: Mapping[str, Any]) -> tuple[str, int | None]:
    word = choice("update_secret", params.get("update_secret"), UPDATE_SECRET, "R-307") or "always"
    age = whole("max_age_days", params.get("max_age_days"), 1, constants.PASSWORD_AGE_MAX.number, "R-307")
    if word == "if_expired" and age is None:
        raise InputError("max_age_days", None, "a number of days beside update_secret: if_expired", "R-307")
    if word != "always" and params.get("marks_key") is None:
        raise InputError("marks_key", None, f"a key of your vault beside update_secret: {word}: without marks no age is known", "R-307")
    return word, age


def _break_glass(params: Mapping[str, Any], users: Sequence[WantedUser]) -> str | None:
    """The account for emergencies: not the one that signs in every day, and never one to be removed (R-342)."""
    name = text("break_glass", params.get("break_glass"), 1, 15, "R-342")
    if name is None:
        return None
    login = _login(params)
    if login is not None and login.casefold() == name.casefold():
        raise InputError("break_glass", name, "another account than credentials.admin, which is used every day", "R-342")
    found = next((user for user in users if user.name.casefold() == name.casefold()), None)
    if found is not None and not found.present:
        raise InputError("break_glass", name, "a user that stays: users has it as absent", "R-342, R-321")
    if found is None and params.get("users_exclusive"):
        raise InputError("break_glass", name, "a user in the list users, since users_exclusive removes all others", "R-342, R-321")
    if found is not None and found.permissions is not None and "security_config" not in found.permissions:
        raise InputError("break_glass", name, "a user with the permission security_config", "R-342, R-337")
    return name


def _consumers(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise InputError("consumers", given, f"a list out of {', '.join(CONSUMERS)}", "R-365")
    return tuple(dict.fromkeys(choice("consumers", item, CONSUMERS, "R-365") or "" for item in given))


def _export(given: Any) -> str | None:
    """The folder of exports; how they are named is not to be chosen (R-292)."""
    entry = mapping("export", given, ("dir",), "R-292")
    return text("export.dir", entry.get("dir"), 1, 4096, "R-292")


def _waivers(given: Any) -> tuple[Waiver, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise InputError("waivers", given, "a list of dictionaries with control, reason, approver and expires", "R-233")
    return tuple(waiver_from(item) for item in given)


def waiver_from(given: Any) -> Waiver:
    """One waiver. Raises InputError where it does not say who leaves what, why and until when."""
    names = ("control", "reason", "approver", "expires")
    entry = mapping("waivers", given, names, "R-233")
    for name in names:
        if entry.get(name) in (None, ""):
            raise InputError(f"waivers.{name}", entry.get(name), "a value: a waiver names control, reason, approver and last day", "R-233")
    expires = day("waivers.expires", entry["expires"], "R-233", "; nothing is waived for ever")
    return Waiver(str(entry["control"]), str(entry["reason"]), str(entry["approver"]), expires)


__all__ = ["Waiver", "Wanted", "WantedAccount", "WantedUser", "refuse_foreign", "waiver_from", "wanted_from"]
