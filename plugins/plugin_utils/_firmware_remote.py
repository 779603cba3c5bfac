# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of an upgrade on a jump host: one module call for each, the ledger stays here (design 3, "Jump hosts")."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.gridops.metering.plugins.module_utils._dlms_options import dlms_plain, needs_counters
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.steps import Reading, SendFile


def seal_step(step: str, payload: Mapping[str, Any]) -> str:
    """Step and payload, credentials among it, as one opaque value. An encoding, not a protection."""
    return base64.b64encode(json.dumps({"step": step, "payload": payload}).encode()).decode()


class RemoteSteps:
    """The steps of a method by module calls on the delegate. ``call`` runs the module with one sealed value; ``copy`` brings a file there."""

    def __init__(
        self,
        target: Target,
        profile: Mapping[str, Any] | None,
        files: list[SendFile],
        options: Mapping[str, Any],
        call: Callable[[str], dict[str, Any]],
        copy: Callable[[str, str], str],
        clean: Callable[[], None],
    ) -> None:
        self._target, self._profile, self._files, self._options = target, profile, files, options
        self._call, self._copy, self._clean = call, copy, clean
        #: Gives fresh cookies and headers of a web session, on the control node (option login_helper).
        self.helper: Callable[[], Mapping[str, Any]] | None = None
        self._session: str | None = None
        self._watched = False

    def _run(self, step: str, files: list[SendFile] | None = None, **arguments: Any) -> Any:
        target = self._target
        payload = {
            "target": {
                "name": target.name,
                "host": target.host,
                "ports": dict(target.ports),
                "unit_id": target.unit_id,
                "timeouts": asdict(target.timeouts),
                "gateway": target.gateway,
                "tls": asdict(target.tls),
                "credentials": {role: {"user": item.user, "password": item.password} for role, item in target.credentials.items()},
                "family": target.family,
                "dlms": dlms_plain(target.dlms) if target.dlms is not None else None,
            },
            "profile": self._profile,
            "files": [asdict(item) for item in (files if files is not None else self._files)],
            "arguments": arguments,
            **self._options,
        }
        if self._session and step == "trigger":
            payload["session"] = self._session
        if self.helper is not None and self._logs_in(step):
            payload["web_session"] = dict(self.helper())
        answer = self._call(seal_step(step, payload))
        if step == "stage":
            self._session = answer.get("session")
        fault = answer.get("device_error")
        if fault:
            raise DeviceError(fault["stage"], fault["reason"], fault["text"], fault["device_text"])
        return answer["step_result"]

    def _logs_in(self, step: str) -> bool:
        """Steps that need a fresh session; an observation only in its first slice, the version over Modbus decides anyway."""
        if step == "observe":
            first, self._watched = not self._watched, True
            return first
        return step in ("login", "stage")

    def identify(self) -> Reading:
        return Reading(**self._run("identify"))

    def services(self) -> dict[str, str]:
        return dict(self._run("services"))

    def lock(self) -> str:
        return str(self._run("lock"))

    def login(self) -> dict[str, Any]:
        return dict(self._run("login"))

    def snapshot(self) -> dict[str, Any]:
        return dict(self._run("snapshot"))

    def stage(self) -> dict[str, Any]:
        """Bring the artifact to the jump host, copy it to the meter from there, and remove it again."""
        try:
            return dict(self._run("stage", [self._bring(item) for item in self._files]))
        finally:
            self._tidy()

    def _tidy(self) -> None:
        try:
            self._clean()
        except AnsibleError:  # the way there is gone; what led here is the fault to tell
            pass

    def _bring(self, item: SendFile) -> SendFile:
        try:
            return replace(item, path=self._copy(item.path, self._name_there(item)))
        except AnsibleError as error:
            text = f"{item.name} cannot be brought to the jump host: {' '.join(str(error).split())[:300]}"
            raise DeviceError("delegation", "transport_failed", text) from None

    def _name_there(self, item: SendFile) -> str:
        return os.path.basename(item.path)

    def trigger(self) -> dict[str, Any]:
        return dict(self._run_on("trigger"))

    def observe(self, state: Mapping[str, Any], expected: Mapping[str, Any], limits: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        return dict(self._run_on("observe", state=dict(state), expected=dict(expected), limits=dict(limits), seconds=seconds))

    def _run_on(self, step: str, **arguments: Any) -> Any:
        """A step from the trigger on: a jump host that fails leaves the attempt open, for the next run to look at the meter."""
        try:
            return self._run(step, **arguments)
        except DeviceError as error:
            if error.stage != "delegation":
                raise
            raise OrphanedError(step, f"the jump host failed, the meter goes on ({error.text})") from None

    def recall(self, detail: Mapping[str, Any]) -> bool:
        """No method by these steps asks a meter for something later."""
        return False

    def close(self) -> None:
        """Nothing is held open between the calls."""

    def find(self, serial: str) -> str | None:
        found = self._run("find", serial=serial)
        return str(found) if found else None


class RemoteImageSteps(RemoteSteps):
    """The image transfer from a jump host. ``counters`` reserves a block of invocation counters in the ledger before each call."""

    #: (target, told by the meter, how many) -> {first, count}; set by the method, which has the ledger.
    counters: Callable[[Target, int, int], dict[str, int]]
    #: What the meter told of its counter, shared by all steps of a task: it is asked once.
    knows: dict[str, int]
    _there: list[SendFile] | None = None

    def _run(self, step: str, files: list[SendFile] | None = None, **arguments: Any) -> Any:
        if not needs_counters(self._target.dlms):
            return super()._run(step, files, **arguments)
        if "told" not in self.knows:
            self.knows["told"] = int(super()._run("told", []))
        given = arguments.pop("counters", constants.DLMS_STEP_COUNTERS.number)
        block = self.counters(self._target, self.knows["told"], given)
        self.knows["told"] = -1  # from here on our own counters lead
        self._options = {**self._options, "counters": block}
        return super()._run(step, files, **arguments)

    def look(self) -> dict[str, Any]:
        return dict(self._run("look"))

    def stage(
        self, resume: Mapping[str, Any] | None = None, seconds: float | None = None, state: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One slice of the transfer; the image lies there from the first one to the end."""
        if self._there is None:
            self._there = [self._bring(item) for item in self._files]
        known: dict[str, Any] = {"resume": None if resume is None else dict(resume), "state": None if state is None else dict(state)}
        done = True
        try:
            result = dict(self._run("stage", self._there, seconds=seconds, counters=constants.DLMS_SLICE_COUNTERS.number, **known))
            done = result["done"]
        finally:
            if done:
                self._there = None
                self._tidy()
        # The trigger is another call, which puts it back where nothing is begun.
        self._options = {**self._options, "restore_enabled": bool(result.get("restore_enabled"))}
        return result

    def _name_there(self, item: SendFile) -> str:
        """Images have no ending of their own by which they could be removed again."""
        return f"{item.sha256[:16]}.image"

    def cancel(self) -> dict[str, Any]:
        return dict(self._run("cancel"))

    def put_back(self) -> str:
        return str(self._run("put_back"))
