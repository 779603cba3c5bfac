# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that a campaign is made from, and the names in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.campaign import Campaign, parse_campaign


def read_text(option: str, path: str) -> str:
    """The text of a file. Raises InputError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(option, path, f"a file that can be read ({error.__class__.__name__})", "design 4.6") from None


def read_campaign(path: str | None) -> Campaign:
    """The campaign of a file, or an empty one. Raises InputError."""
    return parse_campaign(read_text("metering_campaign_file", path)) if path else Campaign()


def check_names(campaign: Campaign, hostvars: Any) -> None:
    """A mistyped name would leave a canary wave empty, and the run would go straight to the rest. Raises InputError."""
    for key, names in (
        ("waves", [host for wave in campaign.waves for host in wave.hosts]),
        ("topology", [host for hosts in campaign.topology.values() for host in hosts]),
    ):
        for name in names:
            if name not in hostvars:
                raise InputError(f"metering_campaign_file.{key}", name, "the name of a meter in the inventory", "design 4.6")
