# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Which rule is done, where, and which tests prove it: reads docs/traceability/rules.yml and the tests, writes index.md.

The status of a rule follows from its entry in rules.yml, by the first of these keys that it has:

- ``out_of_reach: why``   cannot be done with what is public
- ``same_as: R-nnn``      says again what another rule says; that rule counts
- ``doc: page``           needs no software; the page must exist
- ``where: path``         done: the path must exist and at least one test must carry the rule's mark
- none of them            open; tests may already carry its mark

``alias`` is a second id under which tests may name the rule. Tests carry ``requirement("R-nnn", …)`` marks, found in the text
of tests/**/*.py without importing anything.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = Path("docs/traceability/rules.yml")
INDEX = Path("docs/traceability/index.md")
STATUSES = ("done", "doc", "same-as", "out of reach", "open")
_KEYS = {"id", "alias", "kind", "source", "lines", "text", "out_of_reach", "same_as", "doc", "where"}


@dataclass
class Mark:
    """One use of the mark: the ids and the test they stand at."""

    test: str
    ids: tuple[str, ...]
    faulty: bool = False


@dataclass
class Rule:
    """One rule with its tests."""

    id: str
    entry: dict[str, Any]
    tests: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """One of STATUSES."""
        for key, status in (("out_of_reach", "out of reach"), ("same_as", "same-as"), ("doc", "doc"), ("where", "done")):
            if key in self.entry:
                return status
        return "open"

    @property
    def where(self) -> list[str]:
        """The places in the code."""
        value = self.entry.get("where", [])
        return [value] if isinstance(value, str) else list(value)


