# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Markdown for a merge request or a job summary (rollout 4.3): what is not good, why, and the exact tasks that mend it.

It stays below what a comment on GitHub may hold, the smallest of the places it is written to; what does not fit is counted.
Names and values stand as code, so that no forge takes them for a mention, a link or markup.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from ..catalogue import constants
from ..catalogue.accept import WORDS
from .document import SEVERITIES, STATES, VERDICTS, ControlInfo, Document, History, Meter, Result, compact
from .parts import accepted, base_id, info_of, infos, one_line, place, results, shown, task_lines

_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&])")
#: What forges turn into a mention, a reference or a link; a space of no width keeps it from that.
_MENTION = re.compile(r"([@#!%:])(?=[\w/])|(?<=\bwww)()(?=\.)", re.I)
_VERDICT_TEXTS = {
    "drift": "Something differs from the baseline, and a run can mend it.",
    "blocked": "Something differs from the baseline, and a person has to deal with it.",
    "unknown": "Nothing is known to be wrong, but not everything is known.",
    "compliant": "Everything is as the baseline wants it.",
}
_DAY = 86_400.0


def write(document: Document, history: History, out: TextIO) -> None:
    """The page, section by section while there is room."""
    room = constants.MARKDOWN_CHARACTERS.number
    left_out = []
    for title, lines in _sections(document, history):
        text = "\n".join(lines) + "\n" if lines else ""
        if len(text) > room:
            left_out.append(title)
            continue
        room -= len(text)
        out.write(text)
    if left_out:
        out.write(f"\nNot shown for want of room: {', '.join(dict.fromkeys(left_out))}. All of it is in the other reports.\n")


def _sections(document: Document, history: History) -> Iterator[tuple[str, list[str]]]:
    """Each part with a name for when it does not fit; the most wanted first."""
    known = infos(document)
    yield "the head", _head(document, history)
    yield "the meters", _meters(document, known)
    yield "the controls", _controls(document, known)
    yield "the waivers", _waivers(document, history)
    yield "what cannot be undone", _irreversible(document)
    yield "the campaigns", _campaigns(history)
    tasks = _tasks(document, known)
    if tasks:
        yield "the tasks", ["", "## What to run", ""]
    for control, lines in tasks:
        yield f"tasks of {control}", lines


def _head(document: Document, history: History) -> list[str]:
    totals, baseline = document["totals"], document["baseline"]
    verdicts, states = totals["verdicts"], totals["states"]
    name = " ".join(filter(None, (baseline.get("id", ""), baseline.get("version", "")))) or "without a name"
    scans = [scan for scan in history["scans"] if scan["digest"] == document["digest"]]
    made = f", audited {_moment(scans[-1]['at'])} by {code(scans[-1]['operator'])}" if scans else ""
    return [
        f"# Audit of {counted(totals['meters'])}: {document['verdict']}",
        "",
        _VERDICT_TEXTS[document["verdict"]],
        "",
        f"Baseline {code(name)}{made}, digest {code(document['digest'])}.",
        "",
        *table(
            ("Meters", *(verdict for verdict in VERDICTS)),
            [(f"{totals['meters']:,}", *(f"{verdicts.get(item, 0):,}" for item in VERDICTS))],
        ),
        "",
        *table(
            ("Controls", *(state.replace("_", " ") for state in STATES)),
            [(f"{totals['controls']:,}", *(f"{states.get(item, 0):,}" for item in STATES))],
        ),
    ]


def _meters(document: Document, known: Mapping[str, ControlInfo]) -> list[str]:
    """The meters that are not good, the worst first."""
    bad = [meter for meter in document["meters"] if meter["verdict"] != "compliant"]
    if not bad:
        return []
    bad.sort(key=lambda meter: (VERDICTS.index(meter["verdict"]), *_rank(meter, known), meter["name"]))
    rows = []
    for meter in bad[: constants.MARKDOWN_METERS.number]:
        summary, worst = meter["summary"], _worst(meter, known)
        rows.append(
            (
                code(meter["name"]),
                code(meter["model"]),
                code(meter["firmware"]),
                meter["verdict"],
                str(summary.get("fail", 0)),
                str(summary.get("unknown", 0)),
                f"{code(worst['id'])}: {text(worst['text'])}{_reason(worst)}" if worst else text(meter["text"]),
            )
        )
    head = ("Meter", "Model", "Firmware", "Verdict", "Fail", "Unknown", "Worst finding")
    lines = ["", "## Meters that are not good", "", *table(head, rows)]
    rest = bad[constants.MARKDOWN_METERS.number :]
    if rest:
        counts = ", ".join(f"{sum(item['verdict'] == verdict for item in rest):,} {verdict}" for verdict in VERDICTS[:-1])
        lines += ["", f"And {len(rest):,} more ({counts})."]
    return lines


