# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Identifiers of firmware parts and images of DLMS/COSEM meters: opaque octets, compared for equality only (design 4.1, R-212)."""

from __future__ import annotations

import re

from ..base.errors import InputError
from . import constants

PREFIX = "hex:"
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def octets(text: object, option: str) -> bytes:
    """The octets of ``hex:0205…`` or of plain text. Raises InputError naming ``option``."""
    accepted = f"text, or hexadecimal digits after {PREFIX}, of 1 to {constants.DLMS_IDENTIFIER_MAX.number} octets"
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise InputError(option, text, accepted, "R-212")
    plain = text.strip()
    if plain[: len(PREFIX)].lower() == PREFIX:
        digits = plain[len(PREFIX) :].replace(" ", "")
        if not _HEX.fullmatch(digits):
            raise InputError(option, text, accepted, "R-212")
        value = bytes.fromhex(digits)
    else:
        value = plain.encode()
    if len(value) > constants.DLMS_IDENTIFIER_MAX.number:
        raise InputError(option, text, accepted, "R-212")
    return value


def canonical(text: object, option: str = "version") -> str:
    """An active identifier as lower-case hexadecimal digits, as facts show it.

    Takes digits with or without ``hex:``; anything that is not an even number of such digits is text. Raises InputError.
    """
    if isinstance(text, str) and _HEX.fullmatch(text.strip()):
        return octets(f"{PREFIX}{text.strip()}", option).hex()
    return octets(text, option).hex()
