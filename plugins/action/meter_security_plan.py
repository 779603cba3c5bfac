# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan a change of security on the controller, or read the plan that was reviewed. Use it with ``run_once``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan_security as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.campaign import Campaign
from ansible_collections.gridops.metering.plugins.module_utils._security_plan import SECURITY_PLAN_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._campaign_file import check_names, read_campaign, read_text
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_json, write_text
from ansible_collections.gridops.metering.plugins.plugin_utils._rollout import Said
from ansible_collections.gridops.metering.plugins.plugin_utils._tables import markdown_table, text_table

GROUP = "metering_harden"


class ActionModule(MeterAction):
    """Contacts no meter. Only files of reports are written, and none in check mode."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = SECURITY_PLAN_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        hosts = [str(host) for host in task_vars.get("ansible_play_hosts", ())] if params["hosts"] is None else params["hosts"]
        campaign = read_campaign(params["campaign_file"])
        check_names(campaign, task_vars["hostvars"])
        gate = dict(campaign.gate or params["gate"] or {})
        waves.check_policy(gate)
        if params["security_plan_file"]:
            text = read_text("metering_security_plan_file", params["security_plan_file"])
            plan = planning.limited(planning.read(text, params["security_plan_digest"] or ""), hosts)
            return self._told(params, plan, {**(plan["campaign"].get("gate") or {})})
        if params["security_plan_digest"]:
            raise InputError(
                "metering_security_plan_digest", params["security_plan_digest"], "metering_security_plan_file beside it", "R-116"
            )
        concurrency = params["concurrency"] if campaign.concurrency is None else campaign.concurrency
        sizes = list(campaign.batches or params["batches"])
        raw = {name: value for name, value in campaign.raw.items() if name in ("campaign", "reason", "windows", "topology")}
        kept = {**raw, "gate": gate}
        results = params["results"]
        peers = _peers(campaign, task_vars["hostvars"], hosts if results is None else list(results))
        if results is None:
            frame = {"campaign": kept, "concurrency": concurrency, "passes": planning.batches(hosts, sizes, concurrency, peers)}
            return {**_to_run(frame), "gate": gate, "table": [], "markdown": [], "text": ""}
        plan = planning.build(results, (params["baseline"] or {}).get("profile") or {}, kept, sizes, concurrency, peers)
        return self._told(params, plan, gate)

    def _told(self, params: Mapping[str, Any], plan: dict[str, Any], gate: dict[str, Any]) -> dict[str, Any]:
        rows, text = planning.table(plan), planning.sentence(plan)
        changes = planning.lines(plan)
        last = f"Security plan {plan['digest']}"
        if params["show"]:
            for line in ("", *text_table(rows), "", *changes, "", text, last, ""):
                self._display.display(line)
        markdown = [*markdown_table(rows), "", *(f"- {line}" for line in changes), "", text, "", last]
        if params["report_dir"] and not params["security_plan_file"] and not self.check_mode:
            folder = Path(params["report_dir"])
            write_json(folder, "security-plan.json", plan)
            write_text(folder, "security-plan.md", ["# Security plan", "", *markdown])
        return {**_to_run(plan), "gate": gate, "table": rows, "markdown": markdown, "text": text}


def _to_run(plan: Mapping[str, Any]) -> dict[str, Any]:
    groups = [
        {"host": host, "groups": [GROUP, f"{GROUP}_batch_{number:04d}"]}
        for one in plan["passes"]
        for number, batch in enumerate(one["batches"], start=1)
        for host in batch["meters"]
    ]
    reviewed = planning.expectations(plan) if "meters" in plan else {}
    left = planning.left_alone(plan) if "meters" in plan else {}
    return {"plan": dict(plan), "digest": plan.get("digest", ""), "groups": groups, "expect": reviewed, "left": left}


def _peers(campaign: Campaign, hostvars: Any, hosts: list[str]) -> dict[str, str | None]:
    """Who must never share a batch: a topology group, a gateway, a ring."""
    found = {}
    for host in hosts:
        said = Said(hostvars, host)
        found[host] = str(campaign.group_of(host) or said.get("gateway") or said.get("peer_group") or "") or None
    return found
