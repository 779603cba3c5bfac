# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The exported security configuration of one meter, as it was read back: no secret, a name that is never used twice (R-292…R-299).

The name is serial number, UTC time and run id, so no default file of the maker's tool and no earlier export is ever overwritten. Who can
write into a folder can change what is in it (R-297): the journal, which is chained, keeps the hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..base.errors import DeviceError
from .channel import STAGE
from .state import State

FORMAT = "gridops.metering/security-1"


def content(state: State) -> dict[str, Any]:
    """What is exported: settings, mode, users with permissions, and where each was read. Never a secret."""
    return {
        "format": FORMAT,
        "family": state.family,
        "model": state.model,
        "serial": state.serial,
        "firmware": str(state.version) if state.version else None,
        "mode": state.mode,
        "settings": dict(sorted(state.settings.items())),
        "users": None if state.users is None else [{"name": user.name, "permissions": sorted(user.permissions)} for user in state.users],
        "provenance": dict(sorted(state.provenance.items())),
        "unread": dict(sorted(state.unread.items())),
    }


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form, without the time of taking."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def write_export(folder: Path, state: State, run: str, now: float) -> tuple[Path, str]:
    """(path, SHA-256 of its content). An export that says the same as the newest one of this meter is not written again. Raises DeviceError."""
    document = content(state)
    told = digest(document)
    serial = re.sub(r"[^A-Za-z0-9-]", "_", state.serial or "unknown")
    name = f"{serial}_{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}_{re.sub(r'[^A-Za-z0-9-]', '_', run)}.security.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        newest = max(folder.glob(f"{serial}_*.security.json"), default=None)
        if newest is not None and _told(newest) == told:
            return newest, told
        taken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        # O_EXCL: what is there is never overwritten.
        with os.fdopen(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as stream:
            json.dump({**document, "taken_at": taken, "run": run, "sha256": told}, stream, indent=2, default=str)
            stream.write("\n")
    except OSError as error:
        if (folder / name).exists():
            raise DeviceError(STAGE, "export_failed", f"{name} is there already, and exports are never overwritten") from None
        raise DeviceError(STAGE, "export_failed", f"the folder {folder} cannot be written: {error.strerror}") from None
    return folder / name, told


def _told(path: Path) -> str:
    """The hash that an export has, if its content still has it; a changed file is not trusted."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        told = str(read.pop("sha256"))
        read.pop("taken_at"), read.pop("run")
    except (OSError, ValueError, KeyError, AttributeError):
        return ""
    return told if digest(read) == told else ""
