# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The vendor tool's Config.csv, read and written. Pure. Reading drops the passwords (R-100 to R-103).

A file for the tool holds one line; several lines are accepted when one is read (G-05).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..base.errors import InputError
from ..base.target import Credential
from ..catalogue import constants

FIELDS = (
    "IP address",
    "Modbus unit id",
    "Web Master user",
    "Web Master password",
    "Product Master user",
    "Product Master password",
)
_SECRET = frozenset({3, 5})


@dataclass(frozen=True)
class ToolMeter:
    """One line of a Config.csv, without its passwords."""

    line: int
    host: str
    unit_id: int
    web_master: str
    product_master: str


def parse_tool_csv(text: str, what: str = "Config.csv") -> list[ToolMeter]:
    """The meters of a file. Raises InputError that names the line and never shows a password."""
    meters: list[ToolMeter] = []
    seen: dict[tuple[str, int], int] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        meter = _parse_line(line, number, f"{what} line {number}")
        key = (meter.host, meter.unit_id)
        if key in seen:
            raise InputError(f"{what} line {number}", meter.host, f"each meter once; line {seen[key]} names it too", "R-101")
        seen[key] = number
        meters.append(meter)
    if not meters:
        raise InputError(what, "an empty file", "one line per meter with " + ", ".join(FIELDS), "R-101")
    return meters


def _parse_line(line: str, number: int, where: str) -> ToolMeter:
    fields = line.split(",")
    wanted = constants.CSV_FIELDS.number
    if len(fields) != wanted:
        raise InputError(where, f"{len(fields)} fields", f"{wanted} fields: {', '.join(FIELDS)}", "R-101")
    for index, (name, value) in enumerate(zip(FIELDS, fields, strict=True)):
        if not value:
            raise InputError(f"{where}, {name}", value, "a value", "R-101")
        if any(character.isspace() or character in "\"'<>" for character in value):
            raise InputError(
                f"{where}, {name}", value, "a value without spaces, quotes or angle brackets", "R-101", secret=index in _SECRET
            )
    try:
        host = str(ipaddress.ip_address(fields[0]))
    except ValueError:
        raise InputError(f"{where}, {FIELDS[0]}", fields[0], "an IP address", "R-101") from None
    low, high = constants.UNIT_ID_MIN.number, constants.UNIT_ID_MAX.number
    if not (fields[1].isascii() and fields[1].isdigit() and low <= int(fields[1]) <= high):
        raise InputError(f"{where}, {FIELDS[1]}", fields[1], f"a whole number from {low} to {high}", "R-108")
    return ToolMeter(number, host, int(fields[1]), fields[2], fields[4])


def render_config(host: str, unit_id: int, web_master: Credential, product_master: Credential) -> str:
    """The one line of a Config.csv, whose last character is the last of the Product Master password (R-101, R-102).

    Raises InputError ``csv_unrepresentable`` for a value that the file cannot carry; a password is never shown.
    """
    fault = unrepresentable(host, web_master, product_master)
    if fault:
        raise InputError(f"Config.csv, {fault}", None, "a value without commas, spaces, quotes or angle brackets", "R-101", secret=True)
    values = (host, str(unit_id), web_master.user, web_master.password, product_master.user, product_master.password)
    return ",".join(values)


def unrepresentable(host: str, web_master: Credential, product_master: Credential) -> str:
    """The name of the first field whose value Config.csv cannot carry; empty when all can be."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return FIELDS[0]
    values = (web_master.user, web_master.password, product_master.user, product_master.password)
    for name, value in zip(FIELDS[2:], values, strict=True):
        if not value or any(char.isspace() or char in ",\"'<>" or not "!" <= char <= "~" for char in value):
            return name
    return ""
