# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the tests of the fault campaign share: a fleet with runs against it, the invariants, and a way to stop a run at a wanted point."""
