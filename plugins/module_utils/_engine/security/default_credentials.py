# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Audit of factory passwords: what is known is judged without a login, and only when asked for is one tried, once (R-302…R-304).

A wrong guess costs a failed login of a real account, so it is made only where the meter forgives one more, and never twice. Some
meters answer a locked account like a wrong password, and then with the right one too: there a refusal proves nothing (F-26).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..base.errors import DeviceError
from ..catalogue.default_accounts import DefaultAccount
from . import marks
from .control import FAIL, PASS, UNKNOWN, Control
from .login_guard import REFUSED, WORKS, Guard

CONTROL = "no_default_password"
_WANT = "no factory password"
#: What is known of an account that refused the factory password where the meter may have refused any.
REFUSED_ONLY = "refused, which may be a lockout"
_REMEDY = "users or accounts with a new password"
_SURE = "sign in once as this account with its own password, or look at the meter's users"


def judge(
    family: str,
    defaults: Sequence[DefaultAccount],
    guard: Guard,
    *,
    signed_in: Mapping[str, str],
    protocol: str,
    login: Callable[[str, str], object] | None = None,
    tells_locked: bool = False,
) -> list[Control]:
    """One control for each account of the factory.

    ``signed_in`` maps the users whose password has worked in this run to it. With ``login`` (user, password; raises DeviceError)
    one account of which nothing is known is tried, the first; without it nothing is sent. ``tells_locked``: this surface is known
    to answer a locked account in another way than a wrong password; only there a refusal is a pass.
    """
    found, tries = [], 1 if login is not None else 0
    for item in defaults:
        control = _known(family, item, guard, signed_in, tells_locked)
        if control is None and tries and login is not None:
            tries -= 1
            control = _tried(family, item, guard, protocol, login, tells_locked)
        found.append(control or _control(item, UNKNOWN, "unknown", "was not tried; default_credentials tries one, once"))
    return found


def _known(family: str, item: DefaultAccount, guard: Guard, signed_in: Mapping[str, str], tells_locked: bool) -> Control | None:
    account = marks.user_account(item.user, family)
    for user, secret in signed_in.items():
        if marks.user_account(user, family) == account:
            return _is(item, secret == item.password, "login")
    standing = guard.standing(account, item.password)
    if standing == "":
        return None
    if standing == REFUSED and not tells_locked and not guard.outlived(account, item.password):
        return _maybe_locked(item, "records")
    return _is(item, standing == WORKS, "records")


def _tried(
    family: str, item: DefaultAccount, guard: Guard, protocol: str, login: Callable[[str, str], object], tells_locked: bool
) -> Control:
    account = marks.user_account(item.user, family)
    if not guard.forgives(account, protocol):
        return _control(item, UNKNOWN, "unknown", "was not tried: one more failed login could lock the account")
    answer = guard.attempt(account, protocol, item.password, lambda: login(item.user, item.password))
    if answer == REFUSED and not tells_locked:
        return _maybe_locked(item, "login")
    if answer in (WORKS, REFUSED):
        return _is(item, answer == WORKS, "login")
    why = guard.refusal.text if guard.refusal is not None else _said(guard.error)
    return _control(item, UNKNOWN, "unknown", f"could not be tried: {why}")


def _maybe_locked(item: DefaultAccount, evidence: str) -> Control:
    text = "was refused with the password of the factory, and a locked account may be answered in the same way here"
    return replace(_control(item, UNKNOWN, REFUSED_ONLY, text, evidence), remedy=_SURE)


def _said(error: DeviceError | None) -> str:
    return "there was no answer" if error is None else error.text


def _is(item: DefaultAccount, default: bool, evidence: str) -> Control:
    if default:
        return _control(
            item, FAIL, "the factory password", "still has the password of the factory, which stands in public documents", evidence
        )
    return _control(item, PASS, "another password, or no such account", "does not take the password of the factory", evidence)


def _control(item: DefaultAccount, state: str, have: str, text: str, evidence: str = "") -> Control:
    remedy = _REMEDY if state == FAIL else ""
    return Control(f"{CONTROL}:{item.user}", state, _WANT, have, item.rule, f"{item.user} {text}", remedy, evidence)
