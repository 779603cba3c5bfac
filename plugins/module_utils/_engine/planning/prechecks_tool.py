# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method tool (R-069…R-111), judged from what was gathered; pure.

The maker warns of permanent damage where these do not hold (R-071, R-081), so what is unknown blocks until somebody attests it.
"""

from __future__ import annotations

from ..catalogue import constants
from ..catalogue.versions import Dotted
from . import prechecks as common
from .prechecks import ATTESTED, FAIL, PASS, UNKNOWN, Precheck, Situation

#: PM5561 versions whose FTP server must be on, also for the tool; it is switched on at the display (R-095).
FTP_NEEDED = {("PM5561", "10.7.3"), ("PM5561", "10.8.2")}
#: The status text of the tool for a meter that can be upgraded (R-110).
APPLICABLE = "Firmware upgrade applicable"


def judge_tool(now: Situation) -> list[Precheck]:
    """Every precheck of the method tool, in the documented order. ``now.extra`` holds what ``ToolMethod.gather`` found."""
    return [
        common.artifact(now),
        *common.acceptances(now),
        common.attempts_left(now),
        _how(now),
        _tool_version(now),
        common.critical_control(now),
        common.digital_outputs(now),
        common.power_source(now),
        common.management_zone(now),
        common.ethernet(now),
        _credentials(now),
        _config(now),
        _ip_mode(now),
        _web_port(now),
        _ftp(now),
        _connection(now),
        _icmp(now),
        _link(now),
        _readers(now),
        common.lock(now),
        _login(now),
        _review(now),
        common.lease(now),
    ]


def _how(now: Situation) -> Precheck:
    rules, name, reason = ("R-071", "R-105"), "tool_reachable", "tool_host_unusable"
    fault = now.extra.get("host_fault")
    if now.extra.get("mode") == "manual":
        return Precheck(name, PASS, True, reason, "a technician runs the tool from a hand-over folder", rules)
    if fault:
        return Precheck(name, FAIL, True, reason, str(fault), rules)
    return Precheck(name, PASS, True, reason, f"the tool runs on {now.extra.get('host')}", rules)


def _tool_version(now: Situation) -> Precheck:
    """R-070, R-071: the tool is part of the package; another one can destroy the meter. Nothing overrides this."""
    rules, name, reason = ("R-070", "R-071", "R-106"), "tool_version_matches_package", "tool_version_mismatch"
    packed, said = str(now.extra.get("tool_version") or ""), str(now.extra.get("tool_said") or "")
    if not packed:
        return Precheck(name, FAIL, True, reason, "the manifest does not say which tool came with the package (tool.version)", rules)
    if said and Dotted.parse(said) != Dotted.parse(packed):
        return Precheck(name, FAIL, True, reason, f"the package came with tool {packed}; tool.version says {said}", rules)
    return Precheck(name, PASS, True, reason, f"tool {packed}, which came with the package", rules)


def _credentials(now: Situation) -> Precheck:
    missing = now.extra.get("missing_credentials") or ()
    rules, name, reason = ("R-101", "R-156"), "credentials_given", "credential_unknown"
    if missing:
        return Precheck(name, FAIL, True, reason, f"credentials.{' and credentials.'.join(missing)} (user and password) missing", rules)
    return Precheck(name, PASS, True, reason, "credentials of Web Master and Product Master are given", rules)


def _config(now: Situation) -> Precheck:
    fault = now.extra.get("config_fault")
    rules, name, reason = ("R-101", "R-102", "R-108"), "config_representable", "csv_unrepresentable"
    if fault:
        return Precheck(name, FAIL, True, reason, f"Config.csv cannot carry the value of the field {fault}", rules)
    return Precheck(name, PASS, True, reason, "all six fields can be written into Config.csv", rules)


def _ip_mode(now: Situation) -> Precheck:
    """Stronger than with the other methods: the tool needs a stored address (G-09)."""
    rules, name, reason = ("R-074", "R-093", "R-094", "G-09"), "ip_mode_stored", "ip_mode_not_stored"
    mode = str(now.login.facts.get("ip_mode") or now.ip_mode)
    attested = now.attest.get("ip_mode")
    if mode != "unknown":
        return Precheck(name, PASS if mode == "stored" else FAIL, True, reason, f"IP address acquisition mode: {mode}", rules)
    if attested is None:
        return Precheck(name, UNKNOWN, True, reason, "the tool needs a stored IP address; look at the display and attest ip_mode", rules)
    return Precheck(name, ATTESTED if attested == "stored" else FAIL, True, reason, f"IP address acquisition mode: {attested}", rules)


def _web_port(now: Situation) -> Precheck:
    """R-097, R-098: HTTP on 80 or HTTPS on 443; either one will do. Only looked at, also with a stored address (G-04)."""
    rules, name, reason = ("R-097", "R-098", "G-04"), "web_port_default", "web_port_changed"
    ports = now.extra.get("ports") or {}
    usual = {"http": {constants.PORT_HTTP.number}, "https": {constants.PORT_HTTPS.number}}
    if now.extra.get("loopback"):
        usual = {"http": {*usual["http"], 8080}, "https": {*usual["https"], 8443}}  # simulated meters of an ordinary user
    good = [service for service, numbers in usual.items() if ports.get(service) in numbers and now.services.get(service) == "open"]
    if good:
        return Precheck(name, PASS, True, reason, f"the {good[0]} port {ports[good[0]]} is open", rules)
    seen = ", ".join(f"{service} {ports.get(service)} {now.services.get(service, 'unknown')}" for service in usual)
    return Precheck(name, FAIL, True, reason, f"the tool needs HTTP on port 80 or HTTPS on port 443; seen: {seen}", rules)


def _ftp(now: Situation) -> Precheck:
    rules, name, reason = ("R-095",), "ftp_server_enabled", "ftp_server_disabled"
    if (now.extra.get("model"), now.extra.get("source")) not in FTP_NEEDED:
        return Precheck(name, PASS, True, reason, "this version does not need its FTP server for the tool", rules)
    if now.services.get("ftp") == "open":
        return Precheck(name, PASS, True, reason, "the FTP server is on", rules)
    return Precheck(name, FAIL, True, reason, "this version needs its FTP server, which is switched on at the meter's display only", rules)


def _connection(now: Situation) -> Precheck:
    """Up to 3.7 the meter hangs on the tool host's own cable (R-080, G-03); later both are in one subnet (R-099)."""
    version = str(now.extra.get("tool_version") or "")
    if version and constants.tool_needs_direct_cable(Dotted.parse(version)):
        return _direct(now, version)
    rules, name, reason = ("R-099",), "same_subnet", "same_subnet_required"
    state = now.extra.get("same_subnet")
    if state is True:
        return Precheck(name, PASS, True, reason, "tool host and meter are in one subnet", rules)
    if state is False:
        return Precheck(name, FAIL, True, reason, "the tool host has no address in the meter's subnet", rules)
    if now.attest.get("same_subnet"):
        return Precheck(name, ATTESTED, True, reason, "tool host and meter are in one subnet", rules)
    return Precheck(name, UNKNOWN, True, reason, "the tool host must be in the meter's subnet; attest same_subnet", rules)


