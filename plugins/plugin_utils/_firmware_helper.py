# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An operator's own command for logins that no profile can describe: JSON in, cookies and headers out (design 2)."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError

if TYPE_CHECKING:
    from ._firmware import FirmwareTask

_SECONDS = 60.0  # real time for one login; a command that hangs must not hang the upgrade
_TEXT_LIMIT = 300


class LoginHelper:
    """Runs the command on the control node for each login. The password goes over standard input, never into the arguments."""

    def __init__(self, task: FirmwareTask, argv: list[str]) -> None:
        self._task, self._argv = task, argv

    def check(self) -> None:
        """Raise InputError for a command that is not there."""
        if shutil.which(self._argv[0]) is None:
            raise InputError("login_helper", self._argv[0], "a command that exists on the control node", "design 2")

    def __call__(self) -> dict[str, Any]:
        """``{cookies, headers}`` of a fresh session. Raises DeviceError with what the command said."""
        target, method = self._task.target, self._task.methods["web"]
        role = method.role()
        if role is None:
            raise DeviceError("login", "credential_unknown", "no credential is given for the login helper")
        account = target.credentials[role]
        profile = method.profile() or {}
        scheme = str((profile.get("transport") or {}).get("scheme", "http"))
        tls = getattr(target, "tls", None)
        request = {
            "host": target.host,
            "scheme": scheme,
            "port": target.ports[scheme],
            "user": account.user,
            "password": account.password,
            "fingerprint": getattr(tls, "fingerprint", None),
            "ca_file": getattr(tls, "ca_file", None),
            "timeout": target.timeouts.read,
        }
        given = {name: value for name, value in request.items() if value is not None}
        try:
            done = subprocess.run(
                self._argv, input=json.dumps(given), capture_output=True, encoding="utf-8", errors="replace", timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeviceError("login", "login_helper_failed", f"the login helper did not work: {type(error).__name__}") from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split())[-_TEXT_LIMIT:].replace(account.password, "********")
            raise DeviceError("login", "login_helper_failed", f"the login helper ended with {done.returncode}: {said}")
        return self._answer(done.stdout)

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            document = json.loads(text)
            answer = {name: {str(key): str(value) for key, value in (document.get(name) or {}).items()} for name in ("cookies", "headers")}
        except (ValueError, AttributeError):
            raise DeviceError(
                "login", "login_helper_failed", "the login helper did not answer with a JSON object of cookies and headers"
            ) from None
        learn = getattr(self._task.hooks, "learn", None)
        for value in (*answer["cookies"].values(), *answer["headers"].values()):
            if learn is not None:
                learn(value)
        return answer
