# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTTP and HTTPS ports of a meter; what they say is in oldweb, newweb_a, newweb_b and fwtool."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from aiohttp import web

from metersim import storage, tables
from metersim.fwtool import ToolPort
from metersim.meter import Meter
from metersim.newweb_a import FormPages
from metersim.newweb_b import JsonPages
from metersim.oldweb import OldPages


class Pages(Protocol):
    """One generation's webpages."""

    async def answer(self, request: web.BaseRequest, secure: bool) -> tuple[web.StreamResponse, str]:
        """Answer and the user's name."""


class WebService:
    """One web port of one meter."""

    def __init__(self, meter: Meter, secure: bool = False) -> None:
        self._meter = meter
        self._secure = secure
        self._factory: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._as_started: tuple[Any, ...] = ()
        self._old: Pages = OldPages(meter)
        self._new: Pages = FormPages(meter) if meter.spec.surface == "a" else JsonPages(meter)
        self._tool: Pages = ToolPort(meter)

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
        factory = web.Server(self._handle, access_log=None)
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

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        meter = self._meter
        try:
            answer, user = await self._answer(request)
        except (storage.LinkCutError, ConnectionError):  # F-04, or the client is gone
            if request.transport:
                request.transport.abort()
            return web.Response(status=400)
        answer.headers["Server"] = meter.surface.server
        meter.record("http_request", method=request.method, path=request.path, status=answer.status, user=user, secure=self._secure)
        return answer

    async def _answer(self, request: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        meter = self._meter
        elsewhere = self._redirect(request)
        if elsewhere:
            return web.Response(status=301, headers={"Location": elsewhere}, text="Moved\n"), ""
        if request.path.startswith("/fwtool/"):
            return await self._tool.answer(request, self._secure)
        pages = self._old if meter.generation == tables.LEGACY else self._new
        return await pages.answer(request, self._secure)

    def _redirect(self, request: web.BaseRequest) -> str:
        """Where a request is sent instead; F-32 and the meter's own setting."""
        meter = self._meter
        mode = meter.faults.get("F-32", {}).get("mode", "")
        if mode == "elsewhere":
            return f"http://{meter.faults['F-32']['to']}{request.path_qs}"
        if self._secure or not (mode == "redirect" or (meter.http_redirect and meter.generation == tables.NEW)):
            return ""
        port = meter.port("https")
        return f"https://{meter.address}{'' if port == 443 else f':{port}'}{request.path_qs}"
