# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: meter_firmware
short_description: Upgrade the firmware of one meter by one documented step
version_added: 0.1.0
author: The gridops.metering authors (@gridops)
description:
  - Finds the documented way from the meter's model and present version to the wanted version, judges every documented
    precondition, and runs at most one step (hop) of that way. Later runs take the next one.
  - Three methods of the PM5000 family are carried out. C(ftp) and C(web) in this process or on a jump host, C(tool) by handing over to
    the maker's own tool, which is never imitated. HEP meters (O(family=hep)) are handed over to ION Setup (C(ion)) in the same way, and
    their template, energies and security mode are compared afterwards. For DLMS/COSEM meters (O(family=mcs301)) it is C(dlms), the image transfer of the
    standard. A way that needs another method is planned and shown, and the meter is left alone.
  - Every started upgrade is written into a ledger before the meter is asked to start it, since some meters allow ten in their whole life.
  - An upgrade is only called good when the meter itself reports the wanted version, with the same serial number. A PM5000 tells it over
    Modbus. An MCS301 tells the identifiers and signatures of its parts, after its own test of the new firmware.
options:
  version:
    description:
      - The wanted firmware version. Required.
      - With O(family=mcs301) the identifier that the part has afterwards, as hexadecimal digits or text. Identifiers have no order, so
        whether this is a step up is for you to know.
    type: str
  component:
    description:
      - Which part of an MCS301 is upgraded (field B of the OBIS code). 0 is metrology, which is legally relevant and needs the word
        C(legally_relevant) in O(accept), 1 the application, 2 to 9 are other parts such as a modem.
      - Without it the part that the package is for, else 1.
    type: int
    version_added: 0.3.0
  activate:
    description:
      - What an MCS301 does with the image once it has it and has checked it. V(now) activates it and proves it.
      - V(at) writes the meter's own scheduler, reads it back and ends C(scheduled). A run after that time proves the activation.
        V(never) ends C(staged).
      - A later run with another word changes its mind. V(never) calls a scheduled activation off, V(now) goes before it.
      - Meters of other families install at once, so anything but V(now) is refused for them.
    type: str
    choices: [now, at, never]
    default: now
    version_added: 0.3.0
  activate_at:
    description:
      - The time for O(activate=at) with its zone, such as V(2026-11-22T02:30:00+01:00). At least a minute ahead when it is written.
      - The meter's clock decides, so it may be at most a minute wrong.
    type: str
    version_added: 0.3.0
  service:
    description:
      - How an image reaches its meters. V(multicast) is refused in this release. Broadcast is not a value.
    type: str
    choices: [unicast, multicast]
    default: unicast
    version_added: 0.3.0
  fill_gaps:
    description:
      - The meter has got blocks of this very image by another way, such as a multicast of the head-end. They are kept and only the
        missing ones are sent. The meter's own check decides whether they belong to this image.
      - Without it blocks that the records do not know of are thrown away, since nothing tells whose they are.
    type: bool
    default: false
    version_added: 0.3.0
  artifacts:
    description:
      - Folder with the firmware packages and their manifest C(firmware.yml). Required. Nothing is ever downloaded.
    type: path
  method:
    description:
      - A method to insist on. It is checked against the documented matrix and is never a way around it.
    type: str
    choices: [ftp, tool, web, ion, dlms]
  profile:
    description:
      - Name of a shipped profile, or path of a profile file, that tells how the meter's status page and lock register are read.
      - Without one the status page is C(unknown), and the version over Modbus decides alone.
    type: str
  web_profile:
    description:
      - Name of a shipped profile, or path of a profile file, for steps by webpages (C(web)). Without it O(profile) is used.
      - A way that crosses from old to new firmware needs both, since the pages differ.
      - A profile that is not marked as verified needs the word C(unverified_profile) in O(accept).
    type: str
    version_added: 0.2.0
  web_session:
    description:
      - Cookies and headers of a session with the meter's webpages, where its login cannot be described by a profile. For example from a lookup.
    type: dict
    version_added: 0.2.0
    suboptions:
      cookies:
        description: Cookies by name.
        type: dict
        default: {}
      headers:
        description: Request headers by name.
        type: dict
        default: {}
  login_helper:
    description:
      - A command, with its arguments, that logs in to the meter's webpages. It runs on the control node for each login.
      - It gets one JSON object on its standard input (C(host), C(scheme), C(port), C(user), C(password), C(fingerprint), C(ca_file), C(timeout)),
        and answers on its standard output with one JSON object of C(cookies) and C(headers). The password is never on its command line.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  tool_mode:
    description:
      - How the maker's tool is used. V(manual) writes a hand-over folder for a technician and ends C(handed_over); a later run proves the
        new version. V(command) runs the command of O(tool) on its host.
    type: str
    choices: [manual, command]
    version_added: 0.2.0
  tool:
    description:
      - Where the maker's tool is, and how it is run.
    type: dict
    version_added: 0.2.0
    suboptions:
      host:
        description: Inventory name of the host on which the tool runs. Needed with O(tool_mode=command).
        type: str
      command:
        description:
          - The command and its arguments. C({config}), C({package}), C({logs}) and C({address}) are replaced. Secrets are in the configuration file only.
          - Needed with O(tool_mode=command).
        type: list
        elements: str
      version:
        description: Version of the tool that is installed. It must be the one that the package's manifest names; nothing overrides that.
        type: str
      review:
        description:
          - A command that only shows the tool's status for one meter, with the same replacements. Without the words
            C(Firmware upgrade applicable) in its output the upgrade is not started.
        type: list
        elements: str
      ping:
        description: The command that sends ICMP echoes to C({address}) from the tool's host, where the usual C(ping) is not there.
        type: list
        elements: str
      handover_dir:
        description:
          - Folder in which hand-over folders are made; with O(tool_mode=command) on the tool's host, and needed there.
          - Without it C(~/.local/share/gridops.metering/handover) on the control node.
        type: str
      logs_to:
        description: Folder on the control node for the tool's logs. Without it C(~/.local/share/gridops.metering/tool-logs).
        type: path
      exit_ok:
        description: Exit codes of the command that mean success.
        type: list
        elements: int
        default: [0]
      encoding:
        description: Encoding of the tool's log files, where they do not tell it themselves.
        type: str
  ion:
    description:
      - Which ION Setup upgrades a meter of O(family=hep), where it is, and how it is run. O(tool_mode) says whether a technician or your own
        command works with it.
    type: dict
    version_added: 0.4.0
    suboptions:
      setup_version:
        description:
          - Version of the installed ION Setup, as its C(Help > About) shows it. Needed; an older one than the firmware wants is refused before
            anything is sent, since it would lose template and energy registers.
        type: str
      host:
        description: Inventory name of the host on which ION Setup runs. Needed with O(tool_mode=command).
        type: str
      command:
        description:
          - Your own command and its arguments. C({package}), C({password}), C({user}), C({address}) and C({logs}) are replaced. C({password}) is
            the path of a file that holds the password of C(credentials.admin), which only its owner can read and which is removed afterwards.
          - Needed with O(tool_mode=command).
        type: list
        elements: str
      review:
        description:
          - A command that only looks whether the upgrade would start, with the same replacements. With an exit code that is not in
            C(exit_ok) the upgrade is not started.
        type: list
        elements: str
      handover_dir:
        description:
          - Folder in which hand-over folders are made; with O(tool_mode=command) on the tool's host, and needed there.
          - Without it C(~/.local/share/gridops.metering/handover) on the control node.
        type: str
      logs_to:
        description:
          - Folder on the control node for the tool's logs and for what a meter was before its upgrade. Without it
            C(~/.local/share/gridops.metering/tool-logs).
        type: path
      exit_ok:
        description: Exit codes of the command that mean success.
        type: list
        elements: int
        default: [0]
      exit_reasons:
        description:
          - What other exit codes of your command mean, as a dictionary of code to reason. The first four say that nothing was started,
            C(not_applicable), C(engine_too_old), C(tool_login_refused) and C(transport_failed); C(restore_failed) says that saved registers
            could not be written back.
        type: dict
      encoding:
        description: Encoding of the log files, where they do not tell it themselves.
        type: str
      transport:
        description:
          - How ION Setup reaches the meter. Without it V(ion_over_modbus) where the meter has a gateway or a unit id of its own, else V(ethernet).
          - A meter that is not reached over Ethernet goes alone. V(serial) needs the word C(serial_transport) in O(accept).
        type: str
        choices: [ethernet, serial, ion_over_modbus]
      gateway_model:
        description: Model of the gateway in between. Another meter of the family needs the word C(gateway) in O(accept).
        type: str
      baud:
        description: Speed of a serial line in bits per second, for the estimate of its time.
        type: int
  consumers:
    description:
      - Software that reads the meter or writes to it. With C(pme) or C(ion_setup) the upgrade of a HEP meter wants C(consumers_reviewed)
        attested. Each adds its note to the plan.
    type: list
    elements: str
    choices: [pme, scada, ion_setup, modbus_master, legacy]
    default: []
    version_added: 0.4.0
  security_profile:
    description:
      - Name of a shipped profile, or path of a profile file, that names the registers of template, energies and security settings of a HEP
        meter. They are read before and after its upgrade. Without it O(profile) is used.
    type: str
    version_added: 0.4.0
  wait:
    description:
      - With O(tool_mode=manual), how many seconds to wait for the new version before the task ends as C(handed_over).
    type: float
    default: 0
    version_added: 0.2.0
  strict_matrix:
    description:
      - Take the source versions of the matrix literally, and do not read a pattern as the beginning of a band.
    type: bool
    default: false
  accept:
    description:
      - Consequences you accept, by their words. A refusal prints the exact word to add.
    type: list
    elements: str
    default: []
  attempts_reserve:
    description:
      - How many attempts must stay unused on a meter with a limit. Without it 1.
    type: int
  retries:
    description:
      - How often a failed upgrade is started again from the copy step. Each is a new recorded attempt. Without it 1, which is also the most.
    type: int
  concurrency:
    description:
      - How many meters may be upgraded at the same time by all runs that share these records. Without it 1, at most 10.
    type: int
  verify_upload:
    description:
      - V(read_back) reads every copied file back and compares its hash before anything is triggered. V(size) compares sizes only, for slow links.
    type: str
    choices: [read_back, size]
    default: read_back
  search:
    description:
      - Networks in which a meter is looked for by its serial number when it does not come back at its address. At most 1024 addresses.
    type: list
    elements: str
    default: []
  timing:
    description:
      - Waits in seconds. Documented waits may be made longer, never shorter, except against loopback addresses.
    type: dict
    suboptions:
      settle:
        description: Time to wait after a completed upgrade, 60 unless given.
        type: float
      card_reset:
        description: Silence that is normal after the trigger, 120 unless given.
        type: float
      resume:
        description: Silence that is normal after an upgrade by webpages, 40 unless given.
        type: float
        version_added: 0.2.0
      retry_hold:
        description: Time to wait before a retry in a mass upgrade, 300 unless given.
        type: float
        version_added: 0.2.0
      stall:
        description: Time after which an upgrade without progress is reported as stalled, 300 unless given.
        type: float
      hard_timeout:
        description: Time after which an upgrade is no longer watched, 1800 unless given.
        type: float
      lease_wait:
        description: Time to wait for another run to give the meter back, 30 unless given.
        type: float
      clock_factor:
        description: How many of these seconds pass in one real second. Only for loopback addresses, for trials and tests.
        type: float
  check_login:
    description:
      - In check mode, also try the login. Without it check mode sends no password, and uses the keys of an MCS301 only where the records
        know that they have worked with this meter.
    type: bool
    default: false
  marks_key:
    description:
      - A key from your vault, 16 characters or more. With it the records keep a mark (HMAC) of the password that was sent, by which a later run
        knows one that the meter refused, and does not send it again, over FTP or the webpages, until a day has passed or another one is given.
      - Check mode then also tries a password that has worked before with this meter.
    type: str
    version_added: 0.4.0
  on_failure:
    description:
      - V(fail) fails the task when the outcome is not good. V(record) never fails it, and writes the outcome into the campaign's records.
    type: str
    choices: [fail, record]
    default: fail
  silent:
    description:
      - What becomes of a meter that does not come back. V(fail) ends its attempt as C(comms_lost). V(park) leaves the attempt open as
        C(not_responding), so that the others of a batch are waited for first; the next call of this module looks once more.
      - With V(park) and O(retries=0) an upgrade that may be repeated ends as C(failed_retryable), for a later call with O(retry).
    type: str
    choices: [fail, park]
    default: fail
    version_added: 0.2.0
  retry:
    description:
      - Try once more a meter whose upgrade in this O(campaign) ended as C(failed_retryable), with a fresh session, and not before the
        documented wait after the last end of any upgrade by the same method in the campaign.
    type: bool
    default: false
    version_added: 0.2.0
  expect:
    description:
      - What the reviewed plan says of this meter. A meter or package that is not so any more is left alone (C(plan_stale)).
    type: dict
    version_added: 0.2.0
    suboptions:
      serial:
        description: Serial number of the meter.
        type: str
      versions:
        description: Versions from which the plan lets this step begin.
        type: list
        elements: str
      artifact:
        description: Digest of the package.
        type: str
  campaign:
    description:
      - Name of the campaign that this task belongs to, for records and reports.
    type: str
    default: adhoc
  plan_digest:
    description:
      - Digest of the plan that was approved, kept with the attempt.
    type: str
  records:
    description:
      - Path of the records (ledger, leases, journal). Without it C(~/.local/share/gridops.metering/records.sqlite3).
    type: str
  progress_dir:
    description:
      - Folder for one small progress file for each meter, for a live view.
    type: path
