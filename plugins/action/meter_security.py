# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""meter_security in the controller's process, where ledger, lease and keys are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._argspec import check_family
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import refuse_foreign
from ansible_collections.gridops.metering.plugins.module_utils._sealed import SEALED_OPTIONS
from ansible_collections.gridops.metering.plugins.module_utils._security import (
    SECRET_OPTIONS,
    SECURITY_SPEC,
    diff_of,
    result_of,
    secrets_of,
)
from ansible_collections.gridops.metering.plugins.module_utils._security_settings import FAMILIES, settings_diff, settings_result
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._security import run_security
from ansible_collections.gridops.metering.plugins.plugin_utils._security_settings import run_settings


class ActionModule(MeterAction):
    """Brings the security of one meter to the wanted state."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = SECURITY_SPEC
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = (*SEALED_OPTIONS, *SECRET_OPTIONS)
    SUPPORTS_DELEGATION = False  # each key and password is written into the ledger between two steps

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        host = str(task_vars.get("inventory_hostname", params["host"]))
        if check_family(params.get("family")) in FAMILIES:
            settings = run_settings(params, host, change=True, check=self.check_mode)
            told = settings_result(settings)
            if self.diff_mode:
                told["diff"] = settings_diff(settings, host)
            return told
        refuse_foreign(params, "mcs301")
        report = run_security(params, host, change=True, check=self.check_mode)
        result = result_of(report)
        if self.diff_mode:
            result["diff"] = diff_of(report, host)
        return result

    def _learn_secrets(self, params: Mapping[str, Any]) -> None:
        super()._learn_secrets(params)
        for secret in secrets_of(params):
            self.redactor.add(secret)
