# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_security
short_description: Bring the security of a meter to a wanted state
version_added: 0.3.0
author:
  - The gridops.metering authors (@gridops)
description:
  - One desired-state document for all families. What is not asked for is looked at and reported, never changed. An option that a family does not
    have is refused by its name, before any contact.
  - On HEP and PM5000 meters (since 0.4.0) settings, users, accounts and the security mode are read and written by the way that a profile describes,
    or listed for a person with the maker's tool where there is no way (V(handed_over)). The order of changes keeps somebody who may configure
    security at every moment; each change is compared before and read back after; somebody else's change in between stops the run.
  - Every login is in the records before it is sent. A wrong password costs one failed login and is not tried again; a new password is set in two
    phases, so have it in your vault before the task runs.
  - On meters of family V(mcs301) it sets the security policy, the low-level password of a client and the symmetric keys of HLS, closes image
    transfer, and sets the clock, each only where an option asks for it. Everything else is looked at and reported.
  - Nothing is changed before everything was read and judged. Settings come first, then the keys, and the policy last.
  - Keys are changed one by one in the order GAK, GUEK, GBEK, KEK. Each is written into the records as on its way, sent wrapped under the present
    KEK, and proven by a new association before the next one. An interrupted run is gone on with by the next one. At every moment the meter has,
    of each key, the old one or the new one, so both must be kept until the task has ended well.
  - Whether the keys are the wanted ones is told by the records, or by one association with the wanted keys, which fails where there is something
    to change. A low-level password is never tried out, because that sends it in clear.
requirements:
  - cryptography, on the control node, for family V(mcs301)
  - requests, jmespath, jsonschema and pymodbus, on the control node, for families V(hep) and V(pm5000)
options:
  policy:
    description:
      - The least that every request and every answer must have. It is only ever strengthened; a meter that asks for more is left as it is.
      - It cannot be taken back over the network, so O(accept) must have C(irreversible).
      - It is written last, from an association that is itself authenticated and encrypted, and read back over a new one.
    type: str
    choices: [authenticated, encrypted, authenticated_encrypted]
  lls_secret:
    description:
      - The low-level password of one client. It is written inside the ciphered association, and never read or tried out.
    type: dict
    suboptions:
      client:
        description: Number of the client whose password it is. It need not be the client of O(dlms).
        type: int
        required: true
      value:
        description: The password as text in quotation marks, or its octets as C(hex:) and hexadecimal digits; 8 to 64 octets.
        type: raw
        required: true
  update_secret:
    description:
      - V(always) writes a password unless the records know that it is the one that was written last.
      - V(on_create) writes it only where the account is new, or on DLMS/COSEM meters where the records know of none. Needs O(marks_key).
      - V(if_expired) (since 0.4.0, not on DLMS/COSEM meters) writes it where the present one is older than O(max_age_days).
    type: str
    choices: [always, on_create, if_expired]
    default: always
  new_keys:
    description:
      - Keys that the meter shall have, any of C(guek), C(gak), C(gbek) and C(kek), as 32 hexadecimal digits each. O(dlms_keys) has the present ones
        and must have C(kek).
      - Keep them in your vault before the task runs. A published key, or one that is used twice, is refused.
      - C(kek) can be changed where the security setup is of version 1.
    type: dict
  probe:
    description:
      - Whether the wanted keys may be tried where the records do not know which ones the meter has. This is at most one association that is
        bound to fail; the meter may write it into its log.
    type: bool
    default: true
  image_transfer_enabled:
    description:
      - V(false) closes image transfer while no upgrade is under way. An upgrade opens it by itself. V(true) is refused.
    type: bool
  clock:
    description:
      - Whether a clock outside O(clock_tolerance) is only reported, or set to the control node's time in the meter's own zone.
    type: str
    choices: [report, set]
    default: report
  campaign:
    description:
      - Name under which changes are written into the journal.
    type: str
    default: adhoc
  expect:
    description:
      - What a reviewed plan says of this meter. Only a change that is in it is made, from the present value that is in it. Another meter, another
        present value or another change ends as V(blocked) with the reason C(plan_stale), and nothing is written. What is done already is left out.
      - The playbook C(harden) gives it from a C(security-plan.json) of M(gridops.metering.meter_security_plan).
    type: dict
    version_added: 0.5.0
    suboptions:
      serial:
        description: Serial number of the meter.
        type: str
        required: true
      changes:
        description: The changes in their order, as in RV(plan).
        type: list
        elements: dict
        required: true
  handover_dir:
    description:
      - Folder of the control node for the lists of O(channel=handover). Without it the list is in the result only.
    type: path
    version_added: 0.4.0
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
      - Plans, and changes nothing. Uses only keys and passwords which the records know to have worked, unless O(check_login=true), and never probes. A counter
        of the records is spent with every request, also here.
  diff_mode:
    support: full
    details: Never shows a secret.
  idempotent:
    description: A second run changes nothing.
    support: full
    details: With passwords only where O(marks_key) is given.
  in_process:
    description: Runs in the process of the controller, where the records are. It cannot be delegated to another host.
    support: full
