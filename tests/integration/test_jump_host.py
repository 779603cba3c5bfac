# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""meter_firmware through a real sshd with an interpreter of its own: the same as in this process, and nothing stays there."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import certifi
import charset_normalizer
import idna
import pymodbus
import pytest
import requests
import urllib3
import yaml
from firmwarekit import PASSWORD, firmware, meter, plain, play

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from metersim import packages
from metersim.testing import Fleet

NAMES = ("App2.out", "PM5560_v2.9.9.fwa", "PM5561_v10.9.9.fwa", "PM5500StartUpgrade.shtml")

CASES: dict[str, dict[str, Any]] = {
    "verified": meter("verified", surface="b", http_auth="digest"),
    "current": meter("current", version="2.9.9"),
    "locked": meter("locked", "PM5561", "10.6.5", mid_lock=True),
    "failing": meter("failing", faults={"F-18": {"process": "webpages"}}, vars={"metering_retries": 0}),
    "refused": meter("refused", "PM5561", "10.6.5", attempts_used=2, attempts_hidden=8),
    "wrong-password": meter(
        "wrong-password", vars={"metering_credentials": {"product_master": {"user": "user2", "password": f"{PASSWORD}-x"}}}
    ),
}
TARGETS = {"PM5560": "2.9.9", "PM5561": "10.9.9"}
ENDS = {
    "verified": ("verified", ""),
    "current": ("current", ""),
    "locked": ("blocked", "mid_lock_enabled"),
    "failing": ("failed_final", "upgrade_process_failed"),
    "refused": ("attempts_exhausted", "attempts_exhausted"),
    "wrong-password": ("blocked", "ftp_auth_failed"),
}


