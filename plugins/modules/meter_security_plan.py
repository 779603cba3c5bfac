# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_security_plan
short_description: Plan a change of security over many meters, for review
version_added: 0.5.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Makes one plan for many meters, from what M(gridops.metering.meter_security) found of each of them in check mode. For each meter it holds the serial number,
    every change with the present value, the words that O(gridops.metering.meter_security#module:accept) needs, and the batch. It holds no secret and no time,
    so an unchanged fleet gives the same digest.
  - With O(security_plan_file) it reads a plan that was reviewed instead. C(expect) of the result makes each M(gridops.metering.meter_security) task do exactly
    what is in it, or nothing.
  - With neither it cuts the meters of the play into batches.
  - Contacts no meter. Use it with C(run_once). The playbooks C(plan) and C(harden) do all of this.
options:
  results:
    description: By meter the result of M(gridops.metering.meter_security) in check mode, in the order of the rollout.
    type: dict
  hosts:
    description: The meters to cut into batches, all meters of the play unless given.
    type: list
    elements: str
  baseline:
    description: The baseline, whose C(profile) the plan names.
    type: dict
  batches:
    description:
      - Sizes of the batches, one after another, the last one again and again. Numbers, or percentages.
      - Meters with the same C(metering_gateway) or C(metering_peer_group), or of the same topology group of O(campaign_file), never share a batch.
    type: list
    elements: raw
    default: [1]
  concurrency:
    description: How many meters may be changed at the same time, at most 10.
    type: int
    default: 1
  gate:
    description: When the run stops, as for the filter P(gridops.metering.security_gate#filter).
    type: dict
  campaign_file:
    description:
      - A campaign file in YAML. Its C(batches), C(concurrency), C(gate), C(windows) and C(topology) go before the options. Its C(waves) and C(targets) are of
        upgrades and are not used here.
    type: path
  security_plan_file:
    description: A C(security-plan.json) that was reviewed. Nothing is planned anew. Batches, gate and windows are those of the plan.
    type: path
  security_plan_digest:
    description: The C(digest) that the plan in O(security_plan_file) must have.
    type: str
  show:
    description: Print the plan.
    type: bool
    default: false
  report_dir:
    description:
      - Folder on the controller for C(security-plan.json) and C(security-plan.md), made when it is missing. Nothing is written without it, nor in check mode.
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
  - module: gridops.metering.meter_security
  - module: gridops.metering.meter_rollout
"""

EXAMPLES = r"""
- name: See what each meter needs
  gridops.metering.meter_security:
    lockout: {attempts: {web: 5}}
  check_mode: true
  register: looked

- name: Write the plan
  gridops.metering.meter_security_plan:
    results: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'looked'))) }}"
    report_dir: review
    show: true
  run_once: true

- name: Read the plan that was reviewed
  gridops.metering.meter_security_plan:
    security_plan_file: review/security-plan.json
    security_plan_digest: 7e6e92a5683b4d0c9c1f4a8e1b2d3c4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d
  run_once: true
  register: reviewed

- name: Do what is in it
  gridops.metering.meter_security:
    lockout: {attempts: {web: 5}}
    expect: "{{ reviewed.expect[inventory_hostname] }}"
  when: inventory_hostname in reviewed.expect
"""

RETURN = r"""
plan:
  description:
    - The plan document with C(baseline), C(campaign), C(concurrency), C(meters), C(passes), C(counts) and C(digest).
    - C(meters) has C(host), C(serial), C(model), C(channel), C(state), C(reason), C(accept) and C(changes) of each meter. C(state) is V(change),
      V(handover), V(current), V(blocked), or V(unseen) where nobody could sign in without trying a password.
    - Without O(results) and O(security_plan_file) only C(campaign), C(concurrency) and C(passes).
  returned: success
  type: dict
digest:
  description: SHA-256 of the plan, empty where there is none.
  returned: success
  type: str
expect:
  description: By meter the option O(gridops.metering.meter_security#module:expect).
  returned: success
  type: dict
left:
  description: By meter why the plan has nothing for it although it may need something.
  returned: success
  type: dict
groups:
  description: For each meter that is worked on, in the order of the batches, its C(host) and the C(groups) of its batch.
  returned: success
  type: list
  elements: dict
gate:
  description: When the run stops.
  returned: success
  type: dict
table:
  description: One entry for each meter of the plan.
  returned: success
  type: list
  elements: dict
markdown:
  description: The plan as lines of Markdown.
  returned: success
  type: list
  elements: str
text:
  description: The plan in one sentence.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import controller_only
from ..module_utils._security_plan import SECURITY_PLAN_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=SECURITY_PLAN_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
