# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_report
short_description: Write an audit as reports for pipelines, people and monitoring
version_added: 0.5.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Reads the C(audit.json) that an audit has written, checks its digest, and writes it in each of the wanted formats.
  - All numbers come from that file. What happened over time, earlier audits and campaigns, comes from the records.
  - Contacts no meter. Use it with C(run_once).
options:
  src:
    description: The C(audit.json) on the controller.
    type: path
    required: true
  dest:
    description: Folder on the controller for the reports, made when it is missing. The folder of O(src) unless given.
    type: path
  formats:
    description:
      - V(json) is C(audit.json) itself, V(junit) C(junit.xml), V(sarif) C(audit.sarif), V(markdown) C(audit.md), V(csv) C(audit.csv),
        V(prometheus) C(metering.prom) and V(html) C(audit.html).
      - V(evidence) is C(evidence.json). It lists every file that is then in O(dest) with its SHA-256, and tells when and by whom it was made.
    type: list
    elements: str
    choices: [json, junit, sarif, markdown, csv, prometheus, html, evidence]
    default: [json, junit, sarif, markdown, csv, prometheus, html, evidence]
  records:
    description:
      - Path of the records, or a URL that begins with C(postgresql://). Without it C(~/.local/share/gridops.metering/records.sqlite3).
      - Records that do not exist read as ones that know nothing.
    type: str
  campaigns:
    description: The campaigns that the reports tell of. All of them unless given.
    type: list
    elements: str
extends_documentation_fragment:
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
    details: Checks O(src) and writes nothing.
  diff_mode:
    support: none
  in_process:
    support: full
    details: Runs on the controller only.
notes:
  - Every option not given to the task is taken from the variable C(metering_<option>), if that is set.
  - A report is no change of a meter, so the task never says that it has changed something.
seealso:
  - module: gridops.metering.meter_records
"""

EXAMPLES = r"""
- name: Write every format beside the audit
  gridops.metering.meter_report:
    src: build/audit/audit.json
  run_once: true

- name: Write what a merge request shows
  gridops.metering.meter_report:
    src: build/audit/audit.json
    dest: public
    formats: [junit, markdown]
  run_once: true
  register: reports
"""

RETURN = r"""
files:
  description: For each format that was written its C(path), its size in C(bytes) and its C(sha256). Nothing in check mode.
  returned: success
  type: dict
verdict:
  description: The verdict of the audit, V(drift), V(blocked), V(unknown) or V(compliant).
  returned: success
  type: str
totals:
  description: How many C(meters) and C(controls) were judged, the meters by verdict and the controls by state.
  returned: success
  type: dict
digest:
  description: The SHA-256 that the audit carries, which was computed again.
  returned: success
  type: str
text:
  description: The sum in one sentence.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import controller_only
from ..module_utils._report import REPORT_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=REPORT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
