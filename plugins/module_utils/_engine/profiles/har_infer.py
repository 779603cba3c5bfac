# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a recording shows of login, tokens, settings, upload and confirmation. Findings only; har_draft writes the profile."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .har import Body, Exchange, Recording, leaves
from .har_pages import Form, Html, Spot, escape, spot_pattern, value_pattern
from .har_secrets import DERIVED_NAME, PASSWORD_NAME, Origin, Secrets, custom_headers, looks_computed, looks_random, origin

_USER_NAME = re.compile(r"user|login|account|name|benutzer", re.I)
LOGOUT = re.compile(r"log-?_?(out|off)|sign-?_?(out|off)|abmelden|quit", re.I)
_ERROR_KEY = re.compile(r"err|fail|alert|warn|invalid", re.I)
_GUARD_NAME = re.compile(r"csrf|xsrf|token|nonce|guard|verif", re.I)
_APPEND = re.compile(r"""\.append\(\s*["']([\w.\-\[\]]{1,60})["']\s*,\s*([^,;)]{1,80})""")
_ROLES = re.compile(r"(product[ -]master|administrator|admin|web[ -]master|guest|operator|viewer)\Z", re.I)
_ADMINS = re.compile(r"(product[ -]master|administrator|admin)\Z", re.I)
UPLOAD_MINIMUM = 20_000  # bytes of a request whose body was not recorded, to be taken for an upload


@dataclass
class Guard:
    """A value that the meter hands out and wants back: a CSRF token or the token of the login."""

    origin: Origin
    field: str = ""
    header: str = ""
    prefix: str = ""


@dataclass
class LoginFound:
    """How the user signed in. ``kind`` is challenge, form, json, helper (not inferable) or empty (none was recorded)."""

    kind: str = ""
    exchange: Exchange | None = None
    user_field: str = ""
    password_field: str = ""
    page: str = ""
    why: str = ""
    assumed: bool = False
    refused: Exchange | None = None


@dataclass
class UploadFound:
    """The request that carried the package."""

    exchange: Exchange
    field: str = ""
    constants: dict[str, str] = dataclasses.field(default_factory=dict)
    guessed: bool = False
    page: str = ""


@dataclass
class SettingFound:
    """One setting that a page shows, and how the recording wrote it."""

    name: str
    address: str
    format: str
    value: str
    words: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    write: Exchange | None = None
    field: str = ""
    guessed: bool = False


# -- login ------------------------------------------------------------------------------------------------------------


def find_login(recording: Recording, secrets: Secrets) -> LoginFound:
    """The first login that worked. A password that nowhere went over the wire as it is cannot be sent again."""
    plain: list[LoginFound] = []
    derived: list[LoginFound] = []
    for item in recording.exchanges:
        if item.method == "GET" and not item.query:
            continue
        found = _login_in(item, secrets, recording)
        if found is not None:
            (plain if found.kind != "helper" else derived).append(found)
    if plain:
        good = [entry for entry in plain if entry.exchange is not None and _worked(recording, entry.exchange)]
        chosen = (good or plain)[0]
        bad = [entry.exchange for entry in plain if entry not in good]
        chosen.refused = bad[0] if good and bad else None
        return chosen
    if _challenged(recording):
        return LoginFound("challenge")
    if derived:
        return derived[0]
    return LoginFound(why="no login was recorded: start the recording while you are signed out, then sign in")


def _challenged(recording: Recording) -> bool:
    schemes = [item.sent.get("authorization", "").split(" ")[0].lower() for item in recording.exchanges]
    asked = any(item.status == 401 and re.match(r"basic|digest", item.header("www-authenticate"), re.I) for item in recording.exchanges)
    return asked or any(scheme in ("basic", "digest") for scheme in schemes)


