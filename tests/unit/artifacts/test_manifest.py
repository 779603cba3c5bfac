# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The artifact folder: what firmware.yml may say, and whether the files are what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.reasons import REASONS

FILES = {"App2.out": "comm_card", "PM5560_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}
Change = Callable[[dict[str, Any]], object]


def entry(folder: Path, name: str, role: str, content: bytes = b"") -> dict[str, Any]:
    content = content or name.encode()
    (folder / name).write_bytes(content)
    return {"name": name, "role": role, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def package(folder: Path, files: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    listed = [entry(folder, name, role) for name, role in (FILES if files is None else files).items()]
    head = {"id": "p1", "family": "pm5000", "models": ["PM5560"], "version": "2.9.9", "method": "ftp", "files": listed}
    return {**head, **more}


def write(folder: Path, *packages: dict[str, Any]) -> Path:
    (folder / "firmware.yml").write_text(yaml.safe_dump({"packages": list(packages)}, allow_unicode=True), encoding="utf-8")
    return folder


def only(folder: Path) -> manifest.Package:
    return manifest.load(folder).packages[0]


def found(folder: Path) -> list[str]:
    return [fault.reason for fault in manifest.faults(only(folder))]


@pytest.mark.requirement("R-036", "R-037", "R-038", "R-039", "R-040")
def test_a_good_package_has_no_fault(tmp_path: Path) -> None:
    write(tmp_path, package(tmp_path, source_url="https://www.se.com/", approved_by="A. Person"))
    loaded = only(tmp_path)
    assert list(manifest.faults(loaded)) == []
    assert (loaded.version, [model.name for model in loaded.models]) == ("2.9.9", ["PM5560"])
    assert loaded.file("firmware").name == "PM5560_v2.9.9.fwa"
    assert loaded.size == sum(len(name) for name in FILES)
    assert loaded.approved_by == "A. Person"


@pytest.mark.requirement("R-040")
def test_the_digest_is_over_names_and_hashes_and_not_over_the_order(tmp_path: Path) -> None:
    good = package(tmp_path)
    digest = only(write(tmp_path, good)).digest
    good["files"].reverse()
    assert only(write(tmp_path, good)).digest == digest
    good["files"][0]["sha256"] = "0" * 64
    assert only(write(tmp_path, good)).digest != digest


@pytest.mark.requirement("R-037", "R-038", "R-039", "R-085", "F-08")
@pytest.mark.parametrize(
    ("files", "reasons"),
    [
        ({**FILES, "PM5560_v2.9.9.fwa": "comm_card"}, ["artifact_missing", "artifact_missing"]),
        ({"App2.out": "comm_card", "PM5560_v2.9.9.fwa": "firmware"}, ["artifact_missing"]),
        ({"App2.out": "comm_card", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_missing"]),
        ({"PM5560_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_missing"]),
        ({**FILES, "PM5563_v2.9.9.fwa": "firmware"}, ["artifact_missing"]),
        ({"app2.out": "comm_card", "PM5560_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_renamed"]),
        ({"App2 (1).out": "comm_card", "PM5560_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_renamed"]),
        ({"App2.out": "comm_card", "PM5560_v2.9.9.fwa": "firmware", "StartUpgrade.shtml": "trigger_page"}, ["artifact_renamed"]),
        ({"App2.out": "comm_card", "PM5560_v2.9.9(1).fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_renamed"]),
        ({"App2.out": "comm_card", "pm5560_v2.9.9.FWA": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_renamed"]),
        ({"App2.out": "comm_card", "PM5560_v2.9.9.sedp": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_wrong_type"]),
        ({"App2.out": "comm_card", "PM5560_v2.9.9.zip": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"}, ["artifact_wrong_type"]),
        (
            {"App2.out": "comm_card", "PM5563_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"},
            ["artifact_model_mismatch"],
        ),
        (
            {"App2.out": "comm_card", "PM5560_v2.9.8.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"},
            ["artifact_version_mismatch"],
        ),
        (
            {"App2.out": "comm_card", "PM5563_v2.9.8.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"},
            ["artifact_model_mismatch", "artifact_version_mismatch"],
        ),
        ({**FILES, "notes.txt": "package"}, ["artifact_wrong_type"]),
    ],
)
def test_names_and_roles(tmp_path: Path, files: dict[str, str], reasons: list[str]) -> None:
    write(tmp_path, package(tmp_path, files))
    assert found(tmp_path) == reasons
    assert set(reasons) <= set(REASONS)


@pytest.mark.requirement("R-038", "F-08")
def test_one_archive_is_not_for_two_models(tmp_path: Path) -> None:
    write(tmp_path, package(tmp_path, models=["PM5560", "PM5563"]))
    assert found(tmp_path) == ["artifact_model_mismatch"]


@pytest.mark.requirement("R-038")
def test_spellings_of_model_and_version_are_read(tmp_path: Path) -> None:
    write(tmp_path, package(tmp_path, models=["METSEPM5560"], version="V002.009.009"))
    assert found(tmp_path) == []
    loaded = manifest.load(tmp_path)
    assert loaded.versions(find_model("PM5560")) == ("2.9.9",)
    assert loaded.find(find_model("PM5560"), "2.9.9", "ftp") is loaded.packages[0]
    assert loaded.find(find_model("PM5560"), "2.9.9", "web") is None
    assert loaded.find(find_model("PM5563"), "2.9.9", "ftp") is None


@pytest.mark.requirement("R-036", "R-040", "F-07")
@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lambda path: path.unlink(), "artifact_missing", "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "artifact_hash_mismatch", "the manifest says"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "artifact_hash_mismatch", "pinned SHA-256"),
        (lambda path: (path.unlink(), path.mkdir()), "artifact_missing", "is not a file"),
    ],
)
def test_files_are_what_the_manifest_says(tmp_path: Path, spoil: Callable[[Path], object], reason: str, words: str) -> None:
    write(tmp_path, package(tmp_path))
    spoil(tmp_path / "App2.out")
    (fault,) = manifest.faults(only(tmp_path))
    assert fault.reason == reason and words in fault.text


@pytest.mark.requirement("R-030", "R-040")
def test_all_faults_of_a_package_are_told(tmp_path: Path) -> None:
    write(
        tmp_path, package(tmp_path, {"app2.out": "comm_card", "PM5563_v2.9.9.fwa": "firmware", "PM5500StartUpgrade.shtml": "trigger_page"})
    )
    (tmp_path / "PM5500StartUpgrade.shtml").unlink()
    assert found(tmp_path) == ["artifact_renamed", "artifact_model_mismatch", "artifact_missing"]


@pytest.mark.requirement("R-040")
def test_hashing_reads_in_pieces(tmp_path: Path) -> None:
    pieces: list[None] = []
    (tmp_path / "big").write_bytes(b"x" * (5 << 20))
    digest = manifest.file_sha256(tmp_path / "big", lambda: pieces.append(None))
    assert digest == hashlib.sha256(b"x" * (5 << 20)).hexdigest()
    assert len(pieces) == 5


def drop(key: str) -> Change:
    return lambda item: item.pop(key)


def put(key: str, value: Any) -> Change:
    return lambda item: item.update({key: value})


def file(key: str, value: Any) -> Change:
    return lambda item: item["files"][0].update({key: value})


BAD: list[tuple[Change, str, str]] = [
    *((drop(key), key, "R-036") for key in ("id", "family", "models", "version", "method", "files")),
    (put("versoin", "2.9.9"), "versoin", "R-036"),
    (put("version", 2.9), "version: 2.9", "R-241"),
    (put("version", "2.9"), "version", "R-241"),
    (put("version", "2.9.x"), "'2.9.x'", "R-241"),
    (put("version", None), "version", "R-241"),
    (put("models", []), "models", "R-036"),
    (put("models", "PM5560"), "models", "R-036"),
    (put("models", ["PM9999"]), "'PM9999'", "R-006"),
    (put("models", ["ION9000"]), "'ION9000'", "R-038"),
    (put("family", "pm8000"), "'pm8000'", "R-036"),
    (put("method", "usb"), "'usb'", "R-006"),
    (put("files", []), "files", "R-036"),
    (put("id", ""), "id", "R-036"),
    (put("id", 7), "id", "R-036"),
    (file("name", "fw/App2.out"), "'fw/App2.out'", "R-085"),
    (file("name", "..\\App2.out"), "App2.out", "R-085"),
    (file("role", "virus"), "'virus'", "R-037"),
    (file("sha256", "abc"), "'abc'", "R-036"),
    (file("sha256", "z" * 64), "sha256", "R-036"),
    (file("size", 0), "size", "R-036"),
    (file("size", "3"), "size", "R-036"),
    (file("path", "../elsewhere"), "'../elsewhere'", "R-040"),
    (file("path", "/etc"), "'/etc'", "R-040"),
    (file("path", "a\0b"), "folder inside", "R-040"),
    (file("owner", "me"), "owner", "R-036"),
    (lambda item: item["files"][0].pop("sha256"), "sha256", "R-036"),
    (put("component", "one"), "component", "R-216"),
    (put("signature", {"kind": "wax"}), "'wax'", "R-217"),
    (put("tool", {}), "version", "R-070"),
]


@pytest.mark.requirement("R-036", "R-037", "R-085", "R-241")
@pytest.mark.parametrize(("change", "named", "rule"), BAD)
def test_a_bad_manifest_is_one_sentence(tmp_path: Path, change: Change, named: str, rule: str) -> None:
    item = package(tmp_path)
    change(item)
    with pytest.raises(InputError) as caught:
        manifest.load(write(tmp_path, item))
    text = str(caught.value)
    assert named.split(": ")[0] in text and text.endswith(f"({rule})") and "\n" not in text
    assert text.startswith("firmware.yml: packages[0]")


@pytest.mark.requirement("R-036")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a mapping with the key packages"),
        (b"[]", "a mapping with the key packages"),
        (b"packages: {}", "a list of at least one package"),
        (b"packages: [1]", "a package with id"),
        (b"packages: [", "valid YAML"),
        (b"packages: []\npackages: []", "given twice"),
        (b"packages: !!python/object/apply:os.system ['true']", "valid YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"packages: [{id: a, id: b}]", "line 1"),
        (b"? [1]\n: x", "a key is a list"),
        (b"packages: 2026-13-45", "month must be in 1..12"),
        (b"[" * 3000, "nested too deeply"),
        (b"packages: []\n1: a\nb: c", "'1'"),
        (b"packages: [{1: a, b: c}]", "'1'"),
    ],
)
def test_a_file_that_is_no_manifest_is_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "firmware.yml").write_bytes(content)
    with pytest.raises(InputError, match="R-036") as caught:
        manifest.load(tmp_path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.requirement("R-036")
def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="No such file") as caught:
            manifest.load(folder)
        assert str(folder) in str(caught.value)


@pytest.mark.requirement("R-036")
def test_twins_are_refused(tmp_path: Path) -> None:
    first = package(tmp_path)
    with pytest.raises(InputError, match="an id used by one package only"):
        manifest.load(write(tmp_path, first, first))
    with pytest.raises(InputError, match="one package for each model, version and method"):
        manifest.load(write(tmp_path, first, {**first, "id": "p2", "version": "v2.9.9"}))
    manifest.load(write(tmp_path, first, {**first, "id": "p2", "method": "web"}))
