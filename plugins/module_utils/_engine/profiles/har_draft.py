# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Turns a recording into the draft of a profile: ``captured``, not verified, without secrets, with a list of what is missing.

Nothing of the recording gets into the draft but addresses, names of fields, expressions and short plain words; a last
search makes sure that no known secret is among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .har import Exchange, Recording, parse_har
from .har_infer import (
    LOGOUT,
    Guard,
    LoginFound,
    SettingFound,
    UploadFound,
    body_kind,
    error_path,
    error_spot,
    find_confirm,
    find_guard,
    find_login,
    find_logout,
    find_role,
    find_settings,
    find_token,
    find_upload,
    positive_sign,
    urlpath,
)
from .har_pages import escape, spot_pattern
from .har_secrets import Secrets, collect, custom_headers, looks_random
from .har_status import find_status

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Draft:
    """The profile, what could not be inferred or is a guess, and notes about the recording. ``missing`` is (where, why)."""

    profile: dict[str, Any]
    missing: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lacks(self, where: str, why: str) -> None:
        self.missing.append({"section": where, "why": why})


def draft_from_har(text: str, name: str, host: str | None = None, user: str | None = None, passwords: Sequence[str] = ()) -> Draft:
    """The draft for a HAR file's text. ``user`` and ``passwords`` are what was typed during the recording. Raises InputError."""
    recording = parse_har(text, host)
    secrets = collect(recording, passwords, user)
    login = find_login(recording, secrets)
    if secrets.user is None and login.exchange is not None and login.user_field:
        secrets.user = dict(login.exchange.body.fields).get(login.user_field)
    profile: dict[str, Any] = {
        "name": name,
        "family": "pm5000",
        "provenance": "captured",
        "verified": False,
        "description": "Draft from a browser recording; check every line on the meter before it is called verified",
    }
    draft = Draft(profile)
    _notes(recording, draft)
    token = find_token(recording, login.exchange) if login.exchange is not None else None
    _transport(recording, draft)
    _login(recording, login, secrets, token, draft)
    _tokens(recording, login, secrets, token, draft)
    _answers(recording, login, draft)
    upload = find_upload(recording, secrets)
    confirm = find_confirm(recording, upload, login) if upload is not None else None
    _settings(recording, secrets, login, upload, confirm, draft)
    _role(recording, secrets, draft)
    _upload(recording, upload, draft)
    _confirm(recording, upload, confirm, secrets, token, draft)
    _status(recording, confirm, draft)
    _logout(recording, login, draft)
    _scrub(draft, secrets)
    return draft


# -- sections ---------------------------------------------------------------------------------------------------------


def _notes(recording: Recording, draft: Draft) -> None:
    if recording.other_hosts:
        draft.notes.append(f"requests to {len(recording.other_hosts)} other hosts were left aside")
    if recording.unreadable:
        draft.notes.append(f"{recording.unreadable} entries of the file could not be read")
    if not any(item.cookies or item.set_cookies or item.sent.get("authorization") for item in recording.exchanges):
        why = "the recording has neither cookies nor Authorization: many browsers leave them out unless you export with sensitive data"
        draft.lacks("login", why)


def _transport(recording: Recording, draft: Draft) -> None:
    moved = [item for item in recording.exchanges if item.scheme == "http" and item.status in REDIRECTS]
    to_https = any(item.header("location").lower().startswith("https:") for item in moved)
    secure = [item for item in recording.exchanges if item.scheme == "https"]
    scheme = "https" if len(secure) * 2 > len(recording.exchanges) or to_https else "http"
    draft.profile["transport"] = {"scheme": scheme}
    if scheme == "http":
        draft.notes.append("the recording is over plain HTTP: so would be the password; see whether the meter has HTTPS")


