# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Webpages of the old generation: login, role page, status page, trigger page."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

from aiohttp import web

from metersim import packages, upgrade
from metersim.meter import Meter
from metersim.oldweb_accounts import AccountsPage

TRIGGER = "/" + packages.TRIGGER_PAGE
HUGE = 20 * 1024 * 1024


class OldPages:
    """What the HTTP port of a meter with old firmware says."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._secret = secrets.token_hex(8)
        self._accounts = AccountsPage(meter)

    async def answer(self, request: web.BaseRequest, secure: bool) -> tuple[web.StreamResponse, str]:
        """Answer and user."""
        user, role = self._login(request)
        if role is not None and request.path == self._meter.surface.accounts_path and request.path not in self._meter.spec.missing_pages:
            return await self._accounts.answer(request, user, role), user
        answer = self._answer(request, user, role)
        if request.path == TRIGGER:
            self._meter.record("trigger_request", method=request.method, authenticated=role is not None, status=answer.status)
            self._maybe_start(request, user, role, answer)
        return answer, user

    def _answer(self, request: web.BaseRequest, user: str, role: str | None) -> web.Response:
        meter = self._meter
        if role is None:
            return self._challenge()
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"}, text="Method not allowed\n")
        if request.path == TRIGGER:
            return self._trigger_answer(request, role)
        if request.path == meter.surface.status_path:
            return garbled(meter, "status") or _typed(*meter.surface.status_page(meter))
        if request.path in meter.spec.missing_pages:
            return web.Response(status=404, text="Not found\n")
        if request.path == meter.surface.ethernet_path:
            return garbled(meter, "settings") or _typed(*meter.surface.ethernet_page(meter))
        if request.path == meter.surface.role_path:
            return garbled(meter, "role") or _typed(*meter.surface.role_page(user, role))
        if request.path == "/":
            return _typed("text/html", f"<html><body><h1>{meter.model}</h1><p>{meter.label}</p></body></html>\n")
        return self._file(request.path)

    def _file(self, path: str) -> web.Response:
        """Anything else lies in the folder ``www``, or nowhere."""
        root = (self._meter.root / "www").resolve()
        wanted = (root / path.lstrip("/")).resolve()
        if root in wanted.parents and wanted.is_file():
            return web.Response(body=wanted.read_bytes(), content_type="text/html")
        return web.Response(status=404, text="Not found\n")

    # -- trigger -------------------------------------------------------------

    def _trigger_answer(self, request: web.BaseRequest, role: str) -> web.Response:
        meter = self._meter
        if not (meter.root / "www" / packages.TRIGGER_PAGE).is_file() and not meter.upgrade_task:
            return web.Response(status=404, text="Not found\n")
        if role != "product_master":
            return web.Response(status=403, text="Product Master only\n")
        if request.method != "GET":
            return web.Response(status=200, text="")
        return web.Response(status=302, headers={"Location": meter.surface.status_path}, text="")

    def _maybe_start(self, request: web.BaseRequest, user: str, role: str | None, answer: web.Response) -> None:
        if answer.status != 302:
            return
        started = upgrade.trigger(self._meter, user)
        if started and self._meter.spec.trigger_answer == "cut" and request.transport:
            request.transport.abort()

    # -- login ---------------------------------------------------------------

    def _challenge(self) -> web.Response:
        meter = self._meter
        if meter.spec.http_auth == "digest":
            nonce = secrets.token_hex(8)
            nonce += hashlib.sha256((nonce + self._secret).encode()).hexdigest()[:16]
            value = f'Digest realm="{meter.surface.realm}", qop="auth", algorithm=MD5, nonce="{nonce}"'
        else:
            value = f'Basic realm="{meter.surface.realm}"'
        return web.Response(status=401, headers={"WWW-Authenticate": value}, text="Login required\n")

    def _login(self, request: web.BaseRequest) -> tuple[str, str | None]:
        """User and role; the role is None when the login is missing or wrong."""
        meter = self._meter
        if meter.spec.http_auth == "none":
            return "", "product_master"
        header = request.headers.get("Authorization", "")
        if not header:
            return "", None
        user, role = self._digest(request, header) if meter.spec.http_auth == "digest" else self._basic(header)
        fault = meter.faults.get("F-30")
        if fault and fault["mode"] == "web_denied":
            role = None
        if role is None:
            meter.logins["http"]["failed"] += 1
            meter.record("http_login_failed", user=user, path=request.path)
        else:
            meter.logins["http"]["ok"] += 1
        return user, role

    def _basic(self, header: str) -> tuple[str, str | None]:
        scheme, dummy, text = header.partition(" ")
        if scheme.lower() != "basic":
            return "", None
        try:
            user, dummy, password = base64.b64decode(text, validate=True).decode().partition(":")
        except ValueError:
            return "", None
        return user, self._meter.role_of(user, password)

    def _digest(self, request: web.BaseRequest, header: str) -> tuple[str, str | None]:
        scheme, dummy, text = header.partition(" ")
        if scheme.lower() != "digest":
            return "", None
        given = {key.lower(): quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', text)}
        user, nonce = given.get("username", ""), given.get("nonce", "")
        if hashlib.sha256((nonce[:16] + self._secret).encode()).hexdigest()[:16] != nonce[16:]:
            return user, None
        for role, account in self._meter.accounts().items():
            if account["user"] == user and self._fits(given, request.method, account["password"]):
                return user, self._meter.effective_role(role)
        return user, None

    def _fits(self, given: dict[str, str], method: str, password: str) -> bool:
        """RFC 2617 and 7616 with MD5."""

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        first = md5(f"{given.get('username')}:{self._meter.surface.realm}:{password}")
        second = md5(f"{method}:{given.get('uri')}")
        middle = [given["nonce"]]
        if "qop" in given:
            middle += [given.get("nc", ""), given.get("cnonce", ""), given["qop"]]
        return secrets.compare_digest(md5(":".join([first, *middle, second])), given.get("response", ""))


def garbled(meter: Meter, page: str) -> web.Response | None:
    """F-37: an answer that is none, instead of this page."""
    fault = meter.faults.get("F-37")
    if not fault or fault["where"] not in (page, "all"):
        return None
    if fault["kind"] == "huge":
        return web.Response(body=b"A" * HUGE, content_type="text/html")
    if fault["kind"] == "non_ascii":
        return web.Response(body=b"<html>\xff\xfe Zust\xe4nde \xc3\x28 \x00\x07</html>", content_type="text/html")
    return web.Response(body=b"<html><head><title>Error</title></head><body>Internal error 0x80</body></html>", content_type="text/html")


def _typed(kind: str, body: str) -> web.Response:
    return web.Response(text=body, content_type=kind, charset="utf-8")
