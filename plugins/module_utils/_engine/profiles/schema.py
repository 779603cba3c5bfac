# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JSON Schema of a profile: what a site knows of pages and registers that no public document describes (design 2)."""

from __future__ import annotations

from typing import Any

_WORDS = {"type": "array", "minItems": 1, "items": {"type": "string"}, "x-accepted": "a list of at least one word"}
_EXPRESSION = {"type": "string", "minLength": 1, "x-accepted": "a regular expression"}
_FORMAT = {"enum": ["html", "json"], "x-accepted": "html (regular expressions) or json (JMESPath)"}
_PATH = {"type": "string", "pattern": "^/", "x-accepted": "a path that begins with /"}
_VALUES = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 65535}, "x-accepted": "a list of register values"}

PROFILE: dict[str, Any] = {
    "type": "object",
    "x-accepted": "a mapping with name, family, provenance, verified",
    "x-rule": "design 2",
    "required": ["name", "family", "provenance", "verified"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "x-accepted": "lower case letters, digits, - and _"},
        "family": {"enum": ["pm5000"], "x-accepted": "pm5000"},
        "provenance": {"enum": ["reference", "captured", "vendor"], "x-accepted": "reference, captured or vendor"},
        "verified": {"type": "boolean", "x-accepted": "true or false"},
        "description": {"type": "string", "x-accepted": "a text"},
        "registers": {
            "type": "object",
            "x-accepted": "a mapping with mid_lock",
            "additionalProperties": False,
            "properties": {
                "mid_lock": {
                    "type": "object",
                    "x-accepted": "a mapping with register, locked, unlocked",
                    "required": ["register", "locked", "unlocked"],
                    "additionalProperties": False,
                    "properties": {
                        "register": {"enum": [1920, 1921], "x-accepted": "1920 or 1921", "x-rule": "R-047"},
                        "locked": _VALUES,
                        "unlocked": _VALUES,
                    },
                }
            },
        },
        "role_page": {
            "type": "object",
            "x-accepted": "a mapping with path, role, product_master",
            "required": ["path", "role", "product_master"],
            "additionalProperties": False,
            "properties": {
                "path": _PATH,
                "format": _FORMAT,
                "role": {**_EXPRESSION, "x-accepted": "an expression that gives the role (HTML: a regular expression with the group role)"},
                "product_master": _WORDS,
            },
        },
        "status_page": {
            "type": "object",
            "x-accepted": "a mapping with path, process, states",
            "required": ["path", "process", "states"],
            "additionalProperties": False,
            "properties": {
                "path": _PATH,
                "format": _FORMAT,
                "process": {
                    **_EXPRESSION,
                    "x-accepted": "an expression that gives name and state of each process, and percent and text if there are any",
                },
                "full": {"type": "number", "exclusiveMinimum": 0, "x-accepted": "the value of percent that means all of it"},
                "overall": {**_EXPRESSION, "x-accepted": "an expression that gives the state of the whole"},
                "text": {**_EXPRESSION, "x-accepted": "an expression that gives the device's own words"},
                "rejected": {**_EXPRESSION, "x-accepted": "a regular expression for the device's words when it refuses the image"},
                "states": {
                    "type": "object",
                    "x-accepted": "a mapping with running, completed, failed",
                    "required": ["running", "completed", "failed"],
                    "additionalProperties": False,
                    "properties": {name: _WORDS for name in ("idle", "waiting", "running", "completed", "failed", "refused")},
                },
            },
        },
        "refusals": {
            "type": "array",
            "x-accepted": "a list of pattern and reason",
            "items": {
                "type": "object",
                "x-accepted": "a mapping with pattern and reason",
                "required": ["pattern", "reason"],
                "additionalProperties": False,
                "properties": {"pattern": _EXPRESSION, "reason": {"type": "string", "x-accepted": "a reason code"}},
            },
        },
    },
}
