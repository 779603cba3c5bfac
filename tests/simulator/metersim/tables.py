# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the simulated meters know about themselves: models, bands, limits.

This is the simulator's own reading of the documents (R-008 to R-026, R-042,
R-043, R-152 to R-154). It deliberately shares nothing with the product.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int, int]

LEGACY = "legacy"
NEW = "new"


def parse_version(text: str) -> Version:
    """``2.9.9`` as a tuple; ValueError when it is not three plain numbers."""
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", str(text).strip())
    if not match:
        raise ValueError(f"'{text}' is not a version of the form X.Y.Z")
    return (int(match[1]), int(match[2]), int(match[3]))


def version_text(version: Version) -> str:
    """The way the meters print a version."""
    return ".".join(str(part) for part in version)


@dataclass(frozen=True)
class Band:
    """One group of models and the firmware it can take over FTP.

    ``ftp`` is the range in which the old Ethernet card accepts files, None for
    models that never had it. ``new_from`` is the first version of the new
    generation of that group. ``strict`` groups only ever go up.
    """

    models: tuple[str, ...]
    ftp: tuple[Version, Version] | None
    new_from: Version
    strict: bool = False
    lockable: bool = False


BANDS = (
    Band(("PM5560", "PM5562", "PM5562MC", "PM5563", "PM5580"), ((2, 0, 0), (2, 9, 9)), (4, 0, 0)),
    Band(("PM5570", "PM5660", "PM5760"), ((3, 1, 0), (3, 2, 9)), (6, 0, 0)),
    Band(("PM5650",), ((2, 11, 0), (2, 12, 9)), (4, 10, 0)),
    Band(("PM5561",), ((10, 6, 3), (10, 9, 9)), (12, 0, 0), strict=True, lockable=True),
    Band(("PM5661", "PM5761"), ((11, 0, 0), (11, 2, 9)), (14, 0, 0), strict=True, lockable=True),
    Band(("PM5570L", "PM5660L", "PM5760L"), None, (0, 0, 0)),
)

MODELS = tuple(model for band in BANDS for model in band.models)

# (models, first version, tries the meter allows in all)
_ATTEMPT_RULES: tuple[tuple[tuple[str, ...], Version, int], ...] = (
    (("PM5561",), (12, 0, 0), 25),
    (("PM5561",), (10, 6, 3), 10),
    (("PM5661", "PM5761"), (14, 0, 0), 25),
    (("PM5661", "PM5761"), (11, 0, 0), 10),
    (("PM5562", "PM5562MC"), (4, 3, 5), 25),
)


def band_of(model: str) -> Band:
    """The band of one model; KeyError for a model the simulator does not have."""
    for band in BANDS:
        if model in band.models:
            return band
    raise KeyError(model)


def generation(model: str, version: Version) -> str:
    """``legacy`` or ``new`` (two kinds of web pages and accounts)."""
    return NEW if version >= band_of(model).new_from else LEGACY


def attempt_limit(model: str, version: Version) -> int | None:
    """How many upgrades in all the meter allows, None when it does not count."""
    for models, first, limit in _ATTEMPT_RULES:
        if model in models and version >= first:
            return limit
    return None


def ftp_verdict(model: str, present: Version, target: Version) -> str:
    """Empty when the meter takes the target over FTP, else its complaint."""
    band = band_of(model)
    if band.ftp is None or generation(model, present) == NEW:
        return "not available on this device"
    low, high = band.ftp
    if not low <= present <= high:
        return f"present version {version_text(present)} cannot be updated this way"
    if not low <= target <= high:
        return f"version {version_text(target)} is not for this device"
    if band.strict and target <= present:
        return f"version {version_text(target)} is not higher than {version_text(present)}"
    return ""


# From which versions the vendor's tool goes over to the new generation; other groups cannot.
_TOOL_FROM: dict[str, tuple[Version, Version]] = {
    "PM5560": ((2, 5, 0), (2, 9, 9)),
    "PM5650": ((2, 11, 0), (2, 12, 9)),
    "PM5561": ((10, 6, 0), (10, 9, 9)),
}


def tool_verdict(model: str, present: Version, target: Version) -> str:
    """Empty when the meter takes the target from the tool, else the tool's status text."""
    band = band_of(model)
    if generation(model, present) == NEW:
        return "Use the webpages for this firmware"
    span = _TOOL_FROM.get(band.models[0])
    if span is None or not span[0] <= present <= span[1]:
        return "Upgrade from this version is not supported"
    if target < band.new_from:
        return "Firmware not compatible with this product"
    return ""


def web_verdict(model: str, present: Version, target: Version) -> str:
    """Empty when the meter takes the target over its webpages, else its complaint."""
    band = band_of(model)
    if generation(model, present) == LEGACY:
        return "not available on this device"
    first = band.new_from if band.ftp else (6, 0, 0)
    if target < first:
        return f"version {version_text(target)} is not for this device"
    if attempt_limit(model, present) is not None and target <= present:
        return f"version {version_text(target)} is not higher than {version_text(present)}"
    return ""


def product_id(model: str) -> int:
    """Register 90. The real codes are not public; these are invented but stable."""
    return 15200 + MODELS.index(model)
