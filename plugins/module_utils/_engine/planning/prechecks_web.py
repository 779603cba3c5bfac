# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method web (R-130…R-138), judged from what was gathered; pure."""

from __future__ import annotations

from dataclasses import replace

from ..catalogue import constants
from . import prechecks as common
from .prechecks import ATTESTED, FAIL, PASS, UNKNOWN, Precheck, Situation

#: Sections of a profile without which no upgrade by webpages can run.
NEEDED_SECTIONS = ("upload",)


def judge_web(now: Situation) -> list[Precheck]:
    """Every precheck of the method web, in the documented order. ``now.extra`` holds what ``WebMethod.gather`` found."""
    now = replace(now, ip_mode=str(now.login.facts.get("ip_mode") or now.ip_mode))
    return [
        common.artifact(now),
        _suspect(now),
        _signature(now),
        *common.acceptances(now),
        _profile(now),
        common.attempts_left(now),
        _recovered(now),
        common.critical_control(now),
        common.digital_outputs(now),
        common.power_source(now),
        *([common.management_zone(now)] if now.extra.get("scheme", "http") == "http" else []),
        common.ethernet(now),
        common.port(now, str(now.extra.get("scheme", "http")), "web_port_open", "web_port_changed", "R-097"),
        *_tls(now),
        _link(now),
        _readers(now),
        _credential(now),
        _login(now),
        _role(now),
        _idle(now),
        common.ip_mode(now),
        common.lock(now),
        common.lease(now),
    ]


def _suspect(now: Situation) -> Precheck:
    reports, limit = int(now.extra.get("corrupt_reports", 0)), constants.CORRUPT_REPORTS.number
    rules, name, reason = ("R-147", "R-148"), "artifact_not_suspect", "artifact_suspect"
    if reports >= limit:
        return Precheck(
            name, FAIL, True, reason, f"meters called this package invalid or corrupted {reports} times in this campaign", rules
        )
    said = "no meter of this campaign refused this package as damaged" if not reports else "one meter refused this package as damaged"
    return Precheck(name, PASS, True, reason, said, rules)


def _signature(now: Situation) -> Precheck:
    """R-134: the maker's signature sits inside a container whose layout is not public; the meter is its judge."""
    rules, name, reason = ("R-134",), "artifact_signature", "artifact_hash_mismatch"
    kind = str(now.extra.get("signature", "unverified"))
    texts = {
        "absent": "the manifest names no signature; the pinned hash is all there is to check before the meter does",
        "unverified": "the signature inside the package cannot be checked here; its hash is as pinned, and the meter judges",
    }
    return Precheck(name, UNKNOWN if kind in texts else PASS, False, reason, texts.get(kind, f"signature: {kind}"), rules)


def _profile(now: Situation) -> Precheck:
    rules, name, reason = ("R-135", "G-02"), "profile_drives_upgrade", "profile_missing"
    given, missing = now.extra.get("profile"), now.extra.get("missing_sections") or ()
    if not given:
        return Precheck(
            name, FAIL, True, reason, "the webpages are not public: name a profile of this meter's pages in web_profile or profile", rules
        )
    if missing:
        return Precheck(name, FAIL, True, reason, f"profile {given} does not say how to {' or '.join(missing)}", rules)
    mark = "verified" if now.extra.get("verified") else "never verified on a real meter"
    return Precheck(name, PASS, True, reason, f"profile {given}, {mark}", rules)


def _recovered(now: Situation) -> Precheck:
    """After an end that may need the 10 s without power, a person says that it was done; software never does it (R-150, G-08)."""
    rules, name, reason = ("R-150", "R-151", "G-08"), "recovered_after_failure", "recovery_not_attested"
    last = now.extra.get("bad_end")
    if not last:
        return Precheck(name, PASS, True, reason, "no earlier upgrade by webpages is left in doubt", rules)
    if now.attest.get("recovered") and not now.extra.get("attest_is_older"):
        return Precheck(name, ATTESTED, True, reason, f"the upgrade that ended as {last} was followed up on site", rules)
    more = "; the attestation is older than that end" if now.attest.get("recovered") else ""
    return Precheck(
        name, UNKNOWN, True, reason, f"the last upgrade by webpages ended as {last}; attest recovered after a person looked{more}", rules
    )


