# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A browser recording becomes a draft: what is found, what is said to be missing, and that no secret is left in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import pytest
import yaml
from harkit import FORM, HOST, JSON, MULTIPART, PACKAGE, PASSWORD, USER, entry, form_meter, har
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.har import parse_har
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.har_draft import Draft, draft_from_har
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.har_secrets import looks_random
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.status import read_status
from ansible_collections.gridops.metering.plugins.plugin_utils._har_file import problem, render


def draft(entries: list[Any], user: str | None = USER, passwords: tuple[str, ...] = (PASSWORD,), **more: Any) -> Draft:
    return draft_from_har(har(entries), "site", user=user, passwords=passwords, **more)


def missing(found: Draft) -> dict[str, str]:
    return {item["section"]: item["why"] for item in found.missing}


def test_a_form_meter_with_sloppy_pages() -> None:
    found = draft(form_meter())
    profile = found.profile
    assert profile["provenance"] == "captured" and profile["verified"] is False
    assert profile["transport"] == {"scheme": "https"}
    login = profile["login"]
    assert (login["kind"], login["page"], login["path"], login["user"], login["password"]) == ("form", "/in", "/in", "who", "word")
    assert login["ok"]["status"] == [303] and re.search(login["ok"]["location"], "/start")
    (token,) = profile["tokens"]
    assert token["send"] == {"field": "_t"} and token["with"] == "writes"
    assert re.search(token["take"]["pattern"], "<input type='hidden' name='_t' value='next99'>")["value"] == "next99"  # type: ignore[index]
    assert profile["answers"]["signed_out"] == [{"status": [302], "location": "/in"}]
    assert re.search(profile["answers"]["says"]["html"], "<p id=err>Locked for an hour.</p>")["text"] == "Locked for an hour."  # type: ignore[index]
    assert profile["upload"]["field"] == "img" and profile["upload"]["constants"] == {"slot": "main"}
    assert profile["confirm"]["path"] == "/go" and profile["confirm"]["fields"] == {"sure": "1"}
    assert re.search(profile["confirm"]["ok"]["pattern"], "<h2 id='gone'>The meter starts again now.</h2>")
    assert profile["logout"] == {"path": "/signout", "method": "GET"}
    assert profile["role_page"]["product_master"] == ["Product Master"]
    assert problem(render(found), "site") == ""


def test_its_status_page_is_understood() -> None:
    profile = draft(form_meter()).profile
    page = "<i id=st>Working</i><TABLE><TR><TD>Core</TD><TD>Done</TD><TD>100%</TD></TR><TR><TD>Site</TD><TD>Working</TD><TD>7%</TD></TR></TABLE>"
    overall, processes, _text = read_status(profile, 200, page)[:3]
    assert overall == "running"
    assert [(item["name"], item["state"], item["percent"]) for item in processes] == [("Core", "completed", 100), ("Site", "running", 7)]
    assert read_status(profile, 200, "<i id=st>Weird</i>")[0] == "unknown"


def test_no_secret_is_left() -> None:
    """Neither what was typed, nor what the meter handed out, nor the package."""
    found = draft(form_meter())
    text = render(found) + json.dumps(found.missing) + json.dumps(found.notes)
    for secret in (PASSWORD, "wrong-Canary-1", "5f5f5f5f5f5f", "tok1aaaa", "tok3aaaa", PACKAGE[:18], "cdn.example.org", HOST):
        assert secret not in text


def test_a_secret_in_an_address_takes_its_section_out() -> None:
    entries = form_meter()
    entries[7]["request"]["url"] = f"https://{HOST}/go/{PASSWORD}"
    found = draft(entries)
    assert "confirm" not in found.profile and "left out" in missing(found)["confirm"]
    assert PASSWORD not in render(found)


def test_without_the_password_its_field_is_recognised_and_said_to_be_assumed() -> None:
    found = draft(form_meter()[:2] + form_meter()[3:], user=None, passwords=())
    assert found.profile["login"]["password"] == "word" and found.profile["login"]["user"] == "who"
    assert "no password was named" in missing(found)["login.password"]
    assert PASSWORD not in render(found)


