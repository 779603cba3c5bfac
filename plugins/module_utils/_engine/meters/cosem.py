# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the attributes of COSEM objects mean: dates, access rights, mechanisms, policies, firmware identifiers. Pure.

Values come as ``Data.plain()`` gives them: lists, numbers, octets, text. What is of another shape raises ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ..catalogue.identifiers import canonical
from ..catalogue.obis import ASSOCIATION_LN, obis_text

#: Mechanisms of authentication, by the last arc of their name (Green Book).
MECHANISMS = {0: "none", 1: "lls", 2: "hls", 3: "hls_md5", 4: "hls_sha1", 5: "hls_gmac", 6: "hls_sha256", 7: "hls_ecdsa"}
#: States of an image transfer (class 18 attribute 6; wire-dlms 3).
TRANSFER_STATES = (
    "not_initiated",
    "initiated",
    "verification_initiated",
    "verification_successful",
    "verification_failed",
    "activation_initiated",
    "activation_successful",
    "activation_failed",
)
#: Bits of the clock status, class 8 attribute 4 and the last octet of a date-time.
CLOCK_BITS = {0x01: "invalid", 0x02: "doubtful", 0x04: "different_base", 0x08: "invalid_status", 0x80: "daylight_saving"}
ENTRY_STATES = {0: "non_associated", 1: "association_pending", 2: "associated"}

POLICIES = {"none": 0, "authenticated": 1, "encrypted": 2, "authenticated_encrypted": 3}
_BITS_V1 = {0: 0, 1: 0x24, 2: 0x48, 3: 0x6C}
_NO_DEVIATION = -0x8000
_WILD = 0xFF


# -- firmware identifiers ---------------------------------------------------------------------------------------------


def identifier_text(octets: bytes) -> str:
    """The canonical form of an identifier or signature: lower-case hexadecimal digits (design 4.1)."""
    return octets.hex()


def identifiers(value: Any) -> list[str]:
    """All identifiers of one part: an octet-string is one, an array several (X-06). Empty ones are left out."""
    if isinstance(value, bytes):
        return [identifier_text(value)] if value else []
    if isinstance(value, str):
        return [identifier_text(value.encode())] if value else []
    if isinstance(value, list) and all(isinstance(item, (bytes, str)) for item in value):
        return [text for item in value for text in identifiers(item)]
    if isinstance(value, list):  # a structure for each, the identifier first
        return [text for item in value if isinstance(item, list) and item for text in identifiers(item[0])]
    raise ValueError("neither octets nor an array of them")


def same_identifier(left: str, right: str) -> bool:
    """Whether two identifiers, each hexadecimal or plain text, are the same octets. Higher and lower are not defined (design 4.1)."""
    return canonical(left) == canonical(right)


# -- date and time ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MeterTime:
    """A date-time as a meter writes it. ``moment`` is aware, or None where a needed part is not specified."""

    text: str
    moment: datetime | None
    deviation: int | None
    flags: tuple[str, ...]


def meter_time(octets: bytes) -> MeterTime:
    """A date-time of twelve octets. Unspecified parts are written as ``*``; the deviation counts from local time to UTC, in minutes."""
    if len(octets) != 12:
        raise ValueError("a date-time has twelve octets")
    year, deviation = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[9:11], "big", signed=True)
    month, day, hour, minute, second, hundredths = (octets[index] for index in (2, 3, 5, 6, 7, 8))
    parts = (month, day, hour, minute, second)
    known = None if deviation == _NO_DEVIATION else deviation
    shown = [f"{item:02d}" if item != _WILD else "*" for item in parts]
    text = f"{year:04d}" if year != 0xFFFF else "*"
    text += f"-{shown[0]}-{shown[1]}T{shown[2]}:{shown[3]}:{shown[4]}"
    status = octets[11]
    flags = tuple(name for bit, name in CLOCK_BITS.items() if status & bit) if status != _WILD else ()
    if known is not None:
        text += _offset(-known)
    return MeterTime(text, _moment(year, parts, hundredths, known), known, flags)


