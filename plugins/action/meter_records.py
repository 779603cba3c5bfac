# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the records may be trusted, on the controller. Use it with ``run_once``."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.accept import check_words
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._records import RECORDS_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_text

WORD = "ledger_rebaseline"


class ActionModule(MeterAction):
    """Recomputes the chain of every campaign's journal; with the word ``ledger_rebaseline`` takes a broken one as it is."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = RECORDS_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        rebaseline = WORD in check_words(params["accept"])
        if params["head"] and not params["campaign"]:
            raise InputError("head", params["head"], "the name of its campaign as well", "R-297")
        if rebaseline and not (params["campaign"] and params["reason"]):
            raise InputError("accept", WORD, "campaign and reason as well, since it is written into the journal", "F-39")
        records = open_records(params["records"], getpass.getuser(), read_only=self.check_mode or not rebaseline)
        names = [params["campaign"]] if params["campaign"] else records.campaigns()
        changed = self._rebaseline(records, params) if rebaseline else False
        chains = {name: self._chain(records, name, params["head"]) for name in names}
        broken = [name for name, chain in chains.items() if not chain["ok"]]
        if params["report_dir"] and not self.check_mode:
            for name in names:
                write_text(Path(params["report_dir"]), f"journal-{_safe(name)}.jsonl", records.journal_lines(name).splitlines())
        result: dict[str, Any] = {
            "changed": changed,
            "location": records.location,
            "ledger_id": records.ledger_id,
            "schema_version": records.schema_version,
            "chains": chains,
            "trusted": not broken,
            "text": f"{len(names)} journals, {len(broken)} of them broken or older than the given head",
        }
        if broken and not self.check_mode:
            result.update(failed=True, msg=f"the journal of {', '.join(broken)} cannot be trusted", error=_error())
        return result

    def _chain(self, records: Records, name: str, head: str | None) -> dict[str, Any]:
        found = records.verify_chain(name, head)
        return {"ok": found.ok, "head": found.head, "entries": found.entries, "broken_at": found.broken_at, "baseline": found.baseline}

    def _rebaseline(self, records: Records, params: Mapping[str, Any]) -> bool:
        before = records.verify_chain(params["campaign"], params["head"])
        if before.ok or self.check_mode:
            return not before.ok
        records.rebaseline(params["campaign"], params["reason"], params["head"])
        return True


def _safe(name: str) -> str:
    """A campaign's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _error() -> dict[str, str]:
    return {
        "class": "outcome",
        "stage": "records",
        "reason": "ledger_untrusted",
        "remedy": f"Restore the ledger from a copy. To go on from what is there, run again with accept: [{WORD}], campaign and reason.",
    }
