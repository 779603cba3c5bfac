# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan a rollout on the controller, and register who is planned. Use it with ``run_once``."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts.manifest import Manifest, load
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.baseline import Baseline
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.targets import Given, refuse
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError, MeteringError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.accept import check_words
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.limits import attempt_limit
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP, MCS301, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Dotted, Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import parts, plan_ion, review, waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import prechecks_ion as ion_rules
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.campaign import Campaign
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.types import Attempt
from ansible_collections.gridops.metering.plugins.module_utils._rollout import ROLLOUT_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._baseline import OwnTargets, agreed_targets, one_baseline, read_baseline
from ansible_collections.gridops.metering.plugins.plugin_utils._campaign_file import check_names, read_campaign, read_text
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_json, write_text
from ansible_collections.gridops.metering.plugins.plugin_utils._rollout import Remembered, Said, suspect
from ansible_collections.gridops.metering.plugins.plugin_utils._tables import markdown_table, text_table

GROUP = "metering_rollout"


class ActionModule(MeterAction):
    """Checks all input before any contact; with ``meters`` also plans, and with ``register`` writes the plan into the records."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = ROLLOUT_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        task_vars = {**task_vars, "hostvars": Remembered(task_vars["hostvars"])}
        reviewed = _reviewed(params)
        campaign = _campaign(params)
        baseline = self._baseline(params, task_vars, reviewed)
        settings, targets, manifest = self._check(params, task_vars, campaign, reviewed, baseline)
        if params["meters"] is None:
            named = ((reviewed or {}).get("campaign") or {}).get("campaign")
            return {"checked": True, "campaign": named or campaign.name}
        records = open_records(params["records"], getpass.getuser(), read_only=self.check_mode or not params["register"])
        given = bool(params["targets"] or campaign.targets or reviewed)
        meters = _Meters(params, task_vars, records, campaign, reviewed, OwnTargets(baseline, given)).all()
        packages = [
            planning.PackageInfo(
                tuple(m.name for m in item.models),
                item.version,
                item.method,
                item.size,
                item.id,
                item.digest,
                item.tool_version,
                item.component,
                item.signature,
                item.min_ion_setup,
                item.bare,
            )
            for item in manifest.packages
        ]
        if reviewed is not None:
            plan = review.apply_plan(reviewed, meters, packages)
        else:
            plan = planning.build_plan(meters, targets, packages, settings)
        if params["register"] and not self.check_mode:
            records.require_trust(params["campaign"], params["records_head"] or None)  # F-39
            _register(records, params["campaign"], plan)
        return self._shown(params, plan)

    def _shown(self, params: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
        rows = planning.table(plan)
        lines = [_sentence(plan), *planning.notes(plan)]
        if params["show"]:
            for line in ("", *text_table(rows), "", *lines, ""):
                self._display.display(line)
        if params["report_dir"] and not self.check_mode:
            folder = Path(params["report_dir"])
            write_json(folder, "facts.json", self.redactor.clean(params["meters"]))
            if not params["plan_file"]:
                write_json(folder, "plan.json", plan)
            write_text(
                folder, "plan.md", ["# Plan", "", *markdown_table(rows), "", *(f"- {line}" for line in lines), "", f"Plan {plan['digest']}"]
            )
        result: dict[str, Any] = {"plan": plan, "table": rows, "markdown": markdown_table(rows), "text": _sentence(plan)}
        result["harden"] = plan_ion.hardened(plan)
        result["groups"] = [
            {"host": host, "groups": [GROUP, f"{GROUP}_{name}", f"{GROUP}_{name}_batch_{number:04d}"]}
            for one in plan["passes"]
            for name in (planning.name_of(one),)
            for number, batch in enumerate(one["batches"], start=1)
            for host in batch["meters"]
        ]
        return result

    def _baseline(self, params: dict[str, Any], task_vars: Mapping[str, Any], reviewed: Mapping[str, Any] | None) -> Baseline | None:
        """The baseline, which a reviewed plan still has to agree with. Raises InputError."""
        if params["baseline"] is None:
            return None
        baseline = read_baseline(params["baseline"])
        if params["meters"] is None:  # the first look of a run
            one_baseline(task_vars["hostvars"], task_vars.get("ansible_play_hosts", ()))
            for text in baseline.warnings:
                self.warn(text)
        for model, target in ((reviewed or {}).get("targets") or {}).items():
            refuse(baseline, Given(f"metering_plan_file.targets.{model}", model, target))
        return baseline

    def _check(
        self,
        params: dict[str, Any],
        task_vars: Mapping[str, Any],
        campaign: Campaign,
        reviewed: dict[str, Any] | None,
        baseline: Baseline | None,
    ) -> tuple[planning.Settings, dict[str, Any], Manifest]:
        """Everything that can be wrong without asking a meter. Raises InputError."""
        if not params["campaign"].strip():
            raise InputError("metering_campaign", params["campaign"], "a name", "design 4.5")
        concurrency = waves.check_concurrency(params["concurrency"] if campaign.concurrency is None else campaign.concurrency)
        batches = waves.check_batches(campaign.batches or params["batches"], concurrency)
        for wave in campaign.waves:
            if wave.batches:
                waves.check_batches(wave.batches, concurrency)
        check_names(campaign, task_vars["hostvars"])
        gate = campaign.gate or params["gate"] or {}
        waves.check_policy(gate)
        check_words(params["accept"])
        targets = planning.check_targets({**(params["targets"] or {}), **campaign.targets})
        if baseline is not None:
            targets = agreed_targets(baseline, params, campaign)
        if params["meters"] is None and reviewed is None:  # otherwise the plan looks at each meter's own version anyway
            own = [Said(task_vars["hostvars"], host) for host in task_vars.get("ansible_play_hosts", ())]
            for said in own:
                _check_own(said)
            if not targets and not any(said.get("version") for said in own):
                accepted = "a version for at least one model, or metering_version for a meter"
                raise InputError("metering_targets", params["targets"], accepted, "R-006")
        strict = params["strict_matrix"] if campaign.strict_matrix is None else campaign.strict_matrix
        kept = {**campaign.raw, "gate": dict(gate), "accept": [*(campaign.accept or params["accept"])]}
        kept.update(_hardening(params, campaign, baseline, reviewed))
        return planning.Settings(batches, concurrency, strict, campaign.waves, kept), targets, load(Path(params["artifacts"]))


def _hardening(
    params: Mapping[str, Any], campaign: Campaign, baseline: Baseline | None, reviewed: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the plan keeps of a hardening after the upgrade: that it is wanted, and by which baseline. Raises InputError.

    A reviewed plan decides by itself, and only the baseline that was reviewed with it is applied.
    """
    option = "metering_harden_after_upgrade"
    if reviewed is not None:
        settings = reviewed.get("campaign") or {}
        now = baseline.digest if baseline is not None else "none"
        if settings.get("harden_after_upgrade") and settings.get("baseline") != now:
            raise InputError("metering_baseline", f"digest {now[:12]}", "the baseline as it was when the plan was reviewed", "R-116")
        return {}
    wanted = campaign.raw.get("harden_after_upgrade", params["harden_after_upgrade"])
    if wanted and (baseline is None or not baseline.document.get("security")):
        raise InputError(option, True, "metering_baseline with a part security beside it", "R-189")
    return {"harden_after_upgrade": True, "baseline": baseline.digest} if wanted and baseline is not None else {}


