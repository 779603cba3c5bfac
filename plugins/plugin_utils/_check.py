# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong in a repository and shows without a meter: baseline, campaign, packages, and the variables of each meter."""

from __future__ import annotations

import difflib
import fnmatch
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._argspec import check_attest, target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.baseline import Baseline
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.faults import BaselineError, Flaw, Path
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError, MeteringError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.accept import check_words
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import MCS301, PM5000
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import parts, waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.campaign import Campaign
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.plan import check_targets, check_version
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Location

from ._baseline import agreed_targets, one_baseline, read_baseline
from ._campaign_file import check_names, read_campaign
from ._clear_secrets import in_clear
from ._known_variables import known_variables
from ._origin import location, location_of
from ._rollout import Remembered, Said

#: What a connection is made from. Nothing of it is a secret, so no vault is needed for looking at it.
_CONNECTION = ("host", "family", "unit_id", "ports", "timeouts", "gateway", "attest", "dlms")

_SECRETS_SHOWN = 10


class Checker:
    """Looks at everything and keeps what is wrong."""

    def __init__(self, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> None:
        self._params = params
        self._hostvars = Remembered(task_vars["hostvars"])
        self._hosts = [str(host) for host in params["meters"] or task_vars["ansible_play_hosts_all"]]
        self._checked: list[str] = []
        self._faults: list[Flaw] = []
        self._notices: list[Flaw] = []
        self._baseline: Baseline | None = None
        self._targets: dict[str, Any] | None = None

    def all(self) -> None:
        """Every check, each by itself, so that one fault hides no other."""
        campaign = self._campaign()
        self._read_baseline()
        self._wanted(campaign)
        self._options(campaign)
        self._packages()
        self._inventory()

    def result(self) -> dict[str, Any]:
        """What the task returns."""
        found: dict[str, Any] = {
            "text": self._sentence(),
            "checked": self._checked,
            "faults": [_plain(item) for item in self._faults],
            "notices": [_plain(item) for item in self._notices],
            "meters": len(self._hosts),
        }
        if self._baseline is not None:
            found["baseline"] = self._baseline.head()
        if self._targets is not None:
            found["targets"] = self._targets
        return found

    def lines(self) -> list[str]:
        """The same for people."""
        head = (
            f"Checked {', '.join(self._checked)} of {len(self._hosts)} meters: {len(self._faults)} faults, {len(self._notices)} warnings."
        )
        return [head, *(f"fault: {item}" for item in self._faults), *(f"warning: {item}" for item in self._notices)]

    def _sentence(self) -> str:
        if not self._faults:
            return f"{', '.join(self._checked)} of {len(self._hosts)} meters: no fault"
        return f"{len(self._faults)} faults: " + "; ".join(str(item) for item in self._faults)

    # -- the parts ----------------------------------------------------------------------------------------------------

    def _campaign(self) -> Campaign:
        found = Campaign()
        if self._params["campaign_file"]:
            self._checked.append("campaign")
            with self._fault():
                found = read_campaign(self._params["campaign_file"])
            with self._fault():
                check_names(found, self._hostvars)
        return found

    def _read_baseline(self) -> None:
        with self._fault():
            one_baseline(self._hostvars, self._hosts)
        if self._params["baseline"] is None:
            return
        self._checked.append("baseline")
        with self._fault():
            self._baseline = read_baseline(self._params["baseline"])
        if self._baseline is None:
            return
        for text in self._baseline.warnings:
            self._notice("metering_baseline.firmware", text, None)
        self._look_for_nobody(self._baseline)
        self._look_for_outsiders(self._baseline)
        for number, waiver in enumerate(self._baseline.waivers):
            if waiver.expired(self._baseline.today):
                text = f"metering_baseline.waivers[{number}]: the waiver of {waiver.control} ran out on {waiver.expires}, so it is a fail again"
                self._notice("metering_baseline.waivers", text, self._baseline.origin(waiver.path))
        for number, item in enumerate(self._baseline.attestations):
            if item.expired(self._baseline.today):
                text = f"metering_baseline.attested[{number}]: what {item.by} saw of {item.control} counted until {item.until}"
                self._notice("metering_baseline.attested", text, self._baseline.origin(item.path))

    def _look_for_nobody(self, baseline: Baseline) -> None:
        """Patterns that name no meter of the inventory are mistyped more often than meant."""
        given: list[tuple[Path, tuple[str, ...]]] = [(("applies_to", "hosts"), baseline.coverage.hosts)]
        given += [((*item.path, "hosts"), item.hosts) for item in baseline.attestations]
        given += [((*item.path, "hosts"), item.hosts) for item in baseline.waivers]
        for path, patterns in given:
            for pattern in patterns:
                if not fnmatch.filter(self._hostvars, pattern):
                    option = f"metering_baseline.{'.'.join(map(str, path))}"
                    self._notice(option, f"{option}: {pattern} names no meter of the inventory", baseline.origin(path))

    def _look_for_outsiders(self, baseline: Baseline) -> None:
        """Meters that the baseline says nothing of, as far as the inventory tells: of no meter it is said which model it is."""
        by_name = replace(baseline.coverage, models=())
        families = {host: str(Said(self._hostvars, host).get("family") or PM5000) for host in self._hosts if host in self._hostvars}
        outside = [host for host, family in families.items() if by_name.why(host, family, "")]
        if outside:
            text = f"metering_baseline.applies_to: {len(outside)} of {len(self._hosts)} meters are not covered, the first is {outside[0]}"
            self._notice("metering_baseline.applies_to", text, baseline.origin(("applies_to",)))

    def _wanted(self, campaign: Campaign) -> None:
        if not (self._params["targets"] or campaign.targets or self._baseline):
            return
        self._checked.append("targets")
        with self._fault():
            self._targets = check_targets({**(self._params["targets"] or {}), **campaign.targets})
            if self._baseline is not None:
                self._targets = agreed_targets(self._baseline, self._params, campaign)

    def _options(self, campaign: Campaign) -> None:
        self._checked.append("options")
        concurrency = 1
        with self._fault():
            concurrency = waves.check_concurrency(self._params["concurrency"] if campaign.concurrency is None else campaign.concurrency)
        for sizes in (campaign.batches or self._params["rollout_batches"], *(wave.batches for wave in campaign.waves if wave.batches)):
            with self._fault():
                waves.check_batches(sizes, concurrency)
        with self._fault():
            waves.check_batches(self._params["hardening_batches"], concurrency)
        with self._fault():
            waves.check_policy(self._params["gate"] or {})
        with self._fault():
            check_words(self._params["accept"])

    def _packages(self) -> None:
        """The manifest, and whether it has a package for each target of a rollout."""
        if not self._params["artifacts"]:
            return
        self._checked.append("artifacts")
        found = None
        with self._fault():
            found = manifest.load(pathlib.Path(self._params["artifacts"]))
        for package in found.packages if found is not None and self._params["files"] else ():
            self._faults += [Flaw("metering_artifacts", f"{package.id}: {item}", None) for item in manifest.faults(package)]
        for model, target in (self._targets or {}).items() if found is not None else ():
            version, dummy = parts.split(target)
            if not any(version == package.version and model in {item.name for item in package.models} for package in found.packages):
                self._notice("metering_artifacts", f"metering_artifacts: there is no package that ends at {version} for {model}", None)

    # -- the inventory ------------------------------------------------------------------------------------------------

    def _inventory(self) -> None:
        self._checked.append("inventory")
        known, told = known_variables(), set()
        clear: set[tuple[str, int, str]] = set()
        for host in self._hosts:
            if host not in self._hostvars:
                self._faults.append(Flaw("meters", f"meters: {host!r} is not in the inventory", None))
                continue
            raw = self._hostvars.raw_get(host)
            self._meter(host, raw)
            clear.update((place["file"], place["line"], name) for name, place in in_clear(raw))
            for name in raw:
                if str(name).startswith("metering_") and name not in known and name not in told:
                    told.add(name)
                    self._unknown(str(name), raw, known)

        self._in_clear(sorted(clear))

    def _in_clear(self, found: list[tuple[str, int, str]]) -> None:
        """Secrets in clear, each line once; of many the first ones and how many more."""
        for file, line, name in found[:_SECRETS_SHOWN]:
            self._notice(name, f"{name}: a secret stands here in clear; let a vault keep it", {"file": file, "line": line})
        if len(found) > _SECRETS_SHOWN:
            self._notice("", f"{len(found) - _SECRETS_SHOWN} more secrets stand in clear", None)

    def _meter(self, host: str, raw: Mapping[str, Any]) -> None:
        said = Said(self._hostvars, host)
        given = {name: value for name in _CONNECTION if (value := said.get(name)) is not None}
        given.setdefault("host", said.get("ansible_host") or host)
        with self._fault(host, raw):
            target_from(given, host)
        with self._fault(host, raw):
            check_attest(said.get("attest"))
        version = said.get("version")
        with self._fault(host, raw):
            if version and said.get("family") == MCS301:
                parts.check_target("metering_version", version)
            elif version:
                check_version("metering_version", version)
        with self._fault(host, raw):
            check_words(said.get("accept") or [])

    def _unknown(self, name: str, raw: Mapping[str, Any], known: frozenset[str]) -> None:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        text = f"{name}: no part of this collection knows this variable" + (f"; is {close[0]} meant?" if close else "")
        self._notice(name, text, location_of(raw, name))

    # -- keeping ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _fault(self, host: str = "", raw: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Takes what is wrong, with the line of the variable where it is one of a meter."""
        before = f"{host}: " if host else ""
        try:
            yield
        except BaselineError as error:
            self._faults += error.faults
        except InputError as error:
            self._faults.append(Flaw(error.option, before + str(error), _place(host, raw, error.option)))
        except MeteringError as error:
            self._faults.append(Flaw("", before + str(error), None))

    def _notice(self, option: str, text: str, place: Location | None) -> None:
        self._notices.append(Flaw(option, text, place))


def _place(host: str, raw: Mapping[str, Any] | None, option: str) -> Location | None:
    """Where a meter's variable stands, else the meter itself."""
    if raw is None:
        return None
    name = option.split(".")[0]
    names = (name, f"metering_{name}", *(("ansible_host",) if name == "host" else ()))
    return next((found for variable in names if (found := location_of(raw, variable))), location(host))


def _plain(item: Flaw) -> dict[str, Any]:
    place = item.location or {"file": "", "line": 0}
    return {"option": item.option, "text": item.text, **place}
