# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that meter_security and meter_security_info share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  clock_tolerance:
    description:
      - How many seconds the meter's clock may differ from the control node's, 60 unless given.
    type: float
  public_objects:
    description:
      - How many objects the public client may be shown, 20 unless given. It must not be able to change any.
    type: int
  records:
    description:
      - Path of the records, or a URL that begins with C(postgresql://). Without it C(~/.local/share/gridops.metering/records.sqlite3).
        Invocation counters, marks of keys and keys on their way are kept there.
    type: str
  accept:
    description:
      - Consequences you accept, by their words. C(counter_reset) takes a meter whose invocation counter went back or far ahead.
    type: list
    elements: str
    default: []
"""
