# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The steps of the method tool against a computer and a meter made of data: what is brought, started, believed, kept and taken away."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from toolfakes import FakeClock, FakeHost, given_settings

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Expected, Limits, Observation
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import Reading, SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool import Ran, Settings, ToolSteps
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool_handover import HandOver
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool_logs import decode

requirement = pytest.mark.requirement
OLD, NEW = "2.9.9", "4.3.5"
SECRET = "Canary-tool-5c1d"
LINE = f"192.168.0.10,255,user1,{SECRET}-w,user2,{SECRET}-p"
COMMAND = ("tool.exe", "--config", "{config}", "--package={package}", "{logs}", "{address}")
LIMITS = Limits(card_reset=120, stall=300, hard_timeout=1800, works_first=True, failed_reason="tool_failed")
EXPECTED = Expected("S1", OLD, NEW, 7, None)


@dataclass
class Scripted(ToolSteps):
    """Steps whose meter answers by the clock: old until ``silent``, new from ``back`` on."""

    silent: float = 300.0
    back: float = 330.0
    new: str = NEW

    def identify(self) -> Reading:
        now = self.target.clock.monotonic()
        if self.silent <= now < self.back:
            raise DeviceError("identify", "transport_failed", "no answer")
        return Reading("PM5560", "S1", OLD if now < self.silent else self.new, 7 if now < self.silent else 8, None)


def steps(host: FakeHost | None, folder: Path, settings: dict[str, Any] | None = None, **more: Any) -> Scripted:
    accounts = {"web_master": Credential("user1", f"{SECRET}-w"), "product_master": Credential("user2", f"{SECRET}-p")}
    target = Target("m 1", "192.168.0.10", {"modbus": 502}, 255, credentials=accounts, clock=FakeClock())
    package = folder / "PM5560_v4.3.5.sedp"
    package.write_bytes(b"image")
    file = SendFile(package.name, "package", "a" * 64, 5, str(package))
    given = given_settings(host, folder, COMMAND, **{"tool_version": "3.8", "target": NEW, **(settings or {})})
    return Scripted(target, None, [file], settings=Settings(**given), host=host, config=LINE, **more)


def started(made: ToolSteps) -> None:
    """The tool ran to its end in no time: the clock here does not wait for its thread."""
    made.stage()
    assert made.trigger()["state"] == "triggered"
    assert made._command is not None
    made._command._thread.join(20)


def watched(made: ToolSteps, limits: Limits = LIMITS, **state: Any) -> dict[str, Any]:
    return made.observe(Observation(**state).as_dict(), asdict(EXPECTED), asdict(limits), 3000)


@requirement("R-085", "R-088", "R-101", "R-118", "R-126", "invariant-i")
def test_command_lines_carry_paths_only_and_the_meter_proves_the_end(tmp_path: Path) -> None:
    host = FakeHost(logs={"run.log": f"login {SECRET}-p accepted".encode("utf-16")})
    made = steps(host, tmp_path)
    made.stage()
    assert host.files == {"C:/hand/c1/m_1/PM5560_v4.3.5.sedp": str(tmp_path / "PM5560_v4.3.5.sedp"), "C:/hand/c1/m_1/Config.csv": LINE}
    started(made)
    end = watched(made)
    assert (end["outcome"], end["reason"]) == ("verified", "")
    (line,) = host.lines
    assert line == [
        "tool.exe",
        "--config",
        "C:/hand/c1/m_1/Config.csv",
        "--package=C:/hand/c1/m_1/PM5560_v4.3.5.sedp",
        "C:/hand/c1/m_1/Logs",
        "192.168.0.10",
    ]
    assert SECRET not in repr(end) and SECRET not in repr(made)
    (log,) = [Path(path) for path in end["detail"]["tool"]["logs"]]
    assert "login" in log.read_text(encoding="utf-8") and SECRET not in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o077 == 0
    made.close()
    assert host.gone == ["C:/hand/c1/m_1"]
    made.close()
    assert len(host.gone) == 1


