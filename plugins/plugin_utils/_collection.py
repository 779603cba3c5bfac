# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which version of this collection runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def version(root: Path = ROOT) -> str:
    """The version that the installed collection, or else a checkout of it, states; ``unknown`` where neither does."""
    try:
        return str(json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    try:
        found = re.search(r"^version:\s*['\"]?([^\s'\"]+)", (root / "galaxy.yml").read_text(encoding="utf-8"), re.M)
    except (OSError, ValueError):
        found = None
    return found[1] if found else "unknown"