def _offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _moment(year: int, parts: Sequence[int], hundredths: int, deviation: int | None) -> datetime | None:
    if deviation is None:
        return None
    micro = hundredths * 10_000 if hundredths < 100 else 0
    month, day, hour, minute, second = parts
    try:
        return datetime(year, month, day, hour, minute, second, micro, timezone(timedelta(minutes=-deviation)))
    except ValueError:  # a part is not specified, or there is no such day
        return None


def execution_time(entry: Sequence[Any]) -> str:
    """One entry of a schedule (class 22 attribute 4): time of four octets and date of five, in the meter's local time."""
    time, date = (bytes(item) for item in entry)
    if len(time) != 4 or len(date) != 5:
        raise ValueError("a schedule's entry has a time of four octets and a date of five")
    return meter_time(date + time + _NO_DEVIATION.to_bytes(2, "big", signed=True) + b"\x00").text


# -- associations and rights ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rights:
    """One entry of an object list, with what the association may do with it."""

    class_id: int
    version: int
    obis: str
    reads: frozenset[int] = frozenset()
    writes: frozenset[int] = frozenset()
    runs: frozenset[int] = frozenset()


def object_list(plain: Sequence[Any], association_version: int | None = None) -> tuple[Rights, ...]:
    """Attribute 2 of class 15. The meaning of access modes depends on that class's version, which the list itself tells."""
    version = class_version(plain, ASSOCIATION_LN) if association_version is None else association_version
    try:
        return tuple(_rights(entry, 1 if version is None else version) for entry in plain)
    except (TypeError, IndexError) as exc:
        raise ValueError("not an object list") from exc


def class_version(plain: Sequence[Any], class_id: int) -> int | None:
    """The version that an object list tells for a class; None where it has none of it."""
    return next((int(entry[1]) for entry in plain if entry[0] == class_id), None)


def _rights(entry: Sequence[Any], version: int) -> Rights:
    class_id, own_version, name, (attributes, methods) = entry
    modes = {int(item[0]): int(item[1]) for item in attributes}
    return Rights(
        class_id=int(class_id),
        version=int(own_version),
        obis=obis_text(bytes(name)),
        reads=frozenset(index for index, mode in modes.items() if _may_read(mode, version)),
        writes=frozenset(index for index, mode in modes.items() if _may_write(mode, version)),
        runs=frozenset(int(item[0]) for item in methods if int(item[1])),
    )


def _may_read(mode: int, version: int) -> bool:
    """Versions up to 2 count the modes, 1 to 3 without and 4 to 6 with authentication; later ones have a bit for each right."""
    return bool(mode & 1) if version >= 3 else mode in (1, 3, 4, 6)


def _may_write(mode: int, version: int) -> bool:
    return bool(mode & 2) if version >= 3 else mode in (2, 3, 5, 6)


def last_arc(value: Any) -> int | None:
    """The number of an application context or mechanism name: the last of seven octets, or of a structure of arcs; None when empty.

    Raises ValueError for anything else.
    """
    if value is None or value in (b"", []):
        return None
    last = value[-1] if isinstance(value, (bytes, list)) else None
    if isinstance(last, bool) or not isinstance(last, int):
        raise ValueError("no name of a context or mechanism")
    return last


def mechanism(value: Any) -> str | None:
    """The word of attribute 6 of class 15. None where there is no value."""
    number = last_arc(value)
    return None if number is None else MECHANISMS.get(number, f"mechanism {number}")


# -- security policy --------------------------------------------------------------------------------------------------


def policy_value(version: int, word: str) -> int:
    """The number of a policy in class 64 of this version, for both directions (wire-dlms 4.1)."""
    bits = POLICIES[word]
    return bits if version == 0 else _BITS_V1[bits]


def policy_word(version: int, value: int) -> str:
    """What a policy asks for in both directions, as a word; ``none`` where that is nothing."""
    covered = [word for word in POLICIES if policy_value(version, word) & ~value == 0]
    return max(covered, key=lambda word: POLICIES[word], default="none")


def rights_report(objects: Sequence[Rights]) -> list[Mapping[str, Any]]:
    """What an association may change: objects with a writable attribute or a method."""
    return [
        {"class": item.class_id, "obis": item.obis, "writes": sorted(item.writes), "runs": sorted(item.runs)}
        for item in objects
        if item.writes or item.runs
    ]
