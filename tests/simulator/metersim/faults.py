# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The faults a meter can be given, with their options and defaults."""

from __future__ import annotations

from typing import Any

Fault = dict[str, Any]

# option: (allowed types or words, default). ``times: 0`` means every time.
CATALOGUE: dict[str, dict[str, tuple[Any, Any]]] = {
    "F-01": {},
    "F-03": {"silence": (float, 20.0), "times": (int, 1)},
    "F-04": {"after": (int, 1024), "file": (str, ".fwa"), "down": (float, 10.0), "times": (int, 1)},
    "F-05": {"upload": (float, 10.0), "process": (float, 2.0)},
    "F-06": {"seconds": (float, 600.0), "times": (int, 1)},
    "F-07": {"mode": (("flip", "truncate"), "flip"), "file": (str, ".fwa"), "times": (int, 0)},
    "F-10": {"times": (int, 0), "text": (str, "")},
    "F-11": {"hidden": (int, 10)},
    "F-12": {"when": (("now", "after_login", "after_upload"), "now")},
    "F-13": {"address": (str, ""), "taken_by": (str, ""), "times": (int, 1)},
    "F-14": {"silence": (float, 200.0)},
    "F-15": {"seconds": (float, 10.0)},
    "F-16": {},
    "F-18": {
        "process": (
            ("communications_card", "operating_system", "language_files", "webpages", "compatibility_check", "restart"),
            "operating_system",
        ),
        "times": (int, 0),
        "text": (str, ""),
    },
    "F-19": {},
    "F-20": {"mode": (("connections", "writer"), "connections"), "times": (int, 1)},
    "F-21": {"mode": (("disabled", "space_full", "layout"), "disabled")},
    "F-25": {"offset": (int | float, 86400)},
    "F-27": {"mode": (("lost_reply", "refused", "lost_request", "ignored"), "lost_reply"), "times": (int, 1)},
    "F-30": {"mode": (("web_master", "web_denied"), "web_master")},
    "F-31": {"mode": (("tls1.0", "tls1.1", "expired", "changed", "wrong_host", "changed_after_upgrade"), "expired")},
    "F-32": {"mode": (("redirect", "elsewhere", "port", "disabled"), "redirect"), "port": (int, 8081), "to": (str, "127.0.0.9")},
    "F-36": {"after": (float, 86400.0), "mode": (("dead", "revert"), "revert"), "times": (int, 1)},
    "F-37": {
        "where": (("status", "role", "login", "upload", "apply", "settings", "modbus", "fc43", "all"), "status"),
        "kind": (("html", "non_ascii", "huge"), "html"),
    },
    "F-40": {"registers": (list, [])},
}


def normalise(raw: Any, where: str, catalogue: dict[str, dict[str, tuple[Any, Any]]] | None = None) -> dict[str, Fault]:
    """Faults as ``{id: {option: value}}`` with defaults; ValueError in one line."""
    catalogue = catalogue or CATALOGUE
    if raw in (None, []):
        return {}
    if isinstance(raw, list):
        raw = dict.fromkeys(raw)
    if not isinstance(raw, dict):
        raise ValueError(f"{where}: faults must be a mapping such as {{F-14: {{silence: 200}}}}")
    return {ident: _one(str(ident), given, where, catalogue) for ident, given in raw.items()}


def _one(ident: str, given: Any, where: str, catalogue: dict[str, dict[str, tuple[Any, Any]]]) -> Fault:
    if ident not in catalogue:
        raise ValueError(f"{where}: unknown fault '{ident}' (known: {', '.join(catalogue)})")
    options = catalogue[ident]
    if given in (None, True):
        given = {}
    if not isinstance(given, dict):
        raise ValueError(f"{where}: options of fault {ident} must be a mapping")
    for key in given:
        if key not in options:
            raise ValueError(f"{where}: fault {ident} has no option '{key}' (known: {', '.join(options) or 'none'})")
    fault = {
        key: _value(given.get(key, default), kind, f"{where}: fault {ident}, option '{key}'") for key, (kind, default) in options.items()
    }
    if ident == "F-40":
        fault["registers"] = [_span(item, where) for item in fault["registers"]]
    return fault


def _value(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, tuple):
        if value not in kind:
            raise ValueError(f"{where} must be one of {', '.join(kind)}, not '{value}'")
        return value
    if kind == int | float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if kind in (str, list, bool, dict) and isinstance(value, kind):
        return value
    words = {
        float: "a number from 0",
        int | float: "a number of seconds",
        int: "a whole number",
        str: "text",
        list: "a list",
        bool: "true or false",
        dict: "a mapping",
    }
    raise ValueError(f"{where} must be {words[kind]}, not '{value}'")


def _span(item: Any, where: str) -> list[int]:
    if isinstance(item, list) and len(item) == 2:
        return [int(item[0]), int(item[1])]
    first, dummy, last = str(item).partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ValueError(f"{where}: fault F-40 wants register ranges such as '1637-1645', not '{item}'")
    return [int(first), int(last or first)]
