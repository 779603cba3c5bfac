# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_audit_info."""

from __future__ import annotations

from typing import Any

from ._argspec import merge_specs
from ._engine.reporting.document import VERDICTS
from ._facts import FLEET_SPEC

_NOT = ("gather_subset", "profile", "max_error_share", "sealed")
#: What one pass takes of the options of meter_fleet_info.
READ_SPEC: dict[str, Any] = {name: spec for name, spec in FLEET_SPEC.items() if name not in _NOT}

AUDIT_SPEC: dict[str, Any] = merge_specs(
    READ_SPEC,
    {
        "baseline": {"type": "dict", "required": True},
        "looked": {"type": "dict"},
        "src": {"type": "path"},
        "dest": {"type": "path"},
        "fail_on": {"type": "list", "elements": "str", "choices": list(VERDICTS), "default": ["drift", "blocked", "unknown"]},
    },
)
