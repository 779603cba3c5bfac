# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JSON Schema of a profile: what a site knows of pages and registers that no public document describes (design 2)."""

from __future__ import annotations

from typing import Any

from .schema_security import IDENTITY, REGISTERS, SECURITY, SESSION_PAGE, TRANSPORT

_WORDS = {"type": "array", "minItems": 1, "items": {"type": "string"}, "x-accepted": "a list of at least one word"}
_EXPRESSION = {"type": "string", "minLength": 1, "x-accepted": "a regular expression"}
_READS = {
    "type": "string",
    "minLength": 1,
    "x-accepted": "a regular expression with a named group (HTML, text) or a JMESPath expression (JSON)",
}
_FORMAT = {"enum": ["html", "json"], "x-accepted": "html (regular expressions) or json (JMESPath)"}
_PATH = {"type": "string", "pattern": "^/", "x-accepted": "a path that begins with /"}
_NAME = {"type": "string", "minLength": 1, "pattern": "^[^\\r\\n]+$", "x-accepted": "a name in one line"}
_VALUES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "integer", "minimum": 0, "maximum": 65535},
    "x-accepted": "a list of register values",
}
_TRUTH = {"type": "boolean", "x-accepted": "true or false"}
_PLAIN = {"type": ["string", "number", "boolean", "null"], "x-accepted": "a plain value"}
_CONSTANTS = {"type": "object", "x-accepted": "a mapping of field name to plain value", "additionalProperties": _PLAIN}


def _mapping(properties: dict[str, Any], required: tuple[str, ...] = (), accepted: str = "") -> dict[str, Any]:
    """A mapping of exactly these keys."""
    return {
        "type": "object",
        "x-accepted": accepted or "a mapping with " + ", ".join(required or properties),
        "required": list(required),
        "additionalProperties": False,
        "properties": properties,
    }


#: A sign in an answer; all that is given must hold. ``expression`` must give something that is neither false nor empty.
_SIGN = {
    **_mapping(
        {
            "status": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "integer", "minimum": 100, "maximum": 599},
                "x-accepted": "a list of HTTP status codes",
            },
            "pattern": _EXPRESSION,
            "expression": {"type": "string", "minLength": 1, "x-accepted": "a JMESPath expression"},
            "location": {"type": "string", "minLength": 1, "x-accepted": "a regular expression for the address of a redirect"},
            "cookie": _NAME,
            "header": _NAME,
        },
        accepted="a mapping with status, pattern, expression, location, cookie or header",
    ),
    "minProperties": 1,
}
_SIGNS = {"type": "array", "minItems": 1, "items": _SIGN, "x-accepted": "a list of signs, one of which is enough"}
_REQUEST = {
    "page": _PATH,
    "path": _PATH,
    "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"], "x-accepted": "GET, POST, PUT, PATCH or DELETE"},
    "ok": _SIGN,
}
_BODY = {"enum": ["form", "json"], "x-accepted": "form or json"}

_LOGIN = _mapping(
    {
        **_REQUEST,
        "kind": {"enum": ["challenge", "form", "json", "helper"], "x-accepted": "challenge, form, json or helper"},
        "user": _NAME,
        "password": _NAME,
        "constants": _CONSTANTS,
        "preemptive": {"enum": ["basic"], "x-accepted": "basic, where pages answer without a login too (challenge only)"},
        "tells_locked": {
            "type": "boolean",
            "x-accepted": "true where the meter is known to answer a locked account in another way than a wrong password",
        },
    },
    ("kind",),
)
_TOKENS = {
    "type": "array",
    "x-accepted": "a list of name, take, send",
    "items": _mapping(
        {
            "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "x-accepted": "lower case letters, digits and _"},
            "take": _mapping(
                {"cookie": _NAME, "header": _NAME, "pattern": _EXPRESSION, "expression": {**_READS, "x-accepted": "a JMESPath expression"}}
            ),
            "send": _mapping({"header": _NAME, "prefix": {"type": "string", "x-accepted": "a text"}, "field": _NAME}),
            "with": {"enum": ["all", "writes"], "x-accepted": "all or writes"},
        },
        ("name", "take", "send"),
    ),
}
_SETTING = _mapping(
    {
        "path": _PATH,
        "format": {"enum": ["html", "json", "text"], "x-accepted": "html, json or text"},
        "value": {**_READS, "x-accepted": "an expression that gives the value (HTML, text: a regular expression with the group value)"},
        "words": {"type": "object", "x-accepted": "a mapping of our word to the device's words", "additionalProperties": _WORDS},
        "write": _mapping({**_REQUEST, "body": _BODY, "field": _NAME, "constants": _CONSTANTS}, ("path", "body", "field", "ok")),
    },
    ("path", "value"),
)
_UPLOAD = _mapping(
    {
        **_REQUEST,
        "body": {"enum": ["multipart", "raw"], "x-accepted": "multipart or raw"},
        "field": _NAME,
        "constants": _CONSTANTS,
        "max_bytes": {"type": "integer", "minimum": 1, "x-accepted": "a number of bytes"},
        "applies_at_once": _TRUTH,
    },
    ("path", "ok"),
)
_CONFIRM = _mapping({**_REQUEST, "body": _BODY, "fields": _CONSTANTS}, ("path", "body", "ok"))
_ANSWERS = _mapping(
    {
        "says": _mapping(
            {
                "html": {**_READS, "x-accepted": "a regular expression with the group text"},
                "json": {**_READS, "x-accepted": "a JMESPath expression"},
            }
        ),
        "missing": _SIGNS,
        "busy": _SIGNS,
        "signed_out": _SIGNS,
    }
)

