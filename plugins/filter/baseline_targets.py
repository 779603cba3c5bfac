# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: the firmware targets of a baseline."""

from __future__ import annotations

DOCUMENTATION = r"""
name: baseline_targets
author:
  - The gridops.metering authors (@gridops)
version_added: 0.5.0
short_description: Take the firmware targets out of a baseline
description:
  - Gives the wanted version by model, in the form of the variable C(metering_targets).
  - The whole baseline is checked, and all of its faults are told with their lines. Nothing is contacted.
positional: given
options:
  _input:
    description: The baseline, a dictionary with C(firmware) among others.
    type: dict
    required: true
  given:
    description:
      - Targets that are given elsewhere. Where there are any, only these are meant, and one that contradicts the baseline is an error.
    type: dict
    default: {}
seealso:
  - plugin: gridops.metering.security_document
    plugin_type: filter
  - module: gridops.metering.meter_rollout
"""

EXAMPLES = r"""
- name: Show where the fleet shall get to
  ansible.builtin.debug:
    msg: "{{ metering_baseline | gridops.metering.baseline_targets }}"
  # PM5560: 4.4.0, ION9000: 4.0.0

- name: Only one model of it now, and what the baseline says
  ansible.builtin.debug:
    msg: "{{ metering_baseline | gridops.metering.baseline_targets({'PM5560': '4.4.0'}) }}"
"""

RETURN = r"""
_value:
  description: Version by model; for C(MCS301) a dictionary of C(version) and C(component).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.targets import Given, targets_with
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import MeteringError
from ansible_collections.gridops.metering.plugins.plugin_utils._baseline import given_targets, read_baseline


def baseline_targets(baseline: object, given: object = None) -> dict[str, Any]:
    """The targets. Raises AnsibleFilterError on bad input."""
    if given is not None and not isinstance(given, Mapping):
        raise AnsibleFilterError("gridops.metering.baseline_targets: the given targets must be a dictionary of model to version")
    try:
        found: list[Given] = given_targets("metering_targets", given or {})
        return targets_with(read_baseline(baseline), found)
    except MeteringError as error:
        raise AnsibleFilterError(f"gridops.metering.baseline_targets: {error}") from None


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"baseline_targets": baseline_targets}
