# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What was seen of one meter's security, and one change to it; pure. Channels read the first and write the second.

A setting that is not in ``State.settings`` was not seen; ``unread`` says why. No secret is ever in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..catalogue.versions import Version

#: Where a value was seen.
REGISTER, PAGE, PROBE, ATTESTED = "register", "page", "probe", "attested"
#: What a probe of a port ends with.
OPEN, CLOSED, FILTERED, UNKNOWN = "open", "closed", "filtered", "unknown"

SETTING, MODE = "setting", "mode"
USER_ADD, USER_CHANGE, USER_REMOVE, PASSWORD = "user_add", "user_change", "user_remove", "password"
#: The kinds of a change. A setting has no subject; the others but ``mode`` name a user or, on a PM5000, an account group.
KINDS = (SETTING, MODE, USER_ADD, USER_CHANGE, USER_REMOVE, PASSWORD)


@dataclass(frozen=True)
class User:
    """One user as the meter lists it."""

    name: str
    permissions: frozenset[str] = frozenset()


@dataclass
class State:
    """What was seen of one meter. ``users`` is None where the channel does not show them; ``client`` is our address as the meter sees it."""

    family: str
    model: str
    version: Version | None = None
    generation: str = "unknown"
    serial: str | None = None
    mode: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    users: tuple[User, ...] | None = None
    login: str | None = None
    unread: dict[str, str] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    client: str | None = None

    def user(self, name: str) -> User | None:
        """The user of this name; case does not matter on a HEP meter (R-255)."""
        if self.family == "hep":
            return next((user for user in self.users or () if user.name.casefold() == name.casefold()), None)
        return next((user for user in self.users or () if user.name == name), None)

    def why(self, name: str) -> str:
        """Why a setting was not seen."""
        return self.unread.get(name, "was not read")


@dataclass(frozen=True)
class Change:
    """One write. ``control`` is the id of the control it makes true; ``want`` is never a secret.

    ``setting``: ``control`` is also the setting's name and ``want`` its value. ``mode``: ``subject`` is the user to sign in as
    afterwards, None where the present one stays. ``user_add``, ``user_change``: ``want`` is the list of permissions, on a PM5000
    the new user name of the group. ``user_remove``, ``password``: ``want`` is None; the secret goes beside the change.
    """

    control: str
    kind: str
    subject: str | None
    want: Any