@requirement("R-088", "R-090", "R-091")
@pytest.mark.parametrize("end", [Ran(9, "stopped responding"), Ran(130, ""), Ran(1, "Traceback")])
def test_a_tool_that_gives_up_says_nothing_of_a_meter_that_goes_on(end: Ran, tmp_path: Path) -> None:
    made = steps(FakeHost(lambda: end), tmp_path)
    started(made)
    assert watched(made)["outcome"] == "verified"


@requirement("R-092", "R-119", "R-120", "R-122", "R-157")
def test_a_tool_that_failed_is_believed_when_the_meter_stays_old(tmp_path: Path) -> None:
    made = steps(FakeHost(lambda: Ran(4, f"Upgrade failed\npassword {SECRET}-p was wrong\n\n")), tmp_path, silent=1e9)
    started(made)
    end = watched(made)
    assert (end["outcome"], end["reason"]) == ("failed_retryable", "tool_failed")
    assert end["elapsed"] > 420, "not before a meter that had begun would have shown it"
    assert "was wrong" in end["device_text"] and SECRET not in repr(end)
    (support,) = [Path(path) for path in end["detail"]["tool"]["logs"] if path.endswith("support.txt")]
    assert [line.partition(":")[0] for line in support.read_text(encoding="utf-8").splitlines()[:3]] == ["model", "serial", "firmware"]


@requirement("R-121", "R-123", "R-124", "R-157")
def test_what_the_makers_support_needs_is_kept_for_a_meter_that_never_comes_back(tmp_path: Path) -> None:
    made = steps(FakeHost(logs={"run.log": b"restart sent"}), tmp_path, back=1e9)
    started(made)
    end = watched(made)
    assert end["outcome"] == "comms_lost" and end["version"] != NEW
    kept = {Path(path).name: Path(path).read_text(encoding="utf-8") for path in end["detail"]["tool"]["logs"]}
    assert kept["run.log"] == "restart sent" and "serial: S1" in kept["support.txt"]


@requirement("R-088", "F-16")
def test_a_tool_that_says_completed_proves_nothing(tmp_path: Path) -> None:
    made = steps(FakeHost(), tmp_path, silent=1e9)
    started(made)
    end = watched(made)
    assert (end["outcome"], end["reason"]) == ("failed_final", "wrong_version_after")


@requirement("R-088", "invariant-e")
def test_a_lost_way_to_the_tools_computer_leaves_the_meter_as_the_witness(tmp_path: Path) -> None:
    def lost() -> Ran:
        raise DeviceError("tool_host", "tool_host_unusable", "desk: it cannot be reached")

    good = steps(FakeHost(lost), tmp_path)
    started(good)
    end = watched(good)
    assert end["outcome"] == "verified" and "cannot be reached" in end["page_fault"]
    bad = steps(FakeHost(lost), tmp_path, silent=1e9)
    started(bad)
    end = watched(bad)
    assert (end["outcome"], end["reason"]) == ("failed_final", "upgrade_state_unknown")


@requirement("R-079", "R-117")
@pytest.mark.parametrize(("silent", "outcome"), [(1e9, "failed_final"), (300.0, "verified")])
def test_a_tool_that_never_ends_loses_the_passwords_and_is_not_started_twice(silent: float, outcome: str, tmp_path: Path) -> None:
    until = threading.Event()

    def hang() -> Ran:
        until.wait(20)
        return Ran(0, "")

    host = FakeHost(hang)
    made = steps(host, tmp_path, silent=silent, back=silent + 30)
    made.stage()
    made.trigger()
    end = watched(made)
    assert end["outcome"] == outcome and "still runs" in end["detail"]["tool"]["said"]
    assert made.trigger()["state"] == "not_started"
    made.close()
    assert host.gone == ["C:/hand/c1/m_1/Config.csv"], "the folder is in use, the passwords are not needed any more"
    until.set()


