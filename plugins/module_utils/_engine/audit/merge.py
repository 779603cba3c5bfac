# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a closer look at a meter told (the result of meter_security_info) as results of the audit; pure.

Numbers that change from run to run on a meter where nothing changed are told as what they stand for: within or beyond the wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalogue import reasons
from ..security.control import STATES
from .judge import Bare, bare

#: Texts of these tell how long something lasts yet; the code's own text stays the same.
_PASSING = frozenset({"login_held", "locked_out"})
_FIELDS = ("id", "state", "want", "have", "text", "rule", "evidence", "remedy")


def results(looked: Mapping[str, Any]) -> list[Bare]:
    """The controls of a look; what is planned has failed, and a state that nobody knows is unknown."""
    found = []
    for item in looked.get("controls") or ():
        if isinstance(item, Mapping) and all(name in item for name in _FIELDS[:6]):
            found.append(_quiet(bare(*(item[name] for name in _FIELDS[:6]), evidence=item.get("evidence"), remedy=item.get("remedy"))))
    return found


def failure(looked: Mapping[str, Any]) -> tuple[str, str]:
    """(reason, sentence) of a look that did not come to an end; empty where it did."""
    if not looked:
        return "", "nobody looked: the play ended before"
    error = looked.get("error")
    if not isinstance(error, Mapping) and not looked.get("failed"):
        return "", ""
    reason = str((error or {}).get("reason") or "")
    if reason in _PASSING:
        return reason, reasons.REASONS[reason].text
    return reason, str(looked.get("text") or looked.get("msg") or "the closer look ended without a message")


def remedy(reason: str) -> str:
    """What to do about it; empty for what is no code of the catalogue."""
    return reasons.remedy(reason) if reason in reasons.REASONS else ""


def _quiet(item: Bare) -> Bare:
    """The same without numbers that pass with time."""
    state, name = item["state"], item["id"]
    if state in ("planned", "changed"):
        item = {**item, "state": "fail"}
    elif state not in STATES:
        return {**item, "state": "unknown"}
    if state not in ("pass", "fail"):
        return item
    if name.startswith("password_age:"):
        user = name.partition(":")[2]
        word = "younger than that" if state == "pass" else "that old or older"
        return {**item, "have": word, "text": f"the password of {user} is {word} by the records"}
    if name == "clock":
        ahead = "behind" if str(item["have"]).startswith("-") else "ahead"
        word = "within that" if state == "pass" else f"further {ahead}"
        return {**item, "have": word, "text": item["text"]}
    return item
