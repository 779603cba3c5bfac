# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What several report formats share: values and tasks as text, the controls by their id; pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from .document import ControlInfo, Document, Location, Meter, Result, compact

#: What no report may hold raw: control characters, lone surrogates, and what turns the direction of the text around it.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
#: Words that YAML 1.1 takes for something else than a text.
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def clean(text: str) -> str:
    """The text without characters that no report may hold; each is shown as a replacement character."""
    return text if text.isprintable() else _UNFIT.sub("\ufffd", text)


def one_line(text: object) -> str:
    """Clean, and on one line."""
    return " ".join(clean(str(text)).split())


def shown(value: Any) -> str:
    """A wanted or seen value as a person reads it: nothing for none, a text as it is, all else as JSON."""
    if value is None:
        return ""
    return clean(value) if isinstance(value, str) else clean(compact(value))


def base_id(control: str) -> str:
    """The control's id without what it is about, the part after the colon."""
    return control.partition(":")[0]


def infos(document: Document) -> dict[str, ControlInfo]:
    """The controls of the document by their id."""
    return {item["id"]: item for item in document["controls"]}


def info_of(known: Mapping[str, ControlInfo], control: str) -> ControlInfo:
    """What is said of a control; something neutral where the document says nothing."""
    base = base_id(control)
    found = known.get(base)
    if found is not None:
        return found
    return {
        "id": base,
        "title": base.replace("_", " "),
        "rationale": "",
        "severity": "medium",
        "level": 1,
        "kind": "automated",
        "rule": "",
        "clauses": [],
    }


def place(location: Location | None) -> str:
    """``file:line``, or nothing."""
    return f"{location['file']}:{location['line']}" if location else ""


def results(document: Document, *states: str) -> Iterator[tuple[Meter, Result]]:
    """Each meter's results in these states, in the document's order."""
    for meter in document["meters"]:
        for result in meter["controls"]:
            if result["state"] in states:
                yield meter, result


# Tasks


def task_lines(fix: Mapping[str, Any]) -> list[str]:
    """The task that mends it, as YAML."""
    task = fix.get("task")
    if isinstance(task, str):
        return task.splitlines()
    lines = list(_yaml(_name_first(task), "")) if isinstance(task, Mapping) else []
    return [("- " if number == 0 else "  ") + line for number, line in enumerate(lines)]


def command(fix: Mapping[str, Any], *meters: str) -> str:
    """The command that runs the playbook for these meters; what else it needs (inventory, baseline) is the operator's."""
    return f"ansible-playbook {fix['playbook']} -e {shlex.quote('metering_hosts=' + ','.join(one_line(name) for name in meters))}"


def accepted(fix: Mapping[str, Any]) -> list[str]:
    """The words by which the task accepts what cannot be undone, or what costs something."""
    task = fix.get("task")
    found: set[str] = set()
    for options in task.values() if isinstance(task, Mapping) else ():
        words = options.get("accept") if isinstance(options, Mapping) else None
        found.update(str(word) for word in words or ())
    return sorted(found)


def fix_lines(fix: Mapping[str, Any], *meters: str) -> list[str]:
    """Task and command."""
    runs = fix.get("runs", 1)
    again = [f"# {runs} runs, one for each hop"] if isinstance(runs, int) and runs > 1 else []
    return [*task_lines(fix), *again, f"# {command(fix, *meters)}"]


def _name_first(task: Mapping[str, Any]) -> dict[str, Any]:
    """As people write tasks; the canonical text has sorted them."""
    return {**({"name": task["name"]} if "name" in task else {}), **task}


def _yaml(value: Mapping[Any, Any], indent: str) -> Iterator[str]:
    """A mapping as YAML in blocks; lists and texts as JSON, which is YAML too."""
    for key, item in value.items():
        name = str(key) if _PLAIN_KEY.fullmatch(str(key)) and str(key).lower() not in _YAML_WORDS else _json(str(key))
        if isinstance(item, Mapping) and item:
            yield f"{indent}{name}:"
            yield from _yaml(item, indent + "  ")
        else:
            yield f"{indent}{name}: {_json(item)}"


def _json(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False, sort_keys=True))
