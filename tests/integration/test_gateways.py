# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reading the meters behind each gateway from there: the very play of the guide, over a real sshd."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import BIN, ENVIRONMENT

import warmstart
from metersim.testing import Fleet

ROOT = Path(__file__).resolve().parents[2]


def play_of_the_guide(word: str) -> str:
    text = (ROOT / "docs" / "guides" / "awx.md").read_text(encoding="utf-8")
    return next(block for block in re.findall(r"```yaml\n(---\n.*?)```", text, re.S) if word in block)


@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_each_group_is_read_from_its_gateway(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    meters = [{"name": f"m0{number}", "model": "PM5560", "firmware": "2.7.8", "services": ["modbus"]} for number in range(1, 5)]
    with Fleet({"meters": meters}, tmp_path) as fleet:
        groups = {
            "gateways": {"hosts": {name: jump_host.named(name) for name in ("north", "south")}},
            "behind_north": {"hosts": {"m01": None, "m02": None}},
            "behind_south": {"hosts": {"m03": None, "m04": None}},
        }
        (tmp_path / "gateways.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
        (tmp_path / "read.yml").write_text(play_of_the_guide("meter_fleet_info"), encoding="utf-8")
        command = [
            str(BIN / "ansible-playbook"),
            "-i",
            str(fleet.inventory),
            "-i",
            str(tmp_path / "gateways.yml"),
            str(tmp_path / "read.yml"),
        ]
        environment = {**os.environ, **ENVIRONMENT}
        done = warmstart.run(command, env=environment, timeout=120)
        output = done.stdout + done.stderr
        (artifacts / "output.txt").write_text(output, encoding="utf-8")
        assert done.returncode == 0, output[-3000:]
        for gateway in ("north", "south"):
            assert re.search(rf"{gateway}: .*'ok': 2", output), output[-3000:]
        log = (jump_host.folder / "sshd.log").read_text(encoding="utf-8")
        assert log.count("Accepted publickey") >= 2, "both groups were read over there"
        assert all(fleet.meter(meter["name"]).events("modbus_connect") for meter in meters)