extends_documentation_fragment:
  - gridops.metering.connection
  - gridops.metering.connection.attest
  - gridops.metering.attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads the meter, judges all prechecks and returns the plan. Writes nothing, to the meter or to the records, and tries no password.
  diff_mode:
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
  in_process:
    support: full
notes:
  - The action of the same name runs in the controller's process. Delegated to another host, each step is a module call there
    and the records stay on the controller. The delegate needs Python 3.11, C(pymodbus) and C(requests); C(cryptography) for an MCS301.
  - Invocation counters of an MCS301 are kept in the records and never used twice. Check mode spends some too, when it reads with keys.
"""

EXAMPLES = r"""
- name: Show what an upgrade would do
  gridops.metering.meter_firmware:
    version: 2.9.9
    artifacts: /srv/firmware
    attest: {power_source: uninterrupted, critical_control: false, management_zone: plant-7}
  check_mode: true
  diff: true

- name: Upgrade one meter by one step
  gridops.metering.meter_firmware:
    version: 2.9.9
    artifacts: /srv/firmware
    profile: my-site.yml
    accept: [loses_dlf3000]
    attest: {power_source: uninterrupted, critical_control: false, management_zone: plant-7}
    credentials:
      product_master:
        user: user2
        password: "{{ vault_product_master }}"

