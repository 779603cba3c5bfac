# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Looks at a real HEP meter and says which assumptions hold there. Reads only: no login, no write, no byte to an ION port."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target
from ..catalogue.generations import generation
from ..catalogue.models import HEP, family_of_product_id, find_model
from ..catalogue.versions import Version
from ..wire.anonymous import Answer, look
from ..wire.loop import run
from ..wire.modbus import ModbusReader, RefusedError
from ..wire.probe import CLOSED, OPEN
from ..wire.tls import tls_facts
from . import hep_probe
from . import hep_registers as registers
from .hep_assumptions import EXPECTED, GAP, judge, judge_profiled, judge_register
from .hep_registers import EMPTY, FILLERS, NOT_AVAILABLE, Field, UnreadableError
from .pm5000_assumptions import NO, UNKNOWN, YES
from .pm5000_probe import Probe

_OLD, _FOUR = "below 3", "4"


def probe(target: Target, profile: Mapping[str, Any] | None = None) -> Probe:
    """Everything that can be seen without signing in. Raises InputError for a bad profile."""
    fields = registers.profile_fields(profile)
    found = Probe()
    run(_look(target, fields, found))
    return found


async def _look(target: Target, fields: tuple[Field, ...], found: Probe) -> None:
    await _modbus(target, fields, found)
    _model(found)
    found.ports.update(await hep_probe.ports(target, (name for name in target.ports if name != "modbus")))
    _ports(found)
    await _web(target, found)
    await _tls(target, found)


def _add(found: Probe, key: str, holds: bool | None, seen: object) -> None:
    found.findings.append(judge(key, UNKNOWN if holds is None else YES if holds else NO, seen))


# -- Modbus -----------------------------------------------------------------------------------------------------------


async def _modbus(target: Target, fields: tuple[Field, ...], found: Probe) -> None:
    try:
        async with ModbusReader(target, "probe") as reader:
            if not await _block(reader, found):
                return
            for item in EXPECTED:
                holds, value = await _field(reader, item.field)
                if holds == YES:
                    found.values[item.field.name] = value
                found.findings.append(judge_register(item, holds, value))
            for field in fields:
                found.findings.append(judge_profiled(field, *await _field(reader, field)))
            await _identification(reader, found)
    except DeviceError as exc:
        seen = any(item.id == "modbus.port" for item in found.findings)
        _add(found, "fc43.answers" if seen else "modbus.port", None if seen else False, exc.text)


async def _block(reader: ModbusReader, found: Probe) -> bool:
    """The first request tells about port, unit id, size of a request and fillers. False when nothing further can be read."""
    block, own = registers.IDENTITY, reader.target.unit_id
    try:
        words = await reader.registers(block.first, block.count)
    except RefusedError as exc:
        _add(found, "modbus.port", True, "answers")
        _add(found, "modbus.unit_id", own == 255 or None, f"unit {own} answers")
        _add(found, "modbus.block", False, exc.meaning)
        return True
    except DeviceError as exc:
        if "knows no unit" not in exc.text:
            raise
        _add(found, "modbus.port", True, "answers")
        _add(found, "modbus.unit_id", False, f"unit {own} does not answer")
        return False
    _add(found, "modbus.port", True, "answers")
    _add(found, "modbus.unit_id", own == 255 or None, f"unit {own} answers")
    _add(found, "modbus.block", True, f"{block.count} registers")
    between = {words[number - block.first] for number in GAP}
    _add(found, "modbus.filler", between <= FILLERS, ", ".join(f"0x{word:04X}" for word in sorted(between)[:6]))
    return True


async def _field(reader: ModbusReader, field: Field) -> tuple[str, Any]:
    """(whether the register holds what is expected, what was seen)."""
    try:
        return YES, field.decode(await reader.registers(field.first, field.count))
    except RefusedError as exc:
        return NO, f"{exc.meaning}, or protected by the meter's security"
    except UnreadableError as exc:
        return UNKNOWN if str(exc) in (NOT_AVAILABLE, EMPTY) else NO, exc


