# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Accounts as they come from the factory, from public documents (R-187, R-257, wire-schneider.md 2). For audits and refusals only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import constants
from .models import HEP, PM5000


@dataclass(frozen=True)
class DefaultAccount:
    """One account of the factory."""

    user: str
    password: str = field(repr=False)
    rule: str


def default_accounts(family: str, generation: str, model: str = "", mac: str | None = None) -> tuple[DefaultAccount, ...]:
    """Accounts of the factory, the most powerful first; without the ``mac`` the Administrator of a new PM5000 is not among them.

    ``generation`` as in ``generations``; where it is unknown, those of all generations.
    """
    if family == HEP:
        below = generation == "below 3"
        user = re.sub(r"\D", "", model) if below else str(constants.LSS_DEFAULT_USER.value)
        return (DefaultAccount(user, str(constants.LSS_DEFAULT_PASSWORD.value), "R-257"),) if user else ()
    if family != PM5000:
        return ()
    legacy = (DefaultAccount("user2", "pass2", "R-302"), DefaultAccount("user1", "pass1", "R-302"))
    folded = re.sub(r"[^0-9A-Fa-f]", "", mac or "").upper()
    new: tuple[DefaultAccount, ...] = (DefaultAccount("Guest", "Powerlogic@1", "R-302"),)
    if len(folded) == 12:
        new = (DefaultAccount("Administrator", folded, "R-302"), *new)
    return {"legacy": legacy, "new": new}.get(generation, (*new, *legacy))


def is_default(family: str, generation: str, user: str, password: str, model: str = "", mac: str | None = None) -> bool:
    """Whether this user name and password are those of the factory; HEP names without regard to case (R-255)."""
    known = default_accounts(family, generation, model, mac)
    return any(
        password == item.password and (user == item.user or (family == HEP and user.casefold() == item.user.casefold())) for item in known
    )