def _login(recording: Recording, login: LoginFound, secrets: Secrets, token: Guard | None, draft: Draft) -> None:
    if not login.kind:
        draft.lacks("login", login.why)
        return
    section: dict[str, Any] = {"kind": login.kind}
    draft.profile["login"] = section
    item = login.exchange
    if login.kind == "helper":
        draft.lacks("login", f"login not inferable: {login.why}")
    if login.kind not in ("form", "json") or item is None:
        return
    guard = find_guard(recording, item, secrets)
    if login.page and (login.kind == "form" or (guard is not None and guard.origin.kind == "page")):
        section["page"] = login.page
    section.update({"path": item.address, "method": item.method, "user": login.user_field, "password": login.password_field})
    left = [pair for pair in item.body.fields if pair[0] not in (login.user_field, login.password_field)]
    constants = _constants(item, left, guard, {}, draft, "login.constants")
    if constants:
        section["constants"] = constants
    sign = _login_sign(recording, item, token)
    if sign is None:
        draft.lacks("login.ok", "no sign was found by which a good login differs from a refused one")
    else:
        section["ok"] = sign
    if login.assumed:
        why = f"taken from the field '{login.password_field}', as no password was named; name it, to make sure that it goes over the wire as it is"
        draft.lacks("login.password", why)


def _login_sign(recording: Recording, item: Exchange, token: Guard | None) -> dict[str, Any] | None:
    if item.status in REDIRECTS:
        return {"status": [item.status], "location": escape(urlpath(item.header("location"))[:100]) + r"(\?|$)"}
    if token is not None and token.origin.kind == "json":
        return {"status": [item.status], "expression": token.origin.how}
    return positive_sign(recording, item)


def _tokens(recording: Recording, login: LoginFound, secrets: Secrets, token: Guard | None, draft: Draft) -> None:
    """Everything the meter hands out and wants back: the token of the login, and CSRF tokens of all writing requests."""
    found = [token] if token is not None and login.kind != "helper" else []  # a helper brings its token along as a header
    after = login.exchange.number if login.kind == "helper" and login.exchange is not None else -1
    for item in recording.exchanges:
        if not item.writes or item.number <= after:
            continue
        guard = find_guard(recording, item, secrets, token)
        if guard is not None:
            found.append(guard)
        else:
            _unknown_headers(item, token, draft)
    tokens: list[dict[str, Any]] = []
    for guard in found:
        key = {"page": "pattern", "cookie": "cookie", "header": "header", "json": "expression"}[guard.origin.kind]
        send = {"field": guard.field} if guard.field else {"header": guard.header.title()}
        entry: dict[str, Any] = {"take": {key: guard.origin.how}, "send": {**send, **({"prefix": guard.prefix} if guard.prefix else {})}}
        entry["with"] = "all" if guard.header and _sent_with_reads(recording, guard.header) else "writes"
        if entry not in tokens:
            tokens.append(entry)
    if tokens:
        names = ["token" if number == 0 else f"token_{number + 1}" for number in range(len(tokens))]
        draft.profile["tokens"] = [{"name": name, **entry} for name, entry in zip(names, tokens, strict=True)]


def _unknown_headers(item: Exchange, token: Guard | None, draft: Draft) -> None:
    """A script's header whose value no answer of the recording held, as when cookies were left out of the file."""
    for name, value in custom_headers(item).items():
        why = f"requests that write carry the header '{name}', and where its value comes from is not in the recording"
        if looks_random(value) and (token is None or name != token.header) and {"section": "tokens", "why": why} not in draft.missing:
            draft.lacks("tokens", why)


def _sent_with_reads(recording: Recording, header: str) -> bool:
    return any(item.method == "GET" and header in item.sent for item in recording.exchanges)


