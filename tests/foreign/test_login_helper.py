# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The operator's helper gets a session from meters that take no password, and says why when it gets none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from metersim.testing import Fleet

HELPER = Path(__file__).with_name("login_helper.py")
SECRET = "Canary-Helper-8c2!"
NEW = {"model": "PM5560", "firmware": "4.3.5", "accounts": {"administrator": {"user": "Administrator", "password": SECRET}}}
FLEET = {
    "clock_factor": 100,
    "meters": [
        {"name": "forms", "web_login": "handshake", **NEW},
        {"name": "json", "web_login": "handshake", "surface": "b", **NEW},
        {"name": "plain", **NEW},
    ],
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(FLEET, tmp_path_factory.mktemp("helper")) as running:
        yield running


def helper(fleet: Fleet, name: str, **more: Any) -> subprocess.CompletedProcess[str]:
    host = fleet.hosts()[name]
    order = {"host": host["ansible_host"], "port": host["metering_ports"]["https"], "user": "Administrator", "password": SECRET, **more}
    command = [sys.executable, str(HELPER)]
    return subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("name", "page"), [("forms", "/home.html"), ("json", "/api/v1/session"), ("plain", "/home.html")])
def test_session(fleet: Fleet, name: str, page: str) -> None:
    done = helper(fleet, name, fingerprint=fleet.hosts()[name]["metering_tls"]["fingerprint"])
    assert done.returncode == 0, done.stderr
    words = json.loads(done.stdout)
    host = fleet.hosts()[name]
    url = f"https://{host['ansible_host']}:{host['metering_ports']['https']}{page}"
    with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        answer = requests.get(url, cookies=words["cookies"], headers=words["headers"], verify=False, allow_redirects=False, timeout=10)
    assert answer.status_code == 200 and "Administrator" in answer.text
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["forms", "json"])
def test_refused(fleet: Fleet, name: str) -> None:
    wrong = helper(fleet, name, password="Canary-wrong")
    assert (wrong.returncode, wrong.stdout) == (1, "") and ("Incorrect" in wrong.stderr or "refused" in wrong.stderr)
    other = helper(fleet, name, fingerprint="00" * 32)
    assert other.returncode == 1 and "certificate" in other.stderr
    nobody = helper(fleet, name, port=9)
    assert nobody.returncode == 1 and "Canary" not in wrong.stderr + other.stderr + nobody.stderr
