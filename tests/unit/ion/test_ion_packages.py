# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Packages for ION Setup: the maker's ZIP with one image, or a bare image whose minimum a person states."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError

ZIP = "ION9000_V003.000.000.zip"


def load(folder: Path, name: str = ZIP, inside: tuple[str, ...] = ("ION9000.upx", "readme.txt"), **more: Any) -> manifest.Package:
    """A package of one file; a ZIP with these names in it."""
    path = folder / name
    if inside:
        with zipfile.ZipFile(path, "w") as archive:
            for member in inside:
                archive.writestr(member, member)
    else:
        path.write_bytes(b"image")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = [{"name": name, "role": "package", "sha256": digest, "size": path.stat().st_size}]
    head = {"id": "p1", "family": "hep", "models": ["ION9000", "PM8240"], "version": "V003.000.000", "method": "ion", "files": listed}
    (folder / "firmware.yml").write_text(yaml.safe_dump({"packages": [{**head, **more}]}), encoding="utf-8")
    return manifest.load(folder).packages[0]


def reasons(package: manifest.Package) -> list[str]:
    return [fault.reason for fault in manifest.faults(package)]


@pytest.mark.requirement("R-166", "R-172", "R-241", "R-242", "R-243")
def test_the_makers_zip(tmp_path: Path) -> None:
    package = load(tmp_path, min_ion_setup="v3.2.20218.01")
    assert (reasons(package), package.bare, package.min_ion_setup, package.version) == ([], False, "3.2.20218.01", "3.0.0")
    assert [model.name for model in package.models] == ["ION9000", "PM8000"]


@pytest.mark.requirement("R-167", "R-172")
def test_a_bare_image(tmp_path: Path) -> None:
    package = load(tmp_path, "ION9000_V003.000.000.upx", ())
    assert (reasons(package), package.bare, package.min_ion_setup) == ([], True, "")


@pytest.mark.requirement("R-166", "F-08")
@pytest.mark.parametrize(
    ("name", "inside"),
    [
        (ZIP, ()),
        (ZIP, ("readme.txt",)),
        (ZIP, ("a.upx", "b.upx")),
        ("ION9000_V003.000.000.upg", ()),
        ("ION9000_V003.000.000.sedp", ()),
    ],
)
def test_anything_else_is_refused_before_any_contact(tmp_path: Path, name: str, inside: tuple[str, ...]) -> None:
    assert reasons(load(tmp_path, name, inside)) == ["artifact_wrong_type"]


def test_a_minimum_that_is_no_version(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="min_ion_setup: 'latest' is not accepted"):
        load(tmp_path, min_ion_setup="latest")
