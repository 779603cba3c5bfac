# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One asyncio pass over many meters from the controller's process or a jump host: what every action that reads a fleet has in common."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._facts import (
    ASK,
    BLOCKS,
    BY_NAME,
    FLEET_KEYS,
    FLEET_SPEC,
    JOB_OPTIONS,
    PROFILED,
    fleet_options,
    gather_fleet,
    with_failures,
)

from ._action import MeterAction
from ._dlms import dlms_ledger, facts_block
from ._profile import register_profile

MODULE = "gridops.metering.meter_fleet_info"
_VARIABLES = {name: f"metering_{name}" for name in JOB_OPTIONS if name not in ("name", "profile")}


class FleetAction(MeterAction):
    """``execute`` and ``run_delegated`` give the result of ``meter_fleet_info``."""

    BYPASS_HOST_LOOP = True
    ARGUMENT_SPEC = FLEET_SPEC
    FROM_VARIABLES = False  # the variables of whichever host comes first say nothing about the fleet
    CLEAN_RESULT = False  # no secret is ever in a result of the engine, and this one may hold ten thousand meters
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = (FLEET_KEYS, BLOCKS)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        with _collector_at_rest():
            return super().run(tmp, task_vars)

    def build_params(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """The options; keys that stand in the list of meters are taken out of it, so that no output shows them."""
        params = super().build_params(task_vars)
        if params.get("records") is None and task_vars.get("metering_records") is not None:
            params["records"] = self._templar.template(task_vars["metering_records"])  # one for all, unlike those of the hosts
        keys: dict[str, Any] = {}
        meters = params.get("meters")
        if meters is not None:
            params["meters"] = [_without_keys(entry, keys) if isinstance(entry, Mapping) else entry for entry in meters]
        return {**params, FLEET_KEYS: keys} if keys else params

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return gather_fleet(self._resolved(params, task_vars), lambda: dlms_ledger(params.get("records")))

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        given = {**self._resolved(params, task_vars), "records": None}
        targets = _with_counters(given)
        if not targets:
            return self._there(given, task_vars)
        told = self._there({**given, BLOCKS: ASK}, task_vars)
        if told.get("failed"):
            return told
        ledger = dlms_ledger(params.get("records"))
        blocks: dict[str, Any] = {}
        failures: dict[str, DeviceError] = {}
        for name, floor in told["floors"].items():
            try:
                blocks[name] = facts_block(ledger, targets[name], int(floor))
            except DeviceError as exc:  # a counter that went back is this meter's alone
                failures[name] = exc
        result = self._there({**given, BLOCKS: {BY_NAME: blocks}}, task_vars)
        return with_failures(result, failures, params["max_error_share"])

    def look_at(self, name: str, raw: Mapping[str, Any]) -> None:
        """A subclass may take more from the variables of a host, which are not templated."""

    def _there(self, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """One pass on the jump host, whichever action asks for it."""
        return self.call_module(MODULE, params, task_vars)

    def _resolved(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Inventory names turned into what is needed to reach those meters. Raises InputError."""
        entries: Iterable[Any] = params["meters"] if params.get("meters") is not None else task_vars["ansible_play_hosts"]
        with_registers = bool(fleet_options(params).subsets & PROFILED)
        profile = register_profile(params.get("profile")) if with_registers else None
        inventory = _Inventory(task_vars["hostvars"], with_registers and profile is None, self.look_at)
        keys: dict[str, Any] = dict(params.get(FLEET_KEYS) or {})
        meters = [_without_keys(inventory.entry(entry), keys) if isinstance(entry, str) else entry for entry in entries]
        resolved = {**params, "meters": meters, "profile": profile}
        return {**resolved, FLEET_KEYS: keys} if keys else resolved


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """No garbage collection while a fleet is read: each would go through, and copy, the whole inventory that the worker shares."""
    collects = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if collects:
            gc.enable()


class _Inventory:
    """The few variables of each host that a reading needs, without templating all the others."""

    def __init__(self, hostvars: Any, with_profile: bool, look_at: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._hostvars = hostvars
        self._look_at = look_at
        self._with_profile = with_profile
        self._profiles: dict[str, Mapping[str, Any] | None] = {}

    def entry(self, name: str) -> dict[str, Any]:
        """The meter of one inventory name."""
        if name not in self._hostvars:
            raise InputError("meters", name, "names of the inventory, or dictionaries with name and host", "design 3")
        raw = self._hostvars.raw_get(name)
        self._look_at(name, raw)
        meter: dict[str, Any] = {"name": name}
        for option, variable in _VARIABLES.items():
            if variable in raw:
                meter[option] = self._value(name, variable, raw[variable])
        if not meter.get("host"):
            meter["host"] = self._value(name, "ansible_host", raw["ansible_host"]) if "ansible_host" in raw else name
        own = "metering_security_profile" if meter.get("family") == "hep" and "metering_security_profile" in raw else "metering_profile"
        if self._with_profile and own in raw:
            meter["profile"] = self._profile(self._value(name, own, raw[own]))
        return meter

    def _value(self, name: str, variable: str, value: Any) -> Any:
        return self._hostvars[name][variable] if _may_be_template(value) else value

    def _profile(self, profile: Any) -> Mapping[str, Any] | None:
        if isinstance(profile, Mapping):
            return profile
        if profile not in self._profiles:
            self._profiles[profile] = register_profile(profile)
        return self._profiles[profile]


def _with_counters(given: Mapping[str, Any]) -> dict[str, Target]:
    """The meters whose association spends counters; what is wrong with an entry is told with the other results."""
    keys = given.get(FLEET_KEYS) or {}
    targets: dict[str, Target] = {}
    for entry in given["meters"]:
        name = str(entry.get("name") or entry.get("host") or "")
        with contextlib.suppress(InputError):
            target = target_from({"host": name, **entry, "dlms_keys": keys.get(name)}, name)
            if needs_counters(target.dlms):
                targets[name] = target
    return targets


def _without_keys(entry: Mapping[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """The entry without its keys, which are kept by its name."""
    if entry.get("dlms_keys") is not None:
        keys[str(entry.get("name") or entry.get("host") or "")] = entry["dlms_keys"]
    return {name: value for name, value in entry.items() if name != "dlms_keys"}


def _may_be_template(value: Any) -> bool:
    if isinstance(value, str):
        return "{" in value
    if isinstance(value, Mapping):
        return any(_may_be_template(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_may_be_template(item) for item in value)
    return not isinstance(value, (int, float, type(None)))
