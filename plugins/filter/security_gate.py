# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: whether a rolling change of security may go on."""

from __future__ import annotations

DOCUMENTATION = r"""
name: security_gate
author:
  - The gridops.metering authors (@gridops)
version_added: 0.4.0
short_description: Judge whether a rolling change of security may go on
description:
  - The gate of the rollouts, over the outcomes of M(gridops.metering.meter_security) of all meters so far.
  - Unless told otherwise it stops at the first account that is locked, at the first password or port of which nobody knows whether it holds, and at
    the first refused login.
positional: batch, gate
options:
  _input:
    description: Outcome and reason by meter, of all meters so far.
    type: dict
    required: true
  batch:
    description: The meters of the batch that has just ended.
    type: list
    elements: str
    required: true
  gate:
    description: When to stop, as for the option C(gate) of M(gridops.metering.meter_rollout_info).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Stop where the first meter failed
  ansible.builtin.debug:
    msg: "{{ {'m1': {'outcome': 'failed', 'reason': 'locked_out'}} | gridops.metering.security_gate(['m1']) }}"
"""

RETURN = r"""
_value:
  description: C(action) (V(advance), V(pause) or V(abort)), C(stop), C(text) and the numbers C(good), C(bad) and C(judged).
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.rolling import verdict


def security_gate(outcomes: object, batch: Sequence[str], gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The verdict. Raises AnsibleFilterError on bad input."""
    if not isinstance(outcomes, Mapping):
        raise AnsibleFilterError("gridops.metering.security_gate: the outcomes must be a dictionary of meter to outcome and reason")
    try:
        return verdict(outcomes, [str(host) for host in batch], gate)
    except InputError as error:
        raise AnsibleFilterError(f"gridops.metering.security_gate: {error}") from None


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"security_gate": security_gate}
