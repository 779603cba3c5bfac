# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an execution environment is told about the collection is what the collection needs (design 3, guide awx.md)."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILDER = Path(sys.executable).parent / "ansible-builder"
#: Ansible and what it brings except what the collection needs by itself, what requests brings, and what only the live view of a terminal can use.
NOT_NAMED = {"ansible", "ansible_collections", "yaml", "jinja2", "urllib3", "rich"}


def builder(*words: str | Path, folder: Path) -> str:
    done = subprocess.run([str(BUILDER), *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imported() -> set[str]:
    """First names of everything that the plugins import and Python does not bring."""
    found: set[str] = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.partition(".")[0])
            elif (
                isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module" and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value).partition(".")[0])
    return found - set(sys.stdlib_module_names) - NOT_NAMED


def test_the_definition_names_all_that_is_needed(tmp_path: Path) -> None:
    place = tmp_path / "ansible_collections" / "gridops" / "metering"
    place.parent.mkdir(parents=True)
    place.symlink_to(ROOT)
    builder("introspect", tmp_path, "--write-pip", tmp_path / "pip.txt", "--write-bindep", tmp_path / "bindep.txt", folder=tmp_path)
    named = {re.split(r"[\[<>=~ ]", line)[0] for line in (tmp_path / "pip.txt").read_text(encoding="utf-8").splitlines() if line.strip()}
    assert imported() == named
    assert "openssh-client [platform:dpkg]" in (tmp_path / "bindep.txt").read_text(encoding="utf-8")


def test_the_example_of_the_guide_is_a_definition(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "awx.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(# execution-environment\.yml\n.*?)```", guide, re.S)
    assert found
    (tmp_path / "execution-environment.yml").write_text(found[1], encoding="utf-8")
    for item in yaml.safe_load(found[1])["additional_build_files"]:
        (tmp_path / os.path.normpath(item["src"])).write_bytes(b"")
    builder("create", "--output-filename", "Containerfile", folder=tmp_path)
    assert "introspect" in (tmp_path / "context" / "Containerfile").read_text(encoding="utf-8")
