# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts of many meters in one asyncio pass, in the controller's process. Use it with ``run_once``."""

from __future__ import annotations

from ansible_collections.gridops.metering.plugins.plugin_utils._fleet import FleetAction


class ActionModule(FleetAction):
    """Reads the fleet; all of it is in the base, which other actions share."""
