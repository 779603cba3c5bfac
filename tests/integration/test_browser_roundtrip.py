# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From a person with a browser to an unattended upgrade: headless Chromium is recorded at one meter, the recording becomes a
profile, and another meter with another password is upgraded through it. The meters' journals are the witness."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import browserkit
import pytest
import yaml
from firmwarekit import BIN, firmware, play

import warmstart
from keeping import keep, write_book
from metersim import packages
from metersim.testing import Fleet

USER = "Administrator"
TYPED = "Canary-browser-4f0a"  # typed in the browser, at the recorded meter only
OTHER = "Canary-firmware-7b1e-o"
ATTEST = {"power_source": "uninterrupted", "critical_control": False}
# What a person adds to each draft, from the list of what is missing.
ADDED: dict[str, dict[str, Any]] = {
    "a": {
        "refusals": [{"pattern": "account is locked", "reason": "locked_out"}, {"pattern": "MID/MIR lock", "reason": "mid_lock_enabled"}]
    },
    "b": {"refusals": [{"pattern": "account locked", "reason": "locked_out"}, {"pattern": "sealed", "reason": "mid_lock_enabled"}]},
    "handshake": {},
}
HELPER = Path(__file__).parents[1] / "foreign" / "login_helper.py"


def meters(surface: str) -> list[dict[str, Any]]:
    """The one that is recorded, and another one."""
    form = {"surface": "a", "web_login": "handshake"} if surface == "handshake" else {"surface": surface}
    common = {"model": "PM5560", "firmware": "4.3.5", "update_time": 200, "restart_silence": 5, **form}
    return [
        {"name": f"recorded-{surface}", "accounts": {"administrator": {"user": USER, "password": TYPED}}, **common},
        {"name": f"other-{surface}", "accounts": {"administrator": {"user": USER, "password": OTHER}}, **common},
    ]


def record(fleet: Fleet, surface: str, package: Path, har: Path) -> None:
    meter = fleet.meter(f"recorded-{surface}")
    with browserkit.recorded(har, f"https://{meter.state()['address']}") as page:
        steps = browserkit.surface_b if surface == "b" else browserkit.surface_a
        steps(page, USER, TYPED, package, meter.wait)


def import_recordings(folder: Path, surfaces: list[str]) -> dict[str, dict[str, Any]]:
    """profile_from_har in check mode, for real and again, in one play; the results of the real one."""
    tasks: list[dict[str, Any]] = []
    for surface in surfaces:
        task = {"src": str(folder / f"{surface}.har"), "dest": str(folder / f"site-{surface}.yml"), "user": USER, "secrets": [TYPED]}
        for name, more in (("check", {"check_mode": True}), ("made", {}), ("again", {})):
            tasks.append({"gridops.metering.profile_from_har": task, "register": f"{name}_{surface}", **more})
    shown = ", ".join(f"'{name}-{surface}': {name}_{surface}" for surface in surfaces for name in ("check", "made", "again"))
    tasks.append(keep(f"{{{{ {{{shown}}} | to_json }}}}", folder / "made.json"))
    book = write_book(folder / "import.yml", [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])
    command = [str(BIN / "ansible-playbook"), str(book), "--diff", "-vv"]
    done = warmstart.run(command, env={**os.environ, **warmstart.QUIET}, timeout=60)
    output = done.stdout + done.stderr
    (folder / "import.txt").write_text(output.replace(TYPED, "(leaked)"), encoding="utf-8")
    assert done.returncode == 0 and "Traceback" not in output, output[-3000:]
    book.unlink()  # it holds the typed password
    assert TYPED not in output, "the typed password was printed"
    results: dict[str, dict[str, Any]] = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    for surface in surfaces:
        assert (
            results[f"check-{surface}"]["changed"] and results[f"made-{surface}"]["changed"] and not results[f"again-{surface}"]["changed"]
        )
        assert results[f"made-{surface}"]["usable"], results[f"made-{surface}"]["problem"]
    return {surface: results[f"made-{surface}"] for surface in surfaces}


def complete(draft: Path, surface: str) -> Path:
    """The draft with what a person adds by hand; nothing else is touched."""
    profile = {**yaml.safe_load(draft.read_text(encoding="utf-8")), **ADDED[surface]}
    done = draft.with_name(f"complete-{surface}.yml")
    done.write_text(yaml.safe_dump(profile), encoding="utf-8")
    return done


@pytest.mark.needs_debian("chromium")
@pytest.mark.requirement("R-135", "R-136", "R-138", "R-139", "R-140", "R-144")
def test_a_recording_of_a_browser_upgrades_another_meter(tmp_path: Path, artifacts: Path) -> None:
    surfaces = ["a", "b", "handshake"]
    packages.write(tmp_path / "firmware", [("PM5560", "4.4.0")], 60_000, methods=("web",))
    (package,) = (tmp_path / "firmware").rglob("*.sedp")
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    spec = {"name": "browser", "clock_factor": 100, "meters": [item for surface in surfaces for item in meters(surface)]}
    with Fleet(spec, tmp_path) as fleet:
        for surface in surfaces:
            record(fleet, surface, package, tmp_path / f"{surface}.har")
            assert TYPED in (tmp_path / f"{surface}.har").read_text(encoding="utf-8") or surface == "handshake"
        made = import_recordings(tmp_path, surfaces)
        for surface in surfaces:
            draft = tmp_path / f"site-{surface}.yml"
            text = draft.read_text(encoding="utf-8")
            (artifacts / draft.name).write_text(text, encoding="utf-8")
            assert draft.stat().st_mode & 0o777 == 0o600
            assert TYPED not in text and browserkit.WRONG not in text and fleet.meter(f"recorded-{surface}").state()["address"] not in text
            complete(draft, surface)
        assert not [item for item in made["a"]["missing"] if item["section"] in ("login", "upload", "confirm", "status_page")]
        assert re.search(made["a"]["profile"]["answers"]["says"]["html"], '<p id="error">Locked.</p>')["text"] == "Locked."  # type: ignore[index]
        assert made["b"]["profile"]["answers"] == {"says": {"json": "error.text"}}
        assert made["handshake"]["profile"]["login"] == {"kind": "helper"}
        assert "login not inferable" in next(item["why"] for item in made["handshake"]["missing"] if item["section"] == "login")
        task = firmware(
            "4.4.0", tmp_path / "firmware", records,
            accept=["unverified_profile"],
            concurrency=3,
            attest=f"{{{{ metering_attest | combine({json.dumps(ATTEST)}) }}}}",
            web_profile=f"{tmp_path}/complete-{{{{ inventory_hostname.split('-')[1] }}}}.yml",
            login_helper=f"{{{{ {[sys.executable, str(HELPER)]} if 'handshake' in inventory_hostname else omit }}}}",
        )  # fmt: skip
        played = play(artifacts, fleet.inventory, [task], hosts="other-a,other-b,other-handshake")
        for surface in surfaces:
            name = f"other-{surface}"
            result, events = played.result(name), fleet.meter(name).events()
            kinds = [event["kind"] for event in events]
            assert (result["outcome"], result["reason"]) == ("verified", ""), result
            assert kinds.count("web_confirm") == kinds.count("attempt_counted") == 1 and "web_login_failed" not in kinds
            assert fleet.meter(name).state()["firmware"] == "4.4.0" == result["last_upgrade"]["version"]
        assert fleet.events("violation") == []
