# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Which Debian packages the tests use (``requirements/debian.txt``) and which of them are missing here."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

LIST = Path(__file__).resolve().parents[2] / "requirements" / "debian.txt"


def packages() -> dict[str, str]:
    """Package name to the program, file or file pattern by which it is recognised."""
    lines = (line.split() for line in LIST.read_text(encoding="utf-8").splitlines())
    return {words[0]: words[1] for words in lines if words and not words[0].startswith("#")}


def missing_packages(names: Iterable[str]) -> list[str]:
    """Those of ``names`` which are not installed; a name that is not in the list is a mistake of the caller (KeyError)."""
    known = packages()
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return [name for name in names if not (glob.glob(known[name]) or shutil.which(known[name], path=path))]


if __name__ == "__main__":
    print("\n".join(missing_packages(packages()) if "--missing" in sys.argv else packages()))
