# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: what a baseline says of one meter."""

from __future__ import annotations

DOCUMENTATION = r"""
name: security_document
author:
  - The gridops.metering authors (@gridops)
version_added: 0.4.0
short_description: Take from a baseline what it says of one meter
description:
  - Merges the parts of a baseline that are for all meters, for this family, this generation of its firmware and this model, the narrower
    one going before the wider one, and adds the passwords and waivers of this meter.
  - The result holds options of M(gridops.metering.meter_security). All of it is checked; nothing is contacted.
positional: host, family, facts, passwords
options:
  _input:
    description: The baseline, a dictionary with C(profile), C(security) and C(waivers) among others.
    type: dict
    required: true
  host:
    description: Inventory name of the meter, for waivers that are for some meters only.
    type: str
    required: true
  family:
    description: Family of the meter.
    type: str
    required: true
  facts:
    description:
      - What was read of the meter, as M(gridops.metering.meter_facts) tells it. Model and firmware version say which generation it is of.
      - Without it only what holds for all generations is taken, and the parts of all of them are checked.
    type: dict
    default: {}
  passwords:
    description: Passwords by user or account group, from your vault.
    type: dict
    default: {}
seealso:
  - plugin: gridops.metering.meter_password
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: What the baseline wants of this meter
  ansible.builtin.debug:
    msg: "{{ metering_baseline | gridops.metering.security_document(inventory_hostname, 'hep', ansible_facts.meter) }}"
"""

RETURN = r"""
_value:
  description: Options of M(gridops.metering.meter_security).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.baseline import document, generation_of, model_of
from ansible_collections.gridops.metering.plugins.plugin_utils._baseline import read_baseline


def security_document(
    baseline: object,
    host: str,
    family: str = "pm5000",
    facts: Mapping[str, Any] | None = None,
    passwords: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The options. Raises AnsibleFilterError on bad input, without showing a password."""
    if not isinstance(baseline, Mapping):
        raise AnsibleFilterError("gridops.metering.security_document: the baseline must be a dictionary")
    if passwords is not None and not isinstance(passwords, Mapping):
        raise AnsibleFilterError("gridops.metering.security_document: passwords must be a dictionary of user or group to password")
    try:
        return document(baseline, str(host), str(family), generation_of(facts or {}), passwords, model=model_of(facts or {}))
    except InputError as error:
        raise AnsibleFilterError(f"gridops.metering.security_document: {_with_lines(baseline, error)}") from None


def _with_lines(baseline: Mapping[Any, Any], error: InputError) -> InputError:
    """All faults of the whole baseline with their lines, where it has any by itself."""
    try:
        read_baseline(baseline)
    except InputError as faults:
        return faults
    return error


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"security_document": security_document}
