# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of meter_firmware (design 4.3): everything of the contract, and one sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.paths import Hop
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.flow import HopResult

if TYPE_CHECKING:
    from ._firmware import FirmwareTask

GOOD = frozenset({"verified", "verified_late", "current", "planned"})
#: Not good yet, and not bad either: a later run goes on from there.
RESTING = frozenset({"handed_over", "staged", "scheduled", "activated_unconfirmed"})


def result(
    task: FirmwareTask, outcome: str, reason: str, text: str, changed: bool = False, device_text: str = "", restart: str = ""
) -> dict[str, Any]:
    """Everything of contract 4.3, with the sentence for a person in ``msg``."""
    known = reasons.REASONS.get(reason)
    remedy = known.remedy if known else ""
    advised = task.method is not None and outcome not in GOOD and outcome != "blocked"
    return {
        "changed": changed or task.wrote,
        "outcome": outcome,
        "reason": reason,
        "remedy": remedy,
        "text": text,
        "msg": _sentence(outcome, reason, text, device_text, remedy),
        "device_text": device_text,
        "before": task.reading.as_dict() if task.reading else None,
        "after": None,
        "plan": _plan(task),
        "hops": _hops(task),
        "prechecks": [item.as_dict() for item in task.prechecks],
        "needed_accept": sorted(task.needed),
        "attempts": task.attempts.as_dict(),
        "timeline": [],
        "recovery": task.method.recovery(outcome, reason) if task.method is not None and advised else "",
        "restart": restart,
        "campaign": task.params["campaign"],
        **({"warnings": list(task.warnings)} if task.warnings else {}),
        **({"findings": list(task.findings)} if task.findings else {}),
    }


def hop_result(task: FirmwareTask, ended: HopResult, outcome: str, reason: str) -> dict[str, Any]:
    """The result of a hop that was run, with what was seen of it."""
    found = result(task, outcome, reason, ended.text, ended.changed, ended.device_text, ended.restart)
    found["timeline"] = ([] if task.resumed is None else task.resumed.timeline) + ended.timeline
    found["after"] = ended.after
    found["processes"] = ended.processes
    found["warnings"] = [*task.warnings, *ended.warnings]
    if ended.last_upgrade:
        found["last_upgrade"] = ended.last_upgrade
    if ended.detail:
        found["detail"] = ended.detail
    if task.method is not None:
        found.update(task.method.result_fields(ended))
    if ended.found_at:
        found["found_at"] = ended.found_at
    return found


def diff(task: FirmwareTask, found: Mapping[str, Any]) -> dict[str, Any]:
    """Before and after for ``--diff``; in check mode what would be."""
    before: dict[str, Any] = {"firmware": (found["before"] or {}).get("version"), "attempts_left": found["attempts"]["remaining"]}
    after = dict(before)
    if found["changed"] and task.hop is not None:
        plan = found["plan"]
        proven = (found["after"] or {}).get("version")
        after = {
            "firmware": str(task.hop.target) if task.check_mode else proven,
            "attempts_left": plan["attempts_left_after"] if task.check_mode else found["attempts"]["remaining"],
            "files_sent": plan["files"],
            "bytes_sent": plan["bytes_to_send"],
        }
    return {"before": before, "after": after, "before_header": task.host, "after_header": task.host}


def hop_dict(hop: Hop) -> dict[str, Any]:
    """A hop in plain values."""
    return {
        "row": hop.row,
        "method": hop.method,
        "source": str(hop.source),
        "target": None if hop.target is None else str(hop.target),
        "target_range": str(hop.target_range),
        "reversible": hop.reversible,
        "attempts_limit": hop.attempts_limit,
        "reading": hop.reading,
        "notes": list(hop.notes),
    }


def _plan(task: FirmwareTask) -> dict[str, Any]:
    hop, method = task.hop, task.method
    shown = hop is not None and method is not None and task.package is not None
    return {
        "target": str(task.rules.version if hasattr(task, "rules") else task.params["version"]),
        "artifact": task.package.id if task.package else None,
        "files": method.plan_files() if method is not None and shown else [],
        "bytes_to_send": sum(item.size for item in method.files()) if method is not None and shown else 0,
        "restart": bool(hop),
        "attempts_left_after": task.left_after,
        "notes": list(hop.notes) if hop else [],
        **(method.notes() if method is not None and hop else {}),
    }


def _hops(task: FirmwareTask) -> list[dict[str, Any]]:
    hops = task.path.hops if task.path else ()
    return [{**hop_dict(hop), "this_task": number == 0} for number, hop in enumerate(hops)]


def _sentence(outcome: str, reason: str, text: str, device_text: str, remedy: str) -> str:
    parts = [outcome + (f" ({reason})" if reason else "")]
    if text:
        parts.append(text)
    if device_text and reason and device_text not in text:
        parts.append(f"the meter says: {device_text}")
    sentence = ": ".join([*parts[:1], "; ".join(parts[1:])] if len(parts) > 1 else parts)
    return f"{sentence}. {remedy}" if remedy else sentence
