# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the reading alone tells of a meter's security, where nobody signs in: the judges of the security room over little; pure.

What is wanted and was not seen is unknown. Nothing is planned here, and a setting that is only compared stays a comparison.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.target import Dlms, DlmsKeys
from ..catalogue.models import MCS301
from ..catalogue.versions import Version
from ..security import controls_dlms, judge_settings
from ..security.baseline import generation_of
from ..security.control import UNKNOWN, Control
from ..security.desired import desired_from
from ..security.seen import Seen
from ..security.state import REGISTER, State
from ..security.wanted import wanted_from
from .judge import Bare, bare

#: Options that ask for nothing by themselves.
_HOW = frozenset({"unsupported", "waivers", "accept", "channel", "update_secret", "consumers", "break_glass", "clock_tolerance"})
#: What is told of ourselves and not of the meter, where nobody signed in.
_OURS = frozenset({"own_association", "published_key"})
NOT_LOOKED = "nobody signed in: there are no credentials, keys or profile for this meter here"


def asks(options: Mapping[str, Any]) -> bool:
    """Whether a meter's part of the baseline (``security.baseline.document``) wants anything of its security."""
    return bool(options.keys() - _HOW)


def judge(
    family: str, facts: Mapping[str, Any], options: Mapping[str, Any], today: datetime.date, attest: Mapping[str, Any] | None = None,
    why: str = NOT_LOOKED,
) -> list[Bare]:  # fmt: skip
    """Every control of the part, from what the facts show. ``why`` is told of what they do not show."""
    options = {name: value for name, value in options.items() if name != "waivers"}
    if family == MCS301:
        return [plain(item) for item in _dlms(options, why)]
    state = _state(family, facts, why)
    found = judge_settings.judge(state, wanted_from({**options, "marks_key": "0" * 32}, family, managed=False), attest=attest, today=today)
    results = [plain(item) for item in found]
    if options.get("max_age_days") is not None:
        results.append(bare("password_age", UNKNOWN, f"less than {options['max_age_days']} days", None, why, "R-307"))
    return results


def plain(control: Control) -> Bare:
    """A judge's control as a result."""
    return bare(
        control.id, control.state, control.want, control.have, control.text, control.rule, evidence=control.evidence, remedy=control.remedy
    )


def _dlms(options: Mapping[str, Any], why: str) -> Sequence[Control]:
    seen = Seen(unread=_Always(why))
    found = controls_dlms.judge(seen, desired_from(options, Dlms(), managed=False), Dlms(), DlmsKeys(), controls_dlms.Marks())
    return [item for item in found if item.id not in _OURS]


class _Always(dict[str, str]):
    """The same reason for whatever was not read."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key, self._why)


def _state(family: str, facts: Mapping[str, Any], why: str) -> State:
    """The state as the facts tell it: the mode and what a profile's registers told."""
    told, firmware = facts.get("security") or {}, facts.get("firmware") or {}
    origin = facts.get("provenance") or {}
    version, mode = firmware.get("version"), told.get("mode")
    settings = {name: value for name, value in (told.get("settings") or {}).items() if f"security.settings.{name}" in origin}
    if origin.get("security.revenue_lock") == REGISTER:
        settings["revenue_lock"] = told["revenue_lock"]
    return State(
        family,
        str(facts.get("model") or ""),
        Version.parse(version) if version not in (None, "unknown") else None,
        generation_of(facts),
        str(facts.get("serial") or "") or None,
        None if mode in (None, "unknown") else mode,
        settings,
        {**dict.fromkeys(settings, REGISTER), "mode": origin.get("security.mode", "")},
        unread=_Always(why),
    )
