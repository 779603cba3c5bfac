# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: the documented upgrade path of a meter."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_path
author:
  - The gridops.metering authors (@gridops)
version_added: 0.1.0
short_description: Find the documented upgrade path of a meter
description:
  - Says by which methods a meter of this model can go from its present firmware version to a target, or why it cannot.
  - The path is found by a search over the published upgrade matrix, fewest hops first, then the highest intermediate version.
  - Nothing is contacted. A malformed version, an unknown model or a wrong option is an error, a path that does not exist is a result.
positional: source, target, available, strict_matrix, allow_downgrade
options:
  _input:
    description:
      - Model or catalogue number, such as V(PM5560) or V(METSEPM5560). Case and spaces do not matter.
    type: str
    required: true
  source:
    description:
      - Present firmware version, such as V(2.3.1), V(v4.3.5) or V(V003.000.000). For an MCS301, its firmware identifier as text.
    type: str
    required: true
  target:
    description:
      - Wanted firmware version, written like O(source).
    type: str
    required: true
  available:
    description:
      - Versions there are packages of. When the list is not empty, intermediate versions must be in it; the target need not be.
      - When it is empty, a hop to an intermediate version has no RV(_value.hops[].target) but the range of versions that will do.
    type: list
    elements: str
    default: []
  strict_matrix:
    description:
      - Accept only the source versions that the published matrix names literally, not the rest of the same band.
    type: bool
    default: false
  allow_downgrade:
    description:
      - Allow a lower target inside a band of the FTP method. Other ways down do not exist.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show how a meter would be upgraded
  ansible.builtin.debug:
    msg: "{{ 'PM5560' | gridops.metering.upgrade_path('2.3.1', '4.3.5', available=['2.8.3', '4.3.5']) }}"
  # supported: true, hops: ftp to 2.8.3 (row A-1), then tool to 4.3.5 (row A-2)

- name: Stop where no document names a way
  ansible.builtin.assert:
    that: path.supported
    fail_msg: "{{ path.reason }}: {{ path.remedy }}"
  vars:
    path: "{{ meter.model | gridops.metering.upgrade_path(meter.firmware.version, '6.1.0') }}"
"""

RETURN = r"""
_value:
  description: The path, or why there is none.
  type: dict
  contains:
    supported:
      description: Whether there is a documented path. True without hops when the meter already runs the target.
      type: bool
    reason:
      description: Reason code of the refusal; empty when supported.
      type: str
      sample: path_not_supported
    remedy:
      description: What to do about the refusal; empty when supported.
      type: str
    hops:
      description: The steps in order.
      type: list
      elements: dict
      contains:
        row:
          description: Row of the upgrade matrix.
          type: str
          sample: A-1
        method:
          description: How the hop is done, one of V(ftp), V(tool), V(web), V(ion), V(dlms).
          type: str
        source:
          description: Version the hop starts from; null after an intermediate that is not chosen yet.
          type: str
        target:
          description: Version the hop leads to; null where any version of RV(_value.hops[].target_range) will do.
          type: str
        target_range:
          description:
            - Versions this hop may lead to, as V(min) and V(max), both included; null where there is no bound.
            - A V(max) such as V(3.x) means everything below 4.0.0.
          type: dict
        reversible:
          description: False where there is no way back, true where there is one, null where the documents do not say.
          type: bool
        attempts_limit:
          description: How many upgrades the meter allows in its life at this version; null where none is documented.
          type: int
        notes:
          description: What a person should know about the hop.
          type: list
          elements: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import MCS301, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import Hop, identifier, plan_path


def upgrade_path(
    model: object, source: object, target: object, available: object = (), strict_matrix: object = False, allow_downgrade: object = False
) -> dict[str, Any]:
    """The path as plain values. Raises AnsibleFilterError on bad input."""
    try:
        found = find_model(model)
        parse = identifier if found.family == MCS301 else Version.parse
        if not isinstance(available, (list, tuple)):
            raise InputError("available", available, "a list of versions", "R-036")
        on_offer = [parse(item, f"available[{index}]") for index, item in enumerate(available)]
        result = plan_path(
            found,
            parse(source, "source"),
            parse(target, "target"),
            [item for item in on_offer if isinstance(item, Version)],
            strict_matrix=_flag("strict_matrix", strict_matrix),
            allow_downgrade=_flag("allow_downgrade", allow_downgrade),
        )
    except InputError as error:
        raise AnsibleFilterError(f"gridops.metering.upgrade_path: {error}") from None
    return {
        "supported": result.supported,
        "reason": result.reason,
        "remedy": reasons.remedy(result.reason),
        "hops": [_plain(hop) for hop in result.hops],
    }


def _flag(option: str, value: object) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise InputError(option, value, "true or false", "G-01" if option == "strict_matrix" else "G-10") from None


def _plain(hop: Hop) -> dict[str, Any]:
    return {
        "row": hop.row,
        "method": hop.method,
        "source": None if hop.source is None else str(hop.source),
        "target": None if hop.target is None else str(hop.target),
        "target_range": {"min": hop.target_range.first_text, "max": hop.target_range.last_text},
        "reversible": hop.reversible,
        "attempts_limit": hop.attempts_limit,
        "notes": list(hop.notes),
    }


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"upgrade_path": upgrade_path}
