# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A session that a profile describes, against a server of plain sockets: what is sent, how often, and what answers mean."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webkit import Request, Server, page, parts, says

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import ProfileSession

PASSWORD = "Canary-session-77d1"
TOKEN = "Canary-token-0b6e"
QUICK = Timeouts(2.0, 0.5)

FORM: dict[str, Any] = {
    "name": "form",
    "answers": {
        "says": {"html": r'<p id="error">(?P<text>[^<]*)</p>', "json": "error"},
        "missing": [{"status": [404]}, {"status": [200], "pattern": "<title>No such page"}],
        "busy": [{"pattern": "<title>Please wait"}],
        "signed_out": [{"status": [302], "location": "/login"}, {"status": [401]}],
    },
    "tokens": [{"name": "csrf", "take": {"pattern": 'name="csrf" value="(?P<value>[^"]*)"'}, "send": {"field": "csrf"}, "with": "writes"}],
    "login": {
        "kind": "form", "page": "/login", "path": "/login", "user": "user", "password": "pass", "constants": {"lang": "en"},
        "ok": {"status": [302], "location": "/home", "cookie": "SID"},
    },
    "logout": {"path": "/logout", "method": "POST"},
    "role_page": {"path": "/home", "role": "role: (?P<role>[a-z]+)", "product_master": ["master"]},
    "settings": {
        "ftp_server": {
            "path": "/net", "value": "ftp=(?P<value>[a-z]+)", "words": {"on": ["yes"], "off": ["no"]},
            "write": {"page": "/net", "path": "/net", "body": "form", "field": "ftp", "ok": {"status": [200], "pattern": "saved"}},
        }
    },
    "upload": {"page": "/up", "path": "/up", "field": "file", "constants": {"kind": "fw"}, "ok": {"status": [200], "pattern": "apply now\\?"}},
    "confirm": {"path": "/apply", "body": "form", "fields": {"answer": "yes"}, "ok": {"status": [200], "pattern": "started"}},
    "status_page": {
        "path": "/status", "process": "(?P<name>[a-z]+)=(?P<state>[a-z]+);", "overall": "all=(?P<state>[a-z]+)",
        "states": {"running": ["busy"], "completed": ["done"], "failed": ["bad"]},
    },
    "refusals": [
        {"pattern": "wrong password", "reason": "web_auth_failed"},
        {"pattern": "locked", "reason": "locked_out"},
        {"pattern": "sessions", "reason": "session_limit"},
        {"pattern": "used up", "reason": "attempts_exhausted"},
    ],
}  # fmt: skip


def changed(**sections: Any) -> dict[str, Any]:
    """The form profile with other sections; None leaves one out."""
    profile = {**copy.deepcopy(FORM), **sections}
    return {name: section for name, section in profile.items() if section is not None}


class FormMeter:
    """Plays the meter of the form profile: a new CSRF value with each page, which is good once."""

    def __init__(self) -> None:
        self.number = 0
        self.answers: dict[str, bytes | None] = {}
        self.accepted: list[str] = []

    def fresh(self, text: str = "") -> str:
        self.number += 1
        return f'{text}<input name="csrf" value="{TOKEN}-{self.number}">'

    def __call__(self, request: Request) -> bytes | None:
        key = f"{request.method} {request.path}"
        if request.method == "POST" and request.path != "/up":
            self.check(request)
        if key in self.answers:
            return self.answers[key]
        if key == "POST /login":
            return page(302, "", "Location: /home", "Set-Cookie: SID=s1; HttpOnly; Path=/")
        if "SID=" not in request.headers.get("cookie", "") and request.path != "/login":
            return page(302, "", "Location: /login")
        texts = {
            "GET /home": "role: master",
            "GET /net": "ftp=no",
            "POST /net": "saved",
            "POST /up": "apply now?",
            "POST /apply": "started",
        }
        texts["GET /status"] = "all=done seal=done;"
        return page(200, self.fresh(texts.get(key, "")))

    def check(self, request: Request) -> None:
        if request.form.get("csrf") == f"{TOKEN}-{self.number}":
            self.accepted.append(request.path)


def target(port: int, timeouts: Timeouts = QUICK, password: str = PASSWORD) -> Target:
    return Target("m", "127.0.0.1", {"http": port, "https": port}, 255, timeouts, credentials={"r": Credential("miller", password)})


