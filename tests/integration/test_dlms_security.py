# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""``meter_security`` and ``meter_security_info`` against simulated MCS301 meters; the meter's own account tells what happened.

Most cases run the task's code in this process, with a ledger of their own; one play each proves the two modules.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_facts import play

from ansible_collections.gridops.metering.plugins.module_utils._argspec import target_from
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.dlms import DlmsLedger
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._facts import ASK, BLOCKS
from ansible_collections.gridops.metering.plugins.module_utils._security import result_of
from ansible_collections.gridops.metering.plugins.module_utils._security_remote import remote_info
from ansible_collections.gridops.metering.plugins.plugin_utils._dlms import facts_block
from ansible_collections.gridops.metering.plugins.plugin_utils._security import run_security
from metersim.testing import Fleet

FIRMWARE = {0: "010200030001", 1: "020500010007", 2: "030100000004"}
NEW = {name: f"{number}c5e1f70{'9d3b6a48' * 3}"[:32] for number, name in enumerate(("guek", "gak", "gbek", "kek"), start=1)}
PASSWORD = "Canary-sec-reading"
MARKS_KEY = "Canary-sec-marks-key"
EVERYTHING: dict[str, Any] = {
    "policy": "authenticated_encrypted",
    "accept": ["irreversible"],
    "new_keys": NEW,
    "lls_secret": {"client": 2, "value": PASSWORD},
    "marks_key": MARKS_KEY,
    "image_transfer_enabled": False,
    "clock": "set",
}
METERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "play": {},
    "old": {"dlms": {"security_version": 0}},
    "skewed": {"faults": {"F-25": {"offset": 7200}}},
    "gated": {"faults": {"jumper_gate": {}, "F-25": {"offset": 7200}}},
    "open": {"dlms": {"public": "wide", "mechanisms": ["lls"], "access": {"authentication": "lls", "protection": "none"}}},
    "published": {"dlms": {"keys": {"guek": "000102030405060708090A0B0C0D0E0F", "gak": "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"}}},
    **{f"lost{number}": {} for number in range(4)},
    "killed": {},
    "far": {},
    "busy": {},
    "moved": {"faults": {"close_on_failure": {}}},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    meters = [{"name": name, "model": "MCS301", "firmware": FIRMWARE, **more} for name, more in METERS.items()]
    with Fleet({"name": "dlms-security", "clock_factor": 100, "meters": meters}, tmp_path_factory.mktemp("security")) as running:
        yield running


class Bench:
    """One meter, its connection options from the inventory, and a ledger of its own."""

    def __init__(self, fleet: Fleet, name: str, folder: Path) -> None:
        self.name, self.meter = name, fleet.meter(name)
        host = fleet.hosts()[name]
        self.options = {key.removeprefix("metering_"): value for key, value in host.items() if key.startswith("metering_")}
        self.options |= {"host": host["ansible_host"], "records": str(folder / f"{name}.sqlite3")}
        self.told: list[str] = []

    def run(self, *, change: bool = True, check: bool = False, **options: Any) -> dict[str, Any]:
        found = result_of(run_security({**self.options, **options}, self.name, change=change, check=check))
        self.told.append(json.dumps(found, default=str))
        return found

    def ledger(self) -> DlmsLedger:
        return open_records(self.options["records"], "test").dlms

    def changes(self) -> list[Any]:
        """What the meter says was changed in it, in order."""
        found = []
        for event in self.meter.events():
            if event["kind"] == "key_transfer" and event["result"] == 0:
                found.append(event["ids"][0])
            elif event["kind"] in ("policy", "secret_changed"):
                found.append(event["kind"])
            elif event["kind"] == "set" and event["class"] in (8, 18) and event["result"] == 0:
                found.append(event["class"])
        return found

    def refused_logins(self) -> int:
        return len(self.meter.events("auth_failed"))


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(fleet, request.param, tmp_path)


def meter_of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", [name], indirect=True)


def states(result: dict[str, Any]) -> dict[str, str]:
    return {item["id"]: item["state"] for item in result["controls"]}