notes:
  - A meter refuses some changes until a jumper under its cover is set or a button was pressed, whatever the credentials. A refusal of what the
    access rights allow ends with the reason C(hardware_gate_suspected).
  - Do not wrap this task into C(until). A login that failed is never repeated by it, and some meters lock a client after a few of them.
seealso:
  - module: gridops.metering.meter_security_info
  - module: gridops.metering.meter_facts
"""

EXAMPLES = r"""
- name: Close image transfer and set the clock where it is wrong
  gridops.metering.meter_security:
    image_transfer_enabled: false
    clock: set

- name: Harden a HEP meter by its webpages
  gridops.metering.meter_security:
    family: hep
    security_profile: site-ion9000.yml
    mode: advanced
    users:
      - name: USER1
        password: "{{ vault_user1 }}"
      - name: USER2
        password: "{{ vault_reader }}"
        permissions: [read]
    lockout:
      attempts: {ion: 5, web: 5}
      duration: 30
    web: {protocol: https}
    services: {ssh: false}
    marks_key: "{{ vault_marks_key }}"
    export: {dir: exports}

- name: New passwords for both accounts of a PM5000, where they are older than half a year
  gridops.metering.meter_security:
    accounts:
      administrator: {password: "{{ vault_administrator }}"}
      guest: {password: "{{ vault_guest }}"}
    update_secret: if_expired
    max_age_days: 180
    marks_key: "{{ vault_marks_key }}"

- name: See what a change of all keys would do
  gridops.metering.meter_security:
    new_keys: "{{ vault_next_keys[inventory_hostname] }}"
  check_mode: true
  diff: true

- name: Change all keys, then ask for authenticated and encrypted messages only
  gridops.metering.meter_security:
    dlms_keys: "{{ vault_keys[inventory_hostname] }}"
    new_keys: "{{ vault_next_keys[inventory_hostname] }}"
    policy: authenticated_encrypted
    accept: [irreversible]

- name: Set the password of the reading client
  gridops.metering.meter_security:
    lls_secret:
      client: 2
      value: "{{ vault_reading_password }}"
    marks_key: "{{ vault_marks_key }}"
"""

RETURN = r"""
outcome:
  description: V(current), V(changed), V(planned) (check mode), V(handed_over), V(blocked) (nothing was changed) or V(failed).
  returned: always
  type: str
reason:
  description: The reason code, empty when all is well.
  returned: always
  type: str
remedy:
  description: What to do about the reason.
  returned: always
  type: str
text:
  description: What was done or found, in one sentence.
  returned: always
  type: str
device_text:
  description: The meter's own words, where it said something.
  returned: always
  type: str
serial:
  description: Serial number of the meter.
  returned: always
  type: str
controls:
  description:
    - Every point that was judged. C(state) is V(pass), V(fail), V(unknown), V(planned), V(changed), V(not_applicable), V(waived) or V(attested).
      Unknown is never good. Neither C(want) nor C(have) ever holds a secret.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Name of the control.
      type: str
      sample: policy
    state:
      description: How it ended.
      type: str
    want:
      description: What it shall be.
      type: raw
    have:
      description: What it is, or was before the change.
      type: raw
    rule:
      description: The rule it comes from.
      type: str
    text:
      description: One sentence.
      type: str
    remedy:
      description: The options that would change it.
      type: str
    evidence:
      description: Where C(have) was seen, such as V(page), V(register), V(probe) or V(attested).
      type: str
summary:
  description: Number of controls by state.
  returned: always
  type: dict
findings:
  description: Controls that fail or are unknown, with what to do about them.
  returned: always
  type: list
  elements: dict
prechecks:
  description: What must be true before the first change.
  returned: always
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
plan:
  description:
    - The changes in their order, with C(control), C(kind), C(subject), C(want), and since 0.5.0 the present value C(have). A password is never in it.
  returned: always
  type: list
  elements: dict
needed_accept:
  description: The words of O(accept) that these changes need.
  returned: always
  type: list
  elements: str
secrets:
  description: What became of each password that was set, with C(subject), C(account), C(state), C(works) and C(consumers).
  returned: for families hep and pm5000
  type: list
  elements: dict
notes:
  description: What has to follow elsewhere.
  returned: for families hep and pm5000
  type: list
  elements: str
handover:
  description: Points that a person has to set, with C(control), C(want), C(have), C(where) and C(known).
  returned: when the outcome is handed_over
  type: list
  elements: dict
handover_file:
  description: The list for printing.
  returned: with O(handover_dir)
  type: str
diagnosis:
  description: What to do when nobody gets in, in order. Each line has C(rule), C(symptom), C(steps) and C(next).
  returned: when a login failed, or O(diagnose) is given
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
key_states:
  description: What became of each new key that was sent, V(changed), V(refused) or V(unknown).
  returned: when keys were sent
  type: dict
rights:
  description: Objects that the own client and the public client may change, with writable attributes and methods.
  returned: for family mcs301
  type: dict
associations:
  description: The meter's associations, with client and mechanism of authentication.
  returned: for family mcs301
  type: list
  elements: dict
logins:
  description: C(refused), the number of logins that the meter refused, and for family mcs301 whether one of them was a probe (C(probed)).
  returned: always
  type: dict
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

from ..module_utils._front import controller_only
from ..module_utils._security import SECURITY_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=SECURITY_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
