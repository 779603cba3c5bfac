# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reading status and role pages by a profile: what is not understood is unknown, whatever a device sends."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.loader import load_profile
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.status import read_role, read_status, refusal_reason

A = load_profile("pm5000-legacy")
B = load_profile("pm5000-legacy-b")


def html(result: str | None, message: str, *processes: tuple[str, str, int, str]) -> str:
    """A page of surface a, as tests/simulator/SURFACE.md shows it."""
    head = f'<p id="result">Result: {result}</p>\n' if result is not None else ""
    rows = "".join(
        f'<tr class="process"><td>{name}</td><td>{state}</td><td>{percent} %</td><td>{text}</td></tr>\n'
        for name, state, percent, text in processes
    )
    return f'<html><body><p id="device">PM5560 51730000</p>\n{head}<p id="message">{message}</p><table id="processes">\n{rows}</table></body></html>'


def document(phase: Any, note: Any, *jobs: tuple[str, str, float, str]) -> str:
    """A page of surface b."""
    listed = [dict(zip(("title", "status", "done", "detail"), job, strict=True)) for job in jobs]
    return json.dumps({"unit": {"type": "PM5560"}, "update": {"phase": phase, "note": note, "jobs": listed}})


def overall(profile: dict[str, Any], page: str, status: int = 200) -> str:
    return read_status(profile, status, page)[0]


@pytest.mark.requirement("R-065", "R-066")
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("None", "idle"),
        ("In progress", "running"),
        ("Upgrade Completed", "completed"),
        ("UPGRADE completed", "completed"),
        ("Upgrade failed", "failed"),
        ("Not started", "refused"),
        ("Quite well", "unknown"),
    ],
)
def test_the_word_for_the_whole_on_surface_a(said: str, expected: str) -> None:
    assert overall(A, html(said, "", ("Webpages", "Waiting", 0, ""))) == expected


@pytest.mark.requirement("R-065", "R-066")
@pytest.mark.parametrize(
    ("said", "expected"),
    [("idle", "idle"), ("working", "running"), ("finished", "completed"), ("aborted", "failed"), ("rejected", "refused"), ("?", "unknown")],
)
def test_the_word_for_the_whole_on_surface_b(said: str, expected: str) -> None:
    assert overall(B, document(said, "", ("site", "queued", 0.0, ""))) == expected


@pytest.mark.requirement("R-065", "R-066")
@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("Completed", "Completed"), "completed"),
        (("Completed", "Waiting"), "running"),
        (("Waiting", "Waiting"), "running"),
        (("Completed", "Failed"), "failed"),
        (("Failed", "Mystery"), "failed"),
        (("Completed", "Mystery"), "unknown"),
        (("In progress", "Waiting"), "running"),
    ],
)
def test_without_a_word_for_the_whole_the_processes_decide(states: tuple[str, ...], expected: str) -> None:
    rows = [(f"p{number}", state, 0, "") for number, state in enumerate(states)]
    assert overall(A, html(None, "", *rows)) == expected


@pytest.mark.requirement("R-065")
def test_processes_are_read_with_percent_and_text() -> None:
    page = html(
        "In progress", "Do not switch off.", ("Communications card", "Completed", 100, ""), ("Webpages", "In progress", 50, "a &amp; b")
    )
    assert read_status(A, 200, page) == (
        "running",
        [
            {"name": "Communications card", "state": "completed", "percent": 100, "text": ""},
            {"name": "Webpages", "state": "running", "percent": 50, "text": "a & b"},
        ],
        "Do not switch off.",
    )
    page = document("working", "keep the supply on", ("metering core", "ok", 1.0, ""), ("site", "active", 0.5, ""))
    assert read_status(B, 200, page)[1] == [
        {"name": "metering core", "state": "completed", "percent": 100, "text": ""},
        {"name": "site", "state": "running", "percent": 50, "text": ""},
    ]


@pytest.mark.requirement("F-18", "R-066")
def test_the_text_of_a_failed_process_goes_before_the_pages_own() -> None:
    page = html("Upgrade failed", "Start again.", ("Language files", "Failed", 40, "Process failed"), ("Webpages", "Failed", 0, "No space"))
    assert read_status(A, 200, page)[2] == "Language files: Process failed; Webpages: No space"


@pytest.mark.requirement("F-10", "R-141")
def test_a_refused_image_is_told_from_another_failure() -> None:
    row = ("Operating system", "Failed", 0, "The firmware is not compatible with this device.")
    assert overall(A, html("Upgrade failed", "", row)) == "rejected"
    assert overall(A, html("Upgrade failed", "", (*row[:3], "Process failed"))) == "failed"
    assert overall(B, document("aborted", "", ("site", "error", 0.0, "package is for another device or release"))) == "rejected"


@pytest.mark.requirement("R-047", "R-155", "F-11", "F-12")
@pytest.mark.parametrize(
    ("profile", "text", "reason"),
    [
        (A, "The MID/MIR lock is enabled. Remove the lock on the display.", "mid_lock_enabled"),
        (A, "The number of upgrades of this device is used up.", "attempts_exhausted"),
        (A, "This function is not available on this firmware.", "device_rejected_image"),
        (A, "Upgrade files are missing.", None),
        (B, "sealed: open the legal lock at the front panel", "mid_lock_enabled"),
        (B, "update budget exhausted", "attempts_exhausted"),
        (B, "", None),
        (None, "anything", None),
    ],
)
def test_why_the_meter_does_not_start(profile: dict[str, Any] | None, text: str, reason: str | None) -> None:
    assert refusal_reason(profile, text) == reason


