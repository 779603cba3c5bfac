# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_rollout
short_description: Plan a rollout of firmware over many meters
version_added: 0.1.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Makes one plan for many meters, from what was read of them, the wanted versions and the packages in the artifact folder.
    For each meter it holds the documented way, the words that O(accept) needs, the attempts left and the batch.
  - Without O(meters) it only checks the options and the manifest, so that bad input is found before any meter is contacted.
  - With O(register) it writes into the records who is planned, so that the outcomes can be added up later.
  - Contacts no meter. Use it with C(run_once).
options:
  campaign:
    description: Name under which outcomes are collected.
    type: str
    required: true
  targets:
    description:
      - Wanted version by model name, such as C(PM5560) and V(2.9.9). A meter's own variable C(metering_version) comes first.
      - For C(MCS301) the identifier, or a dictionary of C(version) and C(component). The variable C(metering_component) comes first.
    type: dict
  baseline:
    description:
      - The baseline of the fleet. Where neither O(targets) nor a campaign file has any, its targets are those of the rollout, for the meters that
        it is for.
      - Targets that are given may be fewer than those of the baseline. One that contradicts it is refused with both places, also the variable
        C(metering_version) of a meter, unless a waiver of C(firmware_target) is for that meter.
    type: dict
    version_added: 0.5.0
  artifacts:
    description: Folder with the firmware packages and their manifest C(firmware.yml).
    type: path
    required: true
  meters:
    description: The RV(gridops.metering.meter_fleet_info#module:meters) of M(gridops.metering.meter_fleet_info).
    type: dict
  batches:
    description:
      - Sizes of the batches, one after another, the last one again and again. Numbers, or percentages of the meters to upgrade.
      - A number above O(concurrency) is refused; a percentage never becomes more than O(concurrency).
      - Meters with the same C(metering_gateway) or C(metering_peer_group) never share a batch.
    type: list
    elements: raw
    default: [1]
  concurrency:
    description:
      - How many meters may be upgraded at the same time. The documents give no number for the method C(ftp), so this is 1 unless an operator
        raises it, and at most 10.
    type: int
    default: 1
  accept:
    description: Words accepted for meters that have no C(metering_accept) of their own.
    type: list
    elements: str
    default: []
  strict_matrix:
    description: Take the source versions of the matrix literally.
    type: bool
    default: false
  gate:
    description: The gate of the rollout, as for M(gridops.metering.meter_rollout_info). Only checked here.
    type: dict
  harden_after_upgrade:
    description:
      - Whether meters whose users or security mode the upgrade changes, or may change, are brought to O(baseline) in the same campaign, before the gate judges.
      - The plan keeps it, and by which baseline, so that it is part of what is reviewed.
    type: bool
    default: false
    version_added: 0.5.0
  campaign_file:
    description:
      - A campaign file in YAML, with the reason, targets, waves, windows, gates and topology groups. What it says goes before the options.
    type: path
    version_added: 0.2.0
  plan_file:
    description:
      - A C(plan.json) that was reviewed. Nothing is planned anew; a meter that is not as the plan says gets the reason C(plan_stale).
    type: path
    version_added: 0.2.0
  plan_digest:
    description: The C(digest) that the plan in O(plan_file) must have.
    type: str
    version_added: 0.2.0
  records_head:
    description:
      - A journal head of this campaign that was noted down earlier. Records that do not hold it any more are older than that, and are refused.
    type: str
    version_added: 0.2.0
  register:
    description:
      - Write the planned meters into the records, with the outcome of those that need no upgrade or cannot have one. Does nothing in check mode.
      - This is bookkeeping on the controller and no change of a meter, so the task does not report a change.
    type: bool
    default: false
  show:
    description: Print the plan as a table.
    type: bool
    default: false
  records:
    description: Path or PostgreSQL URL of the records. Without it C(~/.local/share/gridops.metering/records.sqlite3).
    type: str
  report_dir:
    description:
      - Folder on the controller for C(facts.json), C(plan.json) and C(plan.md), made when it is missing. Nothing is written without it, nor in check mode.
    type: path
extends_documentation_fragment:
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The plan itself is the difference.
  in_process:
    support: full
    details: Runs on the controller only.
notes:
  - Every option not given to the task is taken from the variable C(metering_<option>), if that is set.
seealso:
  - module: gridops.metering.meter_fleet_info
  - module: gridops.metering.meter_rollout_info
"""

EXAMPLES = r"""
- name: Read the fleet
  gridops.metering.meter_fleet_info:
    concurrency: 200
  run_once: true
  register: fleet

- name: Plan the rollout and print it
  gridops.metering.meter_rollout:
    campaign: spring
    targets: {PM5560: 2.9.9, PM5650: 2.12.3}
    artifacts: /srv/firmware
    meters: "{{ fleet.meters }}"
    batches: [1, 5, 10]
    concurrency: 10
    show: true
  run_once: true
  register: rollout
"""

RETURN = r"""
plan:
  description:
    - The plan document with C(meters), C(waves), C(passes), C(batches), C(needed_accept), C(missing_accept), C(counts), C(estimate),
      C(retries), C(deadlines), the C(campaign) file and its C(digest).
  returned: when O(meters) is given
  type: dict
table:
  description: One entry for each meter, with at least ip, current version, product name and status.
  returned: when O(meters) is given
  type: list
  elements: dict
markdown:
  description: The same as lines of a Markdown table.
  returned: when O(meters) is given
  type: list
  elements: str
text:
  description: The plan in one sentence.
  returned: when O(meters) is given
  type: str
harden:
  description: The meters that are hardened after their upgrade.
  returned: when O(meters) is given
  type: list
  elements: str
groups:
  description: For each meter to upgrade and each method it needs, in the order of the rollout, its C(host) and the C(groups) of its batch.
  returned: when O(meters) is given
  type: list
  elements: dict
campaign:
  description: The name of the campaign, from its file, else O(campaign).
  returned: when O(meters) is not given
  type: str
checked:
  description: Says that the options are in order.
  returned: when O(meters) is not given
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import controller_only
from ..module_utils._rollout import ROLLOUT_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=ROLLOUT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