async def _identification(reader: ModbusReader, found: Probe) -> None:
    try:
        objects = await reader.identification()
    except DeviceError as exc:
        _add(found, "fc43.answers", False if isinstance(exc, RefusedError) else None, getattr(exc, "meaning", exc.text))
        return
    texts = [objects.get(number, b"").decode("utf-8", errors="replace").strip("\x00 ") for number in range(3)]
    _add(found, "fc43.answers", all(texts), ", ".join(text or "-" for text in texts))
    own, told = _version(found.values.get("firmware.raw")), _version(texts[2])
    _add(found, "fc43.revision", own == told if own and told else None, f"{texts[2] or 'empty'}, registers say {own or 'nothing'}")


def _version(text: object) -> Version | None:
    try:
        return Version.parse(text) if text else None
    except InputError:
        return None


def _model(found: Probe) -> None:
    told, number = found.values.get("model"), found.values.get("product_id")
    try:
        model = find_model(str(told)) if told else None
    except InputError:
        model = None
    _add(found, "model.known", bool(model and model.family == HEP) if told else None, told or "not read")
    _add(found, "product_id.range", family_of_product_id(number) == HEP if number else None, number or "not read")
    version = _version(found.values.get("firmware.raw"))
    if version:
        found.values["firmware"] = str(version)
    if model and model.family == HEP and version:
        found.values["generation"] = generation(model, version)


# -- ports, web, TLS --------------------------------------------------------------------------------------------------


def _ports(found: Probe) -> None:
    """What listens. A port may have been moved, closed by a setting, or filtered, so a miss is rarely a contradiction."""
    kind, ports = found.values.get("generation"), found.ports
    _add(found, "port.ion", True if ports["ion"] == OPEN else None, ports["ion"])
    if kind == _FOUR:
        tls = True if ports["ion_tls"] == OPEN else None
    else:
        tls = {OPEN: False, CLOSED: True}.get(ports["ion_tls"]) if kind else None
    _add(found, "port.ion_tls", tls, ports["ion_tls"])
    ssh = {OPEN: kind != _OLD, CLOSED: True if kind == _OLD else None}.get(ports["ssh"]) if kind else None
    _add(found, "port.ssh", ssh, ports["ssh"])
    both = {ports["ftp"], ports["telnet"]}
    old = (
        None
        if kind is None
        else (OPEN in both or None)
        if kind == _OLD
        else (False if OPEN in both else True if both == {CLOSED} else None)
    )
    _add(found, "port.old", old, f"ftp {ports['ftp']}, telnet {ports['telnet']}")


async def _web(target: Target, found: Probe) -> None:
    states = {name: found.ports[name] for name in ("http", "https")}
    answer = Answer()
    if states["http"] == OPEN:
        answer = await asyncio.to_thread(look, target.host, target.ports["http"], "/", False, target.timeouts.read)
    seen, leads_to = hep_probe.judge_web(states, answer)
    kind = found.values.get("generation")
    holds = None if kind in (None, _OLD) or seen == UNKNOWN else seen != hep_probe.PLAIN
    _add(found, "http.redirect", holds, f"{seen}{f', to {leads_to}' if leads_to else ''}; http {states['http']}, https {states['https']}")


async def _tls(target: Target, found: Probe) -> None:
    if found.ports["https"] != OPEN:
        return
    try:
        facts = await asyncio.to_thread(tls_facts, target)
    except DeviceError as exc:
        _add(found, "tls.version", None, exc.text)
        return
    found.values["fingerprint"] = facts["fingerprint"]
    _add(found, "tls.version", facts["version"] in ("TLSv1.2", "TLSv1.3"), f"{facts['version']}, {facts['cipher']}")
    _add(found, "tls.fingerprint", True, facts["fingerprint"])
    _add(found, "tls.self_signed", facts["self_signed"], f"subject {facts['subject']}, issuer {facts['issuer']}")
