# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The page "Ten minutes", done: its files written and its commands run, in their order and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from firmwarekit import BIN

from metersim.testing import address_block
from pipelines import shims

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guides" / "ten-minutes.md").read_text(encoding="utf-8")
FILE = re.compile(r"\*\*`([^`\n]+)`\*\*\n\n```yaml\n(.*?)^```$", re.M | re.S)
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
#: The first block sets up a checkout, which is what runs this test; the last one stops the meters.
SETUP, *COMMANDS, END = BLOCKS


class Reader:
    """Somebody who does what the page says, with meters whose clocks run faster still."""

    def __init__(self, tmp: Path, log: Path) -> None:
        self.folder, self.log = tmp / "ten", log
        home = tmp / "home"
        home.mkdir()
        path = shims(tmp / "shims", ROOT / "tests" / "support", BIN)
        self.env = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "METERING_TEST_LINGER": "20"}
        self.env["PYTEST_XDIST_TESTRUNUID"] = f"ten-minutes-{os.getpid()}"
        for name, text in FILE.findall(PAGE):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            if name == "fleet.yml":
                text = text.replace("clock_factor: 60\n", f"clock_factor: 600\nfirst_address: {address_block(9)}\n")
            (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, block: str) -> tuple[int, str]:
        """Status and output of one block of commands."""
        command = ["bash", "--noprofile", "--norc", "-e", "-c", block]
        with self.log.open("a+", encoding="utf-8") as log:
            start = log.tell()
            done = subprocess.run(
                command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=240, check=False
            )
            log.seek(start)
            return done.returncode, log.read()


@pytest.fixture
def reader(tmp_path: Path, artifacts: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, artifacts / "ten-minutes.log")
    yield reader
    if (reader.folder / ".metersim").exists():
        reader.run(END)
    for name in ("before", "review", "report"):
        if (reader.folder / name).exists():
            shutil.copytree(reader.folder / name, artifacts / name, dirs_exist_ok=True)


def verdict(reader: Reader, folder: str) -> dict[str, str]:
    """The verdict of each meter in an audit."""
    document = json.loads((reader.folder / folder / "audit.json").read_text(encoding="utf-8"))
    return {meter["name"]: meter["verdict"] for meter in document["meters"]}


def test_the_page_ten_minutes_can_be_followed(reader: Reader) -> None:
    assert "make env" in SETUP and END.strip() == "metersim down"
    names = ["main-panel", "floor-1", "floor-2", "infeed"]
    outputs = []
    for block in COMMANDS:
        status, output = reader.run(block)
        # The one audit that finds something says so by its status.
        assert status == (2 if "metering_report_dir=before" in block else 0), (block, output[-3000:])
        outputs.append(output)
    assert verdict(reader, "before") == dict.fromkeys(names, "drift")
    assert verdict(reader, "report") == dict.fromkeys(names, "compliant")
    assert {path.name for path in (reader.folder / "review").iterdir()} >= {
        "plan.md",
        "plan.json",
        "security-plan.md",
        "security-plan.json",
    }
    assert {path.name for path in (reader.folder / "report").iterdir()} >= {"audit.html", "junit.xml", "audit.sarif", "evidence.json"}
    assert set(re.findall(r"changed=(\d+)", outputs[-1])) == {"0"}
    # What the page shows of the output is what comes out, but for addresses and the width of columns.
    everything = " ".join("\n".join(outputs).split())
    shown = [line for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S) for line in block.splitlines()]
    for line in shown:
        if not re.search(r"127\.20\.0\.|^-+ |^…$", line):
            assert " ".join(line.removesuffix(" …").split()) in everything, line
