# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Entry point of ``python -m metersim``."""

from __future__ import annotations

import sys

from metersim.cli import main

if __name__ == "__main__":
    sys.exit(main())
