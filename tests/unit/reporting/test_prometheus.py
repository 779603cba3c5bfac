# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Prometheus: read back by the official client's parser, few series however large the fleet, the numbers of the audit."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import prometheus
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import STATES, VERDICTS


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Each metric's values by the values of its labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge" and family.documentation and re.fullmatch(r"metering_[a-z_]+", family.name)
        samples = {tuple(sample.labels.values()): sample.value for sample in family.samples}
        assert len(samples) == len(family.samples), f"{family.name} tells a series twice"
        found[family.name.removeprefix("metering_")] = samples
    return found


def test_the_numbers_are_those_of_the_audit(audit, past, text_of) -> None:
    text = text_of(prometheus.write, audit, past)
    found, totals = read(text), audit["totals"]
    assert text.endswith("\n") and text.count("# HELP ") == text.count("# TYPE ") == len(found)
    assert found["meters"] == {(name,): totals["verdicts"][name] for name in VERDICTS}
    assert found["controls"] == {(name,): totals["states"][name] for name in STATES}
    assert found["compliance_ratio"] == {(): totals["verdicts"]["compliant"] / totals["meters"]}
    for metric, state in (("findings", "fail"), ("unknown", "unknown"), ("waived", "waived")):
        assert sum(found[metric].values()) == totals["states"][state]
    assert found["findings"][("firmware_readable", "high")] == 0, "a control without findings still has its series"
    assert found["last_scan_timestamp_seconds"] == {(): past["scans"][-1]["at"]}
    assert found["audit_info"] == {("grid", "3", audit["verdict"]): 1}
    limited = [item for item in audit["meters"] if item["attempts"].get("limit")]
    lowest = min(item["attempts"]["remaining"] for item in limited if item["attempts"]["remaining"] is not None)
    assert min(found["attempts_remaining"].values()) == lowest
    assert sum(found["attempts_unknown"].values()) == sum(item["attempts"]["remaining"] is None for item in limited)


def test_the_number_of_series_does_not_grow_with_the_fleet(audit, text_of) -> None:
    texts = [text_of(prometheus.write, document) for document in (audit, auditmaker.make(450))]
    small, large = (sorted(line.partition(" ")[0] for line in text.splitlines() if "waiver_expires" not in line) for text in texts)
    assert small == large
    assert not any(meter["serial"] in texts[1] for meter in audit["meters"] if meter["serial"])


def test_a_day_is_told_as_its_end(text_of) -> None:
    found = read(text_of(prometheus.write, auditmaker.one_of_each_state()))
    assert found["waiver_expires_timestamp_seconds"] == {("services_ftp",): 1_806_451_200 + 86_400}
    assert found["baseline_valid_until_timestamp_seconds"] == {(): 1_830_211_200 + 86_400}


def test_what_is_not_known_is_not_told(text_of) -> None:
    document = auditmaker.finish([])
    document["baseline"] = {"id": 'a "b"\\\n', "version": "1"}
    found = read(text_of(prometheus.write, document))
    assert ('a "b"\\\n', "1", "compliant") in found["audit_info"]
    assert not {"compliance_ratio", "last_scan_timestamp_seconds", "baseline_valid_until_timestamp_seconds"} & set(found)
