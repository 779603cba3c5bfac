# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The steps of the method web over a session that only writes down: order, second tries, refusals, the watch over the status page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.clock import SystemClock
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade import web
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import Reading, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web import Trigger
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import Uploaded

requirement = pytest.mark.requirement
PROFILE: dict[str, Any] = {
    "name": "fake",
    "transport": {"scheme": "https"},
    "status_page": {"path": "/status"},
    "settings": {"ip_mode": {}},
    "upload": {"path": "/upload"},
    "refusals": [{"pattern": "used up", "reason": "attempts_exhausted"}, {"pattern": "not compatible", "reason": "device_rejected_image"}],
}
FILE = SendFile("PM5560_v4.4.0.sedp", "package", "0" * 64, 100, "/srv/PM5560_v4.4.0.sedp")
READING = Reading("PM5560", "S1", "4.3.5", 4, None)
IDLE = ("idle", [], "", {"version": "", "at": ""})
R145 = "The  firmware upgrade failed.\n The selected firmware is either invalid or corrupted."


class Script:
    """What the meter will say; each list is used up, then the good answer comes."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.logins: list[DeviceError | None] = []
        self.uploads: list[Uploaded | DeviceError] = []
        self.confirms: list[Trigger] = []
        self.statuses: list[Any] = []
        self.role: str | None = "product_master"
        self.made: list[tuple[str, Any, Any]] = []


class Session:
    """A ProfileSession without a meter."""

    script: Script

    def __init__(self, target: Target, profile: Any, role: str, state: Any, web_session: Any) -> None:
        self.script.made.append((role, state, web_session))
        self.findings: list[dict[str, str]] = []

    def _do(self, what: str, answers: list[Any], good: Any) -> Any:
        self.script.log.append(what)
        answer = answers.pop(0) if answers else good
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    def login(self) -> None:
        self._do("login", self.script.logins, None)

    def role(self) -> str | None:
        return self.script.role

    def read(self, name: str) -> str:
        return "stored"

    def upload(self, path: Path, name: str, sha256: str, progress: Any) -> Uploaded:
        progress(100)
        answer: Uploaded = self._do(f"upload {name}", self.script.uploads, Uploaded("staged", "", "", 100))
        return answer

    def confirm(self) -> Trigger:
        answer: Trigger = self._do("confirm", self.script.confirms, Trigger("triggered", 200, "", "", "started"))
        return answer

    def status(self) -> Any:
        return self._do("status", self.script.statuses, IDLE)

    def state(self) -> dict[str, Any]:
        return {"cookies": {"a": "b"}}

    def abandon(self) -> None:
        self.script.log.append("abandon")

    def close(self) -> None:
        self.script.log.append("close")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    made = Script()
    monkeypatch.setattr(Session, "script", made, raising=False)
    monkeypatch.setattr(web, "ProfileSession", Session)
    return made


def steps(profile: dict[str, Any] | None = None, **more: Any) -> web.WebSteps:
    accounts = {"administrator": Credential("Administrator", "canary-web-1")}
    target = Target("m01", "127.0.0.1", {"https": 1, "http": 1, "modbus": 1}, 255, credentials=accounts, tls=Tls(), clock=SystemClock(1e6))
    return web.WebSteps(target, PROFILE if profile is None else profile, [FILE], **more)


@requirement("R-136", "R-138", "R-140")
def test_upload_comes_before_the_confirmation_in_one_session(script: Script) -> None:
    made = steps()
    staged = made.stage()
    assert staged == {"files": [FILE.name], "tries": 1, "bytes": 100, "status_key": "idle|||"}
    assert made.trigger()["state"] == "triggered"
    assert script.log == ["login", "status", f"upload {FILE.name}", "confirm", "close"] and len(script.made) == 1


@requirement("F-04")
@pytest.mark.parametrize("reason", ["transport_failed", "upload_incomplete"])
def test_an_interrupted_upload_begins_again_once_in_a_new_session(script: Script, reason: str) -> None:
    cut = DeviceError("web_upload", reason, "cut")
    script.uploads = [cut]
    assert steps().stage()["tries"] == 2
    assert script.log.count("login") == 2 and len(script.made) == 2
    script.uploads = [cut, cut]
    with pytest.raises(DeviceError):
        steps().stage()


@requirement("I-j")
@pytest.mark.parametrize("reason", ["web_auth_failed", "locked_out", "session_limit", "page_missing", "tls_untrusted"])
def test_a_refused_login_is_not_repeated(script: Script, reason: str) -> None:
    script.logins = [DeviceError("web_login", reason, "no")]
    with pytest.raises(DeviceError) as caught:
        steps().stage()
    assert caught.value.reason == reason and script.log == ["login", "close"]


@requirement("R-145", "R-141", "R-155")
@pytest.mark.parametrize(
    ("text", "given", "reason"),
    [
        (R145, "device_rejected_image", "image_invalid_or_corrupted"),
        ("is not compatible with", "", "device_rejected_image"),
        ("all used up", "device_rejected_image", "attempts_exhausted"),
        ("words of its own", "artifact_wrong_type", "artifact_wrong_type"),
        ("words of its own", "", "device_rejected_image"),
    ],
)
def test_the_meters_words_give_the_reason(script: Script, text: str, given: str, reason: str) -> None:
    script.uploads = [Uploaded("refused", given, text, 100)]
    with pytest.raises(DeviceError) as caught:
        steps().stage()
    assert (caught.value.reason, caught.value.device_text) == (reason, text)
    script.confirms = [Trigger("refused", 200, "", given, text)]
    made = steps()
    made.stage()
    assert made.trigger()["reason"] == (reason if given or reason != "device_rejected_image" or "compatible" in text else "")


@requirement("R-138")
def test_a_lesser_account_uploads_nothing(script: Script) -> None:
    script.role = "Guest"
    with pytest.raises(DeviceError, match="Guest") as caught:
        steps().stage()
    assert caught.value.reason == "web_role_insufficient" and "upload" not in " ".join(script.log)


@requirement("R-086")
def test_a_running_upgrade_is_left_alone(script: Script) -> None:
    script.statuses = [("running", [], "", {})]
    with pytest.raises(DeviceError) as caught:
        steps().stage()
    assert caught.value.reason == "firmware_in_progress"


@requirement("R-140", "G-06")
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Uploaded("staged", "", "", 100), "triggered"),
        (Uploaded("refused", "", "is not compatible", 100), "refused"),
        (DeviceError("web_upload", "upload_incomplete", "cut"), "triggered"),
        (DeviceError("web_upload", "artifact_hash_mismatch", "changed"), "not_started"),
    ],
)
def test_where_the_upload_applies_at_once_it_is_the_trigger(script: Script, answer: Any, state: str) -> None:
    made = steps({**PROFILE, "upload": {"path": "/u", "applies_at_once": True}})
    made.stage()
    assert f"upload {FILE.name}" not in script.log, "nothing is sent before the ledger is written"
    script.uploads = [answer]
    assert made.trigger()["state"] == state and "confirm" not in script.log


def test_on_a_jump_host_the_session_goes_on_in_the_next_call(script: Script) -> None:
    first = steps()
    first.stage()
    state = first.leave_session()
    assert state == {"cookies": {"a": "b"}} and script.log[-1] == "abandon", "it is not signed out"
    steps(state=state).trigger()
    assert script.made[-1][1] == state and "login" not in script.log[-2:]
    assert steps().leave_session() is None


@requirement("I-e")
def test_a_helper_is_asked_for_each_login_and_not_for_a_session_that_goes_on(script: Script) -> None:
    asked: list[int] = []
    made = steps(helper=lambda: (asked.append(1), {"cookies": {}, "headers": {}})[1])
    assert made.login()["state"] == "ok"
    made.stage()
    made.trigger()
    assert len(asked) == 2


def test_the_login_of_the_prechecks_tells_what_it_saw(script: Script) -> None:
    script.statuses = [("completed", [], "fine", {"version": "4.3.5", "at": "2025"})]
    found = steps().login()
    assert found["facts"]["ip_mode"] == "stored" and found["facts"]["last_upgrade"]["version"] == "4.3.5"
    script.logins = [DeviceError("web_login", "locked_out", "locked", "Try again in 15 minutes.")]
    refused = steps().login()
    assert (refused["state"], refused["reason"]) == ("refused", "locked_out") and "15 minutes" in refused["text"]


# -- the watch --------------------------------------------------------------------------------------------------------


@requirement("R-139", "R-144")
def test_the_status_page_is_read_behind_a_new_login_and_a_lost_session_is_opened_again(script: Script) -> None:
    watch = steps().watch()
    told = ("running", [{"name": "x", "state": "running", "percent": 5}], "working", {"version": "4.4.0", "at": "now"})
    script.statuses = [told, DeviceError("web_status", "session_lost", "gone"), told]
    first, second = watch.look(READING), watch.look(READING)
    assert (first.status, second.status) == ("running", "running"), "within one look"
    assert first.key == "running|4.4.0|now|working" and first.last["version"] == "4.4.0"
    assert script.log.count("login") == 2


@requirement("F-31", "I-j")
@pytest.mark.parametrize("reason", ["web_auth_failed", "locked_out", "tls_fingerprint_mismatch", "page_missing"])
def test_a_page_that_refuses_us_is_left_alone_and_the_reason_is_told(script: Script, reason: str) -> None:
    watch = steps().watch()
    script.logins = [DeviceError("web_login", reason, "no")]
    looks = [watch.look(READING) for dummy in range(20)]
    assert script.log.count("login") == 1 and {look.status for look in looks} == {"unknown"}
    assert looks[-1].page_fault == f"{reason}: no"


@requirement("R-143")
def test_a_meter_that_does_not_answer_yet_is_asked_again(script: Script) -> None:
    watch = steps().watch()
    script.logins = [DeviceError("web_login", "transport_failed", "no answer")] * 30
    for dummy in range(30):
        assert watch.look(READING).status == "unknown"
    assert watch.look(READING).status == "idle"


def test_all_sessions_in_use_is_waited_out(script: Script) -> None:
    watch = steps().watch()
    script.logins = [DeviceError("web_login", "session_limit", "full")]
    looks = [watch.look(READING).status for dummy in range(8)]
    assert looks == ["unknown"] * 7 + ["idle"] and script.log.count("login") == 2


def test_logins_are_bounded(script: Script) -> None:
    watch = steps().watch()
    script.statuses = [("unknown", [], "", {})] * 100
    for dummy in range(50):
        watch.look(READING)
    assert script.log.count("login") == 5


def test_without_a_status_page_nobody_logs_in(script: Script) -> None:
    watch = steps({name: value for name, value in PROFILE.items() if name != "status_page"}).watch()
    assert watch.look(READING).status == "unknown" and script.log == []


@requirement("R-145", "R-147")
def test_the_documented_sentence_on_the_status_page_is_known_without_a_profile_entry(script: Script) -> None:
    watch = steps().watch()
    script.statuses = [("rejected", [], R145, {}), ("rejected", [], "is not compatible", {})]
    first, second = watch.look(READING), watch.look(READING)
    assert (first.status, first.refusal) == ("failed", "image_invalid_or_corrupted")
    assert (second.status, second.refusal) == ("rejected", "device_rejected_image")
