# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JUnit: valid by the schema of Jenkins' xUnit plug-in, read by a library that others use, with the totals of the audit."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import junitparser
import pytest
import xmlschema

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import junit

#: Of Jenkins' xUnit plug-in (MIT), as the source of pytest carries it.
SCHEMA = Path(__file__).parent / "schemas" / "junit-10.xsd"


def test_the_file_fits_the_schema(text_of) -> None:
    schema, text = xmlschema.XMLSchema10(SCHEMA), text_of(junit.write, auditmaker.make(60))
    schema.validate(text)
    schema.validate(text_of(junit.write, auditmaker.finish([])))
    assert not schema.is_valid(text.replace("testcase", "case")), "the schema judges nothing"


def test_a_reader_finds_the_totals_of_the_audit(audit, past, text_of) -> None:
    found = junitparser.JUnitXml.fromstring(text_of(junit.write, audit, past).encode())
    states, suites = audit["totals"]["states"], {suite.name: suite for suite in found}
    assert (found.tests, found.failures, found.errors) == (audit["totals"]["controls"], states["fail"], states["unknown"])
    assert list(suites) == [auditmaker.cleaned(meter["name"]) for meter in audit["meters"]]
    kinds = {junitparser.Failure: 0, junitparser.Error: 0, junitparser.Skipped: 0, None: 0}
    for suite, meter in zip(suites.values(), audit["meters"], strict=True):
        assert (suite.tests, suite.failures, suite.errors) == tuple(
            (len(meter["controls"]), meter["summary"]["fail"], meter["summary"]["unknown"])
        )
        told = {item.name: item.value for item in suite.properties()}
        assert (told["serial"], told["verdict"], told["digest"]) == (meter["serial"], meter["verdict"], audit["digest"])
        for case in suite:
            assert case.classname == suite.name and len(case.result) <= 1
            kinds[type(case.result[0]) if case.result else None] += 1
    assert kinds == {
        junitparser.Failure: states["fail"],
        junitparser.Error: states["unknown"],
        junitparser.Skipped: states["not_applicable"] + states["waived"],
        None: states["pass"] + states["attested"],
    }


@pytest.mark.requirement("R-248")
def test_each_state_says_what_a_person_needs(text_of) -> None:
    document = auditmaker.one_of_each_state()
    root = ET.fromstring(text_of(junit.write, document))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["mode"].find("failure")
    assert failure is not None and failure.get("type") == "high"
    for part in (
        "is standard",
        "wanted: advanced",
        "baseline.yml:12",
        '- name: "Mend it"\n  gridops.metering.meter_security:',
        "metering_hosts=",
    ):
        assert part in failure.text
    error = cases["lockout_web"].find("error")
    assert error is not None and "does not tell" in error.get("message") and "remedy: " in error.text
    skipped = cases["services_ftp"].find("skipped")
    assert skipped is not None and skipped.get("message") == "waived until 2027-03-31 by ot-security: exchange is planned"
    assert "j.doe" in cases["seals"].findtext("system-out") and "A-17" in cases["seals"].findtext("system-out")
    assert cases["web_protocol"].find("skipped").get("type") == "not_applicable"
    assert list(cases["evidence_age"]) == []


def test_whatever_a_meter_says_the_file_is_xml(text_of) -> None:
    for nasty in auditmaker.NASTY:
        document = auditmaker.with_text(nasty)
        suite = ET.fromstring(text_of(junit.write, document)).find("testsuite")
        assert suite.get("name") == auditmaker.cleaned(nasty)
        assert auditmaker.cleaned(nasty) in suite.find("testcase/failure").text