def _login_in(item: Exchange, secrets: Secrets, recording: Recording) -> LoginFound | None:
    fields = item.body.fields
    if item.body.kind not in ("form", "json") or not fields or not item.writes:
        return None
    plain = [name for name, value in fields if value and secrets.in_the_clear(value)]
    typed = [name for name, value in fields if value and name in secrets.password_fields]
    names = typed or [
        name for name, value in fields if value and PASSWORD_NAME.search(name) and not (secrets.user and value == secrets.user)
    ]
    derived = [name for name, value in fields if DERIVED_NAME.search(name) or secrets.derived(value)]
    user = _user_field(fields, secrets, plain or names or derived)
    if plain:
        if len(plain) > 1 or not user:
            return None  # a page that changes a password, or that confirms one
        return LoginFound(item.body.kind, item, user, plain[0], _page_before(recording, item, user))
    if secrets.passwords or derived or any(looks_computed(value) for name, value in fields if name in names):
        if user and (derived or names):
            why = "the password does not go over the wire as it is, the page computes something from it: use a login helper"
            if secrets.passwords and not derived:
                why += "; or the password that was named is not the one that was typed"
            return LoginFound("helper", item, user, "", "", why)
        return None
    if len(names) == 1 and user:
        return LoginFound(item.body.kind, item, user, names[0], _page_before(recording, item, user), assumed=True)
    return None


def _user_field(fields: Sequence[tuple[str, str]], secrets: Secrets, others: Sequence[str]) -> str:
    rest = [(name, value) for name, value in fields if name not in others and name not in secrets.hidden_fields and value]
    exact = [name for name, value in rest if secrets.user and value == secrets.user]
    named = [name for name, value in rest if _USER_NAME.search(name) and not looks_random(value)]
    left = [name for name, value in rest if value not in secrets.values and not looks_random(value)]
    return (exact or named or (left if len(left) == 1 else [""]))[0]


def _worked(recording: Recording, item: Exchange) -> bool:
    """A login counts as good when the meter handed out something for it, or led elsewhere."""
    if item.status in (301, 302, 303, 307, 308):
        return urlpath(item.header("location")) != item.path
    if not 200 <= item.status < 300:
        return False
    if item.set_cookies or any(isinstance(value, str) and looks_random(value) for _path, value in leaves(item.json)):
        return True
    return not (item.is_html and any(entry.kind == "password" for entry in item.page.inputs))


def urlpath(location: str) -> str:
    """The path of a redirect's target."""
    return "/" + location.split("?")[0].split("://", 1)[-1].partition("/")[2] if "://" in location else location.split("?")[0]


def _page_before(recording: Recording, item: Exchange, user_field: str) -> str:
    """The page with the login form: the latest one that has its field, or that has a field for a password."""
    for entry in reversed([entry for entry in recording.exchanges if entry.number < item.number]):
        if entry.method == "GET" and entry.is_html:
            inputs = entry.page.inputs
            if any(given.name == user_field or given.kind == "password" for given in inputs):
                return entry.address
    return ""


def find_token(recording: Recording, login: Exchange) -> Guard | None:
    """What the answer to the login gave and later requests carry in a header."""
    given = [(path, value) for path, value in leaves(login.json) if isinstance(value, str) and len(value) >= 8]
    offered = [(name, value) for name, value in login.headers if len(value) >= 8 and name != "set-cookie"]
    for item in (entry for entry in recording.exchanges if entry.number > login.number):
        headers = {**custom_headers(item), "authorization": item.sent.get("authorization", "")}
        for name, sent in headers.items():
            for path, value in given:
                if sent.endswith(value):
                    return Guard(Origin("json", path, login.number, login.address), header=name, prefix=sent[: -len(value)])
            for source, value in offered:
                if sent.endswith(value) and not _common(value):
                    return Guard(Origin("header", source, login.number, login.address), header=name, prefix=sent[: -len(value)])
    return None


def _common(value: str) -> bool:
    return not looks_random(value)


def find_guard(recording: Recording, item: Exchange, secrets: Secrets, token: Guard | None = None) -> Guard | None:
    """The CSRF token of one writing request: a field or a header whose value an earlier answer had told."""
    carried = [("field", name, value) for name, value in item.body.fields]
    carried += [("header", name, value) for name, value in custom_headers(item).items()]
    for place, name, value in carried:
        if token is not None and place == "header" and name == token.header:
            continue
        if value in secrets.passwords or name in secrets.password_fields:
            continue
        if not looks_random(value) and value not in secrets.values and not (_GUARD_NAME.search(name) and len(value) >= 6):
            continue
        source = origin(recording, value, item.number)
        if source is not None:
            return Guard(source, name if place == "field" else "", name if place == "header" else "")
    return None


# -- positive signs ---------------------------------------------------------------------------------------------------


