# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The catalogue of controls: each that any judge emits is in it, with clauses that look like those of their standards."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import controls_page
from ansible_collections.gridops.metering.plugins.module_utils._engine.audit import baseline
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.baseline import RECOMMENDED
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.clauses import CLAUSES, FORMS
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.controls import (
    AUTOMATED,
    CONTROLS,
    MANUAL,
    base_id,
    control,
)
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP, PM5000
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import SEVERITIES, ControlInfo
from ansible_collections.gridops.metering.plugins.module_utils._engine.security import controls_dlms
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.wanted_settings import settings_from

requirement = pytest.mark.requirement
ENGINE = Path(baseline.__file__).parents[1]
JUDGES = [*sorted((ENGINE / "security").glob("*.py")), *(ENGINE / "audit" / name for name in ("judge.py", "outside.py", "assemble.py"))]
EVERYTHING = {
    "web": {"server": True, "protocol": "https", "programming": False, "ports": {"https": 4430}},
    "modbus": {"access": "read_only", "programming": False},
    "lockout": {"attempts": dict.fromkeys(("ion", "modbus", "web", "sftp", "ssh"), 5), "duration": 30},
    "session_timeout": {"ion": 30},
    "services": dict.fromkeys(("ftp", "sftp", "ssh", "ion", "ion_tls", "telnet"), False),
    "event_log": {"cutoff": 5, "priorities": {"login": 64, "invalid_login": 128, "lockout": 255}},
    "panel_programming": False,
    "time_sync": True,
    "ip_filter": ["192.0.2.1"],
}


def _first(call):
    """What stands first in a call, as text: a literal, the start of an f-string, or a name."""
    given = call.args[0]
    if isinstance(given, ast.Constant):
        return str(given.value)
    if isinstance(given, ast.JoinedStr) and isinstance(given.values[0], ast.Constant):
        return str(given.values[0].value)
    return given


def _named(function):
    """Values that a name gets in a function, also as a part of a tuple."""
    found = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(node.value, ast.Tuple) and isinstance(target, ast.Tuple)
                else [(target, node.value)]
            )
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(value)
    return found


def emitted():
    """The base ids of every control that the source of a judge makes, as far as they are written there."""
    found = set()
    for path in JUDGES:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            names = _named(function)
            for call in ast.walk(function):
                if not (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id in ("Control", "bare", "_unfit", "_port")
                ):
                    continue
                first = _first(call)
                texts = (
                    [first]
                    if isinstance(first, str)
                    else [_first(ast.Call(func=call.func, args=[item])) for item in names.get(getattr(first, "id", ""), ())]
                )
                found |= {base_id(text) for text in texts if isinstance(text, str) and text}
    return found


def test_each_control_that_a_judge_emits_has_an_entry():
    written = emitted()
    assert {
        "mode",
        "interim_mode",
        "user",
        "account",
        "password",
        "seals",
        "policy",
        "firmware_target",
        "covered",
    } <= written
    made = {*settings_from(EVERYTHING, HEP, "advanced"), *settings_from({"services": {"ftp": False}}, PM5000, None)}
    made |= {"web_port_http", *RECOMMENDED, *controls_dlms.CHANGE_ORDER, "no_default_password", "password_age"}
    assert {name for name in written | made if name not in CONTROLS and name != "key_"} == set()


def test_each_entry_is_whole():
    for name, entry in CONTROLS.items():
        assert name == entry.id == base_id(name) and entry.title and entry.rationale and entry.rule, name
        assert entry.severity in SEVERITIES and entry.level in (1, 2) and entry.kind in (AUTOMATED, MANUAL), name
        assert (entry.kind == AUTOMATED or entry.valid_days) and not entry.title.endswith("."), name
        assert set(entry.info()) == set(ControlInfo.__annotations__) and entry.info()["clauses"], name
    assert control("firmware_advisory:x") is CONTROLS["firmware_advisory"] and control("a_new_one:y").title == "a new one"


@requirement("R-376")
def test_the_option_of_a_setting_is_one_that_the_baseline_takes():
    for entry in CONTROLS.values():
        if entry.part == "security" and entry.option:
            top = entry.option.split(".")[0]
            assert any(top in names for names in baseline.security._OPTIONS.values()), entry.id
    for name, recommended in RECOMMENDED.items():
        assert CONTROLS[name].option == recommended.remedy, name


def test_the_page_is_fresh():
    assert controls_page.PAGE.read_text(encoding="utf-8") == controls_page.page(), "run tests/tools/controls_page.py"
    assert {entry.part for entry in CONTROLS.values()} == set(controls_page.PARTS)


def test_each_clause_looks_like_one_of_its_standard():
    used = {item for entry in CONTROLS.values() for item in entry.clauses}
    for (standard, name), clause in CLAUSES.items():
        assert (clause.standard, clause.clause) == (standard, name) and FORMS[standard].fullmatch(name), name
        assert clause.about and clause.about[0].islower() and not clause.about.endswith("."), name
    assert {item.standard for item in used} == set(FORMS)
    assert set(CLAUSES.values()) - used == set(), "a clause that nothing speaks to"
    assert {item.standard for item in used if not item.verified} == {"IEC 62443-4-2", "MID 2014/32/EU", "WELMEC 7.2"}, (
        "texts that nobody could read"
    )
