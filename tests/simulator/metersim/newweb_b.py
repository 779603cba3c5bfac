# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""New surface b: JSON with a bearer token and a request token that travels as cookie and header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from metersim import accounts, newweb, packages, upgrade
from metersim.meter import Meter
from metersim.newweb import RefusedError
from metersim.oldweb import garbled
from metersim.sessions import Refused, Session

COOKIE = "XSRF"
ACCOUNTS = "/api/v1/settings/accounts"
HEADER = "X-XSRF-Token"
KIND = "device-software"
QUESTION = "apply now? the unit restarts and logs everybody off"
APP = Path(__file__).with_name("newweb_b.html")
ERRORS = {
    "password": (401, "bad_login", "login refused"),
    "locked": (423, "locked", "account locked"),
    "sessions": (429, "sessions", "no free session"),
    "handshake": (400, "handshake", "key agreement required"),
    "session": (401, "no_session", "log in first"),
    "csrf": (403, "xsrf", "request token missing or old"),
    "role": (403, "role", "not for this account"),
    "request": (400, "bad_request", "request not understood"),
    "incomplete": (400, "bad_request", "request not understood"),
    "busy": (409, "busy", "busy with an update"),
    "large": (413, "too_large", "package too large"),
    "type": (415, "not_a_package", "not a .sedp package"),
    "signature": (422, "signature", "package damaged or not genuine"),
    "lock": (409, "sealed", "sealed: open the legal lock at the front panel"),
    "files": (409, "nothing", "no package uploaded"),
    "attempts": (409, "budget", "update budget exhausted"),
    "page": (404, "no_such_page", "no such page"),
    "account": (404, "no_such_account", "no such account"),
    "group": (422, "group", "group not possible"),
    "at_least_one": (409, "last_administrator", "one administrator must remain"),
    "name_taken": (409, "name_taken", "account name in use"),
    "name_form": (422, "name", "account name not valid"),
    "password_form": (422, "secret", "secret not valid"),
    "method": (405, "method", "method not allowed"),
}
IP_WORDS = {"dhcp": "dhcp", "bootp": "bootp", "fixed": "stored"}
SWITCH = {"http_redirect": {"on": True, "off": False}, "ftp": {"enabled": True, "disabled": False}}
FAULT_WORD = {
    "/api/v1/auth": "login",
    "/api/v1/session": "role",
    "/api/v1/settings/network": "settings",
    "/api/v1/update": "status",
    "/api/v1/update/package": "upload",
    "/api/v1/update/start": "apply",
}