def positive_sign(recording: Recording, item: Exchange) -> dict[str, Any] | None:
    """What only this good answer has: its status where that tells something, a part of JSON, or a text the page else has not."""
    document = item.json
    if document is not None:
        path = next(
            (
                path
                for path, value in leaves(document)
                if value not in (None, "", False) and "[" not in path and "error" not in path.lower()
            ),
            None,
        )
        return {"status": [item.status], **({"expression": path} if path else {})}
    if item.is_html:
        spot = new_spot(recording, item)
        return {"status": [item.status], "pattern": sign_pattern(spot)} if spot else None
    return {"status": [item.status]} if item.status in (201, 202, 204, 301, 302, 303) else None


def sign_pattern(spot: Spot) -> str:
    """The tag and the beginning of its words; where the words hold numbers or names, any words."""
    words = escape(spot.text[:60]).replace(" ", r"\s+")
    return f"{escape(spot.raw)}\\s*" + (words if _steady(spot) else r"[^<\s]")


def _steady(spot: Spot) -> bool:
    return " " in spot.text and not any(char.isdigit() or char in "&_" for char in spot.text)


def new_spot(recording: Recording, item: Exchange) -> Spot | None:
    """A labelled text in this answer whose label stands in no page that was read with GET."""
    fresh = [
        spot
        for spot in item.page.spots
        if spot.key and spot.text and spot.raw not in recording.usual_tags and not _ERROR_KEY.search(spot.key)
    ]
    return max(fresh, key=lambda spot: (_steady(spot), " id=" in spot.raw, len(spot.text) > 10)) if fresh else None


def error_spot(item: Exchange) -> Spot | None:
    """A labelled text that calls itself an error."""
    return (
        next((spot for spot in item.page.spots if spot.key and spot.text and _ERROR_KEY.search(spot.key)), None) if item.is_html else None
    )


def error_path(item: Exchange) -> str | None:
    """The words of an error in a JSON answer with a status of refusal."""
    if item.status < 400 or item.json is None:
        return None
    texts = [path for path, value in leaves(item.json) if isinstance(value, str) and value.strip()]
    named = [path for path in texts if re.search(r"text|message|detail|reason|description", path, re.I)]
    return next(iter(named or texts), None)


# -- upload and confirmation ------------------------------------------------------------------------------------------


def find_upload(recording: Recording, secrets: Secrets) -> UploadFound | None:
    """The request that carried a file. Its field comes from the body, else from the page's form or script."""
    for item in recording.exchanges:
        size = item.sent.get("content-length", "")
        large = size.isascii() and size.isdigit() and len(size) < 12 and int(size) >= UPLOAD_MINIMUM
        sent_file = item.body.file is not None or (
            item.sent.get("content-type", "").lower().startswith("multipart/") and item.body.kind == "unseen"
        )
        if not item.writes or not (sent_file or (large and item.body.kind in ("unseen", "binary"))):
            continue
        found = UploadFound(item)
        if item.body.file is not None and item.body.file[0]:
            found.field = item.body.file[0]
            found.constants = {name: value for name, value in item.body.fields if secrets.constant(name, value)}
        else:
            _from_sources(recording, item, found, secrets)
        found.page = _form_page(recording, item)
        return found
    return None


def _from_sources(recording: Recording, item: Exchange, found: UploadFound, secrets: Secrets) -> None:
    """Chromium leaves out bodies with files; the form that was sent, or the script that built it, tells the names."""
    form = _form_for(recording, item, lambda form: any(entry.kind == "file" for entry in form.fields))
    if form is not None:
        found.field = next(entry.name for entry in form.fields if entry.kind == "file")
        kept = [entry for entry in form.fields if entry.kind in ("hidden", "select", "text") and entry.name]
        found.constants = {entry.name: entry.value for entry in kept if entry.value and secrets.constant(entry.name, entry.value)}
        return
    for script in _scripts(recording, item.number):
        calls = _APPEND.findall(script)
        files = [name for name, value in calls if value.strip()[:1] not in "\"'0123456789"]
        if len(files) == 1:
            found.field, found.guessed = files[0], True
            texts = {name: value.strip().strip("\"'") for name, value in calls if name != files[0]}
            found.constants = {name: value for name, value in texts.items() if secrets.constant(name, value)}
            return


def _scripts(recording: Recording, before: int) -> list[str]:
    found: list[str] = []
    for entry in recording.exchanges:
        if entry.number < before and entry.is_html:
            found += entry.page.scripts
        elif entry.number < before and "javascript" in entry.mime:
            found.append(entry.text)
    return found


