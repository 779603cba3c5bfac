# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Outcomes of a campaign and the gate's verdict, from the records. Use it with ``run_once``."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import enums
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import waves
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._rollout import ROLLOUT_INFO_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_json, write_text
from ansible_collections.gridops.metering.plugins.plugin_utils._tables import markdown_table, text_table

_STATES = {planning.UPGRADE: "planned", planning.CURRENT: "current", planning.BLOCKED: "blocked"}
Outcomes = dict[str, dict[str, Any]]


class ActionModule(MeterAction):
    """Reads only, in check mode and out of it."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = ROLLOUT_INFO_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        policy = waves.check_policy(params["gate"])
        records = open_records(params["records"], getpass.getuser(), read_only=True)
        outcomes: Outcomes = {host: row for host, row in records.outcomes(params["campaign"]).items() if row["planned"]}
        if self.check_mode:
            # Nothing was registered, so the plan itself and the results of this run stand in.
            outcomes = {**_from_plan(params["plan"] or {}), **_from_results(params["results"] or {})}
        _silent(outcomes, params["tried"])
        _disprove(outcomes, params["meters"] or {})
        verdict = waves.judge(outcomes, params["batch"], policy)
        if params["final"] and not self.check_mode:
            _close(outcomes, verdict.action)
        chain = records.verify_chain(params["campaign"])
        summary = waves.summarize(outcomes)
        rows = _rows(outcomes, params["plan"] or {})
        text = _sentence(summary, verdict)
        if params["show"]:
            for line in ("", *text_table(rows), "", text, ""):
                self._display.display(line)
        good = (*enums.GOOD_OUTCOMES, "planned") if self.check_mode else enums.GOOD_OUTCOMES
        result = {
            "campaign": params["campaign"],
            "outcomes": outcomes,
            "summary": summary,
            "gate": verdict.as_dict(),
            "table": rows,
            "text": text,
            "journal": {"ok": chain.ok, "head": chain.head, "entries": chain.entries, "broken_at": chain.broken_at},
        }
        markdown = [*markdown_table(rows), "", text]
        if params["report_dir"] and not self.check_mode:
            folder = Path(params["report_dir"])
            write_json(folder, "report.json", result)
            write_text(folder, "report.md", [f"# Report of {params['campaign']}", "", *markdown, "", f"Journal head: `{chain.head}`"])
        not_good = [host for host, row in outcomes.items() if row["outcome"] not in good]
        return {**result, "markdown": markdown, "stop": verdict.action != waves.ADVANCE, "not_good": not_good}


def _from_plan(plan: Mapping[str, Any]) -> Outcomes:
    return {
        entry["host"]: _row(entry["host"], entry["serial"], _STATES[entry["state"]], entry["reason"], {"text": entry["status"]})
        for entry in plan.get("meters", ())
        if entry["state"] in _STATES
    }


def _from_results(results: Mapping[str, Any]) -> Outcomes:
    """Results of meter_firmware, by host; a task that itself failed has no outcome."""
    rows = {}
    for host, result in results.items():
        if isinstance(result, Mapping) and result.get("outcome"):
            serial = (result.get("before") or {}).get("serial") or ""
            detail = {key: result.get(key) for key in ("text", "before", "after", "prechecks", "needed_accept")}
            rows[host] = _row(host, serial, str(result["outcome"]), str(result.get("reason") or ""), detail)
        elif isinstance(result, Mapping) and result.get("msg"):
            rows[host] = _row(host, "", "blocked", "", {"text": str(result["msg"])})
    return rows


def _row(host: str, serial: str, outcome: str, reason: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"host": host, "planned": True, "serial": serial, "outcome": outcome, "reason": reason, "detail": dict(detail), "at": None}


def _silent(outcomes: Outcomes, tried: list[str]) -> None:
    """A task that ran and left no outcome has failed, whatever the reason; silence is never success."""
    for host in tried:
        row = outcomes.get(host)
        if row is not None and row["outcome"] in ("", "planned"):
            detail = {**(row["detail"] or {}), "text": "the task ended without an outcome; its own message says why"}
            row.update(outcome="failed_final", reason="interrupted", detail=detail)


def _disprove(outcomes: Outcomes, meters: Mapping[str, Any]) -> None:
    """A fresh read of the fleet that contradicts a good outcome wins over it (R-088)."""
    for host, row in outcomes.items():
        proven = ((row["detail"] or {}).get("after") or {}).get("version")
        facts = (meters.get(host) or {}).get("facts") or {}
        seen = (facts.get("firmware") or {}).get("version")
        if row["outcome"] in ("verified", "verified_late") and proven and seen not in (None, "unknown", proven):
            text = f"proven with {proven} right after the upgrade, but runs {seen} now"
            row.update(outcome="failed_final", reason="wrong_version_after", detail={**row["detail"], "text": text})


def _close(outcomes: Outcomes, action: str) -> None:
    """At the end nobody is left planned: who was not reached because the gate stopped is skipped, or waits for the next run."""
    for row in outcomes.values():
        if row["outcome"] in ("", "planned") and action != waves.ADVANCE:
            row["outcome"] = "skipped_by_abort" if action == waves.ABORT else "paused"
            row["detail"] = {**(row["detail"] or {}), "text": "not started, because the gate stopped the rollout"}


def _rows(outcomes: Outcomes, plan: Mapping[str, Any]) -> list[dict[str, str]]:
    planned = {entry["host"]: entry for entry in plan.get("meters", ())}
    rows = []
    order = [*(host for host in planned if host in outcomes), *(host for host in outcomes if host not in planned)]
    for host, row in ((host, outcomes[host]) for host in order):
        entry, detail = planned.get(host, {}), row["detail"] or {}
        before = (detail.get("before") or {}).get("version") or entry.get("version")
        after = (detail.get("after") or {}).get("version") or (before if row["outcome"] == "current" else None)
        rows.append(
            {
                "meter": host,
                "ip": entry.get("address"),
                "product name": entry.get("model"),
                "before": before,
                "after": after,
                "outcome": row["outcome"] or "none",
                "reason": row["reason"],
                "status": detail.get("text"),
            }
        )
    return rows


def _sentence(summary: Mapping[str, Any], verdict: waves.Verdict) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in summary["by_outcome"].items())
    gate = "" if verdict.action == waves.ADVANCE else f" Gate: {verdict.action}, because {verdict.text}."
    return f"{summary['planned']} meters planned: {counts or 'none'}.{gate}"
