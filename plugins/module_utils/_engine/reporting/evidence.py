# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The list of all files of a run with their SHA-256, so that one digest kept elsewhere proves the whole evidence (rollout 4.2).

This is the one report that tells when it was made and by whom; the others stay the same while the fleet does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TextIO, TypedDict

from .document import Document, History

SCHEMA, SCHEMA_VERSION = "gridops.metering/evidence", 1


class File(TypedDict):
    """One file of the run; ``name`` is relative to the evidence."""

    name: str
    bytes: int
    sha256: str


class Origin(TypedDict):
    """Who made the reports when, with what; ``records`` and ``ledger_id`` are empty where no records were asked."""

    at: str
    operator: str
    version: str
    ansible: str
    python: str
    records: str
    ledger_id: str


def write(document: Document, history: History, out: TextIO, files: Iterable[File], journals: Mapping[str, str], origin: Origin) -> None:
    """The list; ``journals`` are their heads by name. The scan is that of this very audit, null where the records do not know it."""
    scans = [scan for scan in history["scans"] if scan["digest"] == document["digest"]]
    json.dump(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "audit": {
                "baseline": document["baseline"],
                "digest": document["digest"],
                "verdict": document["verdict"],
                "totals": document["totals"],
            },
            "scan": scans[-1] if scans else None,
            "journals": dict(journals),
            "files": sorted(files, key=lambda item: item["name"]),
            "made": origin,
        },
        out,
        indent=2,
        sort_keys=True,
        ensure_ascii=False,
    )
    out.write("\n")
