# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What can be seen of a meter's security from outside, without a login: ports, and where HTTP leads to.

An open port at a service's place tells that it is on. A closed one proves nothing of the setting, because a meter's ports can be moved
(R-404): it stays unknown, with what was seen beside it. ION ports get a connect and not a byte; nothing is ever written.
"""

from __future__ import annotations

import asyncio

from ..base.target import Target
from ..catalogue.models import HEP
from ..meters import hep_probe
from ..wire.anonymous import Answer, look
from ..wire.loop import run
from ..wire.probe import CLOSED, OPEN, SILENT, UNKNOWN
from . import state as seen
from .state import State

_WORDS = {OPEN: seen.OPEN, CLOSED: seen.CLOSED, SILENT: seen.FILTERED}
_SERVICES = ("ion", "ion_tls", "ftp", "telnet")
_WEB = {hep_probe.REDIRECT: "https_redirect", hep_probe.PLAIN: "http"}
_MOVED = "a port of a meter can be moved, so this proves nothing of the setting"


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
    for name in _SERVICES:
        if state.ports.get(name) == seen.OPEN:
            _prove(state, name, True)
        elif name in state.ports:
            _leave(state, name, f"its port is {state.ports[name]}; {_MOVED}")
    for name in ("sftp", "ssh"):  # one port for both
        if "ssh" in state.ports:
            _leave(state, name, f"the port of SFTP and SSH is {state.ports['ssh']}; {_MOVED}")


def _web(target: Target, state: State) -> None:
    """What the webpages are, by one request for ``/`` without a login, and only where HTTP answers."""
    http, https = state.ports.get("http"), state.ports.get("https")
    if http is None or https is None:
        return
    answer = look(target.host, target.ports["http"], "/", False, target.timeouts.read) if http == seen.OPEN else Answer()
    words = {name: next((word for word, told in _WORDS.items() if told == state.ports[name]), UNKNOWN) for name in ("http", "https")}
    found = _WEB.get(hep_probe.judge_web(words, answer)[0])
    if found is not None:
        _prove(state, "web_protocol", found)
    else:
        _leave(state, "web_protocol", f"HTTP is {http} and HTTPS {https}; {_MOVED}")


def _leave(state: State, name: str, why: str) -> None:
    if name not in state.settings:
        state.unread[name] = why


def _prove(state: State, name: str, value: object) -> None:
    """A page or register that told the setting itself is believed before a probe."""
    if state.provenance.get(name) in (None, seen.PROBE):
        state.settings[name] = value
        state.provenance[name] = seen.PROBE
        state.unread.pop(name, None)
