# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A HAR file in, the draft of a profile out: reading, the YAML text with its list of gaps, and writing it for its owner only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.har_draft import Draft
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile

SIZE_LIMIT = 256 << 20
RULE = "design 2"


def read_recording(path: str) -> str:
    """The text of a HAR file. Raises InputError."""
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise InputError("src", path, f"a file of at most {SIZE_LIMIT >> 20} MiB; record only what belongs to the upgrade", RULE)
        return file.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError("src", path, f"a file that can be read ({error.strerror})", RULE) from None


def render(draft: Draft) -> str:
    """The profile as YAML; what could not be inferred stands above it."""
    head = ["---", "# Draft from a browser recording. No secret of the recording is in it. Check every line on the meter."]
    if draft.missing:
        head.append("# Not inferred, or a guess:")
        head += [f"#   {item['section']}: {' '.join(item['why'].split())}" for item in draft.missing]
    return "\n".join(head) + "\n" + yaml.safe_dump(draft.profile, sort_keys=False, allow_unicode=True, width=10_000)


def problem(text: str, name: str) -> str:
    """Why this text is not yet a profile that can be used; empty when it is one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yml"
        path.write_text(text, encoding="utf-8")
        try:
            load_profile(str(path))
        except InputError as error:
            return str(error)
    return ""


def present(path: str) -> str | None:
    """What stands in the file now, None when there is none. Raises InputError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise InputError("dest", path, "a file that can be read and written, or none", RULE) from None


def write(path: str, text: str) -> None:
    """Write whole or not at all, readable for its owner only: a draft tells how a meter is talked to. Raises InputError."""
    file = Path(path)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise InputError("dest", path, f"a place that can be written ({error.strerror})", RULE) from None
