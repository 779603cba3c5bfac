# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is seen of a HEP or PM5000 meter before anybody signs in: who answers, setup registers, and what ports and certificates tell."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..base.errors import DeviceError
from ..base.target import Target
from ..catalogue.generations import generation
from ..catalogue.models import HEP
from ..meters import hep, pm5000
from ..wire.tls import tls_facts
from . import capabilities
from .channel import STAGE
from .channel_registers import RegisterChannel
from .control import PASS, UNKNOWN, Control
from .settings_session import Session
from .state import PROBE, State


def identify(now: Session, profile: Mapping[str, Any]) -> None:
    """Who answers, by registers, or by the certificate where they are closed. Raises DeviceError, Stop."""
    target, state = now.target, now.state
    try:
        found = hep.identify_sync(target, STAGE) if target.family == HEP else pm5000.identify_sync(target, STAGE)
    except DeviceError as error:
        if error.reason != "modbus_map_closed":
            raise
        # The register map can be closed since 3.0.0 only, so at least that is known.
        state.settings["modbus_access"], state.provenance["modbus_access"] = "none", "register"
        state.generation = capabilities.FROM_3
        state.unread["identity"] = error.text
        seen = certificate(target, profile)
        if seen is not None:
            state.model, state.serial = seen
        return
    if found.model is not None and found.model.family != target.family:
        now.fail("family_mismatch", f"{found.model.name} is no meter of family {target.family}")
    state.model = found.model.name if found.model is not None else str(found.model_text or "")
    state.version, state.serial = found.version, found.serial
    if found.model is None:
        # Nothing is recorded, and no password sent, on the ground of registers that make no sense (F-37).
        reason, text = _no_model(found.model_text)
        state.serial, state.unread["identity"] = None, text
        if now.options.change:
            now.fail(reason, text)
    if found.model is not None and found.version is not None:
        state.generation = generation(found.model, found.version)


def read_registers(now: Session, profile: Mapping[str, Any]) -> None:
    """Setup registers need no login; where the profile names them they tell the mode before anybody signs in."""
    if now.state.settings.get("modbus_access") == "none":
        return
    try:
        RegisterChannel(now.target, profile).read(now.state)
    except DeviceError as error:
        now.state.unread["registers"] = error.text


def _no_model(told: object) -> tuple[str, str]:
    """Reason and sentence for a meter whose model is not known."""
    if not told or told == "unknown":
        return "identity_unreadable", "the identification registers name no model"
    return "model_unknown", f"the meter says that it is a {told}, which is no known model"


def never_by_probe(item: Control, state: State) -> Control:
    """An open or closed port is a trace of a setting, not the setting: it can make a point fail, never pass (wire facts 6.1)."""
    if item.state != PASS or state.provenance.get(item.id) != PROBE or item.id == "web_protocol":
        return item
    return replace(item, state=UNKNOWN, text=f"{item.id} looks right from outside, which is no proof of the setting")


def moved_to(port: int, clear: bool, state: State) -> str:
    """Where nobody answers: the port that was tried, and the one that the meter's registers tell, where it is another (R-404, F-32)."""
    name = "http" if clear else "https"
    told = state.settings.get(f"web_port_{name}")
    other = f"; the meter's registers say {told}, so correct ports.{name} in the inventory" if told not in (None, port) else ""
    return f" (webpages over {name.upper()}, port {port}{other})"


def own_address(host: str) -> str | None:
    """The address of this machine from which ``host`` is reached; no packet is sent for it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.connect((host, 9))
            return str(asked.getsockname()[0])
    except OSError:
        return None


def certificate(target: Target, profile: Mapping[str, Any]) -> tuple[str, str] | None:
    """(model, serial number) out of the certificate of the webpages, by the profile's expression; None without one."""
    pattern = (profile.get("identity") or {}).get("certificate")
    if pattern is None or target.tls.fingerprint is None:
        return None
    try:
        facts = tls_facts(target)
    except DeviceError:
        return None
    if facts["fingerprint"] != target.tls.fingerprint:
        return None
    found = re.search(pattern, str(facts["subject"] or ""))
    return (found["model"], found["serial"]) if found else None
