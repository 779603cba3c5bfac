# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTML page of large fleets: what it costs to write, how large it is, and how soon a reader sees something.

In one run, for each size: processor time of the writer beside that of dumping the same audit as JSON; bytes, and bytes after gzip; in
headless Chromium, from opening the file, the time until the overview is drawn and until the list of meters is (medians over the rounds,
each in a new context), and from a key pressed in the search to the list that it leaves. Beside it stands an empty page, which is what
Chromium itself takes. Run it with ``python tests/performance/bench_page.py [--meters 1000 5000 10000] [--rounds 5]``.
"""

from __future__ import annotations

import argparse
import gzip
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import browserkit

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import document as documents
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import html

EMPTY = "<!DOCTYPE html><html lang=en><title>empty</title><h1>empty</h1>"
#: Milliseconds from the start of the navigation until what is asked for is on the screen: two frames after it is in the document.
SHOWN = """selector => new Promise(done => {
  const look = () => document.querySelector(selector)
    ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))) : requestAnimationFrame(look);
  look();
})"""
SEARCH = """text => new Promise(done => {
  const field = document.getElementById('f-q'), begin = performance.now(), before = document.getElementById('found').textContent;
  field.value = text;
  field.dispatchEvent(new Event('input', {bubbles: true}));
  const look = () => document.getElementById('found').textContent !== before
    ? requestAnimationFrame(() => done(performance.now() - begin)) : requestAnimationFrame(look);
  look();
})"""


def cpu(work: Any) -> tuple[float, Any]:
    begin = time.process_time()
    made = work()
    return time.process_time() - begin, made


def written(document: Any, past: Any) -> str:
    out = io.StringIO(newline="")
    html.write(document, past, out)
    return out.getvalue()


def shown(browser: Any, address: str, selector: str) -> tuple[float, Any, Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address)
    return float(page.evaluate(SHOWN, selector)), page, context


def median(browser: Any, address: str, selector: str, rounds: int, search: str = "") -> tuple[float, float]:
    """Milliseconds until shown, and of one search."""
    times, searches = [], []
    for dummy in range(rounds):
        taken, page, context = shown(browser, address, selector)
        times.append(taken)
        if search:
            searches.append(float(page.evaluate(SEARCH, search)))
        context.close()
    return statistics.median(times), statistics.median(searches) if searches else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meters", type=int, nargs="+", default=[1000, 5000, 10000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| Meters | Results | JSON s | HTML s | Bytes | gzip | Empty page ms | Overview ms | List ms | Search ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, browserkit.chromium() as browser:
        empty = Path(folder) / "empty.html"
        empty.write_text(EMPTY, encoding="utf-8")
        median(browser, empty.as_uri(), "h1", 1)  # the first page of a browser is slower
        for meters in options.meters:
            document = auditmaker.make(meters)
            past = auditmaker.history(scans=365, campaigns=12, meters=meters // 12, digest=document["digest"])
            dumped, dummy = cpu(lambda found=document: sum(map(len, documents.dump(found))))
            took, text = cpu(lambda found=document, time_of=past: written(found, time_of))
            file = Path(folder) / f"{meters}.html"
            file.write_text(text, encoding="utf-8", newline="\n")
            size = file.stat().st_size
            bare, dummy = median(browser, empty.as_uri(), "h1", options.rounds)
            overview, dummy = median(browser, file.as_uri(), ".tiles", options.rounds)
            listed, search = median(browser, file.as_uri() + "#/meters", "#found", options.rounds, search="pm5-00014")
            results = document["totals"]["controls"]
            cells = (f"{meters:,}", f"{results:,}", f"{dumped:.2f}", f"{took:.2f}", f"{size:,}", f"{len(gzip.compress(text.encode())):,}")
            print("| " + " | ".join(cells) + f" | {bare:.0f} | {overview:.0f} | {listed:.0f} | {search:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
