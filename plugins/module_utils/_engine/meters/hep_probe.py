# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a HEP meter shows from outside: open ports, certificates, the redirect to HTTPS.

The ION parser of old firmware handles a whole request before any login (CVE-2021-22714), so ION ports get a TCP connect, or a TLS
handshake, and never a byte more. ION, Modbus RTU over TCP and DNP3 share eight connections: only one of them is open at a time here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ..base.errors import DeviceError
from ..base.target import Target
from ..wire.anonymous import Answer, look
from ..wire.probe import CLOSED, OPEN, UNKNOWN, probe
from ..wire.tls import tls_facts
from .reading import Values

SHARED = ("ion", "ion_tls", "rtu_tcp", "dnp")
TLS_SERVICES = ("https", "ion_tls")
_MOVES = (301, 302, 303, 307, 308)
_NO_WAY = "there is no way to the host"

#: What the webpages look like from outside. None of these words is a setting's value: ports can be moved or filtered.
REDIRECT, PLAIN, SECURE_ONLY, SHUT = "redirect", "plain", "https_only", "closed"


async def ports(target: Target, names: Iterable[str]) -> dict[str, str]:
    """The state of each named port, at most two connections at a time, one of them to the ports that share eight."""
    wanted = tuple(names)
    found: dict[str, str] = {}

    async def lane(members: Iterable[str]) -> None:
        for name in members:
            found[name] = await probe(target.host, target.ports[name], target.timeouts.connect)

    await asyncio.gather(lane(n for n in wanted if n in SHARED), lane(n for n in wanted if n not in SHARED))
    return {name: found[name] for name in wanted}


def put_services(target: Target, states: Mapping[str, str], out: Values) -> None:
    """The ports' states as facts."""
    for name, state in states.items():
        out.put(f"services.{name}.port", target.ports[name], "probe")
        if state == UNKNOWN:
            out.miss(f"services.{name}.state", _NO_WAY)
        else:
            out.put(f"services.{name}.state", state, "probe")


async def put_tls(target: Target, states: Mapping[str, str], out: Values) -> None:
    """Version and certificate of each TLS port, by a handshake without a request."""
    for name in TLS_SERVICES:
        if states[name] != OPEN:
            out.miss(f"tls.{name}", _NO_WAY if states[name] == UNKNOWN else f"port {target.ports[name]}: {states[name]}")
            continue
        try:
            out.put(f"tls.{name}", await asyncio.to_thread(tls_facts, target, target.ports[name]), "probe")
        except DeviceError as exc:
            out.miss(f"tls.{name}", exc.text)


async def put_web(target: Target, states: Mapping[str, str], out: Values) -> None:
    """Whether HTTP leads to HTTPS: one request for ``/`` without a login, and only where HTTP answers (R-188, R-393 to R-399)."""
    answer = Answer()
    if states["http"] == OPEN:
        answer = await asyncio.to_thread(look, target.host, target.ports["http"], "/", False, target.timeouts.read)
    seen, leads_to = judge_web(states, answer)
    if seen == UNKNOWN:
        out.miss("web_access.seen", answer.error or f"http: {states['http']}, https: {states['https']}")
    else:
        out.put("web_access.seen", seen, "probe")
    out.put("web_access.redirects_to", leads_to, "probe")


def judge_web(states: Mapping[str, str], answer: Answer) -> tuple[str, str | None]:
    """(what is seen, where HTTP leads to). Pure."""
    http, https = states["http"], states["https"]
    if http == OPEN and answer.status:
        leads_to = _origin(answer.header("location")) if answer.status in _MOVES else None
        secure = answer.status in _MOVES and answer.header("location").lower().startswith("https:")
        return (REDIRECT if secure else PLAIN), leads_to
    if http == CLOSED and https in (OPEN, CLOSED):
        return (SECURE_ONLY if https == OPEN else SHUT), None
    return UNKNOWN, None


def _origin(location: str) -> str | None:
    """Scheme, host and port of an address; nothing of its path, which a device chose."""
    try:
        parts = urlsplit(location)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{port}" if parts.scheme in ("http", "https") and re.fullmatch(r"[\w.:-]{1,253}", host) else None
