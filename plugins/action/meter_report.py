# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reports of one audit, on the controller. Use it with ``run_once``."""

from __future__ import annotations

import getpass
import platform
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from ansible import __version__ as ansible_version

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import evidence, formats
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Document, History
from ansible_collections.gridops.metering.plugins.module_utils._report import REPORT_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction
from ansible_collections.gridops.metering.plugins.plugin_utils._audit_file import read_audit, sentence
from ansible_collections.gridops.metering.plugins.plugin_utils._collection import version
from ansible_collections.gridops.metering.plugins.plugin_utils._files import digest_of, write_stream


class ActionModule(MeterAction):
    """Reads the audit once and writes every wanted format from it; the list of evidence last."""

    BYPASS_HOST_LOOP = True
    SUPPORTS_DELEGATION = False
    ARGUMENT_SPEC = REPORT_SPEC

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        src = Path(params["src"])
        folder = Path(params["dest"]) if params["dest"] else src.parent
        document = read_audit(src)
        records = open_records(params["records"], getpass.getuser(), read_only=True)
        history = cast(History, records.audits.history(params["campaigns"], limit=constants.REPORT_SCANS.number))
        files = {} if self.check_mode else self._write(params["formats"], document, history, folder, src, records)
        return {
            "changed": False,
            "files": files,
            "verdict": document["verdict"],
            "totals": document["totals"],
            "digest": document["digest"],
            "text": sentence(document),
        }

    def _write(
        self, names: list[str], document: Document, history: History, folder: Path, src: Path, records: Records
    ) -> dict[str, dict[str, Any]]:
        """What was written, by format."""
        files: dict[str, dict[str, Any]] = {}
        hashed: dict[Path, dict[str, Any]] = {}
        for name, (file, writer) in formats.FORMATS.items():
            if name not in names:
                continue
            target = folder / file
            # The canonical text of a checked file is that file.
            if not (name == "json" and target.exists() and target.samefile(src)):
                write_stream(folder, file, partial(writer, document, history))
            hashed[target] = digest_of(target)
            files[name] = {"path": str(target), **hashed[target]}
        if formats.EVIDENCE in names:
            listed: list[evidence.File] = [
                cast(evidence.File, {"name": path.name, **(hashed.get(path) or digest_of(path))})
                for path in sorted(folder.glob("[!.]*"))
                if path.is_file() and path.name != formats.EVIDENCE_FILE
            ]
            journal = records.verify_chain(formats.AUDIT_JOURNAL)
            journals = {item["campaign"]: item["head"] for item in history["campaigns"]}
            journals |= {formats.AUDIT_JOURNAL: journal.head} if journal.entries else {}
            write = partial(evidence.write, document, history, files=listed, journals=journals, origin=_origin(records))
            write_stream(folder, formats.EVIDENCE_FILE, write)
            target = folder / formats.EVIDENCE_FILE
            files[formats.EVIDENCE] = {"path": str(target), **digest_of(target)}
        return files


def _origin(records: Records) -> evidence.Origin:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "operator": getpass.getuser(),
        "version": version(),
        "ansible": ansible_version,
        "python": platform.python_version(),
        "records": records.location,
        "ledger_id": records.ledger_id,
    }
