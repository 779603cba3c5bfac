# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts of one meter, read in the controller's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.families import parse_subsets, subsets_of
from ansible_collections.gridops.metering.plugins.module_utils._facts import ASK, BLOCKS, FACTS_SPEC, PROFILED, accepts_reset, gather
from ansible_collections.gridops.metering.plugins.module_utils._sealed import SEALED_OPTIONS
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._dlms import dlms_ledger, facts_block, note_proven
from ansible_collections.gridops.metering.plugins.plugin_utils._profile import register_profile


class ActionModule(MeterAction):
    ARGUMENT_SPEC = FACTS_SPEC
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = (*SEALED_OPTIONS, BLOCKS)

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        name = _name(task_vars)
        result = gather(self._with_profile(params), name, lambda: dlms_ledger(params.get("records")))
        return self._noted(result, target_from(params, name), params)

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        given = {**self._with_profile(params), "records": None}
        target = target_from(params, _name(task_vars))
        if not needs_counters(target.dlms):
            return super().run_delegated(given, task_vars)
        told = super().run_delegated({**given, BLOCKS: ASK}, task_vars)
        if told.get("failed"):
            return told
        block = facts_block(dlms_ledger(params.get("records")), target, int(told["floor"]), accepts_reset(params))
        return self._noted(super().run_delegated({**given, BLOCKS: block}, task_vars), target, params)

    def _noted(self, result: dict[str, Any], target: Target, params: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the marks of keys that have just been proven."""
        facts = result.get("ansible_facts", {}).get("meter")
        if facts and not self.check_mode and needs_counters(target.dlms):
            note_proven(dlms_ledger(params.get("records")), facts, target.dlms)
        return result

    def _with_profile(self, params: dict[str, Any]) -> dict[str, Any]:
        """The profiles as values: all of them for webpages, else only the registers of the one that is used."""
        family = params.get("family") or "pm5000"
        subsets = subsets_of(family, parse_subsets(params.get("gather_subset") or ["all"]))
        if "web" in subsets:
            return {**params, "security_profile": None, **{name: _whole(params.get(name)) for name in ("profile", "web_profile")}}
        used = (params.get("security_profile") if family == "hep" else None) or params.get("profile")
        profile = register_profile(used) if subsets & PROFILED else None
        return {**params, "profile": profile, "web_profile": None, "security_profile": None}


def _name(task_vars: Mapping[str, Any]) -> str:
    return str(task_vars.get("inventory_hostname", ""))


def _whole(profile: Any) -> Any:
    """A profile by name or path, checked; content is passed on as it is. The schema's library loads only when it is needed."""
    if not isinstance(profile, str):
        return profile
    from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile

    return load_profile(profile)
