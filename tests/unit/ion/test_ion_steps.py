# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The steps of the method ion against a computer and a meter made of data: saved, started, waited for, compared, taken away."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from toolfakes import FakeClock, FakeHost, given_settings

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.hep_snapshot import Snapshot
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ion import IonSettings, IonSteps
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Expected, Limits, Observation
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import Reading, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool import Ran
from ansible_collections.gridops.metering.plugins.module_utils._firmware_step import run_step
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_remote import RemoteSteps

requirement = pytest.mark.requirement
OLD, NEW = "2.4.1", "3.0.0"
SECRET = "Canary-ion-7d2e"
COMMAND = ("drive.exe", "--user", "{user}", "--password-file", "{password}", "{package}", "{logs}", "{address}")
LIMITS = Limits(card_reset=120, stall=300, hard_timeout=2400, works_first=True, failed_reason="tool_failed", retry_failed=False)
EXPECTED = Expected("S1", OLD, NEW, None, None)
PREDICTION = {"before": "standard", "mode": "legacy_support", "users_removed": True, "users_created": ["User1"], "rules": ["R-189"]}
EXITS = {3: "engine_too_old", 8: "tool_login_refused", 10: "restore_failed"}


@dataclass
class Scripted(IonSteps):
    """Old until ``silent``, new from ``back`` on, and as it was from ``loaded`` on."""

    silent: float = 300.0
    back: float = 390.0
    loaded: float = 390.0
    new: str = NEW

    def identify(self) -> Reading:
        now = self.target.clock.monotonic()
        if self.silent <= now < self.back:
            raise DeviceError("identify", "transport_failed", "no answer")
        return Reading("ION9000", "S1", OLD if now < self.silent else self.new, None, None)

    def snapshot(self) -> dict[str, Any]:
        now = self.target.clock.monotonic()
        if self.silent <= now < self.back:
            raise DeviceError("snapshot", "transport_failed", "no answer")
        whole = Snapshot("2026-11-21", "S1", "ION9000", OLD, "T-1", {"active": 100}, {"mode": "standard", "users": 2})
        if now < self.silent:
            return whole.as_dict()
        after = replace(whole, version=self.new, settings={"mode": "legacy_support", "users": 1})
        return (after if now >= self.loaded else replace(after, template="", energies={"active": 0})).as_dict()


def steps(host: FakeHost | None, folder: Path, settings: dict[str, Any] | None = None, **more: Any) -> Scripted:
    target = Target(
        "m 1", "192.168.0.10", {"modbus": 502}, 255, credentials={"admin": Credential("User1", SECRET)}, clock=FakeClock(), family="hep"
    )
    package = folder / "ION9000_V003.000.000.zip"
    package.write_bytes(b"image")
    usual: dict[str, Any] = {
        "target": NEW,
        "user": "User1",
        "least": "3.2.20218.01",
        "exit_reasons": EXITS,
        "prediction": PREDICTION,
        "notes": ("procedure: document 7EN72-0206-00",),
    }
    given = given_settings(host, folder, COMMAND, **{**usual, **(settings or {})})
    file = SendFile(package.name, "package", "a" * 64, 5, str(package))
    return Scripted(target, None, [file], settings=IonSettings(**given), host=host, config=SECRET if host else "", **more)


def upgraded(made: Scripted, start: float = 0.0) -> dict[str, Any]:
    """Stage and start; the command ran to its end in no time. Then watch to the end."""
    staged = made.stage()
    made.trigger()
    if made._command is not None:
        made._command._thread.join(20)
    made.target.clock.pause(start)
    state = Observation(elapsed=start, detail=staged["detail"]).as_dict()
    return made.observe(state, asdict(EXPECTED), asdict(LIMITS), 10_000)


