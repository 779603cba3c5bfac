# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Image transfers to simulated MCS301 with real plays: drops, lost blocks, schedules, refusals, a jump host, a mixed campaign."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import FIRMWARE, PASSWORD, Played, play
from test_jump_host import jump_inventory
from test_rollout import Site, old

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import Records, open_records
from metersim import packages
from metersim.testing import Fleet

OLD, NEW, METROLOGY = "020500010007", "020500020001", "010200040001"
PARTS = {0: "010200030001", 1: OLD, 2: "030100000004"}
LLS = f"{PASSWORD}-lls"
#: Less to watch than with a real meter, which takes minutes; meter seconds.
BRISK = {"verify_time": 3, "silence": 15, "self_test": 5}
ACTS = ("initiate", "verify", "schedule", "activate", "violation", "simulator_error")


def mcs(name: str, **more: Any) -> dict[str, Any]:
    """An MCS301 with a planted password."""
    dlms = {"keys": {"lls": LLS}, **BRISK, **more.pop("dlms", {})}
    return {"name": name, "model": "MCS301", "firmware": PARTS, "dlms": dlms, **more}


def write(folder: Path, size: int, version: str = NEW, *, corrupt: str | None = None, **dlms: Any) -> str:
    """A folder of its own with one image; what of it the meter's public key must fit is the simulator's fiction."""
    packages.write(
        folder, [("MCS301", version)], size, corrupt, ("dlms",), dlms={"component": 1, "build": "", "stated": "detached", **dlms}
    )
    return str(folder)


def acts(fleet: Fleet, name: str) -> list[str]:
    """What the meter was made to do; reading it is a matter of pace."""
    return [event["kind"] for event in fleet.meter(name).events() if event["kind"] in ACTS]


def task(records: Path, **more: Any) -> dict[str, Any]:
    """A task whose image and options come from the meter's own variables."""
    options: dict[str, Any] = {"version": NEW, "records": str(records), "concurrency": 10, "on_failure": "record", **more}
    return {FIRMWARE: {name: value for name, value in options.items() if value is not None}}


def secrets(fleet: Fleet) -> set[str]:
    """All keys of the fleet, as a log would hold them."""
    hosts = fleet.hosts().values()
    return {str(value) for host in hosts for value in host.get("metering_dlms_keys", {}).values()}


def ends(played: Played, number: int) -> dict[str, tuple[str, str]]:
    return {name: (result["outcome"], result["reason"]) for name, result in played.results[number].items()}


@pytest.fixture
def ledger(artifacts: Path) -> Iterator[Path]:
    path = artifacts / "records.sqlite3"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


def records_of(path: Path) -> Records:
    return open_records(str(path), "tester", read_only=True)


