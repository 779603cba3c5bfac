# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Is a TCP port open? Connects and hangs up; not one byte is sent, so no page is ever requested."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

OPEN, CLOSED, SILENT, UNKNOWN = "open", "closed", "no_answer", "unknown"


async def probe(host: str, port: int, seconds: float) -> str:
    """``open``, ``closed`` (refused), ``no_answer`` within ``seconds``, or ``unknown`` (no way to the host)."""
    try:
        async with asyncio.timeout(seconds):
            dummy_reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return SILENT
    except ConnectionRefusedError:
        return CLOSED
    except OSError:
        return UNKNOWN
    writer.close()
    return OPEN


async def probe_all(host: str, ports: Mapping[str, int], seconds: float) -> dict[str, str]:
    """The state of each named port, asked for at the same time."""
    names = list(ports)
    states = await asyncio.gather(*(probe(host, ports[name], seconds) for name in names))
    return dict(zip(names, states, strict=True))