@requirement("R-168", "R-246", "R-256", "invariant-e")
def test_the_meter_is_saved_and_the_password_is_only_in_its_file(tmp_path: Path) -> None:
    host = FakeHost()
    made = steps(host, tmp_path)
    staged = made.stage()
    assert host.files["C:/hand/c1/m_1/password"] == SECRET
    made.trigger()
    assert made._command is not None
    made._command._thread.join(20)
    assert host.lines == [
        ["drive.exe", "--user", "User1", "--password-file", "C:/hand/c1/m_1/password", "C:/hand/c1/m_1/ION9000_V003.000.000.zip",
         "C:/hand/c1/m_1/Logs", "192.168.0.10"]
    ]  # fmt: skip
    saved = json.loads(Path(staged["detail"]["saved"]).read_text(encoding="utf-8"))
    assert saved["energies"] == {"active": 100} and saved["template"] == "T-1"
    made.close()
    assert host.gone == ["C:/hand/c1/m_1"]
    assert SECRET not in json.dumps(staged) + repr(made)


@requirement("R-168", "R-170", "R-171")
def test_verified_means_compared(tmp_path: Path) -> None:
    made = steps(FakeHost(), tmp_path)
    moved = upgraded(made)
    assert (moved["outcome"], moved["reason"]) == ("verified", "")
    found = moved["detail"]["configuration"]
    assert (found["mode"], found["users"], found["reason"]) == ("legacy_support", 1, "")


@requirement("R-168", "R-171")
def test_template_and_registers_may_come_a_little_later(tmp_path: Path) -> None:
    assert upgraded(steps(FakeHost(), tmp_path, loaded=415.0))["outcome"] == "verified"
    late = upgraded(steps(FakeHost(), tmp_path, loaded=900.0))
    assert (late["outcome"], late["reason"]) == ("upgraded_unconfigured", "register_data_loss"), "the tool had ended long ago"


@requirement("R-169", "R-170", "R-171", "F-17")
def test_a_loss_is_neither_success_nor_failure(tmp_path: Path) -> None:
    moved = upgraded(steps(FakeHost(lambda: Ran(10, "Unable to write saved register values.")), tmp_path, loaded=1e9))
    assert (moved["outcome"], moved["reason"]) == ("upgraded_unconfigured", "register_data_loss")
    assert "no template is loaded" in moved["timeline"][-1]["text"]
    only_said = upgraded(steps(FakeHost(lambda: Ran(10, "Unable to write saved register values.")), tmp_path))
    assert (only_said["outcome"], only_said["reason"]) == ("upgraded_unconfigured", "restore_failed")


@requirement("R-166", "R-199")
@pytest.mark.parametrize(("code", "reason"), [(3, "engine_too_old"), (8, "tool_login_refused")])
def test_what_was_not_started_ends_at_once(tmp_path: Path, code: int, reason: str) -> None:
    made = steps(FakeHost(lambda: Ran(code, "refused")), tmp_path, silent=1e9)
    moved = upgraded(made)
    assert (moved["outcome"], moved["reason"], moved["device_text"]) == ("failed_final", reason, "refused")
    assert made.target.clock.monotonic() < 60


def test_a_failure_without_a_meaning_is_looked_at_for_a_while_and_not_repeated(tmp_path: Path) -> None:
    made = steps(FakeHost(lambda: Ran(1, "boom")), tmp_path, silent=1e9)
    moved = upgraded(made)
    assert (moved["outcome"], moved["reason"]) == ("failed_final", "tool_failed")
    assert made.target.clock.monotonic() > 400


@requirement("R-166")
def test_the_review_is_asked_before_anything_starts(tmp_path: Path) -> None:
    host = FakeHost(lambda: Ran(3, "This upgrade requires ION Setup 3.2.20218.01 or later."))
    made = steps(host, tmp_path, {"review": ("drive.exe", "--review", "{address}")})
    with pytest.raises(DeviceError) as caught:
        made.stage()
    assert (caught.value.reason, len(host.lines)) == ("engine_too_old", 1)
    host.ran = lambda: Ran(99, "")
    with pytest.raises(DeviceError) as caught:
        made.stage()
    assert caught.value.reason == "not_applicable" and "exit code 99" in caught.value.device_text


