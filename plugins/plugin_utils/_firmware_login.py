# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one login of the prechecks of an upgrade; with ``marks_key`` a password that was refused is known to later runs (R-344, F-26)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Login
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import login_guard
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.desired import marks_key
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.marks import user_account

from ._method import Method

if TYPE_CHECKING:
    from ._firmware import FirmwareTask

#: Methods whose login is a password of a named account, sent by this collection itself.
_PROTOCOLS = ("ftp", "web")
_UNTRIED = "not tried in check mode"


def login(task: FirmwareTask, method: Method, steps: Any) -> Login:
    """How the login went. In check mode only a password that has worked before is sent, unless ``check_login``."""
    silent = task.check_mode and not task.params["check_login"]
    role = method.role()
    if method.roles and role is None:
        return Login(text=_UNTRIED if silent else "not tried: no credential is given")
    known = _guarded(task, method, role)
    if known is None:
        return Login(text=_UNTRIED) if silent else _asked(task, steps)
    guard, credential = known
    account = user_account(credential.user, task.target.family)
    if silent and guard.standing(account, credential.password) != login_guard.WORKS:
        return Login(text=f"{_UNTRIED}: this password has not worked in a recorded run")
    refusal = guard.may_try(account, method.name, credential.password)
    if refusal is not None:
        return Login("refused", refusal.reason, refusal.text)
    guard.trying(account, method.name, credential.password)
    ended = _asked(task, steps)
    guard.tried(account, method.name, credential.password, _result(ended))
    return ended


def _guarded(task: FirmwareTask, method: Method, role: str | None) -> tuple[login_guard.Guard, Credential] | None:
    """The guard of this meter's logins and the password to be sent; None without a key for marks."""
    key, serial = marks_key(task.params), task.reading.serial if task.reading else None
    if key is None or serial is None or role is None or method.name not in _PROTOCOLS:
        return None
    accepted = "login_retry" in task.rules.accept
    factor, record = task.rules.clock_factor, not task.check_mode
    guard = login_guard.Guard(task.records.secrets, serial, key, factor=factor, retry_accepted=accepted, record=record)
    return guard, task.target.credentials[role]


def _asked(task: FirmwareTask, steps: Any) -> Login:
    found: Mapping[str, Any] = steps.login()
    told = dict(found)
    task.findings += told.pop("findings", [])
    return Login(**told)


def _result(ended: Login) -> str:
    """What a login that failed tells of the password: another fault than a refusal tells nothing."""
    if ended.state == "ok":
        return login_guard.WORKS
    if ended.reason == login_guard.LOCKED_OUT:
        return login_guard.LOCKED
    return login_guard.REFUSED if ended.reason in login_guard.REFUSALS else login_guard.UNSENT
