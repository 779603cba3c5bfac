# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Simulated HEP meters: ION9000, ION9000T, PM8000, ION7400 (SURFACE.md, sections 40 to 51)."""
