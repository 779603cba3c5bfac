# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""metersim: a simulated fleet of PM5000 meters that speaks the real protocols."""

from __future__ import annotations

__version__ = "0.1.0"