def _answers(recording: Recording, login: LoginFound, draft: Draft) -> None:
    """How this device words a refusal and turns away who is not signed in, as far as the recording has it."""
    answers: dict[str, Any] = {}
    says: dict[str, str] = {}
    for item in recording.exchanges:
        spot = error_spot(item)
        if spot is not None:
            says.setdefault("html", spot_pattern(spot, "text"))
        path = error_path(item)
        if path is not None:
            says.setdefault("json", path)
    if says:
        answers["says"] = says
    else:
        draft.lacks(
            "answers.says", "no refusal was recorded: sign in once with a wrong password at the beginning, to have the device's words found"
        )
    page_path = login.page or (login.exchange.path if login.exchange is not None else "")
    away = [
        {"status": [item.status], "location": escape(page_path)}
        for item in recording.exchanges
        if item.method == "GET"
        and item.status in REDIRECTS
        and page_path
        and not LOGOUT.search(item.address)
        and urlpath(item.header("location")) == page_path
    ]
    denied = [
        {"status": [401]} for item in recording.exchanges if item.status == 401 and item.method == "GET" and login.kind in ("form", "json")
    ]
    signs = [sign for number, sign in enumerate([*away, *denied]) if sign not in [*away, *denied][:number]]
    if signs:
        answers["signed_out"] = signs
    elif login.kind in ("form", "json", "helper"):
        draft.lacks("answers.signed_out", "how a page looks to somebody who is not signed in was not recorded")
    missing = sorted({item.status for item in recording.exchanges if item.status in (404, 410)})
    if missing:
        answers["missing"] = [{"status": missing}]
    if answers:
        draft.profile["answers"] = answers
    draft.lacks(
        "refusals",
        "which reason the device's words stand for (locked account, too many sessions, lock, number of upgrades) is for you to add",
    )


def _role(recording: Recording, secrets: Secrets, draft: Draft) -> None:
    found = find_role(recording, secrets)
    if found is None:
        draft.lacks("role_page", "no page was recognised that tells the role of who is signed in")
        return
    draft.profile["role_page"] = found[0]


def _settings(
    recording: Recording, secrets: Secrets, login: LoginFound, upload: UploadFound | None, confirm: Exchange | None, draft: Draft
) -> None:
    taken = {item.number for item in (login.exchange, upload.exchange if upload else None, confirm) if item is not None}
    if login.exchange is not None:
        taken |= {item.number for item in recording.exchanges if item.writes and item.path == login.exchange.path}
    found = find_settings(recording, secrets, taken)
    if found:
        draft.profile["settings"] = {item.name: _setting(recording, item, draft) for item in found}
    else:
        draft.lacks("settings", "no page with settings was recognised; open it, and save it once unchanged, to have them read and written")
    if any(item.write is not None and len(item.write.body.fields) > 2 for item in found):
        why = "the browser sent all fields of the form together, the draft sends the one that changes; check that the others keep their values"
        draft.lacks("settings.write", why)
    guessed = [item.name for item in found if item.guessed]
    if guessed:
        draft.lacks("settings.words", f"only one value was seen; its opposite is a guess, for: {', '.join(guessed)}")
    unwritten = sorted(item.name for item in found if item.write is None)
    if unwritten:
        draft.lacks("settings", f"no request that saves was recorded for: {', '.join(unwritten)}")


def _setting(recording: Recording, item: SettingFound, draft: Draft) -> dict[str, Any]:
    section: dict[str, Any] = {"path": item.address, "format": item.format, "value": item.value}
    if item.words:
        section["words"] = item.words
    if item.write is None:
        return section
    write: dict[str, Any] = {"page": item.address} if item.format == "html" else {}
    write.update({"path": item.write.address, "method": item.write.method, "body": body_kind(item.write.body), "field": item.field})
    write["ok"] = _sign_or_status(recording, item.write, draft, "settings")
    section["write"] = write
    return section


def _sign_or_status(recording: Recording, item: Exchange, draft: Draft, where: str) -> dict[str, Any]:
    """A positive sign; where there is none, the status alone, which is reported as weak."""
    sign = positive_sign(recording, item)
    if sign is not None:
        return sign
    seen = item.status if 200 <= item.status < 400 else 200
    draft.lacks(
        f"{where}.ok", "no sign was found by which a good answer differs from a refusal; the status alone stands there and proves little"
    )
    return {"status": [seen]}


