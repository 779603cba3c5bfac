# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_audit_info
short_description: Audit a fleet of meters against a baseline
version_added: 0.5.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Reads all meters in one pass, judges each against the baseline, and writes the result as C(audit.json), one canonical document.
    An unchanged fleet gives the same bytes again, whoever audits it, in whichever order.
  - Never changes anything at a meter, and this pass signs in nowhere, except where a family is only read in an association (DLMS).
  - Meters whose security is wanted and at which somebody can sign in are returned in RV(closer). M(gridops.metering.meter_security_info)
    looks at those. A second call with its results in O(looked) makes the whole. The playbook C(gridops.metering.audit) does all of that.
  - Use it with C(run_once). It never fails because of one meter. A meter that does not answer is unknown, which is never good.
requirements:
  - pymodbus >= 3.8, where it runs
  - jsonschema, on the controller
  - cryptography, where it runs, for associations with keys
options:
  baseline:
    description:
      - The wanted state of firmware and security. It is checked as a whole before any meter is contacted.
      - All hosts whose variables name C(metering_baseline) must name the same one.
    type: dict
    required: true
  meters:
    description:
      - The meters to audit, as for M(gridops.metering.meter_fleet_info). Without it the hosts of the play.
    type: list
    elements: raw
  looked:
    description:
      - For each meter of RV(closer) the result of M(gridops.metering.meter_security_info), empty where there is none.
      - With it no meter is contacted. The results are merged into the document O(src).
    type: dict
  src:
    description: The RV(audit_file) of the first call, with O(looked).
    type: path
  dest:
    description: Folder for C(audit.json), made when it is missing. Without it a temporary folder, which RV(dest) names and the caller removes.
    type: path
  fail_on:
    description: Verdicts for which a meter is listed in RV(not_good).
    type: list
    elements: str
    choices: [drift, blocked, unknown, compliant]
    default: [drift, blocked, unknown]
  records:
    description:
      - Records that keep when audits were made and which meters they read, a path or the URL of a PostgreSQL database.
        Without it the variable C(metering_records), then C(~/.local/share/gridops.metering/records.sqlite3).
      - In check mode nothing is written there, except the invocation counters that reading DLMS meters with keys spends.
    type: str
  concurrency:
    description: Number of meters that are read at the same time. At most 256 DLMS meters are.
    type: int
    default: 200
  per_gateway:
    description: Number of meters behind one gateway that are read at the same time.
    type: int
    default: 1
  deadline:
    description: Seconds after which one try to read a meter is given up.
    type: float
    default: 30.0
  retries:
    description: Number of further tries, 0 or 1, for a meter that could not be reached in the first one.
    type: int
    default: 1
extends_documentation_fragment:
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
    details: Reads, judges and writes C(audit.json), and records no scan.
  diff_mode:
    support: N/A
    details: Changes nothing.
  in_process:
    support: full
    details: Delegated to a real other host, that host reads the meters. They are judged on the controller.
notes:
  - The variables C(metering_<option>) of the hosts tell how to reach each meter. They do not set options of this module, except C(records).
seealso:
  - module: gridops.metering.meter_security_info
  - module: gridops.metering.meter_report
"""

EXAMPLES = r"""
- name: Audit the fleet
  gridops.metering.meter_audit_info:
    baseline: "{{ metering_baseline }}"
    dest: report
  run_once: true
  register: audit

- name: Show the sum
  ansible.builtin.debug:
    msg: "{{ audit.text }}"
  run_once: true
"""

RETURN = r"""
final:
  description: Whether the document is whole. False while somebody has to look at the meters of RV(closer).
  returned: success
  type: bool
closer:
  description: Meters whose security is wanted, and at which somebody can sign in.
  returned: success
  type: list
  elements: str
known:
  description: For each meter of RV(closer) its C(model) and C(firmware.version), by which its part of the baseline is chosen.
  returned: when there are such meters
  type: dict
verdict:
  description:
    - V(drift) where a run would mend at least one failed control, V(blocked) where controls failed and no run of this collection can mend any,
      V(unknown) where nothing failed and something is not known, else V(compliant). The worst of all meters, in this order.
  returned: when the document is whole
  type: str
  sample: drift
totals:
  description: Number of C(meters) and C(controls), of meters by C(verdicts) and of controls by C(states).
  returned: when the document is whole
  type: dict
digest:
  description: SHA-256 of the canonical document.
  returned: when the document is whole
  type: str
not_good:
  description: For each meter with a verdict of O(fail_on) one sentence.
  returned: success
  type: dict
text:
  description: The sum in one sentence.
  returned: success
  type: str
audit_file:
  description: The document, on the controller.
  returned: success
  type: str
dest:
  description: The folder of the document.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._audit import AUDIT_SPEC
from ..module_utils._front import controller_only


def main() -> None:
    controller_only(AnsibleModule(argument_spec=AUDIT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
