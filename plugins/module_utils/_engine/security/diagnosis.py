# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Lost access: what to do, in order (R-360…R-371); pure. Nothing here tries a password; a step that is a login says so and waits.

The rules T-1…T-6 are the lines of the maker's table. Steps that the facts answer are marked done or failed, the others are to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue import constants
from ..catalogue.models import HEP
from ..catalogue.versions import Dotted, Version

NEW_METER, AFTER_UPGRADE, WRONG_PASSWORD = "new_meter", "after_upgrade", "wrong_password"
SITUATIONS = (NEW_METER, AFTER_UPGRADE, WRONG_PASSWORD)
PME, ION_ENTERPRISE, VISTA, SCADA = "pme", "ion_enterprise", "vista", "scada"
#: Software that is refused after an upgrade; each has a line of its own in the table.
SOFTWARE = (PME, ION_ENTERPRISE, VISTA, SCADA)
DONE, FAILED, TODO = "done", "failed", "todo"
#: Reasons of an outcome after which a diagnosis is shown.
REASONS = frozenset(
    {"login_refused", "login_held", "locked_out", "credential_unknown", "changed_out_of_band", "web_auth_failed", "rotation_unverified"}
)
_USER = str(constants.LSS_DEFAULT_USER.value)


@dataclass(frozen=True)
class Case:
    """What is known of a meter that lets nobody in.

    ``situation`` is a person's word, ``upgraded`` that of the records. ``setup_version`` is the ION Setup in use; ``version`` the
    meter's firmware. ``retry_after`` (s) and ``protocol`` are those of a lockout, ``others`` further protocols with a credential.
    """

    family: str = HEP
    version: Version | None = None
    reason: str = ""
    situation: str = ""
    software: tuple[str, ...] = ()
    setup_version: Dotted | None = None
    upgraded: bool = False
    protocol: str = ""
    retry_after: int | None = None
    others: tuple[str, ...] = ()
    default_refused: bool = False


_Step = tuple[str, str, str]


def diagnose(case: Case) -> list[dict[str, Any]]:
    """The lines of the table that fit, each with its steps in order: ``{rule, symptom, steps: [{step, text, state, rules}], next}``."""
    return [_line(name, symptom, steps(case)) for name, symptom, steps in _fitting(case)]


def _fitting(case: Case) -> list[tuple[str, str, Callable[[Case], list[_Step]]]]:
    if case.family != HEP:
        locked = [("T-5", "the account is locked after wrong passwords", _locked)] if case.reason == "locked_out" else []
        return [*locked, ("own", "no password given for this account works", _lost)]
    found: list[tuple[str, str, Callable[[Case], list[_Step]]]] = []
    if case.reason in ("locked_out", "login_held") or case.situation == WRONG_PASSWORD:
        found.append(("T-5", "wrong passwords were given, and the account is or may be locked", _locked))
    if case.situation == NEW_METER:
        found.append(("T-1", "the meter is new and its credentials are not known", _new_meter))
    if case.situation == AFTER_UPGRADE or (case.upgraded and case.situation != NEW_METER):
        lines = {PME: _pme, ION_ENTERPRISE: _pme, VISTA: _vendor("R-367"), SCADA: _vendor("R-368")}
        names = {PME: "T-2", ION_ENTERPRISE: "T-2", VISTA: "T-3", SCADA: "T-4"}
        texts = {PME: "Power Monitoring Expert", ION_ENTERPRISE: "ION Enterprise", VISTA: "Vista", SCADA: "Power SCADA Operation"}
        found += [(names[item], f"since the upgrade {texts[item]} gets no access", lines[item]) for item in case.software]
        found.append(("T-6", "the meter was upgraded and its credentials are not known", _after_upgrade))
    return found or [("own", "no password given for this account works", _lost)]


def _line(name: str, symptom: str, steps: Sequence[_Step]) -> dict[str, Any]:
    listed = [{"step": number, "text": text, "state": state, "rule": rule} for number, (text, state, rule) in enumerate(steps, 1)]
    after = next((item["step"] for item in listed if item["state"] != DONE), None)
    return {"rule": name, "symptom": symptom, "steps": listed, "next": after}