# -- hostile and malformed --------------------------------------------------------------------------------------------

ERROR_PAGE = "<html><head><title>500 Internal error</title></head><body><h1>Upgrade Completed</h1></body></html>"


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("profile", [A, B], ids=["a", "b"])
@pytest.mark.parametrize(
    "page",
    [
        "",
        ERROR_PAGE,
        "{",
        "null",
        "[]",
        "42",
        '"finished"',
        "{}",
        '{"update": null}',
        '{"update": []}',
        '{"update": {"phase": 7, "jobs": "all"}}',
        '{"update": {"phase": {"x": 1}, "jobs": [1, null, [], {}]}}',
        '{"update": {"phase": NaN}}',
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 10_000,
        "\x00\x01\ufffd\ufffd",
        "Ü" * 1000,
    ],
)
def test_a_page_that_is_not_understood_is_unknown_and_never_good(profile: dict[str, Any], page: str) -> None:
    assert read_status(profile, 200, page) == ("unknown", [], "")


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize("status", [302, 401, 403, 404, 500, 503])
def test_a_good_looking_page_with_a_bad_status_is_unknown(status: int) -> None:
    assert read_status(A, status, html("Upgrade Completed", "", ("Webpages", "Completed", 100, ""))) == ("unknown", [], "")


@pytest.mark.requirement("F-37")
def test_text_of_a_device_is_short_one_line_and_passed_on_as_it_is() -> None:
    nasty = "{{ lookup('pipe','id') }} &lt;script&gt;\r\n\t\x1b[31m " + "я" * 200
    overall_, processes, text = read_status(A, 200, html("Upgrade failed", nasty, ("Webpages", "Failed", 0, nasty[:290])))
    assert overall_ == "failed"
    assert text.startswith("Webpages: {{ lookup('pipe','id') }} <script>")
    for shown in (text, processes[0]["text"]):
        assert len(shown) <= 300 and "\n" not in shown and "\r" not in shown and "\t" not in shown


@pytest.mark.requirement("F-37")
def test_a_million_processes_are_cut() -> None:
    rows = '<tr class="process"><td>x</td><td>Waiting</td><td>0 %</td><td></td></tr>' * 10_000
    assert len(read_status(A, 200, rows)[1]) <= 32
    assert len(read_status(B, 200, document("working", "", *[("x", "queued", 0.0, "")] * 10_000))[1]) <= 32


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    "piece",
    ['<tr class="process"><td>', '<p id="result">Result: ', '<p id="message">', '<tr class="process"><td>a</td><td>b</td><td>1 %</td><td>'],
)
def test_a_page_made_to_keep_a_regular_expression_busy_is_read(piece: str) -> None:
    """With an expression that backtracks this would not end."""
    assert read_status(A, 200, (piece * (1 << 20))[: 1 << 20])[0] in ("unknown", "running")


@pytest.mark.requirement("F-37")
@pytest.mark.parametrize(
    ("given", "percent"),
    [
        (0.5, 50),
        (1, 100),
        (7, 100),
        (-3, 0),
        ("0.25", 25),
        ("many", None),
        (None, None),
        ([], None),
        (1e999, None),
        (float("nan"), None),
        (True, 100),
    ],
)
def test_percent_is_a_number_from_0_to_100_or_nothing(given: Any, percent: int | None) -> None:
    page = json.dumps({"update": {"phase": "working", "jobs": [{"title": "site", "status": "active", "done": given}]}})
    assert read_status(B, 200, page)[1][0]["percent"] == percent


@pytest.mark.requirement("F-37")
def test_an_expression_with_a_function_meets_a_page_of_another_shape() -> None:
    """Found here: a function that got another type than it expects ended the observation with an internal error."""
    profile = copy.deepcopy(B)
    profile["status_page"]["process"] = "sort_by(update.jobs, &title)[].{name: title, state: status}"
    profile["status_page"]["overall"] = "join('', update.phase)"
    good = json.dumps({"update": {"phase": ["work", "ing"], "jobs": [{"title": "b", "status": "ok"}, {"title": "a", "status": "queued"}]}})
    assert read_status(profile, 200, good)[0] == "running"
    for page in ('{"update": {"phase": 7, "jobs": 7}}', "{}", "[1]", '{"update": {"jobs": [{"title": 1}, {"title": "x"}]}}'):
        assert read_status(profile, 200, page) == ("unknown", [], "")


# -- the role ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R-034", "F-30")
@pytest.mark.parametrize(
    ("profile", "page", "role"),
    [
        (A, '<p id="session">Signed in as <b>user2</b> (Product Master)</p>', "product_master"),
        (A, '<p id="session">Signed in as <b>x</b> (Administrator)</p>', "product_master"),
        (A, '<p id="session">Signed in as <b>user1</b> (Web Master)</p>', "Web Master"),
        (A, ERROR_PAGE, None),
        (A, "", None),
        (B, '{"session": {"account": "user2", "group": "product-master"}}', "product_master"),
        (B, '{"session": {"account": "user1", "group": "web-user"}}', "web-user"),
        (B, '{"session": {"group": ["product-master"]}}', None),
        (B, "not json", None),
    ],
)
def test_role(profile: dict[str, Any], page: str, role: str | None) -> None:
    assert read_role(profile, 200, page) == role
    assert read_role(profile, 403, page) is None