def opened(server: Server, profile: Mapping[str, Any] | None = None, **more: Any) -> ProfileSession:
    return ProfileSession(target(server.port), FORM if profile is None else profile, "r", **more)


@pytest.mark.requirement("R-138", "R-139", "R-140")
def test_a_whole_session_with_a_guard_that_changes_from_page_to_page(tmp_path: Path) -> None:
    meter, file = FormMeter(), tmp_path / "PM5560_v4.4.0.sedp"
    file.write_bytes(bytes(range(256)) * 4000)
    sent: list[int] = []
    with Server(meter) as server:
        with opened(server) as session:
            session.login()
            session.login()
            assert (session.role(), session.read("ftp_server")) == ("product_master", "off")
            session.write("ftp_server", "on")
            uploaded = session.upload(file, file.name, hashlib.sha256(file.read_bytes()).hexdigest(), sent.append)
            assert (uploaded.state, uploaded.bytes, sum(sent)) == ("staged", 1024000, 1024000)
            assert session.status()[:2] == ("completed", [{"name": "seal", "state": "completed", "percent": None, "text": ""}])
            assert session.confirm().state == "triggered"
        (login,) = [item for item in server.requests if item.path == "/login" and item.method == "POST"]
        assert login.form == {"lang": "en", "user": "miller", "pass": PASSWORD, "csrf": f"{TOKEN}-1"}
        (write,) = [item for item in server.requests if item.path == "/net" and item.method == "POST"]
        assert write.form["ftp"] == "yes"
        (up,) = [item for item in server.requests if item.path == "/up" and item.method == "POST"]
        assert parts(up)[-1] == ("file", file.name, file.read_bytes()) and [part[0] for part in parts(up)] == ["kind", "csrf", "file"]
        assert meter.accepted == ["/login", "/net", "/apply"], "each guard was the newest one"
        assert "POST /logout" not in server.paths, "a started upgrade ends all sessions by itself"
        assert not any(PASSWORD in str(item.headers) or PASSWORD in item.path for item in server.requests)


def test_what_was_signed_in_is_signed_out_also_after_a_fault() -> None:
    with Server(FormMeter()) as server:
        with pytest.raises(RuntimeError), opened(server) as session:
            session.login()
            raise RuntimeError
        assert server.paths[-1] == "POST /logout"
        with opened(server):
            pass
        assert server.paths.count("POST /logout") == 1


@pytest.mark.requirement("R-031", "R-033")
@pytest.mark.parametrize(
    ("answer", "reason", "text"),
    [
        (page(200, '<p id="error">wrong password</p>'), "web_auth_failed", "wrong password"),
        (page(200, '<p id="error">locked for 15 minutes</p>'), "locked_out", "locked for 15 minutes"),
        (page(200, '<p id="error">too many sessions</p>'), "session_limit", "too many sessions"),
        (page(403, "<h1>no</h1>"), "web_auth_failed", "no"),
        (page(401), "web_auth_failed", ""),
        (page(200, "<title>Please wait</title>"), "web_busy", ""),
        (page(404), "page_missing", ""),
        (page(200, "<title>No such page</title>"), "page_missing", ""),
        (page(200, "<html>welcome, all is well"), "web_not_understood", ""),
        (page(302, "", "Location: /home"), "web_not_understood", ""),
        (page(302, "", "Location: http://elsewhere.example/home", "Set-Cookie: SID=1"), "web_not_understood", ""),
        (page(500, f"oops {PASSWORD} oops"), "web_not_understood", "oops ******** oops"),
        (None, "transport_failed", ""),
        (b"HTTP/1.1 garbage\r\n\r\n", "transport_failed", ""),
    ],
)  # fmt: skip
def test_silence_is_no_success_and_a_password_is_tried_once(answer: bytes | None, reason: str, text: str) -> None:
    meter = FormMeter()
    meter.answers["POST /login"] = answer
    profile = changed(login={**FORM["login"], "ok": {"status": [302], "location": "^/home", "cookie": "SID"}})
    with Server(meter) as server, opened(server, profile) as session:
        for number in range(3):
            with pytest.raises(DeviceError) as caught:
                session.login()
            if not number:
                assert (caught.value.reason, caught.value.device_text) == (reason, text)
            assert PASSWORD not in f"{caught.value!r}{caught.value}{caught.value.device_text}"
        assert server.paths.count("POST /login") == 1


