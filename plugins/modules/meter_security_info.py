# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_security_info
short_description: Read and judge the security of a DLMS/COSEM meter
version_added: 0.3.0
author:
  - The gridops.metering authors (@gridops)
description:
  - For meters of family V(mcs301). Reads the security policy, who may sign in and how, what the own client and the public client may change, whether
    image transfer is closed, and the clock, and judges them. Nothing is written to the meter.
  - With keys it signs in once with O(dlms_keys). Without keys it sees what the public client is shown, and the rest is V(unknown).
  - Other families are refused before any contact.
requirements:
  - cryptography, where it runs, if O(dlms_keys) are given
options:
  policy:
    description:
      - The least that every request and every answer should have, V(authenticated_encrypted) unless given.
    type: str
    choices: [authenticated, encrypted, authenticated_encrypted]
extends_documentation_fragment:
  - gridops.metering.connection
  - gridops.metering.security
  - gridops.metering.attributes
  - gridops.metering.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - In check mode it signs in only with keys which the records know to have worked. Otherwise, and on another host, it reads as the public client.
  diff_mode:
    support: N/A
    details: Changes nothing.
  in_process:
    support: full
notes:
  - Keys and passwords can never be read from a meter. That a key is the wanted one is known only from having used it.
seealso:
  - module: gridops.metering.meter_security
"""

EXAMPLES = r"""
- name: Read the security of a meter
  gridops.metering.meter_security_info:
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
  description: Every point that was judged, with C(id), C(state) (V(pass), V(fail) or V(unknown)), C(want), C(have), C(rule), C(text) and C(remedy).
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
  returned: always
  type: dict
associations:
  description: The meter's associations, with client and mechanism of authentication.
  returned: always
  type: list
  elements: dict
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
