# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The report formats by name: the file of each, and who writes it. ``evidence`` is not among them: it lists what the others wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from . import csv_table, html, junit, markdown, prometheus, sarif
from .document import Document, History, dump

Writer = Callable[[Document, History, TextIO], None]

EVIDENCE, EVIDENCE_FILE = "evidence", "evidence.json"
#: The journal of the records that holds the audits.
AUDIT_JOURNAL = "audit"


def write_json(document: Document, history: History, out: TextIO) -> None:
    """The audit itself, in its canonical text."""
    del history
    out.writelines(dump(document))


FORMATS: dict[str, tuple[str, Writer]] = {
    "json": ("audit.json", write_json),
    "junit": ("junit.xml", junit.write),
    "sarif": ("audit.sarif", sarif.write),
    "markdown": ("audit.md", markdown.write),
    "csv": ("audit.csv", csv_table.write),
    "prometheus": ("metering.prom", prometheus.write),
    "html": ("audit.html", html.write),
}
NAMES = (*FORMATS, EVIDENCE)
