# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What every family's facts are made of: values by path, where each is from, and why one is missing (contract 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"


@dataclass
class Values:
    """Values by path, with where each came from, and why a value is missing."""

    values: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, value: Any, source: str) -> None:
        self.values[path] = value
        self.provenance[path] = source
        self.unread.pop(path, None)

    def miss(self, path: str, reason: str, text: bool = True) -> None:
        self.values[path] = UNKNOWN if text else None
        self.unread[path] = reason

    def known(self, path: str) -> bool:
        return path in self.provenance

    def nested(self) -> dict[str, Any]:
        """The nested form, in a stable order."""
        facts: dict[str, Any] = {}
        for path, value in self.values.items():
            place = facts
            *parents, last = path.split(".")
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        facts["provenance"] = dict(sorted(self.provenance.items()))
        facts["unread"] = dict(sorted(self.unread.items()))
        return facts
