# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""meter_firmware by the stand-in of the maker's tool, on a local computer and over a real sshd; the meters are the witness."""

from __future__ import annotations

import html
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import JumpHost
from firmwarekit import PASSWORD, play
from toolkit import ACCOUNTS, STAND_IN, Desk, meter

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from metersim import packages
from metersim.testing import Fleet

TARGETS = [("PM5560", "4.3.5"), ("PM5650", "4.11.0"), ("PM5561", "12.0.1")]
COMMA = {**ACCOUNTS, "web_master": {"user": "user1", "password": f"{PASSWORD},w"}}

# Meters that the tool upgrades, some of them with a tool that is no help.
GOOD: dict[str, dict[str, Any]] = {
    "A-2": meter("A-2", vars={"retries": 0}),
    "C-2": meter("C-2", "PM5650", "2.12.9", "4.11.0"),
    "D-2": meter("D-2", "PM5561", "10.6.3", "12.0.1", attempts_used=1),
    "leaky": meter("leaky"),
    "crash": meter("crash"),
    "hang-started": meter("hang-started"),
    "crowd": meter("crowd", faults={"F-20": {}}, vars={"retries": 1}),
}
MOODS = {"leaky": "leaky", "crash": "crash", "hang-started": "hang-started", "false-success": "false-success", "hang": "hang"}
BAD: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "false-success": (meter("false-success"), ("failed_final", "wrong_version_after")),
    "hang": (meter("hang"), ("failed_final", "upgrade_state_unknown")),
    "broken": (meter("broken", faults={"F-18": {}}), ("escalate_vendor", "tool_failed")),
    "dhcp": (meter("dhcp", ip_mode="dhcp"), ("blocked", "ip_mode_not_stored")),
    "ports": (meter("ports", web_ports={"http": 8085}), ("blocked", "web_port_changed")),
    "locked": (meter("locked", "PM5561", "10.6.3", "12.0.1", attempts_used=1, mid_lock=True), ("blocked", "mid_lock_enabled")),
    "no-ftp": (
        meter("no-ftp", "PM5561", "10.7.3", "12.0.1", attempts_used=1, services=["modbus", "http"]),
        ("blocked", "ftp_server_disabled"),
    ),
    "no-icmp": (meter("no-icmp", faults={"F-19": {}}), ("blocked", "icmp_blocked")),
    "readers": (meter("readers", vars={"metering_readers": 9}), ("blocked", "too_many_read_connections")),
    "comma": (meter("comma", accounts=COMMA), ("blocked", "csv_unrepresentable")),
    "wrong-password": (meter("wrong-password", faults={"F-30": {"mode": "web_denied"}}), ("blocked", "web_auth_failed")),
}


def write_packages(folder: Path, tool: str = "3.8", wanted: list[tuple[str, str]] | None = None) -> Path:
    packages.write(folder, wanted or TARGETS, 60_000, methods=("tool",), tool=tool)
    return folder


def ended(result: dict[str, Any]) -> tuple[str, str]:
    """Outcome and reason; on a busy machine a meter's 30 seconds of silence (0.15 real ones) may look longer than documented."""
    return ("verified" if result["outcome"] == "verified_late" else result["outcome"]), result["reason"]


def kept(desk: Desk) -> str:
    """All that was kept of the tool's logs."""
    return "".join(path.read_text(encoding="utf-8") for path in desk.logs.rglob("*") if path.is_file())


