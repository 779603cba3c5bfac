# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An audit of a fleet in two steps: one pass that reads and judges all of it; then what a closer look told of some, merged into it."""

from __future__ import annotations

import datetime
import getpass
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._audit import AUDIT_SPEC
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit import assemble, verdict
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.assemble import Auditor, Reading
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.baseline import Baseline
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Document, Meter
from ansible_collections.gridops.metering.plugins.plugin_utils._audit import Inventory, attested, limited, reading, write_document
from ansible_collections.gridops.metering.plugins.plugin_utils._audit_file import read_audit
from ansible_collections.gridops.metering.plugins.plugin_utils._baseline import read_baseline
from ansible_collections.gridops.metering.plugins.plugin_utils._fleet import FleetAction

#: The document while somebody still has to look closer, and as it is in the end.
PART, WHOLE = ".audit-part.json", "audit.json"


class ActionModule(FleetAction):
    """Reads and judges; nothing is ever changed at a meter. In check mode no scan is recorded."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = AUDIT_SPEC

    def build_params(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        params = super().build_params(task_vars)
        return {**params, "max_error_share": 1.0, "profile": None, "gather_subset": ["min", "security"]}

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return self._audit(params, task_vars, super().execute)

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return self._audit(params, task_vars, super().run_delegated)

    def look_at(self, name: str, raw: Mapping[str, Any]) -> None:
        self._inventory.look_at(name, raw)

    def _audit(self, params: dict[str, Any], task_vars: Mapping[str, Any], read: Any) -> dict[str, Any]:
        records = open_records(params["records"], getpass.getuser(), read_only=self.check_mode)
        now = records.audits.now()
        # Of the task's own argument: it carries the lines where its values were written.
        baseline = read_baseline(self._task.args["baseline"], datetime.datetime.fromtimestamp(now, datetime.UTC).date())
        for text in baseline.warnings:
            self.warn(text)
        if params["looked"] is not None:
            return self._conclude(params, baseline, records, task_vars["hostvars"])
        self._inventory = Inventory()
        self._entries: list[Mapping[str, Any]] = []
        pass_params = {name: value for name, value in params.items() if name not in ("baseline", "looked", "src", "dest", "fail_on")}
        told = read(pass_params, task_vars).get("meters")
        if told is None:
            raise InputError("delegate_to", str(self._task.delegate_to), "a host on which the collection runs", "design 3")
        readings = [reading(entry, told[_name(entry)], self._inventory.known.get(_name(entry))) for entry in self._entries]
        silent = [item.name for item in readings if item.facts is None]
        auditor = Auditor(baseline, records.audits.last_seen(silent), now, records.audits.attempts_used(limited(told)))
        return self._assess(params, auditor, readings, records)

    def _resolved(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """The meters of the pass. Only HEP meters tell more of their security there; others would be asked for nothing."""
        found = super()._resolved(params, task_vars)
        self._entries = found["meters"]
        if not any(entry.get("family") == HEP for entry in self._entries):
            found["gather_subset"] = ["min"]
        return found

    def _assess(self, params: Mapping[str, Any], auditor: Auditor, readings: list[Reading], records: Records) -> dict[str, Any]:
        document = assemble.document(auditor.baseline, [auditor.meter(item) for item in readings])
        closer = [item.name for item in readings if auditor.closer(item)]
        folder = _folder(params)
        if not closer:
            return self._end(params, document, folder, records)
        write_document(folder, PART, document)
        text = f"{len(document['meters'])} meters were read; {len(closer)} of them are looked at more closely"
        by_name = {meter["name"]: {"model": meter["model"], "firmware": {"version": meter["firmware"]}} for meter in document["meters"]}
        known = {name: by_name[name] for name in closer}
        where = {"audit_file": str(folder / PART), "dest": str(folder)}
        return {"final": False, "closer": closer, "known": known, "not_good": {}, "text": text, **where}

    def _conclude(self, params: Mapping[str, Any], baseline: Baseline, records: Records, hostvars: Any) -> dict[str, Any]:
        """Merge what the closer looks told. A meter that should have been looked at and was not stays unknown."""
        source = params["src"]
        if not source:
            raise InputError("src", "", "the audit_file that the first step returned", "rollout 4.2")
        part = read_audit(Path(source))
        auditor, looked = Auditor(baseline), params["looked"]
        meters: list[Meter] = []
        for meter in part["meters"]:
            name = meter["name"]
            told = attested(hostvars.raw_get(name)) if name in looked and name in hostvars else {}
            meters.append(auditor.looked(meter, looked[name] or {}, told) if name in looked else meter)
        folder = Path(params["dest"] or Path(source).parent)
        result = self._end(params, assemble.document(baseline, meters), folder, records)
        Path(source).unlink(missing_ok=True)
        return result

    def _end(self, params: Mapping[str, Any], document: Document, folder: Path, records: Records) -> dict[str, Any]:
        write_document(folder, WHOLE, document)
        if not self.check_mode:
            records.audits.record(document, assemble.seen(document["meters"]))
        bad = frozenset(params["fail_on"])
        return {
            "final": True,
            "closer": [],
            "verdict": document["verdict"],
            "totals": document["totals"],
            "digest": document["digest"],
            "text": f"{document['verdict']}: {verdict.overview(document['totals'])}",
            "audit_file": str(folder / WHOLE),
            "dest": str(folder),
            "not_good": {meter["name"]: verdict.sentence(meter) for meter in document["meters"] if meter["verdict"] in bad},
        }


def _folder(params: Mapping[str, Any]) -> Path:
    """Where the files go: a folder of the caller's, else one that the caller is told to remove."""
    return Path(params["dest"]).absolute() if params["dest"] else Path(tempfile.mkdtemp(prefix="metering-audit-"))


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or entry.get("host") or "")