def _link(now: Situation) -> Precheck:
    rules, name, reason = ("R-130", "R-073"), "link_stable", "link_unstable"
    state = now.services.get("link")
    if state is None:
        return Precheck(name, UNKNOWN, False, reason, "not tried, because the port is not open", rules)
    return Precheck(name, PASS if state == "stable" else FAIL, True, reason, f"connections to the web port: {state}", rules)


def _tls(now: Situation) -> list[Precheck]:
    """What a handshake without a password tells; the login judges the whole certificate (F-31)."""
    state = now.services.get("tls")
    if state is None:
        return []
    code, dummy_colon, text = state.partition(": ")
    if state == "ok":
        return [Precheck("tls_usable", PASS, True, "tls_untrusted", "the meter's TLS is as expected", ("F-31",))]
    return [Precheck("tls_usable", FAIL, True, code, text, ("F-31",))]


def _readers(now: Situation) -> Precheck:
    rules, name, reason = ("R-087",), "read_connections", "too_many_read_connections"
    most = constants.MAX_READ_CONNECTIONS.number
    count = now.extra.get("read_connections")
    if count is None:
        return Precheck(
            name, UNKNOWN, False, reason, f"the meter does not tell who reads it; at most {most} connections are supported", rules
        )
    return Precheck(
        name, PASS if int(count) <= most else FAIL, True, reason, f"{count} connections read the meter; {most} are supported", rules
    )


def _credential(now: Situation) -> Precheck:
    rules, name, reason = ("R-138", "R-156"), "credential_given", "credential_unknown"
    role = now.extra.get("role")
    if role:
        return Precheck(name, PASS, True, reason, f"a credential of the role {role} is given", rules)
    text = "credentials.administrator (user and password) is missing; credentials.product_master is taken where only that is given"
    return Precheck(name, FAIL, True, reason, text, rules)


def _login(now: Situation) -> Precheck:
    rules, name, reason = ("R-138", "R-344"), "web_login", "web_auth_failed"
    if now.login.state == "ok":
        return Precheck(name, PASS, True, reason, now.login.text, rules)
    if now.login.state == "refused":
        return Precheck(name, FAIL, True, now.login.reason, now.login.text, rules)
    return Precheck(name, UNKNOWN, False, reason, now.login.text, rules)


def _role(now: Situation) -> Precheck:
    rules, name, reason = ("R-138",), "role_may_upgrade", "web_role_insufficient"
    role = now.login.role
    if role == "product_master":  # what a profile calls its full role, whatever the meter's word is
        return Precheck(name, PASS, True, reason, "the meter says that this account may upgrade", rules)
    if role is not None:
        return Precheck(name, FAIL, True, reason, f"the meter says that this account is {role}, which may not upgrade", rules)
    if now.extra.get("role"):
        return Precheck(
            name, ATTESTED, True, reason, f"named as {now.extra['role']} by whoever gave the credential; the meter was not asked", rules
        )
    return Precheck(name, UNKNOWN, True, reason, "no credential is given", rules)


def _idle(now: Situation) -> Precheck:
    """The meter itself knows of an upgrade that nobody here started (R-086)."""
    rules, name, reason = ("R-086", "R-117"), "meter_is_idle", "firmware_in_progress"
    status = now.login.facts.get("status")
    if status in ("running", "waiting"):
        return Precheck(name, FAIL, True, reason, "the meter's status page says that an upgrade is running", rules)
    if status in (None, "unknown"):
        return Precheck(name, UNKNOWN, False, reason, "the status page was not read", rules)
    return Precheck(name, PASS, True, reason, "the meter's status page tells of no running upgrade", rules)
