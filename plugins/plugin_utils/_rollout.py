# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions of a rollout share: variables of many meters, their clock, and the judgement after a batch."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import parts, waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records

Outcomes = dict[str, dict[str, Any]]
_SEVERITY = {waves.ADVANCE: 0, waves.PAUSE: 1, waves.ABORT: 2}
_PROVEN = ("verified", "verified_late")
_CERTIFICATE = ("tls_untrusted", "tls_fingerprint_mismatch")


class Remembered:
    """The variables of hosts, where core looks for those of one host only once; without templating they cost a millisecond each time."""

    def __init__(self, hostvars: Any) -> None:
        self._hostvars = hostvars
        self._raw: dict[str, Any] = {}

    def raw_get(self, host: str) -> Any:
        """The variables of one host, not templated."""
        if host not in self._raw:
            self._raw[host] = self._hostvars.raw_get(host)
        return self._raw[host]

    def __getitem__(self, host: str) -> Any:
        return self._hostvars[host]

    def __contains__(self, host: object) -> bool:
        return host in self._raw or host in self._hostvars

    def __iter__(self) -> Iterator[str]:
        return iter(self._hostvars)


class Said:
    """The few inventory variables that a plan needs, templated only where they hold a template."""

    def __init__(self, hostvars: Any, host: str) -> None:
        self._hostvars, self._host = hostvars, host
        self._raw = hostvars.raw_get(host) if host in hostvars else {}

    def get(self, option: str, default: Any = None) -> Any:
        name = option if option.startswith("ansible_") else f"metering_{option}"
        value = self._raw.get(name, default) if hasattr(self._raw, "get") else default
        if isinstance(value, (int, float, type(None))) or (isinstance(value, str) and "{" not in value):
            return value
        return self._hostvars[self._host].get(name, default)


def clock_factor(hostvars: Any, hosts: Iterable[str]) -> float:
    """How much faster than real time the clock of all these meters runs: 1 unless all are simulated ones on loopback (G-22)."""
    found = [_factor(Said(hostvars, host), host) for host in hosts]
    return max(1.0, min(found, default=1.0))


def _factor(said: Said, host: str) -> float:
    address = str(said.get("host") or said.get("ansible_host", "") or host)
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = address == "localhost"
    timing = said.get("timing") or {}
    return float(timing.get("clock_factor") or 1.0) if loopback and isinstance(timing, Mapping) else 1.0


# -- the place of a batch in the plan -------------------------------------------------------------------------------


class Place:
    """Which batch of which pass and wave has just been run, and what comes after it. ``method`` is the name of the pass."""

    def __init__(self, plan: Mapping[str, Any], method: str, batch: Iterable[str]) -> None:
        self._plan, self._method, hosts = plan, method, set(batch)
        batches = self._batches(method)
        index = max(range(len(batches)), key=lambda at: len(hosts & set(batches[at]["meters"])), default=None)
        found = batches[index] if index is not None and hosts & set(batches[index]["meters"]) else {"wave": "", "meters": []}
        self._batch: Mapping[str, Any] = found
        self.wave: Mapping[str, Any] = next((wave for wave in plan.get("waves", ()) if wave["name"] == found["wave"]), {})
        later = batches[index + 1 :] if index is not None else []
        self.ends_wave = bool(self.wave) and all(batch["wave"] != found["wave"] for batch in later)
        names = [planning.name_of(one) for one in plan.get("passes", ())]
        self.more_to_come = bool(later) or (method in names and names.index(method) < len(names) - 1)

    def _batches(self, method: str) -> list[Mapping[str, Any]]:
        return [batch for one in self._plan.get("passes", ()) if planning.name_of(one) == method for batch in one["batches"]]

    def seconds(self, method: str) -> float:
        """The longest that this batch may take, in meter seconds."""
        return float((self._batch.get("seconds") or planning.batch_seconds(method))[1])

    @property
    def wave_hosts(self) -> list[str]:
        """The meters that this pass upgrades in the wave."""
        return [host for batch in self._batches(self._method) if batch["wave"] == self.wave.get("name") for host in batch["meters"]]


# -- judging --------------------------------------------------------------------------------------------------------


