# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_check_info."""

from __future__ import annotations

from typing import Any

CHECK_SPEC: dict[str, Any] = {
    "meters": {"type": "list", "elements": "str"},
    "baseline": {"type": "dict"},
    "targets": {"type": "dict"},
    "campaign_file": {"type": "path"},
    "artifacts": {"type": "path"},
    "files": {"type": "bool", "default": False},
    "accept": {"type": "list", "elements": "str", "default": []},
    "gate": {"type": "dict"},
    "concurrency": {"type": "int", "default": 1},
    "rollout_batches": {"type": "list", "elements": "raw", "default": [1]},
    "hardening_batches": {"type": "list", "elements": "raw", "default": [1]},
    "show": {"type": "bool", "default": False},
}
