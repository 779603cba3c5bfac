# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""meter_security_info in the controller's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._security import INFO_SPEC, info_of
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._security import run_security


class ActionModule(MeterAction):
    """Reads the security of one DLMS/COSEM meter and judges it."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = INFO_SPEC
    SUPPORTS_DELEGATION = False

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        host = str(task_vars.get("inventory_hostname", params["host"]))
        return info_of(run_security(params, host, change=False, check=self.check_mode))
