# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inventory of meters: from a list, from ranges, from the vendor tool's file; read live when asked to."""

from __future__ import annotations

DOCUMENTATION = r"""
name: meters
short_description: Meters as hosts, from a list, ranges or the vendor tool's Config.csv, read live when asked to
version_added: 0.1.0
author:
  - The gridops.metering authors (@gridops)
description:
  - Makes each meter a host. Needs no network unless O(read=true).
  - With O(read=true) all meters are read in one pass, and groups can be made from what they tell, for example by model or firmware.
    Every command that uses the inventory then reads the fleet, so turn on the cache.
  - Text that a meter sends is never treated as a template.
  - The file is YAML and its name ends in C(.yml) or C(.yaml).
requirements:
  - pymodbus >= 3.8, for O(read=true)
  - cryptography, for O(read=true) with keys of DLMS meters
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Must be V(gridops.metering.meters).
    type: str
    required: true
    choices: [gridops.metering.meters]
  group:
    description: Group that all meters belong to.
    type: str
    default: meters
  meters:
    description:
      - The meters, each a name or a dictionary with C(name), and if needed C(host), C(family), C(unit_id), C(ports), C(timeouts),
        C(gateway), C(dlms), C(dlms_keys), C(groups) (list) and C(vars) (dictionary).
      - C(family), C(dlms) and C(dlms_keys) are as for M(gridops.metering.meter_facts). With O(read=true) a DLMS meter is read with the
        keys that stand here, and by its public client where there are none; variables of other files are not known yet.
      - C(name) and C(host) may hold a range such as C(panel[01:20]) and C(192.0.2.[10:29]). Both must then stand for the same number.
        A range in C(name) only leaves the name as the address.
    type: list
    elements: raw
    default: []
  tool_csv:
    description:
      - Files in the form of the vendor tool's C(Config.csv), relative to the inventory file. Several lines are accepted.
      - The passwords in them are not taken over. User names become the variable C(metering_users).
    type: list
    elements: str
    default: []
  defaults:
    description: What holds for every meter that does not say otherwise, in the same form as an entry of O(meters), without C(name) and C(host).
    type: dict
    default: {}
  read:
    description:
      - Read the meters. The facts become the variable C(metering_facts), the outcome C(metering_read) with C(ok), and C(msg) and C(error)
        where it failed. Meters that could not be read are in the group C(meters_unread).
    type: bool
    default: false
  gather_subset:
    description: What to read, as for M(gridops.metering.meter_facts).
    type: list
    elements: str
    default: [min]
  profile:
    description:
      - Name or path of a profile whose registers tell a lock, setup or energy. Only the subsets V(lock), V(security) and V(energies) use it.
    type: raw
  records:
    description:
      - Records that keep the invocation counters of DLMS meters, path or URL, as for M(gridops.metering.meter_facts).
    type: str
    version_added: 0.3.0
  concurrency:
    description: Number of meters that are read at the same time.
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
  local:
    description:
      - Set C(ansible_connection) to V(local) and C(ansible_python_interpreter) to the controller's own for the group,
        because nothing ever logs in to a meter.
    type: bool
    default: true
"""

