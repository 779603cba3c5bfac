# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Where a HEP meter says what over Modbus, and what a site's profile adds. Pure: numbers in, values out.

Public are the identification, the version and the clock. Setup registers, energies and the template are not: their numbers and words
come from a profile only, and nothing is read that neither names. Register numbers count from 1 (wire facts 6.2, 6.3).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..base.errors import InputError
from ..catalogue.versions import Version
from . import pm5000_registers as common
from .pm5000_registers import EMPTY, NOT_AVAILABLE, Block, Field, UnreadableError

#: What a word holds that is reserved, not available or not mapped (wire facts 6.3).
FILLERS = frozenset({0x8000, 0xFFFF})
WIDTH = {"u16": 1, "u32": 2, "float32": 2, "int64": 4}
MOST_CHARACTERS = 64  # registers of a text that a profile may name

Decoder = Callable[[Sequence[int]], Any]


def available(words: Sequence[int]) -> Sequence[int]:
    """The words themselves. Raises UnreadableError where they are one filler from end to end."""
    if words[0] in FILLERS and all(word == words[0] for word in words):
        raise UnreadableError(NOT_AVAILABLE)
    return words


def text(words: Sequence[int]) -> str:
    """Text of two characters a register; padding by NUL, spaces or fillers is cut off. Raises UnreadableError."""
    used = list(available(words))
    while used and used[-1] in FILLERS:
        used.pop()
    return common.text(used)


def serial(words: Sequence[int]) -> str:
    """The serial number: ASCII without spaces inside."""
    value = text(words)
    if not value.isascii() or " " in value:
        raise UnreadableError("malformed: no serial number")
    return value


def version(words: Sequence[int]) -> str:
    """The firmware version as the meter spells it; ``V003.000.000``, ``v3.0.0`` and ``2.1.0`` are all the maker's (R-241)."""
    value = text(words)
    try:
        Version.parse(value)
    except InputError:
        raise UnreadableError(f"malformed: {value!r} is no firmware version") from None
    return value


def u16(words: Sequence[int]) -> int:
    """An unsigned word."""
    return available(words)[0]


def u32(words: Sequence[int]) -> int:
    """An unsigned double word, most significant word first; 0x80000000 and 0xFFFFFFFF mean not available."""
    value = (words[0] << 16) | words[1]
    if value in (0x8000_0000, 0x8000_8000, 0xFFFF_FFFF):
        raise UnreadableError(NOT_AVAILABLE)
    return value


def int64(words: Sequence[int]) -> int:
    """A signed number of four words, most significant word first."""
    raw = b"".join(word.to_bytes(2, "big") for word in available(words))
    if raw == b"\x80" + bytes(7):
        raise UnreadableError(NOT_AVAILABLE)
    return int.from_bytes(raw, "big", signed=True)


def float32(words: Sequence[int]) -> float:
    """A number of two words, most significant word first; NaN means not available."""
    value = struct.unpack(">f", struct.pack(">HH", *available(words)))[0]
    if not math.isfinite(value):
        raise UnreadableError(NOT_AVAILABLE)
    return float(value)


def clock(words: Sequence[int]) -> str:
    """The meter's date and time, ISO 8601 without a zone."""
    return common.datetime(available(words))


IDENTITY = Block(
    "identity",
    (
        Field("name", 30, 20, text, "code"),
        Field("model", 50, 20, text, "code"),
        Field("manufacturer", 70, 9, text, "code"),
        Field("product_id", 90, 1, u16, "doc"),
        Field("serial", 117, 12, serial, "code"),
    ),
)
FIRMWARE = Block("firmware", (Field("firmware.raw", 1717, 6, version, "code"),))
CLOCK = Block("clock", (Field("clock", 1845, 4, clock, "code"),))


# -- what a profile adds ----------------------------------------------------------------------------------------------

_DECODERS: dict[str, Decoder] = {"u16": u16, "u32": u32, "int64": int64, "float32": float32, "text": text}


def profile_fields(profile: Mapping[str, Any] | None) -> tuple[Field, ...]:
    """The registers that a profile names for reading, with the paths ``settings.<name>``, ``template`` and ``energies.<name>``.

    An entry is ``{register, type, count, words}``: ``type`` u16 (default), u32, int64, float32 or text, which needs ``count`` registers;
    ``words`` maps numbers to our words. Raises InputError.
    """
    registers = (profile or {}).get("registers") or {}
    found = [_field(f"settings.{name}", entry) for name, entry in (registers.get("settings") or {}).items()]
    if registers.get("template"):
        found.append(_field("template", {"type": "text", **registers["template"]}))
    found += [_field(f"energies.{name}", {"type": "int64", **entry}) for name, entry in (registers.get("energies") or {}).items()]
    return tuple(found)


def _field(path: str, entry: Any) -> Field:
    where = f"profile: registers.{path}"
    if not isinstance(entry, Mapping):
        raise InputError(where, entry, "a mapping with register, and if needed type, count, words", "design 2")
    kind, first = entry.get("type", "u16"), entry.get("register")
    if kind not in _DECODERS:
        raise InputError(f"{where}.type", kind, f"one of {', '.join(_DECODERS)}", "design 2")
    count = entry.get("count") if kind == "text" else WIDTH[kind]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_CHARACTERS:
        raise InputError(f"{where}.count", count, f"the number of registers of a text, 1 to {MOST_CHARACTERS}", "design 2")
    if isinstance(first, bool) or not isinstance(first, int) or not 1 <= first <= 65537 - count:
        raise InputError(f"{where}.register", first, "a register number from 1 on", "design 2")
    words = entry.get("words")
    return Field(path, first, count, _DECODERS[kind] if words is None else _words(words, _DECODERS[kind], where), "profile")


class _Words:
    """A decoder that says our word for a number; a number without a word is not read as anything."""

    def __init__(self, meaning: Mapping[int, Any], decode: Decoder) -> None:
        self.meaning, self.decode = meaning, decode
        self.are_text = any(isinstance(word, str) for word in meaning.values())

    def __call__(self, numbers: Sequence[int]) -> Any:
        value = self.decode(numbers)
        if value not in self.meaning:
            raise UnreadableError(f"the profile has no word for the value {value}")
        return self.meaning[value]


def _words(words: Any, decode: Decoder, where: str) -> Decoder:
    try:
        meaning = {int(number): word for number, word in words.items()}
    except (AttributeError, TypeError, ValueError):
        meaning = {}
    if not meaning:
        raise InputError(f"{where}.words", words, "a mapping of register value to our word", "design 2")
    return _Words(meaning, decode)


def blocks(fields: Iterable[Field], most: int) -> list[Block]:
    """Fields that follow each other without a gap, in requests of at most ``most`` registers: nothing between them is asked for."""
    made: list[list[Field]] = []
    for item in sorted(fields, key=lambda field: field.first):
        last = made[-1] if made else []
        if last and item.first == last[-1].first + last[-1].count and item.first + item.count - last[0].first <= most:
            last.append(item)
        else:
            made.append([item])
    return [Block("profile", tuple(items)) for items in made]


def is_text_field(field: Field) -> bool:
    """Whether a field that cannot be read is shown as ``unknown`` (text) rather than null (number)."""
    if isinstance(field.decode, _Words):
        return field.decode.are_text
    return field.decode in (text, serial, version, clock)


__all__ = ["CLOCK", "EMPTY", "FIRMWARE", "IDENTITY", "NOT_AVAILABLE", "Block", "Field", "UnreadableError", "blocks", "profile_fields"]
