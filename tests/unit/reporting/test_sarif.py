# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""SARIF: valid by the official schema of 2.1.0, within GitHub's limits and with what GitHub asks for, every finding once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import sarif

#: The official schema, as Microsoft's jest-sarif (MIT) carries it.
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))


def _small() -> dict:
    return auditmaker.make(40)


def test_the_file_fits_the_official_schema(text_of) -> None:
    validator = jsonschema.Draft4Validator(SCHEMA)
    for document in (_small(), auditmaker.finish([])):
        log = json.loads(text_of(sarif.write, document))
        assert [error.message for error in validator.iter_errors(log)] == []
    assert not validator.is_valid({**log, "version": "2.0.0"}), "the schema judges nothing"


def test_results_and_totals_are_those_of_the_audit(audit, past, text_of) -> None:
    (run,) = json.loads(text_of(sarif.write, audit, past))["runs"]
    states = Counter(item["properties"]["state"] for item in run["results"])
    assert states == {name: audit["totals"]["states"][name] for name in sarif.LISTED}
    assert run["properties"]["totals"] == audit["totals"]
    assert (run["properties"]["digest"], run["properties"]["verdict"]) == (audit["digest"], audit["verdict"])
    assert sum("suppressions" in item for item in run["results"]) == states["waived"]
    assert len({item["partialFingerprints"]["primaryLocationLineHash"] for item in run["results"]}) == len(run["results"])


def test_every_result_and_rule_has_what_github_asks_for(audit, text_of) -> None:
    (run,) = json.loads(text_of(sarif.write, audit))["runs"]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"] and rule["help"]["text"]
        assert len(rule["shortDescription"]["text"]) <= 1024 >= len(rule["fullDescription"]["text"])
        assert len(rule["properties"]["tags"]) <= constants.SARIF_TAGS.number and rule["properties"]["tags"][0] == "security"
        assert 0 < float(rule["properties"]["security-severity"]) <= 10
    for item in run["results"]:
        assert item["ruleId"] == rules[item["ruleIndex"]]["id"]
        (location,) = item["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"] in ("group_vars/all/baseline.yml", "inventory/hosts.yml")
        assert all(physical["region"][name] >= 1 for name in ("startLine", "startColumn", "endLine", "endColumn"))
        assert item["message"]["text"] and item["partialFingerprints"]["primaryLocationLineHash"]


def test_each_state_is_told_as_the_standard_wants_it(text_of) -> None:
    (run,) = json.loads(text_of(sarif.write, auditmaker.one_of_each_state()))["runs"]
    found = {item["ruleId"]: item for item in run["results"]}
    assert set(found) == {"mode", "lockout_web", "services_ftp"}
    assert (found["mode"]["kind"], found["mode"]["level"]) == ("fail", "error")
    assert (found["lockout_web"]["kind"], found["lockout_web"]["level"]) == ("open", "none")
    assert (found["services_ftp"]["kind"], found["services_ftp"]["level"]) == ("fail", "warning")
    (suppression,) = found["services_ftp"]["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert suppression["justification"] == "until 2027-03-31, approved by ot-security: exchange is planned"
    region = found["mode"]["locations"][0]["physicalLocation"]["region"]
    assert region["startLine"] == 12 and "metering_hosts=m-1" in found["mode"]["message"]["text"]


def test_the_level_follows_the_severity_of_the_control(text_of) -> None:
    ids = {"firmware_forbidden": "error", "mode": "error", "seals": "warning", "evidence_age": "note", "not_in_the_catalogue": "warning"}
    document = auditmaker.finish([auditmaker.single([auditmaker.result(name, "fail") for name in ids])])
    (run,) = json.loads(text_of(sarif.write, document))["runs"]
    assert {item["ruleId"]: item["level"] for item in run["results"]} == ids


def test_a_new_audit_of_the_same_fleet_has_the_same_fingerprints(text_of) -> None:
    before, after = (auditmaker.one_of_each_state() for dummy in range(2))
    after["meters"][0]["name"] = "renamed"
    after["meters"][0]["controls"][0]["location"]["line"] = 99
    prints = [
        [item["partialFingerprints"] for item in json.loads(text_of(sarif.write, document))["runs"][0]["results"]]
        for document in (before, after)
    ]
    assert prints[0] == prints[1]


def test_a_run_holds_no_more_results_than_github_takes(text_of, monkeypatch: pytest.MonkeyPatch) -> None:
    few = constants.Constant("sarif_results", 7, "results", ("own",), "")
    monkeypatch.setattr(constants, "SARIF_RESULTS", few)
    document = _small()
    runs = json.loads(text_of(sarif.write, document))["runs"]
    wanted = sum(document["totals"]["states"][name] for name in sarif.LISTED)
    assert len(runs) == wanted // 7 + 1 > 2 and all(len(run["results"]) <= 7 for run in runs)
    assert sum(len(run["results"]) for run in runs) == wanted
    categories = [run["automationDetails"]["id"] for run in runs]
    assert len(set(categories)) == len(runs) and all(name.endswith("/") for name in categories)


def test_a_finding_without_a_place_in_a_file_still_has_one(text_of) -> None:
    finding = auditmaker.result("mode", "fail", "advanced", "standard")
    del finding["location"]
    meter = auditmaker.single([finding])
    del meter["location"]
    (item,) = json.loads(text_of(sarif.write, auditmaker.finish([meter])))["runs"][0]["results"]
    assert item["properties"]["location"] == "not known" and item["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


@pytest.mark.parametrize(
    ("file", "uri", "base"),
    [
        ("group_vars/all/a b.yml", "group_vars/all/a%20b.yml", sarif.ROOT),
        ("./hosts.yml", "hosts.yml", sarif.ROOT),
        ("/etc/ansible/hosts", "file:///etc/ansible/hosts", None),
        ("a#b?c.yml", "a%23b%3Fc.yml", sarif.ROOT),
    ],
)
def test_a_file_is_told_as_an_address(file: str, uri: str, base: str | None, text_of) -> None:
    finding = auditmaker.result("mode", "fail", location={"file": file, "line": 3})
    (item,) = json.loads(text_of(sarif.write, auditmaker.finish([auditmaker.single([finding])])))["runs"][0]["results"]
    address = item["locations"][0]["physicalLocation"]["artifactLocation"]
    assert (address["uri"], address.get("uriBaseId")) == (uri, base)


def test_square_brackets_are_no_links(text_of) -> None:
    document = auditmaker.with_text("[click](http://x)")
    (item,) = json.loads(text_of(sarif.write, document))["runs"][0]["results"]
    assert "\\[click\\](http://x)" in item["message"]["text"]
