# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""meter_firmware by the stand-in of ION Setup; the meters are the witness of version, template, energies, mode and users."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
from firmwarekit import play
from ionkit import NUMBER, Desk, advanced, meter, write_packages
from test_campaign import report
from test_rollout import Site

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from metersim.testing import Fleet

MODELS = ("ION9000", "PM8000", "ION7400")
PACKAGES = [(model, version) for model in MODELS for version in ("3.0.0", "4.0.0")]
BARE = [("ION9000T", "3.0.0")]

# Meters of every starting mode; the playbook takes the first two over both hops, here the last one goes on.
GOOD: dict[str, dict[str, Any]] = {
    "standard": meter("standard"),
    "advanced": meter("advanced", "PM8000", "2.1.0", hep=advanced()),
    # What the account is after the first hop is in no document: the simulated meter takes the factory's.
    "none": meter(
        "none", "ION7400", "2.1.0", "4.0.0", hep={"mode": "none"}, vars={"metering_credentials": {"admin": {"user": "", "password": "0"}}}
    ),
}
ENDS = {"standard": "legacy_support", "advanced": "advanced", "none": "legacy_support"}
LOST = "upgraded_unconfigured"
BAD: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "too-old": (meter("too-old", version="2.0.3"), ("blocked", "source_below_minimum")),
    "down": (meter("down", version="3.1.0"), ("blocked", "downgrade_forbidden")),
    "old-setup": (meter("old-setup", vars={"installed": "3.2.20217.99"}), ("blocked", "engine_too_old")),
    "no-version": (meter("no-version", vars={"said": ""}), ("blocked", "engine_too_old")),
    "lied": (meter("lied", vars={"said": "3.2.22341.01", "installed": "3.2.19000.01"}), ("failed_final", "engine_too_old")),
    "bare": (
        meter("bare", "ION9000T", vars={"said": "3.2.22341.01", "installed": "3.2.19000.01", "words": ["bare_upx"]}),
        (LOST, "register_data_loss"),
    ),
    "bare-word": (meter("bare-word", "ION9000T"), ("blocked", "artifact_unverifiable_min_version")),
    "lost": (meter("lost", faults={"F-17": {}}), (LOST, "register_data_loss")),
    "other-mode": (meter("other-mode", faults={"F-29": {"mode": "advanced"}}), (LOST, "post_security_mode_unexpected")),
    "locked": (meter("locked", hep={"revenue_lock": True}), ("blocked", "revenue_locked")),
    "closed": (meter("closed", hep={"settings": {"ion": False}}), ("blocked", "ion_port_closed")),
    "letters": (meter("letters", version="3.0.0", target="4.0.0", hep={"password": "Abc-12"}), ("blocked", "lss_alphanumeric_password")),
    "wrong": (
        meter("wrong", vars={"metering_credentials": {"admin": {"user": "", "password": "11112222"}}}),
        ("failed_final", "tool_login_refused"),
    ),
    "gateway": (
        meter("gateway", hep={"gateway": "hep"}, vars={"way": "ion_over_modbus", "between": "ION9000", "words": ["gateway"]}),
        ("failed_final", "transport_failed"),
    ),
    "gateway-word": (meter("gateway-word", vars={"way": "ion_over_modbus", "between": "PM8240"}), ("blocked", "gateway_not_suitable")),
    "serial-word": (meter("serial-word", vars={"way": "serial"}), ("blocked", "serial_transport_not_recommended")),
    "pme": (meter("pme", vars={"metering_consumers": ["pme"]}), ("blocked", "consumers_not_reviewed")),
}


def ended(result: dict[str, Any]) -> tuple[str, str]:
    """Outcome and reason; on a busy machine 40 seconds of silence (0.2 real ones) may look longer, or not be seen at all."""
    late, unseen = result["outcome"] == "verified_late", result["reason"] == "restart_not_observed"
    return ("verified" if late else result["outcome"]), ("" if unseen else result["reason"])


def options(desk: Desk) -> dict[str, Any]:
    return desk.options(transport="{{ way | default('ethernet') }}", gateway_model="{{ between | default(omit) }}")