- name: Hand a HEP meter over to a technician with ION Setup, and prove what was done in a later run
  gridops.metering.meter_firmware:
    family: hep
    version: 3.0.0
    artifacts: /srv/firmware
    security_profile: my-hep.yml
    tool_mode: manual
    ion:
      setup_version: 3.2.22341.01
      handover_dir: /srv/handover
    accept: [irreversible]
    attest: {critical_control: false, by: A. Technician}

- name: Bring a signed image into an MCS301 tonight and have it activated in the window
  gridops.metering.meter_firmware:
    family: mcs301
    version: "020500020001"
    artifacts: /srv/firmware
    activate: at
    activate_at: "2026-11-22T02:30:00+01:00"
    dlms:
      system_title: 4D53494D00000001
    dlms_keys:
      guek: "{{ vault_guek }}"
      gak: "{{ vault_gak }}"
"""

RETURN = r"""
outcome:
  description: How the task ended for this meter, for example C(verified), C(current), C(planned), C(blocked), C(failed_final) or C(comms_lost);
    C(handed_over), C(not_responding), C(staged), C(scheduled) and C(activated_unconfirmed) are gone on with by a later run.
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
  description: What was found, in one sentence.
  returned: always
  type: str
device_text:
  description: The meter's own words, where it said something.
  returned: always
  type: str
