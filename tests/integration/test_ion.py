# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""meter_firmware by the stand-in of ION Setup; the meters are the witness of version, template, energies, mode and users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from firmwarekit import play
from ionkit import NUMBER, Desk, advanced, meter, write_packages

from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from metersim.testing import Fleet

MODELS = ("ION9000", "PM8000", "ION7400")
PACKAGES = [(model, version) for model in MODELS for version in ("3.0.0", "4.0.0")]
BARE = [("ION9000T", "3.0.0")]

# Meters of every starting mode, which go all the way in two hops.
GOOD: dict[str, dict[str, Any]] = {
    "standard": meter("standard", target="4.0.0"),
    "advanced": meter("advanced", "PM8000", "2.1.0", "4.0.0", hep=advanced()),
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
        again = {**task, "when": "task_0.outcome is match('verified')"}
        before = {item["name"]: item for item in fleet.meters()}
        inventories = [fleet.inventory, desk.inventory()]
        checked = play(artifacts, inventories, [task], "--check", "-l", ",".join(GOOD))
        assert fleet.events("upgrade_begin") == []
        played = play(artifacts, inventories, [task, again, again])
        state = {item["name"]: item for item in fleet.meters()}
        events = {name: fleet.meter(name).events() for name in state}
        assert fleet.events("violation") == [] and fleet.failed_logins() == {"wrong": 1}
        left = desk.left()
    found = {name: (played.result(name, 0)["outcome"], played.result(name, 0)["reason"]) for name in state}
    assert found == {**dict.fromkeys(GOOD, ("verified", "")), **{name: end for name, (dummy, end) in BAD.items()}}
    for name, mode in ENDS.items():
        first, second, third = (played.result(name, number) for number in range(3))
        assert (second["outcome"], third["outcome"]) == ("verified", "current"), second["msg"]
        assert (state[name]["firmware"], state[name]["mode"]) == ("4.0.0", mode)
        assert (state[name]["template"], state[name]["energies"]) == (before[name]["template"], before[name]["energies"])
        plan = checked.result(name)["plan"]["security"]
        assert plan["mode"] == ("unknown" if name == "none" else mode), "the plan states it beforehand"
        assert first["after"]["security_mode"] == mode and first["after"]["review"] is (name == "none")
    assert checked.result("standard")["plan"]["security"]["users_removed"] is True
    assert [user["name"] for user in state["standard"]["users"]] == ["USER1"] and len(state["advanced"]["users"]) == 2
    ledger = open_records(str(records), "test", read_only=True)
    for name, (outcome, dummy_reason) in found.items():
        begun = [event for event in events[name] if event["kind"] == "upgrade_begin"]
        tried = len(ledger.attempt_history(str(state[name]["serial"])))
        assert len(begun) <= tried == (0 if outcome == "blocked" else 2 if name in GOOD else 1), name
    assert played.result("bare", 0)["detail"]["configuration"]["changes"] and "power cycle" in played.result("bare", 0)["recovery"]
    assert left == [], "nothing stays on the tool's computer"
    kept = [path for path in desk.logs.rglob("*") if path.is_file()]
    assert any(path.name.startswith("before-") for path in kept)
    for path in [*kept, *artifacts.glob("*.txt"), records]:
        assert NUMBER.encode() not in path.read_bytes(), path.name
