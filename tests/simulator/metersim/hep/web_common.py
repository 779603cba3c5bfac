# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What both web surfaces of a HEP meter do alike (SURFACE.md, section 45)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from metersim.hep.meter import ANONYMOUS, Login
from metersim.hep.users import ALL, Refused
from metersim.hep.web import LostReplyError

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

WEB = "web"
ANYBODY = Login(ANONYMOUS, ALL)


def needs_login(meter: HepMeter, writing: bool) -> bool:
    """Whether this cannot be done by just anybody."""
    return meter.mode != "none" and (writing or meter.mode != "standard")


def may(meter: HepMeter, who: Login, writing: bool, permission: str = "security_config") -> None:
    """Permission, and for writes whether the webpages may write at all. Raises Refused."""
    if permission and permission not in who.permissions:
        raise Refused("permission")
    if writing and not meter.settings["web_programming"]:
        raise Refused("programming_off")


def change_password(meter: HepMeter, name: str, password: Any, who: Login) -> None:
    """Another password; F-27 may strike. Raises Refused, LostReplyError."""
    meter.may_write(passwords=True)
    fault = meter.password_in_transit(name)
    if _struck(fault):
        return
    meter.set_password(name, password, who.name)
    if fault:
        raise LostReplyError


def _struck(fault: str) -> bool:
    """F-27 before anything is done. True: say it was done. Raises Refused, LostReplyError."""
    if fault == "refused":
        raise Refused("password_form")
    if fault == "lost_request":
        raise LostReplyError
    return fault == "ignored"


def change_user(meter: HepMeter, name: str, password: Any, permissions: Any, who: Login) -> None:
    """Password, permissions or both of one user; all or nothing. Raises Refused, LostReplyError."""
    old = meter.users.get(name)
    if permissions is not None:
        meter.may_write()
        if password is not None:
            meter.check_password(password)
        meter.set_permissions(name, permissions, who.name)
    if password is not None:
        change_password(meter, name, password, who)
    elif permissions is None and old is None:
        raise Refused("no_such_user")
    if meter.canonical(name) != who.name:
        end_sessions(meter, meter.canonical(name))


def end_sessions(meter: HepMeter, name: str) -> None:
    """A user's sessions end when somebody else changes or removes him."""
    for ident, session in list(meter.web_sessions.items()):
        if session.login.name == name:
            del meter.web_sessions[ident]
            meter.record("session_end", user=name, why="changed")


def add_user(meter: HepMeter, name: Any, password: Any, permissions: Any, who: Login) -> None:
    """A new user. Raises Refused, LostReplyError."""
    meter.may_write()
    fault = meter.password_in_transit(str(name))
    if _struck(fault):
        return
    meter.add_user(name, password, permissions, who.name)
    if fault:
        raise LostReplyError


def remove_user(meter: HepMeter, name: str, who: Login) -> None:
    """A user goes. Raises Refused."""
    meter.may_write()
    meter.remove_user(name, who.name)
    end_sessions(meter, name.upper())


def set_mode(meter: HepMeter, mode: Any, who: Login) -> None:
    """Another mode. Raises Refused."""
    meter.may_write()
    meter.set_mode(str(mode), who.name)


def garbled(meter: HepMeter, where: str) -> web.Response | None:
    """F-37: an answer nobody can read."""
    fault = meter.faults.get("F-37")
    if not fault or fault["where"] not in (where, "all"):
        return None
    if fault["kind"] == "html":
        return web.Response(text="<html><table><tr><td>???</tr><<", content_type="text/html")
    if fault["kind"] == "non_ascii":
        return web.Response(body=b"\xff\xfe\x00\x80" * 50, content_type="application/octet-stream")
    return web.Response(text="x" * 5_000_000, content_type="text/html")