@pytest.mark.parametrize("known", [(PASSWORD,), ()])
@pytest.mark.parametrize("derive", ["hmac", "sha256"])
def test_a_login_that_agrees_a_key_is_not_inferable(derive: str, known: tuple[str, ...]) -> None:
    nonce = "b1946ac92492d2347c6235b4d2611184"
    proof = (
        hmac.new(PASSWORD.encode(), nonce.encode(), "sha256").hexdigest()
        if derive == "hmac"
        else hashlib.sha256(PASSWORD.encode()).hexdigest()
    )
    name = "proof" if derive == "hmac" else "password"
    entries = form_meter()
    entries[2:4] = [
        entry(
            "POST",
            "/in",
            303,
            body=f"nonce={nonce}&who={USER}&{name}={proof}",
            kind=FORM,
            answer={"Location": "/start", "Set-Cookie": "SID=1"},
        )
    ]
    found = draft(entries, passwords=known)
    assert found.profile["login"] == {"kind": "helper"}
    assert missing(found)["login"].startswith("login not inferable")
    assert "upload" in found.profile, "the rest is found all the same"
    assert proof not in render(found) and nonce not in render(found)


def test_basic_login_is_a_challenge() -> None:
    word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    entries = [
        entry("GET", "/s", 401, answer={"WWW-Authenticate": 'Basic realm="meter"'}, scheme="http"),
        entry("GET", "/s", sent={"Authorization": f"Basic {word}"}, text="<i id=st>None</i>", scheme="http"),
    ]
    found = draft(entries)
    assert found.profile["login"] == {"kind": "challenge"} and found.profile["transport"] == {"scheme": "http"}
    assert word not in render(found) and "plain HTTP" in found.notes[0]


def json_meter(header: str, prefix: str) -> list[dict[str, Any]]:
    bearer = {header: f"{prefix}tkn-5d41402abc4b2a76b971"}
    guard = {**bearer, "X-Guard": "g-7d793037a0760186574b"}
    settings_page = json.dumps({"net": {"ftp": "off", "port": 80}})
    return [
        entry("POST", "/v2/door", text=json.dumps({"data": {"tkn": "tkn-5d41402abc4b2a76b971", "guard": "g-7d793037a0760186574b"}}), mime=JSON,
              body=json.dumps({"name": USER, "word": PASSWORD, "lang": "en"}), kind=JSON),
        entry("GET", "/v2/net-config", text=settings_page, mime=JSON, sent=bearer),
        entry("PUT", "/v2/net-config", text='{"stored": true}', mime=JSON, sent=guard, body='{"ftp": "off"}', kind=JSON),
        entry("POST", "/v2/file", 201, text='{"file": {"kept": "yes"}}', mime=JSON, sent={**guard, "Content-Length": "90000", "Content-Type": MULTIPART}),
        entry("POST", "/v2/run", 202, text='{"run": "accepted"}', mime=JSON, sent=guard, body='{"now": true, "mode": 2}', kind=JSON),
        entry("GET", "/v2/state", text=json.dumps({"s": {"phase": "working", "parts": [{"n": "core", "st": "active", "p": 0.5}]}}), mime=JSON, sent=bearer),
        entry("GET", "/v2/state", text=json.dumps({"s": {"phase": "finished", "parts": [{"n": "core", "st": "ok", "p": 1.0}]}}), mime=JSON, sent=bearer),
        entry("DELETE", "/v2/session", 204, sent=guard),
    ]  # fmt: skip


@pytest.mark.parametrize(("header", "prefix"), [("Authorization", "Bearer "), ("X-Token", "")])
def test_a_json_meter(header: str, prefix: str) -> None:
    found = draft(json_meter(header, prefix))
    profile = found.profile
    assert profile["login"] == {
        "kind": "json", "path": "/v2/door", "method": "POST", "user": "name", "password": "word",
        "ok": {"status": [200], "expression": "data.tkn"},
    }  # fmt: skip
    first, second = profile["tokens"]
    assert first["take"] == {"expression": "data.tkn"} and first["send"] == {"header": header, **({"prefix": prefix} if prefix else {})}
    assert first["with"] == "all" and second["take"] == {"expression": "data.guard"} and second["with"] == "writes"
    assert profile["settings"]["ftp_server"]["write"]["field"] == "ftp" and profile["settings"]["port"]["value"] == "net.port"
    assert "field" not in profile["upload"] and "did not record the body" in missing(found)["upload.field"]
    assert profile["confirm"]["fields"] == {"now": True, "mode": 2}
    assert profile["status_page"]["process"] == "s.parts[].{name: n, state: st, percent: p}" and profile["status_page"]["full"] == 1
    assert profile["logout"] == {"path": "/v2/session", "method": "DELETE"}
    assert "lang" in missing(found)["login.constants"], "a value that is not known to be plain is reported, not kept"
    assert PASSWORD not in render(found) and "5d41402abc" not in render(found)