def _upload(recording: Recording, upload: UploadFound | None, draft: Draft) -> None:
    if upload is None:
        draft.lacks("upload", "no upload of a file was recorded")
        return
    item = upload.exchange
    section: dict[str, Any] = {"page": upload.page} if upload.page else {}
    raw = not item.sent.get("content-type", "").lower().startswith("multipart/") and item.body.kind != "multipart"
    section.update({"path": item.address, "method": item.method, "body": "raw" if raw else "multipart"})
    if raw:
        draft.lacks("upload.path", "the file is sent as the body itself; if its name is part of the address, put {name} there")
    elif upload.field:
        section["field"] = upload.field
    else:
        draft.lacks("upload.field", "the browser did not record the body: look up the name of the file's field in the page or its script")
    if upload.constants:
        section["constants"] = dict(upload.constants)
    if upload.guessed:
        draft.lacks("upload.field", "the browser did not record the body; field and constants are guesses from the page's script")
    section["ok"] = _sign_or_status(recording, item, draft, "upload")
    draft.profile["upload"] = section


def _confirm(
    recording: Recording, upload: UploadFound | None, confirm: Exchange | None, secrets: Secrets, token: Guard | None, draft: Draft
) -> None:
    if upload is None:
        return
    if confirm is None:
        draft.lacks(
            "confirm",
            "no request was recorded that starts the upgrade after the upload; if the upload alone starts it, say applies_at_once",
        )
        return
    guard = find_guard(recording, confirm, secrets, token)
    section: dict[str, Any] = {"path": confirm.address, "method": confirm.method, "body": body_kind(confirm.body)}
    kept = {name: value for name, value in confirm.body.fields if secrets.constant(name, value)}
    fields = _constants(confirm, confirm.body.fields, guard, kept, draft, "confirm.fields")
    if fields:
        section["fields"] = fields
    section["ok"] = _sign_or_status(recording, confirm, draft, "confirm")
    draft.profile["confirm"] = section


def _status(recording: Recording, confirm: Exchange | None, draft: Draft) -> None:
    found = find_status(recording.exchanges, confirm.number if confirm else None)
    for where, why in found.missing:
        draft.lacks(where, why)
    if found.section is not None:
        draft.profile["status_page"] = found.section


def _logout(recording: Recording, login: LoginFound, draft: Draft) -> None:
    found = find_logout(recording, login.exchange.number if login.exchange else -1)
    if found is not None:
        draft.profile["logout"] = {"path": found.address, "method": found.method}
    elif login.kind in ("form", "json"):
        draft.lacks("logout", "no logout was recorded; sessions of the meter then end by themselves")


# -- fields and scrubbing ---------------------------------------------------------------------------------------------


def _constants(
    item: Exchange, fields: Sequence[tuple[str, str]], guard: Guard | None, known: Mapping[str, str], draft: Draft, where: str
) -> dict[str, Any]:
    """Fields with a fixed value. One that is neither a plain word nor the CSRF token is left out and reported."""
    constants: dict[str, Any] = {}
    for name, value in fields:
        if guard is not None and name == guard.field:
            continue
        if name in known or value == "":
            constants[name] = _typed(item.body.document, known.get(name, ""))
        else:
            draft.lacks(where, f"the field '{name[:60]}' was sent with a value that is not kept here; find out whether it is needed")
        if item.body.kind == "json" and "." in name:
            draft.lacks(where, f"'{name[:60]}' lies inside another object of the JSON body; check that it is sent so")
    return constants


def _typed(document: Any, text: str) -> Any:
    """A constant of a JSON body as the type it had."""
    if document is None:
        return text
    return {"true": True, "false": False, "null": None}.get(text, int(text) if text.lstrip("-").isdigit() and len(text) < 12 else text)


def _scrub(draft: Draft, secrets: Secrets) -> None:
    """Take out every part in which a secret still stands, and say so. Addresses are the likely ones."""
    for dummy in range(20):
        places = list(dict.fromkeys(secrets.leaks(draft.profile)))
        if not places:
            break
        for place in places:
            top = place.split(".")[0].split("[")[0]
            draft.profile.pop(top, None)
            draft.lacks(
                top, "left out, because a secret of the recording stands in it; record again with a password that is no ordinary word"
            )
    draft.missing = [item for item in draft.missing if not any(secrets.leaks(item))]
    draft.notes = [item for item in draft.notes if not any(secrets.leaks([item]))]
