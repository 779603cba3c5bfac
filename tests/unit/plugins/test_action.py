# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The shared front of the actions: options, masking, errors, delegation."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.gridops.metering.plugins.module_utils._argspec import CONNECTION_SPEC, merge_specs
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import (
    DeadlineError,
    DependencyError,
    DeviceError,
    InputError,
    OrphanedError,
)
from ansible_collections.gridops.metering.plugins.module_utils._sealed import seal, secrets_in, unseal
from ansible_collections.gridops.metering.plugins.plugin_utils._action import MeterAction

SECRET = "Canary-1d5e-action"
ACCOUNTS = {"product_master": {"user": "user2", "password": SECRET}}


class Sample(MeterAction):
    ARGUMENT_SPEC = merge_specs(CONNECTION_SPEC, {"word": {"type": "str", "choices": ["a", "b"]}, "count": {"type": "int", "default": 1}})
    work: Any = staticmethod(lambda action, params: {"params": params})
    module_answer: ClassVar[list[Any]] = []
    calls: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    def execute(self, params: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.work(self, params)
        return answer

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        self.calls.append((module_name, module_args))
        (answer,) = self.module_answer
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def action(
    args: dict[str, Any] | None = None,
    variables: dict[str, Any] | None = None,
    work: Any = None,
    delegate: str | None = None,
    transport: str = "ssh",
    answer: Any = None,
    **task: Any,
) -> dict[str, Any]:
    """Run the sample action the way core would and return its result."""
    fields = {"async_val": 0, "check_mode": False, "diff": False, "action": "ns.col.sample", "resolved_action": "ns.col.sample", **task}
    known: dict[str, Any] = {"inventory_hostname": "m1", **(variables or {})}
    loader = DataLoader()
    templar = Templar(loader=loader, variables=known)
    shell = SimpleNamespace(tmpdir="/nonexistent")
    connection = SimpleNamespace(transport=transport, _shell=shell)
    made = Sample(SimpleNamespace(args=args or {}, delegate_to=delegate, **fields), connection, None, loader, templar)  # type: ignore[arg-type]
    if work:
        made.work = work
    Sample.calls.clear()
    Sample.module_answer[:] = [answer if answer is not None else {}]
    return made.run(task_vars=known)


def raising(error: BaseException) -> Any:
    def work(me: Any, params: Any) -> Any:
        raise error

    return work


def test_options_come_from_the_task_then_from_variables_then_from_defaults() -> None:
    variables = {"metering_word": "a", "metering_unit_id": 7, "ansible_host": "192.0.2.9"}
    params = action({"word": "b"}, variables)["params"]
    assert (params["word"], params["unit_id"], params["count"], params["host"]) == ("b", 7, 1, "192.0.2.9")


def test_variables_are_templated() -> None:
    variables = {"metering_host": trust_as_template("{{ net }}.9"), "net": "192.0.2", "ansible_host": "198.51.100.1"}
    assert action({}, variables)["params"]["host"] == "192.0.2.9"


def test_the_host_is_that_of_the_inventory_also_when_delegated() -> None:
    action({}, {"ansible_host": "192.0.2.9"}, delegate="jump")
    assert Sample.calls[0][1]["host"] == "192.0.2.9"
    assert action({})["params"]["host"] == "m1"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"word": "c"}, "word"),
        ({"count": "many"}, "count"),
        ({"wurd": "a"}, "wurd"),
        ({"ports": {"gopher": 23}}, "gopher"),
        ({"ports": "x"}, "ports"),
        ({"dlms": True}, "dlms: the given value is not of the documented form (dict)"),  # core's own check ends in a TypeError
        ({"dlms": {1: 2}, "word": "a"}, "dlms: the given value"),
        ({"dlms": {"client": float("inf")}}, "dlms: the given value"),
        ({"dlms": {"system_title": "x" * 10_000}, "count": float("inf")}, "count: the given value"),
    ],
)
def test_bad_options_fail_with_one_sentence_before_any_work(args: dict[str, Any], words: str) -> None:
    result = action(args, work=raising(AssertionError("worked")))
    assert result["failed"] and words in result["msg"] and "\n" not in result["msg"]
    assert result["error"]["class"] == "input"


def test_async_is_refused_clearly() -> None:
    result = action(async_val=30)
    assert result["failed"] and "async is not supported" in result["msg"]


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (InputError("version", "x", "three numbers", "R-241"), "input", None),
        (DeviceError("stage", "transport_failed", "no answer", "550 denied"), "device", "transport_failed"),
        (DependencyError("pymodbus", "here", "reading"), "dependency", "dependency_missing"),
        (DeadlineError("observe", 1800), "deadline", "deadline_exceeded"),
        (OrphanedError("trigger"), "orphaned", "worker_orphaned"),
    ],
)
def test_known_errors_have_class_stage_reason_and_remedy(error: Exception, kind: str, reason: str | None) -> None:
    result = action(work=raising(error))
    assert result["failed"] and result["msg"] == str(error)
    assert (result["error"]["class"], result["error"]["reason"]) == (kind, reason)
    assert bool(result["error"]["remedy"]) == (reason is not None)
    assert "unreachable" not in result


def test_an_unforeseen_error_shows_neither_traceback_nor_values() -> None:
    result = action(work=raising(KeyError(SECRET)))
    assert result["failed"] and "internal error: KeyError in run" in result["msg"]
    assert SECRET not in json.dumps(result) and "Traceback" not in json.dumps(result)


def test_a_task_timeout_passes() -> None:
    class Timeout(BaseException):
        pass

    with pytest.raises(Timeout):
        action(work=raising(Timeout()))