def test_without_a_credential_nothing_is_sent() -> None:
    with Server(FormMeter()) as server, pytest.raises(DeviceError) as caught:
        ProfileSession(target(server.port), FORM, "nobody").login()
    assert caught.value.reason == "credential_unknown" and not server.requests


BASIC = {"name": "basic", "role_page": {"path": "/who", "role": "(?P<role>[a-z]+)", "product_master": ["master"]}}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(401, "", 'WWW-Authenticate: Basic realm="m"'), "web_auth_failed"),
        (page(403), "web_auth_failed"),
        (page(404), "page_missing"),
        (page(503), "web_not_understood"),
        (page(302, "", "Location: https://127.0.0.1/who"), "web_not_understood"),
        (page(302, "", "Location: http://elsewhere.example/"), "web_not_understood"),
    ],
)  # fmt: skip
def test_a_challenge_is_answered_on_the_role_page_and_only_a_page_is_a_login(answer: bytes, reason: str) -> None:
    with Server(lambda dummy: answer) as server, opened(server, BASIC) as session, pytest.raises(DeviceError) as caught:
        session.login()
    assert caught.value.reason == reason and len(server.requests) <= 2


def test_basic_is_answered_once_asked_for() -> None:
    def answer(request: Request) -> bytes:
        return page(200, "master") if "authorization" in request.headers else page(401, "", 'WWW-Authenticate: Basic realm="m"')

    with Server(answer) as server, opened(server, BASIC) as session:
        session.login()
        assert session.role() == "product_master"
    assert ["authorization" in item.headers for item in server.requests] == [False, True, True]


JSON = changed(
    name="json",
    tokens=[
        {"name": "ticket", "take": {"expression": "token"}, "send": {"header": "Authorization", "prefix": "Bearer "}, "with": "all"},
        {"name": "xsrf", "take": {"cookie": "XSRF"}, "send": {"header": "X-XSRF"}, "with": "writes"},
        {"name": "next", "take": {"header": "X-Next"}, "send": {"header": "X-Ticket"}},
    ],
    login={"kind": "json", "path": "/auth", "user": "login", "password": "secret", "ok": {"status": [200], "expression": "token"}},
    logout={"path": "/auth", "method": "DELETE"},
    role_page={"path": "/me", "format": "json", "role": "group", "product_master": ["admin"]},
    settings={
        "ftp_server": {
            "path": "/net", "format": "json", "value": "ftp", "words": {"on": ["true"]},
            "write": {"path": "/net", "method": "PUT", "body": "json", "field": "ftp", "ok": {"expression": "saved"}},
        }
    },
    confirm={"path": "/go", "body": "json", "fields": {"apply": True}, "ok": {"status": [202], "expression": "phase"}},
)  # fmt: skip


@pytest.mark.requirement("R-138")
def test_json_with_tokens_in_headers_that_the_meter_renews() -> None:
    number = 0

    def answer(request: Request) -> bytes:
        nonlocal number
        number += 1
        more = (f"Set-Cookie: XSRF=x{number}", f"X-Next: n{number}")
        content: dict[str, Any] = {"POST /auth": {"token": TOKEN}, "GET /me": {"group": "admin"}, "GET /net": {"ftp": True}}.get(
            f"{request.method} {request.path}", {"saved": ["ftp"], "phase": "running"}
        )
        return says(202 if request.path == "/go" else 200, *more, **content)

    with Server(answer) as server:
        with opened(server, JSON) as session:
            session.login()
            assert (session.role(), session.read("ftp_server")) == ("product_master", "on")
            session.write("ftp_server", "on")
            assert session.confirm().state == "triggered"
        assert server.requests[0].json == {"login": "miller", "secret": PASSWORD}
        for index, request in enumerate(server.requests[1:], 1):
            assert (request.headers["authorization"], request.headers["x-ticket"]) == (f"Bearer {TOKEN}", f"n{index}")
            assert request.headers.get("x-xsrf") == (f"x{index}" if request.method != "GET" else None)
        assert server.requests[-1].json == {"apply": True}


def test_a_session_goes_on_elsewhere_and_the_newer_cookie_wins() -> None:
    meter = FormMeter()
    with Server(meter) as server:
        first = opened(server)
        first.login()
        state = json.loads(json.dumps(first.state()))
        first.abandon()
        meter.answers["GET /home"] = page(200, meter.fresh("role: master"), "Set-Cookie: SID=s2; Path=/")
        with ProfileSession(target(server.port), FORM, "r", state) as second:
            second.role()
            assert second.read("ftp_server") == "off"
            assert second.confirm().state == "triggered"
        assert server.paths.count("POST /login") == 1 and "POST /logout" not in server.paths
        assert [item.headers["cookie"] for item in server.requests[-2:]] == ["SID=s2"] * 2


