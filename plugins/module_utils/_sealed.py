# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets on their way to a jump host: one opaque value, so that no module argument shows them one by one.

This is an encoding, not a protection: the way is protected by the connection, the output by ``no_log``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ._dlms_options import dlms_secrets
from ._engine.base.errors import InputError
from ._engine.base.redaction import SUBSTRING_MINIMUM

SEALED_OPTIONS = ("credentials", "dlms_keys")


def seal(params: Mapping[str, Any], names: Iterable[str] = SEALED_OPTIONS) -> dict[str, Any]:
    """``params`` without None, also in its parts, and with the named options folded into ``sealed``."""
    hidden = {name: params[name] for name in names if params.get(name)}
    shown = {
        name: _given(value)
        for name, value in params.items()
        if value is not None and name not in hidden and (name != "sealed" or not hidden)
    }
    if hidden:
        shown["sealed"] = base64.b64encode(json.dumps(hidden, default=str).encode()).decode()
    return shown


def _given(value: Any) -> Any:
    """What was given of an option: suboptions without a value are absent, not null."""
    if isinstance(value, Mapping):
        return {key: _given(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_given(item) for item in value]
    return value


def unseal(params: Mapping[str, Any]) -> dict[str, Any]:
    """``params`` with the options of ``sealed`` back in their places. Raises InputError."""
    opened = {name: value for name, value in params.items() if name != "sealed"}
    if not params.get("sealed"):
        return opened
    try:
        hidden = json.loads(base64.b64decode(params["sealed"], validate=True))
    except (binascii.Error, ValueError):
        hidden = None
    if not isinstance(hidden, dict):
        raise InputError("sealed", None, "a value made by this collection's own action", "design 4.7", secret=True)
    opened.update(hidden)
    return opened


def secrets_in(params: Mapping[str, Any]) -> list[str]:
    """The passwords and keys in opened options."""
    credentials = params.get("credentials")
    entries = credentials.values() if isinstance(credentials, Mapping) else ()
    passwords = [str(entry["password"]) for entry in entries if isinstance(entry, Mapping) and entry.get("password") is not None]
    return [*passwords, *dlms_secrets(params.get("dlms_keys"))]


def maskable(params: Mapping[str, Any]) -> set[str]:
    """The passwords and keys long enough to be masked wherever they stand in a text."""
    return {secret for secret in secrets_in(params) if len(secret) >= SUBSTRING_MINIMUM}
