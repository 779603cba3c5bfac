# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: profile_from_har
short_description: Make the draft of a profile from a browser recording
version_added: 0.2.0
author:
  - The gridops.metering authors (@gridops)
description:
  - The webpages of the meters are not public. This module reads a HAR file, which a browser wrote while somebody signed in at a meter,
    opened its settings, uploaded a package, applied it and looked at the status, and writes the draft of a profile from it.
  - The draft says C(provenance=captured) and C(verified=false). What could not be inferred, or is a guess, stands above it in the file and in
    RV(missing). It is meant to be read, completed and tried by a person.
  - Passwords, cookies, tokens, the Authorization header, values of fields and the bytes of the package do not get into the draft.
    The recording itself holds them; delete it, or keep it like a password.
  - Works on files of the controller. No meter is contacted.
options:
  src:
    description:
      - The HAR file, in version 1.2, with the contents of the answers.
    type: path
    required: true
  dest:
    description:
      - The file to write, readable for its owner only.
    type: path
    required: true
  name:
    description:
      - Name of the profile. Without it the name of the file.
    type: str
  meter_host:
    description:
      - Address or name by which the browser called the meter. Without it the host that got most requests.
    type: str
  user:
    description:
      - The user name that was typed during the recording. It helps to find the login and the role.
    type: str
  secrets:
    description:
      - The passwords that were typed during the recording. With them it is certain that they are not in the draft, and whether a password goes
        over the wire as it is. If it does not, the login cannot be inferred and a login helper is needed.
      - Without them a field for a password is recognised by its type and name.
    type: list
    elements: str
    default: []
  force:
    description:
      - Whether to replace a file that exists and differs.
    type: bool
    default: false
extends_documentation_fragment:
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  in_process:
    support: full
    details: Runs on the controller only, once for all hosts of the play.
seealso:
  - module: gridops.metering.meter_probe_info
"""

EXAMPLES = r"""
- name: Make a draft from a recording
  gridops.metering.profile_from_har:
    src: recordings/plant-7.har
    dest: profiles/plant-7.yml
    user: Administrator
    secrets: ["{{ vault_password_of_the_recording }}"]
  register: draft
  delegate_to: localhost
  run_once: true

- name: Show what is missing
  ansible.builtin.debug:
    var: draft.missing
"""

RETURN = r"""
dest:
  description: The file.
  returned: success
  type: str
profile:
  description: The draft.
  returned: success
  type: dict
missing:
  description: What could not be inferred or is a guess, each with C(section) and C(why).
  returned: success
  type: list
  elements: dict
  sample: [{section: login, why: "login not inferable: the password does not go over the wire as it is"}]
notes:
  description: What was left aside.
  returned: success
  type: list
  elements: str
usable:
  description: Whether the draft can be loaded as a profile as it is. That does not make it right.
  returned: success
  type: bool
problem:
  description: Why it cannot be loaded yet; empty when it can.
  returned: success
  type: str
error:
  description: What went wrong, with C(class), C(stage), C(reason) and C(remedy).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._front import controller_only
from ..module_utils._har import HAR_SPEC


def main() -> None:
    controller_only(AnsibleModule(argument_spec=HAR_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
