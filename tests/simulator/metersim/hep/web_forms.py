# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Surface ``hep``: HTML forms, login by HTTP Basic, no session (SURFACE.md, section 46)."""

from __future__ import annotations

import base64
import binascii
import secrets
from html import escape
from typing import TYPE_CHECKING, Any

from aiohttp import web

from metersim.hep import settings, web_common
from metersim.hep.meter import Denied, Login
from metersim.hep.users import PERMISSIONS, Refused
from metersim.hep.web_common import ANYBODY, WEB

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

TOKENS = 40
EVENTS = 200
FIELDS = {"port_http": "web_port_http", "port_https": "web_port_https", "session_timeout": "session_timeout_ion"}
NAMES = {name: field for field, name in FIELDS.items()}
MODES = {"none": "none", "standard": "standard", "legacy": "legacy_support", "advanced": "advanced"}
WORDS = {
    "modbus_access": {"none": "none", "read-only": "read_only", "read-write": "read_write"},
    "web_protocol": {"http": "http", "https-redirect": "https_redirect", "https": "https", "disabled": "disabled"},
}
SWITCH = {"yes": True, "no": False}
FAULT_WORDS = {"/setup/session.html": "session", "/setup/security.html": "security", "/setup/users.html": "users"}
Form = dict[str, str]


def shown(name: str, value: Any) -> str:
    """A setting's value as the page writes it."""
    words = WORDS.get(name, SWITCH if isinstance(value, bool) else {})
    return next((word for word, meant in words.items() if meant == value), str(value))


def meant(field: str, text: str) -> tuple[str, Any]:
    """A field of the form as setting and value. Raises Refused with the field's name."""
    name = FIELDS.get(field, field)
    item = settings.SETTINGS.get(name)
    if item is None or (name in NAMES and field != NAMES[name]):
        raise Refused(f"value:{field}")
    if item.kind is bool or name in WORDS:
        words: dict[str, Any] = WORDS.get(name, SWITCH)
        if text not in words:
            raise Refused(f"value:{field}")
        return name, words[text]
    if not text.isdigit():
        raise Refused(f"value:{field}")
    return name, int(text)


class NoLoginError(Exception):
    """401."""


