# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTTP and HTTPS ports of a HEP meter; what they say is in web_forms and web_json."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from metersim.webport import WebPort, cut

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


class HepWeb(WebPort):
    """One web port of one meter."""

    def __init__(self, meter: HepMeter, secure: bool) -> None:
        from metersim.hep.web_forms import FormPages
        from metersim.hep.web_json import JsonPages

        super().__init__(meter, secure)
        self._pages: Pages = FormPages(meter) if meter.spec.surface == "hep" else JsonPages(meter)

    def factory(self) -> web.Server:
        """A limit on connections."""
        return Limited(self.handle, self._too_many)

    def _too_many(self) -> None:
        self._meter.record("limit", service="https" if self._secure else "http")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        meter = self._meter
        try:
            moved = self.moved(request)
            answer, user = (moved, "") if moved else await self._pages.answer(request)
        except (LostReplyError, ConnectionError):
            return cut(request)
        except Exception as exc:  # a mistake of ours must be seen in the journal
            meter.record("simulator_error", text=repr(exc))
            return web.Response(status=500)
        answer.headers["Server"] = "HEP-WebServer" if meter.spec.surface == "hep" else "hepd/1.0"
        self.log(request, answer, user)
        return answer

    def sends_to_https(self, mode: str) -> bool:
        """The meter's own setting."""
        return bool(self._meter.settings["web_protocol"] == "https_redirect")
