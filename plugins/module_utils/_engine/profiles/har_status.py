# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Finds the status page of an upgrade in a recording, and expressions that read it. Candidates for a person to check."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .har import Exchange, leaves, quote
from .har_pages import Html, Row, Spot, escape, row_pattern, spot_pattern

# Words with which devices name these states; only used to recognise what a page showed.
WORDS: dict[str, tuple[str, ...]] = {
    "idle": ("none", "idle", "ready", "no upgrade"),
    "waiting": ("waiting", "queued", "pending", "scheduled", "to do"),
    "running": ("running", "in progress", "active", "working", "processing", "upgrading", "updating", "installing", "busy", "started"),
    "completed": ("completed", "complete", "successful", "success", "succeeded", "ok", "finished", "done", "passed", "upgrade completed"),
    "failed": ("failed", "failure", "unsuccessful", "error", "aborted", "upgrade failed"),
    "refused": ("rejected", "refused", "not started", "denied"),
}
_STATE = {word: state for state, words in WORDS.items() for word in words}
_PATH_WORDS = re.compile(r"status|progress|upgrade|update|firmware|state|job", re.I)
_VERSION = re.compile(r"[vV]?\d{1,3}\.\d{1,3}\.\d{1,3}\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NUMBER = re.compile(r"(\d{1,3}(?:\.\d+)?)(\s*%)?\Z")


@dataclass
class StatusDraft:
    """A section ``status_page``, the page it was read from, and what is a guess or missing."""

    section: dict[str, Any] | None = None
    address: str = ""
    seen: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)


def find_status(visits: Sequence[Exchange], confirmed: int | None) -> StatusDraft:
    """The best status page among good answers to GET; ``confirmed`` is the number of the exchange that started the upgrade."""
    groups: dict[str, list[Exchange]] = defaultdict(list)
    for item in visits:
        if item.method == "GET" and item.status == 200 and item.text and (item.is_html or item.json is not None):
            groups[item.address].append(item)
    best: tuple[float, StatusDraft] = (0.0, StatusDraft())
    for address, items in groups.items():
        draft, score = _read(items)
        if draft.section is None:
            continue
        score += 2 * bool(_PATH_WORDS.search(address)) + min(3, len({item.text for item in items}) - 1) * 2
        score += 3 * any(confirmed is not None and item.number > confirmed for item in items)
        if score > best[0]:
            draft.address = address
            best = (score, draft)
    draft = best[1]
    if draft.section is None or best[0] < 5:
        why = "no page was recognised that shows the state of an upgrade: open it while the upgrade runs and again after it"
        return StatusDraft(missing=[("status_page", why)])
    return draft


def _read(items: list[Exchange]) -> tuple[StatusDraft, float]:
    if items[-1].is_html:
        return _read_html(items)
    return _read_json(items)


# -- HTML -------------------------------------------------------------------------------------------------------------


def _read_html(items: list[Exchange]) -> tuple[StatusDraft, float]:
    pages = [item.page for item in items]
    words: dict[str, str] = {}
    draft = StatusDraft()
    section: dict[str, Any] = {"path": items[-1].address, "format": "html"}
    score = 0.0
    rows = _process_rows(pages, words)
    if rows:
        section["process"] = rows
        draft.seen.append("a table row for each step")
        score += 4
    overall = _overall_spot(pages, words)
    if overall:
        spot, label = overall
        section["overall"] = spot_pattern(spot, "state", label, 40)
        score += 3
        if not rows:
            section["process"] = _single(spot, label)
            draft.missing.append(("status_page.process", "no list of steps was seen; the state of the whole stands in its place"))
    text = _message_spot(pages, overall[0] if overall else None)
    if text:
        section["text"] = spot_pattern(text, "text")
    for key, test in (("version", _VERSION), ("at", _TIME)):
        plain = _plain_spot(pages, test, key)
        if plain:
            section[key] = spot_pattern(plain, key, "", 60)
    if "process" not in section:
        return draft, 0.0
    draft.section = _ordered(section, words, draft)
    return draft, score


def _single(spot: Spot, label: str) -> str:
    """The state of the whole as the only process: its own key serves as its name."""
    raw = escape(spot.raw)
    key = escape(spot.key)
    named = raw.replace(key, f"(?P<name>{key})", 1) if key and key in raw else f"(?P<name>{raw})"
    return f"{named}\\s*{escape(label)}(?P<state>[^<]{{1,40}})"


def _state_in(text: str) -> tuple[str, str, str] | None:
    """(label before, word, state) where a short text is or ends in a word for a state."""
    label, colon, tail = text.rpartition(":")
    for before, word in (("", text.strip()), (f"{label}{colon} ", tail.strip())) if colon else (("", text.strip()),):
        state = _STATE.get(word.lower())
        if state and len(before) < 40:
            return before, word, state
    return None


