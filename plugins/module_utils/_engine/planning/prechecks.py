# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method ftp, judged from what was gathered; pure (requirements 6.6, cheap and safe first).

A precheck ends pass, fail, attested or unknown. Where the documents make it a condition, a NOTICE or a WARNING,
unknown blocks until someone attests it. All are judged, so that a user sees every failure at once (R-030).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..catalogue import accept

PASS, FAIL, ATTESTED, UNKNOWN = "pass", "fail", "attested", "unknown"


@dataclass(frozen=True)
class Precheck:
    """One judged condition; ``reason`` is the code its failure returns."""

    id: str
    result: str
    blocking: bool
    reason: str
    text: str
    rules: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a result."""
        return {**asdict(self), "rules": list(self.rules)}


@dataclass(frozen=True)
class Attempts:
    """The attempt budget of a meter; ``limit`` None where none is documented, ``used`` None where unknown."""

    limit: int | None = None
    used: int | None = None
    source: str = "none"

    @property
    def remaining(self) -> int | None:
        """Attempts left, or None where no limit is documented or the count is unknown."""
        return None if self.limit is None or self.used is None else max(0, self.limit - self.used)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a result."""
        return {"limit": self.limit, "used": self.used, "remaining": self.remaining, "source": self.source}


@dataclass(frozen=True)
class Login:
    """How the one login went: ok, refused or not_tried. ``facts`` is what the meter told once it was in."""

    state: str = "not_tried"
    reason: str = ""
    text: str = "not tried"
    role: str | None = None
    free_space: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Situation:
    """Everything that the judgement rests on; gathered elsewhere. ``extra`` is what one method gathered for itself."""

    has_lock: bool
    needed_accept: Mapping[str, str]
    accept: frozenset[str]
    attest: Mapping[str, Any]
    package_faults: tuple[tuple[str, str], ...]
    package_text: str
    package_bytes: int
    attempts: Attempts
    reserve: int
    behind_gateway: bool
    services: Mapping[str, str]
    login: Login
    lock: str
    ip_mode: str
    has_credential: bool
    holder: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def judge_ftp(now: Situation) -> list[Precheck]:
    """Every precheck of the method ftp, in the documented order."""
    return [
        artifact(now),
        *acceptances(now),
        attempts_left(now),
        critical_control(now),
        digital_outputs(now),
        power_source(now),
        management_zone(now),
        ethernet(now),
        port(now, "http", "http_port_open", "web_port_changed", "R-062"),
        port(now, "ftp", "ftp_server_enabled", "ftp_server_disabled", "R-033"),
        credential(now),
        login(now),
        role(now),
        ip_mode(now),
        lock(now),
        free_space(now),
        lease(now),
    ]


def blocking(checks: Iterable[Precheck]) -> list[Precheck]:
    """Those that stop the upgrade: failed, or unknown where the documents make it a condition."""
    return [item for item in checks if item.blocking and item.result in (FAIL, UNKNOWN)]


def artifact(now: Situation) -> Precheck:
    rules = ("R-036", "R-040", "R-085")
    if now.package_faults:
        reason, text = now.package_faults[0]
        more = f" (and {len(now.package_faults) - 1} more)" if len(now.package_faults) > 1 else ""
        return Precheck("artifact_present_and_pinned", FAIL, True, reason, text + more, rules)
    return Precheck("artifact_present_and_pinned", PASS, True, "artifact_missing", now.package_text, rules)


def acceptances(now: Situation) -> list[Precheck]:
    checks = []
    for name, reason in now.needed_accept.items():
        word = accept.WORDS[name]
        given = name in now.accept
        text = word.text if given else f"{word.text}; add '{name}' to accept to go on"
        checks.append(Precheck(f"accepted_{name}", PASS if given else FAIL, True, reason, text, word.rules))
    return checks


