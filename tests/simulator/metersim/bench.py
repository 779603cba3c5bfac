# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a person with a laptop does to a simulated fleet (for tests)."""

from __future__ import annotations

import ftplib
import io
from pathlib import Path
from typing import Any

import requests

from metersim import packages
from metersim.testing import Fleet, MeterHandle

FAST = {"silence": 20, "process_time": 20}
USER = ("user2", "pass2")


class Bench:
    """What a person with a laptop does to the meters of one fleet."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder

    def meter(self, name: str) -> MeterHandle:
        """Shortcut."""
        return self.fleet.meter(name)

    def ip(self, name: str) -> str:
        """Present address."""
        return str(self.meter(name).state()["address"])

    def ftp(self, name: str, user: tuple[str, str] = USER) -> ftplib.FTP:
        """Logged-in FTP session."""
        return ftplib.FTP(self.ip(name), *user, timeout=10)

    def package(self, model: str, version: str, **options: Any) -> dict[str, bytes]:
        """The three files of a sample package by name."""
        entry = packages.make(self.folder, model, version, **options)
        return {item["name"]: (self.folder / item["path"] / item["name"]).read_bytes() for item in entry["files"]}

    def stage(self, name: str, files: dict[str, bytes]) -> None:
        """Copy a package the documented way."""
        with self.ftp(name) as session:
            for file, raw in sorted(files.items(), key=lambda item: item[0] != packages.TRIGGER_PAGE):
                session.storbinary(f"STOR /{'www' if file.endswith('.shtml') else 'fw'}/{file}", io.BytesIO(raw))

    def get(self, name: str, path: str, **options: Any) -> requests.Response:
        """One web request with the Product Master's login."""
        options.setdefault("auth", USER)
        options.setdefault("method", "GET")
        return requests.request(url=f"http://{self.ip(name)}{path}", timeout=10, allow_redirects=False, **options)

    def trigger(self, name: str, **options: Any) -> requests.Response:
        """Open the trigger page."""
        return self.get(name, "/" + packages.TRIGGER_PAGE, **options)

    def upgrade(self, name: str, version: str = "2.9.9", **options: Any) -> dict[str, Any]:
        """Stage, trigger, wait for the end; the upgrade_done event."""
        self.stage(name, self.package(self.meter(name).state()["model"], version, **options))
        done = len(self.meter(name).events("upgrade_done"))
        assert self.trigger(name).status_code == 302
        return self.meter(name).wait("upgrade_done", count=done + 1)