def _check_own(said: Said) -> None:
    """The target of one meter, as its inventory says it. Raises InputError."""
    version = said.get("version")
    if said.get("family") != MCS301:
        planning.check_version("metering_version", version)
        return
    parts.check_component("metering_component", said.get("component"))
    if version:
        parts.check_target("metering_version", version)


def _reviewed(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plan that was reviewed, where one is to be applied."""
    if not params["plan_file"]:
        if params["plan_digest"]:
            raise InputError("metering_plan_digest", params["plan_digest"], "metering_plan_file beside it", "R-116")
        return None
    return review.read_plan(read_text("metering_plan_file", params["plan_file"]), params["plan_digest"] or "")


def _campaign(params: Mapping[str, Any]) -> Campaign:
    campaign = read_campaign(params["campaign_file"])
    return replace(campaign, name=campaign.name or params["campaign"])


class _Meters:
    """Meters as the plan wants them: what was read, what the inventory says, what the records know."""

    def __init__(
        self,
        params: Mapping[str, Any],
        task_vars: Mapping[str, Any],
        records: Records,
        campaign: Campaign,
        reviewed: Mapping[str, Any] | None,
        wanted: OwnTargets,
    ) -> None:
        self._params, self._campaign, self._wanted = params, campaign, wanted
        settings = (reviewed or {}).get("campaign") or {}
        self._accept = settings.get("accept") or campaign.accept or params["accept"]
        self._hostvars = task_vars["hostvars"]
        self._records = records
        self._by_ftp = records.upgraded_by("ftp")
        self._open = records.serials_without_end()
        past = records.outcomes(params["campaign"])
        self._done = {host for host, row in past.items() if row["planned"] and row["outcome"] in ("verified", "verified_late")}

    def all(self) -> list[planning.MeterState]:
        """One entry for each meter that was read, in that order."""
        return [self._one(str(host), entry) for host, entry in self._params["meters"].items()]

    def _one(self, host: str, entry: Mapping[str, Any]) -> planning.MeterState:
        said = Said(self._hostvars, host)
        facts = entry.get("facts") or {}
        model, serial = _known(facts.get("model")), _known(facts.get("serial"))
        version = _known((facts.get("firmware") or {}).get("version"))
        error = entry.get("error") or {}
        reserve = said.get("attempts_reserve")
        more: dict[str, Any] = {**self._ion(said, facts), **({} if reserve is None else {"attempts_reserve": int(reserve)})}
        firmware = facts.get("firmware") or {}
        transfer = firmware.get("transfer")
        block_size = transfer.get("block_size") if isinstance(transfer, Mapping) else None
        address = _known((facts.get("network") or {}).get("address")) or str(said.get("host") or said.get("ansible_host", "") or host)
        accept = said.get("accept")
        opened = self._left_open(host, serial)
        self._wanted.refuse(host, said, model)
        return planning.MeterState(
            host=host,
            address=address,
            model=model,
            version=version,
            serial=serial,
            error_reason="" if entry.get("ok") else str(error.get("reason") or "transport_failed"),
            error="" if entry.get("ok") else str(entry.get("msg") or "the meter could not be read"),
            target=str(said.get("version") or ""),
            peer_group=str(self._campaign.group_of(host) or said.get("gateway") or said.get("peer_group") or "") or None,
            accept=check_words(accept if accept is not None else self._accept),
            attempts_used=self._attempts(serial, model, version, (said.get("attest") or {}).get("attempts_used")),
            upgraded_by_ftp=serial in self._by_ftp,
            open_attempt=serial in self._open,
            open_method=opened.method if opened is not None else "",
            open_target=opened.target if opened is not None else "",
            hardware=_known(facts.get("hardware_revision")),
            done=host in self._done,
            parts=parts.parts_of(firmware),
            component=parts.check_component("metering_component", said.get("component")),
            block_size=block_size if isinstance(block_size, int) else None,
            exempt=self._wanted.exempt(host, model),
            **more,
        )

    def _left_open(self, host: str, serial: str) -> Attempt | None:
        """An attempt that has no end: of the meter that answers, or of the one that last had this name."""
        attempt = self._records.open_attempt(serial) if serial in self._open else None
        if attempt is None and not serial and self._open:
            attempt = self._records.last_attempt_of_host(host)
        return attempt if attempt is not None and attempt.open else None

    def _ion(self, said: Said, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What is said and known of a HEP meter. Raises InputError."""
        if said.get("family") != HEP:
            return {}
        ion, own_unit = said.get("ion") or self._campaign.raw.get("ion") or {}, constants.UNIT_ID.number
        if not isinstance(ion, Mapping):
            raise InputError("metering_ion", ion, "a dictionary", "R-164")
        baud = ion.get("baud")
        if baud is not None and not str(baud).isdigit():
            raise InputError("metering_ion.baud", baud, "bits per second", "R-177")
        if ion.get("transport") not in (None, *ion_rules.TRANSPORTS):
            raise InputError("metering_ion.transport", ion["transport"], f"one of {', '.join(ion_rules.TRANSPORTS)}", "R-174")
        behind = bool(said.get("gateway")) or str(said.get("unit_id") or own_unit) != str(own_unit)
        attested = (said.get("attest") or {}).get("security_mode")
        told = _known((facts.get("security") or {}).get("mode")) or (ion_rules.check_security_mode(attested) if attested else "unknown")
        return {
            "security_mode": told,
            "transport": ion_rules.transport_of(ion.get("transport"), behind),
            "gateway_model": str(ion.get("gateway_model") or ""),
            "baud": int(baud) if baud else None,
            "setup_version": str(Dotted.parse(str(ion["setup_version"]), "metering_ion.setup_version")) if ion.get("setup_version") else "",
            "consumers": tuple(said.get("consumers") or ()),
        }

    def _attempts(self, serial: str, model: str, version: str, attested: Any) -> int | None:
        """Used attempts: from the records, else attested, else unknown (None). Also None where no limit is documented."""
        try:
            known = find_model(model) if serial else None
            limit = attempt_limit(known, Version.parse(version)) if known is not None and known.family != MCS301 else None
        except MeteringError:
            return None
        if limit is None:
            return None
        count = self._records.attempts(serial, model, str(limit.since))
        if count.known:
            return count.used
        return None if attested is None else int(attested)


def _known(value: Any) -> str:
    return "" if value in (None, "unknown") else str(value)


def _register(records: Records, campaign: str, plan: Mapping[str, Any]) -> None:
    """Who is planned, and the outcome of those that need no upgrade or cannot have one. Raises InputError for an aborted campaign."""
    before = {host: row for host, row in records.outcomes(campaign).items() if row["planned"]}
    verdict = waves.judge(before, (), waves.check_policy(plan["campaign"].get("gate")))
    verdict = suspect(records, campaign, plan, verdict)
    if verdict.action == waves.ABORT:
        accepted = f"another name, because this campaign was aborted: {verdict.text}"
        raise InputError("metering_campaign", campaign, accepted, "design 4.6")
    entries = [entry for entry in plan["meters"] if entry["state"] != planning.NO_TARGET]
    records.plan_meters(campaign, {entry["host"]: entry["serial"] for entry in entries}, plan["digest"])
    outcomes = {planning.UPGRADE: "planned", planning.CURRENT: "current", planning.BLOCKED: "blocked"}
    rows = [
        {
            "host": entry["host"],
            "serial": entry["serial"],
            "outcome": outcomes[entry["state"]],
            "reason": entry["reason"],
            "text": entry["status"],
        }
        for entry in entries
        # What this campaign upgraded in an earlier run stays its success, and counts for the gate.
        if not (entry["state"] == planning.CURRENT and (before.get(entry["host"]) or {}).get("outcome") in ("verified", "verified_late"))
    ]
    records.record_outcomes(campaign, rows)


def _sentence(plan: Mapping[str, Any]) -> str:
    counts = plan["counts"]
    words = f"; accept must name: {', '.join(plan['missing_accept'])}" if plan["missing_accept"] else ""
    return (
        f"{counts['upgrade']} to upgrade in {len(plan['batches'])} batches, {counts['current']} current, {counts['blocked']} blocked, "
        f"{counts['no_target']} without a target{words}. Plan {plan['digest'][:12]}"
    )
