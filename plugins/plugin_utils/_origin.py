# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a value was written: file and line as core (2.19 and later) carries them with each value and each key.

That is private to core, so this is the only place that looks at it, and everything works where it gives nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Location

try:
    from ansible._internal._datatag._tags import Origin

    _tag_of: Any = Origin.get_tag
except (ImportError, AttributeError):
    _tag_of = None


def location(value: Any) -> Location | None:
    """File and line of a value, or None; the file from the root of its Git repository on where it is in one."""
    path, line = _place(value)
    return {"file": shown_path(path), "line": line} if path and line else None


def source(value: Any) -> str | None:
    """The absolute path of the file that a value was written in, or None."""
    return _place(value)[0] or None


def _place(value: Any) -> tuple[str, int]:
    if _tag_of is None:
        return "", 0
    try:
        found = _tag_of(value)
        path, line = (found.path, found.line_num) if found is not None else (None, None)
    except (AttributeError, TypeError):
        return "", 0
    known = isinstance(path, str) and isinstance(line, int) and line > 0
    return (str(path), int(line)) if known and line is not None else ("", 0)


def location_of(given: Mapping[Any, Any], key: str) -> Location | None:
    """Where a mapping names this key, else where its value stands."""
    for name, value in given.items():
        if str(name) == key:
            return location(name) or location(value)
    return None


@functools.lru_cache(maxsize=1024)
def shown_path(path: str) -> str:
    """An absolute path as a report can be read elsewhere: it starts at the root of the repository where there is one."""
    root = _root(Path(path).parent)
    return path if root is None else Path(path).relative_to(root).as_posix()


@functools.lru_cache(maxsize=256)
def _root(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
