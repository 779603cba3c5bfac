# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The copy steps against vsftpd, an FTP server that nobody of this project wrote, with its own words for what goes wrong."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ftp import FtpSteps, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.ftp import FtpSession

PASSWORD = "Canary-foreign-3c19"
ROLES = {"App2.out": "comm_card", "PM5560_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}

pytestmark = [pytest.mark.needs_debian("vsftpd")]

# The one account opens with a password of a list, which needs no user of this machine.
CONFIG = {
    "listen": "YES",
    "listen_address": "127.0.0.1",
    "background": "NO",
    "anonymous_enable": "YES",
    "local_enable": "NO",
    "secure_email_list_enable": "YES",
    "anon_umask": "022",
    "anon_upload_enable": "YES",
    "anon_other_write_enable": "YES",
    "anon_world_readable_only": "NO",
    "write_enable": "YES",
    "seccomp_sandbox": "NO",
    "xferlog_enable": "NO",
    "delay_failed_login": "0",
}


class Server:
    """A vsftpd of our own on a loopback port; ``root`` has the folders of a meter."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.root, empty = folder / "meter", folder / "empty"
        for path in (self.root / "fw", self.root / "www", empty):
            path.mkdir(parents=True)
        for path in (self.root / "fw", self.root / "www"):
            path.chmod(0o777)
        self.closed = (self.root, empty)
        for path in self.closed:
            path.chmod(0o555)
        if os.geteuid() == 0:
            self._open_the_way(folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        (folder / "passwords").write_text(f"{PASSWORD}\n", encoding="utf-8")
        own = {"run_as_launching_user": "NO" if os.geteuid() == 0 else "YES", "listen_port": str(self.port), "anon_root": str(self.root)}
        own |= {"secure_chroot_dir": str(empty), "email_password_file": str(folder / "passwords")}
        settings = folder / "vsftpd.conf"
        settings.write_text("".join(f"{key}={value}\n" for key, value in {**CONFIG, **own, **more}.items()), encoding="utf-8")
        settings.chmod(0o600)
        self._command = [shutil.which("vsftpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "vsftpd", str(settings)]
        self._child: subprocess.Popen[bytes] | None = None

    def _open_the_way(self, folder: Path) -> None:
        """Started by root, the server works as another user, to whom pytest's folders are closed."""
        for path in (folder, *list(folder.parents)[:3]):
            if path != Path("/") and path.stat().st_uid == 0:
                path.chmod(path.stat().st_mode | 0o011)

    def start(self, largest_file: int | None = None) -> None:
        """Run it; with ``largest_file`` writing beyond that many bytes of one file fails, as on a full disk."""

        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        # Python ignores the signal of that limit; so then does the server, and its write fails instead.
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=limit,
            restore_signals=False,
        )
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._child.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("vsftpd does not answer") from None
                time.sleep(0.02)

    def stop(self) -> None:
        """End it and let pytest remove the folders."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(10)
        for path in self.closed:
            path.chmod(0o755)

    def target(self, password: str = PASSWORD) -> Target:
        account = Credential("anonymous", password)
        return Target(
            "peer",
            "127.0.0.1",
            {"ftp": self.port, "http": 1, "modbus": 1},
            255,
            Timeouts(5, 5),
            None,
            {"product_master": account},
            SystemClock(50.0),
        )


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def begin(largest_file: int | None = None, **more: str) -> Server:
        server = Server(tmp_path / "peer", **more)
        running.append(server)
        server.start(largest_file)
        return server

    yield begin
    for server in running:
        server.stop()


@pytest.fixture
def files(tmp_path: Path) -> list[SendFile]:
    listed = []
    for number, (name, role) in enumerate(ROLES.items()):
        content = bytes([number]) * 300_000
        (tmp_path / name).write_bytes(content)
        listed.append(SendFile(name, role, hashlib.sha256(content).hexdigest(), len(content), str(tmp_path / name)))
    return listed


def stage_fails(server: Server, files: list[SendFile], password: str = PASSWORD) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        FtpSteps(server.target(password), None, files).stage()
    assert PASSWORD not in str(caught.value) and "\n" not in str(caught.value)
    return caught.value


@pytest.mark.requirement("R-052", "R-053", "R-055", "R-057", "R-058", "R-059")
@pytest.mark.parametrize("read_back", [True, False])
def test_all_three_files_go_over_replace_and_read_back(peer: Callable[..., Server], files: list[SendFile], read_back: bool) -> None:
    server = peer()
    (server.root / "fw" / "App2.out").write_bytes(b"an older and longer file" * 50_000)
    (server.root / "fw" / "App2.out").chmod(0o666)
    if os.geteuid() == 0:
        shutil.chown(server.root / "fw" / "App2.out", "ftp")
    for dummy in range(2):
        staged = FtpSteps(server.target(), None, files, read_back=read_back).stage()
        assert (staged["files"], staged["tries"]) == (["www/PM5500StartUpgrade.shtml", "fw/App2.out", "fw/PM5560_v2.9.9.fwa"], 1)
        for item, there in zip(files, ("fw/App2.out", "fw/PM5560_v2.9.9.fwa", "www/PM5500StartUpgrade.shtml"), strict=True):
            assert (server.root / there).read_bytes() == Path(item.path).read_bytes()


@pytest.mark.requirement("R-034", "R-054")
def test_login_good_and_wrong(peer: Callable[..., Server], files: list[SendFile]) -> None:
    server = peer()
    good = FtpSteps(server.target(), None, files).login()
    assert (good["state"], good["role"], good["free_space"]) == ("ok", None, None), "it tells neither role nor space"
    wrong = FtpSteps(server.target("wrong-password"), None, files).login()
    assert (wrong["state"], wrong["reason"]) == ("refused", "ftp_auth_failed") and "530" in wrong["text"]
    error = stage_fails(server, files, "wrong-password")
    assert error.reason == "ftp_auth_failed" and not list(server.root.glob("*/*"))


@pytest.mark.requirement("R-034", "F-30")
def test_an_account_that_may_only_read(peer: Callable[..., Server], files: list[SendFile]) -> None:
    server = peer(write_enable="NO")
    error = stage_fails(server, files)
    assert (error.stage, error.reason) == ("copy", "role_insufficient") and error.device_text.startswith("550")


@pytest.mark.requirement("R-034", "F-30")
def test_a_folder_that_is_closed_to_the_account(peer: Callable[..., Server], files: list[SendFile]) -> None:
    server = peer()
    (server.root / "www").chmod(0o555)
    try:
        error = stage_fails(server, files)
    finally:
        (server.root / "www").chmod(0o777)
    assert error.reason == "role_insufficient" and error.device_text.startswith("553")


@pytest.mark.requirement("R-060", "F-04")
def test_a_disk_that_is_full_is_told_in_the_servers_words(peer: Callable[..., Server], files: list[SendFile]) -> None:
    """vsftpd answers 451 to a failed write, which names no cause; a meter would answer 452 or 552."""
    error = stage_fails(peer(largest_file=100_000), files)
    assert error.stage == "copy" and error.reason == "transport_failed"
    assert error.device_text.startswith("451")


@pytest.mark.requirement("R-055", "F-21")
def test_no_folder_of_a_meter(peer: Callable[..., Server], files: list[SendFile]) -> None:
    server = peer()
    (server.root / "www").rename(server.root / "web")
    assert stage_fails(server, files).reason == "ftp_layout_unexpected"
    assert not list(server.root.glob("*/*"))


@pytest.mark.requirement("R-057")
def test_a_server_that_does_not_let_read_back_is_compared_by_size(peer: Callable[..., Server], files: list[SendFile]) -> None:
    server = peer(download_enable="NO")
    assert FtpSteps(server.target(), None, files).stage()["tries"] == 1
    with FtpSession(server.target(), Credential("anonymous", PASSWORD)) as session:
        with pytest.raises(DeviceError) as caught:
            session.read_back("fw", "App2.out", "0" * 64, lambda count: None)
        assert caught.value.reason == "upload_unreadable"
        assert session.size("fw", "App2.out") == 300_000


@pytest.mark.requirement("R-053", "F-21")
def test_too_many_sessions(peer: Callable[..., Server]) -> None:
    server = peer(max_clients="2")
    with ExitStack() as sessions, pytest.raises(DeviceError) as caught:
        for dummy in range(3):
            sessions.enter_context(FtpSession(server.target(), Credential("anonymous", PASSWORD)))
    assert caught.value.reason == "ftp_connect_failed" and caught.value.device_text.startswith("421")
