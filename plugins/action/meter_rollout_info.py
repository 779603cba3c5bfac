# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Outcomes of a campaign and the gate's verdict, from the records. Use it with ``run_once``."""

from __future__ import annotations

import getpass
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants, enums
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan as planning
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import plan_ion, retries, waves, windows
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._rollout import ROLLOUT_INFO_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils import _rollout as rollout
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_json, write_text
from ansible_collections.gridops.metering.plugins.plugin_utils._rollout import Outcomes, Place
from ansible_collections.gridops.metering.plugins.plugin_utils._tables import markdown_table, text_table

_STATES = {planning.UPGRADE: "planned", planning.CURRENT: "current", planning.BLOCKED: "blocked"}


class ActionModule(MeterAction):
    """Reads only, in check mode and out of it."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = ROLLOUT_INFO_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        plan = params["plan"] or {}
        gate = (plan.get("campaign") or {}).get("gate") or params["gate"] or {}
        waves.check_policy(gate)
        place = Place(plan, params["method"] or "", params["batch"])
        if params["step"] == "before":
            return self._before(params, plan, place, task_vars)
        records = open_records(params["records"], getpass.getuser(), read_only=True)
        outcomes: Outcomes = {host: row for host, row in records.outcomes(params["campaign"]).items() if row["planned"]}
        if params["step"] == "retries":
            return self._retries(params, outcomes, records, task_vars)
        if self.check_mode:
            # Nothing was registered, so the plan itself and the results of this run stand in.
            outcomes = {**_from_plan(plan), **_from_results(params["results"] or {})}
        _silent(outcomes, params["tried"], params["method"])
        regressed = rollout.disprove(outcomes, params["meters"] or {})
        left = rollout.not_hardened(outcomes, params["hardened"] or {})
        verdict = rollout.judge(outcomes, params["batch"], gate, place)
        if left:
            text = f"{left[0]} was upgraded and could not be hardened: {(outcomes[left[0]]['detail'] or {}).get('text')}"
            verdict = rollout.harder(verdict, rollout.stop(verdict, waves.PAUSE, text))
        verdict = rollout.suspect(records, params["campaign"], plan, verdict)
        if params["step"] == "soaked" and regressed:
            text = f"{regressed[0]} was proven and is not as it was after the soak time of wave {place.wave.get('name')} (F-36)"
            verdict = rollout.harder(verdict, rollout.stop(verdict, waves.PAUSE, text))
        soak = self._soak(params, place, verdict, task_vars)
        if not soak and params["step"] in ("after", "soaked") and place.ends_wave and place.more_to_come and not params["final"]:
            verdict = _after_wave(place, verdict)
        return self._report(
            params, plan, records, outcomes, verdict, {"soak_seconds": soak, "wave_hosts": place.wave_hosts if soak else []}
        )

    # -- around a batch -----------------------------------------------------------------------------------------------

    def _before(self, params: dict[str, Any], plan: Mapping[str, Any], place: Place, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Whether the next batch may start: nothing stopped the rollout, and the window is open for as long as a batch may need."""
        verdict = waves.Verdict(waves.ADVANCE, "the batch may start", 0, 0, 0)
        stopped = params["stopped"] or {}
        opening = windows.Opening(True, "no window is set")
        if stopped:
            verdict = rollout.stop(
                verdict, str(stopped.get("action") or waves.PAUSE), str(stopped.get("text") or "the rollout was stopped")
            )
        else:
            factor = rollout.clock_factor(task_vars["hostvars"], params["batch"])
            more = constants.HARDEN_LONGEST.number if plan_ion.hardened(plan, params["batch"]) else 0
            needed = (place.seconds(params["method"] or "ftp") + more) / factor
            set_windows = windows.check_windows((plan.get("campaign") or {}).get("windows") or ())
            opening = windows.look(set_windows, time.time(), needed)
            if not opening.open:
                verdict = rollout.stop(verdict, waves.PAUSE, f"window_closed: {opening.text}")
        return {
            "campaign": params["campaign"],
            "gate": verdict.as_dict(),
            "stop": verdict.action != waves.ADVANCE,
            "window": {"open": opening.open, "text": opening.text, "next_opening": opening.next_opening},
        }

    def _retries(self, params: dict[str, Any], outcomes: Outcomes, records: Records, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Who of the batch is tried once more, and how long to wait before that where no attempt was begun (R-092, R-119)."""
        chosen: dict[str, str] = {}
        for host in params["batch"]:
            row = outcomes.get(host) or {"outcome": "", "reason": "", "serial": ""}
            history = records.attempt_history(row["serial"]) if row["serial"] else []
            own = [
                item
                for item in history
                if item.campaign == params["campaign"] and item.method == planning.method_of(params["method"] or "")
            ]
            attempted = bool(own) and own[-1].outcome == row["outcome"]
            how = retries.how_to_retry(row["outcome"], row["reason"], attempted)
            if how:
                chosen[host] = how
        again = [host for host, how in chosen.items() if how == retries.AGAIN]
        factor = rollout.clock_factor(task_vars["hostvars"], again)
        hold = math.ceil(constants.RETRY_HOLD.number / factor) if again else 0
        return {"campaign": params["campaign"], "retry": chosen, "hold_seconds": hold}

    def _soak(self, params: dict[str, Any], place: Place, verdict: waves.Verdict, task_vars: Mapping[str, Any]) -> int:
        """Seconds to wait after the wave that just ended, before its meters are read again."""
        soak = float(place.wave.get("soak") or 0)
        if params["final"] or params["step"] != "after" or not place.ends_wave or not soak or verdict.action != waves.ADVANCE:
            return 0
        return math.ceil(soak / rollout.clock_factor(task_vars["hostvars"], place.wave_hosts))

    # -- the report ---------------------------------------------------------------------------------------------------

    def _report(
        self,
        params: dict[str, Any],
        plan: Mapping[str, Any],
        records: Records,
        outcomes: Outcomes,
        verdict: waves.Verdict,
        more: Mapping[str, Any],
    ) -> dict[str, Any]:
        if params["final"] and not self.check_mode:
            _close(outcomes, verdict, params["stopped"] or {})
        chain = records.verify_chain(params["campaign"])
        summary = waves.summarize(outcomes)
        rows = _rows(outcomes, plan)
        text = _sentence(summary, verdict, params["stopped"] or {})
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
            "waves": _waves(plan, outcomes),
            "reason": (plan.get("campaign") or {}).get("reason") or {},
            "journal": {"ok": chain.ok, "head": chain.head, "entries": chain.entries, "broken_at": chain.broken_at},
        }
        if params["final"] and not self.check_mode:
            result["hops"] = _hops(records, params["campaign"], outcomes)
        markdown = [*markdown_table(rows), "", text]
        if params["report_dir"] and not self.check_mode:
            folder = Path(params["report_dir"])
            write_json(folder, "report.json", result)
            write_text(folder, "report.md", [f"# Report of {params['campaign']}", "", *markdown, "", f"Journal head: `{chain.head}`"])
        not_good = [host for host, row in outcomes.items() if row["outcome"] not in (*good, *enums.ASKED_TO_REST)]
        return {**result, **more, "markdown": markdown, "stop": verdict.action != waves.ADVANCE, "not_good": not_good}


def _after_wave(place: Place, verdict: waves.Verdict) -> waves.Verdict:
    """A wave may ask for a person's word before the next one."""
    if place.wave.get("on_success") != waves.PAUSE:
        return verdict
    text = f"wave {place.wave['name']} is done and asks for a pause: run the same campaign again to go on"
    return rollout.harder(verdict, rollout.stop(verdict, waves.PAUSE, text))


def _waves(plan: Mapping[str, Any], outcomes: Outcomes) -> list[dict[str, Any]]:
    """Each wave with its sums."""
    return [
        {"name": wave["name"], **waves.summarize({host: outcomes[host] for host in wave["meters"] if host in outcomes})}
        for wave in plan.get("waves", ())
    ]


def _hops(records: Records, campaign: str, outcomes: Outcomes) -> dict[str, list[dict[str, str]]]:
    """Every attempt of this campaign by meter, in order: the hops, and second tries among them."""
    found = {}
    for host, row in outcomes.items():
        history = [item for item in records.attempt_history(row["serial"]) if item.campaign == campaign] if row["serial"] else []
        if history:
            found[host] = [
                {
                    "row": item.row,
                    "method": item.method,
                    "source": item.source,
                    "target": item.target,
                    "outcome": item.outcome or item.state,
                    "reason": item.reason,
                }
                for item in history
            ]
    return found


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


def _silent(outcomes: Outcomes, tried: list[str], method: str | None) -> None:
    """A task that ran and left no outcome has failed, whatever the reason; silence is never success."""
    for host in tried:
        row = outcomes.get(host)
        if row is None:
            continue
        hops = (row["detail"] or {}).get("hops") or []
        an_earlier_hop = bool(method) and rollout.unfinished(row) > 0 and hops[0].get("method") != method
        if row["outcome"] in ("", "planned") or an_earlier_hop:
            detail = {**(row["detail"] or {}), "text": "the task ended without an outcome; its own message says why"}
            row.update(outcome="failed_final", reason="interrupted", detail=detail)


def _close(outcomes: Outcomes, verdict: waves.Verdict, stopped: Mapping[str, Any]) -> None:
    """At the end nobody is left planned, and a chain that is not at its end is not good yet: skipped, or the next run's."""
    action = verdict.action if verdict.action != waves.ADVANCE else str(stopped.get("action") or waves.ADVANCE)
    waiting = "skipped_by_abort" if action == waves.ABORT else "paused"
    for row in outcomes.values():
        left = rollout.unfinished(row)
        if left:
            done = f"the hop to {((row['detail'] or {}).get('after') or {}).get('version')} is {row['outcome']}"
            row["detail"] = {**row["detail"], "text": f"{done}; {left} more of the chain not started, because the rollout stopped"}
            row["outcome"] = waiting
        elif row["outcome"] in ("", "planned") and action != waves.ADVANCE:
            row["outcome"] = waiting
            row["detail"] = {**(row["detail"] or {}), "text": "not started, because the gate stopped the rollout"}


def _rows(outcomes: Outcomes, plan: Mapping[str, Any]) -> list[dict[str, str]]:
    planned = {entry["host"]: entry for entry in plan.get("meters", ())}
    rows = []
    order = [*(host for host in planned if host in outcomes), *(host for host in outcomes if host not in planned)]
    for host, row in ((host, outcomes[host]) for host in order):
        entry, detail = planned.get(host, {}), row["detail"] or {}
        before = entry.get("version") or (detail.get("before") or {}).get("version")
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


def _sentence(summary: Mapping[str, Any], verdict: waves.Verdict, stopped: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in summary["by_outcome"].items())
    action, why = verdict.action, verdict.text
    if action == waves.ADVANCE and stopped:
        action, why = str(stopped.get("action")), str(stopped.get("text"))
    gate = "" if action == waves.ADVANCE else f" Gate: {action}, because {why}."
    return f"{summary['planned']} meters planned: {counts or 'none'}.{gate}"
