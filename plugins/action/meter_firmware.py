# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""meter_firmware in the controller's process."""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError, MeteringError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.store import open_records
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import SendFile
from ansible_collections.gridops.metering.plugins.module_utils._errors import describe_error
from ansible_collections.gridops.metering.plugins.module_utils._firmware import FIRMWARE_SPEC
from ansible_collections.gridops.metering.plugins.module_utils._sealed import SEALED_OPTIONS
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction, OptionError
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware import GOOD, RESTING, FirmwareTask
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_hooks import TaskHooks
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_remote import RemoteImageSteps, RemoteSteps
from ansible_collections.gridops.metering.plugins.plugin_utils._progress import Progress
from ansible_collections.gridops.metering.plugins.plugin_utils._toolhost import AnsibleToolHost

MODULE = "gridops.metering.meter_firmware"
#: Files of packages, removed from a jump host after they were sent.
_ENDINGS = (".out", ".fwa", ".shtml", ".sedp", ".image")


class ActionModule(MeterAction):
    """Upgrades one meter by at most one hop."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = FIRMWARE_SPEC
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = (*SEALED_OPTIONS, "marks_key")

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return self._upgrade(params, task_vars, remote=False)

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        return self._upgrade(params, task_vars, remote=True)

    def _upgrade(self, params: dict[str, Any], task_vars: Mapping[str, Any], remote: bool) -> dict[str, Any]:
        host = str(task_vars.get("inventory_hostname", params["host"]))
        progress = Progress(host, params.get("progress_dir"))
        task: FirmwareTask | None = None

        def beat(*leases: Any) -> None:
            if task is not None:
                task.records.beat(*leases)

        hooks = TaskHooks(progress, self.redactor, beat)
        factory = self._remote_factory(params, task_vars) if remote else None
        task = FirmwareTask(params, host, self.check_mode, factory, hooks)
        task.tool_host = lambda name: AnsibleToolHost(name, task_vars["hostvars"], self._templar)
        try:
            result = task.run()
        except MeteringError as error:
            if params["on_failure"] == "fail":
                raise
            result = self._refused(task, error)
        progress.done(result["outcome"], result["reason"])
        return self._finish_task(task, result)

    def _refused(self, task: FirmwareTask, error: MeteringError) -> dict[str, Any]:
        """With on_failure: record, bad input of one meter is that meter's outcome, and the play goes on."""
        described = describe_error(error, self.stage)["error"]
        reason = (
            described["reason"] or getattr(error, "reason", None) or ("bad_input" if isinstance(error, InputError) else "ledger_untrusted")
        )
        return task.result("blocked", reason, str(error))

    def _finish_task(self, task: FirmwareTask, result: dict[str, Any]) -> dict[str, Any]:
        if self.diff_mode:
            result["diff"] = self.redactor.clean(task.diff(result))
        if task.params["on_failure"] == "record":
            try:
                self._record(task, result)
            except MeteringError as error:  # what is in no record must not pass silently
                result["failed"] = True
                result["error"] = describe_error(error, "records")["error"]
        elif result["outcome"] not in GOOD | RESTING:
            result["failed"] = True
            result["error"] = {"class": "outcome", "stage": "upgrade", "reason": result["reason"], "remedy": result["remedy"]}
        return result

    def _record(self, task: FirmwareTask, result: dict[str, Any]) -> None:
        """The outcome goes into the campaign's records, where the gate after the batch finds it."""
        if self.check_mode:
            return
        serial = (result["before"] or {}).get("serial") or ""
        detail = {"text": self.redactor.text(result["text"]), "before": result["before"], "after": result["after"], "hops": result["hops"]}
        records = open_records(task.params.get("records"), getpass.getuser())
        records.record_outcome(task.params["campaign"], task.host, serial, result["outcome"], result["reason"], self.redactor.clean(detail))

    # -- jump hosts ---------------------------------------------------------------------------------------------------

    def _remote_factory(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> Any:
        factor = (params.get("timing") or {}).get("clock_factor") or 1.0

        def make(
            method: str, target: Target, profile: Mapping[str, Any] | None, files: list[SendFile], options: dict[str, Any]
        ) -> RemoteSteps:
            given = {**options, "method": method, "clock_factor": factor}
            kind = RemoteImageSteps if method == "dlms" else RemoteSteps
            return kind(
                target, profile, files, given, lambda sealed: self._call_step(sealed, task_vars), self._copy_there, self._remove_there
            )

        return make

    def _call_step(self, sealed: str, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.call_module(MODULE, {"sealed": sealed}, task_vars)
        if answer.get("failed"):
            raise DeviceError("delegation", (answer.get("error") or {}).get("reason") or "transport_failed", str(answer.get("msg", "")))
        return answer

    def _copy_there(self, path: str, name: str) -> str:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        there = self._connection._shell.join_path(self._connection._shell.tmpdir, name)
        self._transfer_file(path, there)
        return str(there)

    def _remove_there(self) -> None:
        tmpdir = self._connection._shell.tmpdir
        if tmpdir:
            patterns = " ".join(f"{shlex.quote(tmpdir)}/*{ending}" for ending in _ENDINGS)
            self._low_level_execute_command(f"rm -f -- {patterns}", sudoable=False)


__all__ = ["ActionModule", "OptionError"]
