# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is wrong with an artifact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Why a package must not be used: a reason code of the catalogue and one sentence."""

    reason: str
    text: str
