# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""JSON Schema of ``firmware.yml`` (design 4.4); ``x-accepted`` and ``x-rule`` feed the error sentence."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1, "x-accepted": "a text"}

MANIFEST: dict[str, Any] = {
    "type": "object",
    "x-accepted": "a mapping with the key packages",
    "x-rule": "R-036",
    "required": ["packages"],
    "additionalProperties": False,
    "properties": {
        "packages": {
            "type": "array",
            "minItems": 1,
            "x-accepted": "a list of at least one package",
            "items": {
                "type": "object",
                "x-accepted": "a package with id, family, models, version, method, files",
                "required": ["id", "family", "models", "version", "method", "files"],
                "additionalProperties": False,
                "properties": {
                    "id": _TEXT,
                    "family": {"enum": ["pm5000", "hep", "mcs301"], "x-accepted": "one of pm5000, hep, mcs301"},
                    "models": {"type": "array", "minItems": 1, "items": _TEXT, "x-accepted": "a list of at least one model name"},
                    "version": {**_TEXT, "x-accepted": "a version in quotes or as plain text, such as 2.9.9", "x-rule": "R-241"},
                    "method": {
                        "enum": ["ftp", "tool", "web", "ion", "dlms"],
                        "x-accepted": "one of ftp, tool, web, ion, dlms",
                        "x-rule": "R-006",
                    },
                    "files": {
                        "type": "array",
                        "minItems": 1,
                        "x-accepted": "a list of at least one file",
                        "items": {
                            "type": "object",
                            "x-accepted": "a file with name, role, sha256, size",
                            "required": ["name", "role", "sha256", "size"],
                            "additionalProperties": False,
                            "properties": {
                                "name": {
                                    "type": "string",
                                    "pattern": r"^[^/\\\x00]+$",
                                    "x-accepted": "the original file name without a folder",
                                    "x-rule": "R-085",
                                },
                                "role": {
                                    "enum": ["comm_card", "firmware", "trigger_page", "package", "image", "signature"],
                                    "x-accepted": "one of comm_card, firmware, trigger_page, package, image, signature",
                                    "x-rule": "R-037",
                                },
                                "path": {**_TEXT, "x-accepted": "a folder inside the artifact folder"},
                                "sha256": {
                                    "type": "string",
                                    "pattern": "^[0-9a-fA-F]{64}$",
                                    "x-accepted": "64 hexadecimal digits",
                                    "x-rule": "R-036",
                                },
                                "size": {"type": "integer", "minimum": 1, "x-accepted": "a number of bytes above 0"},
                            },
                        },
                    },
                    "tool": {
                        "type": "object",
                        "x-accepted": "a mapping with version",
                        "x-rule": "R-070",
                        "additionalProperties": False,
                        "required": ["version"],
                        "properties": {"version": _TEXT},
                    },
                    "min_ion_setup": _TEXT,
                    "component": {"type": "integer", "x-accepted": "a number from 0 to 9", "x-rule": "R-216"},
                    "image_identifier": _TEXT,
                    "expected_identifier": _TEXT,
                    "expected_signature": {
                        "type": "string",
                        "pattern": "^([0-9a-fA-F]{2})+$",
                        "x-accepted": "hexadecimal digits",
                        "x-rule": "R-212",
                    },
                    "signature": {
                        "type": "object",
                        "x-accepted": "a mapping with kind",
                        "x-rule": "R-217",
                        "additionalProperties": False,
                        "required": ["kind"],
                        "properties": {
                            "kind": {
                                "enum": ["detached", "embedded_opaque"],
                                "x-accepted": "detached or embedded_opaque",
                                "x-rule": "R-217",
                            },
                            "algorithm": _TEXT,
                            "public_key": _TEXT,
                            "file": _TEXT,
                        },
                    },
                    "source_url": {"type": "string", "x-accepted": "a text"},
                    "approved_by": {"type": "string", "x-accepted": "a text"},
                },
            },
        }
    },
}
