# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: meter_facts
short_description: Read the facts of a meter
version_added: 0.1.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Reads who a meter is, what firmware it runs and its state. Family V(pm5000) is read over Modbus TCP and by connecting to
    its ports, family V(hep) the same way, family V(mcs301) over DLMS/COSEM. Nothing is written, and no page is requested unless the
    subset V(web) is named, or V(web_access) of family V(hep) is read.
  - Family V(pm5000) is read with one request for each of identity, firmware, status and lock, over one connection.
    What the meter does not serve in one request is read field by field.
  - Family V(hep) tells who it is and what it runs over Modbus. Its security settings, energies and template have no public registers. They
    are read only where a profile names registers for them, and are unknown otherwise. An ION port gets a TCP connect or a TLS handshake,
    and never a byte more.
  - Family V(mcs301) is read in one association. Without keys it is that of the public client, which sees little. With keys
    every request spends an invocation counter; these are kept in O(records), also in check mode, because reading spends them too.
    A wrong key costs one failed login, which is never repeated, and which the meter notes in its fraud log.
  - A field that cannot be read is present as V(unknown) (text) or null (number) and is listed with the reason in
    RV(ansible_facts.meter.unread).
requirements:
  - pymodbus >= 3.8, where it runs
  - requests and jmespath, where it runs, for the subset V(web)
  - cryptography, where it runs, for associations with keys
