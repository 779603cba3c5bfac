# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts of one meter, read in the controller's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.pm5000 import parse_subsets
from ansible_collections.gridops.metering.plugins.module_utils._facts import FACTS_SPEC, gather
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._profile import lock_profile


class ActionModule(MeterAction):
    ARGUMENT_SPEC = FACTS_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return gather(self._with_profile(params), str(task_vars.get("inventory_hostname", "")))

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return super().run_delegated(self._with_profile(params), task_vars)

    def _with_profile(self, params: dict[str, Any]) -> dict[str, Any]:
        """The profiles as values: all of them for webpages, else only what maps the lock register."""
        subsets = parse_subsets(params.get("gather_subset") or ["all"])
        if "web" in subsets:
            return {**params, **{name: _whole(params.get(name)) for name in ("profile", "web_profile")}}
        return {**params, "profile": lock_profile(params.get("profile")) if "lock" in subsets else None, "web_profile": None}


def _whole(profile: Any) -> Any:
    """A profile by name or path, checked; content is passed on as it is. The schema's library loads only when it is needed."""
    if not isinstance(profile, str):
        return profile
    from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile

    return load_profile(profile)