def _direct(now: Situation, version: str) -> Precheck:
    rules, name, reason = ("R-080", "R-083", "G-03"), "direct_connection", "direct_connection_required"
    if now.attest.get("direct_connection"):
        return Precheck(name, ATTESTED, True, reason, "the meter is connected to the tool host directly", rules)
    return Precheck(name, UNKNOWN, True, reason, f"tool {version} needs a direct cable; attest direct_connection", rules)


def _icmp(now: Situation) -> Precheck:
    """R-078: asked from the tool's host, even when TCP works; after a failed start nobody may power cycle the meter (R-079)."""
    rules, name, reason = ("R-078", "R-079"), "icmp_reachable", "icmp_blocked"
    state = now.extra.get("icmp")
    if state is True:
        return Precheck(name, PASS, True, reason, "the meter answers ping from the tool host", rules)
    if state is False:
        return Precheck(name, FAIL, True, reason, "the meter does not answer ping from the tool host", rules)
    if now.attest.get("icmp"):
        return Precheck(name, ATTESTED, True, reason, "the meter answers ping from the tool host", rules)
    return Precheck(name, UNKNOWN, True, reason, "ICMP must reach the meter from the tool's computer; ping it there and attest icmp", rules)


def _link(now: Situation) -> Precheck:
    rules, name, reason = ("R-073", "R-077"), "link_stable", "link_unstable"
    state = now.services.get("link")
    if state is None:
        return Precheck(name, UNKNOWN, False, reason, "not tried, because no web port is open", rules)
    return Precheck(name, PASS if state == "stable" else FAIL, True, reason, f"connections to the web port: {state}", rules)


def _readers(now: Situation) -> Precheck:
    rules, name, reason = ("R-086", "R-087"), "read_connections", "too_many_read_connections"
    most = constants.MAX_READ_CONNECTIONS.number
    count = now.attest.get("read_connections")
    if count is None:
        text = f"the meter does not tell who reads it; at most {most} connections are supported, and nobody may write"
        return Precheck(name, UNKNOWN, False, reason, text, rules)
    return Precheck(
        name, ATTESTED if int(count) <= most else FAIL, True, reason, f"{count} connections read the meter; {most} are supported", rules
    )


def _login(now: Situation) -> Precheck:
    rules, name, reason = ("R-101", "R-108"), "web_login", "web_auth_failed"
    if now.login.state == "ok":
        return Precheck(name, PASS, True, reason, now.login.text, rules)
    if now.login.state == "refused":
        return Precheck(name, FAIL, True, now.login.reason, now.login.text, rules)
    return Precheck(name, UNKNOWN, False, reason, now.login.text, rules)


def _review(now: Situation) -> Precheck:
    """R-110, R-111: the tool's own status is seen when it is run on the meter; here only whether it will be asked before the start."""
    rules, name, reason = ("R-109", "R-110", "R-111"), "tool_says_applicable", "not_applicable"
    asked = "asked right before the start" if now.extra.get("review") else "seen when the tool runs; tool.review asks for it before"
    return Precheck(name, UNKNOWN, False, reason, f"the status '{APPLICABLE}' is {asked}", rules)