@requirement("R-110", "R-111")
def test_a_review_with_another_status_stops_before_the_start(tmp_path: Path) -> None:
    host = FakeHost(lambda: Ran(2, "Status=Firmware not compatible with this product"))
    made = steps(host, tmp_path, {"review": ("tool.exe", "/review", "{config}")})
    with pytest.raises(DeviceError) as caught:
        made.stage()
    assert caught.value.reason == "not_applicable" and "not compatible" in caught.value.device_text
    made.close()
    assert host.gone == ["C:/hand/c1/m_1"]


@requirement("R-085")
def test_a_package_that_changed_on_its_way_is_not_used(tmp_path: Path) -> None:
    made = steps(FakeHost(digest="b" * 64), tmp_path)
    with pytest.raises(DeviceError) as caught:
        made.stage()
    assert caught.value.reason == "artifact_hash_mismatch"
    assert made.host is not None and not any(path.endswith("Config.csv") for path in made.host.files)  # type: ignore[attr-defined]


@requirement("R-078", "R-099")
def test_ping_and_subnet_are_asked_where_the_tool_runs(tmp_path: Path) -> None:
    host = FakeHost(lambda: Ran(1, "100% packet loss"))
    assert steps(host, tmp_path).reaches() == {"icmp": False, "same_subnet": True}
    assert host.lines == [["ping", "-c", "2", "192.168.0.10"]]
    assert steps(None, tmp_path).reaches() == {"icmp": None, "same_subnet": None}


# -- a technician -----------------------------------------------------------------------------------------------------


