# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup: a new password that a meter takes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: meter_password
author:
  - The gridops.metering authors (@gridops)
version_added: 0.4.0
short_description: Make a new password that a meter takes
description:
  - Makes a random password of the form that this model takes at its firmware version and in its security mode.
  - An account of an ION meter below 4.0.0 gets exactly six characters with all four classes, and with Legacy security support
    the account User1 gets a number of eight digits, since that is all that these meters and the software beside them take.
  - Nothing is stored and nothing is contacted. Write the password into the vault, as pending, before a meter gets it.
notes:
  - Every time the lookup is evaluated it makes another password. Keep it with M(ansible.builtin.set_fact) in a task with C(no_log),
    and never in a variable of the inventory or of a play, which is evaluated anew at each use.
options:
  _terms:
    description:
      - Names of the accounts, one password for each. A name decides the form on ION meters only.
    required: true
    type: list
    elements: str
  model:
    description:
      - Model of the meter, such as V(ION9000) or V(PM5560).
    type: str
    required: true
  version:
    description:
      - Firmware version of the meter. Without it the strictest form of the family is made.
    type: str
  mode:
    description:
      - Security mode of an ION meter.
    type: str
    choices: [none, standard, legacy_support, advanced]
  alphanumeric:
    description:
      - Make an alphanumeric password for User1 also with Legacy security support. Some software cannot sign in with it.
    type: bool
    default: false
  readable:
    description:
      - Leave out characters that look alike, such as zero and the letter O.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make a new password for each account of this meter
  ansible.builtin.set_fact:
    new_password: "{{ lookup('gridops.metering.meter_password', 'USER2', model=meter.model, version=meter.firmware.version, mode='advanced') }}"
  no_log: true

- name: Write it into the vault as pending, before the meter gets it
  community.hashi_vault.vault_kv2_write:
    path: "meters/{{ meter.serial }}/USER2"
    data:
      current: "{{ present_password }}"
      pending: "{{ new_password }}"
  no_log: true
"""

RETURN = r"""
_list:
  description: One password for each name. The result is a secret.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP, PM5000, Model, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.passwords import Policy, policy_for
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.generate import generate


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """One password for each account. Raises AnsibleLookupError on bad input."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            model = find_model(self.get_option("model"))
            if model.family not in (HEP, PM5000):
                raise InputError("model", str(model), "an ION or PowerLogic PM5000 meter; the others have no named accounts", "R-306")
            given = self.get_option("version")
            version = None if given is None else Version.parse(given, "version")
            return [generate(self._policy(model, version, term), readable=self.get_option("readable")) for term in _accounts(terms)]
        except InputError as error:
            raise AnsibleLookupError(f"gridops.metering.meter_password: {error}") from None

    def _policy(self, model: Model, version: Version | None, account: str) -> Policy:
        return policy_for(model.family, model, version, self.get_option("mode"), account, alphanumeric=self.get_option("alphanumeric"))


def _accounts(terms: list[Any]) -> list[str]:
    if not terms or not all(isinstance(term, str) and term for term in terms):
        raise InputError("_terms", terms, "the names of one or more accounts", "R-314")
    return terms
