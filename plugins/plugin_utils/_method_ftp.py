# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The method ftp: three files in the documented order, then the trigger page."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Precheck, Situation, judge_ftp
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.ftp import COPY_ORDER, ROLE, FtpSteps
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile

from ._method import Method, documented_limits


class FtpMethod(Method):
    """Upgrades of the old firmware generation, row by row as documented (R-053…R-066)."""

    name: ClassVar[str] = "ftp"
    roles: ClassVar[tuple[str, ...]] = (ROLE,)

    def limits(self) -> Limits:
        return documented_limits(self.task)

    def files(self) -> list[SendFile]:
        by_role = {item.role: item for item in super().files()}
        return [by_role[role] for role, dummy_folder in COPY_ORDER if role in by_role]

    def plan_files(self) -> list[str]:
        folders = dict(COPY_ORDER)
        return [f"{folders[item.role]}/{item.name}" for item in self.files()]

    def steps(self, files: list[SendFile]) -> Any:
        task, read_back = self.task, self.task.params["verify_upload"] == "read_back"
        if task.remote is not None:
            return task.remote("ftp", task.target, self.profile(), files, {"read_back": read_back, "search": list(task.rules.search)})
        return FtpSteps(task.target, self.profile(), files, task.rules.search, task.hooks, read_back)

    def judge(self, now: Situation) -> list[Precheck]:
        return judge_ftp(now)
