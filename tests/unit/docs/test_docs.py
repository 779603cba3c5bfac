# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The pages for people: links lead somewhere, variables and playbooks exist, generated parts are fresh."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import prometheus
from ansible_collections.gridops.metering.plugins.plugin_utils._known_variables import known_variables

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "roles").rglob("README.md"))]
INDEX = ROOT / "docs" / "README.md"
GUIDES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", INDEX, ROOT / "docs" / "playbooks.md"),
    *(page for folder in ("guides", "concepts", "contributing") for page in sorted((ROOT / "docs" / folder).glob("*.md"))),
]
#: Variables that are no option of a module.
OWN = {"metering_version", "metering_hosts", "metering_peer_group", "metering_facts", "metering_read", "metering_users"}
MODELS = {
    "A": {"PM5560", "PM5562", "PM5562MC", "PM5563", "PM5580"},
    "B": {"PM5570", "PM5660", "PM5760"},
    "C": {"PM5650"},
    "D": {"PM5561"},
    "E": {"PM5661", "PM5761"},
    "F": {"PM5570L", "PM5660L", "PM5760L"},
}


def tool(name: str) -> ModuleType:
    """A script of tests/tools as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "tests" / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, dummy, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def metrics() -> set[str]:
    """Names of the numbers that monitoring gets: they begin as variables do."""
    out = io.StringIO()
    prometheus.write(auditmaker.make(60), auditmaker.history(), out)
    return set(re.findall(r"^# TYPE (\w+)", out.getvalue(), re.M))


def test_variables_in_the_guides_exist() -> None:
    known = known_variables() | OWN | metrics()
    for book in (ROOT / "playbooks").glob("*.yml"):
        known |= set(re.findall(r"\bmetering_[a-z_]+\b", book.read_text(encoding="utf-8")))
    for page in GUIDES:
        used = set(re.findall(r"\bmetering_[a-z_]+\b", page.read_text(encoding="utf-8")))
        assert used <= known, (page.name, used - known)


def test_playbooks_in_the_guides_exist() -> None:
    for page in GUIDES:
        for name in re.findall(
            r"(?:ansible-playbook (?:-i \S+ )?|import_playbook: )gridops\.metering\.(\w+)", page.read_text(encoding="utf-8")
        ):
            assert (ROOT / "playbooks" / f"{name}.yml").exists(), (page.name, name)


def test_yaml_in_the_guides_is_yaml() -> None:
    for page in GUIDES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            assert yaml.safe_load(block), page.name


def test_reason_codes_are_fresh() -> None:
    codes = tool("reason_codes")
    assert codes.PAGE.read_text(encoding="utf-8") == codes.page(), "run tests/tools/reason_codes.py"


def test_every_reason_code_has_its_place_in_troubleshooting_once() -> None:
    page = (ROOT / "docs" / "guides" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.M)
    assert sorted(code for row in rows for code in re.findall(r"\w+", row)) == sorted(reasons.REASONS)


def test_every_playbook_has_a_row() -> None:
    page = (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| \w", page.partition("## The variables")[0], re.M)
    assert sorted(rows) == sorted(book.stem for book in (ROOT / "playbooks").glob("*.yml"))


def test_the_index_lists_every_page() -> None:
    indexes = {INDEX, ROOT / "docs" / "decisions" / "README.md"}
    listed = {
        (index.parent / link).resolve()
        for index in indexes
        for link in re.findall(r"\]\(([^)#\s]+\.md)\)", index.read_text(encoding="utf-8"))
    }
    assert set((ROOT / "docs").rglob("*.md")) - listed <= {INDEX}


def test_the_drawing_of_the_rooms_is_that_of_the_contract() -> None:
    architecture = tool("architecture")
    assert architecture.DRAWING.read_text(encoding="utf-8") == architecture.drawing(), "run tests/tools/architecture.py"
    page = (ROOT / "docs" / "concepts" / "architecture.md").read_text(encoding="utf-8")
    engine = ROOT / "plugins" / "module_utils" / "_engine"
    rooms = {path.parent.name for path in engine.glob("*/__init__.py")}
    assert rooms == set(architecture.ABOUT) == set(re.findall(r"^\| `(\w+)` \|", page, re.M))


def test_the_demonstration_expects_an_end_for_every_meter() -> None:
    demo = tool("demo")
    fleet = yaml.safe_load(demo.FLEET.read_text(encoding="utf-8"))
    names = {meter["name"] for meter in fleet["meters"]}
    assert len(names) >= 12
    assert names == set(demo.FIRST) == set(demo.SECOND) == set(demo.THIRD)
    assert {row for row, models in MODELS.items() for meter in fleet["meters"] if meter["model"] in models} == set(MODELS)
    reasons = {reason for dummy, reason in demo.FIRST.values()}
    assert {"mid_lock_enabled", "attempts_exhausted", "path_not_supported", "upgrade_process_failed", "comms_lost"} <= reasons
    assert {outcome for outcome, dummy in demo.THIRD.values()} == {"current", "blocked"}


@pytest.mark.parametrize(
    "rule", ["R-001", "R-002", "R-003", "R-004", "R-005", "R-041", "R-052", "R-056", "R-072", "R-075", "R-081", "R-156", "R-157"]
)
def test_rules_for_people_have_their_place(rule: str) -> None:
    assert any(re.search(rf"\b{rule}\b", page.read_text(encoding="utf-8")) for page in GUIDES), rule
