# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_records
short_description: Verify the records, and take a broken journal as it is
version_added: 0.2.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Recomputes the hash chain of each campaign's journal, compares a head that a report printed, and exports the journals as JSON lines.
  - A journal that somebody edited, or a ledger that was put back from an older copy, fails the task.
  - Contacts no meter. Use it with C(run_once).
options:
  records:
    description:
      - Path of the records, or a URL that begins with C(postgresql://). Without it C(~/.local/share/gridops.metering/records.sqlite3).
      - A password in the URL is shown nowhere. It may also stand in C(PGPASSWORD) or in C(~/.pgpass).
    type: str
  campaign:
    description: Look at this campaign only. All of them unless given.
    type: str
  head:
    description: The head that a report of O(campaign) printed. A journal that does not know it is older than that report.
    type: str
  accept:
    description:
      - With V(ledger_rebaseline) the broken journal of O(campaign) is taken as it is. An entry says so, and the chain is verified from there on.
    type: list
    elements: str
    default: []
  reason:
    description: Why the journal is taken as it is. Written into the journal.
    type: str
  report_dir:
    description: Folder on the controller for the journals as JSON lines, made when it is missing. Nothing is written without it, nor in check mode.
    type: path
extends_documentation_fragment:
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  in_process:
    support: full
    details: Runs on the controller only.
notes:
  - Every option not given to the task is taken from the variable C(metering_<option>), if that is set.
seealso:
  - module: gridops.metering.meter_rollout_info
"""

EXAMPLES = r"""
- name: Verify all journals
  gridops.metering.meter_records:
  run_once: true

- name: Verify one campaign against the head of its last report
  gridops.metering.meter_records:
    records: postgresql://metering@db.example.org/metering
    campaign: spring
    head: "{{ last_report.journal.head }}"
  run_once: true
"""

RETURN = r"""
trusted:
  description: Whether all journals that were looked at are whole.
  returned: success
  type: bool
chains:
  description:
    - For each campaign whether its journal is unbroken (C(ok)), its C(head), number of C(entries), and the first bad one (C(broken_at)).
    - C(baseline) is the entry from which it was judged, after somebody accepted V(ledger_rebaseline).
  returned: always
  type: dict
location:
  description: Where the records are, without a password.
  returned: always
  type: str
ledger_id:
  description: The name that this ledger was given when it was made. Another one means another ledger.
  returned: always
  type: str
schema_version:
  description: Version of the tables.
  returned: always
  type: int
text:
  description: The sum in one sentence.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import controller_only
from ..module_utils._records import RECORDS_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=RECORDS_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