def _overall_spot(pages: list[Html], words: dict[str, str]) -> tuple[Spot, str] | None:
    """The text with an id that names a state on some visit, changing ones first."""
    found: dict[str, list[tuple[Spot, str, str, str]]] = defaultdict(list)
    for html in pages:
        for spot in html.spots:
            told = _state_in(spot.text) if spot.key and not spot.in_row else None
            if told:
                found[spot.raw].append((spot, *told))
    if not found:
        return None
    best = max(found.values(), key=lambda group: (len({item[2] for item in group}), "result" in group[0][0].key.lower(), len(group)))
    for dummy, dummy_label, word, state in best:
        words[word] = state
    return best[0][0], best[0][1]


def _message_spot(pages: list[Html], overall: Spot | None) -> Spot | None:
    """The longest sentence with an id that differs between visits, or that calls itself a message."""
    texts: dict[str, set[str]] = defaultdict(set)
    spots: dict[str, Spot] = {}
    for html in pages:
        for spot in html.spots:
            if spot.key and not spot.in_row and spot.text.count(" ") >= 2 and (overall is None or spot.raw != overall.raw):
                texts[spot.raw].add(spot.text)
                spots[spot.raw] = spot
    named = [raw for raw in texts if re.search(r"mess|text|note|info|remark|detail", spots[raw].key, re.I)]
    usable = named or [raw for raw, seen in texts.items() if len(seen) > 1]
    return spots[max(usable, key=lambda raw: max(map(len, texts[raw])))] if usable else None


def _plain_spot(pages: list[Html], test: re.Pattern[str], key: str) -> Spot | None:
    found = [spot for html in pages for spot in html.spots if spot.key and not spot.in_row and test.match(spot.text)]
    named = [spot for spot in found if key in spot.key.lower()]
    return next(iter(named or found), None)


def _process_rows(pages: list[Html], words: dict[str, str]) -> str | None:
    """The expression for rows of a table in which one column names states."""
    shapes: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for html in pages:
        for row in html.rows:
            if len(row.cells) >= 2:
                shapes[(row.raw, *(cell.raw for cell in row.cells))].append(row)
    for rows in sorted(shapes.values(), key=len, reverse=True):
        groups = _columns([[cell.text for cell in row.cells] for row in rows], words)
        if groups:
            for row in rows:
                for index, cell in enumerate(row.cells):
                    rows[0].cells[index].nested |= cell.nested
            return row_pattern(rows[0], groups)
    return None


def _columns(table: list[list[str]], words: dict[str, str]) -> dict[int, str] | None:
    """What each column is: state by its words, name by being there and different, percent by its numbers, text the rest."""
    columns = list(zip(*table, strict=False))
    state = next((index for index, texts in enumerate(columns) if all(_STATE.get(text.lower()) for text in texts)), None)
    if state is None:
        return None
    name = next((index for index, texts in enumerate(columns) if index != state and all(texts) and not _NUMBER.match(texts[0])), None)
    if name is None:
        return None
    for text in columns[state]:
        words[text] = _STATE[text.lower()]
    groups = {name: "(?P<name>[^<]{1,80})", state: "(?P<state>[^<]{1,40})"}
    for index, texts in enumerate(columns):
        if index in groups:
            continue
        numbers = [_NUMBER.match(text) for text in texts]
        if all(numbers) and "percent" not in str(groups):
            groups[index] = r"(?P<percent>\d{1,3}(?:\.\d+)?)" + (r"\s*%" if all(number and number[2] for number in numbers) else "")
        elif "?P<text>" not in str(groups) and not any(_TIME.match(text) for text in texts):
            groups[index] = "(?P<text>[^<]{0,300})"
    return groups


# -- JSON -------------------------------------------------------------------------------------------------------------


