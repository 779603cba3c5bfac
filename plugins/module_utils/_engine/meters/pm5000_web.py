# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a PM5000's webpages tell, by a profile: role, settings, the last upgrade (R-144). One login, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from ..catalogue.generations import generation
from ..catalogue.models import find_model
from ..catalogue.versions import Version
from ..wire.web_session import ProfileSession

#: The account that may look, whichever is given first in this order; after these any other one.
ROLES = ("administrator", "product_master")
_FATAL = ("transport_failed", "session_lost", "web_busy", "web_auth_failed")


def account(target: Target) -> str:
    """The role whose account signs in. Raises InputError without any, before contact."""
    role = next((role for role in (*ROLES, *target.credentials) if role in target.credentials), None)
    if role is None:
        raise InputError("credentials", None, "an account for the subset web", "design 4.2", secret=True)
    return role


def choose(facts: Mapping[str, Any], profile: Mapping[str, Any] | None, web_profile: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The profile of the pages that this meter has now: ``web_profile`` is for the new generation."""
    try:
        found = generation(find_model(str(facts.get("model"))), Version.parse(str(facts["firmware"]["version"])))
    except (InputError, KeyError):
        found = "unknown"
    return profile if found == "legacy" else web_profile or profile


def add_web(facts: dict[str, Any], target: Target, profile: Mapping[str, Any] | None) -> None:
    """Put ``web`` into the facts; what could not be read stands in ``unread`` with the reason, the device's words included."""
    unread, sources = facts["unread"], facts["provenance"]
    web: dict[str, Any] = {"profile": None, "verified": False, "role": None, "settings": {}, "last_upgrade": None, "findings": []}
    facts["web"] = web
    if profile is None:
        unread["web"] = "profile_missing: no profile describes the pages of this firmware"
        return
    web.update(profile=profile.get("name"), verified=profile.get("verified") is True)
    with ProfileSession(target, profile, account(target)) as session:
        web["findings"] = session.findings
        try:
            session.login()
        except DeviceError as error:
            unread["web"] = _why(error)
            return
        _read(session, profile, web, unread)
    sources.update({f"web.settings.{name}": "web" for name, value in web["settings"].items() if value is not None})
    sources.update({f"web.{name}": "web" for name in ("role", "last_upgrade") if web[name]})
    if "network" in facts and web["settings"].get("ip_mode"):
        facts["network"]["ip_mode"] = web["settings"]["ip_mode"]
        sources["network.ip_mode"] = "web"
        unread.pop("network.ip_mode", None)


def _read(session: ProfileSession, profile: Mapping[str, Any], web: dict[str, Any], unread: dict[str, str]) -> None:
    """Everything the profile names, until the session ends."""
    for name in ("role", *(f"settings.{name}" for name in profile.get("settings", {})), "last_upgrade"):
        section, dummy_dot, setting = name.partition(".")
        try:
            value = _one(session, profile, section, setting)
        except DeviceError as error:
            unread[f"web.{name}"] = _why(error)
            if error.reason in _FATAL:
                return
            continue
        if value is None:
            unread[f"web.{name}"] = "page_missing: this firmware or this profile does not have it"
        if setting:
            web["settings"][setting] = value
        else:
            web[section] = value


def _one(session: ProfileSession, profile: Mapping[str, Any], section: str, setting: str) -> Any:
    if section == "settings":
        return session.read(setting)
    if section == "role":
        return session.role()
    if "status_page" not in profile:
        return None
    status, dummy_processes, text, last = session.status()
    return {"status": status, "text": text, **last}


def _why(error: DeviceError) -> str:
    return f"{error.reason}: {error.text}" + (f" ({error.device_text})" if error.device_text else "")