def attempts_left(now: Situation) -> Precheck:
    rules = ("R-043", "R-044", "R-154", "R-155")
    budget = now.attempts
    if budget.limit is None:
        return Precheck(
            "attempts_left", PASS, True, "attempts_exhausted", "no attempt limit is documented for this model and version", rules
        )
    if budget.remaining is None:
        text = f"this meter allows {budget.limit} upgrades in its life and the records know nothing of it; attest attempts_used"
        return Precheck("attempts_left", UNKNOWN, True, "attempts_unknown", text, rules)
    said = f"{budget.used} of {budget.limit} attempts used ({budget.source})"
    if budget.remaining == 0:
        return Precheck("attempts_left", FAIL, True, "attempts_exhausted", said, rules)
    if budget.remaining - 1 < now.reserve:
        return Precheck("attempts_left", FAIL, True, "attempts_reserve", f"{said}; {now.reserve} must stay in reserve", rules)
    return Precheck("attempts_left", ATTESTED if budget.source == "attested" else PASS, True, "attempts_exhausted", said, rules)


def critical_control(now: Situation) -> Precheck:
    rules, name, reason = ("R-050",), "not_critical_control", "critical_control_use"
    value = now.attest.get("critical_control")
    if value is None:
        return Precheck(
            name, UNKNOWN, True, reason, "attest critical_control: false if no control or protection circuit relies on this meter", rules
        )
    if value:
        return Precheck(name, FAIL, True, reason, "a control or protection circuit relies on this meter", rules)
    return Precheck(name, ATTESTED, True, reason, "no control or protection circuit relies on this meter", rules)


def digital_outputs(now: Situation) -> Precheck:
    rules, name, reason = ("R-049",), "digital_outputs_safe", "digital_outputs_in_use"
    used, safe = now.attest.get("digital_outputs_in_use"), now.attest.get("outputs_safe")
    if used is False or safe:
        return Precheck(
            name, ATTESTED, False, reason, "digital outputs are not used" if used is False else "digital outputs are in a safe state", rules
        )
    if used:
        return Precheck(
            name, FAIL, True, reason, "digital outputs are in use and may change state during the upgrade; attest outputs_safe", rules
        )
    return Precheck(name, UNKNOWN, False, reason, "digital outputs may change state during the upgrade", rules)


def power_source(now: Situation) -> Precheck:
    value = now.attest.get("power_source")
    rules, name, reason = ("R-051",), "power_source_ok", "power_source_unknown"
    if value == "uninterrupted":
        return Precheck(name, ATTESTED, True, reason, "control power will not be interrupted", rules)
    if value in (None, "unknown"):
        return Precheck(
            name, UNKNOWN, True, reason, "attest power_source: uninterrupted; losing power while flashing can destroy the meter", rules
        )
    return Precheck(name, FAIL, True, reason, f"power source is {value}", rules)


def management_zone(now: Situation) -> Precheck:
    rules, name, reason = ("G-17",), "management_zone", "cleartext_management"
    zone = now.attest.get("management_zone")
    if zone:
        return Precheck(name, ATTESTED, True, reason, f"credentials travel in clear inside the management network {zone}", rules)
    if "cleartext_management" in now.accept:
        return Precheck(name, ATTESTED, True, reason, "credentials travel in clear; accepted for this run", rules)
    return Precheck(
        name, UNKNOWN, True, reason, "the documented method sends credentials in clear; attest the management_zone the meter is in", rules
    )


def ethernet(now: Situation) -> Precheck:
    if now.behind_gateway:
        return Precheck(
            "transport_is_ethernet", FAIL, True, "not_ethernet", "the meter is reached through a gateway or as a serial unit", ("R-031",)
        )
    return Precheck("transport_is_ethernet", PASS, True, "not_ethernet", "the meter itself answers over Ethernet", ("R-031",))


def port(now: Situation, service: str, name: str, reason: str, rule: str) -> Precheck:
    state = now.services.get(service, "unknown")
    if state == "open":
        return Precheck(name, PASS, True, reason, f"the {service} port is open", (rule,))
    if state == "closed":
        return Precheck(name, FAIL, True, reason, f"the {service} port is closed", (rule,))
    return Precheck(name, UNKNOWN, True, reason, f"the {service} port gives no answer", (rule,))


