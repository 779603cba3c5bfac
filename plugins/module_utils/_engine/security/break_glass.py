# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The account that opens a meter when everything else fails (R-196, R-342); pure.

From 3.0.0 on a lost password cannot be put right at the display, so one account with the right to configure security stays out of
every run that changes others: no such run signs in with it, and none changes or removes it together with another account.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..planning.prechecks import Precheck
from .state import PASSWORD, USER_CHANGE, USER_REMOVE, Change, User

_RULES = ("R-196", "R-342")
_RIGHT = "security_config"


def prechecks(name: str | None, login: str | None, users: Sequence[User] | None, changes: Sequence[Change]) -> list[Precheck]:
    """Whether the break-glass account ``name`` is there, may configure security, and stays out of this run.

    ``users`` None: the meter does not show them, which reads unknown and does not block.
    """
    if name is None:
        return []
    found = [_there(name, users)]
    touched = [item for item in changes if item.subject is not None and item.kind in (PASSWORD, USER_CHANGE, USER_REMOVE)]
    own = [item for item in touched if _same(item.subject, name)]
    if login is not None and _same(login, name) and any(not _same(item.subject, name) for item in touched):
        found.append(_failed(f"{name} is the break-glass account, and this run signs in with it to change others"))
    elif own and len(own) < len(touched):
        found.append(_failed(f"{name} is the break-glass account and would be changed together with others"))
    elif any(item.kind == USER_REMOVE for item in own):
        found.append(_failed(f"{name} is the break-glass account and would be removed"))
    else:
        found.append(Precheck("break_glass_apart", "pass", False, "", f"{name} stays out of this run", _RULES))
    return found


def _there(name: str, users: Sequence[User] | None) -> Precheck:
    if users is None:
        return Precheck("break_glass_works", "unknown", False, "", f"whether {name} is there is not shown", _RULES)
    user = next((item for item in users if _same(item.name, name)), None)
    if user is None or _RIGHT not in user.permissions:
        text = f"{name} is not there" if user is None else f"{name} may not configure security"
        return Precheck("break_glass_works", "fail", True, "would_lock_out", f"{text}, so it cannot open the meter", _RULES)
    return Precheck("break_glass_works", "pass", False, "", f"{name} is there and may configure security", _RULES)


def _failed(text: str) -> Precheck:
    return Precheck("break_glass_apart", "fail", True, "break_glass_in_use", text, _RULES)


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.casefold() == other.casefold()
