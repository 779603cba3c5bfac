# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_fleet_info
short_description: Read a whole fleet of meters in one pass
version_added: 0.1.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Reads many meters at the same time, in one task and one process. Ten thousand meters cost seconds of computing time.
  - Meters of all families are read in the same pass, DLMS meters in threads of their own.
  - Use it with C(run_once). It never fails because of one meter; each has a result of its own.
requirements:
  - pymodbus >= 3.8, where it runs
  - cryptography, where it runs, for associations with keys
options:
  meters:
    description:
      - The meters to read. An inventory name takes address, family, unit id, ports, time limits, gateway, association, keys and
        attestations from that host's variables, as M(gridops.metering.meter_facts) does.
      - A dictionary with C(name) and C(host), and if needed C(family), C(unit_id), C(ports), C(timeouts), C(gateway), C(attest),
        C(profile), C(dlms), C(dlms_keys), stands for itself.
      - Without it the hosts of the play.
    type: list
    elements: raw
  gather_subset:
    description:
      - What to read, as for M(gridops.metering.meter_facts). Without it V(min), that is two requests per meter.
    type: list
    elements: str
  profile:
    description:
      - Name, path or content of a profile for all meters; without it each host's C(metering_profile), or of family V(hep) its
        C(metering_security_profile) where there is one. Only its registers are used, by the subsets V(lock), V(security) and V(energies).
    type: raw
  records:
    description:
      - Records that keep the invocation counters of DLMS meters, as for M(gridops.metering.meter_facts).
        Without it the variable C(metering_records), then the usual place.
    type: str
    version_added: 0.3.0
  concurrency:
    description:
      - Number of meters that are read at the same time. At most 256 DLMS meters are.
    type: int
    default: 200
  per_gateway:
    description:
      - Number of meters behind one gateway that are read at the same time. Meters that share an address and port count as one gateway.
    type: int
    default: 1
  deadline:
    description:
      - Seconds after which one try to read a meter is given up.
    type: float
    default: 30.0
  retries:
    description:
      - Number of further tries, 0 or 1, for a meter that could not be reached in the first one.
    type: int
    default: 1
  max_error_share:
    description:
      - Share of meters, 0 to 1, that may be unreadable before the task fails. The results are returned all the same.
    type: float
    default: 1.0
  sealed:
    description:
      - Used by the collection itself, to hand secrets to a jump host as one opaque value. Do not set it.
    type: str
    version_added: 0.3.0
extends_documentation_fragment:
  - gridops.metering.attributes
  - gridops.metering.attributes.facts
  - gridops.metering.attributes.action_group
notes:
  - The variables C(metering_<option>) of the hosts tell how to reach each meter. They do not set options of this module, except C(records).
seealso:
  - module: gridops.metering.meter_facts
"""

EXAMPLES = r"""
- name: Read the whole fleet
  gridops.metering.meter_fleet_info:
  run_once: true
  register: fleet

- name: Show what could not be read
  ansible.builtin.debug:
    msg: "{{ fleet.totals }}"
  run_once: true

- name: Read some meters that are not in the inventory, with the lock
  gridops.metering.meter_fleet_info:
    meters:
      - {name: panel-1, host: 192.0.2.10}
      - {name: panel-2, host: 192.0.2.11, gateway: line-4}
    gather_subset: [min, lock]
    max_error_share: 0.1
  run_once: true
"""

RETURN = r"""
meters:
  description: For each meter, by name, what it told or why it could not be read.
  returned: always
  type: dict
  contains:
    ok:
      description: Whether the meter could be read.
      type: bool
    facts:
      description: The facts as M(gridops.metering.meter_facts) returns them, where C(ok) is true.
      type: dict
    msg:
      description: What went wrong, where C(ok) is false.
      type: str
    error:
      description: The same as C(class), C(stage), C(reason) and C(remedy).
      type: dict
totals:
  description: Number of C(meters), of those C(ok) and in C(error), and the number of errors by C(reasons).
  returned: always
  type: dict
  sample: {meters: 3, ok: 2, error: 1, reasons: {transport_failed: 1}}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._facts import FLEET_SPEC, gather_fleet
from ..module_utils._front import run_module


def main() -> None:
    module = AnsibleModule(argument_spec=FLEET_SPEC, supports_check_mode=True)
    run_module(module, gather_fleet)


if __name__ == "__main__":
    main()
