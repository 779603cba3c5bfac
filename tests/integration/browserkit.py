# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A person with a browser: the simulated webpages in headless Chromium, recorded the way "save all as HAR" records."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PATIENCE = 10_000  # milliseconds
WRONG = "Canary-browser-wrong-1"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium of the system."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def recorded(har: Path, base: str) -> Iterator[Page]:
    """A page whose network traffic is in ``har`` afterwards, bodies included. The meter's certificate is its own."""
    with chromium() as browser:
        context = browser.new_context(
            base_url=base, ignore_https_errors=True, record_har_path=har, record_har_content="embed", record_har_mode="full"
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield context.new_page()
        finally:
            context.close()  # writes the file


@contextmanager
def while_it_lasts() -> Iterator[None]:
    """A look at a meter that is at work and may fall silent at any time; on a slow computer it is over before."""
    try:
        yield
    except Error:
        pass


def surface_a(page: Page, user: str, password: str, package: Path, wait: Callable[[str], object]) -> None:
    """A wrong password, login, account list, settings (saved as they are), upload, "yes", login again, status while it runs and after, logout."""
    page.goto("/home.html")  # leads to the login, as for everybody who is not signed in
    sign_in_a(page, user, WRONG, "#error")
    sign_in_a(page, user, password)
    page.goto("/settings/accounts.html")
    page.goto("/settings/ethernet.html")
    page.locator("#ethernet").get_by_role("button").first.click()
    page.locator("#notice").wait_for()
    page.goto("/maintenance/status.html")
    page.goto("/maintenance/firmware.html")
    page.set_input_files("#firmware", package)
    page.click("#upgrade")
    page.locator("#question").wait_for()
    page.click("#yes")
    page.locator("#notice").wait_for()
    wait("trigger_accepted")
    with while_it_lasts():
        sign_in_a(page, user, password)
        page.goto("/maintenance/status.html")
    wait("upgrade_done")
    sign_in_a(page, user, password)
    page.goto("/maintenance/status.html")
    page.goto("/logout.html")


def sign_in_a(page: Page, user: str, password: str, sign: str = "#session") -> None:
    page.goto("/login.html")
    page.fill("#username", user)
    page.fill("#password", password)
    page.click("#sign-in")
    page.locator(sign).wait_for()


def surface_b(page: Page, user: str, password: str, package: Path, wait: Callable[[str], object]) -> None:
    """The same on the page that does everything by script."""
    sign_in_b(page, user, WRONG, "#error")
    sign_in_b(page, user, password)
    page.click("#go-network")
    page.click("#save")
    page.wait_for_load_state("networkidle")
    page.click("#go-state")
    page.click("#go-update")
    page.set_input_files("#image", package)
    page.click("#send")
    page.locator("#question").wait_for()
    page.click("#yes")
    wait("trigger_accepted")
    with while_it_lasts():
        sign_in_b(page, user, password)
        page.click("#go-state")
        page.locator("#phase").wait_for()
    wait("upgrade_done")
    sign_in_b(page, user, password)
    page.click("#go-state")
    page.locator("#phase").wait_for()
    page.wait_for_load_state("networkidle")
    page.click("#leave")
    page.wait_for_load_state("networkidle")


def sign_in_b(page: Page, user: str, password: str, sign: str = "#who") -> None:
    page.goto("/")
    page.fill("#user", user)
    page.fill("#secret", password)
    page.click("#enter")
    page.locator(sign).filter(has_text=re.compile(r"\w")).wait_for()