options:
  gather_subset:
    description:
      - What to read. V(all), V(min) (identity and firmware), or any of the following. A family leaves out what it does not have,
        so that one list serves a mixed fleet.
      - "Every family has V(identity), V(firmware), V(network), V(services), V(clock), V(security), and V(identification): Modbus device
        identification (function 43), or device ids 2 to 7 of a DLMS meter."
      - Family V(pm5000) also has V(status) and V(lock).
      - Family V(hep) also has V(tls) (certificates of HTTPS and of ION over TLS, by a handshake), V(web_access) (whether HTTP leads to HTTPS,
        by one request for C(/) without a login) and V(energies) (energies and template, by a profile's registers).
      - Family V(mcs301) also has V(transfer) (image transfer, stored images, activation time), V(associations) (who may do what),
        V(counters) (invocation counters as the meter tells them) and V(events) (last entries of the standard and the fraud log).
      - V(web) is read only when it is named, never as part of V(all). It signs in at the webpages once with O(credentials)
        (V(administrator), else V(product_master), else any), reads what the profile describes, and signs out.
      - A name after V(!) is left out. Identity is always read. Without this option everything is read.
    type: list
    elements: str
  profile:
    description:
      - Name or path of a profile, which may tell what the values of the meter's lock register mean. Without one the
        lock is V(unknown), because these values are not public.
      - It is read on the controller. Its content can be given as well.
    type: raw
  web_profile:
    description:
      - Name or path of the profile for meters on the new firmware generation. Only the subset V(web) uses it;
        meters on old firmware, and those for which it is absent, are read with O(profile).
    type: raw
    version_added: 0.2.0
  security_profile:
    description:
      - Name or path of a profile that names setup registers of family V(hep). Without it O(profile) is used. Only its C(registers) are.
    type: raw
    version_added: 0.4.0
  accept:
    description:
      - With V(counter_reset) an invocation counter of the meter that went back or far ahead is taken, once it is known why. Other
        words are for other modules.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  records:
    description:
      - Records that keep the invocation counters of family V(mcs301), a path or the URL of a PostgreSQL database.
        Without it C(~/.local/share/gridops.metering/records.sqlite3). Nothing is kept there of other families, nor without keys.
      - All runs that use the same keys must use the same records, because a counter must never be sent twice.
    type: str
    version_added: 0.3.0
extends_documentation_fragment:
  - gridops.metering.connection
  - gridops.metering.connection.attest
  - gridops.metering.attributes
  - gridops.metering.attributes.facts
  - gridops.metering.attributes.action_group
seealso:
  - module: gridops.metering.meter_fleet_info
"""

EXAMPLES = r"""
- name: Read everything of a meter
  gridops.metering.meter_facts:

- name: Read only who it is and what it runs
  gridops.metering.meter_facts:
    gather_subset: [min]

- name: Everything but the ports
  gridops.metering.meter_facts:
    gather_subset: [all, "!services"]

- name: What the meter's webpages say about its network and its last upgrade
  gridops.metering.meter_facts:
    gather_subset: [network, web]
    web_profile: pm5000-new

- name: Read an MCS301 as its management client
  gridops.metering.meter_facts:
    family: mcs301
    dlms:
      system_title: "4D53494D00000001"
    dlms_keys: "{{ vault_dlms_keys }}"
    gather_subset: [min, transfer, clock, security]

- name: Read a HEP meter, with what the site's own register profile tells of its security
  gridops.metering.meter_facts:
    family: hep
    security_profile: "{{ playbook_dir }}/profiles/hep-registers.yml"

- name: Read a meter from a jump host
  gridops.metering.meter_facts:
  delegate_to: jump1
"""

RETURN = r"""
ansible_facts:
  description: The facts, under one key.
  returned: success
  type: dict
  contains:
    meter:
      description: What the meter told. Parts that were not asked for are absent.
      type: dict
      contains:
        family:
          description: Family of the model.
          type: str
          sample: pm5000
        model:
          description:
            - Model, in the catalogue's spelling where it is known there. V(MCS301) for DLMS meters whose logical device name starts
              with C(MCS).
          type: str
          sample: PM5560
        name:
          description: Name that a user gave the meter.
          type: str
        serial:
          description: Serial number.
          type: str
          sample: "68510001"
        manufacturer:
          description: Manufacturer.
          type: str
        product_id:
          description: Numeric product id.
          type: int
        hardware_revision:
          description: Hardware revision.
          type: str
        manufactured:
          description: Date of manufacture.
          type: str
        firmware:
          description:
            - C(version) and C(previous) as three numbers. C(raw) and C(previous_raw) are the packed registers, kept as they are.
            - C(attempts) has C(limit), C(used), C(remaining) and C(source).
            - For family V(mcs301) C(version) is the identifier of the application (part 1) as hexadecimal digits, and C(components) holds
              for each part C(b), C(role) (V(metrology), V(application) or V(other)), C(legally_relevant), C(identifier), C(identifiers)
              (all of them, where the meter gives several) and C(signature).
            - For family V(hep) C(raw) is the version as the meter spells it, and C(generation) is V(below 3), V(3) or V(4).
            - C(slots) has C(active) and C(pending), the image that waits; C(transfer) has C(enabled), C(status), C(status_code),
              C(block_size), C(first_missing) and C(images); C(schedule) has C(times), C(script). All are of the subset V(transfer).
          type: dict
        network:
          description: C(address), C(ip_mode) and C(mac).
          type: dict
        services:
          description: For each service its C(port) and C(state) (V(open), V(closed), V(no_answer) or V(unknown)).
          type: dict
        status:
          description: Restarts, power failures and the cause of the last reset.
          type: dict
        mid_lock:
          description: V(locked), V(unlocked), V(not_applicable) for models that have no lock, or V(unknown).
          type: str
        lock:
          description: The two lock registers as they are, and the profile that gave them a meaning.
          type: dict
        security:
          description:
            - C(mode), the security mode.
            - For families V(pm5000) and V(hep) C(advisories) has the published bulletins that name this version, each with C(id), C(cves),
              C(fixed_in), C(text), C(mitigation) and C(source).
            - For family V(hep) also C(revenue_lock), C(settings), number of C(users), C(profile) and C(profile_verified) as far as a profile's
              registers tell them; what the documents say of a generation (C(password_storage), C(front_panel_password_change), C(limits));
              and what follows from a known mode (C(anonymous_read), C(anonymous_maps_to)).
            - For family V(mcs301) also C(version) of the security setup, C(policy), C(policy_value), C(suite), C(client_title),
              C(server_title), and C(findings), for example V(published_key) where a key in use is one that everybody knows.
          type: dict
        tls:
          description:
            - C(https) and C(ion_tls) of family V(hep), each with C(version), C(cipher), C(fingerprint), C(subject), C(issuer), C(not_after)
              and C(self_signed), as far as the handshake showed it.
          type: dict
        web_access:
          description:
            - How the webpages of family V(hep) were seen. C(seen) is V(redirect), V(plain), V(https_only), V(closed) or V(unknown), which is
              no setting, because ports can be moved or filtered. C(redirects_to) is where HTTP leads to.
          type: dict
        energies:
          description: Energies of family V(hep) by the names of the profile, in the unit of its registers; null without such a profile.
          type: dict
        template:
          description: Template of family V(hep) that a profile's register tells.
          type: str
        clock:
          description: The meter's own local time; for family V(mcs301) with its deviation from UTC, where the meter tells it.
          type: str
        clock_skew:
          description: Seconds by which the meter's clock is ahead of the computer that reads it; of family V(mcs301).
          type: float
        clock_flags:
          description: What the meter says of its clock, for example V(invalid) or V(daylight_saving); of family V(mcs301).
          type: list
          elements: str
        logical_device_name:
          description: Logical device name; of family V(mcs301).
          type: str
        system_title:
          description: System title of the meter, 16 hexadecimal digits; of family V(mcs301), in an association with keys.
          type: str
        association:
          description: As which client these facts were read, with C(authentication), C(protection), C(pdu) and C(conformance).
          type: dict
        associations:
          description:
            - For each client C(client), C(mechanism), C(ciphered), C(status), and C(rights) with the number of C(objects), what is
              C(writable) and what is C(runnable), as far as this association shows it.
          type: list
          elements: dict
        objects:
          description: The objects that an upgrade needs, with the rights of this association; null for one that it does not show.
          type: dict
        counters:
          description: Invocation counters by logical name. Part of it is told without protection.
          type: dict
        events:
          description: C(standard) and C(fraud), each with the number of C(entries) and the C(last) ones (C(at), C(code)).
          type: dict
        identification:
          description: C(vendor), C(product_code) and C(revision) of the Modbus device identification, or C(device_id_2) to C(device_id_7).
          type: dict
        web:
          description:
            - C(profile), C(verified), C(role), C(settings), C(last_upgrade) and C(findings), as the webpages tell them.
          type: dict
        provenance:
          description:
            - For each field where its value is from, V(register), V(object), V(probe), V(ledger), V(web), V(attested), or V(catalogue) for what
              the documents say of model and version.
          type: dict
        unread:
          description: For each field without a value the reason.
          type: dict
error:
  description: What went wrong, with C(class), C(stage), C(reason) and C(remedy).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._facts import FACTS_SPEC, gather
from ..module_utils._front import run_module


def main() -> None:
    module = AnsibleModule(argument_spec=FACTS_SPEC, supports_check_mode=True)
    run_module(module, lambda params: gather(params, str(params.get("host"))))


if __name__ == "__main__":
    main()
