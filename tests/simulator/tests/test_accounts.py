# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Accounts of the PM5000 by group: old and new webpages, FTP follows, changes whose answer is lost."""

from __future__ import annotations

import ftplib
import re
from typing import Any

import pytest
import requests

from metersim.bench import USER, Bench

NEW = ("Canary-Old-1", "Canary-Adm#2", "Canary-Gst#3")
FLEET = {
    "clock_factor": 100,
    "meters": [
        {"name": "a", "model": "PM5560", "firmware": "2.9.9"},
        {"name": "b", "model": "PM5560", "firmware": "2.9.9", "surface": "b"},
        {"name": "na", "model": "PM5560", "firmware": "4.3.5", "ftp": True},
        {"name": "nb", "model": "PM5560", "firmware": "4.3.5", "surface": "b"},
        {"name": "odd", "model": "PM5560", "firmware": "2.9.9"},
    ],
}


def old(bench: Bench, meter: str, auth: tuple[str, str] = USER, **fields: Any) -> requests.Response:
    """A change on the page of old firmware, surface a."""
    return bench.get(meter, "/UserAccounts.shtml", auth=auth, method="POST", data=fields)


def note(answer: requests.Response) -> str:
    found = re.search(r'<p id="(?:notice|error)">([^<]*)<', answer.text)
    return found[1] if found else str(answer.status_code)


@pytest.mark.simulates("R-034", "R-054", "R-101")
def test_old_firmware_surface_a(bench: Bench) -> None:
    page = bench.get("a", "/UserAccounts.shtml")
    rows = re.findall(r'<tr class="account"><td>(\d)</td><td>([^<]*)</td><td>([^<]*)</td></tr>', page.text)
    assert rows == [("1", "user1", "Web Master"), ("2", "user2", "Product Master")]
    assert bench.get("a", "/UserAccounts.shtml", auth=("user1", "pass1")).status_code == 403
    assert note(old(bench, "a", number="2", remove="yes")) == "At least one Web Master and one Product Master are required."
    assert "user 2 a Product Master" in note(old(bench, "a", number="2", group="Web Master"))
    assert note(old(bench, "a", number="1", name="user2")) == "The user name is already in use."
    assert note(old(bench, "a", number="1", password="with,comma")) == "The password is not valid."
    assert note(old(bench, "a", number="9", name="x")) == "There is no such user."
    assert note(old(bench, "a", number="2", name="master", password=NEW[0])) == "Account saved."
    login = ("master", NEW[0])
    assert bench.get("a", "/UserAccounts.shtml").status_code == 401
    assert bench.get("a", "/UserAccounts.shtml", auth=login).status_code == 200
    with pytest.raises(ftplib.error_perm):
        bench.ftp("a")
    bench.ftp("a", login).quit()
    assert note(old(bench, "a", login, number="3", name="reader", password="x1")) == "Account saved."
    assert bench.meter("a").state()["accounts"] == {"web_master": "user1", "product_master": "master", "web_user": "reader"}
    assert note(old(bench, "a", login, number="3", remove="yes")) == "Account saved."
    assert not any(NEW[0] in str(event) for event in bench.meter("a").events())


def test_old_firmware_surface_b(bench: Bench) -> None:
    path = "/maint/accounts.cgi"
    assert bench.get("b", path).json()["accounts"][1] == {"slot": 2, "account": "user2", "group": "product-master"}
    answer = bench.get("b", path, method="POST", json={"slot": 1, "secret": NEW[0]})
    assert answer.json()["saved"] and bench.get("b", path, auth=("user1", NEW[0])).status_code == 403
    assert bench.get("b", path, method="POST", json={"slot": 1, "remove": True}).status_code == 409
    assert bench.get("b", path, method="POST", json={"slot": 1, "secret": ""}).status_code == 422
    assert bench.get("b", path, method="POST", data="no json").status_code == 400


@pytest.mark.simulates("R-054")
def test_new_firmware_surface_a(bench: Bench) -> None:
    admin = bench.administrator("na")
    one, two = bench.browser("na"), bench.browser("na")
    page = "/settings/accounts.html"

    def save(person: Any, **fields: str) -> str:
        token = re.search(r'name="csrf_token" value="(\w+)"', person.get(page).text)
        return note(person.call("POST", page, data={"csrf_token": token[1] if token else "", **fields}))

    assert "8 to 16 characters" in save(one, account="Administrator", password="short#1")
    assert "8 to 16 characters" in save(one, account="Administrator", password="no-capital-1")
    assert save(one, account="Administrator", action="remove") == "At least one Administrator is required."
    assert save(one, account="Administrator", role="Guest") == "At least one Administrator is required."
    assert save(one, account="Administrator", name="Guest") == "The user name is already in use."
    assert save(one, account="Administrator", password=NEW[1]) == "Account saved."
    assert two.get(page).status_code == 302  # the other session is over
    assert save(one, account="Guest", name="Visitor", password=NEW[2]) == "Account saved."
    bench.ftp("na", ("Administrator", NEW[1])).quit()
    with pytest.raises(ftplib.error_perm):
        bench.ftp("na", admin)
    assert bench.meter("na").state()["accounts"] == {"administrator": "Administrator", "guest": "Visitor"}


def test_new_firmware_surface_b(bench: Bench) -> None:
    person = bench.browser("nb")
    path = "/settings/accounts"
    assert person.api("DELETE", f"{path}/Administrator").status_code == 409
    assert person.api("PATCH", f"{path}/Administrator", body={"secret": "weak"}).json()["error"]["code"] == "secret"
    assert person.api("PATCH", f"{path}/Nobody", body={"secret": NEW[1]}).status_code == 404
    assert person.api("PATCH", f"{path}/Administrator", body={"secret": NEW[1]}).json() == {"saved": "Administrator"}
    assert person.api("DELETE", f"{path}/Guest").status_code == 204
    assert person.api("POST", path, body={"name": "Eve", "secret": NEW[2], "group": "guest"}).status_code == 201
    assert person.api("GET", path).json()["accounts"][1] == {"name": "Eve", "group": "guest"}
    bench.browser("nb", ("Administrator", NEW[1]))


@pytest.mark.simulates("F-27")
def test_a_password_change_that_goes_wrong(bench: Bench) -> None:
    def works(password: str) -> bool:
        return bench.get("odd", "/", auth=("user1", password)).status_code == 200

    for mode, password, cut, taken in (
        ("lost_reply", "Canary-a1", True, True),
        ("lost_request", "Canary-b2", True, False),
        ("ignored", "Canary-c3", False, False),
        ("refused", "Canary-d4", False, False),
    ):
        bench.meter("odd").faults({"F-27": {"mode": mode}})
        if cut:
            with pytest.raises(requests.ConnectionError):
                old(bench, "odd", number="1", password=password)
        else:
            assert note(old(bench, "odd", number="1", password=password)) == (
                "Account saved." if mode == "ignored" else "The password is not valid."
            )
        assert works(password) is taken, mode
        assert works("Canary-a1"), mode
    assert note(old(bench, "odd", number="1", password="Canary-e5")) == "Account saved."  # struck once
    assert works("Canary-e5")