def _reason(result: Result) -> str:
    """The code that says why no run mends it."""
    reason = result.get("reason", "")
    return f" ({code(reason)})" if reason else ""


def _rank(meter: Meter, known: Mapping[str, ControlInfo]) -> tuple[int, int]:
    """For sorting: how bad the worst finding is, and how many there are."""
    worst = _worst(meter, known)
    severity = _severity(info_of(known, worst["id"])) if worst else len(SEVERITIES)
    return severity, -meter["summary"].get("fail", 0)


def _worst(meter: Meter, known: Mapping[str, ControlInfo]) -> Result | None:
    """The finding to name where there is room for one: a fail before an unknown, then by severity."""
    found = [item for item in meter["controls"] if item["state"] in ("fail", "unknown")]
    return min(found, key=lambda item: (item["state"], _severity(info_of(known, item["id"]))), default=None)


def _severity(info: ControlInfo) -> int:
    return SEVERITIES.index(info["severity"]) if info["severity"] in SEVERITIES else len(SEVERITIES)


def _controls(document: Document, known: Mapping[str, ControlInfo]) -> list[str]:
    """How many meters each control is not good on, the worst control first."""
    counts: dict[str, dict[str, int]] = {}
    for dummy, result in results(document, "fail", "unknown", "waived"):
        states = counts.setdefault(base_id(result["id"]), {})
        states[result["state"]] = states.get(result["state"], 0) + 1
    if not counts:
        return []
    order = sorted(counts, key=lambda name: (_severity(info_of(known, name)), -counts[name].get("fail", 0), name))
    rows = [
        (
            code(name),
            text(info_of(known, name)["title"]),
            info_of(known, name)["severity"],
            *(f"{counts[name].get(state, 0):,}" for state in ("fail", "unknown", "waived")),
        )
        for name in order
    ]
    head = ("Control", "What it asks", "Severity", "Fail", "Unknown", "Waived")
    return ["", "## Findings by control", "", *table(head, rows)]


def _waivers(document: Document, history: History) -> list[str]:
    """Each waiver in use with its end, those that end soon marked."""
    now = history["scans"][-1]["at"] if history["scans"] else None
    meters: dict[tuple[str, ...], int] = {}
    for dummy, result in results(document, "waived"):
        waiver = result.get("waiver", {})
        key = (waiver.get("expires", ""), base_id(result["id"]), waiver.get("approver", ""), waiver.get("reason", ""))
        meters[key] = meters.get(key, 0) + 1
    if not meters:
        return []
    rows = [
        (code(control), f"{meters[key]:,}", text(expires) + _soon(expires, now), text(approver), text(reason))
        for key in sorted(meters)
        for expires, control, approver, reason in [key]
    ]
    shown_rows = rows[: constants.MARKDOWN_METERS.number]
    rest = [f"And {len(rows) - len(shown_rows):,} more waivers that end later."] if len(rows) > len(shown_rows) else []
    head = ("Control", "Meters", "Ends", "Approved by", "Reason")
    return ["", "## Waivers", "", *table(head, shown_rows), *(["", *rest] if rest else [])]


def _soon(day: str, now: float | None) -> str:
    """A mark where the day is near, counted from the last audit."""
    try:
        ends = calendar.timegm(time.strptime(day, "%Y-%m-%d")) + _DAY
    except ValueError:
        return ""
    left = None if now is None else ends - now
    return " **soon**" if left is not None and left <= constants.WAIVER_SOON.number * _DAY else ""