@pytest.mark.requirement("F-27")
@meter_of("plain")
def test_everything_in_order_and_a_second_run_changes_nothing(bench: Bench) -> None:
    planned = bench.run(check=True, **EVERYTHING)
    assert planned["outcome"] == "planned" and not planned["changed"]
    assert not any(event["client"] != 16 for event in bench.meter.events("aarq")), "check mode used no key that never worked"
    looked = bench.run(change=False)
    assert {item["id"] for item in looked["findings"]} == {"policy", "image_transfer_enabled"}
    planned = bench.run(check=True, **EVERYTHING)
    assert planned["changed"] and states(planned)["key_kek"] == states(planned)["policy"] == "planned"
    assert bench.changes() == [] and bench.refused_logins() == 0

    done = bench.run(**EVERYTHING)
    assert (done["outcome"], done["changed"]) == ("changed", True), done["msg"]
    gak, guek, gbek, kek = 2, 0, 1, 3
    # The master key is proven before and after its change by the authentication key that the meter has already.
    assert bench.changes() == [18, "secret_changed", gak, gak, guek, gbek, kek, gak, "policy"]
    state = bench.meter.state()
    assert state["image"]["enabled"] is False and state["policy"] == "authenticated_encrypted"
    assert bench.refused_logins() == 0, "the ledger knew that the present keys work"
    assert not bench.meter.events("violation")

    again = bench.run(**EVERYTHING)
    assert (again["outcome"], again["changed"]) == ("current", False)
    assert set(states(again).values()) == {"pass"}
    moved = {**bench.options["dlms_keys"], **NEW}
    assert bench.run(**{**EVERYTHING, "dlms_keys": moved})["outcome"] == "current", "the new keys are in the vault's first place now"
    assert len(bench.changes()) == 9 and bench.refused_logins() == 0
    with pytest.raises(DeviceError):
        bench.run(dlms={**bench.options["dlms"], "client": 2, "authentication": "lls", "protection": "none"})
    assert [event["event"] for event in _journal(bench)].count("security_changed") == 7


def _journal(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(line) for line in open_records(bench.options["records"], "test").journal_lines("adhoc").splitlines()]


@pytest.mark.requirement("F-27")
@pytest.mark.parametrize(("bench", "key"), [(f"lost{number}", name) for number, name in enumerate(NEW)], indirect=["bench"])
def test_the_answer_to_a_new_key_is_lost(bench: Bench, key: str) -> None:
    bench.run()
    bench.meter.faults({"lost_key_answer": {"times": 2 if key == "kek" else 1}})
    result = bench.run(new_keys={key: NEW[key]})
    if result.get("failed"):  # lost while the master key was looked for: nothing was sent yet
        bench.meter.faults({})
        result = bench.run(new_keys={key: NEW[key]})
    assert result["outcome"] == "changed" and states(result)[f"key_{key}"] == "changed", result["msg"]
    bench.meter.faults({})
    assert bench.run(new_keys={key: NEW[key]})["outcome"] == "current"
    assert bench.refused_logins() == 0
    assert not bench.ledger().pending_keys(str(result["serial"]), 1)


def killed_run(bench: Bench, key: str) -> None:
    """A run in a process of its own, which dies between the meter's answer to this key and what the ledger should learn of it."""
    child = os.fork()
    if child == 0:
        end_key = DlmsLedger.end_key

        def cut(ledger: DlmsLedger, serial: str, client: int, name: str, outcome: str) -> None:
            if name == key:
                os.kill(os.getpid(), signal.SIGKILL)
            end_key(ledger, serial, client, name, outcome)

        DlmsLedger.end_key = cut  # type: ignore[method-assign]
        try:
            bench.run(new_keys=NEW)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.requirement("F-27")
