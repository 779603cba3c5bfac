# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Command lines for the computer of the maker's tool: a POSIX shell, PowerShell over WinRM or PSRP, PowerShell behind SSH."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.template import Templar

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.plugin_utils._toolhost import AnsibleToolHost, Unix, Windows

NASTY = "C:\\Meters of O'Neill\\$env:TEMP; rm `x`"


def script(line: str) -> str:
    """What a wrapped PowerShell line holds."""
    return base64.b64decode(line.rpartition(" ")[2]).decode("utf-16-le")


@pytest.mark.requirement("R-072")
def test_a_windows_line_substitutes_nothing() -> None:
    quoted = "'C:\\Meters of O''Neill\\$env:TEMP; rm `x`'"
    plain, wrapped = Windows(encode=False), Windows(encode=True)
    assert plain.run(["tool.exe", NASTY]) == f"& 'tool.exe' {quoted}; exit $LASTEXITCODE"
    assert script(wrapped.run(["tool.exe", NASTY])) == plain.run(["tool.exe", NASTY])
    for line in (plain.remove(NASTY), plain.names(NASTY), plain.sha256(NASTY), plain.protect(NASTY)):
        assert quoted in line
    made = plain.make_folder(NASTY, "Logs")
    assert "/inheritance:r" in made and quoted in made and made.index("icacls") < made.index("Logs"), "closed before anything is in it"


@pytest.mark.requirement("R-072")
def test_a_posix_line_keeps_its_words(tmp_path: Path) -> None:
    lines, folder = Unix(), tmp_path / "it's $HOME; a `b`"

    def run(line: str) -> str:
        return subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=20).stdout

    run(lines.make_folder(str(folder), "Logs"))
    assert folder.stat().st_mode & 0o777 == 0o700 and (folder / "Logs").stat().st_mode & 0o077 == 0
    (folder / "a b").write_text("x", encoding="utf-8")
    run(lines.protect(str(folder / "a b")))
    assert (folder / "a b").stat().st_mode & 0o777 == 0o600
    assert run(lines.names(str(folder))).splitlines() == ["Logs", "a b"]
    assert (
        run(lines.sha256(str(folder / "a b"))).split()[0].lstrip("\\") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    )
    assert run(lines.run(["printf", "%s|", "a b", "$HOME", "it's"])) == "a b|$HOME|it's|"
    run(lines.remove(str(folder)))
    assert not folder.exists()


def host(variables: dict[str, Any] | None, name: str = "desk") -> AnsibleToolHost:
    return AnsibleToolHost(name, {} if variables is None else {"desk": variables}, Templar())


@pytest.mark.requirement("R-072")
@pytest.mark.parametrize(
    ("variables", "separator", "wrapped"),
    [
        ({"ansible_connection": "local"}, "/", False),
        ({"ansible_connection": "winrm"}, "\\", False),
        ({"ansible_connection": "microsoft.ad.psrp"}, "\\", False),
        ({"ansible_connection": "ssh", "ansible_shell_type": "powershell"}, "\\", True),
        ({"ansible_shell_type": "cmd"}, "\\", True),
        ({}, "/", False),
    ],
)
def test_the_kind_of_shell_comes_from_the_inventory(variables: dict[str, Any], separator: str, wrapped: bool) -> None:
    made = host(variables)
    assert made.join("base/", "a", "b") == f"base{separator}a{separator}b"
    lines = made._shell()
    assert ("-EncodedCommand" in lines.run(["x"])) is wrapped
    assert (made.ping()[1] == "-n") is isinstance(lines, Windows)


@pytest.mark.requirement("R-072", "R-101")
def test_a_local_computer_does_all_that_is_asked(tmp_path: Path) -> None:
    made = host({"ansible_connection": "local"})
    folder = str(tmp_path / "hand over")
    made.make_folder(folder, "Logs")
    made.put_secret("Canary-host-91aa,x", made.join(folder, "Config.csv"))
    written = tmp_path / "hand over" / "Config.csv"
    assert written.read_bytes() == b"Canary-host-91aa,x" and written.stat().st_mode & 0o777 == 0o600
    assert made.fetch(made.join(folder, "Config.csv")) == b"Canary-host-91aa,x"
    assert made.names(folder) == ["Config.csv", "Logs"] and made.names(folder + "-not") == []
    assert made.sha256(made.join(folder, "Config.csv")) and made.sha256(made.join(folder, "nothing")) is None
    assert made.run(["sh", "-c", "echo out; echo err >&2; exit 7"]).code == 7
    made.remove(folder)
    assert not (tmp_path / "hand over").exists()
    with pytest.raises(DeviceError, match="cannot be fetched"):
        made.fetch(str(tmp_path / "nothing"))


@pytest.mark.requirement("R-072")
@pytest.mark.parametrize(
    ("variables", "text"), [(None, "no host desk"), ({"ansible_connection": "no.such.plugin"}, "no connection plugin")]
)
def test_a_computer_that_cannot_be_used_is_a_reason_of_its_own(variables: dict[str, Any] | None, text: str) -> None:
    with pytest.raises(DeviceError, match=text) as caught:
        host(variables).run(["true"])
    assert caught.value.reason == "tool_host_unusable"
