# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JSON Schema of what a profile tells of security settings: pages with many of them, users or accounts, the mode, setup registers (design 2).

A value of a request may be a placeholder, which stands alone: ``{user}``, ``{password}``, ``{permissions}``, ``{group}``, ``{mode}``,
``{new_user}``, ``{number}``.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1, "x-accepted": "a text"}
_PATH = {"type": "string", "pattern": "^/", "x-accepted": "a path that begins with /"}
_READS = {
    "type": "string",
    "minLength": 1,
    "x-accepted": "a regular expression with named groups (HTML) or a JMESPath expression (JSON)",
}
_FORMAT = {"enum": ["html", "json"], "x-accepted": "html (regular expressions) or json (JMESPath)"}
_PLAIN = {"type": ["string", "number", "boolean", "null"], "x-accepted": "a plain value"}
_FIELDS = {"type": "object", "x-accepted": "a mapping of field name to plain value or placeholder", "additionalProperties": _PLAIN}
_NAMES = {"pattern": "^[a-z][a-z0-9_]*$", "x-accepted": "lower case letters, digits and _"}
_WORDS = {
    "type": "object",
    "x-accepted": "a mapping of our word to the device's words",
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}, "x-accepted": "a list of at least one word"},
}


def _mapping(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "x-accepted": "a mapping with " + ", ".join(required or properties),
        "required": list(required),
        "additionalProperties": False,
        "properties": properties,
    }


_SIGN = {
    **_mapping(
        {
            "status": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "integer", "minimum": 100, "maximum": 599},
                "x-accepted": "a list of HTTP status codes",
            },
            "pattern": _READS,
            "expression": _TEXT,
            "location": _TEXT,
            "cookie": _TEXT,
            "header": _TEXT,
        }
    ),
    "minProperties": 1,
}
#: One request that writes. ``page`` is opened first, for its tokens.
WRITE = _mapping(
    {
        "page": _PATH,
        "path": _PATH,
        "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"], "x-accepted": "POST, PUT, PATCH or DELETE"},
        "body": {"enum": ["form", "json"], "x-accepted": "form or json"},
        "fields": _FIELDS,
        "ok": _SIGN,
    },
    ("path", "body", "ok"),
)
_SETTING = _mapping(
    {"at": _READS, "field": _TEXT, "words": _WORDS, "generations": {"type": "array", "items": _TEXT, "x-accepted": "a list"}}, ("at",)
)
#: One page with many settings. With ``row`` (HTML) ``at`` is the name in a row; else ``at`` gives the value, in JSON as a path of names.
_SETTINGS = _mapping(
    {
        "path": _PATH,
        "format": _FORMAT,
        "row": _READS,
        "fields": {
            "type": "object",
            "x-accepted": "a mapping of setting name to at",
            "propertyNames": _NAMES,
            "additionalProperties": _SETTING,
        },
        "write": WRITE,
    },
    ("path", "fields"),
)
_USERS = _mapping(
    {
        "path": _PATH,
        "format": _FORMAT,
        "row": _READS,
        "sign": {**_READS, "x-accepted": "a regular expression that fits the page also where it lists nobody (HTML)"},
        "columns": {"type": "array", "items": _TEXT, "x-accepted": "the permissions in the order of the columns"},
        "cell": _READS,
        "yes": {"type": "array", "items": _TEXT, "x-accepted": "the device's words for yes"},
        "list": {**_READS, "x-accepted": "a JMESPath expression that gives name, and permissions or group, of each user"},
        "groups": _WORDS,
        "add": WRITE,
        "change": WRITE,
        "remove": WRITE,
        "password": WRITE,
        "own_password": WRITE,
        "rename": WRITE,
    },
    ("path",),
)
#: The event log; ``row`` (HTML) or ``list`` (JSON) gives time, and of priority, user and text what there is.
_EVENTS = _mapping(
    {"path": _PATH, "format": _FORMAT, "row": _READS, "list": _READS, "newest": {"enum": ["first", "last"], "x-accepted": "first or last"}},
    ("path",),
)
SECURITY = _mapping(
    {"settings": _SETTINGS, "users": _USERS, "events": _EVENTS, "mode": _mapping({"words": _WORDS, "write": WRITE}, ("write",))}
)
#: Who is signed in.
SESSION_PAGE = _mapping({"path": _PATH, "format": _FORMAT, "user": _READS, "permissions": _READS, "anonymous": _TEXT}, ("path", "user"))
#: Who the meter is where its registers are closed: an expression with the groups model and serial for the subject of its certificate.
IDENTITY = _mapping({"certificate": _READS}, ("certificate",))
TRANSPORT = _mapping(
    {
        "scheme": {"enum": ["http", "https"], "x-accepted": "http or https"},
        "generations": {
            "type": "object",
            "x-accepted": "a mapping of firmware generation to http or https",
            "additionalProperties": {"enum": ["http", "https"], "x-accepted": "http or https"},
        },
    },
    ("scheme",),
)
_REGISTER = {"type": "integer", "minimum": 1, "maximum": 65536, "x-accepted": "a register number from 1 on"}
_TYPE = {"enum": ["u16", "u32", "int64", "float32", "text"], "x-accepted": "u16, u32, int64, float32 or text"}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 64, "x-accepted": "the number of registers of a text"}
_NUMBER_WORDS = {"type": "object", "x-accepted": "a mapping of register value to our word"}
_ENTRY = _mapping(
    {
        "register": _REGISTER,
        "type": _TYPE,
        "count": _COUNT,
        "words": _NUMBER_WORDS,
        "write": {"type": "boolean", "x-accepted": "true or false"},
    },
    ("register",),
)
#: Setup registers, which no public document names. Only what stands here is ever read or written (wire facts 6.3).
REGISTERS: dict[str, Any] = {
    "settings": {
        "type": "object",
        "x-accepted": "a mapping of setting name to register",
        "propertyNames": _NAMES,
        "additionalProperties": _ENTRY,
    },
    "template": _ENTRY,
    "energies": {
        "type": "object",
        "x-accepted": "a mapping of energy name to register",
        "propertyNames": _NAMES,
        "additionalProperties": _ENTRY,
    },
}
