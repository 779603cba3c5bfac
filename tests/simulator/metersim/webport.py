# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One web port of any meter: opened, moved, closed; what it says is another's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import web


class WebPort:
    """The port; a subclass answers in ``handle`` and tells in ``sends_to_https`` whether plain requests are redirected."""

    def __init__(self, meter: Any, secure: bool) -> None:
        self._meter = meter
        self._secure = secure
        self._factory: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._as_started: tuple[Any, ...] = ()

    async def start(self, address: str, port: int) -> None:
        """Open the port, or move it when address, port or certificate have changed."""
        context = None
        wanted: tuple[Any, ...] = (address, port)
        if self._secure:
            from metersim import certs  # heavy import, and old meters do not need it

            context = certs.context_of(self._meter)
            wanted += (certs.now_shown(self._meter).fingerprint, context.minimum_version)
        if self._server is not None and wanted == self._as_started:
            return
        await self.stop()
        factory = self.factory()
        self._server = await asyncio.get_running_loop().create_server(factory, address, port, ssl=context)
        self._factory = factory
        self._as_started = wanted

    async def stop(self) -> None:
        """Close the port and cut every connection."""
        server, self._server = self._server, None
        factory, self._factory = self._factory, None
        if server is None or factory is None:
            return
        server.close()
        for connection in list(factory.connections):
            transport = getattr(connection, "transport", None)
            if transport:
                transport.abort()
        with contextlib.suppress(asyncio.TimeoutError):
            await factory.shutdown(0)

    def factory(self) -> web.Server:
        """What makes a handler for each connection."""
        return web.Server(self.handle, access_log=None)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        raise NotImplementedError

    def sends_to_https(self, mode: str) -> bool:
        """Whether a plain request is sent to HTTPS; ``mode`` is F-32's."""
        raise NotImplementedError

    def moved(self, request: web.BaseRequest) -> web.Response | None:
        """The answer that sends a request elsewhere, if it does: F-32 and the meter's own setting."""
        meter = self._meter
        fault = meter.faults.get("F-32", {})
        mode = fault.get("mode", "")
        if mode == "elsewhere":
            place = f"http://{fault['to']}"
        elif self._secure or not self.sends_to_https(mode):
            return None
        else:
            port = meter.port("https")
            place = f"https://{meter.address}{'' if port == 443 else f':{port}'}"
        return web.Response(status=301, headers={"Location": place + request.path_qs}, text="Moved\n")

    def log(self, request: web.BaseRequest, answer: web.StreamResponse, user: str) -> None:
        """Into the journal."""
        self._meter.record("http_request", method=request.method, path=request.path, status=answer.status, user=user, secure=self._secure)


def cut(request: web.BaseRequest) -> web.Response:
    """The connection goes instead of an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=400)
