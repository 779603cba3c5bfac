# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""meter_security_info in the controller's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._argspec import check_family, target_from
from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted import refuse_foreign
from ansible_collections.gridops.metering.plugins.module_utils._facts import ASK, BLOCKS
from ansible_collections.gridops.metering.plugins.module_utils._sealed import SEALED_OPTIONS
from ansible_collections.gridops.metering.plugins.module_utils._security import INFO_SPEC, info_of, secrets_of
from ansible_collections.gridops.metering.plugins.module_utils._security import check_family as check_remote
from ansible_collections.gridops.metering.plugins.module_utils._security_settings import FAMILIES, settings_info
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._dlms import dlms_ledger, facts_block, note_proven
from ansible_collections.gridops.metering.plugins.plugin_utils._security import run_security
from ansible_collections.gridops.metering.plugins.plugin_utils._security_settings import run_settings


class ActionModule(MeterAction):
    """Reads the security of one meter and judges it."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = INFO_SPEC
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = (*SEALED_OPTIONS, BLOCKS, "users", "accounts", "marks_key")

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        if check_family(params.get("family")) in FAMILIES:
            return settings_info(run_settings(params, _name(task_vars), change=False, check=self.check_mode))
        refuse_foreign(params, "mcs301")
        return info_of(run_security(params, _name(task_vars), change=False, check=self.check_mode))

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """One call on the jump host; with keys, one before it that asks for the meter's counter, for which a block is reserved here."""
        target = target_from(params, _name(task_vars))
        check_remote(target.family)
        given = {**params, "records": None}
        if not needs_counters(target.dlms) or self.check_mode:
            return super().run_delegated(given, task_vars)
        told = super().run_delegated({**given, BLOCKS: ASK}, task_vars)
        if told.get("failed"):
            return told
        ledger = dlms_ledger(params.get("records"))
        block = facts_block(ledger, target, int(told["floor"]), "counter_reset" in params["accept"])
        result = super().run_delegated({**given, BLOCKS: block}, task_vars)
        if not result.get("failed"):
            note_proven(ledger, result, target.dlms)
        return result

    def _learn_secrets(self, params: Mapping[str, Any]) -> None:
        super()._learn_secrets(params)
        for secret in secrets_of(params):
            self.redactor.add(secret)


def _name(task_vars: Mapping[str, Any]) -> str:
    return str(task_vars.get("inventory_hostname", ""))
