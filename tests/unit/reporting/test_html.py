# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTML page as a text: whole data, nothing of it as markup, nothing from elsewhere, the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.constants import HTML_METERS, REPORT_SCANS
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import html, parts
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import STATES, VERDICTS, compact


class Page(HTMLParser):
    """Elements with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[str] = []
        self.words: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag in ("script", "style")
        if self._inside:
            self.raw.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[-1] += data
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def data_of(text: str) -> dict[str, Any]:
    """The data as the page's script reads them."""
    found: dict[str, Any] = json.loads(Page(text).raw[1])
    return found


def results_of(data: Mapping[str, Any], at: int) -> list[dict[str, Any]]:
    """What the page knows of a meter's results, read by other code than the page's."""
    name, serial = (data["meters"][column][at] for column in ("name", "serial"))
    found = []
    for number in data["meters"]["controls"][at]:
        row = data["results"][number] + [0] * 20
        values = {}
        for field, item in zip(data["fields"], row, strict=False):
            values[field] = item if field in ("state", "line") else data["texts"][item].replace("\x01", name).replace("\x02", serial)
        found.append(values)
    return found


def expected(result: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the document."""
    place = result.get("location", {})
    made = {name: parts.clean(result.get(name) or "") for name in ("id", "text", "rule", "evidence", "remedy", "reason")}
    values = {name: json.loads(parts.clean(compact(result.get(name)))) for name in ("want", "have", "waiver", "attested")}
    return {**made, **values, "state": result["state"], "file": place.get("file", ""), "line": place.get("line", 0)}


def test_the_page_holds_every_result_of_every_meter(audit, past, text_of) -> None:
    data = data_of(text_of(html.write, audit, past))
    assert len(data["meters"]["name"]) == len(audit["meters"])
    for at, meter in enumerate(audit["meters"]):
        assert data["meters"]["name"][at] == parts.clean(meter["name"])
        assert data["verdicts"][data["meters"]["verdict"][at]] == meter["verdict"]
        for column in ("firmware", "target", "model", "gateway", "reason"):
            assert data["texts"][data["meters"][column][at]] == meter[column]
        shown = results_of(data, at)
        for found, result in zip(shown, meter["controls"], strict=True):
            fix = json.loads(found.pop("fix") or "null")
            for name in ("want", "have", "waiver", "attested"):
                found[name] = json.loads(found[name] or "null")
            assert {**found, "state": data["states"][found["state"]]} == expected(result)
            if "fix" in result:
                assert fix["command"] == parts.command(result["fix"], meter["name"])
                assert fix["task"].splitlines() == parts.task_lines(result["fix"])
            else:
                assert fix is None
    assert data["head"]["totals"] == audit["totals"] and data["head"]["digest"] == audit["digest"]
    assert data["scans"] == past["scans"] and len(data["campaigns"]) == len(past["campaigns"])


@pytest.mark.parametrize(
    ("name", "serial"),
    [("pm-00001", "00001"), ("0001", "pm-0001-x"), ("meter", "met"), ("abcd", "abcd"), ("text", "0042"), ("a b c d", "<x>")],
)
def test_names_inside_of_words_come_back_as_they_were(name: str, serial: str, text_of) -> None:
    document = auditmaker.make(3)
    texts = [f"{name}{name}", f"{serial} at {name}1 in pm-00001", '{"meter": "text"}']
    for meter, text in zip(document["meters"], texts, strict=True):
        meter.update(name=name, serial=serial)
        meter["controls"] = meter["controls"][:1]
        meter["controls"][0].update(text=text, want=[text, {"meter": name}], have=serial)
    data = data_of(text_of(html.write, auditmaker.finish(document["meters"])))
    for at, text in enumerate(texts):
        (found,) = results_of(data, at)
        assert (found["text"], json.loads(found["want"]), json.loads(found["have"])) == (text, [text, {"meter": name}], serial)


def test_data_are_never_markup(text_of) -> None:
    document = auditmaker.make(len(auditmaker.NASTY))
    for meter, nasty in zip(document["meters"], auditmaker.NASTY, strict=True):
        meter.update(name=nasty, host=nasty, serial=nasty, model=nasty, firmware=nasty, verdict="drift")
        meter["controls"][0].update(state="fail", text=nasty, want=nasty, have={nasty: [nasty]}, remedy=nasty)
    page = Page(text_of(html.write, auditmaker.finish(document["meters"])))
    assert "<" not in page.raw[1] and len(page.raw) == 3  # style, data, script
    assert [attributes.get("type") for attributes in page.all("script")] == ["application/json", None]
    assert not page.all("img") and not page.all("b")
    assert all(parts.clean(nasty) in page.words for nasty in auditmaker.NASTY)


def test_nothing_is_loaded_and_only_the_pages_own_script_runs(audit, text_of) -> None:
    page = Page(text_of(html.write, audit))
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("style", "src", "srcset", "action") for name in attributes), tag
        assert str(attributes.get("href", "#")).startswith("#") or attributes["href"] == "data:,"
    (policy,) = [item["content"] for item in page.all("meta") if item.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    style, dummy, script = page.raw
    for name, text in (("style-src", style), ("script-src", script)):
        assert rules[name] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "url(http" not in style and "@import" not in style and "fetch(" not in script and "innerHTML" not in script


def test_the_same_audit_gives_the_same_page(audit, past, text_of) -> None:
    first = text_of(html.write, audit, past)
    again, then = (json.loads(json.dumps(item, sort_keys=True)) for item in (audit, past))  # the order of keys says nothing
    assert text_of(html.write, again, then) == first
    assert "\r" not in first


def test_without_scripts_the_sums_and_the_first_findings_remain(audit, past, text_of) -> None:
    words = Page(text_of(html.write, audit, past)).words
    for name in VERDICTS:
        assert name in words and f"{audit['totals']['verdicts'][name]:,}" in words
    for name in STATES:
        assert name in words and f"{audit['totals']['states'][name]:,}" in words
    bad = [meter["name"] for meter in audit["meters"] if meter["verdict"] != "compliant"]
    assert len(bad) > HTML_METERS.number
    assert sum(parts.clean(name) in words for name in bad) == HTML_METERS.number
    assert any(f"{len(bad) - HTML_METERS.number:,} more" in word for word in words)
    assert any("2026-11-12 02:00 UTC" in word for word in words)


def test_a_page_of_no_meter_without_records(text_of) -> None:
    data = data_of(text_of(html.write, auditmaker.make(0)))
    assert data["meters"]["name"] == [] and data["scans"] == [] and data["campaigns"] == []


def test_only_the_newest_audits_are_on_the_page(audit, text_of) -> None:
    past = auditmaker.history(scans=REPORT_SCANS.number + 20)
    assert data_of(text_of(html.write, audit, past))["scans"] == past["scans"][20:]


def test_text_that_is_no_text_can_be_written(text_of) -> None:
    document = auditmaker.make(2)
    meter = document["meters"][0]
    meter.update(name="half \ud83d character", gateway="nul \x00 \x01 mark", text="\u2028")
    meter["controls"][0].update(want={"\udc00": "\x02"}, text="\x01\x02")
    text = text_of(html.write, document)
    text.encode()
    assert "half \ufffd character" in text and "\x00" not in text


def test_another_thousand_meters_make_the_page_little_larger(text_of) -> None:
    few, many = (len(text_of(html.write, auditmaker.make(meters)).encode()) for meters in (200, 1200))
    assert many - few < 200_000  # 200 bytes a meter; 5,000 stay far below 6 MB