def judge(outcomes: Outcomes, batch: list[str], gate: Mapping[str, Any], place: Place) -> waves.Verdict:
    """The campaign's own gate over everything so far, and the gate of the wave over its meters; the harder word counts."""
    verdict = waves.judge(outcomes, batch, waves.check_policy(gate))
    own = place.wave.get("gate")
    if own:
        members = {host: row for host, row in outcomes.items() if host in set(place.wave["meters"])}
        verdict = harder(verdict, waves.judge(members, batch, waves.check_policy({**gate, **own})))
    suspects = [host for host, row in outcomes.items() if row.get("reason") == "artifact_suspect"]
    if suspects:
        verdict = harder(verdict, stop(verdict, waves.ABORT, f"the package of {suspects[0]} was refused as damaged again (R-148)"))
    verdict = harder(verdict, _look_first(outcomes, batch, verdict))
    handed = [host for host in batch if (outcomes.get(host) or {}).get("outcome") == "handed_over"]
    if handed:
        text = f"{len(handed)} meters are handed over to a person with the maker's tool: run this campaign again when that is done"
        verdict = harder(verdict, stop(verdict, waves.PAUSE, text))
    return verdict


def _look_first(outcomes: Outcomes, batch: list[str], verdict: waves.Verdict) -> waves.Verdict:
    """After the first meters whose security no document predicts a person looks before the rest gets the same (G-11)."""

    def asks(host: str) -> bool:
        return bool(((outcomes[host]["detail"] or {}).get("after") or {}).get("review"))

    asking = [host for host in outcomes if asks(host)]
    if not asking or not set(asking) <= set(batch):
        return verdict
    text = f"the security mode of {asking[0]} after the upgrade is in no document: look at it, then run this campaign again (G-11)"
    return stop(verdict, waves.PAUSE, text)


def suspect(records: Records, campaign: str, plan: Mapping[str, Any], verdict: waves.Verdict) -> waves.Verdict:
    """A package that meters called damaged once too often ends the campaign before it costs attempts elsewhere (R-148)."""
    for digest in sorted({hop["digest"] for entry in plan.get("meters", ()) for hop in entry["hops"] if hop.get("digest")}):
        if records.corrupt_reports(campaign, digest) >= constants.CORRUPT_REPORTS.number:
            text = f"artifact_suspect: meters refused the package {digest[:12]} as invalid or corrupted again (R-148)"
            return harder(verdict, stop(verdict, waves.ABORT, text))
    return verdict


def stop(like: waves.Verdict, action: str, text: str) -> waves.Verdict:
    """Another verdict over the same numbers."""
    return waves.Verdict(action, text, like.good, like.bad, like.judged)


def harder(first: waves.Verdict, second: waves.Verdict) -> waves.Verdict:
    """The verdict that stops more."""
    return second if _SEVERITY[second.action] > _SEVERITY[first.action] else first


def disprove(outcomes: Outcomes, meters: Mapping[str, Any]) -> list[str]:
    """A fresh read of the fleet that contradicts a good outcome wins over it (R-088, F-36). The meters it was so for."""
    found = []
    for host, row in outcomes.items():
        detail = row["detail"] or {}
        proven = (detail.get("after") or {}).get("version")
        seen = meters.get(host)
        if seen is None or not proven or row["outcome"] not in _PROVEN:
            continue
        firmware = (seen.get("facts") or {}).get("firmware") or {}
        component = (detail.get("after") or {}).get("component")
        version = firmware.get("version") if component is None else parts.runs(parts.parts_of(firmware), int(component), proven) or None
        if version not in (None, "unknown", proven):
            text = f"proven with {proven} right after the upgrade, but runs {version} now"
            row.update(outcome="failed_final", reason="wrong_version_after", detail={**detail, "text": text})
        elif not seen.get("ok", True):
            text = f"proven with {proven} right after the upgrade, but does not answer now"
            row.update(outcome="comms_lost", reason="transport_failed", detail={**detail, "text": text})
        else:
            continue
        found.append(host)
    return found


def not_hardened(outcomes: Outcomes, hardened: Mapping[str, Any]) -> list[str]:
    """Meters that were upgraded well, and whose hardening, which belongs to it, did not end well; their outcome is not good."""
    found = []
    for host, result in hardened.items():
        row, ended = outcomes.get(host), str(result.get("outcome") or "") if isinstance(result, Mapping) else ""
        if row is None or row["outcome"] not in _PROVEN or ended in ("changed", "current"):
            continue
        reason = str(result.get("reason") or "") if isinstance(result, Mapping) else ""
        told = (result.get("msg") if isinstance(result, Mapping) else "") or "the task ended without an outcome"
        why = "certificate_after_upgrade" if reason in _CERTIFICATE else "not_hardened"
        row.update(outcome="failed_final", reason=why, detail={**(row["detail"] or {}), "text": f"upgraded; {told}"})
        found.append(host)
    return found


def unfinished(row: Mapping[str, Any]) -> int:
    """How many documented hops are still to come after the one that ended good; 0 for a finished chain and for bad ends."""
    hops = (row.get("detail") or {}).get("hops") or []
    return max(0, len(hops) - 1) if row.get("outcome") in _PROVEN else 0
