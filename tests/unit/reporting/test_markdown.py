# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Markdown for merge requests: whole tables, nothing a forge would take for something else, never longer than a comment may be."""

from __future__ import annotations

import re

import pytest
import yaml
from markdown_it import MarkdownIt

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import markdown
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import STATES, VERDICTS

#: Forges read GitHub's dialect: tables and struck text besides.
GFM = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tables(text: str) -> list[list[list[str]]]:
    """Every table as its rows of cells, in plain text."""
    found: list[list[list[str]]] = []
    for token in GFM.parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and token.level and found and token.map is not None and token.level > 2:
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def test_the_tables_hold_the_totals_of_the_audit(audit, past, text_of) -> None:
    meters, controls, bad, by_control, *dummy = tables(text_of(markdown.write, audit, past))
    totals = audit["totals"]
    assert meters == [["Meters", *VERDICTS], [f"{totals['meters']:,}", *(str(totals["verdicts"][name]) for name in VERDICTS)]]
    assert controls[1] == [f"{totals['controls']:,}", *(f"{totals['states'][name]:,}" for name in STATES)]
    assert len(bad) == constants.MARKDOWN_METERS.number + 1 and all(len(row) == len(bad[0]) for row in bad)
    assert bad[1][3] == "drift" and int(bad[1][4]) >= int(bad[2][4])
    for column, state in ((3, "fail"), (4, "unknown"), (5, "waived")):
        assert sum(int(row[column].replace(",", "")) for row in by_control[1:]) == totals["states"][state]


def test_what_is_not_shown_is_counted(audit, past, text_of) -> None:
    text = text_of(markdown.write, audit, past)
    bad = audit["totals"]["meters"] - audit["totals"]["verdicts"]["compliant"]
    assert f"And {bad - constants.MARKDOWN_METERS.number:,} more (" in text
    assert "by `nightly`" in text and audit["digest"] in text


@pytest.mark.parametrize("meters", [0, 1, 600])
def test_it_is_never_longer_than_a_comment_may_be(meters: int, text_of) -> None:
    document = auditmaker.make(meters)
    for number, meter in enumerate(document["meters"]):
        for result in meter["controls"]:
            if "fix" in result:  # a task of its own for each, as long as can be
                result["fix"]["task"] = {"gridops.metering.meter_security": {"users": [{"name": f"u{number}" * 400}]}}
    text = text_of(markdown.write, document)
    assert len(text) < 65_000, "GitHub takes 65,536 characters"
    assert ("Not shown for want of room" in text) == (meters == 600)


def test_a_good_fleet_is_told_in_a_few_lines(text_of) -> None:
    document = auditmaker.finish([auditmaker.single([auditmaker.result("mode", "pass")])])
    text = text_of(markdown.write, document)
    assert text.startswith("# Audit of 1 meter: compliant") and "## " not in text


def test_each_task_stands_once_with_its_meters_and_can_be_run(text_of) -> None:
    fix = {
        "playbook": "gridops.metering.harden",
        "task": {
            "name": "Mend it",
            "gridops.metering.meter_security": {"users": [{"name": "on", "state": "absent"}], "accept": ["removes_users"]},
        },
    }
    meters = [auditmaker.single([auditmaker.result("user:on", "fail", "absent", ["read"], fix=fix)], name=f"m-{n:02}") for n in range(12)]
    text = text_of(markdown.write, auditmaker.finish(meters))
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    assert yaml.safe_load(block) == [fix["task"]]
    assert "`m-09` and 2 more. Wanted `absent`, set at `group_vars/all/baseline.yml:12`" in text
    assert "| `removes_users` | users that the document does not name" in text


def test_campaigns_are_told_the_newest_first_with_the_reason_of_what_no_run_mends(text_of) -> None:
    blocked = auditmaker.result("firmware_target", "fail", "4.4.0", "1.0.0", reason="no_documented_path")
    past = auditmaker.history(campaigns=7, meters=20)
    text = text_of(markdown.write, auditmaker.finish([auditmaker.single([blocked])]), past)
    (rows,) = [table for table in tables(text) if table[0][0] == "Campaign"]
    assert [row[0] for row in rows[1:]] == ["wave-7", "wave-6", "wave-5", "wave-4", "wave-3"]
    assert rows[1][3] == past["campaigns"][-1]["head"] and "verified" in rows[1][2]
    assert "and should be 4.4.0 (`no_documented_path`)" in text


def test_a_waiver_near_its_end_is_marked(text_of) -> None:
    waivers = [{"reason": "r", "approver": "a", "expires": day} for day in ("2026-12-01", "2027-06-30", "never")]
    results = [auditmaker.result(f"c{number}", "waived", waiver=waiver) for number, waiver in enumerate(waivers)]
    document = auditmaker.finish([auditmaker.single(results)])
    text = text_of(markdown.write, document, auditmaker.history(digest=document["digest"]))
    assert "2026-12-01 **soon**" in text and text.count("**soon**") == 1
    assert "**soon**" not in text_of(markdown.write, document), "without an audit's time nothing is near"


@pytest.mark.parametrize(
    "nasty", [*auditmaker.NASTY, "@ops", "#12 !7 %3", "https://example.org www.example.org", "```\n# x", "$x$ ~~y~~ &amp;"]
)
def test_whatever_a_meter_says_is_text(nasty: str, text_of) -> None:
    text = text_of(markdown.write, auditmaker.with_text(nasty))
    tokens = [child for token in GFM.parse(text) for child in token.children or ()]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "em_open", "s_open", "image"}
    assert not any("alert" in token.content for token in tokens if token.type == "html_inline")
    plain = " ".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"[@#!%]\w|://|www\.", plain), "a forge would make a mention, a reference or a link of it"
    shown = " ".join(auditmaker.cleaned(nasty).split())
    assert shown in [token.content.strip() for token in tokens if token.type == "code_inline"]
