# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The tool's logs, kept where the control node's other records are, in a form that the maker's support can use (R-121…R-125, R-157)."""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tool_handover import safe_name

_LIMIT = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(raw: bytes, encoding: str = "") -> str:
    """A log as text, whatever the tool wrote it in: by its mark, by the operator's word, else UTF-8 or the Windows code page."""
    raw = raw[:_LIMIT]
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return raw.decode(name, errors="replace")
    if encoding:
        try:
            return raw.decode(encoding, errors="replace")
        except LookupError:
            pass
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def keep(base: Path, campaign: str, host: str, head: Mapping[str, Any], logs: Mapping[str, str], good: bool) -> list[str]:
    """Write the logs (masked by the caller) and, after a bad end, ``support.txt`` with model, serial and firmware first. Returns the paths.

    A disk that does not take them changes nothing of the upgrade's end: the list is empty then.
    """
    folder = base / safe_name(campaign) / safe_name(host)
    texts = {safe_name(name): text for name, text in logs.items()}
    if not good:
        texts["support.txt"] = "".join(f"{key}: {value}\n" for key, value in head.items())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in texts.items():
            with os.fdopen(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                stream.write(text)
    except OSError:
        return []
    return sorted(str(folder / name) for name in texts)