before:
  description: Model, serial number, version and restart counter before the task.
  returned: always
  type: dict
after:
  description: Version and serial number as proven after the upgrade; for a HEP meter also C(security_mode) and the number of C(users) where
    registers tell them, and C(review) where no document says what they should be.
  returned: always
  type: dict
plan:
  description: Artifact, files, bytes to send and attempts left afterwards; for a HEP meter also the ION Setup that is needed, and C(security)
    before and after.
  returned: always
  type: dict
hops:
  description: The whole chain of steps, with the one of this task marked.
  returned: always
  type: list
  elements: dict
prechecks:
  description: Every judged condition with C(id), C(result) (C(pass), C(fail), C(attested) or C(unknown)), C(blocking), C(reason), C(text) and C(rules).
  returned: always
  type: list
  elements: dict
needed_accept:
  description: The words that C(accept) must hold for the whole chain.
  returned: always
  type: list
  elements: str
attempts:
  description: Limit, used and remaining attempts, and where the count comes from.
  returned: always
  type: dict
timeline:
  description: States with the seconds at which they were entered.
  returned: always
  type: list
  elements: dict
restart:
  description: C(observed) or C(not_observed).
  returned: always
  type: str
recovery:
  description: The advice of the method when something went wrong after the trigger.
  returned: always
  type: str
