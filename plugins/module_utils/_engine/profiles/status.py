# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reads a meter's pages by a profile. What is not understood is unknown, never good; the sender is a device (F-37)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from .expressions import search

_TEXT_LIMIT = 300
_PROCESS_LIMIT = 32


def read_status(profile: Mapping[str, Any], status: int, page: str) -> tuple[str, list[dict[str, Any]], str]:
    """(overall, processes, device text) of a status page.

    overall is idle, running, completed, failed, rejected (the image), refused (the start) or unknown; each process is
    ``{name, state, percent, text}``. With no process understood the page is unknown, whatever its HTTP status.
    """
    section = profile["status_page"]
    if status != 200:
        return "unknown", [], ""
    found = _from_json(section, page) if section.get("format") == "json" else _from_html(section, page)
    if not found["processes"] and found["overall"] is None:
        return "unknown", [], ""
    words = {word.lower(): state for state, given in section["states"].items() for word in given}
    percents = {word.lower(): value for word, value in section.get("percent_words", {}).items()}
    processes = [_process(item, words, float(section.get("full", 100)), percents) for item in found["processes"][:_PROCESS_LIMIT]]
    overall = _overall(found["overall"], words, processes)
    failed = [f"{item['name']}: {item['text']}" for item in processes if item["state"] == "failed" and item["text"]]
    text = "; ".join(failed)[:_TEXT_LIMIT] or _clean(found["text"])
    if overall == "failed" and "rejected" in section and re.search(section["rejected"], text):
        overall = "rejected"
    return overall, processes, text


def _from_html(section: Mapping[str, Any], page: str) -> dict[str, Any]:
    return {
        "processes": [found.groupdict() for found in re.finditer(section["process"], page)],
        "overall": _group(section.get("overall"), "state", page),
        "text": _group(section.get("text"), "text", page),
    }


def _group(pattern: str | None, name: str, page: str) -> str | None:
    found = re.search(pattern, page) if pattern else None
    return found[name] if found else None


def _from_json(section: Mapping[str, Any], page: str) -> dict[str, Any]:
    document = _parse(page)
    processes = _find(section["process"], document)
    usable = (
        [item for item in processes if isinstance(item, dict) and item.get("name") and item.get("state")]
        if isinstance(processes, list)
        else []
    )
    return {"processes": usable, "overall": _search(section.get("overall"), document), "text": _search(section.get("text"), document)}


def _parse(page: str) -> Any:
    try:
        return json.loads(page)
    except (ValueError, RecursionError):
        return None


def _find(expression: str | None, document: Any) -> Any:
    """What the expression gives; nothing where the page is of another shape than its functions expect."""
    if not expression or document is None:
        return None
    return search(expression, document)


def _search(expression: str | None, document: Any) -> str | None:
    value = _find(expression, document)
    return value if isinstance(value, str) else None


def _process(item: Mapping[str, Any], words: Mapping[str, str], full: float, percents: Mapping[str, float]) -> dict[str, Any]:
    percent = percents.get(_clean(item.get("percent")).lower())
    return {
        "name": _clean(item["name"]),
        "state": words.get(_clean(item["state"]).lower(), "unknown"),
        "percent": _percent(item.get("percent"), full) if percent is None else round(percent),
        "text": _clean(item.get("text")),
    }


def _percent(value: Any, full: float) -> int | None:
    try:
        return max(0, min(100, round(float(value) * 100 / full)))
    except (TypeError, ValueError, OverflowError):
        return None


def _overall(said: str | None, words: Mapping[str, str], processes: list[dict[str, Any]]) -> str:
    states = {item["state"] for item in processes}
    if said is not None:
        state = words.get(_clean(said).lower(), "unknown")
        return "running" if state == "waiting" else state
    if "failed" in states:
        return "failed"
    if "unknown" in states or not states:
        return "unknown"
    return "completed" if states == {"completed"} else "running"


def read_last(profile: Mapping[str, Any], status: int, page: str) -> dict[str, str]:
    """``version`` and ``at`` of the last upgrade, as the status page tells them; empty where it does not (R-144)."""
    section = profile["status_page"]
    if status != 200:
        return {"version": "", "at": ""}
    if section.get("format") == "json":
        document = _parse(page)
        return {name: _clean(_search(section.get(name), document)) for name in ("version", "at")}
    return {name: _clean(_group(section.get(name), name, page)) for name in ("version", "at")}


def read_role(profile: Mapping[str, Any], status: int, page: str) -> str | None:
    """The role the meter says the account has: ``product_master``, its own word for another one, or None."""
    section = profile["role_page"]
    if status != 200:
        return None
    said = _search(section["role"], _parse(page)) if section.get("format") == "json" else _group(section["role"], "role", page)
    word = _clean(said)
    return "product_master" if word.lower() in [item.lower() for item in section["product_master"]] else word or None


def refusal_reason(profile: Mapping[str, Any] | None, text: str) -> str | None:
    """The reason code a profile gives to the device's words when it does not start an upgrade."""
    for item in (profile or {}).get("refusals", []):
        if re.search(item["pattern"], text):
            return str(item["reason"])
    return None


def _clean(text: Any) -> str:
    return " ".join(html.unescape(str(text or "")).split())[:_TEXT_LIMIT]
