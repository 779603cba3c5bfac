# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_security_info
short_description: Read and judge the security of a meter
version_added: 0.3.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Compares a meter with a baseline and changes nothing. The options that describe the baseline are those of M(gridops.metering.meter_security).
  - HEP and PM5000 meters (since 0.4.0) are read by the way that a profile describes, and without one from outside only (ports, redirect). What
    is not seen is V(unknown), never V(pass).
  - On meters of family V(mcs301) it reads the security policy, who may sign in and how, what the own client and the public client may change, whether
    image transfer is closed, and the clock, and judges them. Nothing is written to the meter.
  - With keys it signs in once with O(dlms_keys). Without keys it sees what the public client is shown, and the rest is V(unknown).
requirements:
  - requests, jmespath, jsonschema and pymodbus, on the control node, for families V(hep) and V(pm5000)
  - cryptography, where it runs, if O(dlms_keys) are given
options:
  policy:
    description:
      - The least that every request and every answer should have, V(authenticated_encrypted) unless given.
    type: str
    choices: [authenticated, encrypted, authenticated_encrypted]
extends_documentation_fragment:
  - gridops.metering.connection
  - gridops.metering.connection.attest
  - gridops.metering.security
  - gridops.metering.attributes
  - gridops.metering.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - In check mode it signs in only with keys or passwords which the records know to have worked. Otherwise it reads what is shown without.
      - On another host it reads meters of family V(mcs301) only.
  diff_mode:
    support: N/A
    details: Changes nothing.
  in_process:
    support: full
notes:
  - Keys and passwords can never be read from a meter. That one of them is the wanted one is known only from having used it.
seealso:
  - module: gridops.metering.meter_security
"""

EXAMPLES = r"""
- name: Read the security of a meter
  gridops.metering.meter_security_info:
  register: found

- name: Compare a HEP meter with a baseline
  gridops.metering.meter_security_info:
    family: hep
    security_profile: site-ion9000.yml
    mode: advanced
    web: {protocol: https}
    services: {ssh: false, telnet: false}
    unsupported: leave
  register: found

- name: Show what should be looked at
  ansible.builtin.debug:
    msg: "{{ found.findings }}"
"""

RETURN = r"""
text:
  description: What was found, in one sentence.
  returned: always
  type: str
serial:
  description: Serial number of the meter.
  returned: always
  type: str
controls:
  description: Every point that was judged, with C(id), C(state) (V(pass), V(fail), V(unknown), V(not_applicable),
    V(waived) or V(attested)), C(evidence), C(want), C(have), C(rule), C(text) and C(remedy).
  returned: always
  type: list
  elements: dict
summary:
  description: Number of controls by state.
  returned: always
  type: dict
findings:
  description: Controls that fail or are unknown, with the options of M(gridops.metering.meter_security) that would change them.
  returned: always
  type: list
  elements: dict
rights:
  description: Objects that the own client and the public client may change, with writable attributes and methods.
  returned: for family mcs301
  type: dict
associations:
  description: The meter's associations, with client and mechanism of authentication.
  returned: for family mcs301
  type: list
  elements: dict
model:
  description: Model of the meter.
  returned: for families hep and pm5000
  type: str
channel:
  description: The way that was used, V(profile), V(registers) or V(handover).
  returned: for families hep and pm5000
  type: str
mode:
  description: Security mode, V(unknown) where nothing tells it.
  returned: for families hep and pm5000
  type: str
settings:
  description: The settings that were seen, by flat name.
  returned: for families hep and pm5000
  type: dict
provenance:
  description: Where each of them was seen.
  returned: for families hep and pm5000
  type: dict
users:
  description: Users with their permissions, or accounts with their group; null where they are not shown.
  returned: for families hep and pm5000
  type: list
  elements: dict
ports:
  description: Ports that were probed, V(open), V(closed), V(filtered) or V(unknown).
  returned: for families hep and pm5000
  type: dict
diagnosis:
  description: What to do when nobody gets in, in order. Each line has C(rule), C(symptom), C(steps) and C(next).
  returned: when a login failed, or O(diagnose) is given
  type: list
  elements: dict
events:
  description: The newest entries of the meter's event log, newest first, with C(time), C(priority), C(user) and C(text), where the profile names it.
  returned: when there are any
  type: list
  elements: dict
export_file:
  description: The file that O(export) wrote, or the one that says the same already.
  returned: with O(export)
  type: str
retry_after:
  description: Seconds before which nothing signs in.
  returned: when an account is locked or a password held back
  type: int
unread:
  description: What could not be read, with the reason.
  returned: always
  type: dict
error:
  description: What went wrong, with C(class), C(stage), C(reason) and C(remedy).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import run_module
from ..module_utils._security import INFO_SPEC
from ..module_utils._security_remote import remote_info


def main() -> None:
    module = AnsibleModule(argument_spec=INFO_SPEC, supports_check_mode=True)
    run_module(module, lambda params: remote_info(params, bool(module.check_mode)))


if __name__ == "__main__":
    main()
