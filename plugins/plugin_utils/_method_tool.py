# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The method tool: the maker's own tool upgrades the meter; this collection prepares, limits, waits and proves (R-067…R-126)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Dotted
from ansible_collections.gridops.metering.plugins.module_utils._engine.meters.toolcsv import render_config, unrepresentable
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks import Precheck, Situation
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning.prechecks_tool import judge_tool
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.observe import Limits
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.tool import Settings, ToolSteps

from ._method import Method, attested_at, data_home, documented_limits

ROLES = ("web_master", "product_master")
_PLACES = ("{config}", "{package}", "{logs}", "{address}")


class ToolMethod(Method):
    """One way from the old firmware generation to the new one (rows A-2, C-2, D-2)."""

    name: ClassVar[str] = "tool"
    roles: ClassVar[tuple[str, ...]] = ()  # both accounts are needed; the prechecks say which is missing
    exhausted: ClassVar[str] = "escalate_vendor"

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        self.options: Mapping[str, Any] = {key: value for key, value in (task.params.get("tool") or {}).items() if value is not None}
        self.mode = task.params.get("tool_mode") or "manual"
        self.retry_hold = task.rules.waits["retry_hold"]  # type: ignore[misc]

    def check(self) -> None:
        """Raise InputError for options that cannot work, before any contact. A HEP meter has another tool, and options for that."""
        if getattr(getattr(self.task, "target", None), "family", "") == HEP:
            return
        if self.mode == "command":
            for name in ("host", "command", "handover_dir"):
                if not self.options.get(name):
                    raise InputError(f"tool.{name}", None, "a value, because tool_mode is command", "R-105")
        for name in ("command", "review", "ping"):
            for word in self.options.get(name) or ():
                unknown = set(re.findall(r"\{[a-z_]+\}", word)) - set(_PLACES)
                if unknown:
                    raise InputError(f"tool.{name}", sorted(unknown)[0], "only the places " + ", ".join(_PLACES), "R-105")
        if self.options.get("version"):
            Dotted.parse(str(self.options["version"]), "tool.version")

    def tool_version(self) -> str:
        """The version of the tool that came with the package (R-070); empty where the manifest does not tell."""
        package = self.task.package
        if package is not None:
            return str(package.tool_version)
        found = [item.tool_version for item in self.task.manifest.packages if item.method == self.name and item.tool_version]
        return str(found[0]) if found else ""

    def slot(self) -> tuple[str, int]:
        """Each tool takes 1 meter before 3.8, 10 from 3.8 on (R-083, R-084, G-03); fewer where the operator says so (G-22)."""
        version, asked = self.tool_version(), self.task.params.get("concurrency")
        cap = constants.tool_cap(Dotted.parse(version)).number if version else constants.TOOL_CAP_SINGLE.number
        return f"tool:{self.options.get('host', 'manual')}", cap if asked is None else min(cap, int(asked))

    def limits(self) -> Limits:
        """The meter works while it answers, then restarts; a technician's hand-over has a deadline of days."""
        changes: dict[str, Any] = {"works_first": True, "failed_reason": "tool_failed"}
        watched = max(self.task.rules.waits["hard_timeout"], constants.TOOL_DEADLINE.number)
        changes["hard_timeout"] = float(constants.HANDOVER_HOLD.number if self.mode == "manual" else watched)
        return documented_limits(self.task, **changes)

    def steps(self, files: list[SendFile]) -> Any:
        task = self.task
        far = None
        if task.remote is not None:  # the meter is reached from the jump host, the tool's computer from here
            far = task.remote(self.name, task.target, self.profile(), [], {"search": list(task.rules.search)})
        host = task.tool_host(str(self.options["host"])) if self.mode == "command" and task.tool_host is not None else None
        return ToolSteps(task.target, self.profile(), files, task.rules.search, task.hooks, self._settings(), host, self._config(), far)

    def _settings(self) -> Settings:
        task, options = self.task, self.options
        factor = task.rules.clock_factor
        return Settings(
            mode=self.mode,
            base=self._base(),
            campaign=task.params["campaign"],
            command=tuple(options.get("command") or ()),
            review=tuple(options.get("review") or ()),
            ping=tuple(options.get("ping") or ()),
            exit_ok=tuple(options.get("exit_ok") or (0,)),
            encoding=str(options.get("encoding") or ""),
            logs_to=str(options.get("logs_to") or data_home("tool-logs")),
            tool_version=self.tool_version(),
            cap=self.slot()[1],
            wait=float(task.params.get("wait") or 0.0),
            not_started=bool(task.rules.attest.get("tool_not_started")),
            not_started_at=attested_at(task.rules.attest.get("at")),
            model=task.model.name,
            target=str(task.hop.target) if task.hop is not None else "",
            real_seconds=lambda seconds: seconds / factor,
        )

    def _base(self) -> str:
        """The folder of the hand-overs: here with manual, on the tool's host with command."""
        given = str(self.options.get("handover_dir") or "")
        return given if self.mode == "command" else os.path.expanduser(given) or data_home("handover")

    def _config(self) -> str:
        accounts = self.task.target.credentials
        if any(role not in accounts for role in ROLES) or self._config_fault():
            return ""
        return render_config(self.task.target.host, self.task.target.unit_id, *(accounts[role] for role in ROLES))

    def _config_fault(self) -> str:
        accounts = self.task.target.credentials
        if any(role not in accounts for role in ROLES):
            return ""
        return unrepresentable(self.task.target.host, *(accounts[role] for role in ROLES))

    def gather(self, steps: Any) -> dict[str, Any]:
        task = self.task
        found: dict[str, Any] = {
            "mode": self.mode,
            "host": self.options.get("host"),
            "tool_version": self.tool_version(),
            "tool_said": self.options.get("version"),
            "model": task.model.name,
            "source": str(task.source),
            "ports": {name: task.target.ports[name] for name in ("http", "https")},
            "loopback": _is_loopback(task.target.host),
            "missing_credentials": [role for role in ROLES if role not in task.target.credentials],
            "config_fault": self._config_fault(),
            "review": bool(self.options.get("review")),
        }
        try:
            found.update(steps.reaches())
        except DeviceError as error:
            found["host_fault"] = error.text
        return found

    def judge(self, now: Situation) -> list[Precheck]:
        return judge_tool(now)

    def notes(self) -> Mapping[str, Any]:
        version = self.tool_version()
        return {"tool_mode": self.mode, "tool_version": version, "at_once": self.slot()[1], "sessions_dropped": True}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
