# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that meter_security and meter_security_info share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mode:
    description:
      - Security mode of a HEP meter. V(standard) exists below 3.0.0, V(legacy_support) from 3.0.0 on. It is only ever made stronger.
    type: str
    choices: [standard, legacy_support, advanced]
    version_added: 0.4.0
  users:
    description:
      - Users of a HEP meter, each a dictionary with C(name) (C(USER1) to C(USER50), or the model number for the one password of Standard security),
        and if needed C(password), C(permissions) and C(state) (V(present) or V(absent)).
      - Permissions are C(time_sync), C(read), C(peak_demand_reset), C(comm_config), C(test_mode), C(full_config) and C(security_config). All need
        C(read); C(security_config) brings C(full_config).
      - Users that are not listed stay, unless O(users_exclusive=true).
    type: list
    elements: dict
    version_added: 0.4.0
  users_exclusive:
    description:
      - Whether users that are not listed are removed. O(accept) must have C(removes_users).
    type: bool
    version_added: 0.4.0
  accounts:
    description:
      - Accounts of a PM5000, by group. Old firmware has C(web_master) and C(product_master), new firmware C(administrator) and C(guest). Each is a
        dictionary of C(user), its name, and C(password).
    type: dict
    version_added: 0.4.0
  lockout:
    description:
      - C(attempts), a dictionary of failed logins (0 to 255, 0 for never) by C(ion), C(modbus), C(web), C(sftp) and C(ssh), and C(duration) in minutes.
    type: dict
    version_added: 0.4.0
  session_timeout:
    description:
      - C(ion), minutes from 1 to 43200. Other protocols have none.
    type: dict
    version_added: 0.4.0
  web:
    description:
      - C(server) and C(programming) (on or off), C(protocol) (C(https_redirect), C(https) or C(disabled)), and C(ports), a dictionary of C(http) and
        C(https).
    type: dict
    version_added: 0.4.0
  modbus:
    description:
      - C(access) (C(none), C(read_only) or C(read_write)) and C(programming) (on or off, under Advanced security only).
    type: dict
    version_added: 0.4.0
  panel_programming:
    description:
      - Whether settings may be made at the meter's display.
    type: bool
    version_added: 0.4.0
  time_sync:
    description:
      - Whether the meter's time may be set by messages. Off needs Advanced security.
    type: bool
    version_added: 0.4.0
  services:
    description:
      - C(ftp), C(sftp), C(ssh), C(ion), C(ion_tls) and C(telnet), each on or off. A PM5000 has C(ftp) only.
    type: dict
    version_added: 0.4.0
  ip_filter:
    description:
      - Addresses that may use the meter, where it has such a filter.
    type: list
    elements: str
    version_added: 0.4.0
  event_log:
    description:
      - C(cutoff), the priority up to which nothing is logged, and C(priorities), a dictionary of C(login), C(invalid_login) and C(lockout), 0 to 255.
    type: dict
    version_added: 0.4.0
  break_glass:
    description:
      - Name of a user that is kept for emergencies. It must be able to configure security, and no run that changes others touches it.
    type: str
    version_added: 0.4.0
  max_age_days:
    description:
      - How old a password may be. Its age is counted from when the records first saw it, so O(marks_key) is needed.
    type: int
    version_added: 0.4.0
  password_strength:
    description:
      - The least strength of the passwords in this document.
    type: str
    choices: [weak, fair, strong]
    version_added: 0.4.0
  unsupported:
    description:
      - What to do about settings which this meter or its firmware does not have, V(refuse), or V(leave) them out and tell so.
    type: str
    choices: [refuse, leave]
    default: refuse
    version_added: 0.4.0
  waivers:
    description:
      - Controls that are left as they are until a day, each a dictionary with C(control), C(reason), C(approver) and C(expires) (such as 2027-03-31).
    type: list
    elements: dict
    version_added: 0.4.0
  consumers:
    description:
      - Software that uses this meter, so that the result can say what has to follow a change.
    type: list
    elements: str
    choices: [pme, scada, ion_setup, modbus_master, legacy]
    version_added: 0.4.0
  channel:
    description:
      - The way to a HEP or PM5000 meter. V(profile) is its webpages, V(registers) its setup registers over Modbus, V(handover) a list for a person
        with the maker's tool. V(auto) takes the first of these that is there.
    type: str
    choices: [auto, profile, registers, handover]
    default: auto
    version_added: 0.4.0
  profile:
    description:
      - Profile of the meter's pages and registers, where O(security_profile) is not given.
    type: raw
    version_added: 0.4.0
  security_profile:
    description:
      - Name of a shipped profile, or path of a profile file, that tells where settings are read and written.
    type: raw
    version_added: 0.4.0
  export:
    description:
      - Writes the configuration that was read back, without any secret, into a folder of the control node.
    type: dict
    version_added: 0.4.0
    suboptions:
      dir:
        description: The folder. Each file has a name that is never used twice, and mode 0600.
        type: path
  default_credentials:
    description:
      - Whether the password of the factory may be tried, once, where nothing is known of an account and one more failed login cannot lock it.
    type: bool
    default: false
    version_added: 0.4.0
  diagnose:
    description:
      - What is known of a meter that lets nobody in. The result then has the steps of the maker's table in their order.
    type: dict
    version_added: 0.4.0
    suboptions:
      situation:
        description: What happened before.
        type: str
        choices: [new_meter, after_upgrade, wrong_password]
      software:
        description: Software that is refused.
        type: list
        elements: str
        choices: [pme, ion_enterprise, vista, scada]
        default: []
      setup_version:
        description: Version of ION Setup in use.
        type: str
  marks_key:
    description:
      - A key from your vault, 16 characters or more. With it the records keep a mark (HMAC) of each password, by which the next run knows whether
        it is still the wanted one, and how old it is. Without it no mark is kept.
    type: str
  check_login:
    description:
      - Whether check mode may sign in although the records do not know that the credentials ever worked.
    type: bool
    default: false
  clock_tolerance:
    description:
      - How many seconds the meter's clock may differ from the control node's, 60 unless given.
    type: float
  public_objects:
    description:
      - How many objects the public client may be shown, 20 unless given. It must not be able to change any.
    type: int
  records:
    description:
      - Path of the records, or a URL that begins with C(postgresql://). Without it C(~/.local/share/gridops.metering/records.sqlite3).
        Invocation counters, logins, marks of keys and passwords, and those on their way are kept there.
    type: str
  accept:
    description:
      - Consequences you accept, by their words. A refusal prints the word that is missing, such as
        C(unverified_profile), C(removes_users), C(disables_upgrade_channel) or C(counter_reset).
    type: list
    elements: str
    default: []
"""
