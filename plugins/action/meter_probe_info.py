# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which assumptions hold on a real meter, looked at from the controller's process; the report is written here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._probe import PROBE_SPEC, report_lines, run_probe
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_json, write_text


class ActionModule(MeterAction):
    ARGUMENT_SPEC = PROBE_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        name = str(task_vars.get("inventory_hostname", ""))
        return self._written(run_probe(_with_profile(params), name), params, name)

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        answer = super().run_delegated(_with_profile({**params, "report_dir": None}), task_vars)
        return self._written(answer, params, str(task_vars.get("inventory_hostname", "")))

    def _written(self, result: dict[str, Any], params: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The result with the names of the report's files in place of the report."""
        report = self.redactor.clean(result.pop("report", None))
        folder = params.get("report_dir")
        result["report_files"] = []
        if report and folder and not self.check_mode:
            stem = "probe-" + re.sub(r"[^\w.-]+", "_", name)[:100]
            write_json(Path(folder), f"{stem}.json", report)
            write_text(Path(folder), f"{stem}.md", report_lines(report))
            result["report_files"] = [str(Path(folder) / f"{stem}.{kind}") for kind in ("md", "json")]
        return result


def _with_profile(params: dict[str, Any]) -> dict[str, Any]:
    profile = params.get("profile")
    return {**params, "profile": load_profile(profile) if isinstance(profile, str) else profile}
