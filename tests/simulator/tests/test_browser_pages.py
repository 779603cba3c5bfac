# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A real browser can use the pages: sign in, upload, confirm, see the status; with key agreement too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from metersim.bench import Bench

NEW = {"model": "PM5560", "firmware": "4.3.5", "update_time": 30, "restart_silence": 20, "session_idle": 3000}
FLEET = {
    "clock_factor": 50,
    "meters": [
        {"name": "a", **NEW},
        {"name": "a-hand", **NEW, "web_login": "handshake"},
        {"name": "b-hand", **NEW, "surface": "b", "web_login": "handshake"},
    ],
}
pytestmark = pytest.mark.needs_debian("chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Headless Chromium of the system."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--no-proxy-server"])
        yield browser
        browser.close()


def fresh(chromium: Any) -> Any:
    """A tab of a browser that has never been here."""
    page = chromium.new_context(ignore_https_errors=True).new_page()
    page.set_default_timeout(15_000)
    return page


def sign_in(page: Any, bench: Bench, name: str) -> None:
    """The login form of surface a."""
    user, password = bench.administrator(name)
    page.goto(f"http://{bench.ip(name)}/")
    page.fill("#username", user)
    page.fill("#password", password)
    page.click("#sign-in")
    assert "Administrator" in page.inner_text("#session")


def test_forms(bench: Bench, chromium: Any) -> None:
    page = fresh(chromium)
    sign_in(page, bench, "a")
    page.click("text=Upgrade > Firmware")
    page.set_input_files("#firmware", bench.sedp("PM5560", "4.4.0"))
    page.click("#upgrade")
    assert "Apply the upgrade now?" in page.inner_text("#question")
    page.click("#yes")
    assert "has been started" in page.inner_text("#notice")
    assert bench.meter("a").wait("upgrade_done")["ok"]
    sign_in(page, bench, "a")
    page.click("text=Upgrade Status")
    assert (page.inner_text("#result"), page.inner_text("#version")) == ("Successful", "4.4.0")
    assert not any("favicon" in event["path"] and event["status"] < 400 for event in bench.meter("a").events("http_request"))


def test_forms_with_key_agreement(bench: Bench, chromium: Any) -> None:
    page = fresh(chromium)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    sign_in(page, bench, "a-hand")
    assert any("proof=" in body for body in sent) and not any(bench.administrator("a-hand")[1] in body for body in sent)


def test_json_with_key_agreement(bench: Bench, chromium: Any) -> None:
    page = fresh(chromium)
    user, password = bench.administrator("b-hand")

    def enter() -> None:
        page.goto(f"http://{bench.ip('b-hand')}/")
        page.fill("#user", user)
        page.fill("#secret", password)
        page.click("#enter")
        page.wait_for_selector("#who:has-text('administrator')")

    enter()
    page.click("#go-update")
    page.set_input_files("#image", bench.sedp("PM5560", "4.4.0"))
    page.click("#send")
    page.click("#yes")
    page.wait_for_selector("#question:has-text('started')")
    assert bench.meter("b-hand").wait("upgrade_done")["ok"]
    enter()
    page.click("#go-state")
    page.wait_for_selector("#phase:has-text('finished')")
    assert page.inner_text("#software") == "4.4.0"