PROFILE: dict[str, Any] = _mapping(
    {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "x-accepted": "lower case letters, digits, - and _"},
        "family": {"enum": ["pm5000", "hep"], "x-accepted": "pm5000 or hep"},
        "provenance": {"enum": ["reference", "captured", "vendor"], "x-accepted": "reference, captured or vendor"},
        "verified": _TRUTH,
        "description": {"type": "string", "x-accepted": "a text"},
        "transport": TRANSPORT,
        "answers": _ANSWERS,
        "login": _LOGIN,
        "logout": _mapping({"path": _PATH, "method": _REQUEST["method"]}, ("path",)),
        "tokens": _TOKENS,
        "settings": {
            "type": "object",
            "x-accepted": "a mapping of setting name to path, value",
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$", "x-accepted": "lower case letters, digits and _"},
            "additionalProperties": _SETTING,
        },
        "identity": IDENTITY,
        "session_page": SESSION_PAGE,
        "security": SECURITY,
        "upload": _UPLOAD,
        "confirm": _CONFIRM,
        "registers": _mapping(
            {
                **REGISTERS,
                "mid_lock": _mapping(
                    {
                        "register": {"enum": [1920, 1921], "x-accepted": "1920 or 1921", "x-rule": "R-047"},
                        "locked": _VALUES,
                        "unlocked": _VALUES,
                    },
                    ("register", "locked", "unlocked"),
                ),
            },
        ),
        "role_page": _mapping(
            {
                "path": _PATH,
                "format": _FORMAT,
                "role": {**_EXPRESSION, "x-accepted": "an expression that gives the role (HTML: a regular expression with the group role)"},
                "product_master": _WORDS,
            },
            ("path", "role", "product_master"),
        ),
        "status_page": _mapping(
            {
                "path": _PATH,
                "format": _FORMAT,
                "process": {
                    **_EXPRESSION,
                    "x-accepted": "an expression that gives name and state of each process, and percent and text if there are any",
                },
                "full": {"type": "number", "exclusiveMinimum": 0, "x-accepted": "the value of percent that means all of it"},
                "percent_words": {
                    "type": "object",
                    "x-accepted": "a mapping of the device's words to a percentage",
                    "additionalProperties": {"type": "number", "minimum": 0, "maximum": 100, "x-accepted": "a percentage"},
                },
                "overall": {**_EXPRESSION, "x-accepted": "an expression that gives the state of the whole"},
                "text": {**_EXPRESSION, "x-accepted": "an expression that gives the device's own words"},
                "version": {**_READS, "x-accepted": "an expression that gives the version of the last upgrade (R-144)"},
                "at": {**_READS, "x-accepted": "an expression that gives the time of the last upgrade (R-144)"},
                "rejected": {**_EXPRESSION, "x-accepted": "a regular expression for the device's words when it refuses the image"},
                "states": _mapping(
                    {name: _WORDS for name in ("idle", "waiting", "running", "completed", "failed", "refused")},
                    ("running", "completed", "failed"),
                ),
            },
            ("path", "process", "states"),
        ),
        "refusals": {
            "type": "array",
            "x-accepted": "a list of pattern and reason",
            "items": _mapping({"pattern": _EXPRESSION, "reason": {"type": "string", "x-accepted": "a reason code"}}, ("pattern", "reason")),
        },
    },
    ("name", "family", "provenance", "verified"),
)
PROFILE["x-rule"] = "design 2"
