# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: a firmware version in its canonical spelling."""

from __future__ import annotations

DOCUMENTATION = r"""
name: firmware_version
author:
  - The gridops.metering authors (@gridops)
version_added: 0.1.0
short_description: Write a firmware version in its canonical spelling
description:
  - Turns the spellings of a meter's firmware version into one, so that they can be compared for equality.
  - To compare which is higher, use P(ansible.builtin.version#test) on the result, and only for versions of the same model.
options:
  _input:
    description:
      - Firmware version of three numbers, such as V(2.9.9), V(v4.3.5), V(V003.000.000) or V(003.000.000).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Compare a device's spelling with a wanted version
  ansible.builtin.debug:
    msg: "{{ 'V003.000.000' | gridops.metering.firmware_version == '3.0.0' }}"
"""

RETURN = r"""
_value:
  description: The same version as three numbers with dots.
  type: str
  sample: 3.0.0
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version


def firmware_version(text: object) -> str:
    """Canonical text. Raises AnsibleFilterError on bad input."""
    try:
        return str(Version.parse(text))
    except InputError as error:
        raise AnsibleFilterError(f"gridops.metering.firmware_version: {error}") from None


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {"firmware_version": firmware_version}
