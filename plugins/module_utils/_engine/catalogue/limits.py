# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""How many upgrades a meter allows in its life. Success and failure count alike (R-043, R-154)."""

from __future__ import annotations

from dataclasses import dataclass

from .models import Model
from .versions import Version


@dataclass(frozen=True)
class AttemptLimit:
    """The limit that holds for these models from one version on."""

    models: tuple[str, ...]
    since: Version
    limit: int
    rules: tuple[str, ...]


LIMITS: tuple[AttemptLimit, ...] = (
    AttemptLimit(("PM5561",), Version(10, 6, 3), 10, ("R-042", "R-043", "R-044")),
    AttemptLimit(("PM5661", "PM5761"), Version(11, 0, 0), 10, ("R-042", "R-043", "R-044")),
    AttemptLimit(("PM5561",), Version(12, 0, 0), 25, ("R-152", "R-154", "R-155")),
    AttemptLimit(("PM5562", "PM5562MC"), Version(4, 3, 5), 25, ("R-152", "R-154", "R-155")),
    AttemptLimit(("PM5661", "PM5761"), Version(14, 0, 0), 25, ("R-153", "R-154", "R-155")),
)


def attempt_limit(model: Model, version: Version) -> AttemptLimit | None:
    """The limit for a meter that runs this version, None where none is documented. Counts are kept per limit (G-06)."""
    holding = [item for item in LIMITS if model.name in item.models and item.since <= version]
    return max(holding, key=lambda item: item.since, default=None)
