# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The traceability tool itself: it must notice what it is there to notice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location("traceability_under_test", ROOT / "tests" / "tools" / "traceability.py")
assert SPEC is not None and SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = tool
SPEC.loader.exec_module(tool)

RULE = "  - {{id: {id}, kind: FACT, text: a text{more}}}\n"


@pytest.fixture
def project(tmp_path):
    """Write rules and tests, run the tool, give back its exit code."""
    (tmp_path / "docs" / "traceability").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "place.py").write_text("")

    def go(rules: dict[str, str], test: str, *arguments: str) -> int:
        text = "rules:\n" + "".join(RULE.format(id=name, more=more and f", {more}") for name, more in rules.items())
        (tmp_path / "docs" / "traceability" / "rules.yml").write_text(text)
        (tmp_path / "tests" / "test_it.py").write_text(test)
        return tool.main(["--root", str(tmp_path), *arguments])

    return go


def _marked(text: str) -> str:
    # Written in two parts, so that the tool does not find these examples when it reads this file.
    return "@pytest.mark." + f"requirement({text})\ndef test_x(): pass\n"


@pytest.mark.parametrize(
    ("rules", "marks", "said"),
    [
        ({"R-001": "where: place.py"}, "", "R-001: done without a test"),
        ({"R-001": "where: gone.py"}, "'R-001'", "R-001: gone.py does not exist"),
        ({"R-001": ""}, "'R-999'", "tests/test_it.py::test_x: unknown rule R-999"),
        ({"R-001": ""}, "NAME", "takes one or several ids as plain text"),
        ({"R-001": "doc: gone.md"}, "'R-001'", "R-001: the page gone.md does not exist"),
        ({"R-001": "same_as: R-002", "R-002": "same_as: R-001"}, "'R-001'", "must name a rule that stands for itself"),
        ({"R-001": "same_as: R-404"}, "'R-001'", "must name a rule that stands for itself"),
        ({"R-001": "out_of_reach: no"}, "'R-001'", "out_of_reach must say why"),
        ({"R-001": "done: yes"}, "'R-001'", "unknown or missing keys"),
    ],
)
def test_faults_fail_the_check(project, capsys, rules, marks, said):
    test = _marked(marks) if marks else "def test_x(): pass\n"
    assert project(rules, test, "--write") != 0
    assert said in capsys.readouterr().err


def test_all_is_well_and_counted(project, capsys):
    rules = {
        "R-001": "where: place.py",
        "R-002": "same_as: R-001",
        "R-003": "",
        "G-01": "out_of_reach: nothing public tells it",
        "R-004": "doc: place.py",
    }
    assert project(rules, _marked("'R-001', 'R-003'"), "--write") == 0
    assert project(rules, _marked("'R-001', 'R-003'"), "--check") == 0
    out = capsys.readouterr().out
    assert "R: 1 done, 1 doc, 1 same-as, 0 out of reach, 1 open, 4 in all" in out
    assert "open, with tests already: 1 (R-003)" in out


def test_an_alias_names_the_same_rule(project, capsys):
    assert project({"I-a": "where: place.py, alias: invariant-a"}, _marked("'invariant-a'"), "--write") == 0
    assert "I: 1 done" in capsys.readouterr().out


def test_a_stale_index_fails_the_check(project, capsys):
    assert project({"R-001": "where: place.py"}, _marked("'R-001'"), "--write") == 0
    assert project({"R-001": "where: place.py", "R-002": ""}, _marked("'R-001'"), "--check") == 1
    assert "stale" in capsys.readouterr().err


def test_marks_of_parameters_and_classes_count(tmp_path):
    file = tmp_path / "tests" / "test_it.py"
    file.parent.mkdir()
    mark = "requirement"
    file.write_text(f"CASES = [p(1, marks={mark}('R-001'))]\nclass TestIt:\n    @m.{mark}('R-002')\n    def test_y(self): pass\n")
    found = {rule: found.test for found in tool.all_marks(tmp_path) for rule in found.ids}
    assert found == {"R-001": "tests/test_it.py::CASES", "R-002": "tests/test_it.py::TestIt::test_y"}


def test_all_rules_of_the_documents_are_listed():
    rules = tool.load_rules(ROOT)
    assert [name for name in rules if name.startswith("R-")] == [f"R-{number:03d}" for number in range(1, 411)]
    assert [name for name in rules if name.startswith("G-")] == [f"G-{number:02d}" for number in range(1, 23)]
    assert {name for name in rules if name.startswith("F-")} == {f"F-{number:02d}" for number in range(1, 41)}
    assert {name for name in rules if name.startswith("I-")} == {f"I-{letter}" for letter in "abcdefghij"}
    assert all(rule.entry["text"].strip() for rule in rules.values())
