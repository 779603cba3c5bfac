# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A web meter that nobody here wrote the engine for: paths, login, tokens and words come from a profile alone (profiles/foreign.yml)."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from firmwarekit import firmware, play
from webmeter import ForeignMeter

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts, Tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import ProfileSession

PROFILE = Path(__file__).parent / "profiles" / "foreign.yml"
PLANTED = ("Canary-keeper-4d1b", "Canary-visitor-77e0", "Canary-wrong-1f0c")
ATTEST = {"power_source": "uninterrupted", "critical_control": False, "ip_mode": "stored"}
TO = "4.4.0"
FACTOR = 60.0  # a session ends after five idle minutes: 5 s here, enough on a busy machine


def plain_profile(folder: Path) -> Path:
    """The same meter ordered without TLS, with the manual's other way to deliver: the bare file."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profile["name"], profile["transport"] = "kestrel-kdesk-plain", {"scheme": "http"}
    profile["upload"] = {"path": "/desk/parcels/{name}", "method": "PUT", "body": "raw", "ok": profile["upload"]["ok"]}
    path = folder / "foreign-plain.yml"
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), encoding="utf-8")
    return path


def account(entry: Mapping[str, str], password: str = "") -> dict[str, Any]:
    return {"administrator": {**entry, "password": password or entry["password"]}}


@dataclass
class Case:
    """One foreign meter, how it ends, and how many passwords it sees in all."""

    end: tuple[str, str]
    logins: int | None = None
    before: Callable[[ForeignMeter], None] = lambda dummy: None
    variables: Callable[[ForeignMeter], dict[str, Any]] = lambda dummy: {}
    meter: dict[str, Any] = field(default_factory=lambda: {"tls": True})
    spoil: bool = False


CASES: dict[str, Case] = {
    "upgraded": Case(("verified", "")),
    "plain-and-bare": Case(("verified", ""), meter={"tls": False}),
    "current": Case(("current", ""), 0, meter={"tls": True, "firmware": TO}),
    "broken-seal": Case(("failed_final", "artifact_suspect"), spoil=True),
    "kernel": Case(("failed_final", "web_upgrade_failed"), before=lambda meter: meter.fail("kernel gave up")),
    "unknown-caller": Case(
        ("blocked", "web_auth_failed"), 1, variables=lambda m: {"metering_credentials": account(m.keeper, "Canary-wrong-1f0c")}
    ),
    "visitor": Case(("blocked", "web_role_insufficient"), 1, variables=lambda m: {"metering_credentials": account(m.visitor)}),
    "looked-after": Case(("blocked", "web_busy"), 0, before=lambda meter: meter.look_after(True)),
    "not-pinned": Case(("blocked", "tls_untrusted"), 0, variables=lambda dummy: {"metering_tls": {}}),
    "other-pin": Case(("blocked", "tls_fingerprint_mismatch"), 0, variables=lambda dummy: {"metering_tls": {"fingerprint": "ab" * 32}}),
}


@pytest.mark.requirement("R-138", "R-139", "R-140", "R-145", "R-146", "R-147", "R-148", "F-30", "F-31", "invariant-c", "invariant-e")
def test_a_foreign_web_meter_is_driven_by_a_profile_alone(tmp_path: Path, artifacts: Path) -> None:
    (artifacts / "records.sqlite3").unlink(missing_ok=True)
    profiles = {True: PROFILE, False: plain_profile(tmp_path)}
    hosts: dict[str, Any] = {}
    meters: dict[str, ForeignMeter] = {}
    with ExitStack() as stack:
        for number, (name, case) in enumerate(CASES.items()):
            meter = meters[name] = stack.enter_context(ForeignMeter(serial=51_790_001 + number, clock_factor=FACTOR, **case.meter))
            case.before(meter)
            folder = tmp_path / name
            meter.package(folder, TO, spoil=case.spoil)
            hosts[name] = {
                "ansible_host": meter.address,
                "metering_ports": meter.ports,
                "metering_tls": {"fingerprint": meter.fingerprint} if meter.tls else {},
                "metering_credentials": account(meter.keeper),
                "metering_web_profile": str(profiles[meter.tls]),
                "package_folder": str(folder),
                "metering_attest": ATTEST,
                **case.variables(meter),
            }
        common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        inventory = tmp_path / "inventory.yml"
        content = {"meters": {"hosts": hosts, "vars": {**common, "metering_timing": {"clock_factor": FACTOR}}}}
        inventory.write_text(yaml.safe_dump(content), encoding="utf-8")
        task = firmware(TO, tmp_path, artifacts / "records.sqlite3", campaign="foreign", concurrency=10, accept=["cleartext_management"])
        next(iter(task.values())).update(artifacts="{{ package_folder }}", attest="{{ metering_attest }}")
        played = play(artifacts, inventory, [task])
        found = {name: (played.result(name)["outcome"], played.result(name)["reason"]) for name in CASES}
        assert found == {name: case.end for name, case in CASES.items()}
        for name, case in CASES.items():
            witness(name, case, meters[name], played.result(name))
    assert not any(word in played.output for word in PLANTED)


def witness(name: str, case: Case, meter: ForeignMeter, result: Mapping[str, Any]) -> None:
    """The meter's own journal: nothing out of turn, no password too many, no decision without a good end in view."""
    assert not [*meter.events("violation"), *meter.events("ticket_refused"), *meter.events("guard_refused"), *meter.events("modbus_write")]
    decided = [event for event in meter.events("decision") if event["outcome"] == "begun"]
    assert len(decided) == meter.state["attempts"] == (1 if result["outcome"] == "verified" or name == "kernel" else 0)
    assert len(meter.events("leave")) >= 1 or not [event for event in meter.events("login") if event["outcome"] == "welcome"]
    if case.logins is not None:
        assert len(meter.events("login")) == case.logins
    if result["outcome"] == "verified":
        (delivered,) = meter.events("delivered")
        assert (delivered["name"], delivered["how"]) == (f"PM5560_v{TO}.sedp", "multipart" if meter.tls else "bare")
        assert result["after"]["version"] == meter.state["release"] == result["last_upgrade"]["version"] == TO
    if name == "broken-seal":
        assert [event["outcome"] for event in meter.events("delivered")] == ["returned"] * 2, "hashed again, and one fresh try"
    if name == "kernel":
        assert "kernel gave up" in result["device_text"]
    if name == "unknown-caller":
        assert "do not know this caller" in result["msg"] or "do not know this caller" in str(result)


