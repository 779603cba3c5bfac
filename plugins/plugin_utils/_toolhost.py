# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The computer of the maker's tool, over the connection that the inventory gives for it: raw commands and files, no Python there.

Command lines carry paths only. Local and SSH connections to Unix are tried in the tests; PowerShell (WinRM, PSRP, SSH) follows the same
contract and is tested for its command lines.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool import Ran

_WINDOWS = ("powershell", "cmd")
_TEXT_LIMIT = 1 << 18


class Unix:
    """Command lines for a POSIX shell."""

    separator = "/"

    def run(self, argv: Sequence[str]) -> str:
        return shlex.join(argv)

    def make_folder(self, path: str, inner: str) -> str:
        there = shlex.quote(path)
        return f"umask 077 && mkdir -p -- {there}/{shlex.quote(inner)} && chmod 700 {there}"

    def protect(self, path: str) -> str:
        return f"chmod 600 {shlex.quote(path)}"

    def sha256(self, path: str) -> str:
        there = shlex.quote(path)
        return f"sha256sum -- {there} 2>/dev/null || shasum -a 256 -- {there}"

    def names(self, path: str) -> str:
        return f"ls -1 -- {shlex.quote(path)}"

    def remove(self, path: str) -> str:
        return f"rm -rf -- {shlex.quote(path)}"

    def addresses(self) -> str:
        return "ip -o addr show 2>/dev/null | awk '{print $4}'"

    def ping(self) -> list[str]:
        return ["ping", "-c", "2", "-W", "2", "{address}"]


class Windows:
    """Command lines for PowerShell. ``encode`` wraps them where the other end is a plain Windows shell behind SSH."""

    separator = "\\"

    def __init__(self, encode: bool) -> None:
        self._encode = encode

    def _script(self, text: str) -> str:
        if not self._encode:
            return text
        code = base64.b64encode(text.encode("utf-16-le")).decode()
        return f"powershell -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {code}"

    def run(self, argv: Sequence[str]) -> str:
        return self._script("& " + " ".join(_single(word) for word in argv) + "; exit $LASTEXITCODE")

    def make_folder(self, path: str, inner: str) -> str:
        there, within = _single(path), _single(f"{path}{self.separator}{inner}")
        grant = '/grant:r "$($env:USERNAME):(OI)(CI)F"'
        return self._script(
            f"New-Item -ItemType Directory -Force -Path {there} | Out-Null; icacls {there} /inheritance:r {grant} | Out-Null; "
            f"$code = $LASTEXITCODE; New-Item -ItemType Directory -Force -Path {within} | Out-Null; exit $code"
        )

    def protect(self, path: str) -> str:
        return self._script(
            f"if (Test-Path -LiteralPath {_single(path)}) {{ exit 0 }} else {{ exit 1 }}"
        )  # the folder's rights are inherited

    def sha256(self, path: str) -> str:
        return self._script(f"(Get-FileHash -Algorithm SHA256 -LiteralPath {_single(path)}).Hash")

    def names(self, path: str) -> str:
        return self._script(f"Get-ChildItem -Name -LiteralPath {_single(path)}")

    def remove(self, path: str) -> str:
        return self._script(f"Remove-Item -Recurse -Force -LiteralPath {_single(path)}")

    def addresses(self) -> str:
        return self._script('Get-NetIPAddress | ForEach-Object { "$($_.IPAddress)/$($_.PrefixLength)" }')

    def ping(self) -> list[str]:
        return ["ping", "-n", "2", "-w", "2000", "{address}"]


def _single(text: str) -> str:
    """A PowerShell string without any substitution in it."""
    return "'" + text.replace("'", "''") + "'"


