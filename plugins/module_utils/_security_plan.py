# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_security_plan."""

from __future__ import annotations

from typing import Any

SECURITY_PLAN_SPEC: dict[str, Any] = {
    "results": {"type": "dict"},
    "hosts": {"type": "list", "elements": "str"},
    "baseline": {"type": "dict"},
    "batches": {"type": "list", "elements": "raw", "default": [1]},
    "concurrency": {"type": "int", "default": 1},
    "gate": {"type": "dict"},
    "campaign_file": {"type": "path"},
    "security_plan_file": {"type": "path"},
    "security_plan_digest": {"type": "str"},
    "show": {"type": "bool", "default": False},
    "report_dir": {"type": "path"},
}
