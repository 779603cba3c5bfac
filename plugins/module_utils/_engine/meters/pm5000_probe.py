# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Looks at a real PM5000 and says which assumptions hold there. Reads only: no write, no trigger page, no semaphore.

A port that is silent or a page that is missing is a finding, not a fault; only a meter that does not answer Modbus at all
and has no web server either is worth a DeviceError, and even that is left to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from ..catalogue.generations import generation
from ..catalogue.models import find_model
from ..catalogue.versions import Version
from ..wire.anonymous import Answer, ftp_banner, look, refuse_trigger
from ..wire.loop import run
from ..wire.modbus import ModbusReader, RefusedError
from ..wire.probe import probe_all
from ..wire.tls import tls_facts
from ..wire.web_session import ProfileSession
from .pm5000_assumptions import IDENTITY_IN_ONE, NO, REGISTERS, UNKNOWN, YES, Expected, Finding, judge, judge_register, shown
from .pm5000_registers import EMPTY, NOT_AVAILABLE, UnreadableError

ROLES = ("administrator", "product_master")  # whose login is tried, the first that is given
MASKED = "(masked)"
_CHALLENGE = re.compile(r'\s*(basic|digest)\b(?:.*?\brealm="([^"]{0,80})")?', re.I)
_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_MAC = re.compile(r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b|\b00[08][0F][0-9A-Fa-f]{8}\b")
_ASKS = (401, 403)
_MOVES = (301, 302, 303, 307, 308)
_FORM = re.compile(r"<input[^<>]{0,200}\btype\s*=\s*[\"']?password", re.I)


@dataclass
class Probe:
    """What was found, and what the meter said about itself on the way."""

    findings: list[Finding] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    old: bool | None = None

    def add(self, key: str, holds: bool | None, seen: object) -> None:
        """One finding about an assumption that is not a register."""
        self.findings.append(judge(key, UNKNOWN if holds is None else YES if holds else NO, seen))


def check_profile(profile: Mapping[str, Any] | None) -> None:
    """Raise InputError where a page that the probe would ask for is the one that starts an upgrade (R-062)."""
    for name, path in _pages(profile):
        refuse_trigger(path, f"profile: {name}")
    for name in ("login", "logout"):
        section = (profile or {}).get(name) or {}
        for key in ("page", "path"):
            refuse_trigger(str(section.get(key, "")), f"profile: {name}.{key}")


def probe(target: Target, profile: Mapping[str, Any] | None = None, check_login: bool = False) -> Probe:
    """Everything that can be seen without signing in, and with ``check_login`` what the profile's pages say after one login.

    Raises InputError for a profile that would start an upgrade.
    """
    check_profile(profile)
    found = Probe()
    run(_modbus(target, found))
    found.ports.update(run(probe_all(target.host, target.ports, target.timeouts.connect)))
    _generation(found)
    _ports(found)
    answers = _web(target, found)
    _tls(target, found)
    _ftp(target, found)
    _profile_pages(target, profile, answers, found)
    if profile and check_login:
        _signed_in(target, profile, found)
    return found


# -- Modbus -----------------------------------------------------------------------------------------------------------


async def _modbus(target: Target, found: Probe) -> None:
    try:
        async with ModbusReader(target, "probe") as reader:
            if not await _block(reader, found):
                return
            for item in REGISTERS:
                await _register(reader, item, found)
            await _identification(reader, found)
    except DeviceError as exc:
        if not any(item.id == "modbus.port" for item in found.findings):
            found.add("modbus.port", False, exc.text)
            return
        found.add("fc43.answers", None, exc.text)


async def _block(reader: ModbusReader, found: Probe) -> bool:
    """The first request tells about port, unit id and the size of a request. False when nothing further can be read."""
    try:
        await reader.registers(IDENTITY_IN_ONE.first, IDENTITY_IN_ONE.count)
    except RefusedError as exc:
        found.add("modbus.port", True, "answers")
        found.add("modbus.unit_id", True, f"unit {reader.target.unit_id} answers")
        found.add("modbus.block", False, exc.meaning)
        return True
    except DeviceError as exc:
        if "knows no unit" not in exc.text:
            raise
        found.add("modbus.port", True, "answers")
        found.add("modbus.unit_id", False, f"unit {reader.target.unit_id} does not answer")
        return False
    found.add("modbus.port", True, "answers")
    found.add("modbus.unit_id", reader.target.unit_id == 255 or None, f"unit {reader.target.unit_id} answers")
    found.add("modbus.block", True, f"{IDENTITY_IN_ONE.count} registers")
    return True


async def _register(reader: ModbusReader, item: Expected, found: Probe) -> None:
    name = item.field.name
    try:
        value = item.field.decode(await reader.registers(item.field.first, item.field.count))
    except RefusedError as exc:
        found.findings.append(judge_register(item, NO, exc.meaning))
    except UnreadableError as exc:
        empty = str(exc) in (NOT_AVAILABLE, EMPTY)
        found.findings.append(judge_register(item, UNKNOWN if empty else NO, exc))
    else:
        found.values[name] = value
        # A number is plausible whatever it is; that it means what we think is another matter, so it is shown.
        known = name not in ("lock_switch", "lock_status", "firmware_raw")
        found.findings.append(judge_register(item, YES if known else UNKNOWN, value))


async def _identification(reader: ModbusReader, found: Probe) -> None:
    try:
        objects = await reader.identification()
    except DeviceError as exc:
        found.add("fc43.answers", False if isinstance(exc, RefusedError) else None, getattr(exc, "meaning", exc.text))
        return
    texts = [objects.get(number, b"").decode("utf-8", errors="replace").strip("\x00 ") for number in range(3)]
    found.add("fc43.answers", all(texts), ", ".join(text or "-" for text in texts))
    found.add("fc43.vendor", texts[0] == "Schneider Electric", texts[0] or "empty")
    present = found.values.get("firmware")
    fits = _revision_fits(texts[2], present) if present and texts[2] else None
    found.add("fc43.revision", fits, f"{texts[2] or 'empty'}, registers say {present or 'nothing'}")


def _revision_fits(revision: str, version: str) -> bool:
    """X.Y.ZTT against X.Y.Z, where TT may be missing."""
    head, dot, last = version.rpartition(".")
    return revision == version or bool(re.fullmatch(rf"{re.escape(head)}\.{last}\d\d", revision) and dot)


def _generation(found: Probe) -> None:
    told = found.values.get("model")
    try:
        model = find_model(str(told)) if told else None
    except InputError:
        model = None
    found.add("model.known", bool(model) if told else None, told or "not read")
    version = found.values.get("firmware")
    if model and version:
        kind = generation(model, Version.parse(version))
        found.old = {"legacy": True, "new": False}.get(kind)


# -- ports, web, TLS, FTP ---------------------------------------------------------------------------------------------


def _ports(found: Probe) -> None:
    """What listens. An open port is not the same as an enabled setting, and a closed one may be moved or filtered."""
    http, https, ftp = (found.ports[name] for name in ("http", "https", "ftp"))
    found.add("port.http", True if http == "open" else None, http)
    fits = None if found.old is None else (https == "open") != found.old
    found.add("port.https", fits if https in ("open", "closed") else None, https)
    found.add("port.ftp", True if found.old and ftp == "open" else True if found.old is False and ftp == "closed" else None, ftp)


def _web(target: Target, found: Probe) -> dict[str, Answer]:
    """One anonymous request for / by each scheme that listens."""
    answers = {
        name: look(target.host, target.ports[name], "/", name == "https", target.timeouts.read)
        for name in ("http", "https")
        if found.ports[name] == "open"
    }
    http = answers.get("http")
    moved = http is not None and http.status in _MOVES and http.header("location").lower().startswith("https:")
    if http is not None and found.old is False:
        found.add("http.redirect", moved, _shown(http))
    main = answers.get("https") if moved or http is None else http
    if main is None:
        return answers
    found.values["server"] = main.header("server")
    asked = asks_to_sign_in(main)
    found.add("http.login", asked if main.status else None, _shown(main))
    if found.old:
        challenge = _CHALLENGE.match(main.header("www-authenticate"))
        seen = f"{challenge[1]}, realm {challenge[2]!r}" if challenge else _shown(main)
        found.add("http.challenge", bool(challenge) if main.status == 401 else None, seen)
    return answers


def asks_to_sign_in(answer: Answer) -> bool:
    """Whether an answer turns an anonymous visitor away, sends him elsewhere, or shows a field for a password."""
    return answer.status in _ASKS or answer.status in _MOVES or (answer.status == 200 and bool(_FORM.search(answer.text)))


def _shown(answer: Answer) -> str:
    """An answer in a line: status, where it leads, who says so."""
    if answer.error:
        return answer.error
    parts = [f"status {answer.status}"]
    parts += [f"{label} {value}" for label, value in (("to", answer.header("location")), ("server", answer.header("server"))) if value]
    return ", ".join(parts)


def _ftp(target: Target, found: Probe) -> None:
    if found.ports["ftp"] != "open":
        return
    greeting, why = ftp_banner(target.host, target.ports["ftp"], target.timeouts.read)
    found.add("ftp.banner", greeting.startswith("220") if greeting else None, greeting or why)


def _tls(target: Target, found: Probe) -> None:
    """The certificate and the version of TLS, by a handshake without a request."""
    if found.ports["https"] != "open":
        return
    try:
        facts = tls_facts(target)
    except DeviceError as exc:
        found.add("tls.version", None, exc.text)
        return
    found.values["fingerprint"] = facts["fingerprint"]
    found.add("tls.version", facts["version"] in ("TLSv1.2", "TLSv1.3"), f"{facts['version']}, {facts['cipher']}")
    found.add("tls.fingerprint", True, facts["fingerprint"])
    if facts["not_after"] is None:
        found.add("tls.self_signed", None, "the cryptography library is not installed here")
        return
    found.add("tls.self_signed", facts["self_signed"], f"subject {facts['subject']}, issuer {facts['issuer']}")
    found.add("tls.valid", facts["not_after"] > datetime.now(UTC).isoformat(), f"until {facts['not_after']}")


# -- profile ----------------------------------------------------------------------------------------------------------


def _pages(profile: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Pages of a profile that only show something: (section, path)."""
    document = profile or {}
    found = [(name, str(document[name].get("path"))) for name in ("role_page", "status_page") if document.get(name)]
    found += [(f"settings.{name}", str(item.get("path"))) for name, item in sorted((document.get("settings") or {}).items())]
    return list(dict(reversed([(path, (name, path)) for name, path in found])).values())[::-1]


def _profile_pages(target: Target, profile: Mapping[str, Any] | None, answers: Mapping[str, Answer], found: Probe) -> None:
    """Does each page exist, as far as an anonymous visitor can tell?"""
    if not profile:
        return
    scheme = (profile.get("transport") or {}).get("scheme", "http")
    usable = scheme in answers and bool(answers[scheme].status)
    found.add("profile.scheme", usable, f"{scheme}: {_shown(answers[scheme]) if scheme in answers else found.ports[scheme]}")
    if not usable:
        return
    for name, path in _pages(profile):
        answer = look(target.host, target.ports[scheme], path, scheme == "https", target.timeouts.read)
        holds = NO if answer.status in (404, 410) else UNKNOWN if not answer.status else YES
        if answer.status in _MOVES or answer.status in _ASKS:
            holds = UNKNOWN  # it may be there: without a login many servers say the same for every address
        text = f"the page of {name} exists"
        found.findings.append(Finding(f"profile.page.{name}", text, "profile", "profile", holds, shown(_shown(answer))))


def _signed_in(target: Target, profile: Mapping[str, Any], found: Probe) -> None:
    """One login, then every page that only shows something. Nothing is written, uploaded or confirmed."""
    if (profile.get("login") or {}).get("kind") == "helper":
        found.add("profile.login", None, "this profile signs in with a helper, which the probe does not call")
        return
    role = next((name for name in ROLES if name in target.credentials), ROLES[0])
    with ProfileSession(target, profile, role) as session:
        try:
            session.login()
        except DeviceError as exc:
            found.add("profile.login", False, f"{exc.reason}: {exc.device_text or exc.text}")
            return
        found.add("profile.login", True, f"as {role}")
        # What follows tells more than what an anonymous visitor was told of the same pages.
        found.findings = [item for item in found.findings if not (item.id.startswith("profile.page.") and item.holds == UNKNOWN)]
        if "role_page" in profile:
            _try(found, "profile.role", lambda: _role(session.role()))
        if "status_page" in profile:
            _try(found, "profile.status", lambda: _status(*session.status()))
        for name, spec in sorted((profile.get("settings") or {}).items()):
            text = f"the setting {name} is read from {spec['path']}"
            holds, seen = _read(session, name)
            found.findings.append(Finding(f"profile.setting.{name}", text, "profile", "profile", holds, shown(seen)))


def _role(word: str | None) -> tuple[bool, str]:
    return word is not None, word or "not understood"


def _status(overall: str, processes: Sequence[Mapping[str, Any]], text: str, last: Mapping[str, str]) -> tuple[bool, str]:
    unknown = [item["name"] for item in processes if item["state"] == "unknown"]
    seen = f"{overall}, {len(processes)} processes, {text!r}, version {last.get('version') or 'none'}"
    return overall != "unknown" and not unknown, seen + (f"; not understood: {', '.join(unknown)}" if unknown else "")


def _try(found: Probe, key: str, read: Callable[[], tuple[bool, str]]) -> None:
    try:
        holds, seen = read()
    except DeviceError as exc:
        holds, seen = False, f"{exc.reason}: {exc.device_text or exc.text}"
    found.add(key, holds, seen)


def _read(session: ProfileSession, name: str) -> tuple[str, str]:
    try:
        value = session.read(name)
    except DeviceError as exc:
        return NO, f"{exc.reason}: {exc.device_text or exc.text}"
    return (UNKNOWN, "this firmware does not have the page or the field") if value is None else (YES, value)


# -- for a report that leaves the house -------------------------------------------------------------------------------


def masked(found: Probe, host: str) -> list[Finding]:
    """The findings without serial number, name, addresses and MAC of this meter."""
    own = [str(found.values[key]) for key in ("serial", "name", "unit_prefix") if found.values.get(key) not in (None, "")]
    own = sorted({host, *own, *(value for value in (found.values.get("fingerprint"),) if value)}, key=len, reverse=True)
    hidden = {"register.name", "register.serial", "register.unit_prefix", "profile.template"}
    settings = ("profile.settings.", "profile.energies.")  # how a HEP meter is secured is nobody else's business

    def seen(item: Finding) -> str:
        private = item.id in hidden or item.id.startswith(settings)
        return _form(item.seen) if private and item.holds == YES else _mask(item.seen, own)

    return [replace(item, seen=seen(item)) for item in found.findings]


def _mask(text: str, own: list[str]) -> str:
    for word in own:
        if len(word) >= 4:
            text = text.replace(word, MASKED)
    return _MAC.sub(MASKED, _ADDRESS.sub(MASKED, text))


def _form(value: str) -> str:
    """The shape of a value that stays at home."""
    kind = "digits" if value.isdigit() else "characters"
    return f"{len(value)} {kind}"