@pytest.mark.requirement(
    "R-009", "R-010", "R-016", "R-017", "R-020", "R-021", "R-067", "R-074", "R-078", "R-079", "R-085", "R-087", "R-088", "R-092", "R-093",
    "R-095", "R-096", "R-097", "R-101", "R-102", "R-118", "R-119", "R-120", "R-121", "R-122", "R-157", "F-18", "F-19", "F-20",
    "invariant-c", "invariant-e", "invariant-j",
)  # fmt: skip
def test_the_tool_upgrades_and_only_the_meter_proves_it(tmp_path: Path, artifacts: Path) -> None:
    """Check mode, upgrade and again; a tool that lies, hangs, dies or prints passwords; every precheck that a simulated meter can fail."""
    spec = {"name": "tool", "clock_factor": 200, "meters": [*GOOD.values(), *(item for item, dummy in BAD.values())]}
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    firmware = write_packages(tmp_path / "firmware")
    with Fleet(spec, tmp_path) as fleet:
        desk = Desk(fleet, tmp_path / "desk")
        desk.logs = artifacts / "logs"
        desk.moods(MOODS)
        attest = "{'read_connections': metering_readers | default(2)}"
        task = desk.task(firmware, records, attest=attest, retries="{{ retries | default(1 if inventory_hostname == 'broken' else 0) }}")
        inventories = [fleet.inventory, desk.inventory()]
        checked = play(artifacts, inventories, [task], "--check")
        assert fleet.events("tool_open") == []
        played = play(artifacts, inventories, [task, {**task, "when": "task_0.outcome is match('verified')"}])
        state = {item["name"]: item for item in fleet.meters()}
        events = {name: fleet.meter(name).events() for name in state}
        left = desk.left()
    found = {name: ended(played.result(name, 0)) for name in state}
    assert found == {**dict.fromkeys(GOOD, ("verified", "")), **{name: end for name, (dummy, end) in BAD.items()}}
    ledger = open_records(str(records), "test", read_only=True)
    for name, (outcome, dummy_reason) in found.items():
        result = played.result(name, 0)
        starts = [event for event in events[name] if event["kind"] == "trigger_accepted"]
        tried = len(ledger.attempt_history(str(state[name]["serial"])))
        assert len(starts) <= tried == {"crowd": 2, "broken": 2}.get(name, int(outcome != "blocked")), name
        if outcome == "blocked":
            assert not any(event["kind"].startswith("tool_") for event in events[name])
            continue
        assert checked.result(name)["outcome"] == "planned"
        if outcome == "verified":
            assert state[name]["firmware"] == result["after"]["version"]
            assert played.result(name, 1)["outcome"] == "current"
        else:
            assert "power" in result["recovery"] and "not" in result["recovery"]
            (support,) = [Path(path) for path in result["detail"]["tool"]["logs"] if path.endswith("support.txt")]
            head = [line.partition(":")[0] for line in support.read_text(encoding="utf-8").splitlines()]
            assert head[:3] == ["model", "serial", "firmware"]
    for name in ("crowd", "broken"):
        first, second = (event["t"] for event in events[name] if event["kind"] == "trigger_accepted")
        assert second - first >= 300, "R-119: five minutes before the retry"
    assert {Path(path).parts[1] for path in left} <= {"hang", "hang-started"}, "only a tool that still runs keeps its folder"
    assert not any(path.endswith("Config.csv") for path in left)
    assert PASSWORD not in kept(desk) and "Upgrade Completed" in kept(desk)


@pytest.mark.requirement("R-080", "R-083", "G-03", "invariant-b")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_tool_before_3_8_takes_one_meter_at_a_time_over_ssh(tmp_path: Path, artifacts: Path, jump_host: JumpHost) -> None:
    """Two meters at once with tool 3.7, one of them behind a jump host: each waits its turn; a third has no cable."""
    meters = [meter(name, vars={"cable": name != "third"}) for name in ("first", "second", "third")]
    spec = {"name": "ssh", "clock_factor": 200, "meters": meters}
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    firmware = write_packages(tmp_path / "firmware", "3.7", TARGETS[:1])
    with Fleet(spec, tmp_path) as fleet:
        desk = Desk(fleet, tmp_path / "desk", version="3.7")
        desk.logs = artifacts / "logs"
        review = [*desk.options()["command"], "--review"]
        attest = "{'direct_connection': cable}"
        timing = {"clock_factor": 200, "lease_wait": 50_000}
        task = desk.task(firmware, records, desk.options(review=review), attest=attest, timing=timing)
        task["delegate_to"] = "{{ 'desk' if inventory_hostname == 'second' else omit }}"
        played = play(artifacts, [fleet.inventory, desk.inventory(jump_host.variables)], [task])
        peaks, left = fleet.peaks(), desk.left()
        events = {name: [event["kind"] for event in fleet.meter(name).events()] for name in ("first", "second", "third")}
    ends = {name: ended(played.result(name)) for name in events}
    assert ends == {"first": ("verified", ""), "second": ("verified", ""), "third": ("blocked", "direct_connection_required")}
    assert peaks["in_progress_max"] == 1, peaks
    assert "tool_open" not in events["third"] and events["first"].count("tool_open") == 2, "a review, then the upgrade"
    assert left == []
    assert PASSWORD not in kept(desk)


