# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Packages for webpages and tool: the maker's one container, as it came."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest

NAME = "PM5560_v4.4.0.sedp"


def load(folder: Path, files: list[tuple[str, str]], **more: Any) -> manifest.Package:
    """A package of these (name, role), loaded."""
    listed = []
    for name, role in files:
        (folder / name).write_bytes(name.encode())
        listed.append({"name": name, "role": role, "sha256": hashlib.sha256(name.encode()).hexdigest(), "size": len(name)})
    head = {"id": "p1", "family": "pm5000", "models": ["PM5560", "PM5563"], "version": "4.4.0", "method": "web", "files": listed}
    (folder / "firmware.yml").write_text(yaml.safe_dump({"packages": [{**head, **more}]}), encoding="utf-8")
    return manifest.load(folder).packages[0]


def reasons(package: manifest.Package) -> list[str]:
    return [fault.reason for fault in manifest.faults(package)]


@pytest.mark.requirement("R-137", "R-113", "R-085", "R-069")
@pytest.mark.parametrize("method", ["web", "tool"])
def test_one_container_under_its_own_name_is_right(tmp_path: Path, method: str) -> None:
    assert reasons(load(tmp_path, [(NAME, "package")], method=method)) == []
    assert reasons(load(tmp_path, [(NAME, "package"), ("p.sig", "signature")], method=method)) == []


@pytest.mark.requirement("R-137", "R-113")
@pytest.mark.parametrize("method", ["web", "tool"])
@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([("PM5560_v4.4.0.zip", "package")], ["artifact_wrong_type"]),
        ([("PM5560_v4.4.0.fwa", "package")], ["artifact_wrong_type"]),
        ([("PM5560_v4.4.0.sedp.zip", "package")], ["artifact_wrong_type"]),
        ([(NAME, "image")], ["artifact_missing", "artifact_wrong_type"]),
        ([(NAME, "package"), ("b.sedp", "package")], ["artifact_missing"]),
        ([(NAME, "package"), ("App2.out", "comm_card")], ["artifact_wrong_type"]),
    ],
)
def test_anything_else_is_refused_before_any_contact(tmp_path: Path, method: str, files: list[tuple[str, str]], found: list[str]) -> None:
    assert reasons(load(tmp_path, files, method=method)) == found


@pytest.mark.requirement("R-134")
@pytest.mark.parametrize(
    ("given", "told"), [(None, "absent"), ({"kind": "embedded_opaque"}, "unverified"), ({"kind": "detached", "file": "p.sig"}, "present")]
)
def test_what_is_known_of_the_signature(tmp_path: Path, given: dict[str, str] | None, told: str) -> None:
    assert load(tmp_path, [(NAME, "package")], **({"signature": given} if given else {})).signature == told


@pytest.mark.requirement("R-070")
def test_the_tool_that_came_with_the_package(tmp_path: Path) -> None:
    assert load(tmp_path, [(NAME, "package")]).tool_version == ""
    assert load(tmp_path, [(NAME, "package")], method="tool", tool={"version": "3.8"}).tool_version == "3.8"


@pytest.mark.requirement("R-040", "R-147")
def test_a_changed_container_is_found(tmp_path: Path) -> None:
    package = load(tmp_path, [(NAME, "package")])
    (tmp_path / NAME).write_bytes(NAME.swapcase().encode())
    assert reasons(package) == ["artifact_hash_mismatch"]
