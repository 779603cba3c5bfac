# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Names, folders and the trigger path of the FTP method (R-037…R-039, R-055, R-057, R-058, R-062)."""

from __future__ import annotations

import re

from ..base.errors import InputError
from .models import PM5000, Model, find_model
from .versions import Version

COMM_CARD = "App2.out"
TRIGGER_PAGE = "PM5500StartUpgrade.shtml"
TRIGGER_PATH = f"/{TRIGGER_PAGE}"
FOLDER_FW = "fw"
FOLDER_WWW = "www"

_FWA = re.compile(r"(PM5[0-9]{3}(?:MC|L)?)_v([0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5})\.fwa")


def fwa_name(model: Model, version: Version) -> str:
    """The name a firmware archive has, such as ``PM5560_v2.9.9.fwa`` (R-038)."""
    return f"{model.name}_v{version}.fwa"


def parse_fwa_name(name: str) -> tuple[Model, Version]:
    """Model and version from the name of a firmware archive (R-038). Raises InputError."""
    found = _FWA.fullmatch(name)
    if found is not None:
        try:
            model = find_model(found[1])
        except InputError:
            model = None
        version = Version.parse(found[2])
        if model is not None and model.family == PM5000 and fwa_name(model, version) == name:
            return model, version
    raise InputError("file name", name, "a name like PM5560_v2.9.9.fwa: a PM5000 model, then the version", "R-038")
