# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check what a repository says of meters, on the controller; nothing is contacted. Use it with ``run_once``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._check import CHECK_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._check import Checker


class ActionModule(MeterAction):
    """Collects the faults of all that was given and fails where there are any."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = CHECK_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        checker = Checker(params, task_vars)
        checker.all()
        result = checker.result()
        if params["show"]:
            for line in ("", *checker.lines(), ""):
                self._display.display(line)
        if result["faults"]:
            error = {"class": "input", "stage": "check", "reason": None, "remedy": None}
            return {**result, "failed": True, "msg": result["text"], "error": error}
        return result
