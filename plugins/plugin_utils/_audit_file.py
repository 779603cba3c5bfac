# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An audit's own file: read, with its digest computed again, and told in one sentence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import (
    SCHEMA,
    SCHEMA_VERSION,
    VERDICTS,
    Document,
    digest,
)

RULE = "rollout 4.2"


def read_audit(path: Path) -> Document:
    """The document. Raises InputError for a file that is none, or that somebody changed since."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("src", str(path), f"the audit.json of an audit ({error.strerror})", RULE) from None
    try:
        found = json.loads(data)
    except ValueError as error:
        raise InputError("src", str(path), f"the audit.json of an audit, which is JSON ({error})", RULE) from None
    given: dict[str, Any] = found if isinstance(found, dict) else {}
    if (given.get("schema"), given.get("schema_version")) != (SCHEMA, SCHEMA_VERSION):
        raise InputError("src", str(path), f"a document of the schema {SCHEMA}, version {SCHEMA_VERSION}", RULE)
    try:
        whole = given["digest"] == _digest_of_text(data) or given["digest"] == digest(given)
    except (KeyError, TypeError, AttributeError):
        raise InputError("src", str(path), "the whole audit.json of an audit", RULE) from None
    if not whole:
        raise InputError("src", str(path), "an audit.json whose digest fits its content: somebody changed the file since", RULE)
    return cast(Document, given)


def _digest_of_text(data: bytes) -> str:
    """The digest of a file in its canonical text, of which the last line tells the digest; of any other file, something else."""
    text = data.rstrip(b"\n")
    return hashlib.sha256(text[: text.rfind(b"\n") + 1]).hexdigest()


def sentence(document: Document) -> str:
    """The sum: how many meters, and how many of them are what."""
    counts = document["totals"]["verdicts"]
    told = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts.get(name))
    meters = document["totals"]["meters"]
    return f"{document['verdict']}: {meters} meter{'' if meters == 1 else 's'}, {told or 'none judged'}"
