# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JMESPath as profiles use it for JSON pages; a machine without the library says so before a meter is touched."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from ..base.errors import DependencyError

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
except ImportError as exc:
    MISSING = exc.name

    class JMESPathError(ValueError):  # type: ignore[no-redef]
        """Stands in where the library is missing."""
else:
    MISSING = None


def require_library(profile: Mapping[str, Any] | None) -> None:
    """Raise DependencyError where the profile reads JSON and jmespath is not installed."""
    given = profile or {}
    sections = [given.get(name) or {} for name in ("role_page", "status_page", "session_page")]
    sections += [(given.get("security") or {}).get(name) or {} for name in ("settings", "users", "events")]
    if MISSING is not None and any(section.get("format") == "json" for section in sections):
        raise DependencyError(MISSING, platform.node(), "a profile that reads JSON pages")


def fault(expression: str) -> str:
    """What is wrong with an expression, in one line; empty when nothing is."""
    if MISSING is not None:
        return ""
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        return " ".join(str(error).split())
    return ""


def search(expression: str, document: Any) -> Any:
    """The value of an expression in a device's document; None where the document has another shape."""
    try:
        return jmespath.search(expression, document)
    except (JMESPathError, RecursionError):
        return None
