# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What an execution environment is told about the collection is what the collection needs (design 3, guide execution-environment.md)."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib import resources
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


def shown(name: str) -> str:
    """A file that the guide shows."""
    guide = (ROOT / "docs" / "guides" / "execution-environment.md").read_text(encoding="utf-8")
    found = re.search(rf"```yaml\n(# {re.escape(name)}\n.*?)```", guide, re.S)
    assert found
    return found[1]


def test_the_settings_of_navigator_fit_their_schema(tmp_path: Path) -> None:
    settings = tmp_path / "ansible-navigator.yml"
    settings.write_text(shown(settings.name), encoding="utf-8")
    schema = resources.files("ansiblelint") / "schemas" / "ansible-navigator-config.json"
    command = [str(BUILDER.parent / "check-jsonschema"), "--schemafile", str(schema), str(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_the_guide_is_a_definition(tmp_path: Path) -> None:
    definition = shown("execution-environment.yml")
    (tmp_path / "execution-environment.yml").write_text(definition, encoding="utf-8")
    for item in yaml.safe_load(definition)["additional_build_files"]:
        (tmp_path / os.path.normpath(item["src"])).write_bytes(b"")
    builder("create", "--output-filename", "Containerfile", folder=tmp_path)
    assert "introspect" in (tmp_path / "context" / "Containerfile").read_text(encoding="utf-8")
