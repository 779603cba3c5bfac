# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_check_info
short_description: Check what a repository says of meters, without contacting anything
version_added: 0.5.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Checks the baseline, the campaign file, the targets, the manifest of the firmware packages and the variables of each meter in the inventory,
    and tells all faults at once, each with file and line where they are known.
  - It is what a pipeline does first. No meter is contacted, no record is written, and no password is needed; nothing is decrypted. A secret
    that stands in a file in clear is a warning, without its value.
  - The task fails when there are faults. Warnings tell what is odd and may yet be meant.
options:
  meters:
    description: Inventory names of the meters, those of the play unless given.
    type: list
    elements: str
  baseline:
    description: The baseline of the fleet.
    type: dict
  targets:
    description: Wanted version by model name, which must not contradict the baseline.
    type: dict
  campaign_file:
    description: A campaign file. Its meters must be in the inventory, and its targets must not contradict the baseline.
    type: path
  artifacts:
    description: Folder with the firmware packages, of which the manifest C(firmware.yml) is checked. Not looked at unless given.
    type: path
  files:
    description: Also compare each file of the packages with its hash in the manifest.
    type: bool
    default: false
  accept:
    description: Words of acknowledgement.
    type: list
    elements: str
    default: []
  gate:
    description: When a rollout stops, as for M(gridops.metering.meter_rollout_info).
    type: dict
  concurrency:
    description: How many meters may be changed at the same time.
    type: int
    default: 1
  rollout_batches:
    description: Sizes of the batches of a rollout.
    type: list
    elements: raw
    default: [1]
  hardening_batches:
    description: Sizes of the batches of a change of security.
    type: list
    elements: raw
    default: [1]
  show:
    description: Print what was checked, the faults and the warnings.
    type: bool
    default: false
extends_documentation_fragment:
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Changes nothing.
  in_process:
    support: full
    details: Runs on the controller only.
notes:
  - Every option not given to the task is taken from the variable C(metering_<option>), if that is set.
  - Use it with C(run_once). All meters of a run have one baseline.
seealso:
  - plugin: gridops.metering.baseline_targets
    plugin_type: filter
  - module: gridops.metering.meter_rollout
"""

EXAMPLES = r"""
- name: Check everything before anything is contacted
  gridops.metering.meter_check_info:
    campaign_file: campaign.yml
    show: true
  run_once: true
"""

RETURN = r"""
text:
  description: What was found, in one sentence.
  returned: always
  type: str
checked:
  description: What was looked at, such as C(baseline), C(campaign), C(artifacts), C(inventory).
  returned: always
  type: list
  elements: str
faults:
  description: Each fault with C(option), C(text), C(file) and C(line); the last two are empty and 0 where core does not tell.
  returned: always
  type: list
  elements: dict
notices:
  description: What is odd and may be meant, in the same form.
  returned: always
  type: list
  elements: dict
baseline:
  description: C(id), C(version), C(owner) and C(valid_until) of the baseline where they are given, and its C(digest).
  returned: when there is a baseline without faults
  type: dict
targets:
  description: The targets of a rollout by model.
  returned: when they could be told
  type: dict
meters:
  description: How many meters were looked at.
  returned: always
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._check import CHECK_SPEC
from ..module_utils._front import controller_only


def main() -> None:
    controller_only(AnsibleModule(argument_spec=CHECK_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
