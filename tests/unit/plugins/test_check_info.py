# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What shows without a meter: lines that core carries, one baseline for a run, every kind of fault at once, mistyped variables."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.gridops.metering.plugins.filter.baseline_targets import baseline_targets
from ansible_collections.gridops.metering.plugins.filter.security_document import security_document
from ansible_collections.gridops.metering.plugins.module_utils._check import CHECK_SPEC
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.campaign import Campaign
from ansible_collections.gridops.metering.plugins.plugin_utils import _origin
from ansible_collections.gridops.metering.plugins.plugin_utils._baseline import OwnTargets, agreed_targets, one_baseline, read_baseline
from ansible_collections.gridops.metering.plugins.plugin_utils._check import Checker
from ansible_collections.gridops.metering.plugins.plugin_utils._known_variables import known_variables
from ansible_collections.gridops.metering.plugins.plugin_utils._rollout import Said

ROOT = Path(__file__).resolve().parents[3]
TODAY = datetime.datetime.now(datetime.UTC).date()
LATER, EARLIER = (TODAY + datetime.timedelta(days=days) for days in (30, -30))
GOOD = f"""\
metering_baseline:
  applies_to: {{models: [PM5560]}}
  firmware:
    PM5560: {{minimum: 2.8.3, target: 4.4.0}}
  waivers:
    - {{control: firmware_target, hosts: [m2], reason: later, approver: ot, expires: "{LATER}"}}
    - {{control: ftp, hosts: ["hal-*"], reason: x, approver: ot, expires: "{EARLIER}"}}
"""


class HostVars(dict):
    """The variables of some hosts as core gives them."""

    def raw_get(self, host):
        return self[host]


@pytest.fixture
def load(tmp_path):
    (tmp_path / ".git").mkdir()

    def write(text, name="grid.yml"):
        path = tmp_path / "group_vars" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return DataLoader().load_from_file(str(path), cache="none", trusted_as_template=True)

    return write


def checker(hosts, **params):
    given = {name: spec.get("default") for name, spec in CHECK_SPEC.items()}
    found = Checker({**given, **params}, {"hostvars": HostVars(hosts), "ansible_play_hosts_all": list(hosts)})
    found.all()
    return found


# -- lines ------------------------------------------------------------------------------------------------------------


def test_core_tells_the_line_of_a_value_from_the_root_of_its_repository(load):
    given = load(GOOD)["metering_baseline"]
    assert _origin.location(given["firmware"]["PM5560"]["target"]) == {"file": "group_vars/grid.yml", "line": 4}
    assert _origin.location_of(given, "firmware") == {"file": "group_vars/grid.yml", "line": 3}
    assert _origin.location("made up") is None and _origin.location_of(given, "nothing") is None
    assert read_baseline(given).origin(("waivers", 1, "control")) == {"file": "group_vars/grid.yml", "line": 7}


def test_without_core_s_private_part_everything_works_without_lines(load, monkeypatch):
    monkeypatch.setattr(_origin, "_tag_of", None)
    given = load(GOOD)["metering_baseline"]
    assert _origin.location(given) is None and read_baseline(given).origin(("firmware",)) is None

    def gone(value):
        raise AttributeError(value)

    monkeypatch.setattr(_origin, "_tag_of", gone)
    assert _origin.location(given) is None


def test_the_filters_tell_the_line(load):
    wrong = load(GOOD.replace("2.8.3", "4.8.3") + "  security: {hep: {mode: none}}\n")["metering_baseline"]
    for call in (lambda: baseline_targets(wrong), lambda: security_document(wrong, "m1", "hep")):
        with pytest.raises(AnsibleFilterError, match=r"2 faults: .*, in group_vars/grid\.yml:4; .*mode: .*, in group_vars/grid\.yml:8"):
            call()
    with pytest.raises(AnsibleFilterError, match="must be a dictionary of model"):
        baseline_targets({}, [])
    with pytest.raises(AnsibleFilterError, match=r"metering_baseline: 'str' is not accepted"):
        baseline_targets("x")


