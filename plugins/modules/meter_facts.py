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
  - Reads who a meter is, what firmware it runs, its state and which of its services answer, over Modbus TCP and by
    connecting to its ports. Nothing is written, and no page is requested unless the subset V(web) is named.
  - Family V(pm5000) is read with one request for each of identity, firmware, status and lock, over one connection.
    What the meter does not serve in one request is read field by field.
  - A field that cannot be read is present as V(unknown) (text) or null (number) and is listed with the reason in
    RV(ansible_facts.meter.unread).
requirements:
  - pymodbus >= 3.8, where it runs
  - requests and jmespath, where it runs, for the subset V(web)
options:
  gather_subset:
    description:
      - What to read. V(all), V(min) (identity and firmware), or any of V(identity), V(firmware), V(network), V(services),
        V(status), V(lock), V(clock), V(security), V(identification) (Modbus device identification, function 43).
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
          description: Model, in the catalogue's spelling where it is known there.
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
            - C(components) and C(slots) are for families that have them.
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
          description: C(mode), the security mode.
          type: dict
        clock:
          description: The meter's own local time.
          type: str
        identification:
          description: C(vendor), C(product_code) and C(revision) of the Modbus device identification.
          type: dict
        web:
          description:
            - C(profile), C(verified), C(role), C(settings), C(last_upgrade) and C(findings), as the webpages tell them.
          type: dict
        provenance:
          description: For each field where its value is from, V(register), V(object), V(probe), V(ledger), V(web) or V(attested).
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