def test_secrets_leave_neither_in_the_result_nor_in_errors_nor_in_the_invocation() -> None:
    args = {"credentials": ACCOUNTS}
    results = [
        action(args, work=lambda me, params: {"said": f"login with {SECRET} ok", "password": "0", "list": [SECRET]}),
        action(args, work=raising(DeviceError("login", "transport_failed", "no", f"530 {SECRET} wrong"))),
        action({**args, "word": SECRET}),
        action({"credentials": SECRET}),
        action({}, {"metering_credentials": ACCOUNTS}),
        action(args, work=lambda me, params: (me.warn(f"old password {SECRET}"), {})[1]),
    ]
    for result in results[:1] + results[1:4] + results[5:]:
        assert SECRET not in json.dumps(result)
    assert results[0]["password"] == "********"
    assert results[0]["invocation"]["module_args"]["credentials"] == "********"
    assert SECRET not in json.dumps(results[4]["invocation"])


def test_a_short_secret_does_not_blank_the_result() -> None:
    args = {"credentials": {"user": {"user": "User1", "password": "0"}}}
    assert action(args, work=lambda me, params: {"version": "2.0.0"})["version"] == "2.0.0"


@pytest.mark.parametrize(
    ("delegate", "transport", "expected"),
    [
        (None, "ssh", False),
        ("localhost", "ssh", False),
        ("127.0.0.1", "ssh", False),
        ("::1", "ssh", False),
        ("m1", "ssh", False),
        ("jump", "local", False),
        ("jump", "ssh", True),
    ],
)
def test_only_a_real_other_host_gets_a_module_call(delegate: str | None, transport: str, expected: bool) -> None:
    action(delegate=delegate, transport=transport)
    assert bool(Sample.calls) is expected


def test_a_module_call_carries_secrets_as_one_opaque_value() -> None:
    action({"credentials": ACCOUNTS, "word": "a"}, delegate="jump")
    [(name, args)] = Sample.calls
    assert name == "ns.col.sample"
    assert SECRET not in json.dumps(args) and "credentials" not in args and "gateway" not in args
    assert unseal(args)["credentials"] == ACCOUNTS


@pytest.mark.parametrize(
    ("answer", "words", "kind"),
    [
        (AnsibleConnectionFailure("Connection timed out"), "the host jump cannot be reached", "device"),
        ({"unreachable": True, "msg": "gone"}, "the host jump cannot be reached", "device"),
        (
            {"failed": True, "msg": "x", "module_stderr": "ModuleNotFoundError: No module named 'pymodbus'"},
            "'pymodbus' is missing on jump",
            "dependency",
        ),
        ({"failed": True, "msg": "The module interpreter '/no/python' was not found."}, "the module failed on jump", "device"),
        ({"failed": True, "msg": "own", "error": {"class": "input"}}, "own", "input"),
    ],
)
def test_trouble_on_the_way_to_a_jump_host_is_a_failure_never_unreachable(answer: Any, words: str, kind: str) -> None:
    result = action(delegate="jump", answer=answer)
    assert result["failed"] and words in result["msg"] and "unreachable" not in result
    assert result["error"]["class"] == kind
    assert "exception" not in result


def test_check_and_diff_mode_are_those_of_the_task() -> None:
    def work(me: MeterAction, params: Any) -> dict[str, Any]:
        return {"modes": [me.check_mode, me.diff_mode]}

    assert action(work=work)["modes"] == [False, False]
    assert action(work=work, check_mode=True, diff=True)["modes"] == [True, True]


def test_warnings_are_collected_once() -> None:
    def work(me: MeterAction, params: Any) -> dict[str, Any]:
        me.warn("careful")
        me.warn("careful")
        return {"warnings": ["first"]}

    assert action(work=work)["warnings"] == ["first", "careful"]


def test_seal_and_unseal_are_inverse_and_refuse_nonsense() -> None:
    params = {"host": "m", "credentials": ACCOUNTS, "gateway": None, "sealed": None}
    sealed = seal(params)
    assert set(sealed) == {"host", "sealed"}
    assert unseal(sealed) == {"host": "m", "credentials": ACCOUNTS}
    assert secrets_in(params) == [SECRET]
    assert unseal({"host": "m", "sealed": None}) == {"host": "m"}
    for nonsense in ("%%%", "bm8=", "WzFd"):
        with pytest.raises(InputError, match="sealed: the given value"):
            unseal({"sealed": nonsense})


def test_an_action_for_the_fleet_takes_no_option_from_one_hosts_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sample, "FROM_VARIABLES", False)
    assert action({}, {"metering_count": 7, "metering_unit_id": 3})["params"]["count"] == 1


@pytest.mark.parametrize("secret", [SECRET, "C-1"])
@pytest.mark.parametrize("option", ["word", "count", "attest", "nonsense"])
def test_passwords_under_a_wrong_option_are_not_shown(option, secret):
    told = action({option: [{"name": "USER1", "password": secret}]})
    assert told["failed"]
    assert option in told["msg"]
    assert f"'{secret}'" not in json.dumps(told)
    assert SECRET not in json.dumps(told)


def test_an_unknown_option_is_named_as_such():
    assert action({"nonsense": 1})["msg"].startswith("unknown option: nonsense. ")


def test_bad_input_is_told_without_the_passwords_in_it():
    error = InputError("lockout", {"users": [{"name": "USER1", "password": "C-1"}], "x": ({"secret": SECRET},)}, "a dictionary", "R-265")
    assert "USER1" in str(error)
    assert "C-1" not in str(error)
    assert SECRET not in str(error)
