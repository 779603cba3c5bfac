# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A small run of the fuzzing of client and simulated meter; the long one is by hand."""

from __future__ import annotations

import subprocess
import sys

from refereekit import ROOT


def test_decoders_and_meter_stand_what_is_bent() -> None:
    words = [sys.executable, ROOT / "tests" / "tools" / "fuzz_dlms.py", "--count", "600"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 messages, 10 of them known to be inside HLS" in done.stdout