class AnsibleToolHost:
    """ToolHost by an Ansible connection plugin, opened when it is first needed; one for each thread, since they share nothing safely."""

    def __init__(self, name: str, hostvars: Any, templar: Any) -> None:
        self.name = name
        self._hostvars, self._templar = hostvars, templar
        self._open = threading.local()
        self._lines: Unix | Windows | None = None

    def join(self, *parts: str) -> str:
        separator = self._shell().separator
        return separator.join([parts[0].rstrip("/\\"), *parts[1:]])

    def make_folder(self, path: str, inner: str) -> None:
        self._must(self._shell().make_folder(path, inner), f"the folder {path} cannot be made")

    def put(self, local: str, path: str) -> None:
        try:
            self._connection().put_file(local, path)
        except AnsibleError as error:
            raise self._fault(f"{os.path.basename(local)} cannot be brought there", error) from None

    def put_secret(self, text: str, path: str) -> None:
        """A file that nobody else can read at any moment: the folder is closed, and so is the copy here."""
        with tempfile.TemporaryDirectory(prefix="gridops-") as folder:
            local = Path(folder, "value")
            local.touch(mode=0o600)
            local.write_text(text, encoding="utf-8", newline="")
            self.put(str(local), path)
        self._must(self._shell().protect(path), f"{path} cannot be protected")

    def sha256(self, path: str) -> str | None:
        ran = self._exec(self._shell().sha256(path))
        found = re.search(r"\b[0-9A-Fa-f]{64}\b", ran.output)
        return found[0].lower() if ran.code == 0 and found else None

    def run(self, argv: Sequence[str]) -> Ran:
        """Run one command to its end. It cannot be ended from here: whoever waits for it decides how long."""
        return self._exec(self._shell().run(argv))

    def names(self, path: str) -> list[str]:
        ran = self._exec(self._shell().names(path))
        return [line.strip() for line in ran.output.splitlines() if line.strip()] if ran.code == 0 else []

    def fetch(self, path: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="gridops-") as folder:
            local = os.path.join(folder, "value")
            try:
                self._connection().fetch_file(path, local)
                return Path(local).read_bytes()
            except (AnsibleError, OSError) as error:
                raise self._fault(f"{path} cannot be fetched", error) from None

    def remove(self, path: str) -> None:
        self._must(self._shell().remove(path), f"the folder {path} cannot be removed")

    def addresses(self) -> list[str]:
        ran = self._exec(self._shell().addresses())
        return ran.output.split() if ran.code == 0 else []

    def ping(self) -> list[str]:
        return self._shell().ping()

    # -- details ------------------------------------------------------------------------------------------------------

    def _must(self, line: str, text: str) -> None:
        ran = self._exec(line)
        if ran.code != 0:
            said = " ".join(ran.output.split())[-200:]
            raise DeviceError("tool_host", "tool_host_unusable", f"{text} on {self.name}" + (f": {said}" if said else ""))

    def _exec(self, line: str) -> Ran:
        try:
            code, out, err = self._connection().exec_command(line, sudoable=False)
        except AnsibleError as error:
            raise self._fault("it cannot be reached", error) from None
        text = _text(out) + _text(err)
        return Ran(int(code), text[-_TEXT_LIMIT:])

    def _fault(self, text: str, error: Exception) -> DeviceError:
        return DeviceError("tool_host", "tool_host_unusable", f"{self.name}: {text} ({' '.join(str(error).split())[:200]})")

    def _shell(self) -> Unix | Windows:
        if self._lines is None:
            variables = self._variables()
            kind = str(variables.get("ansible_connection") or "ssh")
            remote = kind.rpartition(".")[2] in ("winrm", "psrp")
            windows = remote or str(variables.get("ansible_shell_type") or "sh") in _WINDOWS
            self._lines = Windows(encode=not remote) if windows else Unix()
        return self._lines

    def _variables(self) -> Mapping[str, Any]:
        if self.name not in self._hostvars:
            raise DeviceError("tool_host", "tool_host_unusable", f"the inventory has no host {self.name}")
        found: Mapping[str, Any] = self._hostvars[self.name]
        return found

    def _connection(self) -> Any:
        if not hasattr(self._open, "connection"):
            variables = self._variables()
            kind = str(variables.get("ansible_connection") or "ssh")
            context = PlayContext()
            context.remote_addr = str(variables.get("ansible_host") or self.name)
            made = connection_loader.get(kind, context, None)
            if made is None:
                raise DeviceError("tool_host", "tool_host_unusable", f"{self.name}: there is no connection plugin {kind}")
            made.set_options(var_options=self._options("connection", made._load_name, variables))
            shell = getattr(made, "_shell", None)
            if shell is not None:
                shell.set_options(var_options=self._options("shell", shell._load_name, variables))
            self._open.connection = made
        return self._open.connection

    def _options(self, kind: str, name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The host's variables that this plugin reads, templated."""
        wanted = C.config.get_plugin_vars(kind, name)
        return {key: self._templar.template(variables[key]) for key in wanted if key in variables}


def _text(raw: Any) -> str:
    return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else str(raw or "")
