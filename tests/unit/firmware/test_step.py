# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The steps on a jump host: what goes over, what comes back, and that it is the same as in this process."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.gridops.metering.plugins.module_utils import _firmware_step
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ftp import FtpSteps, Reading, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Observation
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_remote import RemoteSteps, seal_step

PASSWORD = "canary-step-44"
FILE = SendFile("App2.out", "comm_card", "0" * 64, 3, "/srv/firmware/App2.out")
OPTIONS = {"method": "ftp", "clock_factor": 50.0, "read_back": True, "search": ["127.0.0.0/30"]}


def target(port: int = 1) -> Target:
    return Target(
        "m01",
        "127.0.0.1",
        {"modbus": port, "ftp": port, "http": port},
        255,
        Timeouts(connect=1, read=0.5),
        None,
        {"product_master": Credential("user2", PASSWORD)},
        clock=SystemClock(50.0),
    )


class Wire:
    """Carries a step to run_step in this process, as the module on the jump host would get it."""

    def __init__(self) -> None:
        self.sealed: list[dict[str, Any]] = []
        self.copied: list[str] = []
        self.cleaned = 0

    def call(self, sealed: str) -> dict[str, Any]:
        self.sealed.append(json.loads(base64.b64decode(sealed)))
        return json.loads(json.dumps(_firmware_step.run_step(sealed)))

    def copy(self, path: str, name: str) -> str:
        self.copied.append(name)
        return f"/there/{name}"

    def clean(self) -> None:
        self.cleaned += 1

    def steps(self, port: int = 1, profile: Mapping[str, Any] | None = None) -> RemoteSteps:
        return RemoteSteps(target(port), profile, [FILE], OPTIONS, self.call, self.copy, self.clean)


@pytest.mark.requirement("invariant-e")
@pytest.mark.parametrize(
    "sealed",
    [
        None,
        "",
        "x",
        "bm90IGpzb24=",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"7").decode(),
        base64.b64encode(b'{"step": "identify"}').decode(),
        seal_step("target", {}),
        seal_step("_look", {}),
        seal_step("__init__", {}),
    ],
)
def test_a_value_that_is_not_ours_is_one_sentence(sealed: str | None) -> None:
    with pytest.raises(InputError, match="run meter_firmware as a task, not as a bare module") as caught:
        _firmware_step.run_step(sealed)
    assert "the given value" in str(caught.value)


