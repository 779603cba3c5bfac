# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Report files on the controller, written whole or not at all. A module run for each of them would cost a second."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError


def write_json(folder: Path, name: str, value: Any) -> None:
    """One JSON document with sorted keys. Raises InputError when it cannot be written."""
    write_text(folder, name, [json.dumps(value, indent=2, sort_keys=True, default=str)])


def write_text(folder: Path, name: str, lines: Sequence[str]) -> None:
    """Lines of text, readable for the group. Raises InputError when it cannot be written."""
    write_stream(folder, name, lambda stream: stream.write("\n".join(lines) + "\n"))


def write_stream(folder: Path, name: str, write: Callable[[TextIO], object]) -> None:
    """What ``write`` puts into a stream, as one file, readable for the group. Raises InputError when it cannot be written."""
    temporary = folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            write(stream)
        temporary.replace(folder / name)
    except BaseException as error:
        _remove(temporary)
        if not isinstance(error, OSError):
            raise
        raise InputError("metering_report_dir", str(folder), f"a folder that can be written ({error.strerror})", "design 4.6") from None


def _remove(path: Path) -> None:
    """Away with half a file, if there is one."""
    try:
        path.unlink()
    except OSError:
        pass


def digest_of(path: Path) -> dict[str, Any]:
    """``bytes`` and ``sha256`` of a file. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"bytes": path.stat().st_size, "sha256": found}
    except OSError as error:
        raise InputError("dest", str(path), f"a file that can be read ({error.strerror})", "design 4.6") from None
