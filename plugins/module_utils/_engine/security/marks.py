# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Marks: by them the ledger knows a secret again that it never saw (design 4.5)."""

from __future__ import annotations

import hashlib
import hmac


def key_mark(serial: str, key_id: str, key: bytes) -> str:
    """The mark of a symmetric key: an HMAC under the key itself, which has 128 bits of its own and cannot be guessed.

    Marks of one key differ from meter to meter, so that a ledger does not tell which meters share one.
    """
    return "k:" + _hmac(key, "key", serial, key_id)


def secret_mark(serial: str, account: str, secret: bytes, marks_key: bytes) -> str:
    """The mark of a password. Passwords can be guessed, so there is none without a key of the caller's vault."""
    return "m:" + _hmac(marks_key, "secret", serial, account, secret.hex())


def is_key_mark(mark: str | None, serial: str, key_id: str, key: bytes | None) -> bool:
    """Whether ``mark`` is that of ``key``."""
    return bool(mark) and key is not None and hmac.compare_digest(str(mark), key_mark(serial, key_id, key))


def key_account(client: int, key_id: str) -> str:
    """The ledger's account name of a key of a DLMS client."""
    return f"dlms:{client}:{key_id}"


def secret_account(client: int) -> str:
    """The ledger's account name of the low-level password of a DLMS client."""
    return f"dlms:{client}:lls"


def user_account(user: str, family: str) -> str:
    """The ledger's account name of a named user; on HEP meters the case of a name does not count (R-255)."""
    return "user:" + (user.casefold() if family == "hep" else user)


def _hmac(key: bytes, *parts: str) -> str:
    text = "\x00".join(("gridops.metering", *parts))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]
