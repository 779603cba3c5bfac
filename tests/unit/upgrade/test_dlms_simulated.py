# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The method dlms against the simulated MCS301: whole upgrades with everything that goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Dlms, DlmsKeys, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms import DlmsSteps, ImageJob
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Expected, Limits, Observation
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import BlockCounters, MemoryCounters
from metersim import packages
from metersim.testing import Fleet

requirement = pytest.mark.requirement
OLD, NEW = "020500010007", "020500020001"
FIRMWARE = {0: "010200030001", 1: OLD, 2: "030100000004"}
SIZE, FACTOR = 65536, 500
LIMITS = asdict(Limits(card_reset=600, stall=300, hard_timeout=1800, late_grace=180, no_progress=60))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> manifest.Package:
    folder = tmp_path_factory.mktemp("images")
    packages.write(folder, [("MCS301", NEW)], SIZE, "", ("dlms",), dlms={"component": 1, "build": "", "stated": "detached"})
    return manifest.load(folder).packages[0]


#: One meter for each story, so that none sees what another left.
METERS: dict[str, dict[str, Any]] = {
    "whole": {"block_size": 1024},
    "drops": {"block_size": 1024, "verify_time": 30},
    "parts": {"block_size": 4096, "identifiers": "array", "transfer": "disabled"},
    "narrow": {"block_size": 4096, "block_transfer": False},
    "fixed": {"transfer": "fixed"},
    "silent7": {"image_info": False, "self_verify": True},
    "busy": {"activate_answer": "temporary_failure"},
    "cut": {"activate_answer": "cut"},
    "power": {},
    "fallback": {},
    "timer": {"time_zone": 60},
    "skewed": {},
    "wrong": {},
    "gaps": {"block_size": 2048},
    "slices": {"block_size": 512},
    "half": {},
    "slow": {"block_size": 4096},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    meters = [{"name": name, "model": "MCS301", "firmware": FIRMWARE, "dlms": dlms} for name, dlms in METERS.items()]
    with Fleet({"clock_factor": FACTOR, "meters": meters}, tmp_path_factory.mktemp("mcs301")) as made:
        yield made
        assert not made.events("simulator_error")


class Hooks:
    """Writes down the phases; ``stop_at`` ends the process, so to say, where it would be killed."""

    def __init__(self) -> None:
        self.leases: list[Any] = []
        self.phases: list[str] = []

    def phase(self, state: str, percent: int | None, text: str) -> None:
        self.phases.append(state)

    def guard(self, stage: str) -> None:
        pass


class Bench:
    """One meter, one image, and the ledger's row of its transfer."""

    def __init__(self, fleet: Fleet, name: str, image: manifest.Package, **job: Any) -> None:
        host = fleet.hosts()[name]
        told, keys = host["metering_dlms"], host["metering_dlms_keys"]
        secrets = DlmsKeys(*(bytes.fromhex(keys[key]) for key in ("guek", "gak", "gbek", "kek")), keys["lls"].encode())
        dlms = Dlms(system_title=bytes.fromhex(told["system_title"]), keys=secrets)
        self.target = Target(
            name, host["ansible_host"], {"dlms": host["metering_ports"]["dlms"]}, 1, Timeouts(2, 2), clock=SystemClock(FACTOR), dlms=dlms
        )
        file = image.file("image")
        values = {
            "component": image.component,
            "identifier": image.image_identifier,
            "expected": (image.expected_identifier,),
            "expected_signature": image.expected_signature,
            "path": str(file.path),
            "size": file.size,
            "sha256": file.sha256,
        }
        self.job = ImageJob(**{**values, **job})
        self.meter, self.counters, self.hooks = fleet.meter(name), MemoryCounters(), Hooks()
        self.serial = self.steps().identify().serial

    def steps(self, **changes: Any) -> DlmsSteps:
        return DlmsSteps(self.target, replace(self.job, **changes), self.hooks, self.counters)

    def row(self) -> dict[str, Any]:
        size = self.steps().look()["block_size"]
        values = {"component": self.job.component, "digest": self.job.sha256, "identifier": self.job.identifier.hex()}
        return {**values, "size": self.job.size, "block_size": size, "state": "initiated"}

    def observe(self, detail: dict[str, Any], seconds: float = 3000) -> Observation:
        expected = asdict(Expected(self.serial, OLD, NEW, None, None))
        return Observation(**self.steps().observe(Observation(detail=detail).as_dict(), expected, LIMITS, seconds))

    def counted(self, kind: str) -> int:
        return len(self.meter.events(kind))

    def reason(self, call: Any, *arguments: Any) -> str:
        with pytest.raises(DeviceError) as caught:
            call(*arguments)
        return caught.value.reason


@requirement("R-203", "R-212", "R-222", "R-225", "R-226", "R-227", "R-228", "X-04", "X-07")
def test_a_whole_upgrade_and_the_second_run_changes_nothing(fleet, image):
    bench = Bench(fleet, "whole", image)
    before = bench.steps().look()
    assert (before["status"], before["version"], before["blocks"]) == (0, OLD, 64)
    staged = bench.steps().stage(None)
    assert (staged["status"], staged["sent"], staged["initiated"], staged["resumed_at"]) == (3, 64, True, None)
    assert bench.steps().identify().version == OLD
    again = bench.steps().stage(None)
    assert (again["changed"], again["sent"]) == (False, 0)
    assert bench.steps().trigger()["state"] == "triggered"
    seen = bench.observe(staged["detail"])
    assert (seen.outcome, seen.detail["firmware_state"], seen.restart_seen) == ("verified", "confirmed", True)
    assert [item["state"] for item in seen.timeline if item["state"] in ("verifying", "verified")] == ["verifying", "verified"]
    assert bench.counted("initiate") == 1 and bench.counted("activate") == 1
    assert not bench.meter.events("violation")


@requirement("F-04", "F-35", "X-08", "R-226")
def test_two_drops_lost_blocks_and_a_slow_check(fleet, image):
    bench = Bench(fleet, "drops", image)
    bench.meter.faults({"F-04": {"after": 12, "times": 2, "stored": False}, "lose_blocks": {"every": 9}, "F-35": {"seconds": 100}})
    staged = bench.steps().stage(None)
    assert staged["status"] == 3 and staged["rounds"] >= 1
    assert bench.counted("initiate") == 1
    assert not bench.meter.events("violation")


@requirement("X-08", "R-226", "F-04")
def test_a_later_run_goes_on_and_does_not_initiate(fleet, image):
    bench = Bench(fleet, "half", image)
    bench.meter.faults({"F-04": {"after": 20, "times": 0, "down": 100_000}})
    assert bench.reason(bench.steps().stage, None) == "transport_failed"
    bench.meter.faults({})
    bench.meter.action("power_cycle", silence=1)
    bench.meter.wait("silence_end")
    staged = bench.steps().stage(bench.row())
    assert staged["initiated"] is False and staged["resumed_at"] == 20 and staged["sent"] == 44
    assert bench.counted("initiate") == 1


@requirement("X-07", "R-225")
def test_blocks_above_the_pdu_go_in_parts_and_the_flag_is_put_back(fleet, image):
    bench = Bench(fleet, "parts", image)
    assert bench.steps().look()["enabled_writable"] is True
    staged = bench.steps().stage(None)
    assert staged["status"] == 3 and staged["detail"]["restore_enabled"] is True
    assert bench.steps().trigger()["state"] == "triggered"
    seen = bench.observe(staged["detail"])
    assert (seen.outcome, seen.detail["restore_enabled"]) == ("verified", False)
    assert bench.meter.state()["image"]["enabled"] is False


@requirement("X-07", "R-225")
@pytest.mark.parametrize(("name", "reason"), [("narrow", "image_block_too_large"), ("fixed", "image_transfer_disabled")])
def test_refused_before_initiate(fleet, image, name, reason):
    bench = Bench(fleet, name, image)
    assert bench.reason(bench.steps().stage, None) == reason
    assert bench.counted("initiate") == 0


@requirement("R-227")
def test_a_meter_that_checks_by_itself_and_tells_no_images(fleet, image):
    bench = Bench(fleet, "silent7", image)
    staged = bench.steps().stage(None)
    assert staged["images"] is None
    assert not [event for event in bench.meter.events("action") if event["class"] == 18 and event["method"] == 3]
    assert bench.steps().stage(bench.row())["sent"] == 0
    assert bench.counted("initiate") == 1


@requirement("R-228")
@pytest.mark.parametrize("name", ["busy", "cut"])
def test_temporary_failure_and_a_cut_both_mean_started(fleet, image, name):
    bench = Bench(fleet, name, image)
    staged = bench.steps().stage(None)
    assert bench.steps().trigger()["state"] == "triggered"
    assert bench.observe(staged["detail"]).outcome == "verified"


@requirement("F-02", "X-05")
def test_power_loss_in_the_activation_is_activated_again_and_not_sent_again(fleet, image):
    bench = Bench(fleet, "power", image)
    bench.meter.faults({"F-02": {"times": 1}})
    staged = bench.steps().stage(None)
    assert bench.steps().trigger()["state"] == "triggered"
    seen = bench.observe(staged["detail"])
    # On a busy machine nobody may have seen the silence: then it looks as if nothing had begun. Either way nothing is sent again.
    assert seen.outcome == "failed_retryable" and seen.reason in ("activation_interrupted", "upgrade_not_started")
    again = bench.steps().stage(None)
    assert again["sent"] == 0 and bench.steps().trigger()["state"] == "triggered"
    assert bench.observe(again["detail"]).outcome == "verified"
    assert bench.counted("initiate") == 1


@requirement("X-05")
def test_a_failed_test_falls_back(fleet, image):
    bench = Bench(fleet, "fallback", image)
    bench.meter.faults({"activation_failure": {"times": 1}})
    staged = bench.steps().stage(None)
    bench.steps().trigger()
    seen = bench.observe(staged["detail"])
    assert (seen.outcome, seen.reason, seen.version) == ("failed_final", "activation_failed_fallback", OLD)


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@requirement("R-204", "R-205")
def test_scheduled_cancelled_scheduled_again_and_run(fleet, image):
    bench = Bench(fleet, "timer", image, activate="at", at=soon(600))
    staged = bench.steps().stage(None)
    assert bench.steps().trigger()["state"] == "scheduled"
    assert len(bench.meter.state()["schedule"]) == 1
    assert bench.observe(staged["detail"]).outcome == "scheduled"
    assert bench.steps().cancel() == {
        "state": "cancelled",
        "status": None,
        "location": "",
        "reason": "",
        "text": "the schedule is empty now",
        "changed": True,
    }
    seen = bench.observe(staged["detail"])
    assert (seen.outcome, seen.reason) == ("failed_final", "upgrade_not_started")
    assert bench.steps().cancel()["changed"] is False
    assert bench.steps().trigger()["state"] == "scheduled"
    bench.meter.action("advance_clock", seconds=700)
    bench.meter.wait("script")
    seen = bench.observe(staged["detail"])
    assert (seen.outcome, seen.detail["firmware_state"]) == ("verified", "confirmed")
    assert [event["by"] for event in bench.meter.events("activate")] == ["schedule"]


@requirement("F-25", "R-204")
def test_a_wrong_clock_or_a_time_that_is_over_schedules_nothing(fleet, image):
    bench = Bench(fleet, "skewed", image, activate="at", at=soon(600))
    bench.steps().stage(None)
    assert bench.steps(at=soon(-5)).trigger()["reason"] == "activation_time_refused"
    assert bench.steps(at=soon(10)).trigger()["reason"] == "activation_time_refused"
    bench.meter.faults({"F-25": {"offset": 3600}})
    answered = bench.steps().trigger()
    assert (answered["state"], answered["reason"]) == ("not_started", "meter_clock_wrong")
    assert bench.meter.state()["schedule"] == []


@requirement("R-227", "R-218", "F-09")
def test_the_meter_refuses_what_it_cannot_verify(fleet, image):
    bench = Bench(fleet, "wrong", image)
    assert bench.reason(bench.steps(expected=("0205000200ff",)).stage, None) == "image_mismatch"
    assert bench.reason(bench.steps(expected_signature="00" * 32).stage, bench.row()) == "image_mismatch"
    assert bench.counted("initiate") == 1  # the row says that it is our own image, so it is not sent again
    assert bench.steps(expected=("0205000200ff",)).trigger()["reason"] == "activation_refused"
    bench.meter.faults({"verify_failure": {"times": 1}})
    other = {"identifier": b"other", "expected": ("0205000200ff",)}
    assert bench.reason(bench.steps(**other).stage, None) == "image_pending"
    assert bench.counted("initiate") == 1
    assert bench.reason(bench.steps(replace_pending=True, **other).stage, None) == "image_verification_failed"


@requirement("F-34", "R-220")
def test_blocks_that_came_by_multicast_are_filled_by_unicast(fleet, image):
    bench = Bench(fleet, "gaps", image)
    bench.meter.action("preload", path=bench.job.path, identifier=bench.job.identifier.hex(), every=7)
    staged = bench.steps().stage(bench.row())
    assert staged["initiated"] is False and 0 < staged["sent"] < 8
    assert staged["status"] == 3


@requirement("R-226")
def test_slices_for_a_jump_host_with_a_block_of_counters(fleet, image):
    bench = Bench(fleet, "slices", image)
    counters = BlockCounters(5000, 2000)
    state, calls, result = None, 0, {"done": False}
    while not result["done"]:
        steps = DlmsSteps(bench.target, bench.job, bench.hooks, counters, floor=0)
        result = steps.stage(bench.row() if calls else None, seconds=20, state=state)
        state, calls = result.get("state"), calls + 1
    assert calls > 2 and result["sent"] == 128 and bench.counted("initiate") == 1


@requirement("F-05")
def test_a_slow_link_is_no_stall(fleet, image):
    bench = Bench(fleet, "slow", image)
    bench.meter.faults({"F-05": {"seconds": 0.03}})  # 15 meter seconds for each block
    assert bench.steps().stage(None)["status"] == 3
    assert bench.hooks.phases.count("transferring") == 17 and bench.counted("initiate") == 1


@requirement("R-032", "F-13")
def test_a_meter_that_left_its_address_is_found_by_its_serial_number(fleet, image):
    bench = Bench(fleet, "slow", image)
    here = bench.target.host
    networks = [f"{fleet.hosts()[name]['ansible_host']}/32" for name in ("slow", "half", "gaps")]
    steps = DlmsSteps(replace(bench.target, host="127.255.255.254"), bench.job, networks=networks, counters=bench.counters)
    assert (steps.find(bench.serial), steps.find("99")) == (here, None)