# -- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-006")
def test_targets_of_a_file_or_a_variable_that_contradict_are_refused_with_both_lines(load, tmp_path):
    given = load(GOOD + "metering_targets:\n  METSEPM5560: 4.3.5\n")
    assert baseline_targets(given["metering_baseline"]) == {"PM5560": "4.4.0"}
    with pytest.raises(AnsibleFilterError, match=r"METSEPM5560.*grid\.yml:4 .*, in group_vars/grid\.yml:9"):
        baseline_targets(given["metering_baseline"], given["metering_targets"])
    path = tmp_path / "campaign.yml"
    path.write_text("reason: {kind: security}\ntargets:\n  PM5650: 4.11.0\n  PM5560: 2.8.2\n", encoding="utf-8")
    baseline, campaign = read_baseline(given["metering_baseline"]), Campaign(targets={"PM5650": "4.11.0", "PM5560": "2.8.2"})
    with pytest.raises(InputError, match=r"metering_campaign_file\.targets\.PM5560: '2\.8\.2'.*, in campaign\.yml:4$"):
        agreed_targets(baseline, {"targets": {"PM5560": "4.4.0"}, "campaign_file": str(path)}, campaign)
    path.write_text("targets: {PM5650: 4.11.0}\n", encoding="utf-8")
    only = agreed_targets(baseline, {"targets": {}, "campaign_file": str(path)}, Campaign(targets={"PM5650": "4.11.0"}))
    assert only == {"PM5650": "4.11.0"}, "what is given is what is meant"


@pytest.mark.requirement("R-006")
def test_a_meter_s_own_target_agrees_or_is_waived(load):
    baseline = read_baseline(load(GOOD)["metering_baseline"])
    own = load("m1: {metering_version: 4.3.5}\nm2: {metering_version: 4.3.5}\nm3: {}\n", "hosts.yml")
    hosts = HostVars({name: own[name] for name in own})
    wanted = OwnTargets(baseline, given=False)
    with pytest.raises(InputError, match=r"metering_version of m1: '4\.3\.5'.*, in group_vars/hosts\.yml:1$"):
        wanted.refuse("m1", Said(hosts, "m1"), "PM5560")
    for host, model in (("m2", "PM5560"), ("m1", "PM5650"), ("m1", "nobody knows"), ("m3", "PM5560")):
        wanted.refuse(host, Said(hosts, host), model)
    assert wanted.exempt("m1", "PM5560") == wanted.exempt("m1", "METSEPM5560") == "" and "is for PM5560" in wanted.exempt("m1", "PM5650")
    assert OwnTargets(baseline, given=True).exempt("m1", "PM5650") == OwnTargets(None, given=False).exempt("m1", "PM5650") == ""


def test_a_run_has_one_baseline(load):
    first, second = load(GOOD), load(GOOD.replace("4.4.0", "4.3.5"), "other.yml")
    same = load(GOOD, "copy.yml")
    one_baseline(HostVars(a=first, b=same), ["a", "b", "nobody"][:2])
    with pytest.raises(InputError, match=r"another one for b than for a \(group_vars/grid\.yml:\d and group_vars/other\.yml:\d\)"):
        one_baseline(HostVars(a=first, b=second), ["a", "b"])
    with pytest.raises(InputError, match="limit the run"):
        one_baseline(HostVars(a=first, b={}), ["a", "b"])


# -- the check --------------------------------------------------------------------------------------------------------


