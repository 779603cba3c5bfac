# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""New surface a: HTML forms with a session cookie and a request token in each form."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from metersim import accounts, newweb
from metersim.meter import Meter
from metersim.newweb import RefusedError
from metersim.oldweb import garbled
from metersim.sessions import Refused, Session

COOKIE = "PMSESSION"
QUESTION = "Apply the upgrade now? The device will restart and all users will be disconnected."
ERRORS = {
    "busy": (200, "An upgrade is already in progress."),
    "type": (200, "Select a file of type .sedp."),
    "large": (413, "The file is too large."),
    "incomplete": (400, "The file was not received completely."),
    "files": (200, "Upload a package first."),
    "lock": (200, "The MID/MIR lock is enabled. Remove the lock on the display."),
    "attempts": (200, "The number of upgrades of this device is used up."),
    "role": (403, "Your account may not do this."),
    "csrf": (403, "The page has expired. Open it again."),
}
ACCOUNT_ERRORS = {
    "account": "There is no such account.",
    "group": "This role is not possible.",
    "at_least_one": "At least one Administrator is required.",
    "name_taken": "The user name is already in use.",
    "name_form": "The user name must have 1 to 15 characters.",
    "password_form": "The password must have 8 to 16 characters with at least one digit, one capital letter and one special character.",
}
ON_OFF = {"on": "On", "off": "Off"}
IP_MODES = {"dhcp": "DHCP", "bootp": "BOOTP", "stored": "Stored"}
FAULT_WORD = {"/login.html": "login", "/home.html": "role", "/settings/ethernet.html": "settings", "/maintenance/status.html": "status"}
SCRIPT = """<script>
document.getElementById("login").addEventListener("submit", async function (event) {
  event.preventDefault();
  const form = event.target, text = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", text.encode(form.password.value), {name: "HMAC", hash: "SHA-256"}, false, ["sign"]);
  const proof = await crypto.subtle.sign("HMAC", key, text.encode(form.nonce.value));
  form.proof.value = Array.from(new Uint8Array(proof)).map(b => b.toString(16).padStart(2, "0")).join("");
  form.password.disabled = true;
  form.submit();
});
</script>
"""


