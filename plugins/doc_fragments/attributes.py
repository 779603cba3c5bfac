# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Attributes that the modules of the collection promise."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and then changes nothing.
  diff_mode:
    description: Shows in diff mode what would change or has changed.
  in_process:
    description:
      - Runs in the process of the controller. Delegated to a real other host it runs there as a module,
        with the Python interpreter of that host.
"""

    FACTS = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  in_process:
    support: full
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/gridops.metering.meter) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - gridops.metering.meter
"""