def handed(folder: Path, settings: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What a later run sees of a hand-over."""
    made = steps(None, folder, settings, **more)
    made.files = []
    return watched(made, elapsed=5000.0)


@requirement("R-100", "R-102", "R-105", "G-05", "G-06")
def test_a_hand_over_rests_until_the_meter_tells(tmp_path: Path) -> None:
    made = steps(None, tmp_path, {"not_started": True})
    made.stage()
    assert made.trigger()["state"] == "handed_over"
    assert watched(made)["outcome"] == "handed_over", "the word about an earlier hand-over does not end this one"
    place = tmp_path / "hand" / "c1"
    assert (place / "m_1" / "Config.csv").read_text(encoding="utf-8") == LINE
    assert (place / "package" / "PM5560_v4.3.5.sedp").read_bytes() == b"image"
    made.close()
    assert handed(tmp_path, silent=1e9)["outcome"] == "handed_over" and place.exists()
    assert handed(tmp_path, silent=0.0, back=0.0)["outcome"] == "verified"
    assert not place.exists(), "with the last meter the folder goes"


@requirement("G-06")
@pytest.mark.parametrize(("said_at", "outcome"), [(None, "failed_final"), (999_999.0, "handed_over"), (1_000_001.0, "failed_final")])
def test_a_hand_over_that_was_never_begun_is_said_by_a_person(said_at: float | None, outcome: str, tmp_path: Path) -> None:
    """Words with a date are about hand-overs from before it; 5000 meter seconds are 0.2 real ones here."""
    end = handed(tmp_path, {"not_started": True, "not_started_at": said_at}, silent=1e9)
    assert end["outcome"] == outcome
    assert end["reason"] == ("upgrade_not_started" if outcome == "failed_final" else "")


@requirement("R-088", "G-06")
def test_how_an_upgrade_was_begun_is_remembered_when_the_options_change(tmp_path: Path) -> None:
    made = steps(None, tmp_path)
    made.stage()
    rests = watched(made)["detail"]
    later = steps(FakeHost(), tmp_path, silent=1e9)
    later.files = []
    assert watched(later, elapsed=5000.0, detail=rests)["outcome"] == "handed_over", "the deadline of a command is not that of a technician"
    back = steps(FakeHost(), tmp_path, silent=0.0, back=0.0)
    back.files = []
    assert watched(back, elapsed=5000.0, detail=rests)["outcome"] == "verified"
    assert not (tmp_path / "hand" / "c1").exists()
    command = steps(None, tmp_path, silent=1e9)
    command.files = []
    end = watched(command, elapsed=5000.0, detail={"mode": "command", "folder": "C:/hand"})
    assert end["reason"] == "upgrade_state_unknown"


@requirement("R-088")
def test_another_version_than_the_planned_one_is_no_success(tmp_path: Path) -> None:
    end = handed(tmp_path, silent=0.0, back=0.0, new="4.2.0")
    assert (end["outcome"], end["reason"]) == ("failed_final", "wrong_version_after")


@requirement(
    "R-072", "R-079", "R-089", "R-100", "R-105", "R-107", "R-109", "R-110", "R-112", "R-113", "R-115", "R-116", "R-118", "R-119", "R-126"
)
def test_the_checklist_has_the_steps_and_no_password(tmp_path: Path) -> None:
    made = steps(None, tmp_path, {"cap": 10})
    made.stage()
    second = replace(made.target, name="m2", host="192.168.0.11")
    made.target = second
    made.stage()
    folder = HandOver(tmp_path / "hand", "c1")
    assert {item["host"] for item in folder.meters()} == {"m 1", "m2"}
    page = (folder.folder / "checklist.html").read_text(encoding="utf-8")
    for text in (
        "192.168.0.10",
        "192.168.0.11",
        "S1",
        OLD,
        NEW,
        "3.8",
        "Firmware upgrade applicable",
        "At most 10",
        "Start the tool",
        "File &gt; Open: the Config.csv",
        "Tools &gt; Select Firmware",
        "Tools &gt; Upload Firmware",
        "File &gt; Exit",
        "Do not power cycle",
    ):
        assert text in page, text
    assert SECRET not in page and SECRET not in (folder.folder / "m2" / "meter.json").read_text(encoding="utf-8")
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder.folder, *folder.folder.rglob("*")])
    folder.remove("m 1")
    assert not (folder.folder / "m_1").exists() and "192.168.0.10" not in (folder.folder / "checklist.html").read_text(encoding="utf-8")


@requirement("R-125")
@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("Zähler".encode("utf-16"), ""),
        ("Zähler".encode("utf-8-sig"), ""),
        ("Zähler".encode(), ""),
        ("Zähler".encode("cp1252"), ""),
        ("Zähler".encode("utf-16-le"), "utf-16-le"),
        ("Zähler".encode("cp1252"), "no-such-encoding"),
    ],
)
def test_logs_in_any_usual_encoding(raw: bytes, encoding: str) -> None:
    assert decode(raw, encoding) == "Zähler"


@requirement("R-088", "invariant-e")
def test_a_meter_behind_a_jump_host_is_asked_there_and_a_lost_jump_host_is_no_silent_meter(tmp_path: Path) -> None:
    class Far:
        """Steps on a jump host."""

        def __init__(self) -> None:
            self.fault: DeviceError | None = None

        def identify(self) -> Reading:
            if self.fault:
                raise self.fault
            return Reading("PM5560", "S1", OLD, 7, None)

        def services(self) -> dict[str, str]:
            return {"http": "open", "https": "closed", "ftp": "closed", "link": "stable"}

        def lock(self) -> str:
            return "unlocked"

        def find(self, serial: str) -> str | None:
            return "192.168.0.77"

    far = Far()
    near = steps(FakeHost(), tmp_path)
    made = ToolSteps(near.target, {"settings": {"ip_mode": {}}}, near.files, settings=near.settings, host=near.host, config=LINE, far=far)
    assert (made.identify().version, made.services()["link"], made.lock(), made.find("S1")) == (OLD, "stable", "unlocked", "192.168.0.77")
    assert made.login()["state"] == "not_tried", "the webpages cannot be reached from here"
    started(made)
    far.fault = DeviceError("delegation", "transport_failed", "jump: it cannot be reached")
    with pytest.raises(OrphanedError, match="jump host failed"):
        watched(made)
    far.fault = DeviceError("identify", "transport_failed", "no answer")
    assert watched(made)["outcome"] == "comms_lost"
