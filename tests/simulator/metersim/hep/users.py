# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Users, permissions and password rules of a HEP meter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PERMISSIONS = ("time_sync", "read", "peak_demand_reset", "comm_config", "test_mode", "full_config", "security_config")
ALL = frozenset(PERMISSIONS)
FIRST = "USER1"
FACTORY_PASSWORD = "0"


class Refused(Exception):
    """The meter does not do it; ``word`` as in SURFACE.md, section 45."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass
class User:
    """One security user module."""

    name: str
    password: str
    permissions: set[str] = field(default_factory=set)


class Users:
    """The users of one meter, in the order of their names."""

    def __init__(self, given: Iterable[User] = ()) -> None:
        self._users = {user.name: user for user in given}

    def all(self) -> list[User]:
        """Every user, USER1 first."""
        return sorted(self._users.values(), key=lambda user: int(user.name[4:]))

    def get(self, name: str) -> User | None:
        """A user by name, whatever the case."""
        return self._users.get(name.upper())

    def put(self, user: User) -> None:
        """Add or replace."""
        self._users[user.name] = user

    def drop(self, name: str) -> None:
        """Remove; a name that is not there is fine."""
        self._users.pop(name.upper(), None)

    def clear(self) -> None:
        """Remove all."""
        self._users.clear()

    def admins(self) -> list[str]:
        """Names of those who may configure security."""
        return [user.name for user in self.all() if "security_config" in user.permissions]

    def __len__(self) -> int:
        return len(self._users)


def name_of(text: Any, limit: int) -> str:
    """A user's name as the meter keeps it. Raises Refused."""
    match = re.fullmatch(r"USER([1-9]\d?)", str(text).upper())
    if not match or int(match[1]) > limit:
        raise Refused("value:user")
    return match[0]


def permissions_of(given: Any, test_mode: bool) -> set[str]:
    """Checked permissions with what they bring along. Raises Refused."""
    if given == "all":
        return set(ALL if test_mode else ALL - {"test_mode"})
    if not isinstance(given, list | tuple | set | frozenset) or not set(given) <= ALL:
        raise Refused("value:permissions")
    wanted = set(given)
    if "test_mode" in wanted and not test_mode:
        raise Refused("option_not_available")
    if wanted and "read" not in wanted:
        raise Refused("value:permissions")
    if "security_config" in wanted:
        wanted.add("full_config")
    return wanted


def is_number(password: str) -> bool:
    """Whether it is a numeric password: 0 to 99999999, no leading zero."""
    return bool(re.fullmatch(r"0|[1-9][0-9]{0,7}", password))


def password_fits(password: Any, major: int, numeric_only: bool = False) -> bool:
    """Whether the meter takes this password."""
    if not isinstance(password, str):
        return False
    if password.isdigit() or numeric_only:
        return is_number(password)
    longest = 16 if major >= 4 else 6
    return 1 <= len(password) <= longest and all(33 <= ord(sign) <= 126 for sign in password)
