# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The wire clients against servers which nobody of this project wrote."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters import pm5000
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.ftp import FtpSession


def target(**ports: int) -> Target:
    return Target(name="peer", host="127.0.0.1", ports=ports, unit_id=255)


@pytest.mark.requirement("R-055", "R-059")
@pytest.mark.needs_debian("vsftpd")
def test_files_are_copied_to_vsftpd_and_overwritten(vsftpd: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    source = tmp_path / "App2.out"
    source.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    with FtpSession(target(ftp=vsftpd.port), Credential(vsftpd.user, vsftpd.password)) as session:
        session.require_layout()
        for folder in ("fw", "www", "fw"):
            sent: list[int] = []
            session.upload(source, folder, "App2.out", sha256, sent.append)
            assert sum(sent) == len(content)
            session.read_back(folder, "App2.out", sha256, sent.append)
    assert (vsftpd.root / "fw" / "App2.out").read_bytes() == content


@pytest.mark.requirement("R-055")
@pytest.mark.needs_debian("vsftpd")
def test_a_vsftpd_without_the_folders_is_refused_before_a_byte_is_sent(vsftpd: Any) -> None:
    (vsftpd.root / "fw").rename(vsftpd.root / "firmware")
    with (
        FtpSession(target(ftp=vsftpd.port), Credential(vsftpd.user, vsftpd.password)) as session,
        pytest.raises(DeviceError, match="no folder fw"),
    ):
        session.require_layout()
    assert not list(vsftpd.root.glob("*/*"))


def test_identity_is_read_from_a_server_that_is_not_pymodbus(foreign_modbus: Any) -> None:
    foreign_modbus.put_text(30, "Panel 7", 20)
    foreign_modbus.put_text(50, "PM5560", 20)
    foreign_modbus.put(130, 0x0123, 0x4567)
    foreign_modbus.put(1638, 2, 9, 9)
    identity = pm5000.identify_sync(target(modbus=foreign_modbus.port))
    assert (identity.model_text, str(identity.version), identity.name) == ("PM5560", "2.9.9", "Panel 7")


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_the_jump_host_has_an_interpreter_of_its_own(jump_host: Any) -> None:
    options = str(jump_host.variables["ansible_ssh_common_args"]).split()
    command = ["ssh", *options, "-i", str(jump_host.key), "-p", str(jump_host.port), f"{jump_host.user}@127.0.0.1"]
    script = "'import sys, pymodbus, requests; print(sys.prefix)'"
    done = subprocess.run([*command, str(jump_host.python), "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(jump_host.python.parents[1])), done.stderr