def needles() -> list[bytes]:
    """The password in plain and in the three ways base64 may cut it."""
    found = [PASSWORD.encode()]
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        coded = base64.b64encode(b"\0" * shift + PASSWORD.encode())
        found.append(coded[first : (shift + len(PASSWORD)) * 8 // 6])
    return found


class Watch:
    """Looks at all command lines and into the jump host's folder while a play runs."""

    def __init__(self, remote: Path) -> None:
        self.remote = remote
        self.leaks: list[str] = []
        self.brought: set[str] = set()
        self.looks = 0
        self._over = threading.Event()

    def _look(self) -> None:
        words = needles()
        while not self._over.is_set():
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if any(word in text for word in words):
                    self.leaks.append(text.replace(b"\0", b" ")[:60].decode(errors="replace"))
            self.brought |= {path.name for path in self.remote.glob("*/*") if path.name in NAMES}
            time.sleep(0.1)

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(10)


def left_there(folder: Path) -> list[str]:
    """Files of artifacts, and files with the password in them, below the jump host's temporary folder."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return [path.name for path in files if path.name in NAMES or any(word in path.read_bytes() for word in needles())]


def jump_inventory(path: Path, **hosts: dict[str, Any]) -> Path:
    """Jump hosts as an inventory."""
    path.write_text(yaml.safe_dump({"jumps": {"hosts": hosts}}), encoding="utf-8")
    return path


@pytest.mark.requirement("R-040", "R-043", "invariant-c", "invariant-e", "invariant-j")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_both_ways_give_the_same_for_every_case(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    ways = ("here", "there")
    meters = [
        {**given, "name": f"{way}-{name}", "vars": {**given.get("vars", {}), "way": where if way == "there" else "localhost"}}
        for way in ways
        for (name, given), where in zip(CASES.items(), ["files", *["pipe"] * len(CASES)], strict=False)
    ]
    spec = {"name": "jump", "clock_factor": 30, "defaults": {"silence": 60, "process_time": 60}, "meters": meters}
    packages.write(tmp_path / "firmware", [("PM5560", "2.9.9"), ("PM5561", "10.9.9")])
    # Modules travel as files to the one and through a pipe to the other: both are the same machine.
    jumps = jump_inventory(
        tmp_path / "inventory-jumps.yml", files=jump_host.variables, pipe={**jump_host.variables, "ansible_pipelining": True}
    )
    task = firmware(
        "{{ targets[before_models[inventory_hostname]] }}",
        tmp_path / "firmware",
        artifacts / "records.sqlite3",
        concurrency=10,
        campaign="both",
    )
    (artifacts / "records.sqlite3").unlink(missing_ok=True)
    more = ["-e", json.dumps({"targets": TARGETS, "before_models": {item["name"]: item["model"] for item in meters}}), "-vvv"]
    watch = Watch(jump_host.folder / "remote")
    with Fleet(spec, tmp_path) as fleet, watch.watching():
        tasks = [{**task, "delegate_to": "{{ way }}", "check_mode": True}, {**task, "delegate_to": "{{ way }}"}]
        played = play(artifacts, [fleet.inventory, jumps], tasks, *more)
        told = {item["name"]: fleet.meter(item["name"]).events() for item in meters}
        serials = {item["name"]: item["serial"] for item in fleet.meters()}
        assert fleet.events("violation") == [] and fleet.events("semaphore_read") == []

    for name, end in ENDS.items():
        here = played.result(f"here-{name}")
        assert (here["outcome"], here["reason"]) == end, f"{name}: {here['msg']}"
        for number in (0, 1):
            one, other = (comparable(played.result(f"{way}-{name}", number), serials[f"{way}-{name}"]) for way in ways)
            assert one == other, f"{name}, task {number}"
    same_told = {name: [kinds(told[f"{way}-{name}"]) for way in ways] for name in CASES}
    assert all(one == other for one, other in same_told.values()), same_told

    ledger = open_records(str(artifacts / "records.sqlite3"), "tester", read_only=True)
    for name, count in (("verified", 1), ("failing", 1), ("locked", 0), ("current", 0)):
        for way in ways:
            attempts = ledger.attempt_history(str(serials[f"{way}-{name}"]))
            assert len(attempts) == count and not any(item.open for item in attempts), f"{way}-{name}"
            triggers = [event["real"] for event in told[f"{way}-{name}"] if event["kind"] == "trigger_accepted"]
            assert len(triggers) == count
            assert all(attempt.started < real for attempt, real in zip(attempts, triggers, strict=True)), "recorded before the trigger"
    assert ledger.verify_chain("both").ok and ledger.slots_in_use("ftp") == 0

    assert watch.looks > 10 and watch.leaks == []
    assert {"App2.out", "PM5560_v2.9.9.fwa", "PM5500StartUpgrade.shtml"} <= watch.brought, "the files went over the jump host"
    assert left_there(jump_host.folder / "remote") == []
    assert "ESTABLISH SSH CONNECTION" in played.output
    assert not [word for word in needles() if word.decode() in played.output]


def comparable(result: dict[str, Any], serial: Any) -> dict[str, Any]:
    """A result without what belongs to one meter or to the pace of looking."""
    kept = plain(result)
    kept.pop("states")
    return json.loads(json.dumps(kept).replace(str(serial), "SERIAL"))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """What a meter was made to do, in order; reading and looking at pages is a matter of pace."""
    acts = (
        "ftp_login_ok",
        "ftp_login_failed",
        "ftp_stored",
        "ftp_denied",
        "trigger_request",
        "trigger_accepted",
        "trigger_refused",
        "attempt_counted",
    )
    return [event["kind"] for event in events if event["kind"] in acts]


@pytest.mark.requirement("invariant-e")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_trouble_at_the_jump_host_is_one_clear_sentence_and_costs_nothing(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    def interpreter(name: str, *libraries: ModuleType) -> str:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / name)], check=True)
        site = next((tmp_path / name).glob("lib/python3*/site-packages"))
        for library in libraries:
            folder = Path(str(library.__file__)).parent
            (site / folder.name).symlink_to(folder)
        return str(tmp_path / name / "bin" / "python")

    jumps = jump_inventory(
        tmp_path / "inventory-jumps.yml",
        modbus={**jump_host.variables, "ansible_python_interpreter": interpreter("modbus", pymodbus)},
        web={**jump_host.variables, "ansible_python_interpreter": interpreter("web", requests, urllib3, idna, certifi, charset_normalizer)},
        away={**jump_host.variables, "ansible_port": 1},
    )
    packages.write(tmp_path / "firmware", [("PM5560", "2.9.9")])
    names = ("modbus", "web", "away")
    with Fleet({"name": "trouble", "clock_factor": 60, "meters": [meter("m01")]}, tmp_path) as fleet:
        task = firmware("2.9.9", tmp_path / "firmware", tmp_path / "records.sqlite3", on_failure="fail")
        played = play(artifacts, [fleet.inventory, jumps], [{**task, "delegate_to": name} for name in names], "-vvv")
        assert {event["kind"] for event in fleet.events()} <= {"modbus_connect"}
    says = ("'requests' is missing on", "'pymodbus' is missing on", "the host away cannot be reached")
    reasons = ("dependency_missing", "dependency_missing", "transport_failed")
    for number, (words, reason) in enumerate(zip(says, reasons, strict=True)):
        result = played.result("m01", number)
        assert result["failed"] and not result.get("unreachable") and not result["changed"]
        assert words in result["msg"] and "\n" not in result["msg"], result["msg"]
        assert result["error"]["reason"] == reason
    assert open_records(str(tmp_path / "records.sqlite3"), "tester", read_only=True).slots_in_use("ftp") == 0


@pytest.mark.requirement("R-043", "F-23", "invariant-c", "invariant-d")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_jump_host_that_fails_after_the_trigger_leaves_nothing_forgotten(jump_host: Any, tmp_path: Path, artifacts: Path) -> None:
    """The way breaks while the meter works: no good end is claimed, and the next run looks before it does anything."""
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    packages.write(tmp_path / "firmware", [("PM5560", "2.9.9")])
    jumps = jump_inventory(tmp_path / "inventory-jumps.yml", jump1={**jump_host.variables, "ansible_pipelining": True})
    spec = {"name": "cut", "clock_factor": 30, "defaults": {"silence": 60, "process_time": 300}, "meters": [meter("m01")]}
    task = firmware("2.9.9", tmp_path / "firmware", records, campaign="cut")
    with Fleet(spec, tmp_path) as fleet:
        cutter = threading.Thread(target=lambda: (fleet.meter("m01").wait("trigger_accepted", 120), jump_host.python.unlink()))
        cutter.start()
        cut = play(artifacts, [fleet.inventory, jumps], [{**task, "delegate_to": "jump1"}]).result("m01")
        cutter.join()
        ledger = open_records(str(records), "tester", read_only=True)
        serial = str(fleet.meter("m01").state()["serial"])
        assert cut["outcome"] == "interrupted" and "the jump host failed, the meter goes on" in cut["msg"]
        assert cut["changed"] and not cut.get("unreachable") and "\n" not in cut["msg"]
        (attempt,) = ledger.attempt_history(serial)
        assert attempt.open, "its end is not known, so it has none"

        after = play(artifacts, [fleet.inventory], [task]).result("m01")
        assert after["outcome"] in ("verified", "verified_late", "current")
        assert len(fleet.meter("m01").events("trigger_request")) == 2, "one asked for the login, one with it, and none by the second run"
        assert fleet.events("violation") == []
        (attempt,) = ledger.attempt_history(serial)
        assert attempt.outcome in ("verified", "verified_late")
