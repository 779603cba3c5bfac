# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One self-contained HTML page of an audit (rollout.md 4.3): overview, meters, controls, campaigns, waivers, evidence.

Nothing is loaded from elsewhere and nothing runs but the page's own script, by a content security policy that names the script's hash.
Data stand in a block of JSON and reach the page as text only. Without a script the verdict, the sums and the first findings remain.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, TextIO

from ..catalogue.constants import HTML_METERS
from .document import STATES, VERDICTS
from .page_data import pack, within_script
from .parts import clean

_FOLDER = Path(__file__).parent / "page"
_SCRIPTS = ("dom", "data", "charts", "overview", "meters", "meter", "controls", "history", "main")


def write(document: Mapping[str, Any], history: Mapping[str, Any], out: TextIO) -> None:
    """The whole page, as UTF-8 text. The same document and history give the same page."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = _script()
    before, dummy, after = (_FOLDER / "page.html").read_text(encoding="utf-8").partition("$data")
    top = {"policy": html.escape(_policy(style, script)), "title": _text(_title(document)), "style": style}
    out.write(Template(before).substitute(top, summary="\n".join(_summary(document, history))))
    for chunk in _data(document, history):
        out.write(chunk)
    out.write(Template(after).substitute(script=script))


def _script() -> str:
    parts = [(_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def _policy(style: str, script: str) -> str:
    """Only this script and this style; a picture only from within the page."""
    allowed = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (script, style)]
    rest = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed[0]}; style-src {allowed[1]}; {rest}"


def _data(document: Mapping[str, Any], history: Mapping[str, Any]) -> Iterator[str]:
    start = "{"
    for name, value in pack(document, history):
        yield f"{start}{within_script(name)}:{within_script(value)}"
        start = ",\n"
    yield "}"


def _text(value: object) -> str:
    return html.escape(clean(str(value)))


def _title(document: Mapping[str, Any]) -> str:
    baseline = document["baseline"]
    name = " ".join(str(baseline[key]) for key in ("id", "version") if baseline.get(key))
    return f"Audit of {document['totals']['meters']:,} meters: {document['verdict']}{f' ({name})' if name else ''}"


def utc(seconds: float) -> str:
    """Seconds since 1970 as a date and time that means the same everywhere."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _summary(document: Mapping[str, Any], history: Mapping[str, Any]) -> Iterator[str]:
    """What stays readable without a script."""
    totals = document["totals"]
    yield f"<h1>{_text(_title(document))}</h1>"
    at = [scan["at"] for scan in history["scans"] if scan["digest"] == document["digest"]]
    if at:
        yield f"<p>Scanned {utc(at[-1])}.</p>"
    yield f"<p>Digest of the result: <code>{_text(document['digest'])}</code></p>"
    for caption, words, counts in (("Meters by verdict", VERDICTS, totals["verdicts"]), ("Controls by state", STATES, totals["states"])):
        yield f'<table class="grid"><caption>{caption}</caption><tr>' + "".join(f'<th scope="col">{word}</th>' for word in words)
        yield "</tr><tr>" + "".join(f"<td>{counts.get(word, 0):,}</td>" for word in words) + "</tr></table>"
    yield from _first_findings([meter for meter in document["meters"] if meter["verdict"] != "compliant"])


def _first_findings(meters: list[Mapping[str, Any]]) -> Iterator[str]:
    if not meters:
        return
    yield '<div class="scroll"><table class="grid"><caption>Meters that are not compliant</caption><thead><tr>'
    yield "".join(f'<th scope="col">{word}</th>' for word in ("Meter", "Model", "Firmware", "Verdict", "Why")) + "</tr></thead><tbody>"
    for meter in meters[: HTML_METERS.number]:
        cells = "".join(f"<td><bdi>{_text(meter[name])}</bdi></td>" for name in ("model", "firmware", "verdict"))
        yield f'<tr><th scope="row"><bdi>{_text(meter["name"])}</bdi></th>{cells}<td>{_why(meter)}</td></tr>'
    yield "</tbody></table></div>"
    if len(meters) > HTML_METERS.number:
        yield f"<p>{len(meters) - HTML_METERS.number:,} more are in the page's data, which a browser with scripts shows, and in the other reports.</p>"


def _why(meter: Mapping[str, Any]) -> str:
    bad = [item for item in meter["controls"] if item["state"] in ("fail", "unknown")]
    return "<br>".join(f"<bdi>{_text(item['id'])}</bdi> {_text(item['state'])}: <bdi>{_text(item['text'])}</bdi>" for item in bad)
