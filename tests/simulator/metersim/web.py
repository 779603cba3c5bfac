# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTTP and HTTPS ports of a meter; what they say is in oldweb, newweb_a, newweb_b and fwtool."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from metersim import storage, tables
from metersim.fwtool import ToolPort
from metersim.meter import Meter
from metersim.newweb_a import FormPages
from metersim.newweb_b import JsonPages
from metersim.oldweb import OldPages
from metersim.webport import WebPort, cut


class Pages(Protocol):
    """One generation's webpages."""

    async def answer(self, request: web.BaseRequest, secure: bool) -> tuple[web.StreamResponse, str]:
        """Answer and the user's name."""


class WebService(WebPort):
    """One web port of one meter."""

    def __init__(self, meter: Meter, secure: bool = False) -> None:
        super().__init__(meter, secure)
        self._old: Pages = OldPages(meter)
        self._new: Pages = FormPages(meter) if meter.spec.surface == "a" else JsonPages(meter)
        self._tool: Pages = ToolPort(meter)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            answer, user = await self._answer(request)
        except (storage.LinkCutError, ConnectionError):  # F-04, or the client is gone
            return cut(request)
        answer.headers["Server"] = self._meter.surface.server
        self.log(request, answer, user)
        return answer

    async def _answer(self, request: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        moved = self.moved(request)
        if moved:
            return moved, ""
        if request.path.startswith("/fwtool/"):
            return await self._tool.answer(request, self._secure)
        pages = self._old if self._meter.generation == tables.LEGACY else self._new
        return await pages.answer(request, self._secure)

    def sends_to_https(self, mode: str) -> bool:
        """F-32, or the meter's own setting with new firmware."""
        return mode == "redirect" or (self._meter.http_redirect and self._meter.generation == tables.NEW)
