# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The meter's side of the stand-in for the vendor's tool. An invention, see SURFACE.md section 14."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from metersim import packages, storage, tables, upgrade
from metersim.meter import Meter

TICKET_LIFE = 3600.0
APPLICABLE = "Firmware upgrade applicable"
ROLES = {tables.LEGACY: ("web_master", "product_master"), tables.NEW: ("administrator", "administrator")}
WHO = ("Web Master", "Product Master")


class NoError(Exception):
    """A request the meter refuses: status, code, text."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


class ToolPort:
    """The paths below ``/fwtool/``."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def answer(self, request: web.BaseRequest, secure: bool) -> tuple[web.StreamResponse, str]:
        """Answer and user."""
        wanted = (request.method, request.path.removeprefix("/fwtool/"))
        try:
            if wanted == ("PUT", "image"):
                self._ticket(request.headers.get("X-Ticket", ""))
                return web.json_response(await self._image(request)), "tool"
            if wanted == ("GET", "progress"):
                self._ticket(request.headers.get("X-Ticket", ""))
                return web.json_response(self._progress()), "tool"
            calls = {
                ("POST", "open"): self._open,
                ("POST", "check"): self._check,
                ("POST", "start"): self._start,
                ("POST", "close"): self._close,
            }
            if wanted not in calls:
                raise NoError(404, "path", "No such function")
            body = await self._body(request)
            if wanted[1] != "open":
                self._ticket(str(body.get("ticket", "")))
            status, answer = calls[wanted](body)
            return web.json_response(answer, status=status) if answer is not None else web.Response(status=status), "tool"
        except NoError as exc:
            return web.json_response({"error": exc.code, "status": exc.text}, status=exc.status), "tool"

    @staticmethod
    async def _body(request: web.BaseRequest) -> dict[str, Any]:
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise NoError(400, "request", "Request not understood")
        return body

    def _ticket(self, given: str) -> None:
        ticket, until = self._meter.ticket
        if not given or not secrets.compare_digest(ticket.encode(), given.encode()) or self._meter.clock.now() > until:
            raise NoError(401, "ticket", "Session expired")

    # -- calls -------------------------------------------------------------------

    def _open(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        meter = self._meter
        accounts = body.get("accounts")
        if not isinstance(accounts, list) or len(accounts) != 2 or not all(isinstance(item, dict) for item in accounts):
            raise NoError(400, "request", "Request not understood")
        for account, role, who in zip(accounts, ROLES[meter.generation], WHO, strict=True):
            user, password = str(account.get("user", "")), str(account.get("password", ""))
            if meter.role_of(user, password) != role or (meter.generation == tables.NEW and meter.sessions.locked(user)):
                meter.logins["http"]["failed"] += 1
                meter.record("tool_open_failed", user=user, who=who)
                raise NoError(401, "login", f"Login failed: {who}")
        meter.logins["http"]["ok"] += 1
        if meter.upgrade_task or meter.state == "upgrading":
            raise NoError(409, "busy", "An upgrade is already in progress")
        meter.record("tool_open", tool=str(body.get("tool", "")), user=str(accounts[1].get("user")))
        meter.ticket = (secrets.token_hex(16), meter.clock.now() + TICKET_LIFE)
        device = {
            "address": meter.address,
            "unit": meter.unit_id,
            "product": meter.model,
            "version": meter.firmware_text,
            "serial": meter.serial,
            "ip_mode": meter.ip_mode,
            "http_port": meter.web_ports["http"],
            "https_port": meter.web_ports["https"],
        }
        return 200, {"ticket": meter.ticket[0], "device": device}

    def _check(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        package = body.get("package")
        try:
            models, version = list(package["models"]), tables.parse_version(package["version"])  # type: ignore[index]
        except (TypeError, KeyError, ValueError):
            raise NoError(400, "request", "Request not understood") from None
        status = self._verdict(models, version)
        self._meter.record("tool_check", status=status)
        return 200, {"applicable": status == APPLICABLE, "status": status}

    def _verdict(self, models: list[str], version: tables.Version) -> str:
        meter = self._meter
        limit = tables.attempt_limit(meter.model, meter.firmware)
        if meter.model not in models:
            return "Firmware not compatible with this product"
        if version == meter.firmware:
            return "Firmware version already present"
        if meter.locked:
            return "MID/MIR lock is enabled"
        if limit is not None and meter.attempts >= limit:
            return "Upgrade limit reached"
        return tables.tool_verdict(meter.model, meter.firmware, version) or APPLICABLE

    async def _image(self, request: web.BaseRequest) -> dict[str, Any]:
        meter = self._meter
        if meter.upgrade_task or meter.state == "upgrading":
            meter.record("violation", what="web_upload_during_upgrade")
            raise NoError(409, "busy", "An upgrade is already in progress")
        name = unquote(request.headers.get("X-File-Name", ""))
        if not name.endswith(packages.SUFFIX):
            raise NoError(400, "request", "Not a .sedp package")
        try:
            image = await storage.receive(meter, request.content.read, name)
        except storage.TooLargeError:
            raise NoError(413, "too_large", "Package too large") from None
        meter.record("tool_image", name=name, size=image.size, sha256=image.sha256)
        upgrade.discard(meter)
        meter.image_file = image
        meter.lock_when("after_upload")
        return {"bytes": image.size, "sha256": image.sha256}

    def _start(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        why = upgrade.start_package(self._meter, "tool", "tool").removeprefix("refused_")
        if why:
            texts = {
                "busy": "An upgrade is already in progress",
                "files": "No package uploaded",
                "lock": "MID/MIR lock is enabled",
                "attempts": "Upgrade limit reached",
            }
            raise NoError(404 if why == "files" else 409, "no_image" if why == "files" else why, texts[why])
        return 202, {"status": "Upgrading"}

    def _progress(self) -> dict[str, Any]:
        job = self._meter.job
        state = {"running": "running", "done": "done", "failed": "failed"}.get(job.result, "idle") if job.method == "tool" else "idle"
        failed = next((step.text for step in job.steps if step.state == "failed"), "") or job.message
        status = {"running": "Upgrading", "done": "Upgrade Completed", "failed": failed, "idle": ""}[state]
        percent = sum(step.progress for step in job.steps) // len(job.steps) if job.steps else 0
        return {"state": state, "percent": percent, "status": status, "version": self._meter.firmware_text}

    def _close(self, body: dict[str, Any]) -> tuple[int, None]:
        self._meter.ticket = ("", 0.0)
        self._meter.record("tool_close")
        return 204, None
