# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a recorded HTML page consists of: forms, labelled texts, table rows; and expressions that find them again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_PAGE_LIMIT = 1 << 18
_MANY = 2000
_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]|()])")
_VOID = frozenset({"input", "br", "img", "hr", "meta", "link", "base", "col", "area", "source", "wbr"})


@dataclass
class Input:
    """One field of a form. ``kind`` is the type of an input, or select, textarea or button."""

    kind: str
    name: str
    value: str
    raw: str
    options: list[str] = field(default_factory=list)


@dataclass
class Form:
    """One form with its fields."""

    action: str
    method: str
    enctype: str
    fields: list[Input] = field(default_factory=list)


@dataclass
class Spot:
    """A text right behind a start tag. ``raw`` is the tag as the page spells it; ``key`` its id, name or class."""

    raw: str
    tag: str
    key: str
    text: str
    in_row: bool


@dataclass
class Cell:
    """One cell of a table row; ``nested`` when there are tags inside."""

    raw: str
    text: str = ""
    nested: bool = False


@dataclass
class Row:
    """One table row."""

    raw: str
    cells: list[Cell] = field(default_factory=list)


class Html(HTMLParser):
    """One page, taken apart. Tolerant: what a device sends is seldom clean."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.inputs: list[Input] = []
        self.spots: list[Spot] = []
        self.rows: list[Row] = []
        self.scripts: list[str] = []
        self._form: Form | None = None
        self._select: Input | None = None
        self._row: Row | None = None
        self._cell: Cell | None = None
        self._open: tuple[str, str, str] | None = None
        self._script = False
        try:
            self.feed(text[:_PAGE_LIMIT])
            self.close()
        except (AssertionError, ValueError):  # what html.parser raises on odd declarations
            pass

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        raw = (self.get_starttag_text() or "")[:400]
        self._script = tag == "script"
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").upper(), given.get("enctype", "").lower())
            self.forms.append(self._form)
        elif tag in ("input", "select", "textarea", "button"):
            self._add_input(tag, given, raw)
        elif tag == "option" and self._select is not None:
            if "value" in given:
                self._select.options.append(given["value"])
            if "selected" in given:
                self._select.value = given.get("value", "")
        elif tag == "tr":
            self._row, self._cell = Row(raw), None
            if len(self.rows) < _MANY:
                self.rows.append(self._row)
        elif tag in ("td", "th") and self._row is not None:
            self._cell = Cell(raw)
            self._row.cells.append(self._cell)
        elif self._cell is not None:
            self._cell.nested = True
        key = given.get("id") or given.get("name") or given.get("class") or ""
        self._open = None if tag in _VOID or tag in ("script", "style") else (raw, tag, key)

    def handle_endtag(self, tag: str) -> None:
        if self._open is not None and self._open[1] == tag and self._open[2]:
            self._spot("")
        self._open = None
        self._script = False
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag in ("td", "th"):
            self._cell = None
        elif tag in ("tr", "table"):
            self._row = self._cell = None

    def handle_data(self, data: str) -> None:
        if self._script:
            if len(self.scripts) < 50:
                self.scripts.append(data)
            return
        if self._cell is not None:
            self._cell.text = f"{self._cell.text} {data}".strip()[:400]
        if self._open is not None and data.strip():
            self._spot(data)
            self._open = None

    def _spot(self, data: str) -> None:
        if self._open is not None and len(self.spots) < _MANY:
            raw, tag, key = self._open
            self.spots.append(Spot(raw, tag, key, " ".join(data.split())[:400], self._row is not None))

    def _add_input(self, tag: str, given: dict[str, str], raw: str) -> None:
        kind = given.get("type", "text").lower() if tag == "input" else tag
        item = Input(kind, given.get("name", ""), given.get("value", ""), raw)
        self._select = item if tag == "select" else None
        if len(self.inputs) < _MANY:
            self.inputs.append(item)
            if self._form is not None:
                self._form.fields.append(item)


def escape(text: str) -> str:
    """``text`` as part of a regular expression, with only what must be escaped."""
    return _SPECIAL.sub(r"\\\1", text)


def spot_pattern(spot: Spot, group: str, label: str = "", limit: int = 300) -> str:
    """An expression for the text behind a tag: its start tag, ``label`` literally, then the group."""
    return f"{escape(spot.raw)}\\s*{escape(label)}(?P<{group}>[^<]{{{0 if limit > 100 else 1},{limit}}})"


def value_pattern(raw: str, value: str, group: str) -> str | None:
    """An expression for an attribute's value inside a tag as the page spells it; None where it is not there in quotes."""
    for mark in ('"', "'"):
        at = raw.find(f"={mark}{value}{mark}")
        if value and at >= 0:
            return f"{escape(raw[: at + 2])}(?P<{group}>[^{mark}<>]{{1,300}}){mark}"
    return None


def row_pattern(row: Row, groups: dict[int, str]) -> str:
    """An expression for rows like this one; ``groups`` names the cells to keep, the others may hold anything."""
    pieces = [f"{escape(row.raw)}\\s*"]
    for index, cell in enumerate(row.cells):
        inner = groups.get(index, "[^<]{0,300}")
        if cell.nested:
            inner = rf"(?:\s|<[^<>]{{1,300}}>){{0,10}}{inner}(?:\s|<[^<>]{{1,300}}>){{0,10}}"
        pieces.append(rf"{escape(cell.raw)}\s*{inner}\s*</(?i:{'th' if cell.raw[1:3].lower() == 'th' else 'td'})>\s*")
    return "".join(pieces).removesuffix(r"\s*")
