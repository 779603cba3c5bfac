# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of ``profile_from_har``."""

from __future__ import annotations

from typing import Any

HAR_SPEC: dict[str, Any] = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "name": {"type": "str"},
    "meter_host": {"type": "str"},
    "user": {"type": "str"},
    "secrets": {"type": "list", "elements": "str", "no_log": True, "default": []},
    "force": {"type": "bool", "default": False},
}
