# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Image transfers to simulated MCS301: every end, schedules, kills at each state, and by real plays a jump host and a mixed campaign."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from dlmskit import (
    ACTS,
    METROLOGY,
    NEW,
    OLD,
    PARTS,
    acts,
    image_file,
    image_name,
    killed,
    mcs,
    records_of,
    upgrade,
    upgrade_all,
    write,
)
from firmwarekit import FIRMWARE, PASSWORD, play
from test_jump_host import jump_inventory
from test_rollout import Site, old

from metersim import packages
from metersim.testing import Fleet


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")


def secrets(fleet: Fleet) -> set[str]:
    """All keys of the fleet, as a log would hold them."""
    return {str(value) for host in fleet.hosts().values() for value in host.get("metering_dlms_keys", {}).values()}


@pytest.fixture
def ledger(artifacts: Path) -> Iterator[Path]:
    path = artifacts / "records.sqlite3"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.requirement(
    "R-214", "R-216", "R-217", "R-218", "R-219", "R-220", "R-221", "R-222", "R-223", "R-224", "R-225", "R-226", "R-227", "R-228",
    "X-04", "X-05", "X-07", "X-08", "F-02", "F-04", "F-05", "F-09", "F-34", "F-35", "invariant-c", "invariant-e", "invariant-g",
)  # fmt: skip
def test_every_end_of_an_image_transfer(tmp_path: Path, ledger: Path) -> None:
    """Check mode first, with keys that have never worked; then twice the same."""
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
    good_ones = [name for name, (outcome, dummy) in wanted.items() if outcome == "verified"]
    with Fleet({"name": "ends", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        fleet.meter("preloaded").action("preload", path=str(image_file(good)), identifier=image_name(good), every=7)
        before = fleet.events()[-1]["seq"]
        checked = upgrade_all(fleet, names, ledger, check=True)
        seen = fleet.events(after=before)
        played = upgrade_all(fleet, names, ledger, campaign="ends")
        again = upgrade_all(fleet, good_ones, ledger, campaign="ends")
        did = {name: acts(fleet, name) for name in names}
        state = {item["name"]: item for item in fleet.meters()}
        events = {name: fleet.meter(name).events() for name in names}
        keys = secrets(fleet)

    assert not [event for event in seen if event["kind"] in (*ACTS, "set", "block") or event.get("mechanism")], (
        "check mode tried a key that had never worked, or wrote"
    )
    assert {name: result["msg"] for name, result in checked.items() if name not in offline and result["outcome"] != "planned"} == {}
    ends = {name: (result["outcome"], result["reason"]) for name, result in played.items()}
    assert ends == wanted, {name: played[name]["msg"] for name in names if ends[name] != wanted[name]}
    for name in offline:
        assert not [event for event in events[name] if event["kind"] in ("connect", "aarq")], name
        assert (checked[name]["outcome"], checked[name]["reason"]) == wanted[name]
    assert not {"violation", "simulator_error"} & {act for name in names for act in did[name]}
    ledger_now = records_of(ledger)
    for name, (outcome, dummy) in wanted.items():
        part, target = ("0", METROLOGY) if name == "metrology" else ("1", NEW)
        assert (state[name]["components"][part]["identifier"] == target) == (outcome == "verified"), name
        attempts = ledger_now.attempt_history(str(state[name]["serial"]))
        assert len(attempts) == did[name].count("activate") and not any(item.open for item in attempts), (name, attempts)
        assert ledger_now.dlms.transfer(str(state[name]["serial"])) is None
        assert outcome != "blocked" or did[name] == [], name
    for name in good_ones:
        assert played[name]["changed"] and played[name]["firmware_state"] == "confirmed"
        assert (again[name]["outcome"], again[name]["changed"]) == ("current", False)
        assert did[name].count("initiate") == (3 if name == "busy" else 1), did[name]
        assert did[name].count("activate") == (2 if name == "power" else 1), did[name]
    assert set(played["unasked"]["needed_accept"]) == {"legally_relevant", "unverified_image"}, "all at once"
    assert played["cut"]["transfer"]["rounds"] > 1
    assert played["preloaded"]["transfer"]["resumed_at"] == 6
    assert len([event for event in events["preloaded"] if event["kind"] == "block"]) == 3, "only the gaps were sent"
    assert not state["disabled"]["image"]["enabled"], "put back at the end"
    assert sum(event["kind"] == "auth_failed" for event in events["wrong-keys"]) == 1, "a refused login is not tried again"
    assert ledger_now.verify_chain("ends").ok and ledger_now.slots_in_use("dlms") == 0
    text = ledger.read_bytes()
    assert not [key for key in keys if key.encode() in text or (len(key) == 32 and bytes.fromhex(key) in text)], "a key is in the ledger"


@pytest.mark.requirement("R-204", "R-205", "R-221", "R-222", "R-228", "X-05", "F-25", "invariant-c", "invariant-g")
def test_staged_scheduled_called_off_and_on_demand(tmp_path: Path, ledger: Path) -> None:
    folder, at, later = write(tmp_path / "firmware", 24_000), in_hours(3), in_hours(5)
    another = {"version": "020500020002", "artifacts": write(tmp_path / "another", 24_000, "020500020002")}
    meters = [mcs("q1", dlms={"transfer": "disabled"}), mcs("q2"), mcs("skewed", faults={"F-25": {"offset": 3600}})]
    found: list[tuple[str, str, bool]] = []
    with Fleet({"name": "window", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        hosts = fleet.hosts()

        def step(name: str = "q1", **options: Any) -> None:
            result = upgrade(hosts, name, ledger, **{"artifacts": folder, **options})
            found.append((result["outcome"], result["reason"], result["changed"]))

        step(activate="never")
        step(activate="never")
        step(activate="never", check=True)
        step(activate="at", activate_at=at)
        step(activate="at", activate_at=at)
        step(activate="at", activate_at=at, check=True)
        step(activate="at", activate_at=later)
        step(**another)
        step(activate="never")
        assert "trigger_accepted" not in [event["kind"] for event in fleet.events()]
        assert not fleet.meter("q1").state()["image"]["enabled"], "put back when the schedule was called off"
        step(**another)
        step("q2", activate="at", activate_at=at)
        assert records_of(ledger).slots_in_use("dlms") == 0, "a meter that waits for its time keeps nobody waiting"
        step("q2")
        step("skewed", activate="at", activate_at=at)
        step("skewed", activate="at", activate_at=in_hours(-1))
        kinds = {name: acts(fleet, name) for name in hosts}
        serial = str(fleet.meter("q1").state()["serial"])
    staged, scheduled, pending = ("staged", "", True), ("scheduled", "", True), ("blocked", "image_pending", False)
    assert found == [
        *(staged, ("staged", "", False), ("staged", "", False)),
        *(scheduled, ("scheduled", "", False), ("scheduled", "", False)),
        *(scheduled, pending, staged, pending, scheduled, ("verified", "", True)),
        *(("blocked", "meter_clock_wrong", False), ("blocked", "activation_time_refused", False)),
    ]
    assert kinds == {
        "q1": ["initiate", "verify", *["schedule"] * 4],
        "q2": ["initiate", "verify", "schedule", "schedule", "activate"],
        "skewed": [],
    }
    assert {item.outcome for item in records_of(ledger).attempt_history(serial)} == {"not_started"}


#: Where a run is killed, and what the meter must have seen at the end.
STATES = ("staging", "initiating", "initiated", "transferring", "checking", "staged", "attempt_recorded", "triggered", "restarting",
          "activated_unconfirmed")  # fmt: skip


@pytest.mark.requirement("R-222", "R-224", "R-226", "X-08", "F-23", "invariant-c", "invariant-d")
def test_kill_9_at_each_state_and_the_rerun_goes_on(tmp_path: Path, ledger: Path) -> None:
    """The image is initiated once and activated once, whatever the state in which nobody could clean up."""
    folder = write(tmp_path / "firmware", 24_000)
    # Its own test takes long there, so that a run on a busy machine sees the meter in the middle of it.
    meters = [mcs(state.replace("_", "-"), dlms={"self_test": 600} if state == "activated_unconfirmed" else {}) for state in STATES]
    with Fleet({"name": "kills", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        hosts = fleet.hosts()
        for state, meter in zip(STATES, meters, strict=True):

            def die(phase: str, percent: int | None, state: str = state) -> bool:
                return phase == state and (state != "transferring" or (percent or 0) >= 40)

            assert killed(hosts, meter["name"], ledger, die, artifacts=folder) == -9, state
        ended = upgrade_all(fleet, [meter["name"] for meter in meters], ledger, artifacts=folder)
        kinds = {name: acts(fleet, name) for name in hosts}
        serials = {item["name"]: str(item["serial"]) for item in fleet.meters()}
    outcomes = {name: result["outcome"] for name, result in ended.items()}
    assert set(outcomes.values()) <= {"verified", "verified_late"}, {name: result["msg"] for name, result in ended.items()}
    for name, seen in kinds.items():
        assert seen.count("initiate") == 1 and seen.count("activate") == 1 and "violation" not in seen, (name, seen)
        history = [item for item in records_of(ledger).attempt_history(serials[name]) if item.state != "not_started"]
        assert len(history) == 1 and history[0].outcome in ("verified", "verified_late"), (name, history)
    assert ended["transferring"]["transfer"]["resumed_at"] > 0


def task(records: Path, **more: Any) -> dict[str, Any]:
    """A task for a real play."""
    return {FIRMWARE: {"version": NEW, "records": str(records), "concurrency": 10, "on_failure": "record", **more}}


@pytest.mark.requirement("R-204", "R-221", "R-222", "R-226", "R-228", "X-08", "F-04", "invariant-e", "invariant-g")
def test_a_large_image_with_drops_scheduled_activated_and_proven(tmp_path: Path, ledger: Path, artifacts: Path) -> None:
    """512 KiB over HLS with two drops and lost blocks, by plays as a person runs them."""
    folder, at = write(tmp_path / "firmware", 512 * 1024), in_hours(3)
    meters = [mcs("big", faults={"F-04": {"after": 100, "times": 2}, "lose_blocks": {"every": 50}})]
    with Fleet({"name": "large", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        scheduled = task(ledger, artifacts=folder, activate="at", activate_at=at)
        first = play(artifacts, fleet.inventory, [scheduled], "--diff")
        fleet.meter("big").action("advance_clock", seconds=3 * 3600 + 5)
        fleet.meter("big").wait("upgrade_done")
        second = play(artifacts, fleet.inventory, [scheduled, scheduled, {**scheduled, "check_mode": True}])
        kinds, keys = acts(fleet, "big"), secrets(fleet)
        blocks = [event for event in fleet.meter("big").events() if event["kind"] == "block"]
        serial = str(fleet.meter("big").state()["serial"])
    began = first.result("big")
    assert (began["outcome"], began["changed"], began["firmware_state"]) == ("scheduled", True, "scheduled"), began["msg"]
    assert began["transfer"]["blocks"] == 512 and 512 < len(blocks) < 560
    ends = [(second.result("big", number)["outcome"], second.result("big", number)["changed"]) for number in range(3)]
    assert ends == [("verified", False), ("current", False), ("current", False)]
    assert second.result("big", 0)["firmware_state"] == "confirmed" and second.result("big", 0)["after"]["version"] == NEW
    assert kinds == ["initiate", "verify", "schedule", "activate"]
    assert [item.outcome for item in records_of(ledger).attempt_history(serial)] == ["verified"]
    assert not [key for key in keys if key.lower() in (first.output + second.output).lower()], "a key was printed"


@pytest.mark.requirement("R-006", "R-109", "R-221", "G-18", "invariant-g", "invariant-h")
def test_a_mixed_campaign_has_one_plan_and_one_report(tmp_path: Path, artifacts: Path) -> None:
    newer = mcs("q3", firmware={**PARTS, 1: NEW})
    meters = [old("p1"), mcs("q1", vars={"metering_activate": "now"}), mcs("q2"), newer, old("p2", firmware="2.9.9")]
    folder = tmp_path / "firmware"
    packages.write(folder, [("PM5560", "2.9.9")], 60_000)
    write(folder, 24_000)
    attest = {"power_source": "uninterrupted", "critical_control": False, "management_zone": "laboratory"}
    accounts = {"product_master": {"user": "user2", "password": PASSWORD}}
    spec = {"name": "mixed", "clock_factor": 120, "defaults": {"accounts": accounts, "attest": attest}, "meters": meters}
    with Fleet(spec, tmp_path) as fleet:
        site = Site(fleet, artifacts)
        campaign = {
            "campaign": "mixed",
            "reason": {"kind": "enhancement"},
            "targets": {"PM5560": "2.9.9", "MCS301": {"version": NEW, "component": 1}},
            "concurrency": 2,
            "batches": [2],
            "activate": "never",
        }
        (tmp_path / "campaign.yml").write_text(yaml.safe_dump(campaign), encoding="utf-8")
        run = site.run(
            "upgrade", metering_artifacts=str(folder), metering_targets={}, metering_campaign_file=str(tmp_path / "campaign.yml")
        )
        assert site.outcomes() == {"p1": "verified", "q1": "verified", "q2": "staged", "q3": "current", "p2": "current"}, run.output
        assert run.code == 0 and "violation" not in {event["kind"] for event in fleet.events()}
        plan = json.loads((site.report / "plan.json").read_text(encoding="utf-8"))
        report = json.loads((site.report / "report.json").read_text(encoding="utf-8"))
        state = {item["name"]: item["firmware"] for item in fleet.meters()}
    passes = [(one["method"], [batch["meters"] for batch in one["batches"]]) for one in plan["passes"]]
    assert passes == [("ftp", [["p1"]]), ("dlms", [["q1", "q2"]])]
    rows = {row["host"]: row for row in plan["meters"]}
    assert rows["q1"]["hops"][0]["row"] == "M-1" and rows["q1"]["component"] == 1 and rows["q1"]["version"] == OLD
    times = plan["estimate"]["by_method"]["dlms"]
    slowest = 24 * 0.5 + 3 * 600 + 20
    assert times["at_most_seconds"] == round(slowest) > times["at_least_seconds"] > 0, "24 blocks of the size that the meter tells"
    assert report["outcomes"]["q1"]["detail"]["after"]["version"] == NEW and (state["p1"], state["q1"], state["q2"]) == ("2.9.9", NEW, OLD)


@pytest.mark.requirement("R-226", "X-08", "F-02", "F-04", "F-34", "invariant-c")
def test_step_by_step_as_on_a_jump_host_is_the_same(tmp_path: Path, ledger: Path) -> None:
    """Every call knows only what was sealed into it, counters among it; a counter is never used twice."""
    folder, there = write(tmp_path / "firmware", 96_000), tmp_path / "there"
    there.mkdir()
    meters = [mcs("far", faults={"F-02": {}, "F-04": {"after": 30}, "lose_blocks": {"every": 11}}, dlms={"block_size": 450}), mcs("killed")]
    with Fleet({"name": "steps", "clock_factor": 100, "meters": meters}, tmp_path) as fleet:
        hosts = fleet.hosts()
        result = upgrade(hosts, "far", ledger, artifacts=folder, there=there)
        again = upgrade(hosts, "far", ledger, artifacts=folder, there=there)
        assert list(there.iterdir()) == []

        def die(phase: str, percent: int | None) -> bool:
            return phase == "transferring"

        assert killed(hosts, "killed", ledger, die, artifacts=folder, there=there) == -9
        resumed = upgrade(hosts, "killed", ledger, artifacts=folder)  # the next one without a jump host
        kinds = {name: acts(fleet, name) for name in hosts}
        refused = fleet.events("counter_refused")
    assert (result["outcome"], result["firmware_state"], result["changed"]) == ("verified", "confirmed", True), result["msg"]
    assert (again["outcome"], again["changed"]) == ("current", False)
    assert kinds["far"] == ["initiate", "verify", "activate", "activate"] and refused == []
    assert resumed["outcome"] == "verified" and kinds["killed"] == ["initiate", "verify", "activate"], resumed["msg"]


@pytest.mark.requirement("R-226", "X-08", "invariant-e")
@pytest.mark.needs_debian("openssh-server", "openssh-client")
def test_a_jump_host_gets_counters_and_the_image_and_keeps_neither(jump_host: Any, tmp_path: Path, ledger: Path, artifacts: Path) -> None:
    folder = write(tmp_path / "firmware", 24_000)
    jumps = jump_inventory(tmp_path / "inventory-jumps.yml", jump={**jump_host.variables, "ansible_pipelining": True})
    with Fleet({"name": "jump", "clock_factor": 40, "meters": [mcs("far")]}, tmp_path) as fleet:
        far = {**task(ledger, artifacts=folder, activate="never"), "delegate_to": "jump"}
        played = play(artifacts, [fleet.inventory, jumps], [far], "-vvv", hosts="far")
        kinds, keys = acts(fleet, "far"), secrets(fleet)
        refused = fleet.meter("far").events("counter_refused")
    result = played.result("far")
    assert (result["outcome"], result["firmware_state"], result["changed"]) == ("staged", "checked", True), result["msg"]
    assert kinds == ["initiate", "verify"] and refused == [] and "ESTABLISH SSH CONNECTION" in played.output
    assert not list((jump_host.folder / "remote").rglob("*.image"))
    assert not [key for key in keys if key.lower() in played.output.lower()], "a key was printed"