@meter_of("killed")
def test_a_run_killed_before_the_ledger_learns_of_a_key_is_gone_on_with(bench: Bench) -> None:
    serial = str(bench.run()["serial"])
    for key in ("gak", "guek", "gbek", "kek"):
        killed_run(bench, key)
        assert list(bench.ledger().pending_keys(serial, 1)) == [key]
    done = bench.run(new_keys=NEW)
    assert not bench.ledger().pending_keys(serial, 1)
    assert done["outcome"] == "current" and bench.refused_logins() == 0
    assert bench.run(dlms_keys={**bench.options["dlms_keys"], **NEW})["outcome"] == "current"


@meter_of("moved")
def test_keys_are_probed_once_and_found_out_without_a_ledger(bench: Bench, tmp_path: Path) -> None:
    assert bench.run(new_keys=NEW)["logins"] == {"refused": 1, "probed": True}
    bench.options["records"] = str(tmp_path / "another.sqlite3")
    found = bench.run(new_keys={"guek": NEW["guek"], "gak": NEW["gak"], "kek": NEW["kek"]})
    assert (found["outcome"], found["logins"]["refused"]) == ("current", 0), found["msg"]
    bench.options["records"] = str(tmp_path / "third.sqlite3")
    before = bench.refused_logins()
    lost = bench.run(new_keys={"gak": "0f" * 8 + "1e" * 8})
    assert (lost["outcome"], lost["reason"], lost["changed"]) == ("failed", "key_state_unknown", False)
    assert bench.refused_logins() - before == 2


@meter_of("old")
def test_a_security_setup_of_version_0(bench: Bench) -> None:
    blocked = bench.run(new_keys=NEW)
    assert (blocked["outcome"], blocked["reason"]) == ("blocked", "key_refused")
    three = {name: NEW[name] for name in ("guek", "gak", "gbek")}
    done = bench.run(new_keys=three, policy="authenticated_encrypted", accept=["irreversible"])
    assert done["outcome"] == "changed", done["msg"]
    assert bench.meter.state()["policy"] == "authenticated_encrypted"


@pytest.mark.requirement("F-25")
@meter_of("skewed")
def test_a_wrong_clock_is_reported_and_set_when_asked(bench: Bench) -> None:
    assert states(bench.run(change=False))["clock"] == "fail"
    assert bench.run(clock="set")["outcome"] == "changed"
    assert states(bench.run(change=False))["clock"] == "pass"


@meter_of("gated")
def test_a_jumper_in_the_meter(bench: Bench) -> None:
    clock = bench.run(clock="set")
    assert (clock["outcome"], clock["reason"], clock["changed"]) == ("failed", "hardware_gate_suspected", False)
    keys = bench.run(new_keys={"gak": NEW["gak"]})
    assert (keys["reason"], keys["key_states"]) == ("hardware_gate_suspected", {"gak": "refused"})
    assert bench.run()["outcome"] == "current" and bench.changes() == []


@meter_of("open")
def test_what_is_wrong_is_found_by_looking(bench: Bench) -> None:
    found = bench.run(change=False)
    bad = {item["id"] for item in found["findings"] if item["state"] == "fail"}
    assert bad >= {"own_association", "associations", "public_client", "policy"}
    with pytest.raises(InputError, match="policy"):
        bench.run(policy="authenticated_encrypted", accept=["irreversible"])
    with pytest.raises(InputError, match="lls_secret"):
        bench.run(lls_secret={"client": 2, "value": PASSWORD})
    assert bench.run(image_transfer_enabled=False)["outcome"] == "changed"


@meter_of("published")
def test_published_keys_are_a_finding(bench: Bench) -> None:
    assert states(bench.run(change=False))["published_key"] == "fail"
    with pytest.raises(InputError, match="new_keys"):
        bench.run(new_keys={"gbek": "000102030405060708090A0B0C0D0E0F"})


