# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The HTML page of an audit in a real Chromium: what it shows, how it is used, who can use it, and that it keeps to itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browserkit
import pytest
import yaml
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import html

pytestmark = pytest.mark.needs_debian("chromium")

DESKTOP, PHONE = {"width": 1100, "height": 600}, {"width": 360, "height": 640}
METERS = 300
VIEWS = ("", "meters", "controls", "campaigns", "waivers", "evidence", "meter/pm5-00001", "control/firmware_target", "nowhere")


class Seen:
    """A page that was opened, and everything that went wrong on it."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.wrong: list[str] = []
        self._file = file
        page.set_default_timeout(browserkit.PATIENCE)
        page.on("console", lambda message: self.wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        page.on("request", lambda request: None if request.url == file.as_uri() else self.wrong.append(request.url))

    def go(self, address: str = "") -> Page:
        """The view of this address, without loading the file again when it is there already."""
        if self.page.url.startswith(self._file.as_uri()):
            self.page.evaluate("address => { location.hash = address }", f"#/{address}")
            self.page.wait_for_function(
                "address => decodeURI(location.hash) === address && document.title.includes('Fleet')", arg=f"#/{address}"
            )
        else:
            self.page.goto(f"{self._file.as_uri()}#/{address}")
        return self.page

    def found(self) -> str:
        return self.page.locator("#found").inner_text()

    def names(self) -> list[str]:
        return self.page.locator("table.meters tbody th a").all_inner_texts()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browserkit.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def audit() -> dict[str, Any]:
    return dict(auditmaker.make(METERS))


@pytest.fixture(scope="module")
def file(audit: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "audit.html"
    with file.open("w", encoding="utf-8", newline="\n") as out:
        html.write(audit, auditmaker.history(scans=30, digest=audit["digest"]), out)
    return file


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a few meters of all kinds, for checks that look at every element."""
    document = auditmaker.make(9, seed=7)  # every verdict and every state
    file = tmp_path_factory.mktemp("small") / "audit.html"
    with file.open("w", encoding="utf-8", newline="\n") as out:
        html.write(document, auditmaker.history(scans=3, campaigns=2, meters=8, digest=document["digest"]), out)
    return file


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Seen:
    """The page on a desktop, opened once: a view costs little, a new window much."""
    return Seen(browser.new_context(viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"]).new_page(), file)


@pytest.fixture
def seen(opened: Seen) -> Iterator[Seen]:
    """The page; whatever is wrong or wants something from elsewhere fails the test."""
    yield opened
    assert opened.wrong == []


def with_state(audit: dict[str, Any], base: str, *states: str) -> list[str]:
    return [
        meter["name"]
        for meter in audit["meters"]
        if any(item["id"].partition(":")[0] == base and item["state"] in states for item in meter["controls"])
    ]


def test_the_totals_on_the_page_are_those_of_the_audit(audit: dict[str, Any], seen: Seen) -> None:
    page = seen.go()
    totals = audit["totals"]
    bars = page.locator("section", has=page.get_by_role("heading", name="Meters by verdict")).locator("li").first.inner_text()
    for verdict, number in totals["verdicts"].items():
        assert re.search(rf"\b{number} {verdict}\b", bars)
    rows = seen.go("controls").locator("table.controls tbody tr")
    heads = page.locator("table.controls thead th").all_inner_texts()
    table = [rows.nth(at).locator("th, td").all_inner_texts() for at in range(rows.count())]
    assert len(table) == len(audit["controls"])
    for words, state in (("Fail", "fail"), ("Unknown", "unknown"), ("Waived", "waived"), ("Attested", "attested"), ("Pass", "pass")):
        assert sum(int(row[heads.index(words)]) for row in table) == totals["states"][state]
    assert seen.go("evidence").get_by_text(audit["digest"]).count() == 1


def test_meters_are_searched_filtered_sorted_and_paged(audit: dict[str, Any], seen: Seen) -> None:
    page = seen.go("meters")
    assert seen.found() == f"{METERS} meters" and len(seen.names()) == 100
    page.get_by_role("button", name="Next").click()
    assert len(seen.names()) == 100 and page.get_by_label("Page", exact=True).input_value() == "2"
    page.get_by_label("Verdict").select_option("blocked")
    blocked = [meter["name"] for meter in audit["meters"] if meter["verdict"] == "blocked"]
    assert seen.found() == f"{len(blocked)} of {METERS} meters" and len(seen.names()) == len(blocked)
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Control").select_option("seals")
    assert seen.found() == f"{len(with_state(audit, 'seals', 'fail', 'unknown'))} of {METERS} meters"
    page.get_by_label("State").select_option("waived")
    waived = with_state(audit, "seals", "waived")
    assert seen.found() == f"{len(waived)} of {METERS} meters"
    page.get_by_role("button", name="Copy the names").click()
    assert sorted(page.evaluate("navigator.clipboard.readText()").split(",")) == sorted(waived)
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("searchbox").fill("PM5560 pm5-00014")
    page.locator("#found", has_text=f"1 of {METERS}").wait_for()
    assert seen.names() == ["pm5-00014"]
    page.get_by_role("searchbox").fill("no such meter")
    page.get_by_text("No meter is like this.").wait_for()
    seen.go("meters")
    page.get_by_role("button", name="Fails").click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    numbers = [int(text) for text in page.locator("table.meters tbody td:nth-child(5)").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] > 1


def test_addresses_lead_deep_and_the_back_button_leads_back(audit: dict[str, Any], seen: Seen) -> None:
    page = seen.go("meters?family=hep&control=mode&state=fail")
    failing = with_state(audit, "mode", "fail")
    assert seen.found() == f"{len(failing)} of {METERS} meters" and page.get_by_label("Family").input_value() == "hep"
    page.get_by_role("link", name=failing[0]).click()
    assert page.locator("h1").inner_text().startswith(failing[0]) and page.evaluate("document.activeElement.tagName") == "H1"
    page.get_by_role("link", name="Next").click()
    assert page.locator("h1").inner_text().startswith(failing[1])
    page.get_by_role("link", name="All meters in the list").click()
    assert seen.found().startswith(f"{len(failing)} of")
    page.get_by_label("Family").select_option("")
    page.go_back()
    assert page.get_by_label("Family").input_value() == "hep"
    serial = next(meter["serial"] for meter in audit["meters"] if meter["name"] == "pm5-00014")
    assert seen.go(f"meter/{serial}").locator("h1").inner_text().startswith("pm5-00014")
    assert seen.go("meter/nobody").get_by_text("There is no meter nobody").count() == 1


def test_a_meters_page_shows_every_point_and_what_mends_it(audit: dict[str, Any], seen: Seen) -> None:
    meter = next(item for item in audit["meters"] if item["name"] == "pm5-00014")
    page = seen.go("meter/pm5-00014")
    for item in meter["controls"]:
        base, dummy, about = item["id"].partition(":")
        name = next(info["title"] for info in audit["controls"] if info["id"] == base) + (f": {about}" if about else "")
        assert page.get_by_text(name, exact=True).count() >= 1
    for fact in (meter["serial"], meter["host"], meter["model"], f"inventory/hosts.yml:{meter['location']['line']}"):
        assert page.get_by_text(fact, exact=True).count() >= 1
    (failed,) = [item for item in meter["controls"] if item["id"] == "firmware_target"]
    finding = page.locator("article", has=page.get_by_text("firmware_target", exact=True))
    for words in (failed["text"], f"group_vars/all/baseline.yml:{failed['location']['line']}", failed["evidence"], failed["rule"]):
        assert finding.get_by_text(words, exact=True).count() == 1
    page.get_by_role("button", name="Copy the command for gridops.metering.upgrade").click()
    assert page.evaluate("navigator.clipboard.readText()") == "ansible-playbook gridops.metering.upgrade -e metering_hosts=pm5-00014"
    finding.get_by_text("The task that mends it").click()
    finding.get_by_role("button", name="Copy the task").click()
    assert yaml.safe_load(page.evaluate("navigator.clipboard.readText()")) == [failed["fix"]["task"]]
    assert "verified" in page.locator("section", has=page.get_by_role("heading", name="Upgrades")).inner_text()


def test_names_of_any_kind_are_text(audit: dict[str, Any], seen: Seen) -> None:
    seen.go("meters")
    nasty = [meter for meter in audit["meters"] if " " in meter["name"]]
    assert any("<" in meter["name"] for meter in nasty)
    for meter in nasty:
        page = seen.go("meters?q=" + meter["name"].split()[0])
        page.locator("table.meters tbody th a").click()
        assert page.locator("h1 bdi").inner_text().startswith(meter["name"].split()[0])
    assert seen.page.evaluate("document.scripts.length") == 2


def test_everything_can_be_done_by_keyboard(seen: Seen) -> None:
    page = seen.go()
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    page.keyboard.insert_text("hep-00004")
    page.locator("#found", has_text=f"1 of {METERS}").wait_for()
    while page.evaluate("document.activeElement.innerText") != "hep-00004":
        before = page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.outerHTML") != before and page.evaluate("document.activeElement !== document.body")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.locator("h1", has_text="hep-00004").wait_for()
    assert outline == "solid"


VIEWS_IN_THE_DARK = ("", "meter/pm5-00001")
#: All that axe-core knows where the light is good, contrast where the colours are others.
EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"], "preload": False, "iframes": False}
CONTRAST = {**EVERYTHING, "runOnly": ["color-contrast"]}


def judged(page: Page, rules: dict[str, Any]) -> list[tuple[str, ...]]:
    """What axe-core finds wrong by these rules."""
    found = page.evaluate("rules => axe.run(rules)", rules)
    assert found["passes"]
    return [(page.url, item["id"], node["html"], node["failureSummary"]) for item in found["violations"] for node in item["nodes"]]


def test_every_view_is_accessible_and_fits(browser: Browser, small: Path) -> None:
    """Names, roles, order of headings and contrast by axe-core; nothing wider than a phone."""
    context = browser.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    seen = Seen(context.new_page(), small)
    seen.go().evaluate(AXE_SCRIPT)
    bad = [found for view in VIEWS for found in judged(seen.go(view), EVERYTHING)]
    seen.page.emulate_media(color_scheme="dark")
    seen.page.set_viewport_size(PHONE)
    for view in VIEWS:
        assert seen.go(view).evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view
        bad += judged(seen.page, CONTRAST) if view in VIEWS_IN_THE_DARK else []
    context.close()
    assert bad == [] and seen.wrong == []


def test_it_prints(seen: Seen) -> None:
    """An overview on a few pages and a meter on fewer; what only a screen needs is not on paper."""
    sizes = {}
    for view in ("", "meter/pm5-00014"):
        sizes[view] = len(re.findall(rb"/Type\s*/Page\b", seen.go(view).pdf(format="A4")))
    assert 3 <= sizes[""] <= 16 and 1 <= sizes["meter/pm5-00014"] <= 5
    seen.page.emulate_media(media="print")
    assert not seen.page.locator("#top").is_visible() and not seen.page.get_by_role("button").first.is_visible()
    seen.page.emulate_media(media="screen")
    assert seen.page.locator("details:not([open])").count() > 0  # opened for paper, closed again


def test_without_scripts_a_summary_stays(audit: dict[str, Any], browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert "drift" in page.locator("h1").inner_text() and audit["digest"] in page.inner_text("main")
    assert page.locator("table").last.locator("tbody tr").count() == 200
    context.close()


def test_five_thousand_meters_are_still_a_list_to_search(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "audit.html"
    document = auditmaker.make(50)
    meters = [
        {**meter, "name": f"{meter['name']}-{copy:03d}", "serial": meter["serial"] and f"{meter['serial']}{copy:03d}"}
        for copy in range(100)
        for meter in document["meters"]
    ]
    with file.open("w", encoding="utf-8", newline="\n") as out:
        html.write({**document, "meters": meters, "totals": auditmaker.totals(meters)}, auditmaker.history(), out)
    context = browser.new_context(viewport=DESKTOP)
    seen = Seen(context.new_page(), file)
    page = seen.go("meters")
    assert seen.found() == "5,000 meters" and len(seen.names()) == 100
    page.get_by_role("searchbox").fill("pm5-00014-042")
    page.locator("#found", has_text="1 of 5,000 meters").wait_for()
    assert seen.names() == ["pm5-00014-042"] and seen.wrong == []
    context.close()
