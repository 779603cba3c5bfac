# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_rollout_info
short_description: Tell the outcomes of a rollout and whether it may go on
version_added: 0.1.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Reads from the records how each planned meter of a campaign ended, adds the outcomes up, and judges whether the next batch may start.
  - The judgement is over the whole campaign, not over one batch.
  - Contacts no meter, and writes nothing but the report that O(report_dir) asks for. Use it with C(run_once).
options:
  campaign:
    description: Name of the campaign.
    type: str
    required: true
  gate:
    description:
      - When to stop. C(min_success_share) (0 to 1, 0.8 unless given) of the upgrades that ended, once there are C(min_sample) (5) of them.
      - C(max_failures) is the highest number of failed upgrades, without limit unless given. C(max_by_kind) gives such a number for each
        outcome or reason, 2 for C(comms_lost) unless given. One of C(abort_on) is enough to stop at once.
      - A rollout also stops while nothing has succeeded and something has failed, and when all upgrades of a batch of two or more failed.
      - Meters that were blocked before anything was started count neither way.
    type: dict
  batch:
    description: The meters of the batch that has just ended.
    type: list
    elements: str
    default: []
  tried:
    description:
      - Meters whose upgrade task has run. One that left no outcome behind counts as failed.
    type: list
    elements: str
    default: []
  results:
    description: Results of M(gridops.metering.meter_firmware) by meter. Used in check mode, where nothing is recorded.
    type: dict
  hardened:
    description:
      - By meter the result of M(gridops.metering.meter_security) after its upgrade, where hardening belongs to the campaign. An upgraded meter that was not
        hardened is C(failed_final) with the reason C(not_hardened), and the rollout pauses.
    type: dict
    version_added: 0.5.0
  plan:
    description: The RV(gridops.metering.meter_rollout#module:plan) of M(gridops.metering.meter_rollout), for the columns of the table, and in check mode.
    type: dict
  meters:
    description:
      - The RV(gridops.metering.meter_fleet_info#module:meters) of a reading after the rollout. A meter that says otherwise than its outcome is not good.
    type: dict
  method:
    description: The method of the pass that the batch belongs to.
    type: str
    version_added: 0.2.0
  step:
    description:
      - What is asked. V(before) a batch, whether nothing stopped the rollout and the maintenance window is open for long enough.
      - V(retries) after the first try of a batch, who is tried once more. V(after) a batch, whether the next one may start.
      - V(soaked) after the soak time of a wave, the same with a fresh reading in O(meters).
    type: str
    choices: [before, retries, after, soaked]
    default: after
    version_added: 0.2.0
  stopped:
    description: The RV(gate) that stopped an earlier pass of this run; then nothing more starts.
    type: dict
    version_added: 0.2.0
  final:
    description: Whether the rollout has ended. Meters that were not reached are then C(skipped_by_abort) or C(paused).
    type: bool
    default: false
  show:
    description: Print the outcomes as a table.
    type: bool
    default: false
  records:
    description: Path or PostgreSQL URL of the records. Without it C(~/.local/share/gridops.metering/records.sqlite3).
    type: str
  report_dir:
    description:
      - Folder on the controller for C(report.json) and C(report.md), made when it is missing. Nothing is written without it, nor in check mode.
    type: path
extends_documentation_fragment:
  - gridops.metering.attributes
  - gridops.metering.attributes.facts
attributes:
  in_process:
    details: Runs on the controller only.
notes:
  - Every option not given to the task is taken from the variable C(metering_<option>), if that is set.
seealso:
  - module: gridops.metering.meter_rollout
  - module: gridops.metering.meter_firmware
"""

EXAMPLES = r"""
- name: Judge the batch that has just ended
  gridops.metering.meter_rollout_info:
    campaign: spring
    batch: "{{ ansible_play_batch }}"
    tried: "{{ ansible_play_batch }}"
    gate: {min_success_share: 0.9, min_sample: 5}
  run_once: true
  register: gate

- name: Stop the rollout
  ansible.builtin.meta: end_play
  when: gate.stop
"""

RETURN = r"""
outcomes:
  description: For each planned meter its C(outcome), C(reason), C(serial) and C(detail).
  returned: always
  type: dict
summary:
  description: Number of C(planned) meters, and how many ended how, C(by_outcome) and as C(good), C(waiting) or C(bad).
  returned: always
  type: dict
  sample: {planned: 3, by_outcome: {current: 1, verified: 2}, good: 3, waiting: 0, bad: 0}
gate:
  description: The C(action) (C(advance), C(pause) or C(abort)), why in C(text), and the numbers it rests on.
  returned: always
  type: dict
stop:
  description: Whether the next batch must not start.
  returned: always
  type: bool
not_good:
  description: The planned meters whose outcome is not good. In check mode C(planned) is good.
  returned: always
  type: list
  elements: str
window:
  description: Whether the maintenance window is C(open), in words C(text), and the C(next_opening).
  returned: with O(step=before)
  type: dict
retry:
  description: Meters to be tried once more, C(retry) as a new attempt or C(again) where none was begun.
  returned: with O(step=retries)
  type: dict
hold_seconds:
  description: How long to wait before meters are tried C(again), in seconds of this machine.
  returned: with O(step=retries)
  type: int
soak_seconds:
  description: How long the wave that just ended is to run before it is read again, in seconds of this machine; 0 for not at all.
  returned: with O(step=after) or O(step=soaked)
  type: int
wave_hosts:
  description: The meters to read after the soak time.
  returned: with O(step=after) or O(step=soaked)
  type: list
  elements: str
waves:
  description: The sums of each wave.
  returned: with O(step=after) or O(step=soaked)
  type: list
  elements: dict
reason:
  description: Why the campaign is made, from its file.
  returned: with O(step=after) or O(step=soaked)
  type: dict
hops:
  description: By meter every attempt of this campaign in order, with C(row), C(method), C(source), C(target), C(outcome) and C(reason).
  returned: with O(final), not in check mode
  type: dict
table:
  description: One entry for each planned meter.
  returned: always
  type: list
  elements: dict
markdown:
  description: The table and the sum as lines of Markdown.
  returned: always
  type: list
  elements: str
text:
  description: The sum in one sentence.
  returned: always
  type: str
journal:
  description: Whether the campaign's journal is unbroken (C(ok)), its C(head), number of C(entries), and the first bad one (C(broken_at)).
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import controller_only
from ..module_utils._rollout import ROLLOUT_INFO_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=ROLLOUT_INFO_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