def test_every_step_the_flow_knows_exists_on_both_sides() -> None:
    for name in _firmware_step.STEPS:
        assert callable(getattr(FtpSteps, name)) and callable(getattr(RemoteSteps, name))


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("name", ["identify", "services", "lock", "login", "stage", "trigger"])
def test_both_ways_say_the_same_of_a_meter_that_is_not_there(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    profile = load_profile("pm5000-legacy")
    answers: list[Any] = []
    for steps in (FtpSteps(target(port), profile, [FILE]), Wire().steps(port, profile)):
        try:
            answers.append(getattr(steps, name)())
        except DeviceError as error:
            answers.append((error.stage, error.reason, error.text, error.device_text))
    assert answers[0] == answers[1]


def test_what_goes_over_is_complete_and_values_come_back_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading("PM5560", "S1", "2.7.8", 4, None, "x")
    monkeypatch.setattr(FtpSteps, "identify", lambda self: reading)
    monkeypatch.setattr(FtpSteps, "find", lambda self, serial: f"127.0.0.9/{serial}/{self.networks}")
    wire = Wire()
    steps = wire.steps(profile=load_profile("pm5000-legacy-b"))
    assert steps.identify() == reading
    assert steps.find("S1") == "127.0.0.9/S1/['127.0.0.0/30']"
    payload = wire.sealed[0]["payload"]
    assert payload["clock_factor"] == 50.0 and payload["read_back"] is True
    assert payload["profile"]["name"] == "pm5000-legacy-b"
    assert payload["target"]["credentials"] == {"product_master": {"user": "user2", "password": PASSWORD}}


def test_an_observation_goes_over_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def observe(self: FtpSteps, state: Any, expected: Any, limits: Any, seconds: float) -> dict[str, Any]:
        return {**state, "elapsed": seconds, "outcome": expected["serial"] + str(limits["stall"])}

    monkeypatch.setattr(FtpSteps, "observe", observe)
    found = Wire().steps().observe(Observation().as_dict(), {"serial": "S1"}, {"stall": 300}, 60)
    assert Observation(**found).outcome == "S1300" and found["elapsed"] == 60


@pytest.mark.requirement("R-040")
def test_files_are_brought_there_and_taken_away_again_also_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def stage(self: FtpSteps) -> dict[str, Any]:
        raise DeviceError("copy", "ftp_no_space", "no room", "552 full")

    monkeypatch.setattr(FtpSteps, "stage", stage)
    wire = Wire()
    with pytest.raises(DeviceError) as caught:
        wire.steps().stage()
    assert (caught.value.stage, caught.value.reason, caught.value.device_text) == ("copy", "ftp_no_space", "552 full")
    assert wire.copied == ["App2.out"] and wire.cleaned == 1
    assert wire.sealed[0]["payload"]["files"][0]["path"] == "/there/App2.out"


@pytest.mark.requirement("R-040")
@pytest.mark.parametrize("broken", ["copy", "clean"])
def test_a_way_that_breaks_is_a_reason_and_not_an_error_of_the_task(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def breaks(*_args: str) -> str:
        raise AnsibleConnectionFailure("Connection closed\nby peer")

    monkeypatch.setattr(FtpSteps, "stage", lambda self: {"files": [], "tries": 1, "bytes": 3})
    wire = Wire()
    setattr(wire, broken, breaks)
    if broken == "clean":
        assert wire.steps().stage()["bytes"] == 3
        return
    with pytest.raises(DeviceError, match=r"App2\.out cannot be brought to the jump host: Connection closed by peer") as caught:
        wire.steps().stage()
    assert caught.value.reason == "transport_failed" and wire.sealed == [] and wire.cleaned == 1


@pytest.mark.requirement("F-23", "invariant-d")
@pytest.mark.parametrize("step", ["trigger", "observe", "identify"])
def test_a_jump_host_that_fails_from_the_trigger_on_leaves_the_end_open(step: str) -> None:
    """Before the trigger that is a reason to stop; after it nobody knows, and the next run has to look."""

    def gone(sealed: str) -> dict[str, Any]:
        raise DeviceError("delegation", "transport_failed", "the host jump1 cannot be reached")

    wire = Wire()
    steps = RemoteSteps(target(), None, [FILE], OPTIONS, gone, wire.copy, wire.clean)
    arguments: dict[str, Any] = {"state": {}, "expected": {}, "limits": {}, "seconds": 60} if step == "observe" else {}
    with pytest.raises(DeviceError if step == "identify" else OrphanedError, match="jump1 cannot be reached"):
        getattr(steps, step)(**arguments)


def test_a_fault_of_the_meter_stays_one_after_the_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    def observe(self: FtpSteps, **_arguments: Any) -> dict[str, Any]:
        raise DeviceError("web", "transport_failed", "x")

    monkeypatch.setattr(FtpSteps, "observe", observe)
    with pytest.raises(DeviceError):
        Wire().steps().observe({}, {}, {}, 60)


@pytest.mark.requirement("invariant-e")
def test_no_secret_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def trigger(self: FtpSteps) -> dict[str, Any]:
        raise DeviceError("web", "transport_failed", "x", f"hello {PASSWORD}")

    monkeypatch.setattr(FtpSteps, "trigger", trigger)
    monkeypatch.setattr(FtpSteps, "login", lambda self: {"state": "refused", "text": f"530 {PASSWORD}"})
    payload = {
        "target": {
            "name": "m", "host": "127.0.0.1", "ports": {}, "unit_id": 255, "timeouts": {"connect": 1, "read": 1}, "gateway": None, "tls": {},
            "credentials": {"product_master": {"user": "u", "password": PASSWORD}},
        },
        "profile": None, "files": [], "arguments": {}, **OPTIONS,
    }  # fmt: skip
    for step in ("trigger", "login"):
        assert PASSWORD not in json.dumps(_firmware_step.run_step(seal_step(step, payload)))


@pytest.mark.requirement("G-22")
def test_the_clock_factor_is_checked_again_on_the_jump_host(tmp_path: Path) -> None:
    payload = {
        "target": {"name": "m", "host": "192.0.2.1", "ports": {}, "unit_id": 255, "timeouts": {}, "gateway": None, "tls": {}, "credentials": {}},
        "profile": None, "files": [], "arguments": {}, **OPTIONS,
    }  # fmt: skip
    with pytest.raises(InputError, match="G-22"):
        _firmware_step.run_step(seal_step("identify", payload))
