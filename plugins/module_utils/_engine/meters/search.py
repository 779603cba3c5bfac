# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Looks for a meter that left its address, by its serial number (R-032, F-13). Reads only; never more than asked for.

Each family is imported where it is asked: a jump host compiles whatever is imported anew for each step.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ..base.errors import MeteringError
from ..base.target import Target, Timeouts
from ..catalogue.models import HEP
from ..wire.loop import run

_AT_ONCE = 64
_QUICK = Timeouts(connect=1.0, read=2.0)


def addresses(networks: Iterable[str], without: str) -> Iterator[str]:
    """Every address of the networks once, except the one that was left."""
    seen = {without}
    for text in networks:
        for address in ipaddress.ip_network(text, strict=False):
            if str(address) not in seen:
                seen.add(str(address))
                yield str(address)


def find_serial(target: Target, serial: str, networks: Iterable[str]) -> str | None:
    """The address at which this serial number answers, or None."""
    return run(_search(target, serial, list(addresses(networks, target.host))))


async def _search(target: Target, serial: str, candidates: list[str]) -> str | None:
    identify: Any
    if target.family == HEP:
        from .hep import identify
    else:
        from .pm5000 import identify
    limit = asyncio.Semaphore(_AT_ONCE)

    async def ask(address: str) -> str | None:
        async with limit:
            try:
                identity = await identify(replace(target, host=address, timeouts=_QUICK), "search")
            except MeteringError:
                return None
        return address if identity.serial == serial else None

    found = await asyncio.gather(*(ask(address) for address in candidates))
    return next((address for address in found if address is not None), None)


def find_dlms_serial(target: Target, serial: str, networks: Iterable[str]) -> str | None:
    """The address at which a DLMS/COSEM meter tells this serial number (or logical device name) to the public client, or None."""
    from ..wire.dlms.session import public
    from . import mcs301

    def ask(address: str) -> str | None:
        there = replace(target, host=address, timeouts=_QUICK)
        try:
            with public(there, "search") as session:
                found = mcs301.identify(session, there)
        except MeteringError:
            return None
        return address if serial in (found.serial, found.logical_device_name) else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return next((address for address in pool.map(ask, addresses(networks, target.host)) if address is not None), None)