def test_all_kinds_of_faults_are_told_at_once(load, tmp_path):
    hosts = load(
        "m1:\n  ansible_host: 300.1.1.1\n  metering_fammily: hep\nm2:\n  metering_family: hep\n  metering_version: '4.0'\n"
        "m3:\n  metering_family: gas\nm4:\n  metering_ports: {modbus: 0}\n  metering_accept: [everything]\n",
        "hosts.yml",
    )
    (tmp_path / "c.yml").write_text("reason: {kind: security}\nwaves: [{name: a, hosts: [m9]}]\n", encoding="utf-8")
    found = checker(
        {name: hosts[name] for name in hosts},
        baseline=load(GOOD.replace("2.8.3", "4.8.3"))["metering_baseline"],
        campaign_file=str(tmp_path / "c.yml"),
        artifacts=str(tmp_path / "nothing"),
        gate={"max_failures": -1},
        accept=["all"],
        rollout_batches=[0],
        concurrency=11,
    ).result()
    places = {item["option"]: (item["file"], item["line"]) for item in found["faults"]}
    assert places["metering_baseline.firmware.PM5560.target"] == ("group_vars/grid.yml", 4)
    assert places["host"] == ("group_vars/hosts.yml", 2) and places["metering_version"] == ("group_vars/hosts.yml", 6)
    assert places["family"] == ("group_vars/hosts.yml", 8) and places["ports.modbus"] == ("group_vars/hosts.yml", 10)
    assert {"metering_campaign_file.waves", "metering_concurrency", "accept"} <= set(places) and len(found["faults"]) == 12
    assert found["checked"] == ["campaign", "baseline", "options", "artifacts", "inventory"] and found["meters"] == 4
    assert [(item["file"], item["line"]) for item in found["notices"]] == [("group_vars/hosts.yml", 3)]
    assert "is metering_family meant?" in found["notices"][0]["text"] and found["text"].startswith("12 faults: ")


def test_what_is_odd_is_a_warning_and_no_fault(load):
    found = checker({"m1": {"ansible_host": "192.0.2.1"}, "m2": {}}, baseline=load(GOOD)["metering_baseline"])
    result = found.result()
    assert result["faults"] == [] and result["targets"] == {"PM5560": "4.4.0"} and result["baseline"].keys() == {"digest"}
    texts = [item["text"] for item in result["notices"]]
    assert len(texts) == 2 and "hal-* names no meter" in texts[0] and f"ran out on {EARLIER}" in texts[1]
    outside = checker(
        {"m1": {}, "x": {"metering_family": "hep"}}, baseline={"applies_to": {"families": ["pm5000"], "models": ["PM5560"]}}
    ).result()
    assert [item["text"] for item in outside["notices"]] == ["metering_baseline.applies_to: 1 of 2 meters are not covered, the first is x"]
    assert found.lines()[0] == "Checked baseline, targets, options, inventory of 2 meters: 0 faults, 2 warnings."


def test_a_secret_in_clear_is_told_once_and_never_shown(load):
    text = """\
m1: &m1
  metering_credentials: {admin: {user: USER1, password: Canary-9Check}}
  metering_passwords: {USER2: "{{ from_vault }}", USER3: !vault "$ANSIBLE_VAULT;1.1;AES256\\n6162"}
  metering_attest: {by: j.doe}
m2: *m1
"""
    hosts = load(text, "hosts.yml")
    found = checker({name: hosts[name] for name in hosts}).result()
    assert [(item["option"], item["file"], item["line"]) for item in found["notices"]] == [
        ("metering_credentials", "group_vars/hosts.yml", 2)
    ]
    assert "Canary" not in str(found) and found["faults"] == []
    many = load("".join(f"m{number}: {{metering_marks_key: Canary-{number}}}\n" for number in range(13)), "many.yml")
    texts = [item["text"] for item in checker({name: many[name] for name in many}).result()["notices"]]
    assert len(texts) == 11 and texts[-1] == "3 more secrets stand in clear"


def test_each_variable_that_the_documentation_names_is_known():
    pages = [path for path in ROOT.glob("docs/**/*.md") if path.name != "reports.md"]  # which names numbers for Prometheus
    text = "".join(path.read_text(encoding="utf-8") for path in (*pages, *ROOT.glob("examples/**/*.yml"), ROOT / "README.md"))
    named = set(re.findall(r"\bmetering_[a-z_]+[a-z]\b", text))
    made = {name for name in named if name.startswith(("metering_rollout", "metering_harden"))}
    assert {"metering_family", "metering_baseline", "metering_credentials"} <= known_variables()
    assert named - made - known_variables() == set()
