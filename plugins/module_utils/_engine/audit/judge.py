# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From what a meter says of its firmware to results: readable, minimum, target, forbidden, advisories, parts; pure (rollout 4.2).

What two meters of one model and version come to is the same, so it is judged once. Versions compare within one model only (R-015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue import reasons
from ..catalogue.advisories import ADVISORIES
from ..catalogue.models import MCS301, Model, find_model
from ..catalogue.versions import Version
from ..planning import parts
from .firmware_wanted import ComponentWanted, FirmwareWanted
from .fix import way

#: A result before it belongs to a meter: no fingerprint, location and fix yet.
Bare = dict[str, Any]
READABLE = "firmware_readable"
_NO_MODEL = "its model is not known, so no version can be compared"


@dataclass(frozen=True)
class Firmware:
    """What a meter was read to run. ``model`` is empty and ``version`` empty where they are not known; ``told`` are parts of an MCS301."""

    family: str
    model: str
    version: str
    told: tuple[tuple[int, tuple[str, ...], str], ...] = ()
    unread: str = ""

    @classmethod
    def of(cls, family: str, facts: Mapping[str, Any]) -> Firmware:
        """Out of facts of a meter."""
        told = facts.get("firmware") or {}
        version = told.get("version") or "unknown"
        model = facts.get("model")
        found: list[tuple[int, tuple[str, ...], str]] = []
        for item in told.get("components") or ():
            if isinstance(item, Mapping) and isinstance(item.get("b"), int):
                names = tuple(str(text) for text in item.get("identifiers") or ())
                found.append((item["b"], names, str(item.get("signature") or "")))
        unread = (facts.get("unread") or {}).get("firmware.version", "")
        return cls(family, "" if model in (None, "unknown") else str(model), "" if version == "unknown" else version, tuple(found), unread)


def bare(name: str, state: str, want: Any, have: Any, text: str, rule: str = "", **more: Any) -> Bare:
    """A result; what says nothing is left out. Without a rule it has that of its control."""
    return {
        "id": name, "state": state, "want": want, "have": have, "text": text, "rule": rule,
        **{key: value for key, value in more.items() if value},
    }  # fmt: skip


def silent(reason: str, text: str) -> Bare:
    """The one automated result of a meter that could not be read: nothing is known of it."""
    return bare(
        READABLE, "unknown", "a version", None, text, reason=reason, remedy=reasons.remedy(reason) if reason in reasons.REASONS else ""
    )


def judge(found: Firmware, wanted: FirmwareWanted) -> list[Bare]:
    """Every result of a meter's firmware that the baseline or the advisories ask for."""
    results = [_readable(found)]
    if found.family == MCS301:
        return [*results, *_components(found, wanted)]
    model, version = _model(found.model), _version(found.version)
    asked = [item for item in (wanted.minimum, wanted.target, *wanted.forbidden) if item is not None]
    if version is None or model is None:
        why = found.unread or "the meter does not tell its version" if model is not None else _NO_MODEL
        return [*results, *(_unread(name, wanted, why) for name in _asked(wanted))] if asked else results
    if wanted.minimum is not None:
        results.append(_minimum(found, version, wanted))
    if wanted.target is not None:
        results.append(_target(found, version, wanted.target))
    if wanted.forbidden:
        results.append(_forbidden(found, version, wanted))
    if wanted.advisories:
        results += _advisories(found, model, version, wanted)
    return results


def _model(text: str) -> Model | None:
    try:
        return find_model(text)
    except InputError:
        return None


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except InputError:
        return None


def _readable(found: Firmware) -> Bare:
    if found.version:
        return bare(READABLE, "pass", "a version", found.version, "the meter tells what it runs")
    return bare(READABLE, "unknown", "a version", None, found.unread or "the meter does not tell its version")


def _asked(wanted: FirmwareWanted) -> list[str]:
    given = {"minimum": wanted.minimum, "target": wanted.target, "forbidden": wanted.forbidden}
    return [f"firmware_{name}" for name, value in given.items() if value]


def _unread(name: str, wanted: FirmwareWanted, why: str) -> Bare:
    want = {"firmware_minimum": wanted.minimum, "firmware_target": wanted.target}.get(name)
    return bare(name, "unknown", _bands(wanted) if want is None else str(want), None, why)


def _minimum(found: Firmware, version: Version, wanted: FirmwareWanted) -> Bare:
    name, want, have = "firmware_minimum", str(wanted.minimum), str(version)
    if wanted.minimum is None or version >= wanted.minimum:
        return bare(name, "pass", want, have, f"runs {have}", evidence="register")
    text = f"runs {have}, which is below {want}"
    return _with_way(bare(name, "fail", want, have, text, evidence="register"), found, str(wanted.target or wanted.minimum))


def _target(found: Firmware, version: Version, target: Version) -> Bare:
    name, want, have = "firmware_target", str(target), str(version)
    if version == target:
        return bare(name, "pass", want, have, f"runs {have}", evidence="register")
    text = f"runs {have}, which is {'below' if version < target else 'above'} {want}"
    return _with_way(bare(name, "fail", want, have, text, evidence="register"), found, want)


def _forbidden(found: Firmware, version: Version, wanted: FirmwareWanted) -> Bare:
    name, want, have = "firmware_forbidden", _bands(wanted), str(version)
    band = wanted.forbids(version)
    if band is None:
        return bare(name, "pass", want, have, f"runs {have}", evidence="register")
    item = bare(name, "fail", want, have, f"runs {have}, which the baseline forbids", evidence="register")
    if wanted.target is None:
        return {**item, "remedy": "a target in the baseline that is not forbidden"}
    return _with_way(item, found, str(wanted.target))


def _bands(wanted: FirmwareWanted) -> str:
    shown = [str(band.first) if band.first == band.last else f"{band.first}-{band.last}" for band in wanted.forbidden]
    return f"none of {', '.join(shown)}"


def _advisories(found: Firmware, model: Model, version: Version, wanted: FirmwareWanted) -> list[Bare]:
    """One result for each bulletin that names the model (X-09, X-10)."""
    results = []
    for item in ADVISORIES:
        fixed = item.fixed.get(model.name)
        if fixed is None:
            continue
        name, want, have = f"firmware_advisory:{item.id}", str(fixed), str(version)
        if not item.affects(model, version):
            results.append(bare(name, "pass", want, have, f"runs {have}, which is not affected", item.rule, evidence="register"))
            continue
        text = f"{', '.join(item.cves)}: {item.text}"
        failed = bare(name, "fail", want, have, text, item.rule, evidence="register")
        if wanted.target is not None and wanted.target < fixed:
            # The baseline's own target does not mend it, so no run of ours does.
            failed["reason"], failed["remedy"] = "target_affected", f"{reasons.remedy('target_affected')} Until then: {item.mitigation}."
            results.append(failed)
        else:
            results.append(_with_way(failed, found, str(wanted.target or fixed), f" Until then: {item.mitigation}."))
    return results


def _with_way(item: Bare, found: Firmware, target: str, more: str = "") -> Bare:
    """A failed result with the documented way to mend it, or the reason why there is none."""
    path = way(found.model, found.version, target)
    if path is None:
        return item
    if path.supported and path.hops:
        return {**item, "remedy": f"an upgrade, {path.text}.{more}"}
    if path.reason:
        return {**item, "reason": path.reason, "remedy": f"{reasons.remedy(path.reason)}{more}", "text": f"{item['text']}; {path.text}"}
    return item


# -- meters whose parts have identifiers ------------------------------------------------------------------------------


def _components(found: Firmware, wanted: FirmwareWanted) -> list[Bare]:
    told = {number: (names, signature) for number, names, signature in found.told}
    results = []
    for number, item in sorted(wanted.components.items()):
        names, signature = told.get(number, ((), ""))
        if item.target or item.approved:
            results.append(_component(number, item, names))
        if item.signature:
            results.append(_signature(number, item.signature, signature, bool(names)))
    return results


def _component(number: int, wanted: ComponentWanted, names: tuple[str, ...]) -> Bare:
    """The identifier of one part; of several that a meter tells for it, one that is wanted is enough (X-06)."""
    name = f"component:{number}"
    want: Any = wanted.target or list(wanted.approved)
    if not names:
        return bare(name, "unknown", want, None, f"the meter does not tell what part {number} runs")
    accepted = (wanted.target,) if wanted.target else wanted.approved
    have = parts.runs({number: names}, number, next((text for text in accepted if text in names), ""))
    if have in accepted:
        return bare(name, "pass", want, have, "is the target" if wanted.target else "is an approved one", evidence="object")
    text = f"part {number} runs {have}, which is {'not the target' if wanted.target else 'none of the approved ones'}"
    remedy = "an upgrade of this part" if wanted.target else "a target in the baseline among the approved ones, or the approval of this one"
    return bare(name, "fail", want, have, text, evidence="object", remedy=remedy)


def _signature(number: int, want: str, have: str, told: bool) -> Bare:
    """The signature of a part that runs (R-218): another one under the same identifier is another software."""
    name = f"component_signature:{number}"
    if not have:
        why = f"the meter does not tell the signature of part {number}" if told else f"the meter does not tell of part {number}"
        return bare(name, "unknown", want, None, why)
    if have == want:
        return bare(name, "pass", want, have, "is the approved one", evidence="object")
    remedy = "find out what was installed; the same identifier with another signature is another software"
    return bare(name, "fail", want, have, f"part {number} has another signature", evidence="object", remedy=remedy)