class FormPages:
    """The pages of surface hep."""

    def __init__(self, meter: HepMeter) -> None:
        self._meter = meter
        self._tokens: list[str] = []

    async def answer(self, request: web.BaseRequest) -> tuple[web.StreamResponse, str]:
        """Answer and user."""
        meter, who = self._meter, ""
        try:
            if request.path == "/" and request.method == "GET":
                return self._page(f"<h1>{escape(meter.model)}</h1>"), ""
            login = self._login(request)
            who = login.name
            answer = await self._route(request, login)
            if request.method == "GET":
                answer = web_common.garbled(meter, FAULT_WORDS.get(request.path, "other")) or answer
        except NoLoginError:
            answer = self._page('<p class="refused">login</p>', 401)
            answer.headers["WWW-Authenticate"] = f'Basic realm="HEP {meter.model}", charset="UTF-8"'
        except Refused as exc:
            meter.record("web_refused", user=who, why=exc.word)
            answer = self._page(f'<p class="refused">{escape(exc.word)}</p>', 403)
        return answer, who

    def _login(self, request: web.BaseRequest) -> Login:
        given = request.headers.get("Authorization", "")
        if not given:
            if web_common.needs_login(self._meter, request.method != "GET"):
                raise NoLoginError
            return ANYBODY
        scheme, dummy, text = given.partition(" ")
        try:
            name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
            if scheme.lower() != "basic" or not colon:
                raise NoLoginError
            return self._meter.login(name, password, WEB)
        except (binascii.Error, UnicodeDecodeError, Denied) as exc:
            raise NoLoginError from exc

    def _page(self, body: str, status: int = 200) -> web.Response:
        meter = self._meter
        title = f"<title>{escape(meter.model)} {escape(meter.label)}</title>"
        text = f"<!DOCTYPE html><html><head>{title}</head><body>\n{body}\n</body></html>\n"
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def _token(self) -> str:
        token = secrets.token_hex(12)
        self._tokens = [*self._tokens[1 - TOKENS :], token]
        return f'<input type="hidden" name="token" value="{token}">'

    async def _form(self, request: web.BaseRequest) -> Form:
        form = {key: str(value) for key, value in (await request.post()).items()}
        token = form.pop("token", "")
        if token not in self._tokens:
            raise Refused("token")
        self._tokens.remove(token)
        return form

    async def _route(self, request: web.BaseRequest, who: Login) -> web.Response:
        pages = {
            "/setup/session.html": (self._session, None, ""),
            "/setup/security.html": (self._security, self._save, "security_config"),
            "/setup/users.html": (self._users, self._save_user, "security_config"),
            "/setup/password.html": (self._password, self._save_password, ""),
            "/setup/mode.html": (self._mode, self._save_mode, "security_config"),
            "/setup/events.html": (self._events, None, "read"),
        }
        if request.path not in pages:
            return self._page("<h1>Not found</h1>", 404)
        show, save, permission = pages[request.path]
        if request.method == "GET":
            web_common.may(self._meter, who, False, permission)
            return show(who)
        if request.method != "POST" or save is None:
            return self._page("<h1>Method not allowed</h1>", 405)
        web_common.may(self._meter, who, True, permission)
        save(await self._form(request), who)
        return web.Response(status=303, headers={"Location": request.path})

    # -- pages ---------------------------------------------------------------------

    def _session(self, who: Login) -> web.Response:
        rights = ", ".join(word for word in PERMISSIONS if word in who.permissions)
        return self._page(f'<p id="session">Signed in as <b>{escape(who.name)}</b></p>\n<p id="permissions">{rights}</p>')

    def _security(self, who: Login) -> web.Response:
        meter = self._meter
        rows = [("mode", shown_mode(meter.mode))]
        rows += [(NAMES.get(name, name), shown(name, meter.settings[name])) for name in settings.SETTINGS if name in meter.settings]
        rows.append(("revenue_lock", shown("revenue_lock", meter.revenue_lock)))
        table = "\n".join(f"<tr><th>{field}</th><td>{value}</td></tr>" for field, value in rows)
        answer = self._page(f'<form method="post"><table id="security">\n{table}\n</table>\n{self._token()}</form>')
        meter.after_settings_read(WEB)
        return answer

    def _save(self, form: Form, who: Login) -> None:
        wanted = dict(meant(field, text) for field, text in form.items())
        try:
            self._meter.change(wanted, who.name, WEB)
        except Refused as exc:
            head, colon, name = exc.word.partition(":")
            raise Refused(f"{head}:{NAMES.get(name, name)}" if colon else head) from None

    def _users(self, who: Login) -> web.Response:
        rows = []
        for user in self._meter.users.all():
            cells = "".join(f"<td>{'yes' if word in user.permissions else 'no'}</td>" for word in PERMISSIONS)
            rows.append(f"<tr><th>{user.name}</th>{cells}</tr>")
        table = "\n".join(rows)
        return self._page(f'<table id="users">\n{table}\n</table>\n<form method="post">{self._token()}</form>')

    def _save_user(self, form: Form, who: Login) -> None:
        meter = self._meter
        action, name, password = form.get("action", ""), form.get("user", ""), form.get("password", "")
        given = form.get("permissions")
        rights = None if given is None else [word.strip() for word in given.split(",") if word.strip()]
        if action == "add":
            web_common.add_user(meter, name, password, rights or [], who)
        elif action == "change":
            web_common.change_user(meter, name, password or None, rights, who)
        elif action == "remove":
            web_common.remove_user(meter, name, who)
        else:
            raise Refused("value:action")

    def _password(self, who: Login) -> web.Response:
        return self._page(f'<p id="session">Signed in as <b>{escape(who.name)}</b></p>\n<form method="post">{self._token()}</form>')

    def _save_password(self, form: Form, who: Login) -> None:
        web_common.change_password(self._meter, who.name, form.get("password", ""), who)

    def _mode(self, who: Login) -> web.Response:
        return self._page(f'<p id="mode">{shown_mode(self._meter.mode)}</p>\n<form method="post">{self._token()}</form>')

    def _save_mode(self, form: Form, who: Login) -> None:
        web_common.set_mode(self._meter, MODES.get(form.get("mode", ""), ""), who)

    def _events(self, who: Login) -> web.Response:
        rows = []
        for entry in reversed(self._meter.event_log.after(0)[-EVENTS:]):
            rows.append("<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in entry.values()) + "</tr>")
        table = "\n".join(rows)
        return self._page(f'<table id="events">\n{table}\n</table>')


def shown_mode(mode: str) -> str:
    """The page's word for a mode."""
    return next(word for word, known in MODES.items() if known == mode)
