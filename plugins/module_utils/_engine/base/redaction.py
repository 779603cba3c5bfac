# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Masking of secrets: by field always, by substring only for secrets of six characters or more.

The documented default password of one family is a single zero; replacing every zero in a report would destroy it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MASK = "********"
SUBSTRING_MINIMUM = 6
SECRET_FIELDS = frozenset({"password", "secret", "passphrase", "private_key", "authorization", "cookie", "token"})


class Redactor:
    """Knows this task's secrets and removes them from whatever leaves the task."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | None) -> None:
        """Learn one more secret; short ones are masked by field only."""
        if secret and len(secret) >= SUBSTRING_MINIMUM and secret not in self._secrets:
            self._secrets.append(secret)
            self._secrets.sort(key=len, reverse=True)

    def text(self, value: str) -> str:
        """``value`` without any known secret in it."""
        for secret in self._secrets:
            value = value.replace(secret, MASK)
        return value

    def clean(self, value: Any) -> Any:
        """A copy of ``value`` (dict, list, scalar) that is fit to be shown or stored."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): MASK if _is_secret(key, item) else self.clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(item) for item in value]
        return value


def secret_values(value: Any) -> list[str]:
    """What stands in fields for secrets anywhere in ``value``, also where it does not belong."""
    if isinstance(value, Mapping):
        own = [str(item) for key, item in value.items() if _is_secret(key, item)]
        return [*own, *(found for item in value.values() for found in secret_values(item))]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in secret_values(item)]
    return []


def _is_secret(key: object, item: object) -> bool:
    return isinstance(key, str) and key.lower() in SECRET_FIELDS and isinstance(item, (str, int)) and not isinstance(item, bool)
