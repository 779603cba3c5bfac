# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The operator's login command: what it gets, what it may answer, and what is said when it fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Tls
from ansible_collections.gridops.metering.plugins.plugin_utils._firmware_helper import LoginHelper

PASSWORD = "canary-helper-93"


def helper(script: str, tmp_path: Path, learned: list[str] | None = None, role: str | None = "administrator") -> LoginHelper:
    program = tmp_path / "helper.py"
    program.write_text(script, encoding="utf-8")
    target = Target(
        "m01",
        "192.0.2.1",
        {"https": 8443},
        255,
        credentials={"administrator": Credential("Administrator", PASSWORD)},
        tls=Tls(None, "ab" * 32),
    )
    method = SimpleNamespace(role=lambda: role, profile=lambda: {"transport": {"scheme": "https"}})
    hooks = SimpleNamespace(learn=(learned if learned is not None else []).append)
    task: Any = SimpleNamespace(target=target, methods={"web": method}, hooks=hooks)
    return LoginHelper(task, [sys.executable, str(program)])


@pytest.mark.requirement("I-e")
def test_the_request_goes_over_standard_input_and_the_answer_is_masked(tmp_path: Path) -> None:
    learned: list[str] = []
    script = (
        "import json, sys; asked = json.load(sys.stdin); open(sys.argv[0] + '.got', 'w').write(json.dumps([asked, sys.argv[1:]]))\n"
        "print(json.dumps({'cookies': {'SID': 'token-1'}, 'headers': {'X': 7}}))"
    )
    assert helper(script, tmp_path, learned)() == {"cookies": {"SID": "token-1"}, "headers": {"X": "7"}}
    asked, arguments = json.loads((tmp_path / "helper.py.got").read_text(encoding="utf-8"))
    assert arguments == [] and asked == {
        "host": "192.0.2.1", "scheme": "https", "port": 8443, "user": "Administrator", "password": PASSWORD, "fingerprint": "ab" * 32, "timeout": 5.0,
    }  # fmt: skip
    assert learned == ["token-1", "7"]


@pytest.mark.requirement("I-e")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import sys; sys.exit('no way: ' + sys.stdin.read())", "ended with 1: no way"),
        ("print('hello')", "JSON object"),
        ("print('[]')", "JSON object"),
        ("print('{\"cookies\": 5}')", "JSON object"),
        ("", "JSON object"),
    ],
)
def test_a_helper_that_fails_is_one_sentence_without_the_password(script: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=says) as caught:
        helper(script, tmp_path)()
    assert caught.value.reason == "login_helper_failed" and PASSWORD not in str(caught.value)


def test_a_command_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="login_helper"):
        LoginHelper(SimpleNamespace(), ["/nowhere/at/all"]).check()  # type: ignore[arg-type]
    helper("", tmp_path).check()


def test_without_a_credential_nobody_is_asked(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as caught:
        helper("raise SystemExit(5)", tmp_path, role=None)()
    assert caught.value.reason == "credential_unknown"
