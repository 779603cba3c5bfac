# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The in-process front that all actions of the collection share.

The action runs in the controller's process: no packaging and no new interpreter per meter. Delegated to a real other
host it calls the module of the same name there. It masks by itself, because core does not mask for actions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import (
    DependencyError,
    DeviceError,
    InputError,
    MeteringError,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.redaction import MASK, Redactor, secret_values
from ansible_collections.gridops.metering.plugins.module_utils._engine.records.postgres import masked, password_of
from ansible_collections.gridops.metering.plugins.module_utils._errors import describe_error, internal_error
from ansible_collections.gridops.metering.plugins.module_utils._sealed import SEALED_OPTIONS, seal, secrets_in

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PRIVATE_OPTIONS = frozenset({"sealed"})


class OptionError(InputError):
    """What the argument specification found, as one sentence that is already complete."""

    def __init__(self, text: str) -> None:
        super().__init__("options", None, "what the documentation lists", "design 4.0", secret=True)
        self.args = (text,)


class MeterAction(ActionBase):
    """Base of the actions: options, masking, errors, delegation. A subclass gives ``ARGUMENT_SPEC`` and ``execute``."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {}
    CONSTRAINTS: ClassVar[dict[str, Any]] = {}
    SUPPORTS_DELEGATION: ClassVar[bool] = True
    SECRET_OPTIONS: ClassVar[tuple[str, ...]] = SEALED_OPTIONS
    FROM_VARIABLES: ClassVar[bool] = True  # options not given are taken from metering_<option>
    CLEAN_RESULT: ClassVar[bool] = True  # False only where the action is handed no secret at all
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _validator: ClassVar[ArgumentSpecValidator | None] = None

    stage = "options"
    redactor: Redactor

    # -- what subclasses use ------------------------------------------------------------------------------------------

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    @property
    def diff_mode(self) -> bool:
        return bool(self._task.diff)

    def warn(self, text: str) -> None:
        """Add one warning to the task's result."""
        if text not in self._warnings:
            self._warnings.append(text)

    def execute(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work in this process and return the result."""
        raise NotImplementedError

    def run_delegated(self, params: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work on the delegate: by default one call of the module of the same name."""
        return self.call_module(self._task.resolved_action or self._task.action, params, task_vars)

    def call_module(self, name: str, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Run module ``name`` on the delegate, secrets folded into one opaque option; never ends as unreachable."""
        self.stage = "delegation"
        where = self._task.delegate_to or task_vars.get("inventory_hostname")
        try:
            answer = self._execute_module(module_name=name, module_args=seal(params, self.SECRET_OPTIONS), task_vars=dict(task_vars))
        except AnsibleConnectionFailure as exc:
            raise DeviceError("delegation", "transport_failed", f"the host {where} cannot be reached: {_one_line(exc)}") from None
        result = {key: value for key, value in answer.items() if key not in ("invocation", "exception", "module_stderr", "module_stdout")}
        if result.pop("unreachable", False):
            raise DeviceError("delegation", "transport_failed", f"the host {where} cannot be reached: {_one_line(result.get('msg', ''))}")
        if result.get("failed") and "error" not in result:
            self._explain_module_failure(result, answer, str(where))
        return result

    def delegated(self, task_vars: Mapping[str, Any]) -> bool:
        """True only when the task is delegated to a real other host: not this machine, not the meter itself."""
        delegate = self._task.delegate_to
        if not delegate or delegate in LOCAL_NAMES or delegate == task_vars.get("inventory_hostname"):
            return False
        return getattr(self._connection, "transport", None) != "local"

    # -- the frame ----------------------------------------------------------------------------------------------------

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables: dict[str, Any] = task_vars or {}
        self.redactor = Redactor()
        self._warnings: list[str] = []
        params: dict[str, Any] = {}
        result: dict[str, Any] = {}
        try:
            if self._task.async_val:
                raise OptionError("async is not supported: run this task without 'async', it has deadlines of its own")
            result.update(super().run(task_vars=variables))
            params = self.build_params(variables)
            self._learn_secrets(params)
            self.stage = "run"
            if self.delegated(variables):
                if not self.SUPPORTS_DELEGATION:
                    raise OptionError(f"this action runs on the controller only; remove 'delegate_to: {self._task.delegate_to}'")
                result.update(self.run_delegated(params, variables))
            else:
                result.update(self.execute(params, variables))
        except MeteringError as exc:
            result.update(describe_error(exc, self.stage))
        except AnsibleError as exc:
            result.update(describe_error(OptionError(_one_line(exc)), self.stage))
        except Exception as exc:  # a task's timeout is a BaseException and passes
            result.update(internal_error(exc, self.stage))
        return self._finish(result, params)

    def cleanup(self, force: bool = False) -> None:
        """Core's clean-up on the delegate; when the way there is gone, that must not take the place of the result."""
        try:
            super().cleanup(force)
        except AnsibleError as exc:
            self._display.vv(f"nothing could be removed on the delegate: {_one_line(exc)}")

    def build_params(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Task arguments, else ``metering_<option>``, else the default; validated. Raises OptionError."""
        given: dict[str, Any] = {}
        for name in self.ARGUMENT_SPEC if self.FROM_VARIABLES else ():
            if name not in self._task.args and name not in PRIVATE_OPTIONS and f"metering_{name}" in task_vars:
                value = self._templar.template(task_vars[f"metering_{name}"])
                if value is not None:
                    given[name] = value
        given.update((name, value) for name, value in self._task.args.items() if value is not None)
        if "host" in self.ARGUMENT_SPEC and not given.get("host"):
            given["host"] = self.default_host(task_vars)
        for secret in secret_values(given):  # also of what stands under a wrong option
            self.redactor.add(secret)
        try:
            outcome = self._spec_validator().validate(given)
        except (TypeError, ValueError, OverflowError):  # core's own check does not foresee every kind of value
            self._learn_secrets(given)
            raise OptionError(self._unfit(given)) from None
        if outcome.error_messages:
            self._learn_secrets(given)
            raise OptionError("; ".join(self._safe_message(text, given) for text in outcome.error_messages))
        return dict(outcome.validated_parameters)

    def default_host(self, task_vars: Mapping[str, Any]) -> str:
        """The address of the inventory host: never that of a delegate."""
        address = task_vars.get("ansible_host")
        return str(self._templar.template(address) if address else task_vars.get("inventory_hostname", ""))

    # -- details ------------------------------------------------------------------------------------------------------

    @classmethod
    def _spec_validator(cls) -> ArgumentSpecValidator:
        if cls.__dict__.get("_validator") is None:
            cls._validator = ArgumentSpecValidator(cls.ARGUMENT_SPEC, **cls.CONSTRAINTS)
        validator = cls._validator
        if validator is None:  # only for the type checker: set two lines above
            raise TypeError("no validator")
        return validator

    def _learn_secrets(self, params: Mapping[str, Any]) -> None:
        for secret in [*secrets_in(params), password_of(params.get("records"))]:
            self.redactor.add(secret)
        for name, spec in self.ARGUMENT_SPEC.items():
            if spec.get("no_log") and isinstance(params.get(name), str):
                self.redactor.add(params[name])

    def _unfit(self, given: Mapping[str, Any]) -> str:
        """Which options core's check cannot even look at, each with the type that it has to be of."""
        names = []
        for name in sorted(set(given) & set(self.ARGUMENT_SPEC)):
            try:
                ArgumentSpecValidator({name: self.ARGUMENT_SPEC[name]}).validate({name: given[name]})
            except (TypeError, ValueError, OverflowError):
                names.append(f"{name}: the given value is not of the documented form ({self.ARGUMENT_SPEC[name].get('type', 'str')})")
        return "; ".join(names) or "an option is not of the documented form"

    def _safe_message(self, text: str, given: Mapping[str, Any]) -> str:
        """A validator's message; whole when no secret option is in it."""
        for name, spec in self.ARGUMENT_SPEC.items():
            if spec.get("no_log") and name in given and (repr(given[name]) in text or str(given[name]) in text):
                return f"{name}: the given value is not of the documented form"
        for secret in secret_values(given):
            text = text.replace(repr(secret), MASK)
        return _one_line(f"unknown option: {text}" if ". Supported parameters include: " in text else text)

    def _explain_module_failure(self, result: dict[str, Any], answer: Mapping[str, Any], where: str) -> None:
        """Core's own failure of a module (no interpreter, no library) as one sentence."""
        text = " ".join(str(answer.get(key) or "") for key in ("msg", "module_stderr", "module_stdout", "exception"))
        missing = re.search(r"No module named '?([A-Za-z0-9_.]+)'?", text)
        if missing:
            result.update(describe_error(DependencyError(missing.group(1), where, "this task"), "delegation"))
        else:
            error = DeviceError("delegation", "transport_failed", f"the module failed on {where}: {_one_line(result.get('msg', ''))}")
            result.update(describe_error(error, "delegation"))

    def _finish(self, result: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        result.pop("unreachable", None)
        warnings = [*result.get("warnings", ()), *self._warnings]
        if warnings:
            result["warnings"] = warnings
        result.setdefault("changed", False)
        cleaned: dict[str, Any] = self.redactor.clean(result) if self.CLEAN_RESULT else result
        shown = {name: MASK if self._hidden(name) and value is not None else value for name, value in params.items()}
        if isinstance(shown.get("records"), str):
            shown["records"] = masked(shown["records"])
        cleaned["invocation"] = {"module_args": self.redactor.clean(shown)}
        return cleaned

    def _hidden(self, name: str) -> bool:
        return name in self.SECRET_OPTIONS or bool(self.ARGUMENT_SPEC.get(name, {}).get("no_log"))


def _one_line(value: object) -> str:
    """A text without line breaks, at most 500 characters."""
    return " ".join(str(value).split())[:500]
