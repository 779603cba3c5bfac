# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Every format tells the same numbers of every audit, and the same audit in the same words."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import formats
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import STATES, dump


def junit_states(text: str) -> Counter[str]:
    """How many cases are in which state."""
    states: Counter[str] = Counter()
    for case in ET.fromstring(text).iter("testcase"):
        inside = next(iter(case), None)
        tag = "" if inside is None else inside.tag
        state = {"": "pass", "failure": "fail", "error": "unknown", "system-out": "attested"}.get(tag)
        states[state or str(inside.get("type"))] += 1
    return states


@given(meters=st.integers(0, 25), seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_every_format_counts_alike(text_of, meters: int, seed: int) -> None:
    document = auditmaker.make(meters, seed)
    states = {name: number for name in STATES if (number := document["totals"]["states"][name])}
    assert junit_states(text_of(formats.FORMATS["junit"][1], document)) == states
    (run,) = json.loads(text_of(formats.FORMATS["sarif"][1], document))["runs"]
    listed = Counter(item["properties"]["state"] for item in run["results"])
    assert listed == {name: number for name, number in states.items() if name in ("fail", "unknown", "waived")}
    assert run["properties"]["totals"] == document["totals"]
    rows = csv.DictReader(io.StringIO(text_of(formats.FORMATS["csv"][1], document), newline=""))
    assert Counter(row["state"] for row in rows) == states


@pytest.mark.parametrize("name", formats.FORMATS)
def test_the_same_audit_gives_the_same_bytes(name: str, audit, past, text_of) -> None:
    writer = formats.FORMATS[name][1]
    first, second = (json.loads("".join(dump(audit))) for dummy in range(2))
    assert text_of(writer, first, past) == text_of(writer, second, past)
