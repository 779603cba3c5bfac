# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Users, account groups and their passwords in the desired-state document; pure. All raise InputError, and no sentence holds a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants, enums, passwords, permissions
from ..catalogue.models import HEP, PM5000, models_of
from .checks import choice, mapping

#: The groups of a PM5000, by generation of its firmware (wire-schneider 2).
GROUPS = {"legacy": ("web_master", "product_master"), "new": ("administrator", "guest")}
_ALL_GROUPS = (*GROUPS["legacy"], *GROUPS["new"])
_USER = re.compile(r"user([1-9][0-9]?)", re.IGNORECASE)
_NUMBERS = tuple(dict.fromkeys(passwords.model_number(model) for model in models_of(HEP)))


@dataclass(frozen=True)
class WantedUser:
    """What is wanted of one user; ``permissions`` None: as they are."""

    name: str
    permissions: frozenset[str] | None = None
    present: bool = True

    @property
    def is_model_number(self) -> bool:
        """Whether this is no user but the name that stands for the single password outside Advanced security (R-191)."""
        return self.name in _NUMBERS


@dataclass(frozen=True)
class WantedAccount:
    """What is wanted of the account of one PM5000 group; ``user`` None: its name stays."""

    group: str
    user: str | None = None


def users_from(params: Mapping[str, Any], mode: str | None, login: str | None) -> tuple[tuple[WantedUser, ...], dict[str, str]]:
    """The users in the order given, and their passwords."""
    given = params.get("users")
    exclusive = params.get("users_exclusive")
    if exclusive is not None and not isinstance(exclusive, bool):
        raise InputError("users_exclusive", exclusive, "true or false", "R-321")
    if given is None:
        if exclusive:
            raise InputError("users_exclusive", True, "a list users beside it: it removes all who are not in it", "R-321")
        return (), {}
    if not isinstance(given, (list, tuple)):
        raise InputError("users", "given", "a list of dictionaries with name, password, permissions and state", "R-314")
    users: list[WantedUser] = []
    secrets: dict[str, str] = {}
    for item in given:
        user, secret = _user(item, mode)
        if any(user.name.casefold() == other.name.casefold() for other in users):
            raise InputError("users.name", user.name, "each user once; case does not matter", "R-255")
        users.append(user)
        if secret is not None:
            secrets[user.name] = secret
    _together(users, bool(exclusive), mode, login)
    _each_its_own("users.password", secrets)
    return tuple(users), secrets


def _user(given: Any, mode: str | None) -> tuple[WantedUser, str | None]:
    entry = mapping("users", given, ("name", "password", "permissions", "state"), "R-314", secret=True)
    name = _name(entry.get("name"), mode)
    present = choice(f"users[{name}].state", entry.get("state"), ("present", "absent"), "R-321") != "absent"
    rights = _permissions(name, entry.get("permissions"))
    secret = _password(f"users[{name}].password", HEP, entry.get("password"))
    if not present and (rights is not None or secret is not None):
        raise InputError(f"users[{name}].state", "absent", "neither permissions nor a password beside it", "R-321")
    user = WantedUser(name, rights, present)
    if user.is_model_number:
        if not present or rights is not None:
            raise InputError("users.name", name, "only a password: this name stands for the single account, it is no user", "R-191")
        if secret is not None and passwords.check(passwords.HEP_NUMERIC, secret):
            accepted = passwords.HEP_NUMERIC.accepted
            raise InputError(f"users[{name}].password", None, accepted, "R-258", secret=True)
    return user, secret


def _name(value: Any, mode: str | None) -> str:
    most = constants.USERS_MAX.number
    found = _USER.fullmatch(value) if isinstance(value, str) else None
    if found is not None and int(found[1]) <= most:
        if mode == "standard":
            raise InputError("users.name", value, "the model number beside mode: standard, which has one account only", "R-181")
        return str(value)
    if value in _NUMBERS:
        if mode in ("legacy_support", "advanced"):
            raise InputError("users.name", value, f"a user beside mode: {mode}; the model number is none", "R-191")
        return str(value)
    raise InputError("users.name", value, f"USER1 to USER{most}, or the model number for the password of Standard security", "R-314")


