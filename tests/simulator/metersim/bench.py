# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a person with a laptop does to a simulated fleet (for tests)."""

from __future__ import annotations

import ftplib
import hmac
import io
import re
import warnings
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
        return requests.request(
            url=f"http://{self.ip(name)}:{self.meter(name).state()['ports']['http']}{path}", timeout=10, allow_redirects=False, **options
        )

    def trigger(self, name: str, **options: Any) -> requests.Response:
        """Open the trigger page."""
        return self.get(name, "/" + packages.TRIGGER_PAGE, **options)

    def upgrade(self, name: str, version: str = "2.9.9", **options: Any) -> dict[str, Any]:
        """Stage, trigger, wait for the end; the upgrade_done event."""
        self.stage(name, self.package(self.meter(name).state()["model"], version, **options))
        done = len(self.meter(name).events("upgrade_done"))
        assert self.trigger(name).status_code == 302
        return self.meter(name).wait("upgrade_done", count=done + 1)

    # -- new generation ----------------------------------------------------------

    def sedp(self, model: str, version: str, **options: Any) -> Path:
        """A sample ``.sedp``."""
        entry = packages.make_signed(self.folder, model, version, "web", **options)["files"][0]
        return self.folder / str(entry["path"]) / str(entry["name"])

    def administrator(self, name: str) -> tuple[str, str]:
        """The factory login of new firmware."""
        return "Administrator", f"0080F4{self.meter(name).state()['serial'] & 0xFFFFFF:06X}"

    def browser(self, name: str, user: tuple[str, str] | None = None, login: bool = True) -> Forms | Json:
        """A person at the webpages of new firmware."""
        kind = Json if self.fleet.hosts()[name]["metering_web_profile"].endswith("-b") else Forms
        person = kind(self.ip(name), user or self.administrator(name))
        if login:
            person.login()
        return person


class Person:
    """Somebody with a browser that asks no questions about certificates."""

    base = ""

    def __init__(self, address: str, user: tuple[str, str], scheme: str = "https") -> None:
        self.address = address
        self.user = user
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = False
        self.base = f"{scheme}://{address}"

    def proof(self, nonce: str) -> str:
        """The page's script in Python."""
        return hmac.digest(self.user[1].encode(), nonce.encode(), "sha256").hex()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request; redirects are left to the test."""
        options.setdefault("allow_redirects", False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.http.request(method, self.base + path, timeout=20, **options)


class Forms(Person):
    """Surface a."""

    token = ""

    def get(self, path: str) -> requests.Response:
        """Open a page and remember its request token."""
        return self._remember(self.call("GET", path))

    def _remember(self, answer: requests.Response) -> requests.Response:
        found = re.search(r'name="csrf_token" value="(\w+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer

    def post(self, path: str, fields: dict[str, str], **options: Any) -> requests.Response:
        """Send a form with the token of the last page."""
        return self._remember(self.call("POST", path, data={"csrf_token": self.token, **fields}, **options))

    def login(self) -> requests.Response:
        """Sign in, with key agreement if the page asks for it."""
        page = self.get("/login.html").text
        nonce = re.search(r'name="nonce" value="(\w+)"', page)
        key = {"nonce": nonce[1], "proof": self.proof(nonce[1])} if nonce else {"password": self.user[1]}
        return self.post("/login.html", {"username": self.user[0], **key})

    def upload(self, path: Path, name: str = "") -> requests.Response:
        """Send a package."""
        self.get("/maintenance/firmware.html")
        with path.open("rb") as file:
            return self._remember(
                self.call(
                    "POST",
                    "/maintenance/firmware.html",
                    files=[("csrf_token", (None, self.token)), ("firmware", (name or path.name, file))],
                )
            )

    def apply(self) -> requests.Response:
        """Say yes."""
        return self.post("/maintenance/apply.html", {"answer": "yes"})

    def status(self) -> dict[str, str]:
        """Result, version, time and message of the status page."""
        return dict(re.findall(r'<dd id="(\w+)">([^<]*)</dd>', self.get("/maintenance/status.html").text))


class Json(Person):
    """Surface b."""

    def __init__(self, address: str, user: tuple[str, str], scheme: str = "http") -> None:
        super().__init__(address, user, scheme)

    def api(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """One call with both tokens."""
        headers = {"X-XSRF-Token": self.http.cookies.get("XSRF", "")} if method != "GET" else {}
        return self.call(method, "/api/v1" + path, json=body, headers={**headers, **options.pop("headers", {})}, **options)

    def login(self) -> requests.Response:
        """Log in, with key agreement if the meter has it."""
        challenge = self.api("GET", "/auth/challenge")
        body = {"login": self.user[0], "secret": self.user[1]}
        if challenge.status_code == 200:
            nonce = challenge.json()["nonce"]
            body = {"login": self.user[0], "nonce": nonce, "proof": self.proof(nonce)}
        answer = self.api("POST", "/auth", body)
        if answer.status_code == 200:
            self.http.headers["Authorization"] = "Bearer " + answer.json()["token"]
        return answer

    def upload(self, path: Path, name: str = "") -> requests.Response:
        """Send a package."""
        with path.open("rb") as file:
            return self.api("POST", "/update/package", files=[("kind", (None, "device-software")), ("image", (name or path.name, file))])

    def apply(self) -> requests.Response:
        """Say yes."""
        return self.api("POST", "/update/start", {"apply": True})

    def status(self) -> dict[str, Any]:
        """The part ``update`` of the status."""
        return dict(self.api("GET", "/update").json()["update"])