@pytest.mark.requirement(
    "R-163", "R-164", "R-166", "R-167", "R-168", "R-169", "R-170", "R-171", "R-172", "R-173", "R-175", "R-177", "R-178", "R-179", "R-185",
    "R-189", "R-245", "R-252", "R-253", "R-256", "G-11", "G-13", "G-19", "X-12", "F-17", "F-29", "F-33", "invariant-c", "invariant-e",
)  # fmt: skip
def test_ion_setup_upgrades_and_the_meter_is_compared(tmp_path: Path, artifacts: Path) -> None:
    """Check mode, two hops from each starting mode and again; every loss, every precheck, and what the stand-in refuses."""
    spec = {"name": "ion", "clock_factor": 200, "meters": [*GOOD.values(), *(item for item, dummy in BAD.values())]}
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    firmware = write_packages(tmp_path / "firmware", PACKAGES)
    write_packages(firmware, BARE, "--bare", minimum="3.2.20218.01")
    with Fleet(spec, tmp_path) as fleet:
        desk = Desk(fleet, tmp_path / "desk")
        desk.logs = artifacts / "logs"
        timing = {"clock_factor": 200, "lease_wait": 50_000}
        accept = "{{ ['irreversible'] + words | default([]) }}"
        task = desk.task(firmware, records, options(desk), accept=accept, concurrency=10, timing=timing)
        again = {**task, "when": "task_1.outcome is match('verified')"}
        before = {item["name"]: item for item in fleet.meters()}
        inventories = [fleet.inventory, desk.inventory()]
        looked = {**task, "check_mode": True, "when": f"inventory_hostname in {list(GOOD)}"}
        played = play(artifacts, inventories, [looked, task, again])
        state = {item["name"]: item for item in fleet.meters()}
        events = {name: fleet.meter(name).events() for name in state}
        assert fleet.events("violation") == [] and fleet.failed_logins() == {"wrong": 1}
        left = desk.left()
    found = {name: ended(played.result(name, 1)) for name in state}
    assert found == {**dict.fromkeys(GOOD, ("verified", "")), **{name: end for name, (dummy, end) in BAD.items()}}
    for name, mode in ENDS.items():
        first, second = (played.result(name, number) for number in (1, 2))
        assert ended(second)[0] == ("verified" if name == "none" else "current"), second["msg"]
        assert (state[name]["firmware"], state[name]["mode"]) == ("4.0.0" if name == "none" else "3.0.0", mode)
        assert (state[name]["template"], state[name]["energies"]) == (before[name]["template"], before[name]["energies"])
        checked = played.result(name, 0)
        plan = checked["plan"]["security"]
        assert checked["outcome"] == "planned"
        assert plan["mode"] == ("unknown" if name == "none" else mode), "the plan states it beforehand"
        assert first["after"]["security_mode"] == mode and first["after"]["review"] is (name == "none")
    assert played.result("standard", 0)["plan"]["security"]["users_removed"] is True
    assert [user["name"] for user in state["standard"]["users"]] == ["USER1"] and len(state["advanced"]["users"]) == 2
    ledger = open_records(str(records), "test", read_only=True)
    for name, (outcome, dummy_reason) in found.items():
        begun = [event for event in events[name] if event["kind"] == "upgrade_begin"]
        tried = len(ledger.attempt_history(str(state[name]["serial"])))
        assert len(begun) <= tried == (0 if outcome == "blocked" else 2 if name == "none" else 1), name
    assert played.result("bare", 1)["detail"]["configuration"]["changes"] and "power cycle" in played.result("bare", 1)["recovery"]
    assert left == [], "nothing stays on the tool's computer"
    kept = [path for path in desk.logs.rglob("*") if path.is_file()]
    assert any(path.name.startswith("before-") for path in kept)
    for path in [*kept, *artifacts.glob("*.txt"), records]:
        assert NUMBER.encode() not in path.read_bytes(), path.name


