# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A transfer that ended badly before the activation is gone on with by the next run, as its remedy says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dlmskit import acts, mcs, upgrade_all, write

from metersim.testing import Fleet

ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "loses": ({"lose_blocks": {"numbers": [3], "times": 0}}, "image_incomplete"),
    "stalls": ({"block_busy": {"every": 7, "times": 0}}, "image_transfer_refused"),
}


@pytest.mark.requirement("R-226", "X-08", "F-04")
def test_what_a_bad_end_left_in_the_meter_is_not_sent_again(tmp_path: Path) -> None:
    folder, records = write(tmp_path / "firmware", 20_000), tmp_path / "records"
    meters = [mcs(name, faults=faults) for name, (faults, _reason) in ENDS.items()]
    with Fleet({"name": "kept", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        first = upgrade_all(fleet, ENDS, records, artifacts=folder)
        assert {name: result["reason"] for name, result in first.items()} == {name: reason for name, (_faults, reason) in ENDS.items()}
        for name in ENDS:
            fleet.meter(name).faults({})
        second = upgrade_all(fleet, ENDS, records, artifacts=folder)
        for name, result in second.items():
            assert result["outcome"] == "verified" and result["transfer"]["resumed_at"] in (3, 6), (name, result["msg"])
            assert acts(fleet, name) == ["initiate", "verify", "activate"], name
