# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Security policies of class 64, version 0 and 1."""

from __future__ import annotations

AUTHENTICATED, ENCRYPTED = 0x10, 0x20  # bits of the security control octet


class Policy:
    """A security policy in the numbers of class 64 version 0 or 1."""

    WORDS = {"none": (0, 0), "authenticated": (1, 0x24), "encrypted": (2, 0x48), "authenticated_encrypted": (3, 0x6C)}

    def __init__(self, version: int, number: int) -> None:
        self.version = version
        self.number = number

    @classmethod
    def of(cls, version: int, word: str) -> Policy:
        """By its word in the fleet file."""
        return cls(version, cls.WORDS[word][version])

    @property
    def word(self) -> str:
        """Its word, or the number."""
        found = [word for word, numbers in self.WORDS.items() if numbers[self.version] == self.number]
        return found[0] if found else hex(self.number)

    def _need(self, authenticated: int, encrypted: int) -> int:
        return (AUTHENTICATED if self.number & authenticated else 0) | (ENCRYPTED if self.number & encrypted else 0)

    @property
    def request(self) -> int:
        """Control bits a request must have."""
        return self._need(1, 2) if self.version == 0 else self._need(0x04, 0x08)

    @property
    def response(self) -> int:
        """Control bits an answer must have."""
        return self._need(1, 2) if self.version == 0 else self._need(0x20, 0x40)

    def can_become(self, number: int) -> bool:
        """Only stronger, and only what suite 0 can do."""
        allowed = 0x03 if self.version == 0 else 0x6C
        return number & self.number == self.number and not number & ~allowed
