# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_records."""

from __future__ import annotations

from typing import Any

RECORDS_SPEC: dict[str, Any] = {
    "records": {"type": "str"},
    "campaign": {"type": "str"},
    "head": {"type": "str"},
    "accept": {"type": "list", "elements": "str", "default": []},
    "reason": {"type": "str"},
    "report_dir": {"type": "path"},
}
