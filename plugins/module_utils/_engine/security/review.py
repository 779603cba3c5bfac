# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Changes of security as they go to review, and whether a meter is still as it was reviewed (R-116, design 4.6); pure.

What was not reviewed is not done: a change is made only where the very same one, from the very same present value, is in the plan.
No secret is ever in here; of a password only that it is set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.errors import InputError
from .control import PLANNED, Control
from .state import PASSWORD, Change

SET = "set"
HANDOVER, SECRET, SETTING = "handover", "secret", "setting"
FIELDS = ("control", "kind", "subject", "want", "have")
#: Of these the present value is no value but what the records know, or what changes by itself.
_UNSEEN = ("password:", "key_", "lls_secret", "clock")


def listed(changes: Sequence[Change], controls: Sequence[Control]) -> list[dict[str, Any]]:
    """The changes of a HEP or PM5000 meter in their order, each with the present value."""
    have = {item.id: item.have for item in controls}
    return [_line(item.control, item.kind, item.subject, item.want, have.get(item.control)) for item in changes]


def listed_controls(controls: Sequence[Control], kind: str = "") -> list[dict[str, Any]]:
    """What is planned of a DLMS meter, in the order of its changes; or what is handed over, where ``kind`` says so."""
    found = [item for item in controls if kind or item.state == PLANNED]
    return [_line(item.id, kind or (SECRET if _secret(item.id) else SETTING), None, item.want, item.have) for item in found]


def _line(control: str, kind: str, subject: str | None, want: Any, have: Any) -> dict[str, Any]:
    unseen = kind == PASSWORD or control.startswith(_UNSEEN)
    line = {
        "control": control,
        "kind": kind,
        "subject": subject,
        "want": SET if _secret(control) else want,
        "have": None if unseen else have,
    }
    plain: dict[str, Any] = json.loads(json.dumps(line, default=str))  # as it is in a file, whatever it was
    return plain


def _secret(control: str) -> bool:
    return control.startswith(("password:", "key_", "lls_secret"))


def expected(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a reviewed plan says of one meter, from the option ``expect``. Raises InputError."""
    if given is None:
        return None
    changes = given.get("changes")
    accepted = "serial and changes of a meter in security-plan.json"
    if not isinstance(given.get("serial"), str) or not isinstance(changes, (list, tuple)):
        raise InputError("expect", given, accepted, "R-116")
    if any(not isinstance(item, Mapping) or set(item) != set(FIELDS) for item in changes):
        raise InputError("expect.changes", changes, accepted, "R-116")
    return {"serial": given["serial"], "changes": [dict(item) for item in changes]}


def other_meter(expect: Mapping[str, Any] | None, serial: str | None) -> str:
    """Why this is not the meter that was reviewed; empty where it is."""
    if expect is None or serial == expect["serial"]:
        return ""
    return f"serial {serial or 'unknown'} answers here; the reviewed plan says {expect['serial'] or 'nothing of it'}"


def stale(expect: Mapping[str, Any] | None, planned: Sequence[Mapping[str, Any]]) -> str:
    """Why these changes are not what was reviewed; empty where each of them is, in that order. What is done already is left out."""
    if expect is None:
        return ""
    reviewed = list(expect["changes"])
    for item in planned:
        if item in reviewed:
            del reviewed[: reviewed.index(item) + 1]
            continue
        return f"{item['control']} {_why(item, expect['changes'])}"
    return ""


def _why(item: Mapping[str, Any], reviewed: Sequence[Mapping[str, Any]]) -> str:
    same = next((one for one in reviewed if (one["control"], one["kind"]) == (item["control"], item["kind"])), None)
    if same is None:
        return "would be changed, which the reviewed plan does not say"
    if same["have"] != item["have"]:
        return f"is {_shown(item['have'])}; the reviewed plan says {_shown(same['have'])}"
    if same != item:
        return f"would become {_shown(item['want'])}; the reviewed plan says {_shown(same['want'])}"
    return "would be changed in another order than the reviewed plan says"


def _shown(value: Any) -> str:
    return "unknown" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)


__all__ = ["FIELDS", "HANDOVER", "SET", "expected", "listed", "listed_controls", "other_meter", "stale"]
