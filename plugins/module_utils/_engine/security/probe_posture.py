# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What can be proven of a meter's security from outside, without a login: ports, and where HTTP leads to.

A closed port proves that a service is off; an open one that it is on. Filtered ports prove nothing. ION ports get a connect and not a byte
(the parser of old firmware is reached before any login); nothing is ever written.
"""

from __future__ import annotations

import asyncio

from ..base.target import Target
from ..catalogue.models import HEP
from ..meters import hep_probe
from ..wire.anonymous import Answer, look
from ..wire.loop import run
from ..wire.probe import CLOSED, OPEN, SILENT
from . import state as seen
from .state import State

_WORDS = {OPEN: seen.OPEN, CLOSED: seen.CLOSED, SILENT: seen.FILTERED}
#: Settings which the state of one port of the same name proves. sftp and ssh share a port, so it proves them only when it is closed.
_ONE_PORT = ("ion", "ion_tls", "ftp", "telnet")
_SHARED_PORT = {"ssh": ("sftp", "ssh")}
_WEB = {hep_probe.REDIRECT: "https_redirect", hep_probe.PLAIN: "http", hep_probe.SECURE_ONLY: "https", hep_probe.SHUT: "disabled"}


def probe_posture(target: Target, state: State) -> None:
    """Put ports into ``state``, and settings that they prove where nothing better is known of them."""
    names = [name for name in target.ports if name not in ("modbus", "dlms", "rtu_tcp", "dnp")]
    run(_ports(target, names, state))
    if target.family == HEP:
        _services(state)
    _web(target, state)


async def _ports(target: Target, names: list[str], state: State) -> None:
    found = await asyncio.wait_for(hep_probe.ports(target, names), target.timeouts.connect * (len(names) + 1))
    state.ports.update({name: _WORDS.get(word, seen.UNKNOWN) for name, word in found.items()})


def _services(state: State) -> None:
    for name in _ONE_PORT:
        if state.ports.get(name) in (seen.OPEN, seen.CLOSED):
            _prove(state, name, state.ports[name] == seen.OPEN)
    for port, names in _SHARED_PORT.items():
        for name in names:
            if state.ports.get(port) == seen.CLOSED:
                _prove(state, name, False)


def _web(target: Target, state: State) -> None:
    """What the webpages are, by one request for ``/`` without a login, and only where HTTP answers."""
    states = {name: word for word, told in _WORDS.items() for name in ("http", "https") if state.ports.get(name) == told}
    if set(states) != {"http", "https"}:
        return
    answer = Answer()
    if states["http"] == OPEN:
        answer = look(target.host, target.ports["http"], "/", False, target.timeouts.read)
    found = _WEB.get(hep_probe.judge_web(states, answer)[0])
    if found is not None:
        _prove(state, "web_protocol", found)


def _prove(state: State, name: str, value: object) -> None:
    """A page or register that told the setting itself is believed before a probe."""
    if state.provenance.get(name) in (None, seen.PROBE):
        state.settings[name] = value
        state.provenance[name] = seen.PROBE
        state.unread.pop(name, None)