def _permissions(name: str, given: Any) -> frozenset[str] | None:
    if given is None:
        return None
    option = f"users[{name}].permissions"
    if not isinstance(given, (list, tuple)):
        raise InputError(option, given, "a list of permissions", "R-330")
    for word in given:
        choice(option, word if word is not None else "", enums.PERMISSIONS, "R-331")
    if len(set(given)) != len(given):
        raise InputError(option, list(given), "each permission once", "R-330")
    if permissions.lacks_read(given):
        raise InputError(option, list(given), "'read' among them: all other permissions need it", "R-332")
    return permissions.complete(given)


def _password(option: str, family: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(option, None, "text in quotation marks: a bare number loses its form", "R-258", secret=True)
    why = passwords.check_any(family, value)
    if why:
        accepted = " or ".join(item.accepted for item in passwords.OF_FAMILY[family])
        raise InputError(option, None, f"{accepted}; this one {why}", "R-258, R-302, X-01", secret=True)
    return value


def _together(users: list[WantedUser], exclusive: bool, mode: str | None, login: str | None) -> None:
    """What the list says as a whole must leave somebody who may configure security (R-321)."""
    present = [user for user in users if user.present and not user.is_model_number]
    if exclusive and not any("security_config" in (user.permissions or ()) for user in present):
        raise InputError("users_exclusive", True, "a user with security_config in the list: else nobody may configure security", "R-321")
    if login is None:
        return
    folded = login.casefold()
    own = next((user for user in users if user.name.casefold() == folded), None)
    if own is not None and not own.present:
        raise InputError("users.state", "absent", f"another user than {login}, who signs in here", "R-321")
    if exclusive and own is None and _USER.fullmatch(login):
        raise InputError("users_exclusive", True, f"the user {login}, who signs in here, in the list", "R-321")
    if own is not None and own.permissions is not None and "security_config" not in own.permissions:
        raise InputError("users.permissions", login, "security_config for the user who signs in here", "R-195, R-337")


def _each_its_own(option: str, secrets: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, secret in secrets.items():
        if secret in seen:
            raise InputError(option, None, f"a password of its own for {name}; it is that of {seen[secret]}", "own", secret=True)
        seen[secret] = name


def accounts_from(given: Any) -> tuple[tuple[WantedAccount, ...], dict[str, str]]:
    """The accounts of a PM5000 by group, and their passwords. Groups of both generations never stand together."""
    entry = mapping("accounts", given, _ALL_GROUPS, "wire-schneider 2", secret=True)
    ages = {age for age, groups in GROUPS.items() if any(group in entry for group in groups)}
    if len(ages) > 1:
        raise InputError("accounts", sorted(entry), "groups of one firmware generation", "wire-schneider 2")
    accounts: list[WantedAccount] = []
    secrets: dict[str, str] = {}
    for group, item in entry.items():
        values = mapping(f"accounts.{group}", item, ("user", "password"), "wire-schneider 2", secret=True)
        if not values:
            raise InputError(f"accounts.{group}", "nothing", "a user name, a password, or both", "wire-schneider 2")
        name = _account_name(group, values.get("user"))
        if name is not None and any(name == other.user for other in accounts):
            raise InputError(f"accounts.{group}.user", name, "a user name of its own", "wire-schneider 2")
        accounts.append(WantedAccount(group, name))
        secret = _group_password(group, values.get("password"))
        if secret is not None:
            secrets[group] = secret
    _each_its_own("accounts.password", secrets)
    return tuple(accounts), secrets


def _account_name(group: str, value: Any) -> str | None:
    most = constants.PM_USER_MAX.number
    taken = passwords.PM5000_LEGACY.allowed
    if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= most or any(char not in taken for char in value)):
        accepted = f"1 to {most} printable ASCII characters without space, comma, quotes and angle brackets"
        raise InputError(f"accounts.{group}.user", value, accepted, "R-101")
    return value


def _group_password(group: str, value: Any) -> str | None:
    option = f"accounts.{group}.password"
    secret = _password(option, PM5000, value)
    policy = passwords.PM5000_LEGACY if group in GROUPS["legacy"] else passwords.PM5000_NEW
    why = passwords.check(policy, secret) if secret is not None else None
    if why:
        raise InputError(option, None, f"{policy.accepted}; this one {why}", policy.rules[0], secret=True)
    return secret