@pytest.mark.requirement("R-163", "R-173", "R-189", "R-252", "R-253", "X-12", "F-17", "F-29", "G-11", "invariant-g", "invariant-h")
def test_one_plan_takes_a_meter_over_both_hops(tmp_path: Path, artifacts: Path) -> None:
    """The rollout playbook: two passes by one method, security in the plan, a review after an unknown mode, a loss that ends the campaign."""
    meters = [
        meter("a1", version="2.1.0"),
        meter("a2", "PM8000", "2.1.0", hep=advanced()),
        meter("b1", "ION7400", "3.1.0"),
        *(meter(name, "ION9000T", "2.4.1") for name in ("t1", "t2")),
    ]
    with Fleet({"name": "plan", "clock_factor": 200, "meters": meters}, tmp_path) as fleet:
        site, desk = Site(fleet, artifacts), Desk(fleet, tmp_path / "desk")
        firmware = write_packages(tmp_path / "firmware", PACKAGES)
        given: dict[str, Any] = {
            "metering_artifacts": str(firmware),
            "metering_accept": ["irreversible"],
            "metering_attest": {"critical_control": False},
            "metering_rollout_batches": [3],
            "metering_concurrency": 3,
            "metering_tool_mode": "command",
            "metering_ion": desk.options(setup_version="3.2.22341.01", command=desk.command()),
            "metering_security_profile": "hep-registers",
            "metering_targets": dict.fromkeys(MODELS, "4.0.0"),
        }
        inventory = ("-i", str(desk.inventory()))
        run = site.run("upgrade", *inventory, "-l", "a1,a2,b1,desk", **given)
        assert set(site.outcomes().values()) <= {"verified", "verified_late"}, run.output
        assert run.code == 0
        plan = json.loads((site.report / "plan.json").read_text(encoding="utf-8"))
        assert [(one["pass"], one["batches"][0]["meters"]) for one in plan["passes"]] == [
            ("ion", ["a1", "a2", "b1"]),
            ("ion_2", ["a1", "a2"]),
        ]
        assert "security standard to legacy_support, all users deleted (a1)" in (site.report / "plan.md").read_text(encoding="utf-8")
        found = {name: [(hop["row"], hop["target"]) for hop in hops] for name, hops in report(site)["hops"].items()}
        assert found == {"a1": [("H-1", "3.0.0"), ("H-2", "4.0.0")], "a2": [("H-1", "3.0.0"), ("H-2", "4.0.0")], "b1": [("H-2", "4.0.0")]}
        assert {item["name"]: (item["firmware"], item["mode"]) for item in fleet.meters() if item["firmware"] == "4.0.0"} == {
            "a1": ("4.0.0", "legacy_support"),
            "a2": ("4.0.0", "advanced"),
            "b1": ("4.0.0", "legacy_support"),
        }
        # A bare image with an ION Setup that is older than it was said to be: the meter is new and empty, and nothing more is started.
        firmware = write_packages(tmp_path / "bare", [("ION9000T", "3.0.0")], "--bare", minimum="3.2.20218.01")
        old = desk.options(
            setup_version="3.2.20218.01",
            command=[word.replace("{{ installed", "{{ '3.2.19000.01' if true else installed") for word in desk.command()],
        )
        run = site.run(
            "upgrade",
            *inventory,
            "-l",
            "t1,t2,desk",
            **{
                **given,
                "metering_artifacts": str(firmware),
                "metering_ion": old,
                "metering_accept": ["irreversible", "bare_upx"],
                "metering_targets": {"ION9000T": "3.0.0"},
                "metering_rollout_batches": [1],
            },
        )
        assert site.outcomes() == {"t1": LOST, "t2": "skipped_by_abort"} and run.code != 0, run.output
        assert report(site)["gate"]["action"] == "abort"
        assert fleet.meter("t2").state()["firmware"] == "2.4.1" and fleet.meter("t1").state()["template"] == ""
        assert fleet.failed_logins() == {} and fleet.events("violation") == []


@pytest.mark.requirement("R-164", "R-168", "R-170", "R-171", "R-180", "R-188", "R-196", "F-17", "invariant-e")
def test_a_technician_gets_a_folder_without_passwords(tmp_path: Path, artifacts: Path) -> None:
    """Manual: folder and checklist; ends handed_over; the next run reads the meters, and a loss is seen."""
    meters = [meter("done", version="2.1.0"), meter("lost", "PM8000", faults={"F-17": {}}), meter("waiting", "ION7400")]
    records = artifacts / "records.sqlite3"
    records.unlink(missing_ok=True)
    firmware = write_packages(tmp_path / "firmware", [(model, "3.0.0") for model in MODELS])
    with Fleet({"name": "manual", "clock_factor": 200, "meters": meters}, tmp_path) as fleet:
        desk = Desk(fleet, tmp_path / "desk")
        base = {"handover_dir": str(desk.base), "setup_version": "3.2.22341.01", "logs_to": str(artifacts / "logs")}
        task = desk.task(firmware, records, base, tool_mode="manual", concurrency=10)
        first = play(artifacts, fleet.inventory, [task])
        assert {name: first.result(name)["outcome"] for name in ("done", "lost", "waiting")} == dict.fromkeys(
            ("done", "lost", "waiting"), "handed_over"
        )
        place = desk.base / "ion"
        page = html.unescape((place / "checklist.html").read_text(encoding="utf-8"))
        for word in ("3.2.20218.01", "ION9000_V003.000.000.zip", "standard to legacy_support, all users are deleted", "no way back"):
            assert word in page
        assert NUMBER not in "".join(path.read_text(errors="replace") for path in place.rglob("*") if path.is_file())
        assert all(path.stat().st_mode & 0o077 == 0 for path in [place, *place.rglob("*")])
        for name, status in (("done", 0), ("lost", 10)):
            package = place / "package" / first.result(name)["plan"]["files"][0]
            assert desk.run(name, package) == status
        second = play(artifacts, fleet.inventory, [task])
        left = desk.left()
    ends = {name: ended(second.result(name)) for name in ("done", "lost", "waiting")}
    assert ends == {"done": ("verified", ""), "lost": (LOST, "register_data_loss"), "waiting": ("handed_over", "")}
    assert second.result("done")["after"]["security_mode"] == "legacy_support"
    assert {Path(path).parts[1] for path in left} == {"checklist.html", "package", "waiting", ".lock"}