def test_a_helper_brings_the_session_and_the_role_page_must_take_it() -> None:
    profile = changed(login={"kind": "helper"})
    with Server(FormMeter()) as server:
        with opened(server, profile, web_session={"cookies": {"SID": TOKEN}, "headers": {"X-Key": "k"}}) as session:
            session.login()
            assert session.role() == "product_master"
        assert {item.headers.get("x-key") for item in server.requests} == {"k"}
        for given, reason in (({"cookies": {"OTHER": "1"}}, "session_lost"), (None, "login_helper_failed")):
            with opened(server, profile, web_session=given) as session, pytest.raises(DeviceError) as caught:
                session.login()
            assert caught.value.reason in (reason, "web_auth_failed") and TOKEN not in str(caught.value)


@pytest.mark.requirement("R-029")
def test_missing_pages_lost_sessions_and_refused_values_are_told_apart() -> None:
    meter = FormMeter()
    with Server(meter) as server, opened(server) as session:
        session.login()
        meter.answers["GET /net"] = page(200, "<title>No such page</title>")
        assert session.read("ftp_server") is None
        meter.answers["GET /net"] = page(200, meter.fresh("something else"))
        assert session.read("ftp_server") is None
        meter.answers["POST /net"] = page(200, '<p id="error">out of range</p>')
        with pytest.raises(DeviceError) as caught:
            session.write("ftp_server", "on")
        assert (caught.value.reason, caught.value.device_text) == ("setting_refused", "out of range")
        meter.answers["GET /net"] = page(302, "", "Location: /login")
        with pytest.raises(DeviceError) as caught:
            session.read("ftp_server")
        assert caught.value.reason == "session_lost"
        with pytest.raises(KeyError):
            session.read("no_such_setting")


# -- redirects and answers out of measure ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["http://elsewhere.example/home", "//elsewhere.example/", "https://127.0.0.1/", "http://u:p@127.0.0.1:{port}/home"]
)
def test_redirects_lead_nowhere_but_to_this_meter(where: str) -> None:
    meter = FormMeter()
    with Server(meter) as server, opened(server) as session:
        session.login()
        meter.answers["GET /home"] = page(302, "", f"Location: {where.format(port=server.port)}")
        before = len(server.requests)
        assert session.role() is None
        assert len(server.requests) == before + 1


def test_redirects_on_the_meter_are_followed_and_end() -> None:
    meter = FormMeter()
    with Server(meter) as server, opened(server) as session:
        session.login()
        meter.answers |= {"GET /status": page(302, "", "Location: now"), "GET /now": page(200, "all=bad seal=bad;")}
        assert session.status()[0] == "failed"
        meter.answers["GET /now"] = page(302, "", "Location: /status")
        with pytest.raises(DeviceError) as caught:
            session.status()
        assert caught.value.reason == "web_not_understood"


@pytest.mark.requirement("F-37")
def test_a_bomb_is_cut_at_the_page_limit() -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    meter = FormMeter()
    meter.answers["GET /home"] = page(200, bomb, "Content-Encoding: gzip")
    with Server(meter) as server, ProfileSession(target(server.port, Timeouts(2, 10)), FORM, "r") as session:
        session.login()
        assert session.role() is None


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "hex", "no-such", "utf-16", "a\0b"])
def test_an_odd_encoding_is_no_obstacle(charset: str) -> None:
    meter = FormMeter()
    body = b"role: master" if charset != "utf-16" else "role: master".encode("utf-16")
    meter.answers["GET /home"] = page(200, body + b"9" * 100_000, f"Content-Type: text/html; charset={charset}")
    with Server(meter) as server, opened(server) as session:
        session.login()
        try:
            assert session.role() in ("product_master", None)
        except DeviceError as error:
            assert charset == "a\0b" and error.reason == "transport_failed"


@pytest.mark.requirement("F-37")
def test_an_answer_byte_by_byte_ends_at_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.gridops.metering.plugins.module_utils._engine.wire import web_http

    start = web_http.time.monotonic()
    times = iter(range(10_000))
    monkeypatch.setattr(web_http.time, "monotonic", lambda: start + next(times))  # every look at the clock is a second later
    with Server(lambda dummy: page(200, "x" * 5000), drip=0.01) as server, opened(server, BASIC) as session:
        with pytest.raises(DeviceError) as caught:
            session.login()
        assert caught.value.reason == "transport_failed"