last_upgrade:
  description: Result, version and time of the last upgrade, as the meter's status page tells them.
  returned: when the status page was understood
  type: dict
findings:
  description: What should be looked at although it stopped nothing, for example C(legacy_tls).
  returned: when there are any
  type: list
  elements: dict
firmware_state:
  description: How far the image of an MCS301 is, C(checked), C(scheduled), C(activated_unconfirmed) or C(confirmed). Empty for anything else.
  returned: when an image transfer was run
  type: str
transfer:
  description: What was sent. C(bytes) and C(blocks) of the image, C(resumed_at) (the first block that was missing when an earlier
    transfer was gone on with) and C(rounds) of sending.
  returned: when an image was brought to a meter
  type: dict
detail:
  description: What the method tells of a step beside the timeline, for example the hand-over folder.
  returned: when there is any
  type: dict
found_at:
  description: The address at which the meter's serial number was found.
  returned: when the meter left its address
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import MeteringError
from ansible_collections.gridops.metering.plugins.module_utils._errors import describe_error
from ansible_collections.gridops.metering.plugins.module_utils._firmware import FIRMWARE_SPEC
from ansible_collections.gridops.metering.plugins.module_utils._firmware_step import run_step


def main() -> None:
    module = AnsibleModule(argument_spec=FIRMWARE_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**run_step(module.params["sealed"]))
    except MeteringError as error:
        described = describe_error(error, "delegation")
        described.pop("failed")
        module.fail_json(**described)


if __name__ == "__main__":
    main()