def _form_for(recording: Recording, item: Exchange, test: Any) -> Form | None:
    for entry in reversed([entry for entry in recording.exchanges if entry.number < item.number and entry.is_html]):
        for form in entry.page.forms:
            action = urlpath(form.action) or entry.path
            if (action == item.path or action.rpartition("/")[2] == item.path.rpartition("/")[2]) and test(form):
                return form
    return None


def _form_page(recording: Recording, item: Exchange) -> str:
    """The page whose form led to this request, where that page was read with GET."""
    for entry in reversed(
        [entry for entry in recording.exchanges if entry.number < item.number and entry.is_html and entry.method == "GET"]
    ):
        if any((urlpath(form.action) or entry.path) == item.path and form.method == "POST" for form in entry.page.forms):
            return entry.address
    return ""


def find_confirm(recording: Recording, upload: UploadFound, login: LoginFound) -> Exchange | None:
    """The first writing request after the upload that is neither a login, a logout nor another upload."""
    login_path = login.exchange.path if login.exchange else None
    for item in recording.exchanges:
        if item.number <= upload.exchange.number or not item.writes or item.method in ("DELETE", "PATCH"):
            continue
        if item.path == login_path:
            return None  # signed in again: whatever comes now belongs to something else
        if LOGOUT.search(item.path) or item.body.file is not None:
            continue
        return item
    return None


def find_logout(recording: Recording, after: int) -> Exchange | None:
    """The request that signed out, by its address or as a DELETE of a session."""
    for item in reversed(recording.exchanges):
        deleted = item.method == "DELETE" and re.search(r"session|auth|login|token", item.path, re.I)
        if item.number > after and (LOGOUT.search(item.address) or deleted):
            return item
    return None


# -- role and settings ------------------------------------------------------------------------------------------------


def find_role(recording: Recording, secrets: Secrets) -> tuple[dict[str, Any], str] | None:
    """A page that tells the role of who is signed in, as a section ``role_page``, and the word that was seen."""
    for item in recording.exchanges:
        if item.method != "GET" or item.status != 200:
            continue
        found = _role_json(item) if item.json is not None else _role_html(item, secrets) if item.is_html else None
        if found is not None:
            how, word = found
            form = "json" if item.json is not None else "html"
            return {
                "path": item.address,
                "format": form,
                "role": how,
                "product_master": [word] if _ADMINS.match(word) else ["Administrator"],
            }, word
    return None


def _role_json(item: Exchange) -> tuple[str, str] | None:
    for path, value in leaves(item.json):
        if isinstance(value, str) and "[" not in path and _ROLES.match(value) and re.search(r"role|group|level|profile|type", path, re.I):
            return path, value
    return None


def _role_html(item: Exchange, secrets: Secrets) -> tuple[str, str] | None:
    """``Signed in as <b>NAME</b> (Role)``: a role in brackets behind the user's name, or a labelled role."""
    html: Html = item.page
    for spot in html.spots:
        if spot.key and not spot.in_row and _ROLES.match(spot.text) and re.search(r"role|group|level", spot.key, re.I):
            return spot_pattern(spot, "role", "", 40), spot.text
    if not secrets.user:
        return None
    from_name = re.escape(secrets.user)
    found = re.search(rf"(<[^<>]{{1,100}}>)([^<>]{{0,60}})<(\w{{1,10}})>{from_name}</\3>\s*\(([^()<>]{{3,30}})\)", item.text[: 1 << 18])
    if found and _ROLES.match(found[4].strip()):
        head = re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", found[1] + found[2])
        return rf"{head}<{found[3]}>[^<]*</{found[3]}> \((?P<role>[^()<]{{1,40}})\)", found[4].strip()
    return None


_SETTING_NAMES = (
    ("https_port", re.compile(r"https_?port|ssl_?port", re.I)),
    ("http_port", re.compile(r"http_?port|web_?port", re.I)),
    ("http_redirect", re.compile(r"redirect", re.I)),
    ("ftp_server", re.compile(r"ftp", re.I)),
    ("ip_mode", re.compile(r"ip_?mode|acqui|dhcp|ip_?assign|boot_?proto", re.I)),
)