class JsonPages:
    """The pages of surface b."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def answer(self, request: web.BaseRequest, secure: bool) -> tuple[web.StreamResponse, str]:
        """Answer and user."""
        scheme, dummy, token = request.headers.get("Authorization", "").partition(" ")
        session = self._meter.sessions.find(token.strip()) if scheme.lower() == "bearer" else None
        try:
            answer = await self._route(request, session)
            odd = garbled(self._meter, FAULT_WORD.get(request.path, "other")) if request.path in FAULT_WORD else None
            answer = odd or answer
        except RefusedError as exc:
            answer = self._error(exc)
        return answer, session.user if session else ""

    @staticmethod
    def _error(exc: RefusedError, **more: Any) -> web.Response:
        status, code, text = ERRORS["request" if exc.code == "value" else exc.code]
        if exc.code == "value":
            code, text = "value", f"not accepted: {exc.detail}"
        return web.json_response({"error": {"code": code, "text": text, **more}}, status=status)

    async def _route(self, request: web.BaseRequest, session: Session | None) -> web.Response:
        meter, path = self._meter, request.path
        if path == "/" and request.method == "GET":
            text = APP.read_text(encoding="utf-8").replace("@MODEL@", meter.model).replace("@LOGIN@", meter.spec.web_login)
            return web.Response(text=text, content_type="text/html", charset="utf-8")
        if path == "/api/v1/auth":
            if request.method != "POST":
                raise RefusedError("method")
            return await self._auth(request)
        if path == "/api/v1/auth/challenge" and meter.spec.web_login == "handshake":
            return web.json_response({"nonce": meter.sessions.nonce(), "mac": "HMAC-SHA256"})
        if session is None:
            raise RefusedError("session")
        if path in meter.spec.missing_pages:
            raise RefusedError("page")
        return await self._inside(request, session)

    async def _inside(self, request: web.BaseRequest, session: Session) -> web.Response:
        pages = {
            "/api/v1/session": {"GET": self._session, "DELETE": self._leave},
            "/api/v1/settings/network": {"GET": self._network, "PUT": self._save},
            ACCOUNTS: {"GET": self._accounts, "POST": self._add_account},
            "/api/v1/update/package": {"POST": self._package, "DELETE": self._discard},
            "/api/v1/update/start": {"POST": self._start},
            "/api/v1/update": {"GET": self._update},
        }
        path = request.path
        if path.startswith(ACCOUNTS + "/"):
            pages[path] = {"PATCH": self._save_account, "DELETE": self._remove_account}
        if path not in pages:
            raise RefusedError("page")
        act = pages[path].get(request.method)
        if act is None:
            raise RefusedError("method")
        if request.method == "GET":
            return await act(request, session)
        given = request.headers.get(HEADER, "")
        if not self._meter.sessions.csrf_fits(session, given) or request.cookies.get(COOKIE, "") != given:
            self._refuse(session, "csrf")
        answer = await act(request, session)
        return self._cookie(answer, self._meter.sessions.rotate(session))

    def _refuse(self, session: Session, why: str) -> None:
        self._meter.record("web_refused", user=session.user, why=why)
        raise RefusedError(why)

    def _master(self, session: Session) -> None:
        if session.role not in newweb.WRITERS:
            self._refuse(session, "role")

    @staticmethod
    def _cookie(answer: web.Response, value: str) -> web.Response:
        answer.set_cookie(COOKIE, value, path="/", samesite="Strict")
        return answer

    @staticmethod
    async def _body(request: web.BaseRequest) -> dict[str, Any]:
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise RefusedError("request")
        return body

    # -- login ---------------------------------------------------------------

    async def _auth(self, request: web.BaseRequest) -> web.Response:
        meter = self._meter
        body = await self._body(request)
        user, secret, nonce, proof = (str(body.get(name, "")) for name in ("login", "secret", "nonce", "proof"))
        result = meter.sessions.login(user, secret, nonce, proof)
        if isinstance(result, Refused):
            return self._error(RefusedError(result.why), **({"minutes": result.minutes} if result.minutes else {}))
        answer = web.json_response({"token": result.token, **self._account(result), "idle": meter.spec.session_idle})
        return self._cookie(answer, result.csrf)

    def _account(self, session: Session) -> dict[str, Any]:
        return {"account": {"name": session.user, "group": self._meter.surface.roles[session.role]}}

    async def _session(self, request: web.BaseRequest, session: Session) -> web.Response:
        return web.json_response(self._account(session))

    async def _leave(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._meter.sessions.end(session.token)
        return web.Response(status=204)

    # -- settings ------------------------------------------------------------

    async def _network(self, request: web.BaseRequest, session: Session) -> web.Response:
        now = newweb.settings(self._meter)
        shown = {
            **{name: now[name] for name in newweb.PORT_NAMES},
            **{name: next(word for word, value in words.items() if value == now[name]) for name, words in SWITCH.items()},
            "acquisition": next(word for word, value in IP_WORDS.items() if value == now["ip_mode"]),
        }
        return web.json_response({"network": shown})

    async def _save(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        body = await self._body(request)
        wanted: dict[str, Any] = {}
        for name, value in body.items():
            if name in newweb.PORT_NAMES:
                wanted[name] = value
            elif name in SWITCH:
                wanted[name] = SWITCH[name].get(str(value))
            elif name == "acquisition":
                wanted["ip_mode"] = IP_WORDS.get(str(value))
            else:
                raise RefusedError("value", name)
        try:
            newweb.save(self._meter, session.user, wanted)
        except RefusedError as exc:
            raise RefusedError(exc.code, {"ip_mode": "acquisition"}.get(exc.detail, exc.detail)) from None
        return web.json_response({"saved": list(body)})

    async def _accounts(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        words = self._meter.surface.roles
        shown = [{"name": account["user"], "group": words[role]} for role, account in self._meter.accounts().items()]
        return web.json_response({"accounts": shown})

    async def _wanted(self, request: web.BaseRequest) -> accounts.Wanted:
        body = await self._body(request)
        if set(body) - {"name", "secret", "group"} or not all(isinstance(value, str) for value in body.values()):
            raise RefusedError("request")
        groups = {word: role for role, word in self._meter.surface.roles.items()}
        group = groups.get(body["group"], body["group"]) if "group" in body else None
        return accounts.Wanted(body.get("name"), body.get("secret"), group)

    async def _add_account(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        wanted = await self._wanted(request)
        accounts.add(self._meter, wanted.group or "", wanted, session.user)
        return web.json_response({"saved": wanted.name}, status=201)

    async def _save_account(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        name = request.path.removeprefix(ACCOUNTS + "/")
        accounts.save(self._meter, accounts.group_of(self._meter, name), await self._wanted(request), session.user, session.token)
        return web.json_response({"saved": name})

    async def _remove_account(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        group = accounts.group_of(self._meter, request.path.removeprefix(ACCOUNTS + "/"))
        accounts.remove(self._meter, group, session.user)
        return web.Response(status=204)

    # -- update --------------------------------------------------------------

    async def _package(self, request: web.BaseRequest, session: Session) -> web.Response:
        meter = self._meter
        self._master(session)
        if not request.content_type.startswith("multipart/"):
            raise RefusedError("request")
        reader = await request.multipart()
        fields: dict[str, str] = {}
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                break
            if part.name != "image":
                fields[part.name or ""] = await part.text()
                continue
            if fields.get("kind") != KIND:
                break
            image = await newweb.take_upload(meter, session, unquote(part.filename or ""), part.read_chunk, check=True)
            head = packages.read_head(image.path)
            about = {"name": image.name, "bytes": image.size, "software": ".".join(map(str, head.version))}
            return web.json_response({"package": about, "question": QUESTION}, status=201)
        raise RefusedError("request")

    async def _discard(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        upgrade.discard(self._meter)
        return web.Response(status=204)

    async def _start(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._master(session)
        if (await self._body(request)).get("apply") not in (True, "true"):
            raise RefusedError("request")
        newweb.apply(self._meter, session.user)
        return web.json_response({"update": {"phase": "working"}}, status=202)

    async def _update(self, request: web.BaseRequest, session: Session) -> web.Response:
        meter, job, words = self._meter, self._meter.job, self._meter.surface
        jobs = [
            {"title": words.processes[step.name], "status": words.states[step.state], "done": step.progress / 100, "detail": step.text}
            for step in job.steps
        ]
        body = {
            "unit": {"type": meter.model, "number": str(meter.serial), "software": meter.firmware_text},
            "update": {
                "phase": words.results[job.result],
                "to": ".".join(map(str, job.target)) if job.target else None,
                "when": job.when.strftime("%Y-%m-%dT%H:%M:%SZ") if job.when else None,
                "note": job.message,
                "jobs": jobs,
            },
        }
        return web.json_response(body)