class FormPages:
    """The pages of surface a."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def answer(self, request: web.BaseRequest, secure: bool) -> tuple[web.StreamResponse, str]:
        """Answer and user."""
        session = self._meter.sessions.find(request.cookies.get(COOKIE, ""))
        try:
            answer = await self._route(request, session)
        except RefusedError as exc:
            status, text = ERRORS[exc.code]
            answer = self._page("Error", f'<p id="error">{text}</p>', status)
        return answer, session.user if session else ""

    async def _route(self, request: web.BaseRequest, session: Session | None) -> web.Response:
        meter, path, post = self._meter, request.path, request.method == "POST"
        if request.method not in ("GET", "POST"):
            return self._page("Not allowed", "", 405)
        odd = None if post else garbled(meter, FAULT_WORD.get(path, "other"))
        if odd and path in FAULT_WORD:
            return odd
        if path == "/login.html":
            return await self._login(request) if post else self._login_page(request)
        if path == "/favicon.ico":
            return self._page("Page not found", "", 404)
        if session is None:
            return self._go("/login.html")
        if path == "/logout.html":
            meter.sessions.end(session.token)
            return self._go("/login.html")
        if path in meter.spec.missing_pages:
            return self._page("Page not found", "", 404)
        if path == "/":
            return self._go("/home.html")
        pages = {
            "/home.html": (self._home, None),
            "/settings/ethernet.html": (self._ethernet, self._save),
            "/settings/accounts.html": (self._accounts, self._save_account),
            "/maintenance/firmware.html": (self._firmware, self._upload),
            "/maintenance/apply.html": (None, self._apply),
            "/maintenance/status.html": (self._status, None),
        }
        show, act = pages.get(path, (None, None))
        if post and act:
            return await act(request, session)
        if not post and show:
            return show(session)
        return self._page("Page not found", "", 404)

    # -- building blocks -----------------------------------------------------

    @staticmethod
    def _go(where: str) -> web.Response:
        return web.Response(status=302, headers={"Location": where}, text="")

    def _page(self, title: str, body: str, status: int = 200) -> web.Response:
        text = (
            f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
            f"<body>\n<h1>{title}</h1>\n{body}\n</body></html>\n"
        )
        return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers={"Cache-Control": "no-store"})

    @staticmethod
    def _token(value: str) -> str:
        return f'<input type="hidden" name="csrf_token" value="{value}">'

    def _cookie(self, answer: web.Response, value: str) -> web.Response:
        answer.set_cookie(COOKIE, value, path="/", httponly=True, samesite="Strict", secure=self._meter.http_redirect)
        return answer

    @staticmethod
    async def _fields(request: web.BaseRequest) -> dict[str, str]:
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}

    def _checked(self, session: Session, fields: dict[str, str]) -> None:
        """Token right, role right; the token is used up. RefusedError."""
        if not self._meter.sessions.csrf_fits(session, fields.get("csrf_token", "")):
            self._meter.record("web_refused", user=session.user, why="csrf")
            raise RefusedError("csrf")
        self._master(session)
        self._meter.sessions.rotate(session)

    def _master(self, session: Session) -> None:
        if session.role not in newweb.WRITERS:
            self._meter.record("web_refused", user=session.user, why="role")
            raise RefusedError("role")

    # -- login ---------------------------------------------------------------

    def _login_page(self, request: web.BaseRequest, error: str = "") -> web.Response:
        meter = self._meter
        cookie, token = meter.sessions.login_page(request.cookies.get(COOKIE, ""))
        handshake = meter.spec.web_login == "handshake"
        lines = [
            f'<p id="error">{error}</p>' if error else "",
            '<form id="login" method="post" action="/login.html">',
            self._token(token),
            f'<input type="hidden" name="nonce" value="{meter.sessions.nonce()}">\n<input type="hidden" name="proof">' if handshake else "",
            '<label>User name <input name="username" id="username" autocomplete="off"></label>',
            '<label>Password <input type="password" name="password" id="password" autocomplete="off"></label>',
            '<button type="submit" id="sign-in">Sign in</button>',
            "</form>",
            SCRIPT if handshake else "",
        ]
        return self._cookie(self._page(f"{meter.model} sign in", "\n".join(filter(None, lines))), cookie)

    async def _login(self, request: web.BaseRequest) -> web.Response:
        meter = self._meter
        fields = await self._fields(request)
        cookie = request.cookies.get(COOKIE, "")
        if not meter.sessions.login_page_fits(cookie, fields.get("csrf_token", "")):
            meter.record("web_login_failed", user=fields.get("username", ""), why="csrf")
            raise RefusedError("csrf")
        result = meter.sessions.login(
            fields.get("username", ""), fields.get("password", ""), fields.get("nonce", ""), fields.get("proof", "")
        )
        if isinstance(result, Refused):
            texts = {
                "password": "Incorrect user name or password.",
                "locked": f"This account is locked. Try again in {result.minutes} minutes.",
                "sessions": "The maximum number of sessions is reached.",
                "handshake": "This device needs the key agreement of its login page.",
            }
            return self._login_page(request, texts[result.why])
        meter.sessions.login_page_done(cookie)
        return self._cookie(self._go("/home.html"), result.token)

    # -- pages -----------------------------------------------------------------

    def _home(self, session: Session) -> web.Response:
        role = self._meter.surface.roles[session.role]
        links = {
            "/settings/ethernet.html": "Settings > Advanced Ethernet Settings",
            "/settings/accounts.html": "Settings > User Management",
            "/maintenance/firmware.html": "Maintenance > Upgrade > Firmware",
            "/maintenance/status.html": "Maintenance > Upgrade > Upgrade Status",
            "/logout.html": "Sign out",
        }
        menu = "\n".join(f'<li><a href="{path}">{html.escape(text)}</a></li>' for path, text in links.items())
        who = f'<p id="session">Signed in as <b>{html.escape(session.user)}</b> ({role})</p>'
        return self._page(self._meter.model, f'{who}\n<ul id="menu">\n{menu}\n</ul>')

    def _ethernet(self, session: Session, note: str = "") -> web.Response:
        now = newweb.settings(self._meter)

        def choice(label: str, name: str, words: dict[str, str], present: str) -> str:
            options = "".join(
                f'<option value="{word}"{" selected" if word == present else ""}>{text}</option>' for word, text in words.items()
            )
            return f'<label>{label} <select name="{name}">{options}</select></label>'

        lines = [
            note,
            '<form id="ethernet" method="post" action="/settings/ethernet.html">',
            self._token(session.csrf),
            f'<label>HTTP port <input name="http_port" value="{now["http_port"]}"></label>',
            f'<label>HTTPS port <input name="https_port" value="{now["https_port"]}"></label>',
            choice("Redirect HTTP to HTTPS", "http_redirect", ON_OFF, "on" if now["http_redirect"] else "off"),
            choice("FTP server", "ftp_server", ON_OFF, "on" if now["ftp"] else "off"),
            choice("IP acquisition", "ip_mode", IP_MODES, now["ip_mode"]),
            '<button type="submit" id="save">Save</button>',
            "</form>",
        ]
        return self._page("Advanced Ethernet Settings", "\n".join(filter(None, lines)))

    async def _save(self, request: web.BaseRequest, session: Session) -> web.Response:
        fields = await self._fields(request)
        self._checked(session, fields)
        wanted: dict[str, Any] = {name: fields[name] for name in (*newweb.PORT_NAMES, "ip_mode") if name in fields}
        for name, inside in (("http_redirect", "http_redirect"), ("ftp_server", "ftp")):
            if name in fields:
                wanted[inside] = {"on": True, "off": False}.get(fields[name])
        try:
            newweb.save(self._meter, session.user, wanted)
        except RefusedError as exc:
            if exc.code != "value":
                raise
            name = {"ftp": "ftp_server"}.get(exc.detail, exc.detail)
            return self._ethernet(session, f'<p id="error">Not accepted: {name}.</p>')
        return garbled(self._meter, "settings") or self._ethernet(session, '<p id="notice">Settings saved.</p>')

    def _accounts(self, session: Session, note: str = "") -> web.Response:
        self._master(session)
        words = self._meter.surface.roles
        rows = "\n".join(
            f'<tr class="account"><td>{html.escape(account["user"])}</td><td>{words[role]}</td></tr>'
            for role, account in self._meter.accounts().items()
        )
        lines = [
            note,
            f'<table id="accounts">\n<tr><th>Name</th><th>Role</th></tr>\n{rows}\n</table>',
            '<form id="account" method="post" action="/settings/accounts.html">',
            self._token(session.csrf),
            '<label>Account <input name="account"></label>',
            '<label>Name <input name="name"></label>',
            '<label>Password <input type="password" name="password" autocomplete="off"></label>',
            f'<label>Role <select name="role"><option></option>{"".join(f"<option>{words[role]}</option>" for role in accounts.NEW_GROUPS)}</select></label>',
            '<button name="action" value="save" id="save">Save</button> <button name="action" value="add">Add</button>',
            '<button name="action" value="remove">Remove</button>',
            "</form>",
        ]
        return self._page("User Management", "\n".join(filter(None, lines)))

    async def _save_account(self, request: web.BaseRequest, session: Session) -> web.Response:
        meter = self._meter
        fields = await self._fields(request)
        self._checked(session, fields)
        groups = {word: role for role, word in meter.surface.roles.items()}
        wanted = accounts.Wanted(fields.get("name") or None, fields.get("password") or None, groups.get(fields.get("role", "")))
        try:
            action, account = fields.get("action", "save"), fields.get("account", "")
            if action == "add":
                accounts.add(meter, wanted.group or "", wanted, session.user)
            elif action == "remove":
                accounts.remove(meter, accounts.group_of(meter, account), session.user)
            else:
                accounts.save(meter, accounts.group_of(meter, account), wanted, session.user, session.token)
        except RefusedError as exc:
            if exc.code not in ACCOUNT_ERRORS:
                raise
            meter.record("web_refused", user=session.user, why=exc.code)
            return self._accounts(session, f'<p id="error">{ACCOUNT_ERRORS[exc.code]}</p>')
        return garbled(meter, "settings") or self._accounts(session, '<p id="notice">Account saved.</p>')

    # -- upgrade -----------------------------------------------------------------

    def _firmware(self, session: Session) -> web.Response:
        self._master(session)
        lines = [
            '<form id="upload" method="post" enctype="multipart/form-data" action="/maintenance/firmware.html">',
            self._token(session.csrf),
            '<input type="file" name="firmware" id="firmware" accept=".sedp">',
            '<button type="submit" id="upgrade">Upgrade</button>',
            "</form>",
        ]
        return self._page("Firmware Upgrade", "\n".join(lines))

    async def _upload(self, request: web.BaseRequest, session: Session) -> web.Response:
        meter = self._meter
        if not request.content_type.startswith("multipart/"):
            raise RefusedError("type")
        reader = await request.multipart()
        fields: dict[str, str] = {}
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                break
            if part.name != "firmware":
                fields[part.name or ""] = await part.text()
                continue
            self._checked(session, fields)
            image = await newweb.take_upload(meter, session, unquote(part.filename or ""), part.read_chunk, check=False)
            body = [
                f'<p id="package">{html.escape(image.name)}, {image.size} bytes</p>',
                f'<p id="question">{QUESTION}</p>',
                '<form id="apply" method="post" action="/maintenance/apply.html">',
                self._token(session.csrf),
                '<button name="answer" value="yes" id="yes">Yes</button> <button name="answer" value="no" id="no">No</button>',
                "</form>",
            ]
            return garbled(meter, "upload") or self._page("Firmware Upgrade", "\n".join(body))
        raise RefusedError("type")

    async def _apply(self, request: web.BaseRequest, session: Session) -> web.Response:
        fields = await self._fields(request)
        self._checked(session, fields)
        if fields.get("answer") != "yes":
            from metersim import upgrade

            upgrade.discard(self._meter)
            return self._page("Firmware Upgrade", '<p id="notice">The package was discarded.</p>')
        newweb.apply(self._meter, session.user)
        text = '<p id="notice">The upgrade has been started. All users are disconnected.</p>'
        return garbled(self._meter, "apply") or self._page("Firmware Upgrade", text)

    def _status(self, session: Session) -> web.Response:
        meter, job, words = self._meter, self._meter.job, self._meter.surface
        version = ".".join(map(str, job.target)) if job.target else ""
        lines = [
            f'<p id="device">{meter.model} {meter.serial}</p>',
            f'<p id="firmware">Present firmware: {meter.firmware_text}</p>',
            '<dl id="last">',
            f'<dt>Result</dt><dd id="result">{words.results[job.result]}</dd>',
            f'<dt>Version</dt><dd id="version">{version}</dd>',
            f'<dt>Time</dt><dd id="time">{job.when.strftime("%Y-%m-%dT%H:%M:%SZ") if job.when else ""}</dd>',
            f'<dt>Message</dt><dd id="message">{html.escape(job.message)}</dd>',
            "</dl>",
            '<table id="steps">',
            "<tr><th>Step</th><th>State</th><th>Progress</th><th>Remark</th></tr>",
        ]
        for step in job.steps:
            cells = (words.processes[step.name], words.states[step.state], f"{step.progress} %", html.escape(step.text))
            lines.append('<tr class="step">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        return self._page("Upgrade Status", "\n".join([*lines, "</table>"]))
