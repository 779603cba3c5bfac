# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""HTTP client: what becomes of the trigger request, and to whom the credentials go, against a server of plain sockets."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire import web
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web import WebSession

PATH = "/PM5500StartUpgrade.shtml"
ACCOUNT = Credential("user2", "canary-web-1")
QUICK = Timeouts(connect=2.0, read=0.4)
RESET, CLOSE, HANG = b"<reset>", b"<close>", b"<hang>"
Answer = Callable[["Server", str], bytes]


def page(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def basic(account: Credential = ACCOUNT) -> str:
    return "Basic " + base64.b64encode(f"{account.user}:{account.password}".encode()).decode()


class Server:
    """Answers each connection with one answer; remembers the requests, headers and all."""

    def __init__(self, answer: Answer, host: str = "127.0.0.1") -> None:
        self.requests: list[str] = []
        self._answer = answer
        self._socket = socket.create_server((host, 0))
        self.port = self._socket.getsockname()[1]
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer = self._socket.accept()[0]
            except OSError:
                return
            with peer:
                self._one(peer)

    def _one(self, peer: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = peer.recv(4096)
            if not piece:
                return
            request += piece
        self.requests.append(request.decode("latin-1"))
        answer = self._answer(self, self.requests[-1])
        if answer == RESET:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif answer == HANG:
            self._over.wait(5)
        elif answer != CLOSE:
            try:
                peer.sendall(answer)
            except OSError:
                pass

    def close(self) -> None:
        self._over.set()
        self._socket.close()

    def authorizations(self) -> list[str]:
        return [found[1] for found in (re.search(r"(?mi)^Authorization: (.*)\r$", text) for text in self.requests) if found]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(answer: Answer | bytes, host: str = "127.0.0.1") -> Server:
        given = answer
        server = Server(given if callable(given) else lambda _server, _request: given, host)
        running.append(server)
        return server

    yield start
    for server in running:
        server.close()


def session(port: int, account: Credential | None = ACCOUNT, host: str = "127.0.0.1") -> WebSession:
    return WebSession(Target("m", host, {"http": port}, 255, QUICK), account)


def asks_basic(then: bytes, account: Credential = ACCOUNT) -> Answer:
    """401 until the right Basic login is sent along."""

    def answer(_server: Server, request: str) -> bytes:
        if f"Authorization: {basic(account)}\r\n" in request:
            return then
        return page(401, b"login", 'WWW-Authenticate: Basic realm="meter"')

    return answer


def asks_digest(then: bytes, account: Credential = ACCOUNT, **more: str) -> Answer:
    """401 until the right Digest login is sent along; the check is written from RFC 2617 alone."""
    nonce, realm = "abc123", "Energy meter"
    extra = "".join(f', {name}="{value}"' for name, value in more.items())

    def answer(_server: Server, request: str) -> bytes:
        found = re.search(r"Authorization: Digest (.*)\r\n", request)
        if found:
            words = dict(re.findall(r'(\w+)="?([^",]+)"?', found[1]))
            ha1 = hashlib.md5(f"{account.user}:{realm}:{account.password}".encode()).hexdigest()
            ha2 = hashlib.md5(f"GET:{words['uri']}".encode()).hexdigest()
            middle = f"{words['nc']}:{words['cnonce']}:{words['qop']}:" if "qop" in words else ""
            if words["response"] == hashlib.md5(f"{ha1}:{nonce}:{middle}{ha2}".encode()).hexdigest():
                return then
        return page(401, b"", f'WWW-Authenticate: Digest realm="{realm}", nonce="{nonce}", algorithm=MD5{extra}')

    return answer


# -- the trigger ------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-062", "R-063", "R-064", "G-06", "F-30")
@pytest.mark.parametrize(
    ("answer", "state", "status", "reason"),
    [
        (page(302, b"", "Location: /Status.shtml"), "triggered", 302, ""),
        (page(200, b"<p>ok</p>"), "triggered", 200, ""),
        (page(204), "triggered", 204, ""),
        (page(500, b"oops"), "triggered", 500, ""),
        (page(503), "triggered", 503, ""),
        (page(403, b"<h1>Forbidden</h1>"), "refused", 403, "device_rejected_image"),
        (page(404, b"<h1>Not found</h1>"), "refused", 404, "device_rejected_image"),
        (page(405), "refused", 405, "device_rejected_image"),
        (page(401), "not_started", 401, "trigger_auth_failed"),
        (page(401, b"", 'WWW-Authenticate: NTLM realm="x"'), "not_started", 401, "trigger_auth_failed"),
        (page(401, b"", "WWW-Authenticate: Digest"), "not_started", 401, "trigger_auth_failed"),
        (page(401, b"", "WWW-Authenticate: Digest nonsense, x"), "not_started", 401, "trigger_auth_failed"),
        (page(401, b"", 'WWW-Authenticate: Digest realm="x"'), "not_started", 401, "trigger_auth_failed"),
        (page(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="y", algorithm=ROT13'), "not_started", 401, "trigger_auth_failed"),
        (page(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth-int"'), "not_started", 401, "trigger_auth_failed"),
        (RESET, "triggered", None, ""),
        (CLOSE, "triggered", None, ""),
        (HANG, "triggered", None, ""),
        (b"garbage that is no HTTP\r\n\r\n", "triggered", None, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "triggered", None, ""),
    ],
)
def test_what_became_of_the_trigger(serve: Callable[..., Server], answer: bytes, state: str, status: int | None, reason: str) -> None:
    server = serve(answer)
    found = session(server.port).trigger(PATH)
    if answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: x"):
        status = found.status  # either reading of a broken header is fine; only the state matters
    assert (found.state, found.status, found.reason) == (state, status, reason)
    assert len(server.requests) == 1, "the trigger is never sent again by itself"
    assert server.requests[0].startswith(f"GET {PATH} HTTP/1.1\r\n")


@pytest.mark.requirement("R-062", "F-04")
def test_a_closed_port_means_that_nothing_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = session(port).trigger(PATH)
    assert (found.state, found.status, found.reason) == ("not_started", None, "transport_failed")


@pytest.mark.requirement("R-062")
def test_a_connect_that_times_out_means_that_nothing_arrived() -> None:
    """A listener with a full queue leaves connection requests unanswered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _number in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        target = Target("m", "127.0.0.1", {"http": listener.getsockname()[1]}, 255, Timeouts(connect=0.3, read=0.3))
        found = WebSession(target, ACCOUNT).trigger(PATH)
        for client in waiting:
            client.close()
    assert (found.state, found.reason) == ("not_started", "transport_failed")


@pytest.mark.requirement("R-062", "R-063", "F-30")
@pytest.mark.parametrize(
    ("then", "state", "reason"),
    [
        (page(302, b"", "Location: /Status.shtml"), "triggered", ""),
        (page(403, b"<p>Product Master only</p>"), "refused", "device_rejected_image"),
        (RESET, "triggered", ""),
        (HANG, "triggered", ""),
    ],
)
@pytest.mark.parametrize("scheme", ["basic", "digest", "digest-qop"])
def test_the_login_is_sent_once_and_only_when_asked_for(
    serve: Callable[..., Server], scheme: str, then: bytes, state: str, reason: str
) -> None:
    server = serve(asks_basic(then) if scheme == "basic" else asks_digest(then, **({"qop": "auth"} if scheme == "digest-qop" else {})))
    found = session(server.port).trigger(PATH)
    assert (found.state, found.reason) == (state, reason)
    assert len(server.requests) == 2 and "Authorization" not in server.requests[0]
    assert len(server.authorizations()) == 1
    assert server.authorizations()[0].startswith("Basic" if scheme == "basic" else "Digest")


@pytest.mark.requirement("R-054", "R-344", "F-30")
@pytest.mark.parametrize("make", [asks_basic, asks_digest])
def test_a_wrong_password_is_tried_once_and_nothing_was_started(serve: Callable[..., Server], make: Callable[..., Answer]) -> None:
    server = serve(make(page(302), account=Credential("user2", "another-one")))
    found = session(server.port).trigger(PATH)
    assert (found.state, found.status, found.reason) == ("not_started", 401, "trigger_auth_failed")
    assert len(server.authorizations()) == 1


@pytest.mark.requirement("R-054")
def test_without_a_credential_none_is_made_up(serve: Callable[..., Server]) -> None:
    server = serve(asks_basic(page(302)))
    assert session(server.port, None).trigger(PATH).state == "not_started"
    assert server.authorizations() == []


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("make", [asks_basic, asks_digest])
@pytest.mark.parametrize("password", ["pässwörd", "パスワード-1", "€uro€uro", 'quote"s\\'])
def test_passwords_of_any_letters_reach_the_meter(serve: Callable[..., Server], make: Callable[..., Answer], password: str) -> None:
    """Found here: a password outside latin-1 was taken for a broken connection, so for a started upgrade."""
    account = Credential("user2", password)
    server = serve(make(page(302), account=account))
    assert session(server.port, account).trigger(PATH) == web.Trigger("triggered", 302, "", "", "HTTP status 302")


@pytest.mark.requirement("F-37")
def test_the_meters_words_of_a_refusal_are_plain_short_and_decoded_forgivingly(serve: Callable[..., Server]) -> None:
    body = b"<html><h1>Nicht\xe4 erlaubt</h1>\r\n<b>{{ lookup('pipe', 'id') }}</b>" + b"x" * 100_000
    server = serve(page(403, body, "Content-Type: text/html; charset=no-such-thing"))
    found = session(server.port).trigger(PATH)
    assert found.text.startswith("Nicht\ufffd erlaubt {{ lookup")
    assert len(found.text) <= 300 and "\n" not in found.text and "<" not in found.text


# -- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-062")
def test_a_page_with_basic_then_sends_the_login_along(serve: Callable[..., Server]) -> None:
    server = serve(asks_basic(page(200, b"status")))
    web_session = session(server.port)
    for _number in range(3):
        assert web_session.get("/Status.shtml").text == "status"
    assert ["Authorization" in text for text in server.requests] == [False, True, True, True]


@pytest.mark.requirement("R-054", "R-344")
def test_pages_with_a_refused_login_are_401_after_one_try(serve: Callable[..., Server]) -> None:
    server = serve(asks_basic(page(200), account=Credential("user2", "another-one")))
    assert session(server.port).get("/Status.shtml").status == 401
    assert len(server.authorizations()) == 1


@pytest.mark.requirement("F-37")
def test_a_huge_body_is_cut_at_one_mebibyte(serve: Callable[..., Server]) -> None:
    server = serve(page(200, b"a" * (20 << 20)))
    found = session(server.port).get("/")
    assert (len(found.text), found.truncated) == (web.PAGE_LIMIT, True)


@pytest.mark.requirement("F-37")
def test_a_compressed_bomb_is_cut_as_well(serve: Callable[..., Server]) -> None:
    server = serve(page(200, gzip.compress(b"\0" * (64 << 20)), "Content-Encoding: gzip"))
    assert len(session(server.port).get("/").text) == web.PAGE_LIMIT


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    "answer",
    [
        RESET,
        CLOSE,
        HANG,
        b"220 ftp.example ready\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        page(200, b"no gzip", "Content-Encoding: gzip"),
    ],
)
def test_broken_answers_are_one_device_error(serve: Callable[..., Server], answer: bytes) -> None:
    with pytest.raises(DeviceError) as caught:
        session(serve(answer).port).get("/")
    assert caught.value.reason == "transport_failed"
    assert "\n" not in str(caught.value)


@pytest.mark.requirement("F-37")
def test_text_in_another_charset_is_passed_on(serve: Callable[..., Server]) -> None:
    server = serve(page(200, "Zähler läuft".encode(), "Content-Type: text/html; charset=utf-8"))
    assert session(server.port).get("/").text == "Zähler läuft"
    server = serve(page(200, b"\xff\xfe\x00", "Content-Type: application/json"))
    assert session(server.port).get("/").text


# -- to whom ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-062", "F-37")
def test_a_redirect_to_another_host_is_not_followed(serve: Callable[..., Server]) -> None:
    elsewhere = serve(page(200, b"thanks"), "127.0.0.2")
    for place in (f"http://127.0.0.2:{elsewhere.port}/", f"//127.0.0.2:{elsewhere.port}/", f"http://user:pw@127.0.0.2:{elsewhere.port}/"):
        server = serve(asks_basic(page(302, b"", f"Location: {place}")))
        assert session(server.port).get("/").status == 302
        assert session(server.port).trigger(PATH).state == "triggered"
    assert elsewhere.requests == []


@pytest.mark.requirement("R-062")
def test_another_scheme_or_port_of_the_same_host_is_another_place(serve: Callable[..., Server]) -> None:
    other = serve(page(200))
    for place in (f"https://127.0.0.1:{other.port}/", f"http://127.0.0.1:{other.port}/", "ftp://127.0.0.1/", "file:///etc/passwd"):
        server = serve(page(302, b"", f"Location: {place}"))
        assert session(server.port).get("/").status == 302
    assert other.requests == []


@pytest.mark.requirement("R-064")
def test_a_redirect_on_the_meter_itself_is_followed(serve: Callable[..., Server]) -> None:
    def answer(server: Server, request: str) -> bytes:
        if request.startswith("GET /start "):
            return page(302, b"", "Location: /status")
        if request.startswith("GET /status "):
            return page(302, b"", f"Location: http://127.0.0.1:{server.port}/final")
        return page(200, b"done")

    assert session(serve(answer).port).get("/start").text == "done"


@pytest.mark.requirement("R-064")
@pytest.mark.parametrize(("host", "location"), [("127.0.0.1", "http://127.0.0.1:80/s"), ("meter.example", "http://METER.example/s")])
def test_the_same_place_written_in_another_way_is_the_same_place(host: str, location: str) -> None:
    assert session(80, host=host).same_host(f"http://{host}/x", location) == location


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("location", ["http://127.0.0.1:notaport/", "http://[::1/", "http://127.0.0.1:99999/"])
def test_an_unreadable_location_is_another_place(location: str) -> None:
    assert session(80).same_host("http://127.0.0.1/x", location) is None


@pytest.mark.requirement("F-37")
def test_redirects_in_a_circle_end(serve: Callable[..., Server]) -> None:
    server = serve(page(302, b"", "Location: /again"))
    with pytest.raises(DeviceError, match="redirects without an end"):
        session(server.port).get("/again")
    assert len(server.requests) == 3


@pytest.mark.requirement("R-062")
def test_proxies_and_netrc_of_the_environment_are_ignored(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = serve(page(200, b"I am a proxy"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc password canary-netrc\n", encoding="utf-8")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    meter = serve(page(200, b"I am the meter"))
    for account in (None, ACCOUNT):
        assert session(meter.port, account).get("/").text == "I am the meter"
        assert session(meter.port, account).trigger(PATH).state == "triggered"
    assert proxy.requests == [] and meter.authorizations() == []


@pytest.mark.requirement("R-062")
def test_ipv6_addresses_are_written_as_addresses(serve: Callable[..., Server]) -> None:
    target = Target("m", "::1", {"http": 8080}, 255, QUICK)
    assert WebSession(target, None).same_host("http://[::1]:8080/x", "/y") == "http://[::1]:8080/y"


def test_no_error_shows_the_password(serve: Callable[..., Server]) -> None:
    server = serve(asks_basic(page(403, f"<p>{ACCOUNT.password[:3]}</p>".encode())))
    assert ACCOUNT.password not in repr(session(server.port).trigger(PATH))
    assert ACCOUNT.password not in repr(Target("m", "h", {}, 255, credentials={"product_master": ACCOUNT}))