def credential(now: Situation) -> Precheck:
    if now.has_credential:
        return Precheck("credential_given", PASS, True, "credential_unknown", "a product_master credential is given", ("R-034",))
    return Precheck(
        "credential_given", FAIL, True, "credential_unknown", "credentials.product_master (user and password) is missing", ("R-034",)
    )


def login(now: Situation) -> Precheck:
    rules = ("R-034", "R-054", "R-055")
    if now.login.state == "ok":
        return Precheck("ftp_login", PASS, True, "ftp_auth_failed", now.login.text, rules)
    if now.login.state == "refused":
        return Precheck("ftp_login", FAIL, True, now.login.reason, now.login.text, rules)
    # Not tried: in check mode, or because something cheaper failed already; the apply run tries it before any write.
    return Precheck("ftp_login", UNKNOWN, False, "ftp_auth_failed", now.login.text, rules)


def role(now: Situation) -> Precheck:
    rules, name, reason = ("R-034",), "role_product_master", "role_insufficient"
    if now.login.role == "product_master":
        return Precheck(name, PASS, True, reason, "the meter says that this account is a Product Master", rules)
    if now.login.role is not None:
        return Precheck(name, FAIL, True, reason, f"the meter says that this account is {now.login.role}, not a Product Master", rules)
    if now.has_credential:
        return Precheck(
            name, ATTESTED, True, reason, "named as product_master by whoever gave the credential; the meter was not asked", rules
        )
    return Precheck(name, UNKNOWN, True, reason, "no product_master credential is given", rules)


def ip_mode(now: Situation) -> Precheck:
    rules, name, reason = ("R-032", "G-09"), "ip_mode_stored", "ip_mode_not_stored"
    mode, attested = now.ip_mode, now.attest.get("ip_mode")
    if mode == "unknown" and attested is not None:
        return Precheck(name, ATTESTED if attested == "stored" else FAIL, False, reason, f"IP address acquisition mode: {attested}", rules)
    if mode == "unknown":
        return Precheck(
            name, UNKNOWN, False, reason, "the IP mode cannot be read; with DHCP the address may change during the upgrade", rules
        )
    return Precheck(name, PASS if mode == "stored" else FAIL, False, reason, f"IP address acquisition mode: {mode}", rules)


def lock(now: Situation) -> Precheck:
    rules, name, reason = ("R-047",), "mid_lock_open", "mid_lock_enabled"
    if not now.has_lock:
        return Precheck(name, PASS, True, reason, "this model has no MID/MIR lock", rules)
    if now.lock == "locked":
        return Precheck(name, FAIL, True, reason, "the MID/MIR lock is enabled; it is removed on the meter's display only", rules)
    if now.lock == "unlocked":
        return Precheck(name, PASS, True, reason, "the MID/MIR lock is open", rules)
    attested = now.attest.get("mid_lock")
    if attested == "unlocked":
        return Precheck(name, ATTESTED, True, reason, "the MID/MIR lock is open", rules)
    if attested == "locked":
        return Precheck(name, FAIL, True, reason, "the MID/MIR lock is enabled; it is removed on the meter's display only", rules)
    return Precheck(
        name,
        UNKNOWN,
        True,
        reason,
        "no public register tells the state of the MID/MIR lock; look at the display and attest mid_lock",
        rules,
    )


def free_space(now: Situation) -> Precheck:
    rules, name, reason = ("R-060",), "ftp_free_space", "ftp_no_space"
    free = now.login.free_space
    if free is None:
        return Precheck(name, UNKNOWN, False, reason, f"the meter does not tell its free space; {now.package_bytes} bytes are sent", rules)
    if free < now.package_bytes:
        return Precheck(name, FAIL, True, reason, f"{free} bytes are free; {now.package_bytes} are sent", rules)
    return Precheck(name, PASS, False, reason, f"{free} bytes are free; {now.package_bytes} are sent", rules)


def lease(now: Situation) -> Precheck:
    if now.holder is None:
        return Precheck("meter_is_free", PASS, True, "firmware_in_progress", "no other run works on this meter", ("R-086", "R-117"))
    return Precheck(
        "meter_is_free", FAIL, True, "firmware_in_progress", f"another run works on this meter: {now.holder}", ("R-086", "R-117")
    )