EXAMPLES = r"""
# meters.yml
plugin: gridops.metering.meters
meters:
  - {name: main-panel, host: 192.0.2.10}
  - {name: "floor[1:4]", host: "192.0.2.[21:24]", gateway: riser-1, groups: [building_a]}
defaults:
  ports: {modbus: 502}
  vars: {site: north}

# mixed.yml: Modbus and DLMS/COSEM in one fleet
---
plugin: gridops.metering.meters
read: true
meters:
  - {name: main-panel, host: 192.0.2.10}
  - name: "feeder[1:3]"
    host: "192.0.2.[31:33]"
    family: mcs301
keyed_groups:
  - {key: metering_facts.family, prefix: family}
  - {key: metering_facts.firmware.version, prefix: firmware}

# live.yml: read, group by model, keep for an hour
---
plugin: gridops.metering.meters
tool_csv: [Config.csv]
read: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .cache
cache_timeout: 3600
keyed_groups:
  - {key: metering_facts.model, prefix: model}
compose:
  firmware_now: metering_facts.firmware.version
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable, detect_range, expand_hostname_range

from ansible_collections.gridops.metering.plugins.module_utils._argspec import (
    check_family,
    check_host,
    check_ports,
    check_timeouts,
    check_unit_id,
)
from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import check_dlms
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError, MeteringError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.toolcsv import parse_tool_csv
from ansible_collections.gridops.metering.plugins.module_utils._facts import FLEET_SPEC, fleet_options, gather_fleet
from ansible_collections.gridops.metering.plugins.plugin_utils._dlms import dlms_ledger
from ansible_collections.gridops.metering.plugins.plugin_utils._profile import register_profile

CONNECTION = ("family", "unit_id", "ports", "timeouts", "gateway", "dlms", "dlms_keys")
ENTRY = ("name", "host", *CONNECTION, "groups", "vars")
UNREAD_GROUP = "meters_unread"


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "gridops.metering.meters"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache=cache)
        try:
            self._check_keys(self._config(path))
            if self.get_option("read"):
                fleet_options(self._pass_options([]))
            meters = self._meters(Path(path).parent)
            outcomes = self._outcomes(meters, path, cache) if self.get_option("read") else {}
        except MeteringError as exc:
            raise AnsibleParserError(f"{path}: {exc}") from None
        except AnsibleError:
            raise
        except Exception as exc:
            raise AnsibleParserError(f"{path}: internal error: {type(exc).__name__}; please report it with this line") from None
        self._populate(inventory, meters, outcomes)

    # -- the meters ---------------------------------------------------------------------------------------------------

    def _config(self, path: str) -> Any:
        try:
            return self._read_config_data(path)
        except AttributeError:  # core takes for granted that the file is a mapping
            raise InputError(
                "inventory", "a list or a plain value", "a mapping with plugin: gridops.metering.meters", "design 4.0"
            ) from None

    def _check_keys(self, config: Any) -> None:
        known = set(self.option_definitions)
        unknown = sorted(str(key) for key in config if key not in known)
        if unknown:
            raise InputError("inventory", ", ".join(unknown), f"the options {', '.join(sorted(known))}", "design 4.0")

    def _meters(self, folder: Path) -> dict[str, dict[str, Any]]:
        defaults = _entry({"name": "defaults", **_mapping("defaults", self.get_option("defaults"))}, "defaults")
        meters: dict[str, dict[str, Any]] = {}
        entries = [*self._listed(), *self._imported(folder)]
        for where, entry in entries:
            name = entry["name"]
            if name in meters:
                raise InputError(where, name, "each name once", "design 4.0")
            meters[name] = _checked(_with_defaults(entry, defaults), where)
        return meters

    def _listed(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, item in enumerate(self.get_option("meters")):
            where = f"meters[{number}]"
            entry = _entry({"name": item} if isinstance(item, str) else _mapping(where, item), where)
            names = _expand(entry["name"], f"{where}.name")
            hosts = _expand(entry["host"], f"{where}.host") if entry.get("host") else names
            if len(names) != len(hosts):
                raise InputError(f"{where}.host", entry["host"], f"as many addresses as names, which are {len(names)}", "design 4.0")
            for name, host in zip(names, hosts, strict=True):
                yield where, {**entry, "name": name, "host": host}

    def _imported(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        files = self.get_option("tool_csv")
        for file in files:
            try:
                text = (folder / file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                raise InputError("tool_csv", file, "a readable text file beside the inventory", "R-100") from None
            for meter in parse_tool_csv(text, str(file)):
                name = meter.host if meter.unit_id == constants.UNIT_ID.number else f"{meter.host}-{meter.unit_id}"
                users = {"web_master": meter.web_master, "product_master": meter.product_master}
                entry = {"name": name, "host": meter.host, "unit_id": meter.unit_id, "vars": {"metering_users": users}}
                yield f"{file} line {meter.line}", entry
        if files:
            self.display.warning("The passwords in the imported tool files are not taken over; give metering_credentials from a vault.")

    # -- reading ------------------------------------------------------------------------------------------------------

    def _outcomes(self, meters: Mapping[str, dict[str, Any]], path: str, cache: bool) -> dict[str, dict[str, Any]]:
        """What the meters told, or what the cache remembers of the same list."""
        jobs = [{key: meter[key] for key in ("name", "host", *CONNECTION) if meter.get(key) is not None} for meter in meters.values()]
        if not jobs:
            return {}
        for job in jobs:
            if "dlms_keys" in job:
                job["dlms_keys"] = _opened(job["dlms_keys"])
        shown = [{key: value for key, value in job.items() if key != "dlms_keys"} for job in jobs]  # no key, nor a digest of one, is cached
        asked = json.dumps([shown, self.get_option("gather_subset"), self.get_option("profile")], sort_keys=True, default=str)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        use_cache = bool(self.get_option("cache"))
        key = self.get_cache_key(path)
        if use_cache and cache:
            try:
                kept = self._cache[key]
            except KeyError:
                kept = None
            if isinstance(kept, Mapping) and kept.get("digest") == digest:
                return dict(kept["meters"])
        outcomes: dict[str, dict[str, Any]] = gather_fleet(self._pass_options(jobs), self._counters)["meters"]
        if use_cache:
            self._cache[key] = {"digest": digest, "meters": outcomes}
        return outcomes

    def _counters(self) -> Any:
        """The records, which keep the invocation counters of DLMS meters."""
        return dlms_ledger(self.get_option("records"))

    def _pass_options(self, jobs: list[dict[str, Any]]) -> dict[str, Any]:
        options = {name: spec.get("default") for name, spec in FLEET_SPEC.items()}
        options.update({name: self.get_option(name) for name in ("gather_subset", "concurrency", "per_gateway", "deadline", "retries")})
        return {**options, "meters": jobs, "profile": register_profile(self.get_option("profile"))}

    # -- the inventory ------------------------------------------------------------------------------------------------

    def _populate(self, inventory: Any, meters: Mapping[str, dict[str, Any]], outcomes: Mapping[str, dict[str, Any]]) -> None:
        group = inventory.add_group(self.get_option("group"))
        if self.get_option("local"):
            inventory.set_variable(group, "ansible_connection", "local")
            inventory.set_variable(group, "ansible_python_interpreter", sys.executable)
        if any(not outcome["ok"] for outcome in outcomes.values()):
            inventory.add_group(UNREAD_GROUP)
        strict = self.get_option("strict")
        compose, groups, keyed = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        for name, meter in meters.items():
            inventory.add_host(name, group=group)
            variables = _variables(meter, outcomes.get(name))
            for variable, value in variables.items():
                inventory.set_variable(name, variable, value)
            for extra in meter.get("groups") or ():
                inventory.add_child(inventory.add_group(self._sanitize_group_name(extra)), name)
            if name in outcomes and not outcomes[name]["ok"]:
                inventory.add_child(UNREAD_GROUP, name)
            if compose:
                self._set_composite_vars(compose, variables, name, strict=strict)
            if groups:
                self._add_host_to_composed_groups(groups, variables, name, strict=strict)
            if keyed:
                self._add_host_to_keyed_groups(keyed, variables, name, strict=strict)


def _variables(meter: Mapping[str, Any], outcome: Mapping[str, Any] | None) -> dict[str, Any]:
    variables: dict[str, Any] = {**(meter.get("vars") or {}), "ansible_host": meter["host"]}
    variables.update({f"metering_{key}": meter[key] for key in CONNECTION if meter.get(key) is not None})
    if outcome is not None:
        variables["metering_read"] = {key: value for key, value in outcome.items() if key != "facts"}
        if outcome["ok"]:
            variables["metering_facts"] = outcome["facts"]
    return variables


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(where, value, f"a dictionary with {', '.join(ENTRY)}", "design 4.0")
    return value


def _entry(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    """An entry whose keys and types are right."""
    unknown = sorted(str(key) for key in item if key not in ENTRY)
    if unknown:
        raise InputError(where, ", ".join(unknown), f"the keys {', '.join(ENTRY)}", "design 4.0")
    for key, kind, words in (("name", str, "a name"), ("groups", list, "a list of group names"), ("vars", Mapping, "a dictionary")):
        if item.get(key) is not None and not isinstance(item[key], kind):
            raise InputError(f"{where}.{key}", item[key], words, "design 4.0")
    if not item.get("name"):
        raise InputError(where, dict(item), "a name", "design 4.0")
    return dict(item)


def _with_defaults(entry: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**{key: value for key, value in defaults.items() if key not in ("name", "host")}, **entry}
    merged["vars"] = {**(defaults.get("vars") or {}), **(entry.get("vars") or {})}
    merged["groups"] = [*(defaults.get("groups") or ()), *(entry.get("groups") or ())]
    return merged


def _checked(meter: dict[str, Any], where: str) -> dict[str, Any]:
    """The meter, when every value can be used to reach it. Raises InputError that names the entry."""
    try:
        check_host(meter["host"])
        family = check_family(meter.get("family"))
        check_ports(meter.get("ports"), family)
        if family == "mcs301":
            check_dlms({**meter, "dlms_keys": _opened(meter.get("dlms_keys"))})
        check_timeouts(meter.get("timeouts"))
        if meter.get("unit_id") is not None:
            check_unit_id(meter["unit_id"])
    except InputError as exc:
        raise MeteringError(f"{where}: {exc}") from None
    return meter


def _opened(keys: Any) -> Any:
    """Keys as text. What stands encrypted in the file is opened by this and stays encrypted in the host's variable."""
    if not isinstance(keys, Mapping):
        return keys
    return {
        name: value if value is None or isinstance(value, (str, int, float, list, Mapping)) else str(value) for name, value in keys.items()
    }


def _expand(text: Any, where: str) -> list[str]:
    """A name or address, or all those of a range."""
    if not isinstance(text, str):
        raise InputError(where, text, "text, or a range such as panel[01:20]", "design 4.0")
    if not detect_range(text):
        return [text]
    try:
        names = [str(item) for item in expand_hostname_range(text)]
    except AnsibleError as exc:
        raise InputError(where, text, f"a range such as panel[01:20] ({' '.join(str(exc).split())})", "design 4.0") from None
    if not names:
        raise InputError(where, text, "a range from a lower to a higher number, such as panel[01:20]", "design 4.0")
    return names
