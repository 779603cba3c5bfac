# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""FTP client: the copy steps against pyftpdlib, and every awkward answer from a server of plain sockets."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.ftp import FtpSession

ACCOUNT = Credential("user2", "canary-ftp-1")
QUICK = Timeouts(connect=1.0, read=0.5)
HANG, CLOSE = "<hang>", "<close>"


def target(port: int) -> Target:
    return Target("m", "127.0.0.1", {"ftp": port}, 255, QUICK)


def nothing(count: int) -> None:
    """A progress report nobody reads."""


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Scripted:
    """A server that answers as told: ``answers`` maps a command to its answer; transfers work unless told otherwise."""

    def __init__(self, **answers: str | bytes) -> None:
        self.answers: dict[str, str | bytes] = {name.upper(): text for name, text in answers.items()}
        self.stored: dict[str, bytes] = {}
        self.commands: list[str] = []
        self.take = 1 << 30  # bytes of an upload that are read before the data connection is cut
        self.keep = 1 << 30  # bytes of an upload that are stored
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._session, args=(peer,), daemon=True).start()

    def _session(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines:
            try:
                self._dialogue(peer, lines)
            except OSError:
                pass

    def _dialogue(self, peer: socket.socket, lines: Iterator[bytes]) -> None:
        data: socket.socket | None = None
        if not self._say(peer, self.answers.get("GREETING", "220 meter")):
            return
        for raw in lines:
            line = raw.decode().strip()
            self.commands.append(line)
            word, dummy, argument = line.partition(" ")
            fixed = self.answers.get(word.upper())
            if fixed is not None:
                if not self._say(peer, fixed):
                    return
            elif word in ("EPSV", "PASV"):
                data = socket.create_server(("127.0.0.1", 0))
                number = data.getsockname()[1]
                self._say(peer, f"229 ok (|||{number}|)" if word == "EPSV" else f"227 ok (127,0,0,1,{number >> 8},{number & 255})")
            elif word in ("STOR", "RETR") and data is not None:
                self._transfer(peer, data, word, argument)
            else:
                plain = {"USER": "331 password", "PASS": "230 in", "CWD": "250 ok", "QUIT": "221 bye", "TYPE": "200 ok"}
                self._say(peer, plain.get(word, f"213 {len(self.stored.get(argument, b''))}" if word == "SIZE" else "500 what"))

    def _say(self, peer: socket.socket, text: str | bytes) -> bool:
        if text == HANG:
            self._over.wait(5)
            return False
        if text == CLOSE:
            return False
        peer.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        return True

    def _transfer(self, peer: socket.socket, data: socket.socket, word: str, name: str) -> None:
        self._say(peer, "150 go")
        way = data.accept()[0]
        with data, way:
            if word == "RETR":
                way.sendall(self.stored.get(name, b""))
            else:
                got = b""
                while len(got) < self.take and (piece := way.recv(65536)):
                    got += piece
                self.stored[name] = got[: self.keep]
        self._say(peer, self.answers.get(f"AFTER {word}", "226 done"))

    def close(self) -> None:
        self._over.set()
        self._socket.close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    running: list[Scripted] = []

    def start(**answers: str | bytes) -> Scripted:
        running.append(Scripted(**answers))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A real FTP server with the folders of a meter; user2 may write, user1 may only read."""
    root = tmp_path / "card"
    (root / "fw").mkdir(parents=True)
    (root / "www").mkdir()
    users = DummyAuthorizer()
    users.add_user(ACCOUNT.user, ACCOUNT.password, str(root), perm="elradfmwMT")
    users.add_user("user1", "canary-ftp-2", str(root), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": users, "auth_failed_timeout": 0, "use_sendfile": False})
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=loop)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            loop.loop(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield server.address[1], root
    over.set()
    thread.join(5)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "App2.out"
    path.write_bytes(bytes(range(256)) * 3000)
    return path


def reason_of(work: Callable[[], object]) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        work()
    assert ACCOUNT.password not in str(caught.value) and "\n" not in str(caught.value)
    return caught.value


def enter(port: int, account: Credential = ACCOUNT) -> Callable[[], object]:
    def work() -> None:
        with FtpSession(target(port), account):
            pass

    return work


# -- a real server ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-053", "R-054", "R-055", "R-057", "R-058", "R-059", "R-061")
def test_upload_replaces_compares_and_reads_back(meter: tuple[int, Path], source: Path) -> None:
    port, card = meter
    (card / "fw" / "App2.out").write_bytes(b"an older file" * 100_000)
    counted: list[int] = []
    with FtpSession(target(port), ACCOUNT) as session:
        session.require_layout()
        session.upload(source, "fw", "App2.out", sha(source.read_bytes()), counted.append)
        session.read_back("fw", "App2.out", sha(source.read_bytes()), counted.append)
        assert session.size("fw", "App2.out") == source.stat().st_size
        assert session.size("www", "App2.out") is None
        assert session.free_space() is None
    assert (card / "fw" / "App2.out").read_bytes() == source.read_bytes()
    assert sum(counted) == 2 * source.stat().st_size


@pytest.mark.requirement("R-057", "F-07")
def test_what_reads_back_differently_is_incomplete(meter: tuple[int, Path], source: Path) -> None:
    port, card = meter
    (card / "fw" / "App2.out").write_bytes(source.read_bytes()[:-1] + b"?")
    with FtpSession(target(port), ACCOUNT) as session:
        assert reason_of(lambda: session.read_back("fw", "App2.out", sha(source.read_bytes()), nothing)).reason == "upload_incomplete"


@pytest.mark.requirement("R-034", "F-30")
def test_an_account_that_may_not_write_has_the_wrong_role(meter: tuple[int, Path], source: Path) -> None:
    port, card = meter
    with FtpSession(target(port), Credential("user1", "canary-ftp-2")) as session:
        error = reason_of(lambda: session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing))
    assert (error.stage, error.reason) == ("copy", "role_insufficient")
    assert error.device_text.startswith("550") and not (card / "fw" / "App2.out").exists()


@pytest.mark.requirement("R-054")
def test_a_wrong_password_is_one_try(meter: tuple[int, Path]) -> None:
    error = reason_of(enter(meter[0], Credential(ACCOUNT.user, "wrong-password")))
    assert (error.stage, error.reason) == ("ftp_login", "ftp_auth_failed")
    assert error.device_text.startswith("530")


@pytest.mark.requirement("R-055", "F-21")
@pytest.mark.parametrize("missing", ["fw", "www"])
def test_a_missing_folder_stops_before_any_write(meter: tuple[int, Path], missing: str) -> None:
    port, card = meter
    (card / missing).rmdir()
    with FtpSession(target(port), ACCOUNT) as session:
        error = reason_of(session.require_layout)
    assert error.reason == "ftp_layout_unexpected" and missing in error.text


@pytest.mark.requirement("R-040")
def test_a_file_that_changes_while_it_is_sent_is_noticed(meter: tuple[int, Path], source: Path) -> None:
    with FtpSession(target(meter[0]), ACCOUNT) as session:
        assert reason_of(lambda: session.upload(source, "fw", "App2.out", "0" * 64, nothing)).reason == "artifact_hash_mismatch"


@pytest.mark.requirement("R-040")
def test_a_file_that_vanished_here_is_not_a_fault_of_the_network(meter: tuple[int, Path], tmp_path: Path) -> None:
    with FtpSession(target(meter[0]), ACCOUNT) as session:
        error = reason_of(lambda: session.upload(tmp_path / "gone.out", "fw", "App2.out", "0" * 64, nothing))
    assert error.reason == "artifact_missing"


@pytest.mark.requirement("R-053", "F-21")
def test_a_closed_port_means_that_ftp_is_disabled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert reason_of(enter(port)).reason == "ftp_server_disabled"


# -- scripted answers -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-060", "R-034", "F-21", "F-30")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("452 Insufficient storage", "ftp_no_space"),
        ("552 Exceeded allocation", "ftp_no_space"),
        ("530 Not logged in", "role_insufficient"),
        ("532 Need account", "role_insufficient"),
        ("550 Permission denied", "role_insufficient"),
        ("553 Name not allowed", "role_insufficient"),
        ("425 No data connection", "transport_failed"),
        ("426 Aborted", "transport_failed"),
        ("451 Local error", "transport_failed"),
        ("500 What", "transport_failed"),
        ("399 strange", "transport_failed"),
        (CLOSE, "transport_failed"),
        (HANG, "transport_failed"),
        ("not FTP at all", "transport_failed"),
    ],
)
@pytest.mark.parametrize("when", ["STOR", "AFTER STOR"])
def test_answers_to_an_upload(scripted: Callable[..., Scripted], source: Path, when: str, answer: str, reason: str) -> None:
    server = scripted()
    server.answers[when] = answer
    with FtpSession(target(server.port), ACCOUNT) as session:
        error = reason_of(lambda: session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing))
    assert (error.stage, error.reason) == ("copy", reason)
    if answer[:3].isdigit():
        assert error.device_text == answer, "the device's own words are passed on"


@pytest.mark.requirement("F-07", "R-058")
def test_a_short_copy_is_noticed_by_its_size(scripted: Callable[..., Scripted], source: Path) -> None:
    server = scripted()
    server.keep = 1000
    with FtpSession(target(server.port), ACCOUNT) as session:
        error = reason_of(lambda: session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing))
    assert error.reason == "upload_incomplete"
    assert "1000" in error.text


@pytest.mark.requirement("F-04")
def test_a_cut_in_the_middle_of_an_upload(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    big = tmp_path / "big.fwa"
    big.write_bytes(b"x" * (8 << 20))
    server = scripted()
    server.take, server.answers["AFTER STOR"] = 1000, CLOSE
    with FtpSession(target(server.port), ACCOUNT) as session:
        assert reason_of(lambda: session.upload(big, "fw", "big.fwa", sha(big.read_bytes()), nothing)).reason == "transport_failed"


@pytest.mark.requirement("R-060", "F-21", "F-04")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [("552 full", "ftp_no_space"), ("452 full", "ftp_no_space"), ("451 disk", "transport_failed"), ("226 done", "transport_failed")],
)
def test_why_the_server_cut_the_data_is_read_where_it_says_so(
    scripted: Callable[..., Scripted], tmp_path: Path, answer: str, reason: str
) -> None:
    """Found here: a card that filled up in the middle was reported as a broken connection, depending on who was faster."""
    big = tmp_path / "big.fwa"
    big.write_bytes(b"x" * (8 << 20))
    server = scripted()
    server.take, server.answers["AFTER STOR"] = 1000, answer
    with FtpSession(target(server.port), ACCOUNT) as session:
        error = reason_of(lambda: session.upload(big, "fw", "big.fwa", sha(big.read_bytes()), nothing))
    assert error.reason == reason
    assert error.device_text == ("" if answer.startswith("2") else answer)


@pytest.mark.requirement("R-058")
def test_a_server_that_does_not_tell_sizes_is_believed(scripted: Callable[..., Scripted], source: Path) -> None:
    server = scripted(size="502 not implemented")
    with FtpSession(target(server.port), ACCOUNT) as session:
        session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing)
    assert server.stored["/fw/App2.out"] == source.read_bytes()


@pytest.mark.requirement("R-057")
@pytest.mark.parametrize(
    ("answer", "reason"), [("550 no", "upload_unreadable"), ("502 no", "upload_unreadable"), ("426 cut", "transport_failed")]
)
def test_reading_back(scripted: Callable[..., Scripted], answer: str, reason: str) -> None:
    server = scripted(retr=answer)
    with FtpSession(target(server.port), ACCOUNT) as session:
        assert reason_of(lambda: session.read_back("fw", "App2.out", "0" * 64, nothing)).reason == reason


@pytest.mark.requirement("R-060")
@pytest.mark.parametrize(
    ("answer", "free"),
    [("213 4096", 4096), ("213 4096 ", 4096), ("213", None), ("213 many", None), ("500 what", None), ("550 no", None), ("451 later", None)],
)
def test_free_space_only_where_it_is_told(scripted: Callable[..., Scripted], answer: str, free: int | None) -> None:
    with FtpSession(target(scripted(avbl=answer).port), ACCOUNT) as session:
        assert session.free_space() == free


@pytest.mark.requirement("R-053", "R-054", "F-37")
@pytest.mark.parametrize(
    ("answers", "stage", "reason"),
    [
        ({"greeting": "421 Too many connections"}, "ftp_connect", "ftp_connect_failed"),
        ({"greeting": "550 go away"}, "ftp_connect", "ftp_connect_failed"),
        ({"greeting": "HTTP/1.1 400 Bad Request"}, "ftp_connect", "ftp_connect_failed"),
        ({"greeting": b"\x16\x03\x01\x00\x00\r\n"}, "ftp_connect", "ftp_connect_failed"),
        ({"greeting": b"220 " + b"a" * 20_000 + b"\r\n"}, "ftp_connect", "ftp_connect_failed"),
        ({"greeting": CLOSE}, "ftp_connect", "ftp_connect_failed"),
        ({"greeting": HANG}, "ftp_connect", "ftp_connect_failed"),
        ({"user": "530 no"}, "ftp_login", "ftp_auth_failed"),
        ({"user": "421 bye"}, "ftp_login", "ftp_connect_failed"),
        ({"pass": "530 Login incorrect canary-ftp-1"}, "ftp_login", "ftp_auth_failed"),
        ({"pass": "421 Service not available"}, "ftp_login", "ftp_connect_failed"),
        ({"pass": CLOSE}, "ftp_login", "ftp_connect_failed"),
        ({"pass": HANG}, "ftp_login", "ftp_connect_failed"),
    ],
)
def test_ways_in_which_a_session_does_not_begin(
    scripted: Callable[..., Scripted], answers: dict[str, str | bytes], stage: str, reason: str
) -> None:
    server = scripted(**answers)
    error = reason_of(enter(server.port))
    assert (error.stage, error.reason) == (stage, reason)
    assert len([line for line in server.commands if line.startswith("PASS")]) <= 1


@pytest.mark.requirement("F-37")
def test_answers_in_any_alphabet_do_not_end_the_session(scripted: Callable[..., Scripted], source: Path) -> None:
    """Found here: one byte that is not UTF-8 in a greeting ended the task with an internal error."""
    server = scripted(greeting="220 Zähler bereit\r\n".encode("latin-1"), stor="550 verboten: ключ")
    with FtpSession(target(server.port), ACCOUNT) as session:
        error = reason_of(lambda: session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing))
    assert error.device_text == "550 verboten: ключ"
    server = scripted(stor=b"550 verboten: Z\xe4hler\r\n")
    with FtpSession(target(server.port), ACCOUNT) as session:
        error = reason_of(lambda: session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing))
    assert error.device_text == "550 verboten: Z\ufffdhler"


@pytest.mark.requirement("F-37")
def test_passwords_of_any_letters_are_sent_as_utf8(scripted: Callable[..., Scripted]) -> None:
    server = scripted()
    with FtpSession(target(server.port), Credential("usér", "pässwörd-€")):
        pass
    assert server.commands[:2] == ["USER usér", "PASS pässwörd-€"]


@pytest.mark.requirement("R-054")
@pytest.mark.parametrize("password", ["one\r\nDELE /fw/x", "line\n"])
def test_a_password_with_a_line_break_is_no_second_command(scripted: Callable[..., Scripted], password: str) -> None:
    server = scripted()
    assert reason_of(enter(server.port, Credential("user2", password))).reason == "ftp_auth_failed"
    assert not [line for line in server.commands if line.startswith(("PASS", "DELE"))]


@pytest.mark.requirement("F-37")
def test_the_meter_cannot_send_the_data_elsewhere(scripted: Callable[..., Scripted], source: Path) -> None:
    """A passive answer that names another host is not followed there."""
    with socket.create_server(("127.0.0.2", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        number = elsewhere.getsockname()[1]
        server = scripted(epsv="500 no", pasv=f"227 ok (127,0,0,2,{number >> 8},{number & 255})")
        with FtpSession(target(server.port), ACCOUNT) as session:
            assert (
                reason_of(lambda: session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing)).reason == "transport_failed"
            )
        with pytest.raises(TimeoutError):
            elsewhere.accept()


@pytest.mark.requirement("F-04", "F-37")
@pytest.mark.parametrize("word", ["CWD", "AVBL", "SIZE"])
@pytest.mark.parametrize("answer", [CLOSE, HANG])
def test_a_connection_that_breaks_in_between(scripted: Callable[..., Scripted], word: str, answer: str) -> None:
    server = scripted(**{word: answer})
    work: dict[str, Callable[[FtpSession], object]] = {
        "CWD": FtpSession.require_layout,
        "AVBL": FtpSession.free_space,
        "SIZE": lambda session: session.size("fw", "x"),
    }
    with FtpSession(target(server.port), ACCOUNT) as session:
        assert reason_of(lambda: work[word](session)).reason == "transport_failed"


@pytest.mark.requirement("R-061")
def test_the_session_says_goodbye_and_no_error_of_that_counts(scripted: Callable[..., Scripted]) -> None:
    server = scripted()
    enter(server.port)()
    assert server.commands[-1] == "QUIT"
    for answer in (CLOSE, HANG, "500 stay"):
        enter(scripted(quit=answer).port)()


def test_the_commands_of_an_upload_are_binary_and_absolute(scripted: Callable[..., Scripted], source: Path) -> None:
    server = scripted()
    with FtpSession(target(server.port), ACCOUNT) as session:
        session.upload(source, "fw", "App2.out", sha(source.read_bytes()), nothing)
    transfer = [line for line in server.commands if re.match("TYPE|STOR|SIZE", line)]
    assert transfer == ["TYPE I", "STOR /fw/App2.out", "TYPE I", "SIZE /fw/App2.out"]
