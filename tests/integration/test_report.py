# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The playbook report: every format from one audit and its records, and evidence that lists what lies in the folder."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path

import auditmaker
import warmstart
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import formats
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Document, dump

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
SCAN_AT = 1_794_000_000.0


def report(data: Path, code: int, *arguments: str, **variables: object) -> str:
    given = json.dumps({f"metering_{name}": value for name, value in variables.items()})
    env = {**os.environ, **warmstart.QUIET, "XDG_DATA_HOME": str(data)}
    command = [str(PLAYBOOK), "-i", "localhost,", "gridops.metering.report", "-e", given, *arguments]
    done = warmstart.run(command, env=env, timeout=120)
    said = str(done.stdout + done.stderr)
    assert "Traceback" not in said and done.returncode == code, said
    return said


def audit_file(folder: Path) -> Document:
    document = auditmaker.make(60)
    (folder / "night").mkdir()
    (folder / "night" / "audit.json").write_text("".join(dump(document)), encoding="utf-8")
    (folder / "night" / "plan.json").write_text("{}", encoding="utf-8")
    return document


def test_every_format_lies_beside_the_audit_and_the_evidence_lists_them(tmp_path: Path) -> None:
    document, folder, ledger = audit_file(tmp_path), tmp_path / "night", tmp_path / "records.sqlite3"
    records = open_records(str(ledger), "nightly")
    records.audits.record(document, {"P1": "a"}, SCAN_AT)
    records.journal("spring", "note", {})

    said = report(tmp_path, 0, report_dir=str(folder), records=str(ledger))
    names = {file for file, dummy in formats.FORMATS.values()}
    assert {path.name for path in folder.iterdir()} == {*names, formats.EVIDENCE_FILE, "plan.json"}
    assert "changed=0" in said and "drift: 60 meters" in said and "night/audit.md" in said
    for path in folder.iterdir():
        assert path.stat().st_size and (
            path.name == "plan.json" or stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 or path.name == "audit.json"
        )

    told = json.loads((folder / formats.EVIDENCE_FILE).read_text(encoding="utf-8"))
    assert {item["name"] for item in told["files"]} == {*names, "plan.json"}
    for item in told["files"]:
        data = (folder / item["name"]).read_bytes()
        assert (item["bytes"], item["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert told["scan"]["at"] == SCAN_AT and told["scan"]["operator"] == "nightly"
    assert told["audit"]["digest"] == document["digest"] and told["audit"]["totals"] == document["totals"]
    assert told["journals"]["audit"] == records.verify_chain("audit").head
    assert told["made"]["ledger_id"] == records.ledger_id and told["made"]["version"] not in ("", "unknown")
    assert "audited 2026-11-0" in (folder / "audit.md").read_text(encoding="utf-8")
    assert f"last_scan_timestamp_seconds {int(SCAN_AT)}" in (folder / "metering.prom").read_text(encoding="utf-8")


def test_some_formats_elsewhere_without_records_and_nothing_in_check_mode(tmp_path: Path) -> None:
    document, source = audit_file(tmp_path), tmp_path / "night" / "audit.json"
    wanted = {"audit_file": str(source), "report_dir": str(tmp_path / "public"), "report_formats": ["json", "junit", "evidence"]}
    report(tmp_path, 0, "--check", **wanted)
    assert not (tmp_path / "public").exists()
    report(tmp_path, 0, **wanted)
    assert {path.name for path in (tmp_path / "public").iterdir()} == {"audit.json", "junit.xml", "evidence.json"}
    assert (tmp_path / "public" / "audit.json").read_bytes() == source.read_bytes()
    told = json.loads((tmp_path / "public" / "evidence.json").read_text(encoding="utf-8"))
    assert told["scan"] is None and told["journals"] == {} and told["audit"]["digest"] == document["digest"]

    source.write_text(source.read_text(encoding="utf-8").replace('"state":"fail"', '"state":"pass"'), encoding="utf-8")
    assert "somebody changed the file since" in report(tmp_path, 2, **wanted)
