# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Surface ``hep-b``: JSON with a session cookie (SURFACE.md, section 47)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from metersim.hep import web_common
from metersim.hep.meter import Denied, Login
from metersim.hep.users import PERMISSIONS, Refused
from metersim.hep.web_common import ANYBODY, WEB

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

COOKIE = "HEPSID"
SESSIONS = 10
IDLE = 600.0
STATUS = {
    "login": 401, "session": 401, "locked": 423, "sessions": 429, "csrf": 403, "permission": 403, "programming_off": 403, "revenue_locked": 403,
    "own_permissions": 403, "page": 404, "no_such_user": 404, "method": 405, "revision": 409, "user_exists": 409, "busy": 409,
    "last_security_admin": 409, "no_security_admin": 409, "request": 400,
}  # fmt: skip
UNPROCESSABLE = 422
# Where a setting stands in the document.
PLACES: dict[str, tuple[str, ...]] = {
    "modbus_access": ("access", "modbus"),
    "modbus_programming": ("access", "modbus_programming"),
    "panel_programming": ("access", "panel_programming"),
    "time_sync": ("access", "time_sync"),
    "web_server": ("web", "server"),
    "web_programming": ("web", "programming"),
    "web_protocol": ("web", "protocol"),
    "web_port_http": ("web", "ports", "http"),
    "web_port_https": ("web", "ports", "https"),
    **{f"lockout_{name}": ("lockout", name) for name in ("ion", "modbus", "web", "sftp", "ssh", "duration")},
    "session_timeout_ion": ("session_timeout",),
    **{name: ("services", name) for name in ("ftp", "telnet", "sftp", "ssh", "ion", "ion_tls")},
    "event_cutoff": ("events", "cutoff"),
    **{f"priority_{name}": ("events", "priorities", name) for name in ("login", "invalid_login", "lockout")},
}
FAULT_WORDS = {"/api/session": "session", "/api/security": "security", "/api/users": "users"}


@dataclass
class Session:
    """Somebody who is signed in."""

    ident: str
    csrf: str
    login: Login
    used: float


def document(meter: HepMeter) -> dict[str, Any]:
    """All settings, nested."""
    shown: dict[str, Any] = {"mode": meter.mode, "revision": meter.revision, "revenue_lock": meter.revenue_lock}
    for name, place in PLACES.items():
        if name not in meter.settings:
            continue
        part = shown
        for key in place[:-1]:
            part = part.setdefault(key, {})
        part[place[-1]] = meter.settings[name]
    return shown


def flat(body: dict[str, Any], before: tuple[str, ...] = ()) -> dict[str, Any]:
    """The settings of a nested document. Raises Refused for what is none."""
    found: dict[str, Any] = {}
    for key, value in body.items():
        place = (*before, key)
        names = [name for name, known in PLACES.items() if known == place]
        if names:
            found[names[0]] = value
        elif isinstance(value, dict) and any(known[: len(place)] == place for known in PLACES.values()):
            found.update(flat(value, place))
        else:
            raise Refused(f"value:{'.'.join(place)}")
    return found