def _read_json(items: list[Exchange]) -> tuple[StatusDraft, float]:
    documents = [item.json for item in items]
    words: dict[str, str] = {}
    draft = StatusDraft()
    section: dict[str, Any] = {"path": items[-1].address, "format": "json"}
    score = 0.0
    lists = _object_lists(documents)
    for path, rows in sorted(lists.items(), key=lambda pair: len(pair[1]), reverse=True):
        keys = _keys(rows, words)
        if keys:
            section["process"] = f"{path}[].{{{', '.join(f'{name}: {quote(key)}' for name, key in keys.items() if name != 'full')}}}"
            if keys.get("full"):
                section["full"] = 1
            score += 4
            break
    scalars = _scalars(documents)
    overall = _overall_path(scalars, words)
    if overall:
        section["overall"] = overall
        score += 3
        if "process" not in section:
            section["process"] = f"[{{name: 'upgrade', state: {overall}}}]"
            draft.missing.append(("status_page.process", "no list of steps was seen; the state of the whole stands in its place"))
    text = _message_path(scalars)
    if text:
        section["text"] = text
    if "process" not in section:
        return draft, 0.0
    near = (overall or "").rpartition(".")[0]
    for key, test in (("version", _VERSION), ("at", _TIME)):
        found = [path for path, values in scalars.items() if any(isinstance(value, str) and test.match(value) for value in values)]
        close = [path for path in found if near and path.startswith(f"{near}.")]
        if close or (found and key == "at"):
            section[key] = (close or found)[0]
    draft.section = _ordered(section, words, draft)
    return draft, score


def _scalars(documents: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for document in documents:
        for path, value in leaves(document):
            if "[" not in path:
                found[path].append(value)
    return found


def _overall_path(scalars: Mapping[str, list[Any]], words: dict[str, str]) -> str | None:
    usable = {
        path: values for path, values in scalars.items() if all(isinstance(value, str) and value.lower() in _STATE for value in values)
    }
    if not usable:
        return None
    best = max(usable, key=lambda path: (len(set(usable[path])), bool(re.search(r"state|status|phase|result", path, re.I))))
    for value in usable[best]:
        words[value] = _STATE[value.lower()]
    return best


def _message_path(scalars: Mapping[str, list[Any]]) -> str | None:
    usable = {path: values for path, values in scalars.items() if any(isinstance(value, str) and value.count(" ") >= 2 for value in values)}
    named = [path for path in usable if re.search(r"mess|text|note|info|remark|detail", path, re.I)]
    pick = named or [path for path, values in usable.items() if len(set(map(str, values))) > 1]
    return pick[0] if pick else None


def _object_lists(documents: Sequence[Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Lists of objects, all visits together, by JMESPath."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def walk(value: Any, path: str, depth: int) -> None:
        if depth > 8:
            return
        if isinstance(value, Mapping):
            for key, item in value.items():
                walk(item, f"{path}.{quote(str(key))}" if path else quote(str(key)), depth + 1)
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            found[path or "@"].extend(value[:200])

    for document in documents:
        walk(document, "", 0)
    return found


def _keys(rows: Sequence[Mapping[str, Any]], words: dict[str, str]) -> dict[str, str] | None:
    """Which key of these objects is the name, the state, the percentage and the text."""
    names = [key for key in rows[0] if all(key in row for row in rows)]
    texts = {key: [row[key] for row in rows] for key in names if all(isinstance(row[key], str) for row in rows)}
    state = next((key for key, values in texts.items() if all(value.lower() in _STATE for value in values)), None)
    name = next((key for key, values in texts.items() if key != state and all(values)), None)
    if state is None or name is None:
        return None
    for value in texts[state]:
        words[value] = _STATE[value.lower()]
    result = {"name": name, "state": state}
    for key in names:
        values = [row[key] for row in rows]
        if "percent" not in result and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            result["percent"] = key
            if max(values) <= 1 and (
                any(0 < value < 1 for value in values) or "completed" in {_STATE[text.lower()] for text in texts[state]}
            ):
                result["full"] = "1"
        elif key in texts and key not in (name, state) and "text" not in result:
            result["text"] = key
    return result


# -- both -------------------------------------------------------------------------------------------------------------


def _ordered(section: dict[str, Any], words: Mapping[str, str], draft: StatusDraft) -> dict[str, Any]:
    """The section with its states: the words seen, and for the three that must be there the usual ones where none was seen."""
    states: dict[str, list[str]] = {}
    for state in ("idle", "waiting", "running", "completed", "failed", "refused"):
        seen = sorted({word for word, meaning in words.items() if meaning == state})
        if seen:
            states[state] = seen
        elif state in ("running", "completed", "failed"):
            states[state] = [word.capitalize() for word in WORDS[state]]
            draft.missing.append(
                (f"status_page.states.{state}", f"no page with this state was recorded; the words are guesses: {json.dumps(states[state])}")
            )
    draft.missing.append(
        ("status_page.rejected", "the words with which the meter refuses an image were not seen; add them when you know them")
    )
    if "refused" not in states:
        draft.missing.append(
            ("status_page.states.refused", "the word for an upgrade that was not started was not seen; add it when you know it")
        )
    section["states"] = states
    order = ("path", "format", "process", "full", "overall", "text", "version", "at", "states")
    return {key: section[key] for key in order if key in section}