@pytest.mark.requirement(
    "R-214", "R-216", "R-217", "R-218", "R-219", "R-220", "R-221", "R-222", "R-223", "R-224", "R-225", "R-226", "R-227", "R-228",
    "X-04", "X-05", "X-07", "X-08", "F-02", "F-04", "F-05", "F-09", "F-34", "F-35", "invariant-c", "invariant-e", "invariant-g",
)  # fmt: skip
def test_every_end_of_an_image_transfer(tmp_path: Path, ledger: Path, artifacts: Path) -> None:
    """Check mode first, with keys that have never worked; then twice the same play."""
    good = write(tmp_path / "good", 24_000)
    folders = {
        "unsigned": write(tmp_path / "unsigned", 24_000, stated="none"),
        "wrong-curve": write(tmp_path / "curve", 24_000, stated="wrong_curve"),
        "wrong-key": write(tmp_path / "key", 24_000, stated="wrong_key"),
        "spoilt": write(tmp_path / "spoilt", 24_000, corrupt="unsigned"),
        "metrology": write(tmp_path / "metrology", 24_000, METROLOGY, component=0, stated="embedded_opaque"),
        "unasked": str(tmp_path / "metrology"),
    }
    given: dict[str, dict[str, Any]] = {
        "plain": {},
        "cut": {"faults": {"F-04": {"after": 7, "times": 2}, "lose_blocks": {"every": 5}, "F-05": {"seconds": 0.001}}},
        "busy": {"faults": {"F-35": {"seconds": 60}, "initiate_busy": {"times": 2}, "block_busy": {"every": 7, "times": 2}}},
        "power": {"faults": {"F-02": {}}},
        "fallback": {"faults": {"activation_failure": {}}},
        "disabled": {"dlms": {"transfer": "disabled", "block_size": 4096}},
        "too-large": {"dlms": {"block_size": 4096, "block_transfer": False}},
        "fixed": {"dlms": {"transfer": "fixed"}},
        "preloaded": {"vars": {"metering_fill_gaps": True}},
        "in-clear": {
            "dlms": {"access": {"authentication": "lls", "protection": "none"}},
            "vars": {"metering_accept": ["cleartext_management"]},
        },
        "wrong-keys": {"vars": {"metering_dlms_keys": {"guek": "5e" * 16, "gak": "a7" * 16}}},
        "metrology": {"vars": {"metering_accept": ["legally_relevant", "unverified_image"], "metering_version": METROLOGY}},
        "unasked": {"vars": {"metering_version": METROLOGY}},
    }
    names = [*given, *(name for name in folders if name not in given)]
    wanted = {
        **dict.fromkeys(names, ("verified", "")),
        "fallback": ("failed_final", "activation_failed_fallback"),
        "too-large": ("blocked", "image_block_too_large"),
        "fixed": ("blocked", "image_transfer_disabled"),
        "wrong-keys": ("blocked", "dlms_auth_failed"),
        "unsigned": ("blocked", "image_unsigned"),
        "wrong-curve": ("blocked", "signature_algorithm_not_allowed"),
        "wrong-key": ("blocked", "image_signature_invalid"),
        "spoilt": ("failed_final", "image_verification_failed"),
        "unasked": ("blocked", "legally_relevant_not_accepted"),
    }
    offline = {"unsigned", "wrong-curve", "wrong-key"}  # F-09: before the first packet
    meters = []
    for name in names:
        own = dict(given.get(name, {}))
        own["vars"] = {"metering_artifacts": folders.get(name, good), "metering_version": NEW, **own.get("vars", {})}
        meters.append(mcs(name, **own))
    ask = {FIRMWARE: {"records": str(ledger), "concurrency": 10, "on_failure": "record", "campaign": "ends"}}
    with Fleet({"name": "ends", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        fleet.meter("preloaded").action("preload", path=str(image_file(good)), identifier=image_name(good), every=7)
        before = fleet.events()[-1]["seq"]
        checked = play(artifacts, fleet.inventory, [ask], "--check", "--diff")
        seen = fleet.events(after=before)
        assert not [event for event in seen if event["kind"] in (*ACTS, "set", "block") or event.get("mechanism")], (
            "check mode tried a key that had never worked, or wrote"
        )
        played = play(artifacts, fleet.inventory, [ask, {**ask, "when": "task_0.outcome == 'verified'"}])
        did = {name: acts(fleet, name) for name in names}
        state = {item["name"]: item for item in fleet.meters()}
        serials = {name: str(item["serial"]) for name, item in state.items()}
        keys = secrets(fleet)
        last = {name: fleet.meter(name).events() for name in names}

    assert ends(played, 0) == wanted, {name: played.result(name, 0)["msg"] for name in names if ends(played, 0)[name] != wanted[name]}
    for name in offline:
        assert not [event for event in last[name] if event["kind"] in ("connect", "aarq")], name
        assert ends(checked, 0)[name] == wanted[name]
    assert {end for name, (end, dummy) in ends(checked, 0).items() if name not in offline} == {"planned"}
    assert not [event for name in names for event in last[name] if event["kind"] in ("violation", "simulator_error")]
    for name, (outcome, dummy) in wanted.items():
        result = played.result(name, 0)
        part, target = ("0", METROLOGY) if name == "metrology" else ("1", NEW)
        runs = state[name]["components"][part]["identifier"]
        assert (runs == target) == (outcome == "verified"), name
        if outcome == "verified":
            assert result["changed"] and result["firmware_state"] == "confirmed" and result["after"]["serial"] == serials[name]
            assert (played.result(name, 1)["outcome"], played.result(name, 1)["changed"]) == ("current", False)
            assert did[name].count("initiate") == (3 if name == "busy" else 1), did[name]
            assert did[name].count("activate") == (2 if name == "power" else 1), did[name]
        elif outcome == "blocked":
            assert did[name] == [], name
    assert set(played.result("unasked", 0)["needed_accept"]) == {"legally_relevant", "unverified_image"}, "all at once"
    ledger_now = records_of(ledger)
    for name in names:
        attempts = ledger_now.attempt_history(serials[name])
        assert len(attempts) == did[name].count("activate"), (name, attempts)
        assert not any(item.open for item in attempts) and ledger_now.dlms.transfer(serials[name]) is None
    assert played.result("cut", 0)["transfer"]["rounds"] > 1
    assert played.result("preloaded", 0)["transfer"]["resumed_at"] == 6 and did["preloaded"].count("initiate") == 1
    assert len([event for event in last["preloaded"] if event["kind"] == "block"]) == 3, "only the gaps were sent"
    assert not state["disabled"]["image"]["enabled"], "put back at the end"
    assert sum(event["kind"] == "auth_failed" for event in last["wrong-keys"]) == 2, "once for each task that reads it"
    outputs = (checked.output + played.output).lower()
    assert not [key for key in keys if key.lower() in outputs], "a key was printed"
    assert ledger_now.verify_chain("ends").ok and ledger_now.slots_in_use("dlms") == 0
    text = ledger.read_bytes()
    assert not [key for key in keys if key.encode() in text or (len(key) == 32 and bytes.fromhex(key) in text)], "a key is in the ledger"


def package_of(folder: str) -> dict[str, Any]:
    """The one package of a folder, as its manifest says it."""
    (package,) = yaml.safe_load((Path(folder) / "firmware.yml").read_text(encoding="utf-8"))["packages"]
    return dict(package)


def image_name(folder: str) -> str:
    """The identifier of the image container, in hexadecimal digits."""
    stated = str(package_of(folder)["image_identifier"])
    return stated.removeprefix("hex:") if stated.startswith("hex:") else stated.encode().hex()


def image_file(folder: str) -> Path:
    (item,) = (item for item in package_of(folder)["files"] if item["role"] == "image")
    return Path(folder) / item.get("path", ".") / item["name"]


@pytest.mark.requirement("R-204", "R-205", "R-221", "R-222", "R-226", "R-228", "X-05", "X-08", "F-04", "F-25", "invariant-c", "invariant-g")
def test_a_large_image_with_drops_scheduled_activated_and_proven(tmp_path: Path, ledger: Path, artifacts: Path) -> None:
    """512 KiB, two drops, lost blocks; staged first, then scheduled, called off, scheduled again, and proven after its time."""
    folder, window = write(tmp_path / "firmware", 512 * 1024), datetime.now(UTC) + timedelta(hours=3)
    at = window.isoformat(timespec="seconds")
    fault = {"F-04": {"after": 100, "times": 2}, "lose_blocks": {"every": 50}}
    meters = [mcs("big", faults=fault), mcs("skewed", faults={"F-25": {"offset": 3600}})]
    scheduled = {"activate": "at", "activate_at": at}
    with Fleet({"name": "window", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        tasks = [
            task(ledger, artifacts=folder, activate="never"),
            task(ledger, artifacts=folder, **scheduled),
            task(ledger, artifacts=folder, **scheduled),
            {**task(ledger, artifacts=folder, **scheduled), "check_mode": True},
            task(ledger, artifacts=folder, activate="never"),
            task(ledger, artifacts=folder, **scheduled),
        ]
        first = play(artifacts, fleet.inventory, tasks)
        assert acts(fleet, "skewed") == ["initiate", "verify"], "the meter's clock is compared before anything is scheduled"
        assert "trigger_accepted" not in [event["kind"] for event in fleet.events()]
        serial = str(fleet.meter("big").state()["serial"])
        assert records_of(ledger).slots_in_use("dlms") == 0, "a meter that waits for its time keeps nobody waiting"
        fleet.meter("big").action("advance_clock", seconds=3 * 3600 + 5)
        fleet.meter("big").wait("upgrade_done")
        again = task(ledger, artifacts=folder, **scheduled)
        second = play(artifacts, fleet.inventory, [again, again, {**again, "check_mode": True}], "-l", "big")
        kinds = acts(fleet, "big")
        blocks = [event for event in fleet.meter("big").events() if event["kind"] == "block"]

    outcomes = [(first.result("big", number)["outcome"], first.result("big", number)["changed"]) for number in range(6)]
    waits = [("scheduled", True), ("scheduled", False), ("scheduled", False)]
    assert outcomes == [("staged", True), *waits, ("staged", True), ("scheduled", True)]
    assert first.result("big", 0)["transfer"]["blocks"] == 512 and len(blocks) < 560
    assert [first.result("skewed", number)["reason"] for number in (0, 1)] == ["", "meter_clock_wrong"]
    found = [(second.result("big", number)["outcome"], second.result("big", number)["changed"]) for number in range(3)]
    assert found == [("verified", False), ("current", False), ("current", False)]
    assert second.result("big", 0)["firmware_state"] == "confirmed" and second.result("big", 0)["after"]["version"] == NEW
    assert kinds == ["initiate", "verify", "schedule", "schedule", "schedule", "activate"]
    states = [(item.state, item.outcome) for item in records_of(ledger).attempt_history(serial)]
    assert states == [("not_started", ""), ("ended", "verified")] or [outcome for dummy, outcome in states] == ["", "verified"], states


@pytest.mark.requirement("R-006", "R-109", "R-221", "G-18", "invariant-g", "invariant-h")
def test_a_mixed_campaign_has_one_plan_and_one_report(tmp_path: Path, artifacts: Path) -> None:
    meters = [
        old("p1"),
        mcs("q1"),
        mcs("q2", vars={"metering_activate": "never"}),
        mcs("q3", firmware={**PARTS, 1: NEW}),
        old("p2", firmware="2.9.9"),
    ]
    folder = tmp_path / "firmware"
    packages.write(folder, [("PM5560", "2.9.9")], 60_000)
    write(folder, 24_000)
    attest = {"power_source": "uninterrupted", "critical_control": False, "management_zone": "laboratory"}
    accounts = {"product_master": {"user": "user2", "password": PASSWORD}}
    spec = {"name": "mixed", "clock_factor": 120, "defaults": {"accounts": accounts, "attest": attest}, "meters": meters}
    with Fleet(spec, tmp_path) as fleet:
        site = Site(fleet, artifacts)
        variables = {
            "metering_artifacts": str(folder),
            "metering_targets": {"PM5560": "2.9.9", "MCS301": {"version": NEW, "component": 1}},
            "metering_concurrency": 2,
            "metering_rollout_batches": [2],
            "metering_campaign": "mixed",
        }
        run = site.run("upgrade", **variables)
        assert site.outcomes() == {"p1": "verified", "q1": "verified", "q2": "staged", "q3": "current", "p2": "current"}, run.output
        assert run.code == 0 and "violation" not in {event["kind"] for event in fleet.events()}
        plan = json.loads((site.report / "plan.json").read_text(encoding="utf-8"))
        report = json.loads((site.report / "report.json").read_text(encoding="utf-8"))
        state = {item["name"]: item["firmware"] for item in fleet.meters()}
    assert [(one["method"], [batch["meters"] for batch in one["batches"]]) for one in plan["passes"]] == [
        ("ftp", [["p1"]]),
        ("dlms", [["q1", "q2"]]),
    ]
    rows = {row["host"]: row for row in plan["meters"]}
    assert rows["q1"]["hops"][0]["row"] == "M-1" and rows["q1"]["component"] == 1 and rows["q1"]["version"] == OLD
    assert plan["estimate"]["by_method"]["dlms"]["at_most_seconds"] > plan["estimate"]["by_method"]["dlms"]["at_least_seconds"] > 0
    assert report["outcomes"]["q1"]["detail"]["after"]["version"] == NEW and (state["p1"], state["q1"], state["q2"]) == ("2.9.9", NEW, OLD)


@pytest.fixture
def control() -> Iterator[Path]:
    """A folder with a short name for ssh's shared connections."""
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.requirement("R-226", "X-08", "F-04", "F-09", "invariant-c", "invariant-e")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_jump_host_gets_counters_and_the_image_and_keeps_neither(
    jump_host: Any, control: Path, tmp_path: Path, ledger: Path, artifacts: Path
) -> None:
    folder = write(tmp_path / "firmware", 48_000)
    jumps = jump_inventory(tmp_path / "inventory-jumps.yml", control, jump={**jump_host.variables, "ansible_pipelining": True})
    meters = [
        mcs("far", faults={"F-04": {"after": 9}, "lose_blocks": {"every": 11}}),
        mcs("spoilt", vars={"metering_dlms_keys": {"guek": "0" * 31 + "1"}}),
    ]
    with Fleet(
        {"name": "jump", "clock_factor": 20, "defaults": {"dlms": {"silence": 20, "self_test": 5}}, "meters": meters}, tmp_path
    ) as fleet:
        far = {**task(ledger, artifacts=folder), "delegate_to": "jump"}
        played = play(artifacts, [fleet.inventory, jumps], [far, far], "-l", "far,jump", "-vvv", hosts="far")
        kinds, keys = acts(fleet, "far"), secrets(fleet)
        refused = fleet.meter("far").events("counter_refused")
        serial = str(fleet.meter("far").state()["serial"])
    assert ends(played, 0) == {"far": ("verified", "")}, played.result("far", 0)["msg"]
    assert (played.result("far", 1)["outcome"], played.result("far", 1)["changed"]) == ("current", False)
    assert kinds == ["initiate", "verify", "activate"] and refused == []
    assert not [path for path in (jump_host.folder / "remote").rglob("*.image")]
    assert not [key for key in keys if key.lower() in played.output.lower()], "a key was printed"
    assert [item.outcome for item in records_of(ledger).attempt_history(serial)] == ["verified"]
