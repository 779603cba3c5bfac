# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The seven permissions of HEP users and how they depend on one another (R-331…R-337, product manual)."""

from __future__ import annotations

from collections.abc import Iterable

from .enums import PERMISSIONS

READ, FULL_CONFIG, SECURITY_CONFIG = "read", "full_config", "security_config"
ALL = frozenset(PERMISSIONS)


def complete(given: Iterable[str]) -> frozenset[str]:
    """With what the meter adds by itself: security_config switches full_config on. Nothing else is ever added."""
    words = frozenset(given)
    return words | {FULL_CONFIG} if SECURITY_CONFIG in words else words


def lacks_read(given: Iterable[str]) -> bool:
    """Whether something is given without ``read``, which all others need (R-332)."""
    words = frozenset(given)
    return bool(words) and READ not in words


def shown(given: Iterable[str]) -> list[str]:
    """In the order of the documents."""
    words = frozenset(given)
    return [word for word in PERMISSIONS if word in words]
