# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Which generation of firmware a version belongs to; taken from the matrix, so that no border is written twice."""

from __future__ import annotations

from .matrix import row, rows_for
from .models import HEP, PM5000, Model
from .versions import Version


def generation(model: Model, version: Version) -> str:
    """``legacy``, ``new`` or ``unknown`` for a PM5000; ``below 3``, ``3`` or ``4`` for HEP; ``unknown`` otherwise.

    Legacy is what the FTP method ends at, new is what the webpages method starts from (R-008…R-026).
    """
    if model.family == HEP:
        return _hep(version)
    if model.family != PM5000:
        return "unknown"
    for item in rows_for(model):
        if item.method == "web" and version in item.source:
            return "new"
        if item.method == "ftp" and version in item.target:
            return "legacy"
    return "unknown"


def _hep(version: Version) -> str:
    target = row("H-1").target
    if version < target.low:
        return "below 3"
    return "3" if version in target else "4"