@pytest.mark.requirement("R-086")
@meter_of("busy")
def test_a_meter_whose_upgrade_has_no_known_end_is_left_alone(bench: Bench) -> None:
    serial = str(bench.run()["serial"])
    records = open_records(bench.options["records"], "test")
    what = {"host": "busy", "row": "M-1", "method": "dlms", "source": "00", "target": "01", "artifact_digest": "", "operator": "test"}
    records.begin_attempt(serial, "MCS301", **what, plan_digest="", campaign="adhoc", before={})
    for check in (True, False):
        found = bench.run(check=check, image_transfer_enabled=False)
        assert (found["outcome"], found["reason"], found["changed"]) == ("blocked", "firmware_in_progress", False)
    assert bench.changes() == []


@meter_of("play")
def test_the_modules_in_a_play(bench: Bench, fleet: Fleet, jump_host: Any, tmp_path: Path) -> None:
    way = tmp_path / "way.yml"
    way.write_text(yaml.safe_dump({"ways": {"hosts": {"jump1": jump_host.variables}}}), encoding="utf-8")
    module = {"gridops.metering.meter_security": EVERYTHING}
    info: dict[str, Any] = {"gridops.metering.meter_security_info": {}}
    tasks = [
        {"gridops.metering.meter_security": {"family": "pm5000", "policy": "encrypted"}, "register": "other", "ignore_errors": True},
        {**module, "delegate_to": "jump1", "register": "there", "ignore_errors": True},
        {**info, "delegate_to": "jump1", "register": "seen_there"},
        {**info, "register": "seen_here"},
        {"ansible.builtin.assert": {"that": ["'mcs301' in other.msg", "other.error.class == 'input'", "'delegate_to' in there.msg"]}},
        {"ansible.builtin.assert": {"that": ["seen_there.findings == seen_here.findings", "seen_here.summary.fail == 2"]}},
        module,
    ]
    words = ("--diff", "-i", str(way), "-e", f"metering_records={tmp_path}/r.sqlite3")
    done = play(fleet, tmp_path, tasks, *words, hosts="play", verbose=True)["play"]
    assert done["outcome"] == "changed", done["msg"]
    assert done["diff"]["before"]["policy"].startswith("none") and done["diff"]["after"]["policy"] == "authenticated_encrypted"
    output = (tmp_path / "output.txt").read_text() + json.dumps(done)
    left = [path.read_bytes() for path in (jump_host.folder / "remote").rglob("*") if path.is_file()]
    secrets = [PASSWORD, MARKS_KEY, *NEW.values(), *bench.options["dlms_keys"].values()]
    assert not any(secret in output or secret.upper() in output for secret in secrets)
    assert not any(secret.encode() in content for secret in secrets for content in left)


@meter_of("far")
def test_reading_through_a_jump_host_takes_its_counters_from_the_control_node(bench: Bench) -> None:
    """What the module does there; the way there is the same as that of ``meter_facts``."""
    floor = remote_info({**bench.options, BLOCKS: ASK}, False)["floor"]
    ledger = bench.ledger()
    block = facts_block(ledger, target_from(bench.options, bench.name), floor)
    found = remote_info({**bench.options, BLOCKS: block}, False)
    assert states(found)["own_association"] == states(found)["published_key"] == "pass" and states(found)["policy"] == "fail"
    assert states(remote_info(bench.options, True))["policy"] == "unknown", "check mode there knows of no key that ever worked"
    with pytest.raises(DeviceError) as none_left:
        remote_info({**bench.options, BLOCKS: {"first": floor + 100, "count": 3}}, False)
    assert none_left.value.reason == "dlms_counter_block_used"


def test_no_secret_is_left_in_a_ledger(fleet: Fleet, tmp_path: Path) -> None:
    bench = Bench(fleet, "lost0", tmp_path)
    bench.run(
        lls_secret={"client": 2, "value": PASSWORD}, marks_key=MARKS_KEY, dlms_keys={**bench.options["dlms_keys"], "guek": NEW["guek"]}
    )
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    keys = [bytes.fromhex(value) for name, value in {**bench.options["dlms_keys"], **NEW}.items() if name != "lls"]
    assert not any(key in stored or key.hex().encode() in stored for key in keys)
    assert PASSWORD.encode() not in stored and MARKS_KEY.encode() not in stored
