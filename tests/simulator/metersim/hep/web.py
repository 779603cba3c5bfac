# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTTP and HTTPS ports of a HEP meter; what they say is in web_forms and web_json."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

CLIENTS = 10


class LostReplyError(Exception):
    """The work was done, but the connection goes instead of the answer."""


class Pages(Protocol):
    """One surface."""

    async def answer(self, request: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        """Answer and the user's name."""


class Limited(web.Server):
    """Ten connections; one more is accepted and closed."""

    def __init__(self, handler: Any, full: Callable[[], None]) -> None:
        super().__init__(handler, access_log=None)
        self._full = full

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """Count it in, or send it away."""
        super().connection_made(handler, transport)
        if len(self.connections) > CLIENTS:
            self._full()
            asyncio.get_running_loop().call_soon(transport.close)


class HepWeb:
    """One web port of one meter."""

    def __init__(self, meter: HepMeter, secure: bool) -> None:
        from metersim.hep.web_forms import FormPages
        from metersim.hep.web_json import JsonPages

        self._meter = meter
        self._secure = secure
        self._factory: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._as_started: tuple[Any, ...] = ()
        self._pages: Pages = FormPages(meter) if meter.spec.surface == "hep" else JsonPages(meter)

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
        factory = Limited(self._handle, self._too_many)
        self._server = await asyncio.get_running_loop().create_server(factory, address, port, ssl=context)
        self._factory = factory
        self._as_started = wanted

    def _too_many(self) -> None:
        self._meter.record("limit", service="https" if self._secure else "http")

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
        user = ""
        try:
            elsewhere = self._redirect(request)
            if elsewhere:
                answer: web.StreamResponse = web.Response(status=301, headers={"Location": elsewhere}, text="Moved\n")
            else:
                answer, user = await self._pages.answer(request)
        except (LostReplyError, ConnectionError):
            if request.transport:
                request.transport.abort()
            return web.Response(status=400)
        except Exception as exc:  # a mistake of ours must be seen in the journal
            meter.record("simulator_error", text=repr(exc))
            return web.Response(status=500)
        answer.headers["Server"] = "HEP-WebServer" if meter.spec.surface == "hep" else "hepd/1.0"
        meter.record("http_request", method=request.method, path=request.path, status=answer.status, user=user, secure=self._secure)
        return answer

    def _redirect(self, request: web.BaseRequest) -> str:
        """Where a request is sent instead; F-32 and the meter's own setting."""
        meter = self._meter
        fault = meter.faults.get("F-32", {})
        if fault.get("mode") == "elsewhere":
            return f"http://{fault['to']}{request.path_qs}"
        if self._secure or meter.settings["web_protocol"] != "https_redirect":
            return ""
        port = meter.port("https")
        return f"https://{meter.address}{'' if port == 443 else f':{port}'}{request.path_qs}"
