# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The method ion: what ION Setup needs, what the upgrade does to security, and the prechecks (R-161…R-192, G-11, G-19); pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants, enums
from ..catalogue.generations import generation
from ..catalogue.models import HEP, Model, find_model
from ..catalogue.versions import Dotted, Version
from . import prechecks as common
from .estimates import serial_seconds
from .prechecks import ATTESTED, FAIL, PASS, UNKNOWN, Precheck, Situation

ETHERNET, SERIAL, OVER_MODBUS = "ethernet", "serial", "ion_over_modbus"
TRANSPORTS = (ETHERNET, SERIAL, OVER_MODBUS)
#: Gateways of which the documents say that they may carry the upgrade (R-176).
MAY_WORK = ("egx",)
#: Software on the other side of the meter (R-161, R-162); the words of the option ``consumers``.
CONSUMERS = ("pme", "scada", "ion_setup", "modbus_master", "legacy")
#: Consumers for which the maker has considerations of their own.
TO_REVIEW = ("pme", "ion_setup")
_DOCUMENT = "procedure: document 7EN72-0206-00 of the maker (R-180, R-407)"
_BELOW, _THREE = "below 3", "3"


@dataclass(frozen=True)
class Prediction:
    """Security after an upgrade as the documents tell it. ``mode`` is ``unknown`` where they say nothing (G-11).

    ``users_removed`` is None where that is not known; ``users_created`` are those that the meter makes by itself.
    """

    before: str
    mode: str
    users_removed: bool | None
    users_created: tuple[str, ...]
    notes: tuple[str, ...]
    rules: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for plan and result."""
        return {**asdict(self), "users_created": list(self.users_created), "notes": list(self.notes), "rules": list(self.rules)}


def predict_mode(model: Model, version: Version, mode: str, target: Version) -> Prediction:
    """What one hop does to the security mode, to users, and to how people log in (R-189, R-191, R-252…R-256, G-11).

    ``mode`` is one of the documented words, or ``unknown``. From 3.0.0 on an upgrade leaves mode and users alone.
    """
    crosses = generation(model, version) == _BELOW and generation(model, target) != _BELOW
    if not crosses:
        return Prediction(mode, mode, False, (), (), ("R-185",))
    user, number = str(constants.LSS_DEFAULT_USER.value), _number_of(model)
    panel = "passwords can no longer be changed at the display: have a second administrator before (R-196, R-234)"
    notes: tuple[str, ...]
    if mode == "standard":
        notes = (
            f"all users are deleted and {user} is made, with the password of before (R-189, R-256)",
            f"webpages: {number} goes on working as user name, as long as Legacy security support is on (R-191)",
            f"Modbus and ION requests without a user name get the rights of {user} (R-186)",
            "move to advanced and make the users anew with meter_security (R-254)",
            panel,
        )
        return Prediction(mode, "legacy_support", True, (user,), notes, ("R-189", "R-252", "R-256"))
    if mode == "advanced":
        notes = ("users and passwords stay (R-253)", f"webpages: log in as a user such as {user}, not as {number} (R-191)", panel)
        return Prediction(mode, "advanced", False, (), notes, ("R-253",))
    notes = ("no document tells the mode after this upgrade: look at the first meter before going on (G-11)", panel)
    return Prediction(mode, "unknown", None, (), notes, ("G-11",))


def _number_of(model: Model) -> str:
    """The model number that a browser user takes for a name, such as 9000 (R-191)."""
    return "".join(char for char in model.name if char.isdigit()) or model.name


def minimum_ion_setup(model: Model, target: Version, stated: str = "") -> Dotted:
    """The oldest ION Setup that may send this firmware: the documented one, or a later one that the package tells (R-164, R-166, X-12)."""
    documented = constants.ION_SETUP_MIN_V3 if generation(model, target) in (_BELOW, _THREE) else constants.ION_SETUP_MIN_V4
    least = documented.value
    if not isinstance(least, Dotted):
        raise TypeError(f"{documented.name} is no version")
    own = Dotted.parse(stated) if stated else least
    return max(least, own, key=lambda item: item.fields)


def transport_of(said: str | None, behind_gateway: bool) -> str:
    """How ION Setup reaches the meter: as stated, else over Ethernet unless a gateway is known to stand in between (R-174, R-178)."""
    return said or (OVER_MODBUS if behind_gateway else ETHERNET)


def unreliable(transport: str) -> bool:
    """Whether this way works only sometimes or very slowly, so that one meter goes alone and first (R-174, R-177)."""
    return transport != ETHERNET


def is_hep_gateway(name: object) -> bool:
    """Whether the gateway is itself a HEP meter, through which the upgrade may fail (R-175)."""
    try:
        return find_model(name).family == HEP
    except InputError:
        return False


def accept_words(package_is_bare: bool, transport: str, gateway_model: object) -> tuple[str, ...]:
    """Words of ``accept`` that a meter needs beside those of the matrix (R-167, R-175, R-177)."""
    words = {
        "bare_upx": package_is_bare,
        "gateway": transport == OVER_MODBUS and is_hep_gateway(gateway_model),
        "serial_transport": transport == SERIAL,
    }
    return tuple(word for word, needed in words.items() if needed)


def consumer_notes(consumers: Sequence[str]) -> list[str]:
    """What the software that reads the meter has to do with the upgrade (R-161, R-162, R-192, R-233, X-10)."""
    told = {
        "pme": "Power Monitoring Expert: read the maker's considerations for it, and give it the account of after the upgrade (R-161)",
        "ion_setup": "ION Setup: read the maker's considerations for it; every copy in use must be new enough (R-162)",
        "scada": "SCADA and other readers: under Legacy security support requests without a user get User1's rights (R-186)",
        "modbus_master": "Modbus masters: values and map stay; Modbus access can be set to none from 3.0.0 on, then they read nothing (R-235)",
        "legacy": "older ION software connects only under Legacy security support, with a password of digits (R-199, R-233)",
    }
    notes = [told[name] for name in consumers if name in told]
    return [*notes, "browsers and scripts that keep user names and passwords must be told the new ones, or they lock the account (R-192)"]


def plan_notes(consumers: Sequence[str], transport: str, size: int = 0, baud: int | None = None) -> list[str]:
    """Lines of the plan that hold for a meter whatever its mode is."""
    lines = [_DOCUMENT, "the template stays the same; no new one comes with the firmware (R-179)", *consumer_notes(consumers)]
    if transport == SERIAL:
        least, most = serial_seconds(size, baud)
        lines.append(f"serial line: {least / 60:.0f} to {most / 60:.0f} minutes for the image alone (R-177)")
    if transport == OVER_MODBUS:
        lines.append("ION over Modbus works only sometimes: this meter goes alone (R-174)")
    return lines


# -- prechecks ----------------------------------------------------------------------------------------------------


def judge_ion(now: Situation) -> list[Precheck]:
    """Every precheck of the method ion. ``now.extra`` holds what ``IonMethod.gather`` found."""
    return [
        common.artifact(now),
        *common.acceptances(now),
        _package(now),
        _ion_setup(now),
        _how(now),
        _transport(now),
        _gateway(now),
        _port(now),
        _credentials(now),
        _password(now),
        _revenue_lock(now),
        common.critical_control(now),
        common.digital_outputs(now),
        _consumers(now),
        _mode(now),
        _comparable(now),
        common.lease(now),
    ]


def _package(now: Situation) -> Precheck:
    """R-167, R-172: a bare image tells no minimum, so a person must, in the manifest."""
    rules, name, reason = ("R-166", "R-167", "R-172"), "minimum_ion_setup_known", "artifact_unverifiable_min_version"
    stated = str(now.extra.get("min_ion_setup") or "")
    if now.extra.get("bare") and not stated:
        return Precheck(name, FAIL, True, reason, "the bare image tells no ION Setup version; state min_ion_setup in the manifest", rules)
    if now.extra.get("bare"):
        return Precheck(name, ATTESTED, True, reason, f"ION Setup {stated} or later, as a person wrote into the manifest", rules)
    text = f"ION Setup {stated} or later, as the ZIP tells" if stated else "the documented minimum holds; ION Setup reads the ZIP's own"
    return Precheck(name, PASS, True, reason, text, rules)


def _ion_setup(now: Situation) -> Precheck:
    """G-19: an older ION Setup loses template and registers, so this is judged before the upload and nothing overrides it."""
    rules, name, reason = ("R-164", "R-166", "R-169", "G-19", "X-12"), "ion_setup_new_enough", "engine_too_old"
    least, said = Dotted.parse(now.extra["least_ion_setup"]), str(now.extra.get("setup_version") or "")
    if not said:
        return Precheck(name, UNKNOWN, True, reason, f"say the installed ION Setup in ion.setup_version; {least} or later is needed", rules)
    if Dotted.parse(said).fields < least.fields:
        return Precheck(name, FAIL, True, reason, f"ION Setup {said} is installed; {least} or later is needed", rules)
    return Precheck(name, PASS, True, reason, f"ION Setup {said}; {least} or later is needed", rules)


def _how(now: Situation) -> Precheck:
    rules, name, reason = ("R-168", "R-246"), "ion_setup_reachable", "tool_host_unusable"
    if now.extra.get("mode") == "manual":
        return Precheck(name, PASS, True, reason, "a technician runs ION Setup from a hand-over folder", rules)
    if now.extra.get("host_fault"):
        return Precheck(name, FAIL, True, reason, str(now.extra["host_fault"]), rules)
    return Precheck(name, PASS, True, reason, f"ION Setup runs on {now.extra.get('host')}", rules)


def _transport(now: Situation) -> Precheck:
    rules, name = ("R-174", "R-177", "R-178"), "transport"
    transport = now.extra["transport"]
    if transport == ETHERNET:
        return Precheck(name, PASS, False, "serial_transport_not_recommended", "ION Setup reaches the meter over Ethernet", rules)
    if transport == SERIAL:  # the word that it needs is judged among the acceptances
        least, most = serial_seconds(now.package_bytes, now.extra.get("baud"))
        text = f"over a serial line: {least / 60:.0f} to {most / 60:.0f} minutes for the image alone"
        return Precheck(name, UNKNOWN, False, "serial_transport_not_recommended", text, rules)
    return Precheck(name, UNKNOWN, False, "transport_unreliable", "ION over Modbus works only sometimes; this meter goes alone", rules)


def _gateway(now: Situation) -> Precheck:
    """R-175, R-176. What fails here is what ``accept: [gateway]`` answers, judged among the acceptances."""
    rules, name, reason = ("R-175", "R-176"), "gateway", "gateway_not_suitable"
    if now.extra["transport"] != OVER_MODBUS:
        return Precheck(name, PASS, False, reason, "no gateway carries the upgrade", rules)
    model = str(now.extra.get("gateway_model") or "")
    if is_hep_gateway(model):
        return Precheck(name, FAIL, False, reason, f"the gateway is a {model}; through a HEP meter the upgrade may fail", rules)
    if model.lower() in MAY_WORK:
        return Precheck(name, PASS, False, reason, f"a gateway {model} may carry it", rules)
    said = f"whether a gateway {model} carries it" if model else "which gateway stands in between"
    return Precheck(name, UNKNOWN, False, reason, f"{said} is not known; ion.gateway_model says it", rules)


def _port(now: Situation) -> Precheck:
    """ION or Secure ION must be on. Only a TCP connect: no byte is ever sent to that port (CVE-2021-22714)."""
    rules, name, reason = ("R-178", "R-246", "X-10"), "ion_port_open", "ion_port_closed"
    states = {service: now.services.get(service, "unknown") for service in ("ion", "ion_tls")}
    seen = [service for service, state in states.items() if state == "open"]
    if seen:
        return Precheck(name, PASS, True, reason, f"the port of {' and '.join(seen)} is open", rules)
    text = ", ".join(f"{service} {state}" for service, state in states.items())
    if now.extra["transport"] != ETHERNET:
        return Precheck(name, UNKNOWN, False, reason, f"not needed on this way: {text}", rules)
    return Precheck(name, FAIL, True, reason, f"ION Setup needs ION or Secure ION: {text}", rules)


def _credentials(now: Situation) -> Precheck:
    rules, name, reason = ("R-183", "R-184", "R-308"), "credentials_given", "credential_unknown"
    if now.extra.get("mode") == "manual":
        return Precheck(name, PASS, True, reason, "the technician logs in; no password is handed over", rules)
    if now.extra.get("has_admin"):
        return Precheck(name, PASS, True, reason, "credentials.admin are given", rules)
    if now.extra.get("security_mode") == "none":
        return Precheck(name, PASS, True, reason, "the meter asks for no password in this mode", rules)
    return Precheck(name, FAIL, True, reason, "credentials.admin (user and password) are missing", rules)


def _password(now: Situation) -> Precheck:
    """R-199: under Legacy security support ION Setup takes digits only."""
    rules, name, reason = ("R-199", "R-258"), "password_for_ion_setup", "lss_alphanumeric_password"
    if now.extra.get("security_mode") == "legacy_support" and now.extra.get("numeric_password") is False:
        return Precheck(
            name, FAIL, True, reason, "under Legacy security support ION Setup cannot log in with letters in the password", rules
        )
    return Precheck(name, PASS, True, reason, "nothing speaks against the password", rules)


def _revenue_lock(now: Situation) -> Precheck:
    rules, name, reason = ("R-300",), "revenue_lock_open", "revenue_locked"
    state = now.extra.get("revenue_lock")
    if state is True:
        return Precheck(name, FAIL, True, reason, "the meter is revenue-locked", rules)
    if state is False:
        return Precheck(name, PASS, True, reason, "the meter is not revenue-locked", rules)
    return Precheck(name, UNKNOWN, False, reason, "no register tells whether the meter is revenue-locked", rules)


def _consumers(now: Situation) -> Precheck:
    rules, name, reason = ("R-161", "R-162"), "consumers_reviewed", "consumers_not_reviewed"
    touched = [item for item in now.extra.get("consumers") or () if item in TO_REVIEW]
    if not touched:
        return Precheck(name, PASS, True, reason, "neither Power Monitoring Expert nor ION Setup is listed among the consumers", rules)
    if now.attest.get("consumers_reviewed"):
        return Precheck(name, ATTESTED, True, reason, f"the considerations for {' and '.join(touched)} were read", rules)
    return Precheck(name, UNKNOWN, True, reason, f"attest consumers_reviewed, after reading about {' and '.join(touched)}", rules)


def _mode(now: Situation) -> Precheck:
    """What the upgrade makes of the security mode; stated, never a reason to stop (R-252, R-253, G-11)."""
    rules, name, reason = ("R-189", "R-252", "R-253", "G-11"), "security_mode_predicted", "post_security_mode_unexpected"
    prediction: Mapping[str, Any] = now.extra["prediction"]
    before, after = prediction["before"], prediction["mode"]
    if after == "unknown":
        text = f"{before} before; what it is afterwards no document tells"
        return Precheck(name, UNKNOWN, False, reason, text, rules)
    users = "; all users are deleted" if prediction["users_removed"] else ""
    state = ATTESTED if now.extra.get("mode_attested") else PASS
    return Precheck(name, state, False, reason, f"{before} before, {after} afterwards{users}", rules)


def _comparable(now: Situation) -> Precheck:
    """R-168, R-170: a loss must be seen, by us or by a person."""
    rules, name, reason = ("R-168", "R-170", "R-171"), "registers_comparable", "nothing_to_compare"
    seen = [word for word in ("template", "energies") if now.extra.get("snapshot", {}).get(word)]
    if seen:
        return Precheck(name, PASS, True, reason, f"{' and '.join(seen)} are read before and after", rules)
    if now.attest.get("registers_saved"):
        return Precheck(name, ATTESTED, True, reason, "template and energy registers were noted down by a person", rules)
    return Precheck(name, UNKNOWN, True, reason, "neither template nor energies can be read; attest registers_saved", rules)


def check_security_mode(value: object) -> str:
    """An attested mode. Raises InputError."""
    if value not in enums.SECURITY_MODES:
        raise InputError("attest.security_mode", value, f"one of {', '.join(enums.SECURITY_MODES)}", "R-181")
    return str(value)