# -- upload and confirmation ----------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / 'odd "name".sedp'
    path.write_bytes(b"package" * 100_000)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.requirement("R-040")
@pytest.mark.parametrize("body", ["multipart", "raw"])
def test_a_file_that_changed_is_never_completed(body: str, file: Path) -> None:
    profile = changed(upload={**FORM["upload"], "body": body, "path": "/up"})
    wrong = hashlib.sha256(b"other").hexdigest()
    meter = FormMeter()
    with Server(meter) as server, opened(server, profile) as session:
        session.login()
        with pytest.raises(DeviceError) as caught:
            session.upload(file, file.name, wrong, lambda dummy: None)
        assert caught.value.reason == "artifact_hash_mismatch"
        session.close()
    assert not any(item.complete for item in server.requests if item.path == "/up" and item.method == "POST")


@pytest.mark.requirement("R-085")
def test_a_bare_upload_goes_to_the_files_own_address(file: Path) -> None:
    profile = changed(upload={"path": "/up/{name}", "method": "PUT", "body": "raw", "ok": {"status": [201]}})
    meter = FormMeter()
    meter.answers["PUT /up/odd%20%22name%22.sedp"] = page(201)
    with Server(meter) as server, opened(server, profile) as session:
        session.login()
        assert session.upload(file, file.name, digest(file), lambda dummy: None).state == "staged"
        assert server.requests[-1].body == file.read_bytes()


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (page(200, '<p id="error">used up</p>'), ("refused", "attempts_exhausted", "used up")),
        (page(422, '<p id="error">will not</p>'), ("refused", "device_rejected_image", "will not")),
        (page(200, "thank you"), "web_not_understood"),
        (page(200, "<title>Please wait"), "web_busy"),
        (page(404), "page_missing"),
        (page(302, "", "Location: /login"), "session_lost"),
        (None, "upload_incomplete"),
    ],
)  # fmt: skip
def test_what_the_meter_says_to_a_package(answer: bytes | None, end: Any, file: Path) -> None:
    meter = FormMeter()
    meter.answers["POST /up"] = answer
    with Server(meter) as server, opened(server) as session:
        session.login()
        if isinstance(end, str):
            with pytest.raises(DeviceError) as caught:
                session.upload(file, file.name, digest(file), lambda dummy: None)
            assert caught.value.reason == end
        else:
            found = session.upload(file, file.name, digest(file), lambda dummy: None)
            assert (found.state, found.reason, found.text) == end


def test_a_file_that_is_gone_or_too_large_is_not_sent(file: Path) -> None:
    profile = changed(upload={**FORM["upload"], "max_bytes": 1000})
    with Server(FormMeter()) as server, opened(server, profile) as session:
        session.login()
        assert session.upload(file, file.name, digest(file), lambda dummy: None).state == "refused"
        with pytest.raises(DeviceError) as caught:
            session.upload(file.with_name("gone"), "gone", "", lambda dummy: None)
        assert caught.value.reason == "artifact_missing"
        assert "POST /up" not in server.paths


@pytest.mark.requirement("R-140", "G-06")
@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (page(200, "started"), "triggered", ""),
        (None, "triggered", ""),
        (page(500, "oops"), "triggered", ""),
        (page(200, "whatever"), "triggered", ""),
        (page(302, "", "Location: http://elsewhere.example/"), "triggered", ""),
        (b"\x00garbage", "triggered", ""),
        (page(200, '<p id="error">used up</p>'), "refused", "attempts_exhausted"),
        (page(400, "no"), "refused", "device_rejected_image"),
        (page(200, "<title>Please wait"), "not_started", "web_busy"),
        (page(404), "not_started", "page_missing"),
        (page(302, "", "Location: /login"), "not_started", "session_lost"),
    ],
)  # fmt: skip
def test_a_confirmation_counts_unless_the_meter_surely_did_not_take_it(answer: bytes | None, state: str, reason: str) -> None:
    meter = FormMeter()
    meter.answers["POST /apply"] = answer
    with Server(meter) as server, opened(server) as session:
        session.login()
        found = session.confirm()
        assert (found.state, found.reason) == (state, reason)
        assert server.paths.count("POST /apply") == 1


