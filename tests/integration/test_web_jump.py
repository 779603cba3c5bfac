# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The method web through a real sshd: upload and confirmation are calls of their own that share one web session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from firmwarekit import PASSWORD, plain, play
from test_jump_host import jump_inventory, left_there, needles
from test_web import ACCOUNTS, meter, web

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from metersim import packages
from metersim.testing import Fleet

CASES: dict[str, dict[str, Any]] = {
    "forms": meter("forms", surface="a"),
    "json": meter("json", "PM5562", "4.3.5", 3, surface="b"),
    "refused": meter("refused", faults={"F-10": {}}),
    "wrong-password": meter(
        "wrong-password", vars={"metering_credentials": {"administrator": {**ACCOUNTS["administrator"], "password": f"{PASSWORD}-x"}}}
    ),
}
ENDS = {
    "forms": ("verified", ""),
    "json": ("verified", ""),
    "refused": ("failed_final", "device_rejected_image"),
    "wrong-password": ("blocked", "web_auth_failed"),
}
ACTS = ("web_login_ok", "web_login_failed", "web_upload", "web_confirm", "web_refused", "trigger_accepted", "attempt_counted")


@pytest.mark.requirement("R-040", "R-043", "R-139", "invariant-c", "invariant-e", "invariant-j")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_both_ways_give_the_same_by_webpages(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    ways = ("here", "there")
    meters = [
        {
            **given,
            "name": f"{way}-{name}",
            "session_idle": 36_000,
            "vars": {**given["vars"], "way": "jump1" if way == "there" else "localhost"},
        }
        for way in ways
        for name, given in CASES.items()
    ]
    packages.write(tmp_path / "firmware", [("PM5560", "4.4.0"), ("PM5562", "4.4.0")], 60_000, methods=("web",))
    jumps = jump_inventory(tmp_path / "inventory-jumps.yml", jump1={**jump_host.variables, "ansible_pipelining": True})
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    task = {**web(tmp_path / "firmware", records, campaign="both"), "delegate_to": "{{ way }}"}
    with Fleet({"name": "web-jump", "clock_factor": 60, "meters": meters}, tmp_path) as fleet:
        played = play(artifacts, [fleet.inventory, jumps], [task], "-vvv")
        told = {item["name"]: [event["kind"] for event in fleet.meter(item["name"]).events() if event["kind"] in ACTS] for item in meters}
        serials = {item["name"]: str(item["serial"]) for item in fleet.meters()}
        assert fleet.events("violation") == []
    ledger = open_records(str(records), "tester", read_only=True)
    for name, end in ENDS.items():
        here, there = (played.result(f"{way}-{name}") for way in ways)
        assert (here["outcome"], here["reason"]) == (there["outcome"], there["reason"]) == end, there["msg"]
        one, other = (_comparable(played.result(f"{way}-{name}"), serials[f"{way}-{name}"]) for way in ways)
        assert one == other
        acts = [[kind for kind in told[f"{way}-{name}"] if kind != "web_login_ok"] for way in ways]
        assert acts[0] == acts[1], "the meter was made to do the same"
        for way in ways:
            attempts = ledger.attempt_history(serials[f"{way}-{name}"])
            assert len(attempts) == told[f"{way}-{name}"].count("web_confirm") and not any(item.open for item in attempts)
    assert left_there(jump_host.folder / "remote") == [] and not list((jump_host.folder / "remote").rglob("*.sedp"))
    assert not [word for word in needles() if word.decode() in played.output]


def _comparable(result: dict[str, Any], serial: str) -> str:
    kept = plain(result)
    for name in ("states", "last_upgrade", "device_text"):
        kept.pop(name, None)
    kept["prechecks"] = [item for item in kept["prechecks"] if item["id"] != "meter_is_idle"]
    return repr(sorted(kept.items())).replace(serial, "SERIAL").replace("here-", "").replace("there-", "")
