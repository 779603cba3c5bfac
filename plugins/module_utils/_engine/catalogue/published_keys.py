# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Keys that everybody knows: those of the Green Book's examples, and those made of one repeated octet."""

from __future__ import annotations

FINDING = "published_key"
_EXAMPLES = frozenset({bytes(range(0x00, 0x10)), bytes(range(0xD0, 0xE0)), bytes(range(0x0F, -1, -1))})


def is_published_key(key: bytes | None) -> bool:
    """Whether this key can be guessed by anyone: it is of a published example, or one octet over and over."""
    return key is not None and (key in _EXAMPLES or len(set(key)) == 1)