def test_a_confirmation_that_cannot_reach_the_meter_did_not_start() -> None:
    with Server(FormMeter()) as server:
        session = opened(server)
        session.login()
    found = session.confirm()
    assert (found.state, found.reason) == ("not_started", "transport_failed")


# -- hostile meters -------------------------------------------------------------------------------------------------------

_HEADERS = st.sampled_from(
    [
        "Location: //[::1", "Location: http://127.0.0.1:99999/", "Location: \x80\xff", "Set-Cookie: =;;=;", "Set-Cookie: SID=\xe4\x00; Max-Age=x",
        "Content-Encoding: gzip", "Content-Encoding: br, gzip, deflate", "Content-Type: text/html; charset=\xff", "Content-Type: application/json",
        "WWW-Authenticate: Digest", 'WWW-Authenticate: Digest realm="x", nonce=""', "WWW-Authenticate: Basic, Digest qop=",
        "X-Next: a\tb", "Content-Length: -1", "Transfer-Encoding: chunked", "Set-Cookie: XSRF=\x7f",
    ]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)
_NASTY = [
    b"[" * 100_000,
    b'{"token": ' + b"9" * 5000 + b"}",
    b'{"token": "a\\r\\nX-Evil: 1"}',
    b'{"error": {"a": []}, "token": null}',
    b'name="csrf" value="\r\n"',
]
_BODIES = st.one_of(st.binary(max_size=200), _JSON.map(lambda content: json.dumps(content).encode()), st.sampled_from(_NASTY))


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """An answer that nobody would send on purpose, or bytes that are none."""
    if draw(st.booleans()) and draw(st.booleans()):
        return draw(st.binary(max_size=300))
    status = draw(st.sampled_from([200, 200, 200, 201, 202, 204, 301, 302, 304, 307, 400, 401, 403, 404, 409, 500, 503, 999]))
    headers = draw(st.lists(_HEADERS, max_size=4))
    body = draw(_BODIES)
    lines = [
        f"HTTP/1.1 {status} x",
        *headers,
        *([] if draw(st.booleans()) else [f"Content-Length: {len(body)}"]),
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1") + body


STEPS: list[Callable[[ProfileSession, Path], Any]] = [
    lambda session, dummy: session.login(),
    lambda session, dummy: session.role(),
    lambda session, dummy: session.read("ftp_server"),
    lambda session, dummy: session.write("ftp_server", "on"),
    lambda session, dummy: session.status(),
    lambda session, path: session.upload(path, path.name, digest(path), lambda done: None),
    lambda session, dummy: session.confirm(),
    lambda session, dummy: session.state(),
    lambda session, dummy: session.logout(),
]


@pytest.mark.requirement("F-37")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers=st.lists(hostile(), min_size=1, max_size=12), which=st.sampled_from(["form", "json", "basic"]))
def test_a_hostile_meter_gets_nothing_but_device_errors_out_of_a_session(
    answers: list[bytes], which: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    profile = {"form": FORM, "json": JSON, "basic": {**FORM, "login": {"kind": "challenge"}}}[which]
    path = tmp_path_factory.getbasetemp() / "hostile.sedp"
    path.write_bytes(b"package" * 100)
    turn = iter(answers * 20)
    with Server(lambda dummy: next(turn)) as server, ProfileSession(target(server.port, Timeouts(1, 0.3)), profile, "r") as session:
        for step in STEPS:
            try:
                step(session, path)
            except DeviceError as error:
                shown = f"{error}{error.device_text}"
                assert PASSWORD not in shown and len(error.device_text) <= 300 and "\n" not in error.device_text
        assert not any("x-evil" in item.headers for item in server.requests)
        sent = [item for item in server.requests if item.body and PASSWORD.encode() in item.body]
        assert len(sent) <= 1, "a secret is sent once"


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("name", ["pm5000-new", "pm5000-new-b"])
def test_an_echo_of_the_password_is_masked_for_each_shipped_profile(name: str) -> None:
    profile = {**load_profile(name), "transport": {"scheme": "http"}}

    def echo(request: Request) -> bytes:
        text = f"{PASSWORD} is wrong"
        return says(422, error={"text": text}) if name.endswith("b") else page(422, f'<p id="error">{text}</p>')

    with Server(echo) as server, opened(server, profile) as session, pytest.raises(DeviceError) as caught:
        session.login()
    assert PASSWORD not in f"{caught.value}{caught.value.device_text}" and "is wrong" in caught.value.device_text