@pytest.mark.requirement("R-070", "R-071", "R-081", "R-106", "R-110", "R-111", "F-19")
def test_another_tool_or_another_status_never_starts(tmp_path: Path, artifacts: Path) -> None:
    """A tool that did not come with the package, and a tool that does not call the meter applicable: no attempt is spent."""
    meters = [
        meter("other-tool", vars={"said": "3.9"}),
        meter("not-applicable", vars={"said": "3.8"}),
        meter("nowhere", vars={"said": "3.8"}),
    ]
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    firmware = write_packages(tmp_path / "firmware", wanted=TARGETS[:1])
    with Fleet({"name": "refusals", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        desk = Desk(fleet, tmp_path / "desk")
        review = ["echo", "Status=Firmware not compatible with this product"]
        options = desk.options(review=review, version="{{ said }}", host="{{ 'nobody' if inventory_hostname == 'nowhere' else 'desk' }}")
        played = play(artifacts, [fleet.inventory, desk.inventory()], [desk.task(firmware, records, options, accept=["irreversible"])])
        assert fleet.events("tool_open") == [] and desk.left() == []
        serials = [str(item["serial"]) for item in fleet.meters()]
    ends = {name: played.result(name)["reason"] for name in ("other-tool", "not-applicable", "nowhere")}
    assert ends == {"other-tool": "tool_version_mismatch", "not-applicable": "not_applicable", "nowhere": "tool_host_unusable"}
    assert "not compatible" in played.result("not-applicable")["device_text"]
    ledger = open_records(str(records), "test", read_only=True)
    assert [ledger.attempt_history(serial) for serial in serials] == [[], [], []]


@pytest.mark.requirement("R-072", "R-100", "R-101", "R-102", "R-104", "R-105", "R-107", "R-112", "R-115", "G-05", "G-06", "invariant-e")
def test_a_technician_gets_a_folder_and_the_meter_is_asked_later(tmp_path: Path, artifacts: Path) -> None:
    """Manual: folder, checklist, Config.csv; ends handed_over; the next run proves it and takes the passwords away."""
    names = ["done", "forgotten", "awaited"]
    meters = [meter(name, vars={"seconds": 2000 if name == "awaited" else 0}) for name in names]
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    firmware = write_packages(tmp_path / "firmware", wanted=TARGETS[:1])
    with Fleet({"name": "manual", "clock_factor": 200, "meters": meters}, tmp_path) as fleet:
        desk = Desk(fleet, tmp_path / "desk")
        attest = "{'icmp': true, 'same_subnet': true, 'at': none, 'tool_not_started': not_begun | default(false)}"
        base = {"handover_dir": str(desk.base)}
        task = desk.task(firmware, records, base, tool_mode="manual", attest=attest, concurrency=10)
        first = play(artifacts, fleet.inventory, [task], "-l", "done,forgotten")
        assert [first.result(name)["outcome"] for name in names[:2]] == ["handed_over"] * 2 and first.code == 0
        assert fleet.events("trigger_accepted") == []
        place = desk.base / "tool"
        host = fleet.hosts()["done"]["ansible_host"]
        line = (place / "done" / "Config.csv").read_bytes()
        assert line == f"{host},255,user1,{PASSWORD}-w,user2,{PASSWORD}-p".encode(), "R-101, R-102: one line, nothing after it"
        assert all(path.stat().st_mode & 0o077 == 0 for path in [desk.base / "tool", *place.rglob("*")])
        page = html.unescape((place / "checklist.html").read_text(encoding="utf-8"))
        assert PASSWORD not in page and host in page and "Do not" in page and "3.8" in page
        # The technician does one meter, and never starts the other.
        upgrade(desk, place, "done")
        second = play(
            artifacts, fleet.inventory, [{**task, "vars": {"not_begun": "{{ inventory_hostname == 'forgotten' }}"}}], "-l", "done,forgotten"
        )
        assert second.result("done")["outcome"] == "verified" and second.result("done")["after"]["version"] == "4.3.5"
        assert second.result("forgotten")["outcome"] == "handed_over", "handed over once more"
        assert not (place / "done").exists() and (place / "forgotten" / "Config.csv").exists()
        serial = str(fleet.meter("forgotten").state()["serial"])
        awaited = awaiting(artifacts, fleet, desk, place, {**task, "gridops.metering.meter_firmware": with_wait(task)})
    assert awaited["outcome"] == "verified"
    states = [item.state for item in open_records(str(records), "test", read_only=True).attempt_history(serial)]
    assert states == ["not_started", "recorded"], "what was never begun counts for nothing (G-06)"


def with_wait(task: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = dict(task["gridops.metering.meter_firmware"])
    return {**options, "wait": 3000}


def upgrade(desk: Desk, place: Path, name: str) -> None:
    """What a technician does with the tool."""
    (package,) = (place / "package").iterdir()
    words = ["tool", "--version", "3.8", "--config", str(place / name / "Config.csv"), "--package", str(package)]
    words += ["--logs", str(desk.app / "Logs"), "--app-dir", str(desk.app), "--state", str(desk.fleet.state_dir)]
    subprocess.run([*STAND_IN, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)


def awaiting(artifacts: Path, fleet: Fleet, desk: Desk, place: Path, task: dict[str, Any]) -> dict[str, Any]:
    """One run that waits, while the technician works."""
    pause = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(play, artifacts, fleet.inventory, [task], "-l", "awaited")
        while not (place / "awaited" / "Config.csv").exists():
            assert not run.done(), run.result().output[-2000:]
            pause.wait(0.05)
        upgrade(desk, place, "awaited")
        return run.result().result("awaited")
