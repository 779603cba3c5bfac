# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Accounts of a PM5000 by group: what both generations of webpages change (SURFACE.md, sections 2b and 10a)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metersim import tables
from metersim.newweb import RefusedError, busy

if TYPE_CHECKING:
    from metersim.meter import Meter

# Number and group of old firmware: user 1 is a Web Master, user 2 a Product Master (documented).
NUMBERS = {1: "web_master", 2: "product_master", 3: "web_user"}
NEW_GROUPS = ("administrator", "guest")
NEEDED = ("web_master", "product_master", "administrator")
PLAIN = re.compile(r"[!#-&(-+\--;=?-~]{1,32}")  # printable ASCII without comma, quotes and angle brackets
SPECIAL = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for; None leaves it."""

    name: str | None = None
    password: str | None = None
    group: str | None = None


def group_of(meter: Meter, name: str) -> str:
    """The group of an account by its user name. RefusedError account."""
    for group, account in meter.accounts().items():
        if account["user"] == name:
            return group
    raise RefusedError("account")


def save(meter: Meter, group: str, wanted: Wanted, by: str, keep: str = "") -> None:
    """Change the account of a group, all or nothing; F-27 may strike. ``keep``: token of the session that does it.

    RefusedError account, group, name_taken, name_form, password_form, busy; ConnectionError when the link goes.
    """
    busy(meter, "settings_write_during_upgrade")
    if group not in meter.accounts():
        raise RefusedError("account")
    if wanted.group not in (None, group):
        raise RefusedError("at_least_one" if meter.generation == tables.NEW and group in NEEDED else "group")
    _check(meter, group, wanted)
    if _struck(meter, group, wanted):
        return
    old = meter.accounts()[group]
    new = {"user": wanted.name or old["user"], "password": wanted.password or old["password"]}
    meter.account_edits[meter.generation][group] = new
    what = [word for word, key in (("name", "user"), ("password", "password")) if new[key] != old[key]]
    meter.record("account_changed", group=group, user=new["user"], what=what, by=by)
    meter.sessions.account_changed(old["user"], new["user"], keep)
    if _lost(meter):
        raise ConnectionResetError("reply lost")


def add(meter: Meter, group: str, wanted: Wanted, by: str) -> None:
    """An account for a group that has none. RefusedError as save, and group."""
    busy(meter, "settings_write_during_upgrade")
    known = NEW_GROUPS if meter.generation == tables.NEW else NUMBERS.values()
    if group not in known or group in meter.accounts():
        raise RefusedError("group")
    if not wanted.name or not wanted.password:
        raise RefusedError("name_form" if not wanted.name else "password_form")
    _check(meter, group, wanted)
    if _struck(meter, group, wanted):
        return
    meter.account_edits[meter.generation][group] = {"user": wanted.name, "password": wanted.password}
    meter.record("account_added", group=group, user=wanted.name, by=by)
    if _lost(meter):
        raise ConnectionResetError("reply lost")


def remove(meter: Meter, group: str, by: str) -> None:
    """An account goes; the groups that must have one keep it. RefusedError account, at_least_one, busy."""
    busy(meter, "settings_write_during_upgrade")
    if group not in meter.accounts():
        raise RefusedError("account")
    if group in NEEDED:
        raise RefusedError("at_least_one")
    user = meter.accounts()[group]["user"]
    meter.account_edits[meter.generation][group] = None
    meter.record("account_removed", group=group, user=user, by=by)
    meter.sessions.account_changed(user, "", "")


def _check(meter: Meter, group: str, wanted: Wanted) -> None:
    new = meter.generation == tables.NEW
    if wanted.name is not None:
        good = 1 <= len(wanted.name) <= 15 and wanted.name.isprintable() if new else PLAIN.fullmatch(wanted.name)
        if not good:
            raise RefusedError("name_form")
        if any(account["user"] == wanted.name for other, account in meter.accounts().items() if other != group):
            raise RefusedError("name_taken")
    if wanted.password is not None and not _password_fits(wanted.password, new):
        raise RefusedError("password_form")


def _password_fits(password: str, new: bool) -> bool:
    """New firmware: 8 to 16 with digit, capital and special character (documented). Old: invented."""
    if not new:
        return bool(PLAIN.fullmatch(password))
    classes = all((re.search(r"\d", password), re.search(r"[A-Z]", password), SPECIAL.search(password)))
    return 8 <= len(password) <= 16 and password.isascii() and password.isprintable() and classes


def _struck(meter: Meter, group: str, wanted: Wanted) -> bool:
    """F-27 before anything is done. True: say it was done."""
    meter.password_fault = ""
    fault = meter.take("F-27") if wanted.password is not None else None
    if fault is None:
        return False
    meter.record("fault", name="F-27", mode=fault["mode"], group=group)
    if fault["mode"] == "refused":
        raise RefusedError("password_form")
    if fault["mode"] == "lost_request":
        raise ConnectionResetError("request lost")
    meter.password_fault = str(fault["mode"])
    return meter.password_fault == "ignored"


def _lost(meter: Meter) -> bool:
    return meter.password_fault == "lost_reply"