def test_a_sanitized_recording_says_what_it_lacks() -> None:
    """Chrome leaves out Cookie, Set-Cookie and Authorization unless it is told otherwise."""
    entries = json_meter("Authorization", "Bearer ")
    del entries[0]["response"]["content"]["text"]
    for item in entries:
        for side in ("request", "response"):
            kept = [pair for pair in item[side]["headers"] if pair["name"].lower() not in ("cookie", "set-cookie", "authorization")]
            item[side]["headers"] = kept
    told = missing(draft(entries))
    assert "'x-guard'" in told["tokens"] and "export with sensitive data" in told["login"]


def test_a_field_from_the_script_is_a_guess() -> None:
    script = "<script>const f = new FormData(); f.append('kind', 'main'); f.append(\"blob\", file); send(f)</script>"
    found = draft([entry("GET", "/", text=script), *json_meter("X-Token", "")])
    assert found.profile["upload"]["field"] == "blob" and found.profile["upload"]["constants"] == {"kind": "main"}
    assert "guesses" in missing(found)["upload.field"]


def test_what_was_not_recorded_is_said() -> None:
    found = draft([entry("GET", "/", text="<h1>Meter</h1>")])
    told = missing(found)
    assert {"login", "upload", "status_page", "settings", "role_page"} <= told.keys()
    assert found.profile.keys() == {"name", "family", "provenance", "verified", "description", "transport"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "which is JSON"),
        ("[]", "log.entries"),
        ("{}", "log.entries"),
        ('{"log": {"entries": []}}', "at least one"),
        ('{"log": {"entries": [1, {}, {"request": {"url": "ftp://x/"}}]}}', "http or https"),
        ("[" * 100_000, "which is JSON"),
    ],
)
def test_a_file_that_is_no_recording_is_one_sentence(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        draft_from_har(text, "site")


def test_an_unknown_host_is_told_with_those_that_are_there() -> None:
    with pytest.raises(InputError, match=re.escape(HOST)):
        draft(form_meter(), host="192.0.2.99")
    assert parse_har(har(form_meter())).other_hosts == ("cdn.example.org",)


def test_bodies_in_base64_and_entries_without_parts_are_read() -> None:
    entries = form_meter()
    content = entries[8]["response"]["content"]
    content["text"], content["encoding"] = base64.b64encode(content["text"].encode()).decode(), "base64"
    del entries[0]["response"], entries[1]["request"]["headers"]
    entries[4]["response"]["content"] = {"encoding": "base64", "text": "%%%"}
    entries[5]["response"]["content"]["text"] = None
    assert "status_page" in draft(entries).profile


def test_what_looks_random() -> None:
    assert all(map(looks_random, ("d41d8cd98f00b204e980", "AbCdEfGh12345678", "eyJhbGciOiJIUzI1NiJ9.e30.x1y2z3")))
    assert not any(map(looks_random, ("stored", "PM5560_v4.4.0.sedp,", "device-software", "yes", "Administrator", "192.0.2.7")))


LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)
MARKUP = st.lists(
    st.sampled_from(
        ["<form method=post>", "<input type=password name=p>", "<input type=hidden name=t value=aaaaaaaaaaaa1234>", "<tr><td>a</td><td>done</td></tr>",
         "<i id=x>running</i>", "</", "<!", "<![", "<table", "(?P<", "\\", "</form>", "{", '{"a":[{"n":"x","s":"ok"}]}', "ok", "]]>", "<script>", "\x00"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


def _broken(base: int, where: str, what: Any) -> list[dict[str, Any]]:
    entries = form_meter()
    *parents, last = where.split(".")
    place: Any = entries[base]
    for parent in parents:
        place = place.get(parent) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place[last] = what
    return entries


BROKEN = st.builds(
    _broken,
    st.integers(0, 11),
    st.sampled_from(["request", "response", "request.url", "request.headers", "request.postData", "response.content", "response.status",
                     "response.content.text", "request.method", "response.headers"]),
    ANYTHING | MARKUP,
)  # fmt: skip


@given(BROKEN)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_hostile_recording_makes_a_draft_or_one_sentence_and_leaks_nothing(entries: list[dict[str, Any]]) -> None:
    try:
        found = draft(entries)
    except InputError:
        return
    text = render(found)
    assert PASSWORD not in text and PACKAGE[:18] not in text
    assert yaml.safe_load(text)["verified"] is False
    problem(text, "site")


@given(MARKUP, MARKUP)
@settings(max_examples=60, deadline=None)
def test_pages_of_any_kind(first: str, second: str) -> None:
    found = draft(
        [entry("GET", "/status", text=first), entry("POST", "/a", body=second, kind=FORM, text=first), entry("GET", "/status", text=second)]
    )
    problem(render(found), "site")
