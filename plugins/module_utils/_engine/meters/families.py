# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The families this collection can read, by explicit imports: what is imported by name would not reach a jump host."""

from __future__ import annotations

from types import ModuleType

from . import pm5000

FAMILIES: dict[str, ModuleType] = {pm5000.FAMILY: pm5000}
