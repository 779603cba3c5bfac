# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""``meter_security`` and ``meter_security_info`` against simulated HEP and PM5000 meters; the meters' own counters are the witness.

Most cases run the task's code in this process, with records of their own; one play proves the two modules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_facts import play

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._security_settings import settings_diff, settings_info, settings_result
from ansible_collections.gridops.metering.plugins.plugin_utils._security_settings import run_settings
from metersim.testing import Fleet

ADMIN, READER, NEXT = "Can-a1", "Can-r1", "Can-n1"
MARKS_KEY = "Canary-apply-marks-key"
ADVANCED = {"mode": "advanced", "users": [{"name": "USER1", "password": ADMIN, "permissions": "all"}]}
PROGRAMMED: dict[str, Any] = {"web_programming": True}


def meter(name: str, firmware: str = "3.1.0", hep: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A meter of the fleet file that can be programmed by its webpages."""
    given = {**ADVANCED, **(hep or {})}
    return {
        "name": name,
        "model": "ION9000",
        "firmware": firmware,
        **more,
        "hep": {**given, "settings": {**PROGRAMMED, **given.get("settings", {})}},
    }


METERS: list[dict[str, Any]] = [
    meter("advanced"),
    meter("json", "4.0.0", {"mode": "legacy_support", "users": None, "password": "4711"}, surface="hep-b"),
    meter("standard", "2.4.1", {"mode": "standard", "users": None, "password": "815"}),
    meter("ports", "4.0.0"),
    meter("dark", surface="hep-b"),
    meter("oob"),
    meter("oob-b", "4.0.0", surface="hep-b"),
    meter("registers", "4.0.0", {"settings": {"web_programming": False, "modbus_access": "read_write", "modbus_programming": True}}),
    meter("protected", "4.0.0"),
    meter("handed", "4.0.0", {"settings": {"web_server": False, "web_programming": False}}),
    meter("closed", hep={"settings": {"modbus_access": "none"}}),
    meter("wrong", hep={"settings": {"lockout_web": 3}}, surface="hep-b"),
    meter("locked", faults={"F-26": {"user": "USER1", "protocol": "web"}}, surface="hep-b"),
    meter("pinned"),
    meter("legacy", hep={"mode": "legacy_support", "users": None, "password": "4711"}, surface="hep-b"),
    meter("play"),
    {"name": "pm", "model": "PM5560", "firmware": "4.3.5", "surface": "b"},
    {"name": "renamed", "model": "PM5560", "firmware": "2.7.8"},
    meter("senseless", hep={"users": ADVANCED["users"]}),
]


class Bench:
    """A fleet, and what a task would be given for each of its meters."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder, self.hosts = fleet, folder, fleet.hosts()

    def params(self, host: str, **more: Any) -> dict[str, Any]:
        variables = self.hosts[host]
        given = {name.removeprefix("metering_"): value for name, value in variables.items() if name.startswith("metering_")}
        records = str(self.folder / f"{host}.sqlite3")
        marked = {"records": records, "marks_key": MARKS_KEY, "accept": ["unverified_profile"]}
        return {**given, "host": variables["ansible_host"], **marked, **more}

    def change(self, host: str, check: bool = False, **more: Any) -> dict[str, Any]:
        """One run of meter_security; the result must never show a password."""
        report = run_settings(self.params(host, **more), host, change=True, check=check)
        result = {**settings_result(report), "diff": settings_diff(report, host)}
        shown = json.dumps(result, default=str)
        assert not [word for word in (ADMIN, READER, NEXT, MARKS_KEY) if word in shown]
        return result

    def look(self, host: str, check: bool = False, **more: Any) -> dict[str, Any]:
        return settings_info(run_settings(self.params(host, **more), host, change=False, check=check))

    def settings(self, host: str) -> dict[str, Any]:
        """The meter's own account of its settings."""
        told: dict[str, Any] = self.fleet.meter(host).state()["settings"]
        return told

    def written(self, host: str) -> list[Any]:
        return [
            event
            for event in self.fleet.meter(host).events()
            if event["kind"] in ("setting_written", "user_added", "password_changed", "mode_changed")
        ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("security")
    spec = {"name": "security", "clock_factor": 60, "meters": METERS}
    with Fleet(spec, folder) as fleet:
        yield Bench(fleet, folder)
        refused = fleet.failed_logins()
        # One wrong password, one refusal of an account that was locked before, and nothing else.
        assert {name for name, number in refused.items() if number} <= {"wrong", "locked"}
        assert not [meter["name"] for meter in METERS if fleet.meter(meter["name"]).violations()]


def states(result: dict[str, Any]) -> dict[str, str]:
    return {item["id"]: item["state"] for item in result["controls"]}


WANTED: dict[str, Any] = {
    "mode": "advanced",
    "users": [{"name": "USER1", "password": NEXT}, {"name": "USER2", "password": READER, "permissions": ["read"]}],
    "lockout": {"attempts": {"ion": 5, "web": 5}, "duration": 20},
    "session_timeout": {"ion": 30},
    "panel_programming": False,
    "time_sync": False,
    "event_log": {"cutoff": 3, "priorities": {"lockout": 250}},
}


@pytest.mark.requirement(
    "R-265", "R-267", "R-269", "R-271", "R-273", "R-276", "R-278", "R-290", "R-311", "R-312", "R-314", "R-315", "R-318", "R-330", "R-344",
    "R-345", "R-346",
)  # fmt: skip
@pytest.mark.parametrize("host", ["advanced", "json"])
def test_a_meter_is_audited_hardened_and_found_so_by_the_second_run(bench: Bench, host: str) -> None:
    before = bench.look(host, **WANTED)
    assert before["changed"] is False and not bench.written(host)
    assert states(before)["lockout_ion"] == "fail" and states(before)["panel_programming"] == "fail"

    hardened = bench.change(host, **WANTED)
    assert (hardened["outcome"], hardened["changed"]) == ("changed", True), hardened["msg"]
    assert states(hardened)["time_sync"] == "changed"
    own = bench.settings(host)
    assert (own["lockout_ion"], own["lockout_duration"], own["session_timeout_ion"], own["time_sync"]) == (5, 20, 30, False)
    assert {row["subject"]: (row["state"], row["works"]) for row in hardened["secrets"]} == {
        "USER1": ("changed", "new"),
        "USER2": ("changed", "new"),
    }
    assert hardened["diff"]["after"]["lockout_web"] == 5

    written = len(bench.written(host))
    again = bench.change(host, **WANTED)
    assert (again["outcome"], again["changed"], len(bench.written(host))) == ("current", False, written), again["msg"]
    after = bench.look(host, **WANTED)
    assert states(after)["lockout_ion"] == "pass"
    assert len(after["events"]) > 3 and after["events"][0]["time"] >= after["events"][-1]["time"] and after["events"][0]["text"]


@pytest.mark.requirement("R-191", "R-194", "R-263", "R-278")
def test_standard_security_becomes_advanced_and_the_new_user_signs_in(bench: Bench) -> None:
    users = [{"name": "USER2", "password": NEXT, "permissions": ["read", "security_config"]}]
    first = bench.change("standard", mode="advanced", users=users)
    assert first["outcome"] == "changed" and first["mode"] == "advanced", first["msg"]
    assert bench.fleet.meter("standard").state()["mode"] == "advanced"
    assert [row["state"] for row in first["secrets"]] == ["changed"]
    # The inventory still has the model number; a name that the mode does not know is not tried.
    assert bench.change("standard", mode="advanced", users=users)["outcome"] == "current"
    held = bench.change("standard", lockout={"duration": 15})
    assert held["reason"] == "user_name_not_valid_in_mode"


@pytest.mark.requirement("R-404", "R-405", "R-403", "R-398", "G-15")
def test_a_moved_web_port_is_proven_by_signing_in_there(bench: Bench) -> None:
    wanted = {"web": {"protocol": "https", "ports": {"https": 8449}}}
    moved = bench.change("ports", **wanted)
    assert moved["outcome"] == "changed", moved["msg"]
    assert moved["ports"]["http"] == "closed" and bench.settings("ports")["web_port_https"] == 8449
    # The inventory has the old port still.
    assert bench.change("ports", **wanted)["outcome"] == "current"


@pytest.mark.requirement("R-279", "R-399", "F-32")
def test_the_webpages_are_closed_only_when_that_is_accepted(bench: Bench) -> None:
    wanted = {"web": {"protocol": "disabled"}}
    blocked = bench.change("dark", **wanted)
    assert (blocked["outcome"], blocked["reason"]) == ("blocked", "disables_upgrade_channel")
    assert not bench.written("dark")
    closed = bench.change("dark", accept=["unverified_profile", "disables_upgrade_channel"], **wanted)
    assert closed["outcome"] == "changed" and closed["ports"]["https"] == "closed", closed["msg"]
    assert bench.settings("dark")["web_protocol"] == "disabled"
    # Registers still tell that it is so; nobody has to sign in for that.
    again = bench.change("dark", **wanted)
    assert (again["outcome"], again["channel"]) == ("current", "registers"), again["msg"]
    only_probes = bench.look("dark", profile=None, **wanted)
    assert "failed" not in only_probes and states(only_probes)["web_protocol"] == "unknown"


@pytest.mark.requirement("F-38", "R-320")
@pytest.mark.parametrize("host", ["oob", "oob-b"])
def test_somebody_elses_change_in_between_is_not_written_over(bench: Bench, host: str) -> None:
    """The other one writes after the look that is judged, and then after the look right before the write."""
    for skip, value in ((1, 9), (2, 8)):
        bench.fleet.meter(host).faults({"F-38": {"values": {"lockout_web": value}, "skip": skip}})
        stopped = bench.change(host, lockout={"attempts": {"web": 5}})
        assert (stopped["outcome"], stopped["reason"]) == ("failed", "changed_out_of_band"), (skip, stopped["msg"])
        assert "lockout_web" in stopped["text"] and bench.settings(host)["lockout_web"] == value, skip
    # The meter itself refused what was read before somebody else's change; where it cannot, the page of the write was compared.
    assert stopped["device_text"] == "revision" if host == "oob-b" else "was not written" in stopped["text"]
    assert bench.change(host, lockout={"attempts": {"web": 5}})["outcome"] == "changed"


@pytest.mark.requirement("R-268", "R-282", "R-283", "R-284")
def test_setup_registers_are_written_where_they_are_the_only_way(bench: Bench) -> None:
    wanted: dict[str, Any] = {"lockout": {"attempts": {"ssh": 4}}, "modbus": {"access": "read_only"}, "services": {"sftp": False}}
    both = bench.change("registers", security_profile="hep-registers", modbus={"access": "read_only", "programming": False})
    assert (both["outcome"], both["reason"]) == ("blocked", "programming_off") and not bench.written("registers")
    found = bench.change("registers", security_profile="hep-registers", **wanted)
    assert (found["outcome"], found["channel"]) == ("changed", "registers"), found["msg"]
    own = bench.settings("registers")
    assert (own["lockout_ssh"], own["modbus_access"]) == (4, "read_only")
    # What closes the way went last, and the second run has nothing to do.
    assert found["plan"][-1]["control"] == "modbus_access"
    assert bench.change("registers", security_profile="hep-registers", **wanted)["outcome"] == "current"
    protected = bench.change("registers", security_profile="hep-registers", lockout={"duration": 44})
    assert (protected["outcome"], protected["reason"]) == ("blocked", "programming_off")


@pytest.mark.requirement("R-289")
def test_a_register_that_the_meter_does_not_have_is_never_written(bench: Bench, tmp_path: Path) -> None:
    profile = {"name": "mistaken", "family": "hep", "provenance": "captured", "verified": True}
    profile["registers"] = {"settings": {"lockout_ssh": {"register": 58900, "write": True}}}  # type: ignore[assignment]
    path = tmp_path / "mistaken.yml"
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")
    found = bench.change("protected", security_profile=str(path), channel="registers", lockout={"attempts": {"ssh": 4}})
    assert found["changed"] is False and states(found)["lockout_ssh"] == "unknown"
    assert "lockout_ssh" in found["unread"]


@pytest.mark.requirement("R-248", "R-275", "R-401")
def test_without_a_way_there_is_a_list_for_a_person_and_nothing_is_claimed(bench: Bench, tmp_path: Path) -> None:
    wanted = {
        "mode": "advanced",
        "services": {"ssh": False, "ion_tls": True},
        "channel": "handover",
        "handover_dir": str(tmp_path / "lists"),
    }
    users = [{"name": "USER1", "password": NEXT}]
    found = bench.change("handed", users=users, profile=None, **wanted)
    assert (found["outcome"], found["changed"]) == ("handed_over", False), found["msg"]
    assert {"mode", "password:USER1"} <= {item["control"] for item in found["handover"]}
    listed = Path(found["handover_file"])
    assert listed.stat().st_mode & 0o777 == 0o600 and NEXT not in listed.read_text() and "vault" in listed.read_text()
    # From outside a closed port is no proof of a setting, and an open one none either.
    looked = bench.look("handed", profile=None, services={"ssh": False, "ion": True, "telnet": False})
    assert states(looked)["ssh"] == "unknown" and states(looked)["ion"] == "unknown"


@pytest.mark.requirement("R-235", "R-373", "R-282")
def test_a_meter_with_a_closed_register_map_is_known_by_its_pinned_certificate(bench: Bench) -> None:
    found = bench.look("closed", modbus={"access": "none"})
    assert (found["model"], states(found)["modbus_access"]) == ("ION9000", "pass")
    # Whether it is 3.x or 4.x nothing tells: of passwords only what both take may be sent.
    long = bench.change("closed", users=[{"name": "USER1", "password": "Canary-of-v4-Xy1"}])
    assert (long["outcome"], long["reason"]) == ("blocked", "password_policy"), long["msg"]
    assert bench.change("closed", lockout={"duration": 25})["outcome"] == "changed"


@pytest.mark.requirement("R-344", "R-369", "F-26")
def test_a_wrong_password_costs_one_failed_login_and_a_locked_account_is_left_alone(bench: Bench) -> None:
    wrong = {"admin": {"user": "USER1", "password": "Can-x1"}}
    for expected in ("login_refused", "login_held"):
        found = bench.change("wrong", credentials=wrong, lockout={"duration": 25})
        assert (found["outcome"], found["reason"]) == ("failed", expected), found["msg"]
    assert bench.fleet.failed_logins()["wrong"] == 1
    assert bench.change("wrong", lockout={"duration": 25})["outcome"] == "changed"

    first = bench.change("locked", lockout={"duration": 25})
    assert first["reason"] == "locked_out" and first["retry_after"] and first["diagnosis"][0]["rule"] == "T-5"
    before = bench.fleet.failed_logins().get("locked", 0)
    assert bench.change("locked", lockout={"duration": 25})["reason"] == "locked_out"
    assert bench.fleet.failed_logins().get("locked", 0) == before


@pytest.mark.requirement("F-31")
def test_no_password_goes_to_another_certificate(bench: Bench) -> None:
    bench.fleet.meter("pinned").faults({"F-31": {"mode": "changed"}})
    found = bench.change("pinned", lockout={"duration": 25})
    assert found["reason"] == "tls_fingerprint_mismatch"
    assert not [event for event in bench.fleet.meter("pinned").events() if event["kind"].startswith("login_")]
    bench.fleet.meter("pinned").faults({})


@pytest.mark.requirement("R-274", "R-308", "R-323", "R-347", "R-377")
def test_nothing_is_written_while_a_precheck_fails(bench: Bench) -> None:
    unverified = bench.change("protected", accept=[], lockout={"duration": 25})
    assert (unverified["outcome"], unverified["reason"]) == ("blocked", "unverified_profile") and "unverified_profile" in unverified["msg"]
    with pytest.raises(InputError, match="a profile for family 'hep'"):
        bench.change("protected", security_profile="pm5000-new")
    with pytest.raises(InputError, match="accounts"):
        bench.change("protected", accounts={"guest": {"password": "Canary-Xy-1"}})
    assert not bench.written("protected")


@pytest.mark.requirement("R-317")
def test_check_mode_signs_in_only_with_a_password_that_has_worked(bench: Bench) -> None:
    own = {"records": str(bench.folder / "check.sqlite3"), "lockout": {"duration": 25}}
    bench.look("handed", records=own["records"], profile=None)  # there is a ledger, which knows nothing of this meter

    def logins() -> int:
        return len([event for event in bench.fleet.meter("protected").events() if event["kind"] == "login_ok"])

    before = logins()
    untried = bench.change("protected", check=True, **own)
    assert untried["changed"] is False and "check_login" in untried["text"] and logins() == before
    bench.look("protected", records=own["records"])
    planned = bench.change("protected", check=True, **own)
    assert (planned["outcome"], planned["changed"]) == ("planned", True) and planned["diff"]["after"]["lockout_duration"] == 25
    assert not bench.written("protected")


@pytest.mark.requirement("R-199", "F-28", "X-01")
def test_a_password_that_other_software_cannot_use_is_refused_under_legacy_support(bench: Bench) -> None:
    wanted = {"users": [{"name": "USER1", "password": ADMIN}]}
    refused = bench.change("legacy", **wanted)
    assert (refused["outcome"], refused["reason"]) == ("blocked", "lss_alphanumeric_password") and not bench.written("legacy")
    taken = bench.change("legacy", accept=["unverified_profile", "lss_alphanumeric_password"], **wanted)
    assert taken["outcome"] == "changed", taken["msg"]


@pytest.mark.requirement("F-37", "R-293")
def test_an_answer_that_makes_no_sense_changes_nothing_and_no_session_is_left(bench: Bench) -> None:
    bench.fleet.meter("pinned").faults({"F-37": {"where": "security", "kind": "html"}})
    with pytest.raises(DeviceError) as caught:
        bench.change("pinned", lockout={"duration": 25})
    assert caught.value.reason == "web_not_understood" and not bench.written("pinned")
    assert not bench.fleet.meter("json").state()["sessions"] and not bench.fleet.meter("legacy").state()["sessions"]


@pytest.mark.requirement("R-291", "R-292", "R-294", "R-295", "R-299", "R-340")
def test_an_export_has_a_name_of_its_own_and_no_secret(bench: Bench, tmp_path: Path) -> None:
    folder = {"dir": str(tmp_path / "exports")}
    first = bench.change("protected", lockout={"duration": 41}, export=folder)
    same = bench.change("protected", lockout={"duration": 41}, export=folder)
    other = bench.change("protected", lockout={"duration": 42}, export=folder)
    assert first["outcome"] == "changed" and (same["outcome"], other["outcome"]) == ("current", "changed"), (
        first["msg"],
        same["msg"],
        other["msg"],
    )
    assert first["export_file"] == same["export_file"] != other["export_file"]
    files = sorted((tmp_path / "exports").iterdir())
    assert len(files) == 2 and all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert json.loads(files[0].read_text())["settings"]["lockout_duration"] == 41
    assert ADMIN not in "".join(path.read_text() for path in files)


@pytest.mark.requirement("R-035", "R-393", "R-394")
def test_accounts_and_protocol_of_a_pm5000(bench: Bench) -> None:
    wanted = {
        "accounts": {"administrator": {"password": "Canary-New-1!"}, "guest": {"password": "Canary-New-2!"}},
        "web": {"protocol": "https_redirect"},
    }
    first = bench.change("pm", **wanted)
    assert first["outcome"] == "changed" and {row["state"] for row in first["secrets"]} == {"changed"}, first["msg"]
    assert bench.change("pm", **wanted)["outcome"] == "current"


@pytest.mark.requirement("R-290", "R-316", "R-317")
def test_the_two_modules_in_a_play(bench: Bench, tmp_path: Path) -> None:
    wanted = {
        "users": [{"name": "USER1", "password": NEXT}],
        "lockout": {"duration": 33},
        "accept": ["unverified_profile"],
        "marks_key": MARKS_KEY,
    }
    records = {"records": str(tmp_path / "records.sqlite3")}
    tasks: list[dict[str, Any]] = [
        {"gridops.metering.meter_security_info": {"lockout": {"duration": 33}, **records}, "register": "looked"},
        {"gridops.metering.meter_security": {**wanted, **records}, "register": "first"},
        {"gridops.metering.meter_security": {**wanted, **records}, "register": "second"},
        {"gridops.metering.meter_security": {"policy": "encrypted", **records}, "register": "foreign", "ignore_errors": True},
        {"ansible.builtin.debug": {"msg": "{{ [looked, first, second, foreign] }}"}},
    ]
    results = play(bench.fleet, tmp_path, tasks, "--diff", hosts="play")["play"]["msg"]
    assert [item.get("outcome") for item in results[1:3]] == ["changed", "current"], [item.get("msg") for item in results]
    assert results[0]["summary"]["fail"] and not results[0]["changed"]
    assert results[3]["failed"] and results[3]["msg"].startswith("policy: ")
    shown = json.dumps(results) + (tmp_path / "output.txt").read_text()
    assert NEXT not in shown and ADMIN not in shown and MARKS_KEY not in shown


def test_renamed_accounts_stay_known(bench: Bench) -> None:
    """The password goes with the account: no failed login by the old name, and nothing to set again (wire facts 2)."""
    wanted = {
        "accounts": {"product_master": {"user": "boss", "password": "Canary-p1"}, "web_master": {"user": "web", "password": "Canary-w1"}}
    }
    first = bench.change("renamed", **wanted)
    assert first["outcome"] == "changed", first["msg"]
    assert any("must have the user boss" in note for note in first["notes"])
    again = bench.change("renamed", credentials={"product_master": {"user": "boss", "password": "Canary-p1"}}, **wanted)
    assert again["outcome"] == "current", again["msg"]
    assert not [event for event in bench.fleet.meter("renamed").events() if event["kind"] == "http_login_failed"]


@pytest.mark.parametrize(("where", "reason"), [("modbus", "identity_unreadable"), ("users", "web_not_understood")])
def test_a_page_that_makes_no_sense_is_no_empty_list(bench: Bench, where: str, reason: str) -> None:
    """F-37: neither users nor the identity are taken from an error page, and no password is sent to who is not known."""
    bench.fleet.meter("senseless").faults({"F-37": {"where": where, "kind": "html"}})
    wanted = {"users": [{"name": "USER2", "password": READER, "permissions": ["read"]}]}
    try:
        found = bench.change("senseless", check=True, check_login=True, **wanted)
        assert found["outcome"] == "failed" and found["reason"] == reason, found["msg"]
    except DeviceError as error:
        assert error.reason == reason
    finally:
        bench.fleet.meter("senseless").faults({})
    logins = [event for event in bench.fleet.meter("senseless").events() if event["kind"] == "login_ok"]
    assert bool(logins) is (where == "users")
