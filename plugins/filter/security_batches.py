# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: the batches of a rolling change of security."""

from __future__ import annotations

DOCUMENTATION = r"""
name: security_batches
author:
  - The gridops.metering authors (@gridops)
version_added: 0.4.0
short_description: Cut meters into batches for a rolling change of security
description:
  - Cuts meters, in their order, into batches, as the rollouts do. Meters that share a gateway or a peer group never meet in a batch.
positional: sizes, concurrency, peers
options:
  _input:
    description: The meters.
    type: list
    elements: str
    required: true
  sizes:
    description: Sizes of the batches, one after another, the last one again and again. Numbers or percentages.
    type: list
    elements: raw
    default: [1]
  concurrency:
    description: How many meters at the same time, at most 10.
    type: int
    default: 1
  peers:
    description: Gateway or peer group by meter.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: One meter first, then two at a time
  ansible.builtin.debug:
    msg: "{{ ['m1', 'm2', 'm3'] | gridops.metering.security_batches([1, 2], 2) }}"
"""

RETURN = r"""
_value:
  description: For each meter its C(host) and the number of its C(batch), in the order of the batches.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.waves import cut_batches


def security_batches(
    hosts: Sequence[str], sizes: Sequence[Any] = (1,), concurrency: int = 1, peers: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Host and number of its batch. Raises AnsibleFilterError on bad input."""
    groups = {str(host): str(group) or None for host, group in (peers or {}).items()}
    try:
        batches = cut_batches([str(host) for host in hosts], list(sizes), int(concurrency), groups)
        return [{"host": host, "batch": number} for number, batch in enumerate(batches, start=1) for host in batch]
    except (InputError, ValueError) as error:
        raise AnsibleFilterError(f"gridops.metering.security_batches: {error}") from None


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"security_batches": security_batches}
