# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of meter_report."""

from __future__ import annotations

from typing import Any

REPORT_FORMATS = ["json", "junit", "sarif", "markdown", "csv", "prometheus", "html", "evidence"]

REPORT_SPEC: dict[str, Any] = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "path"},
    "formats": {"type": "list", "elements": "str", "choices": REPORT_FORMATS, "default": REPORT_FORMATS},
    "records": {"type": "str"},
    "campaigns": {"type": "list", "elements": "str"},
}
