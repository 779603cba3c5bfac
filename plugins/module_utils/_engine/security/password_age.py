# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How old the passwords of a meter are, by the records; no meter tells it (R-307). Pure but for the records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from .control import FAIL, PASS, UNKNOWN, Control


def judge(users: Iterable[str], age_days: Callable[[str], float | None], max_age_days: int, renewed: Collection[str] = ()) -> list[Control]:
    """One control for each of these users but those whose password this run sets. ``age_days`` gives None where nothing is known."""
    passed_over = {name.casefold() for name in renewed}
    return [_control(user, age_days(user), max_age_days) for user in users if user.casefold() not in passed_over]


def _control(user: str, age: float | None, limit: int) -> Control:
    name, want, rule = f"password_age:{user}", f"less than {limit} days", "R-307"
    if age is None:
        text = f"how old the password of {user} is is not known: the records have no mark of it"
        return Control(name, UNKNOWN, want, "unknown", rule, text, "marks_key, and a run that signs in with it or sets it")
    have = f"{age:.0f} days"
    if age >= limit:
        text = f"the password of {user} is at least {age:.0f} days old"
        return Control(name, FAIL, want, have, rule, text, "a new password, with update_secret if_expired or always", "records")
    return Control(name, PASS, want, have, rule, f"the password of {user} is known since {age:.0f} days", "", "records")
