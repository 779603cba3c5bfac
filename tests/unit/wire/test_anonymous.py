# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Looking at a web or FTP server without signing in: any device, any answer, and never the page that starts an upgrade."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.anonymous import ftp_banner, look, starts_upgrade


@contextmanager
def server(reply: bytes, first: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """A server for one connection that sends ``reply``; ``first`` before it has read anything."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            link, _address = listener.accept()
        except OSError:
            return
        with link:
            link.settimeout(2)
            try:
                if first:
                    link.sendall(reply)
                heard.append(link.recv(4096))
                if not first:
                    link.sendall(reply)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.close()
        thread.join(3)


@pytest.mark.requirement("R-062")
@pytest.mark.parametrize(
    "path",
    ["/PM5500StartUpgrade.shtml", "/pm5500startupgrade.shtml?x=1", "/www/PM5500StartUpgrade.shtml/", "/PM5500%53tartUpgrade.shtml", "/%2550M5500StartUpgrade"],
)  # fmt: skip
def test_the_starting_page_is_known_in_any_spelling(path: str) -> None:
    assert starts_upgrade(path)
    with pytest.raises(InputError, match="R-062"):
        look("127.0.0.1", 9, path, False, 1)


def test_an_answer_is_given_as_it_is_and_no_redirect_is_followed() -> None:
    with server(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nServer: httpd\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        answer = look("127.0.0.1", port, "/status", False, 2)
    assert (answer.status, answer.header("location"), answer.header("server")) == (302, "/login", "httpd")
    assert heard[0].startswith(b"GET /status HTTP/1.1\r\n") and b"uthorization" not in heard[0] and b"ookie" not in heard[0]


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    "reply", [b"", b"\xff\xfe\x00", b"HTTP/1.1 banana\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500]
)
def test_nonsense_is_no_answer(reply: bytes) -> None:
    with server(reply) as (port, dummy):
        answer = look("127.0.0.1", port, "/", False, 2)
    assert not answer.status and answer.error


def test_https_on_a_port_without_it_is_no_answer() -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as (port, dummy):
        assert "tls" in look("127.0.0.1", port, "/", True, 2).error


def test_a_closed_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert look("127.0.0.1", port, "/", False, 1).error == "refused"
    assert ftp_banner("127.0.0.1", port, 1) == ("", "refused")


def test_the_greeting_of_an_ftp_server_without_a_user_name() -> None:
    with server(b"220 FTP server ready.\r\n", first=True) as (port, heard):
        assert ftp_banner("127.0.0.1", port, 2) == ("220 FTP server ready.", "")
    assert heard == [b"QUIT\r\n"]


def test_an_endless_greeting_is_cut() -> None:
    with server(b"x" * 4096, first=True) as (port, dummy):
        greeting, why = ftp_banner("127.0.0.1", port, 2)
    assert len(greeting) == 200 and not why
