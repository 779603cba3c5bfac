# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Profiles by name or path, read on the controller; what runs elsewhere gets the content."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DependencyError

try:
    from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
except ImportError as exc:
    MISSING: str | None = exc.name
else:
    MISSING = None


def named_profile(profile: Any) -> Mapping[str, Any] | None:
    """The content of a profile that is given by name, by path or as content. Raises InputError, DependencyError."""
    if profile is None or isinstance(profile, Mapping):
        return profile
    if MISSING is not None:
        raise DependencyError(MISSING, platform.node(), "reading profiles")
    content: Mapping[str, Any] = load_profile(str(profile))
    return content