def setting_name(field_name: str) -> str:
    """The usual name of a setting by the name of its field, else that name itself."""
    last = re.split(r"[.\[]", field_name)[-1].strip('"]')
    known = next((name for name, test in _SETTING_NAMES if test.search(last)), None)
    return known or re.sub(r"[^a-z0-9_]+", "_", last.lower()).strip("_") or "setting"


def find_settings(recording: Recording, secrets: Secrets, taken: set[int]) -> list[SettingFound]:
    """Settings that pages show in forms or JSON, with the request that saved them where one was recorded."""
    found: dict[str, SettingFound] = {}
    wanted = ("POST", "PUT", "DELETE")  # what a profile can say
    writes = [
        item for item in recording.exchanges if item.method in wanted and item.number not in taken and item.body.kind in ("form", "json")
    ]
    for item in recording.exchanges:
        if item.method != "GET" or item.status != 200:
            continue
        if item.is_html:
            _html_settings(item, writes, secrets, found)
        elif item.json is not None:
            _json_settings(item, writes, secrets, found)
    return list(found.values())


def _html_settings(item: Exchange, writes: list[Exchange], secrets: Secrets, found: dict[str, SettingFound]) -> None:
    for form in item.page.forms:
        kinds = {entry.kind for entry in form.fields}
        if form.method != "POST" or kinds & {"password", "file"}:
            continue
        action = urlpath(form.action) or item.path
        write = next((entry for entry in writes if entry.path == action and entry.number > item.number and entry.body.kind == "form"), None)
        for entry in form.fields:
            if entry.kind not in ("text", "number", "select") or not entry.name or not secrets.constant(entry.name, entry.value):
                continue
            name = setting_name(entry.name)
            how = _html_value(entry.raw, entry.kind, entry.value)
            if name in found or how is None:
                continue
            sent = dict(write.body.fields) if write is not None else {}
            usable = write if entry.name in sent else None
            found[name] = SettingFound(name, item.address, "html", how, _words(entry.options), usable, entry.name)


def _html_value(raw: str, kind: str, value: str) -> str | None:
    if kind == "select":
        return rf'{escape(raw)}(?:(?!</select>)[\s\S]){{0,3000}}?<option value="(?P<value>[^"<>]{{1,60}})"[^<>]{{0,60}}\bselected'
    return value_pattern(raw, value, "value")


_PAIRS = (
    ("on", "off"),
    ("1", "0"),
    ("true", "false"),
    ("enabled", "disabled"),
    ("enable", "disable"),
    ("yes", "no"),
    ("active", "inactive"),
)


def _words(options: Sequence[str]) -> dict[str, list[str]]:
    """Which of the offered words mean on and off, where that is plain."""
    known = {word.lower(): word for word in options}
    for on, off in _PAIRS:
        if on in known and off in known:
            return {"on": [known[on]], "off": [known[off]]}
    return {}


def _guessed_words(value: str) -> dict[str, list[str]]:
    """The usual pair to which the one word that was seen belongs, in its spelling."""
    for on, off in _PAIRS[:1] + _PAIRS[2:]:
        if value.lower() in (on, off):
            form = str.upper if value.isupper() else str.capitalize if value[:1].isupper() else str
            return {"on": [form(on)], "off": [form(off)]}
    return {}


def _json_settings(item: Exchange, writes: list[Exchange], secrets: Secrets, found: dict[str, SettingFound]) -> None:
    same = [entry for entry in writes if entry.path == item.path and entry.body.kind == "json"]
    looks_like = re.search(r"setting|config|network|ethernet|param", item.path, re.I)
    if not same and not looks_like:
        return
    for path, value in leaves(item.json):
        if "[" in path or not secrets.constant(path, str(value)) or value is None:
            continue
        name = setting_name(path)
        if name in found:
            continue
        last = path.rpartition(".")[2]
        write = next((entry for entry in same if any(key in (path, last) for key, _value in entry.body.fields)), None)
        key = next((key for key, _value in write.body.fields if key in (path, last)), "") if write else ""
        seen = {str(value), *(sent for entry in same for sent_key, sent in entry.body.fields if sent_key == key)}
        words = _words(sorted(seen))
        guessed = {} if words or isinstance(value, bool) else _guessed_words(str(value))
        found[name] = SettingFound(name, item.address, "json", path, words or guessed, write, key, bool(guessed))


def body_kind(body: Body) -> str:
    """A request's body as a profile names it."""
    return "json" if body.kind == "json" else "form"