@pytest.fixture
def kdesk() -> Iterator[ForeignMeter]:
    with ForeignMeter(tls=True, clock_factor=100) as meter:
        yield meter


def session(meter: ForeignMeter, profile: Mapping[str, Any], entry: Mapping[str, str]) -> ProfileSession:
    tls = Tls(fingerprint=meter.fingerprint)
    target = Target("kdesk", meter.address, meter.ports, 255, Timeouts(2, 5), credentials={"administrator": Credential(**entry)}, tls=tls)
    return ProfileSession(target, profile, "administrator")


@pytest.mark.requirement("R-029", "R-138")
def test_settings_of_a_foreign_meter_are_read_and_written_in_our_words(kdesk: ForeignMeter) -> None:
    profile = load_profile(str(PROFILE))
    with session(kdesk, profile, kdesk.keeper) as opened:
        opened.login()
        read = {name: opened.read(name) for name in profile["settings"]}
        assert read == {
            "http_port": "none",
            "https_port": read["https_port"],
            "ftp_server": "off",
            "ip_mode": "stored",
            "release": "4.3.5",
            "motto": "measure twice",
            "attic": None,
        }, "a page that this firmware does not have is a normal outcome"
        opened.write("ftp_server", "on")
        assert opened.read("ftp_server") == "on" and kdesk.settings["file_door"] == "open"
        with pytest.raises(DeviceError) as caught:
            opened.write("ftp_server", "ajar")
        assert (caught.value.reason, caught.value.device_text) == ("setting_refused", "Not kept: file_door.")
    assert kdesk.events("leave") and not kdesk.events("ticket_refused")


@pytest.mark.requirement("R-031")
def test_a_lockout_is_told_in_the_devices_words_and_one_session_tries_one_password(kdesk: ForeignMeter) -> None:
    profile, wrong = load_profile(str(PROFILE)), {**kdesk.keeper, "password": "Canary-wrong-1f0c"}
    for reason in ("web_auth_failed", "web_auth_failed", "web_auth_failed", "locked_out"):
        opened = session(kdesk, profile, wrong)
        for dummy in range(3):
            with pytest.raises(DeviceError) as caught:
                opened.login()
            assert "Canary" not in f"{caught.value}{caught.value.device_text}"
            if not dummy:
                assert caught.value.reason == reason
        opened.close()
    assert len(kdesk.events("login")) == 4
    assert "barred for 10 minutes" in locked_text(kdesk, profile)


def locked_text(meter: ForeignMeter, profile: Mapping[str, Any]) -> str:
    with session(meter, profile, meter.keeper) as opened, pytest.raises(DeviceError) as caught:
        opened.login()
    return caught.value.device_text


@pytest.mark.requirement("R-138")
def test_sessions_in_use_and_a_meter_being_looked_after_are_not_wrong_passwords(kdesk: ForeignMeter) -> None:
    profile = load_profile(str(PROFILE))
    kdesk.take_chairs(2)
    for reason in ("session_limit", "web_busy"):
        with session(kdesk, profile, kdesk.keeper) as opened, pytest.raises(DeviceError) as caught:
            opened.login()
        assert caught.value.reason == reason and caught.value.device_text
        kdesk.look_after(True)
    assert [event["outcome"] for event in kdesk.events("login")] == ["crowded"], "no password goes to a meter that is looked after"


@pytest.mark.requirement("R-040", "R-138")
def test_a_session_travels_to_another_step_as_plain_data(kdesk: ForeignMeter, tmp_path: Path) -> None:
    """What a step on a jump host needs: tokens go along, and the meter sees one login."""
    kdesk.package(tmp_path, TO)
    (path,) = tmp_path.rglob("*.sedp")
    profile, digest = load_profile(str(PROFILE)), hashlib.sha256(path.read_bytes()).hexdigest()
    first = session(kdesk, profile, kdesk.keeper)
    first.login()
    assert first.upload(path, path.name, digest, lambda dummy: None).state == "staged"
    state = copy.deepcopy(first.state())
    first.abandon()
    target = Target("kdesk", kdesk.address, kdesk.ports, 255, Timeouts(2, 5), tls=Tls(fingerprint=kdesk.fingerprint))
    with ProfileSession(target, profile, "administrator", state) as second:
        assert second.confirm().state == "triggered"
    assert [event["outcome"] for event in kdesk.events("login")] == ["welcome"] and kdesk.events("begun")