class JsonPages:
    """The pages of surface hep-b."""

    def __init__(self, meter: HepMeter) -> None:
        self._meter = meter

    async def answer(self, request: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        """Answer and user."""
        meter, session = self._meter, self._session_of(request)
        who = session.login.name if session else ""
        try:
            if request.path == "/" and request.method == "GET":
                text = f"<!DOCTYPE html><html><head><title>{meter.model} {meter.label}</title></head><body></body></html>"
                return web.Response(text=text, content_type="text/html"), who
            answer = await self._route(request, session)
            if request.method == "GET" or request.path == "/api/session":
                answer = web_common.garbled(meter, FAULT_WORDS.get(request.path, "other")) or answer
        except Refused as exc:
            meter.record("web_refused", user=who, why=exc.word)
            status = 428 if exc.word == "revision" and "If-Match" not in request.headers else STATUS.get(exc.word, UNPROCESSABLE)
            answer = web.json_response({"error": exc.word}, status=status)
        return answer, who

    def _session_of(self, request: web.BaseRequest) -> Session | None:
        meter, now = self._meter, self._meter.clock.now()
        for ident, session in list(meter.web_sessions.items()):
            if now - session.used > IDLE:
                del meter.web_sessions[ident]
                meter.record("session_end", user=session.login.name, why="idle")
        found: Session | None = meter.web_sessions.get(request.cookies.get(COOKIE, ""))
        if found:
            found.used = now
        return found

    async def _route(self, request: web.BaseRequest, session: Session | None) -> web.Response:
        meter, path, method = self._meter, request.path, request.method
        if path == "/api/session" and method == "POST":
            return self._open(await _body(request))
        writing = method != "GET"
        if session is None and (path == "/api/session" or web_common.needs_login(meter, writing)):
            raise Refused("session")
        if session is not None and writing and not secrets.compare_digest(request.headers.get("X-CSRF", ""), session.csrf):
            raise Refused("csrf")
        if path == "/api/session" and session is not None:
            return self._session(method, session)
        return await self._inside(request, self._rights(session))

    def _rights(self, session: Session | None) -> Login:
        """The login with the permissions that it has now."""
        if session is None:
            return ANYBODY
        user = self._meter.users.get(session.login.name)
        if user is None or self._meter.mode in ("none", "standard"):
            return session.login
        return Login(session.login.name, frozenset(user.permissions))

    async def _inside(self, request: web.BaseRequest, who: Login) -> web.Response:
        meter, path, method = self._meter, request.path, request.method
        writing = method != "GET"
        if path == "/api/events" and not writing:
            web_common.may(meter, who, False, "read")
            after = request.query.get("after", "0")
            return web.json_response(meter.event_log.after(int(after) if after.isdigit() else 0))
        own = method == "PATCH" and path.startswith("/api/users/") and meter.canonical(path.rpartition("/")[2]) == who.name
        web_common.may(meter, who, writing, "" if own else "security_config")
        if path == "/api/security":
            return await self._security(request, who)
        if path == "/api/mode" and method == "PUT":
            web_common.set_mode(meter, (await _body(request)).get("mode"), who)
            return web.json_response({"mode": meter.mode})
        if path == "/api/users" and method in ("GET", "POST"):
            return await self._users(request, who)
        if path.startswith("/api/users/") and method in ("PATCH", "DELETE"):
            return await self._user(request, path.rpartition("/")[2], who)
        raise Refused("page")

    # -- session -------------------------------------------------------------------

    def _open(self, body: dict[str, Any]) -> web.Response:
        meter = self._meter
        if len(meter.web_sessions) >= SESSIONS:
            raise Refused("sessions")
        try:
            login = meter.login(str(body.get("user", "")), str(body.get("password", "")), WEB)
        except Denied as exc:
            raise Refused("locked" if exc.why == "locked" else "login") from exc
        session = Session(secrets.token_hex(16), secrets.token_hex(16), login, meter.clock.now())
        meter.web_sessions[session.ident] = session
        answer = self._session("GET", session)
        answer.set_cookie(COOKIE, session.ident, path="/", httponly=True, samesite="Strict")
        return answer

    def _session(self, method: str, session: Session) -> web.Response:
        if method == "GET":
            rights = self._rights(session).permissions
            shown = [word for word in PERMISSIONS if word in rights]
            return web.json_response({"csrf": session.csrf, "user": session.login.name, "permissions": shown})
        if method != "DELETE":
            raise Refused("method")
        self._meter.web_sessions.pop(session.ident, None)
        self._meter.record("session_end", user=session.login.name, why="logout")
        return web.Response(status=204)

    # -- settings and users ------------------------------------------------------------

    async def _security(self, request: web.BaseRequest, who: Login) -> web.Response:
        meter = self._meter
        if request.method == "GET":
            shown = document(meter)
            meter.after_settings_read(WEB)
            return web.json_response(shown)
        if request.method != "PATCH":
            raise Refused("method")
        body = await _body(request)
        if request.headers.get("If-Match", "").strip('"') != str(meter.revision):
            raise Refused("revision")
        try:
            meter.change(flat(body), who.name, WEB)
        except Refused as exc:
            head, colon, name = exc.word.partition(":")
            raise Refused(f"{head}:{'.'.join(PLACES.get(name, (name,)))}" if colon else head) from None
        return web.json_response(document(meter))

    async def _users(self, request: web.BaseRequest, who: Login) -> web.Response:
        meter = self._meter
        if request.method == "GET":
            users = [
                {"name": user.name, "permissions": [word for word in PERMISSIONS if word in user.permissions]} for user in meter.users.all()
            ]
            return web.json_response({"users": users, "limit": meter.user_limit, "revision": meter.revision})
        body = await _body(request)
        web_common.add_user(meter, body.get("name"), body.get("password"), body.get("permissions"), who)
        return web.json_response({"name": str(body["name"]).upper()}, status=201)

    async def _user(self, request: web.BaseRequest, name: str, who: Login) -> web.Response:
        meter = self._meter
        if request.method == "DELETE":
            web_common.remove_user(meter, name, who)
            return web.Response(status=204)
        body = await _body(request)
        if not body or set(body) - {"password", "permissions"}:
            raise Refused("request")
        web_common.change_user(meter, name, body.get("password"), body.get("permissions"), who)
        return web.json_response({"name": meter.canonical(name)})


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused("request")
    return body
