# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the records hand out and take in: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .owner import Owner

#: States of an attempt. Only ``not_started`` does not count against a meter's limit.
RECORDED = "recorded"
TRIGGERED = "triggered"
NOT_STARTED = "not_started"
ENDED = "ended"


@dataclass(frozen=True)
class Lease:
    """The exclusive right to work on one resource. ``attempt_id`` is set when it was taken over with an open attempt.

    ``settling_since`` is set on a slot whose last user was cut off after a good upgrade: its documented wait runs from then.
    """

    resource: str
    token: str
    ttl: float
    attempt_id: str | None = None
    taken_over: bool = False
    settling_since: float | None = None


@dataclass(frozen=True)
class Holder:
    """Why a lease was not given: who has it. ``alive`` is None when that cannot be told from here."""

    resource: str
    owner: Owner
    alive: bool | None
    expires: float
    attempt_id: str | None
    attempt_open: bool

    @property
    def text(self) -> str:
        """One sentence for a person."""
        if self.alive:
            return f"{self.resource} is in use by {self.owner}"
        if self.attempt_open:
            return f"{self.resource} was left by {self.owner} in the middle of an attempt whose end is not known yet"
        return f"{self.resource} is leased by {self.owner}, which cannot be checked from here"


@dataclass(frozen=True)
class AttemptCount:
    """Attempts of one meter inside one band (R-043, R-154).

    ``known`` is False when the ledger knows nothing of the meter in this band; ``used`` says nothing then.
    ``estimated`` is True when a person's word or another band is part of the answer (G-06).
    """

    known: bool
    used: int
    estimated: bool


@dataclass(frozen=True)
class Attempt:
    """One started or about to be started upgrade of one meter. Times are seconds since 1970, or None."""

    id: str
    campaign: str
    serial: str
    model: str
    host: str
    row: str
    method: str
    source: str
    target: str
    artifact_digest: str
    operator: str
    plan_digest: str
    limit_from: str
    state: str
    started: float
    triggered: float | None
    finished: float | None
    hard_until: float | None
    outcome: str
    reason: str
    before: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether its end is still unknown."""
        return self.finished is None


@dataclass(frozen=True)
class ChainCheck:
    """Result of verifying a journal: ``head`` is the last good hash, ``broken_at`` the first bad entry.

    ``baseline`` is the entry from which it was judged, after somebody took a broken journal as it was.
    """

    ok: bool
    head: str
    entries: int
    broken_at: int | None = None
    baseline: int | None = None
