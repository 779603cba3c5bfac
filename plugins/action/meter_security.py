# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""meter_security in the controller's process, where ledger, lease and keys are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._sealed import SEALED_OPTIONS
from ansible_collections.gridops.metering.plugins.module_utils._security import (
    SECRET_OPTIONS,
    SECURITY_SPEC,
    diff_of,
    result_of,
    secrets_of,
)
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._security import run_security


class ActionModule(MeterAction):
    """Brings the security of one DLMS/COSEM meter to the wanted state."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = SECURITY_SPEC
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = (*SEALED_OPTIONS, *SECRET_OPTIONS)
    SUPPORTS_DELEGATION = False  # each key is written into the ledger between two associations

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        host = str(task_vars.get("inventory_hostname", params["host"]))
        report = run_security(params, host, change=True, check=self.check_mode)
        result = result_of(report)
        if self.diff_mode:
            result["diff"] = diff_of(report, host)
        return result

    def _learn_secrets(self, params: Mapping[str, Any]) -> None:
        super()._learn_secrets(params)
        for secret in secrets_of(params):
            self.redactor.add(secret)
