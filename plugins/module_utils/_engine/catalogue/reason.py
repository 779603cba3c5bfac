# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a reason code consists of.

``retry``: ``never`` until something was changed; ``after_remedy`` when the remedy is done; ``after_hold`` by itself after the
documented hold, as a new recorded attempt; ``later`` by a later run without a person.
"""

from __future__ import annotations

from dataclasses import dataclass

NEVER, AFTER_REMEDY, AFTER_HOLD, LATER = "never", "after_remedy", "after_hold", "later"


@dataclass(frozen=True)
class Reason:
    """A code, what it means, what a person does about it, and the rules it comes from. No methods means all."""

    code: str
    text: str
    remedy: str
    rules: tuple[str, ...]
    retry: str = AFTER_REMEDY
    methods: tuple[str, ...] = ()
