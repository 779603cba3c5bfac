# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets that stand in a file as they are: neither encrypted, nor taken from elsewhere by a template. No value is ever told."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.redaction import SECRET_FIELDS
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Location

from ._origin import location, source

#: Variables in which every value is a secret, whatever its key.
_WHOLE = ("metering_passwords", "metering_dlms_keys", "metering_new_keys", "metering_marks_key")
_VAULT = b"$ANSIBLE_VAULT;"


def in_clear(raw: Mapping[str, Any]) -> Iterator[tuple[str, Location]]:
    """The variables of a host, not templated, that hold a secret in clear, each with its first line."""
    for name, value in raw.items():
        if str(name).startswith("metering_"):
            found = next(_clear(value, name in _WHOLE), None)
            if found is not None:
                yield str(name), found


def _clear(value: Any, secret: bool) -> Iterator[Location]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _clear(item, secret or str(key).lower() in SECRET_FIELDS)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _clear(item, secret)
    elif secret and isinstance(value, str) and value and "{{" not in value:
        place, path = location(value), source(value)
        if place is not None and path is not None and not _encrypted(path):
            yield place


@functools.lru_cache(maxsize=1024)
def _encrypted(path: str) -> bool:
    """Whether the whole file is encrypted; one that cannot be read says nothing."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(_VAULT)) == _VAULT
    except OSError:
        return True
