# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Surface."""

from __future__ import annotations

from aiohttp import web


class FormPages:
    def __init__(self, meter):
        self._meter = meter

    async def answer(self, request):
        return web.Response(status=404), ""
