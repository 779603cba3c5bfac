# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A profile draft from a browser recording. Works on files of the controller only; no meter is contacted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.profiles.har_draft import draft_from_har
from ansible_collections.gridops.metering.plugins.module_utils._har import HAR_SPEC
from ansible_collections.gridops.metering.plugins.plugin_utils import _har_file as files
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction


class ActionModule(MeterAction):
    ARGUMENT_SPEC = HAR_SPEC
    SUPPORTS_DELEGATION = False
    FROM_VARIABLES = False
    BYPASS_HOST_LOOP = True  # one recording makes one draft, however many hosts the play has

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        for secret in params["secrets"]:
            self.redactor.add(secret)
        name = params["name"] or re.sub(r"[^a-z0-9_-]+", "-", Path(params["dest"]).stem.lower()).strip("-_")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            raise InputError("name", name, "lower case letters, digits, - and _", "design 2")
        draft = draft_from_har(files.read_recording(params["src"]), name, params["meter_host"], params["user"], params["secrets"])
        text, before = files.render(draft), files.present(params["dest"])
        if before is not None and before != text and not params["force"]:
            raise InputError(
                "dest", params["dest"], "a file that does not exist yet; what is there differs, and force is not set", "design 2"
            )
        if before != text and not self.check_mode:
            files.write(params["dest"], text)
        result: dict[str, Any] = {
            "changed": before != text,
            "dest": params["dest"],
            "profile": draft.profile,
            "missing": draft.missing,
            "notes": draft.notes,
            "problem": files.problem(text, name),
        }
        result["usable"] = not result["problem"]
        if self.diff_mode and before != text:
            result["diff"] = {"before": before or "", "after": text, "before_header": params["dest"], "after_header": params["dest"]}
        return result