def marks_in(path: Path, root: Path) -> Iterator[Mark]:
    """All requirement marks of one test file."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    name = path.relative_to(root).as_posix()
    for top in tree.body:
        yield from _marks_below(top, name, "")


def _marks_below(node: ast.AST, file: str, prefix: str) -> Iterator[Mark]:
    if isinstance(node, ast.ClassDef):
        for child in [*node.decorator_list, *node.body]:
            yield from _marks_below(child, file, f"{prefix}{node.name}::")
        return
    label = f"{file}::{prefix}{node.name}" if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else f"{file}{_assigned(node)}"
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _is_requirement(call.func):
            ids = tuple(item.value for item in call.args if isinstance(item, ast.Constant) and isinstance(item.value, str))
            yield Mark(label, ids, faulty=len(ids) != len(call.args) or not ids)


def _assigned(node: ast.AST) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return f"::{node.targets[0].id}"
    return ""


def _is_requirement(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "requirement") or (
        isinstance(function, ast.Attribute) and function.attr == "requirement"
    )


def all_marks(root: Path) -> list[Mark]:
    """The marks of all test files, in a fixed order."""
    return [mark for path in sorted((root / "tests").rglob("*.py")) for mark in marks_in(path, root)]


def load_rules(root: Path) -> dict[str, Rule]:
    """The rule list. Raises ValueError where an entry is malformed or appears twice."""
    document = yaml.safe_load((root / RULES).read_text(encoding="utf-8"))
    rules: dict[str, Rule] = {}
    for entry in document["rules"]:
        unknown = set(entry) - _KEYS
        if unknown or not {"id", "kind", "text"} <= set(entry):
            raise ValueError(f"{entry.get('id', entry)}: unknown or missing keys {sorted(unknown)}")
        if entry["id"] in rules:
            raise ValueError(f"{entry['id']} appears twice")
        rules[entry["id"]] = Rule(entry["id"], entry)
    return rules


def attach(rules: dict[str, Rule], marks: list[Mark]) -> list[str]:
    """Give each rule its tests; returns what is wrong with the marks."""
    faults = []
    aliases = {rule.entry["alias"]: rule.id for rule in rules.values() if "alias" in rule.entry}
    for mark in marks:
        if mark.faulty:
            faults.append(f"{mark.test}: a requirement mark takes one or several ids as plain text")
        for given in mark.ids:
            rule_id = aliases.get(given, given)
            if rule_id not in rules:
                faults.append(f"{mark.test}: unknown rule {rule_id}")
            elif mark.test not in rules[rule_id].tests:
                rules[rule_id].tests.append(mark.test)
    return faults


def faults_of(rules: dict[str, Rule], root: Path) -> list[str]:
    """What is wrong with the rule list itself: a done rule without a test, a missing page or place, a wrong reference."""
    faults = []
    for rule in rules.values():
        entry = rule.entry
        if rule.status == "done":
            faults += [f"{rule.id}: {place} does not exist" for place in rule.where if not (root / place).exists()]
            if not rule.tests:
                faults.append(f"{rule.id}: done without a test")
        elif rule.status == "doc" and not (root / entry["doc"]).is_file():
            faults.append(f"{rule.id}: the page {entry['doc']} does not exist")
        elif rule.status == "same-as":
            other = rules.get(entry["same_as"])
            if other is None or other.status == "same-as":
                faults.append(f"{rule.id}: same_as {entry['same_as']} must name a rule that stands for itself")
        elif rule.status == "out of reach" and len(str(entry["out_of_reach"])) < 10:
            faults.append(f"{rule.id}: out_of_reach must say why")
    return faults


def counts(rules: dict[str, Rule]) -> dict[str, Counter[str]]:
    """Number of rules by status, for each family of ids."""
    result: dict[str, Counter[str]] = {}
    for rule in rules.values():
        result.setdefault(rule.id.split("-")[0], Counter())[rule.status] += 1
    return result


_FAMILIES = {
    "R": "rules of the source documents",
    "G": "decisions on gaps",
    "X": "public facts",
    "F": "faults",
    "I": "invariants",
}


def count_table(rules: dict[str, Rule]) -> list[str]:
    """The counts as lines of a Markdown table."""
    lines = [f"| | {' | '.join(STATUSES)} | all |", f"|---|{'---:|' * (len(STATUSES) + 1)}"]
    for family, number in counts(rules).items():
        lines.append(
            f"| {_FAMILIES.get(family, family)} ({family}) | {' | '.join(str(number[status]) for status in STATUSES)} | {number.total()} |"
        )
    return lines


def index_text(rules: dict[str, Rule]) -> str:
    """The whole of index.md."""
    lines = [
        "<!-- SPDX-License" + "-Identifier: GPL-3.0-or-later -->",  # in two parts: a licence checker reads this file too
        "<!-- Copyright: (c) 2026, The gridops.metering authors -->",
        "# Traceability",
        "",
        "Written by `tests/tools/traceability.py --write` from `rules.yml` and the marks of the tests; do not edit.",
        "",
        *count_table(rules),
    ]
    family = ""
    for rule in rules.values():
        if rule.id.split("-")[0] != family:
            family = rule.id.split("-")[0]
            title = _FAMILIES.get(family, family)
            lines += [
                "",
                f"## {title[0].upper()}{title[1:]}",
                "",
                "| Id | Kind | Source | Rule | Status | Where | Tests |",
                "|---|---|---|---|---|---|---|",
            ]
        lines.append(_index_line(rule, rules))
    return "\n".join(lines) + "\n"


def _index_line(rule: Rule, rules: dict[str, Rule]) -> str:
    entry = rule.entry
    status = {
        "same-as": f"same-as {entry.get('same_as')} ({rules[entry['same_as']].status})" if entry.get("same_as") in rules else "same-as",
        "out of reach": f"out of reach: {entry.get('out_of_reach')}",
    }.get(rule.status, rule.status)
    source = f"{entry.get('source', '')}{':' + str(entry['lines']) if 'lines' in entry else ''}"
    places = rule.where or ([entry["doc"]] if "doc" in entry else [])
    # Files and not single tests, so that the page changes only when something about the rule does.
    tests = ", ".join(dict.fromkeys(Path(test.split("::")[0]).name for test in rule.tests))
    cells = (rule.id, entry["kind"], source, entry["text"], status, ", ".join(f"`{place}`" for place in places), tests)
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str] | None = None) -> int:
    """Print the counts; with --write write index.md, with --check fail on any fault. 0 when all is well."""
    parser = argparse.ArgumentParser(description="Rules, where they live, and which tests prove them.")
    parser.add_argument("--check", action="store_true", help="fail on faults and on a stale index.md")
    parser.add_argument("--write", action="store_true", help="write index.md anew")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    root = options.root
    try:
        rules = load_rules(root)
        faults = attach(rules, all_marks(root))
    except (OSError, ValueError, SyntaxError, yaml.YAMLError) as error:
        print(f"traceability: {error}", file=sys.stderr)
        return 2
    faults += faults_of(rules, root)
    text = index_text(rules)
    if options.write:
        (root / INDEX).write_text(text, encoding="utf-8")
    elif options.check and (not (root / INDEX).is_file() or (root / INDEX).read_text(encoding="utf-8") != text):
        faults.append(f"{INDEX.as_posix()} is stale: run tests/tools/traceability.py --write")
    for fault in faults:
        print(fault, file=sys.stderr)
    early = [rule.id for rule in rules.values() if rule.status == "open" and rule.tests]
    print(f"open, with tests already: {len(early)} ({', '.join(early)})" if early else "open, with tests already: 0")
    for family, number in counts(rules).items():
        print(f"{family}: {', '.join(f'{number[status]} {status}' for status in STATUSES)}, {number.total()} in all")
    return 1 if faults and (options.check or options.write) else 0


if __name__ == "__main__":
    sys.exit(main())
