# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_rollout and meter_rollout_info."""

from __future__ import annotations

from typing import Any

ROLLOUT_SPEC: dict[str, Any] = {
    "campaign": {"type": "str", "required": True},
    "targets": {"type": "dict"},
    "baseline": {"type": "dict"},
    "artifacts": {"type": "path", "required": True},
    "meters": {"type": "dict"},
    "batches": {"type": "list", "elements": "raw", "default": [1]},
    "concurrency": {"type": "int", "default": 1},
    "accept": {"type": "list", "elements": "str", "default": []},
    "strict_matrix": {"type": "bool", "default": False},
    "gate": {"type": "dict"},
    "harden_after_upgrade": {"type": "bool", "default": False},
    "campaign_file": {"type": "path"},
    "plan_file": {"type": "path"},
    "plan_digest": {"type": "str"},
    "records_head": {"type": "str"},
    "register": {"type": "bool", "default": False},
    "show": {"type": "bool", "default": False},
    "records": {"type": "str"},
    "report_dir": {"type": "path"},
}

ROLLOUT_INFO_SPEC: dict[str, Any] = {
    "campaign": {"type": "str", "required": True},
    "gate": {"type": "dict"},
    "batch": {"type": "list", "elements": "str", "default": []},
    "tried": {"type": "list", "elements": "str", "default": []},
    "results": {"type": "dict"},
    "hardened": {"type": "dict"},
    "plan": {"type": "dict"},
    "meters": {"type": "dict"},
    "method": {"type": "str"},
    "step": {"type": "str", "choices": ["before", "retries", "after", "soaked"], "default": "after"},
    "stopped": {"type": "dict"},
    "final": {"type": "bool", "default": False},
    "show": {"type": "bool", "default": False},
    "records": {"type": "str"},
    "report_dir": {"type": "path"},
}
