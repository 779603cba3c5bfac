# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Foreign peers: an FTP server, a Modbus server and an sshd that nobody of this project wrote. All listen on loopback only."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

import warmstart
from metersim import testing

# Fleets start warm, as plays do.
testing.launch = warmstart.start


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


def serve(command: list[str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start a server in the foreground of a child and return when its port answers."""
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return child
        except OSError:
            if child.poll() is not None or time.monotonic() > until:
                child.kill()
                raise RuntimeError(f"{command[0]} does not answer: {log.read_text(errors='replace')[-500:]}") from None
            time.sleep(0.02)


def stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@dataclass(frozen=True)
class FtpPeer:
    """A running vsftpd. Any password opens the account; ``fw`` and ``www`` below ``root`` can be written."""

    port: int
    root: Path
    user: str = "anonymous"
    password: str = "Canary-vsftpd-55d0"


VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
anon_root={root}
anon_umask=022
anon_upload_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
write_enable=YES
run_as_launching_user={own}
secure_chroot_dir={empty}
seccomp_sandbox=NO
xferlog_enable=NO
"""


@pytest.fixture
def vsftpd(tmp_path: Path) -> Iterator[FtpPeer]:
    """vsftpd from Debian; mark the test ``needs_debian("vsftpd")``."""
    root, empty, port = tmp_path / "meter", tmp_path / "empty", free_port()
    for folder in (root / "fw", root / "www", empty):
        folder.mkdir(parents=True)
    for folder in (root / "fw", root / "www"):
        folder.chmod(0o777)
    for folder in (root, empty):
        folder.chmod(0o555)
    for folder in [*list(tmp_path.parents)[:3], tmp_path]:
        # The server reads as another user when it was started by root; pytest's folders are closed to others.
        if os.geteuid() == 0 and folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    settings = tmp_path / "vsftpd.conf"
    settings.write_text(VSFTPD.format(port=port, root=root, empty=empty, own="NO" if os.geteuid() == 0 else "YES"), encoding="utf-8")
    settings.chmod(0o600)
    program = shutil.which("vsftpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "vsftpd"
    child = serve([program, str(settings)], port, tmp_path / "vsftpd.log")
    yield FtpPeer(port, root)
    stop(child)
    root.chmod(0o755)
    empty.chmod(0o755)


@dataclass(frozen=True)
class ModbusPeer:
    """A running Modbus server of pyModbusTCP. Registers are addressed as on the wire, that is from zero."""

    port: int
    bank: DataBank

    def put_text(self, register: int, text: str, count: int) -> None:
        """Text into ``count`` documented (1-based) registers, two characters each."""
        raw = text.encode().ljust(count * 2, b"\0")
        self.put(register, *(int.from_bytes(raw[at : at + 2], "big") for at in range(0, count * 2, 2)))

    def put(self, register: int, *words: int) -> None:
        """Words into the documented (1-based) registers from ``register`` on."""
        self.bank.set_holding_registers(register - 1, list(words))


@pytest.fixture
def foreign_modbus() -> Iterator[ModbusPeer]:
    """A Modbus server that is not pymodbus. It refuses FC 43, with the wrong exception code."""
    bank, port = DataBank(h_regs_size=65536), free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    yield ModbusPeer(port, bank)
    server.stop()


@dataclass(frozen=True)
class JumpHost:
    """A running sshd, the key that opens it, and an interpreter of its own behind it."""

    port: int
    user: str
    key: Path
    python: Path
    folder: Path
    control: Path

    @property
    def variables(self) -> dict[str, object]:
        """Inventory variables of the jump host."""
        return self.named("jump")

    def named(self, name: str) -> dict[str, object]:
        """The same by a name of its own: each has one connection, which is kept for a moment, as is usual with Ansible."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_connection": "ssh",
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_args": f"-o ControlMaster=auto -o ControlPersist=5s -o ControlPath={self.control}/{name}-%C",
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.folder}/known_hosts -o StrictHostKeyChecking=no",
            "ansible_python_interpreter": str(self.python),
            "ansible_remote_tmp": str(self.folder / "remote"),
        }


SSHD = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
# A shell that counts itself as nested reads no start-up file of the user who runs the tests: they may cost more than a connection.
SetEnv SHLVL=3
"""


def own_interpreter(folder: Path) -> Path:
    """A virtual environment other than the controller's, which sees the same libraries."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python3.*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture
def jump_host(tmp_path: Path) -> Iterator[JumpHost]:
    """sshd from Debian; mark the test ``needs_debian("openssh-server", "openssh-client")``."""
    port, folder = free_port(), tmp_path / "jump"
    folder.mkdir()
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    settings = folder / "sshd_config"
    settings.write_text(SSHD.format(port=port, folder=folder), encoding="utf-8")
    if os.geteuid() == 0:
        # The folder into which sshd locks its unprivileged half; a service would have made it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or "/usr/sbin/sshd"
    child = serve([program, "-D", "-e", "-f", str(settings)], port, folder / "sshd.log")
    # ssh takes only a short name for the socket of a kept connection.
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as control:
        yield JumpHost(port, getpass.getuser(), folder / "user_key", own_interpreter(folder / "venv"), folder, Path(control))
    stop(child)