@requirement("R-164", "R-168", "R-180", "R-189", "R-252", "invariant-e")
def test_a_technician_gets_a_checklist_and_no_password(tmp_path: Path) -> None:
    made = steps(None, tmp_path, silent=0.0, back=0.0, loaded=0.0)
    made.silent = 10.0
    staged = made.stage()
    assert made.trigger()["state"] == "handed_over"
    folder = tmp_path / "hand" / "c1"
    text = (folder / "checklist.html").read_text(encoding="utf-8")
    for words in (
        "ION Setup 3.2.20218.01 or later",
        "standard to legacy_support, all users are deleted",
        "7EN72-0206-00",
        "Do not power cycle",
    ):
        assert words in text
    assert not (folder / "m_1" / "Config.csv").exists()
    made.back = made.loaded = 10.0
    state = Observation(detail=staged["detail"]).as_dict()
    waiting = made.observe(state, asdict(EXPECTED), asdict(LIMITS), 10_000)
    assert waiting["outcome"] == "handed_over" and folder.exists()
    made.target.clock.pause(600)
    done = made.observe(Observation(elapsed=600, detail=staged["detail"]).as_dict(), asdict(EXPECTED), asdict(LIMITS), 10_000)
    assert (done["outcome"], done["reason"]) == ("verified", "") and not folder.exists()


@requirement("R-168", "R-171")
def test_a_technician_may_still_be_programming(tmp_path: Path) -> None:
    made = steps(None, tmp_path, silent=10.0, back=10.0, loaded=700.0)
    staged = made.stage()
    made.target.clock.pause(200)
    done = made.observe(Observation(elapsed=200, detail=staged["detail"]).as_dict(), asdict(EXPECTED), asdict(LIMITS), 10_000)
    assert done["outcome"] == "verified" and made.target.clock.monotonic() >= 700
    made.loaded = 1e9
    lost = made.observe(Observation(elapsed=200, detail=staged["detail"]).as_dict(), asdict(EXPECTED), asdict(LIMITS), 10_000)
    assert lost["outcome"] == "upgraded_unconfigured"


@requirement("F-23", "R-168", "R-170")
def test_another_run_takes_it_up(tmp_path: Path) -> None:
    """The run that started ION Setup is gone; what it saved is in the records."""
    first = steps(FakeHost(), tmp_path)
    detail = first.stage()["detail"]
    for loaded, end in ((390.0, "verified"), (1e9, "upgraded_unconfigured")):
        later = replace(steps(FakeHost(), tmp_path, loaded=loaded), files=())
        later.target.clock.pause(350)
        moved = later.observe(Observation(elapsed=350, detail=detail).as_dict(), asdict(EXPECTED), asdict(LIMITS), 10_000)
        assert moved["outcome"] == end


@requirement("F-37")
def test_a_jump_host_reads_for_it() -> None:
    """The same snapshot by a step on another computer; here of a meter that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    target = Target("m", "127.0.0.1", {"modbus": port, "ion": port, "ion_tls": port}, 255, family="hep")
    options = {"method": "ion", "clock_factor": 1.0, "search": []}
    far = RemoteSteps(target, None, [], options, run_step, lambda path, name: path, lambda: None)
    made = IonSteps(target, settings=IonSettings("manual", ".", "c"), far=far)
    assert made.services() == {"ion": "closed", "ion_tls": "closed"}
    for ask in (made.snapshot, made.identify, IonSteps(target).snapshot):
        with pytest.raises(DeviceError) as caught:
            ask()
        assert caught.value.reason == "transport_failed"


def test_what_was_never_saved_is_not_compared(tmp_path: Path) -> None:
    made = steps(FakeHost(), tmp_path, silent=0.0, back=0.0)
    moved = made.observe(Observation(silence_seen=True).as_dict(), asdict(EXPECTED), asdict(LIMITS), 10_000)
    assert moved["outcome"] == "verified" and "nothing was saved" in moved["detail"]["configuration"]["warnings"][0]