def _campaigns(history: History) -> list[str]:
    """How the newest campaigns ended, with the heads of their journals."""
    newest = sorted(history["campaigns"], key=lambda item: max((each["started"] for each in item["tries"]), default=0.0), reverse=True)
    if not newest:
        return []
    rows = [
        (
            code(item["campaign"]),
            f"{item['meters']:,}",
            ", ".join(f"{number:,} {text(outcome)}" for outcome, number in sorted(item["outcomes"].items())),
            code(item["head"]),
        )
        for item in newest[: constants.MARKDOWN_TASKS.number]
    ]
    return ["", "## Campaigns", "", *table(("Campaign", "Meters", "Outcomes", "Journal head"), rows)]


def _irreversible(document: Document) -> list[str]:
    """What the tasks below accept by name, with how many meters it is about."""
    meters: dict[str, set[str]] = {}
    for meter, result in results(document, "fail"):
        for word in accepted(result.get("fix") or {}):
            meters.setdefault(word, set()).add(meter["name"])
    if not meters:
        return []
    rows = [(code(word), text(WORDS[word].text) if word in WORDS else "", f"{len(names):,}") for word, names in sorted(meters.items())]
    return ["", "## What mending it accepts", "", *table(("Word", "What it means", "Meters"), rows)]


def _tasks(document: Document, known: Mapping[str, ControlInfo]) -> list[tuple[str, list[str]]]:
    """For each control the different tasks that mend it, each once with the meters that it is for."""
    grouped: dict[str, dict[str, tuple[Mapping[str, Any], list[str], Result]]] = {}
    for meter, result in results(document, "fail"):
        fix = result.get("fix")
        if fix is None:
            continue
        tasks = grouped.setdefault(base_id(result["id"]), {})
        tasks.setdefault(_same(fix), (fix, [], result))[1].append(meter["name"])
    order = sorted(grouped, key=lambda name: (_severity(info_of(known, name)), name))
    return [(name, _fold(name, info_of(known, name), list(grouped[name].values()))) for name in order]


def _same(fix: Mapping[str, Any]) -> str:
    """What two tasks have to share to be shown as one: all but their name."""
    task = fix.get("task")
    return compact(
        [fix["playbook"], {name: value for name, value in task.items() if name != "name"} if isinstance(task, Mapping) else task]
    )


def _fold(name: str, info: ControlInfo, tasks: Sequence[tuple[Mapping[str, Any], list[str], Result]]) -> list[str]:
    """The tasks of one control, folded."""
    number = sum(len(meters) for dummy, meters, dummy_result in tasks)
    lines = ["<details>", f"<summary>{_html(info['title'])} ({_html(name)}): {counted(number)}</summary>", ""]
    most = constants.MARKDOWN_TASKS.number
    for fix, meters, result in sorted(tasks, key=lambda item: -len(item[1]))[:most]:
        named = meters[: constants.MARKDOWN_NAMED.number]
        rest = f" and {len(meters) - len(named):,} more" if len(meters) > len(named) else ""
        origin = place(result.get("location"))
        wanted = f" Wanted {code(shown(result['want']))}" + (f", set at {code(origin)}." if origin else ".")
        runs = f" {fix['runs']} runs, one for each hop." if fix.get("runs", 1) > 1 else ""
        lines += [f"{', '.join(code(item) for item in named)}{rest}.{wanted} Playbook {code(fix['playbook'])}.{runs}", ""]
        lines += fenced(task_lines(fix), "yaml")
        lines.append("")
    if len(tasks) > most:
        lines += [f"And {len(tasks) - most:,} more tasks.", ""]
    return [*lines, "</details>", ""]


# Markdown


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of finished cells."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def counted(meters: int) -> str:
    return f"{meters:,} meter{'' if meters == 1 else 's'}"


def code(value: str) -> str:
    """A value as code, also in a cell of a table; nothing stays nothing."""
    line = one_line(value)[: constants.MARKDOWN_CELL.number]
    if not line:
        return ""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    gap = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{gap}{line}{gap}{fence}".replace("|", "\\|")


def text(value: str) -> str:
    """A sentence without markup, and without what forges take for mentions."""
    line = one_line(value)[: constants.MARKDOWN_CELL.number]
    return _MENTION.sub("\\1\u200b", _MARKUP.sub(r"\\\1", line)) if line else ""


def fenced(lines: Sequence[str], language: str) -> list[str]:
    """Lines as a block of code that none of them can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]


def _html(value: str) -> str:
    return one_line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