def _newest_setup(case: Case, rule: str) -> _Step:
    lowest = constants.ION_SETUP_MIN_V3 if case.version is None or case.version.major < 4 else constants.ION_SETUP_MIN_V4
    text = f"use the newest ION Setup, at least {lowest.value}"
    if case.setup_version is None or not isinstance(lowest.value, Dotted):
        return text, TODO, rule
    return f"{text}; it is {case.setup_version}", DONE if case.setup_version >= lowest.value else FAILED, rule


def _new_meter(case: Case) -> list[_Step]:
    default = f"sign in once as {_USER} with the factory password, and give it another one in the same run (R-302)"
    if case.default_refused:
        return [_newest_setup(case, "R-361"), (f"{default}: the meter has refused it already", FAILED, "R-362")]
    return [_newest_setup(case, "R-361"), (default, TODO, "R-362")]


def _pme(case: Case) -> list[_Step]:
    return [
        _newest_setup(case, "R-363"),
        _runs_v3(case, "R-364"),
        ("configure the meter security settings of that software: user name, password, and mode of this meter", TODO, "R-365"),
        _as_before("R-366"),
    ]


def _runs_v3(case: Case, rule: str) -> _Step:
    text = "see that the meter runs 3.0.0 or later"
    if case.version is None:
        return text, TODO, rule
    return f"{text}; it runs {case.version}", DONE if case.version.major >= 3 else FAILED, rule


def _as_before(rule: str) -> _Step:
    text = f"sign in once as {_USER} with the password from before the upgrade; the vault keeps the one before the present one for this"
    return text, TODO, rule


def _vendor(rule: str) -> Callable[[Case], list[_Step]]:
    def steps(case: Case) -> list[_Step]:
        return [("contact Schneider Electric Technical Support with model, serial number and firmware version", TODO, rule)]

    return steps


def _locked(case: Case) -> list[_Step]:
    where = f" for {case.protocol}" if case.protocol else ""
    wait = "until the lockout duration is over" if case.retry_after is None else f"{case.retry_after} s"
    others = f" ({', '.join(case.others)})" if case.others else ""
    return [
        (f"wait {wait}; nothing signs in{where} before that, this collection included", TODO, "R-369"),
        (f"or sign in once by another protocol and connection{others}, with a password that is known to work", TODO, "R-370"),
    ]


def _after_upgrade(case: Case) -> list[_Step]:
    return [_newest_setup(case, "R-371"), _as_before("R-371")]


def _lost(case: Case) -> list[_Step]:
    steps = [
        ("look into the vault for an earlier version of the password, and at who else changes passwords of this meter", TODO, "R-320"),
        ("correct the password and run again; the refused one is not tried again", TODO, "R-344"),
    ]
    if case.family == HEP:
        steps.append(
            ("sign in with the break-glass account and set the password anew; a lost one cannot be read from the meter", TODO, "R-342")
        )
    else:
        steps.append(("reset the user accounts at the meter's display, then give every account a new password", TODO, "R-156"))
    steps.append(("contact Schneider Electric Technical Support with model, serial number and firmware version", TODO, "R-157"))
    return steps


# -- the option --------------------------------------------------------------------------------------------------------

OPTION_SPEC: dict[str, Any] = {
    "type": "dict",
    "options": {
        "situation": {"type": "str", "choices": list(SITUATIONS)},
        "software": {"type": "list", "elements": "str", "choices": list(SOFTWARE), "default": []},
        "setup_version": {"type": "str"},
    },
}


def case_from(option: Mapping[str, Any] | None, **seen: Any) -> Case:
    """The case of the option ``diagnose`` and of what was seen. Raises InputError."""
    given = option or {}
    situation, software = given.get("situation") or "", tuple(given.get("software") or ())
    if situation and situation not in SITUATIONS:
        raise InputError("diagnose.situation", situation, f"one of {', '.join(SITUATIONS)}", "R-360")
    unknown = [item for item in software if item not in SOFTWARE]
    if unknown:
        raise InputError("diagnose.software", unknown[0], f"any of {', '.join(SOFTWARE)}", "R-360")
    setup = given.get("setup_version")
    version = None if setup is None else Dotted.parse(setup, "diagnose.setup_version")
    return Case(situation=situation, software=software, setup_version=version, **seen)
