# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_probe_info
short_description: Check on a real meter which assumptions about it hold
version_added: 0.2.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Much of what is known about PM5000 and HEP meters comes from related products or from a profile. This module looks at a real meter and
    tells for each such assumption whether it holds, and what was seen. Nothing is written to the meter.
  - It reads registers and the Modbus device identification, connects to the ports, asks the web server for C(/) and for the pages that the
    profile names without signing in, reads the greeting of the FTP server, and looks at the certificate.
  - The page that starts an upgrade is never asked for, nor the register that hands out the command semaphore, nor registers that may hold
    pass codes. A profile that names the starting page as one to be read is refused before any contact.
  - Of an upload or confirmation in the profile nothing is requested.
  - For family V(hep) (since 0.4.0) it reads the public registers and those that the profile names, the device identification, ports,
    certificate and the redirect to HTTPS. It never signs in there, and no byte reaches an ION port.
  - Only for families V(pm5000) and V(hep); others are refused before any contact. What a DLMS meter shows is read by
    M(gridops.metering.meter_facts).
requirements:
  - pymodbus >= 3.8, where it runs
options:
  profile:
    description:
      - Name or path of a profile whose pages are looked at. It is read on the controller. Its content can be given as well.
    type: raw
  check_login:
    description:
      - Whether to sign in once by the profile, with O(credentials), and to read the role, the status page and the settings. A wrong password
        then counts on the meter. Only for family V(pm5000).
    type: bool
    default: false
  mask:
    description:
      - Whether serial number, name, addresses and certificate fingerprint of the meter are left out of the report.
        What the task returns is not masked.
    type: bool
    default: true
  report_dir:
    description:
      - Folder on the controller for the report, as Markdown and as JSON. Without it no file is written, nor in check mode.
    type: path
extends_documentation_fragment:
  - gridops.metering.connection
  - gridops.metering.attributes
  - gridops.metering.attributes.facts
  - gridops.metering.attributes.action_group
notes:
  - A finding is not a judgement of the meter. An open port is not the same as an enabled setting, and a register that holds a number may mean
    something else by it.
seealso:
  - module: gridops.metering.meter_facts
  - module: gridops.metering.profile_from_har
"""

EXAMPLES = r"""
- name: See which assumptions hold, with a report that can be sent away
  gridops.metering.meter_probe_info:
    report_dir: "{{ playbook_dir }}/probes"

- name: Check a captured profile, signing in once
  gridops.metering.meter_probe_info:
    profile: "{{ playbook_dir }}/profiles/plant-7.yml"
    check_login: true
"""

RETURN = r"""
assumptions:
  description: Each assumption with its finding.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Name of the assumption; it does not change between releases.
      type: str
      sample: register.firmware
    text:
      description: The assumption.
      type: str
    source:
      description: Where it comes from.
      type: str
    confidence:
      description: V(doc), V(code) (seen in other software), V(sibling) (of a related product), V(inferred), V(unknown) or V(profile).
      type: str
    holds:
      description: V(yes), V(no) or V(unknown).
      type: str
    seen:
      description: What was seen.
      type: str
summary:
  description: Number of assumptions by C(holds).
  returned: success
  type: dict
  sample: {"yes": 37, "no": 1, "unknown": 6}
report_files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
error:
  description: What went wrong, with C(class), C(stage), C(reason) and C(remedy).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import run_module
from ..module_utils._probe import PROBE_SPEC, run_probe


def main() -> None:
    module = AnsibleModule(argument_spec=PROBE_SPEC, supports_check_mode=True)
    run_module(module, lambda params: run_probe(params, str(params.get("host"))))


if __name__ == "__main__":
    main()
