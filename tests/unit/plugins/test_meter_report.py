# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The audit's own file, checked before anything is made of it, and the version that evidence tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import formats
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import dump
from ansible_collections.gridops.metering.plugins.module_utils._report import REPORT_FORMATS
from ansible_collections.gridops.metering.plugins.plugin_utils import _audit_file
from ansible_collections.gridops.metering.plugins.plugin_utils._collection import version
from ansible_collections.gridops.metering.plugins.plugin_utils._files import write_stream


def test_the_option_knows_every_format() -> None:
    assert tuple(REPORT_FORMATS) == formats.NAMES
    assert len({file for file, dummy in formats.FORMATS.values()} | {formats.EVIDENCE_FILE}) == len(REPORT_FORMATS)


def test_a_whole_file_is_taken_as_it_is_or_laid_out_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document, path = auditmaker.one_of_each_state(), tmp_path / "audit.json"
    path.write_text(json.dumps(document, indent=4), encoding="utf-8")
    assert _audit_file.read_audit(path) == document
    path.write_text("".join(dump(document)), encoding="utf-8")
    computed = _audit_file._digest_of_text(path.read_bytes())
    assert _audit_file.read_audit(path) == document and computed == document["digest"]
    assert _audit_file.sentence(document) == "drift: 1 meter, 1 drift"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("", "which is JSON"),
        ("[]", "a document of the schema"),
        ('{"schema": "gridops.metering/audit", "schema_version": 2}', "version 1"),
        ('{"schema": "gridops.metering/audit", "schema_version": 1}', "the whole audit.json"),
    ],
)
def test_anything_else_is_refused(text: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why):
        _audit_file.read_audit(path)


@pytest.mark.parametrize(("old", "new"), [('"verdict":"drift"', '"verdict":"compliant"'), ('"state":"fail"', '"state":"pass"')])
def test_a_file_that_somebody_changed_is_refused(old: str, new: str, tmp_path: Path) -> None:
    path, text = tmp_path / "audit.json", "".join(dump(auditmaker.one_of_each_state()))
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match="somebody changed the file since"):
        _audit_file.read_audit(path)


def test_the_version_is_that_of_the_installed_collection_or_of_the_checkout(tmp_path: Path) -> None:
    assert version(tmp_path) == "unknown"
    (tmp_path / "galaxy.yml").write_text("name: metering\nversion: 0.5.0\n", encoding="utf-8")
    assert version(tmp_path) == "0.5.0"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "0.6.0"}}', encoding="utf-8")
    assert version(tmp_path) == "0.6.0"
    assert version() not in ("", "unknown")


def test_half_a_file_is_not_left_behind(tmp_path: Path) -> None:
    def broken(stream) -> None:
        stream.write("half")
        raise KeyError("text")

    with pytest.raises(KeyError):
        write_stream(tmp_path, "audit.md", broken)
    assert list(tmp_path.iterdir()) == []
